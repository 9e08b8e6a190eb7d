"""What a cable was built with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

from cableway.auth.carriage import TokenCarriage, in_header
from cableway.auth.renewal import TokenRenewal
from cableway.engine.gate import DialGate
from cableway.errors import UsageError
from cableway.host.watch import host_watch
from cableway.policies.monitors.base import Monitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.auth.providers.base import TokenProvider
    from cableway.engine.dialing import Dialing
    from cableway.host.watch import WatchFactory
    from cableway.policies.backoff import Backoff
    from cableway.policies.energy import RadioProfile
    from cableway.policies.remote import Policy
    from cableway.positions.base import PositionStore
    from cableway.transports.chain import Fallback
    from cableway.types import MaybeAwaitable


class PolicyFeed(Protocol):
    """Where policies come from while a cable is open; ``RemotePolicy`` is one."""

    def attach(self, apply: Callable[[Policy], None], wanted: Callable[[], bool]) -> Callable[[], None]:
        """Call *apply* with each policy; return a function that ends it."""
        ...

    def nudge(self) -> None:
        """Learn that a policy is wanted again."""

    async def released(self) -> None:
        """Wait until nothing is left of what the last one who left had it do."""


@frozen
class Settings:
    """What a cable was built with. What may change while it runs is only where it begins."""

    dialing: Dialing
    fallback: Fallback
    """The transports, and how patient it is with each."""
    backoff: Backoff
    monitor: Monitor
    gate: Callable[[], MaybeAwaitable[bool]] | None = None
    """Asked before each dial: whether there may be one."""
    dial_gate: DialGate | None = None
    policy: PolicyFeed | None = None
    radio: RadioProfile | None = None
    """What to reckon the cost of the line by."""
    token: TokenProvider | None = None
    """Where tokens come from."""
    carriage: TokenCarriage = field(factory=in_header)
    """How they travel."""
    renewal: TokenRenewal = field(factory=TokenRenewal)
    protocol: str = "auto"
    """What to speak: one protocol, or the best that the server has."""
    positions: PositionStore | None = None
    """Where to keep how far each subscription has come."""
    watch: WatchFactory = host_watch
    open_timeout: float | None = 30.0
    write_timeout: float = 10.0
    welcome_timeout: float = 10.0
    max_command_size: int | None = field(default=65536)

    def __attrs_post_init__(self) -> None:
        """Refuse what would only fail at a dial, or not at all.

        Raises:
            UsageError: An argument is not one of its kind.
        """
        checked_backoff(self.backoff)
        checked_monitor(self.monitor)
        _check("gate", self.gate, "a function", fits=callable(self.gate))
        _check("dial_gate", self.dial_gate, "a DialGate", fits=isinstance(self.dial_gate, DialGate))
        _check("positions", self.positions, "a position store", fits=hasattr(self.positions, "save"))
        _check("policy", self.policy, "a RemotePolicy", fits=hasattr(self.policy, "attach"))


def _check(name: str, given: object, kind: str, *, fits: bool) -> None:
    if given is not None and not fits:
        msg = f"{name}={given!r} is none: give {kind}, or None"
        raise UsageError(msg)


def checked_backoff(backoff: Backoff) -> Backoff:
    """Return *backoff*.

    Raises:
        UsageError: It has no ``delay`` to call.
    """
    if isinstance(backoff, type) or not callable(getattr(backoff, "delay", None)):
        msg = (
            f"backoff={backoff!r} is none: give an ExponentialBackoff(), an object with delay(failures, random), or "
            f"from_tenacity(...) around one of tenacity's"
        )
        raise UsageError(msg)
    return backoff


def checked_monitor(monitor: Monitor) -> Monitor:
    """Return *monitor*.

    Raises:
        UsageError: It is no object of a subclass of ``Monitor``.
    """
    if not isinstance(monitor, Monitor):
        msg = f"monitor={monitor!r} is none: give an object of PersistentMonitor, OnDemandMonitor, or of your own class"
        raise UsageError(msg)
    return monitor
