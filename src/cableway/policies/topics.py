"""Which server carries which topic: consistent hashing, so that a hot topic's server can be its own.

Each shard owns *replicas* points on a ring of 2**32; a topic belongs to the shard whose point is the next one at or
after the topic's own. A shard that joins or leaves moves only its own part of the topics. The points are those of the
first four bytes, big-endian, of the SHA-1 of ``"id:i"``: any language can compute them. A topic that is pinned to a
shard is there, wherever its point lies; a shard without points carries only what is pinned to it.
"""

from __future__ import annotations

from bisect import bisect_left
from hashlib import sha1
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def ring_point(text: str) -> int:
    """Return the place of *text* on the ring."""
    # Spreading, not secrecy: what matters is that every client computes the same. Lone surrogates have a place, too.
    digest = sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big")


class TopicRouter:
    """Maps topics to shards.

    Example, where one match is so hot that its server shall carry nothing else::

        router = TopicRouter(["a", "b"], pins={"match/final": "hot"})

    Args:
        shards: Names of the shards that share the topics; their order does not matter.
        replicas: Points of each shard on the ring. More spread the topics more evenly.
        pins: The shard of single topics. Shards that are named only here have no points: they carry nothing else.

    Raises:
        ValueError: A name is empty or given twice, or *replicas* is below 1.
    """

    def __init__(self, shards: Iterable[str], replicas: int = 128, *, pins: Mapping[str, str] | None = None) -> None:
        names = list(shards)
        self.replicas: int = _checked_replicas(replicas, 1)
        for name in names:
            if names.count(name) > 1:
                msg = f"the shard {name!r} is given twice"
                raise ValueError(msg)
        self._shards: set[str] = set()
        self._points: list[tuple[int, str]] = []
        self._pins: dict[str, str] = {}
        for name in names:
            self.add(name)
        for topic, shard in (pins or {}).items():
            self.add(shard, replicas=0)
            self.pin(topic, shard)

    @property
    def shards(self) -> frozenset[str]:
        """The shards that take topics, be it only those that are pinned to them."""
        return frozenset(self._shards)

    @property
    def sharing(self) -> frozenset[str]:
        """The shards that share the topics that are not pinned."""
        return frozenset(name for _, name in self._points)

    @property
    def pins(self) -> dict[str, str]:
        """The shards of the topics that are pinned, those included whose shard is away at the moment."""
        return dict(self._pins)

    def add(self, shard: str, *, replicas: int | None = None) -> None:
        """Let *shard* take its part of the topics. One that is there already stays as it is.

        Args:
            shard: Its name.
            replicas: Its points on the ring, where they are not those of the others: half as many make it take half as
                much, and 0 only what is pinned to it. All clients must agree on them.

        Raises:
            ValueError: The name is empty, or *replicas* is below 0.
        """
        points = self.replicas if replicas is None else _checked_replicas(replicas, 0)
        if not isinstance(shard, str) or not shard:
            msg = f"{shard!r} is not the name of a shard: give non-empty strings"
            raise ValueError(msg)
        if shard not in self._shards:
            self._shards.add(shard)
            # Two shards on one point: the lesser name has it, whoever came first, so that all clients agree.
            self._points = sorted([*self._points, *((ring_point(f"{shard}:{i}"), shard) for i in range(points))])

    def remove(self, shard: str) -> None:
        """Give the topics of *shard* to the others, as when it is drained. An unknown one is no fault.

        Topics that are pinned to it go where they would be without the pin, until it is added again.
        """
        self._shards.discard(shard)
        self._points = [(point, name) for point, name in self._points if name != shard]

    def pin(self, topic: str, shard: str) -> None:
        """Have *shard* carry *topic*, whatever the ring says; a pin of before is gone.

        Raises:
            ValueError: *shard* is not there: add it first, with ``replicas=0`` if it is to carry nothing else.
        """
        if shard not in self._shards:
            msg = f"cannot pin {topic!r} to the shard {shard!r}, which is not there: add it first"
            raise ValueError(msg)
        self._pins[topic] = shard

    def unpin(self, topic: str) -> None:
        """Let the ring say again who carries *topic*. One that is not pinned is no fault."""
        self._pins.pop(topic, None)

    def shard_of(self, topic: str) -> str:
        """Return the shard that carries *topic*.

        Raises:
            LookupError: No shard is left.
        """
        pinned = self._pins.get(topic)
        if pinned is not None and pinned in self._shards:
            return pinned
        if not self._points:
            msg = f"no shard is left to carry {topic!r}"
            raise LookupError(msg)
        index = bisect_left(self._points, (ring_point(topic), ""))
        return self._points[index % len(self._points)][1]


def _checked_replicas(replicas: int, least: int) -> int:
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < least:
        msg = f"replicas={replicas!r} is not a number of points: give a whole number of at least {least}"
        raise ValueError(msg)
    return replicas
