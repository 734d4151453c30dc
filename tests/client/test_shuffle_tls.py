"""Shuffles over TLS: large blocks in both directions, and the command `kvnode shuffle`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from kvclient.shuffle import ShuffleProgress

from ..wire.servers import free_port, kvnode_server
from .certificates import make_authority, make_certificate
from .flavour import Flavour
from .shuffling import in_partition, opened, payloads_of, within, write_map

LARGE: Final = bytes(range(256)) * (40 << 10)


@dataclass
class Place:
    """Where the certificates are, and the ports: with TLS, and without."""

    folder: Path
    port: int
    plain_port: int

    def file(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("certificates")
    known = make_authority(folder, "ca")
    make_authority(folder, "stranger")
    make_certificate(folder, "server", known, "127.0.0.1")
    make_certificate(folder, "me", known, "me")
    files = ("cert", "server.pem"), ("key", "server.key"), ("ca-cert", "ca.pem")
    words = [word for kind, name in files for word in (f"--tls-{kind}-file", str(folder / name))]
    port = free_port()
    budget = ("--shuffle-memory", "64mb")
    with kvnode_server(*words, *budget, "--tls-port", str(port)) as server:
        yield Place(folder, port, server.port)


@pytest.fixture
def c(f: Flavour, place: Place) -> Any:
    options = {"tls_ca_file": "ca.pem", "tls_cert_file": "me.pem", "tls_key_file": "me.key"}
    files = {option: place.file(name) for option, name in options.items()}
    return f.client(f"kvs://127.0.0.1:{place.port}", deadline_s=10.0, **files)


@pytest.mark.parametrize("codec", ["none", "lz4"])
def test_what_is_written_is_read(f: Flavour, c: Any, codec: str) -> None:
    if codec != "none":
        pytest.importorskip("lz4")
    shuffle = opened(f, c, f"tls-{f.kind}-{codec}", codec=codec)
    assert all(write_map(f, shuffle, map, payloads_of(map)).is_winner for map in range(2))
    assert f.do(lambda: shuffle.wait(5)) == 1
    for partition in range(3):
        assert f.each(partial(shuffle.read, partition)) == in_partition(partition, 0, 1)
    assert f.do(shuffle.end)


def test_large_blocks_go_through_whole_and_in_their_order(f: Flavour, c: Any) -> None:
    told: list[ShuffleProgress] = []
    terms = {"maps": 1, "partitions": 1, "on_progress": told.append}
    shuffle = opened(f, c, f"tls-large-{f.kind}", **terms)
    # More than the node's budget, so that some of it comes back from files.
    written = [b"%d" % number + LARGE[number % 7 :] for number in range(8)]
    with within(f, shuffle.map_task(0)) as task:
        for payload in written:
            f.do(partial(task.write, 0, payload))
            f.do(partial(task.write, 0, b"small"))
    read = f.each(lambda: shuffle.read(0))
    assert read[::2] == written and set(read[1::2]) == {b"small"}
    assert told[-1].fetched_bytes == told[-1].pushed_bytes > 80_000_000
    assert f.do(shuffle.status).details["spilled"] > 0
    assert f.do(shuffle.end)


def command(port: int, *words: str) -> tuple[int, str]:
    """What `kvnode shuffle` says, and how it ends."""
    argv = [sys.executable, "-m", "kvnode", "shuffle", "-p", str(port), *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_people_use_the_command_over_tls(place: Place) -> None:
    trust = ("--tls", "--cacert", place.file("ca.pem"))
    own = ("--cert", place.file("me.pem"), "--key", place.file("me.key"))
    assert command(place.port, *trust, *own, "ls") == (0, "no shuffles\n")
    assert command(place.port, "--tls", "--insecure", *own, "ls") == (0, "no shuffles\n")
    assert command(place.plain_port, "ls") == (0, "no shuffles\n")


def test_the_command_says_in_a_line_what_is_wrong_with_tls(place: Place) -> None:
    trust = ("--tls", "--cacert", place.file("ca.pem"))
    own = ("--cert", place.file("me.pem"), "--key", place.file("me.key"))
    stranger = ("--tls", "--cacert", place.file("stranger.pem"))
    wrong_key = ("--cert", place.file("me.pem"), "--key", place.file("server.key"))
    cases: list[tuple[tuple[str, ...], str]] = [
        ((*stranger, *own), "certificate"),
        (("--tls", *own), "certificate"),
        (trust, "cannot talk to"),  # the node wants to know who that is
        ((*trust, *wrong_key), f"{place.file('me.pem')}: "),
        ((*trust, "--cert", place.file("none.pem")), f"{place.file('none.pem')}: "),
        (("--tls", "--cacert", place.file("none.pem")), f"{place.file('none.pem')}: "),
        (("--tls", "--cacert", place.file("me.key")), f"{place.file('me.key')}: "),
    ]
    for words, text in cases:
        status, said = command(place.port, *words, "ls")
        assert status == 1 and said.startswith("kvnode: ") and text in said, (words, said)
        assert said.count("\n") == 1, said
    assert command(place.plain_port, *trust, *own, "ls")[0] == 1
    assert command(place.port, "ls")[0] == 1
