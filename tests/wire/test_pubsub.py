"""Subscribing, publishing and looking at channels answer as redis-server does."""

from __future__ import annotations

from .client import Reply, Wire
from .harness import Pair


def test_each_channel_is_confirmed(pair: Pair) -> None:
    pair.same_script("""
        A: SUBSCRIBE a b a
        A<
        A<
        A: PSUBSCRIBE p* q*
        A<
        A: SSUBSCRIBE s t
        A<
        A: UNSUBSCRIBE a nothing
        A<
        A: PUNSUBSCRIBE p* nothing
        A<
        A: SUNSUBSCRIBE s nothing
        A<
        A: UNSUBSCRIBE
        A: PUNSUBSCRIBE
        A: SUNSUBSCRIBE
        A: UNSUBSCRIBE
        A: PUNSUBSCRIBE
        A: SUNSUBSCRIBE
        A<!
    """)


def test_subscription_commands_need_their_arguments(pair: Pair) -> None:
    pair.same_script("""
        SUBSCRIBE
        PSUBSCRIBE
        SSUBSCRIBE
        PUBLISH
        PUBLISH a
        PUBLISH a b c
        SPUBLISH a
        SPUBLISH a b c
        PUBSUB
        PUBSUB FOO
        PUBSUB NUMPAT x
        PUBSUB CHANNELS a b
        PUBSUB channels a b c
        PUBSUB SHARDCHANNELS a b
        PUBSUB HELP x
    """)


def test_messages_reach_channels_patterns_and_shard_channels(pair: Pair) -> None:
    pair.same_script("""
        PUBLISH news nobody
        A: SUBSCRIBE news
        A: PSUBSCRIBE n?ws
        B: PSUBSCRIBE [mn]e*
        C: SSUBSCRIBE news
        PUBLISH news hello
        A<
        A<
        B<
        C<!
        PUBLISH next hello
        B<
        A<!
        SPUBLISH news shard
        C<
        A<!
        SPUBLISH nowhere x
        PUBLISH other x
        PUBLISH news ""
        A<
        A<
        B<
    """)
    pair.same("PUBLISH", "news", "x" * 40000)
    for client in "AAB":
        pair.read(client)
    pair.same("PUBLISH", b"n\x00ws", b"\xff\r\n\x00")
    pair.read("A")


def test_channels_are_the_same_in_all_databases(pair: Pair) -> None:
    pair.same_script("""
        A: SELECT 1
        A: SUBSCRIBE a
        PUBLISH a x
        A<
    """)


def test_a_subscriber_may_run_few_commands_under_resp2(pair: Pair) -> None:
    pair.same_script("""
        A: SUBSCRIBE a
        A: PING
        A: PING hello
        A: PING hello you
        A: GET k
        A: MULTI
        A: CLIENT ID
        A: CLIENT
        A: FOO
        A: GET
        A: PUBLISH b x
        A: SELECT 0
        A: SUNSUBSCRIBE
        A: SSUBSCRIBE s
        A: UNSUBSCRIBE
        A: GET k
        A: SUNSUBSCRIBE
        A: GET k
        A: PING
    """)
    if pair.protocol == 3:
        pair.same("DISCARD", client="A")


def test_a_session_that_publishes_to_itself_sees_the_message_first(pair: Pair) -> None:
    pair.same("SUBSCRIBE", "a")
    pair.same("PUBLISH", "a", "one")  # refused to a subscriber under RESP2
    if pair.protocol == 2:
        return
    pair.read()
    pair.same_script("""
        MULTI
        SET k v
        PUBLISH a two
        GET k
        EXEC
    """)
    # The array announces three elements; the message that stands between them is a fourth.
    pair.read()
    pair.same("PING")


def test_hello_changes_how_messages_are_sent(pair: Pair) -> None:
    pair.same_script("""
        A: HELLO 3
        A: SUBSCRIBE a
        PUBLISH a x
        A<
        A: GET k
        A: HELLO 2
        PUBLISH a y
        A<
        A: GET k
        A: HELLO 3
        A: PING
        A: UNSUBSCRIBE
        A: GET k
        A: PING
    """)


