"""The `kvnode` program and its log, without opening a port but for one test."""

import io
import os
import re
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest

from kvnode import cli
from kvnode.config import Config
from kvnode.logs import Log


class FakeServer:
    """Stands in for kvnode.server: keeps what `run` was given."""

    config: Config
    log: Log

    def __init__(self) -> None:
        self.was_run = False
        self.error: OSError | None = None

    def run(self, config: Config, log: Log) -> int:
        self.was_run = True
        self.config = config
        self.log = log
        if self.error is not None:
            raise self.error
        return 0


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    fake = FakeServer()
    module = types.ModuleType("kvnode.server")
    monkeypatch.setattr(module, "run", fake.run, raising=False)
    monkeypatch.setitem(sys.modules, "kvnode.server", module)
    monkeypatch.chdir(tmp_path)
    return fake


@pytest.mark.parametrize("words", [["serve"], []])
def test_serve_is_the_default_command(server: FakeServer, words: list[str]) -> None:
    assert cli.main([*words, "--port", "7000", "--save", "", "--loglevel", "debug"]) == 0
    assert server.config.number("port") == 7000
    assert server.config.show("save") == ""


def test_serve_without_any_argument_uses_the_defaults(server: FakeServer) -> None:
    assert cli.main([]) == 0
    assert server.config.number("port") == 6379
    assert server.config.file == ""


@pytest.mark.parametrize("words", [["n.conf"], ["--config", "n.conf"]])
def test_serve_reads_a_file_and_options_win(
    server: FakeServer, tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "n.conf").write_text("port 7001\nhz 20\n")
    assert cli.main(["serve", *words, "--hz", "30"]) == 0
    assert (server.config.number("port"), server.config.number("hz")) == (7001, 30)
    assert server.config.file == str(tmp_path / "n.conf")


def test_two_configuration_files_are_refused(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", "a.conf", "--config", "b.conf"]) == 2
    assert "there can be one configuration file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["--hz", "x"], ["serve", "gone.conf"], ["--nosuch", "1"], ["--logfile", "/no/such/file"]],
)
def test_a_bad_configuration_is_one_line_and_status_2_and_starts_nothing(
    server: FakeServer, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert cli.main(words) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("kvnode: ")
    assert output.err.count("\n") == 1
    assert not server.was_run


def test_serve_enters_dir_and_opens_logfile_there(server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert cli.main(["--dir", "data", "--logfile", "node.log"]) == 0
    assert os.getcwd() == str(tmp_path / "data")
    server.log.notice("hello")
    assert "event=hello" in (tmp_path / "data" / "node.log").read_text()


def test_config_set_changes_the_level_of_the_log(
    server: FakeServer, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--loglevel", "warning"]) == 0
    server.log.notice("quiet")
    server.config.set_many([("loglevel", "notice")])
    server.log.notice("loud")
    assert re.findall(r"event=(\w+)", capfd.readouterr().err) == ["loud"]


def test_a_port_in_use_is_one_line_that_names_the_holder(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        server.error = OSError(98, "Address already in use", f"127.0.0.1:{port}")
        assert cli.main(["--port", str(port)]) == 1
    name = Path("/proc/self/comm").read_text().strip()
    assert capsys.readouterr().err == (
        f"kvnode: cannot listen on 127.0.0.1:{port}: address already in use "
        f"(held by {name}, process {os.getpid()})\n"
    )


def test_a_port_that_nobody_holds_has_no_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert cli.port_holder(port) is None


def test_a_connection_from_a_port_does_not_hold_it() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        assert cli.port_holder(client.getsockname()[1]) is None


def test_another_failure_to_listen_names_its_reason(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.error = PermissionError(13, "Permission denied")
    assert cli.main(["--port", "80"]) == 1
    assert capsys.readouterr().err == "kvnode: cannot listen on 127.0.0.1:80: permission denied\n"


def test_version_says_how_the_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    pattern = r"kvnode \d+\.\d+\.\d+ \((compiled|interpreted), Python 3\.\d+\.\d+, "
    assert re.fullmatch(pattern + r"redis 7\.0\.15 protocol\)\n", capsys.readouterr().out)


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["serve", "--help"], ["completion", "-h"]])
def test_help_is_printed_with_status_0(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 0
    assert "usage: kvnode" in capsys.readouterr().out


def test_an_unknown_command_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["nosuch"])
    assert caught.value.code == 2
    assert "invalid choice: 'nosuch'" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_offers_directives_and_their_choices(
    capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "maxmemory-policy" in script
    assert "volatile-lru" in script
    assert "@" not in script.replace('"$@"', "").replace("[@]", "")
    assert "watchdog-period" not in script, "hidden names are not offered"


def test_the_bash_completion_completes(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["completion", "bash"])
    ask = "COMP_WORDS=(kvnode serve --maxmemory-policy allkeys-l); COMP_CWORD=3\n"
    ask += "_kvnode; echo ${COMPREPLY[@]}"
    script = capsys.readouterr().out + ask
    answer = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout == "allkeys-lru allkeys-lfu\n"


def test_importing_the_program_loads_neither_server_nor_argparse() -> None:
    code = "import sys, kvnode.cli; print([m for m in ('kvnode.server', 'asyncio', 'argparse', "
    code += "'logging', 'difflib', 'tempfile') if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert answer.stdout == "[]\n"


def test_a_log_line_has_time_level_event_and_quoted_fields() -> None:
    stream = io.BytesIO()
    Log("debug", stream).debug("listening", address="[::1]:1", text='a "b"\n\\', empty="", raw=b"x")
    assert re.fullmatch(
        rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=debug event=listening "
        rb'address=\[::1\]:1 text="a \\"b\\"\\x0a\\\\" empty="" raw=x\n',
        stream.getvalue(),
    )


def test_a_log_writes_its_level_and_above() -> None:
    for lowest, expected in (("debug", 4), ("verbose", 3), ("notice", 2), ("warning", 1)):
        stream = io.BytesIO()
        log = Log(lowest, stream)
        log.debug("a")
        log.verbose("b")
        log.notice("c")
        log.warning("d")
        assert len(stream.getvalue().splitlines()) == expected


def test_a_log_that_cannot_be_written_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with io.FileIO(writing, "w") as raw:
        log = Log("notice", raw)
        for _ in range(1000):
            log.notice("signal", name="SIGTERM")


def test_a_log_refuses_a_level_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match=r"'loud'"):
        Log("loud", io.BytesIO())
