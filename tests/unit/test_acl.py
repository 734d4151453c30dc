"""Sessions have their user's rights from the moment they log in or the rules change."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvnode.config import Config, ConfigError
from kvnode.config.directives import BY_NAME
from kvnode.context import Clock
from kvnode.node import Node
from kvnode.session import RESTRICTED, UNAUTHENTICATED

from .engine import Engine, RecordingOutlet, output


def run(engine: Engine, line: str, name: str = "main") -> bytes:
    """Run one request of plain words."""
    return engine.send(line.encode().split(b" "), name)


def log_in(engine: Engine, user: str, rules: str, name: str = "main") -> None:
    """Make a user and log the session in."""
    assert run(engine, f"ACL SETUSER {user} on nopass {rules}", "admin") == b"+OK\r\n"
    assert run(engine, f"AUTH {user} x", name) == b"+OK\r\n"


def test_only_restricted_sessions_have_the_gate() -> None:
    engine = Engine()
    session = engine.session()
    assert session.gate == 0
    log_in(engine, "u", "+@all ~*")
    assert session.gate == RESTRICTED
    run(engine, "ACL SETUSER u &*", "admin")
    assert session.gate == 0
    run(engine, "ACL SETUSER u -flushall", "admin")
    assert session.gate == RESTRICTED
    run(engine, "RESET")
    assert session.gate == 0
    assert session.user is engine.node.acl.default


def test_rules_that_fail_change_nothing() -> None:
    engine = Engine()
    log_in(engine, "u", "+get ~a")
    before = run(engine, "ACL LIST", "admin")
    assert run(engine, "ACL SETUSER u +set ~b off +nope", "admin").startswith(b"-ERR Error in ACL")
    assert run(engine, "ACL SETUSER v on +nope", "admin").startswith(b"-ERR Error in ACL")
    assert run(engine, "ACL LIST", "admin") == before


def test_a_default_user_with_a_password_makes_new_sessions_log_in() -> None:
    engine = Engine()
    early = engine.session("early")
    assert run(engine, "ACL SETUSER default >pw", "admin") == b"+OK\r\n"
    late = engine.session("late")
    assert early.gate == 0
    assert early.parser.trusted
    assert late.gate == UNAUTHENTICATED
    assert not late.parser.trusted
    assert run(engine, "GET a", "late").startswith(b"-NOAUTH")
    assert run(engine, "AUTH pw", "late") == b"+OK\r\n"
    assert late.gate == 0
    assert late.parser.trusted
    waiting = engine.session("waiting")
    run(engine, "ACL SETUSER default nopass", "admin")
    assert waiting.gate == 0
    assert waiting.parser.trusted
    run(engine, "ACL SETUSER default off", "admin")
    assert waiting.gate == UNAUTHENTICATED
    assert early.gate == 0


def test_a_deleted_users_sessions_end_and_the_callers_own_after_its_answer() -> None:
    engine = Engine()
    run(engine, "ACL SETUSER u on nopass +@all ~*", "admin")
    other, outlet = engine.client()
    other.feed(b"AUTH u x\r\n")
    log_in(engine, "u", "+@all")
    own = engine.session()
    own.outlet = recorder = RecordingOutlet()
    output(own)
    assert run(engine, "ACL DELUSER u") == b":1\r\n"
    assert recorder.closed
    assert not recorder.aborted
    assert outlet.aborted
    assert other.closed
    assert other.user is engine.node.acl.default
    assert other.gate & UNAUTHENTICATED == 0  # the default user asks for nothing


def test_the_denial_log_tells_who_what_and_when() -> None:
    engine = Engine()
    log_in(engine, "u", "+get ~a")
    run(engine, "GET b")
    engine.clock.seconds += 2.5
    reply = run(engine, "ACL LOG", "admin")
    for word in (b"key", b"toplevel", b"$1\r\nb\r\n", b"$1\r\nu\r\n", b"2.5", b" cmd=get user=u "):
        assert word in reply
    run(engine, "HELLO 3", "admin")
    assert b",2.5\r\n" in run(engine, "ACL LOG", "admin")


def test_a_script_is_denied_in_the_words_for_scripts_and_logged_as_one() -> None:
    engine = Engine()
    log_in(engine, "u", "+get ~a")
    acl = engine.node.acl
    user = acl.users[b"u"]
    get, publish = engine.node.commands[b"get"], engine.node.commands[b"publish"]
    assert acl.call_refusal(user, get, [b"get", b"a"]) == ""
    for command, argv, says in (
        (get, [b"get", b"b"], "can't access at least one of the keys"),
        (publish, [b"publish", b"c", b"x"], "can't run this command"),
    ):
        refusal = acl.call_refusal(user, command, argv)
        assert refusal.startswith("ERR The user executing the script ")
        assert says in refusal
        assert not acl.allows(user, command, argv)
    assert [entry.context for entry in acl.log.entries] == [b"lua", b"lua"]
    assert acl.allows(user, get, [b"get"])  # without its key there is none to deny


def test_renamed_commands_keep_their_names_in_rules() -> None:
    config = Config()
    config.renamed_commands = [("get", "fetch"), ("sort", ""), ("sort_ro", "order")]
    node = Node(config, Clock(), 1)
    engine = Engine()
    engine.node = node
    run(engine, "RPUSH a 1")
    log_in(engine, "u", "+get +sort_ro ~a")
    assert run(engine, "fetch b").startswith(b"-NOPERM")
    assert run(engine, "fetch a").startswith(b"-WRONGTYPE")
    assert run(engine, "order a") == b"*1\r\n$1\r\n1\r\n"
    assert b"insufficient ACL permissions" in run(engine, "order a BY w*")
    assert run(engine, "ACL SETUSER u +fetch", "admin").startswith(b"-ERR")


def test_the_configurations_users_and_password_are_there_from_the_start(tmp_path: Path) -> None:
    config = Config()
    config.set_many([("requirepass", "pw")])
    config.users = [["u", "on", ">a", "(+get", "~x)"], ["default", "on", ">b", "+@all"]]
    acl = Node(config, Clock(), 1).acl
    assert acl.config_lines() == [
        "user default on sanitize-payload "
        "#3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d resetchannels +@all",
        "user u on #ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb "
        "resetchannels -@all (~x resetchannels -@all +get)",
    ]
    for rules in (["+nope"], ["(+get"], [">secret", "#secret"]):
        config.users = [["u", *rules]]
        with pytest.raises(ConfigError) as caught:
            Node(config, Clock(), 1)
        assert "user u: " in str(caught.value)
        assert "secret" not in str(caught.value)
    config.users = []
    path = tmp_path / "users"
    path.write_text("user v on nopass\n")
    config.set_words(BY_NAME["aclfile"], [str(path)])
    acl = Node(config, Clock(), 1).acl
    assert sorted(acl.users) == [b"default", b"v"]
    assert acl.default.no_password  # a file without the default user makes it what it was
    assert acl.config_lines() == []
    path.write_text("user v on nopass +nope\n")
    with pytest.raises(ConfigError, match=r"users:1: Error in applying operation '\+nope'"):
        Node(config, Clock(), 1)


def test_users_that_cannot_be_saved_are_an_error_and_a_line_of_the_log(tmp_path: Path) -> None:
    folder = tmp_path / "users"
    folder.mkdir()
    (folder / "acl").write_text("")
    config = Config()
    config.set_words(BY_NAME["aclfile"], [str(folder / "acl")])
    engine = Engine(config=config)
    (folder / "acl").unlink()
    folder.rmdir()
    assert b"check the server logs" in run(engine, "ACL SAVE")
    fields = {"file": str(folder / "acl"), "reason": "no such file or directory"}
    assert engine.node.journal.take() == [("warning", "cannot-save-acl", fields)]


def test_protected_mode_asks_whether_the_default_user_has_a_password() -> None:
    engine = Engine()
    assert engine.node.refusal(False)
    run(engine, "ACL SETUSER default >pw")
    assert engine.node.refusal(False) == ""
    run(engine, "ACL SETUSER default nopass")
    assert engine.node.refusal(False)
