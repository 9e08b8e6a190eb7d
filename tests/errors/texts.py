"""What the tests of all errors share."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from cableway import errors
from cableway.errors import CableError

URL = "wss://user:sesame@example.com/cable?token=sesame&room=7"
SHOWN = "wss://***@example.com/cable?token=***&room=7"
CHANNEL = '{"channel":"ChatChannel","room":42}'
HOSTILE: Any = "\x1b[31mred\r\n" + "x" * 10_000


def defined_in(module: str) -> list[type[CableError]]:
    """Return the errors that one module of the package defines."""
    name = f"{errors.__name__}.{module}"
    found: list[type[CableError]] = []
    for _, item in inspect.getmembers(importlib.import_module(name), inspect.isclass):
        if item.__module__ == name:
            assert issubclass(item, CableError)
            found.append(item)
    return found


def names(cases: list[tuple[CableError, str, bool]]) -> list[str]:
    """Name each case."""
    return [f"{type(error).__name__}-{number}" for number, (error, _, _) in enumerate(cases)]


def check_text(error: CableError, text: str, *, retryable: bool) -> None:
    """Hold *error* to its text, and to the rules for all of them."""
    assert str(error) == text
    assert error.retryable is retryable
    for shown in (str(error), repr(error)):
        assert "sesame" not in shown
        assert "\n" not in shown
