"""Frames on their way to mailboxes, mostly unread."""

from __future__ import annotations

from typing import Any

import pytest

from cableway.events import MessagesDropped
from cableway.hub.effects import Recycle
from cableway.hub.options import latest_by
from cableway.hub.router import EARLY_LIMIT
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.codecs.msgpack import MsgpackCodec
from cableway.wire.dialects.base import BaseDialect
from tests.hub.desk import Desk, frame, identifier, unread


def learned(*names: str, **options: Any) -> tuple[Desk, list[Any]]:
    """Have live subscriptions whose heads are known."""
    desk = Desk()
    handles = [desk.live(name, **options) for name in names]
    for name, handle in zip(names, handles, strict=True):
        desk.data(name, "first")
        unread(handle)
    return desk, handles


def test_the_first_frame_is_read_in_full_and_teaches_the_rest() -> None:
    """Only frames whose head was seen before take the fast way."""
    desk = Desk()
    handle = desk.live()
    assert desk.route(frame("A", 1)) == [frame("A", 1)]
    desk.data("A", 1)
    assert desk.route(frame("A", 2), frame("A", 3)) == []
    assert unread(handle) == [1, 2, 3]


def test_frames_that_are_no_text_teach_nothing() -> None:
    """However much one of them looks like JSON: the next line may speak that again, and means it."""
    desk = Desk()
    handle = desk.live()
    desk.hub.speak(MsgpackCodec(), BaseDialect())
    desk.data("A", 1)
    assert desk.route(frame("A", 2)) == [frame("A", 2)]
    assert unread(handle) == [1]
    desk.hub.speak(JSONCodec(), BaseDialect())
    desk.data("A", 3)
    assert desk.route(frame("A", 4)) == []
    assert unread(handle) == [3, 4]


def test_a_batch_is_delivered_in_order() -> None:
    """Runs of several subscriptions and frames that need reading come in the order of the batch."""
    desk, (one, other) = learned("A", "B")
    order: list[str] = []
    one.mailbox.on_ready = lambda: order.append(f"A{len(one.mailbox)}")
    other.mailbox.on_ready = lambda: order.append(f"B{len(other.mailbox)}")
    ping = b'{"type":"ping"}'
    batch = [frame("A", 1), frame("A", 2), ping, frame("A", 3), frame("B", 4), frame("B", 5), ping, frame("B", 6)]
    desk.hub.router.route(batch, 0.0, desk.now, lambda _: order.append("slow"))

    assert order == ["A2", "slow", "A3", "B2", "slow", "B3"]
    assert unread(one) == [1, 2, 3]
    assert unread(other) == [4, 5, 6]


def test_all_handles_get_every_message() -> None:
    """Who joined later gets what comes from then on."""
    desk, (first,) = learned("A")
    desk.route(frame("A", 1))
    second = desk.join()
    desk.route(frame("A", 2))
    desk.leave(first)
    desk.route(frame("A", 3))
    assert (unread(first), unread(second)) == ([1, 2], [2, 3])


def test_after_a_reconnect_heads_are_learned_anew() -> None:
    """Before the confirmation nothing takes the fast way, and nothing is lost."""
    desk, (handle,) = learned("A")
    desk.line_down()
    desk.line_up()
    assert desk.route(frame("A", 1)) == [frame("A", 1)]
    desk.data("A", 1)
    desk.confirm()
    desk.data("A", 2)
    assert desk.route(frame("A", 3)) == []
    assert unread(handle) == [1, 2, 3]


def test_what_nobody_wants_is_counted() -> None:
    """Messages for unknown identifiers, and those that arrive while leaving, are dropped; both ways count."""
    desk, (handle,) = learned("A")
    desk.leave(handle)
    desk.route(frame("A", 1), frame("A", 2))
    desk.data("A", 3)
    desk.data("Z", 4)
    assert desk.hub.router.counts == {"unwanted": 3, "unknown": 1}
    assert unread(handle) == []


