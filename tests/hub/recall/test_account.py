"""What holders are given and told of their past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cableway.events import Event, Gap, Recovered
from cableway.hub.recall.account import Account
from cableway.hub.recall.settling import Hole, Settlement
from cableway.states import Recovery
from tests.hub.recall.archive import Archive, message, offsets

if TYPE_CHECKING:
    from cableway.hub.wish import Handle, Wish

COMPLETE = Recovered(Recovery.COMPLETE, 0)


def opened(**options: Any) -> tuple[Archive, Handle, Account]:
    """Have a subscription that is live, and an account of it."""
    archive = Archive()
    handle = archive.live(**options)
    archive.told[id(handle)].clear()
    return archive, handle, Account(handle.wish, archive.hub.historian)


def unknown(reason: str, replayed: int = 0) -> Recovered:
    """Return the account of what cannot be known."""
    return Recovered(Recovery.UNKNOWN, replayed, reason)


def test_without_a_doubt_all_is_told() -> None:
    """A recovery is complete if nothing speaks against it, and gives no reason."""
    archive, handle, account = opened()
    account.give()
    assert archive.events(handle) == [COMPLETE]


def test_each_doubt_is_told_once() -> None:
    """In the order in which they arose, however often the same one did."""
    archive, handle, account = opened()
    account.doubts += ["late", "idle", "late"]
    account.give()
    assert archive.events(handle) == [unknown("late; idle")]


def test_what_was_replayed_is_counted_and_marked() -> None:
    """Live messages come by the same way, and count for nothing."""
    archive, handle, account = opened()
    for offset, replayed in ((1, True), (2, False), (3, True)):
        account.deliver(message(offset), 10, replayed=replayed)
    account.give()
    assert archive.events(handle) == [Recovered(Recovery.COMPLETE, 2)]
    assert [handle.mailbox.pop().replayed for _ in range(3)] == [True, False, True]


def test_each_recovery_begins_anew() -> None:
    """The doubts and numbers of the one before are told, and done; gaps are counted for ever."""
    archive, handle, account = opened()
    account.deliver(message(1), 10, replayed=True)
    account.gap(Hole("s", "e", 2, 2), healed=False)
    account.doubts.append("late")
    account.begin()
    account.give()
    assert archive.outcomes(handle) == [COMPLETE]
    assert account.gaps == 1


def test_a_gap_is_told_with_its_place() -> None:
    """Healed or not, it counts; all holders hear of it, with first and last of what was missing."""
    archive, handle, account = opened()
    other = archive.join()
    account.gap(Hole("s", "e", 4, 7), healed=True)
    account.gap(Hole("t", "f", 9, 9), healed=False)
    gaps = [Gap("s", "e", 4, 7, healed=True), Gap("t", "f", 9, 9, healed=False)]
    assert archive.events(handle) == gaps
    assert archive.events(other)[-2:] == gaps
    assert account.gaps == 2


def test_a_settlement_is_carried_out_in_its_order() -> None:
    """Who hears of a hole has been given all before it, and nothing after it."""
    _, handle, account = opened()
    seen: list[tuple[int, Event | None]] = []
    handle.tell = lambda event: seen.append((len(handle.mailbox), event))
    hole = Hole("s", "e", 3, 4)
    account.carry_out(Settlement([(message(1), 10), (message(2), 10), hole, (message(5), 10)], "missing"))
    assert [(count, event) for count, event in seen if event] == [(2, Gap("s", "e", 3, 4, healed=False))]
    messages = [handle.mailbox.pop() for _ in range(3)]
    assert [(one.offset, one.replayed) for one in messages] == [(1, False), (2, False), (5, False)]
    assert account.doubts == ["missing"]


def test_a_settlement_may_be_of_the_past() -> None:
    """Then its messages count as replayed; one without a doubt adds none."""
    archive, handle, account = opened()
    account.carry_out(Settlement([(message(1), 10)]), replayed=True)
    assert account.doubts == []
    account.give()
    assert archive.events(handle) == [Recovered(Recovery.COMPLETE, 1)]


def test_a_delivery_moves_the_place() -> None:
    """Whoever keeps places hears that this subscription has a new one, once for all of its messages."""
    archive, handle, account = opened()
    account.deliver(message(1), 10, replayed=False)
    account.deliver(message(2), 10, replayed=True)
    assert list(archive.hub.historian.moved) == [handle.wish]


def test_holders_go_on_only_once_they_are_up_to_date() -> None:
    """Where something may be missing, those with means of their own read on after those; others at once."""
    archive, handle, account = opened(on_resync=lambda _: None)
    other = archive.join()
    account.deliver(message(1), 10, replayed=False)
    account.doubts.append("late")
    account.give()
    account.deliver(message(2), 10, replayed=False)
    assert (offsets(handle), offsets(other)) == ([1], [1, 2])
    handle.mailbox.lift()
    assert offsets(handle) == [2]


def test_nobody_is_held_up_where_nothing_is_missing() -> None:
    """A complete recovery needs no other means, nor does one gap: it is told, and that is all."""
    _, handle, account = opened(on_resync=lambda _: None)
    account.give()
    account.gap(Hole("s", "e", 1, 1), healed=True)
    account.deliver(message(2), 10, replayed=False)
    assert offsets(handle) == [2]


def test_what_may_be_missing_makes_presence_doubtful() -> None:
    """News of who came and went may be missing with it: a gap says so, and a doubtful account, not a complete one."""
    archive, handle, account = opened()
    doubted: list[tuple[Wish, float]] = []
    archive.hub.historian.on_doubt = lambda wish, now: doubted.append((wish, now))
    archive.hub.historian.now = 7.0
    account.give()
    assert doubted == []
    account.gap(Hole("s", "e", 1, 1), healed=True)
    archive.hub.historian.now = 8.0
    account.doubts.append("late")
    account.give()
    assert doubted == [(handle.wish, 7.0), (handle.wish, 8.0)]


def test_outside_of_a_recovery_only_doubts_are_told() -> None:
    """What is settled without one is delivered; where nothing may be missing there is no account to give."""
    archive, handle, account = opened()
    account.doubts.append("of before")
    account.settle(Settlement([(message(1), 10)]))
    assert (archive.events(handle), offsets(handle)) == ([], [1])
    account.settle(Settlement([(message(2), 10)], "late"))
    account.settle(Settlement([], "cut short"))
    assert (archive.events(handle), offsets(handle)) == ([unknown("late"), unknown("cut short")], [2])
