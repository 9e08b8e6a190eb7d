"""Log lines: one an event, at the level that fits, never a payload."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from cableway import events
from cableway.errors import LineClosed, SubscriptionTimeout, TokenUnavailable
from cableway.states import Recovery
from cableway.telemetry.log import EventLog
from cableway.wire.positions import Member

if TYPE_CHECKING:
    from cableway.events import Event

LOST = LineClosed(1011, "restarting")
SILENT = SubscriptionTimeout("Chat", 10)

LINES: list[tuple[Event, int, str]] = [
    (events.Connecting(3, "ws://one.example/"), logging.DEBUG, "cable: dial 3 to ws://one.example/"),
    (
        events.Connecting(3, "ws://one.example/", "websocket"),
        logging.DEBUG,
        "cable: dial 3 to ws://one.example/ by websocket",
    ),
    (
        events.TransportChanged("websocket", "long_polling", "the upgrade was not answered"),
        logging.WARNING,
        "cable: long_polling carries the line in place of websocket: the upgrade was not answered",
    ),
    (
        events.TransportChanged("long_polling", "websocket", "websocket works again"),
        logging.INFO,
        "cable: websocket carries the line in place of long_polling: websocket works again",
    ),
    (
        events.Connected(reconnected=False, transport="memory", protocol="actioncable-v1-json"),
        logging.INFO,
        "cable: connected by memory, actioncable-v1-json",
    ),
    (
        events.Connected(reconnected=True, transport="memory", protocol="actioncable-v1-json"),
        logging.INFO,
        "cable: reconnected by memory, actioncable-v1-json",
    ),
    (events.Disconnected(LOST), logging.DEBUG, "cable: disconnected: the line was closed with code 1011 (restarting)"),
    (events.Disconnected(None), logging.DEBUG, "cable: disconnected: closed by the user"),
    (
        events.RetryScheduled(1.234, 2, LOST),
        logging.WARNING,
        "cable: dial 2 in 1.23 s: the line was closed with code 1011 (restarting)",
    ),
    (events.SubscriptionMoved("id", "a", "b"), logging.INFO, "cable: moved from a to b"),
    (
        events.MoveFailed("id", "a", "", SILENT, 1.5),
        logging.WARNING,
        f"cable: could not move from a to any other shard, next try in 1.50 s: {SILENT}",
    ),
    (
        events.ShardEvent("a", events.Closed(None)),
        logging.DEBUG,
        "cable: ShardEvent(shard='a', event=Closed(error=None))",
    ),
    (events.TokenRenewed(59.4, first=True), logging.INFO, "cable: a token came, good for 59 s"),
    (events.TokenRenewed(None, first=False), logging.INFO, "cable: a token came, good for an unknown time"),
    (
        events.TokenRenewalFailed(TokenUnavailable("a file", "it is empty"), expired=False, retry_in=1.0),
        logging.WARNING,
        "cable: no new token: no token from a file: it is empty",
    ),
    (
        events.TokenRenewalFailed(TokenUnavailable("a file", "it is empty"), expired=True, retry_in=1.0),
        logging.ERROR,
        "cable: no new token, and the last one is over: no token from a file: it is empty",
    ),
    (events.HandedOver(Recovery.UNKNOWN), logging.INFO, "cable: a new line took over, recovery unknown"),
    (
        events.Recovered(Recovery.UNKNOWN, 0, f"actioncable-v1-json {events.NO_PAST}"),
        logging.INFO,
        "cable: recovery unknown, 0 messages replayed: actioncable-v1-json has no past to ask for",
    ),
    (events.Recovered(Recovery.COMPLETE, 3), logging.INFO, "cable: recovery complete, 3 messages replayed"),
    (
        events.Recovered(Recovery.UNKNOWN, 0, "too late"),
        logging.WARNING,
        "cable: recovery unknown, 0 messages replayed: too late",
    ),
    (
        events.Gap("payload", "e", 3, 4, healed=True),
        logging.INFO,
        "cable: messages 3 to 4 of a stream were missing, and were fetched",
    ),
    (
        events.Gap("payload", "e", 3, 4, healed=False),
        logging.WARNING,
        "cable: messages 3 to 4 of a stream were missing, and are lost",
    ),
    (events.PresenceJoined(Member("payload")), logging.DEBUG, "cable: somebody came"),
    (events.PresenceLeft(Member("payload")), logging.DEBUG, "cable: somebody went"),
    (events.PresenceSynced({"payload": Member("payload")}), logging.DEBUG, "cable: 1 are present"),
    (events.PresenceUnavailable("silence"), logging.WARNING, "cable: presence is not known: silence"),
    (events.Stale(12.5), logging.WARNING, "cable: stale, nothing has come for 12.5 s"),
    (events.Fresh(60.0), logging.INFO, "cable: fresh again after 60 s"),
    (
        events.PositionsNotSaved(OSError("disk full")),
        logging.ERROR,
        "cable: the position was not saved: disk full",
    ),
    (events.Dormant(), logging.INFO, "cable: dormant"),
    (events.Demanded("a\nposition"), logging.DEBUG, "cable: the line is needed: a position"),
    (events.Closed(None), logging.INFO, "cable: closed"),
    (events.Closed(LOST), logging.ERROR, "cable: given up: the line was closed with code 1011 (restarting)"),
    (events.Rejected("Chat", revoked=False), logging.WARNING, "cable: rejected by the server"),
    (events.Rejected("Chat", revoked=True), logging.WARNING, "cable: revoked by the server"),
    (events.ConfirmationTimedOut(SILENT), logging.WARNING, f"cable: {SILENT}"),
    (
        events.MessagesDropped("Chat", "drop_oldest", 7),
        logging.WARNING,
        "cable: mailbox full (drop_oldest), 7 messages lost so far",
    ),
    (events.ServerMisbehaved("not JSON"), logging.WARNING, "cable: malformed frames from the server: not JSON"),
    (
        events.ServerErrorReceived({"type": "error", "text": "payload"}),
        logging.WARNING,
        "cable: the server sent an error frame with 2 fields",
    ),
    (events.CallbackFailed("mine", ValueError("no")), logging.ERROR, "cable: the callback mine failed"),
    (
        events.NamingFailed(LookupError("payload")),
        logging.WARNING,
        "cable: the function that names the stream failed: LookupError",
    ),
]


@pytest.mark.parametrize(("event", "level", "text"), LINES)
def test_each_event_has_its_line(event: Event, level: int, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """At the level that fits: INFO tells states, WARNING what is tried again, ERROR what was given up."""
    with caplog.at_level(logging.DEBUG, "cableway"):
        EventLog("cable").write(event)
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (level, text)
    assert "payload" not in record.getMessage()


def test_every_kind_of_event_is_told() -> None:
    """None was forgotten."""
    kinds = {value for value in vars(events).values() if isinstance(value, type) and issubclass(value, events.Event)}
    assert kinds - {events.Event} == {type(event) for event, _, _ in LINES}


def test_an_event_of_another_kind_is_told_too(caplog: pytest.LogCaptureFixture) -> None:
    """With what it shows of itself."""

    class Other(events.Event):
        def __repr__(self) -> str:
            return "Other()"

    with caplog.at_level(logging.DEBUG, "cableway"):
        EventLog("cable").write(Other())
    assert [record.getMessage() for record in caplog.records] == ["cable: Other()"]


def test_a_failing_callback_is_told_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """It is a fault in the user's own code, which they want to find."""
    with caplog.at_level(logging.DEBUG, "cableway"):
        EventLog("cable").write(events.CallbackFailed("mine", ValueError("no")))
    info: Any = caplog.records[0].exc_info
    assert info[0] is ValueError


