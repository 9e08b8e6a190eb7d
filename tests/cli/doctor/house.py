"""What several tests of the doctor build: records with findings in them, and examinations of an address."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cableway.cli.doctor.examination import examine, record_for
from cableway.cli.doctor.findings import TRANSPORTS, Finding, Part, Record, Result, Step, Subject
from cableway.cli.doctor.means import Means
from tests.transports.websocket.peers import Peer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cableway.cli.doctor.symptoms import Symptom
    from tests.transports.websocket.peers import Script

TIMEOUT = 5.0


async def examined(
    url: str, *, transports: Sequence[Part] = TRANSPORTS, timeout: float = TIMEOUT, **given: Any
) -> Record:
    """Examine *url*, with no proxy unless one is given."""
    means = Means({"url": url, "proxy": None, **given}, timeout)
    record = record_for(means, transports)
    await examine(means, record)
    return record


def served(script: Script) -> Script:
    """Have *script* see only those who say something: the doctor also tries whether the port answers at all."""

    async def seen(peer: Peer) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await script(peer)

    return seen


def found(record: Record, part: Part, step: Step) -> Finding:
    """Return what was found at *step*."""
    return next(one for one in record.of(part) if one.step is step)


def results(record: Record, part: Part) -> list[str]:
    """Return the results of *part*, in words."""
    return [one.result.value for one in record.of(part)]


def well(*parts: Part, proxied: bool = False, transports: Sequence[Part] = TRANSPORTS, **about: bool) -> Record:
    """Return a record in which all went well on the way, and in *parts*."""
    record = Record(Subject(**{"secure": False, **about}, transports=transports), proxied=proxied)
    for part in (Part.NETWORK, *parts):
        for finding in record.of(part):
            record.add(Finding(part=part, step=finding.step, result=Result.OK))
    return record


def fail(
    record: Record, part: Part, step: Step, symptom: Symptom, result: Result = Result.FAILED, *, moves_on: bool = False
) -> Record:
    """Have *step* of *part* end with *symptom*, after which a cable *moves on* or does not."""
    finding = Finding(part=part, step=step, result=result, symptom=symptom, detail="what was told", moves_on=moves_on)
    record.add(finding)
    return record


def without_upgrades(port: int) -> Script:
    """A proxy that passes requests on and swallows those for an upgrade."""

    async def pass_on(peer: Peer) -> None:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        if b"upgrade: websocket" in head.lower():
            await peer.silence()
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        behind = Peer(reader, writer)
        await asyncio.gather(_copy(peer, behind), _copy(behind, peer))

    return pass_on


async def _copy(source: Peer, target: Peer) -> None:
    try:
        while data := await source.reader.read(65536):
            await target.send(data)
    except ConnectionError:
        pass
    target.writer.close()
