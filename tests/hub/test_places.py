"""How far each subscription has come, kept for the next process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cableway.errors import PositionsFailed
from cableway.events import Connected, Event, PositionsNotSaved
from cableway.hub.places import EVERY, Places
from cableway.wire.positions import Bookmark, HistoryQuery, Position
from tests.hub.desk import identifier
from tests.hub.recall.archive import Archive, after

if TYPE_CHECKING:
    from cableway.hub.wish import Handle

SERVER = 1_790_000_000
FULL = OSError("no space left")


class Store:
    """A keeper of places that may fail."""

    def __init__(self, *kept: Bookmark) -> None:
        self.kept: dict[str, Bookmark] = dict(zip([identifier("A"), identifier("B")], kept, strict=False))
        self.saved: list[tuple[str, Bookmark]] = []
        self.fault: Exception | None = None
        self.closed = 0

    def load(self, subscription: str) -> Bookmark:
        """Return what is kept."""
        self._fail()
        return self.kept.get(subscription, Bookmark())

    def save(self, subscription: str, bookmark: Bookmark) -> None:
        """Keep it."""
        self._fail()
        self.saved.append((subscription, bookmark))

    def close(self) -> None:
        """Count that."""
        self.closed += 1
        self._fail()

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault

    def take(self) -> list[Bookmark]:
        """Take what was saved of the channel A since the last look."""
        saved, self.saved = self.saved, []
        assert all(name == identifier("A") for name, _ in saved)
        return [bookmark for _, bookmark in saved]


def opened(store: Store | None = None) -> tuple[Archive, Store]:
    """Have a hub that keeps its places."""
    archive, store = Archive(), store or Store()
    archive.hub.places = Places(store)
    return archive, store


def mark(offset: int, since: int | None = None, *, stream: str = "s") -> Bookmark:
    """Return the place of one stream."""
    return Bookmark({stream: Position("e", offset)}, since)


def trouble(archive: Archive, handle: Handle) -> list[Event]:
    """Return what *handle* was told, its confirmation left out."""
    return [event for event in archive.events(handle) if not isinstance(event, Connected)]


def acknowledge(archive: Archive, handle: Handle, *offsets: int) -> None:
    """Say that the holder is done with these messages, one after the other."""
    for offset in offsets:
        archive.hub.places.acknowledge(handle, "s", Position("e", offset))


def handed(handle: Handle, last: int) -> None:
    """Note that user code was given the messages up to *last*."""
    for offset in range(1, last + 1):
        handle.acks.delivered("s", Position("e", offset))


def test_a_subscription_goes_on_where_it_left_off() -> None:
    """The first subscribe command asks for what came after the place that was kept."""
    archive, _ = opened(Store(mark(7, SERVER)))
    archive.join()
    archive.join("B")
    assert archive.asked() == [after(7, since=SERVER)]


def test_what_was_delivered_is_saved_before_anybody_sees_it() -> None:
    """Once a turn, however many messages it brought; a turn that brought none saves nothing."""
    archive, store = opened()
    archive.live()
    archive.tell(1, 2, 3)
    assert store.take() == []
    archive.effects()
    assert store.take() == [mark(3)]
    archive.effects()
    assert store.take() == []


def test_each_stream_has_its_place() -> None:
    """And each subscription."""
    archive, store = opened()
    archive.live()
    archive.live("B")
    archive.tell(1)
    archive.tell(1, 2, stream="t")
    archive.tell(1, name="B")
    archive.effects()
    assert store.saved == [
        (identifier("A"), Bookmark({"s": Position("e", 1), "t": Position("e", 2)})),
        (identifier("B"), mark(1)),
    ]


def test_messages_without_a_place_leave_nothing_to_save() -> None:
    """As on a line whose server keeps none."""
    archive, store = opened()
    archive.live()
    archive.data("A", 1)
    archive.effects()
    assert store.saved == []


def test_what_holders_acknowledge_is_not_saved_unasked() -> None:
    """One of them is enough: it has to see the message again if it did not come to it."""
    archive, store = opened()
    archive.live(commit="ack")
    archive.join()
    archive.tell(1, 2)
    archive.effects()
    assert store.saved == []


def test_an_acknowledgement_is_saved_at_once() -> None:
    """With all before it; again, or of what was never handed over, it changes nothing."""
    archive, store = opened()
    handle = archive.live(commit="ack")
    archive.tell(1, 2, 3)
    handed(handle, 3)
    acknowledge(archive, handle, 2)
    assert store.take() == [mark(2)]
    acknowledge(archive, handle, 2, 1, 9)
    assert store.take() == []
    acknowledge(archive, handle, 3)
    assert store.take() == [mark(3)]


def test_the_slowest_holder_counts() -> None:
    """What one of them has not done with comes again in the next process; those that only read are not asked."""
    archive, store = opened()
    one, other = archive.live(commit="ack"), archive.join(commit="ack")
    archive.join()
    archive.tell(1, 2, 3)
    for handle in (one, other):
        handed(handle, 3)
    acknowledge(archive, one, 3)
    assert store.take() == []
    acknowledge(archive, other, 1)
    assert store.take() == [mark(1)]
    acknowledge(archive, other, 3)
    assert store.take() == [mark(3)]


def test_an_acknowledgement_that_is_not_saved_raises() -> None:
    """Who says it has to know; a later one speaks for it."""
    archive, store = opened()
    handle = archive.live(commit="ack")
    archive.tell(1, 2)
    handed(handle, 2)
    store.fault = PositionsFailed("places.db", "save", "no space left")
    with pytest.raises(PositionsFailed):
        acknowledge(archive, handle, 1)
    assert trouble(archive, handle) == []
    store.fault = None
    acknowledge(archive, handle, 2)
    assert store.take() == [mark(2)]


def test_a_store_that_cannot_be_read_lets_it_begin_anew() -> None:
    """Whoever comes first is told, and the subscription is asked for without a past; its place is saved when it can."""
    archive, store = opened(Store(mark(7)))
    store.fault = FULL
    handle, other = archive.join(), archive.join()
    assert archive.sent() == ["+A"]
    assert (trouble(archive, handle), trouble(archive, other)) == ([PositionsNotSaved(FULL)], [])
    assert handle.wish.recall.bookmark == Bookmark()
    store.fault = None
    archive.confirm()
    archive.tell(1)
    archive.effects()
    assert store.take() == [mark(1)]


def test_a_full_disk_stops_no_message() -> None:
    """It is told once an episode; the first save that goes well ends that."""
    archive, store = opened()
    handle = archive.live()
    store.fault = FULL
    for offset in (1, 2):
        archive.tell(offset)
        archive.effects()
    assert trouble(archive, handle) == [PositionsNotSaved(FULL)]
    store.fault = None
    archive.tell(3)
    archive.effects()
    assert store.take() == [mark(3)]
    store.fault = FULL
    archive.tell(4)
    assert trouble(archive, handle) == [PositionsNotSaved(FULL)] * 2
    assert len(handle.mailbox) == 4


def test_a_time_is_saved_for_who_hears_nothing() -> None:
    """Now and then, by the server's clock: from then on the next process asks."""
    archive, store = opened()
    archive.live()
    saved = []
    for beat in range(0, 4 * EVERY, 3):
        archive.ping(SERVER + beat)
        saved += store.take()
        archive.wait(3)
    times = [bookmark.since for bookmark in saved]
    assert [bookmark.streams for bookmark in saved] == [{}] * len(saved)
    assert times == [SERVER, SERVER + 31, SERVER + 61, SERVER + 91]


