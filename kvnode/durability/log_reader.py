"""Requests read back from a file of the log, and run on a node.

The file holds RESP arrays, and between them lines that begin with `#`, which say something about
the log and change nothing: `#TS:1700000000` that what follows was written in that second or later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64, mypyc_attr

from kvnode.durability.rdb_reader import FileError, shown
from kvnode.rdb.encoding import Source
from kvnode.request_memory import RECORD, RecordError
from kvnode.session import Outlet, Session
from kvnode.shuffle import records as shuffles
from kvprotocol.numbers import parse_int
from kvprotocol.replies import ErrorReply

if TYPE_CHECKING:
    from kvnode.node import Node

_WINDOW_BYTES: Final = 1 << 18
_HEADER_MAX: Final = 32  # bytes of the line that says how many words or bytes come
_COMMENT_MAX: Final = 1 << 16
_WORDS_MAX: Final = 1 << 20
_WORD_MAX: Final = 1 << 32
TIME_MARK: Final = b"#TS:"
_SHORT_LINE: Final = 16  # bytes that a line of a small number does not reach
_SMALL: Final = 100_000_000
_RETURN: Final = 13 - 48  # a carriage return, read as a digit
_COMMENT: Final = 0x23  # "#"
_ARRAY: Final = 0x2A  # "*"
_BULK: Final = 0x24  # "$"


@mypyc_attr(native_class=False)
class TornError(Exception):
    """The file ends inside a request."""


@final
class LogReader:
    """Reads requests; `position` is the offset in the file behind the last whole one.

    With `last_second` it stops before what was written later: `is_cut` then, and as at the end.
    """

    def __init__(self, source: Source, position: int = 0, head: bytes = b"") -> None:
        """`head` is what was read already of what begins at `position`."""
        self.position = position
        self.last_second: int | None = None
        self.is_cut = False
        self._source = source
        self._data = head
        self._at: i64 = 0
        self._before: i64 = position  # the offset of the window

    def next(self) -> list[bytes] | None:
        """Return the next request, None at the end. TornError; FileError: it is none."""
        while self._has(1):
            lead: i64 = self._data[self._at]
            if lead == _COMMENT:
                if self._is_later(self._line(_COMMENT_MAX)):
                    self.is_cut = True
                    return None
                self.position = int(self._before + self._at)
            elif lead == _ARRAY:
                argv = self._request()
                self.position = int(self._before + self._at)
                return argv
            else:
                raise self._damage("no request begins here")
        return None

    def _is_later(self, comment: bytes) -> bool:
        """Return whether a line says that what follows is beyond `last_second`."""
        if self.last_second is None or not comment.startswith(TIME_MARK):
            return False
        second = parse_int(comment[len(TIME_MARK) :])
        if second is None:
            raise self._damage("a time that is no number")
        return second > self.last_second

    def _request(self) -> list[bytes]:
        count = self._number(_ARRAY, _WORDS_MAX)
        if count < 1:
            raise self._damage("a request without words")
        argv: list[bytes] = []
        while count > 0:
            count -= 1
            size = self._number(_BULK, _WORD_MAX)
            if not self._has(size + 2):
                raise TornError
            begin = self._at
            end = begin + size
            if self._data[end] != 13 or self._data[end + 1] != 10:
                raise self._damage("a word of another length than was announced")
            argv.append(self._data[begin:end])
            self._at = end + 2
        return argv

    def _number(self, lead: i64, most: i64) -> i64:
        """Return the number in a line that begins with `lead`."""
        # Nearly all are small and whole in the window; any other line is read with care.
        data = self._data
        at = self._at
        if len(data) - at > _SHORT_LINE and data[at] == lead:
            small: i64 = data[at + 1] - 48
            at += 2
            if 1 <= small <= 9:
                digit: i64 = data[at] - 48
                while 0 <= digit <= 9 and small < _SMALL:
                    small = small * 10 + digit
                    at += 1
                    digit = data[at] - 48
                if digit == _RETURN and data[at + 1] == 10 and small <= most:
                    self._at = at + 2
                    return small
        line = self._line(_HEADER_MAX)
        number = parse_int(line[1:])
        if line[0] != lead or number is None or not 0 <= number <= most:
            raise self._damage("not the number of words or bytes")
        return i64(number)

    def _line(self, size_max: i64) -> bytes:
        """Return the next line without its end."""
        size: i64 = 64
        while True:
            is_whole = self._has(size)
            end: i64 = self._data.find(b"\r\n", self._at)
            if end >= 0 and end - self._at <= size_max:
                line = self._data[self._at : end]
                self._at = end + 2
                if not line:
                    raise self._damage("an empty line")
                return line
            if end >= 0 or len(self._data) - self._at > size_max:
                raise self._damage("a line that is too long")
            if not is_whole:
                raise TornError
            size *= 2

    def _has(self, size: i64) -> bool:
        """Get so many bytes into the window; return whether the file has them."""
        while len(self._data) - self._at < size:
            left = len(self._data) - self._at
            # What is missing of a huge word is read in parts: its length may be a lie.
            wanted = min(max(size - left, _WINDOW_BYTES), max(left, 16 * _WINDOW_BYTES))
            more = self._source.read(int(wanted))
            if not more:
                return False
            self._before += self._at
            self._data = self._data[self._at :] + more
            self._at = 0
        return True

    def _damage(self, what: str) -> FileError:
        return FileError(f"{what} (offset {self.position})")


@final
class Replay:
    """Runs the requests of a log on a node. What stands between MULTI and EXEC runs as a whole.

    Requests that are read back from the node's own log leave no effects. Those of a leader's stream
    do, for the log of this node; they run as the `leader`'s session.
    """

    def __init__(self, node: Node, leader: Session | None = None) -> None:
        self.requests: i64 = 0
        self.failures: i64 = 0  # answered with an error
        self.failed = ""  # the first of them, and the error
        self.is_open = False  # whether a MULTI waits for its EXEC
        self._node = node
        self._is_logged = leader is not None
        database = node.dataset.databases[0]
        self._session = leader or Session(0, node.dispatcher, database, Outlet(), node.clock.now())
        self._queued: list[list[bytes]] = []

    def run(self, argv: list[bytes]) -> None:
        """Run one request. FileError: this node has no such command."""
        name = argv[0].upper() if len(argv) == 1 else b""
        if name == b"MULTI":
            self.is_open = True
        elif name == b"EXEC":
            queued = self._queued
            self.drop()
            opened = self._node.dispatcher.open_unit()
            try:
                for words in queued:
                    self._execute(words)
            finally:
                if opened:
                    self._node.dispatcher.close_unit()
        elif self.is_open:
            self._queued.append(argv)
        else:
            self._execute(argv)

    def drop(self) -> None:
        """Forget a transaction whose end is not there."""
        self._queued = []
        self.is_open = False

    def _remember(self, argv: list[bytes]) -> bool:
        """Take over a record, of a request that was run or of a shuffle; return whether it is one.

        FileError: it is damaged.
        """
        node = self._node
        now_ms = i64(int(node.clock.now() * 1000.0))
        record = argv[1]
        try:
            if record.startswith(RECORD):
                node.requests.restore(record, now_ms)
            elif record.startswith(shuffles.RECORD):
                node.shuffles.restore(record[len(shuffles.RECORD) :])
            else:
                return False
        except (RecordError, shuffles.RecordError):
            raise FileError(f"a record {shown(record)} that is none") from None
        if self._is_logged:
            node.dispatcher.add_record(argv, self._session.keyspace.index)
        return True

    def _execute(self, argv: list[bytes]) -> None:
        if argv[0] == b"ECHO" and len(argv) == 2 and self._remember(argv):
            return
        node = self._node
        dispatcher = node.dispatcher
        command = dispatcher.find(argv[0])
        if command is not None and command.subcommands is not None and len(argv) > 1:
            command = command.subcommands.get(argv[1].lower())
        if command is None:
            raise FileError(f"unknown command {shown(argv[0])}")
        if not command.argc_min <= len(argv) <= command.argc_max:
            raise FileError(f"wrong number of arguments of {shown(argv[0])}")
        session = self._session
        ctx = dispatcher.ctx
        dataset = node.dataset
        database = session.keyspace.index
        ctx.enter(session, session.keyspace)
        ctx.may_block = False
        expires_keys = dataset.expires_keys
        dataset.expires_keys = False
        dataset.is_replaying = True
        reply = dispatcher.call(command, argv)
        dataset.is_replaying = False
        dataset.expires_keys = expires_keys
        ctx.may_block = True
        self.requests += 1
        if isinstance(reply, ErrorReply):
            self._note_failure(argv, reply)
        if self._is_logged:
            dispatcher.note_applied(session, command, argv, database)
            return
        dataset.changes = 0
        ctx.effects = None
        if dataset.own_effects:
            dataset.own_effects = []

    def _note_failure(self, argv: list[bytes], reply: ErrorReply) -> None:
        """Count a request that failed. FileError: what follows would change other keys."""
        if self._is_logged:
            fields: dict[str, object] = {"command": shown(argv[0]), "reply": reply.message}
            self._node.journal.note("warning", "leader-request-failed", fields)
        elif argv[0].upper() == b"SELECT":
            count = len(self._node.dataset.databases)
            raise FileError(f"database {shown(argv[1])}, but the directive databases is {count}")
        if self.failures == 0:
            self.failed = f"{shown(argv[0])}: {reply.message}"
        self.failures += 1
