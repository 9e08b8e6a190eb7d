"""Reads what is written on a command line: parameters, payloads, and secrets from where they may stand."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cableway.errors import UsageError
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cableway.types import JSONValue

STANDARD_INPUT = "-"
FROM_ENVIRONMENT = "env:"


DATA_EXAMPLE = '\'{"text": "hi"}\', in single quotes for the shell'
PARAMETER_EXAMPLE = "id:=7 or list:='[1, 2]'"


def read_json(text: str, what: str, example: str = DATA_EXAMPLE) -> JSONValue:
    """Read *text* as JSON, *what* being the option or argument that it was given by.

    Raises:
        UsageError: It is no JSON.
    """
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        where = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        msg = f"{what}: not JSON{where}; for example {example}"
        raise UsageError(msg) from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def read_payload(text: str, what: str) -> JSONValue:
    """Read JSON from *text*, or from standard input for ``-``.

    Raises:
        UsageError: It is no JSON.
    """
    if text == STANDARD_INPUT:
        return read_json(sys.stdin.read(), f"{what} (standard input)")
    return read_json(text, what)


def read_object(text: str | None, what: str) -> dict[str, Any]:
    """Read a JSON object; nothing given is an empty one.

    Raises:
        UsageError: It is no JSON object.
    """
    if text is None:
        return {}
    value = read_payload(text, what)
    if isinstance(value, dict):
        return value
    msg = f'{what}: a JSON object is needed, such as \'{{"text": "hi"}}\', not {_kind(value)}'
    raise UsageError(msg)


def _kind(value: JSONValue) -> str:
    kinds = {str: "a string", list: "an array", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def read_params(items: Iterable[str]) -> dict[str, JSONValue]:
    """Read ``name=text`` and ``name:=JSON``.

    Raises:
        UsageError: One has no ``=``, no name, is there twice, or is typed and no JSON.
    """
    params: dict[str, JSONValue] = {}
    for item in items:
        name, equals, text = item.partition("=")
        typed = name.endswith(":")
        name = name.removesuffix(":")
        if not equals or not name:
            msg = f"-p {printable(item)}: write name=text, or name:=JSON for a number, true, false, null, a list"
            raise UsageError(msg)
        if name in params:
            msg = f"-p {printable(name)}: given twice"
            raise UsageError(msg)
        params[name] = read_json(text, f"-p {printable(name)}", PARAMETER_EXAMPLE) if typed else text
    return params


def from_environment(variable: str, what: str) -> str:
    """Return the value of an environment variable.

    Raises:
        UsageError: It is not set, or empty.
    """
    value = os.environ.get(variable)
    if not value:
        msg = f"{what}: the environment variable {printable(variable)} is not set, or empty"
        raise UsageError(msg)
    return value


def from_file(path: str, what: str) -> str:
    """Return the content of a text file, without the newline at its end.

    Raises:
        UsageError: It cannot be read, or is empty.
    """
    try:
        text = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        msg = f"{what}: cannot read {printable(path)}: {why}"
        raise UsageError(msg) from None
    if not text:
        msg = f"{what}: {printable(path)} is empty"
        raise UsageError(msg)
    return text


def resolve_address(written: str) -> str:
    """Return the address that *written* means: itself, or what the variable of ``env:NAME`` holds."""
    if written.startswith(FROM_ENVIRONMENT):
        return from_environment(written.removeprefix(FROM_ENVIRONMENT), "URL")
    return written
