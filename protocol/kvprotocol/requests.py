"""The request parser: bytes in, argv out; no socket, no clock.

A request is a RESP array of bulk strings or an inline command line. A read that ends inside a
request keeps its place (arguments so far, length of the announced bulk), so no byte is looked at
twice; a bulk of more than 32 KiB that is not complete is collected as a list of reads, which are
joined once, to the argument itself.

The loop over arguments is long on purpose: it is the hottest code of the node.
"""

from typing import Final, final

from mypy_extensions import i64

from kvprotocol.errors import ProtocolError
from kvprotocol.numbers import parse_int

LINE_BYTES_MAX: Final = 65536  # of an inline command, and of a length line
BULK_BYTES_MAX: Final = 512 * 1024 * 1024
MULTIBULK_MAX: Final = 2**31 - 1
UNAUTHENTICATED_BULK_MAX: Final = 16384
UNAUTHENTICATED_MULTIBULK_MAX: Final = 10
_COLLECT_BYTES_MIN: Final = 32768
_NOTHING: Final[list[bytes]] = []  # never filled: each request begins a list of its own


@final
class RequestParser:
    """Splits one connection's byte stream into requests.

    `bulk_bytes_max` follows the configuration; `trusted` is False until the peer authenticated, and
    then keeps requests small. After `next()` returned an argv, `data[begin:position]` are its
    bytes.
    """

    def __init__(self) -> None:
        self.data = b""
        self.position: i64 = 0
        self.begin: i64 = 0
        self.bulk_bytes_max: i64 = BULK_BYTES_MAX
        self.trusted = True
        self.takes_inline = True  # a leader's stream has no inline commands
        self._argv: list[bytes] = []
        self._left: i64 = 0  # arguments of the current array still to come
        self._bulk: i64 = -1  # length of the announced bulk, -1 when its line is still to come
        self._reads: list[bytes] = []  # of a large bulk that is not complete
        self._reads_bytes: i64 = 0
        self._collected: bytes | None = None  # a large bulk, when it is complete
        self._kept: list[bytes] = []  # reads that came while the session waited
        self._kept_bytes: i64 = 0
        self.keeps = False  # whether there are any

    def keep(self, data: bytes) -> None:
        """Take a read while nobody calls `next`; `feed` joins all of them once."""
        self._kept.append(data)
        self._kept_bytes += len(data)
        self.keeps = True

    def feed(self, data: bytes) -> None:
        """Take the next read."""
        if self.keeps:
            self._kept.append(data)
            data = b"".join(self._kept)
            self._kept = []
            self._kept_bytes = 0
            self.keeps = False
        if self._reads_bytes:
            self._reads.append(data)
            self._reads_bytes += len(data)
            if self._reads_bytes >= self._bulk + 2:
                self._complete_bulk(data)
            return
        if self.position < len(self.data):
            self.data = self.data[self.position :] + data
        else:
            self.data = data
        self.position = 0
        self.begin = 0

    def _complete_bulk(self, last: bytes) -> None:
        """Join the reads of a large bulk, and go on behind it in the last one."""
        reads = self._reads
        end: i64 = len(last) - (self._reads_bytes - self._bulk)
        self._reads = []
        self._reads_bytes = 0
        if end < 0:  # its last bytes, or its CRLF, are in two reads
            self.data = b"".join(reads)
            self.position = 0
        else:
            reads[-1] = last[:end]
            self._collected = b"".join(reads)
            self.data = last
            self.position = end + 2
        self.begin = self.position

    def buffered(self) -> i64:
        """Return the number of bytes held that do not make a whole request yet."""
        return len(self.data) - self.position + self._reads_bytes + self._kept_bytes

    def is_collecting(self) -> bool:
        """Return whether a large bulk is being collected."""
        return self._reads_bytes > 0

    def next(self) -> list[bytes] | None:
        """Return the next request, an empty list for an empty one, None when more bytes are needed.

        Raises ProtocolError; the connection must then be closed.
        """
        if self._reads_bytes:
            return None
        data = self.data
        end: i64 = len(data)
        position = self.position
        if self._left == 0:
            self.begin = position
            if position >= end:
                # An idle peer must not keep its last arguments, or their read, alive.
                self._argv = _NOTHING
                self.data = b""
                self.position = 0
                self.begin = 0
                return None
            if data[position] != 42:  # "*"
                if not self.takes_inline:
                    raise ProtocolError("Protocol error: expected '*'")
                return self._inline()
            # One digit is the rule; everything else takes the careful path.
            if (
                position + 3 < end
                and data[position + 2] == 13
                and 48 < data[position + 1] <= 57
                and data[position + 3] == 10
            ):
                self._left = data[position + 1] - 48
                position += 4
            else:
                count = self._length_line(position, "too big mbulk count string")
                if count == -2:
                    return None
                if count == -3 or count > MULTIBULK_MAX:
                    raise ProtocolError("Protocol error: invalid multibulk length")
                if count > UNAUTHENTICATED_MULTIBULK_MAX and not self.trusted:
                    raise ProtocolError("Protocol error: unauthenticated multibulk length")
                position = self.position
                if count <= 0:
                    return []
                self._left = count
            self._argv = []
        elif self._collected is not None:
            self._argv.append(self._collected)
            self._collected = None
            self._left -= 1
            self._bulk = -1
        argv = self._argv
        left = self._left
        bulk = self._bulk
        while left > 0:
            if bulk < 0:
                if position + 3 >= end:
                    break
                if data[position] != 36:  # "$"
                    self._check_bulk_mark(position)
                    break
                first: i64 = data[position + 1] - 48
                second: i64 = data[position + 2]
                if second == 13 and 0 <= first <= 9 and data[position + 3] == 10:
                    bulk = first
                    position += 4
                elif (
                    0 < first <= 9
                    and 48 <= second <= 57
                    and position + 4 < end
                    and data[position + 3] == 13
                    and data[position + 4] == 10
                ):
                    bulk = first * 10 + second - 48
                    position += 5
                else:
                    self.position = position
                    bulk = self._bulk_line(position)
                    if bulk < 0:
                        break
                    position = self.position
            if position + bulk + 2 > end:
                break
            argv.append(data[position : position + bulk])
            position += bulk + 2
            bulk = -1
            left -= 1
        self.position = position
        self._left = left
        self._bulk = bulk
        if left == 0:
            return argv
        if bulk < 0:
            if position < end and data[position] != 36:
                self._check_bulk_mark(position)
            elif position + 3 == end:
                self._bulk_line(position)  # refuses a `$` line without a length
        elif bulk > _COLLECT_BYTES_MIN:
            self._reads = [data[position:]]
            self._reads_bytes = end - position
            self.data = b""
            self.position = 0
        return None

    def _check_bulk_mark(self, position: i64) -> None:
        """Refuse an argument that does not begin with `$`, once its whole line is there."""
        too_big = "too big bulk count string"
        stop = self._line_end(position, too_big)
        if stop >= 0 and not self._is_hidden(position, stop, too_big):
            mark = self.data[position : position + 1].decode("utf-8", "surrogateescape")
            raise ProtocolError(f"Protocol error: expected '$', got '{mark}'")

    def _line_end(self, position: i64, too_big: str) -> i64:
        """Return where the CR of the line at `position` stands, -1 while the line is cut off."""
        data = self.data
        end: i64 = len(data)
        stop: i64 = data.find(b"\r", position)
        if stop < 0 and end - position > LINE_BYTES_MAX:
            raise ProtocolError(f"Protocol error: {too_big}")
        return stop if stop + 1 < end else -1

    def _is_hidden(self, position: i64, stop: i64, too_big: str) -> bool:
        """Return whether a NUL hides the end of a line from Redis, which looks for it as C does.

        Such a line never ends; the peer is told so when it has become too long.
        """
        data = self.data
        if data.find(b"\0", position, stop) < 0:
            return False
        if len(data) - position > LINE_BYTES_MAX:
            raise ProtocolError(f"Protocol error: {too_big}")
        return True

    def _bulk_line(self, position: i64) -> i64:
        """Return the length that the `$` line at `position` announces, -1 when it is cut off."""
        length = self._length_line(position, "too big bulk count string")
        if length == -2:
            return -1
        if length < 0 or length > self.bulk_bytes_max:
            raise ProtocolError("Protocol error: invalid bulk length")
        if length > UNAUTHENTICATED_BULK_MAX and not self.trusted:
            raise ProtocolError("Protocol error: unauthenticated bulk length")
        return length

    def _length_line(self, position: i64, too_big: str) -> i64:
        """Return the number of a `*` or `$` line and step behind it.

        -1 stands for every negative number, -2 for a cut line, -3 for one that is not a number.
        """
        stop = self._line_end(position, too_big)
        if stop < 0:
            return -2
        data = self.data
        start = position + 1
        negative = start < stop and data[start] == 45
        if negative:
            start += 1
        value: i64 = 0
        if 0 < stop - start <= 18 and (data[start] != 48 or (stop - start == 1 and not negative)):
            while start < stop:
                digit: i64 = data[start] - 48
                if digit < 0 or digit > 9:
                    break
                value = value * 10 + digit
                start += 1
        if start < stop or data[stop - 1] < 48:
            # No number, or a long one: what is in the bounds is shorter, or negative.
            number = parse_int(data[position + 1 : stop])
            if number is None or number >= 0:
                return -2 if self._is_hidden(position, stop, too_big) else -3
        self.position = stop + 2
        return -1 if negative else value

    def _inline(self) -> list[bytes] | None:
        """Return the words of an inline command line."""
        data = self.data
        end: i64 = len(data)
        words: list[bytes] = []
        position = self.position
        start = position
        while position < end:
            byte: i64 = data[position]
            if byte == 10:
                stop = position
                if stop > start and data[stop - 1] == 13:
                    stop -= 1
                if stop > start:
                    words.append(data[start:stop])
                self.position = position + 1
                return words
            if byte == 32:
                if position > start:
                    words.append(data[start:position])
                start = position + 1
            elif byte == 34 or byte == 39 or byte < 32:
                if byte != 13 or (position + 1 < end and data[position + 1] != 10):
                    return self._inline_with_quotes()
            position += 1
        if end - self.position > LINE_BYTES_MAX:
            raise ProtocolError("Protocol error: too big inline request")
        return None

    def _inline_with_quotes(self) -> list[bytes] | None:
        """Return the words of a line that has more in it than words and spaces."""
        data = self.data
        newline: i64 = data.find(b"\n", self.position)
        if newline < 0 or data.find(b"\0", self.position, newline) >= 0:
            if len(data) - self.position > LINE_BYTES_MAX:
                raise ProtocolError("Protocol error: too big inline request")
            return None
        line = data[self.position : newline]
        self.position = newline + 1
        words = split_words(line)
        if words is None:
            raise ProtocolError("Protocol error: unbalanced quotes in request")
        return words


