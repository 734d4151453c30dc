"""The examples of docs/client.md do what they say."""

from __future__ import annotations

import re
from contextlib import ExitStack

from ..wire.servers import kvnode_server
from .examples import Session, examples


def test_the_examples_of_the_client_do_what_they_say() -> None:
    with ExitStack() as stack:
        nodes = [stack.enter_context(kvnode_server()) for _ in range(3)]
        ports = {
            f"localhost:{named}": f"localhost:{node.port}"
            for named, node in zip((6379, 7001, 7002), nodes)
        }

        def rename(text: str) -> str:
            return re.sub(r"localhost:\d+", lambda place: ports[place[0]], text)

        session = Session(rename)
        stack.callback(session.close)
        wrong = [session.run(example) for example in examples()]
    assert not any(wrong), "\n".join(filter(None, wrong))
