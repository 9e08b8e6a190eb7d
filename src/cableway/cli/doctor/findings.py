"""What one step has shown; which steps there are, and which follow when one has failed. Does no I/O."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cableway.cli.doctor.symptoms import Symptom


class Part(Enum):
    """What a step belongs to: the way there, which all transports share, or one of them."""

    NETWORK = "network"
    WEBSOCKET = "websocket"
    POLLING = "polling"
    EVENTS = "events"


TRANSPORTS: Final = (Part.WEBSOCKET, Part.POLLING, Part.EVENTS)
"""In the order in which a cable prefers them."""


class Step(Enum):
    """One thing that is tried."""

    TOKEN = "token"  # noqa: S105 - the name of a step
    PROXY = "proxy"
    NAME = "name"
    TCP = "tcp"
    TUNNEL = "tunnel"
    TLS = "tls"
    UPGRADE = "upgrade"
    OPEN = "open"
    WELCOME = "welcome"
    PING = "ping"
    POLL = "poll"
    HOLD = "hold"


class Result(Enum):
    """How a step went."""

    OK = "ok"
    NOTE = "note"
    """It works, and there is something to know about it."""
    FAILED = "failed"
    NOT_OFFERED = "not offered"
    """The server has no such thing: nobody's fault."""
    NOT_TRIED = "not tried"


@frozen(kw_only=True)
class Finding:
    """What one step has shown."""

    part: Part
    step: Step
    result: Result
    detail: str = ""
    """For people, on one line, without secrets."""
    seconds: float | None = None
    symptom: Symptom | None = None
    moves_on: bool = False
    """Whether a cable that dials goes on with another transport after this."""
    facts: Mapping[str, Any] = field(factory=dict)
    """For programs; without secrets."""


@frozen(kw_only=True)
class Subject:
    """What is examined, as far as it decides which steps there are."""

    secure: bool
    """Whether the address asks for TLS."""
    token: bool = False
    """Whether there is a source of tokens."""
    transports: Sequence[Part] = TRANSPORTS


_OWN: Final = {
    Part.WEBSOCKET: (Step.UPGRADE, Step.WELCOME, Step.PING),
    Part.POLLING: (Step.OPEN, Step.WELCOME, Step.POLL, Step.HOLD),
    Part.EVENTS: (Step.OPEN, Step.WELCOME, Step.PING),
}


@define
class Record:
    """The findings of one examination, in the order of the steps."""

    subject: Subject
    proxied: bool = False
    """Whether a proxy is on the way; known once the step that looks for one is through."""
    _found: dict[tuple[Part, Step], Finding] = field(factory=dict, init=False)

    def add(self, finding: Finding) -> Finding:
        """Take a finding."""
        self._found[finding.part, finding.step] = finding
        return finding

    def allows(self, part: Part) -> bool:
        """Tell whether the steps of *part* make sense after what the network has shown.

        Behind a proxy, a way that leads nowhere bars the WebSocket alone, which needs a tunnel: a proxy may pass plain
        requests all the same, and may be another one for them.
        """
        failed = {finding.step for finding in self.of(Part.NETWORK) if finding.result is Result.FAILED}
        if self.proxied and part in {Part.POLLING, Part.EVENTS}:
            return not failed & {Step.TOKEN, Step.TLS}
        return not failed

    def of(self, part: Part) -> list[Finding]:
        """Return what was found of *part*; a step that was not tried says so."""
        return [
            self._found.get((part, step), Finding(part=part, step=step, result=Result.NOT_TRIED))
            for step in self._steps(part)
        ]

    def failure(self, part: Part) -> Finding | None:
        """Return the first step of *part* that failed."""
        return next((one for one in self.of(part) if one.result in {Result.FAILED, Result.NOT_OFFERED}), None)

    def works(self, part: Part) -> bool:
        """Tell whether all steps of *part* went well."""
        return all(finding.result in {Result.OK, Result.NOTE} for finding in self.of(part))

    def opens(self, part: Part) -> bool:
        """Tell whether a line by *part* comes up: a cable takes it then, whatever becomes of it."""
        welcome = self._found.get((part, Step.WELCOME))
        return welcome is not None and welcome.result in {Result.OK, Result.NOTE}

    def __iter__(self) -> Iterator[Finding]:
        for part in (Part.NETWORK, *self.subject.transports):
            yield from self.of(part)

    def _steps(self, part: Part) -> Iterator[Step]:
        if part is not Part.NETWORK:
            yield from _OWN[part]
            return
        if self.subject.token:
            yield Step.TOKEN
        yield from (Step.PROXY, Step.NAME, Step.TCP)
        if self.proxied:
            yield Step.TUNNEL
        if self.subject.secure:
            yield Step.TLS
