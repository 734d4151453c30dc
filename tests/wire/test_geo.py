"""Geo commands answer as redis-server does: every option, valid and not."""

from __future__ import annotations

import itertools
import random

import pytest

from .harness import Pair

CITIES = [
    *("13.361389 38.115556 Palermo", "15.087269 37.502669 Catania", "2.352222 48.856613 Paris"),
    *("-74.005941 40.712784 NewYork", "139.691706 35.689487 Tokyo", "151.2093 -33.8688 Sydney"),
    *("-0.127758 51.507351 London", "12.496366 41.902782 Rome", "9.191383 45.464211 Milan"),
    *("-68.3029 -54.8019 Ushuaia", "15.6356 78.2232 Longyearbyen", "0 0 Null", "180 0 Date"),
]
ODD_NUMBERS = ["", "x", "nan", "-nan", "1e400", " 1", "1 ", "0x10", "1,5", "--1"]


def hold_cities(pair: Pair, name: str = "cities") -> None:
    """A geo index of places all over the globe."""
    pair.same("GEOADD", name, *[word for row in CITIES for word in row.split()])


def hold_grid(pair: Pair, seed: int, count: int, name: str = "grid") -> None:
    """A geo index of many places near each other, and some elsewhere."""
    draw = random.Random(seed)
    words: list[object] = []
    for number in range(count):
        west, south = (13.0, 38.0) if number % 4 else (-180.0, -85.0)
        wide, high = (0.5, 0.5) if number % 4 else (360.0, 170.0)
        words += [f"{west + draw.random() * wide:.7f}", f"{south + draw.random() * high:.7f}"]
        words.append(f"m{number}")
    pair.same("GEOADD", name, *map(str, words))


def test_geoadd_takes_every_option(pair: Pair) -> None:
    for options in ("", "NX", "XX", "CH", "NX CH", "CH XX", "NX XX", "ch ch", "nx", "GT", "INCR"):
        pair.same("DEL", "k")
        pair.same("GEOADD", "k", *options.split(), "1", "2", "a")
        pair.same("GEOADD", "k", "1", "2", "a", "3", "4", "b")
        pair.same("GEOADD", "k", *options.split(), "1", "2", "a", "5", "6", "b", "7", "8", "c")
        pair.same("GEOADD", "k", *options.split(), "1", "2", "a", "5", "6", "b", "7", "8", "c")
        pair.same("ZRANGE", "k", "0", "-1", "WITHSCORES")


def test_geoadd_refuses_malformed_requests(pair: Pair) -> None:
    pair.same_script("""
        GEOADD
        GEOADD k
        GEOADD k 1 2
        GEOADD k 1 2 a 3
        GEOADD k 1 2 a 3 4
        GEOADD k NX 1 2
        GEOADD k NX CH CH
        GEOADD k NX XX CH
        GEOADD k NX XX 1 2 a
        GEOADD k BOGUS 1 2 a
        GEOADD k 1 2 a NX 3 4
        GEOADD k 181 0 a
        GEOADD k -180.0001 0 a
        GEOADD k 0 85.0511288 a
        GEOADD k 0 -85.0511288 a
        GEOADD k 1 2 a 200 300 b
        GEOADD k inf 0 a
        GEOADD k 0 -inf a
        GEOADD k 1e300 0 a
        EXISTS k
        GEOADD k 180 85.05112878 a -180 -85.05112878 b 180 -85.05112878 c -180 85.05112878 d
        GEOADD k 1e1 0x10 e
        ZRANGE k 0 -1 WITHSCORES
        SET s v
        GEOADD s 1 2 a
        GEOADD s 181 2 a
        GEOADD s NX 1 2 a
    """)
    for text in ODD_NUMBERS:
        pair.same("GEOADD", "k", text, "1", "a")
        pair.same("GEOADD", "k", "1", text, "a")
        pair.same("GEOADD", "k", "CH", "1", text, "a")


def test_the_places_of_members_are_printed_alike(pair: Pair) -> None:
    hold_cities(pair)
    names = [row.split()[2] for row in CITIES]
    pair.same("GEOPOS", "cities", *names, "nobody", "")
    pair.same("GEOHASH", "cities", *names, "nobody", "")
    draw = random.Random(11)
    for step in range(300):
        longitude, latitude = draw.uniform(-180, 180), draw.uniform(-85.05, 85.05)
        pair.same("GEOADD", "k", repr(longitude), repr(latitude), f"m{step}")
        pair.same("GEOPOS", "k", f"m{step}")
        pair.same("GEOHASH", "k", f"m{step}")
    pair.same("ZRANGE", "k", "0", "-1", "WITHSCORES")
    pair.same_script("""
        GEOPOS cities
        GEOPOS missing
        GEOPOS missing a b
        GEOHASH cities
        GEOHASH missing
        GEOHASH missing a b
        GEOPOS
        GEOHASH
        SET s v
        GEOPOS s
        GEOPOS s a
        GEOHASH s a
    """)


