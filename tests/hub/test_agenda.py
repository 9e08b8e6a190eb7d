"""Due times: one a wish, the earliest first, whatever is changed in between."""

from __future__ import annotations

from random import Random

from cableway.hub.agenda import Agenda
from cableway.hub.wish import Wish


def taken(agenda: Agenda, now: float) -> list[str]:
    """Take all that is due."""
    out = []
    while (wish := agenda.take(now)) is not None:
        out.append(wish.label)
    return out


def test_an_empty_agenda_has_no_time() -> None:
    """Nothing is due, and nothing will be."""
    agenda = Agenda()
    assert agenda.next is None
    assert agenda.take(1e9) is None


def test_the_most_overdue_comes_first() -> None:
    """Those whose time has come are taken in order; of two with the same time, the one that was set first."""
    agenda = Agenda()
    for label, due in [("late", 3.0), ("first", 1.0), ("second", 1.0), ("never", 9.0)]:
        agenda.put(Wish(label, None), due)

    assert taken(agenda, 3.0) == ["first", "second", "late"]
    assert agenda.next == 9.0


def test_a_new_time_replaces_the_old_one() -> None:
    """A wish comes up once, at the time that was set last, earlier or later."""
    agenda = Agenda()
    wish = Wish("a", None)
    for due in (5.0, 1.0, 3.0):
        agenda.put(wish, due)
    assert agenda.next == 3.0
    assert taken(agenda, 2.0) == []
    assert taken(agenda, 10.0) == ["a"]
    assert wish.due is None


def test_none_takes_it_off() -> None:
    """What was taken off does not come up, and may be put on again for the same time."""
    agenda = Agenda()
    wish = Wish("a", None)
    agenda.put(wish, 1.0)
    agenda.put(wish, None)
    assert agenda.next is None
    agenda.put(wish, 1.0)
    assert taken(agenda, 1.0) == ["a"]


def test_what_is_done_about_one_may_change_another() -> None:
    """A time that is taken off while others are taken does not come up."""
    agenda = Agenda()
    first, second = Wish("first", None), Wish("second", None)
    agenda.put(first, 1.0)
    agenda.put(second, 1.0)
    assert agenda.take(2.0) is first
    agenda.put(second, None)
    assert agenda.take(2.0) is None


def test_it_agrees_with_a_plain_list() -> None:
    """Thousands of random changes later, what comes up is what a simple search would find."""
    random = Random(5)
    agenda = Agenda()
    wishes = [Wish(str(number), None) for number in range(20)]
    due: dict[str, float] = {}
    for now in range(3000):
        wish = random.choice(wishes)
        time = random.choice([None, now + random.randrange(20)])
        agenda.put(wish, time)
        if time is None:
            due.pop(wish.label, None)
        else:
            due[wish.label] = time
        assert agenda.next == min(due.values(), default=None)
        if random.random() < 0.3:
            expected = {label for label, time in due.items() if time <= now}
            assert set(taken(agenda, now)) == expected
            due = {label: time for label, time in due.items() if label not in expected}
