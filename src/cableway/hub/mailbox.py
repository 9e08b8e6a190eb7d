"""A bounded inbox. The reader of the line fills it and never waits; the consumer empties it in its own time.

Raw frames are kept raw until they are read: a run of frames a read, decoded a slice at a time. Dropping one costs
next to nothing, and the limit in bytes is a limit in bytes.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any

from attrs import define, field

from cableway.hub.options import LatestBy

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from cableway.hub.options import SubscriptionOptions
    from cableway.wire.message import Message

SLICE = 64
"""Frames decoded at once: long enough to spread the cost of a turn, short enough to leave the loop to others."""


class Signal(Enum):
    """What a mailbox asks of the hub after it took messages; losses are signalled once an episode.

    An episode begins with a loss and ends when the consumer has emptied half of the mailbox.
    """

    FINE = "fine"
    EPISODE = "an episode of losses began"
    OVERFLOWED = "full, and the policy is to fail"
    DISCONNECT = "full, and the policy is to drop the line"
    PAUSE = "full, and the policy is to stop reading"


@define(eq=False)
class _Run:
    """Frames of one read: those from *start* to before *stop* are unread.

    Several mailboxes may share the list, so it is never changed.
    """

    frames: list[bytes]
    head: bytes
    at: float
    decode: Callable[[list[bytes], bytes, float], list[Message[Any]]]
    """As it was when the frames came: by then the subscription may have another name."""
    start: int
    stop: int


@define(eq=False)
class _Ready:
    """A message that was decoded early, and the bytes it counts for."""

    message: Message[Any]
    size: int
    key: Hashable = None


class _Bar:
    """What comes after it is not read before it is lifted."""


@define(eq=False)
class Mailbox:
    """The unread messages of one handle, oldest first."""

    options: SubscriptionOptions
    decode: Callable[[list[bytes], bytes, float], list[Message[Any]]]
    """Turns raw frames that share a head into messages."""
    on_ready: Callable[[], None] | None = None
    """Called when there is something to read, once a batch."""
    on_low: Callable[[], None] | None = None
    """Called when a mailbox that asked for a pause has room again."""
    on_bar: Callable[[], None] | None = None
    """Called when all before a bar has been read: the time for its holder to bring itself up to date."""
    received: int = 0
    """Messages that came, whatever became of them."""
    dropped: int = 0
    """Messages lost to the overflow policy."""
    replaced: int = 0
    """Messages that a newer one of the same key replaced."""
    high_water: int = 0
    """Most messages that were ever unread."""
    overflowed: bool = False
    """Whether the policy ``error`` has struck: what is unread can still be read, then iteration raises."""
    _queue: deque[_Run | _Ready | _Bar] = field(factory=deque, init=False)
    _reached: bool = field(default=False, init=False)
    _slice: deque[Message[Any]] = field(factory=deque, init=False)
    _slice_bytes: int = field(default=0, init=False)
    _by_key: dict[Hashable, _Ready] = field(factory=dict, init=False)
    _count: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)
    _lost: int = field(default=0, init=False)
    _losing: bool = field(default=False, init=False)
    _pausing: bool = field(default=False, init=False)

    def __len__(self) -> int:
        """Messages unread."""
        return self._count + len(self._slice)

    @property
    def size(self) -> int:
        """Bytes, as received, of what is unread."""
        return self._bytes

    @property
    def decodes_early(self) -> bool:
        """Whether the policy has to look into each message as it comes."""
        return isinstance(self.options.overflow, LatestBy)

    # Bars: by the hub

    def bar(self) -> None:
        """Have what comes from now on read only after :meth:`lift`. Two bars with nothing between them are one."""
        if not (self._queue and isinstance(self._queue[-1], _Bar)):
            self._queue.append(_Bar())
            # A newer message must not take the place of one before the bar.
            self._by_key.clear()
            self._look_at_bar()

    def lift(self) -> None:
        """Take the bar away that has been reached."""
        if self._reached and self._queue and isinstance(self._queue[0], _Bar):
            self._queue.popleft()
            self._reached = False
            if self.on_ready is not None:
                self.on_ready()
            self._look_at_bar()

    @property
    def barred(self) -> bool:
        """Whether a bar has been reached and is still there."""
        return self._reached

    def _look_at_bar(self) -> None:
        if not self._reached and not self._slice and self._queue and isinstance(self._queue[0], _Bar):
            self._reached = True
            if self.on_bar is not None:
                self.on_bar()

    # Filling: by the hub

    def put_run(self, frames: list[bytes], head: bytes, at: float) -> Signal:
        """Take raw frames of one read; *at* is the wall time of it."""
        if self.decodes_early:
            signals = [self.put(message, len(frame)) for frame in frames for message in self.decode([frame], head, at)]
            return next((signal for signal in signals if signal is not Signal.FINE), Signal.FINE)
        self.received += len(frames)
        size = sum(map(len, frames))
        if size > self.options.max_bytes and self._loses:
            frames, giants = self._without_giants(frames)
            size -= giants
        if frames:
            self._queue.append(_Run(frames, head, at, self.decode, 0, len(frames)))
            self._count += len(frames)
            self._bytes += size
        return self._settle()

    def put(self, message: Message[Any], size: int) -> Signal:
        """Take a message that is decoded already."""
        self.received += 1
        ready = _Ready(message, size)
        policy = self.options.overflow
        if size > self.options.max_bytes and self._loses:
            self._lost += 1
        elif not (isinstance(policy, LatestBy) and self._replace(policy, ready)):
            self._queue.append(ready)
            self._count += 1
            self._bytes += size
        return self._settle()

    @property
    def _loses(self) -> bool:
        return self.options.overflow != "pause"

    def _without_giants(self, frames: list[bytes]) -> tuple[list[bytes], int]:
        # What alone is over the limit can never fit; it must not drive everything else out first.
        fitting = [frame for frame in frames if len(frame) <= self.options.max_bytes]
        self._lost += len(frames) - len(fitting)
        return fitting, sum(map(len, frames)) - sum(map(len, fitting))

    def _replace(self, policy: LatestBy, ready: _Ready) -> bool:
        try:
            key = policy.key(ready.message)
            unread = self._by_key.get(key)
        except Exception:  # noqa: BLE001 - the user's function; a message without a key is still a message
            return False
        if unread is None:
            ready.key = key
            self._by_key[key] = ready
            return False
        # It stays where the older one was, so that keys keep their turn.
        self._bytes += ready.size - unread.size
        unread.message, unread.size = ready.message, ready.size
        self.replaced += 1
        return True

    def _settle(self) -> Signal:
        signal = self._overflow() if self._lost or not self._fits() else Signal.FINE
        self.high_water = max(self.high_water, len(self))
        if self.on_ready is not None:
            self.on_ready()
        return signal

    def _fits(self) -> bool:
        return len(self) <= self.options.max_messages and self._bytes <= self.options.max_bytes

    def _overflow(self) -> Signal:
        policy = self.options.overflow
        if policy == "pause":
            # What was read in the same turn is kept: the socket stops after it, so the excess is one read at most.
            self._pausing = True
            return Signal.PAUSE
        drop = self._drop_newest if policy in ("drop_newest", "error", "disconnect") else self._drop_oldest
        while not self._fits():
            drop()
        self.dropped += self._lost
        self._lost = 0
        if policy == "error":
            self.overflowed = True
        begins, self._losing = not self._losing, True
        if not begins:
            return Signal.FINE
        if policy == "error":
            return Signal.OVERFLOWED
        return Signal.DISCONNECT if policy == "disconnect" else Signal.EPISODE

    def _drop_oldest(self) -> None:
        self._lost += 1
        if self._slice:
            self._slice.popleft()
            self._bytes -= self._slice_bytes
            return
        # The oldest message; a bar stays where it is.
        place = next(number for number, item in enumerate(self._queue) if not isinstance(item, _Bar))
        first = self._queue[place]
        size = 0
        if isinstance(first, _Ready):
            self._forget(first)
            del self._queue[place]
            size = first.size
        elif isinstance(first, _Run):
            size = len(first.frames[first.start])
            first.start += 1
            if first.start == first.stop:
                del self._queue[place]
        self._count -= 1
        self._bytes -= size
        self._look_at_bar()

    def _drop_newest(self) -> None:
        self._lost += 1
        last = self._queue[-1]
        if isinstance(last, _Bar):
            # Nothing came after it: what is too much lies before it.
            self._queue.rotate(1)
            self._lost -= 1
            self._drop_newest()
            self._queue.rotate(-1)
            return
        if isinstance(last, _Ready):
            self._queue.pop()
            size = last.size
        else:
            last.stop -= 1
            size = len(last.frames[last.stop])
            if last.start == last.stop:
                self._queue.pop()
        self._count -= 1
        self._bytes -= size

    # Emptying: by the consumer

    def pop(self) -> Message[Any]:
        """Return the oldest unread message.

        Raises:
            IndexError: Nothing is unread.
        """
        try:
            if not self._slice:
                self._cut_slice()
            message = self._slice.popleft()
            self._bytes -= self._slice_bytes
        finally:
            # Also when nothing is left: what was unread may have turned out to be no messages.
            if self._losing or self._pausing:
                self._relax()
        return message

    @property
    def holds_slice(self) -> bool:
        """Whether the next :meth:`pop` costs nothing."""
        return bool(self._slice)

    def _cut_slice(self) -> None:
        while not self._slice:
            first = self._queue[0]
            if isinstance(first, _Bar):
                self._look_at_bar()
                raise IndexError
            if isinstance(first, _Ready):
                self._queue.popleft()
                self._forget(first)
                self._slice.append(first.message)
                self._count -= 1
                self._slice_bytes = first.size
                return
            stop = min(first.start + SLICE, first.stop)
            frames = first.frames[first.start : stop]
            first.start = stop
            if stop == first.stop:
                self._queue.popleft()
            self._count -= len(frames)
            self._take(frames, first)

    def _take(self, frames: list[bytes], run: _Run) -> None:
        size = sum(map(len, frames))
        self._slice.extend(run.decode(frames, run.head, run.at))
        self.received -= len(frames) - len(self._slice)
        # Bytes of decoded messages leave evenly; what does not divide, or decoded to nothing, leaves now.
        share = size // len(self._slice) if self._slice else 0
        self._bytes -= size - share * len(self._slice)
        self._slice_bytes = share

    def _relax(self) -> None:
        half = len(self) <= self.options.max_messages // 2 and self._bytes <= self.options.max_bytes // 2
        if not half:
            return
        self._losing = False
        if self._pausing:
            self._pausing = False
            if self.on_low is not None:
                self.on_low()

    def _forget(self, ready: _Ready) -> None:
        if self._by_key.get(ready.key) is ready:
            del self._by_key[ready.key]
