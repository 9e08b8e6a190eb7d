"""A client that polls, with no opinions: sends what it is told, and hands over what comes."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Self

import httpx2

from tests.conformance.raw_client import WAIT

if TYPE_CHECKING:
    from collections.abc import Mapping

POLL_ID = "X-Anycable-Poll-ID"
EXTENDED = "actioncable-v1-ext-json"


class PollClient:
    """One session; what an answer brings is kept until it is asked for."""

    def __init__(
        self, url: str, *, headers: Mapping[str, str] | None = None, params: Mapping[str, str] | None = None
    ) -> None:
        self._url = f"{url}/lp"
        self._params = dict(params or {})
        self._client = httpx2.AsyncClient(trust_env=False, timeout=WAIT)
        self.headers = dict(headers or {})
        self.frames: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._client.aclose()

    @property
    def opened(self) -> bool:
        """Whether the server gave an id."""
        return POLL_ID in self.headers

    async def post(self, *commands: dict[str, Any]) -> httpx2.Response:
        """Send one request with these commands, and keep the frames that it brings."""
        return await self.post_text("".join(json.dumps(command) + "\n" for command in commands))

    async def post_text(self, body: str) -> httpx2.Response:
        """Send one request with this body."""
        response = await self._client.post(self._url, params=self._params, headers=self.headers, content=body)
        if response.headers.get("Content-Type", "").startswith("application/jsonl"):
            assert not response.text or response.text.endswith("\n")
            self.frames += [json.loads(line) for line in response.text.splitlines()]
        if POLL_ID in response.headers:
            self.headers[POLL_ID] = response.headers[POLL_ID]
        return response

    async def frame(self, *commands: dict[str, Any]) -> dict[str, Any]:
        """Return the next frame; poll for it, with these commands, until there is one."""
        async with asyncio.timeout(WAIT):
            while not self.frames:
                response = await self.post(*commands)
                assert response.status_code in (200, 204), response.text
                commands = ()
        return self.frames.pop(0)

    async def expect(self, *commands: dict[str, Any], **expected: Any) -> dict[str, Any]:
        """Check that the next frame has these fields; it may have more."""
        frame = await self.frame(*commands)
        assert {name: frame.get(name) for name in expected} == expected
        return frame

    async def welcomed(self) -> Self:
        """Open the session, and check that the server lets us in."""
        await self.expect(type="welcome")
        return self

    async def subscribe(self, target: str, **more: Any) -> str:
        """Subscribe, and check that the next frame confirms it."""
        await self.expect(subscribing(target, **more), type="confirm_subscription", identifier=target)
        return target


def subscribing(target: str, **more: Any) -> dict[str, Any]:
    """Make a subscribe."""
    return {"command": "subscribe", "identifier": target, **more}


def performing(target: str, action: str, **data: Any) -> dict[str, Any]:
    """Make a perform."""
    return {"command": "message", "identifier": target, "data": json.dumps({"action": action, **data})}
