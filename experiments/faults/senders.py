"""Checkpoints that send until they are answered, and keep every answer.

A barrier that got no answer asks again; one that lost the answer asks again as well. Both must
receive the first decision.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from experiments.support.arrivals import SentArrivals
from experiments.support.http_client import BROKEN, HttpConnection, post

CREATED, UNAVAILABLE = 201, 503
PATH = "/v1/decisions"
PAUSE_SECONDS = 0.03
"""Between two attempts without an answer; shorter ones take the core that a start needs."""


@dataclass
class Book:
    """All answers, as the senders saw them."""

    acknowledged: dict[str, bytes] = field(default_factory=dict)
    """The first answer on each crossing."""
    changed: set[str] = field(default_factory=set)
    """Crossings that were answered again, otherwise."""
    refused: Counter[int] = field(default_factory=Counter)
    """Answers that neither decide nor ask for patience, by status."""
    broken: Counter[str] = field(default_factory=Counter)
    """Promises that a run saw broken, in its own words."""
    figures: dict[str, str] = field(default_factory=dict)
    """What a run measured, in its own words."""
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by every answer; cleared by a task before it waits for the next one."""
    turned_away: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by every answer that asks for patience; cleared alike."""
    is_closing: bool = False
    is_patient: bool = True
    """False where the service must not go away: then no answer, or a 503, is a broken promise."""

    def note(self, crossing_id: str, status: int, raw: bytes) -> None:
        """Keep one answer."""
        self.heard.set()
        if status != CREATED:
            self.refused[status] += 1
        elif self.acknowledged.setdefault(crossing_id, raw) != raw:
            self.changed.add(crossing_id)

    def note_cut(self) -> None:
        """Keep that a connection broke under a request."""
        if not self.is_patient:
            self.broken["a connection broke under a request"] += 1

    def note_unavailable(self, line: HttpConnection) -> None:
        """Keep that a sender was asked for patience, which must say when to come again."""
        self.turned_away.set()
        if not self.is_patient:
            self.broken["a request for patience"] += 1
        if not line.has_header("retry-after"):
            self.broken["a 503 that does not say when to try again"] += 1


class Sender:
    """One checkpoint with one connection."""

    def __init__(self, port: int, book: Book, *, keys: Mapping[str, str]) -> None:
        """``keys`` has the key of each post."""
        self._line = HttpConnection(port)
        self._book = book
        self._keys = keys
        self._was_cut = False

    async def run(self, waiting: Iterator[SentArrivals]) -> None:
        """Send one after the other until the book closes; what was sent is always answered."""
        last: SentArrivals | None = None
        async with self._line:
            while not self._book.is_closing:
                sent = next(waiting)
                await self._send(sent)
                if self._was_cut and last is not None:
                    self._was_cut = False
                    await self._send(last)
                last = sent

    async def _send(self, sent: SentArrivals) -> None:
        request = post(PATH, sent.body, key=self._keys[sent.post])
        while True:
            try:
                status, raw = await self._line.ask(request)
            except BROKEN:
                self._was_cut = True
                self._book.note_cut()
            else:
                if status != UNAVAILABLE:
                    self._book.note(sent.crossing_id, status, raw)
                    return
                self._book.note_unavailable(self._line)
            await asyncio.sleep(PAUSE_SECONDS)
