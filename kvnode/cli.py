"""The `kvnode` program: start a node, print the version, print a shell completion script."""

import errno
import os
import sys
from io import FileIO

from kvnode import __version__
from kvnode.config import Config, ConfigError
from kvnode.config.reading import Statement, from_arguments, load
from kvnode.logs import Log, RawStream
from kvprotocol import requests

USAGE_ERROR = 2
LISTEN_ERROR = 1
_SERVE_USAGE = "kvnode serve [FILE | -] [--config FILE] [--NAME VALUE ...]"
_TCP_LISTEN = "0A"  # a socket's state in /proc/net/tcp


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    asks_help = bool(arguments) and arguments[0] in ("--help", "--version")
    if not arguments or (arguments[0].startswith("--") and not asks_help):
        # `kvnode --port 7000` is `kvnode serve --port 7000`.
        return _serve(arguments)
    if arguments[0] == "serve" and arguments[1:2] not in (["--help"], ["-h"]):
        return _serve(arguments[1:])
    return _run_other(arguments)


def version() -> str:
    """Return the version line: release, how it runs, and the protocol it speaks."""
    mode = "compiled" if str(requests.__file__).endswith(".so") else "interpreted"
    python = ".".join(str(part) for part in sys.version_info[:3])
    return f"kvnode {__version__} ({mode}, Python {python}, redis 7.0.15 protocol)"


def port_holder(port: int) -> tuple[str, int] | None:
    """Return name and id of the process that listens on a TCP port, if this user may see it."""
    sockets = _listening_sockets(port)
    for entry in os.listdir("/proc") if sockets else ():
        if not entry.isdigit():
            continue
        try:
            handles = os.listdir(f"/proc/{entry}/fd")
        except OSError:
            continue  # another user's process, or one that ended
        for handle in handles:
            try:
                if os.readlink(f"/proc/{entry}/fd/{handle}") in sockets:
                    with open(f"/proc/{entry}/comm", encoding="utf-8", errors="replace") as name:
                        return name.read().strip(), int(entry)
            except OSError:
                continue
    return None


def _serve(arguments: list[str]) -> int:
    _open_standard_streams()
    try:
        config = _configuration(arguments)
        _enter_folder(config)
        log = Log(config.text("loglevel"), _log_stream(config.text("logfile")))
    except ConfigError as error:
        print(f"kvnode: {error}", file=sys.stderr)
        return USAGE_ERROR
    config.subscribe("dir", lambda: _enter_folder(config))
    config.subscribe("loglevel", lambda: log.set_level(config.text("loglevel")))
    # Imported here, so that help, completion and configuration errors need no server.
    from kvnode.server import run

    try:
        return run(config, log)
    except ConfigError as error:
        print(f"kvnode: {error}", file=sys.stderr)
        return USAGE_ERROR
    except OSError as error:
        print(f"kvnode: {_listen_failure(config, error)}", file=sys.stderr)
        return LISTEN_ERROR


