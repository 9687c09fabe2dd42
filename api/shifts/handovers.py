"""Handovers of shifts, signed for one caller."""

from typing import Protocol

from api.auth.accounts import Accounts
from api.auth.callers import Caller
from api.queue.reads import PostService
from api.shifts.reads import read_now
from engine.domain.time_units import DAY, micros
from engine.errors import RecordError, SecondPersonError
from engine.journal.batch_worker import StoredRecord
from engine.shifts.handovers import (
    Handover,
    HandoverNote,
    TakeoverNote,
    draft_leave,
    draft_take,
    find_handover,
    leave_claim,
    take_claim,
)
from engine.targeting.reports import Recording


class HandoverService(PostService, Protocol):
    """The running service, as shifts are handed over."""

    accounts: Accounts
    recording: Recording


def leave_shift(
    service: HandoverService, caller: Caller, post: str, note: HandoverNote
) -> StoredRecord:
    """Record the first signature, with what the engine knows of the shift now.

    Raises ``RecordError`` for a shift that is over for a day or to come, and ``ConflictError``
    where another signature stands.
    """
    now = read_now(service)
    at = now if note.at is None else micros(note.at)
    shift = service.settings.shifts_of(service.network).shift(post, at)
    if at > now or shift.closes_at < now - DAY:
        raise RecordError("handover", "at", "bad_time", "a shift that runs, or ended in a day")
    asked = leave_claim(note, shift, by=caller.person)
    return service.recording.once_here(
        asked,
        lambda snapshot: draft_leave(
            snapshot, note, shift, by=caller.person, as_of=now, asked=asked
        ),
    )


def take_shift(
    service: HandoverService, caller: Caller, post: str, sequence: int, note: TakeoverNote
) -> StoredRecord:
    """Record the second signature of a handover.

    Raises ``NotFoundError``, ``SecondPersonError`` for the person who signed first, and
    ``ConflictError`` where another has taken over.
    """
    with service.store.read() as snapshot:
        handover = find_handover(snapshot, post, sequence)
    require_second(service.accounts, caller.person, handover)
    asked = take_claim(note, handover, by=caller.person)
    return service.recording.once_here(
        asked, lambda _: draft_take(note, handover, by=caller.person, asked=asked)
    )


def require_second(accounts: Accounts, person: str, handover: Handover) -> None:
    """Refuse the person who signed first, under any name; raises ``SecondPersonError``."""
    if person == handover.left.by:
        raise SecondPersonError("handover", "the person who leaves has signed it")
    accounts.must_be_two("handover", first=handover.left.by, second=person)
