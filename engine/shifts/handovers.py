"""Handovers of a shift: what is open, found and overridden at its end, signed by two people.

The supervisor who leaves signs first, and the record states what the engine knows at that moment;
the one who takes over signs the same record. A shift is handed over once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sqlalchemy import Connection, exists, select

from engine.domain.field_types import Text, Time
from engine.domain.network import ShiftPeriod
from engine.domain.records import Inspection, Record
from engine.domain.time_units import DAY
from engine.errors import ConflictError, NotFoundError
from engine.journal.entries import Draft
from engine.journal.idempotency import IdempotencyClaim, claim, find_holders
from engine.journal.journal import JOURNAL
from engine.journal.kinds import (
    HANDOVER,
    HANDOVER_TAKEN,
    INSPECTION,
    HandoverBody,
    HandoverTakenBody,
    ShiftBalance,
)
from engine.journal.power_records import read_records
from engine.queue.corrections import read_stated
from engine.queue.queue import DECISIONS, list_waiting
from engine.queue.reviews import REVIEWS
from engine.selection import INSPECTED, Channel
from engine.storage.database import split_in_slices

MOST_NAMED = 500
"""Decisions that one list of a handover names; its count has all of them."""
OLDEST_ACTS = 28 * DAY
"""How long before a shift a vehicle was decided on whose act counts as found in it. Officers answer
for vehicles that came in the shift before: what they find then is theirs to hand over."""
_D, _R, _LATER = DECISIONS.c, REVIEWS.c, DECISIONS.alias("later")


class HandoverNote(Record):
    """What a supervisor who leaves says of a shift; the engine states the rest."""

    at: Time | None = None
    """Any time within the shift; by default the running one."""
    note: Text = ""
    EXAMPLE: ClassVar = {"note": "The scanner stopped at 02:00; lane 2 is closed."}


class TakeoverNote(Record):
    """What a supervisor who takes over says."""

    note: Text = ""
    EXAMPLE: ClassVar = {"note": "Lane 2 was opened again."}


@dataclass(frozen=True, slots=True)
class Signature:
    """One person's signature, by its record."""

    seq: int
    known_at: int
    by: str
    note: str


@dataclass(frozen=True, slots=True)
class Handover:
    """The handover of one shift as it stands."""

    post: str
    shift: str
    balance: ShiftBalance
    left: Signature
    taken: Signature | None
    """None until a second person has signed."""


@dataclass(frozen=True, slots=True)
class FiledAct:
    """An act that officers filed in a shift, with the last decision that it answers."""

    decision_id: str
    crossing_id: str
    decided_at: int
    """When the vehicle was decided on, UTC microseconds: at times in an earlier shift."""
    channel: Channel
    """Where the vehicle was last sent."""
    act: Inspection


def list_filed_acts(connection: Connection, shift: ShiftPeriod) -> list[FiledAct]:
    """Return the acts of a post that became known in a shift, as corrections state them now.

    Every page and record that says what a shift found or used counts these. An act whose record
    was erased is not among them.
    """
    query = (
        select(_D.act_seq, _D.decision_id, _D.crossing_id, _D.known_at, _D.channel)
        .join(JOURNAL, JOURNAL.c.seq == _D.act_seq)
        .where(
            _D.post == shift.post,
            _D.known_at >= shift.opens_at - OLDEST_ACTS,
            JOURNAL.c.known_at >= shift.opens_at,
            JOURNAL.c.known_at < shift.closes_at,
        )
        .order_by(_D.seq)
    )
    answered = {row.act_seq: row for row in connection.execute(query)}
    return [
        FiledAct(
            row.decision_id,
            row.crossing_id,
            row.known_at,
            Channel(row.channel),
            Inspection.model_validate(record.body["inspection"], strict=False),
        )
        for some in split_in_slices(sorted(answered), 500)
        for record in read_stated(connection, INSPECTION, where=[JOURNAL.c.seq.in_(some)])
        for row in (answered[record.seq],)
    ]


def summarize_shift(connection: Connection, shift: ShiftPeriod, *, as_of: int) -> ShiftBalance:
    """Return what is open at a post as of now, and what its shift found and overrode."""
    waiting = [one.decision_id for one in list_waiting(connection, shift.post, as_of=as_of)]
    in_shift = (
        _D.post == shift.post, _D.known_at >= shift.opens_at, _D.known_at < shift.closes_at,
    )  # fmt: skip
    referred = select(_D.decision_id).where(
        *in_shift,
        _D.channel.in_([int(channel) for channel in INSPECTED]),
        _D.act_seq.is_(None),
        ~_D.waiting,
        ~exists().where(_LATER.c.crossing_id == _D.crossing_id, _LATER.c.seq > _D.seq),
    )
    overridden = select(_R.decision_id).where(
        _R.post == shift.post,
        _R.verdict == "override",
        _R.known_at >= shift.opens_at,
        _R.known_at < shift.closes_at,
    )
    acts = [one.act for one in list_filed_acts(connection, shift)]
    return {
        "waiting": _name(waiting),
        "without_act": _name(list(connection.scalars(referred.order_by(_D.seq)))),
        "overridden": _name(list(connection.scalars(overridden.distinct()))),
        "found": {
            "inspected": sum(act.is_full for act in acts),
            "discrepancies": sum(act.outcome == "discrepancy" for act in acts),
            "seizures": sum(act.outcome == "seizure" for act in acts),
        },
    }


