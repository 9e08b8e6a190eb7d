"""The transports that a cable may use."""

from __future__ import annotations

from typing import Any

import pytest

from cableway import (
    EventStreamTransport,
    LongPollingTransport,
    MemoryTransport,
    NotSupported,
    UsageError,
    WebSocketTransport,
)
from cableway.transports.chain import chain_of, check_sends, command_limit


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


@pytest.mark.parametrize(
    ("wish", "limit"), [(None, 999), (65536, 999), (500, 500)], ids=["no wish", "a larger wish", "a smaller wish"]
)
def test_a_command_must_fit_into_what_carries_it(wish: int | None, limit: int) -> None:
    """The smallest limit counts, and one that a transport does not have is none."""
    polling = LongPollingTransport(max_request_size=1000)
    assert command_limit([MemoryTransport(), polling], wish) == limit
    assert command_limit([MemoryTransport()], wish) == wish


def test_who_only_listens_says_so() -> None:
    """And names those that send."""
    for transport in (WebSocketTransport(), LongPollingTransport(), MemoryTransport()):
        check_sends(transport, "perform")
    with pytest.raises(NotSupported, match="perform is not part of the transport event_stream; it only listens"):
        check_sends(EventStreamTransport(), "perform")
