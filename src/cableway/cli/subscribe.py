"""``cableway subscribe``: print what a channel sends."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from cableway.cli.bookmarks import BookmarkFile
from cableway.cli.durations import duration
from cableway.cli.line import LineChoices, line_options, opened
from cableway.cli.messages import message_options, writer
from cableway.cli.moments import moment
from cableway.cli.outlet import Outlet, watched
from cableway.cli.running import Run
from cableway.cli.source import Source, source_options, take_source
from cableway.cli.status import remember_trouble, tell_cable, tell_subscription
from cableway.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from cableway import Cable, Subscription, SubscriptionOptions
    from cableway.cli.messages import Writer

AT_ONCE = 256
"""Most messages written at a time."""

HELP = """\
Subscribe to CHANNEL at URL and print its messages; the line comes back by itself when it breaks.

\b
cableway subscribe wss://example.com/cable ChatChannel -p room=42
cableway subscribe wss://example.com/cable ChatChannel -p room=42 --count 1 | jq .text
cableway subscribe ws://localhost:8080/cable --stream news --since 5m --timeout 10
cableway subscribe ws://localhost:8080/cable --stream orders --from-position orders.db | process-orders
cableway subscribe env:CABLE_URL ChatChannel -p id:=7 --header-env x-jid=TOKEN

Without --count it goes on until Ctrl-C or --timeout, and that is success (0) once it was subscribed. With --count,
a --timeout that comes first ends it with 5. Secrets come from the environment (env:NAME as URL, --header-env,
--query-env, --cookie-env) or from a file (--headers-file).
"""


@click.command(help=HELP)
@click.argument("url")
@source_options
@click.option(
    "--since",
    type=moment,
    metavar="MOMENT",
    help="Begin with what the server still has since then: 90 (seconds), 15m, 2030-01-31T12:00Z, 12:00 (AnyCable).",
)
@click.option(
    "--from-position",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Go on after the last message that an earlier run with this FILE printed; it is made if need be (AnyCable).",
)
@click.option("--max-age", type=duration, metavar="DURATION", help="Tell when no message has come for so long.")
@click.option("-n", "--count", type=click.IntRange(min=1), help="End after so many messages.")
@click.option("-t", "--timeout", type=click.FloatRange(min=0, min_open=True), help="End after so many seconds.")
@message_options
@line_options
def subscribe(
    *,
    since: datetime | timedelta | None,
    file: str | None,
    max_age: int | None,
    count: int | None,
    timeout: float | None,
    as_json: bool,
    envelope: bool,
    quiet: bool,
    **rest: Any,
) -> int:
    """Run the command ``subscribe``."""
    from cableway import SubscriptionOptions

    source = take_source(rest)
    tell = None if quiet else say
    kept = None if file is None else BookmarkFile(file, tell)
    cable = LineChoices(**rest).cable(timeout, positions=None if kept is None else kept.store)
    # Nothing is lost where messages are read slowly, and none counts as seen before it was written.
    options = SubscriptionOptions(overflow="pause", since=since, commit="ack" if kept else "receipt", max_age=max_age)
    write = writer(as_json=as_json, envelope=envelope)
    work = partial(follow, cable, source, options=options, write=write, count=count, kept=kept, tell=tell)
    return Run(timeout).run(work)


async def follow(
    cable: Cable,
    source: Source,
    run: Run,
    *,
    options: SubscriptionOptions,
    write: Writer,
    count: int | None,
    kept: BookmarkFile | None,
    tell: Callable[[str], None] | None,
) -> None:
    """Write the messages of *source*, *count* of them or as many as come."""
    outlet = Outlet()
    subscription = source.subscribe(cable, options)
    remember_trouble(cable, run)
    if tell is not None:
        tell_cable(cable, tell)
        tell_subscription(subscription, source.label, tell)
    async with watched(outlet, run), opened(cable), subscription:
        run.satisfied = count is None
        await _copy(subscription, write, outlet, count=count, kept=kept, run=run)


async def _copy(
    subscription: Subscription[Any],
    write: Writer,
    outlet: Outlet,
    *,
    count: int | None,
    kept: BookmarkFile | None,
    run: Run,
) -> None:
    written = 0
    # Killed between writing and keeping, it writes once more what was not kept: so that is one message at most.
    most = AT_ONCE if kept is None else 1
    if count is not None:
        run.progress = lambda: f"{written} of {count} messages came"
    async for message in subscription:
        batch = [message]
        room = most if count is None else min(most, count - written)
        while len(batch) < room and subscription.stats().unread:
            batch.append(await anext(subscription))
        await outlet.write(write(batch))
        written += len(batch)
        if kept is not None:
            await kept.done(message)
        if written == count:
            return
