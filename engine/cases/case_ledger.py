"""Open and closed cases as a table, and the records that make them.

A case is its records: one opening, then events in order (:mod:`engine.cases.case_state`). The
tables name them for lists and for files that travel; who sees a case, and what its next record
says, is read from the records (:mod:`engine.cases.case_state`). What the state forbids is refused
under the writer's lock, by the projection, whichever process drafted it.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Index, String, select, update

from engine.cases.area import CASE_EVENT, CASE_OPENED, CaseEventBody, CaseOpenedBody
from engine.cases.case_events import CaseOpening
from engine.cases.case_state import (
    MOVING,
    CaseState,
    CaseStep,
    advance_case,
    open_case,
    renumber_steps,
    replay_case,
)
from engine.domain.time_units import micros
from engine.errors import ConflictError, NotAllowedError, NotFoundError
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.idempotency import IdempotencyClaim, find_holders
from engine.journal.journal import JournalReader
from engine.journal.kinds import COPIED
from engine.queue.identifier_index import IdentifierKind, RecordSort, keep_identifiers
from engine.storage.database import Int64, at_posts, declare_columns, insert_rows, record_table

CASES = record_table(
    "cases",
    Column("case_id", String, nullable=False, unique=True),
    *declare_columns(String, "post", "agency", "custody", "owner", "state"),
    *declare_columns(Int64, "opened_at", "changed_at"),
    Column("deadline", Int64, nullable=True),
    Index("cases_state_ix", "state", "opened_at"),
)
"""Cases by the record that opened them; an agency that is not known is empty."""
CASE_EVENTS = record_table(
    "case_events",
    *declare_columns(String, "case_id", "kind"),
    Index("case_events_case_ix", "case_id"),
)
"""Events by their records."""
_C, _E = CASES.c, CASE_EVENTS.c


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who takes a step in a case."""

    person: str
    agency: str | None


