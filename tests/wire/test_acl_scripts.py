"""Scripts have the rights of who runs them: texts, log and acl_check_cmd are as in redis-server."""

from __future__ import annotations

from .acl_state import only_the_default_user  # noqa: F401
from .harness import Pair

CALLS = (
    "redis.call('get', 'b')",
    "redis.call('set', 'a', 'x')",
    "redis.call('publish', 'c', 'x')",
    "redis.call('publish', 'n', 'x')",
    "redis.call('mget', 'a', 'b')",
    "redis.call('client', 'id')",
    "redis.call('config', 'get', 'port')",
    "redis.call('flushall')",
    "redis.call('sort', 'a1', 'by', 'w*')",
    "redis.call('sort', 'a1', 'get', 'w*')",
    "redis.call('sort', 'b')",
    "redis.call('sort', 'a1', 'store', 'b')",
    "redis.call('zunionstore', 'a2', 1, 'b')",
    "redis.call('subscribe', 'n')",
    "redis.call('nope')",
    "redis.call('get')",
    "redis.acl_check_cmd('get', 'a')",
    "redis.acl_check_cmd('get', 'b')",
    "redis.acl_check_cmd('get')",
    "redis.acl_check_cmd('set', 'a', 'x')",
    "redis.acl_check_cmd('set')",
    "redis.acl_check_cmd('mget', 'a', 'b')",
    "redis.acl_check_cmd('publish', 'n', 'x')",
    "redis.acl_check_cmd('publish', 'c', 'x')",
    "redis.acl_check_cmd('client', 'id')",
    "redis.acl_check_cmd('client')",
    "redis.acl_check_cmd('client', 'nope')",
    "redis.acl_check_cmd('nope')",
    "redis.acl_check_cmd()",
)
RULES = "on nopass +get +mget +eval +eval_ro +fcall +sort +publish +zunionstore ~a* &n +multi +exec"


def test_calls_of_scripts_are_denied_as_their_callers_requests(pair: Pair) -> None:
    pair.same("ACL", "SETUSER", "u", *RULES.split())
    pair.same("RPUSH", "a1", "2", "1")
    pair.same("AUTH", "u", "x", client="A")
    for call in CALLS:
        pair.same("EVAL", f"return {call}", 0, client="A")
        if ".call" in call:
            pair.same("EVAL", f"return {call.replace('.call', '.pcall')}", 0, client="A")
    pair.same("ACL", "LOG", "100")
    pair.same_script("""
        A: EVAL "return redis.call('get', KEYS[1])" 1 b
        A: EVAL "return redis.call('get', KEYS[1])" 1 a
        A: EVAL "return redis.call('get', KEYS[1])" x b
        A: EVAL_RO "return redis.call('get', KEYS[1])" 1 b
        A: EVALSHA 0123456789012345678901234567890123456789 0
        A: SCRIPT EXISTS x
        A: MULTI
        A: EVAL "return redis.pcall('get', 'b')" 0
        A: EVAL "return redis.pcall('get', 'a')" 0
        ACL SETUSER u -get
        A: EXEC
        A: MULTI
        A: EVAL "return 1" 1 a
        ACL SETUSER u resetkeys
        A: EXEC
        ACL LOG 100
    """)


def test_nobody_is_denied_anything_who_may_do_everything(pair: Pair) -> None:
    for call in CALLS[16:]:
        pair.same("EVAL", f"return {call}", 0)
    pair.same("ACL", "LOG")


def test_functions_have_the_rights_of_who_calls_them(pair: Pair) -> None:
    code = (
        "#!lua name=acl\n"
        "redis.register_function('reads', function(k, a) return redis.call('get', a[1]) end)"
    )
    pair.same("FUNCTION", "LOAD", "REPLACE", code)
    pair.same("ACL", "SETUSER", "u", *RULES.split())
    pair.same_script("""
        A: AUTH u x
        A: FCALL reads 0 a
        A: FCALL reads 0 b
        A: FCALL reads 1 b a
        A: FCALL_RO reads 0 a
        A: FUNCTION LIST
        ACL LOG
        FUNCTION DELETE acl
    """)
