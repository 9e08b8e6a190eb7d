"""Which subprotocol to offer in the next dial.

AnyCable chooses by *its* order, so that whoever offers both gets the base protocol, and Rails takes
``actioncable-unsupported`` where it is offered beside what it does not know. So the extended protocol is offered alone:
a server without it selects none, which is the base protocol in the same dial, or it refuses the upgrade.

A binary encoding is spoken only by who asks for it by name, and then nothing else is: it is offered alone, too, and a
server without it, as AnyCable's open one, is told apart by what it selects.
"""

from __future__ import annotations

from typing import Final

from cableway.errors import UsageError
from cableway.wire.codecs.choice import check_available
from cableway.wire.dialects.base import UNSUPPORTED
from cableway.wire.subprotocols import ALL, BASE_JSON, EXTENDED_JSON, Subprotocol, subprotocol

AUTO: Final = "auto"

_PRO: Final = (
    "Rails speaks JSON alone, and of AnyCable only AnyCable Pro speaks MessagePack and Protobuf: with others leave "
    "protocol='auto'"
)

REFUSALS: Final = 3
"""In a row, after which a server is doubted to speak the extended protocol still."""

_OF_OTHER_MEANING: Final = frozenset({401, 403, 404, 407, 408, 429})
"""Client errors that have little to do with what was offered."""


class Negotiation:
    """What one cable offers.

    Raises:
        UsageError: The wish is no protocol that is known here.
        MissingExtra: It is, but its encoding needs a package that is not installed.
    """

    def __init__(self, wish: str = AUTO) -> None:
        known = subprotocol(wish) if isinstance(wish, str) else None
        if wish != AUTO and known is None:
            names = ", ".join(repr(one.name) for one in ALL)
            msg = f"protocol={wish!r} is not spoken here: give 'auto' or one of {names}"
            raise UsageError(msg)
        if known is not None:
            check_available(known)
        self._fixed = known
        self._plain = False
        # Whether the base protocol has been welcomed after the extended one was refused.
        self._proven = False
        # Refusals that it takes to doubt the extended protocol, and those so far.
        self._believed = 1
        self._refusals = 0

    @property
    def offer(self) -> tuple[str, ...]:
        """The subprotocols to offer, the preferred one first."""
        if self._fixed is not None and self._fixed != BASE_JSON:
            return (self._fixed.name,)
        if self._fixed == BASE_JSON or self._plain:
            return (BASE_JSON.name, UNSUPPORTED)
        return (EXTENDED_JSON.name,)

    @property
    def extended(self) -> bool:
        """Whether the extended protocol is offered, in whatever encoding."""
        offered = subprotocol(self.offer[0])
        return offered is not None and offered.extended

    @property
    def hint(self) -> str:
        """Why a server may not speak what is offered, where that is known."""
        return _PRO if self._fixed is not None and self._fixed.binary else ""

    def agreed(self, selected: str | None) -> Subprotocol | None:
        """Tell what is spoken after the server selected *selected*; ``None``: nothing that was offered."""
        chosen = subprotocol(selected)
        if self._fixed is not None and self._fixed != BASE_JSON:
            return chosen if selected == self._fixed.name else None
        # Every server can fall back on the base protocol, whatever was offered.
        return chosen if selected is None or selected == BASE_JSON.name or selected in self.offer else None

    def insisted(self, selected: str | None) -> bool:
        """Tell whether a server that selected what was not offered is to be offered just that in the next dial."""
        insists = self._fixed is None and not self._plain and selected == BASE_JSON.name
        self._plain = self._plain or insists
        return insists

    def refused(self, status: int) -> bool:
        """The upgrade was refused: a server may do so for want of the protocol, and is then offered the base one.

        Tell whether that is so: the same transport is worth another dial then.
        """
        if self._proven or self._fixed is not None:
            return False
        doubtful = 400 <= status < 500 and status not in _OF_OTHER_MEANING
        self._refusals = self._refusals + 1 if doubtful else 0
        # Refused again with the base protocol, it was not for that.
        self._plain = not self._plain and doubtful and self._refusals >= self._believed
        return self._plain

    def welcomed(self, *, extended: bool) -> None:
        """The server welcomed us, on a line that speaks the *extended* protocol or not: it wants what was offered.

        Refusals of one that has spoken the extended protocol come from something in between, as a rule; it takes
        several of them to think that it is another server now.
        """
        self._proven = self._plain
        self._refusals = 0
        if extended:
            self._believed = REFUSALS
