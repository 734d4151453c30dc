"""Commands on places: sorted sets whose scores are geohashes."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Literal, TypeAlias, overload

from kvclient import shapes
from kvclient.arguments import Pairs, at_most_one, flags, option, together
from kvclient.commands.base import Surface
from kvclient.errors import ArgumentError
from kvclient.results import Place, T
from kvclient.wire.encoding import Argument

Unit = Literal["m", "km", "mi", "ft"]
Order = Literal["ASC", "DESC"]
Position: TypeAlias = tuple[float, float]


class GeoCommands(Surface[T]):
    """Places: members with a longitude and a latitude, in degrees."""

    def geoadd(
        self,
        key: Argument,
        mapping: Pairs[Argument, Position],
        *,
        nx: bool = False,
        xx: bool = False,
        ch: bool = False,
    ) -> Awaitable[int]:
        """Set members to (longitude, latitude); return how many are new, with `ch` or changed.

        `nx` adds only, `xx` changes only.
        """
        at_most_one(nx=nx, xx=xx)
        words = tuple(word for member, place in mapping.items() for word in (*place, member))
        if not words or len(words) % 3:
            raise ArgumentError("the mapping needs a (longitude, latitude) for each member")
        return self._send((b"GEOADD", key, *flags(nx=nx, xx=xx, ch=ch), *words))

    def geodist(
        self, key: Argument, place1: Argument, place2: Argument, unit: Unit = "m"
    ) -> Awaitable[float | None]:
        """Return the distance between two members, None if one is missing."""
        argv = (b"GEODIST", key, place1, place2, unit)
        return self._send(argv, shapes.optional_number)

    def geohash(self, key: Argument, *members: Argument) -> Awaitable[list[str | None]]:
        """Return the geohash texts of members, of 11 characters; None for each that is missing."""
        return self._send((b"GEOHASH", key, *members), shapes.optional_texts)

    def geopos(self, key: Argument, *members: Argument) -> Awaitable[list[Position | None]]:
        """Return longitude and latitude of members, None for each that is missing."""
        return self._send((b"GEOPOS", key, *members), shapes.positions)

    @overload
    def geosearch(
        self,
        key: Argument,
        *,
        member: Argument | None = None,
        longitude: float | None = None,
        latitude: float | None = None,
        unit: Unit = "m",
        radius: float | None = None,
        width: float | None = None,
        height: float | None = None,
        sort: Order | None = None,
        count: int | None = None,
        any: bool = False,
    ) -> Awaitable[list[T]]: ...

    @overload
    def geosearch(
        self,
        key: Argument,
        *,
        member: Argument | None = None,
        longitude: float | None = None,
        latitude: float | None = None,
        unit: Unit = "m",
        radius: float | None = None,
        width: float | None = None,
        height: float | None = None,
        sort: Order | None = None,
        count: int | None = None,
        any: bool = False,
        withcoord: bool,
        withdist: bool | None = None,
        withhash: bool | None = None,
    ) -> Awaitable[list[Place[T]]]: ...

    @overload
    def geosearch(
        self,
        key: Argument,
        *,
        member: Argument | None = None,
        longitude: float | None = None,
        latitude: float | None = None,
        unit: Unit = "m",
        radius: float | None = None,
        width: float | None = None,
        height: float | None = None,
        sort: Order | None = None,
        count: int | None = None,
        any: bool = False,
        withcoord: bool | None = None,
        withdist: bool,
        withhash: bool | None = None,
    ) -> Awaitable[list[Place[T]]]: ...

    @overload
    def geosearch(
        self,
        key: Argument,
        *,
        member: Argument | None = None,
        longitude: float | None = None,
        latitude: float | None = None,
        unit: Unit = "m",
        radius: float | None = None,
        width: float | None = None,
        height: float | None = None,
        sort: Order | None = None,
        count: int | None = None,
        any: bool = False,
        withcoord: bool | None = None,
        withdist: bool | None = None,
        withhash: bool,
    ) -> Awaitable[list[Place[T]]]: ...

    def geosearch(
        self,
        key: Argument,
        *,
        member: Argument | None = None,
        longitude: float | None = None,
        latitude: float | None = None,
        unit: Unit = "m",
        radius: float | None = None,
        width: float | None = None,
        height: float | None = None,
        sort: Order | None = None,
        count: int | None = None,
        any: bool = False,
        withcoord: bool | None = None,
        withdist: bool | None = None,
        withhash: bool | None = None,
    ) -> Awaitable[list[T]] | Awaitable[list[Place[T]]]:
        """Return the members within a circle or a box around a member or a point.

        `radius`, or `width` and `height`, are in the unit given. With `any` the search ends at
        `count` places, whether nearer ones exist or not. Where one of `withcoord`, `withdist` and
        `withhash` is given the results are `Place`s that say it.
        """
        argv = (
            *(b"GEOSEARCH", key),
            *_area(member, longitude, latitude, unit, radius, width, height),
            *_selection(sort, count, any),
            *flags(withcoord=bool(withcoord), withdist=bool(withdist), withhash=bool(withhash)),
        )
        if withcoord is None and withdist is None and withhash is None:
            return self._send(argv)
        shape = shapes.places(bool(withdist), bool(withhash), bool(withcoord))
        return self._send(argv, shape)

    def geosearchstore(
        self,
        dest: Argument,
        key: Argument,
        *,
        member: Argument | None = None,
        longitude: float | None = None,
        latitude: float | None = None,
        unit: Unit = "m",
        radius: float | None = None,
        width: float | None = None,
        height: float | None = None,
        sort: Order | None = None,
        count: int | None = None,
        any: bool = False,
        storedist: bool = False,
    ) -> Awaitable[int]:
        """Store what `geosearch` finds, with `storedist` scored by distance; return how many."""
        argv = (
            *(b"GEOSEARCHSTORE", dest, key),
            *_area(member, longitude, latitude, unit, radius, width, height),
            *_selection(sort, count, any),
            *flags(storedist=storedist),
        )
        return self._send(argv)


def _area(
    member: Argument | None,
    longitude: float | None,
    latitude: float | None,
    unit: Unit,
    radius: float | None,
    width: float | None,
    height: float | None,
) -> tuple[Argument, ...]:
    together(longitude=longitude, latitude=latitude)
    together(width=width, height=height)
    if (member is None) == (longitude is None) or (radius is None) == (width is None):
        raise ArgumentError(
            "a search needs a member or a longitude and a latitude,"
            " and a radius or a width and a height"
        )
    return (
        *option(b"FROMMEMBER", member),
        *_with(b"FROMLONLAT", longitude, latitude),
        *option(b"BYRADIUS", radius),
        *_with(b"BYBOX", width, height),
        unit,
    )


def _with(word: bytes, first: float | None, second: float | None) -> tuple[Argument, ...]:
    return () if first is None or second is None else (word, first, second)


def _selection(sort: Order | None, count: int | None, any: bool) -> tuple[Argument, ...]:
    if any and count is None:
        raise ArgumentError("any goes with count")
    order = () if sort is None else (sort,)
    return (*order, *option(b"COUNT", count), *flags(any=any))
