"""Users in an ACL file and in redis.conf are read, refused and written back as by redis-server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import CLOSED, Wire
from .harness import Pair
from .normalise import canonical_rules
from .servers import Server, kvnode_server, node_environment, redis_server

FILE = "users.acl"
EVERYTHING = "user default on nopass ~* &* +@all\n"

# Files that are loaded one after another.
FILES = (
    EVERYTHING,
    "",
    "\n\n   \n\t\n",
    "user alice on >pw ~a* &c +get +@read -mget\nuser bob\n",
    "  user alice on nopass  \r\n\r\nuser bob off\r\n",
    "user z on\nuser a on\nuser Z\nuser default on nopass +@all ~* &*\n",
    "user x on   >a  >b  \nuser y nopass (~a +get  ) (+set )\n",
    "user x on (~a +get) ( %R~b -@all )\n",
    'user "x" on\n',
    'user x "a b" on\n',
    "user x (~a)) on\n",
    "# comment\nuser x on\n",
    "user x on\n#comment\n",
    "user\n",
    "user \n",
    "User x on\n",
    "foo\n",
    "user a\tb on\n",
    "user x on\nuser x off\n",
    "user x on\nuser default off\nuser x on\nuser x on\n" + EVERYTHING,
    "user x on +nope\nuser y %% #abc !x\n",
    "user x on +nope +foo|bar +config|nope  (+nope ~x) %%x foo +config|get|x +@nope\n",
    "user x #abc #abd\nuser y <no\nuser z ~* ~a\nuser w &* &a\n",
    "foo x on\nuser x +nope\nuser x on\n",
    "user x on ~a\tb \t +get\n",
    "user x on \t+get\t \r~a\r\n",
    "user x ~a ~b\xff\n",
    EVERYTHING + "user last on +@all -@dangerous +info",
)


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def filed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Both servers with an ACL file each."""
    servers = (kvnode_server("--aclfile", FILE), redis_server("--aclfile", FILE))
    try:
        for server in servers:
            server.folder = tmp_path / server.name
            server.folder.mkdir()
            write(server, EVERYTHING)
            server.start()
        pair = Pair(*servers, protocol=request.param)
        try:
            yield pair
        finally:
            pair.close()
    finally:
        for server in servers:
            server.remove()


def write(server: Server, text: str) -> None:
    """Replace a server's ACL file."""
    assert server.folder is not None
    (server.folder / FILE).write_bytes(text.encode("latin-1"))


def read(server: Server) -> bytes:
    """A server's ACL file, in the order that does not depend on the server."""
    assert server.folder is not None
    lines = (server.folder / FILE).read_bytes().split(b"\n")
    return b"\n".join(canonical_rules(line) for line in lines)


def test_files_are_loaded_and_saved_alike(filed: Pair) -> None:
    for text in FILES:
        for server in filed.servers:
            write(server, text)
        filed.same("ACL", "LOAD")
        filed.same("ACL", "LIST")
        filed.same("ACL", "SAVE")
        assert read(filed.servers[0]) == read(filed.servers[1])
        filed.same("ACL", "LOAD")
        filed.same("ACL", "LIST")


def test_a_missing_file_is_an_error_until_it_is_saved(filed: Pair) -> None:
    filed.same("ACL", "SETUSER", "u", "on", ">pw", "~a", "+@read", "(+set)")
    for server in filed.servers:
        assert server.folder is not None
        (server.folder / FILE).unlink()
    filed.same_script("ACL LOAD\nACL USERS\nACL SAVE\nACL LOAD\nACL LIST")
    for server in filed.servers:
        assert server.folder is not None
        assert [entry.name for entry in server.folder.iterdir()].count(FILE) == 1
        assert not [entry.name for entry in server.folder.iterdir() if "new" in entry.name]
    filed.same_script("CONFIG GET aclfile\nCONFIG SET aclfile x\nCONFIG SET aclfile users.acl")


def test_a_file_that_cannot_be_written_is_an_error(filed: Pair) -> None:
    for server in filed.servers:
        assert server.folder is not None
        (server.folder / FILE).unlink()
        (server.folder / FILE).mkdir()
    filed.same_script("ACL SAVE\nACL USERS")