def test_no_time_is_saved_for_who_has_a_place() -> None:
    """The place says more, and was saved; nor for who is not subscribed, and hears nothing at all."""
    archive, store = opened()
    archive.live()
    archive.tell(1)
    archive.effects()
    store.take()
    archive.live("B")
    archive.line_down()
    archive.ping(SERVER)
    assert store.saved == []


def test_a_kept_time_is_asked_from() -> None:
    """The next process hears of what came by streams that had brought nothing."""
    archive, _ = opened(Store(Bookmark(since=SERVER)))
    archive.join()
    assert archive.asked() == [HistoryQuery(since=SERVER)]


def test_a_store_is_closed_with_the_cable() -> None:
    """What it could not write then is told."""
    archive, store = opened()
    one, other = archive.live(), archive.join()
    archive.hub.places.close(archive.hub.wishes)
    assert store.closed == 1
    assert trouble(archive, one) == []
    store.fault = FULL
    archive.hub.places.close(archive.hub.wishes)
    assert [trouble(archive, handle) for handle in (one, other)] == [[PositionsNotSaved(FULL)]] * 2


def test_without_a_store_nothing_is_kept() -> None:
    """Acknowledgements are taken, and that is all."""
    archive = Archive()
    handle: Any = archive.live(commit="ack")
    archive.tell(1)
    handed(handle, 1)
    acknowledge(archive, handle, 1)
    archive.ping(SERVER)
    archive.hub.places.close(archive.hub.wishes)
    assert archive.asked() == []
    assert handle.done == {"s": Position("e", 1)}


def test_a_stream_that_was_not_acknowledged_is_asked_for() -> None:
    """The time that is saved with another one does not pass its messages."""
    archive, store = opened()
    archive.beat()
    handle = archive.live(commit="ack")
    archive.effects()
    archive.wait(10)
    for stream in "st":  # at the server's time 110; the one of t is never acknowledged
        archive.tell(1, stream=stream)
        handle.acks.delivered(stream, Position("e", 1))
    archive.wait(50)
    archive.beat()
    archive.hub.places.acknowledge(handle, "s", Position("e", 1))
    (saved,) = [bookmark for _, bookmark in store.saved if bookmark.streams]
    assert saved.since is None or saved.since <= SERVER + 110


def test_all_are_told_what_a_store_could_not_write_in_the_end() -> None:
    """Each holder of each subscription."""
    archive, store = opened()
    handles = [archive.live(), archive.live("B")]
    store.fault = FULL
    archive.hub.places.close(archive.hub.wishes)
    assert [PositionsNotSaved(FULL) in archive.events(handle) for handle in handles] == [True, True]
