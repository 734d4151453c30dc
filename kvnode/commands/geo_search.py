"""The geo commands that look for the members within an area.

GEOSEARCH and GEOSEARCHSTORE, and the older GEORADIUS family: their options differ, the search is
one.
"""

from typing import Final, final

from librt.vecs import append, vec
from mypy_extensions import i64, mypyc_attr

from kvnode.command import DENYOOM, MOVABLEKEYS, READONLY, WRITE, KeySpec, command, key
from kvnode.commands.arguments import double, integer
from kvnode.commands.geo import coordinates, distance_text, place_arguments, unit_argument
from kvnode.context import Context
from kvnode.datatypes.score_ranges import ScoreBound, ScoreRange
from kvnode.datatypes.sorted_sets import SortedSet
from kvnode.structures.geohash import Area, place_of, score_as_integer
from kvnode.structures.partial_order import order_first
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import Reply

# Whose options a request has.
_RADIUS: Final = 1
_SEARCH: Final = 2
_STORES: Final = 4  # GEOSEARCHSTORE, or a GEORADIUS that may have STORE

_NO_ORDER: Final = 0
_ASCENDING: Final = 1
_DESCENDING: Final = 2

_UNKNOWN: Final = 0
_WITHDIST: Final = 1
_WITHHASH: Final = 2
_WITHCOORD: Final = 3
_ANY: Final = 4
_ASC: Final = 5
_DESC: Final = 6
_COUNT: Final = 7
_STORE: Final = 8
_STOREDIST: Final = 9
_FROMMEMBER: Final = 10
_FROMLONLAT: Final = 11
_BYRADIUS: Final = 12
_BYBOX: Final = 13
_OPTIONS: Final[dict[bytes, int]] = {
    b"WITHDIST": _WITHDIST,
    b"WITHHASH": _WITHHASH,
    b"WITHCOORD": _WITHCOORD,
    b"ANY": _ANY,
    b"ASC": _ASC,
    b"DESC": _DESC,
    b"COUNT": _COUNT,
    b"STORE": _STORE,
    b"STOREDIST": _STOREDIST,
    b"FROMMEMBER": _FROMMEMBER,
    b"FROMLONLAT": _FROMLONLAT,
    b"BYRADIUS": _BYRADIUS,
    b"BYBOX": _BYBOX,
}

_PAGE: Final = 256  # members looked at in one go where ANY may end the search


