"""What a user may not do is denied at every door, with the texts and the log of redis-server."""

from __future__ import annotations

from .acl_state import only_the_default_user  # noqa: F401
from .connections import closed, connect_raw
from .harness import Pair, info_number, split_words


def log_in(pair: Pair, client: str, rules: str) -> None:
    """Make a user of the client's name and log the client in as it."""
    pair.same("ACL", "SETUSER", client.lower(), *rules.split())
    pair.same("AUTH", client.lower(), "x", client=client)


def test_denials_tell_the_command_the_keys_or_the_channels(pair: Pair) -> None:
    rules = "on nopass +@all -@admin -config|get -debug ~a* %R~r* %W~w* &n*"
    log_in(pair, "A", rules)
    pair.same_script(r"""
        A: GET a
        A: GET b
        A: GET r
        A: SET r x
        A: SET w x
        A: GETDEL w
        A: SET a x GET
        A: MGET a r w
        A: MSET a 1 w 2
        A: MSET a 1 r 2
        A: COPY r w
        A: COPY w r
        A: RENAME a b
        A: CONFIG GET port
        A: CONFIG SET port 1
        A: CONFIG NOPE
        A: CONFIG
        A: ACL WHOAMI
        A: ACL LIST
        A: CLIENT LIST
        A: CLIENT ID x
        A: CLIENT NO-EVICT on
        A: NOPE
        A: GET
        A: PUBLISH news x
        A: PUBLISH other x
        A: SPUBLISH other x
        A: SUBSCRIBE n other
        A: PSUBSCRIBE n*
        A: PUNSUBSCRIBE n*
        A: PSUBSCRIBE ne*
        A: SSUBSCRIBE other
        A: UNSUBSCRIBE other
        A: AUTH nobody x
        A: HELLO 9
        ACL LOG
        INFO errorstats
    """)
    texts = [pair_reply.text().decode() for pair_reply in pair.both("INFO", "errorstats")]
    counts = [text.split("errorstat_NOPERM:")[1].splitlines()[0] for text in texts]
    assert counts[0] == counts[1]


def test_a_container_without_its_subcommands_and_the_other_way_round(pair: Pair) -> None:
    log_in(pair, "A", "on nopass +client -client|setname +config|get ~*")
    pair.same_script("""
        A: CLIENT GETNAME
        A: CLIENT SETNAME x
        A: CONFIG GET maxmemory
        A: CONFIG SET maxmemory 0
        A: CONFIG
        A: CONFIG HELP
        A: COMMAND COUNT
    """)


def test_a_first_argument_can_be_allowed(pair: Pair) -> None:
    log_in(pair, "A", "on nopass +select|1 +get|a +GET|B ~*")
    pair.same_script("""
        A: SELECT 0
        A: SELECT 1
        A: SELECT 01
        A: GET a
        A: GET A
        A: GET b
        A: GET c
        A: SET a x
    """)


def test_each_selector_is_tried_on_the_whole_request(pair: Pair) -> None:
    log_in(pair, "A", "on nopass +get ~a* (+set %W~b* &x) (+@read ~c* -mget)")
    for line in (
        *("GET a", "GET b", "GET c", "SET a x", "SET b x", "SET b x GET", "SET c x", "STRLEN c"),
        *("STRLEN a", "MGET c c", "EXISTS c c2", "EXISTS c b", "DEL b", "PUBLISH x y", "PING"),
    ):
        pair.same(*line.split(), client="A")
    pair.same("ACL", "LOG")


def test_transactions_are_checked_when_queued_and_when_run(pair: Pair) -> None:
    log_in(pair, "A", "on nopass +get +set +multi +exec +discard +publish ~a* &n")
    pair.same_script("""
        A: MULTI
        A: SET a 1
        A: GET b
        A: GET a
        A: EXEC
        A: MULTI
        A: SET a 2
        A: PUBLISH n x
        A: GET a
        ACL SETUSER a -get
        A: EXEC
        A: MULTI
        A: SET a 3
        A: PUBLISH n x
        ACL SETUSER a resetkeys ~b resetchannels
        A: EXEC
        GET a
        ACL SETUSER a ~a &n
        A: MULTI
        A: SET a 4
        ACL SETUSER a -exec
        A: EXEC
        ACL SETUSER a +exec -discard
        A: DISCARD
        A: EXEC
        GET a
        ACL LOG
    """)
    for section in ("errorstats", "commandstats"):
        ours, theirs = (text.text().decode() for text in pair.both("INFO", section))
        for name in ("errorstat_NOPERM", "errorstat_EXECABORT", "cmdstat_get", "cmdstat_set"):
            assert figures(ours, name) == figures(theirs, name), name
        for name in ("cmdstat_exec", "cmdstat_discard", "cmdstat_publish", "cmdstat_multi"):
            assert figures(ours, name) == figures(theirs, name), name


