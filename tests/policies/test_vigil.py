"""Whether the server still reads."""

from __future__ import annotations

from cableway.policies.vigil import PATIENCE, PAUSE, Vigil


def on(*, asks: bool = True) -> Vigil:
    """Watch over a line."""
    vigil = Vigil()
    vigil.line_up(asks=asks)
    return vigil


def test_a_command_is_followed_by_a_question() -> None:
    """Once it has had the time to be read; and whoever answers reads."""
    vigil = on()
    assert vigil.deadline is None
    vigil.said(10)
    assert vigil.deadline == 10 + PAUSE
    assert not vigil.ask(10 + PAUSE - 1)
    assert vigil.ask(10 + PAUSE)
    assert not vigil.ask(10 + PAUSE)
    vigil.answered()
    assert (vigil.deadline, vigil.is_deaf(1000)) == (None, False)


def test_a_question_that_has_to_wait_is_given_the_time() -> None:
    """On that line; the next one may be another."""
    vigil = on()
    vigil.line_up(asks=True, slack=15)
    vigil.doubt(10)
    assert vigil.ask(10)
    assert not vigil.is_deaf(10 + PATIENCE + 14)
    assert vigil.deadline == 10 + PATIENCE + 15
    assert vigil.is_deaf(10 + PATIENCE + 15)
    vigil.line_up(asks=True)
    vigil.doubt(100)
    assert vigil.ask(100)
    assert vigil.is_deaf(100 + PATIENCE)


def test_no_answer_means_that_nothing_is_read() -> None:
    """Not before its time."""
    vigil = on()
    vigil.doubt(5)
    assert vigil.ask(5)
    assert vigil.deadline == 5 + PATIENCE
    assert not vigil.is_deaf(5 + PATIENCE - 0.1)
    assert vigil.is_deaf(5 + PATIENCE)


def test_questions_have_a_pause_between_them() -> None:
    """Many commands cost one small frame now and then."""
    vigil = on()
    vigil.doubt(0)
    assert vigil.ask(0)
    vigil.answered()
    for now in range(1, 20):
        vigil.said(now)
    assert vigil.deadline == 1 + PAUSE


def test_where_the_server_does_not_answer_it_is_not_asked() -> None:
    """Rails would write each question into its log."""
    vigil = on(asks=False)
    vigil.said(0)
    vigil.doubt(1)
    assert (vigil.deadline, vigil.ask(1000)) == (None, False)


def test_who_does_not_read_cannot_judge() -> None:
    """The answer may be among what we have not read; and a question that is due waits."""
    vigil = on()
    vigil.doubt(0)
    vigil.excuse(10)
    assert vigil.deadline == 10 + PAUSE
    assert vigil.ask(10 + PAUSE)
    vigil.excuse(100)
    assert not vigil.is_deaf(100 + PATIENCE - 1)
    assert vigil.is_deaf(100 + PATIENCE)


def test_a_lost_line_ends_it() -> None:
    """The next one begins anew."""
    vigil = on()
    vigil.doubt(0)
    assert vigil.ask(0)
    vigil.line_up(asks=True)
    assert vigil.deadline is None
