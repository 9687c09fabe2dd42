"""Bodies of events, as their receiver may see them.

A receiver is a caller with the role, post and agency of its webhook. It is told of a record only
where a route would show that record to such a caller, and of a decision what the answer about it
holds: a body has identifiers and states of that view, and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from sqlalchemy import Connection, select

from api.areas import list_doors, list_parts
from api.auth.callers import Caller
from api.auth.permissions import MAY
from api.http.access import RecordFilter
from api.proposals.matters import list_matters
from api.service.runtime import Runtime
from engine.criteria.match import WATCHLIST
from engine.domain.rights import Matter, Role
from engine.domain.time_units import rfc3339
from engine.errors import NotFoundError
from engine.journal import kinds as record
from engine.journal.areas import EVENT_TYPES, EventType, list_events
from engine.journal.batch_worker import StoredRecord, read_stored
from engine.queue.mirror_alerts import AGREES, ALERTS
from engine.queue.queue import DECISIONS

Route = tuple[str, str]
Body = Mapping[str, Any]
DECISION_NAMES = ("decision_id", "crossing_id", "post", "channel", "decided_at", "amends")
"""What a body takes from the answer about a decision."""

_DECISION: Route = ("GET", "/v1/decisions/{decision_id}")
_ENTRY: Route = ("GET", "/v1/watchlist/{entry_id}")
_LAWFUL: Route = ("GET", "/v1/known-lawful/{entry_id}")
_PROFILE: Route = ("GET", "/v1/profiles/{code}")
_CASE: Route = ("GET", "/v1/cases/{case_id}")
APPROVALS: Mapping[str, tuple[str, Route]] = {
    record.REVIEW: ("review", ("POST", "/v1/decisions/{decision_id}/reviews")),
    record.SEIZURE: ("find", ("GET", "/v1/finds")),
    **{kind: shown for doors in list_doors() for kind, shown in doors.approvals.items()},
    **{kind: (one.name, one.shown) for one in list_matters().values() for kind in one.kinds},
}
"""By kind of record: what waits for a second person, and the route that shows it."""
_ACCOUNT_ON_MACHINE = ("account_on_machine", ("GET", "/v1/people"), ("GET", "/v1/journal"))
ALARMS: Mapping[str, tuple[str, *tuple[Route, ...]]] = {
    record.DRIFT_MEASURED: ("drift", ("GET", "/v1/drift")),
    record.KNOWN_LAWFUL_SUSPENDED: ("known_lawful_suspended", _LAWFUL),
    record.PROFILE_FAILED: ("profile_failed", _PROFILE),
    record.USER_CREATED: _ACCOUNT_ON_MACHINE,
    record.USER_LEFT: _ACCOUNT_ON_MACHINE,
    record.PASSWORD_CHANGED: _ACCOUNT_ON_MACHINE,
    record.KEY_CREATED: _ACCOUNT_ON_MACHINE,
    **{kind: shown for doors in list_doors() for kind, shown in doors.alarms.items()},
}
"""By kind of record: the alarm, and the routes of which any shows it."""
ROUTES_OF: Mapping[EventType, Sequence[Route]] = {
    "decision.changed": (_DECISION,),
    "decision.overridden": (_DECISION,),
    "vehicle.given": (_DECISION,),
    "watchlist.hit": (_ENTRY,),
    "known_lawful.suspended": (_LAWFUL,),
    "approval.waiting": tuple(route for _, route in APPROVALS.values()),
    "alarm.raised": tuple(route for _, *routes in ALARMS.values() for route in routes),
    "case.changed": (_CASE,),
}
"""Routes of which one must be open to a role that asks for a type of event."""


def types_for(role: Role) -> list[EventType]:
    """Return the types of events of which a role may be told anything."""
    return [
        one for one in EVENT_TYPES if any(role in MAY.get(route, ()) for route in ROUTES_OF[one])
    ]


@dataclass(frozen=True, slots=True)
class AreaEvents:
    """How an area's events are shown to a receiver."""

    builders: "Mapping[str, Callable[[EventBodies, StoredRecord], Body | None]]"
    """By type of event, what builds its body, None where the receiver may not know of it."""
    visible: "Mapping[str, Callable[[EventBodies, StoredRecord], bool]]"
    """By matter that waits for a second person, what tells whether the receiver sees a record."""


