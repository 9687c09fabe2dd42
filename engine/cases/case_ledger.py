"""Open and closed cases as a table, and the records that make them.

A case is its records: one opening, then events in order. The table says where each case stands, so
that a list reads no bodies. What the state forbids is refused under the writer's lock, by the
projection, whichever process drafted it.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Index, String, func, select, update
from sqlalchemy import case as choose

from engine.cases.case_events import NEED_SECOND, CaseOpening
from engine.domain.time_units import micros
from engine.errors import ConflictError, NotFoundError
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.idempotency import IdempotencyClaim, find_holders
from engine.journal.kinds import CASE_EVENT, CASE_OPENED
from engine.journal.payloads import COPIED, CaseEventBody, CaseOpenedBody
from engine.links.posts.copies import find_local_number
from engine.storage.database import Int64, declare_columns, insert_rows, record_table

CASES = record_table(
    "cases",
    Column("case_id", String, nullable=False, unique=True),
    *declare_columns(String, "post", "agency", "custody", "owner", "state", "handling"),
    *declare_columns(Int64, "opened_at", "changed_at"),
    Column("deadline", Int64, nullable=True),
    Index("cases_state_ix", "state", "opened_at"),
)
"""Cases by the record that opened them; an agency that is not known is empty."""
CASE_EVENTS = record_table(
    "case_events",
    *declare_columns(String, "case_id", "kind", "target"),
    Index("case_events_case_ix", "case_id"),
)
"""Events by their records: the agency that custody passes to, or empty."""
_C, _E = CASES.c, CASE_EVENTS.c
OPEN, CLOSED = "open", "closed"
AGREEMENT = "agreement"


@dataclass(frozen=True, slots=True)
class CaseRow:
    """Where a case stands; times are UTC microseconds."""

    seq: int
    case_id: str
    post: str
    agency: str
    custody: str
    """The agency that holds the goods; empty where none is known."""
    owner: str
    state: str
    handling: str
    """Codes, with commas."""
    opened_at: int
    changed_at: int
    deadline: int | None

    @property
    def is_open(self) -> bool:
        """Tell whether the case takes events."""
        return self.state == OPEN

    def is_overdue(self, now: int) -> bool:
        """Tell whether the case is open past its deadline."""
        return self.is_open and self.deadline is not None and self.deadline < now


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who takes a step in a case."""

    person: str
    agency: str | None


