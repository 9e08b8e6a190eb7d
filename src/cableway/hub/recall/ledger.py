"""The books of one subscription, and the short way for messages that simply follow on each other.

A frame with a place ends with it: ``,"stream_id":"room/7","epoch":"q8Zd","offset":41}``. What such an ending says is
learned from a frame that was read in full, and from then on compared byte by byte: only the number is read. Quotes
inside of a JSON string are escaped, so these bytes right before the last brace are nothing else, in any valid frame.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cableway.hub.recall.book import Book

if TYPE_CHECKING:
    from cableway.wire.message import Message

STREAM_KEY = b',"stream_id":'

MOST_TAILS = 1000
"""Endings remembered, so that a server with ever new streams cannot fill the memory."""


class Ledger:
    """All streams of one subscription."""

    def __init__(self) -> None:
        self.books: dict[str, Book] = {}
        self._by_tail: dict[bytes, Book] = {}
        self._latest: Book | None = None

    def open(self, stream: str) -> Book:
        """Return the book of *stream*, a new one if need be."""
        book = self.books.get(stream)
        if book is None:
            book = self.books[stream] = Book(stream)
        return book

    def begin(self, book: Book, epoch: str, last: int) -> None:
        """Have *book* go on after *last* of *epoch*, wherever it was."""
        if epoch != book.epoch:
            self._by_tail.pop(book.tail, None)
            book.tail = b""
        book.epoch, book.last, book.first, book.floor = epoch, last, 0, 0
        book.begun_at = book.heard
        book.replays.clear()

    def advance(self, run: list[bytes], now: float) -> int:
        """Count frames that follow on what was delivered, or have no place at all; tell how many of *run* do.

        The first frame that does not ends the count: it, and those after it, have to be read in full.
        """
        book, number = self._latest, 0
        tail, last = (book.tail, book.last) if book is not None else (b"", None)
        for frame in run:
            cut = frame.rfind(STREAM_KEY)
            if cut >= 0:
                if not tail or not frame.startswith(tail, cut):
                    self._note(book, last, now)
                    book = self._by_tail.get(frame[cut : frame.rfind(b":") + 1])
                    if book is None:
                        break
                    self._latest, tail, last = book, book.tail, book.last
                try:
                    offset = int(frame[cut + len(tail) : -1])
                except ValueError:
                    break
                if last is None or offset != last + 1 or (book is not None and book.held):
                    break
                last = offset
            number += 1
        self._note(book, last, now)
        return number

    def _note(self, book: Book | None, last: int | None, now: float) -> None:
        if book is not None and last != book.last:
            book.last, book.heard = last, now

    def learn(self, raw: bytes, message: Message[object]) -> bytes | None:
        """Learn how the frames of the stream end by which *message* came; return that, if it is new."""
        book = self.books.get(message.stream or "")
        if book is None or book.tail or book.epoch != message.epoch:
            return None
        cut = raw.rfind(STREAM_KEY)
        colon = raw.rfind(b":") + 1
        tail = raw[cut:colon]
        if cut < 0 or raw[colon:] != b"%d}" % (message.offset or 0) or not _says(tail, book):
            return None
        if len(self._by_tail) >= MOST_TAILS:
            self._by_tail.clear()
        book.tail = tail
        self._by_tail[tail] = book
        self._latest = book
        return tail

    def forget_endings(self) -> None:
        """Learn anew: the next line may write them otherwise."""
        self._by_tail.clear()
        self._latest = None
        for book in self.books.values():
            book.tail = b""


def _says(tail: bytes, book: Book) -> bool:
    try:
        pairs = json.loads(b"{" + tail[1:] + b"0}", object_pairs_hook=list)
    except (ValueError, RecursionError):
        return False
    return bool(pairs == [("stream_id", book.stream), ("epoch", book.epoch), ("offset", 0)])