@final
class _Query:
    """What a request asks for."""

    def __init__(self, form: i64) -> None:
        self.form: i64 = form
        self.area = Area()
        self.has_centre = bool(form & _RADIUS)
        self.centre_is_member = False
        self.has_shape = bool(form & _RADIUS)
        self.with_coordinates = False
        self.with_distance = False
        self.with_hash = False
        self.order: i64 = _NO_ORDER
        self.count: i64 = 0  # 0: all
        self.any = False
        self.target: bytes | None = None
        self.stores_distance = False

    def take_radius(self, radius: bytes, unit: bytes) -> None:
        """Make the area a circle."""
        size = double(radius, "ERR need numeric radius")
        if size < 0:
            raise ReplyError("ERR radius cannot be negative")
        self.area.radius = size
        self.area.unit_m = unit_argument(unit)
        self.has_shape = True

    def take_box(self, width: bytes, height: bytes, unit: bytes) -> None:
        """Make the area a box."""
        area = self.area
        area.width = double(width, "ERR need numeric width")
        area.height = double(height, "ERR need numeric height")
        if area.width < 0 or area.height < 0:
            raise ReplyError("ERR height or width cannot be negative")
        area.unit_m = unit_argument(unit)
        area.is_box = True
        self.has_shape = True

    def take_place(self, longitude: bytes, latitude: bytes) -> None:
        """Put the centre of the area at a place."""
        self.area.longitude, self.area.latitude = place_arguments(longitude, latitude)
        self.has_centre = True

    def take_member(self, source: SortedSet | None, member: bytes) -> None:
        """Put the centre of the area where a member is; without a source anything goes."""
        self.has_centre = True
        self.centre_is_member = True
        if source is None:
            return
        score = source.score_or_nan(member)
        if score != score:
            raise ReplyError("ERR could not decode requested zset member")
        self.area.longitude, self.area.latitude = place_of(score)

    def read_options(self, argv: list[bytes], i: i64, source: SortedSet | None) -> None:
        """Read the options from argv[i] on."""
        count: i64 = len(argv)
        while i < count:
            option = _OPTIONS.get(argv[i])
            if option is None:
                option = _OPTIONS.get(argv[i].upper(), _UNKNOWN)
            if option == _WITHDIST:
                self.with_distance = True
            elif option == _WITHHASH:
                self.with_hash = True
            elif option == _WITHCOORD:
                self.with_coordinates = True
            elif option == _ANY:
                self.any = True
            elif option == _ASC:
                self.order = _ASCENDING
            elif option == _DESC:
                self.order = _DESCENDING
            elif option == _COUNT and i + 1 < count:
                i += 1
                self.count = i64(integer(argv[i]))
                if self.count <= 0:
                    raise ReplyError("ERR COUNT must be > 0")
            elif self.form & _SEARCH:
                i = self._read_search_option(option, argv, i, source)
            elif option in (_STORE, _STOREDIST) and i + 1 < count and self.form & _STORES:
                i += 1
                self.target = argv[i]
                self.stores_distance = option == _STOREDIST
            else:
                raise ReplyError(errors.SYNTAX)
            i += 1
        self._check(argv)

    def _read_search_option(
        self, option: int, argv: list[bytes], i: i64, source: SortedSet | None
    ) -> i64:
        """Read an option that only GEOSEARCH has; return where its last word stands."""
        left: i64 = len(argv) - i - 1
        from_place = self.has_centre and not self.centre_is_member
        by_radius = self.has_shape and not self.area.is_box
        if option == _FROMMEMBER and left >= 1 and not from_place:
            self.take_member(source, argv[i + 1])
            return i + 1
        if option == _FROMLONLAT and left >= 2 and not self.centre_is_member:
            self.take_place(argv[i + 1], argv[i + 2])
            return i + 2
        if option == _BYRADIUS and left >= 2 and not self.area.is_box:
            self.take_radius(argv[i + 1], argv[i + 2])
            return i + 2
        if option == _BYBOX and left >= 3 and not by_radius:
            self.take_box(argv[i + 1], argv[i + 2], argv[i + 3])
            return i + 3
        if option == _STOREDIST and self.form & _STORES:
            self.stores_distance = True
            return i
        raise ReplyError(errors.SYNTAX)

    def _check(self, argv: list[bytes]) -> None:
        """Refuse what does not go together."""
        if self.target is not None and (
            self.with_distance or self.with_hash or self.with_coordinates
        ):
            name = "GEOSEARCHSTORE" if self.form & _SEARCH else "STORE option in GEORADIUS"
            raise ReplyError(
                f"ERR {name} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )
        if not self.has_centre:
            shown = argv[0].decode("utf-8", "surrogateescape")
            raise ReplyError(
                f"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {shown}"
            )
        if not self.has_shape:
            shown = argv[0].decode("utf-8", "surrogateescape")
            raise ReplyError(f"ERR exactly one of BYRADIUS and BYBOX can be specified for {shown}")
        if self.any and self.count == 0:
            raise ReplyError("ERR the ANY argument requires COUNT argument")


@final
@mypyc_attr(acyclic=True)
class _Found:
    """A member within the area; `distance` is in metres."""

    member: bytes
    score: float
    distance: float
    longitude: float
    latitude: float

    def __init__(
        self, member: bytes, score: float, distance: float, longitude: float, latitude: float
    ) -> None:
        self.member = member
        self.score = score
        self.distance = distance
        self.longitude = longitude
        self.latitude = latitude


def _search(source: SortedSet, area: Area, limit: i64) -> list[_Found]:
    """Return the members within an area, `limit` at most if it is not 0, in Redis's order."""
    found: list[_Found] = []
    ends = area.ranges()
    i: i64 = 0
    while i < len(ends):
        if limit == 0:
            members, scores = source.between_scores(ends[i], ends[i + 1])
            _keep_within(area, members, scores, 0, found)
        elif len(found) < limit:
            _search_pages(source, area, ends[i], ends[i + 1], limit, found)
        i += 2
    return found


def _search_pages(
    source: SortedSet, area: Area, low: float, high: float, limit: i64, found: list[_Found]
) -> None:
    """Look through a range of scores only until `limit` members are found."""
    bounds = ScoreRange(ScoreBound(low, False), ScoreBound(high, True))
    offset: i64 = 0
    while True:
        members, scores = source.range_by_score(bounds, False, offset, _PAGE)
        _keep_within(area, members, scores, limit, found)
        offset += _PAGE
        if len(members) < _PAGE or len(found) >= limit:
            break


def _keep_within(
    area: Area, members: list[bytes], scores: vec[float], limit: i64, found: list[_Found]
) -> None:
    """Append those members that are within an area, until `limit` are found."""
    count: i64 = len(members)
    i: i64 = 0
    while i < count:
        longitude, latitude = place_of(scores[i])
        distance = area.distance_m(longitude, latitude)
        if distance != -1.0:
            found.append(_Found(members[i], scores[i], distance, longitude, latitude))
            if limit and len(found) >= limit:
                return
        i += 1


def _distance_of(found: _Found) -> float:
    return found.distance


def _in_order(found: list[_Found], order: i64, wanted: i64) -> list[_Found]:
    """Return the first `wanted` of what was found, in order of the distance."""
    if order == _NO_ORDER:
        return found[:wanted]
    if wanted == len(found):
        if wanted > 1:
            found.sort(key=_distance_of, reverse=order == _DESCENDING)
        return found
    keys = vec[float](capacity=len(found))
    for row in found:
        keys = append(keys, row.distance if order == _ASCENDING else -row.distance)
    positions = order_first(keys, wanted)
    nearest: list[_Found] = []
    i: i64 = 0
    while i < wanted:
        nearest.append(found[positions[i]])
        i += 1
    return nearest


def _answer(ctx: Context, query: _Query, source: SortedSet | None) -> Reply:
    """Run a search and return or store what it finds."""
    found: list[_Found] = []
    if source is not None:
        found = _search(source, query.area, query.count if query.any else 0)
        wanted: i64 = len(found)
        if 0 < query.count < wanted:
            wanted = query.count
        order = query.order
        if order == _NO_ORDER and query.count and not query.any:
            order = _ASCENDING  # the nearest, not just some
        found = _in_order(found, order, wanted)
    if query.target is not None:
        return _store(ctx, query, query.target, found)
    if not (query.with_distance or query.with_hash or query.with_coordinates):
        return [row.member for row in found]
    return [_row(query, row) for row in found]


def _row(query: _Query, found: _Found) -> Reply:
    """Return the reply of one member with what was asked for beside it."""
    row: list[Reply] = [found.member]
    if query.with_distance:
        row.append(distance_text(found.distance / query.area.unit_m))
    if query.with_hash:
        row.append(score_as_integer(found.score))
    if query.with_coordinates:
        row.append(coordinates(found.longitude, found.latitude))
    return row


def _store(ctx: Context, query: _Query, target: bytes, found: list[_Found]) -> Reply:
    """Make a sorted set of what was found; none is left where nothing was."""
    keyspace = ctx.keyspace
    if not found:
        if keyspace.remove(target):
            keyspace.changed(target, b"del")
        return 0
    members: list[bytes] = []
    scores = vec[float]()
    for row in found:
        members.append(row.member)
        score = row.distance / query.area.unit_m if query.stores_distance else row.score
        scores = append(scores, score)
    keyspace.put(target, SortedSet.build(members, scores, ctx.encodings).body)
    event = b"geosearchstore" if query.form & _SEARCH else b"georadiusstore"
    keyspace.changed(target, event, len(found))
    return len(found)


def _source(ctx: Context, name: bytes) -> SortedSet | None:
    """Return the geo index to search, None where the key is not there."""
    stored = ctx.keyspace.read(name)
    return None if stored is None else SortedSet.open(stored, ctx.encodings)


@command(
    "GEOSEARCH",
    arity=-7,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="geo",
    acl="geo",
    since="6.2.0",
    complexity="O(N+log(M)) with N members in the cells around the area and M in the geo index",
    summary="Return the members within a circle or a box.",
    syntax="key:k#0 from=<FROMMEMBER member|FROMLONLAT longitude_latitude=(longitude:d latitude:d)>"
    " by=<circle=(BYRADIUS radius:d unit=<M|KM|FT|MI>)|box=(BYBOX width:d height:d "
    "unit=<M|KM|FT|MI>)> [order=<ASC|DESC>] [count=(COUNT count:i [ANY])] [WITHCOORD] [WITHDIST] "
    "[WITHHASH]",
)
def geosearch(ctx: Context, argv: list[bytes]) -> Reply:
    source = _source(ctx, argv[1])
    query = _Query(_SEARCH)
    query.read_options(argv, 2, source)
    return _answer(ctx, query, source)


@command(
    "GEOSEARCHSTORE",
    arity=-8,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "OW update"), key(2, 2, 1, "RO access")),
    group="geo",
    acl="geo",
    since="6.2.0",
    complexity="O(N+log(M)) with N members in the cells around the area and M in the geo index",
    summary="Store the members within a circle or a box as a sorted set.",
    syntax="destination:k#0 source:k#1 from=<FROMMEMBER member|FROMLONLAT longitude_latitude="
    "(longitude:d latitude:d)> by=<circle=(BYRADIUS radius:d unit=<M|KM|FT|MI>)|box=(BYBOX width:d "
    "height:d unit=<M|KM|FT|MI>)> [order=<ASC|DESC>] [count=(COUNT count:i [ANY])] [STOREDIST]",
)
def geosearchstore(ctx: Context, argv: list[bytes]) -> Reply:
    source = _source(ctx, argv[2])
    query = _Query(_SEARCH | _STORES)
    query.target = argv[1]
    query.read_options(argv, 3, source)
    return _answer(ctx, query, source)


