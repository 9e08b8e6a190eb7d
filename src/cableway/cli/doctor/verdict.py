"""What a cable will do here, and the one thing to do about it. Does no I/O."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from attrs import frozen

from cableway.cli.doctor.findings import Finding, Part, Result, Step
from cableway.cli.doctor.remedies import REMEDIES
from cableway.cli.doctor.symptoms import Symptom
from cableway.cli.exits import ExitCode

if TYPE_CHECKING:
    from cableway.cli.doctor.findings import Record


class Outcome(Enum):
    """How it looks; its value is the word for it in JSON."""

    WORKS = "works"
    """By what is preferred, or by what was asked for."""
    FALLS_BACK = "falls_back"
    """By another transport, which a cable takes by itself."""
    BY_HAND = "only_by_hand"
    """By another transport, which a cable does not take by itself."""
    REFUSED = "refused"
    CAPTIVE = "captive"
    UNREACHABLE = "unreachable"
    NOTHING = "nothing_works"


@frozen
class Verdict:
    """The end of an examination."""

    outcome: Outcome
    text: str
    advice: str
    code: ExitCode


SPOKEN: Final = {
    Part.WEBSOCKET: "WebSocket",
    Part.POLLING: "long polling",
    Part.EVENTS: "event stream",
}

_ARGUMENTS: Final = {
    Part.WEBSOCKET: "WebSocketTransport()",
    Part.POLLING: "LongPollingTransport()",
    Part.EVENTS: "EventStreamTransport()",
}

_PORTAL: Final = frozenset({Symptom.SOMETHING_ELSE, Symptom.REDIRECT, Symptom.LOGIN})

_REFUSALS: Final = frozenset({Symptom.NOT_AUTHENTICATED, Symptom.FORBIDDEN, Symptom.REJECTED})

_NOTHING: Final = "Nothing: all is well."


def judge(record: Record) -> Verdict:
    """Return the verdict on all that was found."""
    asked = record.subject.transports
    if len(asked) == 1:
        return _alone(record, asked[0])
    first, *others = asked
    if record.works(first):
        return Verdict(
            Outcome.WORKS, f"Cable(url) works here, over {SPOKEN[first]}.", _notes(record, first), ExitCode.DONE
        )
    other = next((part for part in others if record.works(part)), None)
    if other is None:
        return _in_vain(record)
    shaky = next((part for part in asked[: asked.index(other)] if record.opens(part)), None)
    return _by_another(record, first, other) if shaky is None else _past(record, shaky, other)


def _alone(record: Record, part: Part) -> Verdict:
    if not record.works(part):
        return _in_vain(record)
    text = f"Cable(url, transports=[{_ARGUMENTS[part]}]) works here."
    return Verdict(Outcome.WORKS, text, _notes(record, part), ExitCode.DONE)


def _by_another(record: Record, first: Part, other: Part) -> Verdict:
    before = record.subject.transports[: record.subject.transports.index(other)]
    stays = next((part for part in before if not _in_the_way(record, part).moves_on), None)
    cause, advice = _told(_in_the_way(record, first if stays is None else stays))
    if stays is None:
        text = f"{SPOKEN[first]} is blocked here; Cable(url) falls back to {SPOKEN[other]} by itself.{_limits(other)}"
        return Verdict(Outcome.FALLS_BACK, text, f"{cause}. {advice}.", ExitCode.FALLBACK)
    if _in_the_way(record, stays).symptom in _REFUSALS:
        text = f"The server refuses us over {SPOKEN[stays]}: Cable(url) ends with Unauthorized. "
        text += f"{_first(SPOKEN[other])} works.{_limits(other)}"
        return Verdict(Outcome.REFUSED, text, f"{advice}.", ExitCode.UNAUTHORIZED)
    text = f"Cable(url) stays at {SPOKEN[stays]}, which fails here for a reason that says nothing about the network. "
    text += f"{_first(SPOKEN[other])} works.{_limits(other)}"
    return _by_hand(text, cause, advice, other)


def _past(record: Record, shaky: Part, other: Part) -> Verdict:
    """Return the verdict where a cable takes *shaky*, and *other* would be better."""
    cause, advice = _told(record.failure(shaky))
    text = f"{_first(SPOKEN[shaky])} comes up here and does not last, and Cable(url) tries it first. "
    text += f"{_first(SPOKEN[other])} works.{_limits(other)}"
    return _by_hand(text, cause, advice, other)


def _by_hand(text: str, cause: str, advice: str, other: Part) -> Verdict:
    told = f"{cause}. {advice}. Or take what works: transports=[{_ARGUMENTS[other]}]."
    return Verdict(Outcome.BY_HAND, text, told, ExitCode.FALLBACK)


def _limits(part: Part) -> str:
    return " That only listens: perform, whisper and presence need another." if part is Part.EVENTS else ""


def _in_vain(record: Record) -> Verdict:
    failures = [failure for part in record.subject.transports if (failure := record.failure(part)) is not None]
    network = record.failure(Part.NETWORK)
    if network is not None and not failures:
        return _nobody_there(network)
    symptoms = {failure.symptom for failure in failures}
    first = failures[0]
    cause, advice = _told(first)
    if symptoms <= _PORTAL:
        text = "Something else than the server answers, whatever is asked: most likely a login page of the network."
        return Verdict(Outcome.CAPTIVE, text, f"{advice}.", ExitCode.FAILED)
    if first.symptom in _REFUSALS:
        text = "The server is reached and refuses us: Cable(url) ends with Unauthorized, by whatever transport."
        return Verdict(Outcome.REFUSED, text, f"{advice}.", ExitCode.UNAUTHORIZED)
    if network is not None:
        first, (cause, advice) = network, _told(network)
    text = f"Nothing that was tried works here. {_which(first)}: {first.detail}."
    return Verdict(Outcome.NOTHING, text, f"{cause}. {advice}.", ExitCode.FAILED)


def _nobody_there(failure: Finding) -> Verdict:
    cause, advice = _told(failure)
    text = f"The server is not reached, whatever the transport: {failure.detail}. Cable(url) goes on trying."
    if failure.symptom is Symptom.NO_TOKEN:
        text = f"There is no token to dial with: {failure.detail}."
    return Verdict(Outcome.UNREACHABLE, text, f"{cause}. {advice}.", ExitCode.FAILED)


def _which(finding: Finding) -> str:
    return "On the way there" if finding.part is Part.NETWORK else _first(SPOKEN[finding.part])


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _in_the_way(record: Record, part: Part) -> Finding:
    """Return what keeps lines by *part* from coming up; plain requests may have got past what was in the way before."""
    failure = record.failure(part) or record.failure(Part.NETWORK)
    return failure or Finding(part=part, step=Step.OPEN, result=Result.FAILED)


def _told(failure: Finding | None) -> tuple[str, str]:
    remedy = REMEDIES[failure.symptom if failure is not None and failure.symptom is not None else Symptom.OTHER]
    return remedy.cause, remedy.advice


def _notes(record: Record, part: Part) -> str:
    noted = [one for one in (*record.of(Part.NETWORK), *record.of(part)) if one.result is Result.NOTE]
    if not noted:
        return _NOTHING
    cause, advice = _told(noted[0])
    return f"{cause}. {advice}."
