"""The picture on a terminal."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from rich.console import Console

from cableway.cli.fleet.board import Actor, Board
from cableway.cli.fleet.route import Point, round_trip
from cableway.cli.fleet.screen import MAP_SIZE, cell, picture, shown_on_screen, town_map

if TYPE_CHECKING:
    import pytest

ROAD = round_trip(Random(1), 100)


def a_board(trackers: int = 3) -> Board:
    """Make a board in the middle of the story."""
    actors = [Actor(f"tracker-{number}", line="down, dial 12 in 29.9 s") for number in range(1, trackers + 1)]
    board = Board(lambda: 4.5, 120, gateway="killed", trackers=actors, road=ROAD)
    board.arrived = 40
    board.places = {"tracker-2": ROAD[10]}
    board.note("gateway", "killed", "killed (kill -9): " + "every line drops " * 9)
    board.note("dispatcher", "position", "tracker-1/1 at 1, 2")
    return board


def drawn(board: Board, width: int = 80) -> list[str]:
    """Draw it on a terminal of this width."""
    console = Console(width=width, height=24, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(picture(board))
    return captured.get().splitlines()


def test_it_fits_a_small_terminal() -> None:
    """80 columns and 24 rows are enough."""
    rows = drawn(a_board())

    assert len(rows) < 24
    assert max(map(len, rows)) <= 80


def test_it_shows_states_retries_and_what_arrived() -> None:
    """The gateway, each line, the count and the last events; single positions are on the map, not in the log."""
    text = "\n".join(drawn(a_board()))

    assert "gateway: killed" in text
    assert text.count("down, dial 12 in 29.9 s") == 3
    assert "40 of 120 positions" in text
    assert "killed (kill -9)" in text
    assert "tracker-1/1" not in text


def test_many_trackers_fit_without_the_legend() -> None:
    """Nine are the most that there can be."""
    rows = drawn(a_board(9))

    assert len(rows) <= 24
    assert sum("down, dial" in row for row in rows) == 9


def test_the_map_shows_where_the_dispatcher_knows_a_vehicle_to_be() -> None:
    """By the last letter of its name, on the road."""
    rows = town_map(a_board()).plain.split("\n")
    column, row = cell(ROAD[10], ROAD)

    assert len(rows) == MAP_SIZE[1]
    assert rows[row][column] == "2"
    assert "1" not in "".join(rows)


def test_places_are_put_into_cells() -> None:
    """North is up, east is right, and a road without extent is in the middle."""
    corners = [Point(0, 0), Point(1, 1)]

    assert cell(Point(0, 0), corners) == (0, MAP_SIZE[1] - 1)
    assert cell(Point(1, 1), corners) == (MAP_SIZE[0] - 1, 0)
    assert cell(Point(9, 9), corners) == (MAP_SIZE[0] - 1, 0)
    assert cell(Point(5, 5), [Point(5, 5)]) == (round((MAP_SIZE[0] - 1) / 2), round((MAP_SIZE[1] - 1) / 2))


async def test_the_last_picture_stays(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever looked away finds how it ended."""
    board = a_board()
    async with shown_on_screen(board):
        board.gateway = "stopped"

    assert "stopped" in capsys.readouterr().out
