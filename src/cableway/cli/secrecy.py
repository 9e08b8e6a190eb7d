"""What must not stand on a command line, because every user of the machine can read it there."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from cableway.cli.values import from_environment, from_file
from cableway.errors import UsageError
from cableway.redact import printable

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-jid"})
_SECRET_WORDS = re.compile(r"token|secret|passw|auth|session|api[-_]?key|jid|jwt|^key$|^sid$", re.IGNORECASE)


def is_secret_header(name: str) -> bool:
    """Tell whether a header of this name is likely to carry a secret."""
    return name.lower() in _SECRET_HEADERS or _SECRET_WORDS.search(name) is not None


def secret_in_url(url: str) -> str | None:
    """Name the part of *url* that is likely a secret, if there is one."""
    try:
        parts = urlsplit(url)
        if "@" in parts.netloc:
            return "user and password"
        names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    except ValueError:
        return None
    found = next((name for name in names if _SECRET_WORDS.search(name)), None)
    return None if found is None else f"the query parameter {printable(found)}"


def read_plain_header(text: str) -> tuple[str, str]:
    """Read ``Name: value``.

    Raises:
        UsageError: There is no colon, or the header is one that carries secrets.
    """
    name, colon, value = text.partition(":")
    name = name.strip()
    if not colon or not name:
        msg = "-H: write a header as 'Name: value'"
        raise UsageError(msg)
    if is_secret_header(name):
        msg = (
            f"-H {printable(name)}: other users of this machine can read a command line; put the value into an "
            f"environment variable and say --header-env {printable(name)}=VARIABLE, or use --headers-file"
        )
        raise UsageError(msg)
    return name, value.strip()


def read_named_variable(text: str, option: str) -> tuple[str, str]:
    """Read ``NAME=VARIABLE`` and return the name with the variable's value.

    Raises:
        UsageError: It is written differently, or the variable is not set.
    """
    name, _, variable = text.partition("=")
    if not name or not variable:
        msg = f"{option}: write NAME=VARIABLE, the variable being one of the environment"
        raise UsageError(msg)
    return name, from_environment(variable, f"{option} {printable(name)}")


def read_headers_file(path: str) -> dict[str, str]:
    """Read a file with a header a line; empty lines and those that start with ``#`` are passed over.

    Raises:
        UsageError: It cannot be read, or a line is no header. The text does not show the line.
    """
    headers: dict[str, str] = {}
    for number, line in enumerate(from_file(path, "--headers-file").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            msg = f"--headers-file: line {number} of {printable(path)} is not written as 'Name: value'"
            raise UsageError(msg)
        headers[name.strip()] = value.strip()
    return headers
