"""``cableway doctor``, as a program of its own."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from cableway.cli import main
from cableway.gateway import Gateway
from tests.cli.doctor.house import served, without_upgrades
from tests.cli.programs import ran, started, until
from tests.transports.websocket.peers import answering, serving, unused_port

POLLED: Any = {"public": True, "poll": True, "poll_flush_interval": 10}
QUICK = ("--timeout", "0.7")


async def test_what_works_is_code_0_and_told_in_plain_text() -> None:
    """Read by a program it has no colours; stderr tells what is examined, without secrets."""
    async with Gateway(public=True, poll=True, sse=True, ping_interval=0.2, poll_flush_interval=10) as gateway:
        ended = await ran("doctor", f"{gateway.url}?jid=s3cret", *QUICK)

    assert ended.code == 0
    assert ended.stdout.startswith("network ")
    assert ended.stdout.endswith("Cable(url) works here, over WebSocket.\nWhat to do: Nothing: all is well.\n")
    assert "\x1b" not in ended.stdout
    assert "examining ws://127.0.0.1" in ended.stderr
    assert "s3cret" not in ended.stdout + ended.stderr


async def test_a_fallback_is_code_6_unless_it_was_asked_for() -> None:
    """One JSON document has the verdict for scripts."""
    async with Gateway(**POLLED) as gateway, serving(served(without_upgrades(gateway.port))) as port:
        url = f"ws://127.0.0.1:{port}/cable"
        fallback = await ran("doctor", url, *QUICK, "--json", "-q")
        asked = await ran("doctor", url, *QUICK, "--json", "-q", "--transport", "polling")

    assert (fallback.code, asked.code) == (6, 0)
    told = json.loads(fallback.stdout)
    assert (told["outcome"], told["exit_code"], told["transports"]["polling"]) == ("falls_back", 6, True)
    assert list(json.loads(asked.stdout)["transports"]) == ["polling"]
    assert fallback.stderr == ""


CODES: list[Any] = [
    (answering("401 Unauthorized"), 4, "The server is reached and refuses us"),
    (answering("200 OK", b"<html>", "Content-Type: text/html"), 1, "login page of the network"),
]


@pytest.mark.parametrize(("script", "code", "said"), CODES)
async def test_each_verdict_has_its_code(script: Any, code: int, said: str) -> None:
    """And says what to do."""
    async with serving(served(script)) as port:
        ended = await ran("doctor", f"ws://127.0.0.1:{port}/cable", *QUICK, "-q")

    assert ended.code == code
    assert said in ended.stdout
    assert ended.stderr == ""


def test_a_port_that_refuses_is_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict says that it is not for the transport."""
    code = main(["doctor", f"ws://127.0.0.1:{unused_port()}/cable", "-q"])

    told = capsys.readouterr()
    assert code == 1
    assert "The server is not reached, whatever the transport" in told.out


def test_an_address_that_cannot_be_dialled_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """As with all commands."""
    assert main(["doctor", "ftp://example.com"]) == 2
    assert capsys.readouterr().out == ""


async def test_ctrl_c_ends_it_cleanly() -> None:
    """Without a traceback, and without a line left open."""
    async with Gateway(public=True, ping_interval=60) as gateway:
        async with started("doctor", gateway.url, "--transport", "websocket") as program:
            await until(lambda: gateway.stats().connections == 1)
            program.signal(signal.SIGINT)
            ended = await program.ends()
        await until(lambda: gateway.stats().connections == 0)

    assert (ended.code, ended.stdout) == (130, "")
    assert "Traceback" not in ended.stderr
