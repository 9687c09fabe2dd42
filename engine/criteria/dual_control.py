"""Approval by two persons: a state machine over the journal's records.

A state follows from the records in their order and from nothing else. An approval by the author, or
by the person who requested the step, counts for nothing even when it is in the journal, so two
concurrent requests of one person cannot do what needs two. Retirement needs two persons as entry
does: otherwise one person could silently undo the work of two. The same rules decide about a record
that is to be written and about one that is read. Models, which need two approvals besides the
person who trained them, have their table in :mod:`models.lifecycle.states`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar, cast

from sqlalchemy import Connection

from engine.errors import ConflictError, NotFoundError, SecondPersonError
from engine.journal.areas import kinds_of, list_steps
from engine.journal.entries import Draft
from engine.journal.kinds import COPIED, ApprovalBody
from engine.journal.power_records import PowerRecord, RecordTail, read_records

RuleOf = TypeVar("RuleOf")
StateOf = TypeVar("StateOf")
Matter = str
"""A matter that two people decide, as :mod:`engine.journal.areas` has them by kind of record."""
Step = Literal["proposed", "noticed", "backtested", "approved", "leaving", "left", "suspended"]
Move = Step | Literal["shadowed", "withdrawn"]
"""A step, where an approval as a shadow and the withdrawal of a notice are steps of their own."""
State = Literal["proposed", "shadow", "in_force", "retired"]
TimedState = Literal[State, "expired"]


def _step_of(kind: str) -> Step:
    return cast("Step", list_steps()[kind][1])


@dataclass(frozen=True, slots=True)
class ApprovalEvent:
    """One record about one profile or entry."""

    seq: int
    step: Step
    subject: str
    person: str
    known_at: int
    body: Mapping[str, Any]

    @property
    def there(self) -> int:
        """Its number in the journal that it was copied from, 0 for a record of this one."""
        copied = self.body.get(COPIED)
        return 0 if copied is None else copied["sequence"]


@dataclass(frozen=True, slots=True)
class PendingRetirement:
    """A pending request to retire the subject."""

    by: str
    sequence: int
    why: str
    there: int = 0
    """Its number in the journal that it was copied from, 0 for a record of this one."""


@dataclass(frozen=True, slots=True)
class ApprovalState:
    """State of one profile or entry."""

    subject: str
    state: State
    author: str
    content: Mapping[str, Any]
    """The proposal; never changes."""
    sequence: int
    """The record of its proposal, then the record that put it into its present state."""
    proposed_at: int
    since: int
    """When it entered its present state, UTC microseconds."""
    is_notice: bool = False
    """In force by one person alone, until a second person confirms it."""
    is_of_counterpart: bool = False
    """A counterpart's notice, confirmed or not."""
    evidence: int | None = None
    """The record of its last backtest."""
    approvals: tuple[str, ...] = ()
    """The persons who approved, in order; never the author."""
    leaving: PendingRetirement | None = None
    is_suspended: bool = False
    """Retired by a rule, for what was found."""
    there: int = 0
    """Number of ``sequence`` in the journal that it was copied from, 0 for a record of this one."""

    def names_pending(self, event: ApprovalEvent, name: str) -> bool:
        """Tell whether what a record names is what is pending, by the numbers of its journal."""
        if self.pending is None:
            return False
        there = self.there if self.leaving is None else self.leaving.there
        return event.body.get(name) == (there if event.there else self.pending)

    def state_at(self, as_of: int, *, expires: int) -> TimedState:
        """Return where it stands at a time, which may be past its expiry: UTC microseconds."""
        return "expired" if self.state != "retired" and as_of >= expires else self.state

    @property
    def pending(self) -> int | None:
        """The record that awaits a second person, None where none does."""
        if self.leaving is not None:
            return self.leaving.sequence
        waits = self.state in ("proposed", "shadow") or (
            self.state == "in_force" and self.is_notice
        )
        return self.sequence if waits else None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a step does not count."""

    why: str
    needs_other_person: bool = False


Rule = Callable[[ApprovalState, ApprovalEvent], Refusal | None]
"""Returns why a step does not count in a state, None where it counts."""


APPROVED_ALREADY = Refusal("the same person approved it already", needs_other_person=True)
RULE = ""
"""Author of a record that a rule makes; no person has this name."""
NOTHING_PENDING = Refusal("no change is awaiting approval")
OWN_WORK = Refusal("the author cannot approve it, nor its retirement", needs_other_person=True)
OWN_REQUEST = Refusal(
    "the person who requested its retirement cannot approve it", needs_other_person=True
)
RETIRES_ALREADY = Refusal("it is retired, or its retirement is already proposed")
NO_BACKTEST = Refusal("no backtest is attached to it yet")


def check_person(person: str, *, author: str, approvals: Collection[str] = ()) -> Refusal | None:
    """Permit the approval of a person who is not the author and has not approved before."""
    if person == author:
        return OWN_WORK
    return APPROVED_ALREADY if person in approvals else None


def _accept(_now: ApprovalState, _event: ApprovalEvent) -> Refusal | None:
    return None


def _check_approval(now: ApprovalState, event: ApprovalEvent) -> Refusal | None:
    """Permit the approval of a pending entry by a person other than the author."""
    if not _addresses_pending(now, event) or now.leaving is not None:
        return NOTHING_PENDING
    return check_person(event.person, author=now.author)


def _check_retirement_request(now: ApprovalState, event: ApprovalEvent) -> Refusal | None:
    """Permit the first request, or one that names the request that it replaces."""
    is_free = now.leaving is None or now.names_pending(event, "instead_of")
    return None if is_free else RETIRES_ALREADY


def _check_retirement(now: ApprovalState, event: ApprovalEvent) -> Refusal | None:
    """Permit a retirement by a person who is neither the author nor its requester."""
    if now.leaving is None or not _addresses_pending(now, event):
        return NOTHING_PENDING
    if refusal := check_person(event.person, author=now.author):
        return refusal
    return OWN_REQUEST if check_person(event.person, author=now.leaving.by) else None


def _check_withdrawal(now: ApprovalState, event: ApprovalEvent) -> Refusal | None:
    """Permit the end of a notice that no second person confirmed: it stood on that word alone."""
    return None if now.is_notice and _addresses_pending(now, event) else NOTHING_PENDING


def _addresses_pending(now: ApprovalState, event: ApprovalEvent) -> bool:
    """Tell whether an approval names what is pending now: one that lost a race names another."""
    return now.names_pending(event, "of")


@dataclass(frozen=True, slots=True)
class Transition(Generic[RuleOf, StateOf]):
    """The rule under which a step counts in a state, and the state that follows."""

    rule: RuleOf
    target: StateOf


TRANSITIONS: dict[tuple[State, Move], Transition[Rule, State]] = {
    ("proposed", "backtested"): Transition(_accept, "proposed"),
    ("proposed", "approved"): Transition(_check_approval, "in_force"),
    ("proposed", "shadowed"): Transition(_check_approval, "shadow"),
    ("proposed", "leaving"): Transition(_check_retirement_request, "proposed"),
    ("proposed", "left"): Transition(_check_retirement, "retired"),
    ("shadow", "backtested"): Transition(_accept, "shadow"),
    ("shadow", "approved"): Transition(_check_approval, "in_force"),
    ("shadow", "shadowed"): Transition(_check_approval, "in_force"),
    ("shadow", "leaving"): Transition(_check_retirement_request, "shadow"),
    ("shadow", "left"): Transition(_check_retirement, "retired"),
    ("in_force", "backtested"): Transition(_accept, "in_force"),
    ("in_force", "approved"): Transition(_check_approval, "in_force"),
    ("in_force", "shadowed"): Transition(_check_approval, "in_force"),
    ("in_force", "leaving"): Transition(_check_retirement_request, "in_force"),
    ("in_force", "left"): Transition(_check_retirement, "retired"),
    ("in_force", "withdrawn"): Transition(_check_withdrawal, "retired"),
    ("in_force", "suspended"): Transition(_accept, "retired"),
    ("retired", "backtested"): Transition(_accept, "retired"),
}
"""Every step that can count after the first; in any other state a step counts for nothing. An
approval in ``in_force`` confirms a notice, which is in force before it."""


def _find_refusal(
    transition: Transition[Rule, State],
    now: ApprovalState,
    event: ApprovalEvent,
    *,
    needs_evidence: bool,
) -> Refusal | None:
    """Return why a step does not count; with ``needs_evidence`` an approval needs a backtest."""
    if refusal := transition.rule(now, event):
        return refusal
    lacks_evidence = needs_evidence and now.evidence is None
    return NO_BACKTEST if lacks_evidence and transition.rule is _check_approval else None


def apply_event(
    now: ApprovalState | None, event: ApprovalEvent, *, needs_evidence: bool
) -> ApprovalState | None:
    """Return the state after a record; a record that breaks a rule changes nothing."""
    if now is None:
        return _enter_state(event)
    transition = TRANSITIONS.get((now.state, _move_of(event)))
    if transition is None or _find_refusal(transition, now, event, needs_evidence=needs_evidence):
        return now
    return _EFFECTS[event.step](replace(now, state=transition.target), event)


def _move_of(event: ApprovalEvent) -> Move:
    if event.step == "approved" and event.body.get("shadow"):
        return "shadowed"
    return "withdrawn" if event.step == "left" and event.body.get("withdrawn") else event.step


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
        is_of_counterpart=is_notice,
        there=event.there,
    )


def _attach_evidence(now: ApprovalState, event: ApprovalEvent) -> ApprovalState:
    return replace(now, evidence=event.seq)


def _add_approval(now: ApprovalState, event: ApprovalEvent) -> ApprovalState:
    return replace(
        now,
        sequence=event.seq,
        since=event.known_at,
        is_notice=False,
        approvals=(*now.approvals, event.person),
        there=event.there,
    )


def _request_retirement(now: ApprovalState, event: ApprovalEvent) -> ApprovalState:
    request = PendingRetirement(event.person, event.seq, event.body.get("why", ""), event.there)
    return replace(now, leaving=request)


def _retire(now: ApprovalState, event: ApprovalEvent) -> ApprovalState:
    return replace(now, sequence=event.seq, since=event.known_at, leaving=None, there=event.there)


def _suspend(now: ApprovalState, event: ApprovalEvent) -> ApprovalState:
    return replace(_retire(now, event), is_suspended=True)


_EFFECTS: Mapping[Step, Callable[[ApprovalState, ApprovalEvent], ApprovalState]] = {
    "backtested": _attach_evidence,
    "approved": _add_approval,
    "leaving": _request_retirement,
    "left": _retire,
    "suspended": _suspend,
}
"""What a step that counts changes besides the state."""


def draft_approval(matter: Matter, now: ApprovalState, *, by: str, shadow: bool = False) -> Draft:
    """Return the record of one person's approval of the pending entry or retirement.

    Raises ``SecondPersonError`` for the author and for the person who requested the step,
    ``ConflictError`` where nothing is pending or a profile has no backtest yet.
    """
    if now.leaving is not None:
        left: ApprovalBody = {"by": by, "of": now.pending, "state": "retired"}
        return _check_draft(matter, now, _draft(matter, "left", now.subject, left))
    state: State = "shadow" if shadow else "in_force"
    body: ApprovalBody = {"by": by, "of": now.pending, "shadow": shadow, "state": state}
    draft = _check_draft(matter, now, _draft(matter, "approved", now.subject, body))
    if shadow and (matter == "watchlist" or now.state != "proposed"):
        raise ConflictError(matter, now.subject, "only a proposed profile can become a shadow")
    return draft


def draft_withdrawal(matter: Matter, now: ApprovalState, *, by: str, why: str) -> Draft:
    """Return the record that ends a notice with the word on which alone it stands.

    Raises ``ConflictError`` where a second person confirmed it: then two retire it.
    """
    body: ApprovalBody = {"by": by, "of": now.pending, "state": "retired"}
    body |= {"why": why, "withdrawn": True}
    return _check_draft(matter, now, _draft(matter, "left", now.subject, body))


def draft_retirement(
    matter: Matter, now: ApprovalState, *, by: str, why: str, is_lapsed: bool = False
) -> Draft:
    """Return the record that requests a retirement; raises ``ConflictError``.

    With ``is_lapsed`` a pending request no longer counts, because of the person who made it: this
    one replaces it.
    """
    body: ApprovalBody = {"by": by, "why": why, "state": now.state}
    if now.leaving is not None and is_lapsed:
        body["instead_of"] = now.leaving.sequence
    return _check_draft(matter, now, _draft(matter, "leaving", now.subject, body))


def _check_draft(matter: Matter, now: ApprovalState, draft: Draft[ApprovalBody]) -> Draft:
    """Return a draft that counts by the rules by which it will be read; raises where not."""
    step = _step_of(draft.kind)
    event = ApprovalEvent(0, step, now.subject, draft.body["by"], 0, draft.body)
    transition = TRANSITIONS.get((now.state, _move_of(event)))
    fallback = RETIRES_ALREADY if step == "leaving" else NOTHING_PENDING
    refusal = (
        fallback
        if transition is None
        else _find_refusal(transition, now, event, needs_evidence=matter == "profile")
    )
    if refusal is None:
        return draft
    if refusal.needs_other_person:
        raise SecondPersonError(matter, refusal.why)
    raise ConflictError(matter, now.subject, refusal.why)


def draft_proposal(
    matter: Matter,
    subject: str,
    *,
    by: str,
    content: Mapping[str, Any],
    post: str = "",
    is_notice: bool = False,
) -> Draft:
    """Return the record of a proposal, or of a notice, which is in force at once."""
    step: Step = "noticed" if is_notice else "proposed"
    state: State = "in_force" if is_notice else "proposed"
    body: ApprovalBody = {"by": by, "content": dict(content), "state": state}
    return _draft(matter, step, subject, body, post=post)


def draft_backtest(
    matter: Matter, subject: str, *, by: str, state: State, figures: Mapping[str, Any]
) -> Draft:
    """Return the record that attaches a backtest."""
    body: ApprovalBody = {"by": by, "figures": dict(figures), "state": state}
    return _draft(matter, "backtested", subject, body)


def draft_suspension(matter: Matter, now: ApprovalState, figures: Mapping[str, Any]) -> Draft:
    """Return the record by which a rule, and no person, ends what is in force.

    It gives nobody a power: two people may put the same into force again.
    """
    body: ApprovalBody = {"by": RULE, "figures": dict(figures), "state": "retired"}
    return _check_draft(matter, now, _draft(matter, "suspended", now.subject, body))


def _draft(
    matter: Matter, step: Step, subject: str, body: ApprovalBody, *, post: str = ""
) -> Draft[ApprovalBody]:
    kind = next(one for one in kinds_of(matter) if list_steps()[one][1] == step)
    return kind.draft(subject, body, post=post)


def read_approval_states(
    connection: Connection, matter: Matter, subject: str | None = None
) -> dict[str, ApprovalState]:
    """Return the states of one matter by subject, or of one subject, from the journal."""
    return replay_records(read_records(connection, kinds_of(matter), subject=subject), matter)


def replay_records(records: Sequence[PowerRecord], matter: Matter) -> dict[str, ApprovalState]:
    """Return the states after these records, without subjects that have an unproven record.

    Nothing follows from a record that does not match the chain, and no subject of such a record is
    in force.
    """
    unproven = {record.subject for record in records if record.body is None}
    events = [to_event(record) for record in records if record.subject not in unproven]
    return replay(events, needs_evidence=matter == "profile")


def to_event(record: PowerRecord) -> ApprovalEvent:
    """Return a proven record as an event."""
    body = record.body or {}
    step = _step_of(record.kind)
    return ApprovalEvent(record.seq, step, record.subject, str(body["by"]), record.known_at, body)


def replay(events: Iterable[ApprovalEvent], *, needs_evidence: bool) -> dict[str, ApprovalState]:
    """Return the states by subject after these events, in the journal's order."""
    found: dict[str, ApprovalState] = {}
    for event in events:
        now = apply_event(found.get(event.subject), event, needs_evidence=needs_evidence)
        if now is not None:
            found[event.subject] = now
    return found


