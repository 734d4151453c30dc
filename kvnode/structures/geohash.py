"""Places on the globe as 52-bit geohashes, and the cells that a search has to look through.

A geohash halves the ranges of longitude and latitude in turn: at step n each is cut into 2^n
intervals, and the interval numbers are interleaved, latitude in the even bits. So a cell of a lower
step is a range of the numbers of step 26, which a sorted set holds as scores. A search takes the
step at which a cell is about as wide as the area, and looks through the cell of the centre and
those of its eight neighbours that the area reaches.

The order of the neighbours and every rounding are Redis's: results without an order come in its
order, and a place at the border of an area falls on its side. Distances are along great circles by
the haversine formula.
"""

import math
from typing import Final, final

from librt.vecs import append, vec
from mypy_extensions import i64, mypyc_attr

LONGITUDE_MAX: Final = 180.0
LATITUDE_MAX: Final = 85.05112878  # where the square map of the web ends
STEP_MAX: Final = 26
RADIUS_M: Final = 6372797.560856
_MERCATOR_MAX: Final = 20037726.37
_DEGREE: Final = math.pi / 180.0
_CELLS: Final = vec[float]([float(1 << step) for step in range(STEP_MAX + 1)])
# Below 2**62, from where on mypyc keeps constants as objects; geohashes have 54 bits at most.
_EVEN: Final = 0x1555555555555555
_ODD: Final = 0x2AAAAAAAAAAAAAAA
_EVEN_52: Final = 0x5555555555555
_ODD_52: Final = 0xAAAAAAAAAAAAA
_LOW_32: Final = 0xFFFFFFFF
_ALPHABET: Final = b"0123456789bcdefghjkmnpqrstuvwxyz"
_MARGIN: Final = 1e-9  # far more than roundings make
_TWO_63: Final = 9223372036854775808.0


def _spread(number: i64) -> i64:
    """Return the low 32 bits of a number, each in an even bit."""
    number = (number | number << 16) & 0x0000FFFF0000FFFF
    number = (number | number << 8) & 0x00FF00FF00FF00FF
    number = (number | number << 4) & 0x0F0F0F0F0F0F0F0F
    number = (number | number << 2) & 0x3333333333333333
    return (number | number << 1) & _EVEN


def _gathered(bits: i64) -> i64:
    """Return the even bits of a number, which may have all 64, side by side."""
    bits = (bits & _EVEN) | ((bits >> 62) & 1) << 62
    bits = (bits | bits >> 1) & 0x3333333333333333
    bits = (bits | bits >> 2) & 0x0F0F0F0F0F0F0F0F
    bits = (bits | bits >> 4) & 0x00FF00FF00FF00FF
    bits = (bits | bits >> 8) & 0x0000FFFF0000FFFF
    return (bits | bits >> 16) & _LOW_32


def encode(longitude: float, latitude: float, latitude_max: float, step: i64) -> i64:
    """Return the cell of a place at a step, between the latitudes -`latitude_max` and it."""
    cells = _CELLS[step]
    y = (latitude + latitude_max) / (latitude_max + latitude_max) * cells
    x = (longitude + LONGITUDE_MAX) / (LONGITUDE_MAX + LONGITUDE_MAX) * cells
    return _spread(i64(y)) | _spread(i64(x)) << 1


def score_of(longitude: float, latitude: float) -> float:
    """Return the score under which a sorted set holds a place."""
    return float(encode(longitude, latitude, LATITUDE_MAX, STEP_MAX))


def latitude_of(row: i64, step: i64) -> float:
    """Return the latitude at which a row of cells begins in the south."""
    return -LATITUDE_MAX + (float(row) / _CELLS[step]) * (LATITUDE_MAX + LATITUDE_MAX)


def longitude_of(column: i64, step: i64) -> float:
    """Return the longitude at which a column of cells begins in the west."""
    return -LONGITUDE_MAX + (float(column) / _CELLS[step]) * (LONGITUDE_MAX + LONGITUDE_MAX)


def row_of(bits: i64) -> i64:
    """Return how many rows of cells lie south of a cell."""
    return _gathered(bits)


def column_of(bits: i64) -> i64:
    """Return how many columns of cells lie west of a cell."""
    return _gathered(bits >> 1)


