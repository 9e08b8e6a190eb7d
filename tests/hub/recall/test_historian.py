"""What all recalls of a hub share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.events import Event, Gap
from cableway.hub.effects import Doubt, Resync, Send
from cableway.hub.recall.historian import Historian
from cableway.hub.recall.limits import ANSWER
from cableway.wire.commands import History
from tests.hub.desk import unread
from tests.hub.recall.archive import Archive, after, begun, message

if TYPE_CHECKING:
    from cableway.hub.effects import HubEffect

SERVER = 1_790_000_000
NEWS = Gap("s", "e", 1, 1, healed=False)


def test_its_way_out_is_the_hub_s() -> None:
    """Commands and doubts of the server leave as effects, in order."""
    effects: list[HubEffect] = []
    historian = Historian(effects.append)
    historian.send(History("I", after(1)))
    historian.doubt("no answer")
    assert effects == [Send(History("I", after(1))), Doubt("no answer")]


def test_a_line_speaks_of_no_places_until_it_is_told() -> None:
    """A cable begins on the base protocol's terms: no past, and no server known from before."""
    historian = Historian(lambda _: None)
    assert (historian.extended, historian.server, historian.pinged) == (False, 0, None)


def test_all_holders_are_told_and_given() -> None:
    """Each of them, whoever came first."""
    archive = Archive()
    handles = [archive.live(), archive.join(), archive.join()]
    archive.hub.historian.put(handles[0].wish, message(5), 10)
    archive.hub.historian.tell(handles[0].wish, NEWS)
    assert [unread(handle) for handle in handles] == [[5], [5], [5]]
    assert [archive.events(handle)[-1] for handle in handles] == [NEWS] * 3


def test_a_holder_may_leave_at_what_it_is_told() -> None:
    """The others hear it nevertheless, once each."""
    archive = Archive()
    first, heard = archive.live(), list[Event | None]()
    second = archive.join()
    archive.events(second)
    first.tell = lambda event: archive.leave(first) if event is NEWS else None
    second.tell = heard.append
    archive.hub.historian.tell(first.wish, NEWS)
    assert heard == [NEWS]
    assert first.wish.handles == [second]


def test_only_who_has_means_is_brought_up_to_date() -> None:
    """Holders without a function of their own read on as if nothing were."""
    archive = Archive()
    able, plain = archive.live(on_resync=lambda _: None), archive.join()
    archive.effects()
    archive.hub.historian.resync(able.wish)
    assert (able.mailbox.barred, plain.mailbox.barred) == (True, False)
    assert archive.effects() == [Resync(able)]


def test_the_last_ping_with_a_time_counts() -> None:
    """It is what the server had told by then; a beat without a time takes nothing back."""
    historian = Historian(lambda _: None)
    historian.beaten(None, 1.0)
    assert (historian.pinged, historian.clock.at(1.0), historian.beaten_at) == (None, None, 1.0)
    historian.beaten(SERVER * 1000, 100.0)
    assert (historian.pinged, historian.clock.at(103.0)) == (SERVER, SERVER + 3)
    historian.beaten("later", 104.0)
    assert historian.pinged == SERVER
    # Later, but longer under way: all before it has come, though the clock is better known from the one before.
    historian.beaten(SERVER + 3, 109.0)
    assert (historian.pinged, historian.clock.at(109.0)) == (SERVER + 3, SERVER + 9)


def test_recalls_come_up_by_the_hub_s_clock() -> None:
    """An open question has a time, and the hub knows of it; an answer takes it off."""
    archive = Archive()
    archive.live()
    archive.tell(1)
    assert archive.hub.historian.agenda.next is None
    archive.fall()
    due = archive.hub.historian.agenda.next
    assert due is not None
    assert archive.hub.deadline == due > archive.now
    archive.ping(SERVER)
    archive.answer()
    archive.answer()
    assert archive.hub.historian.agenda.next is None


def test_a_question_that_has_to_wait_is_given_the_time() -> None:
    """On a line on which commands do: the server is not doubted before it can have heard the question."""
    archive, _ = begun(3)
    archive.line_down()
    archive.hub.line_up("long_polling", archive.now, protocol=archive.hub.historian.protocol, slack=15)
    archive.confirm()
    archive.effects()
    archive.wait(ANSWER + 14)
    assert not [effect for effect in archive.effects() if isinstance(effect, Doubt)]
    archive.wait(1)
    assert [effect for effect in archive.effects() if isinstance(effect, Doubt)]
