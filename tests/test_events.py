"""Events as values."""

from __future__ import annotations

import attrs
import pytest

import cableway
from cableway import events
from cableway.errors import ConnectError, NotConnected, SubscriptionTimeout, TokenUnavailable
from cableway.states import Recovery
from cableway.wire.positions import Member

SAMPLES = [
    events.Connecting(1, "ws://example.com/cable"),
    events.Connected(reconnected=True, transport="websocket", protocol="actioncable-v1-json"),
    events.Disconnected(NotConnected("closed")),
    events.RetryScheduled(0.5, 2, None),
    events.Dormant(),
    events.Demanded("a command"),
    events.TransportChanged("websocket", "long_polling", "the upgrade was not answered"),
    events.Closed(None),
    events.ServerErrorReceived({"message": "no"}),
    events.ServerMisbehaved("not JSON"),
    events.Rejected("id", revoked=False),
    events.ConfirmationTimedOut(SubscriptionTimeout("id", 10)),
    events.MessagesDropped("id", "drop_oldest", 3),
    events.CallbackFailed("on_connected", ValueError("no")),
    events.NamingFailed(ValueError("no")),
    events.TokenRenewed(60.0, first=True),
    events.TokenRenewalFailed(TokenUnavailable("a file", "it is empty"), expired=False, retry_in=1.0),
    events.HandedOver(Recovery.UNKNOWN),
    events.Recovered(Recovery.UNKNOWN, 2, "no broker"),
    events.Gap("stream/a", "e1", 3, 2, healed=True),
    events.Stale(30.0),
    events.Fresh(31.0),
    events.PositionsNotSaved(OSError("the disk is full")),
    events.PresenceJoined(Member("ann")),
    events.PresenceLeft(Member("ann")),
    events.PresenceSynced((Member("ann"),)),
    events.PresenceUnavailable("no broker"),
    events.ShardEvent("a", events.Closed(None)),
    events.SubscriptionMoved("id", "a", "b"),
    events.MoveFailed("id", "a", "", ValueError("no"), 1.0),
]


def test_every_kind_of_event_is_public() -> None:
    """Whoever can hear of an event can name it, and the samples below are all there are."""
    kinds = {kind.__name__ for kind in events.Event.__subclasses__()}

    assert kinds == {type(sample).__name__ for sample in SAMPLES}
    assert kinds | {"Event"} <= set(cableway.__all__)


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_events_do_not_change(event: events.Event) -> None:
    """Many listeners get the same object: none can change it for the others."""
    assert isinstance(event, events.Event)
    for field in attrs.fields(type(event)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(event, field.name, None)


def test_equal_events_are_equal() -> None:
    """They can be compared in tests."""
    assert events.Closed(None) == events.Closed(None)
    assert events.RetryScheduled(0.5, 2, None) != events.RetryScheduled(0.5, 3, None)


def test_identifiers_are_redacted() -> None:
    """A signed stream name opens the stream to whoever reads it: no repr shows it."""
    secret = '{"channel":"$pubsub","signed_stream_name":"bmV3cw==--0123456789abcdef"}'
    error = ConnectError("ws://user:secret@a.example/cable", "nobody is there")
    for event in (events.SubscriptionMoved(secret, "a", "b"), events.MoveFailed(secret, "a", "b", error, 1.5)):
        assert event.identifier == secret
        assert "0123456789abcdef" not in repr(event)
        assert "secret" not in repr(event)
