"""What a cable will do, from what was found."""

from __future__ import annotations

import pytest

from cableway.cli.doctor.findings import TRANSPORTS, Part, Record, Result, Step
from cableway.cli.doctor.remedies import REMEDIES
from cableway.cli.doctor.symptoms import Symptom
from cableway.cli.doctor.verdict import Outcome, judge
from cableway.cli.exits import ExitCode
from tests.cli.doctor.house import fail, well

BLOCKING = {Symptom.UPGRADE_DROPPED, Symptom.UPGRADE_SWALLOWED, Symptom.UPGRADE_CUT}


def refused(symptom: Symptom, *works: Part) -> Record:
    """A record in which the upgrade failed, what *works* works, and the rest is not offered."""
    record = fail(well(*works), Part.WEBSOCKET, Step.UPGRADE, symptom, moves_on=symptom in BLOCKING)
    for part in {Part.POLLING, Part.EVENTS} - set(works):
        fail(record, part, Step.OPEN, Symptom.NOT_OFFERED, Result.NOT_OFFERED, moves_on=True)
    return record


def everywhere(symptom: Symptom) -> Record:
    """A record in which each transport failed by *symptom*."""
    record = fail(well(), Part.WEBSOCKET, Step.UPGRADE, symptom)
    for part in (Part.POLLING, Part.EVENTS):
        fail(record, part, Step.OPEN, symptom)
    return record


TABLE = [
    (well(*TRANSPORTS), Outcome.WORKS, ExitCode.DONE, "over WebSocket"),
    (well(Part.WEBSOCKET), Outcome.WORKS, ExitCode.DONE, "over WebSocket"),
    (refused(Symptom.UPGRADE_DROPPED, Part.POLLING), Outcome.FALLS_BACK, ExitCode.FALLBACK, "long polling by itself"),
    (refused(Symptom.UPGRADE_SWALLOWED, Part.POLLING), Outcome.FALLS_BACK, ExitCode.FALLBACK, "long polling by itself"),
    (refused(Symptom.UPGRADE_CUT, Part.EVENTS), Outcome.FALLS_BACK, ExitCode.FALLBACK, "That only listens"),
    (refused(Symptom.SERVER_FAILED, Part.POLLING), Outcome.BY_HAND, ExitCode.FALLBACK, "stays at WebSocket"),
    (refused(Symptom.NOT_FOUND, Part.EVENTS), Outcome.BY_HAND, ExitCode.FALLBACK, "Event stream works"),
    (refused(Symptom.FORBIDDEN, Part.POLLING), Outcome.REFUSED, ExitCode.UNAUTHORIZED, "Long polling works"),
    (refused(Symptom.NOT_AUTHENTICATED), Outcome.REFUSED, ExitCode.UNAUTHORIZED, "refuses us"),
    (everywhere(Symptom.FORBIDDEN), Outcome.REFUSED, ExitCode.UNAUTHORIZED, "refuses us"),
    (everywhere(Symptom.REDIRECT), Outcome.CAPTIVE, ExitCode.FAILED, "login page"),
    (everywhere(Symptom.SOMETHING_ELSE), Outcome.CAPTIVE, ExitCode.FAILED, "login page"),
    (everywhere(Symptom.NO_BACKEND), Outcome.NOTHING, ExitCode.FAILED, "WebSocket: what was told"),
    (refused(Symptom.UPGRADE_SWALLOWED), Outcome.NOTHING, ExitCode.FAILED, "Nothing that was tried"),
    (fail(well(), Part.NETWORK, Step.TCP, Symptom.REFUSED), Outcome.UNREACHABLE, ExitCode.FAILED, "is not reached"),
    (
        fail(well(token=True), Part.NETWORK, Step.TOKEN, Symptom.NO_TOKEN),
        Outcome.UNREACHABLE,
        ExitCode.FAILED,
        "no token",
    ),
]


@pytest.mark.parametrize(("record", "outcome", "code", "said"), TABLE)
def test_the_verdict_follows_from_the_findings(record: Record, outcome: Outcome, code: ExitCode, said: str) -> None:
    """In one sentence, with one thing to do, and an exit code for scripts."""
    verdict = judge(record)

    assert (verdict.outcome, verdict.code) == (outcome, code)
    assert said in verdict.text
    assert verdict.advice


