"""DEBUG RELOAD and LOADAOF: the dataset read anew from its files, while nobody is served.

Shuffles stay as they are: their blocks are in no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvnode.durability.loader import Loader
from kvnode.durability.rdb_reader import FileError
from kvprotocol import errors
from kvprotocol.errors import ReplyError

if TYPE_CHECKING:
    from kvnode.context import Context
    from kvnode.node import Node

_STEP_SECONDS: Final = 1.0
_RDB_FAILED: Final = "ERR Error trying to load the RDB dump"
_LOG_FAILED: Final = "ERR Error trying to load the append-only files"


def reload(ctx: Context, saves: bool, flushes: bool, merges: bool) -> None:
    """Load the RDB file, which is written before if `saves`. ReplyError: that fails.

    Without `flushes` what is there stays; what the file has too is an error unless it `merges`.
    """
    node = ctx.node
    _refuse_while_loading(node)
    if saves:
        node.saver.finish()
        node.saver.save()
    try:
        # Opened before anything is dropped: a file that is missing costs no data.
        loader = Loader(node, [node.config.text("dbfilename")], False, False)
        loader.merges = merges
        if not saves:
            node.replication.note_other_data()
        if flushes:
            _drop_all(node)
        _run(ctx, loader)
    except FileError as error:
        raise _failure(node, _RDB_FAILED, error) from None


def reload_log(ctx: Context) -> None:
    """Load the append-only log, whose files have all effects so far. ReplyError: that fails."""
    node = ctx.node
    _refuse_while_loading(node)
    try:
        names = node.append_log.current_files()
        mends_tail = node.config.flag("aof-load-truncated") and not node.append_log.is_logging()
        loader = Loader(node, names, True, mends_tail) if names else None
        _drop_all(node)
        if loader is not None:
            _run(ctx, loader)
    except FileError as error:
        raise _failure(node, _LOG_FAILED, error) from None
    node.dataset.dirty = 0


def _refuse_while_loading(node: Node) -> None:
    if node.is_loading():
        raise ReplyError(errors.LOADING)


def _drop_all(node: Node) -> None:
    for database in node.dataset.databases:
        database.clear(False)
    node.scripting.functions.flush()
    node.requests.clear()
    node.tracking.flush()


def _run(ctx: Context, loader: Loader) -> None:
    """Load everything; the context is the caller's again afterwards."""
    session = ctx.session
    may_block = ctx.may_block
    ctx.node.loader = loader
    ctx.node.shuffles.keeps_all = True
    try:
        while not loader.is_done:
            loader.step(_STEP_SECONDS)
    except FileError:
        ctx.node.replication.note_other_data()  # a part of it
        raise
    finally:
        ctx.node.shuffles.keeps_all = False
        ctx.enter(session, session.keyspace)
        ctx.may_block = may_block


def _failure(node: Node, message: str, error: FileError) -> ReplyError:
    node.journal.note("warning", "cannot-load", {"reason": str(error)})
    return ReplyError(message)
