"""Requests that cannot be read are told of, and not shown."""

from __future__ import annotations

import asyncio
import logging

import pytest

from cableway.gateway import Gateway
from cableway.gateway.http_log import log

LONG = "canary." * 1500


@pytest.mark.parametrize(
    "request_text",
    [
        f"GET /cable HTTP/1.1\r\nHost: h\r\nx-jid: {LONG}\r\n\r\n",
        f"GET /cable?jid={LONG} HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /cable HTTP/1.1\r\nHost: h\r\nx-jid: can\x01canary\r\n\r\n",
        "GET /cable?jid=canary nonsense\r\nHost: h\r\n\r\n",
    ],
    ids=["a long header", "a long address", "a control character", "no HTTP"],
)
async def test_a_request_that_cannot_be_read_is_not_shown(request_text: str, caplog: pytest.LogCaptureFixture) -> None:
    """It may hold a token; the kind of fault is told, where somebody wants to know."""
    with caplog.at_level(logging.DEBUG):
        async with Gateway() as gateway:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(request_text.encode())
            assert b" 400 " in await reader.readline()
            writer.close()
            await writer.wait_closed()
    told = [record for record in caplog.records if record.name == log.name]
    assert len(told) == 1
    assert "a request could not be read: " in told[0].getMessage()
    assert told[0].levelno == logging.INFO
    assert "canary" not in caplog.text


def test_other_errors_are_told_whole(caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours has its traceback."""
    try:
        int("one")
    except ValueError:
        log.exception("Error handling request")
    assert "ValueError" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR
