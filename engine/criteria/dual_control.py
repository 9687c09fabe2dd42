"""What takes effect only once a second person agreed: a state machine over the journal's records.

Assumes that a state is what the records say, in their order, and nothing else. An approval by the
author, or by whoever proposed the step, counts for nothing even when it got into the journal, so
two requests that race cannot do with one person what needs two. Leaving needs two people as
entering does: else one person could silently take a profile away from the work of two.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Column, Connection, Index, String, Table, Text, insert, select

from engine.errors import ConflictError, NotFoundError, SecondPersonError
from engine.journal.entries import Draft, Entry
from engine.journal.power_records import PowerRecord, read_records
from engine.storage.database import METADATA, Int64

Matter = Literal["profile", "watchlist"]
Step = Literal["proposed", "noticed", "backtested", "approved", "leaving", "left"]
State = Literal["proposed", "shadow", "in_force", "retired"]

RECORDS = Table(
    "two_key_records",
    METADATA,
    Column("seq", Int64, primary_key=True, autoincrement=False),
    Column("matter", String, nullable=False),
    Column("step", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("person", String, nullable=False),
    Column("known_at", Int64, nullable=False),
    Column("body", Text, nullable=False),
    Index("two_key_records_subject_ix", "matter", "subject"),
    Index("two_key_records_matter_ix", "matter", "seq"),
)
_KINDS: dict[str, tuple[Matter, Step]] = {
    f"{matter}_{step}": (matter, step)
    for matter in ("profile", "watchlist")
    for step in ("proposed", "noticed", "backtested", "approved", "leaving", "left")
}
"""Kinds of the records that move something."""
KINDS_OF: dict[Matter, tuple[str, ...]] = {
    matter: tuple(kind for kind, (other, _) in _KINDS.items() if other == matter)
    for matter in ("profile", "watchlist")
}
"""Kinds of one matter."""


@dataclass(frozen=True, slots=True)
class ApprovalEvent:
    """One record about one thing."""

    seq: int
    step: str
    subject: str
    person: str
    known_at: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PendingRetirement:
    """That somebody wants it gone."""

    by: str
    sequence: int
    why: str


@dataclass(frozen=True, slots=True)
class ApprovalState:
    """Where one thing stands."""

    subject: str
    state: State
    author: str
    content: Mapping[str, Any]
    """What was proposed; never changes."""
    sequence: int
    """The record it stands on: of its proposal, then of what put it where it is."""
    proposed_at: int
    since: int
    """When it came to where it is, UTC microseconds."""
    is_notice: bool = False
    """On one person's word, until a second confirms it."""
    evidence: int | None = None
    """The record of its last backtest."""
    approvals: tuple[str, ...] = ()
    """Who approved, in order; never the author."""
    leaving: PendingRetirement | None = None

    @property
    def pending(self) -> int | None:
        """The record that waits for a second person, None where none does."""
        if self.leaving is not None:
            return self.leaving.sequence
        waits = self.state in ("proposed", "shadow") or (
            self.state == "in_force" and self.is_notice
        )
        return self.sequence if waits else None


def apply_event(
    now: ApprovalState | None, event: ApprovalEvent, *, needs_evidence: bool
) -> ApprovalState | None:
    """Return where it stands after a record; one that no command here writes changes nothing."""
    if now is None:
        return _enter_state(event)
    if event.step == "backtested":
        return replace(now, evidence=event.seq)
    if event.step == "approved":
        has_evidence = now.evidence is not None or not needs_evidence
        return _approve_state(now, event) if has_evidence else now
    if event.step == "leaving" and now.state != "retired" and _may_leave(now, event):
        return replace(
            now, leaving=PendingRetirement(event.person, event.seq, event.body.get("why", ""))
        )
    if event.step == "left" and _addresses_pending(now, event) and _is_second(now, event.person):
        return replace(now, state="retired", sequence=event.seq, since=event.known_at, leaving=None)
    return now


