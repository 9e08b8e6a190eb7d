"""Carries out the steps: the token, the way there, and the transports beside each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cableway.cli.doctor.findings import TRANSPORTS, Part, Record, Step, Subject
from cableway.cli.doctor.lines import LineTrial
from cableway.cli.doctor.route import survey
from cableway.cli.doctor.trial import Shown, Trial
from cableway.cli.durations import write_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cableway.auth.providers.base import TokenProvider
    from cableway.cli.doctor.means import Means


def record_for(means: Means, transports: Sequence[Part] = TRANSPORTS) -> Record:
    """Return an empty record for what *means* leads to."""
    secure = urlsplit(means.url).scheme.lower() in {"wss", "https"}
    return Record(Subject(secure=secure, token=means.source is not None, transports=transports))


async def examine(means: Means, record: Record) -> None:
    """Try all that *record* is about, and put into it what is found. Cancelled, it leaves no line open.

    The transports are tried beside each other: each has to wait for beats, and none disturbs another.
    """
    try:
        if means.source is not None:
            trial = Trial(record, Part.NETWORK, means.url, means.timeout)
            if not await trial.step(
                Step.TOKEN, _token(means, means.source), limit=means.timeout + 1, late="no token came"
            ):
                return
        await survey(await means.request(), record)
        async with asyncio.TaskGroup() as group:
            for part in record.subject.transports:
                if record.allows(part):
                    group.create_task(LineTrial.of(part, means, record).run(), name=f"cableway-doctor-{part.value}")
    finally:
        await means.released()


async def _token(means: Means, source: TokenProvider) -> Shown:
    label, left = await means.fetch_token(source)
    if left is None:
        return Shown(f"from {label}", {"life_left": None})
    told = f"good for {write_duration(left)}" if left > 0 else f"ended {write_duration(-left)} ago by the clock here"
    return Shown(f"from {label}, {told}", {"life_left": round(left)})
