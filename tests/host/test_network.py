"""The way out, and who tells that it may have changed."""

from __future__ import annotations

import _socket
import errno
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cableway.host.network import WayOut, empty, is_ours, moved, netlink_socket, way_out

MOVING_HOST = Path(__file__).with_name("moving_host.py")

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="netlink is Linux's")


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sockets ask for routes to far addresses: for datagrams that sends nothing."""

    def connect(self: socket.socket, address: Any) -> None:
        assert self.type == socket.SOCK_DGRAM
        _socket.socket.connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.mark.usefixtures("routes")
def test_the_way_out_of_this_host_is_one_of_its_own_addresses() -> None:
    """Whatever the network here is: no answer, or an address that a socket may be bound to."""
    way = way_out()
    assert way == way_out()
    if way.ipv4 is not None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            ours.bind((way.ipv4, 0))
    if way.ipv6 is not None:
        assert is_ours(way.ipv6)


@pytest.mark.parametrize("reason", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES])
def test_no_way_out_is_an_answer(monkeypatch: pytest.MonkeyPatch, reason: int) -> None:
    """Where no route leads, or none may be used, the host reaches nobody."""
    refuse(monkeypatch, "connect", reason)
    assert way_out() == WayOut(None, None)


@pytest.mark.parametrize("reason", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_a_shortage_is_no_answer(monkeypatch: pytest.MonkeyPatch, reason: int) -> None:
    """A process without descriptors has not lost its network: drop no line for that."""
    refuse(monkeypatch, "__init__", reason)
    with pytest.raises(OSError, match="as the test wants"):
        way_out()
    assert is_ours("2001:db8::7")


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, reason: int) -> None:
    """Let sockets fail by *reason* in their method *name*."""

    class Refusing(socket.socket):
        pass

    def fail(*args: object) -> None:
        raise OSError(reason, "as the test wants")

    setattr(Refusing, name, fail)
    monkeypatch.setattr(socket, "socket", Refusing)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (WayOut("192.168.1.7"), WayOut("192.168.1.7"), False),
        (WayOut("192.168.1.7"), WayOut("10.32.0.9"), True),
        (WayOut("192.168.1.7"), WayOut(), True),
        (WayOut(), WayOut("192.168.1.7"), True),
        (WayOut(), WayOut(), False),
        (WayOut(None, "2001:db8:1::7"), WayOut(), True),
        (WayOut(), WayOut(None, "2001:db8:1::7"), True),
        (WayOut(None, "2001:db8:1::7"), WayOut(None, "2001:db8:2::7"), True),
        (WayOut("10.0.0.1", "2001:db8:1::7"), WayOut("10.0.0.2", "2001:db8:1::8"), True),
    ],
)
def test_another_address_is_another_network(before: WayOut, after: WayOut, *, expected: bool) -> None:
    """Wi-Fi to LTE, unplugged, plugged in again."""
    assert moved(before, after, lambda address: True) is expected


@pytest.mark.parametrize("kept", [True, False])
def test_a_new_temporary_address_beside_the_old_one_is_no_move(*, kept: bool) -> None:
    """Hosts change them daily for privacy; lines live on as long as the old address does."""
    asked: list[str] = []

    def has(address: str) -> bool:
        asked.append(address)
        return kept

    before, after = WayOut("10.0.0.1", "2001:db8:1::7"), WayOut("10.0.0.1", "2001:db8:1::aaaa")
    assert moved(before, after, has) is not kept
    assert asked == ["2001:db8:1::7"]


@pytest.mark.skipif(not socket.has_ipv6, reason="Python was built without IPv6")
def test_which_addresses_are_ours() -> None:
    """Those that a socket may be bound to; never those that documentation reserves."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"this host has no IPv6 loopback: {error}")
    assert is_ours("::1")
    assert not is_ours("2001:db8:ffff::7")


@linux_only
def test_a_netlink_socket_opens_here() -> None:
    """It does not block, has nothing to say yet, and no child program inherits it."""
    sock = netlink_socket()
    if sock is None:
        pytest.skip("this sandbox lets nobody have a netlink socket")
    with sock:
        assert sock.family == socket.AF_NETLINK
        assert sock.gettimeout() == 0
        assert not sock.get_inheritable()
        empty(sock)


@linux_only
@pytest.mark.parametrize("name", ["__init__", "bind"])
@pytest.mark.parametrize("reason", [errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT])
def test_without_netlink_there_is_none(monkeypatch: pytest.MonkeyPatch, name: str, reason: int) -> None:
    """Sandboxes refuse the socket or its groups; nothing is left open (that would be a warning)."""
    refuse(monkeypatch, name, reason)
    assert netlink_socket() is None


def test_elsewhere_there_is_no_netlink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other systems have other ways, or none."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert netlink_socket() is None


def test_emptying_leaves_nothing_to_read() -> None:
    """All that is there is read, and more than a thousand messages are left for the next time."""
    here, there = socket.socketpair(type=socket.SOCK_DGRAM)
    with here, there:
        here.setblocking(False)
        for _ in range(5):
            there.send(b"changed")
        empty(here)
        with pytest.raises(BlockingIOError):
            here.recv(1)


def test_an_overrun_is_only_another_change() -> None:
    """The kernel says so with an error once; emptying swallows it."""

    class Overrun:
        def recv(self, size: int) -> bytes:
            raise OSError(errno.ENOBUFS, "No buffer space available")

    empty(Overrun())  # type: ignore[arg-type]


def test_emptying_ends_even_if_changes_do_not() -> None:
    """A router's routes may change faster than they are read: the loop gets its turn all the same."""

    class Endless:
        reads = 0

        def recv(self, size: int) -> bytes:
            self.reads += 1
            return b"changed"

    endless = Endless()
    empty(endless)  # type: ignore[arg-type]
    assert endless.reads == 1000


@linux_only
def test_a_real_host_that_moves() -> None:
    """In a network namespace of its own: what alters the way out is told by netlink at once, and nothing else is."""
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    isolated = ["unshare", "--map-root-user", "--net"]
    allowed = subprocess.run([*isolated, "ip", "link", "set", "lo", "up"], capture_output=True, text=True, check=False)
    if allowed.returncode:
        pytest.skip(f"no network namespace may be made here: {allowed.stderr.strip()}")

    done = subprocess.run(
        [*isolated, sys.executable, "-W", "error", MOVING_HOST], capture_output=True, text=True, check=False, timeout=50
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    story = json.loads(done.stdout)
    assert story == {
        "link set lo up": [None, False],
        "address add 198.51.100.7/32 dev lo": [None, False],
        "route add 192.0.2.0/24 dev lo src 198.51.100.7": ["198.51.100.7", True],
        "address add 198.51.100.8/32 dev lo": ["198.51.100.7", False],
        "route replace 192.0.2.0/24 dev lo src 198.51.100.8": ["198.51.100.8", True],
        "address del 198.51.100.7/32 dev lo": ["198.51.100.8", False],
        "route del 192.0.2.0/24 dev lo": [None, True],
    }
