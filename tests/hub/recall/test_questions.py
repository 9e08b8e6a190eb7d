"""What is asked, and why."""

from __future__ import annotations

import pytest

from cableway.hub.recall.listings import Listing
from cableway.hub.recall.questions import NO_QUERY, Kind, Question
from cableway.hub.recall.settling import Hole
from cableway.wire.positions import HistoryQuery
from tests.hub.recall.archive import Archive, after


@pytest.mark.parametrize("kind", list(Kind))
def test_all_but_healing_end_in_an_account(kind: Kind) -> None:
    """Who heals a hole tells of a gap; the others belong to a recovery, and that is accounted for as a whole."""
    assert Question(kind, NO_QUERY).recovers is (kind is not Kind.HEAL)


@pytest.mark.parametrize("kind", [Kind.LISTING, Kind.TIME])
def test_what_the_user_asks_recovers_nothing(kind: Kind) -> None:
    """Neither the list nor the wait for the server's time on its behalf is the recovery of what was missed."""
    listing = Listing(after(1), lambda _: None)
    assert not Question(kind, NO_QUERY, listing).recovers


def test_two_questions_are_never_the_same() -> None:
    """An answer is that to the question that is open, not to one that only reads the same."""
    hole = Hole("s", "e", 2, 3)
    assert Question(Kind.HEAL, after(1), hole=hole) != Question(Kind.HEAL, after(1), hole=hole)


def test_each_kind_has_its_own_reason() -> None:
    """Two kinds with one text would be one kind: an enumeration has them as aliases."""
    assert list(Kind.__members__) == [kind.name for kind in Kind]


def test_the_wait_for_the_time_is_not_put_to_the_server() -> None:
    """Its pings tell it; a command in between would be taken for a question, and answered."""
    archive = Archive()
    archive.live()
    archive.tell(1)
    archive.fall()
    assert archive.asked() == [after(1)]
    archive.answer()
    assert not archive.hub.settled
    assert archive.asked() == []
    archive.ping(1_790_000_000)
    assert archive.asked() == [HistoryQuery(since=1_790_000_000)]
    archive.answer()
    assert archive.hub.settled
