"""`kvnode check-rdb` and `check-aof` say what is in a file, or where it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvnode import cli

from .disks import MemoryDisk
from .requesters import Requester
from .test_append_log import started, write_out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an RDB file and a log of a base and an increment."""
    disk = MemoryDisk()
    engine = started(disk)
    Requester(engine).send(1, b"RPUSH", b"list", b"1")
    engine.send([b"SAVE"])
    engine.send([b"BGREWRITEAOF"])
    while engine.node.append_log.job is not None:
        engine.node.tick(engine.clock.now())
    for words in ([b"SET", b"a", b"1"], [b"MULTI"], [b"SET", b"b", b"1"], [b"DEL", b"a"]):
        engine.send(words)
    engine.send([b"EXEC"])
    write_out(engine)
    for name, data in disk.content.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return tmp_path


def test_a_sound_file_is_described(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check-rdb", str(folder / "dump.rdb")]) == 0
    output = capsys.readouterr().out
    assert "RDB version 10, written by 7.0.15, sound\n  list: 1\n" in output
    assert "  clients with exactly-once requests: 1\n" in output
    manifest = folder / "appendonlydir" / "appendonly.aof.manifest"
    assert cli.main(["check-aof", str(manifest)]) == 0
    output = capsys.readouterr().out
    assert "appendonly.aof.2.base.rdb: 0 requests" in output
    assert "appendonly.aof.2.incr.aof: 6 requests" in output


def test_damage_of_an_rdb_file_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "dump.rdb"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert cli.main(["check-rdb", str(path)]) == 1
    assert "wrong checksum" in capsys.readouterr().err
    assert cli.main(["check-rdb", str(folder / "nothing")]) == 1
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize("cut", [3, 40])
def test_a_torn_log_is_cut_when_that_is_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str], cut: int
) -> None:
    path = folder / "appendonlydir" / "appendonly.aof.2.incr.aof"
    manifest = folder / "appendonlydir" / "appendonly.aof.manifest"
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    whole = data.index(b"*1\r\n$5\r\nMULTI")
    assert cli.main(["check-aof", str(manifest)]) == 1
    assert f"sound up to offset {whole}, " in capsys.readouterr().err
    assert path.read_bytes() == data[:-cut]
    assert cli.main(["check-aof", str(manifest), "--fix"]) == 0
    assert f"cut at offset {whole}, " in capsys.readouterr().out
    assert path.read_bytes() == data[:whole]
    assert cli.main(["check-aof", str(path)]) == 0


@pytest.mark.parametrize("name", ["appendonly.aof.2.base.rdb", "an.aof"])
def test_what_is_no_log_is_not_cut(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = folder / "appendonlydir" / name
    data = path.read_bytes()[:-3] if name.endswith(".rdb") else b"something else\n"
    path.write_bytes(data)
    assert cli.main(["check-aof", str(path), "--fix"]) == 1
    assert "(--fix leaves it as it is)" in capsys.readouterr().err
    assert path.read_bytes() == data
    path.write_bytes(b"")
    status = 1 if name.endswith(".rdb") else 0
    assert cli.main(["check-aof", str(path)]) == status


def test_a_log_that_is_damaged_in_the_middle_can_be_cut_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "appendonlydir" / "appendonly.aof.2.incr.aof"
    data = path.read_bytes()
    place = data.index(b"*3")
    path.write_bytes(data[:place] + b"#comment\r\nnoise" + data[place:])
    assert cli.main(["check-aof", str(path)]) == 1
    assert f"no request begins here (offset {place + 10})" in capsys.readouterr().err
    assert cli.main(["check-aof", str(path), "--fix"]) == 0
    assert cli.main(["check-aof", str(path)]) == 0


def test_a_log_is_cut_after_a_second_of_its_annotations(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = folder / "appendonlydir" / "appendonly.aof.manifest"
    path = folder / "appendonlydir" / "appendonly.aof.2.incr.aof"
    data = path.read_bytes()
    later = (
        b"#TS:1700000005\r\n*1\r\n$5\r\nMULTI\r\n#TS:1700000009\r\n*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n"
    )
    path.write_bytes(b"#TS:1700000001\r\n" + data + later + b"*1\r\n$4\r\nEXEC\r\n")
    cut = ["check-aof", str(manifest), "--truncate-to-timestamp"]
    whole = path.read_bytes()
    assert cli.main([*cut, "1700000009"]) == 0
    assert path.read_bytes() == whole
    assert cli.main([*cut, "1700000000"]) == 1
    assert "nothing in it is from before" in capsys.readouterr().err
    # Inside a transaction there is no place to cut: it goes as a whole.
    assert cli.main([*cut, "1700000005"]) == 0
    assert path.read_bytes() == b"#TS:1700000001\r\n" + data
    path.write_bytes(whole)
    assert cli.main([*cut, "1700000004"]) == 0
    assert path.read_bytes() == b"#TS:1700000001\r\n" + data
    _, _, lines = manifest.read_text().partition("\n")
    manifest.write_text(lines + "file appendonly.aof.3.incr.aof seq 3 type i\n")
    (folder / "appendonlydir" / "appendonly.aof.3.incr.aof").write_bytes(data)
    path.write_bytes(whole)
    assert cli.main([*cut, "1700000004"]) == 1
    assert "it is not the last file of the log" in capsys.readouterr().err
    assert path.read_bytes() == whole
    path.write_bytes(b"#TS:soon\r\n" + data)
    assert cli.main([*cut, "1700000004"]) == 1
    assert "a time that is no number (offset 0)" in capsys.readouterr().err
