"""Faults as a command line orders them."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import httpx2
import pytest

from cableway.cli.faults import order_faults, tell_faults
from cableway.errors import UsageError
from cableway.gateway import Faults, Gateway
from cableway.gateway.faults.effects import AnswerLate, Asked, Cut, Delay, LosePoll, Refuse, Silence, Swallow
from tests.cli.programs import ran, started

POLLS = {Asked.OPENING, Asked.POLL}


@pytest.fixture
def gateway() -> Gateway:
    """Give one that serves everything, once it is started."""
    return Gateway(poll=True, sse=True)


@pytest.mark.parametrize(
    ("word", "effect", "scope", "every"),
    [
        ("swallow-upgrade", Swallow(), {Asked.UPGRADE}, 1),
        ("swallow-polling", Swallow(), POLLS, 1),
        ("swallow-events", Swallow(), {Asked.STREAM}, 1),
        ("delay:1.5s", Delay(1.5), {*Asked}, 1),
        ("silence", Silence(0), {Asked.UPGRADE}, 1),
        ("silence:2m", Silence(120), {Asked.UPGRADE}, 1),
        ("cut-after:30s", Cut(30, None), {Asked.UPGRADE}, 1),
        ("cut-after:30", Cut(30, None), {Asked.UPGRADE}, 1),
        ("cut-after:500ms", Cut(0.5, None), {Asked.UPGRADE}, 1),
        ("cut-after:64kb", Cut(None, 65_536), {Asked.UPGRADE}, 1),
        ("cut-after:0.5MB", Cut(None, 524_288), {Asked.UPGRADE}, 1),
        ("cut-after:100b", Cut(None, 100), {Asked.UPGRADE}, 1),
        ("cut-events-after:1h", Cut(3600, None), {Asked.STREAM}, 1),
        ("drop-poll", LosePoll("taken"), {Asked.POLL}, 3),
        ("drop-poll:5", LosePoll("taken"), {Asked.POLL}, 5),
        ("drop-poll:2:answered", LosePoll("answered"), {Asked.POLL}, 2),
        ("answer-late", AnswerLate(), {Asked.POLL}, 1),
        ("answer-late:4", AnswerLate(), {Asked.POLL}, 4),
    ],
)
def test_a_word_is_an_order(gateway: Gateway, word: str, effect: object, scope: set[Asked], every: int) -> None:
    """As the gateway's methods take it."""
    ((_, ordered),) = order_faults(gateway.faults, [word])
    (order,) = gateway._orders.orders
    assert (order.effect, order.scope, order.cadence.every) == (effect, scope, every)
    assert ordered.active


@pytest.mark.parametrize(
    ("word", "status", "scope", "headers"),
    [
        ("refuse-upgrade", 503, {Asked.UPGRADE}, {}),
        ("refuse-upgrade:426", 426, {Asked.UPGRADE}, {}),
        ("refuse-polling:404", 404, POLLS, {}),
        ("refuse-events", 503, {Asked.STREAM}, {}),
        ("no-polling", 404, POLLS, {}),
        ("no-events", 404, {Asked.STREAM}, {}),
        ("captive-portal", 200, {*Asked}, {}),
        ("captive-portal:http://portal.example/?a=b", 302, {*Asked}, {"Location": "http://portal.example/?a=b"}),
    ],
)
def test_refusals_have_a_status(
    gateway: Gateway, word: str, status: int, scope: set[Asked], headers: dict[str, str]
) -> None:
    """And a portal may have an address, colons and all."""
    order_faults(gateway.faults, [word])
    (order,) = gateway._orders.orders
    assert isinstance(order.effect, Refuse)
    assert (order.effect.status, order.scope) == (status, scope)
    assert headers.items() <= dict(order.effect.headers).items()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("smoke", "--fault smoke: there is no such fault: give one of refuse-upgrade[:STATUS], refuse-polling"),
        ("", "--fault : there is no such fault"),
        ("refuse-upgrade:no", "'no' is not a status: give such as 503"),
        ("refuse-upgrade:101", "status=101 does not end a request"),
        ("swallow-upgrade:3", "it takes no value"),
        ("cut-after", "'' is neither a time nor a size: give such as 30s"),
        ("cut-after:3 parsecs", "'3 parsecs' is neither"),
        ("cut-after:3x", "'3x' is neither"),
        ("delay", "'' is not a time"),
        ("delay:3kb", "'3kb' is not a time: give such as 2s"),
        ("silence:soon", "'soon' is not a time"),
        ("drop-poll:x", "'x' is not a number of polls: give such as 3"),
        ("drop-poll:0", "every=0 strikes nobody"),
        ("drop-poll:3:never", "moment='never' is none"),
        ("answer-late:-1", "'-1' is not a number of polls"),
    ],
)
def test_what_makes_no_sense_is_told_with_the_word(gateway: Gateway, word: str, said: str) -> None:
    """And what would."""
    with pytest.raises(UsageError) as refused:
        order_faults(gateway.faults, [word])
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"--fault {word}: ")


def test_how_often_they_happened_is_told(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    """Those too that did not happen, and twice what was ordered twice; addresses are not repeated."""
    ordered = order_faults(gateway.faults, ["delay:1s", "delay:1s", "captive-portal:http://h/?hush"])
    gateway._orders.orders[1].fire()
    tell_faults(ordered)
    assert capsys.readouterr().err.splitlines() == [
        "--fault delay:1s: 0 times",
        "--fault delay:1s: 1 time",
        "--fault captive-portal: 0 times",
    ]


async def test_the_command_has_things_go_wrong() -> None:
    """In the end it says how often they did; a request that it holds does not keep it."""
    flags = ["--poll", "--sse", "--log-level", "info", "--fault", "swallow-events", "--fault", "refuse-polling:429"]
    async with started("gateway", "--port", "0", "--public", *flags) as program:
        told: dict[str, Any] = json.loads(await program.prints())
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
            for _ in range(2):
                assert (await http.post(told["poll_url"])).status_code == 429
            held = asyncio.create_task(http.get(told["events_url"]))
            await program.tells("strikes a request: swallow")
            program.signal(signal.SIGTERM)
            ended = await program.ends()
            with pytest.raises(httpx2.TransportError):
                await held

    assert ended.code == 0
    assert ended.stderr.splitlines()[-2:] == ["--fault swallow-events: 1 time", "--fault refuse-polling:429: 2 times"]


async def test_a_fault_of_what_is_not_served_is_a_usage_error() -> None:
    """Before anything is listening, in one line."""
    ended = await ran("gateway", "--port", "0", "--fault", "drop-poll:3")
    assert (ended.code, ended.stderr.count("\n")) == (2, 1)
    assert "--fault drop-poll:3: this gateway does not serve 'polling'" in ended.stderr


def test_every_method_has_a_word() -> None:
    """But for what takes a fault back."""
    from cableway.cli.faults import _ORDERS

    gateway = Gateway(poll=True, sse=True)
    values = {"delay": ":1s", "cut-after": ":1s", "cut-events-after": ":1s"}
    ordered = order_faults(gateway.faults, [f"{name}{values.get(name, '')}" for name in _ORDERS])
    methods = {name for name, value in vars(Faults).items() if callable(value) and not name.startswith("_")}
    assert {fault.name for _, fault in ordered} == methods - {"heal"}
