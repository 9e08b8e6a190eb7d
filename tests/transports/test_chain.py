"""The transports that a cable may use."""

from __future__ import annotations

from typing import Any

import pytest

from cableway import MemoryTransport, UsageError, WebSocketTransport
from cableway.transports.chain import chain_of


def test_auto_is_the_websocket() -> None:
    """One of its own for each cable."""
    first, second = chain_of("auto"), chain_of("auto")
    assert [type(transport) for transport in first] == [WebSocketTransport]
    assert first[0] is not second[0]


def test_a_list_with_one_transport_is_that_one() -> None:
    """Kept as it was: what happens to the list later is of no matter."""
    given = [MemoryTransport()]
    chain = chain_of(given)
    transport = given.pop()
    assert list(chain) == [transport]


@pytest.mark.parametrize("given", [[], "websocket", "", [MemoryTransport(), MemoryTransport()]])
def test_anything_else_is_refused(given: Any) -> None:
    """The text shows what was given, and the choice."""
    with pytest.raises(UsageError, match=r"^transports=.*give 'auto', or a list with one transport"):
        chain_of(given)