class CaseProjection:
    """Keeps where each case stands.

    Raises ``ConflictError`` for an event that the state of its case forbids.
    """

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Take in openings and events, one after another."""
        for entry, body in list_bodies(entries, CASE_OPENED):
            opening = body["opening"]
            agency, deadline = opening.get("agency") or "", body.get("deadline")
            about = (entry.subject, entry.post, agency, agency, opening["owner"], OPEN)
            handling = ",".join(opening.get("handling") or ())
            times = (entry.known_at, entry.known_at, deadline)
            insert_rows(connection, CASES, [(entry.seq, *about, handling, *times)])
        for entry, draft in entries:
            if entry.kind == CASE_EVENT:
                self._add(connection, entry, draft)

    def _add(self, connection: Connection, entry: Entry, draft: Draft) -> None:
        event = draft.body["event"]
        kind = event["kind"]
        changes = {"changed_at": entry.known_at} | self._changes(connection, event, draft)
        wanted = CLOSED if kind == "reopened" else OPEN
        where = [_C.case_id == entry.subject]
        if COPIED not in draft.body:  # what a node records of its case has happened
            where.append(_C.state == wanted)
        if connection.execute(update(CASES).where(*where).values(changes)).rowcount != 1:
            if COPIED in draft.body:  # its opening was erased there before it was sent
                return
            raise refuse_state(entry.subject, wanted)
        target = event["to_agency"] if kind == "custody" else ""
        row = (entry.seq, entry.subject, kind, target)
        insert_rows(connection, CASE_EVENTS, [row])

    @staticmethod
    def _changes(
        connection: Connection, event: Mapping[str, Any], draft: Draft
    ) -> dict[str, object]:
        kind, deadline = event["kind"], draft.body.get("deadline")
        if kind in ("closed", "reopened"):
            return {"state": CLOSED if kind == "closed" else OPEN}
        if kind == "assignment":
            return {"owner": event["owner"], "deadline": deadline}
        if kind == AGREEMENT:
            of = find_local_number(connection, draft, event["of"])
            target = connection.scalar(select(_E.target).where(_E.seq == of))
            return {"custody": target} if target else {}
        return {}


def refuse_state(case_id: str, wanted: str) -> ConflictError:
    """Return the refusal of a step that needs a case to be open, or closed."""
    why = "it is closed: reopen it first" if wanted == OPEN else "it is open"
    return ConflictError("case", case_id, why)


def find_case(connection: Connection, case_id: str) -> CaseRow:
    """Return where a case stands; raises ``NotFoundError``."""
    row = connection.execute(select(CASES).where(_C.case_id == case_id)).one_or_none()
    if row is None:
        raise NotFoundError("case", case_id)
    return CaseRow(*row)


def list_cases(connection: Connection, *, state: str | None, post: str | None) -> list[CaseRow]:
    """Return cases, the oldest first."""
    query = select(CASES).order_by(_C.opened_at)
    if state is not None:
        query = query.where(_C.state == state)
    if post is not None:
        query = query.where(_C.post == post)
    return [CaseRow(*row) for row in connection.execute(query)]


def list_receivers(connection: Connection, case_id: str) -> frozenset[str]:
    """Return the agencies that custody was to pass to: they see the case."""
    query = select(_E.target).where(_E.case_id == case_id, _E.target != "")
    return frozenset(connection.scalars(query))


def count_waiting(connection: Connection, case_ids: Sequence[str]) -> dict[str, int]:
    """Return how many events of each case wait for a second person; a case without any is absent.

    Each agreement is to one event.
    """
    sign = choose((_E.kind == AGREEMENT, -1), else_=1)
    query = (
        select(_E.case_id, func.sum(sign))
        .where(_E.kind.in_((*NEED_SECOND, AGREEMENT)), _E.case_id.in_(case_ids))
        .group_by(_E.case_id)
    )
    return {name: int(count) for name, count in connection.execute(query) if count > 0}


def find_opened_from(connection: Connection, seizure_ids: Iterable[str]) -> dict[str, str]:
    """Return the case that was opened from each of these seizures."""
    names = {opening_name(one): one for one in seizure_ids}
    seqs = {one.seq: names[one.name] for one in find_holders(connection, names).values()}
    rows = connection.execute(select(_C.seq, _C.case_id).where(_C.seq.in_(seqs)))
    return {seqs[seq]: case_id for seq, case_id in rows}


def opening_name(source: str) -> str:
    """Return the name that the opening of a case takes: one seizure opens one case."""
    return f"case_opened:{source}"


def list_event_records(connection: Connection, case_id: str) -> list[int]:
    """Return the records of a case's events, in order."""
    query = select(_E.seq).where(_E.case_id == case_id).order_by(_E.seq)
    return list(connection.scalars(query))


def find_open_cases(connection: Connection) -> frozenset[str]:
    """Return the identifiers of the cases that are open."""
    return frozenset(connection.scalars(select(_C.case_id).where(_C.state == OPEN)))


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
    case: CaseRow,
    event: Mapping[str, Any],
    *,
    by: Reporter,
    claim: IdempotencyClaim,
    deadline: int | None = None,
    about: Mapping[str, Any] | None = None,
) -> Draft:
    """Return the record of an event; ``event`` is its content as JSON values."""
    content = dict(event)
    if content["kind"] == "custody":
        content["from_agency"] = case.custody
    wanted = CLOSED if content["kind"] == "reopened" else OPEN
    if case.state != wanted:
        raise refuse_state(case.case_id, wanted)
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
    return CASE_EVENT.draft(case.case_id, body, post=case.post)


def find_proposal(connection: Connection, case: CaseRow, seq: int) -> str:
    """Return the kind of the event that waits for a second person.

    Raises ``ConflictError`` where the record is no such event of this case.
    """
    query = select(_E.kind).where(_E.seq == seq, _E.case_id == case.case_id)
    kind = connection.scalar(query)
    if kind not in NEED_SECOND:
        why = "the record is no transfer of custody and no controlled delivery of this case"
        raise ConflictError("case", case.case_id, why)
    return str(kind)
