"""Shows the fleet on a terminal: a map, where each line stands, what arrived, and what happened last."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cableway.cli.fleet.lines import plain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rich.console import RenderableType

    from cableway.cli.fleet.board import Actor, Board
    from cableway.cli.fleet.route import Point

COLOURS = ("cyan", "magenta", "yellow", "blue", "green")
MAP_SIZE = (26, 9)
LOG_LINES = 6
FEW_TRACKERS = 4
"""As long as there are no more, the table has room for its legend."""
LEGEND = {"kept": "not acknowledged yet", "again": "sent more than once"}
REFRESHES = 8
"""Pictures a second."""


@asynccontextmanager
async def shown_on_screen(board: Board) -> AsyncIterator[None]:
    """Show *board* live, and leave the last picture standing."""
    with Live(
        get_renderable=lambda: picture(board),
        console=Console(),
        refresh_per_second=REFRESHES,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield


def picture(board: Board) -> RenderableType:
    """Draw everything."""
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        Text("arrived"),
        ProgressBar(total=board.expected, completed=board.arrived, width=40),
        Text(f"{board.arrived} of {board.expected} positions", "bold green" if board.complete else "bold"),
    )
    middle = Table.grid(padding=(0, 1))
    middle.add_row(Panel(town_map(board), title="the dispatcher's map", width=MAP_SIZE[0] + 4), _table(board))
    return Group(
        _headline(board),
        middle,
        bar,
        Panel(_log(board), title="what happened", height=LOG_LINES + 2),
    )


def _headline(board: Board) -> Text:
    gone = not board.gateway.startswith("listening")
    return Text.assemble(
        ("cableway demo", "bold"),
        f"  {board.elapsed():4.1f} s   gateway: ",
        (board.gateway, "bold white on red" if gone and board.gateway == "killed" else "yellow" if gone else "green"),
    )


def _table(board: Board) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for name in ("", "line", "made", "kept", "again"):
        table.add_column(name, no_wrap=True, justify="left" if name in ("", "line") else "right")
    for index, tracker in enumerate(board.trackers):
        numbers = (str(tracker.reported), str(tracker.kept), str(tracker.sent_again))
        table.add_row(Text(tracker.name, _colour(index)), _line(tracker), *numbers)
    table.add_row(Text(board.dispatcher.name, "bold"), _line(board.dispatcher))
    if len(board.trackers) <= FEW_TRACKERS:
        table.add_row()
        for name, text in LEGEND.items():
            table.add_row(Text(name, "dim"), Text(text, "dim"))
    return table


def _line(actor: Actor) -> Text:
    return Text(
        actor.line, "green" if actor.line == "connected" else "red" if actor.line.startswith("down") else "yellow"
    )


def _log(board: Board) -> Text:
    notes = [note for note in board.notes if note.event != "position"][-LOG_LINES:]
    return Text("\n".join(plain(note) for note in notes), no_wrap=True, overflow="ellipsis")


def town_map(board: Board) -> Text:
    """Draw the road, and each vehicle where the dispatcher knows it to be, by the last letter of its name."""
    cells = {cell(point, board.road): Text("·", "dim") for point in board.road}
    for index, tracker in enumerate(board.trackers):
        place = board.places.get(tracker.name)
        if place is not None:
            cells[cell(place, board.road)] = Text(tracker.name[-1], f"bold {_colour(index)}")
    width, height = MAP_SIZE
    rows = (Text.assemble(*(cells.get((x, y), Text(" ")) for x in range(width))) for y in range(height))
    return Text("\n").join(rows)


def cell(point: Point, road: Sequence[Point]) -> tuple[int, int]:
    """Tell the cell of the map, (column, row) from the upper left, that *point* is in."""
    width, height = MAP_SIZE
    x = _share(point.longitude, [place.longitude for place in road])
    y = _share(point.latitude, [place.latitude for place in road])
    return round(x * (width - 1)), round((1 - y) * (height - 1))


def _share(value: float, values: Sequence[float]) -> float:
    low, high = min(values), max(values)
    return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.5


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]