def _around_place(ctx: Context, argv: list[bytes], form: i64) -> Reply:
    """Run GEORADIUS or its variant that only reads."""
    source = _source(ctx, argv[1])
    query = _Query(form)
    query.take_place(argv[2], argv[3])
    query.take_radius(argv[4], argv[5])
    query.read_options(argv, 6, source)
    return _answer(ctx, query, source)


def _around_member(ctx: Context, argv: list[bytes], form: i64) -> Reply:
    """Run GEORADIUSBYMEMBER or its variant that only reads."""
    source = _source(ctx, argv[1])
    query = _Query(form)
    if source is not None:  # without it Redis looks at nothing before the options
        query.take_member(source, argv[2])
        query.take_radius(argv[3], argv[4])
    query.read_options(argv, 5, source)
    return _answer(ctx, query, source)


@command(
    "GEORADIUS",
    arity=-6,
    flags=WRITE | DENYOOM | MOVABLEKEYS,
    keys=(
        key(1, 1, 1, "RO access"),
        KeySpec(6, "OW update", keyword="STORE", last=0, step=1, limit=0),
        KeySpec(6, "OW update", keyword="STOREDIST", last=0, step=1, limit=0),
    ),
    group="geo",
    acl="geo",
    since="3.2.0",
    complexity="O(N+log(M)) with N members in the cells around the circle and M in the geo index",
    summary="Return or store the members within a circle around a place.",
    syntax="key:k#0 longitude:d latitude:d radius:d unit=<M|KM|FT|MI> [WITHCOORD] [WITHDIST] "
    "[WITHHASH] [count=(COUNT count:i [ANY@6.2.0])] [order=<ASC|DESC>] [STORE key:k#1] "
    "[STOREDIST key:k#2]",
    replaced_by="`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
    deprecated_since="6.2.0",
)
def georadius(ctx: Context, argv: list[bytes]) -> Reply:
    return _around_place(ctx, argv, _RADIUS | _STORES)


