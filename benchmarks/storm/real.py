"""A real storm on loopback: many lines lose their gateway at once, and all come back.

    python -m benchmarks.storm.real [--lines 2000] [--rate 400] [--processes 2] [--json FILE]

The gateway runs in a process of its own and lets ``--rate`` new sessions in a second; the lines run in others, without
the limit that one process puts on its own dials (``dial_gate=None``): each stands for a machine of its own. Three
scenes: the gateway is killed (SIGKILL) and started anew on the same port; it drops all lines at once and listens on; it
is stopped politely (SIGTERM), tells the lines over how long to spread their return, and is started anew. Measured is
the time from when it listens again until 99 % of the lines are welcomed, beside the ideal of ``0.99 * lines / rate``,
and what it cost in attempts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import sys
import time
from asyncio.subprocess import PIPE
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

ROOT = Path(__file__).parents[2]
FILES_BESIDE = 200
"""Files that a process has open beside its lines."""
OPENING_PACE = 0.8
"""How fast the lines are opened, as a part of the rate: none is refused, so none comes into the storm with failures."""


# The storm -----------------------------------------------------------------------------------------------------------


class Program:
    """One of the programs, as a process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines = 0
        """How many lines it has."""

    @classmethod
    async def start(cls, name: str, *arguments: object) -> Program:
        """Start it."""
        command = [sys.executable, "-m", "benchmarks.storm.real_programs", name, *map(str, arguments)]
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE, limit=2**28)
        return cls(process)

    async def told(self) -> dict[str, Any]:
        """Wait for what it tells next."""
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        line = await self.process.stdout.readline()
        if not line:
            msg = f"a program of the storm ended by itself, with code {await self.process.wait()}"
            raise RuntimeError(msg)
        return dict(json.loads(line))

    async def report(self, key: str) -> dict[str, Any]:
        """Ask for its report."""
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        self.process.stdin.write(b"report\n")
        while key not in (said := await self.told()):
            pass
        return said

    async def all_up(self, *, again: bool = False) -> None:
        """Wait until all its lines are up, or, *again*, until they all were lost and are up again."""
        while True:
            now = await self.told()
            if now["up"] == self.lines and now["lost"] >= self.lines * again:
                return

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Have it end, and wait for it."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        await self.process.wait()


