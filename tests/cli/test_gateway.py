"""``cableway gateway``, as a program of its own."""

from __future__ import annotations

import json
import signal
import socket
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from cableway import Cable, Disconnected, ServerDisconnect, Unauthorized
from cableway.cli.gateway import SPECS, gateway
from cableway.server import Publisher
from tests.cli.programs import Program, ran, started

if TYPE_CHECKING:
    from pathlib import Path

ROOM = ("--app", "tests.cli.programs:RoomChannel")


async def listening(program: Program) -> dict[str, Any]:
    """Wait until it listens; tell where."""
    told: dict[str, Any] = json.loads(await program.prints())
    assert told["event"] == "listening"
    return told


async def test_it_serves_channels_and_ends_well() -> None:
    """It tells its address, serves the classes it was given, and tells clients to come back when it ends."""
    async with started("gateway", "--port", "0", *ROOM) as program:
        address = (await listening(program))["url"]
        await program.tells(f"listening at {address}")
        reasons: list[str | None] = []
        async with Cable(address) as cable:
            cable.on(
                Disconnected,
                lambda event: reasons.append(event.error.reason if isinstance(event.error, ServerDisconnect) else None),
            )
            async with cable.subscribe("RoomChannel", room=1) as room:
                await room.perform("speak", text="hi")
                assert (await room.receive(timeout=5)).data == {"text": "hi"}
                program.signal(signal.SIGTERM)
                ended = await program.ends()

    assert (ended.code, reasons[:1]) == (0, ["server_restart"])
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("flags", [["--public", "--ping-interval", "1"], ["--public=true", "--ping_interval=1"]])
async def test_pub_sub_needs_no_code(flags: list[str]) -> None:
    """With --public anybody subscribes and publishes; flags take dashes, underscores and values."""
    async with started("gateway", "--port", "0", *flags) as program:
        told = await listening(program)
        async with Cable(told["url"]) as cable, cable.stream("news") as news, Publisher(told["url"]) as publisher:
            await publisher.publish("news", 1)
            assert (await news.receive(timeout=5)).data == 1


@pytest.mark.parametrize("way", ["environment", "file", "anycable"])
async def test_the_secret_comes_from_environment_or_file(way: str, tmp_path: Path) -> None:
    """And is what publishers must know."""
    (tmp_path / "secret").write_text("k3y\n")
    option = ["--secret-file", str(tmp_path / "secret")] if way == "file" else []
    environment = {"environment": {"CABLEWAY_SECRET": "k3y"}, "anycable": {"ANYCABLE_SECRET": "k3y"}}.get(way, {})
    async with started("gateway", "--port", "0", *option, **environment) as program:
        told = await listening(program)
        async with Publisher(told["url"], secret="k3y") as publisher:
            await publisher.publish("news", 1)
        program.signal(signal.SIGINT)
        ended = await program.ends()

    assert ended.code == 0
    assert "warning" not in ended.stderr


async def test_a_secret_on_the_command_line_works_and_is_warned_of() -> None:
    """One command line starts AnyCable or this; but others can read it, and stderr says so without repeating it."""
    async with started("gateway", "--port", "0", "--secret", "k3y") as program:
        await listening(program)
        program.signal(signal.SIGINT)
        ended = await program.ends()

    assert "CABLEWAY_SECRET" in ended.stderr.splitlines()[0]
    assert "k3y" not in ended.stderr


async def test_it_tells_where_the_other_transports_are() -> None:
    """Once they are switched on; one command line starts AnyCable or this."""
    flags = ["--sse", "--sse_path=/news", "--poll", "--poll_interval=1", "--poll_flush_interval=20"]
    async with started("gateway", "--port", "0", "--public", *flags) as program:
        told = await listening(program)
        assert told["events_url"].endswith("/news")
        async with httpx2.AsyncClient(trust_env=False) as http:
            opened = await http.post(told["poll_url"])
        assert opened.headers["X-Anycable-Poll-ID"]


async def test_it_gives_tokens_and_lets_in_by_them(tmp_path: Path) -> None:
    """Its secret comes from a file; it says where tokens are, and who has none stays out."""
    (tmp_path / "secret").write_text("canary-of-the-secret-which-nobody-may-see\n")
    options = ["--jwt-secret-file", str(tmp_path / "secret"), "--enforce-jwt", "--token-path", "/token"]
    async with started("gateway", "--port", "0", *options, "--token-life", "60") as program:
        told = await listening(program)
        async with httpx2.AsyncClient(trust_env=False) as http:
            given = (await http.post(told["token_url"])).json()
        assert given["expires_in"] == 60
        async with Cable(told["url"], headers={"x-jid": given["token"]}, open_timeout=10) as cable:
            assert cable.state.value == "connected"
        with pytest.raises(Unauthorized):
            await Cable(told["url"], open_timeout=10).open()
        program.signal(signal.SIGINT)
        ended = await program.ends()

    assert ended.code == 0
    assert "canary" not in ended.stdout + ended.stderr
    assert given["token"] not in ended.stdout + ended.stderr