@command(
    "GEORADIUS_RO",
    arity=-6,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="geo",
    acl="geo",
    since="3.2.10",
    complexity="O(N+log(M)) with N members in the cells around the circle and M in the geo index",
    summary="Return the members within a circle around a place.",
    syntax="key:k#0 longitude:d latitude:d radius:d unit=<M|KM|FT|MI> [WITHCOORD] [WITHDIST] "
    "[WITHHASH] [count=(COUNT count:i [ANY@6.2.0])] [order=<ASC|DESC>]",
    replaced_by="`GEOSEARCH` with the `BYRADIUS` argument",
    deprecated_since="6.2.0",
)
def georadius_ro(ctx: Context, argv: list[bytes]) -> Reply:
    return _around_place(ctx, argv, _RADIUS)


@command(
    "GEORADIUSBYMEMBER",
    arity=-5,
    flags=WRITE | DENYOOM | MOVABLEKEYS,
    keys=(
        key(1, 1, 1, "RO access"),
        KeySpec(5, "OW update", keyword="STORE", last=0, step=1, limit=0),
        KeySpec(5, "OW update", keyword="STOREDIST", last=0, step=1, limit=0),
    ),
    group="geo",
    acl="geo",
    since="3.2.0",
    complexity="O(N+log(M)) with N members in the cells around the circle and M in the geo index",
    summary="Return or store the members within a circle around a member.",
    syntax="key:k#0 member radius:d unit=<M|KM|FT|MI> [WITHCOORD] [WITHDIST] [WITHHASH] "
    "[count=(COUNT count:i [ANY])] [order=<ASC|DESC>] [STORE key:k#1] [STOREDIST key:k#2]",
    replaced_by="`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
    deprecated_since="6.2.0",
)
def georadiusbymember(ctx: Context, argv: list[bytes]) -> Reply:
    return _around_member(ctx, argv, _RADIUS | _STORES)


@command(
    "GEORADIUSBYMEMBER_RO",
    arity=-5,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="geo",
    acl="geo",
    since="3.2.10",
    complexity="O(N+log(M)) with N members in the cells around the circle and M in the geo index",
    summary="Return the members within a circle around a member.",
    syntax="key:k#0 member radius:d unit=<M|KM|FT|MI> [WITHCOORD] [WITHDIST] [WITHHASH] "
    "[count=(COUNT count:i [ANY])] [order=<ASC|DESC>]",
    replaced_by="`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
    deprecated_since="6.2.0",
)
def georadiusbymember_ro(ctx: Context, argv: list[bytes]) -> Reply:
    return _around_member(ctx, argv, _RADIUS)