def place_of(score: float) -> tuple[float, float]:
    """Return the longitude and the latitude that a score, whatever number, stands for."""
    bits = i64(score) if 0.0 <= score < _TWO_63 else _converted(score)
    cells = 67108864.0  # of step 26
    low = _gathered(bits)
    start = -LATITUDE_MAX + (float(low) / cells) * (LATITUDE_MAX + LATITUDE_MAX)
    end = -LATITUDE_MAX + (float((low + 1) & _LOW_32) / cells) * (LATITUDE_MAX + LATITUDE_MAX)
    latitude = (start + end) / 2
    low = _gathered(bits >> 1)
    start = -LONGITUDE_MAX + (float(low) / cells) * (LONGITUDE_MAX + LONGITUDE_MAX)
    end = -LONGITUDE_MAX + (float((low + 1) & _LOW_32) / cells) * (LONGITUDE_MAX + LONGITUDE_MAX)
    return _clamped((start + end) / 2, LONGITUDE_MAX), _clamped(latitude, LATITUDE_MAX)


def _clamped(degrees: float, limit: float) -> float:
    if degrees > limit:
        return limit
    return -limit if degrees < -limit else degrees


def _converted(score: float) -> i64:
    """Return the bits that a cast to an unsigned 64-bit integer gives on x86-64."""
    if score >= _TWO_63:
        whole = int(score) if score < 2 * _TWO_63 else 0
    elif score > -_TWO_63:
        whole = int(score)
    else:
        whole = 1 << 63
    low = whole & 0x7FFFFFFFFFFFFFFF
    return i64(low - (1 << 63)) if whole >> 63 & 1 else i64(low)


def score_as_integer(score: float) -> int:
    """Return what a cast of a score to a signed 64-bit integer gives on x86-64."""
    return int(score) if -_TWO_63 <= score < _TWO_63 else -(1 << 63)


def geohash_text(score: float) -> bytes:
    """Return the standard geohash of a place in 11 characters, the last always `0`."""
    longitude, latitude = place_of(score)
    bits = encode(longitude, latitude, 90.0, STEP_MAX)
    text: list[int] = []
    shift: i64 = 47
    while shift >= 2:
        text.append(_ALPHABET[(bits >> shift) & 31])
        shift -= 5
    text.append(_ALPHABET[0])
    return bytes(text)


def distance_m(longitude1: float, latitude1: float, longitude2: float, latitude2: float) -> float:
    """Return the distance of two places in metres."""
    radians1 = latitude1 * _DEGREE
    radians2 = latitude2 * _DEGREE
    u = math.sin((radians2 - radians1) / 2)
    v = math.sin((longitude2 * _DEGREE - longitude1 * _DEGREE) / 2)
    return _arc_m(u * u + math.cos(radians1) * math.cos(radians2) * v * v)


def _arc_m(haversine: float) -> float:
    root = math.sqrt(haversine)
    if root > 1.0:
        return math.nan  # two opposite places, by a rounding: as C's asin() has it
    return 2.0 * RADIUS_M * math.asin(root)


def _cosine_or_nan(radians: float) -> float:
    return math.nan if math.isinf(radians) else math.cos(radians)


