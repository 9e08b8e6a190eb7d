"""The shards in service."""

from __future__ import annotations

from typing import Any

import pytest

from cableway import UsageError
from cableway.policies.topics import TopicRouter
from cableway.sharding.fleet import Fleet, no_line
from cableway.sharding.options import CableOptions
from cableway.telemetry.feed import EventFeed

URLS = {"a": "ws://a.example/cable", "b": "ws://b.example/cable"}


def fleet(router: TopicRouter | None = None, **urls: Any) -> Fleet:
    """Make shards that are not opened."""
    return Fleet(urls or URLS, router, CableOptions({}), EventFeed("test"), lambda _: None)


def test_each_topic_has_its_shard() -> None:
    """The router's word counts."""
    made = fleet()

    assert {made.place(f"t{i}").name for i in range(100)} == {"a", "b"}
    assert all(made.place(f"t{i}").name == TopicRouter(["a", "b"]).shard_of(f"t{i}") for i in range(100))


def test_nobody_left_is_said() -> None:
    """A router that was emptied by hand cannot place anything."""
    made = fleet()
    for name in URLS:
        made.router.remove(name)

    with pytest.raises(UsageError, match="no shard is left to carry 'goal'"):
        made.place("goal")


def test_nothing_changes_when_a_shard_cannot_join() -> None:
    """Wrong addresses and names leave neither the router nor the shards changed."""
    made = fleet()
    before = dict(made.shards)
    for name, url, replicas in [("c", "ftp://c", None), ("", "ws://c", None), ("c", "ws://c", -1), ("a", "ws://c", 1)]:
        with pytest.raises(ValueError, match=r"ftp|not the name|replicas=-1|there already"):
            made.join(name, url, replicas)

    assert (made.shards, made.router.shards) == (before, {"a", "b"})


@pytest.mark.looptime
async def test_a_shard_with_nothing_on_it_goes_when_drained() -> None:
    """Withdrawn and empty, it is forgotten; taken back before that, it stays."""
    made = fleet()
    shard = made.withdraw("a")
    made.join("a", URLS["a"], None)
    shard.tidy()
    assert set(made.shards) == {"a", "b"}

    made.withdraw("a").tidy()
    assert set(made.shards) == {"b"}
    await made.close(flush=False, timeout=1)


def test_the_shard_without_a_line_is_named() -> None:
    """By its address without its secrets, or by its name where the address is not one string."""
    text = str(no_line(list(fleet(a="ws://user:secret@a.example/cable").shards.values()), 5))
    assert "a.example" in text
    assert "shard 'a' had no line within 5 s" in text
    assert "secret" not in text

    several = no_line(list(fleet(many=["ws://a.example", "ws://b.example"]).shards.values()), None)
    assert "shard 'many'" in str(several)
