"""A file that somebody else keeps a token in."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from cableway.auth.providers.reading import made
from cableway.auth.token import LARGEST, Token
from cableway.errors import UsageError
from cableway.errors.tokens import TokenUnavailable
from cableway.redact import printable

_MOST: Final = LARGEST + 1024
"""Bytes read, at most: a token, and white space around it."""

_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""A named pipe that nobody writes to must not hold us up."""


class FileToken:
    """Reads each token from a file that somebody else keeps up to date, such as a secret that Kubernetes mounts.

    The file is read anew for each token, so a change is never missed. White space around the token does not count. A
    file that is absent, empty or being written gives no token this time. Who may read the file is yours to decide: its
    mode is not looked at. A link is followed, so the file may be replaced by moving a link.

    Args:
        path: The file; ``~`` is your home.

    Raises:
        UsageError: *path* is no path.
    """

    renewable: bool = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = _checked(path)
        self.label: str = f"the file {printable(str(self._path))}"

    def __repr__(self) -> str:
        return f"FileToken({printable(str(self._path))!r})"

    async def fetch(self) -> Token:
        """Read the file. That blocks the event loop as long as it takes: a moment, on a local disk.

        Raises:
            TokenUnavailable: It cannot be read, is empty, was changed while it was read, or holds no token.
        """
        try:
            content = self._read()
        except OSError as error:
            raise TokenUnavailable(self.label, error.strerror or type(error).__name__) from None
        try:
            text = content.decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            raise TokenUnavailable(self.label, "it is no text in UTF-8") from None
        if not text:
            raise TokenUnavailable(self.label, "it is empty")
        return made(self.label, text)

    def _read(self) -> bytes:
        descriptor = os.open(self._path, _FLAGS)
        with os.fdopen(descriptor, "rb") as file:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise TokenUnavailable(self.label, "it is no plain file")
            content = file.read(_MOST + 1)
            after = os.fstat(descriptor)
        if len(content) > _MOST:
            raise TokenUnavailable(self.label, f"it is larger than a token may be, {LARGEST} bytes")
        if _state(before) != _state(after) or after.st_size != len(content):
            raise TokenUnavailable(self.label, "it was changed while it was read")
        return content


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_mtime_ns, found.st_size, found.st_ino


def _checked(path: str | os.PathLike[str]) -> Path:
    try:
        text = os.fspath(path)
    except TypeError:
        text = ""
    if not isinstance(text, str) or not text or "\0" in text:
        msg = f"path= is no path of a file: give a string or a pathlib.Path; got {type(path).__name__}"
        raise UsageError(msg)
    try:
        return Path(text).expanduser()
    except RuntimeError:
        msg = "path= begins with ~, but there is no such home: give the whole path"
        raise UsageError(msg) from None
