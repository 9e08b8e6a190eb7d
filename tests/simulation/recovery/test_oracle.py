"""The judge finds what a client may not do, and lets pass what nobody could know."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.recovery.oracle import Account, Hole, Rules, Seen, Unknown, judge
from tests.simulation.recovery.server import Publication

PUBLISHED = [Publication("a", number, float(number), "e", number) for number in range(1, 11)]


def account(*numbers: int, **more: Any) -> Account:
    """Make the account of a handle that saw *numbers*."""
    seen = [Seen(("a", number), number + 0.1, number) for number in numbers]
    return Account("handle", ("a",), begins=more.pop("begins", 0.5), seen=seen, **more)


def faults(account: Account, published: list[Publication] = PUBLISHED, **rules: Any) -> list[str]:
    """Judge it."""
    return judge(account, published, Rules(**rules)).faults


def test_all_of_it_once_and_in_order_is_fine() -> None:
    """Nothing to say."""
    assert faults(account(*range(1, 11)), lossless=True, calm=True) == []


def test_a_message_twice_is_found() -> None:
    """Wherever the second one comes."""
    (fault,) = faults(account(*range(1, 11), 4))
    assert "twice" in fault


def test_disorder_is_found() -> None:
    """Two that changed places."""
    (fault,) = faults(account(1, 2, 4, 3, *range(5, 11)))
    assert "out of order" in fault


def test_a_silent_loss_is_found() -> None:
    """In the middle, and at the end."""
    assert "without a word" in faults(account(1, 2, 3, 5, 6, 7, 8, 9, 10))[0]
    assert "without a word" in faults(account(*range(1, 10)))[0]


@pytest.mark.parametrize(("at", "fine"), [(3.5, False), (4.5, True), (5.3, True), (6.0, False)])
def test_a_failed_recovery_covers_what_came_before_it(at: float, fine: bool) -> None:  # noqa: FBT001 - a parameter
    """It must be told after the loss, and before the next message is seen."""
    told = account(1, 2, 3, 5, 6, 7, 8, 9, 10, unknown=[Unknown(at)])
    assert (faults(told) == []) is fine


def test_a_gap_covers_what_it_names() -> None:
    """Of that stream and epoch, from the first to the last."""
    holes = [Hole(5.1, "a", "e", 4, 4)]
    assert faults(account(1, 2, 3, 5, 6, 7, 8, 9, 10, holes=holes)) == []
    assert faults(account(1, 2, 3, 6, 7, 8, 9, 10, holes=holes)) != []
    assert faults(account(1, 2, 3, 5, 6, 7, 8, 9, 10, holes=[Hole(5.1, "a", "other", 4, 4)])) != []


def test_a_mailbox_accounts_for_as_many_as_it_counted() -> None:
    """And it must have said so."""
    assert faults(account(*range(3, 11), dropped=2, told_of_drops=True)) == []
    assert faults(account(*range(3, 11), dropped=1, told_of_drops=True)) != []
    assert faults(account(*range(3, 11), dropped=2)) != []


def test_an_avoidable_loss_is_found_although_announced() -> None:
    """Where the server could give everything back, an announcement is no excuse."""
    told = account(1, 2, 3, 5, 6, 7, 8, 9, 10, unknown=[Unknown(4.5)])
    assert faults(told) == []
    assert "give them back" in faults(told, lossless=True)[0]


def test_false_alarms_are_found() -> None:
    """Where nothing broke there is nothing to announce."""
    assert "for no reason" in faults(account(*range(1, 11), unknown=[Unknown(4.5)]), calm=True)[0]


def test_what_was_never_meant_for_it_is_found() -> None:
    """Something unpublished, something from after the end, and something from long before the beginning."""
    assert "never published" in faults(account(*range(1, 12)))[0]
    assert "given up" in faults(account(*range(1, 11), ends=9.5))[0]
    assert "long before" in faults(account(*range(1, 11), begins=9.5))[0]
    assert faults(account(*range(1, 11), begins=9.5, resumes=True)) == []


def test_whoever_leaves_need_not_hear_of_the_rest() -> None:
    """What was lost with a line that never came back for it is nobody's."""
    assert faults(account(1, 2, 3, ends=9.5)) == []
    assert faults(account(1, 2, 5, ends=9.5)) != []


def test_own_and_transient_messages_need_not_come() -> None:
    """The first were kept away by the sender's wish, the second cannot be asked for."""
    published = [
        Publication("a", 1, 1.0, "e", 1, excluded="me"),
        Publication("a", 2, 2.0, transient=True),
        Publication("a", 3, 3.0, "e", 2, excluded="somebody"),
    ]
    assert faults(account(3, own=frozenset({"me"})), published) == []
    assert faults(account(own=frozenset({"me"})), published) != []
