"""Cases as one caller sees them, as JSON values.

A case is for callers who reach its post and see its agency's cases, and for the agencies that
custody passed to or is to pass to. With H2 (not to be passed on) it is for those agencies alone,
whatever the table of agencies permits; so is an event with it, of which others see that it is
there. No answer holds a figure of the engine.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends
from sqlalchemy import Connection

from api.auth.callers import Caller
from api.auth.permissions import Matter
from api.http.dependencies import running_service
from engine.cases.case_events import NEED_SECOND
from engine.cases.case_ledger import (
    CaseRow,
    count_waiting,
    find_case,
    list_cases,
    list_receivers,
)
from engine.cases.case_progress import judge_urgency, list_next_steps
from engine.cases.case_reading import CaseHistory, CaseStep, read_history
from engine.domain.network import Network
from engine.domain.time_units import DAY, rfc3339
from engine.errors import ConflictError, NotFoundError
from engine.journal.idempotency import crossing_name, find_holders
from engine.journal.journal import Journal, JournalReader
from engine.storage.database import Store
from engine.targeting.corrections import read_stated_act, read_stated_seizure

MOST = 500
"""Cases in one answer, the oldest."""
NOT_PASSED_ON = "H2"
_GOODS = ("substance_class", "substance", "quantity_g", "place", "concealment")


class CaseService(Protocol):
    """The running service, as cases are read."""

    store: Store
    journal: Journal
    network: Network


TheReadService = Annotated[CaseService, Depends(running_service)]


def must_see(connection: Connection, caller: Caller, case_id: str) -> CaseRow:
    """Return a case that the caller sees, and may do to what its route does.

    Raises ``NotFoundError`` for any other.
    """
    row = find_case(connection, case_id)
    if not sees_case(caller, row, list_receivers(connection, case_id)):
        raise NotFoundError("case", case_id)
    return row


def sees_case(caller: Caller, row: CaseRow, receivers: frozenset[str]) -> bool:
    """Tell whether a caller reaches a case in its own agency's right, or a receiver's."""
    if not caller.reaches(row.post):
        return False
    if NOT_PASSED_ON in row.handling and not is_party(caller, row, receivers):
        return False
    parties = {row.agency, row.custody} | receivers
    return any(
        caller.covers(agency or None) and caller.sees(Matter.CASES, agency or None)
        for agency in (parties - {""} or {""})
    )


def is_party(caller: Caller, row: CaseRow, receivers: frozenset[str]) -> bool:
    """Tell whether a caller's agency is the case's or a receiver's; all are where it has none."""
    return not row.agency or caller.agency in {row.agency, row.custody} | receivers


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases a list holds; None for all."""

    state: str | None = None
    post: str | None = None
    owner: str | None = None
    """The name of an account."""
    agency: str | None = None
    """The case's own, or the one that holds the goods."""
    urgency: str | None = None

    def fits(self, row: CaseRow, now: int) -> bool:
        """Tell whether a case is wanted, but for its state and post."""
        return (
            self.owner in (None, row.owner)
            and (self.agency is None or self.agency in (row.agency, row.custody))
            and self.urgency in (None, judge_urgency(row, now))
        )


def describe_cases(
    service: CaseService, caller: Caller, wanted: CaseFilter
) -> list[dict[str, Any]]:
    """Return the cases that a caller sees, the oldest first."""
    with service.store.read() as connection:
        now = service.journal.now(connection)
        rows = list_cases(connection, state=wanted.state, post=wanted.post or caller.post)
        fitting = (row for row in rows if wanted.fits(row, now))
        seen = [
            row
            for row in fitting
            if sees_case(caller, row, list_receivers(connection, row.case_id))
        ][:MOST]
        bodies = JournalReader(connection).bodies([row.seq for row in seen])
        due = count_waiting(connection, [row.case_id for row in seen])
    return [
        _describe_row(row, now, due.get(row.case_id, 0))
        | {"summary": bodies[row.seq]["opening"]["summary"]}
        for row in seen
        if row.seq in bodies
    ]


