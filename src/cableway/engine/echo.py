"""Finds out whether whispers arrive: a second line listens while the first one whispers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cableway.engine.beside import Sieve
from cableway.engine.whispering import Whispering
from cableway.errors import CableError, SubscriptionRejected
from cableway.wire.commands import Subscribe
from cableway.wire.frames import Confirm, Reject

if TYPE_CHECKING:
    from cableway.engine.carrier import Carrier, Noted
    from cableway.engine.core import Engine
    from cableway.hub.hub import Answer
    from cableway.hub.wish import Handle
    from cableway.policies.monitors.base import LineFacts
    from cableway.types import JSONValue
    from cableway.wire.frames import Data, Welcome


class Echo(Sieve):
    """The second line: it asks for one subscription, and listens for one message."""

    def __init__(self, engine: Engine, identifier: str, awaited: JSONValue) -> None:
        super().__init__(engine.hub, self._listen)
        loop = engine.home.loop
        self.confirmation: asyncio.Future[None] = loop.create_future()
        self.heard: asyncio.Future[None] = loop.create_future()
        self.carrier: Carrier = engine.dials.carrier(self, self)
        self._identifier = identifier
        self._awaited = awaited

    # What the line reports

    def welcomed(self, facts: LineFacts, welcome: Welcome) -> None:  # noqa: ARG002 - the interface
        """Ask for the subscription."""
        self.carrier.send(Subscribe(self._identifier))

    def broke(self, carrier: Carrier, error: CableError) -> None:  # noqa: ARG002 - the interface
        """It is of no use."""
        for future in (self.confirmation, self.heard):
            if not future.done():
                future.set_exception(error)

    def noted(self, news: Noted) -> None:
        """Nothing of this counts."""

    def settle(self) -> None:
        """Nothing of the hub's was touched."""

    def hear(self, frame: Answer, now: float) -> None:  # noqa: ARG002 - the interface
        """It listens; or it may not."""
        if isinstance(frame, Confirm) and frame.identifier == self._identifier and not self.confirmation.done():
            self.confirmation.set_result(None)
        elif isinstance(frame, Reject) and frame.identifier in (self._identifier, None):
            self.broke(self.carrier, SubscriptionRejected(self._identifier))

    def end(self) -> None:
        """Leave nothing behind."""
        self.carrier.drop()
        for future in (self.confirmation, self.heard):
            # Retrieved here, so that a failure that nobody waited for is not reported as lost.
            if not future.cancel() and not future.cancelled():
                _ = future.exception()

    def _listen(self, data: Data, raw: bytes, at: float, now: float) -> None:  # noqa: ARG002 - the interface
        if data.identifier == self._identifier and data.message == self._awaited and not self.heard.done():
            self.heard.set_result(None)


async def whispers_pass(engine: Engine, handle: Handle, data: JSONValue, timeout: float) -> bool:
    """Tell whether *data*, whispered on the line, comes to another one; see ``Subscription.whispers_pass``.

    AnyCable drops whispers silently where the channel does not allow them, and a session never hears its own. The
    second line has the settings of the first one, passes the dial gate, and is closed at the end, cancelled or not.

    Raises:
        TimeoutError: The second line did not listen in time: nothing is known.
        SubscriptionRejected: The server refused the second line the subscription.
        CableError: As for whispers, and what kept the second line from being opened.
    """
    whispering = Whispering(engine, handle)
    whispering.check(data)
    echo = Echo(engine, handle.wish.identifier or "", data)
    listening = False
    clock = asyncio.timeout(timeout)
    try:
        async with clock:
            with engine.waiting.allow(clock):
                await engine.dials.open_beside(echo.carrier)
            await echo.confirmation
            listening = True
            await whispering.send(data)
            await echo.heard
    except TimeoutError as error:
        if isinstance(error, CableError) or not clock.expired():
            raise
        if not listening:
            msg = f"the second line did not listen within {timeout:g} s: whether whispers pass is not known"
            raise TimeoutError(msg) from None
        return False
    finally:
        echo.end()
    return True
