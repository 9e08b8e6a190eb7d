"""Commands on their way out, kept until the server has taken them."""

from __future__ import annotations

from collections import deque


class Outbox:
    """Frames in the order in which they came. Those at the front may be in a request that is not answered yet."""

    def __init__(self, max_request_size: int) -> None:
        self.size: int = 0
        """Bytes of all that is kept, line ends included."""
        self.loaded: int = 0
        """Bytes that went into requests so far."""
        self._limit = max_request_size
        self._frames: deque[bytes] = deque()
        self._since: deque[float] = deque()
        self._in_request = 0
        # How long the oldest one of the last request that had any was kept before it, and when that was.
        self._last_wait = 0.0
        self._last_load = float("-inf")

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def in_request(self) -> int:
        """How many are in a request that is not answered yet."""
        return self._in_request

    @property
    def waiting(self) -> bool:
        """Whether one is in no request."""
        return len(self._frames) > self._in_request

    @property
    def waiting_since(self) -> float | None:
        """When the oldest of those that are in no request came."""
        return self._since[self._in_request] if self.waiting else None

    def add(self, frame: bytes, now: float) -> None:
        """Keep *frame* until it was taken."""
        self._frames.append(frame)
        self._since.append(now)
        self.size += len(frame) + 1

    def is_late(self, now: float, usual: float) -> bool:
        """Tell whether any are kept, or were until *usual* seconds ago, for longer than they *usual*ly have to be."""
        since = self.waiting_since
        if since is not None and now - since > usual:
            return True
        return self._last_wait > usual and now - self._last_load <= usual

    def load(self, now: float) -> bytes:
        """Return the body of the next request: as many frames as fit, at least one where there is one."""
        since = self.waiting_since
        if since is not None:
            self._last_wait, self._last_load = now - since, now
        body = bytearray()
        for frame in self._frames:
            if body and len(body) + len(frame) + 1 > self._limit:
                break
            body += frame
            body += b"\n"
            self._in_request += 1
        self.loaded += len(body)
        return bytes(body)

    def taken(self) -> int:
        """Forget what was in the request, and return how many that were."""
        count, self._in_request = self._in_request, 0
        for _ in range(count):
            self.size -= len(self._frames.popleft()) + 1
            self._since.popleft()
        return count

    def returned(self) -> None:
        """The request came to nothing: what was in it is to be sent again, before all else."""
        self._in_request = 0

    def clear(self) -> None:
        """Forget all."""
        self._frames.clear()
        self._since.clear()
        self.size = self._in_request = 0
