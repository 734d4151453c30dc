"""CONFIG REWRITE; the expected files are what redis-server 7.0.15 wrote, unless a test says so."""

import os
from pathlib import Path

import pytest

from kvnode.config import Config, ConfigError
from kvnode.config.reading import from_arguments, load
from kvnode.config.rewriting import MARKER

ALWAYS = "latency-tracking-info-percentiles 50 99 99.9"


def rewritten(folder: Path, text: str, *pairs: tuple[str, str]) -> list[str]:
    """Return the lines of the rewritten file, without `dir` and the percentiles."""
    path = folder / "redis.conf"
    path.write_text(text)
    config = load(str(path), from_arguments(["--port", "7000"]))
    config.set_many(list(pairs))
    config.rewrite()
    first = path.read_text()
    again = load(str(path), [])
    assert again.get(["*"]) == config.get(["*"])
    lines = first.splitlines()
    assert ALWAYS in lines or "latency-tracking" in text
    return [line for line in lines if line != ALWAYS and not line.startswith("dir ")]


def test_an_empty_file_gets_what_is_not_default_below_the_marker(tmp_path: Path) -> None:
    assert rewritten(tmp_path, "") == [
        MARKER,
        "port 7000",
        "save 3600 1",
        "save 300 100",
        "save 60 10000",
    ]


def test_comments_and_order_stay_and_repeated_lines_become_one(tmp_path: Path) -> None:
    text = (
        "# hello\n\nmaxmemory 5mb\n# save c\nsave 900 1\nsave 300 10\nhz 10\nHZ 20\n"
        "slave-priority 5\n\n# end"
    )
    changes = [("maxmemory", "100mb"), ("hz", "10"), ("activerehashing", "no")]
    assert rewritten(tmp_path, text, *changes) == [
        "# hello",
        "",
        "maxmemory 100mb",
        "# save c",
        "save 900 1",
        "save 300 10",
        "hz 10",
        "",
        "replica-priority 5",
        "",
        "# end",
        MARKER,
        "activerehashing no",
        "port 7000",
    ]


def test_values_are_written_in_the_form_of_redis(tmp_path: Path) -> None:
    text = 'save ""\nclient-output-buffer-limit normal 1 2 3\nrequirepass "a b\\x00\\n\\"c"\n'
    changes = [
        ("maxmemory", "1gb"),
        ("hash-max-ziplist-entries", "5"),
        ("notify-keyspace-events", "KEA"),
        ("oom-score-adj-values", "1 2 3"),
        ("save", "5 6 7 8"),
        ("maxmemory-clients", "5%"),
        ("proto-max-bulk-len", "3000000"),
        ("client-output-buffer-limit", "replica 5mb 6 7"),
        ("shutdown-on-sigint", "force now"),
        ("cluster-announce-hostname", "a.b"),
        ("masterauth", "x\ty é\x01"),
    ]
    assert rewritten(tmp_path, text, *changes) == [
        "save 5 6",
        "client-output-buffer-limit normal 1 2 3",
        'requirepass "a b\\x00\\n\\"c"',
        "",
        MARKER,
        "client-output-buffer-limit replica 5mb 6 7",
        'cluster-announce-hostname "a.b"',
        "hash-max-listpack-entries 5",
        'masterauth "x\\ty \\xc3\\xa9\\x01"',
        "maxmemory 1gb",
        "maxmemory-clients 5%",
        'notify-keyspace-events "AKE"',
        "oom-score-adj-values 1 2 3",
        "port 7000",
        "proto-max-bulk-len 3000000",
        "save 7 8",
        "shutdown-on-sigint now force",
    ]


def test_lines_of_texts_that_became_empty_go_and_defaults_stay_where_they_stood(
    tmp_path: Path,
) -> None:
    text = 'masterauth x\npidfile ""\nlogfile ""\ntimeout 5\nsave 1 1\nreplicaof no one\n'
    assert rewritten(tmp_path, text, ("masterauth", ""), ("timeout", "0"), ("save", "")) == [
        "",
        'logfile ""',
        "timeout 0",
        'save ""',
        "",
        MARKER,
        "port 7000",
    ]


