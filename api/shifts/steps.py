"""Rosters that people and machines put, and handovers of shifts, each signed for one caller."""

import secrets

from api.auth.accounts import Accounts
from api.auth.callers import Caller
from api.service.runtime import Runtime
from api.shifts.readers import read_now
from engine.domain.rights import Matter
from engine.domain.time_units import DAY, micros
from engine.errors import RecordError
from engine.journal.batch_worker import StoredRecord
from engine.journal.idempotency import claim
from engine.journal.kinds import ROSTER
from engine.shifts.handovers import (
    Handover,
    HandoverNote,
    TakeoverNote,
    draft_leave,
    draft_take,
    find_handover,
    leave_claim,
    read_handover,
    take_claim,
)
from engine.shifts.workload import Roster
from engine.targeting.report_writer import ReportWriter


def put_roster(
    recording: ReportWriter, caller: Caller, post: str, roster: Roster, key: str | None
) -> StoredRecord:
    """Record the roster of a post; raises ``RecordError`` and ``ConflictError``."""
    name = f"{ROSTER}:{secrets.token_hex(12)}"
    asked = claim(ROSTER, roster, post=post, name=name, key=caller.own(key))
    return recording.roster(roster, asked)


def leave_shift(service: Runtime, caller: Caller, post: str, note: HandoverNote) -> StoredRecord:
    """Record the first signature, with what the engine knows of the shift now.

    Raises ``RecordError`` for a shift that is over for a day or to come, and ``ConflictError``
    where another signature stands.
    """
    now = read_now(service)
    at = now if note.at is None else micros(note.at)
    shift = service.shifts.shift(post, at)
    if at > now or shift.closes_at < now - DAY:
        raise RecordError("handover", "at", "bad_time", "a shift that runs, or ended in a day")
    with service.store.read() as snapshot:
        before = read_handover(snapshot, post, shift.shift_id)
        lapsed = before if before is not None and has_lapsed(service.accounts, before) else None
    asked = leave_claim(note, shift, by=caller.person, instead_of=lapsed)
    return service.recording.once_here(
        asked,
        lambda snapshot: draft_leave(
            snapshot, note, shift, by=caller.person, as_of=now, asked=asked
        ),
    )


def take_shift(
    service: Runtime, caller: Caller, post: str, sequence: int, note: TakeoverNote
) -> StoredRecord:
    """Record the second signature of a handover.

    Raises ``NotFoundError``, ``SecondPersonError`` for the person who signed first,
    ``LapsedProposalError`` where that person has left, and ``ConflictError`` where another has
    taken over.
    """
    with service.store.read() as snapshot:
        handover = find_handover(snapshot, post, sequence)
    accounts, first = service.accounts, handover.left.by
    accounts.must_second(Matter.ACTS, first=first, second=caller.person, by_anyone=True)
    asked = take_claim(note, handover, by=caller.person)
    return service.recording.once_here(
        asked, lambda _: draft_take(note, handover, by=caller.person, asked=asked)
    )


def has_lapsed(accounts: Accounts, handover: Handover) -> bool:
    """Tell whether who signed first was removed before another took over: it is signed again."""
    return handover.taken is None and accounts.look().has_left(handover.left.by)
