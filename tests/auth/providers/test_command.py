"""A program that prints tokens, real ones: they take real time, but nobody waits for a clock."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cableway.auth.providers.command import CommandToken
from cableway.auth.providers.process import KEPT_COMPLAINT, LARGEST_OUTPUT, run
from cableway.auth.token import Token
from cableway.errors import UsageError
from cableway.errors.tokens import TokenUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.test_secrecy import Everything

MARK = "s3cr3t"
NOON = 1_893_499_200

TREE = "sleep 1000 & echo $! > {0}.new; echo $$ >> {0}.new; mv {0}.new {0}; wait"
"""A program with a child; both tell their numbers, then wait for ever."""


def shell(script: str) -> list[str]:
    """Give a program for *script*. Only tests use a shell."""
    return ["/bin/sh", "-c", script]


def printing(text: str) -> list[str]:
    """Give a program that prints *text*."""
    return [sys.executable, "-S", "-c", f"print({text!r}, end='')"]


async def failed(command: Sequence[str], **options: Any) -> TokenUnavailable:
    """Return the error that running it ends with."""
    with pytest.raises(TokenUnavailable) as caught:
        await CommandToken(command, **options).fetch()
    assert caught.value.retryable
    return caught.value


async def numbers_in(file: Path) -> list[int]:
    """Wait until the processes have told their numbers."""
    async with asyncio.timeout(20):
        while not _exists(file):  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.005)
    return [int(number) for number in _text(file).split()]


def _exists(file: Path) -> bool:
    return file.exists()


def _text(file: Path) -> str:
    return file.read_text()


def is_running(number: int) -> bool:
    """Tell whether a process runs; one that has ended and waits for its parent does not."""
    try:
        state = _text(Path(f"/proc/{number}/stat")).rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


async def gone(numbers: list[int]) -> None:
    """Wait until all those processes are gone, which they are in a moment or never."""
    async with asyncio.timeout(20):
        while any(is_running(number) for number in numbers):  # noqa: ASYNC110 - other processes tell nobody
            await asyncio.sleep(0.005)


def is_zombie(number: int) -> bool:
    """Tell whether a process of ours has ended and was never asked how."""
    return Path(f"/proc/{number}").exists()


@pytest.mark.parametrize("printed", [MARK, f"{MARK}\n", f"  {MARK} \r\nmore\n", f"\ufeff{MARK}\n{{}}"])
async def test_the_first_line(printed: str) -> None:
    """Without white space around it; what follows is not ours."""
    assert await CommandToken(printing(printed)).fetch() == Token(MARK)


@pytest.mark.parametrize(
    ("more", "life", "moment"),
    [
        ("", None, None),
        (', "expires_at": "2030-01-01T12:00:00Z"', None, NOON),
        (f', "expires_at": {NOON}', None, NOON),
        (', "expires_in": 60', 60, None),
    ],
)
async def test_json(more: str, life: float | None, moment: float | None) -> None:
    """With or without an end."""
    token = await CommandToken(printing(f'\n{{"token": "{MARK}"{more}}}\n')).fetch()
    assert (token.value, token.life, token.expires_unix) == (MARK, life, moment)


async def test_no_shell() -> None:
    """Arguments go in as they are."""
    assert (await CommandToken(["echo", "$HOME;", "*", "`x`"]).fetch()).value == "$HOME; * `x`"


async def test_no_input() -> None:
    """A program that asks a person gets no answer, instead of waiting for one."""
    assert (await CommandToken(shell("read line; echo none$line")).fetch()).value == "none"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (shell(f"echo {MARK}; echo {MARK} >&2; exit 3"), "ended with exit status 3: ***"),
        (shell("echo fatal: not logged in >&2; exit 1"), "ended with exit status 1: fatal: not logged in"),
        (shell("echo hunter; echo bad hunter >&2; exit 1"), "exit status 1: bad ***"),
        (["/bin/sh", "-c", "echo bad $1 >&2; exit 1", "x", "hunter"], "exit status 1: bad ***"),
        (shell(f"echo {MARK} >&2; kill -9 $$"), "was ended by signal 9: ***"),
        (shell("exit 7"), "ended with exit status 7"),
        (shell(f"echo {MARK} >&2"), "printed no token"),
        (printing(f"\n{MARK}\n"), "its first line is empty"),
        (printing(f'{{"token": "{MARK}"'), "begins like JSON"),
        (printing(f'{{"jwt": "{MARK}"}}'), "no 'token'"),
        (printing(f'{{"token": 5, "x": "{MARK}"}}'), "is int"),
        (printing(f"{MARK}\0"), "header cannot carry"),
        (shell(f"printf '{MARK}\\377'"), "no text in UTF-8"),
        ([f"/nowhere/{MARK}/tokens"], "could not be started: No such file"),
        (["/etc/passwd", MARK], "could not be started: Permission denied"),
    ],
    ids=range(15),
)
async def test_what_goes_wrong(command: list[str], told: str, everything: Everything) -> None:
    """It is told in words without secrets, though the program may print them anywhere."""
    asyncio.get_running_loop().set_debug(True)
    error = await failed(command)
    assert told in str(error)
    everything.show(error, CommandToken(command))


async def test_a_flood(everything: Everything) -> None:
    """A program that prints without end is killed; one that complains without end is read to its end."""
    error = await failed(shell(f"while :; do echo {MARK * 50}; done"), timeout=60)
    assert f"more than {LARGEST_OUTPUT} bytes" in str(error)
    everything.show(error)
    finished = await run(shell("head -c 1000000 /dev/zero | tr '\\0' 'x' >&2; exit 4"))
    assert (finished.status, len(finished.complaint)) == (4, KEPT_COMPLAINT)


async def test_too_slow(tmp_path: Path, everything: Everything) -> None:
    """It is killed with all that it started."""
    file = tmp_path / "numbers"
    running = asyncio.create_task(failed(shell(f"echo {MARK}; " + TREE.format(file)), timeout=0.5))
    numbers = await numbers_in(file)
    assert len(numbers) == 2
    error = await running
    assert "did not end within 0.5 s" in str(error)
    await gone(numbers)
    assert not is_zombie(numbers[1])
    everything.show(error)


async def test_cancelled(tmp_path: Path) -> None:
    """It leaves no process, and no task."""
    file = tmp_path / "numbers"
    before = asyncio.all_tasks()
    fetching = asyncio.create_task(CommandToken(shell(TREE.format(file)), timeout=60).fetch())
    numbers = await numbers_in(file)
    assert all(is_running(number) for number in numbers)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert not is_zombie(numbers[1])
    await gone(numbers)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("steps", range(8))
async def test_cancelled_while_it_starts(tmp_path: Path, steps: int) -> None:
    """At whichever step: what was started is ended, and nothing is left of it."""
    file = tmp_path / "numbers"
    before, children = asyncio.all_tasks(), children_now()
    fetching = asyncio.create_task(CommandToken(shell(TREE.format(file)), timeout=60).fetch())
    for _ in range(steps):
        await asyncio.sleep(0)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert children_now() == children
    assert asyncio.all_tasks() == before


def children_now() -> set[str]:
    """Name the processes that this one has started and not seen off."""
    lists = Path("/proc/self/task").glob("*/children")
    return {number for one in lists for number in one.read_text().split()}


async def test_what_it_leaves_running() -> None:
    """A program may start a server for the next time: it is let be, though it holds the output open."""
    token = await CommandToken(shell("sleep 1000 & echo $!")).fetch()
    number = int(token.value)
    try:
        assert is_running(number)
    finally:
        os.kill(number, signal.SIGKILL)
    await gone([number])


async def test_the_token_is_in_no_argument(tmp_path: Path) -> None:
    """Whoever lists the processes of the machine sees the command, and no more."""
    file = tmp_path / "seen"
    script = f"echo {MARK}; cat /proc/*/cmdline > {file} 2>/dev/null; exit 0"
    own = tmp_path / "own"
    put(own, script)
    assert await CommandToken(["/bin/sh", str(own)]).fetch() == Token(MARK)
    assert str(own) in _text(file)
    assert MARK not in _text(file)


def put(file: Path, text: str) -> None:
    """Write a file."""
    file.write_text(text)


async def test_it_leaves_no_file_open() -> None:
    """After success and failure."""
    await CommandToken(["echo", "x"]).fetch()
    opened = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - of this process
    for command in (["echo", "x"], ["false"], ["/nowhere"]) * 5:
        try:
            await CommandToken(command).fetch()
        except TokenUnavailable:
            continue
    assert len(os.listdir("/proc/self/fd")) == opened  # noqa: PTH208


@pytest.mark.parametrize("command", ["pass show", b"x", [], [""], [5], ["a", None], ["a\0"], None, {"a"}])
def test_what_is_no_command(command: Any) -> None:
    """A line for a shell, above all, is refused when it is given."""
    with pytest.raises(UsageError, match="command="):
        CommandToken(command)


def test_a_time_limit() -> None:
    """There must be some time."""
    with pytest.raises(UsageError, match="timeout="):
        CommandToken(["x"], timeout=0)


def test_what_it_shows() -> None:
    """The program, and none of its arguments."""
    source = CommandToken([Path("/usr/bin/pass"), MARK])
    assert repr(source) == "CommandToken(['pass', ...])"
    assert source.label == "the program pass"
    assert source.renewable is True
