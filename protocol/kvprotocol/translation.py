"""A reply in wire form, made valid in the other protocol.

What is valid in both stays as it is. Beyond that RESP2 has no maps, sets, doubles, booleans, big
numbers and verbatim strings, for which it has arrays, bulk strings and integers; and the nil of
each is another one. Attributes do not occur: no command that a client repeats has one.
"""

from typing import Final

from librt.strings import BytesWriter

_CRLF: Final = b"\r\n"
_NIL_LENGTH: Final = b"-1"
_FORM_BYTES: Final = 4  # of a verbatim string, before its text


def translated(data: bytes, protocol: int) -> bytes:
    """Return a reply as a peer of this protocol, 2 or 3, can read it. O(n)."""
    out = BytesWriter()
    at = 0
    while at < len(data):
        end = data.index(_CRLF, at)
        kind = data[at : at + 1]
        line = data[at + 1 : end]
        begin = at
        at = end + 2
        if kind in (b"$", b"*") and line == _NIL_LENGTH:
            out.write(b"_\r\n" if protocol == 3 else data[begin:at])
        elif kind in (b"$", b"="):
            text = data[at : at + int(line)]
            at += len(text) + 2
            if kind == b"=" and protocol == 2:
                _write_bulk(out, text[_FORM_BYTES:])
            else:
                out.write(data[begin:at])
        elif protocol == 3:
            out.write(data[begin:at])
        else:
            _write_in_resp2(out, kind, line)
    return out.getvalue()


def _write_in_resp2(out: BytesWriter, kind: bytes, line: bytes) -> None:
    if kind == b"%":
        out.write(b"*%d\r\n" % (2 * int(line)))
    elif kind in (b"~", b">"):
        out.write(b"*%b\r\n" % line)
    elif kind == b"_":
        out.write(b"$-1\r\n")
    elif kind == b"#":
        out.write(b":1\r\n" if line == b"t" else b":0\r\n")
    elif kind in (b",", b"("):
        _write_bulk(out, line)
    else:
        out.write(b"%b%b\r\n" % (kind, line))


def _write_bulk(out: BytesWriter, text: bytes) -> None:
    out.write(b"$%d\r\n%b\r\n" % (len(text), text))