def test_distances_are_printed_alike_in_every_unit(pair: Pair) -> None:
    hold_cities(pair)
    names = [row.split()[2] for row in CITIES]
    for first, second in itertools.combinations_with_replacement(names, 2):
        pair.same("GEODIST", "cities", first, second)
        for unit in ("m", "km", "FT", "Mi"):
            pair.same("GEODIST", "cities", first, second, unit)
    pair.same_script("""
        GEODIST cities Palermo nobody
        GEODIST cities nobody Palermo km
        GEODIST missing a b
        GEODIST missing a b miles
        GEODIST cities Palermo Rome miles
        GEODIST cities Palermo Rome ""
        GEODIST cities Palermo Rome km km
        GEODIST cities Palermo
        SET s v
        GEODIST s a b
        GEODIST s a b miles
    """)


@pytest.mark.parametrize(
    "score",
    [
        *("-1", "-1.5", "0", "0.5", "1e300", "-1e300", "inf", "-inf", "4503599627370495"),
        *("4503599627370496", "9007199254740993", "9223372036854775807", "-9223372036854775808"),
        *("18446744073709549568", "18446744073709551615", "13510798882111488", "1e18"),
    ],
)
def test_any_score_stands_for_some_place(pair: Pair, score: str) -> None:
    pair.same("GEOADD", "k", "13.361389", "38.115556", "a")
    pair.same("ZADD", "k", score, "odd")
    pair.same("GEOPOS", "k", "odd")
    pair.same("GEOHASH", "k", "odd")
    pair.same("GEODIST", "k", "odd", "a")
    for shape in ("BYRADIUS 1 m", "BYRADIUS 20000 km", "BYBOX 100 40000 km"):
        for order in ("", "ASC"):
            words = [*shape.split(), *order.split(), "WITHCOORD", "WITHDIST", "WITHHASH"]
            pair.same("GEOSEARCH", "k", "FROMMEMBER", "odd", *words)
    pair.same("GEOSEARCHSTORE", "d", "k", "FROMMEMBER", "odd", "BYRADIUS", "20000", "km")
    pair.same("ZRANGE", "d", "0", "-1", "WITHSCORES")


@pytest.mark.parametrize("order", ["", "ASC", "DESC"])
@pytest.mark.parametrize("count", ["", "COUNT 3", "COUNT 3 ANY", "COUNT 1000", "COUNT 1000 ANY"])
def test_every_combination_of_details_orders_and_counts(pair: Pair, order: str, count: str) -> None:
    hold_cities(pair)
    flags = ("WITHCOORD", "WITHDIST", "WITHHASH")
    for size in range(4):
        for details in itertools.permutations(flags, size):
            tail = [*details, *order.split(), *count.split()]
            box = ["BYBOX", "3000", "2000", "mi", "FROMLONLAT", "5", "45"]
            circle = ["FROMMEMBER", "Rome", "BYRADIUS", "2000", "km"]
            pair.same("GEOSEARCH", "cities", *circle, *tail)
            pair.same("GEOSEARCH", "cities", *tail, *box)
            pair.same("GEORADIUS", "cities", "12", "42", "900000", "ft", *tail)
            pair.same("GEORADIUS_RO", "cities", "12", "42", "9000", "km", *tail)
            pair.same("GEORADIUSBYMEMBER", "cities", "Paris", "1000", "mi", *tail)
            pair.same("GEORADIUSBYMEMBER_RO", "cities", "Tokyo", "20000", "km", *tail)


@pytest.mark.parametrize("seed", range(6))
def test_random_areas_hold_the_same_members_in_the_same_order(pair: Pair, seed: int) -> None:
    draw = random.Random(seed)
    hold_grid(pair, seed, 150 if seed % 2 else 600)
    for _ in range(150):
        centre = [f"{draw.uniform(12.9, 13.6):.6f}", f"{draw.uniform(37.9, 38.6):.6f}"]
        if draw.random() < 0.3:
            centre = [repr(draw.uniform(-180, 180)), repr(draw.uniform(-85, 85))]
        sizes = [repr(10 ** draw.uniform(-1, 4.4)) for _ in range(2)]
        limits = draw.choice(["", "", "COUNT 5", "COUNT 40 DESC", "COUNT 7 ANY", "ASC", "DESC"])
        tail = [*limits.split(), "WITHDIST"]
        pair.same("GEOSEARCH", "grid", "FROMLONLAT", *centre, "BYRADIUS", sizes[0], "km", *tail)
        pair.same("GEOSEARCH", "grid", "FROMLONLAT", *centre, "BYBOX", *sizes, "km", *tail)
        words = ["FROMLONLAT", *centre, "BYBOX", *sizes, "km", *limits.split()]
        pair.same("GEOSEARCHSTORE", "d", "grid", *words, *draw.choice([["STOREDIST"], []]))
        pair.same("ZRANGE", "d", "0", "-1", "WITHSCORES")
        pair.same("OBJECT", "ENCODING", "d")


