"""A step becomes a finding, whatever comes of it, and within its time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cableway.cli.doctor.findings import Part, Record, Result, Step, Subject
from cableway.cli.doctor.symptoms import Symptom
from cableway.cli.doctor.trial import Shown, Trial, explained, server_name
from cableway.errors import ConnectTimeout, HandshakeCut, HandshakeRefused, NotOffered, UsageError
from tests.cli.doctor.house import found

pytestmark = pytest.mark.looptime

URL = "wss://example.com/cable?jid=s3cret"


def trial(part: Part = Part.WEBSOCKET) -> Trial:
    """A trial that may take two seconds a step."""
    return Trial(Record(Subject(secure=True)), part, URL, 2.0)


async def shows(shown: Shown, after: float = 0.0) -> Shown:
    """A step that goes well."""
    await asyncio.sleep(after)
    return shown


async def fails(error: Exception) -> Shown:
    """One that does not."""
    raise error


async def test_a_step_that_goes_well_tells_what_it_has_shown_and_how_long_it_took() -> None:
    """Or what it has measured itself; with a note it is one that works, and is worth a word."""
    one = trial()

    assert await one.step(Step.UPGRADE, shows(Shown("fine", {"a": 1}), after=0.5))
    assert await one.step(Step.PING, shows(Shown("slow", note=Symptom.NO_BEAT, seconds=7.0)))

    upgrade, ping = found(one.record, Part.WEBSOCKET, Step.UPGRADE), found(one.record, Part.WEBSOCKET, Step.PING)
    assert (upgrade.result, upgrade.detail, upgrade.facts) == (Result.OK, "fine", {"a": 1})
    assert upgrade.seconds == pytest.approx(0.5, abs=0.05)
    assert (ping.result, ping.symptom, ping.seconds) == (Result.NOTE, Symptom.NO_BEAT, 7.0)


FAILURES: list[tuple[Exception, str, Symptom, dict[str, Any]]] = [
    (
        HandshakeRefused(URL, 400, {"server": "nginx"}),
        "HTTP 400 Bad Request from nginx",
        Symptom.UPGRADE_DROPPED,
        {"status": 400, "server": "nginx"},
    ),
    (HandshakeRefused(URL, 799, {}), "HTTP 799", Symptom.SERVER_FAILED, {"status": 799}),
    (HandshakeCut(URL, "it was cut"), "it was cut", Symptom.UPGRADE_CUT, {}),
    (ConnectionRefusedError(111, "Connection refused"), "Connection refused", Symptom.REFUSED, {}),
    (
        UsageError(f"no such thing at {URL}"),
        "no such thing at wss://example.com/cable?jid=***",
        Symptom.PROXY_UNUSABLE,
        {},
    ),
]


@pytest.mark.parametrize(("error", "detail", "symptom", "facts"), FAILURES)
async def test_a_step_that_fails_tells_why(
    error: Exception, detail: str, symptom: Symptom, facts: dict[str, Any]
) -> None:
    """In the words of the error, without what is secret in them."""
    one = trial()

    assert not await one.step(Step.UPGRADE, fails(error))

    finding = found(one.record, Part.WEBSOCKET, Step.UPGRADE)
    assert (finding.result, finding.detail, finding.symptom, finding.facts) == (Result.FAILED, detail, symptom, facts)


@pytest.mark.parametrize(
    ("error", "moves_on"),
    [
        (HandshakeCut(URL, "cut"), True),
        (HandshakeRefused(URL, 400, {}), True),
        (HandshakeRefused(URL, 403, {}), False),
        (HandshakeRefused(URL, 503, {}), False),
        (ConnectTimeout(URL, 1, "late"), False),
    ],
)
async def test_whether_a_cable_falls_back_is_what_its_own_rules_say(error: Exception, *, moves_on: bool) -> None:
    """The doctor has no opinion of its own."""
    one = trial()

    assert not await one.step(Step.UPGRADE, fails(error))

    assert found(one.record, Part.WEBSOCKET, Step.UPGRADE).moves_on is moves_on


async def test_what_the_server_does_not_have_is_not_offered() -> None:
    """That is no failure of anybody's."""
    one = trial(Part.POLLING)

    assert not await one.step(Step.OPEN, fails(NotOffered(URL, 404, {})))

    absent = found(one.record, Part.POLLING, Step.OPEN)
    assert absent.result is Result.NOT_OFFERED
    assert absent.moves_on


async def test_a_step_that_does_not_end_is_ended() -> None:
    """After the time of a step, or after its own; what was not there in time is named."""
    one, loop = trial(), asyncio.get_running_loop()
    began = loop.time()

    assert not await one.step(Step.WELCOME, shows(Shown(), after=99), late="no welcome came")
    assert not await one.step(Step.PING, shows(Shown(), after=99), limit=5)

    welcome = found(one.record, Part.WEBSOCKET, Step.WELCOME)
    assert (welcome.detail, welcome.symptom) == ("no welcome came within 2 s", Symptom.NO_WELCOME)
    assert loop.time() - began == pytest.approx(7, abs=0.1)


async def test_a_time_out_of_the_step_s_own_is_told_as_that() -> None:
    """A transport has limits, too."""
    one = trial(Part.NETWORK)

    assert not await one.step(Step.TCP, fails(ConnectTimeout(URL, 1, "the host was not reached")))

    assert found(one.record, Part.NETWORK, Step.TCP).detail == "the host was not reached within 1 s"


async def test_an_error_that_nobody_expects_is_not_hidden() -> None:
    """It is a fault of ours, and told as such."""
    with pytest.raises(ZeroDivisionError):
        await trial().step(Step.PING, fails(ZeroDivisionError()))


def test_where_a_redirect_leads_is_told_by_its_host_alone() -> None:
    """The rest of the address may hold secrets."""
    portal = HandshakeRefused(URL, 302, {"location": "https://user:s3cret@portal.example/login?t=s3cret"})

    assert explained(portal) == "HTTP 302 Found, to the host portal.example"
    assert explained(HandshakeRefused(URL, 302, {"location": "https://[broken"})) == "HTTP 302 Found"


def test_anycable_says_which_one_it_is() -> None:
    """Others by the usual header, cut to a bearable length."""
    assert server_name({"x-anycable-version": "1.6.16", "server": "nginx"}) == "AnyCable 1.6.16"
    assert server_name({"server": "nginx/1.22\x1b[31m"}) == "nginx/1.22 [31m"
    assert server_name({}) == ""