def _describe_row(row: CaseRow, now: int, due: int) -> dict[str, Any]:
    until = now if row.is_open else row.changed_at
    return {
        "case_id": row.case_id,
        "post": row.post,
        "agency": row.agency or None,
        "custody": row.custody or None,
        "owner": row.owner,
        "state": row.state,
        "handling": row.handling.split(",") if row.handling else [],
        "opened_at": rfc3339(row.opened_at),
        "changed_at": rfc3339(row.changed_at),
        "deadline": None if row.deadline is None else rfc3339(row.deadline),
        "is_overdue": row.is_overdue(now),
        "urgency": judge_urgency(row, now),
        "agreements_due": due if row.is_open else 0,
        "age_days": (until - row.opened_at) // DAY,
        "idle_days": (until - row.changed_at) // DAY,
    }


def describe_case(service: CaseService, caller: Caller, case_id: str) -> dict[str, Any]:
    """Return a case with its events and its finds; raises ``NotFoundError``, ``ErasedError``."""
    with service.store.read() as connection:
        row = must_see(connection, caller, case_id)
        now = service.journal.now(connection)
        history = read_history(connection, row)
        finds = _describe_finds(connection, caller, history)
        party = is_party(caller, row, list_receivers(connection, case_id))
    agreed, waiting = history.find_agreements(), history.list_waiting()
    return _describe_row(row, now, len(waiting)) | {
        "summary": history.facts["summary"],
        "sequence": row.seq,
        "opened_by": history.opened["by"],
        "links": [{"of": kind, "id": one} for kind, one in history.links()],
        "waiting": [one.seq for one in waiting],
        "next_steps": [asdict(one) for one in list_next_steps(history)],
        "finds": finds,
        "events": [_describe_step(one, agreed, is_party=party) for one in history.steps],
    }


def _describe_step(
    one: CaseStep, agreed: Mapping[int, CaseStep], *, is_party: bool
) -> dict[str, Any]:
    kind, about = one.event["kind"], one.body.get("about", {})
    is_withheld = NOT_PASSED_ON in one.limits and not is_party
    by = agreed.get(one.seq)
    return {
        "sequence": one.seq,
        "kind": kind,
        "recorded_at": rfc3339(one.known_at),
        "happened_at": about.get("happened_at") or rfc3339(one.known_at),
        "by": one.body["by"],
        "by_agency": one.body.get("by_agency"),
        "handling": list(one.limits),
        "is_withheld": is_withheld,
        "is_effective": kind not in NEED_SECOND or by is not None,
        "agreed_by": None if by is None else by.body["by"],
        "content": {} if is_withheld else {k: v for k, v in one.event.items() if k != "kind"},
        "remark": None if is_withheld else about.get("remark"),
    }


def _describe_finds(
    connection: Connection, caller: Caller, history: CaseHistory
) -> list[dict[str, Any]]:
    """Return each find in the form that seizure databases ask for, without anything nominal."""
    finds = [
        found
        for kind, name in history.links()
        if kind == "seizure" and (found := _describe_find(connection, caller, name)) is not None
    ]
    if finds or "substance_class" not in history.facts:
        return finds
    goods = {name: history.facts.get(name) for name in _GOODS} | {"unit": "g"}
    own = {"seizure_id": None, "post": history.row.post} | goods
    return [
        own | {"detected_at": rfc3339(history.row.opened_at)} | _describe_means(connection, None)
    ]


def _describe_find(connection: Connection, caller: Caller, name: str) -> dict[str, Any] | None:
    try:
        stated = read_stated_seizure(connection, name)
    except (NotFoundError, ConflictError):  # erased or withdrawn since
        return None
    seizure = stated.body["seizure"]
    if not caller.sees(Matter.SEIZURES, seizure.get("agency")):
        return None
    goods = {name: seizure.get(name) for name in _GOODS} | {"unit": "g"}
    detected = seizure.get("seized_at") or seizure["recorded_at"]
    crossing, act = stated.body["linked_crossing_id"], seizure.get("inspection_id")
    return (
        {"seizure_id": name, "post": stated.post, "detected_at": detected}
        | goods
        | _describe_means(connection, crossing)
        | ({} if act is None else _describe_act(connection, act))
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
        "methods": [],
        "places_searched": [],
    }


def _describe_act(connection: Connection, inspection_id: str) -> dict[str, Any]:
    try:
        act = read_stated_act(connection, inspection_id).body["inspection"]
    except (NotFoundError, ConflictError):
        return {}
    return {name: list(act.get(name) or ()) for name in ("methods", "places_searched")}
