"""What is asked of a subscription's past, and why."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from attrs import define

from cableway.wire.positions import HistoryQuery

if TYPE_CHECKING:
    from cableway.hub.recall.listings import Listing
    from cableway.hub.recall.settling import Hole


class Kind(Enum):
    """Why something is asked."""

    RECOVER = "all that was missed while there was no line"
    SINGLE = "one stream alone, because one of several was refused"
    SINCE = "what was published since the line last lived, because a position was refused"
    CHECK = "whether something came before the first one that was told"
    HEAL = "what is missing between two messages"
    TIME = "the server's time, which its next ping tells: until then nobody knows from when on to ask"
    LISTING = "what the user wants to see"


@define(eq=False)
class Question:
    """One request for a subscription's past."""

    kind: Kind
    query: HistoryQuery
    listing: Listing | None = None
    """Who wants to see the answer, where it is not for delivery."""
    hole: Hole | None = None
    """What it is to heal."""
    overdue: bool = False
    """Whether the answer is awaited for longer, because nothing at all comes."""

    @property
    def recovers(self) -> bool:
        """Whether it is one of those that end in an account of what was missed."""
        return self.listing is None and self.kind is not Kind.HEAL


NO_QUERY = HistoryQuery(since=1)
"""For a question that is not put to the server."""