def figures(text: str, name: str) -> list[str]:
    """The counts in a line of INFO, without the times."""
    lines = [line for line in text.splitlines() if line.startswith(name + ":")]
    return [word for line in lines for word in line.split(",") if "usec" not in word]


def test_a_login_inside_a_transaction_counts_for_what_follows(pair: Pair) -> None:
    pair.same_script("""
        ACL SETUSER c on nopass +get +acl|whoami ~cache:*
        MULTI
        SET cache:1 before
        AUTH c x
        GET cache:1
        SET cache:1 after
        GET other
        ACL WHOAMI
        AUTH c wrong
        EXEC
        ACL WHOAMI
        GET cache:1
        MULTI
    """)


def test_sort_follows_patterns_only_for_who_reads_every_key(pair: Pair) -> None:
    pair.same("RPUSH", "cache:l", "2", "1")
    pair.same("MSET", "w1", "5", "w2", "4")
    requests = """
        SORT cache:l
        SORT cache:l BY nosort
        SORT cache:l BY w*
        SORT cache:l GET w*
        SORT cache:l GET #
        SORT cache:l GET nostar
        SORT cache:l BY w* GET w*
        SORT cache:l GET w* BY w*
        SORT cache:l BY
        SORT cache:l GET # NOPE
        SORT cache:l LIMIT a b GET #
        SORT cache:l STORE cache:2
        SORT cache:l STORE other
        SORT cache:l GET # STORE cache:2
        SORT other
        SORT_RO cache:l BY w*
        SORT_RO cache:l GET #
        SORT_RO cache:l BY x
        sort_ro cache:l get w*
    """
    users = {
        "A": "+sort +sort_ro ~cache:*",
        "B": "+sort +sort_ro ~cache:* %R~*",
        "C": "+sort +sort_ro ~*",
        "D": "+sort ~cache:* %W~* (+sort_ro %R~*)",
        "E": "+sort ~cache:* (+get ~*) (+sort_ro %R~cache:*)",
        "F": "+@all ~*",
        "G": "+@all ~* &* -get",
    }
    for client, rules in users.items():
        log_in(pair, client, "on nopass " + rules)
        for line in requests.splitlines():
            if line.strip():
                pair.same(*split_words(line.strip()), client=client)


def test_blocking_commands_are_checked_when_they_begin(pair: Pair) -> None:
    log_in(pair, "A", "on nopass +blpop +blmove +bzpopmin +blmpop ~cache:*")
    pair.same_script("""
        A: BLPOP other 0
        A: BLPOP cache:a other 0
        A: BLMOVE cache:a other LEFT LEFT 0
        A: BLMOVE other cache:a LEFT LEFT 0
        A: BZPOPMIN other 0
        A: BLMPOP 0 2 cache:a other LEFT
        A: BLMPOP 0 3 cache:a LEFT
        A: BRPOP cache:a 0
        A> BLPOP cache:a cache:b 0
        RPUSH other x
        A<!
        RPUSH cache:b x
        A<
        A> BLMOVE cache:a cache:b LEFT LEFT 0
        ACL SETUSER a resetkeys -@all off
        RPUSH cache:a y
        A<
        A: BLPOP cache:a 0
        LRANGE cache:b 0 -1
        LRANGE other 0 -1
    """)


def test_a_blocked_client_of_a_deleted_user_is_cut_off(pair: Pair) -> None:
    log_in(pair, "A", "on nopass +blpop ~*")
    pair.send("BLPOP", "k", "0", client="A")
    pair.same("ACL", "DELUSER", "a")
    assert closed(pair, "A")
    pair.same_script("RPUSH k x\nLLEN k")


def test_a_new_connection_has_the_rights_of_the_default_user(pair: Pair) -> None:
    pair.same("ACL", "SETUSER", "admin", "on", "nopass", "+@all", "~*", "&*")
    pair.same("AUTH", "admin", "x")
    pair.same("ACL", "SETUSER", "default", "-@all", "+get", "resetkeys", "~a", "resetchannels")
    connect_raw(pair, "N")
    pair.same_script("""
        N: GET a
        N: GET b
        N: PING
        N: ACL WHOAMI
        N: HELLO 2
        N: AUTH x
        N: AUTH admin x
        N: PING
        N: RESET
        N: PING
        N: QUIT
    """)


def test_a_default_user_that_is_off_or_has_passwords_asks_for_a_login(pair: Pair) -> None:
    pair.same("ACL", "SETUSER", "admin", "on", "nopass", "+@all", "~*", "&*")
    pair.same("AUTH", "admin", "x")
    for place, rules in enumerate((["off"], ["off", ">pw"], ["on", "resetpass"], ["on", ">pw"])):
        pair.same("PING", client=f"E{place}")
        pair.same("ACL", "SETUSER", "default", *rules)
        new = f"N{place}"
        connect_raw(pair, new)
        for client in (f"E{place}", new):
            pair.same_script(f"""
                {client}: PING
                {client}: AUTH pw
                {client}: AUTH default pw
                {client}: PING
                {client}: RESET
                {client}: PING
                {client}: HELLO 2
                {client}: AUTH admin x
                {client}: PING
                {client}: ACL WHOAMI
            """)
        # Who did not log in is let in by a default user who asks for nothing; HELLO tells.
        connect_raw(pair, new + "L")
        pair.same("PING", client=new + "L")
        pair.same("ACL", "SETUSER", "default", "on", "nopass")
        pair.same_script(f"""
            {new}L: PING
            {new}L: ACL WHOAMI
            {new}L: HELLO 2
            {new}L: AUTH default x
            {new}L: HELLO 2
            {new}L: ACL LOG
        """)
    pair.same_raw(b"*11\r\n" + b"$1\r\na\r\n" * 11, 1, client="N3L")


