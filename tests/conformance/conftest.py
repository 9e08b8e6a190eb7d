"""Each case that makes sense on both runs against Cableway's gateway and against a real AnyCable."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.conformance.servers import Server, locked_server, post, public_server, token_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KINDS = ["gateway", pytest.param("anycable", marks=pytest.mark.interop)]
PATIENT_KINDS = [pytest.param("gateway", marks=pytest.mark.looptime), KINDS[1]]
"""The same for cases that take their time: the gateway's is virtual."""


@pytest.fixture(params=KINDS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give a server of public streams."""
    async with public_server(request.param) as running:
        yield running


@pytest.fixture(params=KINDS)
async def locked(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give a server that takes publications only with the key."""
    async with locked_server(request.param) as running:
        yield running


@pytest.fixture(params=KINDS)
async def guarded(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give a server that lets nobody in without a token."""
    async with token_server(request.param, enforce_jwt=True) as running:
        yield running


@pytest.fixture(params=KINDS)
async def renamed(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give one where the token is called ``token``."""
    async with token_server(request.param, enforce_jwt=True, jwt_param="token") as running:
        yield running


@pytest.fixture(params=KINDS)
async def standalone(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give one that enforces nothing, but has nobody to ask about clients without a token."""
    async with token_server(request.param) as running:
        yield running


@pytest.fixture(params=KINDS)
async def lenient(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give one that lets clients in without a token, too."""
    async with token_server(request.param, noauth=True) as running:
        yield running


class Publish(Protocol):
    """Publishes one value to a stream of the server."""

    async def __call__(self, stream: str, data: Any) -> None:
        """Publish."""


@pytest.fixture
def publish(server: Server) -> Publish:
    """Give a way to publish, as back ends do: by HTTP."""

    async def publish(stream: str, data: Any) -> None:
        assert await post(server, {"stream": stream, "data": json.dumps(data)}) == 201

    return publish
