"""State of a case: a pure function of its opening and its events, read from proven records.

The same function refuses an event early, when its record is drafted, and again under the writer's
lock, in the projection: of two events that were drafted at the same moment, the later one meets the
state that the earlier one left.

Every record that is read is proven against the chain. The tables of cases have no say here: an edit
of them shows a case to no one and is in no later record.

Duties follow from the events that were recorded and from those that were not: a case that begins
with goods owes a sample, its result, a report and a hand-over. Duties are advice; only a step that
waits for a second person binds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal

from sqlalchemy import Connection

from engine.cases.area import CASE_EVENT, CASE_OPENED
from engine.criteria.dual_control import check_person
from engine.domain.time_units import DAY
from engine.errors import ConflictError, NotAllowedError, NotFoundError
from engine.journal.kinds import COPIED
from engine.journal.power_records import PowerRecord, read_records
from engine.storage.database import split_in_slices

Json = Mapping[str, Any]
OPEN, CLOSED = "open", "closed"
AGREEMENT, WITHDRAWAL = "agreement", "withdrawal"


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
    """An agency that holds goods of the case; empty where none is known."""
    owner: str
    state: str
    handling: tuple[str, ...]
    opened_at: int
    changed_at: int
    deadline: int | None
    is_copied: bool
    """Whether another installation opened it."""
    holders: Mapping[str, str] = field(default_factory=dict)
    """The agency that holds each linked find, by seizure."""
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

    def find_holder(self, seizure_id: str | None) -> str:
        """Return the agency that holds a find; of None, the case's goods."""
        return self.holders.get(seizure_id or "", self.custody)

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
        holders={opening["seizure_id"]: agency} if "seizure_id" in opening else {},
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
    holder = case.find_holder(step.event.get("seizure_id"))
    if holder and step.body.get("by_agency") not in (None, holder):
        raise NotAllowedError("another agency holds the goods", "agency")
    if step.event["from_agency"] != holder:
        raise ConflictError("case", case.case_id, "the goods passed to another agency meanwhile")
    receivers = case.receivers | {step.event["to_agency"]}
    return replace(_propose(case, step), receivers=receivers)


def _propose(case: CaseState, step: CaseStep) -> CaseState:
    return replace(case, waiting={**case.waiting, step.seq: step})


def _find_waiting(case: CaseState, step: CaseStep) -> CaseStep:
    proposed = case.waiting.get(step.event["of"])
    if proposed is None:
        why = "the record is no transfer of custody and no controlled delivery that waits"
        raise ConflictError("case", case.case_id, why)
    return proposed


def _withdraw(case: CaseState, step: CaseStep) -> CaseState:
    """Let a step that waits lapse: what gives no power, one person does alone."""
    gone = _find_waiting(case, step).seq
    return replace(case, waiting={seq: one for seq, one in case.waiting.items() if seq != gone})


def _agree(case: CaseState, step: CaseStep) -> CaseState:
    """Let a step take effect; with a transfer others of the same goods lapse: the holder is new."""
    of = step.event["of"]
    proposed = _find_waiting(case, step)
    if check_person(step.body["by"], author=proposed.body["by"]):
        why = "another person agrees than the one who reported it"
        raise NotAllowedError(why, "second_person")
    passed = proposed.event.get("to_agency")
    if passed is not None and step.body.get("by_agency") != passed:
        raise NotAllowedError("a person of the receiving agency agrees", "agency")
    waiting = {seq: one for seq, one in case.waiting.items() if seq != of}
    agreed = replace(case, agreed={**case.agreed, of: step}, waiting=waiting)
    return agreed if passed is None else _take_over(agreed, proposed.event)


def _take_over(case: CaseState, passed: Json) -> CaseState:
    """Let the find that a transfer names, or all that its holder has, be with the receiver."""
    find, receiver = passed.get("seizure_id"), passed["to_agency"]
    holders = {
        name: receiver if find == name or (find is None and holder == case.custody) else holder
        for name, holder in case.holders.items()
    }
    keeps = find is not None and case.custody in holders.values()
    waiting = {
        seq: one
        for seq, one in case.waiting.items()
        if one.event["kind"] != "custody"
        or (find is not None and one.event.get("seizure_id") not in (None, find))
    }
    custody = case.custody if keeps else receiver
    return replace(case, custody=custody, holders=holders, waiting=waiting)


def _link(case: CaseState, step: CaseStep) -> CaseState:
    """Let a find join: the first is the goods that the case is about, others did not pass yet."""
    if step.event["of"] != "seizure":
        return case
    holder = case.agency if case.holders else case.custody
    return replace(case, holders={step.event["id"]: holder, **case.holders})


def _close(case: CaseState, step: CaseStep) -> CaseState:
    return replace(case, state=CLOSED if step.event["kind"] == "closed" else OPEN)


