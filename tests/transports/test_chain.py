"""The transports that a cable may use, and what each of them carries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cableway import (
    EventStreamTransport,
    Fallback,
    LongPollingTransport,
    MemoryTransport,
    NotSupported,
    UsageError,
    WebSocketTransport,
)
from cableway.policies.ladder import LadderTimes
from cableway.transports.chain import able, chain_of, check_sends, command_limit
from cableway.wire.subprotocols import subprotocol


def test_auto_is_all_that_there_are() -> None:
    """The best one first, and each cable has its own."""
    first, second = chain_of("auto"), chain_of("auto")
    assert [type(one) for one in first.transports] == [WebSocketTransport, LongPollingTransport, EventStreamTransport]
    assert first.transports[0] is not second.transports[0]


def test_a_list_is_a_chain_in_its_order() -> None:
    """Kept as it was: what happens to the list later is of no matter."""
    given = [MemoryTransport(), MemoryTransport()]
    chain = chain_of(given)
    kept = tuple(given)
    given.pop()
    assert chain.transports == kept


def test_a_fallback_is_taken_as_it_is() -> None:
    """Times are seconds or a timedelta; the repr shows the order."""
    fallback = Fallback(
        [WebSocketTransport(), LongPollingTransport()],
        step_timeout=2,
        probe_after=timedelta(minutes=1),
        probe_limit=timedelta(hours=1),
        remember=0,
    )
    assert chain_of(fallback) is fallback
    assert fallback.times == LadderTimes(2.0, 60.0, 3600.0, 0.0)
    assert repr(fallback) == "Fallback([websocket, long_polling])"
    assert Fallback().times == LadderTimes()


@pytest.mark.parametrize("given", [[], "websocket", "", [MemoryTransport], ["websocket"], MemoryTransport(), None, 3])
def test_anything_else_is_refused(given: Any) -> None:
    """The text shows what was given, and the choice."""
    with pytest.raises(UsageError, match=r"^transports=.*give 'auto', a list such as .*, or a Fallback"):
        chain_of(given)


@pytest.mark.parametrize("times", [{"step_timeout": 0}, {"probe_after": 0.0}, {"probe_limit": timedelta(0)}])
def test_no_time_at_all_is_refused(times: Any) -> None:
    """The text names the argument."""
    with pytest.raises(UsageError, match=f"^{next(iter(times))}=.* leaves no time"):
        Fallback(**times)


@pytest.mark.parametrize(
    ("wish", "limit"), [(None, 999), (65536, 999), (500, 500)], ids=["no wish", "a larger wish", "a smaller wish"]
)
def test_a_command_must_fit_into_what_carries_it(wish: int | None, limit: int) -> None:
    """The smaller limit counts, and one that a transport does not have is none."""
    polling = LongPollingTransport(max_request_size=1000)
    assert command_limit(polling, wish) == limit
    assert command_limit(MemoryTransport(), wish) == wish


def test_a_binary_protocol_has_fewer_ways() -> None:
    """Plain requests carry text; where nothing else is left, dials are to tell so."""
    chain = chain_of("auto").transports
    binary, text = subprotocol("actioncable-v1-ext-msgpack"), subprotocol("actioncable-v1-json")
    assert [one.name for one in able(chain, binary)] == ["websocket"]
    assert able(chain, text) is chain
    assert able(chain, None) is chain
    assert list(able(chain[1:], binary)) == list(chain[1:])


def test_who_only_listens_says_so() -> None:
    """And names those that send."""
    for transport in (WebSocketTransport(), LongPollingTransport(), MemoryTransport()):
        check_sends(transport, "perform")
    with pytest.raises(NotSupported, match="perform is not part of the transport event_stream; it only listens"):
        check_sends(EventStreamTransport(), "perform")
