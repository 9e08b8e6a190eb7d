"""What a server says of a session."""

from __future__ import annotations

import asyncio

import pytest

from cableway.cli.doctor.listener import Answered, Listener
from cableway.engine.speech import Speech
from cableway.errors import CableError, LineClosed, ServerDisconnect, Unauthorized
from cableway.wire.frames import Ping, Pong, Welcome
from cableway.wire.subprotocols import EXTENDED_JSON


async def test_news_come_in_order_and_messages_are_left_out() -> None:
    """An empty batch is an answer without anything to say."""
    listener = Listener()
    listener.speak(Speech.of(EXTENDED_JSON))
    listener.frames([b'{"type":"welcome","sid":"s"}', b'{"identifier":"i","message":1}', b"nonsense"])
    listener.frames([b'{"type":"ping","message":1}', b'{"type":"pong"}'])
    listener.frames([])

    news = [await listener.next() for _ in range(4)]

    assert news == [Welcome("s"), Ping(1), Pong(), Answered()]


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b'{"type":"disconnect","reason":"unauthorized","reconnect":false}', Unauthorized),
        (b'{"type":"disconnect","reason":"token_expired","reconnect":false}', Unauthorized),
        (b'{"type":"disconnect","reason":"server_restart","reconnect":true}', ServerDisconnect),
    ],
)
async def test_a_goodbye_is_the_end(frame: bytes, kind: type[CableError]) -> None:
    """What comes after it does not count."""
    listener = Listener()
    listener.frames([frame])
    listener.frames([])
    listener.lost(None, "", None)

    with pytest.raises(kind) as caught:
        await listener.next()

    assert type(caught.value) is kind
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(listener.next(), 0)


async def test_a_line_that_is_lost_says_how() -> None:
    """By its code and its cause."""
    listener, cause = Listener(), OSError("gone")
    listener.lost(1011, "Auth Error", cause)

    with pytest.raises(LineClosed, match="1011") as caught:
        await listener.next()

    assert caught.value.__cause__ is cause
