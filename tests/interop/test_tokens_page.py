"""The programs on the page "Tokens" do what it says, with the servers that it names."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from ast import literal_eval
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cableway.server import broadcast_key
from tests.interop.peers import http
from tests.interop.peers.process import Server, free_port
from tests.interop.peers.rails import demand_rails

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tokens.md"
SECRET = "a-secret-of-this-test-and-of-no-other-place"
RENEWALS = 3
"""So many tokens of ten seconds come within half a minute."""
PATIENCE = 60.0


def shown(heading: str, language: str) -> str:
    """Give the first program in *language* below *heading*."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


@contextmanager
def serving(server: Server, port: int) -> Iterator[None]:
    """Have *server* up."""
    server.start(lambda: listens(port))
    try:
        yield
    finally:
        server.kill()
        print("The log of the server:", server.logged(), sep="\n")  # noqa: T201 - shown with a failure


def listens(port: int) -> bool:
    """Tell whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def client(program: str, folder: Path, **env: str) -> Iterator[Path]:
    """Run the page's client, and give the file of what it prints."""
    output = folder / "client.out"
    with output.open("wb") as file:
        running = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program],
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            yield output
        finally:
            alive = running.poll() is None
            running.kill()
            running.wait(10)
            assert alive, output.read_text()


def said(output: Path) -> list[str]:
    """Give the lines that the client has printed, and nothing of one that it is printing."""
    return output.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()


def wait_for_tokens(output: Path) -> list[str]:
    """Wait until the client had its tokens, and heard something after the last one; return all that it printed."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        lines = said(output)
        if sum("a token for" in line for line in lines) >= RENEWALS and "a token for" not in lines[-1]:
            return lines
        time.sleep(0.2)
    pytest.fail(f"only this came: {said(output)}", pytrace=False)


def test_the_example_for_a_rails_app(tmp_path: Path) -> None:
    """A message each second while the tokens change, and not one refusal."""
    demand_rails()
    application = tmp_path / "cable.ru"
    application.write_text(shown("A Rails app", "ruby"), encoding="utf-8")
    port = free_port()
    host = f"127.0.0.1:{port}"
    server = Server(
        ["puma", str(application), "--bind", f"tcp://{host}", "--environment", "production"],
        log=tmp_path / "puma.log",
        env={"SECRET_KEY_BASE": SECRET},
    )
    program = shown("A Rails app", "python")
    with serving(server, port), client(program, tmp_path, CABLE_HOST=host) as output:
        lines = wait_for_tokens(output)

    news = [literal_eval(line) for line in lines if line.startswith("{")]
    assert {message["for"] for message in news} == {7}
    moments = [message["at"] for message in news]
    assert max(later - earlier for earlier, later in pairwise(moments)) <= 3
    assert "unauthorized" not in server.logged().lower()


@pytest.mark.parametrize("kind", ["anycable", "gateway"])
def test_the_example_for_anycable(kind: str, tmp_path: Path) -> None:
    """What is published arrives, in order, while the tokens change; and not one of them is refused."""
    port = free_port()
    # The commands of the page, on ports of this test's own.
    if kind == "anycable":
        program = os.environ.get("CABLEWAY_ANYCABLE_BIN") or ""
        if shutil.which(program) is None:
            pytest.skip("CABLEWAY_ANYCABLE_BIN names no AnyCable server")
        command = [program, "--norpc", "--enforce_jwt", "--public_streams", "--broadcast_adapter=http"]
        command.append("--ignore-config-path")
    else:
        command = [sys.executable, "-m", "cableway", "gateway", "--enforce-jwt", "--public-streams"]
    env = {"ANYCABLE_SECRET": SECRET, "ANYCABLE_DISABLE_TELEMETRY": "true"}
    server = Server([*command, f"--port={port}"], log=tmp_path / "server.log", env=env)
    url = f"ws://127.0.0.1:{port}/cable"
    with (
        serving(server, port),
        client(shown("AnyCable", "python"), tmp_path, CABLE_URL=url, ANYCABLE_SECRET=SECRET) as output,
    ):
        broadcast_url = f"http://127.0.0.1:{port}/_broadcast"
        key = {"Authorization": f"Bearer {broadcast_key(SECRET)}"}
        tick = 0
        end = time.monotonic() + PATIENCE
        while sum("a token for" in line for line in said(output)) < RENEWALS and time.monotonic() < end:
            http.request(broadcast_url, {"stream": "news", "data": json.dumps(tick)}, key)
            tick += 1
            time.sleep(0.5)
        http.request(broadcast_url, {"stream": "news", "data": json.dumps(tick)}, key)
        lines = wait_for_tokens(output)

    numbers = [int(line) for line in lines if line.isdecimal()]
    # At each change of lines nobody can tell what became of a message sent in that very moment: one, not more.
    assert numbers == sorted(numbers)
    assert len(set(range(numbers[0], tick + 1)) - set(numbers)) < RENEWALS
    log = server.logged().lower()
    assert not {word for word in ("unauthorized", "token_expired", "auth error") if word in log}
