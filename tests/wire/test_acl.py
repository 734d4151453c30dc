"""ACL: rules, users and their descriptions are as in redis-server."""

from __future__ import annotations

from .acl_state import only_the_default_user  # noqa: F401
from .client import CLOSED, Reply
from .connections import closed, fields
from .harness import Difference, Pair, split_words
from .random_acl import Run, command_names

PASSWORD_HASH = "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4"
OTHER_HASH = "a" * 64

# Lists of rules, each applied to a new user and, once more, to the user that the others left.
RULES = r"""
    on
    off
    on off on
    nopass
    >pw
    >pw >pw >other
    >
    >pw nopass
    nopass >pw
    >pw resetpass
    >pw <pw
    <pw
    #30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4
    #30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4 <pw
    >pw !30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4
    >pw !aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    #30C952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4
    #abc
    #
    !
    !abc
    sanitize-payload
    skip-sanitize-payload
    sanitize-payload skip-sanitize-payload
    ON NoPass SANITIZE-PAYLOAD ALLKEYS ALLCHANNELS ALLCOMMANDS
    reset
    on >pw ~a &b +get skip-sanitize-payload (+set) RESET
    ~a
    ~a ~a ~b
    ~*
    ~* ~a
    allkeys ~a
    ~a allkeys
    ~a resetkeys
    ~* resetkeys ~a
    ~
    "~a b"
    "~a\tb"
    "~a\x00b"
    %R~a
    %W~a
    %RW~a %WR~b
    %r~a %w~b %rw~c
    %R~a %W~a
    %R~a ~a
    %R~a %R~a
    %R
    %RW
    %
    %~
    %~a
    %RR~a
    %X~a
    %R~
    %R~*
    %RW~*
    ~* %R~a
    &a
    &a &a &b
    &*
    &* &a
    allchannels &a
    &a allchannels
    &a resetchannels
    &
    "&a b"
    +get
    +GET -Get
    +get +set -get
    +nope
    -nope
    +
    -
    +config
    +config -config|get
    +config|get +CONFIG|SET
    +config|nope
    -config|nope
    +config|
    -config|
    +config|get|x
    -config|get|x
    +get|x
    +get|x +get|X +get|y +GET|z
    +get|x +get
    +get +get|x
    +get|x -get
    +get|x +@read
    +get|x -@write
    +get|x +@all
    +get|
    +get|x|y
    -get|x
    +nope|x
    +|x
    +select|0 +SELECT|1
    +@read
    +@READ -@Read
    +@read -get
    -@all +@read +@write -@dangerous
    +@all
    +@ALL -@all
    +@all -@dangerous
    +@all -@admin -@dangerous +info
    +@all -get +get
    allcommands nocommands
    +@nope
    -@nope
    +@
    -@
    +@all|x
    foo
    (
    )
    ()
    ( )
    (+get)
    (+get ~a) (%R~b &c +@read)
    "(+get ~a)" "( +set )"
    (+get
    x (+get
    on off (+get ~a
    (+get ~a) (+set
    (~a (+get ~b) +set
    (~a ((+get))
    (on)
    (reset)
    (+nope)
    (+nope) (+alsonope)
    (>pw)
    (clearselectors)
    ((+get))
    (~a))
    (+get|x +set|y)
    (~*) (~* &*) (allkeys allchannels +@all) (+@all -@all)
    "(\"+get\" \"~a\\x41b\")"
    "(\"+get)"
    "(\"~a b\")"
    (+get) clearselectors
    (+get) clearselectors (+set)
    (+get) CLEARSELECTORS
    ""
    "" on "" nopass
    "on\x00x" "nopass\x00"
    "+get\x00x"
    "+get\x00|x"
    "\x00"
    """


def rule_lists() -> list[list[bytes]]:
    """The lines of RULES as words."""
    return [split_words(line) for line in RULES.splitlines() if line.strip()]


def same_user(pair: Pair, name: str) -> None:
    """Compare all that is told of a user."""
    pair.same("ACL", "GETUSER", name)
    pair.same("ACL", "LIST")
    pair.same("ACL", "USERS")


def test_each_list_of_rules_makes_the_same_user(pair: Pair) -> None:
    for rules in rule_lists():
        pair.same("ACL", "SETUSER", "one", *rules)
        same_user(pair, "one")
        pair.same("ACL", "DELUSER", "one")


