"""State of a case: a pure function of its opening and its events.

The same function refuses an event early, when its record is drafted, and again under the writer's
lock, in the projection: of two events that were drafted at the same moment, the later one meets the
state that the earlier one left.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from engine.criteria.dual_control import check_person
from engine.errors import ConflictError, NotAllowedError
from engine.journal.payloads import COPIED

Json = Mapping[str, Any]
OPEN, CLOSED = "open", "closed"
AGREEMENT = "agreement"


@dataclass(frozen=True, slots=True)
class CaseStep:
    """One event as it was recorded, or is to be."""

    seq: int
    known_at: int
    post: str
    body: Json

    @property
    def event(self) -> Json:
        """Its content."""
        found: Json = self.body["event"]
        return found

    @property
    def limits(self) -> tuple[str, ...]:
        """Limits of its use."""
        return tuple(self.body.get("about", {}).get("handling", ()))


@dataclass(frozen=True, slots=True)
class CaseState:
    """Where a case stands; times are UTC microseconds."""

    seq: int
    """Of the record that opened it."""
    case_id: str
    post: str
    agency: str
    """Empty where none is known."""
    custody: str
    """The agency that holds the goods; empty where none is known."""
    owner: str
    state: str
    handling: tuple[str, ...]
    opened_at: int
    changed_at: int
    deadline: int | None
    is_copied: bool
    """Whether another installation opened it."""
    receivers: frozenset[str] = frozenset()
    """Agencies that custody passed to or was to pass to: they see the case."""
    waiting: Mapping[int, CaseStep] = field(default_factory=dict)
    """Steps that wait for a second person, by their records."""
    agreed: Mapping[int, CaseStep] = field(default_factory=dict)
    """The agreement to each step that has one, by the step's record."""

    @property
    def is_open(self) -> bool:
        """Tell whether the case takes events."""
        return self.state == OPEN

    def is_overdue(self, now: int) -> bool:
        """Tell whether the case is open past its deadline."""
        return self.is_open and self.deadline is not None and self.deadline < now


def open_case(seq: int, case_id: str, post: str, known_at: int, body: Json) -> CaseState:
    """Return where a case stands as it is opened."""
    opening = body["opening"]
    agency = opening.get("agency") or ""
    return CaseState(
        seq=seq,
        case_id=case_id,
        post=post,
        agency=agency,
        custody=agency,
        owner=opening["owner"],
        state=OPEN,
        handling=tuple(opening.get("handling") or ()),
        opened_at=known_at,
        changed_at=known_at,
        deadline=body.get("deadline"),
        is_copied=COPIED in body,
    )


def replay_case(opened: CaseState, steps: Iterable[CaseStep]) -> CaseState:
    """Return where a case stands after its events; one that a rule forbids changes nothing."""
    now = opened
    for step in steps:
        with suppress(ConflictError, NotAllowedError):
            now = advance_case(now, step)
    return now


def advance_case(case: CaseState, step: CaseStep) -> CaseState:
    """Return where a case stands after an event.

    Raises ``ConflictError`` where its state forbids the event, or the event is of another post or
    agency than its case, and ``NotAllowedError`` for an agency or a person who may not take it.
    What another installation records of its case has happened, also after the case was closed here.
    """
    is_copied = COPIED in step.body
    if (step.post, step.body["agency"]) != (case.post, case.agency) or is_copied > case.is_copied:
        why = "the event is of another post, agency or installation than its case"
        raise ConflictError("case", case.case_id, why)
    kind = step.event["kind"]
    wanted = CLOSED if kind == "reopened" else OPEN
    if case.state != wanted and not is_copied:
        raise refuse_state(case.case_id, wanted)
    changed = replace(case, changed_at=step.known_at)
    return _EFFECTS[kind](changed, step) if kind in _EFFECTS else changed


def refuse_state(case_id: str, wanted: str) -> ConflictError:
    """Return the refusal of a step that needs a case to be open, or closed."""
    why = "it is closed: reopen it first" if wanted == OPEN else "it is open"
    return ConflictError("case", case_id, why)


def _pass_custody(case: CaseState, step: CaseStep) -> CaseState:
    if case.custody and step.body.get("by_agency") not in (None, case.custody):
        raise NotAllowedError("another agency holds the goods", "agency")
    if step.event["from_agency"] != case.custody:
        raise ConflictError("case", case.case_id, "the goods passed to another agency meanwhile")
    receivers = case.receivers | {step.event["to_agency"]}
    return replace(_propose(case, step), receivers=receivers)


def _propose(case: CaseState, step: CaseStep) -> CaseState:
    return replace(case, waiting={**case.waiting, step.seq: step})


def _agree(case: CaseState, step: CaseStep) -> CaseState:
    """Let a step take effect; with a transfer of custody all others lapse, as the holder is new."""
    of = step.event["of"]
    proposed = case.waiting.get(of)
    if proposed is None:
        why = "the record is no transfer of custody and no controlled delivery that waits"
        raise ConflictError("case", case.case_id, why)
    if check_person(step.body["by"], author=proposed.body["by"]):
        why = "another person agrees than the one who reported it"
        raise NotAllowedError(why, "second_person")
    passed = proposed.event.get("to_agency")
    if passed is not None and step.body.get("by_agency") != passed:
        raise NotAllowedError("a person of the receiving agency agrees", "agency")
    return replace(
        case,
        custody=passed or case.custody,
        agreed={**case.agreed, of: step},
        waiting={
            seq: one
            for seq, one in case.waiting.items()
            if seq != of and not (passed and one.event["kind"] == "custody")
        },
    )


def _close(case: CaseState, step: CaseStep) -> CaseState:
    return replace(case, state=CLOSED if step.event["kind"] == "closed" else OPEN)


def _assign(case: CaseState, step: CaseStep) -> CaseState:
    return replace(case, owner=step.event["owner"], deadline=step.body.get("deadline"))


_EFFECTS: Mapping[str, Callable[[CaseState, CaseStep], CaseState]] = {
    "custody": _pass_custody,
    "controlled_delivery": _propose,
    AGREEMENT: _agree,
    "closed": _close,
    "reopened": _close,
    "assignment": _assign,
}
"""What an event changes besides the time of the last one; events of other kinds change no more."""
MOVING = frozenset(_EFFECTS)
"""Kinds of events on which the state depends."""


def renumber_steps(steps: Sequence[CaseStep]) -> list[CaseStep]:
    """Let agreements of a copied case name the numbers that its records have here."""
    numbers = {(at["branch"], at["sequence"]): s.seq for s in steps if (at := s.body.get(COPIED))}

    def find(step: CaseStep) -> CaseStep:
        if step.event["kind"] != AGREEMENT or COPIED not in step.body:
            return step
        of, branch = step.event["of"], step.body[COPIED]["branch"]
        of_branches = (numbers.get((one, of)) for one in range(branch, -1, -1))
        here = next((one for one in of_branches if one is not None), 0)
        body = {**step.body, "event": {**step.event, "of": here}}
        return replace(step, body=body)

    return [find(step) for step in steps]