def test_loading_ends_the_connections_of_all_but_the_default_user(filed: Pair) -> None:
    filed.same_script("""
        ACL SETUSER kept on nopass +@all ~*
        ACL SETUSER gone on nopass +@all ~*
        ACL SAVE
        ACL DELUSER gone
        ACL SETUSER gone on nopass +@all ~*
        A: AUTH kept x
        B: AUTH gone x
        C: PING
        D: AUTH kept x
        ACL LOAD
        C: PING
    """)
    for client in "AB":
        channel = filed.channels[client]
        assert channel.ours.read_or_closed() == channel.theirs.read_or_closed() == CLOSED
    filed.same_script("E: AUTH kept x\nE: ACL LOAD")
    channel = filed.channels["E"]
    assert channel.ours.read_or_closed() == channel.theirs.read_or_closed() == CLOSED


def test_loading_changes_the_default_users_rights_at_once(filed: Pair) -> None:
    for server in filed.servers:
        write(server, "user default on nopass ~a +get +acl\n")
    filed.same_script("A: PING\nA: SUBSCRIBE ch\nACL LOAD\nGET a\nGET b\nPING\nACL LIST")
    for server in filed.servers:
        write(server, "user default off\nuser u on >pw +@all ~*\n")
    filed.same_script("ACL LOAD\nGET a\nAUTH u pw\nGET a\nACL LOAD")


def test_users_of_the_configuration_file_are_there_and_written_back(tmp_path: Path) -> None:
    text = (
        "user alice on >pw ~a* (+get ~b) +@read\n"
        'user bob off "~a" \n'
        "user default on nopass +@all ~*\n"
        "user carol\n"
    )
    servers = []
    try:
        for make in (kvnode_server, redis_server):
            server = make()
            server.folder = tmp_path / server.name
            server.folder.mkdir()
            (server.folder / "redis.conf").write_text(text)
            place = server.command.index("serve" if server.name == "kvnode" else "redis-server") + 1
            server.command.insert(place, "redis.conf")
            servers.append(server)
            server.start()
        lines = []
        for server in servers:
            wire = Wire(server.port)
            rows = [canonical_rules(row.text()) for row in wire.call("ACL", "LIST").items()]
            wire.call("ACL", "SETUSER", "dave", "on", "+@all", "-get")
            wire.call("ACL", "DELUSER", "carol")
            assert wire.call("ACL", "SAVE").kind == "error"
            assert wire.call("CONFIG", "REWRITE").text() == b"OK"
            assert server.folder is not None
            kept = (server.folder / "redis.conf").read_bytes().split(b"\n")
            users = sorted(canonical_rules(row) for row in kept if row.startswith(b"user "))
            lines.append((rows, users))
            wire.close()
        assert lines[0] == lines[1]
        assert len(lines[0][1]) == 4
    finally:
        for server in servers:
            server.remove()


@pytest.mark.parametrize(
    ("files", "arguments", "says"),
    [
        ({FILE: "user x +nope"}, ["--aclfile", FILE], "Unknown command or category name in ACL"),
        ({FILE: "user x (~a"}, ["--aclfile", FILE], "Unmatched parenthes"),
        ({}, ["--aclfile", FILE], "No such file or directory"),
        ({"c": "user x on >hunter2 #hunter3"}, ["c"], "user x: the password hash must be"),
        ({"c": "user x (~a +get"}, ["c"], "user x: a selector is not closed"),
        ({"c": "user x +nope"}, ["c"], "user x: unknown command or category name"),
        ({"c": "user x on\nuser x on"}, ["c"], "only be defined once"),
        ({"c": f"user x on\naclfile {FILE}", FILE: ""}, ["c"], "not in both"),
    ],
)
def test_wrong_users_are_refused_at_the_start_in_one_line(
    tmp_path: Path, files: dict[str, str], arguments: list[str], says: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "kvnode", "serve", *arguments],
        cwd=tmp_path,
        env=node_environment(sys.executable),
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert says in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert b"hunter" not in done.stderr
