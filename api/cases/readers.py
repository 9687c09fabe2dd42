"""Cases as one caller reads them, and the events that receivers are told of.

A case is for callers who reach its post and see its agency's cases, and for the agencies that
custody passed to or is to pass to. With H2 (not to be passed on) it is for those agencies alone,
whatever the table of agencies permits; so is an event with it, of which others see that it is
there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from sqlalchemy import Connection

from api.auth.callers import Caller
from api.cases.answers import (
    MOST,
    NOT_PASSED_ON,
    CaseAct,
    CaseFind,
    CaseGoodsStep,
    CaseLinkView,
    Cases,
    CaseStepView,
    CaseSummary,
    CaseView,
    ReportCorrection,
)
from api.notifications.answers import NotificationView
from api.notifications.event_bodies import AreaEvents, Body, EventBodies, Route
from api.service.runtime import Runtime
from engine.cases.area import CASE_OPENED
from engine.cases.case_events import NEED_SECOND
from engine.cases.case_ledger import CaseSelection, list_case_names
from engine.cases.case_state import (
    OPEN,
    CaseHistory,
    CaseState,
    CaseStep,
    Urgency,
    find_idle_days,
    judge_urgency,
    list_next_steps,
    read_case,
    read_cases,
)
from engine.criteria.policy import read_goods_classes
from engine.domain.goods import GoodsClasses, class_of
from engine.domain.rights import Matter
from engine.domain.time_units import DAY, rfc3339
from engine.errors import ConflictError, LapsedProposalError, NotFoundError, SecondPersonError
from engine.journal.batch_worker import StoredRecord
from engine.journal.idempotency import crossing_name, find_holders
from engine.journal.journal import JournalReader
from engine.queue.corrections import (
    StatedReport,
    list_corrections,
    read_corrections,
    read_stated_act,
    read_stated_seizure,
)

_GOODS = (
    "substance_class", "substance", "quantity_g", "goods_class", "place", "concealment",
)  # fmt: skip


def must_see(connection: Connection, caller: Caller, case_id: str) -> CaseHistory:
    """Return a case that the caller sees, and may do to what its route does.

    Raises ``NotFoundError`` for any other.
    """
    history = read_case(connection, case_id)
    if not sees_case(caller, history.case):
        raise NotFoundError("case", case_id)
    return history


def sees_case(caller: Caller, case: CaseState) -> bool:
    """Tell whether a caller reaches a case in its own agency's right, or a receiver's."""
    if not caller.reaches(case.post):
        return False
    if NOT_PASSED_ON in case.handling and not is_party(caller, case):
        return False
    parties = {case.agency, case.custody} | case.receivers
    return any(
        caller.covers(agency or None) and caller.sees(Matter.CASES, agency or None)
        for agency in (parties - {""} or {""})
    )


def is_party(caller: Caller, case: CaseState) -> bool:
    """Tell whether a caller's agency is the case's or a receiver's; all are where it has none."""
    return not case.agency or caller.agency in {case.agency, case.custody} | case.receivers


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases a list holds; None for all."""

    state: str | None = None
    post: str | None = None
    owner: str | None = None
    """The name of an account."""
    agency: str | None = None
    """The case's own, or the one that holds the goods."""
    urgency: Urgency | None = None

    def select(self, caller: Caller, now: int) -> CaseSelection:
        """Return what the table is asked for."""
        days = find_idle_days(self.urgency)
        return CaseSelection(
            state=self.state if days is None else OPEN,
            post=self.post or caller.post,
            hidden=caller.hidden_posts,
            owner=self.owner,
            agency=self.agency,
            idle_since=None if days is None else now - days * DAY,
            now=now,
        )

    def fits(self, case: CaseState, now: int) -> bool:
        """Tell whether a case is wanted, by its records."""
        return (
            self.state in (None, case.state)
            and self.post in (None, case.post)
            and self.owner in (None, case.owner)
            and (self.agency is None or self.agency in (case.agency, case.custody))
            and self.urgency in (None, judge_urgency(case, now))
        )


def describe_cases(
    service: Runtime,
    caller: Caller,
    wanted: CaseFilter,
    *,
    before: int | None = None,
    most: int = MOST,
) -> Cases:
    """Return cases that a caller sees, the newest first, and where to read on.

    Of the next ``most`` that fit by the table those that fit and are seen by their records: a page
    may have fewer, and none, while there are others to read on to.
    """
    with service.store.read() as connection:
        now = service.journal.now(connection)
        selection = wanted.select(caller, now)
        names = list_case_names(connection, selection, before=before, most=most + 1)
        known = read_cases(connection, [case_id for _, case_id in names[:most]])
    found = [known[case_id] for _, case_id in names[:most] if case_id in known]
    seen = [
        CaseSummary(**_summarize(one, now))
        for one in found
        if wanted.fits(one.case, now) and sees_case(caller, one.case)
    ]
    return Cases(seen, names[most - 1][0] if len(names) > most else None)


