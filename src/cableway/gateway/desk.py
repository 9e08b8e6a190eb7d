"""Runs a session's commands: those that users' channels answer, and those that the gateway does."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from cableway.errors import MalformedFrame
from cableway.gateway.broker import OutOfReach
from cableway.gateway.cache import KeptChannel
from cableway.gateway.channel import Channel, takes_data
from cableway.gateway.streams import Broadcast, broadcast_data
from cableway.gateway.subscription import Subscription, run
from cableway.redact import printable
from cableway.wire.codecs.json import dump_text, load
from cableway.wire.commands import AskPresence, History, Join, Leave, Perform, Subscribe, Unsubscribe, Whisper
from cableway.wire.frames import ConfirmHistory, PresenceInfo, RejectHistory
from cableway.wire.server_session import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.gateway.broker import Kept
    from cableway.gateway.connection import Connection
    from cableway.gateway.house import House
    from cableway.gateway.subscription import Outbox
    from cableway.types import JSONValue
    from cableway.wire.dialects.extended_server import ExtendedFrame
    from cableway.wire.positions import HistoryQuery, Member
    from cableway.wire.server_session import AppCommand

log: logging.Logger = logging.getLogger("cableway.gateway")


class Clerk:
    """Keeps the channels of one session."""

    def __init__(
        self,
        house: House,
        connection: Connection,
        outbox: Outbox,
        say: Callable[[str, ExtendedFrame], None],
        *,
        kept: bool,
    ) -> None:
        self._house = house
        self._connection = connection
        self._outbox = outbox
        # Sends a frame of one subscription, if that is still there.
        self._say = say
        # Whether presence lasts as long as the session, as on the extended protocol.
        self._kept = kept
        self._channels: dict[str, tuple[Channel, Subscription]] = {}

    @property
    def subscriptions(self) -> int:
        """How many subscriptions are confirmed."""
        return sum(subscription.confirmed for _, subscription in self._channels.values())

    async def run(self, command: AppCommand) -> Verdict:
        """Run one command."""
        match command:
            case Subscribe(identifier):
                return await self._subscribe(identifier)
            case Unsubscribe(identifier):
                return await self.unsubscribe(identifier)
            case Perform(identifier, data):
                return await self._perform(self._channels[identifier][0], data)
            case History(identifier, query):
                self._tell_past(identifier, query)
            case Join(identifier, member):
                self._join(identifier, member)
            case _:
                self._attend(command)
        return Verdict.DONE

    async def end(self) -> None:
        """Stop all streams and timers."""
        for _, subscription in self._channels.values():
            await subscription.end()

    # Sessions that are asked back

    def keep(self) -> dict[str, KeptChannel]:
        """Return the confirmed subscriptions as they are."""
        return {
            identifier: KeptChannel(
                type(channel),
                subscription.params,
                {name: value for name, value in vars(channel).items() if name != "_subscription"},
                subscription.listening.copy(),
            )
            for identifier, (channel, subscription) in self._channels.items()
            if subscription.confirmed
        }

    def restore(self, channels: Mapping[str, KeptChannel]) -> None:
        """Have subscriptions as they were, without asking the channels."""
        for identifier, kept in channels.items():
            subscription = self._new(identifier, kept.params)
            channel = kept.kind(subscription)
            vars(channel).update(kept.attributes)
            self._channels[identifier] = (channel, subscription)
            subscription.resume(kept.listening)
            subscription.start(channel)

    # What channels answer

    def _new(self, identifier: str, params: Mapping[str, JSONValue]) -> Subscription:
        return Subscription(
            identifier, params, connection=self._connection, outbox=self._outbox, streams=self._house.streams
        )

    async def _subscribe(self, identifier: str) -> Verdict:
        name, params = read_identifier(identifier)
        channel_class = self._house.channels.get(name)
        if channel_class is None:
            log.info("no channel is called %s: rejected", printable(name) or "(nothing)")
            # Rails writes it into its log, and the client waits for ever.
            return Verdict.FAILED if self._house.options.flavour == "rails" else Verdict.REJECTED
        subscription = self._new(identifier, params)
        try:
            channel = channel_class(subscription)
            self._channels[identifier] = (channel, subscription)
            await run(channel.subscribed)
        except Exception:
            log.exception("%s.subscribed failed; the client gets no answer", name)
            self._house.counters["failed_commands"] += 1
            await subscription.end()
            self._channels.pop(identifier, None)
            return Verdict.FAILED
        if subscription.rejected:
            await self._forget(identifier)
            return Verdict.REJECTED
        subscription.start(channel)
        return Verdict.CONFIRMED

    async def unsubscribe(self, identifier: str) -> Verdict:
        """End one subscription."""
        channel, subscription = self._channels[identifier]
        present = subscription.listening.presence
        # First of all nothing more is sent; ``unsubscribed`` may still broadcast.
        await subscription.end()
        if present is not None:
            self._leave(present)
        done = await self._call(f"{channel.name}.unsubscribed", channel.unsubscribed)
        # Once more: it may have listened to something anew.
        await self._forget(identifier)
        return Verdict.DONE if done else Verdict.FAILED

    async def hang_up(self, identifier: str) -> None:
        """End one subscription because the client is gone: who was present still is, for a little longer."""
        channel, subscription = self._channels[identifier]
        await subscription.end()
        await self._call(f"{channel.name}.unsubscribed", channel.unsubscribed)
        await self._forget(identifier)

    async def _perform(self, channel: Channel, data: str) -> Verdict:
        arguments = read_action(data)
        name = arguments.pop("action", None) or "receive" if arguments is not None else None
        method_name = channel.actions.get(name) if isinstance(name, str) else None
        if method_name is None:
            self._house.counters["failed_commands"] += 1
            hint = (
                "; it is there, but not marked with @action" if isinstance(name, str) and hasattr(channel, name) else ""
            )
            log.warning("%s has no action %s%s", channel.name, printable(str(name)), hint)
            return Verdict.FAILED
        method = getattr(channel, method_name)
        done = await self._call(f"{channel.name}.{name}", method, *([arguments] if takes_data(method) else []))
        return Verdict.DONE if done else Verdict.FAILED

    async def _forget(self, identifier: str) -> None:
        _, subscription = self._channels.pop(identifier)
        await subscription.end()

    async def _call(self, what: str, method: Callable[..., Any], *arguments: Any) -> bool:
        return await call(self._house.counters, what, method, *arguments)

    # What the gateway answers

    def _tell_past(self, identifier: str, query: HistoryQuery) -> None:
        subscription = self._channels[identifier][1]
        self._house.counters["histories"] += 1
        try:
            backlog = self._recall(subscription.listening.streams, query)
        except OutOfReach:
            self._house.counters["rejected_histories"] += 1
            self._say(identifier, RejectHistory(identifier))
            return
        for kept in backlog:
            broadcast = Broadcast(kept.text)
            broadcast.place(kept.stream, kept.position)
            subscription.hear(kept.stream, broadcast)
        self._say(identifier, ConfirmHistory(identifier))

    def _recall(self, streams: tuple[str, ...], query: HistoryQuery) -> list[Kept]:
        broker = self._house.broker
        if broker is not None:
            return broker.recall(streams, query)
        if any(query.since is not None or name in query.streams for name in streams):
            what = "nothing is kept"
            raise OutOfReach(what)
        return []

    def _attend(self, command: Whisper | Leave | AskPresence) -> None:
        listening = self._channels[command.identifier][1].listening
        match command:
            case Whisper(_, data) if listening.whispers is not None:
                self._house.counters["whispers"] += 1
                sid = self._connection.request.sid
                whisper = broadcast_data(dump_text(data), sid, transient=True)
                self._house.deliver(listening.whispers, whisper)
            case Leave() if listening.presence is not None:
                self._leave(listening.presence)
            case AskPresence(identifier) if listening.presence is not None:
                self._tell_presence(identifier, listening.presence)
            case _:
                log.debug("%s is not allowed here: ignored", type(command).__name__)

    def _tell_presence(self, identifier: str, stream: str) -> None:
        if self._house.broker is None:
            self._say(identifier, PresenceInfo(identifier, 0, failed=True))
            return
        present = self._house.attendance.present(stream)
        self._say(identifier, PresenceInfo(identifier, len(present), present))

    def _join(self, identifier: str, member: Member) -> None:
        stream = self._channels[identifier][1].listening.presence
        if stream is None or self._house.broker is None:
            return
        now, sid = asyncio.get_running_loop().time(), self._connection.request.sid
        come = self._house.attendance.join(stream, sid, member, now, kept=self._kept)
        if come is not None:
            self._house.tell_presence(stream, "join", come)

    def _leave(self, stream: str) -> None:
        gone = self._house.attendance.leave(stream, self._connection.request.sid)
        if gone is not None:
            self._house.tell_presence(stream, "leave", gone)


async def call(counters: Any, what: str, method: Callable[..., Any], *arguments: Any) -> bool:
    """Call what a user wrote; tell whether it did not fail."""
    try:
        await run(method, *arguments)
    except Exception:
        log.exception("%s failed", what)
        counters["failed_commands"] += 1
        return False
    return True


def read_identifier(identifier: str) -> tuple[str, Mapping[str, JSONValue]]:
    """Take the channel's name and the parameters out of an identifier; ``""`` where it names no channel."""
    params = _read_object(identifier)
    name = params.pop("channel", "") if params is not None else ""
    return (name, params) if isinstance(name, str) and params is not None else ("", {})


def read_action(data: str) -> dict[str, JSONValue] | None:
    """Read the data of a perform; ``None`` where it is no JSON object."""
    return _read_object(data)


def _read_object(text: str) -> dict[str, JSONValue] | None:
    try:
        value = load(text.encode("utf-8", "surrogatepass"))
    except MalformedFrame:
        return None
    return value if isinstance(value, dict) else None
