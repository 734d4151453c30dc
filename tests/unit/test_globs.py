"""Glob patterns: literal answers of KEYS of redis-server 7.0.15, and a model."""

from __future__ import annotations

import fnmatch
import random

import pytest

from kvnode.globs import matches

# A pattern, texts that it matches, texts that it does not match.
ANSWERS: list[tuple[bytes, list[bytes], list[bytes]]] = [
    (b"[^]", [b"^", b"c"], [b"-cb", b"-b-"]),
    (b"?[^bb]?\\\\", [], [b"c^\\c-", b"]-a"]),
    (b"*[a", [b"aba-a", b"ca]ca"], [b"b-", b"[cc"]),
    (b"\\][^\\]]", [b"]\\", b"]b"], [b"-^]^a", b"]a[^"]),
    (b"-[^a-b]*[^\\\\\\\\b-a]", [b"-cc", b"--cc"], [b"baa^c", b"a]bb"]),
    (b"\\^a[^]\\-]*", [], [b"a]-", b"c^\\c-"]),
    (b"[^b]", [b"-", b"a"], [b"cc^", b"^accb"]),
    (b"[^]][^]***", [b"b]a?", b"c]["], [b"b", b"*c"]),
    (b"a\\-", [b"a-"], [b"]-aa", b"-?^^"]),
    (b"[^\\]ac]b[^]", [b"-b]", b"-bb"], [b"bccca", b"c-]-a"]),
    (b"[\\", [], [b"bb", b"-ba^*"]),
    (b"?[^]?[", [], [b"c^bcc", b"c]["]),
    (b"?[", [], [b"]]^b", b"b*"]),
    (b"*[^]*[ab]", [b"-[ab", b"]a"], [b"ab*", b"b]-ac"]),
    (b"[\\\\\\]a][\\--]c[\\]]", [], [b"[cc", b"a^-"]),
    (b"?[a-bbc-]", [b"^a", b"-^"], [b"caa^", b"cc^c"]),
    (b"?a[cc-]*", [b"aab", b"caa"], [b"b^aa", b"b^]"]),
    (b"[^-b-a-]", [b"[", b"*"], [b"[b", b"\\c-"]),
    (b"?\\", [b"]\\"], [b"^--b", b"b-c"]),
    (b"[a-b]?[\\*", [b"ab*"], [b"aca", b"-^b^-"]),
    (b"[b-a]", [b"a", b"b"], [b"*a", b"acc"]),
    (b"b[^-b-a]", [b"b*", b"b^"], [b"a*c^", b"a]a"]),
    (b"\\?*", [b"?^[bc", b"?cc?"], [b"cb^]", b"]ab-"]),
    (b"[^?[^", [b"*", b"-"], [b"caab-", b"cbba"]),
    (b"[^b[^]]", [b"a]", b"-]"], [b"*^b-", b"[a--"]),
    (b"?[a-b^b]", [b"-^", b"aa"], [b"cca", b"c"]),
    (b"\\bc", [b"bc"], [b"^b]", b"b["]),
    (b"cc\\c", [b"ccc"], [b"b^aa", b"baaab"]),
    (b"[c-^][a-ba\\]][^\\\\b-a]b", [b"aa-b", b"cacb"], [b"a-c-", b"]b^"]),
    (b"[a", [b"a"], [b"]", b"a^-"]),
    (b"bb[^b]?", [b"bbcb", b"bb*a"], [b"cc^", b"bacaa"]),
    (b"[a-[^]*\\-", [b"a]-", b"^aac-"], [b"ccc", b"cb-"]),
    (b"[^c-]bb", [b"*", b"["], [b"ba", b"^]"]),
    (b"[^c-^]a\\[", [b"[a["], [b"^-]a", b"cc^c"]),
    (b"*[^][^ac-]", [b"^aac-", b"a^-"], [b"c", b"c]\\b"]),
    (b"**[\\", [b"c]]a\\", b"-^-*\\"], [b"b-a]", b"^b?"]),
    (b"c[^]*b", [b"c-]bb", b"cacb"], [b"acb", b"cbba"]),
    (b"[^c-c-]\\cc", [b"bcc", b"^cc"], [b"]a", b"b^aa"]),
    (b"b\\][^]", [b"b]b"], [b"?", b"[^-]a"]),
    (b"*[\\\\\\-b-a]*-", [b"ccab-", b"^\\ba-"], [b"]-aa", b"?"]),
    (b"\\]?", [b"]\\", b"]b"], [b"ac", b"ccc-"]),
    (b"**[c-c]", [b"--c", b"-^cc"], [b"a-c-", b"\\cb]"]),
    (b"[a-\\", [b"^", b"a"], [b"aba[a", b"-cb"]),
    (b"^[^b-a\\-]?", [b"^]^", b"^cc"], [b"a]bb", b"]-"]),
    (b"?[^aa]", [b"\\*", b"b*"], [b"\\\\c^a", b"ac-b"]),
    (b"^***[\\]c-]", [b"^cca", b"^a]]"], [b"b^bb", b"a-aba"]),
    (b"*a[a-^", [b"a^", b"ab]a^"], [b"^c", b"-?cab"]),
    (b"[^[^]", [b"b", b"*"], [b"*c", b"b]b"]),
    (b"b[c", [b"bc"], [b"c]]a\\", b"-^b^-"]),
    (b"[^a^]*a", [b"c-]^a", b"ba-aa"], [b"]\\", b"c"]),
    (b"?[b-a-b][^]b", [b"cacb", b"bbcb"], [b"[a-", b"c-]^a"]),
    (b"?[\\", [b"]\\"], [b"c?]ab", b"cbba"]),
    (b"\\c*?", [b"caa--", b"c-cc"], [b"*^b-", b"bacaa"]),
    (b"\\--", [b"--"], [b"abbaa", b"cc^"]),
    (b"a[^c-]\\b", [b"a-"], [b"bbcb", b"c[--"]),
    (b"[\\**\\", [b"*"], [b"[a--", b"aa-b"]),
    (b"ac-[^]", [b"ac-b"], [b"c]\\b", b"-ca-"]),
    (b"c*[^\\\\^c-]?", [b"caa--", b"ccc-"], [b"b-]", b"cc^"]),
    (b"c[^a-b][^a]", [b"c][", b"ccc"], [b"cbb-]", b"babc"]),
    (b"[\\a", [b"a"], [b"b", b"abccb"]),
    (b"^**\\^", [b"^]^"], [b"bacaa", b"-?^^"]),
    (b"??[^c\\]b-a]-", [b"[a--", b"c[--"], [b"bacaa", b"\\\\c^a"]),
    (b"[^a-b^]b", [b"cb", b"[b"], [b"-c[]", b"]-bbc"]),
    (b"[^^aa]**]", [b"cb]", b"cab[]"], [b"b]-ac", b"ab]a^"]),
    (b"[^][-b-a]", [b"-b", b"*-"], [b"c]]a\\", b"a]bb"]),
    (b"[]\\c[^]][]", [], [b"bc^a", b"caa^"]),
    (b"\\**", [b"*a", b"*^b-"], [b"--cc", b""]),
    (b"?\\[a*", [b"-[ab", b"c[a^"], [b"cbba", b"aab"]),
    (b"[\\*[b-a-b]*", [b"b^a", b"--c"], [b"\\c-", b"]ca-"]),
    (b"\\[[]b[\\-a-b]", [], [b"^a*ac", b"--"]),
    (b"[\\[^\\]]][\\-^b]", [b"^]^"], [b"bcc?-", b"bbb[]"]),
    (b"b[^\\--]*", [b"b*", b"bc"], [b"b-b", b"cb-"]),
    (b"a[^]**", [b"a^", b"acc"], [b"[^-]a", b"^accb"]),
    (b"[^\\c*a", [b"?", b"b"], [b"cc^", b"^cb"]),
    (b"[[^]", [b"[", b"^"], [b"cc]c", b"cc^"]),
    (b"*\\*a", [b"*a", b"bb*a"], [b"]\\?--", b"a-"]),
    (b"*[^]", [b"^cb", b"c]]a\\"], [b""]),
    (b"[-c]\\-\\*", [], [b"cb^]", b"-ca?"]),
    (b"?[^-\\\\c-]\\^", [b"^*", b"^["], [b"ca]ca", b"accba"]),
    (b"b[]", [], [b"]", b"-ca?"]),
    (b"*\\-", [b"*-", b"b-"], [b"]-]", b"a-aba"]),
    (b"a[a-?", [b"aa", b"a]"], [b"--", b"-?"]),
    (b"c[^\\\\\\\\]", [b"cb", b"c^"], [b"*-ca", b"^\\ba-"]),
    (b"[^", [b"-", b"]"], [b"\\\\c^a", b"^a]]"]),
    (b"a[^\\\\\\]]", [b"a-", b"ac"], [b"^[", b"[a["]),
    (b"\\]", [b"]"], [b"[cc", b"-ab"]),
    (b"[^a\\-]", [b"b", b"*"], [b"]a", b"^b?"]),
    (b"[^]b]a]", [], [b"acc", b"a]-"]),
    (b"\\?", [b"?"], [b"*-ca", b"-^]^a"]),
    (b"\\^", [b"^"], [b"^cc", b"]-]"]),
    (b"[-b-aa][b]", [b"bb", b"-b"], [b"bc^a", b"-ca?"]),
    (b"[b-a\\\\]*c", [b"bc", b"bbcc"], [b"bcc-a", b"ab]a^"]),
    (b"[*", [b"*"], [b"b-b", b"-^-*\\"]),
    (b"[a[b-a][^]", [b"aa", b"b-"], [b"]\\?--", b"ccab-"]),
    (b"[c]*", [b"c[b--", b"c-]bb"], [b"abccb", b"[a["]),
    (b"*[]\\ac", [], [b"-cb", b"-ca-"]),
    (b"[a-", [b"-", b"a"], [b"a]-", b"caab-"]),
    (b"?\\^[^]", [b"b^c", b"b^]"], [b"aa", b"bbb[]"]),
    (b"b*b[a-", [b"baba", b"bb-"], [b"a^-", b"b"]),
    (b"*[^\\]aa]a?", [b"b*ac", b"[a-"], [b"c-c", b"b^]"]),
    (b"[\\[^]\\bb", [], [b"b-b", b"]-"]),
    (b"[^b-a]", [b"c", b"-"], [b"?^[bc", b"a^"]),
    (b"aa[]", [], [b"cacb", b"aabc"]),
    (b"c[^]?^", [b"c[a^", b"caa^"], [b"]-bbc", b"-*b"]),
    (b"?[^b", [b"aa", b"b-"], [b"^-]a", b"aba-a"]),
    (b"[^\\-c-]", [b"[", b"*"], [b"", b"a*c^"]),
    (b"ca[\\-b\\\\]", [b"ca-"], [b"bbcb", b"cacb"]),
    (b"b[c-\\-b-a]b", [b"b]b", b"b-b"], [b"c^", b"-ab"]),
    (b"*[^]**", [b"-?^^", b"-a-ac"], [b""]),
    (b"a[^-]*", [b"aba?c", b"abca"], [b"^aac-", b"-cb"]),
]


