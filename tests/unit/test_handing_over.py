"""How far followers are, and who leads: WAIT, min-replicas-to-write, FAILOVER."""

from __future__ import annotations

from .engine import Engine, output
from .links import Network, fill, is_in_step, pair, received, syncs


def test_wait_is_answered_when_the_followers_have_it() -> None:
    net, leader, follower = pair()
    assert leader.send([b"WAIT", b"1", b"0"]) == b":1\r\n"  # what was before is there
    leader.send([b"INCR", b"n"])
    assert leader.send([b"WAIT", b"1", b"0"]) == b""
    net.carry()
    assert output(leader.session()) == b":1\r\n"
    leader.send([b"INCR", b"n"])
    assert leader.send([b"WAIT", b"2", b"300"]) == b""
    net.carry()
    assert output(leader.session()) == b""
    net.pass_time(0.4)
    assert output(leader.session()) == b":1\r\n"
    leader.send([b"MULTI"])
    leader.send([b"INCR", b"n"])
    leader.send([b"WAIT", b"1", b"0"])
    assert leader.send([b"EXEC"]) == b"*2\r\n:3\r\n:1\r\n"  # of the write before
    assert follower.send([b"WAIT", b"1", b"0"]).startswith(b"-ERR WAIT cannot")


def test_waits_that_time_out_leave_nothing_behind() -> None:
    engine = Network().add("a")
    for _ in range(20):
        engine.send([b"WAIT", b"1", b"1"])
        engine.wait(0.1)
    assert output(engine.session()) == b":0\r\n"
    assert len(engine.node.replication._waits) == 0


def test_wait_counts_no_follower_that_has_not_loaded_its_snapshot() -> None:
    net = Network()
    leader, follower = net.add("a"), net.add("b")
    net.follow(follower, "a")
    leader.send([b"SET", b"a", b"1"])
    net.settle(6)
    late = net.add("c")
    received(net, leader, late)
    assert leader.send([b"WAIT", b"2", b"100"]) == b""
    leader.wait(0.2)
    net.settle()
    assert output(leader.session()) == b":1\r\n"
    leader.send([b"WAIT", b"2", b"0"])
    net.carry()
    assert output(leader.session()) == b":2\r\n"


def test_writes_need_as_many_followers_as_configured() -> None:
    net, leader, follower = pair()
    for name, value in ((b"min-replicas-to-write", b"1"), (b"min-replicas-max-lag", b"3")):
        leader.send([b"CONFIG", b"SET", name, value])
    assert leader.send([b"INCR", b"n"]) == b":1\r\n"
    net.wire(follower).is_held = True
    for _ in range(6):
        leader.clock.seconds += 1
        leader.node.tick(leader.clock.seconds)
    assert leader.send([b"INCR", b"n"]).startswith(b"-NOREPLICAS")
    assert leader.send([b"GET", b"n"]) == b"$1\r\n1\r\n"
    net.wire(follower).is_held = False
    net.settle()
    assert leader.send([b"INCR", b"n"]) == b":2\r\n"
    net.wire(follower).cut()
    assert leader.send([b"INCR", b"n"]).startswith(b"-NOREPLICAS")


def announced(follower: Engine) -> None:
    """Have a follower say that it is where the network has it."""
    name = b"b"
    follower.send([b"CONFIG", b"SET", b"replica-announce-ip", name])
    follower.send([b"CONFIG", b"SET", b"replica-announce-port", b"1"])


def handing_over() -> tuple[Network, Engine, Engine]:
    """A pair of which the follower can be found for a handover."""
    net = Network()
    leader, follower = net.add("a"), net.add("b")
    announced(follower)
    fill(leader)
    net.follow(follower, "a")
    return net, leader, follower


def test_a_failover_loses_no_write() -> None:
    net, leader, follower = handing_over()
    leader.send([b"INCR", b"n"])  # it is not with the follower yet
    assert leader.send([b"FAILOVER"]) == b"+OK\r\n"
    assert leader.send([b"INCR", b"n"], "other") == b""  # it waits
    net.settle()
    assert follower.node.replication.is_leading()
    assert is_in_step(leader, follower)
    assert syncs(follower) == (0, 1)
    assert output(leader.session("other")).startswith(b"-READONLY")
    assert follower.send([b"GET", b"n"]) == b"$1\r\n1\r\n"


def test_a_failover_inside_a_transaction_loses_nothing_of_it() -> None:
    net, leader, follower = handing_over()
    leader.send([b"MULTI"])
    leader.send([b"SET", b"before", b"1"])
    leader.send([b"FAILOVER"])
    leader.send([b"SET", b"behind", b"1"])
    leader.send([b"EXEC"])
    net.settle()
    assert follower.node.replication.is_leading()
    assert is_in_step(leader, follower)
    assert follower.send([b"EXISTS", b"before", b"behind"]) == b":2\r\n"


def test_a_failover_whose_answer_is_lost_is_done_all_the_same() -> None:
    net, leader, follower = handing_over()
    leader.send([b"FAILOVER", b"TO", b"b", b"1"])
    for _ in range(30):
        for wire in list(net.wires):
            if not wire.is_closed:
                wire.carry()
        if follower.node.replication.is_leading():
            break
        wires = [wire for wire in net.wires if wire.leader is follower and not wire.is_closed]
        for wire in wires:
            wire.is_held = b"PSYNC" in wire.said  # the answer to it does not arrive
    assert follower.node.replication.is_leading()
    net.wire(leader).cut()
    follower.send([b"INCR", b"n"])
    net.settle()
    assert is_in_step(leader, follower)
    assert not leader.node.replication.is_failing_over()


def test_a_failover_ends_without_effect_when_its_time_is_over() -> None:
    net, leader, follower = handing_over()
    net.wire(follower).is_held = True
    leader.send([b"INCR", b"n"])
    assert leader.send([b"FAILOVER", b"TIMEOUT", b"500"]) == b"+OK\r\n"
    assert leader.send([b"INCR", b"n"], "other") == b""
    net.pass_time(0.6)
    assert output(leader.session("other")) == b":2\r\n"
    assert leader.node.replication.is_leading()
    assert leader.send([b"FAILOVER", b"ABORT"]).startswith(b"-ERR No failover")