def test_a_login_that_fails_changes_nothing_but_the_log(pair: Pair) -> None:
    log_in(pair, "A", "on >x +@all ~*")
    pair.same_script("""
        A: AUTH a y
        A: auth nobody y
        A: AUTH default y
        A: HELLO 3 AUTH a y SETNAME name
        A: HELLO 2 AUTH a x SETNAME name
        A: hello 2 auth nobody nothing
        A: ACL WHOAMI
        A: CLIENT GETNAME
        A: MULTI
        A: AUTH a y
        A: EXEC
        A: AUTH a b c
        A: AUTH
        ACL LOG
        ACL LOG 2
        ACL LOG 100
        ACL LOG reset
        ACL LOG
    """)


def test_equal_denials_are_one_entry_of_the_log(pair: Pair) -> None:
    log_in(pair, "A", "on nopass +get ~a*")
    for line in ("GET b", "GET c", "GET b", "SET a x", "set a x", "GET b", "PING", "CONFIG GET x"):
        pair.same(*line.split(), client="A")
    pair.same("ACL", "LOG")
    # Only the ten latest entries are searched for an equal one.
    for number in range(12):
        pair.same("GET", f"k{number}", client="A")
    pair.same("GET", "k0", client="A")
    pair.same("GET", "k11", client="A")
    pair.same("ACL", "LOG")
    pair.same("ACL", "LOG", "100")
    pair.same("ACL", "LOG", "3")


def test_the_log_keeps_as_many_entries_as_configured(pair: Pair) -> None:
    log_in(pair, "A", "on nopass +get ~a*")
    for limit in ("5", "2", "0", "3"):
        pair.config("acllog-max-len", limit)
        pair.same("ACL", "LOG", "100")
        for number in range(4):
            pair.same("GET", f"k{limit}{number}", client="A")
            pair.same("ACL", "LOG", "100")


def test_keys_of_movable_places_are_checked(pair: Pair) -> None:
    log_in(pair, "A", "on nopass +@all ~a* %R~r* %W~w*")
    for line in MOVABLE.splitlines():
        if line.strip():
            ours, theirs = pair.both(*split_words(line.strip()), client="A")
            texts = [reply.text() if reply.kind == "error" else b"" for reply in (ours, theirs)]
            denied = [text for text in texts if b"NOPERM" in text]
            assert len(denied) in (0, 2), (line, texts)
            assert len(set(denied)) < 2, (line, texts)
    pair.same("ACL", "LOG", "100")


MOVABLE = """
    ZUNIONSTORE a 2 ab r
    ZUNIONSTORE w 1 r
    ZUNIONSTORE r 1 a
    ZUNIONSTORE a 1 w
    ZUNIONSTORE a 2 ab b
    ZUNIONSTORE a 3 ab b
    ZUNIONSTORE a 0 b
    ZUNIONSTORE a x b
    ZINTER 2 a b
    ZINTER 02 a b
    ZDIFF 1 r
    SINTERCARD 2 r b
    LMPOP 1 r LEFT
    ZMPOP 1 b MIN
    SORT a STORE b
    SORT a STORE b STORE a
    SORT r STORE w
    SORT r STORE r
    SORT a BY b
    SORT b
    SET r x
    SET w x GET
    SET a x GET
    SINTERSTORE w r a
    SINTERSTORE r a
    LMOVE a r LEFT LEFT
    OBJECT ENCODING b
    OBJECT ENCODING w
    MEMORY USAGE b
    MEMORY USAGE a
    EXISTS b
    TOUCH w r
    WATCH b
    WATCH w
    WATCH r
    COPY a b
    COPY r w
    RENAMENX a r
"""


def test_counts_of_denied_requests_and_clients(pair: Pair) -> None:
    log_in(pair, "A", "on nopass +get ~a*")
    for line in ("SET a x", "GET b", "GET a", "PING"):
        pair.same(*line.split(), client="A")
    wires = (pair.control.ours, pair.control.theirs)
    for name in ("cmdstat_set", "cmdstat_get"):
        ours, theirs = (wire.call("INFO", "commandstats").text().decode() for wire in wires)
        assert figures(ours, name) == figures(theirs, name)
    assert info_number(wires[0], "connected_clients") == info_number(wires[1], "connected_clients")
