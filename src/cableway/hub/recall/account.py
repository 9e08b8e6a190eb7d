"""What holders are given and told: messages in their order, gaps, and how much is known of what was missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cableway.events import Gap, Recovered
from cableway.hub.recall.settling import Hole, Settlement
from cableway.states import Recovery

if TYPE_CHECKING:
    from cableway.hub.recall.historian import Historian
    from cableway.hub.wish import Wish
    from cableway.wire.message import Message


class Account:
    """The account of one subscription; each recovery begins it anew."""

    def __init__(self, wish: Wish, historian: Historian) -> None:
        self.gaps: int = 0
        """Gaps that were told, healed ones included."""
        self.doubts: list[str] = []
        """Why more may be missing than is known."""
        self._replayed = 0
        self._wish = wish
        self._historian = historian

    def begin(self) -> None:
        """Begin anew."""
        self.doubts = []
        self._replayed = 0

    def deliver(self, message: Message[Any], size: int, *, replayed: bool) -> None:
        """Hand a message to the holders."""
        message.replayed = replayed
        self._replayed += replayed
        self._historian.moved[self._wish] = None
        self._historian.put(self._wish, message, size)

    def gap(self, hole: Hole, *, healed: bool) -> None:
        """Tell of messages that were missing."""
        self.gaps += 1
        self._historian.on_doubt(self._wish, self._historian.now)
        self._historian.tell(self._wish, Gap(hole.stream, hole.epoch, hole.first, hole.last, healed))

    def carry_out(self, settlement: Settlement, *, replayed: bool = False) -> None:
        """Deliver what a settlement delivers, and tell of its holes."""
        for step in settlement.steps:
            if isinstance(step, Hole):
                self.gap(step, healed=False)
            else:
                self.deliver(*step, replayed=replayed)
        if settlement.doubt:
            self.doubts.append(settlement.doubt)

    def settle(self, settlement: Settlement) -> None:
        """Carry out what is settled outside of any recovery, and tell what is not known."""
        self.begin()
        self.carry_out(settlement)
        if self.doubts:
            self.give()

    def give(self) -> None:
        """Tell what is known of what was missed; where that is not all, holders bring themselves up to date."""
        recovery = Recovery.UNKNOWN if self.doubts else Recovery.COMPLETE
        reason = "; ".join(dict.fromkeys(self.doubts))
        self._historian.tell(self._wish, Recovered(recovery, self._replayed, reason))
        if self.doubts:
            self._historian.on_doubt(self._wish, self._historian.now)
            self._historian.resync(self._wish)
