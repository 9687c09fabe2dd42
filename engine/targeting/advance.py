"""Declarations ahead of the vehicles of a batch.

Arrivals of a batch do not see each other, so two of them may lead to the same vehicle of one
declaration. The later one then waits for the next batch, which knows that it is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from engine.declarations.matcher import match_arrivals
from engine.domain.advance_declarations import AdvanceMatch
from engine.domain.records import Arrival
from engine.journal.batch_worker import PendingRequest
from engine.targeting.amendments import AmendedDecision, DecisionRequest

Request = PendingRequest[DecisionRequest]


@dataclass(frozen=True, slots=True)
class MatchedBatch:
    """The requests of a batch that are decided together, and those that wait for the next."""

    asked: Sequence[Request]
    amended: Sequence[AmendedDecision | None]
    arrivals: Sequence[Arrival]
    """With the declarations ahead that they are decided with."""
    matches: Sequence[AdvanceMatch | None]
    deferred: Sequence[Request]


def match_batch(
    snapshot: Connection,
    asked: Sequence[Request],
    amended: Sequence[AmendedDecision | None],
    *,
    as_of: int,
) -> MatchedBatch:
    """Return a batch with its declarations ahead, as known before ``as_of``."""
    matched = match_arrivals(snapshot, [one.what.arrival for one in asked], as_of=as_of)
    taken: set[tuple[str, int]] = set()
    kept: list[tuple[Request, AmendedDecision | None, Arrival, AdvanceMatch | None]] = []
    deferred: list[Request] = []
    for one, first, (arrival, match) in zip(asked, amended, matched, strict=True):
        uses = {(use.declaration_id, use.vehicle) for use in match.uses} if match else set()
        if uses & taken:
            deferred.append(one)
            continue
        taken |= uses
        kept.append((one, first, arrival, match))
    own, amends, arrivals, matches = zip(*kept, strict=True)  # the first is always kept
    return MatchedBatch(own, amends, arrivals, matches, deferred)
