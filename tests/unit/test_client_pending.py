"""A pending result has a value after the execution, and the error of its own command."""

from __future__ import annotations

import pytest

from kvclient.errors import ReplyError, UsageError
from kvclient.queued.pending import Pending


def test_before_the_execution_there_is_no_value() -> None:
    pending: Pending[int] = Pending()
    assert not pending.done()
    assert repr(pending) == "<Pending>"
    with pytest.raises(UsageError, match="before the pipeline was executed"):
        _ = pending.value


def test_after_it_there_is_one_even_if_it_is_none() -> None:
    pending: Pending[int | None] = Pending()
    pending.set_result(None)
    assert pending.done()
    assert pending.value is None
    assert repr(pending) == "<Pending: None>"


def test_a_failed_command_raises_its_error_each_time() -> None:
    pending: Pending[int] = Pending()
    pending.set_exception(ReplyError("ERR no"))
    assert pending.done()
    for _ in range(2):
        with pytest.raises(ReplyError, match="ERR no"):
            _ = pending.value
    assert "ERR no" in repr(pending)
