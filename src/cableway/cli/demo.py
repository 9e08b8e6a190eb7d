"""``cableway demo``: the main job on one screen."""

from __future__ import annotations

import time
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import click

from cableway.cli.exits import ExitCode, Failure
from cableway.cli.messages import json_text
from cableway.cli.running import Run
from cableway.cli.terminal import say, wants_json

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from cableway.cli.fleet.board import Board
    from cableway.cli.fleet.play import Plan
    from cableway.cli.fleet.route import Point

LONGEST = 55.0
"""Seconds after which something is wrong for sure."""
ROAD_POINTS = 240


HELP = """\
Watch the main job: trackers report their positions to a dispatcher while the gateway between them is killed.

It is killed with -9 on the way and started again; every position arrives all the same.

\b
cableway demo
cableway demo --route drive.gpx --trackers 5
cableway demo | jq 'select(.event == "position")'

It needs no server, no terminal and no input, and ends by itself within a minute: with 0 if every position arrived.
On a terminal it draws; otherwise it tells what happens in plain lines on stderr, and in JSON lines on stdout.
"""


@click.command(help=HELP)
@click.option(
    "--route",
    metavar="FILE.gpx",
    type=click.Path(dir_okay=False),
    help="Drive this recording; by default a made-up round trip.",
)
@click.option("--trackers", type=click.IntRange(1, 9), default=3, show_default=True, help="How many vehicles drive.")
@click.option(
    "--positions",
    type=click.IntRange(2, 100),
    default=40,
    show_default=True,
    help="How many positions each one reports.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The made-up round trip: the same number, the same road."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines, also to a terminal.")
@click.option("-q", "--quiet", is_flag=True, help="No plain lines on stderr.")
def demo(*, route: str | None, trackers: int, positions: int, seed: int, as_json: bool, quiet: bool) -> int:
    """Run the command ``demo``."""
    plan, board = prepare(_road(route, seed), trackers, positions)
    watcher = _watcher(board, as_json=wants_json(asked=as_json), quiet=quiet)
    code = Run(LONGEST).run(partial(_perform, plan, board, watcher))
    return code or _conclude(board, as_json=wants_json(asked=as_json), quiet=quiet)


def _road(route: str | None, seed: int) -> list[Point]:
    from cableway.cli.fleet.gpx import read_gpx
    from cableway.cli.fleet.route import round_trip

    return read_gpx(route) if route is not None else round_trip(Random(seed), ROAD_POINTS)


def prepare(road: list[Point], trackers: int, positions: int) -> tuple[Plan, Board]:
    """Spread the vehicles over the road, and set up the board."""
    from cableway.cli.fleet.board import Actor, Board
    from cableway.cli.fleet.play import Plan
    from cableway.cli.fleet.route import started_at, thinned

    names = [f"tracker-{number}" for number in range(1, trackers + 1)]
    routes = {name: thinned(started_at(road, index / trackers), positions) for index, name in enumerate(names)}
    plan = Plan(routes)
    began = time.monotonic()
    actors = [Actor(name) for name in names]
    return plan, Board(lambda: time.monotonic() - began, plan.positions, trackers=actors, road=road)


def _watcher(board: Board, *, as_json: bool, quiet: bool) -> AbstractAsyncContextManager[Any]:
    from cableway.cli.fleet.lines import told_in_lines

    if not as_json:
        try:
            from cableway.cli.fleet.screen import shown_on_screen
        except ImportError:
            say("warning: the screen needs an optional dependency: pip install 'cableway[cli]'")
        else:
            return shown_on_screen(board)
    return told_in_lines(board, quiet=quiet)


async def _perform(plan: Plan, board: Board, watcher: AbstractAsyncContextManager[Any], _run: Run) -> None:
    from cableway.cli.fleet.play import Play

    async with watcher:
        await Play(plan, board).run()


def _conclude(board: Board, *, as_json: bool, quiet: bool) -> int:
    told = board.summary()
    if as_json:
        print(json_text({"at": round(board.elapsed(), 3), "who": "demo", "event": "summary", **told}), flush=True)  # noqa: T201 - this is the output
    if not board.complete:
        msg = f"only {board.arrived} of {board.expected} positions arrived"
        raise Failure(msg)
    if not quiet:
        say(
            f"all {told['arrived']} positions arrived, each counted once; the gateway was killed on the way, "
            f"lines came back {told['reconnects']} times, {told['sent_again']} positions were sent again, "
            f"{told['seen_twice']} came twice"
        )
    return ExitCode.DONE
