"""Listpacks against a list as the model, and against bytes that redis-server 7.0.15 dumped."""

import random

import pytest

from kvnode.structures import listpack

SPECIAL = [
    b"", b"0", b"-0", b"00", b"-", b"-1", b"127", b"128", b"4095", b"4096", b"-4096", b"-4097",
    b"32767", b"32768", b"-32768", b"-32769", b"8388607", b"8388608", b"-8388608", b"-8388609",
    b"2147483647", b"2147483648", b"-2147483648", b"-2147483649", b"9223372036854775807",
    b"9223372036854775808", b"-9223372036854775808", b"-9223372036854775809", b"+1", b" 1", b"1a",
    b"01", b"99999999999999999999", b"18446744073709551616", b"\xff", b"\x00" * 7, b"x" * 8,
    b"x" * 63, b"y" * 63, b"x" * 64, b"x" * 126, b"x" * 127, b"x" * 4095, b"x" * 4096,
    b"x" * 16380, b"x" * 16390,
]  # fmt: skip


def random_element(source: random.Random) -> bytes:
    kind = source.randrange(6)
    if kind == 0:
        return source.choice(SPECIAL)
    if kind < 3:
        return str(source.randint(-(2**63), 2**63 - 1) >> source.randrange(64)).encode()
    return source.randbytes(source.choice([1, 3, 7, 8, 9, 16, 20, 63, 64, 100]))


@pytest.mark.parametrize("base", [0, 1, 5])
def test_every_kind_of_element_comes_back_from_a_listpack(base: int) -> None:
    data = listpack.build(b"p" * base, SPECIAL)
    listpack.validate(data, base)
    assert listpack.entries(data, base) == SPECIAL
    assert listpack.count(data, base) == len(SPECIAL)


def test_every_kind_of_element_is_found_and_others_are_not() -> None:
    for element in SPECIAL:
        others = [other for other in SPECIAL if other != element]
        data = listpack.build(b"t", others + [element])
        offset = listpack.find(data, 1, element, 0)
        assert offset == listpack.seek(data, 1, len(others))
        assert listpack.get(data, offset) == element
        assert listpack.find(listpack.build(b"t", others), 1, element, 0) == -1


def test_a_search_with_skip_looks_at_every_second_entry_only() -> None:
    data = listpack.build(b"", [b"a", b"b", b"b", b"c", b"1", b"2", b"2", b"1"])
    assert listpack.find(data, 0, b"b", 1) == listpack.seek(data, 0, 2)
    assert listpack.find(data, 0, b"2", 1) == listpack.seek(data, 0, 6)
    assert listpack.find(data, 0, b"c", 1) == -1


@pytest.mark.parametrize("seed", range(20))
def test_random_splices_agree_with_a_list(seed: int) -> None:
    source = random.Random(seed)
    prefix = b"\xf8" * source.randrange(3)
    base = len(prefix)
    model: list[bytes] = []
    data = prefix + listpack.EMPTY
    for _ in range(120):
        at = source.randrange(len(model) + 1)
        removed = min(source.randrange(3), len(model) - at)
        new = [random_element(source) for _ in range(source.randrange(4))]
        offset = listpack.seek(data, base, at)
        encoded = b"".join(listpack.encode(element) for element in new)
        data = listpack.replace(data, base, offset, removed, encoded, len(new))
        model[at : at + removed] = new
        listpack.validate(data, base)
        assert listpack.entries(data, base) == model
        assert data == listpack.build(prefix, model)


def test_entries_can_be_walked_backward() -> None:
    data = listpack.build(b"t", SPECIAL)
    offset = len(data) - 1
    walked = []
    while (offset := listpack.previous_entry(data, 1, offset)) >= 0:
        walked.append(listpack.get(data, offset))
    assert walked == SPECIAL[::-1]


def test_scores_are_read_from_integers_and_from_text() -> None:
    scores = [b"0", b"-5", b"300", b"70000", b"1.5", b"-inf", b"inf", b"1e300", b"9007199254740993"]
    data = listpack.build(b"", scores)
    offset = listpack.first(data, 0)
    for score in scores:
        assert listpack.get_score(data, offset) == float(score)
        offset = listpack.next_entry(data, offset)
    assert listpack.is_end(data, offset)