def _may_leave(now: ApprovalState, event: ApprovalEvent) -> bool:
    """Tell whether a proposal to leave is the first, or names the one whose place it takes."""
    return now.leaving is None or event.body.get("instead_of") == now.leaving.sequence


def _enter_state(event: ApprovalEvent) -> ApprovalState | None:
    if event.step not in ("proposed", "noticed"):
        return None
    is_notice = event.step == "noticed"
    return ApprovalState(
        subject=event.subject,
        state="in_force" if is_notice else "proposed",
        author=event.person,
        content=event.body["content"],
        sequence=event.seq,
        proposed_at=event.known_at,
        since=event.known_at,
        is_notice=is_notice,
    )


def _approve_state(now: ApprovalState, event: ApprovalEvent) -> ApprovalState:
    if not _addresses_pending(now, event) or event.person == now.author or now.leaving is not None:
        return now
    state: State = "shadow" if event.body.get("shadow") and now.state == "proposed" else "in_force"
    return replace(
        now,
        state=state,
        sequence=event.seq,
        since=event.known_at,
        is_notice=False,
        approvals=(*now.approvals, event.person),
    )


def _addresses_pending(now: ApprovalState, event: ApprovalEvent) -> bool:
    """Tell whether an approval is of what waits now: one that lost a race is of something else."""
    return now.pending is not None and event.body.get("of") == now.pending


def _is_second(now: ApprovalState, person: str) -> bool:
    """Tell whether a person may agree to its leaving: neither its author nor who wants it gone."""
    return now.leaving is not None and person not in (now.author, now.leaving.by)


def draft_approval(matter: Matter, now: ApprovalState, *, by: str, shadow: bool = False) -> Draft:
    """Return the record of one person's approval of what waits: of entering, or of leaving.

    Raises ``SecondPersonError`` for the author and for whoever proposed the step, ``ConflictError``
    where nothing waits or a profile has no backtest yet.
    """
    if now.pending is None:
        raise ConflictError(matter, now.subject, "nothing about it waits for an approval")
    if by == now.author:
        raise SecondPersonError(matter, "whoever wrote it may not approve it, nor its leaving")
    if now.leaving is not None:
        if not _is_second(now, by):
            raise SecondPersonError(matter, "whoever proposed that it leaves may not approve that")
        body = {"of": now.leaving.sequence, "state": "retired"}
        return _draft(matter, "left", now.subject, by=by, body=body)
    if matter == "profile" and now.evidence is None:
        raise ConflictError(matter, now.subject, "no backtest is attached to it yet")
    if shadow and (matter == "watchlist" or now.state != "proposed"):
        raise ConflictError(matter, now.subject, "only a proposed profile can become a shadow")
    body = {"of": now.sequence, "shadow": shadow, "state": "shadow" if shadow else "in_force"}
    return _draft(matter, "approved", now.subject, by=by, body=body)


def draft_retirement(
    matter: Matter, now: ApprovalState, *, by: str, why: str, is_lapsed: bool = False
) -> Draft:
    """Return the record that proposes that something leaves; raises ``ConflictError``.

    ``is_lapsed`` says that a pending proposal counts no more, because of who made it: this one
    takes its place.
    """
    if now.state == "retired" or (now.leaving is not None and not is_lapsed):
        raise ConflictError(matter, now.subject, "it has left, or its leaving is proposed already")
    body: dict[str, Any] = {"why": why, "state": now.state}
    if now.leaving is not None:
        body["instead_of"] = now.leaving.sequence
    return _draft(matter, "leaving", now.subject, by=by, body=body)


def draft_proposal(
    matter: Matter,
    subject: str,
    *,
    by: str,
    content: Mapping[str, Any],
    post: str = "",
    is_notice: bool = False,
) -> Draft:
    """Return the record that proposes something, or that a notice puts into force at once."""
    step: Step = "noticed" if is_notice else "proposed"
    body = {"content": dict(content), "state": "in_force" if is_notice else "proposed"}
    return _draft(matter, step, subject, by=by, body=body, post=post)


