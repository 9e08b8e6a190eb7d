"""Who is present, as far as one book knows: every order of question, answer, change and loss."""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cableway.events import PresenceJoined, PresenceLeft, PresenceSynced, PresenceUnavailable
from cableway.hub.presence import FAILED, LAPSES, SILENT, WORDLESS, PresenceBook, lacking
from cableway.wire.commands import AskPresence, Join, Leave
from cableway.wire.dialects.base import BaseDialect
from cableway.wire.dialects.extended import ExtendedDialect
from cableway.wire.frames import PresenceChange, PresenceInfo
from cableway.wire.positions import Member
from cableway.wire.subprotocols import ALL, ENCODINGS

ANN, BOB, EVE = Member("ann"), Member("bob"), Member("eve")


def new(*, live: bool = True) -> PresenceBook:
    """Make a book; with *live* its subscription is confirmed."""
    book = PresenceBook("I", Random(1))
    if live:
        book.confirmed(0)
    return book


def came(member: Member) -> PresenceChange:
    """Somebody came."""
    return PresenceChange("I", "join", member)


def went(member: Member) -> PresenceChange:
    """Somebody went."""
    return PresenceChange("I", "leave", Member(member.id))


def answer(*members: Member) -> PresenceInfo:
    """Who is there."""
    return PresenceInfo("I", len(members), members)


def commands(book: PresenceBook) -> list[Any]:
    """Take the commands; the events are gone with them."""
    return book.take()[0]


def events(book: PresenceBook) -> list[Any]:
    """Take the events; the commands are gone with them."""
    return book.take()[1]


def test_a_join_is_remembered_and_said_on_each_line() -> None:
    """Once a line; on a line whose subscribe command had it, not again."""
    book = new(live=False)
    book.join(ANN)
    assert (commands(book), book.entry) == ([], ANN)
    book.confirmed(0)
    book.confirmed(0)
    book.join(ANN)
    assert commands(book) == [Join("I", ANN)]
    book.line_down()
    book.confirmed(1, entered=ANN)
    assert commands(book) == []


def test_another_id_is_a_leave_and_a_join() -> None:
    """Another info is a join alone; leaving twice is one leave."""
    book = new()
    book.join(ANN)
    book.join(Member("ann", 1))
    book.join(BOB)
    book.leave()
    book.leave()
    told = [Join("I", ANN), Join("I", Member("ann", 1)), Leave("I"), Join("I", BOB), Leave("I")]
    assert (commands(book), book.entry) == (told, None)
    book.line_down()
    book.confirmed(1)
    assert commands(book) == []


def test_what_the_subscribe_command_had_is_put_right() -> None:
    """Where somebody left, or joined as another, while the answer was awaited."""
    book = new(live=False)
    book.join(BOB)
    book.confirmed(0, entered=ANN)
    assert commands(book) == [Leave("I"), Join("I", BOB)]


def test_a_line_that_lapses_is_told_once() -> None:
    """Nothing is sent on it; the next line that keeps presence hears all."""
    book = new(live=False)
    book.join(ANN)
    book.watch(0)
    book.confirmed(0, lacks=LAPSES)
    assert book.take() == ([], [PresenceUnavailable(LAPSES)])
    book.line_down()
    book.confirmed(1)
    assert commands(book) == [Join("I", ANN), AskPresence("I")]


def test_what_a_line_lacks_for_presence() -> None:
    """The base protocol all of it, Protobuf the words, and the others nothing."""
    dialects = {one.name: (ExtendedDialect if one.extended else BaseDialect)(one) for one in ALL}
    assert {name for name, dialect in dialects.items() if lacking(dialect) == LAPSES} == {
        f"actioncable-v1-{encoding}" for encoding in ENCODINGS
    }
    assert {name for name, dialect in dialects.items() if lacking(dialect) == WORDLESS} == {
        "actioncable-v1-ext-protobuf"
    }