def _summarize(history: CaseHistory, now: int) -> dict[str, Any]:
    """Return the fields of a :class:`CaseSummary`."""
    case = history.case
    until = now if case.is_open else case.changed_at
    return {
        "case_id": case.case_id,
        "post": case.post,
        "agency": case.agency or None,
        "custody": case.custody or None,
        "owner": case.owner,
        "state": case.state,
        "handling": list(case.handling),
        "summary": history.facts["summary"],
        "opened_at": rfc3339(case.opened_at),
        "changed_at": rfc3339(case.changed_at),
        "deadline": None if case.deadline is None else rfc3339(case.deadline),
        "is_overdue": case.is_overdue(now),
        "urgency": judge_urgency(case, now),
        "agreements_due": len(case.waiting) if case.is_open else 0,
        "age_days": (until - case.opened_at) // DAY,
        "idle_days": (until - case.changed_at) // DAY,
    }


def describe_case(service: Runtime, caller: Caller, case_id: str) -> CaseView:
    """Return a case with its events and its finds; raises ``NotFoundError``."""
    with service.store.read() as connection:
        history = must_see(connection, caller, case_id)
        now = service.journal.now(connection)
        names = [name for kind, name in history.links() if kind == "seizure"]
        seizures = _list_reports(connection, caller, names, "seizure")
        finds = _describe_finds(connection, history, seizures)
        linked = [name for kind, name in history.links() if kind == "act"]
        of_finds = [one.body["seizure"].get("inspection_id") for one in seizures]
        names = list(dict.fromkeys([*linked, *filter(None, of_finds)]))
        acts = _list_reports(connection, caller, names, "act")
        corrections = _list_corrections(connection, [*acts, *seizures])
    case = history.case
    party = is_party(caller, case)
    links: Any = history.links()
    found_g = sum_grams(finds)
    return CaseView(
        **_summarize(history, now),
        sequence=case.seq,
        opened_by=history.opened["by"],
        links=[CaseLinkView(*one) for one in links],
        waiting=list(case.waiting),
        next_steps=list_next_steps(history),
        finds=finds,
        found_g=found_g,
        goods=_describe_goods(history, finds, is_party=party),
        acts=[_describe_report(one) for one in acts],
        corrections=corrections,
        events=[_describe_step(one, case.agreed, is_party=party) for one in history.steps],
    )


def sum_grams(finds: Sequence[CaseFind]) -> float | None:
    """Return the grams of all finds together, None where one states no amount.

    A find that is counted in pieces has no part in them.
    """
    grams = [one.quantity_g for one in finds if one.quantity_g is not None or one.unit == "g"]
    return None if not grams or None in grams else sum(filter(None, grams))


def _describe_goods(
    history: CaseHistory, finds: Sequence[CaseFind], *, is_party: bool
) -> list[CaseGoodsStep]:
    return [
        CaseGoodsStep(
            sequence=one.step.seq,
            seizure_id=one.seizure_id,
            kind=event["kind"],
            happened_at=one.step.body.get("about", {}).get("happened_at")
            or rfc3339(one.step.known_at),
            name=event["sample"] if event["kind"] == "sample" else event["item"],
            to_agency=event.get("to_agency"),
            quantity_g=one.quantity_g,
            remains_g=one.remains_g,
            differs_g=one.differs_g,
        )
        for one in history.weigh_goods({one.seizure_id: one.quantity_g for one in finds})
        for event in (one.step.event,)
        if is_party or NOT_PASSED_ON not in one.step.limits
    ]


def read_finds(connection: Connection, caller: Caller, history: CaseHistory) -> list[CaseFind]:
    """Return the finds of a case that a caller sees."""
    names = [name for kind, name in history.links() if kind == "seizure"]
    seizures = _list_reports(connection, caller, names, "seizure")
    return _describe_finds(connection, history, seizures)


def _list_reports(
    connection: Connection, caller: Caller, names: Sequence[str], kind: Literal["act", "seizure"]
) -> list[StatedReport]:
    """Return acts or seizures by name, without those erased, withdrawn or of a hidden agency."""
    found = []
    matter = Matter.ACTS if kind == "act" else Matter.SEIZURES
    for name in names:
        try:
            read = read_stated_act if kind == "act" else read_stated_seizure
            stated = read(connection, name)
        except (NotFoundError, ConflictError):
            continue
        report = stated.body["inspection" if kind == "act" else "seizure"]
        if caller.sees(matter, report.get("agency")):
            found.append(stated)
    return found


