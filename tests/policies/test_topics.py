"""Which shard carries which topic."""

from __future__ import annotations

from collections import Counter
from hashlib import sha1

import pytest

from cableway.policies.topics import TopicRouter, ring_point


def test_points_are_the_first_four_bytes_of_sha1_big_endian() -> None:
    """Any language can compute them: this is the definition, spelt out."""
    assert ring_point("a:0") == int(sha1(b"a:0", usedforsecurity=False).hexdigest()[:8], 16)


def test_a_topic_goes_to_the_next_point_of_the_ring() -> None:
    """The naive search over all points gives the same shard."""
    shards = ["alpha", "beta", "gamma"]
    router = TopicRouter(shards)
    points = sorted((ring_point(f"{shard}:{i}"), shard) for shard in shards for i in range(128))

    for number in range(500):
        topic = f"match/{number}"
        after = [shard for point, shard in points if point >= ring_point(topic)]
        assert router.shard_of(topic) == (after[0] if after else points[0][1])


def test_the_order_of_the_shards_does_not_matter() -> None:
    """Two clients that list the shards differently agree on every topic."""
    one, other = TopicRouter(["a", "b", "c"]), TopicRouter(["c", "a", "b"])

    assert all(one.shard_of(f"t{i}") == other.shard_of(f"t{i}") for i in range(1000))


def test_a_drained_shard_moves_only_its_own_topics() -> None:
    """Topics of the other shards stay where they are, and come back when it does."""
    router = TopicRouter(["a", "b", "c", "d"])
    before = {f"t{i}": router.shard_of(f"t{i}") for i in range(2000)}

    router.remove("c")
    during = {topic: router.shard_of(topic) for topic in before}
    router.add("c")

    assert all(during[topic] == shard for topic, shard in before.items() if shard != "c")
    assert "c" not in during.values()
    assert {topic: router.shard_of(topic) for topic in before} == before


def test_topics_spread_over_the_shards() -> None:
    """With 128 points each, no shard of eight carries twice its share of 20 000 topics."""
    router = TopicRouter([f"shard-{i}" for i in range(8)])

    loads = Counter(router.shard_of(f"topic-{i}") for i in range(20_000))

    assert len(loads) == 8
    assert max(loads.values()) < 2 * 20_000 / 8


def test_no_shard_left_is_said() -> None:
    """A router without shards names the topic it cannot place."""
    router = TopicRouter(["only"])
    router.remove("only")

    with pytest.raises(LookupError, match="'goal'"):
        router.shard_of("goal")


@pytest.mark.parametrize(("shards", "replicas"), [([""], 1), (["a", "a"], 1), (["a"], 0), (["a"], True), ([1], 1)])
def test_nonsense_is_refused(shards: list[str], replicas: int) -> None:
    """Empty and repeated names and a ring without points are errors."""
    with pytest.raises(ValueError, match=r"shard|replicas"):
        TopicRouter(shards, replicas)
