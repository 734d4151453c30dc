"""redis.conf, standard input and the command line."""

import io
from pathlib import Path

import pytest

from kvnode.config import Config, ConfigError
from kvnode.config.reading import from_arguments, load


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, text: str | bytes, *arguments: str) -> Config:
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "redis.conf").write_bytes(data)
    return load("redis.conf", from_arguments(list(arguments)))


def failure(folder: Path, text: str, *arguments: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, text, *arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def words_of(*arguments: str) -> list[tuple[str, list[str]]]:
    return [(statement.name, statement.words) for statement in from_arguments(list(arguments))]


def test_comments_blanks_and_line_ends_of_both_kinds_are_read(folder: Path) -> None:
    config = read(folder, "# a comment\r\n\r\n  hz\t  20  \r\n \"MAXMEMORY\" '5mb'\n")
    assert (config.number("hz"), config.number("maxmemory")) == (20, 5 << 20)


def test_quotes_and_escapes_are_read_and_any_byte_survives(folder: Path) -> None:
    config = read(folder, b'requirepass "a \\"b\\"\\x00\\n\\xff\xc3\xa9"\n')
    expected = b'a "b"\0\n\xff\xc3\xa9'
    assert config.text("requirepass").encode("utf-8", "surrogateescape") == expected


def test_a_comment_behind_a_value_is_not_a_comment(folder: Path) -> None:
    assert failure(folder, "hz 5 # five") == (
        "redis.conf, line 1: hz 5 # five: wrong number of arguments "
        "(allowed: a whole number from 0 to 2147483647)"
    )


def test_save_lines_add_up_and_the_first_replaces_the_defaults(folder: Path) -> None:
    config = read(folder, "save 900 1\nsave 300 10 60 100\n", "--save", "5 6")
    assert config.show("save") == "900 1 300 10 60 100 5 6"


def test_an_empty_save_forgets_the_save_lines_before_it(folder: Path) -> None:
    assert read(folder, 'save 900 1\nsave ""\n').show("save") == ""
    assert read(folder, 'save ""\nsave 900 1\n').show("save") == "900 1"


def test_buffer_limits_may_stand_on_one_line_or_several(folder: Path) -> None:
    config = read(
        folder,
        "client-output-buffer-limit normal 1 2 3\n"
        'client-output-buffer-limit "replica 4 5 6" \n'
        "client-output-buffer-limit pubsub 7 8 9 normal 0 0 0\n",
    )
    shown = "normal 0 0 0 slave 4 5 6 pubsub 7 8 9"
    assert config.show("client-output-buffer-limit") == shown


def test_statements_are_kept_for_their_owners(folder: Path) -> None:
    config = read(
        folder,
        'rename-command FLUSHALL ""\nrename-command GET fetch\n'
        "user alice on >secret ~*\nloadmodule /m.so arg\nlist-max-ziplist-entries 5\n",
    )
    assert config.renamed_commands == [("FLUSHALL", ""), ("GET", "fetch")]
    assert config.users == [["alice", "on", ">secret", "~*"]]
    assert config.without_effect() == [("loadmodule", "/m.so arg")]


def test_replicaof_and_slaveof_take_an_address_or_no_one(folder: Path) -> None:
    assert read(folder, "slaveof 10.0.0.1 7000").show("replicaof") == "10.0.0.1 7000"
    assert read(folder, "slaveof 10.0.0.1 7000\nreplicaof NO ONE").show("replicaof") == ""
    assert "Invalid master port" in failure(folder, "replicaof 10.0.0.1 99999")


def test_includes_are_read_where_they_stand(folder: Path) -> None:
    (folder / "b.conf").write_text("hz 30\ntimeout 7\n")
    config = read(folder, "timeout 5\ninclude b.conf\nhz 40\n")
    assert (config.number("hz"), config.number("timeout")) == (40, 7)


def test_an_include_pattern_is_read_in_order_and_may_match_nothing(folder: Path) -> None:
    (folder / "x2.conf").write_text("hz 2\n")
    (folder / "x1.conf").write_text("hz 1\n")
    assert read(folder, "include x*.conf\ninclude y*.conf\n").number("hz") == 2


def test_a_missing_include_and_an_endless_one_are_refused(folder: Path) -> None:
    assert failure(folder, "include gone.conf") == (
        "redis.conf, line 1: include gone.conf: cannot read the file: no such file or directory"
    )
    assert "nested deeper than 16" in failure(folder, "include redis.conf")


def test_an_error_in_an_included_file_names_that_file(folder: Path) -> None:
    (folder / "b.conf").write_text("\nhz x\n")
    assert failure(folder, "include b.conf").startswith("b.conf, line 2: hz x: argument couldn't")


def test_an_unknown_name_is_refused_with_a_near_one(folder: Path) -> None:
    assert failure(folder, "maxmemroy 5") == (
        "redis.conf, line 1: maxmemroy 5: unknown configuration name; did you mean maxmemory?"
    )


def test_unbalanced_quotes_are_refused(folder: Path) -> None:
    assert failure(folder, '\nhz "5') == 'redis.conf, line 2: unbalanced quotes: hz "5'
    assert "unbalanced quotes" in failure(folder, 'hz "5"x')


def test_secrets_do_not_appear_in_errors(folder: Path) -> None:
    assert "hunter2" not in failure(folder, "requirepass hunter2 extra")
    assert "hunter2" not in failure(folder, "user a >hunter2\nuser a >hunter2")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("unixsocketperm 999", "argument couldn't be parsed as an octal number"),
        ("unixsocketperm 1000", "argument must be between 0 and 777 inclusive"),
        ("dbfilename a/b", "dbfilename can't be a path, just a filename"),
        ("appenddirname a/b", "appenddirname can't be a path, just a dirname"),
        ('appendfilename ""', "appendfilename can't be empty"),
        ("dir /no/such/folder", "No such file or directory"),
        ("sentinel monitor x", "sentinel directive while not in sentinel mode"),
        ("rename-command get", "wrong number of arguments"),
        ("include", "wrong number of arguments"),
        ("user", "wrong number of arguments"),
        ("loadmodule", "wrong number of arguments"),
    ],
)
def test_other_wrong_lines_are_refused(folder: Path, line: str, reason: str) -> None:
    assert reason in failure(folder, line)


