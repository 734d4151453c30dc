"""redis-cli and redis-benchmark, as Debian ships them."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import redis

from tests.wire.servers import Server

from .processes import Process, environment, wait_until

TIMEOUT_S = 60


@pytest.fixture(params=["-2", "-3"], ids=["resp2", "resp3"])
def cli(request: pytest.FixtureRequest, node: Server, direct: redis.Redis) -> Cli:
    return Cli(node.port, request.param)


class Cli:
    """redis-cli on the node."""

    def __init__(self, port: int, protocol: str) -> None:
        self.command = ["redis-cli", "-p", str(port), protocol]

    def __call__(self, *arguments: str, input: bytes = b"") -> str:
        """What the program writes; it must end well."""
        done = subprocess.run(
            [*self.command, *arguments],
            input=input,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done
        return done.stdout.decode()


def test_a_pipe_loads_many_commands(cli: Cli, direct: redis.Redis) -> None:
    lines = b"".join(b"SET key:%d value:%d\r\n" % (n, n) for n in range(3000))
    packed = b"".join(b"*2\r\n$4\r\nINCR\r\n$7\r\ncounter\r\n" for _ in range(3000))
    assert "errors: 0, replies: 6000" in cli("--pipe", input=lines + packed)
    assert direct.dbsize() == 3001
    assert direct.get("counter") == "3000"


def test_a_pipe_counts_the_errors(cli: Cli) -> None:
    done = subprocess.run(
        [*cli.command, "--pipe"], input=b"SET a b\r\nINCR a\r\n", capture_output=True, check=False
    )
    assert b"errors: 1, replies: 2" in done.stdout
    assert b"not an integer" in done.stdout + done.stderr


def test_the_biggest_keys_are_found(cli: Cli, direct: redis.Redis) -> None:
    direct.mset({f"string:{number}": "x" * number for number in range(200)})
    direct.rpush("list", *range(50))
    direct.sadd("set", *range(60))
    direct.zadd("zset", {str(number): number for number in range(70)})
    direct.hset("hash", mapping={str(number): number for number in range(80)})
    direct.xadd("stream", {"a": 1})
    report = cli("--bigkeys")
    for line in (
        'Biggest string found .*"string:199"?.* has 199 bytes',
        'Biggest   list found .*"list"?.* has 50 items',
        'Biggest    set found .*"set"?.* has 60 members',
        'Biggest   zset found .*"zset"?.* has 70 members',
        'Biggest   hash found .*"hash"?.* has 80 fields',
        'Biggest stream found .*"stream"?.* has 1 entries',
        "Sampled 205 keys in the keyspace",
    ):
        assert re.search(line, report), report
    assert "Sampled 205 keys" in cli("--memkeys")


def test_keys_are_scanned_by_pattern(cli: Cli, direct: redis.Redis) -> None:
    direct.mset({f"user:{number}": number for number in range(500)} | {"other": 1})
    assert sorted(cli("--scan", "--pattern", "user:*").split()) == sorted(
        f"user:{number}" for number in range(500)
    )


def test_replies_are_written_as_csv_and_json(cli: Cli, direct: redis.Redis) -> None:
    direct.rpush("list", "plain", 'with "quotes"', "comma, and more")
    (row,) = csv.reader([cli("--csv", "LRANGE", "list", "0", "-1")], escapechar="\\")
    assert row == ["plain", 'with "quotes"', "comma, and more"]
    direct.hset("hash", "field", "value")
    written = cli("--json", "HGETALL", "hash").strip()
    assert written in ('{"field":"value"}', '["field","value"]')


def test_the_last_argument_is_read_from_the_input(cli: Cli, direct: redis.Redis) -> None:
    text = "line one\nline two\n"
    assert cli("-x", "SET", "document", input=text.encode()).strip() == "OK"
    assert direct.get("document") == text
    assert cli("GET", "document") == text + "\n"


def test_commands_are_repeated_and_read_from_the_input(cli: Cli, direct: redis.Redis) -> None:
    assert cli("-r", "5", "INCR", "counter").split() == ["1", "2", "3", "4", "5"]
    replies = cli(input=b"SELECT 3\nSET a 1\nMULTI\nINCR a\nINCR a\nEXEC\n").split()
    assert replies == ["OK", "OK", "OK", "QUEUED", "QUEUED", "2", "3"]
    assert direct.info("keyspace")["db3"]["keys"] == 1


def test_a_script_of_a_file_is_run(cli: Cli, direct: redis.Redis, tmp_path: Path) -> None:
    script = tmp_path / "add.lua"
    script.write_text("return redis.call('INCRBY', KEYS[1], ARGV[1]) + #KEYS")
    assert cli("--eval", str(script), "counter", ",", "5").strip() == "6"


def test_the_documentation_comes_from_the_node(cli: Cli) -> None:
    written = cli("COMMAND", "DOCS", "GET", "ZADD")
    for word in ("get", "summary", "zadd", "arguments", "oneof", "complexity"):
        assert word in written.split()


def test_a_monitor_shows_what_others_do(
    node: Server, cli: Cli, direct: redis.Redis, tmp_path: Path
) -> None:
    command = [*cli.command, "MONITOR"]
    with Process(command, environment(node.port), tmp_path, "OK") as monitor:
        direct.set("key", 'say "hi"')
        wait_until(lambda: '"SET" "key" "say \\"hi\\""' in monitor.output())
        assert re.search(r"^\d+\.\d{6} \[0 127\.0\.0\.1:\d+\]", monitor.output(), re.MULTILINE)


def test_a_subscriber_prints_messages(
    node: Server, cli: Cli, direct: redis.Redis, tmp_path: Path
) -> None:
    command = [*cli.command, "--csv", "SUBSCRIBE", "news"]
    with Process(command, environment(node.port), tmp_path, "subscribe") as subscriber:
        wait_until(lambda: direct.publish("news", "hello") == 1)
        wait_until(lambda: '"message","news","hello"' in subscriber.output())


def test_statistics_are_printed(node: Server, cli: Cli, tmp_path: Path) -> None:
    # Its output is written in blocks: often, so that one comes soon.
    command = [*cli.command, "--stat", "-i", "0.01"]
    with Process(command, environment(node.port), tmp_path, "keys") as stat:
        assert re.search(r"^\d+ +[\d.]+[KMGB] +\d+ +\d+ +\d+", stat.output(), re.MULTILINE)


@pytest.mark.parametrize(
    "options", [(), ("-P", "16"), ("-3",)], ids=["plain", "pipelined", "resp3"]
)
def test_the_benchmark_runs_without_an_error(
    options: tuple[str, ...], node: Server, direct: redis.Redis
) -> None:
    program = shutil.which("redis-benchmark")
    assert program is not None
    done = subprocess.run(
        [program, "-p", str(node.port), "-n", "500", "-c", "10", "--csv", *options],
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done
    assert "error" not in (done.stdout + done.stderr).lower()
    _, *rows = csv.reader(done.stdout.splitlines())
    names = {row[0].partition(" ")[0] for row in rows}
    assert names >= {"PING_INLINE", "SET", "GET", "LPUSH", "ZADD", "LRANGE_600", "MSET"}
    assert all(float(row[1]) > 0 for row in rows)
    assert direct.llen("mylist") >= 500
