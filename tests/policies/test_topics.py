"""Which shard carries which topic."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from hashlib import sha1

import pytest

from cableway.policies.topics import TopicRouter, ring_point


def test_points_are_the_first_four_bytes_of_sha1_big_endian() -> None:
    """Any language can compute them: this is the definition, spelt out."""
    assert ring_point("a:0") == int(sha1(b"a:0", usedforsecurity=False).hexdigest()[:8], 16)


def test_points_and_places_are_these_for_ever() -> None:
    """Clients of all versions agree: a change here would move topics between servers that run."""
    known = {"a:0": 3591822140, "b:0": 825135572, "hot:127": 892252164, "match/1": 1478992025, "Zürich": 2606687258}
    router = TopicRouter(["a", "b", "c"])

    assert {text: ring_point(text) for text in known} == known
    assert "".join(router.shard_of(f"match/{i}") for i in range(8)) == "baccccbc"


def test_a_fresh_process_agrees() -> None:
    """Nothing depends on the process: not the order of a set, not the salt of its hashes."""
    program = (
        "import json; from cableway.policies.topics import TopicRouter; router = TopicRouter({'a', 'b', 'c', 'd'}); "
        "print(json.dumps([router.shard_of(f't{i}') for i in range(500)]))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "7"},
        capture_output=True,
        check=True,
    ).stdout
    router = TopicRouter(["d", "c", "b", "a"])

    assert json.loads(printed) == [router.shard_of(f"t{i}") for i in range(500)]


def test_a_topic_goes_to_the_next_point_of_the_ring() -> None:
    """The naive search over all points gives the same shard."""
    shards = ["alpha", "beta", "gamma"]
    router = TopicRouter(shards)
    points = sorted((ring_point(f"{shard}:{i}"), shard) for shard in shards for i in range(128))

    for number in range(500):
        topic = f"match/{number}"
        after = [shard for point, shard in points if point >= ring_point(topic)]
        assert router.shard_of(topic) == (after[0] if after else points[0][1])


def test_any_text_has_a_place() -> None:
    """A lone surrogate, which UTF-8 cannot write, is a topic like any other."""
    assert TopicRouter(["a"]).shard_of("\ud800") == "a"


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


def test_a_shard_that_joins_takes_its_part_and_nothing_else_moves() -> None:
    """With the fifth shard about a fifth of the topics moves, all of it there."""
    router = TopicRouter(["a", "b", "c", "d"])
    before = {f"t{i}": router.shard_of(f"t{i}") for i in range(10_000)}

    router.add("e")
    moved = {topic for topic, shard in before.items() if router.shard_of(topic) != shard}

    assert {router.shard_of(topic) for topic in moved} == {"e"}
    assert 10_000 / 5 * 0.75 < len(moved) < 10_000 / 5 * 1.25


def test_topics_spread_over_the_shards() -> None:
    """With 128 points each, no shard of eight carries twice its share of 20 000 topics."""
    router = TopicRouter([f"shard-{i}" for i in range(8)])

    loads = Counter(router.shard_of(f"topic-{i}") for i in range(20_000))

    assert len(loads) == 8
    assert max(loads.values()) < 2 * 20_000 / 8


def test_a_shard_with_fewer_points_takes_less() -> None:
    """A quarter of the points is about a quarter of the topics of each other shard."""
    router = TopicRouter(["a", "b"])
    router.add("small", replicas=32)

    loads = Counter(router.shard_of(f"topic-{i}") for i in range(20_000))

    assert 20_000 / 9 * 0.6 < loads["small"] < 20_000 / 9 * 1.4


def test_a_hot_topic_has_a_shard_of_its_own() -> None:
    """A shard that is named only by a pin carries that topic and nothing else; the others stay where they were."""
    plain, router = TopicRouter(["a", "b"]), TopicRouter(["a", "b"], pins={"match/final": "hot"})

    assert router.shard_of("match/final") == "hot"
    assert router.shards == {"a", "b", "hot"}
    assert router.sharing == {"a", "b"}
    assert router.pins == {"match/final": "hot"}
    assert all(router.shard_of(f"match/{i}") == plain.shard_of(f"match/{i}") for i in range(1000))


def test_a_pin_to_a_shard_that_shares_leaves_it_its_share() -> None:
    """Pinned to a shard of the ring, a topic is one more of its topics."""
    router = TopicRouter(["a", "b"], pins={"final": "a"})

    assert router.shard_of("final") == "a"
    assert router.sharing == {"a", "b"}


def test_pins_come_and_go() -> None:
    """A topic is pinned, pinned anew, and given back to the ring."""
    router = TopicRouter(["a", "b"])
    home = router.shard_of("final")
    away = "b" if home == "a" else "a"

    router.pin("final", home)
    router.pin("final", away)
    assert router.shard_of("final") == away

    router.unpin("final")
    router.unpin("final")
    assert router.shard_of("final") == home


def test_a_pin_waits_for_its_shard() -> None:
    """While the pinned shard is away the ring decides; when it is back the pin holds again."""
    router = TopicRouter(["a", "b"], pins={"final": "hot"})

    router.remove("hot")
    assert router.shard_of("final") == TopicRouter(["a", "b"]).shard_of("final")

    router.add("hot", replicas=0)
    assert router.shard_of("final") == "hot"


def test_a_pin_to_nobody_is_refused() -> None:
    """A misspelt shard is named at once."""
    with pytest.raises(ValueError, match="'hto', which is not there"):
        TopicRouter(["a"]).pin("final", "hto")


def test_no_shard_left_is_said() -> None:
    """A router without shards names the topic it cannot place; shards for pins do not stand in."""
    router = TopicRouter(["only"], pins={"final": "hot"})
    router.remove("only")

    with pytest.raises(LookupError, match="'goal'"):
        router.shard_of("goal")


@pytest.mark.parametrize(("shards", "replicas"), [([""], 1), (["a", "a"], 1), (["a"], 0), (["a"], True), ([1], 1)])
def test_nonsense_is_refused(shards: list[str], replicas: int) -> None:
    """Empty and repeated names and a ring without points are errors."""
    with pytest.raises(ValueError, match=r"shard|replicas"):
        TopicRouter(shards, replicas)


def test_a_negative_share_is_refused() -> None:
    """Less than no points is nothing."""
    with pytest.raises(ValueError, match="replicas=-1"):
        TopicRouter(["a"]).add("b", replicas=-1)