@pytest.mark.parametrize(("pattern", "yes", "no"), ANSWERS)
def test_a_pattern_matches_what_redis_matches(
    pattern: bytes, yes: list[bytes], no: list[bytes]
) -> None:
    assert [text for text in yes + no if matches(pattern, text)] == yes


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (b"", b"", True),
        (b"", b"a", False),
        (b"*", b"", False),  # so it is with Redis: no star matches an empty text
        (b"**", b"", False),
        (b"*", b"a", True),
        (b"a*", b"a", True),
        (b"?", b"", False),
        (b"*a", b"a" * 1000, True),
        (b"h?llo", b"hello", True),
        (b"h?llo", b"hllo", False),
        (b"h[ae]llo", b"hillo", False),
        (b"h[^e]llo", b"hallo", True),
        (b"[b-a]", b"b", True),
        (b"[\\-x]", b"-", True),
        (b"\\*", b"*", True),
        (b"\\*", b"a", False),
        (b"a\\", b"a\\", True),
        (b"[abc", b"b", True),
        (b"[", b"a", False),
        (b"[]", b"a", False),
        (b"[]a]", b"a]", False),
        (b"*\xff*", b"a\xff\x00", True),
        (b"?\x00?", b"a\x00b", True),
        (b"[\x80-\xff]", b"\xaa", True),
        (b"*\n*", b"a\nb", True),
    ],
)
def test_edges(pattern: bytes, text: bytes, expected: bool) -> None:
    assert matches(pattern, text) is expected


def test_case_is_ignored_only_where_asked_for() -> None:
    assert not matches(b"ABC*", b"abcd")
    assert matches(b"ABC*", b"abcD", True)
    assert matches(b"[A-C]x", b"bX", True)


@pytest.mark.parametrize("seed", range(8))
def test_stars_and_question_marks_agree_with_fnmatch(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(2000):
        pattern = "".join(source.choice("ab*?") for _ in range(source.randrange(8)))
        text = "".join(source.choice("ab") for _ in range(source.randrange(1, 10)))
        expected = fnmatch.fnmatchcase(text, pattern)
        assert matches(pattern.encode(), text.encode()) is expected, (pattern, text)


def test_a_pattern_of_many_stars_takes_no_exponential_time() -> None:
    assert not matches(b"*a" * 200 + b"b", b"a" * 3000)
    assert matches(b"*a" * 200, b"a" * 3000)