def draft_backtest(
    matter: Matter, subject: str, *, by: str, state: State, figures: Mapping[str, Any]
) -> Draft:
    """Return the record that attaches a backtest."""
    body = {"figures": dict(figures), "state": state}
    return _draft(matter, "backtested", subject, by=by, body=body)


def _draft(
    matter: Matter, step: Step, subject: str, *, by: str, body: dict[str, Any], post: str = ""
) -> Draft:
    return Draft(f"{matter}_{step}", subject, post, {"by": by} | body)


class DualControlProjection:
    """Keeps these records in a table, for who reads the store; they grant nothing there."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Write what moves something among these records."""
        rows = []
        for entry, draft in entries:
            if entry.kind in _KINDS:
                matter, step = _KINDS[entry.kind]
                kept = {k: v for k, v in draft.body.items() if k not in ("claim", "figures")}
                rows.append(
                    {
                        "seq": entry.seq,
                        "matter": matter,
                        "step": step,
                        "subject": entry.subject,
                        "person": draft.body["by"],
                        "known_at": entry.known_at,
                        "body": json.dumps(kept, ensure_ascii=False),
                    }
                )
        if rows:
            connection.execute(insert(RECORDS), rows)


def list_changed_subjects(entries: Sequence[tuple[Entry, Draft]], matter: Matter) -> list[str]:
    """Return what these records move in one matter, each once."""
    known = [entry for entry, _ in entries if entry.kind in _KINDS]
    return list(dict.fromkeys(e.subject for e in known if _KINDS[e.kind][0] == matter))


def read_approval_states(
    connection: Connection, matter: Matter, subject: str | None = None
) -> dict[str, ApprovalState]:
    """Return where everything of one matter stands, or one thing, as the journal states it."""
    return replay_records(read_records(connection, KINDS_OF[matter], subject=subject), matter)


def replay_records(records: Sequence[PowerRecord], matter: Matter) -> dict[str, ApprovalState]:
    """Return where everything stands after these records; what one of them is unproven of, is not.

    Nothing follows from a record that is not what the journal commits to, and nothing is in force
    of which such a record speaks.
    """
    unproven = {record.subject for record in records if record.body is None}
    events = [to_event(record) for record in records if record.subject not in unproven]
    return replay(events, needs_evidence=matter == "profile")


def to_event(record: PowerRecord) -> ApprovalEvent:
    """Return a proven record as the event that it is."""
    body = record.body or {}
    step = _KINDS[record.kind][1]
    return ApprovalEvent(record.seq, step, record.subject, str(body["by"]), record.known_at, body)


def read_tabled_states(
    connection: Connection, matter: Matter, subject: str
) -> dict[str, ApprovalState]:
    """Return where one thing stands as the table has it: for projections, which grant nothing."""
    columns = RECORDS.c
    query = (
        select(
            columns.seq,
            columns.step,
            columns.subject,
            columns.person,
            columns.known_at,
            columns.body,
        )
        .where(columns.matter == matter, columns.subject == subject)
        .order_by(columns.seq)
    )
    events = (ApprovalEvent(*row[:5], json.loads(row[5])) for row in connection.execute(query))
    return replay(events, needs_evidence=matter == "profile")


def replay(events: Iterable[ApprovalEvent], *, needs_evidence: bool) -> dict[str, ApprovalState]:
    """Return where everything stands after these records, in the journal's order."""
    found: dict[str, ApprovalState] = {}
    for event in events:
        now = apply_event(found.get(event.subject), event, needs_evidence=needs_evidence)
        if now is not None:
            found[event.subject] = now
    return found


def read_approval_state(connection: Connection, matter: Matter, subject: str) -> ApprovalState:
    """Return where one thing stands; raises ``NotFoundError``."""
    found = read_approval_states(connection, matter, subject)
    if subject not in found:
        raise NotFoundError(matter, subject)
    return found[subject]