def _name(decisions: list[str]) -> dict[str, Any]:
    return {"count": len(decisions), "decisions": decisions[:MOST_NAMED]}


def read_handover(connection: Connection, post: str, shift_id: str) -> Handover | None:
    """Return the handover of a shift; None where there is none, or its record was erased.

    Of two first signatures the later one counts: the earlier one lapsed.
    """
    found: Handover | None = None
    for one in read_records(connection, (HANDOVER, HANDOVER_TAKEN), subject=shift_id):
        if one.body is None or one.post != post:
            continue
        signature = Signature(one.seq, one.known_at, one.body["by"], one.body["note"])
        if one.kind == HANDOVER:
            found = Handover(post, shift_id, one.body["balance"], signature, None)
        elif found is not None:
            found = replace(found, taken=signature)
    return found


def list_open_handovers(connection: Connection, shifts: Iterable[ShiftPeriod]) -> list[Handover]:
    """Return the handovers of these shifts that wait for their second signature."""
    known = {shift.shift_id: shift.post for shift in shifts}
    names = [f"{kind}:{shift}" for shift in known for kind in (HANDOVER, HANDOVER_TAKEN)]
    holders = find_holders(connection, names)
    begun = (shift for shift in known if f"{HANDOVER}:{shift}" in holders)
    due = [shift for shift in begun if f"{HANDOVER_TAKEN}:{shift}" not in holders]
    found = (read_handover(connection, known[shift], shift) for shift in due)
    return [one for one in found if one is not None]


def leave_claim(
    note: HandoverNote, shift: ShiftPeriod, *, by: str, instead_of: Handover | None = None
) -> IdempotencyClaim:
    """Return the claim of the first signature: a shift has one, and it is one person's.

    ``instead_of`` is the one before, where it lapsed.
    """
    name = f"{HANDOVER}:{shift.shift_id}"
    if instead_of is not None:
        name = f"{name}:{instead_of.left.seq}"
    return claim(HANDOVER, HandoverNote(note=note.note), post=shift.post, name=name, about=by)


def take_claim(note: TakeoverNote, handover: Handover, *, by: str) -> IdempotencyClaim:
    """Return the claim of the second signature, which is one person's."""
    name = f"{HANDOVER_TAKEN}:{handover.shift}"
    return claim(HANDOVER_TAKEN, note, post=handover.post, name=name, about=by)


def draft_leave(
    connection: Connection,
    note: HandoverNote,
    shift: ShiftPeriod,
    *,
    by: str,
    as_of: int,
    asked: IdempotencyClaim,
) -> Draft:
    """Return the record of the first signature, with what the engine knows now."""
    body: HandoverBody = {
        "claim": asked.as_dict(),
        "by": by,
        "note": note.note,
        "balance": summarize_shift(connection, shift, as_of=as_of),
    }
    return HANDOVER.draft(shift.shift_id, body, post=shift.post)


def draft_take(
    note: TakeoverNote, handover: Handover, *, by: str, asked: IdempotencyClaim
) -> Draft:
    """Return the record of the second signature; raises ``ConflictError`` for one taken over."""
    if handover.taken is not None:
        raise ConflictError("handover", handover.shift, "the shift was taken over before")
    body: HandoverTakenBody = {
        "claim": asked.as_dict(),
        "by": by,
        "note": note.note,
        "of": handover.left.seq,
    }
    return HANDOVER_TAKEN.draft(handover.shift, body, post=handover.post)


def find_handover(connection: Connection, post: str, seq: int) -> Handover:
    """Return a handover by the number of its first signature; raises ``NotFoundError``."""
    query = select(JOURNAL.c.subject).where(
        JOURNAL.c.seq == seq, JOURNAL.c.kind == HANDOVER, JOURNAL.c.post == post
    )
    shift_id = connection.scalar(query)
    found = None if shift_id is None else read_handover(connection, post, shift_id)
    if found is None or found.left.seq != seq:
        raise NotFoundError("handover", str(seq))
    return found
