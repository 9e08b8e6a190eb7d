"""A user's question for what the server still has of a subscription."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cableway.errors import CableError, HistoryTimeout, NotConnected, NotSupported, UsageError
from cableway.hub.recall.listings import Listing
from cableway.runtime import wall_clock
from cableway.states import State
from cableway.wire.positions import HistoryQuery, Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.engine.core import Engine
    from cableway.hub.wish import Handle
    from cableway.wire.message import Message

_CLOSE = 1
"""Seconds taken off a time by our own clock, which may be a little ahead of the server's."""


def server_seconds(engine: Engine, since: datetime | timedelta) -> int:
    """Return *since* as whole Unix seconds by the server's clock, as far as that is known."""
    if isinstance(since, datetime):
        return max(1, int(since.timestamp()))
    now = engine.hub.historian.clock.at(engine.home.now()) if engine.home.settled else None
    return max(1, int((wall_clock() - _CLOSE if now is None else now) - since.total_seconds()))


def history_query(
    engine: Engine, since: datetime | timedelta | None, after: Mapping[str, Position] | None
) -> HistoryQuery:
    """Write the question.

    Raises:
        UsageError: It asks for nothing, or not in the right form.
    """
    if since is None and not after:
        msg = "history() needs to know from when on: give since=timedelta(minutes=5), or after={stream: Position(...)}"
        raise UsageError(msg)
    aware = isinstance(since, timedelta) or (isinstance(since, datetime) and since.tzinfo is not None)
    if since is not None and not aware:
        msg = f"since={since!r} is no point in time: give an aware datetime, or a timedelta for so long ago"
        raise UsageError(msg)
    try:
        return HistoryQuery(dict(after or {}), None if since is None else server_seconds(engine, since))
    except (TypeError, ValueError) as error:
        msg = f"after= is not a mapping of streams to positions: {error}"
        raise UsageError(msg) from error


async def ask_history(engine: Engine, handle: Handle, query: HistoryQuery, timeout: float) -> list[Message[Any]]:
    """Ask, and wait for the answer; see ``Subscription.history``."""
    loop = engine.enter()
    _check(engine)
    answer: asyncio.Future[list[Message[Any]]] = loop.create_future()

    def done(found: list[Message[Any]] | CableError) -> None:
        if answer.done():
            return
        answer.set_exception(found) if isinstance(found, CableError) else answer.set_result(found)

    listing = Listing(query, done, int(wall_clock()))
    recall = handle.wish.recall
    recall.lookback.add(listing, engine.home.now())
    engine.settle()
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            return await answer
    except TimeoutError as error:
        if not limit.expired() or isinstance(error, CableError):
            raise
        raise HistoryTimeout(handle.wish.label, timeout) from None
    finally:
        recall.lookback.give_up(listing)


def _check(engine: Engine) -> None:
    state = engine.line.state
    if state is State.CLOSED:
        raise engine.closed_error
    if state is not State.CONNECTED:
        raise NotConnected(state.value, "the server's history can only be asked for while the line is up")
    if not engine.hub.historian.extended:
        what = "history"
        raise NotSupported(what, engine.up.speech.name)
