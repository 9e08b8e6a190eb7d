"""A client process that is suspended for a while, as a laptop's shell or a container's freezer does."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.interop.peers.client import Client
from tests.interop.peers.waiting import in_thread, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.peers.anycable import AnyCable
    from tests.interop.peers.rails import Rails

# Both longer than the client lets a server be silent.
SUSPENDED = 12.0
NODDED_OFF = 12.0
# A dial within a second, and what a busy machine adds.
SOON = 5.0


@contextmanager
def running(url: str, channel: str, params: dict[str, Any], folder: Path) -> Iterator[Client]:
    """Run a client, and end it."""
    client = Client(url, channel, params, folder)
    client.start()
    try:
        yield client
    finally:
        client.process.kill()


async def test_rails_restarted_meanwhile(rails: Rails, tmp_path: Path) -> None:
    """Suspended while Rails is killed and started again, it finds the line dead and comes back."""
    with running(rails.url, "RoomChannel", {"room": "suspended"}, tmp_path) as client:
        client.process.freeze()
        await in_thread(rails.restart)
        await asyncio.sleep(SUSPENDED)
        client.process.thaw()
        took = await until(lambda: len(client.told("subscribed")) == 2, "it is back", SOON)
        print(f"back {took:.2f} s after the end of its suspension")  # noqa: T201
        assert [told["again"] for told in client.told("subscribed")] == [False, True]
        assert len(client.told("disconnected")) == 1
        await in_thread(rails.broadcast, "room:suspended", "woken")
        await until(lambda: [told["data"] for told in client.told("received")] == ["woken"], "it hears")


async def test_a_line_that_lived_on_is_kept(anycable: AnyCable, tmp_path: Path) -> None:
    """Suspended while the server beats and publishes, it goes on with the same line: what came is read first."""
    await suspended_with_a_living_line(
        tmp_path, anycable.url, "$pubsub", {"stream_name": "lived on"}, lambda what: anycable.publish("lived on", what)
    )


async def test_a_line_to_rails_that_lived_on_is_kept(rails: Rails, tmp_path: Path) -> None:
    """Suspended while Rails beats and broadcasts, it goes on with the same line."""
    await suspended_with_a_living_line(
        tmp_path, rails.url, "RoomChannel", {"room": "on"}, lambda what: rails.broadcast("room:on", what)
    )


async def suspended_with_a_living_line(
    folder: Path, url: str, channel: str, params: dict[str, Any], publish: Any
) -> None:
    """Suspend a client, publish meanwhile and afterwards, and see that nothing is lost, the line neither.

    Nor is its own absence taken for the server's beat: a line that dies later is found dead as soon as ever.
    """
    with running(url, channel, params, folder) as client:
        await until(lambda: len(client.told("beat")) >= 2, "its server's beat is known")
        client.process.freeze()
        await in_thread(publish, "meanwhile")
        await asyncio.sleep(NODDED_OFF)
        client.process.thaw()
        await until(lambda: bool(client.told("received")), "what came meanwhile is read", SOON)
        await in_thread(publish, "afterwards")
        await until(lambda: len(client.told("received")) == 2, "it hears", SOON)
        beats = len(client.told("beat"))
        await until(lambda: len(client.told("beat")) > beats, "the server goes on to beat")
        assert [told["data"] for told in client.told("received")] == ["meanwhile", "afterwards"]
        assert client.told("disconnected") == []
        assert len(client.told("subscribed")) == 1
        assert max(told["learned"] or 0 for told in client.told("beat")) < 4
