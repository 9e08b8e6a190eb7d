"""What happens to a line is told in plain words, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cableway import Cable, Member, MemoryTransport, errors, events
from cableway.cli.running import Run
from cableway.cli.status import cable_line, remember_trouble, subscription_line, tell_cable, tell_subscription
from cableway.errors.tokens import TokenUnavailable
from cableway.states import Recovery
from cableway.telemetry.repeats import EACH
from tests.scripted import connected, settle

if TYPE_CHECKING:
    from cableway.events import Event

NO_TOKEN = TokenUnavailable("the file t", "it is empty")
REFUSED = errors.HostUnreachable("ws://h/cable", "refused")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (events.Connecting(1, "ws://h/cable"), "connecting to ws://h/cable"),
        (events.Connecting(2, "ws://h/cable"), None),
        (events.Connected(reconnected=False, transport="websocket", protocol="base"), "connected (websocket, base)"),
        (
            events.Connected(reconnected=True, transport="websocket", protocol="base"),
            "connected again (websocket, base)",
        ),
        (
            events.TransportChanged("websocket", "long_polling", "the upgrade was cut"),
            "long_polling carries the line in place of websocket: the upgrade was cut",
        ),
        (events.Disconnected(REFUSED), None),
        (events.RetryScheduled(0.25, 2, REFUSED), "the line is down, dial 2 in 0.2 s: ws://h/cable: refused"),
        (events.RetryScheduled(1, 2, None), "the line is down, dial 2 in 1.0 s"),
        (events.RetryScheduled(9, EACH, None), "the line is down, dial 8 in 9.0 s (from now on told less often)"),
        (events.ServerErrorReceived({"reason": "x"}), "the server sent an error: {'reason': 'x'}"),
        (events.ServerMisbehaved("not JSON"), "the server sends frames that cannot be read: not JSON"),
        (events.TokenRenewed(60.0, first=True), None),
        (
            events.TokenRenewalFailed(NO_TOKEN, expired=True, retry_in=2.04),
            "no token from the file t: it is empty; asking again in 2.0 s",
        ),
        (
            events.TokenRenewalFailed(NO_TOKEN, expired=False, retry_in=None),
            "no token from the file t: it is empty",
        ),
        (events.Closed(None), None),
    ],
)
def test_events_of_a_cable_have_words(event: Event, line: str | None) -> None:
    """One line an event, and none where another event says the same."""
    assert cable_line(event) == line


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (events.Connected(reconnected=False), "subscribed to Room 42"),
        (events.Connected(reconnected=True), "subscribed again to Room 42"),
        (events.MessagesDropped("{}", "drop_oldest", 3), "3 messages of Room 42 were lost"),
        (events.Rejected("{}", revoked=False), None),
        (
            events.PositionsNotSaved(errors.PositionsFailed("p.db", "save", "the disk is full")),
            "warning: where Room 42 ends is not kept: cannot save positions in p.db: the disk is full",
        ),
        (
            events.Recovered(Recovery.COMPLETE, 0),
            "Room 42 is up to date: no messages from the server's history",
        ),
        (
            events.Recovered(Recovery.COMPLETE, 1),
            "Room 42 is up to date: 1 message from the server's history",
        ),
        (
            events.Recovered(Recovery.UNKNOWN, 2, "it keeps too few"),
            "Room 42 may have missed messages: 2 messages from the server's history; it keeps too few",
        ),
        (
            events.Recovered(Recovery.UNKNOWN, 0, "the server keeps no past"),
            "Room 42 may have missed messages: the server keeps no past",
        ),
        (
            events.Gap("s\x1b", "e", 5, 7, healed=True),
            "messages 5 to 7 of the stream s came late: fetched from the server's history",
        ),
        (events.Gap("s", "e", 5, 5, healed=False), "message 5 of the stream s did not come"),
        (
            events.PresenceUnavailable("it has no broker"),
            "who is present in Room 42 is not known at the moment: it has no broker",
        ),
        (events.PresenceJoined(Member("ann")), None),
        (events.Stale(90.2), "no message of Room 42 has come for 1 min 30 s"),
        (events.Fresh(95), "messages of Room 42 come again, after 1 min 35 s"),
    ],
)
def test_events_of_a_subscription_have_words(event: Event, line: str | None) -> None:
    """A rejection is an error, told by the command itself."""
    assert subscription_line("Room 42", event) == line


async def test_a_cable_is_told_of_as_it_goes() -> None:
    """Events come out as lines, and the run knows what is in the way while the line is down."""
    told: list[str] = []
    run = Run()
    cable = Cable("ws://127.0.0.1:9/cable", transports=[_Refusing()], open_timeout=0.05)
    tell_cable(cable, told.append)
    remember_trouble(cable, run)

    with pytest.raises(errors.ConnectTimeout):
        await cable.open()

    assert told[0] == "connecting to ws://127.0.0.1:9/cable"
    assert told[1].startswith("the line is down, dial 2 in ")
    assert "nobody is there" in str(run.trouble)


@pytest.mark.looptime
async def test_a_long_outage_is_told_in_some_lines() -> None:
    """Of an hour of dials that are refused, a dozen, the last ones minutes apart."""
    told: list[str] = []
    cable = Cable("ws://127.0.0.1:9/cable", transports=[_Refusing()], open_timeout=3600)
    tell_cable(cable, told.append)

    with pytest.raises(errors.ConnectTimeout):
        await cable.open()

    assert cable.stats().dials > 60
    assert 8 < len(told) < 16


@pytest.mark.looptime
async def test_a_subscription_is_told_of_from_its_confirmation_on() -> None:
    """Only of what was asked for: a command that prints no messages need not tell of those it lost."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        told: list[str] = []
        some: list[str] = []
        tell_subscription(chat, "Chat", told.append)
        tell_subscription(chat, "Chat", some.append, about=(events.Connected,))
        await settle()
        made.server.confirm(chat.identifier)
        await settle()
        made.server.close(1006)
        (await made.welcome()).confirm(chat.identifier)
        await settle()

    lost = "Chat may have missed messages: actioncable-v1-json has no past to ask for"
    assert told == ["subscribed to Chat", "subscribed again to Chat", lost]
    assert some == ["subscribed to Chat", "subscribed again to Chat"]


class _Refusing(MemoryTransport):
    """A network on which nobody is there."""

    def __init__(self) -> None:
        """Need no server."""

    async def open(self, request: object, sink: object) -> None:  # type: ignore[override]
        """Refuse."""
        url, what = "ws://127.0.0.1:9/cable", "nobody is there"
        raise errors.HostUnreachable(url, what)
