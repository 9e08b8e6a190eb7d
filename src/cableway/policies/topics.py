"""Which server carries which topic: consistent hashing, so that a hot topic's server can be its own.

Each shard owns *replicas* points on a ring of 2**32; a topic belongs to the shard whose point is the next one at or
after the topic's own. A shard that joins or leaves moves only its own part of the topics. The points are those of the
first four bytes, big-endian, of the SHA-1 of ``"id:i"``: any language can compute them.
"""

from __future__ import annotations

from bisect import bisect_left
from hashlib import sha1
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def ring_point(text: str) -> int:
    """Return the place of *text* on the ring."""
    # Spreading, not secrecy: what matters is that every client computes the same.
    return int.from_bytes(sha1(text.encode(), usedforsecurity=False).digest()[:4], "big")


class TopicRouter:
    """Maps topics to shards.

    Args:
        shards: Names of the shards; their order does not matter.
        replicas: Points of each shard on the ring. More spread the topics more evenly.

    Raises:
        ValueError: A name is empty or given twice, or *replicas* is below 1.
    """

    def __init__(self, shards: Iterable[str], replicas: int = 128) -> None:
        names = list(shards)
        if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 1:
            msg = f"replicas={replicas!r} is not a number of points: give a whole number of at least 1"
            raise ValueError(msg)
        for name in names:
            if not isinstance(name, str) or not name:
                msg = f"{name!r} is not the name of a shard: give non-empty strings"
                raise ValueError(msg)
            if names.count(name) > 1:
                msg = f"the shard {name!r} is given twice"
                raise ValueError(msg)
        self.replicas = replicas
        self._shards: set[str] = set()
        self._points: list[tuple[int, str]] = []
        for name in names:
            self.add(name)

    @property
    def shards(self) -> frozenset[str]:
        """The shards that take topics."""
        return frozenset(self._shards)

    def add(self, shard: str) -> None:
        """Let *shard* take its part of the topics. One that is there already stays as it is."""
        if shard not in self._shards:
            self._shards.add(shard)
            # Two shards on one point: the lesser name has it, whoever came first, so that all clients agree.
            self._points = sorted([*self._points, *((ring_point(f"{shard}:{i}"), shard) for i in range(self.replicas))])

    def remove(self, shard: str) -> None:
        """Give the topics of *shard* to the others, as when it is drained. An unknown one is no fault."""
        self._shards.discard(shard)
        self._points = [(point, name) for point, name in self._points if name != shard]

    def shard_of(self, topic: str) -> str:
        """Return the shard that carries *topic*.

        Raises:
            LookupError: No shard is left.
        """
        if not self._points:
            msg = f"no shard is left to carry {topic!r}"
            raise LookupError(msg)
        index = bisect_left(self._points, (ring_point(topic), ""))
        return self._points[index % len(self._points)][1]
