"""Check of acknowledged decisions against the journal: none lost, none doubled, journal intact."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
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
from experiments.faults.senders import Book

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