def test_a_second_rewrite_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "redis.conf"
    path.write_text("# a\n\n\nhz 20\nmasterauth x\n\n")
    config = load(str(path), [])
    config.set_many([("masterauth", ""), ("timeout", "5")])
    config.rewrite()
    first = path.read_bytes()
    assert b"timeout 5\n" in first
    config.rewrite()
    assert path.read_bytes() == first


def test_later_rewrites_append_below_the_same_marker(tmp_path: Path) -> None:
    path = tmp_path / "redis.conf"
    path.write_text("hz 20\n")
    config = load(str(path), [])
    config.rewrite()
    config.set_many([("timeout", "5")])
    config.rewrite()
    lines = path.read_text().splitlines()
    assert lines.count(MARKER) == 1
    assert lines[-1] == "timeout 5"


def test_a_class_of_buffer_limits_may_take_the_place_of_another(tmp_path: Path) -> None:
    text = "save 1 1\nport 7000\nclient-output-buffer-limit pubsub 5 6 7"
    assert rewritten(tmp_path, text) == [
        "save 1 1",
        "port 7000",
        "client-output-buffer-limit normal 0 0 0",
        MARKER,
        "client-output-buffer-limit pubsub 5 6 7",
    ]


def test_statements_stay_and_included_values_are_written_out(tmp_path: Path) -> None:
    (tmp_path / "i.conf").write_text("hz 77\n")
    text = f'include {tmp_path}/i.conf\nport 7000\nsave 1 1\nrename-command FLUSHALL ""\n'
    text += "list-max-ziplist-entries 5\nuser bob on\n"
    assert rewritten(tmp_path, text) == [
        f"include {tmp_path}/i.conf",
        "port 7000",
        "save 1 1",
        'rename-command FLUSHALL ""',
        "# ??? list-max-ziplist-entries 5",
        "user bob on",
        "",
        MARKER,
        "hz 77",
    ]


def test_bind_keeps_its_line_even_at_its_default_because_the_default_of_redis_is_all(
    tmp_path: Path,
) -> None:
    # redis-server drops its own default here; see Addresses.rewrite.
    text = "bind 127.0.0.1\nport 7000\nsave 1 1\n"
    assert rewritten(tmp_path, text, ("bind", "127.0.0.1 -::1"))[0] == "bind 127.0.0.1 -::1"
    assert rewritten(tmp_path, text, ("bind", ""))[0] == 'bind ""'


def test_users_of_the_access_list_replace_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "redis.conf"
    path.write_text("user old on\nhz 20\n")
    config = load(str(path), [])
    config.user_lines = lambda: ["user default on nopass", "user new off"]
    config.rewrite()
    lines = path.read_text().splitlines()
    assert lines[:2] == ["user default on nopass", "hz 20"]
    assert lines[-1] == "user new off"


def test_a_file_that_is_gone_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "redis.conf"
    path.write_text("hz 20\n")
    config = load(str(path), [])
    path.unlink()
    config.rewrite()
    assert "hz 20" in path.read_text().splitlines()
    assert os.listdir(tmp_path) == ["redis.conf"]


def test_the_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "redis.conf"
    path.write_text("requirepass secret\n")
    for mode in (0o600, 0o640):
        path.chmod(mode)
        load(str(path), []).rewrite()
        assert path.stat().st_mode & 0o777 == mode


def test_a_failed_rewrite_names_the_reason_and_leaves_the_file(tmp_path: Path) -> None:
    config = Config()
    config.file = str(tmp_path / "gone" / "redis.conf")
    with pytest.raises(ConfigError, match=r"^Rewriting config file: No such file or directory$"):
        config.rewrite()


def test_a_failed_replacement_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "redis.conf"
    path.write_text("hz 20\n")
    config = load(str(path), [])

    def fail(_source: str, _target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ConfigError, match=r"^Rewriting config file: No space left on device$"):
        config.rewrite()
    assert path.read_text() == "hz 20\n"
    assert os.listdir(tmp_path) == ["redis.conf"]
