"""``cableway history``: print what a server still has of a channel's past."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from cableway.cli.line import OPEN_TIMEOUT, TIMEOUT_OPTION, LineChoices, line_options, opened
from cableway.cli.messages import message_options, writer
from cableway.cli.moments import moment
from cableway.cli.outlet import Outlet, watched
from cableway.cli.running import Run
from cableway.cli.source import Source, source_options, take_source
from cableway.cli.status import count_messages, remember_trouble, tell_cable, tell_subscription
from cableway.cli.terminal import say
from cableway.errors import NotConnected
from cableway.hub.recall.healing import GRACE

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway import Cable, Message, Subscription
    from cableway.cli.messages import Writer

ALL = datetime.fromtimestamp(1, UTC)
"""From when on a server is asked for all that it has."""
NEWEST = 3 * GRACE
"""Seconds in which the newest messages are handed over: the library keeps them for a moment, to bring them in order."""
AGAIN = 0.1
"""Seconds between two looks whether a line that broke is back."""
AT_ONCE = 256

HELP = """\
Print the messages of CHANNEL at URL that the server still has, oldest first, and end.

\b
cableway history wss://example.com/cable ChatChannel -p room=42
cableway history ws://localhost:8080/cable --stream news --since 15m | jq .headline
cableway history ws://localhost:8080/cable --stream news --since 12:00 --last 10

Only AnyCable with a broker, and Cableway's gateway, keep messages: so many, and for so long. A server that keeps none
ends it with 1.
"""


@click.command(help=HELP)
@click.argument("url")
@source_options
@click.option(
    "--since",
    type=moment,
    metavar="MOMENT",
    help="Nothing older: 90 (seconds), 15m, 2030-01-31T12:00Z, 12:00.  [default: all that the server has]",
)
@click.option("-n", "--last", type=click.IntRange(min=1), help="The newest so many only.")
@TIMEOUT_OPTION
@message_options
@line_options
def history(
    *,
    since: datetime | timedelta | None,
    last: int | None,
    timeout: float,
    as_json: bool,
    envelope: bool,
    quiet: bool,
    **rest: Any,
) -> int:
    """Run the command ``history``."""
    source = take_source(rest)
    cable = LineChoices(**rest).cable(timeout)
    write = writer(as_json=as_json, envelope=envelope)
    begin = ALL if since is None else since
    work = partial(recount, cable, source, since=begin, last=last, write=write, tell=None if quiet else say)
    return Run(timeout).run(work)


async def recount(
    cable: Cable,
    source: Source,
    run: Run,
    *,
    since: datetime | timedelta,
    last: int | None,
    write: Writer,
    tell: Callable[[str], None] | None,
) -> None:
    """Write what the server has of *source*."""
    from cableway import SubscriptionOptions

    outlet = Outlet()
    # The oldest count: what comes while this runs is no history.
    subscription = source.subscribe(cable, SubscriptionOptions(overflow="drop_newest"))
    remember_trouble(cable, run)
    if tell is not None:
        tell_cable(cable, tell)
        tell_subscription(subscription, source.label, tell)
    async with watched(outlet, run), opened(cable):
        await subscription
        found = await past(subscription, since, run.timeout or OPEN_TIMEOUT)
        told = found if last is None else found[-last:]
        for first in range(0, len(told), AT_ONCE):
            await outlet.write(write(told[first : first + AT_ONCE]))
    if tell is not None:
        tell(f"{count_messages(len(told))} of {source.label}")


async def past(subscription: Subscription[Any], since: datetime | timedelta, timeout: float) -> list[Message[Any]]:
    """Return what the server has, oldest first in each stream, and each message once.

    What was published about when the subscription was made is not told with the past, but delivered as new.
    """
    found = await _asked(subscription, since, timeout)
    await asyncio.sleep(NEWEST)
    while messages := subscription.take():
        found += messages
    # What has no place is not of the past: a whisper. What came before the question was told by both.
    once = {_place(message): message for message in found if message.offset is not None}
    for message in once.values():
        message.replayed = True
    return list(once.values())


async def _asked(subscription: Subscription[Any], since: datetime | timedelta, timeout: float) -> list[Message[Any]]:
    while True:
        try:
            return await subscription.history(since, timeout=timeout)
        except NotConnected:
            # The line broke meanwhile; the next call waits until the subscription is back.
            await asyncio.sleep(AGAIN)


def _place(message: Message[Any]) -> tuple[str | None, str | None, int | None]:
    return message.stream, message.epoch, message.offset
