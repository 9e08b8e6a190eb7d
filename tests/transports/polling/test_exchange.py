"""Who may poll when, and what follows from each end of a request."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from cableway.transports.polling.exchange import FIRST_RETRY, SETTLED, STRAYS, End, Exchange, Strays
from cableway.transports.polling.outbox import Outbox
from cableway.transports.polling.pace import PACES, Pace

PACE = Pace(gather=0.0, reaction=0.05, longest_pause=1.0)


def exchange(*, pace: Pace = PACE, keepalive: float = 5.0, interrupts: bool = False, limit: int = 1000) -> Exchange:
    """Make one that was opened at 0, and is read."""
    made = Exchange(pace, Outbox(limit), keepalive, interrupts=interrupts, opened_at=0.0)
    made.read(stalled=False)
    return made


def answer(one: Exchange, now: float, *, busy: bool = True) -> bytes:
    """Make a request, and have it answered in full."""
    body = one.begin(now)
    one.taken(now)
    one.answered(now, busy=busy)
    return body


# One request at a time ------------------------------------------------------------------------------------------------


def test_nothing_is_asked_while_a_request_is_in_flight() -> None:
    """Whatever comes meanwhile waits for its end."""
    one = exchange()
    one.begin(0.0)
    one.offer(b"late", 1.0)
    assert one.next_at() is None
    one.taken(2.0)
    one.answered(2.0, busy=False)
    assert one.next_at() == 2.0
    assert one.begin(0.0) == b"late\n"


def test_the_first_poll_waits_for_what_the_welcome_brings() -> None:
    """Until somebody reads, and then for a moment; a command goes at once."""
    one = Exchange(PACE, Outbox(1000), 5.0, interrupts=False, opened_at=10.0)
    assert one.next_at() is None
    one.read(stalled=False)
    assert one.next_at() == 10.05
    one.offer(b"subscribe", 10.01)
    assert one.next_at() == 10.01


def test_a_body_is_under_the_limit() -> None:
    """What does not fit goes with the next request, at once."""
    one = exchange(limit=10)
    for frame in (b"1234", b"5678", b"9"):
        one.offer(frame, 0.0)
    assert answer(one, 1.0, busy=False) == b"1234\n5678\n"
    assert one.next_at() == 1.0
    assert answer(one, 1.0) == b"9\n"


# Pace -----------------------------------------------------------------------------------------------------------------


def test_polls_come_closer_with_traffic_and_further_apart_without() -> None:
    """Step by step; the first message is enough for a return to the quickest."""
    one, now, pauses = exchange(), 0.0, []
    for busy in (False, False, False, False, False, False, True, False):
        answer(one, now, busy=busy)
        due = one.next_at()
        assert due is not None
        pauses.append(round(due - now, 3))
        now = due
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 0.05, 0.1]


@pytest.mark.parametrize("pace", [*PACES.values(), Pace(longest_pause=3600, reaction=3600, gather=3600)])
@pytest.mark.parametrize("keepalive", [0.5, 5.0, 60.0])
def test_no_pace_outlasts_the_session(pace: Pace, keepalive: float) -> None:
    """A fifth of the time that the server keeps it is left for the way there."""
    one = exchange(pace=pace, keepalive=keepalive)
    for busy in (True, *[False] * 20):
        answer(one, 100.0, busy=busy)
        one.offer(b"command", 100.0)
        due = one.next_at()
        assert due is not None
        assert due <= 100.0 + 0.8 * keepalive
        answer(one, 100.0, busy=True)


def test_commands_gather_for_as_long_as_the_pace_says() -> None:
    """Counted from the first of them, and never later than a poll that is due anyway."""
    one = exchange(pace=Pace(gather=0.5, longest_pause=4.0))
    for _ in range(10):
        answer(one, 0.0, busy=False)
    one.offer(b"first", 1.0)
    one.offer(b"second", 1.4)
    assert one.next_at() == 1.5
    assert one.begin(0.0) == b"first\nsecond\n"


def test_who_does_not_read_is_not_polled_for() -> None:
    """Until he does: more messages could not be kept."""
    one = exchange()
    one.read(stalled=True)
    one.offer(b"command", 0.0)
    assert one.next_at() is None
    one.read(stalled=False)
    assert one.next_at() == 0.0


# Interrupting ---------------------------------------------------------------------------------------------------------


def test_a_command_waits_for_the_poll_in_flight() -> None:
    """By default nothing is given up: the answer may be on its way."""
    one = exchange()
    one.begin(0.0)
    one.offer(b"command", 1.0)
    assert one.waits
    assert one.interrupt_at is None


def test_a_poll_that_only_waits_is_given_up_where_that_is_wished() -> None:
    """And the command goes at once."""
    one = exchange(interrupts=True)
    one.begin(0.0)
    assert one.interrupt_at is None
    one.offer(b"command", 1.0)
    assert one.interrupt_at is not None
    assert one.interrupt_at <= 1.0
    one.interrupted(1.0)
    assert one.next_at() == 1.0
    assert one.begin(0.0) == b"command\n"


def test_a_request_with_commands_is_never_given_up() -> None:
    """They would be sent, and run, twice; nor is one whose answer has begun."""
    one = exchange(interrupts=True)
    one.offer(b"first", 0.0)
    one.begin(0.0)
    one.offer(b"second", 1.0)
    assert one.interrupt_at is None
    one.taken(2.0)
    assert one.interrupt_at is None


def test_at_the_goodbye_the_last_commands_have_a_second() -> None:
    """The server has them by then, and may hold the answer; those that are in no request yet are still sent."""
    one = exchange(limit=4)
    one.offer(b"a", 0.0)
    one.offer(b"b", 0.0)
    one.offer(b"c", 0.0)
    assert one.begin(1.0) == b"a\nb\n"
    one.close(2.0)
    assert one.interrupt_at is None
    one.taken(3.0)
    one.answered(3.0, busy=False)
    assert one.begin(3.0) == b"c\n"
    assert one.interrupt_at == 4.0
    one.interrupted(4.0)
    assert one.end is End.CLOSED


# Failures -------------------------------------------------------------------------------------------------------------


def test_what_never_reached_the_server_is_sent_again() -> None:
    """In order, later and later, for as long as the session can live."""
    one = exchange()
    one.offer(b"a", 0.0)
    now, delays = 0.0, []
    while one.end is None:
        assert one.begin(0.0) == b"a\n"
        one.unsent(now)
        if (due := one.next_at()) is not None:
            delays.append(round((due - now) / FIRST_RETRY))
            now = due
    assert delays == [1, 2, 4, 8, 16]
    assert one.end is End.UNREACHABLE
    assert now <= 5.0


def test_an_answer_ends_a_series_of_failures() -> None:
    """The next one begins with the shortest delay, and has the whole time of the session."""
    one = exchange()
    for _ in range(3):
        one.begin(0.0)
        one.unsent(1.0)
    answer(one, 4.0)
    one.begin(0.0)
    one.unsent(8.0)
    assert one.next_at() == pytest.approx(8.0 + FIRST_RETRY)


def test_a_command_does_not_hasten_a_repetition() -> None:
    """The server has asked for the pause, or would not be reached anyway."""
    one = exchange()
    one.begin(0.0)
    one.busy(1.0, 3.0)
    one.offer(b"command", 1.5)
    assert one.next_at() == 4.0


def test_a_busy_server_is_obeyed_while_the_session_lives() -> None:
    """Asked to come back later than that, the line is over: the next dial obeys."""
    one = exchange()
    answer(one, 10.0)
    one.begin(0.0)
    one.busy(10.5, 4.0)
    assert one.next_at() == 14.5
    one.begin(0.0)
    one.busy(14.5, 1.0)
    assert one.end is End.UNREACHABLE
    assert one.next_at() is None


def test_a_lost_answer_ends_the_line() -> None:
    """Messages may have been in it, which nobody can ask for again here."""
    one = exchange()
    one.begin(0.0)
    one.broke(14.0)
    assert one.end is End.SWALLOWED


def test_a_lost_answer_ends_the_line_only_once_its_commands_were_taken() -> None:
    """What was sent until then, and no more: somebody may go on sending for ever."""
    one = exchange(limit=4)
    for frame in (b"a", b"b", b"c"):
        one.offer(frame, 0.0)
    assert one.begin(0.0) == b"a\nb\n"
    # Held by the server for longer than it keeps a session that nobody asks for.
    one.broke(14.0)
    assert one.end is None
    one.offer(b"d", 14.0)
    assert one.next_at() == pytest.approx(14.1)
    assert answer(one, 15.0) == b"a\nb\n"
    assert one.end is None
    assert answer(one, 15.0) == b"c\nd\n"
    assert one.end is End.SWALLOWED


def test_a_line_that_lost_messages_does_not_try_for_ever() -> None:
    """Its session ends, and then it does."""
    one = exchange()
    one.offer(b"a", 0.0)
    now = 20.0
    for _ in range(20):
        if one.end is None:
            one.begin(0.0)
            one.broke(now)
            now = one.next_at() or now
    assert one.end is End.SWALLOWED
    assert now <= 25.0


def test_an_answer_that_breaks_off_has_taken_its_commands() -> None:
    """They are not sent again: the server has said so."""
    one = exchange()
    one.offer(b"a", 0.0)
    one.begin(0.0)
    one.taken(1.0)
    one.broke(2.0)
    assert one.end is End.SWALLOWED
    assert len(one.outbox) == 0


# Sessions that are not known ------------------------------------------------------------------------------------------


def line_after(strays: Strays, polls: int, silence: float = 0.1) -> bool:
    """Open a line that is polled so often, and then not known; tell whether that looks like several servers."""
    one = Exchange(PACE, Outbox(1000), 5.0, interrupts=False, opened_at=0.0, strays=strays)
    for number in range(polls):
        answer(one, number * 0.1)
    one.begin(0.0)
    return one.unknown(polls * 0.1 + silence)


def test_line_after_line_that_is_not_known_is_a_matter_of_several_servers() -> None:
    """Once may be a restart, and so may be twice."""
    strays = Strays()
    told = [line_after(strays, polls) for polls in (0, 1, 5, 0, 2)]
    assert told == [False] * (STRAYS - 1) + [True] * (len(told) - STRAYS + 1)


def test_a_line_that_was_polled_often_was_at_the_right_server() -> None:
    """Counting begins anew."""
    strays = Strays()
    told = [line_after(strays, polls) for polls in (0, 0, SETTLED, 0, 0)]
    assert told == [False, False, False, False, True]


def test_a_session_that_was_not_polled_in_time_has_lapsed() -> None:
    """That says nothing about servers."""
    strays = Strays()
    assert not any(line_after(strays, 1, silence=6.0) for _ in range(10))
    assert strays.count == 0


# Closing --------------------------------------------------------------------------------------------------------------


def test_closing_sends_what_is_left_without_a_pause() -> None:
    """And then it is over."""
    one = exchange(pace=Pace(gather=3.0), limit=4)
    for frame in (b"a", b"b", b"c"):
        one.offer(frame, 0.0)
    one.close(1.0)
    assert one.next_at() == 1.0
    assert answer(one, 2.0) == b"a\nb\n"
    assert one.next_at() == 2.0
    assert answer(one, 3.0) == b"c\n"
    assert one.end is End.CLOSED


def test_closing_with_nothing_left_is_the_end() -> None:
    """A poll that only waits is in nobody's interest any more."""
    one = exchange()
    one.close(1.0)
    assert one.end is End.CLOSED
    other = exchange()
    other.begin(0.0)
    other.close(1.0)
    assert other.interrupt_at == 0.0
    other.interrupted(1.0)
    assert other.end is End.CLOSED


