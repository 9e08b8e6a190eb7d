"""``cableway perform``: call an action of a channel."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from cableway.cli.line import TIMEOUT_OPTION, LineChoices, line_options
from cableway.cli.messages import QUIET_OPTION
from cableway.cli.running import Run
from cableway.cli.sending import see_off
from cableway.cli.source import PARAM_OPTION
from cableway.cli.terminal import say
from cableway.cli.values import read_object, read_params
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway import Cable, Subscription


HELP = """\
Subscribe to CHANNEL at URL, call its ACTION, and leave once that has reached the server.

\b
cableway perform wss://example.com/cable ChatChannel speak -p room=42 -d '{"text": "hi"}'
echo '{"text": "hi"}' | cableway perform wss://example.com/cable ChatChannel speak -p room=42 -d -

Action Cable confirms no action: 0 says that the server has it, not what came of it. A line that breaks before that is
certain ends it with 1, and the action may or may not have run.
"""


@click.command(help=HELP)
@click.argument("url")
@click.argument("channel")
@click.argument("action")
@PARAM_OPTION
@click.option(
    "-d", "--data", metavar="JSON", help="The data of the action, a JSON object; - reads it from standard input."
)
@TIMEOUT_OPTION
@click.option("--json", "_json", is_flag=True, help="No effect: nothing is printed to stdout.", hidden=True)
@QUIET_OPTION
@line_options
def perform(
    *,
    channel: str,
    action: str,
    params: tuple[str, ...],
    data: str | None,
    timeout: float,
    quiet: bool,
    _json: bool,
    **line: Any,
) -> int:
    """Run the command ``perform``."""
    fields = read_object(data, "-d")
    cable = LineChoices(**line).cable(timeout)
    subscription = cable.subscribe(channel, read_params(params))
    work = partial(call, cable, subscription, action=action, fields=fields, tell=None if quiet else say)
    return Run(timeout).run(work)


async def call(
    cable: Cable,
    subscription: Subscription[Any],
    run: Run,
    *,
    action: str,
    fields: dict[str, Any],
    tell: Callable[[str], None] | None,
) -> None:
    """Perform *action* and see it off."""
    await see_off(
        cable,
        subscription,
        run,
        lambda: subscription.perform(action, fields),
        unsure=f"the line broke before {printable(action)} had surely arrived; it may or may not have run",
        tell=tell,
    )
    if tell is not None:
        tell(f"performed {printable(action)}")