def test_lists_of_rules_add_up_to_the_same_user(pair: Pair) -> None:
    for rules in rule_lists():
        pair.same("ACL", "SETUSER", "all", *rules)
        same_user(pair, "all")


def test_every_category_and_every_command_is_added_and_removed_alike(pair: Pair) -> None:
    names = command_names(pair.control.theirs)
    categories = [reply.text() for reply in pair.same("ACL", "CAT").items()]
    categories.remove(b"shuffle")  # ours alone
    for category in categories:
        pair.same("ACL", "SETUSER", "one", "reset", b"+@" + category)
        pair.same("ACL", "GETUSER", "one")
        pair.same("ACL", "SETUSER", "one", "+@all", b"-@" + category)
        pair.same("ACL", "GETUSER", "one")
    for name in names:
        pair.same("ACL", "SETUSER", "one", "reset", b"+" + name)
        pair.same("ACL", "GETUSER", "one")
        pair.same("ACL", "SETUSER", "one", "+@all", b"-" + name)
        pair.same("ACL", "GETUSER", "one")


def test_the_commands_of_each_category_are_the_same(pair: Pair) -> None:
    ours, theirs = (set(command_names(w)) for w in (pair.control.ours, pair.control.theirs))
    for category in pair.same("ACL", "CAT").items():
        if category.text() == b"shuffle":  # ours alone
            continue
        replies = pair.both("ACL", "CAT", category.text())
        mine, other = ({name.text() for name in reply.items()} for reply in replies)
        assert mine & theirs == other & ours, category
    pair.same_script("""
        ACL CAT READ x
        ACL CAT nope
        ACL CAT ""
    """)
    assert pair.both("ACL", "CAT", "READ")[0].kind == "array"


def test_names_and_numbers_of_words_are_checked_alike(pair: Pair) -> None:
    pair.same_script(r"""
        ACL
        ACL NOPE
        ACL SETUSER
        ACL SETUSER "a b"
        ACL SETUSER "a\x00b" on
        ACL SETUSER "a\tb"
        ACL SETUSER "" on
        ACL GETUSER ""
        ACL SETUSER x
        ACL SETUSER X on
        ACL SETUSER "\xff\xfe" on
        ACL USERS
        ACL USERS x
        ACL LIST
        ACL LIST x
        ACL GETUSER
        ACL GETUSER x y
        ACL GETUSER nobody
        ACL DELUSER
        ACL DELUSER nobody
        ACL DELUSER x nobody X x
        ACL DELUSER default
        ACL SETUSER x
        ACL DELUSER x default
        ACL USERS
        ACL WHOAMI
        ACL WHOAMI x
        ACL GENPASS x
        ACL GENPASS 0
        ACL GENPASS -1
        ACL GENPASS 4097
        ACL GENPASS 1 2
        ACL DRYRUN
        ACL DRYRUN x get
        ACL DRYRUN nobody get k
        ACL DRYRUN nobody nope
        ACL LOG x
        ACL LOG 1 2
        ACL LOG ""
        ACL LOG -5
        ACL LOG 0
        ACL LOAD
        ACL SAVE
        ACL LOAD x
        ACL SAVE x
        ACL HELP x
    """)


def test_generated_passwords_have_the_size_that_was_asked_for(pair: Pair) -> None:
    for bits in ("256", "1", "4", "5", "8", "9", "4096"):
        ours, theirs = pair.both("ACL", "GENPASS", bits)
        assert len(ours.text()) == len(theirs.text())
        assert not ours.text().strip(b"0123456789abcdef")
    assert len({pair.both("ACL", "GENPASS")[0].text() for _ in range(20)}) == 20


def test_help_names_the_same_forms(pair: Pair) -> None:
    ours, theirs = pair.both("ACL", "HELP")
    forms = [
        [line.text() for line in reply.items() if not line.text().startswith(b" ")]
        for reply in (ours, theirs)
    ]
    assert forms[0] == forms[1]