def _describe_report(stated: StatedReport) -> CaseAct:
    act = stated.body["inspection"]
    return CaseAct(
        inspection_id=stated.name,
        post=stated.post,
        filed_at=act["recorded_at"],
        started_at=act.get("started_at"),
        completed_at=act.get("completed_at"),
        by=stated.body.get("by"),
        agency=act.get("agency"),
        outcome=act["outcome"],
        methods=list(act.get("methods") or ()),
        places_searched=list(act.get("places_searched") or ()),
        minutes=act.get("minutes"),
    )


def _list_corrections(
    connection: Connection, reports: Iterable[StatedReport]
) -> list[ReportCorrection]:
    seqs = [
        seq for one in reports if one.corrections for seq in list_corrections(connection, one.seq)
    ]
    return [
        ReportCorrection(
            of=one.of,
            id=one.name,
            at=rfc3339(one.known_at),
            by=one.by,
            reason=one.reason,
            was=one.was,
            now=one.now,
        )
        for one in read_corrections(connection, seqs)
    ]


def _describe_step(
    one: CaseStep, agreed: Mapping[int, CaseStep], *, is_party: bool
) -> CaseStepView:
    kind, about = one.event["kind"], one.body.get("about", {})
    is_withheld = NOT_PASSED_ON in one.limits and not is_party
    by = agreed.get(one.seq)
    limits: Any = one.limits
    return CaseStepView(
        sequence=one.seq,
        kind=kind,
        recorded_at=rfc3339(one.known_at),
        happened_at=about.get("happened_at") or rfc3339(one.known_at),
        by=one.body["by"],
        by_agency=one.body.get("by_agency"),
        handling=list(limits),
        is_withheld=is_withheld,
        is_effective=kind not in NEED_SECOND or by is not None,
        agreed_by=None if by is None else by.body["by"],
        content={} if is_withheld else {k: v for k, v in one.event.items() if k != "kind"},
        remark=None if is_withheld else about.get("remark"),
    )


def _describe_finds(
    connection: Connection, history: CaseHistory, seizures: Sequence[StatedReport]
) -> list[CaseFind]:
    """Return each find in the form that seizure databases ask for, without anything nominal."""
    classes = read_goods_classes(connection)
    finds = [_describe_find(connection, one, classes, history) for one in seizures]
    if not finds and "substance_class" in history.facts:
        finds = [_describe_own_find(connection, classes, history)]
    weighed = history.weigh_goods({one.seizure_id: one.quantity_g for one in finds})
    remains = {one.seizure_id: one.remains_g for one in weighed}
    return [replace(one, remains_g=remains.get(one.seizure_id, one.quantity_g)) for one in finds]


def _describe_own_find(
    connection: Connection, classes: GoodsClasses, history: CaseHistory
) -> CaseFind:
    """Return what the case itself states that was found."""
    goods: Any = {name: history.facts.get(name) for name in _GOODS}
    return CaseFind(
        seizure_id=None,
        post=history.case.post,
        detected_at=rfc3339(history.case.opened_at),
        **goods,
        **_describe_class(history.facts, classes, history, None),
        **_describe_means(connection, None),
        **_describe_act(connection, None),
    )


def _describe_class(
    goods: Mapping[str, Any], classes: GoodsClasses, history: CaseHistory, seizure_id: str | None
) -> dict[str, Any]:
    """Return the amount of a find, what forms ask of its class, and who takes it over.

    Goods without an amount are weighed in grams.
    """
    code = class_of(goods["substance_class"], goods.get("goods_class"))
    known, case = classes.by_code.get(code), history.case
    holder = case.find_holder(seizure_id)
    is_weighed = goods.get("amount") is None
    return {
        "remains_g": goods.get("quantity_g"),
        "amount": goods.get("quantity_g") if is_weighed else goods["amount"],
        "unit": "g" if is_weighed else goods["unit"],
        "class_names": {} if known is None else known.names,
        "class_codes": {} if known is None else known.forms,
        "goes_to": None if known is None else known.agency,
        "taken_over_by": holder if holder != case.agency else None,
    }


