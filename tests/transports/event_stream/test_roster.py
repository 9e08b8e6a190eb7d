"""Which subscription is in which request, and which events of a request count."""

from __future__ import annotations

import json
from typing import Any

from cableway.transports.event_stream.events import ServerEvent
from cableway.transports.event_stream.roster import Bunch, Roster, passed


def command(word: str, identifier: str, **more: Any) -> bytes:
    """Write a command."""
    return json.dumps({"command": word, "identifier": identifier, **more}).encode()


def said(kind: str, identifier: str = "A", **more: Any) -> ServerEvent:
    """Write an event."""
    typed = {"type": kind} if kind else {}
    return ServerEvent(kind, json.dumps({**typed, "identifier": identifier, **more}).encode())


def roster(*names: str, limit: int = 1000, gets: bool = False) -> Roster:
    """Make one that was asked for *names*."""
    made = Roster(limit, gets=gets)
    for name in names:
        made.take(command("subscribe", name))
    return made


def names(bunches: list[Bunch]) -> list[list[str]]:
    """Tell what is in each."""
    return [list(bunch.commands) for bunch in bunches]


def test_what_is_asked_for_in_one_go_shares_a_request() -> None:
    """The commands go as they are, with all that is in them."""
    made = roster("A", "B")
    made.take(command("subscribe", "C", history={"since": 7}))
    (bunch,) = made.due()
    assert [json.loads(line)["identifier"] for line in bunch.body.splitlines()] == ["A", "B", "C"]
    assert json.loads(bunch.body.splitlines()[2])["history"] == {"since": 7}
    assert made.due() == []
    made.take(command("subscribe", "D"))
    assert names(made.due()) == [["D"]]


def test_a_request_is_under_the_limit() -> None:
    """And one subscription is in it once."""
    assert names(roster(*"ABCDE", limit=100).due()) == [["A", "B"], ["C", "D"], ["E"]]
    assert names(roster("A", "A").due()) == [["A"], ["A"]]


def test_who_is_not_wanted_is_found_by_halves() -> None:
    """All others are in requests that stand."""
    made, rejected, rounds = roster(*"ABCDEFGH"), [], 0
    due = made.due()
    while due:
        rounds += 1
        for bunch in due:
            if "F" in bunch.commands:
                rejected += made.refused(bunch)
        due = made.due()
    assert [json.loads(frame) for frame in rejected] == [{"type": "reject_subscription", "identifier": "F"}]
    assert sorted(name for bunch in made.bunches for name in bunch.commands) == list("ABCDEGH")
    assert rounds == 4


def test_who_left_is_heard_no_more() -> None:
    """The request is given up with the last who is in it."""
    made = roster("A", "B")
    (bunch,) = made.due()
    assert made.take(command("unsubscribe", "A")) == []
    assert passed(bunch, [said("", "A", message=1), said("", "B", message=2)]) == [said("", "B", message=2).data]
    assert made.take(command("unsubscribe", "B")) == [bunch]


def test_who_left_before_the_request_was_made_is_not_asked_for() -> None:
    """Nor, after a refusal, asked for anew."""
    made = roster("A")
    made.take(command("unsubscribe", "A"))
    assert made.due() == []
    other = roster("A", "B", "C")
    (bunch,) = other.due()
    other.take(command("unsubscribe", "B"))
    assert other.refused(bunch) == []
    assert names(other.due()) == [["A"], ["C"]]


def test_only_the_first_request_speaks_for_the_session() -> None:
    """Each has a welcome and pings of its own."""
    events = [said("welcome"), said("ping"), said("confirm_subscription"), said("disconnect"), said("", message=1)]
    assert passed(None, events) == [event.data for event in events]
    assert passed(Bunch({"A": b""}), events) == [event.data for event in events[2:]]


def test_a_question_about_the_past_counts_until_its_answer() -> None:
    """What has no place in a stream comes by the subscription's own request, too."""
    made = Roster(1000)
    made.take(command("history", "A", history={"since": 7}))
    (bunch,) = made.due()
    assert json.loads(bunch.body) == {"command": "subscribe", "identifier": "A", "history": {"since": 7}}
    old, live = said("", message=1, offset=3), said("", message=2)
    answer = said("confirm_history")
    assert passed(bunch, [said("confirm_subscription"), live, old]) == [old.data]
    assert not bunch.over
    assert passed(bunch, [answer, said("", message=3, offset=4)]) == [answer.data]
    assert bunch.over


def test_a_question_that_is_refused_is_answered() -> None:
    """As rejected, and the subscription stays."""
    made = Roster(1000)
    made.take(command("history", "A", history={"since": 7}))
    (bunch,) = made.due()
    assert [json.loads(one) for one in made.refused(bunch)] == [{"type": "reject_history", "identifier": "A"}]


def test_what_an_event_stream_cannot_say_is_dropped() -> None:
    """Answers to pings, and junk."""
    made = Roster(1000)
    for frame in (b'{"command":"pong"}', b'{"command":"ping"}', command("message", "A", data="{}"), b"junk", b"null"):
        assert made.take(frame) == []
    assert made.due() == []


# By address -----------------------------------------------------------------------------------------------------------


def test_each_subscription_has_an_address_of_its_own() -> None:
    """With what it asks of the past."""
    made = roster("A", "B", gets=True)
    made.take(command("subscribe", "C", history={"streams": {"s": {"epoch": "e", "offset": 3}}}))
    due = made.due()
    assert names(due) == [["A"], ["B"], ["C"]]
    queries = [bunch.query for bunch in due if bunch.query is not None]
    assert [(query.text, query.last_event_id) for query in queries] == [
        ("identifier=A", ""),
        ("identifier=B", ""),
        ("identifier=C", "3/e/s"),
    ]


def test_what_no_address_says_is_posted_alone() -> None:
    """Two places at once; the others do not wait for it."""
    made = roster("A", gets=True)
    streams = {name: {"epoch": "e", "offset": 3} for name in "st"}
    made.take(command("subscribe", "B", history={"streams": streams}))
    first, second = made.due()
    assert (first.query is None, second.query is None) == (False, True)
    assert json.loads(second.body)["history"] == {"streams": streams}


def test_a_bare_message_belongs_to_the_only_subscription() -> None:
    """Its place is its event's id; of several subscriptions nothing would tell whose it is."""
    (bunch,) = roster("A", gets=True).due()
    assert [json.loads(frame) for frame in passed(bunch, [ServerEvent("", b"hi", "4/e/s")])] == [
        {"identifier": "A", "message": "hi", "stream_id": "s", "epoch": "e", "offset": 4}
    ]
    (several,) = roster("A", "B").due()
    assert passed(several, [ServerEvent("", b"hi", "4/e/s")]) == [b"hi"]


def test_a_question_by_address_counts_until_its_answer() -> None:
    """What has a place is of the past; what has none comes by the subscription's own request, too."""
    made = Roster(1000, gets=True)
    made.take(command("history", "A", history={"since": 7}))
    (bunch,) = made.due()
    assert bunch.query is not None
    assert bunch.query.text == "identifier=A&history_since=7"
    told = passed(bunch, [ServerEvent("", b"live"), ServerEvent("", b"old", "3/e/s"), said("confirm_history")])
    assert [json.loads(frame).get("message") for frame in told] == ["old", None]
    assert bunch.over


def test_who_is_not_wanted_by_address_is_rejected_at_once() -> None:
    """There is nobody else in the request."""
    made = roster("A", gets=True)
    (bunch,) = made.due()
    assert [json.loads(frame)["type"] for frame in made.refused(bunch)] == ["reject_subscription"]
    assert made.due() == []
