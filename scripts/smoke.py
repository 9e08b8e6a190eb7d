"""Try an installed wheel, from an environment that holds nothing else: ``smoke.py core`` or ``smoke.py full``."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import sysconfig
import time
from importlib import metadata
from pathlib import Path

CORE_MEGABYTES = 4.0
NOT_OURS = {"cableway", "pip", "setuptools"}


def core() -> None:
    """The client alone: small, quick to import, and clear about what an extra is needed for."""
    began = time.perf_counter()
    from cableway import Cable, MissingExtra

    spent = time.perf_counter() - began
    print(f"from cableway import Cable: {spent * 1000:.0f} ms")
    expect(Cable("wss://example.com/cable").state.value == "idle", "a cable is built without I/O")
    __import__("cableway.sync")
    __import__("cableway.server")
    assert_outside_of_the_checkout()

    size = sum(installed_bytes(item) for item in metadata.distributions() if item.name.lower() not in NOT_OURS) / 1e6
    print(f"third-party code of a core install: {size:.1f} MB, {CORE_MEGABYTES:g} allowed")
    expect(size <= CORE_MEGABYTES, "the core is small")

    try:
        __import__("cableway.gateway")
    except MissingExtra as missing:
        expect("cableway[gateway]" in str(missing), f"the gateway names its extra: {missing}")
    else:
        sys.exit("not so: the gateway asks for its extra")
    command = Path(sysconfig.get_path("scripts")) / "cableway"
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    expect(done.returncode != 0, "the command asks for its extra")
    expect("cableway[cli]" in done.stderr, f"the command names its extra: {done.stderr}")
    expect("Traceback" not in done.stderr, f"the command shows no traceback: {done.stderr}")


def full() -> None:
    """A client subscribes to a gateway in the same process, performs, and hears the answer."""
    assert_outside_of_the_checkout()
    asyncio.run(meet())


async def meet() -> None:
    """Say something and hear it."""
    from cableway import Cable
    from cableway.gateway import Channel, Gateway, action

    class EchoChannel(Channel):
        @action
        async def echo(self, data: object) -> None:
            self.transmit(data)

    async with Gateway([EchoChannel]) as gateway, Cable(gateway.url) as cable, cable.subscribe("EchoChannel") as echo:
        await echo.perform("echo", text="hi")
        message = await echo.receive(timeout=10)
        print(f"heard {message.data}")
        expect(message.data == {"text": "hi"}, "what was said comes back")


def expect(holds: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    """End with a failure unless *what* holds."""
    if not holds:
        sys.exit(f"not so: {what}")


def installed_bytes(distribution: metadata.Distribution) -> int:
    """Tell the size of what a distribution installed, compiled files left out."""
    paths = [Path(str(file.locate())) for file in distribution.files or [] if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in paths if path.exists())


def assert_outside_of_the_checkout() -> None:
    """The package under trial is the installed one."""
    import cableway

    where = Path(str(cableway.__file__)).resolve()
    expect(where.is_relative_to(Path(sys.prefix).resolve()), f"the installed package is tried, not {where}")


if __name__ == "__main__":
    {"core": core, "full": full}[sys.argv[1]]()
