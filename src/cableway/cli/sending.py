"""Sends one command and sees it off: how ``perform`` and ``whisper`` end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cableway.cli.exits import Failure
from cableway.cli.status import remember_trouble, tell_cable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cableway import Cable, CableError, Subscription
    from cableway.cli.running import Run


async def see_off(
    cable: Cable,
    subscription: Subscription[Any],
    run: Run,
    send: Callable[[], Awaitable[None]],
    *,
    unsure: str,
    tell: Callable[[str], None] | None,
) -> None:
    """Open *cable*, call *send* once *subscription* is confirmed, and close.

    Raises:
        Failure: The line broke before that: the text begins with *unsure*.
    """
    from cableway.events import Disconnected

    breaks: list[CableError | None] = []
    remember_trouble(cable, run)
    if tell is not None:
        tell_cable(cable, tell)
    try:
        await cable.open()
        await subscription
        cable.on(Disconnected, lambda event: breaks.append(event.error))
        await send()
    finally:
        # Waits until the server had the time to begin with it: Rails drops a command that it has not begun to run.
        await cable.close(timeout=5)
    if breaks:
        msg = f"{unsure}: {breaks[0]}"
        raise Failure(msg)
    run.satisfied = True
