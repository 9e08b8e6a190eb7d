"""Times and limits of the driver: when each wish comes up, and what that costs the line."""

from __future__ import annotations

import pytest

from cableway.hub.driver import COOLDOWN, FAREWELLS, IN_FLIGHT, QUIET, RECYCLE_PERIOD, RECYCLES, SILENT_LIMIT
from cableway.hub.effects import Recycle
from tests.hub.desk import Desk, identifier


def test_the_times_are_those_that_servers_need() -> None:
    """Rails may run commands in reverse and drops those whose worker runs late; both times are measured ones."""
    assert (QUIET, COOLDOWN, IN_FLIGHT, FAREWELLS) == (0.25, 0.375, 16, 2)


def test_pauses_between_failed_rounds_grow_to_a_minute() -> None:
    """A subscription that is never answered is asked for again after 5 s, 10 s ... 60 s, each within its half."""
    desk = Desk()
    desk.live("Good")
    desk.join("Typo")
    desk.wait(10)
    desk.line_down()
    desk.effects()
    desk.line_up()
    desk.confirm("Good")
    desk.effects()
    pauses = []
    for _ in range(8):
        desk.wait(10)
        failed_at = desk.now
        assert set(desk.sent()) <= {"+Typo"}
        assert desk.hub.deadline is not None
        desk.wait(desk.hub.deadline - desk.now)
        pauses.append(desk.now - failed_at)
    for pause, middle in zip(pauses, [5, 10, 20, 40, 60, 60, 60, 60], strict=True):
        assert 0.5 * middle <= pause <= 1.5 * middle


def test_a_line_on_which_commands_wait_is_given_the_time() -> None:
    """What may not have been sent yet is not taken for unanswered; the next line may be another one."""
    desk = Desk()
    desk.line_down()
    desk.line_up(slack=15)
    desk.effects()
    desk.join("A")
    assert desk.sent() == ["+A"]
    desk.wait(19)
    assert desk.sent() == []
    desk.wait(1)
    assert desk.sent() == ["+A"]
    desk.wait(20)
    assert desk.sent() == ["recycle"]
    desk.line_down()
    desk.line_up()
    desk.effects()
    desk.wait(5)
    assert desk.sent() == ["+A"]


def test_while_commands_are_jammed_nobody_is_called_silent() -> None:
    """Once they have left, the time begins anew; another line has no jam yet."""
    desk = Desk()
    desk.join("A")
    assert desk.sent() == ["+A"]
    desk.hub.router.jammed = True
    desk.wait(100)
    assert desk.sent() == []
    desk.hub.router.jammed = False
    desk.wait(5)
    assert desk.sent() == ["+A"]
    desk.hub.router.jammed = True
    desk.line_down()
    assert not desk.hub.router.held_up


def test_failing_names_do_not_count_as_silence() -> None:
    """A function that failed often says nothing of whether the server answers."""
    desk = Desk()
    handle = desk.join_as(lambda: identifier("unused"))
    for _ in range(4):
        desk.hub.named(handle.wish, None, desk.now)
        desk.wait(90)
    desk.hub.named(handle.wish, identifier("S"), desk.now)
    desk.effects()
    desk.wait(10)
    assert desk.sent() == ["+S", "recycle"]
    desk.line_down()
    desk.line_up()
    desk.hub.named(handle.wish, identifier("S"), desk.now)
    desk.effects()
    desk.wait(10)
    assert desk.sent() == ["+S"]


def test_the_memory_of_silence_is_bounded() -> None:
    """A program that makes up names for ever does not fill the memory."""
    desk = Desk()
    driver = desk.hub._driver
    driver._silent |= {str(number) for number in range(SILENT_LIMIT)}
    desk.join("Typo")
    desk.wait(10)
    assert len(driver._silent) == SILENT_LIMIT


def test_nothing_is_judged_on_a_line_that_is_to_be_replaced() -> None:
    """Once the line is given up, no more commands and verdicts follow until it is gone."""
    desk = Desk()
    for name in "AB":
        desk.join(name)
    desk.wait(10)
    effects = desk.effects()
    assert isinstance(effects[-1], Recycle)
    desk.hub.tick(desk.now + 100)
    assert desk.effects() == []
    desk.line_down()
    desk.line_up()
    assert desk.sent() == ["+A", "+B"]


@pytest.mark.parametrize("late", [0.0, 3600.0])
def test_a_late_tick_does_what_is_due_once(late: float) -> None:
    """After a suspended host wakes up, there is one resend, with its full time to be answered."""
    desk = Desk()
    desk.join()
    desk.effects()
    desk.now += 5 + late
    desk.hub.tick(desk.now)
    assert desk.sent() == ["+A"]
    assert desk.hub.deadline == desk.now + 5


def test_the_budget_of_lines_is_renewed() -> None:
    """After a while a silent subscription is worth a line again."""
    desk = Desk()
    driver = desk.hub._driver
    driver._recycled_at.extend([desk.now] * RECYCLES)
    desk.live("Good")
    desk.join("Typo")
    desk.wait(10)
    assert "recycle" not in desk.sent()
    desk.wait(RECYCLE_PERIOD + 110)
    assert desk.sent()[-1] == "recycle"