@final
@mypyc_attr(acyclic=True)
class Area:
    """A circle, or a box along the meridian of its centre; `unit_m` is one unit in metres.

    `radius` counts for a circle, `width` and `height` for a box.
    """

    longitude: float
    latitude: float
    unit_m: float
    is_box: bool
    radius: float
    width: float
    height: float
    _limit: float  # beyond this haversine a place is outside for sure; negative: not reckoned yet
    _radians: float
    _cosine: float

    def __init__(self) -> None:
        self._limit = -1.0
        self._radians = 0.0
        self._cosine = 1.0
        self.longitude = 0.0
        self.latitude = 0.0
        self.unit_m = 1.0
        self.is_box = False
        self.radius = 0.0
        self.width = 0.0
        self.height = 0.0

    def distance_m(self, longitude: float, latitude: float) -> float:
        """Return how far from the centre a place is in metres, -1 if it lies outside."""
        x = self.longitude
        y = self.latitude
        if self.is_box:
            if distance_m(longitude, latitude, longitude, y) > self.height * self.unit_m / 2:
                return -1.0
            if distance_m(longitude, latitude, x, latitude) > self.width * self.unit_m / 2:
                return -1.0
            return distance_m(x, y, longitude, latitude)
        if self._limit < 0.0:
            self._reckon()
        # As `distance_m`, but without the last and slowest step for what is clearly outside.
        limit = self._limit
        radians = latitude * _DEGREE
        u = math.sin((radians - self._radians) / 2)
        if u * u > limit:
            return -1.0
        v = math.sin((longitude * _DEGREE - x * _DEGREE) / 2)
        haversine = u * u + self._cosine * math.cos(radians) * v * v
        if haversine > limit:
            return -1.0
        distance = _arc_m(haversine)
        return -1.0 if distance > self.radius * self.unit_m else distance

    def _reckon(self) -> None:
        """Reckon what is the same for all places of a circle."""
        self._radians = self.latitude * _DEGREE
        self._cosine = math.cos(self._radians)
        angle = self.radius * self.unit_m / (2.0 * RADIUS_M)
        self._limit = 2.0  # more than any haversine
        if angle < math.pi / 2:
            sine = math.sin(angle)
            self._limit = sine * sine * (1.0 + _MARGIN) + _MARGIN * _MARGIN

    def _extent_m(self) -> float:
        """Return how far from the centre the area reaches in metres."""
        if not self.is_box:
            return self.radius * self.unit_m
        half_width = self.width / 2
        half_height = self.height / 2
        return math.sqrt(half_width * half_width + half_height * half_height) * self.unit_m

    def ranges(self) -> vec[float]:
        """Return the scores to look through in Redis's order, each range's begin and its end.

        The end is not in the range.
        """
        longitude = self.longitude
        latitude = self.latitude
        half_height = self.unit_m * (self.height / 2 if self.is_box else self.radius)
        half_width = self.unit_m * (self.width / 2 if self.is_box else self.radius)
        high = half_height / RADIUS_M / _DEGREE
        toward_pole = latitude - high if latitude < 0.0 else latitude + high
        wide = half_width / RADIUS_M / _cosine_or_nan(toward_pole * _DEGREE) / _DEGREE
        west = longitude - wide
        east = longitude + wide
        south = latitude - high
        north = latitude + high

        step = _step_for(self._extent_m(), latitude)
        bits = encode(longitude, latitude, LATITUDE_MAX, step)
        row = row_of(bits)
        column = column_of(bits)
        # The area may begin near a border of its cell and reach beyond the neighbour.
        if step > 1:
            last = _last(step)
            if (
                latitude_of(((row + 1) & last) + 1, step) < north
                or latitude_of((row - 1) & last, step) > south
                or longitude_of(((column + 1) & last) + 1, step) < east
                or longitude_of((column - 1) & last, step) > west
            ):
                step -= 1
                bits = encode(longitude, latitude, LATITUDE_MAX, step)
                row = row_of(bits)
                column = column_of(bits)
        # Where the area ends within the cell of its centre, nothing lies beyond.
        large = step >= 2
        no_north = large and latitude_of(row + 1, step) > north
        no_south = large and latitude_of(row, step) < south
        no_east = large and longitude_of(column + 1, step) > east
        no_west = large and longitude_of(column, step) < west
        shift = 2 * (STEP_MAX - step)
        found = _with_cell(vec[float](), bits, shift)
        neighbour: i64 = -1
        i: i64 = 0
        while i < 8:
            x = _EAST[i]
            y = _NORTH[i]
            i += 1
            if (y > 0 and no_north) or (y < 0 and no_south):
                continue
            if (x > 0 and no_east) or (x < 0 and no_west):
                continue
            before = neighbour
            neighbour = _moved(bits, x, y, step)
            # A very large area has the same neighbour on both sides.
            if neighbour != before:
                found = _with_cell(found, neighbour, shift)
        return found


# By how many cells to the east and to the north, in the order in which Redis looks.
_EAST: Final = vec[i64]([0, 0, 1, -1, 1, -1, 1, -1])
_NORTH: Final = vec[i64]([1, -1, 0, 0, 1, 1, -1, -1])


def _last(step: i64) -> i64:
    """Return the number of the last row and column of a step."""
    one: i64 = 1
    return (one << step) - 1


def _with_cell(ranges: vec[float], bits: i64, shift: i64) -> vec[float]:
    """Append the range of scores of a cell."""
    ranges = append(ranges, float(bits << shift))
    return append(ranges, float((bits + 1) << shift))


def _step_for(extent_m: float, latitude: float) -> i64:
    """Return the step whose cells are about as wide as an area that reaches so far."""
    if extent_m == 0.0:
        return STEP_MAX
    step: i64 = -1
    while extent_m < _MERCATOR_MAX:
        extent_m *= 2
        step += 1
    # Toward the poles cells become narrow.
    if latitude > 66.0 or latitude < -66.0:
        step -= 1
        if latitude > 80.0 or latitude < -80.0:
            step -= 1
    if step < 1:
        return 1
    return step if step < STEP_MAX else STEP_MAX


def _moved(bits: i64, east: i64, north: i64, step: i64) -> i64:
    """Return the cell next to one, around the globe where that is at the border."""
    shift = 2 * (STEP_MAX - step)
    even: i64 = _EVEN_52 >> shift  # the bits that a cell of this step has
    odd: i64 = _ODD_52 >> shift
    x = bits & _ODD
    y = bits & _EVEN
    # The bits between carry, so that the number behaves as if its bits stood side by side.
    if east > 0:
        x += even + 1
    elif east < 0:
        x = (x | even) - (even + 1)
    if north > 0:
        y += odd + 1
    elif north < 0:
        y = (y | odd) - (odd + 1)
    return (x & odd if east else x) | (y & even if north else y)
