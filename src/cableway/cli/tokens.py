"""Where the tokens of a line come from: the options of every command that dials, and the source that they describe."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from cableway.cli.secrecy import secret_in_url
from cableway.cli.terminal import say
from cableway.cli.values import FROM_ENVIRONMENT, from_environment
from cableway.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.auth.carriage import TokenCarriage
    from cableway.auth.providers.base import TokenProvider

TOKEN_OPTIONS = (
    click.option(
        "--token-env", metavar="VARIABLE", help="The token that the server knows us by is in this environment variable."
    ),
    click.option(
        "--token-file",
        type=click.Path(dir_okay=False),
        help="It is in this file, which is read anew for each new token.",
    ),
    click.option(
        "--token-endpoint",
        metavar="URL",
        help='A POST to this address gives it, as {"token": ..., "expires_in": ...}; env:NAME for one with a secret.',
    ),
    click.option(
        "--token-command",
        metavar="COMMAND",
        help="This program prints it; no shell runs it. Asked again in time, as file and address are.",
    ),
    click.option(
        "--token-as",
        metavar="WAY",
        help="How it travels: header:NAME (the default, with x-jid), bearer (Authorization), query:NAME, subprotocol.",
    ),
)


def token_source(options: Mapping[str, Any]) -> TokenProvider | None:
    """Return the source that was named, ``None`` where none was.

    Raises:
        UsageError: There are several, or it cannot be used.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if len(given) > 1:
        names = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        msg = f"{names} are two sources for one token: give one of them"
        raise UsageError(msg)
    return next((_SOURCES[name](value) for name, value in given.items()), None)


def token_way(written: str | None) -> TokenCarriage | None:
    """Read how a token is to travel; ``None`` leaves it to the cable.

    Raises:
        UsageError: There is no such way.
    """
    from cableway.auth.carriage import in_header, in_query, in_subprotocol

    if written is None:
        return None
    way, colon, name = written.partition(":")
    if way in {"header", "query"} and name:
        return in_header(name) if way == "header" else in_query(name)
    if not colon and way in {"bearer", "subprotocol"}:
        return in_header("Authorization", "Bearer") if way == "bearer" else in_subprotocol()
    msg = "--token-as: write header:NAME, bearer, query:NAME or subprotocol"
    raise UsageError(msg)


def _from_variable(variable: str) -> TokenProvider:
    from cableway.auth.providers.static import StaticToken

    # A program that exports a file's content exports its line end, too.
    return StaticToken(from_environment(variable, "--token-env").strip())


def _from_file(path: str) -> TokenProvider:
    from cableway.auth.providers.file import FileToken

    return FileToken(path)


def _from_endpoint(written: str) -> TokenProvider:
    from cableway.auth.providers.endpoint import EndpointToken

    if written.startswith(FROM_ENVIRONMENT):
        return EndpointToken(from_environment(written.removeprefix(FROM_ENVIRONMENT), "--token-endpoint"))
    found = secret_in_url(written)
    if found:
        say(
            f"warning: --token-endpoint holds a secret ({found}) that other users of this machine can read: "
            f"write env:NAME in its place, and keep the address in that environment variable"
        )
    return EndpointToken(written)


def _from_command(written: str) -> TokenProvider:
    from cableway.auth.providers.command import CommandToken

    try:
        words = shlex.split(written)
    except ValueError as error:
        msg = f"--token-command: {str(error).lower()}; quote it as for a shell"
        raise UsageError(msg) from None
    if not words:
        msg = "--token-command: it is empty; name a program that prints a token"
        raise UsageError(msg)
    return CommandToken(words)


_SOURCES: Mapping[str, Callable[[str], TokenProvider]] = {
    "token_env": _from_variable,
    "token_file": _from_file,
    "token_endpoint": _from_endpoint,
    "token_command": _from_command,
}
