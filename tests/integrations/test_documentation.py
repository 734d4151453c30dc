"""The examples of docs/integrations.md do what they say."""

from __future__ import annotations

import re
from typing import Final

from ..client.examples import Session, examples
from ..wire.servers import REPOSITORY

DOCUMENT: Final = REPOSITORY / "docs" / "integrations.md"


def test_the_examples_of_the_integrations_do_what_they_say(url: str) -> None:
    place = url.partition("://")[2].replace("127.0.0.1", "localhost")
    session = Session(lambda text: re.sub(r"localhost:\d+", place, text))
    try:
        wrong = [session.run(example) for example in examples(DOCUMENT)]
    finally:
        session.close()
    assert not any(wrong), "\n".join(filter(None, wrong))
