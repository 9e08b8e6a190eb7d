"""The server's session machine: bytes and verdicts in, effects out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cableway.transitions import UnexpectedEvent
from cableway.wire.commands import History, Join, Perform, Subscribe, Unsubscribe
from cableway.wire.expulsions import SERVER_RESTART, TOKEN_EXPIRED, TOO_SLOW, closed_remotely, server_restart
from cableway.wire.positions import HistoryQuery, Member
from cableway.wire.server_pulse import PingPlan
from cableway.wire.server_session import (
    Ask,
    CloseLine,
    Effect,
    Leave,
    Note,
    Oddity,
    SendFrame,
    ServerSession,
    Verdict,
    WakeAt,
)
from cableway.wire.server_table import SessionEvent, SessionState, SubscriptionEvent, SubscriptionState

NOW = 100.0


def command(name: str, identifier: str = "A", **more: Any) -> bytes:
    """Write a command as clients send it."""
    return json.dumps({"command": name, "identifier": identifier, **more}).encode()


def perform(text: str, identifier: str = "A") -> bytes:
    """Write a call of an action."""
    return command("message", identifier, data=text)


def frames(effects: list[Effect]) -> list[dict[str, Any]]:
    """Read the frames that are to be sent."""
    return [json.loads(effect.frame) for effect in effects if isinstance(effect, SendFrame)]


def accepted(**options: Any) -> ServerSession:
    """Give a session that was welcomed."""
    session = ServerSession(**options)
    session.accept(NOW)
    return session


def joined(*identifiers: str) -> ServerSession:
    """Give a session with confirmed subscriptions."""
    session = accepted()
    for identifier in identifiers or ("A",):
        session.receive(command("subscribe", identifier))
        session.settle(Verdict.CONFIRMED)
    return session


def test_the_accepted_client_is_welcomed_with_its_session_id() -> None:
    """The welcome comes first, and the first ping is scheduled."""
    effects = ServerSession("s1", PingPlan(3, 0.5)).accept(NOW)
    assert frames(effects) == [{"type": "welcome", "sid": "s1"}]
    assert effects[-1] == WakeAt(NOW + 1.5)


def test_without_pings_none_is_scheduled() -> None:
    """An interval of nothing means no pings."""
    assert frames(ServerSession(pings=PingPlan(0)).accept(NOW)) == [{"type": "welcome"}]
    assert not any(isinstance(effect, WakeAt) for effect in ServerSession(pings=PingPlan(0)).accept(NOW))


def test_the_refused_client_learns_why() -> None:
    """Disconnect with reason and flag, then close, then the end."""
    session = ServerSession()
    effects = session.refuse()
    assert frames(effects) == [{"type": "disconnect", "reason": "unauthorized", "reconnect": False}]
    assert effects[1:] == [CloseLine(1000, "Auth Failed"), Leave(())]
    assert session.state is SessionState.CLOSED


def test_who_comes_with_a_token_that_has_ended_is_told_so() -> None:
    """The way is the same, the reason another."""
    effects = ServerSession().refuse(TOKEN_EXPIRED)
    assert frames(effects) == [{"type": "disconnect", "reason": "token_expired", "reconnect": False}]
    assert effects[1:] == [CloseLine(1000, "Auth Failed"), Leave(())]


@pytest.mark.parametrize(("retry_after", "told"), [(None, {}), (5.0, {"retry_after_ms": 5000})])
def test_a_restart_may_tell_how_long_the_crowd_should_take(retry_after: float | None, told: dict[str, int]) -> None:
    """The notice is the same, but for one field that others leave alone."""
    effects = accepted().expel(server_restart(retry_after))
    notice = {"type": "disconnect", "reason": "server_restart", "reconnect": True}
    assert frames(effects) == [{**notice, **told}]
    assert effects[1:] == [CloseLine(1001, "Server restart"), Leave(())]


def test_when_authorisation_breaks_the_line_is_closed_bare() -> None:
    """No disconnect, code 1011: the client may come back."""
    assert ServerSession().fail() == [CloseLine(1011, "Auth Error"), Leave(())]


@pytest.mark.parametrize(
    ("precision", "message"),
    [("s", 1_790_000_003), ("ms", 1_790_000_003_127), ("ns", 1_790_000_003_127_456_789), ("x", 1_790_000_003)],
)
def test_pings_tell_the_time_in_their_unit(precision: str, message: int) -> None:
    """Seconds, unless milliseconds or nanoseconds are asked for."""
    session = accepted(pings=PingPlan(3, 1, precision))
    assert frames(session.wake(NOW + 3, 1_790_000_003_127_456_789)) == [{"type": "ping", "message": message}]


def test_pings_do_not_drift() -> None:
    """A ping that was a little late does not shift the next one."""
    session = accepted(pings=PingPlan(3))
    assert session.wake(NOW + 3.2, 0)[-1] == WakeAt(NOW + 6)


def test_pings_missed_in_a_pause_are_not_made_up_for() -> None:
    """After a long stop one ping goes out, and the next an interval later."""
    session = accepted(pings=PingPlan(3))
    assert session.wake(NOW + 100, 0)[-1] == WakeAt(NOW + 103)


def test_a_subscribe_is_asked_and_confirmed_once() -> None:
    """The application decides; its yes is the one answer."""
    session = accepted()
    assert session.receive(command("subscribe")) == [Ask(Subscribe("A"))]
    assert frames(session.settle(Verdict.CONFIRMED)) == [{"type": "confirm_subscription", "identifier": "A"}]


def test_what_a_subscribe_asks_beside_comes_before_what_the_client_said_later() -> None:
    """Confirmation, past, presence: then the next command."""
    session = accepted()
    session.receive(command("subscribe", history={"since": 7}, presence={"id": "ann"}))
    session.receive(command("ping"))
    session.receive(command("unsubscribe"))
    confirmed, past = session.settle(Verdict.CONFIRMED)
    assert frames([confirmed]) == [{"type": "confirm_subscription", "identifier": "A"}]
    assert past == Ask(History("A", HistoryQuery(since=7)))
    assert session.deliver("A", b"{}") == [SendFrame(b"{}")]
    assert session.settle(Verdict.DONE) == [Ask(Join("A", Member("ann")))]
    pong, ended = session.settle(Verdict.DONE)
    assert frames([pong]) == [{"type": "pong"}]
    assert ended == Ask(Unsubscribe("A"))


@pytest.mark.parametrize("verdict", [Verdict.REJECTED, Verdict.FAILED])
def test_of_a_subscription_that_is_refused_nothing_more_is_asked(verdict: Verdict) -> None:
    """There is none whose past it could be."""
    session = accepted()
    session.receive(command("subscribe", history={"since": 7}, presence={"id": "ann"}))
    assert not any(isinstance(effect, Ask) for effect in session.settle(verdict))
    assert not session.held


def test_what_is_transmitted_while_joining_precedes_the_confirmation() -> None:
    """Data of a subscription that is being asked goes out at once."""
    session = accepted()
    session.receive(command("subscribe"))
    assert session.deliver("A", b"{}") == [SendFrame(b"{}")]


def test_a_rejected_subscription_leaves_nothing_behind() -> None:
    """It is answered, forgotten, and may be tried again."""
    session = accepted()
    session.receive(command("subscribe"))
    assert frames(session.settle(Verdict.REJECTED)) == [{"type": "reject_subscription", "identifier": "A"}]
    assert session.subscriptions == {}
    assert session.deliver("A", b"{}") == []
    assert session.receive(command("subscribe")) == [Ask(Subscribe("A"))]


def test_a_subscription_whose_start_broke_is_not_answered_and_may_be_tried_again() -> None:
    """As AnyCable: silence, and no poisoned slot."""
    session = accepted()
    session.receive(command("subscribe"))
    assert session.settle(Verdict.FAILED) == []
    assert session.receive(command("subscribe")) == [Ask(Subscribe("A"))]


def test_a_repeated_subscribe_is_noted_and_not_answered() -> None:
    """Silence, and the subscription stays what it is."""
    session = joined()
    assert session.receive(command("subscribe")) == [Note(Oddity.DUPLICATE_SUBSCRIBE)]
    assert session.subscriptions == {"A": SubscriptionState.JOINED}


def test_a_subscribe_repeated_before_the_answer_is_answered_once() -> None:
    """Impatient clients repeat themselves every half second."""
    session = accepted()
    session.receive(command("subscribe"))
    assert session.receive(command("subscribe")) == []
    effects = session.settle(Verdict.CONFIRMED)
    assert frames(effects) == [{"type": "confirm_subscription", "identifier": "A"}]
    assert effects[-1] == Note(Oddity.DUPLICATE_SUBSCRIBE)


def test_a_subscribe_without_identifier_is_rejected_without_one() -> None:
    """Nothing is asked of the application."""
    for frame in (b'{"command":"subscribe"}', b'{"command":"subscribe","identifier":null}', command("subscribe", "")):
        assert frames(accepted().receive(frame)) == [{"type": "reject_subscription"}]


def test_an_unsubscribe_is_never_answered() -> None:
    """The application ends the subscription; nothing more of it goes out meanwhile or after."""
    session = joined()
    assert session.receive(command("unsubscribe")) == [Ask(Unsubscribe("A"))]
    assert session.deliver("A", b"{}") == []
    assert session.settle(Verdict.DONE) == []
    assert session.subscriptions == {}


def test_a_broken_end_still_ends() -> None:
    """When the application fails in ``unsubscribed``, the subscription is gone all the same."""
    session = joined()
    session.receive(command("unsubscribe"))
    session.settle(Verdict.FAILED)
    assert session.receive(command("subscribe")) == [Ask(Subscribe("A"))]


@pytest.mark.parametrize("verdict", [Verdict.DONE, Verdict.FAILED])
def test_a_perform_is_asked_and_not_answered(verdict: Verdict) -> None:
    """Whatever becomes of it."""
    session = joined()
    assert session.receive(perform("{}")) == [Ask(Perform("A", "{}"))]
    assert session.settle(verdict) == []
    assert session.state is SessionState.READY


def test_a_probe_is_answered() -> None:
    """A client may ask whether anybody is there."""
    session = joined()
    (answer,) = session.receive(command("ping"))
    assert isinstance(answer, SendFrame)
    assert json.loads(answer.frame) == {"type": "pong"}


@pytest.mark.parametrize(
    ("frame", "note"),
    [
        (command("unsubscribe", "B"), Note(Oddity.UNKNOWN_SUBSCRIPTION)),
        (perform("{}", "B"), Note(Oddity.UNKNOWN_SUBSCRIPTION)),
        (command("dance"), Note(Oddity.UNKNOWN_COMMAND, "dance")),
        (b"{}", Note(Oddity.UNKNOWN_COMMAND, "")),
        (command("message", data={"action": "x"}), Note(Oddity.UNREADABLE_COMMAND, "message: data is not a string")),
        (b"", Note(Oddity.MALFORMED_FRAME, "not JSON at byte 0")),
        (b"[]", Note(Oddity.MALFORMED_FRAME, "a JSON list where an object was due")),
        (b"\xff", Note(Oddity.MALFORMED_FRAME, "not UTF-8")),
        (b'{"command":1}', Note(Oddity.MALFORMED_FRAME, "command is not a string")),
        (b'{"command":"subscribe","identifier":{}}', Note(Oddity.MALFORMED_FRAME, "identifier is not a string")),
    ],
)
def test_odd_frames_are_noted_and_the_session_lives(frame: bytes, note: Note) -> None:
    """Nothing is answered, and the next command is carried out."""
    session = joined()
    assert session.receive(frame) == [note]
    assert session.receive(perform("{}")) == [Ask(Perform("A", "{}"))]


def test_null_says_nothing() -> None:
    """A frame that holds ``null`` is not even odd."""
    assert accepted().receive(b"null") == []


def test_an_identifier_that_cannot_be_echoed_is_malformed() -> None:
    """Half a character, escaped in JSON, cannot be written back in UTF-8."""
    effects = accepted().receive(b'{"command":"subscribe","identifier":"\\ud800"}')
    assert effects == [Note(Oddity.MALFORMED_FRAME, "identifier holds a lone surrogate")]


def test_commands_run_strictly_in_order() -> None:
    """While the application works, the rest waits; each end starts the next."""
    session = joined("A", "B")
    assert session.receive(perform("1")) == [Ask(Perform("A", "1"))]
    assert session.receive(perform("2", "B")) == []
    assert session.receive(command("unsubscribe")) == []
    assert session.receive(perform("3")) == []
    assert session.settle(Verdict.DONE) == [Ask(Perform("B", "2"))]
    assert session.settle(Verdict.DONE) == [Ask(Unsubscribe("A"))]
    assert session.settle(Verdict.DONE) == [Note(Oddity.UNKNOWN_SUBSCRIPTION)]
    assert session.state is SessionState.READY


def test_commands_before_the_welcome_wait_for_it() -> None:
    """They are kept, and carried out after the welcome."""
    session = ServerSession(pings=PingPlan(0))
    assert session.receive(command("subscribe")) == []
    effects = session.accept(NOW)
    assert frames(effects) == [{"type": "welcome"}]
    assert effects[-1] == Ask(Subscribe("A"))


def test_data_goes_out_while_the_application_works() -> None:
    """A slow action does not hold up what others publish, nor pings."""
    session = joined("A", "B")
    session.receive(perform("slow"))
    assert session.deliver("B", b"{}") == [SendFrame(b"{}")]
    assert frames(session.wake(NOW + 3, 0)) == [{"type": "ping", "message": 0}]


def test_what_came_before_the_client_left_is_still_run() -> None:
    """Its commands run, unheard; then all subscriptions end."""
    session = joined("A", "B")
    session.receive(perform("1"))
    session.receive(perform("2"))
    session.receive(command("subscribe", ""))
    session.receive(command("subscribe", "C"))
    assert session.lost() == []
    assert session.state is SessionState.DRAINING
    assert session.deliver("A", b"{}") == []
    assert session.settle(Verdict.DONE) == [Ask(Perform("A", "2"))]
    assert session.settle(Verdict.DONE) == [Ask(Subscribe("C"))]
    assert session.settle(Verdict.CONFIRMED) == [Leave(("A", "B", "C"))]
    assert session.state is SessionState.CLOSED


def test_a_client_that_leaves_at_rest_ends_at_once() -> None:
    """All subscriptions end, in the order in which they began."""
    session = joined("B", "A")
    assert session.lost() == [Leave(("B", "A"))]
    assert session.lost() == []


def test_a_client_that_leaves_before_the_welcome_ends_at_once() -> None:
    """The verdict that comes later changes nothing."""
    session = ServerSession()
    session.receive(command("subscribe"))
    assert session.lost() == [Leave(())]
    assert session.accept(NOW) == []
    assert session.refuse() == []
    assert session.fail() == []


def test_our_own_goodbye_drops_what_waits() -> None:
    """Once we end the session, the running command ends, and no other is run."""
    session = joined()
    session.receive(perform("1"))
    session.receive(perform("2"))
    effects = session.expel(SERVER_RESTART)
    assert frames(effects) == [{"type": "disconnect", "reason": "server_restart", "reconnect": True}]
    assert effects[-1] == CloseLine(1001, "Server restart")
    assert session.deliver("A", b"{}") == []
    assert session.wake(NOW, 0) == []
    assert session.receive(perform("3")) == []
    assert session.expel(TOO_SLOW) == []
    assert session.lost() == []
    assert session.settle(Verdict.DONE) == [Leave(("A",))]


def test_a_shutdown_stops_the_draining_of_a_client_that_left() -> None:
    """Nobody is there to be told goodbye; what waits is dropped."""
    session = joined()
    session.receive(perform("1"))
    session.receive(perform("2"))
    session.lost()
    assert session.expel(SERVER_RESTART) == []
    assert session.settle(Verdict.DONE) == [Leave(("A",))]


@pytest.mark.parametrize("reconnect", [True, False])
def test_a_remote_disconnect_tells_whether_to_come_back(reconnect: bool) -> None:  # noqa: FBT001 - a table of cases
    """Reason and flag are always there, then close 1000."""
    effects = joined().expel(closed_remotely(reconnect=reconnect))
    assert frames(effects) == [{"type": "disconnect", "reason": "remote", "reconnect": reconnect}]
    assert effects[1:] == [CloseLine(1000, "Closed remotely"), Leave(("A",))]


def test_a_slow_reader_is_told_so() -> None:
    """Reason too_slow, and an empty close reason."""
    effects = joined().expel(TOO_SLOW)
    assert frames(effects) == [{"type": "disconnect", "reason": "too_slow", "reconnect": True}]
    assert effects[1] == CloseLine(1000, "")


def test_a_subscription_can_be_taken_back() -> None:
    """The client is told by a rejection, and the application ends it."""
    session = joined()
    effects = session.revoke("A")
    assert frames(effects) == [{"type": "reject_subscription", "identifier": "A"}]
    assert effects[-1] == Ask(Unsubscribe("A"))
    session.settle(Verdict.DONE)
    assert session.subscriptions == {}
    assert session.revoke("A") == []


def test_taking_back_comes_before_commands_that_wait() -> None:
    """What the client sent in ignorance of it does not reach the channel."""
    session = joined()
    session.receive(perform("1"))
    session.receive(perform("2"))
    session.revoke("A")
    effects = session.settle(Verdict.DONE)
    assert effects[-1] == Ask(Unsubscribe("A"))
    assert session.settle(Verdict.DONE) == [Note(Oddity.UNKNOWN_SUBSCRIPTION)]


def test_a_verdict_without_a_question_is_an_error() -> None:
    """The caller learns state and event."""
    with pytest.raises(UnexpectedEvent, match=r"READY.*SETTLED"):
        accepted().settle(Verdict.DONE)


def test_a_verdict_that_does_not_fit_the_question_is_an_error() -> None:
    """A perform cannot be confirmed."""
    session = joined()
    session.receive(perform("1"))
    with pytest.raises(UnexpectedEvent, match=r"JOINED.*CONFIRMED"):
        session.settle(Verdict.CONFIRMED)


def test_events_can_be_stepped_by_name() -> None:
    """The two ways in are the table's own words."""
    session = ServerSession(pings=PingPlan(0))
    session.step(SessionEvent.ACCEPTED, (NOW, None))
    assert session.step_subscription("A", SubscriptionEvent.DELIVER, b"{}") == []