_ESCAPES: Final = {110: 10, 114: 13, 116: 9, 98: 8, 97: 7}
_HEX_DIGITS: Final = b"0123456789abcdefABCDEF"
_SPACES: Final = b" \t\n\v\f\r"  # between words
_WORD_ENDS: Final = b" \t\n\r"


def split_words(line: bytes) -> list[bytes] | None:
    """Split a line as redis-cli does (quotes, escapes); None when the quotes are unbalanced.

    As in C, a NUL ends the line.
    """
    line = line.partition(b"\0")[0]
    words: list[bytes] = []
    position = 0
    end = len(line)
    while True:
        while position < end and line[position] in _SPACES:
            position += 1
        if position >= end:
            return words
        word = bytearray()
        while position < end and line[position] not in _WORD_ENDS:
            byte = line[position]
            if byte != 34 and byte != 39:
                word.append(byte)
                position += 1
                continue
            position = _quoted(line, position, word)
            if position < 0:
                return None
            break
        words.append(bytes(word))


def _quoted(line: bytes, position: int, word: bytearray) -> int:
    """Append a quoted part to `word`; return the position behind its closing quote, else -1."""
    quote = line[position]
    end = len(line)
    position += 1
    while position < end:
        byte = line[position]
        if byte == quote:
            position += 1
            return position if position >= end or line[position] in _SPACES else -1
        if byte != 92:  # backslash
            word.append(byte)
        elif quote == 39:
            if position + 1 < end and line[position + 1] == 39:
                position += 1
                word.append(39)
            else:
                word.append(byte)
        elif position + 3 < end and line[position + 1] == 120 and _is_hex(line, position + 2):
            word.append(int(line[position + 2 : position + 4], 16))
            position += 3
        elif position + 1 < end:
            position += 1
            word.append(_ESCAPES.get(line[position], line[position]))
        else:
            return -1
        position += 1
    return -1


def _is_hex(line: bytes, position: int) -> bool:
    return line[position] in _HEX_DIGITS and line[position + 1] in _HEX_DIGITS