def test_one_question_at_a_time() -> None:
    """A question that came while one was out is asked after its answer: that may be older than the call."""
    book = new()
    first, second, third = book.ask(0), book.ask(1), book.ask(2)
    assert (first, second, third) == (1, 2, 2)
    assert commands(book) == [AskPresence("I")]
    book.info(answer(ANN), 3)
    assert (book.answered, commands(book)) == (1, [AskPresence("I")])
    book.info(answer(ANN, BOB), 3)
    assert (book.answered, book.total, commands(book)) == (2, 2, [])
    assert book.deadline is None


def test_silence_is_met_by_one_more_question_then_by_patience() -> None:
    """Told once; asked again later, and later, as long as somebody watches; an answer ends it."""
    book = new()
    book.watch(0)
    assert (commands(book), book.deadline) == ([AskPresence("I")], 5)
    book.tick(4.9)
    assert commands(book) == []
    book.tick(5)
    assert (commands(book), book.failed, book.deadline) == ([AskPresence("I")], 0, 10)
    book.tick(10)
    assert book.take() == ([], [PresenceUnavailable(SILENT)])
    assert (book.failed, book.silent) == (1, True)
    again = book.deadline
    assert again is not None
    assert again > 10
    book.tick(again)
    assert commands(book) == [AskPresence("I")]
    book.tick(again + 5)
    book.tick(again + 10)
    assert events(book) == []
    book.info(answer(), again + 11)
    assert (book.synced, book.deadline, events(book)) == (True, None, [PresenceSynced(())])


def test_nobody_watches_nobody_asks_again() -> None:
    """A failed question of one call is not repeated."""
    book = new()
    number = book.ask(0)
    book.info(PresenceInfo("I", 0, (), failed=True), 1)
    assert (book.failed, book.silent, book.deadline) == (number, False, None)
    assert events(book) == [PresenceUnavailable(FAILED)]


def test_a_question_outlives_the_line() -> None:
    """It is asked again on the next one, and answered by that."""
    book = new()
    number = book.ask(0)
    book.line_down()
    assert book.deadline is None
    book.info(answer(ANN), 1)
    assert (book.answered, book.members) == (0, {})
    _ = book.take()
    book.confirmed(2)
    assert commands(book) == [AskPresence("I")]
    book.info(answer(BOB), 3)
    assert book.answered >= number


def test_a_gap_is_asked_about() -> None:
    """If a question is out, its answer may be of before: another one follows, and counts."""
    book = new()
    book.gap(0)
    assert commands(book) == []
    book.watch(0)
    book.gap(1)
    book.info(answer(ANN), 2)
    assert (book.synced, commands(book)) == (False, [AskPresence("I"), AskPresence("I")])
    book.info(answer(BOB), 3)
    assert (book.synced, book.members) == (True, {"bob": BOB})
    book.gap(4)
    assert (book.synced, commands(book)) == (False, [AskPresence("I")])


def test_a_new_answer_tells_what_changed() -> None:
    """While the line was down; then that the set is true."""
    book = new()
    book.watch(0)
    book.info(answer(ANN, BOB), 1)
    book.line_down()
    assert (book.synced, set(book.members)) == (False, {"ann", "bob"})
    book.confirmed(2)
    _ = book.take()
    book.info(answer(ANN, EVE), 3)
    assert events(book) == [PresenceLeft(BOB), PresenceJoined(EVE), PresenceSynced((ANN, EVE))]


def test_changes_are_told_once() -> None:
    """Joined twice is once; a leave of nobody counts only while the set was never known."""
    book = new()
    book.change(came(ANN))
    book.change(came(ANN))
    book.change(went(BOB))
    assert events(book) == [PresenceJoined(ANN), PresenceLeft(Member("bob"))]
    _ = book.ask(0)
    book.info(answer(ANN), 0)
    book.change(went(BOB))
    book.change(went(ANN))
    assert events(book) == [PresenceSynced((ANN,)), PresenceLeft(ANN)]


