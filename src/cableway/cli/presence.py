"""``cableway presence``: print who is present, follow who comes and goes, and be present."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from cableway.cli.line import OPEN_TIMEOUT, LineChoices, line_options, opened
from cableway.cli.messages import JSON_OPTION, QUIET_OPTION
from cableway.cli.outlet import Outlet, watched
from cableway.cli.roster import JOINED, LEFT, PRESENT, News, writer
from cableway.cli.running import Run
from cableway.cli.source import Source, source_options, take_source
from cableway.cli.status import remember_trouble, tell_cable, tell_subscription
from cableway.cli.terminal import say
from cableway.cli.values import read_payload
from cableway.errors import UsageError
from cableway.events import (
    Closed,
    ConfirmationTimedOut,
    Connected,
    Event,
    PresenceJoined,
    PresenceLeft,
    PresenceSynced,
    PresenceUnavailable,
    Rejected,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cableway import Cable, Member, Subscription
    from cableway.cli.roster import Writer
    from cableway.types import JSONValue

TOLD = (Connected, ConfirmationTimedOut, PresenceUnavailable)

HELP = """\
Print who is present in CHANNEL at URL, and end; or follow who comes and goes.

\b
cableway presence wss://example.com/cable ChatChannel -p room=42
cableway presence ws://localhost:8080/cable --stream room/42 --watch
cableway presence ws://localhost:8080/cable --stream room/42 --join ann --info '{"name": "Ann"}'
cableway presence ws://localhost:8080/cable --stream room/42 --total

On a terminal it is a table; a program reads {"id": ..., "info": ...}, a line each, and with --watch also an "event":
present, joined or left. With --watch or --join it goes on until Ctrl-C or --timeout, and that is success (0). Only
AnyCable with a broker, and Cableway's gateway, know who is present.
"""


@frozen(kw_only=True)
class Part:
    """What to do in the room."""

    watch: bool = False
    total: bool = False
    join: str | None = None
    info: JSONValue = None

    @property
    def stays(self) -> bool:
        """Whether it goes on until it is told to stop."""
        return self.watch or self.join is not None


@click.command(help=HELP)
@click.argument("url")
@source_options
@click.option("-w", "--watch", is_flag=True, help="Go on, and tell who joins and who leaves.")
@click.option("--join", metavar="ID", help="Be present by this id for as long as the command runs; it then watches.")
@click.option("--info", metavar="JSON", help="What others see of us, any JSON; - reads it from standard input.")
@click.option("--total", is_flag=True, help="Print how many there are, and nothing else.")
@click.option(
    "-t",
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    help=f"End after so many seconds.  [default: {OPEN_TIMEOUT:g}, with --watch or --join none]",
)
@JSON_OPTION
@QUIET_OPTION
@line_options
def presence(
    *,
    watch: bool,
    join: str | None,
    info: str | None,
    total: bool,
    timeout: float | None,
    as_json: bool,
    quiet: bool,
    **rest: Any,
) -> int:
    """Run the command ``presence``."""
    source = take_source(rest)
    if info is not None and join is None:
        msg = "--info goes with --join: say who we are"
        raise UsageError(msg)
    part = Part(watch=watch, total=total, join=join, info=None if info is None else read_payload(info, "--info"))
    if part.total and part.stays:
        msg = "--total prints a number and ends: give it without --watch and --join"
        raise UsageError(msg)
    limit = timeout if part.stays else timeout or OPEN_TIMEOUT
    cable = LineChoices(**rest).cable(limit)
    write = writer(as_json=as_json, named=part.stays)
    return Run(limit).run(partial(attend, cable, source, part=part, write=write, tell=None if quiet else say))


async def attend(
    cable: Cable, source: Source, run: Run, *, part: Part, write: Writer, tell: Callable[[str], None] | None
) -> None:
    """Do *part* in *source*, and write who is there."""
    from cableway import SubscriptionOptions, latest_by

    outlet = Outlet()
    # Its messages are of no interest here, and must not pile up.
    subscription = source.subscribe(cable, SubscriptionOptions(overflow=latest_by(lambda _: None), max_messages=1))
    heard = hear(cable, subscription)
    remember_trouble(cable, run)
    if tell is not None:
        tell_cable(cable, tell)
        tell_subscription(subscription, source.label, tell, about=TOLD)

    def count(number: int) -> None:
        if tell is not None:
            tell(f"{number} present in {source.label}")

    async with watched(outlet, run), opened(cable), subscription:
        if part.total:
            await outlet.write(f"{await subscription.presence.total()}\n".encode())
        elif not part.stays:
            there = await subscription.presence.get()
            count(len(there))
            await outlet.write(write(list(_all(there.values()))))
        else:
            if part.join is not None:
                await subscription.presence.join(part.join, part.info)
            count(len(await subscription.presence.get()))
            run.satisfied = True
            await _follow(subscription, heard, outlet, write)


def hear(cable: Cable, subscription: Subscription[Any]) -> asyncio.Queue[Event]:
    """Return a queue of what is told from now on of who is present, and of an end for good."""
    heard: asyncio.Queue[Event] = asyncio.Queue()
    for kind in (PresenceJoined, PresenceLeft, PresenceSynced, Rejected):
        subscription.on(kind, heard.put_nowait)
    cable.on(Closed, heard.put_nowait)
    return heard


async def _follow(subscription: Subscription[Any], heard: asyncio.Queue[Event], outlet: Outlet, write: Writer) -> None:
    known = False
    while True:
        event = await heard.get()
        if isinstance(event, Rejected | Closed):
            # Raises what has ended it.
            await subscription
        elif not known and isinstance(event, PresenceSynced):
            # Whoever came or went before that is in here, or is not.
            known = True
            await outlet.write(write(list(_all(event.members))))
        elif known and isinstance(event, PresenceJoined | PresenceLeft):
            word = JOINED if isinstance(event, PresenceJoined) else LEFT
            await outlet.write(write([News(word, event.member)]))


def _all(members: Iterable[Member]) -> Iterable[News]:
    return (News(PRESENT, member) for member in members)