@pytest.mark.parametrize(
    ("shaky", "step", "symptom", "other"),
    [
        (Part.WEBSOCKET, Step.PING, Symptom.LINE_LOST, Part.POLLING),
        (Part.POLLING, Step.POLL, Symptom.SESSION_GONE, Part.EVENTS),
        (Part.POLLING, Step.HOLD, Symptom.POLL_LOST, Part.EVENTS),
    ],
)
def test_what_comes_up_and_does_not_last_is_what_a_cable_takes(
    shaky: Part, step: Step, symptom: Symptom, other: Part
) -> None:
    """So the better one has to be named, or the first one mended."""
    record = fail(well(*TRANSPORTS), shaky, step, symptom)
    if shaky is not Part.WEBSOCKET:
        record = fail(well(shaky, other), Part.WEBSOCKET, Step.UPGRADE, Symptom.UPGRADE_CUT)
        fail(record, shaky, step, symptom)

    verdict = judge(record)

    assert (verdict.outcome, verdict.code) == (Outcome.BY_HAND, ExitCode.FALLBACK)
    assert "does not last" in verdict.text
    assert REMEDIES[symptom].advice in verdict.advice


def test_a_tunnel_that_is_refused_leaves_plain_requests() -> None:
    """The proxy passes them, so the cable gets through."""
    record = fail(well(Part.POLLING, proxied=True), Part.NETWORK, Step.TUNNEL, Symptom.PROXY_FORBIDS, moves_on=True)

    verdict = judge(record)

    assert verdict.outcome is Outcome.FALLS_BACK
    assert REMEDIES[Symptom.PROXY_FORBIDS].advice in verdict.advice


def test_a_transport_that_a_cable_does_not_leave_is_in_the_way() -> None:
    """The one below it works, and is not come to."""
    record = refused(Symptom.UPGRADE_CUT, Part.EVENTS)
    fail(record, Part.POLLING, Step.OPEN, Symptom.UNAVAILABLE)

    verdict = judge(record)

    assert verdict.outcome is Outcome.BY_HAND
    assert "stays at long polling" in verdict.text
    assert REMEDIES[Symptom.UNAVAILABLE].advice in verdict.advice


def test_the_proxy_is_to_blame_where_nothing_gets_past_it() -> None:
    """Not what the other transports made of it."""
    record = fail(well(proxied=True), Part.NETWORK, Step.TCP, Symptom.PROXY_UNREACHED)
    for part in (Part.POLLING, Part.EVENTS):
        fail(record, part, Step.OPEN, Symptom.REFUSED)

    verdict = judge(record)

    assert verdict.outcome is Outcome.NOTHING
    assert "On the way there" in verdict.text
    assert REMEDIES[Symptom.PROXY_UNREACHED].advice in verdict.advice


@pytest.mark.parametrize(
    ("part", "step", "argument"),
    [
        (Part.WEBSOCKET, Step.UPGRADE, "WebSocketTransport()"),
        (Part.POLLING, Step.POLL, "LongPollingTransport()"),
        (Part.EVENTS, Step.OPEN, "EventStreamTransport()"),
    ],
)
def test_one_transport_alone_is_judged_by_itself(part: Part, step: Step, argument: str) -> None:
    """Whoever asks for it prefers it."""
    works = judge(well(part, transports=(part,)))
    fails = judge(fail(well(transports=(part,)), part, step, Symptom.SERVER_FAILED))

    assert (works.outcome, works.code) == (Outcome.WORKS, ExitCode.DONE)
    assert argument in works.text
    assert (fails.outcome, fails.code) == (Outcome.NOTHING, ExitCode.FAILED)


def test_what_is_noted_is_what_to_do_where_all_works() -> None:
    """A certificate that ends soon is worth a word; without a note there is nothing to do."""
    noted = fail(well(*TRANSPORTS, secure=True), Part.NETWORK, Step.TLS, Symptom.ENDS_SOON, Result.NOTE)

    assert REMEDIES[Symptom.ENDS_SOON].advice in judge(noted).advice
    assert judge(well(*TRANSPORTS)).advice.startswith("Nothing")
