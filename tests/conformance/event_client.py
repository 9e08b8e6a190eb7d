"""A client of event streams with no opinions: asks for what it is told, and hands over each block as it came."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import httpx2

from tests.conformance.raw_client import WAIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class Event(NamedTuple):
    """One block."""

    kind: str
    data: str
    id: str
    retry: str
    text: str
    """As it came."""

    @property
    def value(self) -> Any:
        """The data as JSON."""
        return json.loads(self.data)


class EventClient:
    """One request; its answer is read block by block. Pings are put aside unless asked for."""

    def __init__(
        self,
        url: str,
        params: Mapping[str, str | list[str]] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        content: str | bytes | None = None,
    ) -> None:
        self._client = httpx2.AsyncClient(trust_env=False, timeout=WAIT)
        self._request = self._client.build_request(
            method, f"{url}/events", params=dict(params or {}), headers=dict(headers or {}), content=content
        )
        self.response: httpx2.Response
        self._chunks: AsyncIterator[str]
        self._rest = ""

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def open(self) -> Self:
        """Ask, and wait for the head of the answer."""
        try:
            self.response = await self._client.send(self._request, stream=True)
        except BaseException:
            await self._client.aclose()
            raise
        self._chunks = self.response.aiter_text()
        return self

    async def close(self) -> None:
        """Hang up."""
        await self.response.aclose()
        await self._client.aclose()

    @property
    def status(self) -> int:
        """The answer's status."""
        return self.response.status_code

    async def event(self, *, pings: bool = False) -> Event:
        """Return the next event; pings only where asked for."""
        async with asyncio.timeout(WAIT):
            while True:
                while "\n\n" not in self._rest:
                    self._rest += await anext(self._chunks)
                text, _, self._rest = self._rest.partition("\n\n")
                event = _read(text)
                if pings or event.kind != "ping":
                    return event

    async def expect(self, kind: str) -> Event:
        """Check that the next event is of this kind; one without a name is a message."""
        event = await self.event()
        assert event.kind == kind, event
        return event

    async def expect_message(self, message: Any) -> Event:
        """Check that the next event is this bare message."""
        event = await self.expect("")
        assert event.value == message
        return event

    async def begun(self) -> Self:
        """Check that the stream begins as one does: a welcome, a confirmation."""
        await self.expect("welcome")
        await self.expect("confirm_subscription")
        return self

    async def expect_end(self) -> None:
        """Check that the stream ends now."""
        assert [
            event for event in map(_read, (await self.rest()).split("\n\n")) if event.kind != "ping" and event.text
        ] == []

    async def rest(self) -> str:
        """Return all that still comes, to the end of the stream."""
        async with asyncio.timeout(WAIT):
            return self._rest + "".join([chunk async for chunk in self._chunks])


def _read(text: str) -> Event:
    fields: dict[str, list[str]] = {"event": [], "data": [], "id": [], "retry": []}
    for line in text.splitlines():
        name, _, value = line.partition(": ")
        fields[name].append(value)
    return Event(
        "".join(fields["event"]), "\n".join(fields["data"]), "".join(fields["id"]), "".join(fields["retry"]), text
    )