def test_closing_needs_nobody_who_reads() -> None:
    """What is left goes out all the same."""
    one = exchange()
    one.read(stalled=True)
    one.offer(b"a", 0.0)
    one.close(1.0)
    one.read(stalled=True)
    assert one.next_at() == 1.0


def test_after_the_end_nothing_is_kept() -> None:
    """Nor asked for."""
    one = exchange()
    one.close(1.0)
    one.offer(b"a", 2.0)
    assert len(one.outbox) == 0
    assert one.next_at() is None


# Whatever happens -----------------------------------------------------------------------------------------------------


@define
class Peer:
    """A server that runs what reaches it, and a network that does what it wants."""

    exchange: Exchange
    now: float = 0.0
    offered: list[bytes] = field(factory=list)
    run: list[bytes] = field(factory=list)
    owed: list[bytes] | None = None
    """What had been offered when an answer was lost for the first time."""

    def offer(self) -> None:
        """Have one more command sent."""
        self.offered.append(b"%d" % len(self.offered))
        self.exchange.offer(self.offered[-1], self.now)

    def request(self, fate: str) -> None:
        """Wait until a request is due, and have it meet *fate*."""
        due = self.exchange.next_at()
        assert due is not None
        self.now = max(self.now, due)
        body = self.exchange.begin(self.now)
        assert len(body) <= 12
        if fate in ("answered", "lost", "broken off"):
            self.run += body.split()
        if fate in ("lost", "unread", "broken off") and self.owed is None:
            self.owed = list(self.offered)
        self.end(fate)

    def end(self, fate: str) -> None:
        """Tell the exchange what became of its request."""
        match fate:
            case "answered":
                self.exchange.taken(self.now)
                self.exchange.answered(self.now, busy=True)
            case "broken off":
                self.exchange.taken(self.now)
                self.exchange.broke(self.now)
            case "unsent":
                self.exchange.unsent(self.now)
            case "busy":
                self.exchange.busy(self.now, 0.3)
            case _:
                self.exchange.broke(self.now)


