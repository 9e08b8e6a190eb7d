"""``cableway whisper``: say something to the other clients of a channel, past the application."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from cableway.cli.exits import Failure
from cableway.cli.line import TIMEOUT_OPTION, LineChoices, line_options
from cableway.cli.messages import QUIET_OPTION
from cableway.cli.running import Run
from cableway.cli.sending import see_off
from cableway.cli.source import Source, source_options, take_source
from cableway.cli.terminal import say
from cableway.cli.values import read_payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway import Cable
    from cableway.types import JSONValue

HELP = """\
Whisper to the other clients of CHANNEL at URL: any JSON value, past the application, kept nowhere.

\b
cableway whisper wss://example.com/cable ChatChannel -p room=42 -d '{"typing": "ann"}'
cableway whisper ws://localhost:8080/cable --stream room/42 -d '{"probe": 1}' --check
date +%s | cableway whisper ws://localhost:8080/cable --stream clock -d -

0 says that the server has it. AnyCable drops whispers without a word where the channel does not allow them: --check
listens on a second line, and ends with 1 if nothing arrives there. All other clients hear that whisper, too.
"""


@click.command(help=HELP)
@click.argument("url")
@source_options
@click.option("-d", "--data", metavar="JSON", required=True, help="What to whisper; - reads it from standard input.")
@click.option("--check", is_flag=True, help="Find out whether it arrives: subscribe by a second line, and listen.")
@TIMEOUT_OPTION
@click.option("--json", "_json", is_flag=True, help="No effect: nothing is printed to stdout.", hidden=True)
@QUIET_OPTION
@line_options
def whisper(*, data: str, check: bool, timeout: float, quiet: bool, _json: bool, **rest: Any) -> int:
    """Run the command ``whisper``."""
    source = take_source(rest)
    value = read_payload(data, "-d")
    cable = LineChoices(**rest).cable(timeout)
    work = partial(murmur, cable, source, value=value, check=check, tell=None if quiet else say)
    return Run(timeout).run(work)


async def murmur(
    cable: Cable,
    source: Source,
    run: Run,
    *,
    value: JSONValue,
    check: bool,
    tell: Callable[[str], None] | None,
) -> None:
    """Whisper *value*, and with *check* find out whether it arrives."""
    from cableway import SubscriptionOptions

    subscription = source.subscribe(cable, SubscriptionOptions())

    async def send() -> None:
        if not check:
            await subscription.whisper(value)
        elif not await subscription.whispers_pass(value):
            msg = (
                f"the server took the whisper and did not pass it on: it does not allow whispers in {source.label} "
                "(AnyCable does on public streams, and with --streams_whisper on signed ones)"
            )
            raise Failure(msg)

    unsure = "the line broke before the whisper had surely arrived; others may or may not have heard it"
    await see_off(cable, subscription, run, send, unsure=unsure, tell=tell)
    if tell is not None:
        tell(f"whispered to {source.label}" + ("; a second line heard it" if check else ""))
