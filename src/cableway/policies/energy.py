"""What a line costs a battery, by a stated model of the radio.

A cellular radio does not sleep the moment the last byte has gone. Waking it takes a *promotion*; after the last byte it
stays on through one or more *tails* before it sleeps again. So many small transfers, each with a tail of its own, cost
far more than their bytes, and a beat every few seconds keeps the radio on for good.

The figures of the profiles were published for devices and networks of their time. Compare ways of working by them; do
not forecast a battery. They come from two sources:

- J. Huang et al., "A Close Examination of Performance and Power Characteristics of 4G LTE Networks" (MobiSys 2012):
  LTE's promotion of 260 ms and its tail of 11.576 s.
- the default profiles of AT&T's Application Resource Optimizer, an open-source tool for developers
  (github.com/attdevsupport/ARO): all powers, and the times of 3G and Wi-Fi. LTE's tail power is the base, without the
  short looks at the channel, which add about 3 %; its power while data moves is the base, without what the rate adds.

What one small transfer takes, 0.1 s, is an assumption.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attrs import Attribute

ASLEEP = float("-inf")


def _not_negative(_: object, attribute: Attribute[Any], value: float | None) -> None:
    if value is not None and not 0 <= value < float("inf"):
        msg = f"{attribute.name}={value!r} is none that a radio has: give 0 or more"
        raise ValueError(msg)


@frozen
class RadioPhase:
    """How long a radio is in one phase, and what it draws there.

    Raises:
        ValueError: A figure is negative, infinite or not a number.
    """

    seconds: float = field(validator=_not_negative)
    watts: float | None = field(default=None, validator=_not_negative)
    """``None``: not known. Seconds are counted all the same."""


@frozen
class RadioProfile:
    """How one kind of radio wakes and falls asleep.

    Example, a modem whose times you have measured::

        RadioProfile("my modem", promotion=RadioPhase(0.4), transfer=RadioPhase(0.1), tails=(RadioPhase(5.0),))
    """

    name: str
    promotion: RadioPhase
    """From asleep to ready."""
    transfer: RadioPhase
    """One small transfer. Those that overlap share their time."""
    tails: tuple[RadioPhase, ...]
    """What follows the last byte, one after another, until it sleeps."""

    @property
    def tail(self) -> float:
        """Seconds from the last byte to sleep."""
        return sum(phase.seconds for phase in self.tails)

    @property
    def weighed(self) -> bool:
        """Whether the power of every phase is known."""
        return all(phase.watts is not None for phase in (self.promotion, self.transfer, *self.tails))


LTE = RadioProfile(
    "LTE", promotion=RadioPhase(0.26, 1.21), transfer=RadioPhase(0.1, 1.2), tails=(RadioPhase(11.576, 1.06),)
)
UMTS = RadioProfile(
    "3G",
    promotion=RadioPhase(2.0, 0.53),
    transfer=RadioPhase(0.1, 0.7),
    tails=(RadioPhase(5.0, 0.7), RadioPhase(12.0, 0.35)),
)
WIFI = RadioProfile(
    "Wi-Fi", promotion=RadioPhase(0.0, 0.403), transfer=RadioPhase(0.1, 0.403), tails=(RadioPhase(0.25, 0.403),)
)

PROFILES = {profile.name: profile for profile in (LTE, UMTS, WIFI)}


@frozen
class EnergyFigures:
    """What the radio has spent."""

    radio_on: float
    """Seconds in which it was not asleep: promotions, transfers and tails."""
    joules: float | None
    """What it drew in these seconds; ``None`` where the profile does not know."""
    wakes: int
    """Times that it was woken from sleep."""
    transfers: int
    """Moments at which something was sent or received."""


class EnergyAccountant:
    """Adds up what the transfers of a line cost a radio that nothing else uses.

    Times are those of one monotonic clock; one that goes backwards counts as the latest one told. It keeps a handful of
    numbers, however long it runs.

    Args:
        profile: The radio.
    """

    def __init__(self, profile: RadioProfile = LTE) -> None:
        self.profile: RadioProfile = profile
        self._tail = profile.tail
        self._on = 0.0
        self._joules = 0.0
        self._wakes = 0
        self._transfers = 0
        self._settled = ASLEEP
        """Until when the sums are complete."""
        self._ready = ASLEEP
        """When the present promotion is over."""
        self._until = ASLEEP
        """When the last transfer is over."""

    def transfer(self, now: float, duration: float | None = None) -> None:
        """Something is sent or received at *now*; it moves for *duration* seconds, or for as long as a small one does.

        If it finds the radio asleep, it moves once the promotion is over.
        """
        self._transfers += 1
        if now > self._until:
            self._settle(now)
        moving = self.profile.transfer.seconds if duration is None else duration
        self._until = max(self._until, max(now, self._ready) + moving)

    def ready_at(self, now: float) -> float:
        """Tell when a byte that is to go at *now* can go: at once, or once the promotion is over."""
        return now + self.profile.promotion.seconds if self._asleep(now) else max(now, self._ready)

    def figures(self, now: float) -> EnergyFigures:
        """Return what was spent until *now*; what is still under way counts as far as it has come."""
        on, joules = self._spent(now)
        return EnergyFigures(on, joules if self.profile.weighed else None, self._wakes, self._transfers)

    def _asleep(self, now: float) -> bool:
        return now > self._until + self._tail

    def _settle(self, now: float) -> None:
        self._on, self._joules = self._spent(now)
        self._settled = now
        if self._asleep(now):
            self._wakes += 1
            self._ready = self._until = now + self.profile.promotion.seconds

    def _spent(self, now: float) -> tuple[float, float]:
        on, joules, begin = self._on, self._joules, self._settled
        if not self._wakes:
            return on, joules
        for watts, until in self._spans():
            end = max(begin, min(now, until))
            on += end - begin
            joules += (end - begin) * (watts or 0.0)
            begin = end
        return on, joules

    def _spans(self) -> Iterator[tuple[float | None, float]]:
        yield self.profile.promotion.watts, self._ready
        yield self.profile.transfer.watts, self._until
        until = self._until
        for tail in self.profile.tails:
            until += tail.seconds
            yield tail.watts, until