@pytest.mark.parametrize("order", list(permutations(["question", "snapshot", "answer", "leave", "told"])))
def test_every_order_of_a_leave_and_a_question(order: tuple[str, ...]) -> None:
    """Whenever somebody goes and whenever we hear of it, in the end they are gone."""
    place = {what: order.index(what) for what in order}
    if not place["question"] < place["snapshot"] < place["answer"] or place["leave"] > place["told"]:
        return
    book, there, seen = new(), [ANN, BOB], ()
    _ = book.ask(0), book.info(answer(ANN, BOB), 0), book.take()
    for what in order:
        if what == "question":
            _ = book.ask(1)
        elif what == "snapshot":
            seen = tuple(there)
        elif what == "answer":
            book.info(answer(*seen), 2)
        elif what == "leave":
            there.remove(BOB)
        else:
            book.change(went(BOB))
    assert set(book.members) == {"ann"}
    assert [event for event in events(book) if isinstance(event, PresenceLeft)] == [PresenceLeft(BOB)]


def test_info_of_the_answer_is_the_newer_one() -> None:
    """Who joined while the question was out may have updated it; who left and came back has what they came with."""
    book = new()
    _ = book.ask(0)
    book.change(came(Member("ann", 1)))
    book.change(went(BOB))
    book.change(came(Member("bob", 2)))
    book.info(answer(Member("ann", 5), Member("bob", 0)), 1)
    assert book.members == {"ann": Member("ann", 5), "bob": Member("bob", 2)}


def test_a_total_alone_leaves_the_set_as_it_was() -> None:
    """Servers may leave the records out."""
    book = new()
    _ = book.ask(0)
    book.change(came(ANN))
    book.info(PresenceInfo("I", 7), 1)
    assert (book.total, book.answered, set(book.members), book.synced) == (7, 1, {"ann"}, False)


STEPS = st.lists(
    st.tuples(st.sampled_from(["come", "go", "hear", "snap", "answer", "cut", "up", "wait"]), st.sampled_from("abc")),
    max_size=60,
)


class Server:
    """A server whose answers and news come by two ways, each in its order; and the book that hears them."""

    def __init__(self) -> None:
        self.book = new()
        self.there: set[str] = set()
        self.told: set[str] = set()
        self._now, self._live = 0.0, True
        self._news: list[PresenceChange] = []
        self._answers: list[PresenceInfo] = []
        self.book.watch(0)
        out, _ = self.book.take()
        self._asked = out.count(AskPresence("I"))

    def step(self, what: str, who: str) -> None:
        """Let one thing happen, if it can."""
        getattr(self, what)(who)
        out, heard = self.book.take()
        self._asked += out.count(AskPresence("I"))
        for event in heard:
            if isinstance(event, PresenceJoined):
                assert event.member.id not in self.told
                self.told.add(event.member.id)
            elif isinstance(event, PresenceLeft):
                self.told.discard(event.member.id)

    def come(self, who: str) -> None:
        """Somebody comes."""
        if who not in self.there:
            self.there.add(who)
            self._news += [came(Member(who))] if self._live else []

    def go(self, who: str) -> None:
        """Somebody goes."""
        if who in self.there:
            self.there.remove(who)
            self._news += [went(Member(who))] if self._live else []

    def hear(self, _: str) -> None:
        """News arrive."""
        if self._news:
            self.book.change(self._news.pop(0))

    def snap(self, _: str) -> None:
        """A question is answered, on the server."""
        if self._asked:
            self._asked -= 1
            self._answers.append(answer(*map(Member, self.there)))

    def answer(self, _: str) -> None:
        """An answer arrives."""
        if self._answers:
            self.book.info(self._answers.pop(0), self._now)

    def cut(self, _: str) -> None:
        """The line is lost, with all that is under way."""
        self._live, self._asked = False, 0
        self._news.clear()
        self._answers.clear()
        self.book.line_down()

    def up(self, _: str) -> None:
        """The next line is confirmed."""
        self._live = True
        self.book.confirmed(self._now)

    def wait(self, _: str) -> None:
        """Time passes."""
        self._now += 3
        self.book.tick(self._now)


@settings(max_examples=300)
@given(STEPS)
def test_the_set_is_true_in_the_end(steps: list[tuple[str, str]]) -> None:
    """And who was told of is who is there, each once."""
    server = Server()
    for what, who in [*steps, ("up", "a")]:
        server.step(what, who)
    for _ in range(100):
        for what in ("wait", "snap", "answer", "hear"):
            server.step(what, "a")
    assert set(server.book.members) == server.told == server.there
    assert server.book.synced
