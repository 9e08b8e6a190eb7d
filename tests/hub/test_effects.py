"""What the hub can ask of the engine."""

from __future__ import annotations

from typing import get_args

from cableway.hub.effects import HubEffect
from cableway.wire.frames import Ping
from tests.hub.desk import Desk, identifier, unread


def test_each_effect_is_asked_for_by_someone() -> None:
    """A day in a hub's life asks for everything that can be asked for, and for nothing else."""
    desk = Desk()
    desk.join_as(lambda: identifier("named"))
    desk.join("silent")
    full = desk.join("full", overflow="pause", max_messages=1)
    desk.confirm("full")
    seen = [type(effect) for effect in desk.effects()]
    desk.data("full", 1)
    desk.data("full", 2)
    seen += [type(effect) for effect in desk.effects()]
    unread(full)
    desk.wait(10)
    seen += [type(effect) for effect in desk.effects()]
    seen += night()

    assert set(seen) == set(get_args(HubEffect))


def night() -> list[type[HubEffect]]:
    """On a line with a past, what was missed is asked for; the server says nothing, and the user is to help himself."""
    desk = Desk(extended=True)
    desk.live(on_resync=print)
    desk.hub.hear(Ping(1_800_000_000), desk.now)
    desk.line_down()
    desk.line_up()
    desk.confirm()
    desk.wait(11)
    desk.wait(31)
    return [type(effect) for effect in desk.effects()]


def test_effects_come_in_the_order_in_which_they_were_asked_for() -> None:
    """They are handed over once, oldest first."""
    desk = Desk()
    for name in "BAC":
        desk.join(name)
    assert desk.sent() == ["+B", "+A", "+C"]
    assert desk.effects() == []
