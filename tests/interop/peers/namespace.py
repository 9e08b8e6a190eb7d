"""A network of one's own, in which packets can be dropped without harm to anybody."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.interop.peers.process import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator

CLONE_NEWNET = 0x4000_0000
"""Linux: the network alone; files, users and processes stay as they are."""

OWN = "/proc/thread-self/ns/net"


@contextmanager
def own_network() -> Iterator[None]:
    """Have this thread, and all threads and programs that it starts, in an empty network, and bring the thread back.

    Sockets belong to the network in which they were made. It takes root, and not every machine lets root: there the
    test is skipped.
    """
    if os.name != "posix" or not os.path.exists(OWN):  # noqa: PTH110 - a name of the kernel's
        pytest.skip("there are no network namespaces here")
    for program in ("ip", "iptables"):
        if shutil.which(program) is None and os.geteuid() == 0:
            lacking(f"{program} is not installed")
    home = os.open(OWN, os.O_RDONLY)
    with ExitStack() as leaving:
        leaving.callback(os.close, home)
        try:
            _enter("unshare", CLONE_NEWNET)
        except PermissionError:
            pytest.skip("this user may make no network namespace: that takes root")
        leaving.callback(_enter, "setns", home, CLONE_NEWNET)
        done = subprocess.run(["ip", "link", "set", "lo", "up"], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this user may make a network, and not use it: {done.stderr.strip()}")
        yield


def _enter(function: str, *arguments: int) -> None:
    # Python has them from 3.12 on.
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments):
        error = ctypes.get_errno()
        raise OSError(error, f"{function}: {os.strerror(error)}")


class Dropping:
    """Drops, in this network, each TCP packet that has *text* in it, in letters of any size.

    Whoever sent one sends it again and again, as on a network that swallows it.
    """

    def __init__(self, text: str) -> None:
        self._rule = ["INPUT", "-p", "tcp", "-m", "string", "--algo", "bm", "--icase", "--string", text, "-j", "DROP"]
        self._drops = False
        self.dropped = 0
        """Packets that went nowhere until it was stopped."""

    def start(self) -> None:
        """Begin; skip the test where the kernel cannot look into packets."""
        done = self._iptables("-I", *self._rule)
        if done.returncode:
            pytest.skip(f"iptables cannot drop packets by what is in them here: {done.stderr.strip()}")
        self._drops = True

    def stop(self) -> None:
        """Let all pass again. May be called again."""
        if self._drops:
            self._drops = False
            listed = self._iptables("-nvxL", "INPUT").stdout
            self.dropped = int(listed.splitlines()[2].split()[0])
            self._iptables("-D", *self._rule).check_returncode()

    def _iptables(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["iptables", "-w", *arguments], capture_output=True, text=True, check=False)


@contextmanager
def packets_dropped(text: str) -> Iterator[Dropping]:
    """Drop each TCP packet that has *text* in it during the block, or until it is stopped."""
    dropping = Dropping(text)
    dropping.start()
    try:
        yield dropping
    finally:
        dropping.stop()
