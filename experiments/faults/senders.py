"""Checkpoints that send until they are answered, and keep every answer.

A barrier that got no answer asks again; one that lost the answer asks again as well. Both must
receive the first decision. What was acknowledged is checked against the journal: nothing is lost,
nothing is doubled, and the journal is intact.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import select

from engine.audit.verification import verify
from engine.journal.journal import BODIES, JOURNAL
from engine.journal.kinds import DECISION
from engine.journal.receipts import Receipt
from engine.queue.queue import DECISIONS
from engine.storage.database import Store
from experiments.support.deployment import PATH, SentArrivals
from experiments.support.processes import BROKEN, HttpConnection, Service, encode_get, encode_post

CREATED, UNAVAILABLE = 201, 503
LOOK_SECONDS = 0.01
"""Between two looks at the state of a service."""
SENDERS = 8
PATIENCE_SECONDS = 120
"""A service that does not answer for so long has failed."""
PAUSE_SECONDS = 0.03
"""Between two attempts without an answer; shorter ones take the core that a start needs."""


_NOT_YET: dict[str, Any] = {"mode": "", "model_version": None}


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


@dataclass(frozen=True)
class FaultTrials:
    """A service, what is sent to it, and how often a fault is tried on it."""

    service: Service
    waiting: Iterator[SentArrivals]
    keys: Mapping[str, str]
    """The key of each post."""
    trials: int
    report_progress: Callable[[int, int], None]
    """Called with the number of trials done and of all."""
    book: Book = field(default_factory=Book)

    @asynccontextmanager
    async def send(self) -> AsyncIterator[None]:
        """Let checkpoints send until the block ends; what was sent is always answered."""
        async with asyncio.TaskGroup() as senders:
            for _ in range(SENDERS):
                senders.create_task(_Sender(self).run())
            yield
            self.book.is_closing = True


async def wait_next(event: asyncio.Event, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until an event of the book happens again; raises ``TimeoutError``."""
    event.clear()
    async with asyncio.timeout(seconds):
        await event.wait()


class _Sender:
    """One checkpoint with one connection."""

    def __init__(self, run: FaultTrials) -> None:
        self._line = HttpConnection(run.service.port)
        self._book = run.book
        self._keys = run.keys
        self._waiting = run.waiting
        self._was_cut = False

    async def run(self) -> None:
        """Send one after the other until the book closes."""
        last: SentArrivals | None = None
        async with self._line:
            while not self._book.is_closing:
                sent = next(self._waiting)
                await self._send(sent)
                if self._was_cut and last is not None:
                    self._was_cut = False
                    await self._send(last)
                last = sent

    async def _send(self, sent: SentArrivals) -> None:
        request = encode_post(PATH, sent.body, key=self._keys[sent.post])
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


async def ready(line: HttpConnection) -> dict[str, Any]:
    """Return the body of ``/readyz``, or empty values where the service does not answer."""
    try:
        _, raw = await line.ask(encode_get("/readyz"))
    except BROKEN:
        return _NOT_YET
    found: dict[str, Any] = json.loads(raw)
    return found


async def until(port: int, stands: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until ``stands`` holds for the body of ``/readyz``."""
    async with asyncio.timeout(PATIENCE_SECONDS), HttpConnection(port) as line:
        while not stands(await ready(line)):
            await asyncio.sleep(LOOK_SECONDS)


async def counter(line: HttpConnection, metric: str) -> float:
    """Return a counter of the service."""
    _, raw = await line.ask(encode_get("/metrics"))
    found = re.search(rf"^{metric} (\S+)$", raw.decode(), re.MULTILINE)
    return 0.0 if found is None else float(found[1])


GONE = frozenset({"receipt_record", "receipt_chain"})
"""Rules by which the journal's check names what a receipt is of and the journal does not hold."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Result of a fault run."""

    fault: str
    trials: int
    acknowledged: int
    """Decisions that a sender received."""
    lost: int
    """Of these, those that the journal does not hold as they were sent."""
    doubled: int
    """Decisions beyond the first on one crossing."""
    failed: int
    """Answers that contradict an earlier one, refusals, other promises that a run saw broken, and
    faults of the journal."""
    why: Mapping[str, int] = field(default_factory=dict)
    """What makes up the failed ones, in words."""
    figures: Mapping[str, str] = field(default_factory=dict)
    """What the run measured."""
    plan: Sequence[str] = ()
    """What happened in the shortest history that failed, a line for each step, if one was drawn."""

    @property
    def holds(self) -> bool:
        """Tell whether nothing went wrong, and anything happened at all."""
        return self.acknowledged > 0 and not (self.lost or self.doubled or self.failed)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as the command prints them."""
        names = ("fault", "trials", "acknowledged", "lost", "doubled", "failed", "holds")
        found = {name: getattr(self, name) for name in names} | dict(self.figures)
        return found | ({"failed_history": list(self.plan)} if self.plan else {})


class _RecordedDecision(NamedTuple):
    decision_id: str
    crossing_id: str
    leaf: str
    chain: str


def audit(
    book: Book, store: Store, public_key: Ed25519PublicKey, *, fault: str, trials: int
) -> Counts:
    """Compare every answer with the journal."""
    standing, queued = _decisions(store)
    answers = {crossing: json.loads(raw) for crossing, raw in book.acknowledged.items()}
    receipts = [Receipt.from_json(answer) for answer in answers.values()]
    lost = sum(
        standing.get(answer["receipt"]["sequence"])
        != (answer["decision_id"], crossing, answer["receipt"]["leaf"], answer["receipt"]["chain"])
        for crossing, answer in answers.items()
    )
    verdict = verify(store, receipts, public_key=public_key)
    faults = [fault for fault in verdict.faults if fault.rule not in GONE]
    decided = Counter(found.crossing_id for found in standing.values())
    why = Counter({f"an answer {status}": times for status, times in book.refused.items()})
    why += Counter(f"a fault of the journal: {found.rule}" for found in faults)
    why += book.broken
    why["answers that contradict an earlier one"] = len(book.changed)
    why["decisions without a place, or places without one"] = len(
        queued.symmetric_difference(standing)
    )
    return Counts(
        fault=fault,
        trials=trials,
        acknowledged=len(answers),
        lost=lost,
        doubled=sum(times - 1 for times in decided.values()),
        failed=sum(why.values()),
        why=why,
        figures=book.figures,
    )


def _decisions(store: Store) -> tuple[dict[int, _RecordedDecision], set[int]]:
    """Return the recorded decisions by sequence, and the sequences in the queue."""
    query = (
        select(JOURNAL.c.seq, JOURNAL.c.subject, JOURNAL.c.leaf, JOURNAL.c.chain, BODIES.c.body)
        .join_from(JOURNAL, BODIES, JOURNAL.c.seq == BODIES.c.seq)
        .where(JOURNAL.c.kind == DECISION)
    )
    with store.read() as connection:
        found = {
            row.seq: _RecordedDecision(
                row.subject,
                json.loads(row.body)["crossing_id"],
                bytes(row.leaf).hex(),
                bytes(row.chain).hex(),
            )
            for row in connection.execute(query)
        }
        return found, set(connection.scalars(select(DECISIONS.c.seq)))