async def test_tokens_cannot_be_enforced_without_a_secret() -> None:
    """One line, before anything is listening."""
    ended = await ran("gateway", "--enforce-jwt")

    assert (ended.code, ended.stderr.count("\n")) == (2, 1)
    assert "give jwt_secret" in ended.stderr


async def policy_of(told: dict[str, Any]) -> Any:
    """Fetch the policy that a gateway serves."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.get(told["health_url"].replace("/health", "/policy"))
    return answer.json() if answer.status_code == 200 else answer.status_code


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
async def test_it_serves_a_policy_and_reads_it_again(tmp_path: Path) -> None:
    """SIGHUP takes the file anew; what cannot be served is told, and the last one stays."""
    file = tmp_path / "policy.json"
    file.write_text('{"version": 1, "serial": 1}')
    async with started("gateway", "--port", "0", "--policy", str(file), "--accept-rate", "50") as program:
        told = await listening(program)
        assert await policy_of(told) == {"version": 1, "serial": 1}
        for text, said in [
            ('{"version": 1, "serial": 2}', "anew"),
            ('{"version": 2}', "of version 2"),
            ("{", "not JSON"),
            ("[]", "no JSON object"),
        ]:
            file.write_text(text)
            program.signal(signal.SIGHUP)
            await program.tells(said)
            assert await policy_of(told) == {"version": 1, "serial": 2}
        program.signal(signal.SIGTERM)
        assert (await program.ends()).code == 0


async def test_without_a_policy_there_is_none() -> None:
    """And SIGHUP is left to the system."""
    async with started("gateway", "--port", "0") as program:
        assert await policy_of(await listening(program)) == 404


async def test_a_policy_that_no_client_would_take_is_a_usage_error(tmp_path: Path) -> None:
    """Before anything is listening."""
    file = tmp_path / "policy.json"
    for text in ("", "[]", '{"version": 1, "backoff": {"maximum": 0}}'):
        file.write_text(text)
        ended = await ran("gateway", "--policy", str(file))
        assert ended.code == 2
        assert ended.stderr.count("\n") == 1


async def test_a_fault_in_a_channel_is_one_line(tmp_path: Path) -> None:
    """The program goes on, and says what failed."""
    (tmp_path / "faulty.py").write_text(
        "from cableway.gateway import Channel, action\n"
        "class FaultyChannel(Channel):\n"
        "    @action\n"
        "    def fail(self):\n"
        "        raise ValueError('no')\n"
    )
    async with started("gateway", "--port", "0", "--app", "faulty", PYTHONPATH=str(tmp_path)) as program:
        address = (await listening(program))["url"]
        done = await ran("perform", address, "FaultyChannel", "fail")
        await program.tells("ValueError: no")
        program.signal(signal.SIGINT)
        ended = await program.ends()

    assert (done.code, ended.code) == (0, 0)
    assert "Traceback" not in ended.stderr


async def test_a_port_that_is_taken_is_code_1() -> None:
    """The command line was right; the machine is busy."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = await ran("gateway", "--port", str(taken.getsockname()[1]))

    assert (ended.code, ended.stdout) == (1, "")
    assert "choose another port" in ended.stderr


@pytest.mark.parametrize(
    "arguments", [["--port", "x"], ["--app", "no_such_module:X"], ["--ssl-cert", "a.pem"], ["--public=perhaps"]]
)
async def test_mistakes_are_usage_errors(arguments: list[str]) -> None:
    """Each is code 2 and one line."""
    ended = await ran("gateway", *arguments)

    assert ended.code == 2
    assert ended.stderr.count("\n") == 1


def test_each_option_of_the_gateway_is_a_flag() -> None:
    """Dashes and underscores, and a file for each secret: nothing is forgotten when the gateway learns more."""
    flags = {flag for parameter in gateway.params for flag in parameter.opts}

    for name, spec in SPECS.items():
        assert {f"--{name}", f"--{name.replace('_', '-')}"} <= flags
        assert (f"--{name.replace('_', '-')}-file" in flags) is spec.secret
