"""Files in kvnode, redis-server and a cluster: what is visible when, and to whom."""

from __future__ import annotations

import asyncio
import os
import pickle
import random
import subprocess
import sys
import threading
from pathlib import Path

import fsspec
import pytest

from kvclient import Client
from kvclient.errors import AuthenticationError, ConfigurationError
from kvclient.fsspec import KvFileSystem
from kvclient.fsspec.locations import path_of, server_of

from ..wire.client import Wire, wait_until
from ..wire.servers import Server
from .places import url_in

CHUNK = 1000


def keys(place: str) -> set[bytes]:
    """The keys of all files, staged and replaced ones too."""
    with Client(place) as client:
        return {key for key in client.scan_iter(match="kvfs:*") if key != b"kvfs:names"}


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK, 5 * CHUNK + 7])
def test_a_file_of_any_size_comes_back_as_it_was_written(files: KvFileSystem, size: int) -> None:
    data = random.Random(size).randbytes(size)
    files.pipe_file("/folder/file", data)
    assert files.cat_file("/folder/file") == data
    assert files.size("/folder/file") == size
    with files.open("/folder/other", "wb", block_size=CHUNK) as file:
        for at in range(0, size, 333):
            file.write(data[at : at + 333])
    with files.open("/folder/other", "rb", block_size=CHUNK) as file:
        assert b"".join(iter(lambda: file.read(700), b"")) == data