def test_subscribing_inside_a_transaction(pair: Pair) -> None:
    pair.same_script("""
        A: MULTI
        A: SUBSCRIBE a b
        A: PSUBSCRIBE p
        A: SSUBSCRIBE s
        A: PING x
        A: EXEC
        A<
        PUBLISH a x
        A<
        A: GET k
        B: MULTI
        B: SUBSCRIBE a
        B: UNSUBSCRIBE
        B: EXEC
        B: GET k
        PUBSUB NUMSUB a
    """)


def test_confirmations_and_messages_are_not_swallowed(pair: Pair) -> None:
    channel = pair.client("A")
    for wire in (channel.ours, channel.theirs):
        wire.send("CLIENT", "REPLY", "OFF")
        wire.send("SET", "k", "v")
        wire.send("SUBSCRIBE", "a")
    pair.read("A")
    pair.same_script("""
        PUBLISH a x
        A<
        A: UNSUBSCRIBE a
        A: CLIENT REPLY ON
        A: PING
    """)


def test_subscriptions_end_with_the_connection(pair: Pair) -> None:
    pair.same_script("""
        A: SUBSCRIBE a
        A: PSUBSCRIBE b*
        A: SSUBSCRIBE c
        B: SUBSCRIBE a
        B: PSUBSCRIBE b*
        A: RESET
        A: PING
        PUBSUB NUMSUB a
        PUBSUB NUMPAT
        PUBSUB SHARDNUMSUB c
        PUBLISH a x
        B<
        A<!
    """)
    pair.drop("B")
    pair.same_script("""
        PUBSUB NUMSUB a
        PUBSUB NUMPAT
        PUBSUB CHANNELS
        PUBLISH a x
    """)


def test_what_pubsub_tells(pair: Pair) -> None:
    pair.same_script("""
        PUBSUB CHANNELS
        PUBSUB NUMPAT
        PUBSUB NUMSUB
        PUBSUB NUMSUB a
        PUBSUB SHARDCHANNELS
        PUBSUB SHARDNUMSUB
        A: SUBSCRIBE a1 a2 b
        A<
        A<
        B: SUBSCRIBE a1
        A: PSUBSCRIBE a* b*
        A<
        B: PSUBSCRIBE a*
        A: SSUBSCRIBE s1 t
        A<
        PUBSUB CHANNELS
        PUBSUB CHANNELS a*
        PUBSUB CHANNELS x*
        PUBSUB NUMPAT
        PUBSUB NUMSUB a1 a2 b c a1
        PUBSUB SHARDCHANNELS
        PUBSUB SHARDCHANNELS s?
        PUBSUB SHARDNUMSUB s1 t a1
    """)


def test_the_help_has_the_same_forms(pair: Pair) -> None:
    forms = []
    for reply in pair.both("PUBSUB", "HELP"):
        lines = [item.text() for item in reply.items()]
        assert {item.kind for item in reply.items()} == {"simple"}
        forms.append([line for line in lines if not line.startswith(b" ")])
    assert forms[0] == forms[1]


def publish_until_unheard(wire: Wire) -> bool:
    """Publish to a subscriber that does not read until the server has dropped it."""
    return any(wire.call("PUBLISH", "flood", "x" * 100_000).number() == 0 for _ in range(600))


def test_a_subscriber_that_does_not_read_is_dropped(pair: Pair) -> None:
    pair.config("client-output-buffer-limit", "pubsub 1000000 0 0")
    pair.same("SUBSCRIBE", "flood", client="A")
    channel = pair.client()
    assert publish_until_unheard(channel.theirs)
    assert publish_until_unheard(channel.ours)
    assert pair.same("PUBSUB", "NUMSUB", "flood").items()[1] == Reply("integer", 0)
