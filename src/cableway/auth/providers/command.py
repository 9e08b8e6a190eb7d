"""A program that prints tokens."""

from __future__ import annotations

import asyncio
import os
from pathlib import PurePath
from typing import TYPE_CHECKING

from cableway.auth.providers.complaint import shown_complaint
from cableway.auth.providers.process import LARGEST_OUTPUT, Finished, OutputTooLarge, run
from cableway.auth.providers.reading import MISSING, Layout, Place, made, read_json
from cableway.errors import UsageError
from cableway.errors.tokens import TokenUnavailable
from cableway.redact import printable
from cableway.types import Seconds, to_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cableway.auth.token import Token

_LAYOUT = Layout(Place.of("value", "token"))


class CommandToken:
    """Runs a program for each token, as git does for passwords.

    ::

        CommandToken(["pass", "show", "cable/token"])

    No shell is involved. The program prints the token as its first line; or a JSON object, ``{"token": "...",
    "expires_at": "2030-01-01T00:00:00Z"}``, in which ``expires_in`` may tell the life in seconds instead. It gets no
    input, and has this process's environment and directory. Exit status 0 means that it worked. Give it no secrets as
    arguments: everybody on the machine can read those.

    What it writes to its standard error is told when it fails, shortened, and without words that could be secrets.

    Args:
        command: The program and its arguments.
        timeout: Limit for each run. After that the program is killed, with all that it started.

    Raises:
        UsageError: *command* is no list of strings, or *timeout* leaves no time.
    """

    renewable: bool = True

    def __init__(self, command: Sequence[str | os.PathLike[str]], *, timeout: Seconds = 10.0) -> None:
        self._command = _checked(command)
        self._timeout = to_seconds(timeout, "timeout")
        if self._timeout == 0:
            msg = f"timeout={timeout!r} leaves no time at all: give more than 0 s"
            raise UsageError(msg)
        # Arguments may be secrets, though they should not be.
        self._name = printable(PurePath(self._command[0]).name)
        self.label: str = f"the program {self._name}"

    def __repr__(self) -> str:
        return f"CommandToken([{self._name!r}, ...])"

    async def fetch(self) -> Token:
        """Run the program. Cancelled, it kills the program and all that it started, and waits until that is done.

        Raises:
            TokenUnavailable: It could not be started, did not end in time, failed, or printed no token.
        """
        try:
            async with asyncio.timeout(self._timeout):
                finished = await run(self._command)
        except TimeoutError:
            raise TokenUnavailable(self.label, f"it did not end within {self._timeout:g} s and was killed") from None
        except OutputTooLarge:
            raise TokenUnavailable(self.label, f"it printed more than {LARGEST_OUTPUT} bytes and was killed") from None
        except OSError as error:
            what = f"it could not be started: {error.strerror or type(error).__name__}"
            raise TokenUnavailable(self.label, what) from None
        if finished.status != 0:
            raise TokenUnavailable(self.label, self._failure(finished))
        return _read(self.label, finished.output)

    def _failure(self, finished: Finished) -> str:
        how = (
            f"ended with exit status {finished.status}"
            if finished.status > 0
            else f"was ended by signal {-finished.status}"
        )
        printed = finished.output.decode("utf-8", "replace")
        # An argument of several words is a script, and its words are those that complaints are made of.
        arguments = [argument for argument in self._command[1:] if len(argument.split()) == 1]
        complaint = shown_complaint(finished.complaint, [printed, *arguments])
        return f"it {how}{f': {complaint}' if complaint else ''}"


def _read(label: str, output: bytes) -> Token:
    if output.lstrip()[:1] == b"{":
        document = read_json(output)
        if document is MISSING:
            raise TokenUnavailable(label, "it printed what begins like JSON, but is none")
        value, end = _LAYOUT.read(label, {}, document)
        return made(label, value, expires_at=end.moment, life=end.life)
    try:
        text = output.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TokenUnavailable(label, "it printed what is no text in UTF-8") from None
    line = text.partition("\n")[0].strip()
    if not line:
        raise TokenUnavailable(label, "it printed no token: its first line is empty")
    return made(label, line)


def _checked(command: Sequence[str | os.PathLike[str]]) -> tuple[str, ...]:
    if isinstance(command, str | bytes) or not isinstance(command, list | tuple):
        msg = (
            'command= is no list: give the program and its arguments apart, such as ["pass", "show", "cable"]; no shell'
        )
        raise UsageError(msg)
    words = [os.fspath(word) if isinstance(word, os.PathLike) else word for word in command]
    if not words or not words[0] or any(not isinstance(word, str) or "\0" in word for word in words):
        msg = "command= is no command: give a program and its arguments, all of them strings without NUL"
        raise UsageError(msg)
    return tuple(words)
