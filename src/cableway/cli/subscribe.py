"""``cableway subscribe``: print what a channel sends."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from cableway.cli.line import LineChoices, line_options
from cableway.cli.messages import as_lines, for_people
from cableway.cli.outlet import Outlet
from cableway.cli.running import Run
from cableway.cli.status import remember_trouble, tell_cable, tell_subscription
from cableway.cli.terminal import say, wants_json
from cableway.cli.values import from_environment, read_params
from cableway.errors import UsageError
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from cableway import Cable, Message, Subscription

    Writer = Callable[[Sequence[Message[Any]]], bytes]

AT_ONCE = 256
"""Most messages written at a time."""


@frozen(kw_only=True)
class Source:
    """What to subscribe to: a channel, or a stream of ``$pubsub``."""

    channel: str | None
    params: tuple[str, ...] = ()
    stream: str | None = None
    signed_stream_env: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what names nothing, or several things."""
        if sum(name is not None for name in (self.channel, self.stream, self.signed_stream_env)) != 1:
            msg = "name one thing to subscribe to: a CHANNEL, --stream NAME or --signed-stream-env VARIABLE"
            raise UsageError(msg)
        if self.params and self.channel is None:
            msg = "-p goes with a CHANNEL: streams have no parameters"
            raise UsageError(msg)

    @property
    def label(self) -> str:
        """What to call it."""
        if self.channel is not None:
            return printable(" ".join((self.channel, *self.params)))
        return f"the stream {printable(self.stream)}" if self.stream is not None else "the signed stream"

    def subscribe(self, cable: Cable) -> Subscription[Any]:
        """Subscribe, and lose nothing if the messages are read slowly."""
        from cableway import SubscriptionOptions

        options = SubscriptionOptions(overflow="pause")
        if self.stream is not None:
            return cable.stream(self.stream, options=options)
        if self.signed_stream_env is not None:
            return cable.signed_stream(from_environment(self.signed_stream_env, "--signed-stream-env"), options=options)
        return cable.subscribe(self.channel or "", read_params(self.params), options=options)


HELP = """\
Subscribe to CHANNEL at URL and print its messages; the line comes back by itself when it breaks.

\b
cableway subscribe wss://example.com/cable ChatChannel -p room=42
cableway subscribe wss://example.com/cable ChatChannel -p room=42 --count 1 | jq .text
cableway subscribe ws://localhost:8080/cable --stream news --timeout 10
cableway subscribe env:CABLE_URL ChatChannel -p id:=7 --header-env x-jid=TOKEN

Without --count it goes on until Ctrl-C or --timeout, and that is success (0) once it was subscribed. With --count,
a --timeout that comes first ends it with 5. Secrets come from the environment (env:NAME as URL, --header-env,
--query-env, --cookie-env) or from a file (--headers-file).
"""


@click.command(help=HELP)
@click.argument("url")
@click.argument("channel", required=False)
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=TEXT", help="A parameter; NAME:=JSON for other types."
)
@click.option("--stream", metavar="NAME", help="In place of CHANNEL: a public stream (AnyCable).")
@click.option(
    "--signed-stream-env", metavar="VARIABLE", help="In place of CHANNEL: a signed stream name, from the environment."
)
@click.option("-n", "--count", type=click.IntRange(min=1), help="End after so many messages.")
@click.option("-t", "--timeout", type=click.FloatRange(min=0, min_open=True), help="End after so many seconds.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines, also to a terminal.")
@click.option("--envelope", is_flag=True, help='Write {"data": ..., "received_at": ...} in place of the data alone.')
@click.option("-q", "--quiet", is_flag=True, help="No status lines.")
@line_options
def subscribe(
    *,
    channel: str | None,
    params: tuple[str, ...],
    stream: str | None,
    signed_stream_env: str | None,
    count: int | None,
    timeout: float | None,
    as_json: bool,
    envelope: bool,
    quiet: bool,
    **line: Any,
) -> int:
    """Run the command ``subscribe``."""
    source = Source(channel=channel, params=params, stream=stream, signed_stream_env=signed_stream_env)
    cable = LineChoices(**line).cable(timeout)
    write = _writer(as_json=as_json or envelope, whole=envelope)
    work = partial(follow, cable, source, write=write, count=count, tell=None if quiet else say)
    return Run(timeout).run(work)


def _writer(*, as_json: bool, whole: bool) -> Writer:
    if not wants_json(asked=as_json):
        try:
            return for_people(shutil.get_terminal_size().columns)
        except ImportError:
            say("warning: colours need an optional dependency: pip install 'cableway[cli]'")
    return partial(as_lines, whole=whole)


async def follow(
    cable: Cable,
    source: Source,
    run: Run,
    *,
    write: Writer,
    count: int | None,
    tell: Callable[[str], None] | None,
) -> None:
    """Write the messages of *source*, *count* of them or as many as come."""
    outlet = Outlet()
    subscription = source.subscribe(cable)
    remember_trouble(cable, run)
    if tell is not None:
        tell_cable(cable, tell)
        tell_subscription(subscription, source.label, tell)
    async with _watched(outlet, run), _opened(cable), subscription:
        run.satisfied = count is None
        await _copy(subscription, write, outlet, count, run)


@asynccontextmanager
async def _watched(outlet: Outlet, run: Run) -> AsyncIterator[None]:
    watch = asyncio.create_task(outlet.watch(run.reader_gone), name="cableway-reader-watch")
    try:
        yield
    finally:
        watch.cancel()


@asynccontextmanager
async def _opened(cable: Cable) -> AsyncIterator[None]:
    try:
        await cable.open()
        yield
    finally:
        await cable.close(timeout=1)


async def _copy(subscription: Subscription[Any], write: Writer, outlet: Outlet, count: int | None, run: Run) -> None:
    written = 0
    if count is not None:
        run.progress = lambda: f"{written} of {count} messages came"
    async for message in subscription:
        batch = [message]
        most = AT_ONCE if count is None else min(AT_ONCE, count - written)
        while len(batch) < most and subscription.stats().unread:
            batch.append(await anext(subscription))
        await outlet.write(write(batch))
        written += len(batch)
        if written == count:
            return
