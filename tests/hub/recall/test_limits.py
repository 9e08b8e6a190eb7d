"""How long a recovery waits, and how much it holds: what the limits are good for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cableway.hub.effects import Doubt
from cableway.hub.recall.healing import EVERY, GRACE
from cableway.hub.recall.limits import ANSWER, HELD_BYTES, HELD_MESSAGES, OLD, RESTART_IDLE, SILENT, VERDICT
from cableway.policies.vigil import PATIENCE
from cableway.states import Recovery
from tests.hub.recall.archive import ONE_STREAM, Archive, message, offsets

if TYPE_CHECKING:
    from cableway.hub.wish import Handle


def begun(**options: Any) -> tuple[Archive, Handle]:
    """Have a subscription to one stream, which was told its first message; its place says all."""
    archive = Archive()
    handle = archive.live(ONE_STREAM, **options)
    archive.tell(1, name=ONE_STREAM)
    offsets(handle)
    return archive, handle


def reason(archive: Archive, handle: Handle) -> str | None:
    """Return why the one account that was given is unknown, ``None`` if it is complete."""
    (outcome,) = archive.outcomes(handle)
    return outcome.reason if outcome.recovery is Recovery.UNKNOWN else None


def test_an_answer_has_its_time() -> None:
    """Up to the limit it is waited for; one that comes within it is as good as at once."""
    archive, handle = begun()
    archive.fall(ONE_STREAM)
    archive.wait(ANSWER - 0.01)
    archive.answer(ONE_STREAM)
    assert reason(archive, handle) is None
    assert not any(isinstance(effect, Doubt) for effect in archive.effects())


@pytest.mark.parametrize("before", [0.1, SILENT])
def test_a_server_that_beats_but_does_not_answer_will_not(before: float) -> None:
    """It is asked for a sign of life, and the account says that it did not answer."""
    archive, handle = begun()
    archive.fall(ONE_STREAM)
    archive.wait(ANSWER - before)
    archive.beat()
    archive.wait(before)
    assert "did not answer" in (reason(archive, handle) or "")
    assert [effect for effect in archive.effects() if isinstance(effect, Doubt)]


def test_a_server_of_which_nothing_is_heard_may_have_no_line() -> None:
    """It is asked for a sign of life, and waited for until that has been decided; then no longer."""
    archive, handle = begun()
    archive.fall(ONE_STREAM)
    archive.wait(ANSWER)
    assert [effect for effect in archive.effects() if isinstance(effect, Doubt)]
    archive.wait(VERDICT - 0.01)
    assert archive.outcomes(handle) == []
    archive.wait(0.01)
    assert "did not answer" in (reason(archive, handle) or "")


def test_a_dead_line_is_given_up_before_its_answers_are() -> None:
    """So that all is asked anew on the next one, and not reported as unknown."""
    assert VERDICT > PATIENCE


@pytest.mark.parametrize(("short", "doubted"), [(0.1, False), (0.0, True)])
def test_a_stream_may_be_forgotten_after_so_many_lives(short: float, doubted: bool) -> None:  # noqa: FBT001
    """It may have been begun anew then, and reached our place again: nobody can tell. Until then that cannot be."""
    archive, handle = begun(history_life=6.0)
    archive.fall(ONE_STREAM, away=6.0 * OLD - short)
    archive.answer(ONE_STREAM)
    assert ("anew" in (reason(archive, handle) or "")) is doubted


def test_a_stream_is_heard_of_as_early_as_a_server_may_begin_it_anew() -> None:
    """The shortest life that a server knows is a second, and it counts in whole ones: one may be missing."""
    assert RESTART_IDLE <= OLD * 1 - 1


def test_a_hole_is_asked_for_before_its_answer_is_late() -> None:
    """The waits of one hole are short beside that for the server, or holders would wait on nothing."""
    assert GRACE < EVERY < ANSWER


def test_so_many_messages_are_held() -> None:
    """One more, and the recovery goes on with what there is; none of them is lost."""
    archive, handle = begun(max_messages=2 * HELD_MESSAGES)
    archive.fall(ONE_STREAM)
    archive.tell(*range(3, 3 + HELD_MESSAGES), name=ONE_STREAM)
    assert (archive.outcomes(handle), len(handle.mailbox)) == ([], 0)
    archive.tell(3 + HELD_MESSAGES, name=ONE_STREAM)
    assert "held" in (reason(archive, handle) or "")
    assert len(handle.mailbox) == HELD_MESSAGES + 1


def test_so_many_bytes_are_held() -> None:
    """Counted as received, whatever the messages are made of."""
    archive, handle = begun(max_bytes=2 * HELD_BYTES)
    archive.fall(ONE_STREAM)
    handle.wish.recall.intake.take(message(3), HELD_BYTES, archive.now)
    assert (archive.outcomes(handle), len(handle.mailbox)) == ([], 0)
    handle.wish.recall.intake.take(message(4), 1, archive.now)
    assert "held" in (reason(archive, handle) or "")
    assert offsets(handle) == [3, 4]
