"""A token in a file, and the states that a file may be found in."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from cableway.auth.providers.file import FileToken
from cableway.auth.token import LARGEST, Token
from cableway.errors import UsageError
from cableway.errors.tokens import TokenUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from tests.test_secrecy import Everything

pytestmark = pytest.mark.looptime

MARK = "s3cr3t"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a path where nothing is yet."""
    return tmp_path / "token"


def put(file: Path, content: str | bytes) -> None:
    """Write the file anew, in place."""
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


def link(file: Path, target: str) -> None:
    """Make *file* a link to *target*, in one step."""
    fresh = file.with_name("fresh")
    fresh.symlink_to(target)
    fresh.rename(file)


@pytest.mark.parametrize("content", [MARK, f"{MARK}\n", f"  {MARK}\r\n\r\n", f"\ufeff{MARK}"])
async def test_white_space_does_not_count(file: Path, content: str) -> None:
    """As editors and shells leave it."""
    put(file, content)
    assert await FileToken(file).fetch() == Token(MARK)


async def test_a_change_is_seen_at_once(file: Path) -> None:
    """Even one in the same moment, of the same length, in the same file."""
    provider = FileToken(str(file))
    put(file, "one")
    before = os.stat(file)  # noqa: PTH116 - a Path would count as blocking
    assert (await provider.fetch()).value == "one"
    put(file, "two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (await provider.fetch()).value == "two"


async def test_a_moved_link(file: Path, tmp_path: Path) -> None:
    """That is how mounted secrets change."""
    for name in ("one", "two"):
        put(tmp_path / name, name)
    link(file, "one")
    provider = FileToken(file)
    assert (await provider.fetch()).value == "one"
    link(file, "two")
    assert (await provider.fetch()).value == "two"


async def test_it_comes_back(file: Path) -> None:
    """An absent file, then an empty one, then a token."""
    provider = FileToken(file)
    with pytest.raises(TokenUnavailable, match="No such file"):
        await provider.fetch()
    put(file, " \n")
    with pytest.raises(TokenUnavailable, match="it is empty") as caught:
        await provider.fetch()
    assert caught.value.retryable
    put(file, MARK)
    assert await provider.fetch() == Token(MARK)


async def test_a_file_that_is_being_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read of it may be half a token."""
    put(file, MARK[:3])
    real = os.fstat

    def then_more(descriptor: int) -> os.stat_result:
        found = real(descriptor)
        with file.open("a") as writing:
            writing.write(MARK[3:])
        return found

    monkeypatch.setattr("cableway.auth.providers.file.os.fstat", then_more)
    with pytest.raises(TokenUnavailable, match="changed while it was read"):
        await FileToken(file).fetch()
    monkeypatch.undo()
    put(file, MARK)
    assert await FileToken(file).fetch() == Token(MARK)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"{MARK}\n{MARK}\n".encode(), "line break"),
        (MARK.encode() + b"\xff", "no text in UTF-8"),
        (MARK.encode() + b"x" * 2**20, f"larger than a token may be, {LARGEST}"),
        (b"x" * (LARGEST + 1), f"the limit is {LARGEST}"),
        (f"{MARK}é".encode(), "beyond ASCII"),
        (b"\0" * 10, "control character"),
    ],
    ids=["lines", "bytes", "huge", "large", "accents", "zeros"],
)
async def test_what_is_no_token(file: Path, content: bytes, told: str, everything: Everything) -> None:
    """The error tells why, and nothing of what was read."""
    put(file, content)
    with pytest.raises(TokenUnavailable, match=told) as caught:
        await FileToken(file).fetch()
    everything.show(caught.value)


async def test_a_folder(tmp_path: Path) -> None:
    """It may be a file the next time."""
    with pytest.raises(TokenUnavailable, match=r"no plain file|directory"):
        await FileToken(tmp_path).fetch()


async def test_a_pipe_that_nobody_writes_to(file: Path) -> None:
    """It must not hold up the event loop."""
    os.mkfifo(file)
    with pytest.raises(TokenUnavailable, match="no plain file"):
        await FileToken(file).fetch()


async def test_it_leaves_no_file_open(file: Path) -> None:
    """Whatever it found."""
    opened = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - of this process
    for content in (b"", MARK.encode(), b"\xff"):
        put(file, content)
        for _ in range(20):
            with suppress(TokenUnavailable):
                await FileToken(file).fetch()
    assert set(os.listdir("/proc/self/fd")) == opened  # noqa: PTH208


async def test_home(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tilde is where the user lives."""
    monkeypatch.setenv("HOME", str(file.parent))
    put(file, MARK)
    provider = FileToken("~/token")
    assert await provider.fetch() == Token(MARK)
    assert provider.label == f"the file {file}"
    assert repr(provider) == f"FileToken({str(file)!r})"
    assert provider.renewable is True


@pytest.mark.parametrize("path", ["", None, 5, b"token", "a\0b", "~nobody-of-that-name/x"])
def test_what_is_no_path(path: Any) -> None:
    """It is refused when it is given."""
    with pytest.raises(UsageError, match="path="):
        FileToken(path)
