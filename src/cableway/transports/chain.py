"""The transports that a cable may use, from what a program asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cableway.errors import NotSupported, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cableway.transports.base import Transport


def chain_of(transports: Literal["auto"] | Sequence[Transport]) -> Sequence[Transport]:
    """Return the transports that *transports* stands for.

    Raises:
        UsageError: It is neither ``"auto"`` nor a list with one transport.
    """
    if transports == "auto":
        from cableway.transports.websocket import WebSocketTransport  # heavy, and not always the one

        return (WebSocketTransport(),)
    if isinstance(transports, str) or len(transports) != 1:
        msg = f"transports={transports!r}: give 'auto', or a list with one transport"
        raise UsageError(msg)
    return tuple(transports)


def check_sends(transport: Transport, what: str) -> None:
    """Make sure that *transport* can carry *what*.

    Raises:
        NotSupported: It only listens.
    """
    if not getattr(transport, "sends", True):
        hint = "it only listens; WebSocketTransport and LongPollingTransport send, too"
        raise NotSupported(what, f"the transport {transport.name}", hint)


def command_limit(transports: Sequence[Transport], wish: int | None) -> int | None:
    """Return the bytes of the largest command, which is the smallest of *wish* and of what the transports carry."""
    limits = [getattr(transport, "max_command_size", None) for transport in transports]
    return min((limit for limit in (wish, *limits) if limit is not None), default=None)