def _open_standard_streams() -> None:
    """Open what the parent process closed: no socket may get the number of a standard stream.

    The loop ends the process over a socket of its own with such a number.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", errors="backslashreplace")


def _configuration(arguments: list[str]) -> Config:
    """Return the configuration of the words after `serve`."""
    path = ""
    if arguments and not arguments[0].startswith("--"):
        path, arguments = arguments[0], arguments[1:]
    overrides: list[Statement] = []
    for statement in from_arguments(arguments):
        if statement.name != "config":
            overrides.append(statement)
        elif len(statement.words) != 1 or path:
            raise statement.refused("there can be one configuration file", "one path, or -")
        else:
            path = statement.words[0]
    return load(path, overrides)


def _enter_folder(config: Config) -> None:
    folder = config.text("dir")
    try:
        os.chdir(folder)
    except OSError as error:
        raise ConfigError(error.strerror or str(error)) from None


def _log_stream(path: str) -> RawStream:
    if not path:
        return FileIO(2, "a", closefd=False)
    try:
        return FileIO(path, "a")
    except OSError as error:
        reason = (error.strerror or "unwritable").lower()
        raise ConfigError(f"logfile {path}: cannot open the file: {reason}") from None


def _listen_failure(config: Config, error: OSError) -> str:
    """Return one line that says where the node could not listen, and who is there."""
    # Loaded with the server by now.
    from kvnode.listeners import listen_reason

    port = config.number("port")
    # The server names the address in the error where it knows it.
    addresses = [address.removeprefix("-") for address in config.bind_addresses()] or ["*"]
    where = str(error.filename) if error.filename else f"{addresses[0]}:{port}"
    if error.errno != errno.EADDRINUSE:
        return f"cannot listen on {where}: {listen_reason(error)}"
    holder = port_holder(port)
    who = f" (held by {holder[0]}, process {holder[1]})" if holder else ""
    return f"cannot listen on {where}: address already in use{who}"


def _listening_sockets(port: int) -> set[str]:
    """Return the sockets that listen on a port, as /proc/*/fd names them."""
    sockets: set[str] = set()
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(path, encoding="ascii") as table:
                rows = [line.split() for line in table]
        except OSError:
            continue  # no such family, or no /proc at all
        for row in rows[1:]:
            if row[3] == _TCP_LISTEN and int(row[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{row[9]}]")
    return sockets


def _run_other(arguments: list[str]) -> int:
    """Run any command but `serve`; exits for --help, --version and wrong usage."""
    # Imported here: starting a node needs neither, and they are a fifth of its start.
    import argparse

    from kvnode.config.completion import SHELLS, script

    parser = argparse.ArgumentParser(
        prog="kvnode",
        description="A Redis-compatible in-memory store.",
        epilog="kvnode --port 7000 is short for kvnode serve --port 7000.",
    )
    parser.add_argument("--version", action="version", version=version())
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    serve = commands.add_parser(
        "serve",
        help="start a node",
        usage=_SERVE_USAGE,
        description="Start a node. Every directive of redis.conf is an option too; options win "
        "over the file. An option takes all words up to the next one: "
        '--client-output-buffer-limit normal 0 0 0 --save "".',
    )
    serve.add_argument("file", nargs="?", metavar="FILE", help="a redis.conf; - reads stdin")
    serve.add_argument("--config", metavar="FILE", help="the same, as an option")
    serve.add_argument("--port", metavar="N", help="TCP port (default: 6379)")
    serve.add_argument("--bind", metavar="A", help="addresses (default: 127.0.0.1 -::1)")
    serve.add_argument("--dir", metavar="D", help="working folder (default: .)")
    serve.add_argument("--NAME", metavar="VALUE", help="any other directive")
    completion = commands.add_parser("completion", help="print a shell completion script")
    completion.add_argument("shell", choices=SHELLS)
    check = commands.add_parser("check-rdb", help="check an RDB file and say what is in it")
    check.add_argument("file", metavar="FILE")
    check = commands.add_parser("check-aof", help="check an append-only log, and mend its end")
    check.add_argument("file", metavar="FILE", help="its manifest, or one of its files")
    cuts = check.add_mutually_exclusive_group()
    cuts.add_argument("--fix", action="store_true", help="cut the last file where it is damaged")
    cuts.add_argument(
        "--truncate-to-timestamp",
        metavar="SECONDS",
        type=int,
        help="cut the last file where it goes on after that unix time (aof-timestamp-enabled)",
    )
    # As redis-cli has them, -h is the host.
    shuffle = commands.add_parser(
        "shuffle", help="list, describe and end shuffles of a running node", add_help=False
    )
    if arguments[0] == "shuffle":
        # Imported here: nothing else needs sockets.
        from kvnode.shuffle_cli import add_arguments, run

        add_arguments(shuffle)
        return run(parser.parse_args(arguments))
    options = parser.parse_args(arguments)
    if arguments[0] in ("check-rdb", "check-aof"):
        # Imported here, since it takes most of the engine with it.
        from kvnode.durability.check import check_aof, check_rdb

        if arguments[0] == "check-rdb":
            return check_rdb(options.file)
        return check_aof(options.file, options.fix, options.truncate_to_timestamp)
    print(script(options.shell), end="")
    return 0