def _assign(case: CaseState, step: CaseStep) -> CaseState:
    return replace(case, owner=step.event["owner"], deadline=step.body.get("deadline"))


_EFFECTS: Mapping[str, Callable[[CaseState, CaseStep], CaseState]] = {
    "custody": _pass_custody,
    "controlled_delivery": _propose,
    AGREEMENT: _agree,
    WITHDRAWAL: _withdraw,
    "closed": _close,
    "reopened": _close,
    "assignment": _assign,
    "link": _link,
}
"""What an event changes besides the time of the last one; events of other kinds change no more."""
MOVING = frozenset(_EFFECTS)
"""Kinds of events on which the state depends."""


def renumber_steps(steps: Sequence[CaseStep]) -> list[CaseStep]:
    """Let what names a record of a copied case name the number that it has here."""
    numbers = {(at["branch"], at["sequence"]): s.seq for s in steps if (at := s.body.get(COPIED))}

    def find(step: CaseStep) -> CaseStep:
        if step.event["kind"] not in (AGREEMENT, WITHDRAWAL) or COPIED not in step.body:
            return step
        of, branch = step.event["of"], step.body[COPIED]["branch"]
        of_branches = (numbers.get((one, of)) for one in range(branch, -1, -1))
        here = next((one for one in of_branches if one is not None), 0)
        body = {**step.body, "event": {**step.event, "of": here}}
        return replace(step, body=body)

    return [find(step) for step in steps]


_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class GoodsStep:
    """A sample that was taken of the goods, or a transfer of custody that was agreed to."""

    step: CaseStep
    seizure_id: str | None
    """The find; None for goods that the case itself states."""
    quantity_g: float
    remains_g: float
    """What remains of the find after it."""
    differs_g: float
    """What passed on, less what remained: 0 where the grams add up."""


@dataclass(frozen=True, slots=True)
class CaseHistory:
    """A case with all that was recorded in it."""

    case: CaseState
    opened: Json
    """The body of the record that opened it."""
    steps: Sequence[CaseStep]

    @property
    def facts(self) -> Json:
        """What it was opened with."""
        found: Json = self.opened["opening"]
        return found

    def links(self) -> list[tuple[str, str]]:
        """Return kind and identifier of what the case is about, each once."""
        pairs = [
            (kind, self.facts[f"{kind}_id"])
            for kind in ("seizure", "attention")
            if f"{kind}_id" in self.facts
        ]
        events = (one.event for one in self.steps if one.event["kind"] == "link")
        return list(dict.fromkeys([*pairs, *((one["of"], one["id"]) for one in events)]))

    def weigh_goods(self, found: Mapping[str | None, float | None]) -> list[GoodsStep]:
        """Return what was taken of each find and what passed on, with what remains after each.

        ``found`` has the grams of finds, None where they are not known. A step that names no find
        is of the first one.
        """
        left, first, steps = dict(found), next(iter(found), None), []
        for one in self.find_steps("sample", "custody"):
            find, grams = one.event.get("seizure_id", first), one.event.get("quantity_g")
            is_sample, remains = one.event["kind"] == "sample", left.get(find)
            if grams is None or remains is None:
                continue
            if not is_sample and one.seq not in self.case.agreed:
                continue
            left[find] = remains = round(remains - grams, 6) if is_sample else remains
            differs = 0.0 if is_sample else round(grams - remains, 6)
            steps.append(GoodsStep(one, find, grams, remains, differs))
        return steps

    def files(self) -> list[CaseStep]:
        """Return the steps that added a file."""
        return self.find_steps("file")

    def find_steps(self, *kinds: str) -> list[CaseStep]:
        """Return the steps of some kinds, in order."""
        return [one for one in self.steps if one.event["kind"] in kinds]


def read_case(connection: Connection, case_id: str) -> CaseHistory:
    """Return a case with its records.

    Raises ``NotFoundError`` where there is none, it was erased, or a record of it does not match
    the chain.
    """
    found = read_cases(connection, [case_id])
    if case_id not in found:
        raise NotFoundError("case", case_id)
    return found[case_id]


def read_cases(connection: Connection, case_ids: Sequence[str]) -> dict[str, CaseHistory]:
    """Return the cases of these identifiers that :func:`read_case` returns, in one query."""
    if not case_ids:
        return {}
    records = read_records(connection, (CASE_OPENED, CASE_EVENT), subjects=case_ids)
    by_case = groupby(sorted(records, key=attrgetter("subject")), key=attrgetter("subject"))
    found = ((case_id, _build_history(list(some))) for case_id, some in by_case)
    return {case_id: history for case_id, history in found if history is not None}


def find_closed_cases(connection: Connection, case_ids: Sequence[str]) -> frozenset[str]:
    """Return those of these cases that are closed, as their records prove."""
    return frozenset(
        case_id
        for some in split_in_slices(case_ids, _AT_ONCE)
        for case_id, history in read_cases(connection, some).items()
        if not history.case.is_open
    )


