"""Geohashes: places and cells, distances, and the cells that an area needs."""

from __future__ import annotations

import math
import random

import pytest

from kvnode.commands.geo import distance_text
from kvnode.structures.geohash import (
    LATITUDE_MAX,
    RADIUS_M,
    Area,
    column_of,
    distance_m,
    encode,
    geohash_text,
    latitude_of,
    longitude_of,
    place_of,
    row_of,
    score_as_integer,
    score_of,
)

# Width and height of the finest cell in degrees.
CELL_LONGITUDE = 360 / (1 << 26)
CELL_LATITUDE = 2 * LATITUDE_MAX / (1 << 26)


def interleaved(longitude: float, latitude: float, step: int) -> int:
    """The geohash, bit by bit."""
    x = int((longitude + 180) / 360 * (1 << step))
    y = int((latitude + LATITUDE_MAX) / (2 * LATITUDE_MAX) * (1 << step))
    return sum((y >> n & 1) << 2 * n | (x >> n & 1) << 2 * n + 1 for n in range(step + 1))


def test_a_place_is_found_again_within_half_a_cell() -> None:
    draw = random.Random(1)
    for _ in range(1000):
        longitude, latitude = draw.uniform(-180, 180), draw.uniform(-85, 85)
        score = score_of(longitude, latitude)
        assert score == interleaved(longitude, latitude, 26)
        x, y = place_of(score)
        assert abs(x - longitude) <= CELL_LONGITUDE / 2 + 1e-12
        assert abs(y - latitude) <= CELL_LATITUDE / 2 + 1e-12


def test_a_cell_holds_the_places_that_encode_to_it() -> None:
    draw = random.Random(2)
    for _ in range(1000):
        longitude, latitude = draw.uniform(-180, 180), draw.uniform(-85, 85)
        step = draw.randint(1, 26)
        bits = encode(longitude, latitude, LATITUDE_MAX, step)
        assert bits == interleaved(longitude, latitude, step)
        column, row = column_of(bits), row_of(bits)
        assert longitude_of(column, step) <= longitude <= longitude_of(column + 1, step)
        assert latitude_of(row, step) <= latitude <= latitude_of(row + 1, step)


def test_known_places_have_their_standard_geohash() -> None:
    assert geohash_text(score_of(13.361389, 38.115556)) == b"sqc8b49rny0"
    assert geohash_text(score_of(15.087269, 37.502669)) == b"sqdtr74hyu0"


def test_a_quarter_of_a_great_circle_is_a_quarter_of_the_circumference() -> None:
    quarter = math.pi / 2 * RADIUS_M
    assert distance_m(0, 0, 90, 0) == pytest.approx(quarter)
    assert distance_m(0, 0, 0, 85) == pytest.approx(quarter * 85 / 90)
    assert distance_m(10, 20, 10, 20) == 0.0


def test_scores_beyond_the_map_are_cast_as_on_x86() -> None:
    assert score_as_integer(1.9) == 1
    assert score_as_integer(math.inf) == -(2**63)
    assert place_of(-1.0)[0] == 180.0
    assert place_of(1e300) == place_of(0.0) == place_of(math.inf)
    assert place_of(-math.inf) == place_of(-1e300) == place_of(2.0**63)


@pytest.mark.parametrize("seed", range(8))
def test_the_cells_of_an_area_cover_all_that_lies_within(seed: int) -> None:
    """Away from the edges of the map, where Redis itself overlooks places."""
    draw = random.Random(seed)
    for _ in range(100):
        area = Area()
        area.longitude, area.latitude = draw.uniform(-100, 100), draw.uniform(-60, 60)
        area.unit_m = 1000.0
        area.is_box = draw.random() < 0.5
        area.radius = 10 ** draw.uniform(-2, 2.7)
        area.width, area.height = (10 ** draw.uniform(-2, 2.7) for _ in range(2))
        ends = list(area.ranges())
        ranges = list(zip(ends[::2], ends[1::2], strict=True))
        assert 1 <= len(ranges) <= 9
        reach = max(area.radius, area.width, area.height) / 111
        for _ in range(50):
            longitude = area.longitude + draw.uniform(-reach, reach)
            latitude = area.latitude + draw.uniform(-reach, reach)
            score = score_of(longitude, latitude)
            if area.distance_m(*place_of(score)) >= 0:
                assert sum(low <= score < high for low, high in ranges) == 1


def test_a_box_is_measured_along_the_meridian_of_each_place() -> None:
    area = Area()
    area.is_box = True
    area.width, area.height, area.unit_m = 200.0, 100.0, 1000.0
    degree_km = math.pi / 180 * RADIUS_M / 1000
    assert area.distance_m(99 / degree_km, 0) == pytest.approx(99_000)
    assert area.distance_m(101 / degree_km, 0) == -1
    assert area.distance_m(0, 49 / degree_km) == pytest.approx(49_000)
    assert area.distance_m(0, 51 / degree_km) == -1


def test_distances_have_four_decimals_as_the_c_library_rounds_them() -> None:
    draw = random.Random(5)
    for _ in range(20_000):
        distance = draw.choice(
            [
                draw.uniform(0, 2e7),
                10 ** draw.uniform(-6, 9),
                draw.randrange(10**9) / 10000 + 0.00005,
                draw.randrange(100_000) / 32,
            ]
        )
        assert distance_text(distance) == b"%.4f" % distance
    assert distance_text(math.nan) == b"-nan"
