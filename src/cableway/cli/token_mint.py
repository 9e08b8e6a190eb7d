"""``cableway token mint``: print a token."""

from __future__ import annotations

import os
import warnings

import click

from cableway.cli.durations import duration
from cableway.cli.terminal import say
from cableway.cli.values import from_environment, from_file, read_params
from cableway.errors import UsageError

VARIABLES = tuple(f"{product}_{name}" for product in ("CABLEWAY", "ANYCABLE") for name in ("JWT_SECRET", "SECRET"))
"""Where the secret is, unless it is said: those of the gateway, and of AnyCable."""
_FILE = click.Path(dir_okay=False)

HELP = """\
Print a token for a client, and nothing else.

\b
CABLEWAY_SECRET=... cableway token mint -i user_id=7 --life 1h
cableway token mint --secret-file secret.txt -i user_id:=7 -i role=driver

The secret is the server's: --jwt-secret, or else --secret. It comes from a file or from the environment: from
CABLEWAY_JWT_SECRET, CABLEWAY_SECRET, ANYCABLE_JWT_SECRET or ANYCABLE_SECRET, the first that is set, or from what
--secret-env names.
"""


@click.command(help=HELP)
@click.option(
    "-i",
    "--identifier",
    "identifiers",
    multiple=True,
    metavar="NAME=TEXT",
    help="Who the client is; NAME:=JSON for other types. May be repeated.",
)
@click.option(
    "--life",
    type=duration,
    default="1h",
    show_default=True,
    metavar="DURATION",
    help="How long it is good: seconds, or such as 15m, 1h, 7d.",
)
@click.option(
    "--algorithm",
    type=click.Choice(["HS256", "HS384", "HS512"]),
    default="HS256",
    show_default=True,
    help="How it is signed; all of them are AnyCable's.",
)
@click.option("--secret-env", metavar="VARIABLE", help="The secret is in this environment variable.")
@click.option("--secret-file", type=_FILE, help="The secret is in this file.")
@click.argument("surplus", nargs=-1, type=click.UNPROCESSED, metavar="")
def mint(
    *,
    identifiers: tuple[str, ...],
    life: int,
    algorithm: str,
    secret_env: str | None,
    secret_file: str | None,
    surplus: tuple[str, ...],
) -> int:
    """Run the command ``token mint``."""
    from cableway.auth.minting import mint_token

    refuse_arguments(surplus)
    who = read_params(identifiers)
    if not who:
        msg = "say who the client is: -i user_id=7"
        raise UsageError(msg)
    secret = read_secret(secret_env, secret_file) or _usual_secret()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        token = mint_token(who, secret=secret, life=life, algorithm=algorithm)
    for warning in warned:
        say(f"warning: {warning.message}")
    click.echo(token)
    return 0


def read_secret(variable: str | None, path: str | None) -> str | None:
    """Read a server's secret from where it was said to be, ``None`` if nothing was said.

    Raises:
        UsageError: It is said to be at two places, or is not there.
    """
    if variable and path:
        msg = "--secret-env and --secret-file are two places for one secret: give one of them"
        raise UsageError(msg)
    if variable:
        return from_environment(variable, "--secret-env")
    return from_file(path, "--secret-file") if path else None


def refuse_arguments(surplus: tuple[str, ...]) -> None:
    """Refuse what stands on the command line without a name, and do not repeat it: it may be a token, or a secret.

    Raises:
        UsageError: There is something.
    """
    if surplus:
        msg = (
            "neither tokens nor secrets are taken from the command line, other users of this machine can read it: "
            "put them into the environment, a file, or (a token to inspect) standard input"
        )
        raise UsageError(msg)


def _usual_secret() -> str:
    found = next(filter(None, map(os.environ.get, VARIABLES)), None)
    if found is None:
        msg = f"there is no secret: set {VARIABLES[1]}, or give --secret-env or --secret-file"
        raise UsageError(msg)
    return found
