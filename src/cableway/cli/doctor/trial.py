"""Tries one step: within its time, and with whatever comes of it as a finding."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from attrs import field, frozen

from cableway.cli.doctor.findings import Finding, Result, Step
from cableway.cli.doctor.symptoms import Symptom, symptom_of
from cableway.errors import CableError, ConnectError, ConnectTimeout, HandshakeRefused, LineClosed, ServerSilent
from cableway.policies.ladder import Blame, blame
from cableway.redact import printable, redact_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from cableway.cli.doctor.findings import Part, Record

_REACHED: Final = frozenset({Step.UPGRADE, Step.OPEN, Step.WELCOME, Step.POLL, Step.HOLD})
"""Steps in which silence is the server's."""

LATE: Final = "no end came"


@frozen
class Shown:
    """What a step that went well has shown."""

    detail: str = ""
    facts: Mapping[str, Any] = field(factory=dict)
    note: Symptom | None = None
    seconds: float | None = None
    """What was measured, where that is not the time that the step took."""


@frozen
class Trial:
    """Tries steps of one part, and keeps what they have shown."""

    record: Record
    part: Part
    url: str = field(repr=False)
    timeout: float

    async def step(self, step: Step, work: Awaitable[Shown], *, limit: float | None = None, late: str = LATE) -> bool:
        """Do *work*, for *limit* seconds at most, after which it is called *late*; tell whether *step* went well."""
        loop = asyncio.get_running_loop()
        began, seconds = loop.time(), limit or self.timeout
        clock = asyncio.timeout(seconds)
        try:
            async with clock:
                shown = await work
        except CableError as error:
            return self._failed(step, error, loop.time() - began)
        except TimeoutError as error:
            kind = ServerSilent if step in _REACHED else ConnectTimeout
            return self._failed(step, kind(self.url, seconds, late) if clock.expired() else error, loop.time() - began)
        except OSError as error:
            return self._failed(step, error, loop.time() - began)
        self.record.add(
            Finding(
                part=self.part,
                step=step,
                result=Result.OK if shown.note is None else Result.NOTE,
                detail=shown.detail,
                seconds=loop.time() - began if shown.seconds is None else shown.seconds,
                symptom=shown.note,
                facts=shown.facts,
            )
        )
        return True

    def _failed(self, step: Step, error: BaseException, seconds: float) -> bool:
        symptom = symptom_of(error, step, self.part)
        self.record.add(
            Finding(
                part=self.part,
                step=step,
                result=Result.NOT_OFFERED if symptom is Symptom.NOT_OFFERED else Result.FAILED,
                detail=explained(error),
                seconds=seconds,
                symptom=symptom,
                moves_on=blame(error) is not Blame.NOTHING,
                facts=_facts(error),
            )
        )
        return False


def explained(error: BaseException) -> str:
    """Say what *error* says, without what to do about it: that is told beside it."""
    if isinstance(error, HandshakeRefused):
        return f"HTTP {_status(error.status)}{_answered_by(error.headers)}{_elsewhere(error.headers)}"
    if isinstance(error, LineClosed) and isinstance(error.__cause__, CableError):
        # On a line of many requests it is one of them that tells.
        return explained(error.__cause__)
    if isinstance(error, ConnectError):
        return error.what
    if isinstance(error, OSError) and not isinstance(error, CableError):
        return printable(error.strerror or str(error) or type(error).__name__)
    return printable(redact_text(str(error)))


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _answered_by(headers: Mapping[str, str]) -> str:
    name = server_name(headers)
    return f" from {name}" if name else ""


def _elsewhere(headers: Mapping[str, str]) -> str:
    try:
        host = urlsplit(headers.get("location", "")).netloc.rpartition("@")[2]
    except ValueError:
        host = ""
    return f", to the host {printable(host, 80)}" if host else ""


def server_name(headers: Mapping[str, str]) -> str:
    """Return what whoever answered calls itself, empty if it does not say."""
    anycable = headers.get("x-anycable-version")
    return printable(f"AnyCable {anycable}" if anycable else headers.get("server", ""), 60)


def _facts(error: BaseException) -> dict[str, Any]:
    if isinstance(error, LineClosed) and isinstance(error.__cause__, CableError):
        return _facts(error.__cause__)
    status = getattr(error, "status", None)
    facts: dict[str, Any] = {} if status is None else {"status": status}
    if isinstance(error, HandshakeRefused) and (name := server_name(error.headers)):
        facts["server"] = name
    return facts