def test_ranges_are_those_of_a_slice(files: KvFileSystem) -> None:
    data = random.Random(1).randbytes(3 * CHUNK + 500)
    files.pipe_file("/file", data)
    bounds = [None, 0, 1, 999, 1000, 1001, 2500, 3500, 9999, -1, -500, -3500, -9999]
    for start in bounds:
        for end in bounds:
            assert files.cat_file("/file", start, end) == data[start:end], (start, end)
    starts, ends = [0, 999, 3000], [10, 2001, 3500]
    found = files.cat_ranges(["/file"] * 3, starts, ends)
    assert found == [data[a:b] for a, b in zip(starts, ends)]
    assert isinstance(files.cat_ranges(["/none"], 0, 1)[0], FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        files.cat_ranges(["/none"], 0, 1, on_error="raise")


def test_appending_goes_on_behind_what_is_there(files: KvFileSystem) -> None:
    expected = b""
    for size in (10, CHUNK - 10, CHUNK, 3 * CHUNK + 5, 1):
        piece = os.urandom(size)
        with files.open("/log", "ab") as file:
            assert file.tell() == len(expected)
            file.write(piece)
        expected += piece
        assert files.cat_file("/log") == expected


def test_of_two_that_append_none_is_lost(files: KvFileSystem) -> None:
    for before in (b"", b"0" * 1500):
        files.pipe_file("/log", before)
        first, second = files.open("/log", "ab"), files.open("/log", "ab")
        first.write(b"1")
        second.write(b"2")
        first.close()
        with pytest.raises(OSError, match="appended to"):
            second.close()
        assert files.cat_file("/log") == before + b"1"
        files.rm("/log")
    first, second = files.open("/log", "ab"), files.open("/log", "ab")
    first.close()
    with pytest.raises(OSError, match="appended to"):
        second.close()


def test_a_transaction_that_would_lose_what_it_appends_fails(url: str) -> None:
    files = KvFileSystem(url)
    with pytest.raises(OSError, match="appended to"), files.transaction:
        for data in (b"1", b"2"):
            with files.open("/log", "ab") as file:
                file.write(data)
    assert files.find("/") == [] == list(keys(url))


def test_a_file_is_seen_when_it_is_complete(files: KvFileSystem, place: str) -> None:
    files.pipe_file("/file", b"old")
    with files.open("/file", "wb", block_size=CHUNK) as file, files.open("/new", "wb") as new:
        file.write(b"x" * 5 * CHUNK)
        new.write(b"y" * 5 * CHUNK)
        assert files.cat_file("/file") == b"old"
        assert files.find("/") == ["/file"]
    assert files.find("/") == ["/file", "/new"]
    with pytest.raises(ZeroDivisionError), files.open("/broken", "wb", block_size=CHUNK) as file:
        file.write(b"x" * 5 * CHUNK)
        raise ZeroDivisionError
    assert not files.exists("/broken")
    assert not [key for key in keys(place) if b"broken" in key]


def test_a_writer_that_dies_leaves_nothing(place: str) -> None:
    program = f"""
import os
from kvclient.fsspec import KvFileSystem
fs = KvFileSystem({place!r}, chunk_bytes=1000, abandoned_s=1)
file = fs.open("/file", "wb", block_size=1000)
file.write(b"x" * 5000)
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert len(keys(place)) == 1
    files = KvFileSystem(place)
    assert files.find("/") == []
    assert wait_until(lambda: not keys(place), 10.0)


def test_a_file_that_is_never_closed_is_lost_and_holds_nobody_up(place: str) -> None:
    program = f"""
from kvclient.fsspec import KvFileSystem
file = KvFileSystem({place!r}).open("/file", "wb")
file.write(b"x" * 5000)
KvFileSystem({place!r}).open("/other", "wb").close()
"""
    command = [sys.executable, "-W", "always", "-c", program]
    done = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    assert "was not closed" in done.stderr
    assert KvFileSystem(place).find("/") == ["/other"]


def test_what_has_expired_before_it_was_complete_is_not_shown(
    files: KvFileSystem, place: str
) -> None:
    files.pipe_file("/file", b"old")
    file = files.open("/file", "wb", block_size=CHUNK)
    file.write(b"x" * 5 * CHUNK)
    with Client(place) as client:
        client.delete(file.staged.key)
    file.write(b"y" * 5 * CHUNK)
    with pytest.raises(OSError, match="expired"):
        file.close()
    assert files.cat_file("/file") == b"old"


def test_lost_connections_harm_no_file(url: str) -> None:
    files = KvFileSystem(url, chunk_bytes=CHUNK)
    ended = threading.Event()

    def cut() -> None:
        with Client(url) as client:
            while not ended.wait(0.05):
                client.execute("CLIENT", "KILL", "TYPE", "normal")

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        for i in range(100):
            data = random.Random(i).randbytes(3 * CHUNK + 1)
            files.pipe_file(f"/{i % 7}", data)
            assert files.cat_file(f"/{i % 7}") == data
    finally:
        ended.set()
        cutter.join()
    assert len(files.find("/")) == 7
    with Client(url) as client:
        lasting = {key for key in keys(url) if client.ttl(key) == -1}
    assert lasting == {f"kvfs:{{/{i}}}".encode() for i in range(7)}


def test_a_reader_goes_on_with_the_file_that_it_opened(place: str) -> None:
    files = KvFileSystem(place, chunk_bytes=CHUNK, linger_s=60)
    generations = [bytes([letter]) * 10 * CHUNK for letter in b"abcd"]
    files.pipe_file("/file", generations[0])
    readers = []
    for data in generations[1:]:
        readers.append(files.open("/file", block_size=CHUNK, cache_type="none"))
        assert readers[-1].read(CHUNK)
        files.pipe_file("/file", data)
    for reader, data in zip(readers, generations):
        assert reader.read() == data[CHUNK:]
    assert files.cat_file("/file") == generations[-1]
    files.rm("/file")
    reader = readers[0]
    reader.seek(0)
    with pytest.raises(OSError, match="removed"):
        reader.read()
    with Client(place) as client:
        assert [key for key in keys(place) if not 0 < client.pttl(key) <= 60_000] == []


def test_many_writers_and_readers_of_one_file_never_see_a_mix(place: str) -> None:
    files = KvFileSystem(place, chunk_bytes=CHUNK)
    files.pipe_file("/file", b"\0" * 8 * CHUNK)
    wrong: list[bytes] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            data = files.cat_file("/file")
            if len(data) != 8 * CHUNK or len(set(data)) != 1:
                wrong.append(data)

    readers = [threading.Thread(target=read) for _ in range(3)]
    writers = [
        threading.Thread(
            target=lambda letter: [files.pipe_file("/file", letter * 8 * CHUNK) for _ in range(20)],
            args=(bytes([letter]),),
        )
        for letter in b"ab"
    ]
    for thread in (*readers, *writers):
        thread.start()
    for writer in writers:
        writer.join()
    ended.set()
    for reader in readers:
        reader.join()
    assert not wrong


def test_of_two_exclusive_writers_one_wins(files: KvFileSystem) -> None:
    first, second = files.open("/file", "xb"), files.open("/file", "xb")
    first.write(b"first")
    second.write(b"second")
    first.close()
    with pytest.raises(FileExistsError):
        second.close()
    assert files.cat_file("/file") == b"first"
    with pytest.raises(FileExistsError):
        files.open("/file", "xb")
    with pytest.raises(FileExistsError):
        files.pipe_file("/file", b"", mode="create")


def test_folders_are_what_names_begin_with(files: KvFileSystem) -> None:
    for name in ("/a/x", "/a/b/y", "/a/b/c/z", "/a.txt", "/a-b/w", "/a0"):
        files.pipe_file(name, name.encode())
    files.makedirs("/empty/inner")
    assert files.ls("/", detail=False) == ["/a", "/a-b", "/a.txt", "/a0", "/empty"]
    assert files.ls("/a", detail=False) == ["/a/b", "/a/x"]
    assert files.ls("/a/x", detail=False) == ["/a/x"]
    assert files.ls("/empty/inner") == []
    assert files.find("/a") == ["/a/b/c/z", "/a/b/y", "/a/x"]
    assert files.find("/a", maxdepth=2) == ["/a/b/y", "/a/x"]
    assert files.find("/a", withdirs=True) == [
        "/a",
        "/a/b",
        "/a/b/c",
        "/a/b/c/z",
        "/a/b/y",
        "/a/x",
    ]
    assert files.find("/a/x") == ["/a/x"]
    assert files.find("/none") == []
    assert files.glob("/a*") == ["/a", "/a-b", "/a.txt", "/a0"]
    assert files.glob("/a/**/z") == ["/a/b/c/z"]
    assert files.glob("/a/?") == ["/a/b", "/a/x"]
    assert [folder for folder, _, _ in files.walk("/a")] == ["/a", "/a/b", "/a/b/c"]
    assert files.du("/a") == len("/a/x/a/b/y/a/b/c/z")
    for missing in ("/none", "/a/none", "/a/x/none"):
        assert not files.exists(missing)
        with pytest.raises(FileNotFoundError):
            files.ls(missing)
    with pytest.raises(FileExistsError):
        files.mkdir("/empty")
    with pytest.raises(OSError, match="not empty"):
        files.rmdir("/empty")
    files.rmdir("/empty/inner")
    assert not files.exists("/empty/inner")
    files.rm("/empty", recursive=True)
    files.rm("/a", recursive=True)
    assert files.find("/", withdirs=True) == ["/", "/a-b", "/a-b/w", "/a.txt", "/a0"]


def test_a_folder_of_many_pages_is_listed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("names", "files"):
        monkeypatch.setattr(f"kvclient.fsspec.{module}.PAGE", 20)
    files = KvFileSystem(url)
    names = [f"/many/{i % 3}/{i:05}" for i in range(300)] + [f"/many/f{i}" for i in range(110)]
    files.pipe(dict.fromkeys(names, b"1"))
    assert files.find("/many") == sorted(names)
    assert len(files.ls("/many")) == 113
    assert len(files.ls("/many/1")) == 100
    files.rm("/many", recursive=True)
    assert not keys(url)
    assert not files.exists("/many")


def test_files_are_copied_moved_and_removed(files: KvFileSystem, place: str) -> None:
    data = os.urandom(3 * CHUNK + 1)
    files.pipe_file("/source", data)
    files.pipe_file("/taken", b"before")
    files.cp("/source", "/folder/copy")
    files.mv("/source", "/taken")
    assert files.find("/") == ["/folder/copy", "/taken"]
    assert files.cat_file("/folder/copy") == files.cat_file("/taken") == data
    files.mv("/taken", "/folder/")
    assert files.find("/") == ["/folder/copy", "/folder/taken"]
    files.mv("/folder", "/other", recursive=True)
    assert files.find("/") == ["/other/copy", "/other/taken"]
    for call in (files.mv, files.cp):
        with pytest.raises(FileNotFoundError):
            call("/none", "/there")
    with pytest.raises(FileNotFoundError):
        files.rm("/none")
    with pytest.raises(FileNotFoundError):
        files.rm_file("/none")
    with pytest.raises(IsADirectoryError):
        files.rm_file("/other")
    files.rm(["/other/copy", "/other/taken"])
    assert files.find("/") == []


def test_what_is_moved_onto_itself_is_there_afterwards(files: KvFileSystem) -> None:
    names = ["/d/a", "/d/d/a", "/d/sub/b"]
    files.pipe({name: name.encode() for name in names})
    files.makedirs("/d/empty")
    for target in ("d", "/d", "/d/", "//d"):
        files.mv("/d", target, recursive=True)
    files.mv("/d/*", "/d/", recursive=True)
    files.mv(["/d/a"], "/d/")
    assert files.find("/") == names and files.isdir("/d/empty")
    clashes: list[tuple[str | list[str], str | list[str]]] = [
        ("/d/", "/d/d"),
        (["/d/a", "/d/d/a"], "/d/"),
        (["/d/a", "/d/d/a"], ["/d/d/a", "/d/a"]),
    ]
    for source, where in clashes:
        with pytest.raises(OSError, match="another that is moved"):
            files.mv(source, where, recursive=True)
        assert files.cat(names) == {name: name.encode() for name in names}
    with pytest.raises(IsADirectoryError, match="recursively"):
        files.mv("/d", "/e")
    assert not files.exists("/e")


def test_a_folder_is_moved_with_what_is_empty_in_it(files: KvFileSystem) -> None:
    files.pipe({"/d/a": b"1", "/d/s/b": b"2", "/e/c": b"3"})
    files.makedirs("/d/empty")
    files.mv("/d", "/e", recursive=True)
    files.mv("/e/d/", "/f", recursive=True)
    assert files.find("/", withdirs=True) == [
        *("/", "/e", "/e/c", "/f", "/f/a", "/f/empty", "/f/s", "/f/s/b")
    ]
    files.mv("/f/*", "/g/", recursive=True)
    assert files.find("/g") == ["/g/a", "/g/s/b"]


def test_several_slashes_are_one(files: KvFileSystem) -> None:
    files.pipe_file("/base//name", b"1")
    assert files.find("/") == ["/base/name"]
    assert files.cat_file("//base///name//") == b"1"
    assert files.ls("/base//", detail=False) == ["/base/name"]


def test_a_folder_is_no_file_to_read(files: KvFileSystem) -> None:
    files.pipe_file("/folder/file", b"1")
    with pytest.raises(IsADirectoryError):
        files.open("/folder")


def test_a_transaction_shows_its_files_at_its_end(files: KvFileSystem, place: str) -> None:
    files.pipe_file("/a", b"old")
    with files.transaction:
        with files.open("/a", "wb") as file:
            file.write(b"new")
        files.pipe_file("/b", b"b")
        assert files.cat_file("/a") == b"old"
        assert not files.exists("/b")
    assert files.cat(["/a", "/b"]) == {"/a": b"new", "/b": b"b"}
    with pytest.raises(ZeroDivisionError), files.transaction:
        files.pipe_file("/c", b"c")
        with files.open("/a", "wb") as file:
            file.write(b"newer")
        raise ZeroDivisionError
    assert files.cat_file("/a") == b"new"
    assert not files.exists("/c")
    assert not [key for key in keys(place) if b":new:" in key]


def test_a_file_that_failed_has_no_part_in_its_transaction(files: KvFileSystem) -> None:
    with files.transaction:
        files.pipe_file("/a", b"a")
        with pytest.raises(ZeroDivisionError), files.open("/b", "wb") as file:
            file.write(b"b")
            raise ZeroDivisionError
    assert files.find("/") == ["/a"]


def test_on_one_node_a_transaction_shows_all_or_nothing(url: str) -> None:
    files = KvFileSystem(url)
    with pytest.raises(FileExistsError), files.transaction:
        files.pipe_file("/a", b"a")
        with files.open("/b", "xb") as file:
            file.write(b"b")
        KvFileSystem(url, skip_instance_cache=True).pipe_file("/b", b"somebody else's")
    assert files.find("/") == ["/b"]


def test_a_name_without_its_file_is_not_shown(files: KvFileSystem, place: str) -> None:
    files.pipe({"/a/x": b"", "/a/y": b""})
    with Client(place) as client:
        client.delete("kvfs:{/a/x}")  # as an eviction does
    assert files.ls("/a", detail=False) == files.find("/a") == ["/a/y"]
    files.rm("/a", recursive=True)
    assert not files.exists("/a")


def test_local_files_are_put_and_got(files: KvFileSystem, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "one").write_bytes(b"1" * 2500)
    (tmp_path / "in" / "deep" / "two").write_bytes(b"")
    files.put(str(tmp_path / "in"), "/", recursive=True)
    assert files.find("/") == ["/in/deep/two", "/in/one"]
    files.get("/in", str(tmp_path / "out"), recursive=True)
    assert (tmp_path / "out" / "one").read_bytes() == b"1" * 2500
    assert (tmp_path / "out" / "deep" / "two").read_bytes() == b""


def test_text_and_compression_come_from_fsspec(place: str) -> None:
    name = url_in(place, "notes.txt.gz")
    with fsspec.open(name, "wt", compression="infer") as file:
        file.write("grüß\n" * 1000)
    with fsspec.open(name, "rt", compression="infer") as file:
        assert list(file) == ["grüß\n"] * 1000


def test_filesystems_and_open_files_pickle(files: KvFileSystem) -> None:
    files.pipe_file("/file", b"0123456789")
    twin = pickle.loads(pickle.dumps(files))
    assert twin.cat_file("/file") == b"0123456789"
    with files.open("/file") as file:
        file.seek(4)
        with pickle.loads(pickle.dumps(file)) as other:
            assert other.read() == b"456789"
    mapper = pickle.loads(pickle.dumps(files.get_mapper("/map")))
    mapper["a/b"] = b"value"
    assert dict(files.get_mapper("/map")) == {"a/b": b"value"}


async def test_coroutines_use_it_without_a_thread(place: str) -> None:
    files = KvFileSystem(place, asynchronous=True, chunk_bytes=CHUNK)
    data = os.urandom(4 * CHUNK)
    await asyncio.gather(*(files._pipe_file(f"/file{i}", data) for i in range(20)))
    assert await files._cat_file("/file7", 1500, 2500) == data[1500:2500]
    assert len(await files._find("/")) == 20
    with pytest.raises(FileExistsError):
        await files.open_async("/file1", "xb")
    with pytest.raises(ValueError, match="mode"):
        await files.open_async("/file1", "r+b")
    async with await files.open_async("/stream", "wb", block_size=CHUNK) as stream:
        for at in range(0, len(data), 700):
            await stream.write(data[at : at + 700])
        assert not await files._exists("/stream")
    async with await files.open_async("/stream", "ab") as stream:
        await stream.write(b"end")
    async with await files.open_async("/stream") as stream:
        assert await stream.read(1500) == data[:1500]
        await files._pipe_file("/stream", b"other")
        assert await stream.read() == data[1500:] + b"end"
    with pytest.raises(ZeroDivisionError):
        async with await files.open_async("/broken", "wb") as stream:
            raise ZeroDivisionError
    await files._rm("/", recursive=True)
    assert await files._ls("/") == []
    await files.aclose()


def test_a_url_names_server_path_and_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KV_URL", raising=False)
    assert path_of("kv://user:pw@host:1/a/b?db=2") == "/a/b"
    assert path_of("a/b/") == path_of("kv:///a/b") == "/a/b"
    assert path_of("kv://host") == path_of("") == "/"
    assert path_of("kv://host/x?.csv") == "/x?.csv"
    assert path_of("kv://host/x?.csv?db=1&decode=no") == "/x?.csv"
    assert server_of("kvs://u:p@a:1,b:2/x?mode=cluster") == {
        "url": "kvs://u:p@a:1,b:2/?mode=cluster"
    }
    assert server_of("kv:///x") == server_of("x") == {}
    assert server_of("kv:///x?db=3") == {"db": 3}
    files, path = fsspec.url_to_fs("kv://user:secret@host:1/x?db=2")
    assert (path, files.options.password, files.options.db) == ("/x", "secret", 2)
    assert files.unstrip_protocol("/x") == "kv://host:1/x?db=2"
    assert files == KvFileSystem(url="kv://user:secret@host:1/?db=2")
    by_name, _ = fsspec.url_to_fs("kv://host:1/x", password="secret", db=2)
    assert (by_name.options.password, by_name.options.db) == ("secret", 2)
    monkeypatch.setenv("KV_URL", "kv://from:there@elsewhere:5")
    files, _ = fsspec.url_to_fs("kv:///x", skip_instance_cache=True)
    assert (str(files.options.addresses[0]), files.options.password) == ("elsewhere:5", "there")
    with pytest.raises(ConfigurationError, match="namespace"):
        KvFileSystem(namespace="{a}")
    with pytest.raises(ConfigurationError, match="decode"):
        KvFileSystem(decode=True)
    with pytest.raises(ConfigurationError, match="chunk_bytes"):
        KvFileSystem(chunk_bytes=0)


def test_credentials_come_from_the_url_the_options_or_the_environment(
    node: Server, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(node.port)
    wire.call("ACL", "SETUSER", "writer", "on", ">secret", "~kvfs:*", "+@all")
    try:
        with fsspec.open(f"kv://writer:secret@127.0.0.1:{node.port}/a?db=1", "wb") as file:
            file.write(b"1")
        options = {"username": "writer", "password": "secret", "db": 1}
        assert fsspec.open(f"{url}/a", **options).open().read() == b"1"
        monkeypatch.setenv("KV_URL", url)
        monkeypatch.setenv("KV_USERNAME", "writer")
        monkeypatch.setenv("KV_PASSWORD", "secret")
        assert fsspec.open("kv:///a?db=1", skip_instance_cache=True).open().read() == b"1"
        monkeypatch.setenv("KV_PASSWORD", "wrong")
        with pytest.raises(AuthenticationError):
            fsspec.open("kv:///a?db=1", skip_instance_cache=True).open()
    finally:
        wire.call("ACL", "DELUSER", "writer")
        wire.close()