@dataclass(frozen=True, slots=True)
class EventBodies:
    """Makes the bodies of one endpoint's events, in one snapshot."""

    service: Runtime
    connection: Connection
    caller: Caller

    def build(self, seq: int, event_type: str) -> bytes | None:
        """Return the body of an event, None where the receiver may not know of it."""
        data = self.show(seq, event_type)
        if data is None:
            return None
        at = rfc3339(self.service.journal.entry(self.connection, seq).known_at)
        content = {"type": event_type, "timestamp": at, "data": data}
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)

    def show(self, seq: int, event_type: str) -> Body | None:
        """Return what the receiver may know of an event, None where that is nothing."""
        try:
            found = read_stored(self.connection, self.service.journal, seq)
        except NotFoundError:  # erased since
            return None
        of_areas = [one.builders for one in list_events_of_areas()]
        build = next((one[event_type] for one in (_BUILDERS, *of_areas) if event_type in one), None)
        return None if build is None else build(self, found)

    def is_stated(self, seq: int, event_type: str) -> bool:
        """Tell whether a record is such an event: a row of the outbox alone makes none."""
        try:
            found = read_stored(self.connection, self.service.journal, seq)
        except NotFoundError:
            return False
        kind, subject = found.entry.kind, found.entry.subject
        if kind == record.CROSSING and event_type == "decision.changed":
            return self._find_alerted(seq) is not None
        return event_type in {one.type for one in list_events(kind, subject, found.body)}

    def _show_change(self, found: StoredRecord) -> Body | None:
        kind, body = found.entry.kind, found.body
        if kind == record.DECISION:
            is_told = body["inputs"].get("told_at") is not None
            return self._show_decision(found, "judged_again" if is_told else "amended")
        if kind == record.CROSSING:
            return self._name_decision(self._find_alerted(found.entry.seq), "alerted")
        how = "released" if kind == record.RELEASE else "expired"
        return self._name_decision(self._last_decision(body["crossing_id"], found.entry.seq), how)

    def _show_decision(self, found: StoredRecord, how: str) -> Body | None:
        seen = self._see_decision(found)
        return None if seen is None else {"change": how} | seen

    def _name_decision(self, seq: int | None, how: str) -> Body | None:
        """Return that a decision changed, by identifiers alone."""
        if seq is None:
            return None
        try:
            found = read_stored(self.connection, self.service.journal, seq)
        except NotFoundError:
            return None
        seen = self._see_decision(found)
        if seen is None:
            return None
        return {"change": how} | {n: seen[n] for n in ("decision_id", "crossing_id", "post")}

    def _show_override(self, found: StoredRecord) -> Body | None:
        body, entry = found.body, found.entry
        if not self._sees(found) or self.enter(_DECISION, entry.post) is None:
            return None
        about = {name: body[name] for name in ("decision_id", "crossing_id")}
        return about | {"post": entry.post, "channel": body["review"]["channel"]}

    def _show_giving(self, found: StoredRecord) -> Body | None:
        decided = self._last_decision(found.body["crossing_id"], found.entry.seq)
        seen = self._name_decision(decided, "given")
        return None if seen is None else {**seen, "to": found.body["to"]}

    def _show_hit(self, found: StoredRecord) -> Body | None:
        if self.enter(_ENTRY) is None:
            return None
        entries = [
            match["code"]
            for match in found.body["inputs"]["matches"]
            if match["source"] == WATCHLIST
            and self.caller.sees(Matter.WATCHLIST, (match.get("parameters") or {}).get("agency"))
        ]
        seen = self._see_decision(found) if entries else None
        return None if seen is None else seen | {"entries": entries}

    def _show_approval(self, found: StoredRecord) -> Body | None:
        entry, body = found.entry, found.body
        if (waits := APPROVALS.get(entry.kind)) is None:  # of an area that is closed
            return None
        matter, route = waits
        post = body.get("pending_post") if entry.kind == record.SEIZURE else entry.post
        of_area = (one.visible[matter] for one in list_events_of_areas() if matter in one.visible)
        sees = next((partial(one, self) for one in of_area), self._sees)
        if self.enter(route, post) is None or not sees(found):
            return None
        which = {"review": body.get("decision_id"), "find": str(entry.seq)}
        return {"matter": matter, "id": which.get(matter, entry.subject), "step": entry.kind}

    def _show_alarm(self, found: StoredRecord) -> Body | None:
        entry = found.entry
        alarm, *routes = ALARMS[entry.kind]
        if not any(self.enter(route, entry.post) for route in routes) or not self._sees(found):
            return None
        return {"alarm": alarm, "id": entry.subject}

    def enter(self, route: Route, post: str | None = "") -> Caller | None:
        """Return the receiver at a route that is open to it for a post, None where none is."""
        if not self.caller.may(*route):
            return None
        entered = self.caller.enter(*route)
        return entered if not post or entered.reaches(post) else None

    def _sees(self, found: StoredRecord) -> bool:
        entry = found.entry
        sees = RecordFilter(self.connection, self.caller).sees
        return sees(entry.kind, entry.subject, entry.post, body=found.body)

    def _see_decision(self, found: StoredRecord) -> dict[str, Any] | None:
        """Return what the receiver sees of a decision, None where it may not know of it."""
        post = found.entry.post
        if self.enter(_DECISION, post) is None or not self.caller.sees_post(post):
            return None
        is_blind = self.caller.role is Role.CHECKPOINT
        seen = self.service.answers.view_decision(found, is_blind=is_blind)
        return {name: seen[name] for name in DECISION_NAMES if name in seen}

    def _find_alerted(self, seq: int) -> int | None:
        """Return the record of the decision that a late record raised an alert on."""
        query = (
            select(DECISIONS.c.seq)
            .join(ALERTS, ALERTS.c.decision_id == DECISIONS.c.decision_id)
            .where(ALERTS.c.seq == seq, ALERTS.c.code != AGREES)
        )
        return self.connection.scalars(query.limit(1)).first()

    def _last_decision(self, crossing_id: str, before: int) -> int | None:
        about = DECISIONS.c.crossing_id == crossing_id, DECISIONS.c.seq < before
        query = select(DECISIONS.c.seq).where(*about).order_by(DECISIONS.c.seq.desc()).limit(1)
        return self.connection.scalars(query).first()


_BUILDERS: Mapping[str, Callable[[EventBodies, StoredRecord], Body | None]] = {
    "decision.changed": EventBodies._show_change,
    "decision.overridden": EventBodies._show_override,
    "vehicle.given": EventBodies._show_giving,
    "watchlist.hit": EventBodies._show_hit,
    "known_lawful.suspended": EventBodies._show_alarm,
    "approval.waiting": EventBodies._show_approval,
    "alarm.raised": EventBodies._show_alarm,
}


def list_events_of_areas() -> list[AreaEvents]:
    """Return what open areas say of their events."""
    return list_parts("event_bodies")
