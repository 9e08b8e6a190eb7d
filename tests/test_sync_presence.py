"""Presence and whispers for threads and scripts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cableway import Member
from cableway.portal import Portal
from cableway.sync import Subscription
from cableway.sync_presence import Presence


class Played:
    """Stands in for the asynchronous presence, and notes the calls."""

    def __init__(self) -> None:
        self.members = {"ann": Member("ann")}
        self.synced = True
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any) -> str:
            self.calls.append((name, *arguments))
            return name

        return call


@pytest.fixture
def portal() -> Any:
    """A private thread, ended afterwards."""
    portal = Portal("presence")
    portal.hold()
    yield portal
    portal.release()


def test_each_call_blocks(portal: Portal) -> None:
    """And passes on what it was given, and what came of it."""
    played = Played()
    given: Any = SimpleNamespace(presence=played)
    presence = Presence(portal, given)
    assert (presence.members, presence.synced) == ({"ann": Member("ann")}, True)
    presence.join("ann", 1)
    presence.leave()
    assert [presence.get(3), presence.total(4), presence.wait_for("bob", 5)] == ["get", "total", "wait_for"]
    assert played.calls == [("join", "ann", 1), ("leave",), ("get", 3), ("total", 4), ("wait_for", "bob", 5)]


def test_whispers_block(portal: Portal) -> None:
    """The subscription passes them on."""
    played: Any = Played()
    subscription: Subscription[Any] = Subscription(portal, played)
    subscription.whisper({"a": 1})
    subscription.whispers_pass({"a": 1}, 2)
    assert played.calls == [("whisper", {"a": 1}), ("whispers_pass", {"a": 1}, 2)]
