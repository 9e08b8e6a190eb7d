"""Which steps there are, and which are not tried after another has failed."""

from __future__ import annotations

import pytest

from cableway.cli.doctor.findings import TRANSPORTS, Finding, Part, Record, Result, Step, Subject
from cableway.cli.doctor.symptoms import Symptom
from tests.cli.doctor.house import fail, results, well

NETWORK_STEPS = [
    (Subject(secure=False), False, "proxy name tcp"),
    (Subject(secure=True), False, "proxy name tcp tls"),
    (Subject(secure=False), True, "proxy name tcp tunnel"),
    (Subject(secure=True, token=True), True, "token proxy name tcp tunnel tls"),
]


@pytest.mark.parametrize(("subject", "proxied", "steps"), NETWORK_STEPS)
def test_the_way_has_the_steps_that_it_needs(subject: Subject, steps: str, *, proxied: bool) -> None:
    """TLS only where the address asks for it, a tunnel only behind a proxy."""
    record = Record(subject, proxied=proxied)

    assert [finding.step.value for finding in record.of(Part.NETWORK)] == steps.split()


def test_a_step_that_was_not_tried_says_so() -> None:
    """After the first that failed, too."""
    record = fail(well(), Part.WEBSOCKET, Step.UPGRADE, Symptom.UPGRADE_CUT)

    assert results(record, Part.WEBSOCKET) == ["failed", "not tried", "not tried"]
    assert [finding.part for finding in record][:4] == [Part.NETWORK] * 3 + [Part.WEBSOCKET]


# step that failed, behind a proxy, what may still be tried
BARRED = [
    (None, False, TRANSPORTS),
    (Step.NAME, False, ()),
    (Step.TCP, False, ()),
    (Step.TLS, False, ()),
    (Step.TOKEN, True, ()),
    (Step.PROXY, True, (Part.POLLING, Part.EVENTS)),
    (Step.TCP, True, (Part.POLLING, Part.EVENTS)),
    (Step.TUNNEL, True, (Part.POLLING, Part.EVENTS)),
    (Step.TLS, True, ()),
]


@pytest.mark.parametrize(("step", "proxied", "allowed"), BARRED)
def test_what_fails_on_the_way_bars_the_transports(
    step: Step | None, allowed: tuple[Part, ...], *, proxied: bool
) -> None:
    """A proxy that makes no tunnel may pass plain requests all the same."""
    record = Record(Subject(secure=True, token=True), proxied=proxied)
    if step is not None:
        record.add(Finding(part=Part.NETWORK, step=step, result=Result.FAILED))

    assert tuple(part for part in TRANSPORTS if record.allows(part)) == allowed


def test_a_note_is_no_failure() -> None:
    """What works with a remark works; what the server does not offer does not, and nothing else failed."""
    record = fail(well(Part.WEBSOCKET), Part.WEBSOCKET, Step.PING, Symptom.NO_BEAT, Result.NOTE)
    fail(record, Part.POLLING, Step.OPEN, Symptom.NOT_OFFERED, Result.NOT_OFFERED)

    assert record.works(Part.WEBSOCKET)
    assert record.failure(Part.WEBSOCKET) is None
    assert not record.works(Part.POLLING)
    failure = record.failure(Part.POLLING)
    assert failure is not None
    assert failure.symptom is Symptom.NOT_OFFERED