def test_a_dry_run_says_what_would_be_denied(pair: Pair) -> None:
    rules = "+@all -client|list -debug ~a* %R~r* %W~w* &n*"
    pair.same("ACL", "SETUSER", "u", *rules.split())
    pair.same("ACL", "SETUSER", "u", "(+@read ~other &only)")
    for line in DRY_RUNS.splitlines():
        if line.strip():
            pair.same("ACL", "DRYRUN", "u", *split_words(line.strip()))
    pair.same("ACL", "SETUSER", "f", "+get|a", "+config|get", "~*")
    for line in ("get a", "GET A", "get b", "config get x", "config set x y", "acl whoami"):
        pair.same("ACL", "DRYRUN", "f", *line.split())
    # Not logged.
    pair.same("ACL", "LOG")


DRY_RUNS = r"""
    get a
    get b
    get ""
    GET "b\x00c"
    nope
    client
    client list
    client nope
    client id
    get
    get a b
    ping
    set r1 x
    set w1 x
    set w1 x GET
    set a x get
    get r1
    get w1
    get other
    set other x
    getset r1 x
    getset w1 x
    strlen w1
    append w1 x
    incr r1
    copy r1 w1
    copy w1 r1
    rename a b
    rename r1 w1
    lmove r1 w1 left left
    sort a
    sort a by x* get y*
    sort a store b
    sort a store w1
    sort b store a
    sort_ro b
    mget a ab ac
    mget a b
    mget b a
    mset a 1 b 2
    mset a 1 ab 2 ac 3
    del a r1
    exists a r1 w1
    touch w1
    type w1
    object encoding w1
    object freq b
    memory usage b
    memory doctor
    zunionstore a 2 ab b
    zunionstore w1 1 r1
    zunionstore r1 1 r1
    zunionstore a 2x ab b
    zunionstore a x b
    zdiff 2 a b
    zdiff 3 a ab
    sintercard 1 b
    blmpop 0 1 b left
    lmpop 1 a left
    blpop a b 0
    bzpopmin b 0
    watch b
    watch a r1
    publish news x
    publish other x
    publish only x
    spublish other x
    subscribe news nothing
    subscribe news other
    psubscribe n*
    psubscribe na*
    psubscribe *
    ssubscribe only
    unsubscribe other
    punsubscribe other
    sunsubscribe other
    pubsub channels
    lcs a b
    smove a b x
    select 1
    auth a b
    hello 3
    quit
    debug object b
    command getkeys get b
    scan 0
    keys *
    randomkey
    flushall
    multi
    exec
    """


def test_decisions_on_random_rules_are_the_same(pair: Pair) -> None:
    Run(pair, seed=pair.protocol).run(150)


def test_new_users_reach_the_channels_of_the_default(pair: Pair) -> None:
    pair.config("acl-pubsub-default", "allchannels")
    pair.same("ACL", "SETUSER", "u", "(+get)")
    pair.same("ACL", "SETUSER", "u", "(+get &a)")
    pair.same("ACL", "SETUSER", "u", "(+get resetchannels &a)")
    pair.same("ACL", "SETUSER", "v", "resetchannels", "&a")
    same_user(pair, "u")
    pair.same("ACL", "SETUSER", "v", "reset")
    pair.same("ACL", "GETUSER", "v")
    pair.config("acl-pubsub-default", "resetchannels")
    pair.same("ACL", "SETUSER", "w", "(+get)")
    pair.same("ACL", "SETUSER", "v", "reset")
    pair.same("ACL", "LIST")
    pair.same("CONFIG", "SET", "acl-pubsub-default", "nope")


def test_the_password_directive_is_the_default_users_password(pair: Pair) -> None:
    pair.same("PING", client="K")
    pair.config("requirepass", "first")
    pair.same("ACL", "GETUSER", "default", client="K")
    pair.config("requirepass", "second")
    # The second password and one set by ACL SETUSER are both good; the directive shows one.
    pair.same_script("""
        K: ACL GETUSER default
        K: ACL SETUSER default >third
        K: ACL GETUSER default
        K: CONFIG GET requirepass
        K: AUTH first
        K: AUTH third
        K: AUTH second
        K: ACL SETUSER default nopass
        K: CONFIG GET requirepass
        K: AUTH any
        K: CONFIG SET requirepass second
        K: AUTH any
        K: ACL GETUSER default
        K: CONFIG SET requirepass ""
        K: ACL GETUSER default
        K: AUTH x
        K: AUTH default x
    """)