FATES = st.sampled_from(["answered", "unsent", "busy", "lost", "unread", "broken off", "interrupted"])


@given(st.lists(st.one_of(st.just("offer"), FATES), max_size=60), st.booleans())
def test_no_command_is_lost_while_the_line_lives(steps: list[str], interrupts: Any) -> None:
    """Whatever becomes of requests and answers, each is run at least once, and before those that came after it."""
    one = exchange(interrupts=interrupts, limit=12)
    peer = Peer(one)
    for step in steps:
        if one.end is not None:
            break
        if step == "offer":
            peer.offer()
        elif step == "interrupted":
            peer.now = max(peer.now, one.next_at() or 0.0)
            one.begin(0.0)
            peer.offer()
            if one.interrupt_at is not None:
                one.interrupted(peer.now)
            else:
                one.unsent(peer.now)
        else:
            peer.request(step)
    # From now on all goes well.
    while one.end is None and one.outbox:
        peer.request("answered")
    firsts = list(dict.fromkeys(peer.run))
    assert firsts == peer.offered[: len(firsts)]
    if one.end is None:
        assert firsts == peer.offered
    elif one.end is End.SWALLOWED and one._barred_until <= one._alive_at + one.keepalive:
        # While its session could live, it did for those that it had been given before; the rest is the next line's.
        assert peer.owed is not None
        assert set(peer.owed) <= set(firsts)