def test_members_in_one_place_are_cut_off_as_redis_does(pair: Pair) -> None:
    draw = random.Random(5)
    for number in range(90):
        place = draw.choice([("1", "1"), ("1", "1.001"), ("1.001", "1"), ("1", "1.5")])
        pair.same("GEOADD", "k", *place, f"m{draw.randrange(1000)}x{number}")
    for count in range(1, 92, 3):
        for order in ("ASC", "DESC"):
            words = ["BYRADIUS", "100", "km", "COUNT", str(count), order]
            pair.same("GEOSEARCH", "k", "FROMLONLAT", "1", "1", *words)


def test_areas_at_the_edges_of_the_map(pair: Pair) -> None:
    hold_cities(pair)
    hold_grid(pair, 9, 200, "cities")
    places = ("180 0", "-180 0", "0 85.05", "0 -85.05", "179.99 84", "-179.99 -84", "0 67", "0 -67")
    for place in (*places, "0 0", "90 45"):
        for radius in (
            "0",
            "1",
            "1000",
            "5000",
            "5009.4",
            "10000",
            "20000",
            "40000",
            "inf",
            "1e300",
        ):
            words = ["FROMLONLAT", *place.split()]
            pair.same("GEOSEARCH", "cities", *words, "BYRADIUS", radius, "km", "WITHDIST")
            pair.same("GEOSEARCH", "cities", *words, "BYBOX", radius, "700", "km")
            pair.same("GEOSEARCH", "cities", *words, "BYBOX", "700", radius, "km")
    pair.same("GEOSEARCH", "cities", "FROMLONLAT", "180.1", "0", "BYRADIUS", "1", "km")


def test_stores_replace_or_delete_the_target(pair: Pair) -> None:
    hold_cities(pair)
    pair.same_script("""
        GEOSEARCHSTORE d cities FROMMEMBER Rome BYRADIUS 1000 km
        ZRANGE d 0 -1 WITHSCORES
        GEOSEARCHSTORE d cities FROMMEMBER Rome BYRADIUS 1000 km STOREDIST
        ZRANGE d 0 -1 WITHSCORES
        GEOSEARCHSTORE d cities FROMMEMBER Rome BYRADIUS 1000 km STOREDIST COUNT 2 DESC
        ZRANGE d 0 -1 WITHSCORES
        GEOSEARCHSTORE d cities FROMLONLAT 100 -40 BYRADIUS 1 km
        EXISTS d
        GEOSEARCHSTORE d cities FROMLONLAT 100 -40 BYRADIUS 1 km
        SET d v EX 1000
        GEOSEARCHSTORE d cities FROMMEMBER Rome BYBOX 100 100 km
        TTL d
        TYPE d
        GEOSEARCHSTORE d missing FROMMEMBER Rome BYBOX 100 100 km
        EXISTS d
        GEORADIUS cities 12 42 1000 km STORE r
        ZRANGE r 0 -1 WITHSCORES
        GEORADIUS cities 12 42 1000 km STOREDIST r ASC COUNT 2
        ZRANGE r 0 -1 WITHSCORES
        GEORADIUS cities 12 42 1000 km STORE x STOREDIST r
        GEORADIUS cities 12 42 1000 km STOREDIST x STORE r
        ZRANGE r 0 -1 WITHSCORES
        EXISTS x
        GEORADIUSBYMEMBER cities Rome 1000 km STORE r
        ZRANGE r 0 -1 WITHSCORES
        GEORADIUSBYMEMBER missing Rome 1000 km STORE r
        EXISTS r
        GEORADIUSBYMEMBER cities Rome 1000 km STORE cities
        ZRANGE cities 0 -1 WITHSCORES
        GEOSEARCHSTORE cities cities FROMMEMBER Rome BYRADIUS 10 km
        ZRANGE cities 0 -1 WITHSCORES
        GEORADIUS cities 0 0 1 m STORE cities
        EXISTS cities
    """)


