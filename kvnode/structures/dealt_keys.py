"""The keys of one dict, handed out in parts by position.

A key's position depends on nothing but the key: 48 bits of its hash. So a walk that stands at a
position goes on from there whatever was added or removed. To find the keys of a part, all keys of a
small dict are looked at; those of a large one are dealt into buckets of about a thousand before,
which is one O(n) pass without a sort, and kept for the calls that follow.
"""

from typing import Final, final

from mypy_extensions import i64

BUCKET_KEYS: Final = 1024
PART_KEYS: Final = 32  # for a smaller count the keys of a bucket would be looked at too often
_POSITION_BITS: Final = 48
_POSITION_MAX: Final = (1 << 48) - 1
_WALKS_MAX: Final = 16


def position_of(key: bytes) -> i64:
    """Return the key's position: stable while the process lives, and not to be guessed."""
    word: i64 = hash(key)
    return word & _POSITION_MAX


@final
class DealtKeys:
    """The keys that a dict held at one time; bucket n has the positions from n << `shift` on."""

    def __init__(self, keys: dict[bytes, object]) -> None:
        count: i64 = 1
        shift: i64 = _POSITION_BITS
        while count * BUCKET_KEYS < len(keys):
            count *= 2
            shift -= 1
        self.shift: i64 = shift
        if count == 1:
            self.buckets = [list(keys)]
            return
        buckets: list[list[bytes]] = []
        for _ in range(count):
            buckets.append([])
        for key in keys:
            buckets[position_of(key) >> shift].append(key)
        self.buckets = buckets

    def take(self, keys: dict[bytes, object], position: i64, count: i64, found: list[bytes]) -> i64:
        """Add about `count` keys from a position on that are still in `keys`.

        Return the position to go on from, 0 at the end.
        """
        buckets = self.buckets
        shift = self.shift
        bucket = position >> shift
        while bucket < len(buckets):
            members = buckets[bucket]
            end = (bucket + 1) << shift
            while position < end:
                if count <= 0:
                    return position
                stop = _end_of_part(position, end, (end - (bucket << shift)), len(members), count)
                for key in members:
                    place = position_of(key)
                    if position <= place and place < stop and key in keys:
                        found.append(key)
                        count -= 1
                position = stop
            bucket += 1
        return 0


def _end_of_part(position: i64, end: i64, width: i64, size: i64, count: i64) -> i64:
    """Return where about `count` keys end, when `size` of them are spread over `width`."""
    wanted = max(count, PART_KEYS)
    if wanted >= size:
        return end
    return min(end, position + width // size * wanted)


@final
class Walks:
    """The dealt dicts that walks stand inside of, by (database, group); the latest are kept."""

    def __init__(self) -> None:
        self._dealt: dict[tuple[int, int], DealtKeys] = {}

    def enter(
        self, database: i64, group: i64, keys: dict[bytes, object], begins: bool
    ) -> DealtKeys:
        """Return a dict's dealt keys; a walk that begins there must meet every key of now.

        One that goes on need not meet what was added since it began. The keys of a small dict are
        not kept: to look at all of them is no work.
        """
        if len(keys) <= 2 * BUCKET_KEYS:
            return DealtKeys(keys)
        place = (int(database), int(group))
        dealt = self._dealt.pop(place, None)
        if begins or dealt is None:
            dealt = DealtKeys(keys)
        self._dealt[place] = dealt
        if len(self._dealt) > _WALKS_MAX:
            del self._dealt[next(iter(self._dealt))]
        return dealt

    def leave(self, database: i64, group: i64) -> None:
        """Forget a dict that was walked to its end."""
        self._dealt.pop((int(database), int(group)), None)

    def forget(self, database: i64) -> None:
        """Forget a database, whose keys would be kept in memory for nothing."""
        for place in list(self._dealt):
            if place[0] == database:
                del self._dealt[place]

    def count(self) -> int:
        """Return how many dicts are kept dealt out."""
        return len(self._dealt)