def read_approval_state(connection: Connection, matter: Matter, subject: str) -> ApprovalState:
    """Return the state of one subject; raises ``NotFoundError``."""
    found = read_approval_states(connection, matter, subject)
    if subject not in found:
        raise NotFoundError(matter, subject)
    return found[subject]


class ApprovalTail:
    """States of one matter as the journal grows: of each subject, after the records read so far."""

    def __init__(self, matter: Matter) -> None:
        self._tail = RecordTail(kinds_of(matter))
        self._needs_evidence = matter == "profile"
        self._states: dict[str, ApprovalState] = {}
        self._unproven: set[str] = set()

    def read_changed(self, connection: Connection) -> dict[str, ApprovalState | None]:
        """Return the states of the subjects with new records; None for one that proves nothing.

        No subject with an unproven record is ever in force.
        """
        changed: dict[str, ApprovalState | None] = {}
        for record in self._tail.read_new(connection):
            subject = record.subject
            if record.body is None:
                self._unproven.add(subject)
            if subject not in self._unproven:
                before = self._states.get(subject)
                now = apply_event(before, to_event(record), needs_evidence=self._needs_evidence)
                if now is not None:
                    self._states[subject] = now
            is_proven = subject not in self._unproven
            changed[subject] = self._states.get(subject) if is_proven else None
        return changed
