"""Judgement of a trial: what was acknowledged against what the other side holds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.audit.verification import verify
from engine.journal.receipts import Receipt
from engine.links.envelope import REPEATED
from experiments.faults.partitions.installations import Installation
from experiments.faults.partitions.trial import PartitionTrial

_GONE = frozenset({"receipt_record", "receipt_chain"})
"""Rules by which the receipts of senders name what a restored disk lost."""


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """Counts of one trial."""

    acknowledged: int
    lost: int
    doubled: int
    broken: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, int] = field(default_factory=dict)
    slowest: float = 0.0
    plan: Sequence[str] = ()
    """What happened, of a trial that failed."""

    @property
    def holds(self) -> bool:
        """Tell whether nothing went wrong."""
        return not (self.lost or self.doubled or self.broken)

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as a line between processes has it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def judge(trial: PartitionTrial) -> TrialOutcome:
    """Compare what was acknowledged with what is held."""
    book = trial.book
    installations = (trial.deployment.centre, *trial.deployment.nodes)
    held = {one.name: Counter(one.list_received()) for one in installations}
    named = {one.name: _verify(trial, one) for one in installations}
    lost = 0
    for name, found in book.acknowledged.items():
        if held[found.receiver.name][name]:
            continue
        if found.receipt.sequence in named[found.sender.name]:
            book.figures["gone_with_a_disk"] += 1
        else:
            lost += 1
    taken = [name for counts in held.values() for name in counts]
    book.broken["held and never acknowledged"] += len(set(taken) - book.acknowledged.keys())
    book.broken["held by two installations"] += len(taken) - len(set(taken))
    book.broken["forks without an alarm"] += len(book.forks)
    for one in installations:
        for rule in one.list_refused():
            # Sealed again after a resumption, and taken before: it has no effect a second time.
            if rule == REPEATED:
                book.figures["refused_as_repeated"] += 1
            else:
                book.broken[f"refused: {rule}"] += 1
    outcome = TrialOutcome(
        acknowledged=len(book.acknowledged),
        lost=lost,
        doubled=sum(times - 1 for counts in held.values() for times in counts.values()),
        broken=dict(+book.broken),
        figures=dict(+book.figures),
        slowest=book.slowest,
    )
    return outcome if outcome.holds else replace(outcome, plan=tuple(book.plan))


def _verify(trial: PartitionTrial, one: Installation) -> set[int]:
    """Verify a journal; return the records that receipts name and it does not hold."""
    receipts: list[Receipt] = [
        found.receipt for found in trial.book.acknowledged.values() if found.sender is one
    ]
    verdict = verify(one.store, receipts, public_key=one.signer.public_key)
    others = [fault.rule for fault in verdict.faults if fault.rule not in _GONE]
    trial.book.broken.update(f"a fault of the journal: {rule}" for rule in others)
    return {fault.seq for fault in verdict.faults if fault.rule in _GONE}