def project_cases(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep where each case stands: take in openings and events, one after another.

    Raises ``ConflictError``, ``NotAllowedError`` or ``NotFoundError`` for an event that the state
    of its case forbids.
    """
    for entry, body in list_bodies(entries, CASE_OPENED):
        case = open_case(entry.seq, entry.subject, entry.post, entry.known_at, body)
        row = [getattr(case, column.name) for column in CASES.columns]
        insert_rows(connection, CASES, [row])
        named = [(IdentifierKind.CASE, case.case_id)]
        if source := body["opening"].get("seizure_id"):
            named.append((IdentifierKind.SEIZURE, source))
        keep_identifiers(connection, RecordSort.CASE, [(entry.seq, named)])
    for entry, draft in entries:
        if entry.kind == CASE_EVENT:
            _add_event(connection, entry, draft)


def _add_event(connection: Connection, entry: Entry, draft: Draft) -> None:
    step = CaseStep(entry.seq, entry.known_at, entry.post, draft.body)
    is_copied = COPIED in draft.body
    try:
        before, step = _read_state(connection, entry.subject, step)
        now = advance_case(before, step)
    except (ConflictError, NotAllowedError, NotFoundError):
        if is_copied:  # its opening was erased there before it was sent, or it is not its own
            return
        raise
    changes = {name: getattr(now, name) for name in _MOVED}
    connection.execute(update(CASES).where(_C.seq == now.seq).values(changes))
    insert_rows(connection, CASE_EVENTS, [(entry.seq, entry.subject, step.event["kind"])])


_MOVED = ("custody", "owner", "state", "changed_at", "deadline")
"""Columns that events change."""


def _read_state(connection: Connection, case_id: str, step: CaseStep) -> tuple[CaseState, CaseStep]:
    """Return where a case stands before an event that is recorded, and the event as it counts here.

    From the bodies of the records that the tables name, as a replay has no more of the journal.
    Raises ``NotFoundError``.
    """
    row = connection.execute(select(CASES).where(_C.case_id == case_id)).one_or_none()
    if row is None:
        raise NotFoundError("case", case_id)
    moved = select(_E.seq).where(_E.case_id == case_id, _E.kind.in_(MOVING)).order_by(_E.seq)
    numbers = list(connection.scalars(moved))
    bodies = JournalReader(connection).bodies([row.seq, *numbers])
    steps = [CaseStep(seq, 0, row.post, bodies[seq]) for seq in numbers]
    *before, now = renumber_steps([*steps, step])
    opened = open_case(row.seq, case_id, row.post, row.opened_at, bodies[row.seq])
    return replay_case(opened, before), now


@dataclass(frozen=True, slots=True)
class CaseSelection:
    """Which cases may fit a list, by the table: what each one is, its records say."""

    state: str | None = None
    post: str | None = None
    hidden: Collection[str] = ()
    """Posts to leave out."""
    owner: str | None = None
    agency: str | None = None
    """The case's own, or the one that holds the goods."""
    event: str | None = None
    """A kind of event that happened in it."""
    idle_since: int | None = None
    """Without an event since, or past their deadline at ``now``: UTC microseconds."""
    now: int = 0


def list_case_names(
    connection: Connection, wanted: CaseSelection, *, before: int | None, most: int
) -> list[tuple[int, str]]:
    """Return records and identifiers of cases that may fit, the newest first.

    ``before`` is a record's number: those opened earlier.
    """
    query = select(_C.seq, _C.case_id).order_by(_C.seq.desc()).limit(most)
    if before is not None:
        query = query.where(_C.seq < before)
    for column, value in (
        (_C.state, wanted.state),
        (_C.owner, wanted.owner),
    ):
        if value is not None:
            query = query.where(column == value)
    query = query.where(*at_posts(_C.post, wanted.post, wanted.hidden))
    if wanted.agency is not None:
        query = query.where((_C.agency == wanted.agency) | (_C.custody == wanted.agency))
    if wanted.event is not None:
        query = query.where(_C.case_id.in_(select(_E.case_id).where(_E.kind == wanted.event)))
    if wanted.idle_since is not None:
        query = query.where((_C.changed_at <= wanted.idle_since) | (_C.deadline < wanted.now))
    return [(seq, case_id) for seq, case_id in connection.execute(query)]


def find_opened_from(connection: Connection, seizure_ids: Iterable[str]) -> dict[str, str]:
    """Return the case that was opened from each of these seizures."""
    names = {opening_name(one): one for one in seizure_ids}
    seqs = {one.seq: names[one.name] for one in find_holders(connection, names).values()}
    rows = connection.execute(select(_C.seq, _C.case_id).where(_C.seq.in_(seqs)))
    return {seqs[seq]: case_id for seq, case_id in rows}


def opening_name(source: str) -> str:
    """Return the name that the opening of a case takes: one seizure opens one case."""
    return f"case_opened:{source}"


def draft_opening(
    opening: CaseOpening, *, post: str, by: Reporter, claim: IdempotencyClaim
) -> Draft:
    """Return the record that opens a case; its identifier is new."""
    content = opening.model_dump(mode="json", exclude_none=True, exclude={"post"})
    content["owner"] = opening.owner or by.person
    body: CaseOpenedBody = {"claim": claim.as_dict(), "by": by.person, "opening": content}
    if opening.deadline is not None:
        body["deadline"] = micros(opening.deadline)
    return CASE_OPENED.draft(f"case-{secrets.token_hex(6)}", body, post=post)


def draft_event(
    case: CaseState,
    event: Mapping[str, Any],
    *,
    by: Reporter,
    claim: IdempotencyClaim,
    deadline: int | None = None,
    about: Mapping[str, Any] | None = None,
) -> Draft:
    """Return the record of an event; ``event`` is its content as JSON values.

    Raises what :func:`engine.cases.case_state.advance_case` raises.
    """
    content = dict(event)
    if content["kind"] in ("custody", "sample") and len(case.holders) == 1:
        content.setdefault("seizure_id", *case.holders)
    if content["kind"] == "custody":
        content["from_agency"] = case.find_holder(content.get("seizure_id"))
    body: CaseEventBody = {
        "claim": claim.as_dict(),
        "by": by.person,
        "agency": case.agency,
        "event": content,
    }
    if by.agency is not None:
        body["by_agency"] = by.agency
    if about:
        body["about"] = dict(about)
    if deadline is not None:
        body["deadline"] = deadline
    advance_case(case, CaseStep(0, case.changed_at, case.post, body))
    return CASE_EVENT.draft(case.case_id, body, post=case.post)
