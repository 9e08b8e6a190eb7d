"""A mailbox against a plain list that does the same slowly."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cableway.hub.mailbox import Mailbox, Signal
from cableway.hub.options import SubscriptionOptions, latest_by
from cableway.wire.message import Message

POLICIES = ["drop_oldest", "drop_newest", "error", "disconnect", "pause", "latest"]


def decode(frames: list[bytes], head: bytes, at: float) -> list[Message[Any]]:
    """Read frames as they are."""
    return [Message(frame, at) for frame in frames]


def key_of(data: bytes) -> int:
    """Return the key of a message."""
    return data[0] % 3


class Model:
    """What a mailbox promises, said in the plainest way."""

    def __init__(self, policy: str, max_messages: int, max_bytes: int) -> None:
        self.policy, self.max_messages, self.max_bytes = policy, max_messages, max_bytes
        self.unread: list[bytes] = []
        self.dropped = self.replaced = 0
        self.losing = self.pausing = False

    @property
    def size(self) -> int:
        """Bytes unread."""
        return sum(map(len, self.unread))

    def fits(self) -> bool:
        """Tell whether the limits hold."""
        return len(self.unread) <= self.max_messages and self.size <= self.max_bytes

    def put(self, frames: list[bytes]) -> bool:
        """Take frames; return whether there is something to tell."""
        if self.policy == "latest":
            told = [self._put([frame]) for frame in frames]
            return any(told)
        return self._put(frames)

    def _put(self, frames: list[bytes]) -> bool:
        if self.policy == "pause":
            self.unread += frames
            self.pausing = self.pausing or not self.fits()
            return not self.fits()
        before = self.dropped
        small = [frame for frame in frames if len(frame) <= self.max_bytes]
        self.dropped += len(frames) - len(small)
        for frame in small:
            self._add(frame)
        while not self.fits():
            self.unread.pop(-1 if self.policy in ("drop_newest", "error", "disconnect") else 0)
            self.dropped += 1
        lost = self.dropped > before
        begins, self.losing = lost and not self.losing, self.losing or lost
        return begins

    def _add(self, frame: bytes) -> None:
        if self.policy == "latest":
            for place, other in enumerate(self.unread):
                if key_of(other) == key_of(frame):
                    self.unread[place] = frame
                    self.replaced += 1
                    return
        self.unread.append(frame)

    def pop(self) -> tuple[bytes | None, bool]:
        """Read one; also tell whether the line may be read again."""
        message = self.unread.pop(0) if self.unread else None
        resumes = False
        if len(self.unread) <= self.max_messages // 2 and self.size <= self.max_bytes // 2:
            self.losing = False
            resumes, self.pausing = self.pausing, False
        return message, resumes


frames = st.lists(st.binary(min_size=1, max_size=6), min_size=1, max_size=8)
steps = st.lists(st.tuples(st.sampled_from(["run", "single"]), frames) | st.integers(1, 8), max_size=30)


@given(st.sampled_from(POLICIES), st.integers(1, 8), st.integers(1, 30), st.booleans(), steps)
def test_a_mailbox_is_a_list_with_limits(
    policy: str,
    max_messages: int,
    max_bytes: int,
    even: bool,  # noqa: FBT001
    script: list[Any],
) -> None:
    """Whatever comes and is read, mailbox and list agree on messages, order, losses, signals and sizes."""
    overflow: Any = latest_by(lambda message: key_of(message.data)) if policy == "latest" else policy
    options = SubscriptionOptions(overflow=overflow, max_messages=max_messages, max_bytes=max_bytes)
    box, model = Mailbox(options, decode), Model(policy, max_messages, max_bytes)
    resumed: list[bool] = []
    box.on_low = lambda: resumed.append(True)

    for step in script:
        if isinstance(step, int):
            for _ in range(step):
                expected, resumes = model.pop()
                resumed.clear()
                assert popped(box) == expected
                # Within a slice, bytes are counted by their mean: with frames of one size that is exact.
                assert not even or bool(resumed) == resumes
        else:
            batch = [frame[:1] for frame in step[1]] if even else step[1]
            if step[0] == "run" or not even:
                told = box.put_run(list(batch), b"", 0.0) is not Signal.FINE
                assert told == model.put(batch) or not even
            else:
                for frame in batch:
                    told = box.put(Message(frame, 0.0), len(frame)) is not Signal.FINE
                    assert told == model.put([frame])
        if even:
            assert (len(box), box.size) == (len(model.unread), model.size)
            assert (box.dropped, box.replaced) == (model.dropped, model.replaced)
        else:
            # The mean may shift what fits: follow the mailbox, and hold the list to what stays true.
            assert policy == "pause" or (len(box) <= max_messages and box.size <= max_bytes)
            model = follow(box, model)
    assert len(box) + box.dropped + box.replaced <= box.received


def follow(box: Mailbox, model: Model) -> Model:
    """Give the model the mailbox's content, read from a copy of its insides."""
    model.unread = [message.data for message in box._slice]
    for entry in box._queue:
        model.unread += entry.frames[entry.start : entry.stop] if hasattr(entry, "frames") else [entry.message.data]
    model.losing, model.pausing, model.dropped = box._losing, box._pausing, box.dropped
    assert len(model.unread) == len(box)
    return model


def popped(box: Mailbox) -> bytes | None:
    """Read one message, if there is one."""
    try:
        data: bytes = box.pop().data
    except IndexError:
        return None
    return data