def _describe_find(
    connection: Connection, stated: StatedReport, classes: GoodsClasses, history: CaseHistory
) -> CaseFind:
    seizure = stated.body["seizure"]
    return CaseFind(
        seizure_id=stated.name,
        post=stated.post,
        detected_at=seizure.get("seized_at") or seizure["recorded_at"],
        **{name: seizure.get(name) for name in _GOODS},
        **_describe_class(seizure, classes, history, stated.name),
        **_describe_means(connection, stated.body["linked_crossing_id"]),
        **_describe_act(connection, seizure.get("inspection_id")),
    )


def _describe_means(connection: Connection, crossing_id: str | None) -> dict[str, Any]:
    """Return route and means of transport, empty where the crossing is not known."""
    arrival: Mapping[str, Any] = {}
    if crossing_id is not None:
        name = crossing_name(crossing_id)
        holder = find_holders(connection, [name]).get(name)
        known = {} if holder is None else JournalReader(connection).bodies([holder.seq])
        arrival = next(iter(known.values()), {}).get("arrival", {})
    crossing, papers = arrival.get("crossing", {}), arrival.get("declaration") or {}
    items = papers.get("items") or ()
    origins = (one.get("origin_country") for one in items)
    return {
        "direction": crossing.get("direction"),
        "means": crossing.get("vehicle_class"),
        "means_country": crossing.get("plate_country"),
        "dispatch_country": papers.get("dispatch_country"),
        "destination_country": papers.get("destination_country"),
        "route_countries": list(papers.get("route_countries") or ()),
        "origin_countries": sorted({one for one in origins if one}),
        "cover_goods": [one["hs_code"] for one in items],
    }


def _describe_act(connection: Connection, inspection_id: str | None) -> dict[str, Any]:
    """Return how it was found, empty where the act is not known."""
    act: Mapping[str, Any] = {}
    if inspection_id is not None:
        with suppress(NotFoundError, ConflictError):
            act = read_stated_act(connection, inspection_id).body["inspection"]
    return {name: list(act.get(name) or ()) for name in ("methods", "places_searched")}


def sees_record(bodies: EventBodies, found: StoredRecord) -> bool:
    """Tell whether the route of a case would show it to the receiver."""
    entry = found.entry
    entered = bodies.enter(_CASE, entry.post)
    if entered is None:
        return False
    known = read_cases(bodies.connection, [entry.subject]).get(entry.subject)
    return known is not None and sees_case(entered, known.case)


def show_change(bodies: EventBodies, found: StoredRecord) -> Body | None:
    """Return that a case was opened or goes on, by identifiers alone."""
    entry = found.entry
    if not sees_record(bodies, found):
        return None
    is_opened = entry.kind == CASE_OPENED
    change = "opened" if is_opened else found.body["event"]["kind"]
    about = {"change": change, "case_id": entry.subject, "post": entry.post}
    return about | {"sequence": entry.seq}


EVENTS: Final = AreaEvents({"case.changed": show_change}, {"case": sees_record})
_CASE: Route = ("GET", "/v1/cases/{case_id}")
_CASES: Route = ("GET", "/v1/cases")
_STEP: Route = ("POST", "/v1/cases/{case_id}/events")


def list_waiting(service: Runtime, caller: Caller) -> Iterator[NotificationView]:
    """Yield, as notifications, custody that waits for the caller, and cases past their time."""
    yield from _list_custody(service, caller)
    if caller.may(*_CASES):
        wanted = CaseFilter(state="open", urgency="escalated")
        for one in describe_cases(service, caller.enter(*_CASES), wanted).cases:
            yield NotificationView(
                kind="alarm",
                about="case",
                id=one.case_id,
                name=one.summary,
                post=one.post,
                at=one.changed_at,
            )


def _list_custody(service: Runtime, caller: Caller) -> Iterator[NotificationView]:
    """Yield the transfers of custody to the caller's agency that the caller may agree to."""
    if caller.agency is None or not caller.is_person or not caller.may(*_STEP):
        return
    entered, authority = caller.enter(*_STEP), service.accounts.look()
    wanted = CaseSelection(
        state=OPEN, post=entered.post, hidden=entered.hidden_posts, event="custody"
    )
    with service.store.read() as connection:
        names = list_case_names(connection, wanted, before=None, most=MOST)
        found = read_cases(connection, [case_id for _, case_id in names])
    for history in found.values():
        for one in history.case.waiting.values():
            if one.event.get("to_agency") != caller.agency or not sees_case(entered, history.case):
                continue
            try:
                authority.must_second(Matter.CASES, first=one.body["by"], second=caller.person)
            except (LapsedProposalError, SecondPersonError):
                continue
            yield NotificationView(
                kind="approval_waiting",
                about="custody",
                id=history.case.case_id,
                name=history.facts["summary"],
                post=history.case.post,
                at=rfc3339(one.known_at),
            )
