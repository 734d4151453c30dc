"""Reading of what stream commands are given: ids, intervals of ids, and what to trim."""

from typing import Final, final

from mypy_extensions import i64

from kvnode.commands.arguments import integer
from kvnode.context import Context
from kvnode.structures.stream_container import Stream
from kvnode.structures.stream_ids import (
    ANY_SEQUENCE,
    COMPLETE,
    EXTREME,
    HIGHEST,
    INVALID,
    LOWEST,
    following,
    parse,
    preceding,
    text_of,
)
from kvprotocol import errors
from kvprotocol.errors import ReplyError

INVALID_ID: Final = "ERR Invalid stream ID specified as stream command argument"
NO_GROUP: Final = "NOGROUP No such key '%s' or consumer group '%s'"
NO_GROUP_OF_KEY: Final = "NOGROUP No such consumer group '%s' for key name '%s'"

_INVALID_START: Final = "ERR invalid start ID for the interval"
_INVALID_END: Final = "ERR invalid end ID for the interval"
_ONE_STRATEGY: Final = (
    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
)
_LIMIT_WITHOUT_STRATEGY: Final = (
    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
)
_NO_STRATEGY: Final = "ERR syntax error, XTRIM must be called with a trimming strategy"
_LIMIT_WITHOUT_APPROXIMATION: Final = (
    "ERR syntax error, LIMIT cannot be used without the special ~ option"
)
_NODES_PER_TRIM: Final = 100
_LIMIT_UNSET: Final = 10000
_LIMIT_MAX: Final = 1000000


def strict_id(text: bytes) -> tuple[i64, i64]:
    """Return an id that is neither `-` nor `+`; the sequence is 0 where none is given."""
    kind, ms, seq = parse(text, LOWEST)
    if kind != COMPLETE:
        raise ReplyError(INVALID_ID)
    return ms, seq


def any_id(text: bytes) -> tuple[i64, i64]:
    """Return an id, `-` and `+` being the lowest and the highest."""
    kind, ms, seq = parse(text, LOWEST)
    if kind in (INVALID, ANY_SEQUENCE):
        raise ReplyError(INVALID_ID)
    return ms, seq


def strict_ids(argv: list[bytes], begin: i64) -> list[tuple[i64, i64]]:
    """Return the ids that all words from `begin` on are."""
    found: list[tuple[i64, i64]] = []
    i = begin
    while i < len(argv):
        found.append(strict_id(argv[i]))
        i += 1
    return found


def _bound(text: bytes, missing_sequence: i64) -> tuple[bool, i64, i64]:
    """Return whether a bound of an interval is exclusive, and its id."""
    if len(text) > 1 and text[0] == 0x28:
        kind, ms, seq = parse(text[1:], missing_sequence)
        if kind != COMPLETE:
            raise ReplyError(INVALID_ID)
        return True, ms, seq
    kind, ms, seq = parse(text, missing_sequence)
    if kind != COMPLETE and kind != EXTREME:
        raise ReplyError(INVALID_ID)
    return False, ms, seq


def interval_start(text: bytes) -> tuple[i64, i64]:
    """Return the first id of an interval."""
    exclusive, ms, seq = _bound(text, LOWEST)
    if not exclusive:
        return ms, seq
    if ms == HIGHEST and seq == HIGHEST:
        raise ReplyError(_INVALID_START)
    return following(ms, seq)


def interval_end(text: bytes) -> tuple[i64, i64]:
    """Return the last id of an interval."""
    exclusive, ms, seq = _bound(text, HIGHEST)
    if not exclusive:
        return ms, seq
    if ms == LOWEST and seq == LOWEST:
        raise ReplyError(_INVALID_END)
    return preceding(ms, seq)


@final
class AddOptions:
    """What stands between the key and the fields of XADD, or behind the key of XTRIM.

    `id_kind` is INVALID where the id is to be made. `place` is the id's, behind the options.
    """

    def __init__(self, ctx: Context, argv: list[bytes], adds: bool) -> None:
        self.creates = True
        self.id_kind: i64 = INVALID
        self.id_ms: i64 = 0
        self.id_seq: i64 = 0
        self.strategy = b""
        self.approximate = False
        self.length_max: i64 = 0
        self.min_ms: i64 = 0
        self.min_seq: i64 = 0
        self.limit: i64 = 0
        self.place: i64 = 2
        limit_given = False
        size: i64 = len(argv)
        while self.place < size:
            word = argv[self.place]
            if adds and word == b"*":
                break
            option = word.upper()
            has_more = self.place + 1 < size
            if has_more and (option == b"MAXLEN" or option == b"MINID"):
                self._read_strategy(argv, option)
            elif has_more and option == b"LIMIT":
                limit = integer(argv[self.place + 1])
                if limit < 0:
                    raise ReplyError("ERR The LIMIT argument must be >= 0.")
                self.limit = limit
                limit_given = True
                self.place += 1
            elif adds and option == b"NOMKSTREAM":
                self.creates = False
            elif adds:
                self._read_id(word)
                break
            else:
                raise ReplyError(errors.SYNTAX)
            self.place += 1
        self._check_limit(ctx, adds, limit_given)

    def _read_strategy(self, argv: list[bytes], option: bytes) -> None:
        if self.strategy:
            raise ReplyError(_ONE_STRATEGY)
        place = self.place + 1
        self.approximate = False
        if place + 1 < len(argv) and argv[place] in (b"~", b"="):
            self.approximate = argv[place] == b"~"
            place += 1
        if option == b"MAXLEN":
            length = integer(argv[place])
            if length < 0:
                raise ReplyError("ERR The MAXLEN argument must be >= 0.")
            self.length_max = length
        else:
            self.min_ms, self.min_seq = strict_id(argv[place])
        self.strategy = option
        self.place = place

    def _read_id(self, word: bytes) -> None:
        kind, ms, seq = parse(word, LOWEST)
        if kind != COMPLETE and kind != ANY_SEQUENCE:
            raise ReplyError(INVALID_ID)
        self.id_kind = kind
        self.id_ms = ms
        self.id_seq = seq

    def _check_limit(self, ctx: Context, adds: bool, limit_given: bool) -> None:
        if self.limit and not self.strategy:
            raise ReplyError(_LIMIT_WITHOUT_STRATEGY)
        if not adds and not self.strategy:
            raise ReplyError(_NO_STRATEGY)
        if limit_given:
            if not self.approximate:
                raise ReplyError(_LIMIT_WITHOUT_APPROXIMATION)
        elif self.approximate:
            # So that one trim does not take long.
            limit = _NODES_PER_TRIM * int(ctx.encodings.stream_node_max_entries)
            if limit <= 0:
                limit = _LIMIT_UNSET
            self.limit = min(limit, _LIMIT_MAX)

    def trim(self, stream: Stream) -> i64:
        """Trim a stream as the options say; return how many entries were deleted."""
        if self.strategy == b"MAXLEN":
            deleted = stream.trim_to_length(self.length_max, self.approximate, self.limit)
        else:
            deleted = stream.trim_before(self.min_ms, self.min_seq, self.approximate, self.limit)
        if deleted:
            stream.find_first()
        return deleted

    def exact_words(self, stream: Stream) -> list[bytes]:
        """Return the options that trim another copy exactly as this stream was trimmed."""
        if self.strategy == b"MAXLEN":
            return [b"MAXLEN", b"=", b"%d" % stream.length]
        ms = self.min_ms
        seq = self.min_seq
        if self.approximate:
            ms, seq = stream.first_kept()
        return [b"MINID", b"=", text_of(ms, seq)]