def test_the_lines_of_connections_name_their_users(pair: Pair) -> None:
    pair.same_script("""
        ACL SETUSER u on nopass +@all ~*
        ACL SETUSER v on nopass
        A: AUTH u x
        B: AUTH u x
        A: CLIENT KILL USER nobody
        A: CLIENT KILL USER v
        A: CLIENT KILL USER u
    """)
    ours, theirs = pair.both("CLIENT", "LIST")
    users = [sorted(line["user"] for line in fields(reply)) for reply in (ours, theirs)]
    assert users[0] == users[1]
    assert "u" in users[0]
    assert closed(pair, "B")


def test_deleted_users_are_cut_off(pair: Pair) -> None:
    pair.same_script("""
        ACL SETUSER u on nopass +@all ~*
        A: AUTH u x
        B: AUTH u x
        C: AUTH u x
        B: MULTI
        B: SET k v
        ACL DELUSER u
        GET k
        ACL SETUSER u on nopass +@all ~*
        D: AUTH u x
        D: ACL DELUSER u
    """)
    for client in "ABCD":
        assert closed(pair, client)


def test_a_disabled_user_keeps_its_connections(pair: Pair) -> None:
    pair.same_script("""
        ACL SETUSER u on >pw +@all ~*
        A: AUTH u pw
        ACL SETUSER u off
        A: SET k v
        A: ACL WHOAMI
        B: AUTH u pw
        A: AUTH u pw
        A: ACL WHOAMI
        ACL SETUSER u resetpass on
        B: AUTH u pw
        B: AUTH u ""
        ACL SETUSER u nopass
        B: AUTH u anything
        B: ACL WHOAMI
    """)


def test_subscribers_are_cut_when_their_channels_are_revoked(pair: Pair) -> None:
    subscriptions = {"C": "SUBSCRIBE a", "P": "PSUBSCRIBE b*", "S": "SSUBSCRIBE a"}
    for rules, ends in (
        (["resetchannels", "&a", "&b*"], ""),
        (["resetchannels", "&a"], "P"),
        (["resetchannels", "(&a)", "(&b*)"], ""),
        (["resetchannels", "&b*"], "CS"),
        (["resetchannels", "&*"], ""),
        (["resetchannels"], "CPS"),
        (["resetchannels", "&[ab]*"], "P"),
        (["-@all", "resetkeys"], ""),
    ):
        pair.same("ACL", "SETUSER", "u", "reset", "on", "nopass", "+@all", "&a", "&b*")
        for client, request in subscriptions.items():
            pair.same("AUTH", "u", "x", client=client)
            pair.same(*request.split(), client=client)
        pair.same("AUTH", "u", "x", client="N")
        pair.same("ACL", "SETUSER", "u", *rules)
        for client in "CPS":
            if client in ends:
                assert closed(pair, client), (rules, client)
            else:
                pair.silent(client)
                pair.channels.pop(client).close()
        pair.channels.pop("N").close()


def test_a_user_that_revokes_its_own_channels_gets_its_answer(pair: Pair) -> None:
    """Alone on kvnode: redis-server 7.0.15 frees the connection while it runs, and ends."""
    wire = pair.client("own").ours
    wire.call("ACL", "SETUSER", "u", "on", "nopass", "+@all", "&a")
    wire.call("HELLO", "3", "AUTH", "u", "x")
    wire.call("SUBSCRIBE", "a")
    assert wire.call("ACL", "SETUSER", "u", "resetchannels") == Reply("simple", b"OK")
    assert wire.read_or_closed() == CLOSED


def test_slow_requests_hide_the_secrets_of_users(pair: Pair) -> None:
    pair.config("slowlog-log-slower-than", "0")
    pair.same("SLOWLOG", "RESET")
    for line in (
        "ACL SETUSER u on >secret +get",
        "ACL GETUSER u",
        "ACL DELUSER u",
        "AUTH secret",
        "AUTH u secret",
        "ACL DRYRUN default get k",
    ):
        pair.same(*line.split())
    ours, theirs = pair.both("SLOWLOG", "GET", "20")
    shown = [[row.items()[3].plain() for row in reply.items()] for reply in (ours, theirs)]
    if shown[0] != shown[1]:
        raise Difference(f"{shown[0]}\n{shown[1]}")
    assert b"secret" not in repr(shown[0]).encode()
