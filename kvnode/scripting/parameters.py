"""Finds functions whose call writes beyond Lua's stack (CVE-2014-5461), before they are compiled.

Lua 5.1 reserves stack for the registers of a function with `...`, but moves its fixed parameters up
behind the arguments: with few arguments that takes up to twice the number of parameters. Beyond the
reserved slots lie seven more, so up to seven fixed parameters are always safe; more of them are
refused. Only source text that has `...` in it is looked at.
"""

from __future__ import annotations

import re
from typing import Final

PARAMETERS_MAX: Final = 7

# Lua's own tokens, as far as they hide others. Whatever is none of them is passed over by bytes.
_TOKEN: Final = re.compile(
    rb"""
    --\[(?P<comment>=*)\[.*?(?:\](?P=comment)\]|\Z) | --[^\n\r]*
    | \[(?P<long>=*)\[.*?(?:\](?P=long)\]|\Z)
    | "(?:\\(?:\r\n|\n\r|.)|[^"\\\n\r])*"? | '(?:\\(?:\r\n|\n\r|.)|[^'\\\n\r])*'?
    | (?P<name>[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)
    | (?P<number>[0-9][A-Za-z0-9_.]*|\.[0-9][A-Za-z0-9_.]*)
    | (?P<dots>\.\.\.) | (?P<other>\.\.|[^\s])
    """,
    re.VERBOSE | re.DOTALL,
)


def unsafe_parameters(code: bytes) -> bytes | None:
    """Return why a source text is refused, None where it is not."""
    in_header = False  # between `function` and its parenthesis
    has_self = False
    names = -1  # of the parameter list that is open; -1 outside of one
    for token in _TOKEN.finditer(code):
        kind = token.lastgroup
        if kind == "name":
            if names >= 0:
                names += 1
            if token.group() == b"function":
                in_header = True
                has_self = False
                names = -1
        elif kind == "dots":
            if names > PARAMETERS_MAX:
                return b"more than %d parameters before '...' in a function" % PARAMETERS_MAX
            names = -1
        elif kind == "other":
            text = token.group()
            if text == b"(" and in_header:
                names = 1 if has_self else 0
            elif text != b",":
                names = -1
            has_self = has_self or text == b":"
            in_header = in_header and text in b".:"
        elif kind == "number":
            names = -1
            in_header = False
    return None
