"""A hub with nobody behind it: the test is the user, the server and the clock."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

from cableway.hub.effects import Recycle, Send
from cableway.hub.hub import Hub
from cableway.hub.options import SubscriptionOptions
from cableway.types import Identifier
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.commands import Subscribe
from cableway.wire.dialects.base import BaseDialect
from cableway.wire.dialects.extended import ExtendedDialect
from cableway.wire.frames import Confirm, Data, Reject

if TYPE_CHECKING:
    from cableway.events import Event
    from cableway.hub.effects import HubEffect
    from cableway.hub.wish import Handle


def identifier(name: str) -> Identifier:
    """Return the identifier of channel *name*."""
    return Identifier(json.dumps({"channel": name}, separators=(",", ":")))


def frame(name: str, message: Any) -> bytes:
    """Write a plain data frame as servers do."""
    return json.dumps({"identifier": identifier(name), "message": message}, separators=(",", ":")).encode()


class Desk:
    """Drives a hub step by step and keeps what it asked for and told."""

    def __init__(self, *, up: bool = True, extended: bool = False) -> None:
        dialect = ExtendedDialect() if extended else BaseDialect()
        self.hub = Hub(JSONCodec(), dialect, Random(7))
        self.now = 100.0
        self.told: dict[int, list[Event | None]] = {}
        self.strays: list[bytes] = []
        self.hub.on_stray = lambda raw, _: self.strays.append(raw)
        if up:
            self.line_up()

    # The user

    def join(self, name: str = "A", **options: Any) -> Handle:
        """Subscribe to the channel *name*."""
        return self.join_as(identifier(name), **options)

    def join_as(self, source: Any, **options: Any) -> Handle:
        """Subscribe to an identifier, or to what a function names."""
        told: list[Event | None] = []
        handle = self.hub.join(source, SubscriptionOptions(**options), told.append, self.now)
        self.told[id(handle)] = told
        return handle

    def live(self, name: str = "A", **options: Any) -> Handle:
        """Subscribe, and have it confirmed."""
        handle = self.join(name, **options)
        self.confirm(name)
        self.effects()
        return handle

    def leave(self, handle: Handle, *, flush: bool = True) -> None:
        """Unsubscribe."""
        self.hub.leave(handle, self.now, flush=flush)

    def events(self, handle: Handle) -> list[Event]:
        """Return what *handle* was told, bare wake-ups left out."""
        self.hub._effects[:0] = self.hub.drain()
        return [event for event in self.told[id(handle)] if event is not None]

    # The line

    def line_up(self, *, slack: float = 0.0) -> None:
        """Welcome the client."""
        self.hub.line_up("memory", self.now, protocol=self.hub.historian.protocol, slack=slack)

    def line_down(self) -> None:
        """Cut the line."""
        self.hub.line_down(None, self.now)

    def confirm(self, name: str = "A") -> None:
        """Confirm a subscription."""
        self.hub.hear(Confirm(identifier(name)), self.now)

    def reject(self, name: str = "A") -> None:
        """Reject a subscription, or take it back."""
        self.hub.hear(Reject(identifier(name)), self.now)

    def data(self, name: str, message: Any) -> None:
        """Send a message by the way of frames that were read in full."""
        raw = frame(name, message)
        self.hub.router.deliver(Data(identifier(name), message), raw, 0.0, self.now)

    def route(self, *frames: bytes) -> list[bytes]:
        """Send raw frames by the fast way; return those that took the slow one."""
        slow: list[bytes] = []
        self.hub.router.route(list(frames), 0.0, self.now, slow.append)
        return slow

    # Time

    def wait(self, seconds: float = 0.0) -> None:
        """Let time pass, with a tick whenever the hub asks for one."""
        until = self.now + seconds
        while (due := self.hub.deadline) is not None and due <= until:
            self.now = max(self.now, due)
            self.hub.tick(self.now)
            if any(isinstance(effect, Recycle) for effect in self.hub._effects):
                return
        self.now = until

    # What came out

    def effects(self) -> list[HubEffect]:
        """Take all that the hub asks for."""
        return self.hub.drain()

    def sent(self) -> list[str]:
        """Take what the hub asks for, in words: ``+A`` for subscribe, ``-A`` for unsubscribe, other effects by name."""
        return [_word(effect) for effect in self.effects()]


def _word(effect: HubEffect) -> str:
    if not isinstance(effect, Send):
        return type(effect).__name__.lower()
    command = effect.command
    channel = json.loads(command.identifier)["channel"]
    return ("+" if isinstance(command, Subscribe) else "-") + str(channel)


def unread(handle: Handle) -> list[Any]:
    """Read a mailbox to its end."""
    out = []
    while True:
        try:
            out.append(handle.mailbox.pop().data)
        except IndexError:
            return out
