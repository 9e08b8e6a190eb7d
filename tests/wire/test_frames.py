"""Frames are values; all kinds are known to whoever reads them."""

from __future__ import annotations

from typing import get_args

import pytest
from attrs.exceptions import FrozenInstanceError

from cableway.wire import client_session
from cableway.wire.frames import Confirm, Data, Disconnect, Frame, Ping, Reject, Welcome


def test_the_session_knows_every_kind() -> None:
    """A new kind of frame cannot be forgotten in the session's table."""
    assert set(client_session._KIND) == set(get_args(Frame))


def test_defaults_are_what_servers_leave_out() -> None:
    """A missing ``reconnect`` means to come back; a message has no position unless it is told."""
    assert Disconnect() == Disconnect(None, reconnect=True)
    assert (Welcome().sid, Ping().message) == (None, None)
    data = Data("a", 0)
    assert (data.stream, data.epoch, data.offset) == (None, None, None)


def test_frames_are_equal_by_what_they_say() -> None:
    """And cannot be changed on their way."""
    assert Confirm("a") == Confirm("a") != Reject("a")
    with pytest.raises(FrozenInstanceError):
        Confirm("a").identifier = "b"  # type: ignore[misc]
