"""A declaration that was changed after its vehicle had been decided on.

An amendment gets a decision of its own, linked to the first one of its movement. It draws the same
numbers and sees the same past, so a smuggler cannot ask again until the answer suits; that a
declaration is changed after arrival is itself a signal, and it may be changed three times a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from engine.decision.record_codec import decode_decision
from engine.domain.records import Arrival, Crossing
from engine.domain.time_units import DAY
from engine.errors import RecordError, RiskError, TooManyAmendmentsError
from engine.journal.batch_worker import PendingRequest
from engine.journal.journal import Journal
from engine.journal.kinds import DECISION
from engine.queue.queue import DECISIONS, QueuedDecision, read_decision

MOST = 3
"""Amendments of one movement within 24 hours."""
_D = DECISIONS.c


@dataclass(frozen=True, slots=True)
class AmendedDecision:
    """What an amendment goes back to."""

    decision_id: str
    """The first decision of the movement."""
    as_of: int
    """Features are cut where that one's were: later, they would count the vehicle itself."""
    crossing: Crossing
    """As it was first reported: whose numbers are drawn."""
    number: int
    """1 for the first amendment."""


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """An arrival to decide on, for the first time or again."""

    arrival: Arrival
    amended: QueuedDecision | None = None
    """The decision whose declaration was changed."""


_LATELY = select(func.count()).where(
    _D.crossing_id == bindparam("crossing"),
    _D.amends.is_not(None),
    _D.known_at >= bindparam("since"),
)
_EVER = select(func.count()).where(_D.crossing_id == bindparam("crossing"), _D.amends.is_not(None))


def attach_amendments(
    snapshot: Connection,
    journal: Journal,
    asked: Sequence[PendingRequest[DecisionRequest]],
    *,
    as_of: int,
) -> tuple[list[PendingRequest[DecisionRequest]], list[AmendedDecision | None]]:
    """Return what can be decided on, with what each amendment goes back to; refuse the rest."""
    kept: list[PendingRequest[DecisionRequest]] = []
    found: list[AmendedDecision | None] = []
    for one in asked:
        known = one.what.amended
        try:
            goes_back = (
                None
                if known is None
                else amends(snapshot, journal, one.what.arrival, known, as_of=as_of)
            )
        except RiskError as refusal:
            one.answer.set_exception(refusal)
            continue
        kept.append(one)
        found.append(goes_back)
    return kept, found


def amends(
    snapshot: Connection, journal: Journal, arrival: Arrival, known: QueuedDecision, *, as_of: int
) -> AmendedDecision:
    """Return what an amendment goes back to.

    Raises ``RecordError`` for another movement than the decision's, ``TooManyAmendmentsError``
    beyond three within 24 hours.
    """
    root = known if known.amends is None else read_decision(snapshot, known.amends)
    first = decode_decision(journal.body(snapshot, root.seq, of=DECISION))
    crossing = first.arrival.crossing
    for name in ("crossing_id", "post", "direction"):
        if getattr(arrival.crossing, name) != getattr(crossing, name):
            raise RecordError("crossing", name, "other_movement", "an amendment cannot change it")
    lately = snapshot.scalar(_LATELY, {"crossing": crossing.crossing_id, "since": as_of - DAY})
    if (lately or 0) >= MOST:
        raise TooManyAmendmentsError(MOST)
    ever = snapshot.scalar(_EVER, {"crossing": crossing.crossing_id}) or 0
    return AmendedDecision(root.decision_id, first.inputs.as_of, crossing, ever + 1)
