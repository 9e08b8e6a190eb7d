"""What an encoding must offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Codec(Protocol):
    """Turns protocol mappings into bytes and back."""

    @property
    def name(self) -> str:
        """Whoever writes alike has the same one, so that a frame can be shared."""
        ...

    def encode(self, mapping: Mapping[str, Any]) -> bytes:
        """Write *mapping* as one frame."""
        ...

    def decode(self, frame: bytes) -> dict[str, Any] | None:
        """Read one frame in full; ``None`` for a frame that says nothing (JSON ``null``).

        Raises:
            MalformedFrame: The frame is not a mapping in this encoding.
        """
        ...
