"""Bounded inboxes: what is kept, what is lost, what is said about it."""

from __future__ import annotations

from typing import Any

import pytest

from cableway.hub.mailbox import SLICE, Mailbox, Signal
from cableway.hub.options import SubscriptionOptions, latest_by
from cableway.wire.message import Message


def decode(frames: list[bytes], head: bytes, at: float) -> list[Message[Any]]:
    """Read frames as text; those that begin with ``!`` turn out to be no messages."""
    return [Message(frame.decode(), at) for frame in frames if not frame.startswith(b"!")]


def mailbox(overflow: Any = "drop_oldest", **options: Any) -> Mailbox:
    """Make a mailbox that reads frames as text."""
    return Mailbox(SubscriptionOptions(overflow=overflow, **options), decode)


def run(*texts: str) -> list[bytes]:
    """Make frames of the same read."""
    return [text.encode() for text in texts]


def read(box: Mailbox) -> list[Any]:
    """Read a mailbox to its end."""
    out = []
    while True:
        try:
            out.append(box.pop().data)
        except IndexError:
            return out


def test_messages_come_out_in_order() -> None:
    """Runs and single messages keep the order in which they came, with their time."""
    box = mailbox()
    box.put_run(run("a", "b"), b"", 1.0)
    box.put(Message("c", 2.0), 1)
    box.put_run(run("d"), b"", 3.0)
    assert (len(box), box.size) == (4, 4)
    assert [box.pop() for _ in range(4)][2].received_at.timestamp() == 2.0
    with pytest.raises(IndexError):
        box.pop()
    assert (len(box), box.size, box.received, box.dropped, box.high_water) == (0, 0, 4, 0, 4)


def test_decoding_waits_for_the_consumer_and_goes_by_slices() -> None:
    """Nothing is decoded until it is read, and then no more at once than a slice."""
    calls: list[int] = []

    def count(frames: list[bytes], head: bytes, at: float) -> list[Message[Any]]:
        calls.append(len(frames))
        return decode(frames, head, at)

    box = Mailbox(SubscriptionOptions(), count)
    box.put_run([b"x"] * (2 * SLICE + 10), b"", 0.0)
    assert calls == []
    assert not box.holds_slice
    box.pop()
    assert calls == [SLICE]
    assert box.holds_slice
    read(box)
    assert calls == [SLICE, SLICE, 10]


def test_each_run_is_decoded_as_it_was_when_it_came() -> None:
    """A mailbox that comes to belong to another subscription reads what it has by the old rules."""
    box = mailbox()
    box.put_run(run("a"), b"", 0.0)
    box.decode = lambda frames, _, at: [Message(frame.decode().upper(), at) for frame in frames]
    box.put_run(run("b"), b"", 0.0)
    assert read(box) == ["a", "B"]


# Overflow


@pytest.mark.parametrize(
    ("policy", "kept", "signal"),
    [
        ("drop_oldest", ["c", "d", "e"], Signal.EPISODE),
        ("drop_newest", ["a", "b", "c"], Signal.EPISODE),
        ("error", ["a", "b", "c"], Signal.OVERFLOWED),
        ("disconnect", ["a", "b", "c"], Signal.DISCONNECT),
        ("pause", ["a", "b", "c", "d", "e"], Signal.PAUSE),
    ],
)
@pytest.mark.parametrize("by", ["count", "bytes"])
@pytest.mark.parametrize("way", ["runs", "run", "single", "slice"])
def test_policies(policy: Any, kept: list[str], signal: Signal, by: str, way: str) -> None:
    """Each policy keeps what it promises, whichever limit strikes and however the messages came."""
    box = mailbox(policy, **({"max_messages": 3} if by == "count" else {"max_bytes": 3}))
    signals: list[Signal]
    if way == "run":
        signals = [box.put_run(run(*"abcde"), b"", 0.0)]
    elif way == "single":
        signals = [box.put(Message(text, 0.0), 1) for text in "abcde"]
    elif way == "runs":
        signals = [box.put_run(run("a", "b"), b"", 0.0), box.put_run(run("c", "d", "e"), b"", 0.0)]
    else:
        box.put_run(run("0", "a", "b"), b"", 0.0)
        box.pop()
        signals = [box.put_run(run("c", "d", "e"), b"", 0.0)]

    assert next(one for one in signals if one is not Signal.FINE) is signal
    assert box.dropped == (0 if policy == "pause" else 2)
    assert box.overflowed == (policy == "error")
    assert (len(box), box.size) == (len(kept), len(kept))
    assert read(box) == kept


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "error", "disconnect"])
def test_losses_are_told_once_an_episode(policy: Any) -> None:
    """An episode begins with the first loss and ends when half of the mailbox was read."""
    box = mailbox(policy, max_messages=4)
    box.put_run(run(*"abcd"), b"", 0.0)
    signals = [box.put_run(run("x"), b"", 0.0) for _ in range(3)]
    assert signals[0] is not Signal.FINE
    assert signals[1:] == [Signal.FINE, Signal.FINE]
    assert box.dropped == 3

    box.pop()
    assert box.put_run(run("y", "y"), b"", 0.0) is Signal.FINE
    assert box.dropped == 4
    for _ in range(2):
        box.pop()
    assert box.put_run(run(*"zzz"), b"", 0.0) is signals[0]
    assert box.dropped == 5


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "error", "disconnect", latest_by(lambda m: m.data)])
def test_a_message_over_the_limit_costs_only_itself(policy: Any) -> None:
    """What can never fit drives nothing else out."""
    box = mailbox(policy, max_bytes=5)
    box.put_run(run("a", "giant1", "b"), b"", 0.0)
    box.put(Message("giant2", 0.0), 6)
    assert read(box) == ["a", "b"]
    assert box.dropped == 2


