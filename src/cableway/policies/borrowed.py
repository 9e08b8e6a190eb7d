"""Backoffs made from the objects of the tenacity library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from cableway.errors import UsageError

if TYPE_CHECKING:
    from random import Random

    from tenacity import RetryCallState
    from tenacity.stop import StopBaseT
    from tenacity.wait import WaitBaseT


@frozen
class TenacityBackoff:
    """Asks tenacity's objects; made by :func:`from_tenacity`."""

    wait: WaitBaseT
    stop: StopBaseT | None = None

    def delay(self, failures: int, random: Random) -> float:  # noqa: ARG002 - tenacity draws from the random module
        """Return seconds to wait after *failures* failures in a row."""
        # Tenacity counts the attempt that has just failed; before the first wait one line was lost.
        return float(self.wait(_call_state(failures + 1, 0.0)))

    def gives_up(self, failures: int, elapsed: float) -> bool:
        """Ask ``stop``, if there is one."""
        return self.stop is not None and bool(self.stop(_call_state(failures, elapsed)))


def _call_state(attempt: int, elapsed: float) -> RetryCallState:
    from tenacity import RetryCallState, Retrying  # loaded only where it is used

    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt
    state.start_time = 0.0
    state.outcome_timestamp = elapsed
    return state


def from_tenacity(wait: WaitBaseT, stop: StopBaseT | None = None) -> TenacityBackoff:
    """Make a backoff of any ``tenacity.wait_*`` object, and give up by any ``tenacity.stop_*`` object.

    The objects are told the number of failures in a row and the seconds since the first; there is no outcome and no
    ``retry_object`` of yours to look at. They draw from Python's ``random`` module, which is seeded anew in a forked
    process.

    Example::

        from tenacity import stop_after_delay, wait_random_exponential

        Cable(url, backoff=from_tenacity(wait_random_exponential(multiplier=0.2, max=30), stop_after_delay(3600)))

    Args:
        wait: How long to wait.
        stop: When to give up with :class:`~cableway.RetriesExhausted`; ``None``: never.

    Raises:
        UsageError: One of them cannot be called.
    """
    given: dict[str, Any] = {"wait": wait, "stop": stop}
    for name, value in given.items():
        if not callable(value) and not (name == "stop" and value is None):
            msg = f"{name}={value!r} cannot be called: give an object such as tenacity.{name}_..."
            raise UsageError(msg)
    return TenacityBackoff(wait, stop)