@asynccontextmanager
async def crowd(url: str, lines: int, processes: int, pace: float) -> AsyncIterator[list[Program]]:
    """Have *lines* lines up, shared out to *processes*."""
    shares = [lines // processes + (n < lines % processes) for n in range(processes)]
    async with AsyncExitStack() as stack:
        programs: list[Program] = []
        for share in shares:
            program = await Program.start("lines", "--url", url, "--lines", share, "--pace", pace / processes)
            stack.push_async_callback(program.end, signal.SIGKILL)
            program.lines = share
            programs.append(program)
        await asyncio.gather(*(program.all_up() for program in programs))
        yield programs


@frozen
class Outcome:
    """What one scene showed; times in seconds from when the gateway listened again."""

    scene: str
    lines: int
    rate: int
    gap: float
    """Seconds without a gateway."""
    back_99: float
    ideal_99: float
    last_back: float
    attempts_peak: int
    """Attempts in the worst second."""
    wasted: float
    """Attempts a line that did not bring it in."""
    refused: float
    """Those that the gateway refused with 503, a line."""
    unreachable: float
    """Those that found nobody listening, a line."""
    accepted_peak: int
    """Sessions that the gateway accepted in its busiest second."""
    dead: int
    """Upgrades whose client was gone before its turn."""
    lost_twice: int
    """Lines that were lost again after they had come back."""
    back_by_second: tuple[int, ...]


async def scene(name: str, number: signal.Signals, options: argparse.Namespace) -> Outcome:
    """Bring the lines up, end the gateway by a signal, start it anew, and see them come back."""
    gateway = await Program.start("gateway", "--rate", options.rate)
    try:
        port = (await gateway.told())["port"]
        url = f"ws://127.0.0.1:{port}/cable"
        async with crowd(url, options.lines, options.processes, options.rate * OPENING_PACE) as programs:
            print(f"{name}: {options.lines} lines are up", file=sys.stderr)
            await asyncio.sleep(options.settle)
            dropped = time.monotonic()
            if number is signal.SIGUSR1:
                gateway.process.send_signal(number)
            else:
                await gateway.end(number)
                gateway = await Program.start("gateway", "--rate", options.rate, "--port", port)
            listens = (await gateway.told())["at"]
            async with asyncio.timeout(60 + 5 * options.lines / options.rate):
                await asyncio.gather(*(program.all_up(again=True) for program in programs))
            diary = [entry for program in programs for entry in (await diary_of(program)) if entry[2] >= dropped]
            storm = Storm(options.lines, options.rate, dropped, listens, diary)
            return judge(name, storm, await gateway.report("accepted"))
    finally:
        await gateway.end()


async def diary_of(program: Program) -> list[tuple[int, str, float]]:
    """Ask a program for all that happened; its lines get numbers that no other program has."""
    base = program.process.pid * 1_000_000
    return [(base + number, what, at) for number, what, at in (await program.report("diary"))["diary"]]


@frozen
class Storm:
    """What happened to the lines from the moment on at which they were dropped."""

    lines: int
    rate: int
    dropped: float
    listens: float
    diary: Sequence[tuple[int, str, float]]

    def times(self, what: str) -> list[float]:
        """Tell when something happened to any line, in order."""
        return sorted(at for _, happened, at in self.diary if happened == what)


def judge(name: str, storm: Storm, told: dict[str, Any]) -> Outcome:
    """Draw the figures from what the programs told."""
    dials = storm.times("dial")
    back = sorted({number: at - storm.listens for number, what, at in storm.diary if what == "up"}.values())
    refused = len(storm.times("refused"))
    wasted = len(dials) - len(back)
    seconds = [int(max(0.0, at)) for at in back]
    return Outcome(
        scene=name,
        lines=storm.lines,
        rate=storm.rate,
        gap=storm.listens - storm.dropped,
        back_99=back[int(0.99 * len(back)) - 1],
        ideal_99=0.99 * storm.lines / storm.rate,
        last_back=back[-1],
        attempts_peak=busiest_second(dials),
        wasted=wasted / storm.lines,
        refused=refused / storm.lines,
        unreachable=(wasted - refused) / storm.lines,
        accepted_peak=busiest_second([at for at in told["accepted"] if at >= storm.dropped]),
        dead=told["dead"],
        lost_twice=len(storm.times("lost")) - storm.lines,
        back_by_second=tuple(seconds.count(second) for second in range(seconds[-1] + 1)),
    )


def busiest_second(times: Sequence[float]) -> int:
    """Count the most that fell into any one second; *times* are in order."""
    most = first = 0
    for last, at in enumerate(times):
        while times[first] < at - 1:
            first += 1
        most = max(most, last - first + 1)
    return most


# The table -----------------------------------------------------------------------------------------------------------


def table(outcomes: Iterable[Outcome]) -> str:
    """Write the outcomes as a table in Markdown, one scene a column."""
    rows = [(one.scene, cells(one)) for one in outcomes]
    names = list(rows[0][1])
    head = ["", *(name for name, _ in rows)]
    body = [[name, *(column[name] for _, column in rows)] for name in names]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cells(one: Outcome) -> dict[str, str]:
    """Name and write each figure."""
    return {
        "lines, new sessions a second": f"{one.lines}, {one.rate}",
        "gateway away": f"{one.gap:.1f} s",
        "99 % back after": f"{one.back_99:.2f} s",
        "ideal": f"{one.ideal_99:.2f} s",
        "times the ideal": f"{one.back_99 / one.ideal_99:.2f}",
        "last one back after": f"{one.last_back:.2f} s",
        "attempts in the worst second": f"{one.attempts_peak}",
        "attempts wasted a line": f"{one.wasted:.2f}",
        "... refused with 503": f"{one.refused:.2f}",
        "... nobody listened": f"{one.unreachable:.2f}",
        "accepted in the busiest second": f"{one.accepted_peak}",
        "skipped, as their client was gone": f"{one.dead}",
        "lost again on the way": f"{one.lost_twice}",
        "back in each second": " ".join(map(str, one.back_by_second)),
    }


def enough_files(lines: int) -> None:
    """Raise the limit of open files as far as needed, or tell that it cannot be."""
    try:
        import resource
    except ImportError:
        sys.exit("this benchmark needs a POSIX system: its processes are ended by signals")
    needed = lines + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            sys.exit(
                f"{lines} lines need {needed} open files, this system allows {hard}: try --lines {hard - FILES_BESIDE}"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


SCENES = {
    "killed and restarted": signal.SIGKILL,
    "all lines dropped": signal.SIGUSR1,
    "stopped and restarted": signal.SIGTERM,
}


async def storm(options: argparse.Namespace) -> list[Outcome]:
    """Play all scenes, each *rounds* times, and keep the middle one by its time."""
    outcomes = []
    for name, number in SCENES.items():
        rounds = [await scene(name, number, options) for _ in range(options.rounds)]
        middle = statistics.median_low([one.back_99 for one in rounds])
        outcomes.append(next(one for one in rounds if one.back_99 == middle))
    return outcomes


def main() -> None:
    """Run the storm, and print what it showed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--rate", type=int, default=400, help="new sessions a second that the gateway lets in")
    parser.add_argument("--processes", type=int, default=2, help="processes that the lines are shared out to")
    parser.add_argument("--settle", type=float, default=6.0, help="seconds that the lines are up before the storm")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of each scene; the middle one is shown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    enough_files(options.lines)
    outcomes = asyncio.run(storm(options))
    print(table(outcomes))
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(one) for one in outcomes], indent=2) + "\n")


if __name__ == "__main__":
    main()