def test_malformed_searches_are_refused(pair: Pair) -> None:
    hold_cities(pair)
    pair.same("SET", "string", "v")
    centres = [
        "",
        "FROMMEMBER Rome",
        "FROMLONLAT 1 2",
        "FROMMEMBER nobody",
        "FROMLONLAT 1",
        "FROMMEMBER",
    ]
    centres += [
        "FROMMEMBER Rome FROMLONLAT 1 2",
        "FROMLONLAT 1 2 FROMMEMBER Rome",
        "FROMLONLAT 1 x",
    ]
    centres += [
        "FROMMEMBER Rome FROMMEMBER Paris",
        "FROMLONLAT 1 2 FROMLONLAT 3 4",
        "FROMLONLAT 1 99",
    ]
    shapes = ["", "BYRADIUS 1 km", "BYBOX 1 1 km", "BYRADIUS 1", "BYBOX 1 km", "BYRADIUS -1 km"]
    shapes += [
        "BYRADIUS x km",
        "BYRADIUS 1 miles",
        "BYBOX -1 1 km",
        "BYBOX 1 -1 km",
        "BYBOX x 1 km",
    ]
    shapes += [
        "BYBOX 1 x km",
        "BYBOX 1 1 miles",
        "BYRADIUS 1 km BYBOX 1 1 km",
        "BYBOX 1 1 m BYRADIUS 1 m",
    ]
    shapes += ["BYRADIUS 1 km BYRADIUS 2 m", "BYBOX 1 1 km BYBOX 2 2 m", "BYRADIUS nan km"]
    options = [
        "",
        "COUNT",
        "COUNT 0",
        "COUNT -1",
        "COUNT x",
        "ANY",
        "COUNT 1 ANY ANY",
        "ANY COUNT 1",
    ]
    options += ["STOREDIST", "STORE d", "STOREDIST d", "WITHDIST", "BOGUS", "ASC DESC", "ASC ASC"]
    options += ["WITHDIST WITHDIST", "WITHHASH", "WITHCOORD", "COUNT 1 COUNT 2", "count 1 any asc"]
    for key in ("cities", "missing", "string"):
        for centre, shape in itertools.product(centres, shapes):
            words = [*centre.split(), *shape.split()]
            pair.same("GEOSEARCH", key, *words)
            pair.same("GEOSEARCHSTORE", "d", key, *words)
            pair.same("geosearch", key, *words, "WITHDIST")
        for option in options:
            words = ["FROMMEMBER", "Rome", "BYRADIUS", "100", "km", *option.split()]
            pair.same("GEOSEARCH", key, *words)
            pair.same("GEOSEARCHSTORE", "d", key, *words)
            for name in ("GEORADIUS", "GEORADIUS_RO"):
                pair.same(name, key, "12", "42", "100", "km", *option.split())
            for name in ("GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"):
                pair.same(name, key, "Rome", "100", "km", *option.split())


def test_malformed_radius_requests_are_refused_in_redis_order(pair: Pair) -> None:
    hold_cities(pair)
    pair.same("SET", "string", "v")
    for key in ("cities", "missing", "string"):
        for name in ("GEORADIUS", "GEORADIUS_RO"):
            for line in (
                *("", "1", "1 2", "1 2 3", "1 2 x km", "x 2 3 km", "1 x 3 km", "1 2 3 miles"),
                *("200 2 3 km", "1 2 -3 km", "1 2 3 km STORE", "1 2 3 km WITHDIST STORE d"),
                *("1 2 3 km STOREDIST d WITHCOORD", "x x x x x", "1 2 3 km FROMMEMBER Rome"),
            ):
                pair.same(name, key, *line.split())
        for name in ("GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"):
            for line in (
                *("", "Rome", "Rome 1", "Rome x km", "Rome 1 miles", "nobody 1 km", "Rome -1 km"),
                *("nobody x miles", "Rome 1 km STORE", "Rome 1 km WITHHASH STORE d", "Rome x x x"),
                *("Rome 1 km COUNT 0", "Rome x km COUNT x", "Rome 1 km BYRADIUS 1 km"),
            ):
                pair.same(name, key, *line.split())
    pair.same_keyspace()


def test_other_types_are_refused(pair: Pair) -> None:
    pair.same_script("""
        RPUSH list a
        SADD set a
        GEOSEARCH list FROMMEMBER a BYRADIUS 1 m
        GEOSEARCH set FROMMEMBER a BYRADIUS x m
        GEOSEARCHSTORE d list FROMMEMBER a BYRADIUS 1 m
        GEORADIUS list 1 2 3 m
        GEORADIUS list x 2 3 m
        GEORADIUSBYMEMBER set a 3 m
        GEOPOS list a
        GEODIST set a b
        GEOHASH set a
    """)
