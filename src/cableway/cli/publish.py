"""``cableway publish``: publish to a stream over HTTP."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import click

from cableway.cli.line import tls_context
from cableway.cli.messages import QUIET_OPTION
from cableway.cli.running import Run
from cableway.cli.secrecy import secret_in_url
from cableway.cli.terminal import say
from cableway.cli.values import FROM_ENVIRONMENT, from_file, read_payload, resolve_address
from cableway.errors import UsageError
from cableway.redact import printable

if TYPE_CHECKING:
    from cableway.server import Publisher

_FILE = click.Path(dir_okay=False)


HELP = """\
Publish JSON, any value, to all who listen to STREAM. URL is the server's, that of its clients will do.

\b
cableway publish http://localhost:8080 news '{"hot": true}'
CABLEWAY_SECRET=... cableway publish wss://example.com/cable room/7 '"hi"'
date +%s | cableway publish https://example.com/_broadcast clock -

What the server wants is derived from its secret, or is its broadcast key; both come from the environment or from a
file. With neither, none is sent: right for a server that runs with --public.
"""


@click.command(help=HELP)
@click.argument("url")
@click.argument("stream")
@click.argument("data", metavar="JSON")
@click.option("--secret-file", type=_FILE, help="The server's secret, in a file. [env: CABLEWAY_SECRET]")
@click.option("--key-file", type=_FILE, help="Its broadcast key, in a file. [env: CABLEWAY_BROADCAST_KEY]")
@click.option(
    "-t",
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Give up after so many seconds.",
)
@click.option("--cacert", type=_FILE, help="Trust the certificates in this file (PEM), and no others.")
@click.option("--json", "_json", is_flag=True, help="No effect: nothing is printed to stdout.", hidden=True)
@QUIET_OPTION
def publish(
    *,
    url: str,
    stream: str,
    data: str,
    secret_file: str | None,
    key_file: str | None,
    timeout: float,
    cacert: str | None,
    quiet: bool,
    _json: bool,
) -> int:
    """Run the command ``publish``."""
    from cableway.server import Publisher

    if not url.startswith(FROM_ENVIRONMENT) and secret_in_url(url):
        say("warning: the URL holds a secret that other users of this machine can read; publishing does not need it")
    secret, key = _credentials(secret_file, key_file)
    value = read_payload(data, "JSON")
    ssl = tls_context(cacert, None, None)
    publisher = Publisher(resolve_address(url), secret=secret, key=key, timeout=timeout, ssl=ssl)
    code = Run(timeout).run(partial(_publish, publisher, stream, value))
    if not code and not quiet:
        say(f"published to {printable(stream)}")
    return code


def _credentials(secret_file: str | None, key_file: str | None) -> tuple[str | None, str | None]:
    if secret_file and key_file:
        msg = "--secret-file and --key-file are two ways to say the same: give one of them"
        raise UsageError(msg)
    # A file is said now, the environment was said once; and a key is the narrower of the two.
    if secret_file:
        return from_file(secret_file, "--secret-file"), None
    if key_file:
        return None, from_file(key_file, "--key-file")
    key = os.environ.get("CABLEWAY_BROADCAST_KEY") or None
    return (None if key else os.environ.get("CABLEWAY_SECRET") or None), key


async def _publish(publisher: Publisher, stream: str, value: object, _run: Run) -> None:
    async with publisher:
        await publisher.publish(stream, value)