def test_early_messages_are_bounded() -> None:
    """A server that speaks for ever before it confirms does not fill the memory."""
    desk = Desk()
    handle = desk.join()
    for number in range(EARLY_LIMIT + 5):
        desk.data("A", number)
    desk.confirm()
    assert unread(handle) == list(range(EARLY_LIMIT))
    assert desk.hub.router.counts == {"early": 5}


@pytest.mark.parametrize(
    ("policy", "name", "recycles"),
    [
        ("drop_oldest", "drop_oldest", False),
        ("drop_newest", "drop_newest", False),
        ("error", "error", False),
        ("disconnect", "disconnect", True),
        (latest_by(lambda message: message.data), "latest_by", False),
    ],
)
def test_losses_are_told_to_the_handle(policy: Any, name: str, recycles: bool) -> None:  # noqa: FBT001
    """Once an episode, with the policy and the number so far; the policy disconnect drops the line, once too."""
    desk, (handle,) = learned("A", overflow=policy, max_messages=2)
    desk.route(*[frame("A", number) for number in range(3)])
    desk.route(*[frame("A", number) for number in range(3, 6)])
    assert desk.events(handle)[1:] == [MessagesDropped(identifier("A"), name, 1)]
    effects = desk.effects()
    assert [type(effect) for effect in effects] == ([Recycle] if recycles else [])
    if recycles:
        assert isinstance(effects[0], Recycle)
        assert effects[0].error.retryable
        text = 'the mailbox of {"channel":"A"} is full and its policy is to disconnect'
        assert str(effects[0].error) == text


def test_the_line_is_paused_while_any_mailbox_asks_for_it() -> None:
    """Two full mailboxes are one pause, and one resume when the last has room again."""
    desk, (one, other) = learned("A", "B", overflow="pause", max_messages=1)
    desk.route(frame("A", 1), frame("A", 2), frame("B", 1), frame("B", 2))
    assert desk.sent() == ["pausereading"]
    assert desk.hub.router.paused
    unread(one)
    assert desk.sent() == []
    unread(other)
    assert desk.sent() == ["resumereading"]
    assert not desk.hub.router.paused


def test_room_in_a_mailbox_calls_the_engine() -> None:
    """Effects that appear while a consumer reads do not wait for the next frame: there may be none."""
    desk, (handle,) = learned("A", overflow="pause", max_messages=1)
    desk.route(frame("A", 1), frame("A", 2))
    called: list[list[str]] = []
    desk.effects()
    desk.hub.on_effects = lambda: called.append(desk.sent())
    unread(handle)
    assert called == [["resumereading"]]


@pytest.mark.parametrize("end", ["leave", "reject"])
def test_who_is_gone_does_not_hold_the_line(end: str) -> None:
    """A handle that was left or rejected need not read what it has: the others go on."""
    desk, (handle,) = learned("A", overflow="pause", max_messages=1)
    desk.route(frame("A", 1), frame("A", 2))
    assert desk.sent() == ["pausereading"]
    if end == "leave":
        desk.leave(handle)
    else:
        desk.reject()
    assert desk.sent() == ["resumereading"]
    assert unread(handle) == [1, 2]


def test_a_full_mailbox_pauses_the_next_line_as_well() -> None:
    """A new line is read until the first message for the full mailbox: the excess is one read a line."""
    desk, (handle,) = learned("A", overflow="pause", max_messages=1)
    desk.route(frame("A", 1), frame("A", 2))
    assert desk.sent() == ["pausereading"]
    desk.line_down()
    assert not desk.hub.router.paused
    desk.line_up()
    desk.confirm()
    assert desk.sent() == ["+A"]
    desk.data("A", 3)
    assert desk.sent() == ["pausereading"]
    assert unread(handle) == [1, 2, 3]
    assert desk.sent() == ["resumereading"]


def test_strays_reach_whoever_listens() -> None:
    """A frame that began like a message and was none is handed back when it is read."""
    desk, (handle,) = learned("A")
    other = frame("A", 1)[:-1] + b',"type":"ping"}'
    desk.route(other, frame("A", 2))
    assert desk.strays == []
    assert unread(handle) == [2]
    assert desk.strays == [other]
