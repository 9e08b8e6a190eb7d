"""The transports that a cable may use, from what a program asked for, and what each of them carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cableway.errors import NotSupported, UsageError
from cableway.policies.ladder import LadderTimes
from cableway.types import to_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cableway.transports.base import Transport
    from cableway.types import Seconds
    from cableway.wire.subprotocols import Subprotocol


class Fallback:
    """Several transports, the best one first, and how patient a cable is with each.

    A dial that comes to nothing because the network or the server bears no such transport leaves the next dial to the
    one after it. What worked is remembered for the network that this machine is on; while a line stands on a lesser
    transport, the better ones are tried beside it, and take over without a break where they work. Each change is told
    by :class:`~cableway.TransportChanged`. One object may serve many cables.

    Example::

        transports = Fallback([WebSocketTransport(), LongPollingTransport(pace="sparing")], probe_after=120)
        cable = Cable("wss://example.com/cable", transports=transports)
    """

    def __init__(
        self,
        transports: Literal["auto"] | Sequence[Transport] = "auto",
        *,
        step_timeout: Seconds = 4.0,
        probe_after: Seconds = 30.0,
        probe_limit: Seconds = 600.0,
        remember: Seconds = 600.0,
    ) -> None:
        """Keep the options; nothing is dialled yet. Durations are seconds or a timedelta.

        Args:
            transports: ``"auto"`` stands for WebSocket, long polling, and event streams; or name them.
            step_timeout: Longest time for reaching the host, the handshake, and the welcome, each, in a dial that has
                another transport to go to; for the first two in a try beside a line. Each round over all of them
                doubles it, up to ``dial_timeout``.
            probe_after: How long a line stands on a lesser transport before a better one is tried beside it. Doubled
                with each try that fails, and spread by half, so that many clients do not all try at once.
            probe_limit: Longest time between two such tries.
            remember: How long the next dials on the same network begin with what worked there last, after a better one
                was last tried.

        Raises:
            UsageError: There is no transport, or something that is none; or a time is not positive.
        """
        self.transports: tuple[Transport, ...] = _listed(transports)
        """In their order."""
        times = {"step_timeout": step_timeout, "probe_after": probe_after, "probe_limit": probe_limit}
        for name, given in times.items():
            if to_seconds(given, name) <= 0:
                msg = f"{name}={given!r} leaves no time: give more than 0 seconds"
                raise UsageError(msg)
        self.times: LadderTimes = LadderTimes(
            to_seconds(step_timeout, "step_timeout"),
            to_seconds(probe_after, "probe_after"),
            to_seconds(probe_limit, "probe_limit"),
            to_seconds(remember, "remember"),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(transport.name for transport in self.transports)}])"


def _listed(given: Literal["auto"] | Sequence[Transport]) -> tuple[Transport, ...]:
    if given == "auto":
        from cableway.transports.event_stream import EventStreamTransport  # heavy, and not always the ones
        from cableway.transports.polling import LongPollingTransport
        from cableway.transports.websocket import WebSocketTransport

        return (WebSocketTransport(), LongPollingTransport(), EventStreamTransport())
    listed = () if isinstance(given, str) or not hasattr(given, "__iter__") else tuple(given)
    if not listed or any(isinstance(one, type) or not callable(getattr(one, "open", None)) for one in listed):
        msg = (
            f"transports={given!r}: give 'auto', a list such as [WebSocketTransport(), LongPollingTransport()], "
            f"or a Fallback(...) of one"
        )
        raise UsageError(msg)
    return listed


def chain_of(transports: Literal["auto"] | Sequence[Transport] | Fallback) -> Fallback:
    """Return what *transports* stands for.

    Raises:
        UsageError: It is neither ``"auto"`` nor a list of transports nor a ``Fallback``.
    """
    return transports if isinstance(transports, Fallback) else Fallback(transports)


def check_sends(transport: Transport, what: str) -> None:
    """Make sure that *transport* can carry *what*.

    Raises:
        NotSupported: It only listens.
    """
    if not sends(transport):
        hint = (
            "it only listens. WebSocketTransport and LongPollingTransport send, too; "
            "a back end publishes by cableway.server.Publisher"
        )
        raise NotSupported(what, f"the transport {transport.name}", hint)


def sends(transport: Transport) -> bool:
    """Tell whether *transport* carries commands."""
    return bool(getattr(transport, "sends", True))


def able(transports: Sequence[Transport], protocol: Subprotocol | None) -> Sequence[Transport]:
    """Return those that can carry *protocol*; ``None``: it is chosen with each line. If none can, dials will say so."""
    if protocol is None or not protocol.binary:
        return transports
    return [one for one in transports if not getattr(one, "text_only", False)] or transports


def command_limit(transport: Transport, wish: int | None) -> int | None:
    """Return the bytes of the largest command on *transport*, where *wish* is the largest that is to be sent at all."""
    limits = (wish, getattr(transport, "max_command_size", None))
    return min((limit for limit in limits if limit is not None), default=None)