def test_users_in_the_file_and_in_an_aclfile_are_refused(folder: Path) -> None:
    assert "not in both" in failure(folder, "aclfile users.acl\nuser a on")


def test_the_command_line_wins_over_the_file(folder: Path) -> None:
    assert read(folder, "hz 20\n", "--hz", "30").number("hz") == 30


def test_an_option_takes_the_words_up_to_the_next_one() -> None:
    assert words_of("--save", "", "--port", "7000", "--bind", "::1", "127.0.0.1") == [
        ("save", [""]),
        ("port", ["7000"]),
        ("bind", ["::1", "127.0.0.1"]),
    ]


def test_the_word_behind_an_option_is_its_value_whatever_it_begins_with() -> None:
    assert words_of("--requirepass", "--abc", "--hz", "5") == [
        ("requirepass", ["--abc"]),
        ("hz", ["5"]),
    ]


def test_save_alone_may_stand_without_a_value() -> None:
    assert words_of("--save", "--hz", "5", "--SAVE") == [("save", []), ("hz", ["5"]), ("save", [])]


def test_name_and_value_may_be_one_argument() -> None:
    assert words_of("--hz 5", "--port", "1") == [("hz", ["5"]), ("port", ["1"])]


def test_an_error_on_the_command_line_says_so(folder: Path) -> None:
    assert failure(folder, "", "--hz", "x").startswith("command line: hz x: argument couldn't")
    with pytest.raises(ConfigError, match="begins with --"):
        from_arguments(["hz", "5"])


def test_a_dash_reads_standard_input_and_has_no_file_to_rewrite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"hz 33\n")))
    config = load("-", [])
    assert config.number("hz") == 33
    with pytest.raises(ConfigError, match=r"^The server is running without a config file$"):
        config.rewrite()


def test_the_redis_conf_of_redis_is_accepted_whole(folder: Path) -> None:
    config = read(
        folder,
        "bind 127.0.0.1 -::1\nprotected-mode yes\ndaemonize yes\npidfile /run/r.pid\n"
        'proc-title-template "{title} {listen-addr} {server-mode}"\nrdbcompression yes\n'
        'repl-diskless-sync-delay 5\noom-score-adj-values 0 200 800\nappenddirname "aof"\n'
        'notify-keyspace-events ""\nauto-aof-rewrite-min-size 64mb\njemalloc-bg-thread yes\n',
    )
    assert [name for name, _ in config.without_effect()] == [
        "daemonize",
        "pidfile",
    ]
