"""Which book hears what, and who is told."""

from __future__ import annotations

from random import Random
from typing import Any

from cableway.events import Event, HandedOver, PresenceJoined, PresenceUnavailable
from cableway.hub.effects import Send
from cableway.hub.hub import Hub
from cableway.hub.options import DEFAULT_OPTIONS
from cableway.hub.presence import DEAF
from cableway.states import Recovery
from cableway.types import Identifier
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.commands import AskPresence, Join, Leave, Subscribe, Unsubscribe
from cableway.wire.dialects.extended import EXTENDED_SUBPROTOCOL, ExtendedDialect
from cableway.wire.frames import Confirm, PresenceChange
from cableway.wire.positions import Member

ROOM = Identifier("I")
ANN = Member("ann")


def up() -> Hub:
    """Make a hub whose line is up."""
    hub = Hub(JSONCodec(), ExtendedDialect(), Random(1))
    hub.line_up("memory", 0, protocol=EXTENDED_SUBPROTOCOL)
    return hub


def sent(hub: Hub) -> list[Any]:
    """Take the commands."""
    return [effect.command for effect in hub.drain() if isinstance(effect, Send)]


def test_all_handles_hear_and_a_join_goes_with_its_own() -> None:
    """Presence is the subscription's; news of what nobody wishes for are left alone."""
    hub, heard = up(), list[Event | None]()
    one, two = hub.join(ROOM, DEFAULT_OPTIONS, heard.append, 0), hub.join(ROOM, DEFAULT_OPTIONS, heard.append, 0)
    assert sent(hub) == [Subscribe(ROOM)]
    hub.hear(Confirm(ROOM), 1)
    hub.attendance.join(one, ANN, 1)
    hub.attendance.news(PresenceChange(ROOM, "join", ANN), 1)
    hub.attendance.news(PresenceChange("other", "join", ANN), 1)
    assert [event for event in heard if event][-2:] == [PresenceJoined(ANN)] * 2
    assert sent(hub) == [Join(ROOM, ANN)]
    hub.leave(one, 2)
    assert sent(hub) == [Leave(ROOM)]
    hub.leave(two, 2)
    hub.tick(10)
    assert sent(hub)[-1:] == [Unsubscribe(ROOM)]


def test_a_question_that_has_to_wait_is_given_the_time() -> None:
    """On a line on which commands do; not on the next one, where they do not."""
    hub = up()
    hub.line_down(None, 0)
    hub.line_up("long_polling", 0, protocol=EXTENDED_SUBPROTOCOL, slack=15)
    handle = hub.join(ROOM, DEFAULT_OPTIONS, lambda _: None, 0)
    hub.hear(Confirm(ROOM), 1)
    hub.attendance.book(handle.wish, 1).watch(1)
    hub.attendance.hand_on(handle.wish)
    assert hub.attendance.deadline == 21
    hub.line_down(None, 3)
    hub.line_up("memory", 4, protocol=EXTENDED_SUBPROTOCOL)
    hub.hear(Confirm(ROOM), 5)
    assert hub.attendance.deadline == 10


def test_on_a_line_that_only_listens_presence_is_not_known() -> None:
    """Whoever has joined is told so, and stays so for a line that carries it; nothing is sent in between."""
    hub, heard = up(), list[Event | None]()
    handle = hub.join(ROOM, DEFAULT_OPTIONS, heard.append, 0)
    hub.hear(Confirm(ROOM), 1)
    hub.attendance.join(handle, ANN, 1)
    assert sent(hub) == [Subscribe(ROOM), Join(ROOM, ANN)]
    hub.line_down(None, 2)
    hub.speak(JSONCodec(), ExtendedDialect(), sends=False)
    hub.line_up("event_stream", 3, protocol=EXTENDED_SUBPROTOCOL)
    hub.hear(Confirm(ROOM), 4)
    assert sent(hub) == [Subscribe(ROOM)]
    assert [event for event in heard if isinstance(event, PresenceUnavailable)] == [PresenceUnavailable(DEAF)]
    hub.speak(JSONCodec(), ExtendedDialect(), sends=True)
    hub.handed_over({ROOM}, HandedOver(Recovery.COMPLETE), 5, line=("websocket", EXTENDED_SUBPROTOCOL))
    assert sent(hub) == [Join(ROOM, ANN)]


def test_a_new_session_is_told_anew() -> None:
    """After a loss, after a hand-over, and after a refusal that was taken back by a new line."""
    hub = up()
    handle = hub.join(ROOM, DEFAULT_OPTIONS, lambda _: None, 0)
    hub.hear(Confirm(ROOM), 1)
    hub.attendance.join(handle, ANN, 1)
    hub.attendance.book(handle.wish, 1).watch(1)
    hub.attendance.hand_on(handle.wish)
    _ = sent(hub)
    assert hub.deadline == 6
    hub.handed_over({ROOM}, HandedOver(Recovery.UNKNOWN), 2)
    assert sent(hub) == [Join(ROOM, ANN), AskPresence(ROOM)]
    hub.attendance.gap(handle.wish, 2)
    hub.line_down(None, 3)
    assert hub.attendance.deadline is None
    hub.line_up("memory", 4, protocol=EXTENDED_SUBPROTOCOL)
    hub.hear(Confirm(ROOM), 5)
    assert sent(hub) == [Subscribe(ROOM), Join(ROOM, ANN), AskPresence(ROOM)]
    hub.tick(10)
    assert sent(hub) == [AskPresence(ROOM)]
