"""Brings messages to the mailboxes of those who hold the subscription."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from cableway.errors import LineLost
from cableway.events import Fresh, MessagesDropped
from cableway.hub.decoding import SEPARATOR, learn_head
from cableway.hub.effects import HubEffect, PauseReading, Recycle, ResumeReading
from cableway.hub.mailbox import Signal
from cableway.hub.wish import Stand
from cableway.redact import redact_identifier
from cableway.wire.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.hub.mailbox import Mailbox
    from cableway.hub.recall.historian import Historian
    from cableway.hub.wish import Handle, Wish
    from cableway.wire.frames import Data

EARLY_LIMIT = 1000
"""Messages kept for a subscription before its confirmation."""

EARLY_BYTES = 4 * 1024 * 1024
"""Bytes of them."""

_SEPARATOR_SIZE = len(SEPARATOR)
_WAITING = frozenset({Stand.ASKED, Stand.NAMING, Stand.QUEUED})
_LIVE = frozenset({Stand.LIVE})


class Router:
    """Knows which wish a frame belongs to, mostly without reading it."""

    def __init__(self, wishes: dict[str, Wish], ask: Callable[[HubEffect], None], historian: Historian) -> None:
        self.counts: Counter[str] = Counter()
        """Messages that went nowhere: ``unknown`` identifier, ``unwanted``, ``early`` beyond the limit."""
        self.wishes = wishes
        """By identifier."""
        self.learns: bool = True
        """Whether frames are text, which can be told by how they begin and end."""
        self.jammed: bool = False
        """Whether commands wait to leave for longer than they should."""
        self._heads: dict[bytes, Wish] = {}
        self._ask = ask
        self._historian = historian
        self._pausing: set[Mailbox] = set()

    def route(self, batch: list[bytes], at: float, now: float, slow: Callable[[bytes], None]) -> None:
        """Deliver the frames of one read, in order; *slow* takes each frame that is not plainly a known message.

        Args:
            batch: The frames.
            at: The wall time of the read, for users.
            now: The time of the read, for decisions.
            slow: Reads a frame in full.
        """
        heads = self._heads
        wish: Wish | None = None
        head = b""
        run: list[bytes] = []
        for frame in batch:
            if wish is not None and frame.startswith(head):
                run.append(frame)
                continue
            cut = frame.find(SEPARATOR)
            found = heads.get(frame[: cut + _SEPARATOR_SIZE]) if cut > 0 else None
            if run and wish is not None:
                self._put_run(wish, run, head, at, now=now, slow=slow)
            wish, run = found, []
            if found is None:
                slow(frame)
            else:
                head = found.head or b""
                run.append(frame)
        if run and wish is not None:
            self._put_run(wish, run, head, at, now=now, slow=slow)

    def deliver(self, data: Data, raw: bytes, at: float, now: float) -> None:
        """Deliver a message whose frame was read in full."""
        wish = self.wishes.get(data.identifier)
        if wish is None:
            self.counts["unknown"] += 1
            return
        message = Message(data.message, at, stream=data.stream, epoch=data.epoch, offset=data.offset)
        if wish.stand in _LIVE:
            if self.learns:
                self._learn(wish, raw)
            wish.heard = now
            wish.recall.intake.take(message, len(raw), now)
            if self.learns and data.stream is not None and (tail := wish.recall.ledger.learn(raw, message)) is not None:
                wish.decoder.places[tail.decode()] = (data.stream, data.epoch or "")
        elif wish.stand not in _WAITING:
            self.counts["unwanted"] += 1
        elif len(wish.early) < EARLY_LIMIT and wish.early_size + len(raw) <= EARLY_BYTES:
            wish.early.append((message, len(raw)))
            wish.early_size += len(raw)
        else:
            self.counts["early"] += 1

    def put(self, wish: Wish, message: Message[Any], size: int) -> None:
        """Hand one message to every holder of *wish*; one that was replayed not to the holder whose own it is."""
        if wish.stale:
            self._refresh(wish)
        for handle in list(wish.handles):
            if message.replayed and handle.options.is_own is not None and _is_own(handle.options.is_own, message):
                continue
            self._heed(handle, wish, handle.mailbox.put(message, size))

    def release_early(self, wish: Wish, now: float) -> None:
        """Deliver what came before the confirmation."""
        early, wish.early, wish.early_size = wish.early, [], 0
        for message, size in early:
            wish.heard = now
            wish.recall.intake.take(message, size, now)

    def forget(self, wish: Wish) -> None:
        """Route nothing to *wish* without a look at its state."""
        if wish.head is not None:
            self._heads.pop(wish.head, None)
            wish.head = None
        wish.early = []
        wish.early_size = 0

    @property
    def paused(self) -> bool:
        """Whether a mailbox holds the line up."""
        return bool(self._pausing)

    @property
    def held_up(self) -> bool:
        """Whether answers that are due can tell nothing of the server: the line is not read, or questions wait."""
        return self.paused or self.jammed

    def line_down(self) -> None:
        """Learn that the line is gone. The next one is read until a mailbox asks anew: who confirms must be heard."""
        self._pausing.clear()
        self.jammed = False

    def let_go(self, mailbox: Mailbox) -> None:
        """Learn that *mailbox* will not be read any more: it must not hold the line up."""
        if mailbox in self._pausing:
            self._pausing.discard(mailbox)
            if not self._pausing:
                self._ask(ResumeReading())

    def _learn(self, wish: Wish, raw: bytes) -> None:
        if wish.head is None:
            head = learn_head(raw, wish.identifier or "")
            if head is not None:
                wish.head = head
                self._heads[head] = wish

    def _put_run(
        self, wish: Wish, run: list[bytes], head: bytes, at: float, *, now: float, slow: Callable[[bytes], None]
    ) -> None:
        if not wish.handles:
            self.counts["unwanted"] += len(run)
            return
        wish.heard = now
        if self._historian.extended:
            plain = wish.recall.intake.advance(run, now)
            if plain < len(run):
                if plain:
                    self._spread(wish, run[:plain], head, at)
                for frame in run[plain:]:
                    slow(frame)
                return
        self._spread(wish, run, head, at)

    def _spread(self, wish: Wish, run: list[bytes], head: bytes, at: float) -> None:
        if wish.stale:
            self._refresh(wish)
        for handle in list(wish.handles):
            self._heed(handle, wish, handle.mailbox.put_run(run, head, at))

    def _refresh(self, wish: Wish) -> None:
        for handle in list(wish.handles):
            if handle.stale_at is not None:
                wish.stale -= 1
                since, handle.stale_at = handle.stale_at, None
                handle.tell(Fresh((wish.heard or since) - since))

    def _heed(self, handle: Handle, wish: Wish, signal: Signal) -> None:
        if signal is Signal.FINE:
            return
        policy = handle.options.overflow
        name = policy if isinstance(policy, str) else "latest_by"
        if signal is Signal.PAUSE:
            if not self._pausing:
                self._ask(PauseReading())
            self._pausing.add(handle.mailbox)
        elif signal is Signal.DISCONNECT:
            what = f"the mailbox of {redact_identifier(wish.label)} is full and its policy is to disconnect"
            self._ask(Recycle(LineLost(what)))
        if signal is not Signal.PAUSE:
            handle.tell(MessagesDropped(wish.label, name, handle.mailbox.dropped))


def _is_own(matches: Callable[[Message[Any]], bool], message: Message[Any]) -> bool:
    try:
        return bool(matches(message))
    except Exception:  # noqa: BLE001 - the user's function; a message that it cannot judge is delivered
        return False