def test_a_paused_mailbox_keeps_even_giants() -> None:
    """Who must not lose does not lose by size either."""
    box = mailbox("pause", max_bytes=3)
    assert box.put_run(run("giant"), b"", 0.0) is Signal.PAUSE
    assert read(box) == ["giant"]


def test_shared_runs_are_never_changed() -> None:
    """Several handles read one list of frames, each in its own time and with its own losses."""
    frames = run(*"abcdef")
    boxes = [
        mailbox("drop_oldest", max_messages=2),
        mailbox("drop_newest", max_messages=2),
        mailbox("pause", max_messages=1),
        mailbox(latest_by(lambda _: "one")),
        mailbox("drop_oldest", max_bytes=1),
    ]
    for box in boxes:
        box.put_run(frames, b"", 0.0)
    for box in boxes:
        box.pop()
    assert frames == run(*"abcdef")
    assert [read(box) for box in boxes] == [["f"], ["b"], list("bcdef"), [], []]


def test_the_newest_is_dropped_without_copying() -> None:
    """A large read into a small mailbox takes time in proportion to its size, not to its square."""
    frames = [b"x"] * 300_000
    box = mailbox("drop_newest", max_messages=1)
    box.put_run(frames, b"", 0.0)
    assert (len(box), box.dropped) == (1, 299_999)


# Pause and resume


def test_pause_asks_for_more_at_half() -> None:
    """The line is read again when half of the limits is free, and is told so once."""
    low: list[int] = []
    box = mailbox("pause", max_messages=4)
    box.on_low = lambda: low.append(len(box))
    assert box.put_run(run(*"abcdef"), b"", 0.0) is Signal.PAUSE
    for _ in range(3):
        box.pop()
    assert low == []
    box.pop()
    assert low == [2]
    read(box)
    assert low == [2]
    box.put_run(run(*"abcdef"), b"", 0.0)
    read(box)
    assert low == [2, 2]


def test_a_mailbox_full_of_strays_resumes() -> None:
    """What turned out to be no messages must not hold the line up for ever."""
    low: list[int] = []
    box = mailbox("pause", max_messages=2)
    box.on_low = lambda: low.append(len(box))
    box.put_run(run("!a", "!b", "!c"), b"", 0.0)
    assert read(box) == []
    assert low == [0]
    assert (len(box), box.size, box.received) == (0, 0, 0)


# The latest of each key


def test_latest_by_keeps_the_newest_of_each_key_in_its_turn() -> None:
    """A newer message takes the place of the unread one, so that no key is overtaken for ever."""
    box = mailbox(latest_by(lambda message: message.data[0]))
    box.put_run(run("a1", "b1", "a2", "c1", "b2"), b"", 0.0)
    assert (len(box), box.replaced, box.received, box.dropped) == (3, 2, 5, 0)
    assert box.pop().data == "a2"
    box.put_run(run("a3", "c2"), b"", 0.0)
    assert read(box) == ["b2", "c2", "a3"]
    assert box.size == 0


@pytest.mark.parametrize(
    "key",
    [lambda message: message.data["no"], lambda message: [message.data], lambda _: 1 / 0],
    ids=["type", "list", "zero"],
)
def test_a_key_that_cannot_be_had_loses_nothing(key: Any) -> None:
    """A message whose key function fails is a message all the same."""
    box = mailbox(latest_by(key))
    box.put_run(run("a", "a"), b"", 0.0)
    assert read(box) == ["a", "a"]


def test_latest_by_has_limits_too() -> None:
    """More keys than fit lose the oldest; a replacement that is larger counts for its size."""
    box = mailbox(latest_by(lambda message: message.data[0]), max_messages=2, max_bytes=6)
    assert box.put_run(run("a", "b", "c"), b"", 0.0) is Signal.EPISODE
    assert (box.dropped, len(box)) == (1, 2)
    box.put_run(run("c2345"), b"", 0.0)
    assert box.size == 6
    box.put_run(run("c23456"), b"", 0.0)
    assert (box.size, box.dropped) == (6, 2)
    assert read(box) == ["c23456"]


def test_a_key_that_was_dropped_is_new_again() -> None:
    """What the overflow took is not replaced in its grave."""
    box = mailbox(latest_by(lambda message: message.data), max_messages=1)
    box.put_run(run("a", "b", "a"), b"", 0.0)
    assert read(box) == ["a"]


# Telling the reader


def test_the_reader_is_called_once_a_batch() -> None:
    """A run of many messages is one call."""
    calls: list[int] = []
    box = mailbox()
    box.on_ready = lambda: calls.append(len(box))
    box.put_run(run(*"abc"), b"", 0.0)
    box.put(Message("d", 0.0), 1)
    assert calls == [3, 4]


def test_strays_are_no_messages_received() -> None:
    """Figures speak of messages: what turned out to be something else is not among them."""
    box = mailbox()
    box.put_run(run("a", "!stray", "b"), b"", 0.0)
    assert read(box) == ["a", "b"]
    assert (box.received, box.size) == (2, 0)