def select_open(connection: Connection, groups: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the groups of records that are a case which no records prove to be closed."""
    cases = [name for sort, name in groups if sort == "case"]
    return {("case", one) for one in set(cases) - find_closed_cases(connection, cases)}


def _build_history(records: Sequence[PowerRecord]) -> CaseHistory | None:
    """Return the history that the records of one case tell, None where one is not readable."""
    opened: tuple[CaseState, Json] | None = None
    steps: list[CaseStep] = []
    for one in records:
        if (body := one.body) is None:
            return None
        if one.kind == CASE_EVENT:
            steps.append(CaseStep(one.seq, one.known_at, one.post, body))
        elif opened is None:
            opened = open_case(one.seq, one.subject, one.post, one.known_at, body), body
    if opened is None:
        return None
    steps = renumber_steps(steps)
    return CaseHistory(replay_case(opened[0], steps), opened[1], steps)


AGEING_DAYS, ESCALATED_DAYS = 7, 14
"""Whole days without an event after which an open case ages, and is escalated."""
_DELIVERY_ENDS = ("second_search", "custody", "hand_over")
Urgency = Literal["on_time", "ageing", "escalated"]
Duty = Literal[
    "agree_custody",
    "agree_delivery",
    "delivery_outcome",
    "laboratory_result",
    "sample",
    "report",
    "hand_over",
    "closure",
]


def judge_urgency(case: CaseState, now: int) -> Urgency:
    """Return how urgent an open case is at a time: past its deadline it is escalated."""
    if not case.is_open:
        return "on_time"
    idle = (now - case.changed_at) // DAY
    if case.is_overdue(now) or idle >= ESCALATED_DAYS:
        return "escalated"
    return "ageing" if idle >= AGEING_DAYS else "on_time"


def find_idle_days(urgency: Urgency | None) -> int | None:
    """Return after how many days without an event a case is so urgent; None where it may be new."""
    return {"ageing": AGEING_DAYS, "escalated": ESCALATED_DAYS}.get(urgency or "")


@dataclass(frozen=True, slots=True)
class NextStep:
    """One step that a case owes, and who takes it."""

    duty: Duty
    person: str | None = None
    """The owner, where the step is theirs."""
    agency: str | None = None
    """The agency whose person agrees."""
    sequence: int | None = None
    """The record that waits for a second person, or that the step follows."""
    reported_by: str | None = None
    """Who may not agree, because they reported it."""
    sample: str | None = None
    until: str | None = None


def list_next_steps(history: CaseHistory) -> list[NextStep]:
    """Return what an open case owes, the first first; nothing of a closed one."""
    if not history.case.is_open:
        return []
    owed = [*_list_agreements(history), *_list_duties(history)]
    return owed or [NextStep("closure", person=history.case.owner)]


def _list_agreements(history: CaseHistory) -> Iterator[NextStep]:
    for one in history.case.waiting.values():
        about: dict[str, Any] = {"sequence": one.seq, "reported_by": one.body["by"]}
        if one.event["kind"] == "custody":
            yield NextStep("agree_custody", agency=one.event["to_agency"], **about)
        else:
            yield NextStep("agree_delivery", until=one.event["until"], **about)


def _list_duties(history: CaseHistory) -> Iterator[NextStep]:
    owner = history.case.owner
    known = {one.event["kind"] for one in history.steps}
    yield from _list_deliveries(history)
    results = {one.event["sample"] for one in history.find_steps("laboratory_result")}
    samples = {one.event["sample"]: one for one in history.find_steps("sample")}
    for name in samples:
        if name not in results:
            yield NextStep("laboratory_result", person=owner, sample=name)
    if not samples and not results and _has_goods(history):
        holder = history.case.custody
        if holder == history.case.agency:
            yield NextStep("sample", person=owner)
        else:  # only who holds the goods takes a sample of them
            yield NextStep("sample", agency=holder)
    if "report_sent" not in known:
        yield NextStep("report", person=owner)
    if "hand_over" not in known:
        yield NextStep("hand_over", person=owner)


def _list_deliveries(history: CaseHistory) -> Iterator[NextStep]:
    """Yield the controlled deliveries that were agreed to and after which nothing was reported."""
    agreed = history.case.agreed
    last = max((one.seq for one in history.find_steps(*_DELIVERY_ENDS)), default=0)
    for one in history.find_steps("controlled_delivery"):
        if one.seq in agreed and last < one.seq:
            about: dict[str, Any] = {"sequence": one.seq, "until": one.event["until"]}
            yield NextStep("delivery_outcome", person=history.case.owner, **about)


def _has_goods(history: CaseHistory) -> bool:
    is_stated = "substance_class" in history.facts
    return is_stated or any(kind == "seizure" for kind, _ in history.links())