def test_a_program_that_wants_no_logs_sees_none() -> None:
    """The library adds a null handler and sets no level."""
    logger = logging.getLogger("cableway")
    assert any(isinstance(handler, logging.NullHandler) for handler in logger.handlers)
    assert logger.level == logging.NOTSET


UP = events.Connected(reconnected=False, transport="memory", protocol="actioncable-v1-json")


def written(caplog: pytest.LogCaptureFixture, *told: Event) -> list[str]:
    """Give what INFO shows of *told*, without what each line begins with."""
    log = EventLog("cable")
    with caplog.at_level(logging.INFO, "cableway"):
        for event in told:
            log.write(event)
    return [record.getMessage().removeprefix("cable: ") for record in caplog.records]


def test_a_dial_that_failed_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """That a line that was up is down is news; that none came up, the next dial tells."""
    lines = written(caplog, events.RetryScheduled(1, 2, LOST), events.Disconnected(LOST), UP, events.Disconnected(LOST))
    assert [line.split()[0] for line in lines] == ["dial", "connected", "disconnected:"]


def test_an_outage_of_an_hour_is_told_in_some_lines(caplog: pytest.LogCaptureFixture) -> None:
    """The first dials each, then as their number doubles; another reason at once; the next outage from the start."""
    hour = [events.RetryScheduled(20, number, LOST) for number in range(2, 202)]
    lines = written(caplog, *hour, events.RetryScheduled(20, 202, SILENT), UP, *hour[:3])
    numbers = [int(line.split()[1]) for line in lines if line.startswith("dial")]
    assert numbers == [2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 128, 202, 2, 3, 4]
