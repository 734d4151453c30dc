"""Shell completion scripts of the `kvnode` program, made from the directive table."""

from typing import Final

from kvnode.config.directives import BY_NAME, HIDDEN

SHELLS: Final = ("bash", "zsh", "fish")
_COMMANDS: Final = {
    "serve": "start a node",
    "completion": "print a shell completion script",
    "shuffle": "list, describe and end shuffles of a running node",
    "check-rdb": "check an RDB file and say what is in it",
    "check-aof": "check an append-only log, and mend its end",
}
_FILES: Final = ("config", "logfile", "aclfile", "unixsocket", "pidfile", "include")

_BASH: Final = """\
# bash completion for kvnode: source <(kvnode completion bash)
_kvnode() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"
    case "$prev" in
@cases@
        completion) COMPREPLY=($(compgen -W "@shells@" -- "$cur")); return ;;
        --dir) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        @files@|serve) COMPREPLY=($(compgen -f -- "$cur")) ;;
    esac
    if [[ $COMP_CWORD -eq 1 ]]; then
        COMPREPLY=($(compgen -W "@commands@ --help --version" -- "$cur"))
    fi
    if [[ $cur == --* && ${COMP_WORDS[1]} != completion ]]; then
        COMPREPLY+=($(compgen -W "@options@" -- "$cur"))
    fi
}
complete -o filenames -F _kvnode kvnode
"""

_ZSH: Final = """\
#compdef kvnode
# zsh completion for kvnode: kvnode completion zsh > "${fpath[1]}/_kvnode"
_kvnode() {
    local cur="${words[CURRENT]}" prev="${words[CURRENT-1]}"
    case "$prev" in
@cases@
        completion) compadd -- @shells@; return ;;
        --dir) _files -/; return ;;
        @files@|serve) _files ;;
    esac
    if (( CURRENT == 2 )); then
        compadd -- @commands@ --help --version
    fi
    if [[ $cur == --* && ${words[2]} != completion ]]; then
        compadd -- @options@
    fi
}
if [[ $funcstack[1] == _kvnode ]]; then _kvnode "$@"; else compdef _kvnode kvnode; fi
"""


def script(shell: str) -> str:
    """Return the completion script for one of SHELLS."""
    if shell == "fish":
        return _fish()
    template, answer = (
        (_BASH, '        --{}) COMPREPLY=($(compgen -W "{}" -- "$cur")); return ;;')
        if shell == "bash"
        else (_ZSH, "        --{}) compadd -- {}; return ;;")
    )
    cases = [answer.format(name, " ".join(words)) for name, words in _choices().items()]
    return (
        template.replace("@cases@", "\n".join(cases))
        .replace("@shells@", " ".join(SHELLS))
        .replace("@files@", "|".join(f"--{name}" for name in _FILES))
        .replace("@commands@", " ".join(_COMMANDS))
        .replace("@options@", " ".join(f"--{name}" for name in _options()))
    )


def _fish() -> str:
    lines = ["# fish completion for kvnode: kvnode completion fish | source"]
    lines.append("complete -c kvnode -f")
    for command, summary in _COMMANDS.items():
        lines.append(f"complete -c kvnode -n __fish_use_subcommand -a {command} -d '{summary}'")
    lines.append("complete -c kvnode -n __fish_use_subcommand -l help -d 'show the help'")
    lines.append("complete -c kvnode -n __fish_use_subcommand -l version -d 'show the version'")
    shells = " ".join(SHELLS)
    lines.append(f"complete -c kvnode -n '__fish_seen_subcommand_from completion' -a '{shells}'")
    choices = _choices()
    for name in _options():
        line = f"complete -c kvnode -n 'not __fish_seen_subcommand_from completion' -l {name}"
        if name in choices:
            line += f" -x -a '{' '.join(choices[name])}'"
        elif name == "dir":
            line += " -x -a '(__fish_complete_directories)'"
        else:
            line += " -r -F" if name in _FILES else " -x"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _options() -> list[str]:
    names = [name for name, row in BY_NAME.items() if not row.flags & HIDDEN]
    return sorted([*names, "config", "include"])


def _choices() -> dict[str, tuple[str, ...]]:
    return {
        name: row.kind.choices
        for name, row in sorted(BY_NAME.items())
        if row.kind.choices and not row.flags & HIDDEN
    }