def test_a_listpack_of_more_than_65534_elements_counts_them() -> None:
    data = listpack.build(b"", [b"1"] * 65534)
    assert data[4:6] == b"\xfe\xff"
    end = len(data) - 1
    data = listpack.replace(data, 0, end, 0, listpack.encode(b"2") * 3, 3)
    assert data[4:6] == b"\xff\xff"
    assert listpack.count(data, 0) == 65537
    data = listpack.replace(data, 0, 6, 5, b"", 0)
    assert listpack.count(data, 0) == 65532
    listpack.validate(data, 0)


def test_integers_are_canonical_only_as_redis_prints_them() -> None:
    for text in SPECIAL:
        try:
            expected = str(int(text)).encode() == text and -(2**63) <= int(text) < 2**63
        except ValueError:
            expected = False
        is_integer, value = listpack.canonical_integer(text)
        assert is_integer == expected
        assert not is_integer or value == int(text)


def test_corrupt_listpacks_are_refused() -> None:
    data = listpack.build(b"", [b"field", b"1000", b"x" * 200, b"y" * 5000, b"123456789012"])
    listpack.validate(data, 0)
    for size in range(len(data)):
        with pytest.raises(ValueError):
            listpack.validate(data[:size], 0)
    source = random.Random(5)
    for _ in range(3000):
        broken = bytearray(data)
        for _ in range(source.randrange(1, 3)):
            broken[source.randrange(len(data))] = source.randrange(256)
        try:
            listpack.validate(bytes(broken), 0)
        except ValueError:
            continue
        assert listpack.count(bytes(broken), 0) == len(listpack.entries(bytes(broken), 0))


def test_foreign_entries_in_a_longer_encoding_are_read() -> None:
    long_form = b"\xe0\x01a\x03" + b"\x8212\x03" + b"\xf1\x05\x00\x03"
    foreign = (7 + len(long_form)).to_bytes(4, "little") + b"\x03\x00" + long_form + b"\xff"
    listpack.validate(foreign, 0)
    assert listpack.entries(foreign, 0) == [b"a", b"12", b"5"]
    with pytest.raises(ValueError):
        listpack.validate(foreign[:-1], 0)


def test_the_bytes_are_those_of_redis() -> None:
    pairs = [b"name", b"Ada", b"age", b"36", b"zip", b"1000", b"neg", b"-5000"]
    pairs += [b"big", b"123456789012", b"long", b"x" * 64]
    assert listpack.build(b"", pairs) == (
        b"\x82\x00\x00\x00\x0c\x00\x84name\x05\x83Ada\x04\x83age\x04$\x01\x83zip\x04\xc3\xe8\x02"
        b"\x83neg\x04\xf1x\xec\x03\x83big\x04\xf4\x14\x1a\x99\xbe\x1c\x00\x00\x00\t"
        b"\x84long\x05\xe0@" + b"x" * 64 + b"B\xff"
    )
    pairs = [b"a", b"8388607", b"b", b"-8388609", b"c", b"-1", b"d", b"9223372036854775808"]
    assert listpack.build(b"", pairs + [b"e", b""]) == (
        b";\x00\x00\x00\n\x00\x81a\x02\xf2\xff\xff\x7f\x04\x81b\x02\xf3\xff\xff\x7f\xff\x05"
        b"\x81c\x02"
        b"\xdf\xff\x02\x81d\x02\x939223372036854775808\x14\x81e\x02\x80\x01\xff"
    )


@pytest.mark.parametrize(
    ("size", "behind"),
    [
        (125, b"x\x7f"),
        (126, b"x\x01\x80"),
        (16377, b"x\x7f\xfe"),
        (16378, b"x\x00\xff\xff"),
        (2097145, b"x\x7f\xff\xfe"),
        (2097146, b"x\x00\xff\xff\xff"),
    ],
)
def test_the_size_behind_a_long_entry_is_as_redis_writes_it(size: int, behind: bytes) -> None:
    entry = listpack.encode(b"x" * size)
    assert entry.endswith(behind)
    assert len(entry) == (2 if size < 4096 else 5) + size + len(behind) - 1
