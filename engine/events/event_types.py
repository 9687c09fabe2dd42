"""Events that a record of the journal stands for, by its kind.

An event names its record and holds nothing of it: what its receiver may see of the record is
decided when it is sent.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from engine.criteria.match import WATCHLIST
from engine.journal import kinds as record

EventType = Literal[
    "decision.changed",
    "decision.overridden",
    "watchlist.hit",
    "approval.waiting",
    "alarm.raised",
    "case.changed",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
UNCOUNTED: tuple[EventType, ...] = ("watchlist.hit", "approval.waiting", "case.changed")
"""Left out of public figures: one more between two vehicles would tell a checkpoint that the list
names the one before it, that an override of it waits for a second person, or that another agency
works on a case."""
AGREED_TO = frozenset({"custody", "controlled_delivery"})
"""Events of a case that a second person agrees to; cases lie above events, and a test holds that
both say the same."""
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One event; events of one subject are delivered in the order of their records."""

    type: EventType
    subject: str

    @property
    def subject_key(self) -> int:
        """Digest of the subject, 63 bits: the outbox keeps no identifier of a vehicle."""
        digest = hashlib.blake2b(self.subject.encode("utf-8", "surrogatepass"), digest_size=8)
        return int.from_bytes(digest.digest(), "big") >> 1


def list_events(kind: str, subject: str, body: Body) -> list[Event]:
    """Return the events of one record; most records have none."""
    find = _FINDERS.get(kind)
    return [] if find is None else list(find(subject, body))


def crossing_event(crossing_id: str) -> Event:
    """Return that the decision on a crossing changed."""
    return Event("decision.changed", f"crossing:{crossing_id}")


def _of_decision(_subject: str, body: Body) -> Iterator[Event]:
    inputs = body["inputs"]
    if inputs["amends"] is not None:
        yield crossing_event(body["crossing_id"])
    if any(match["source"] == WATCHLIST for match in inputs["matches"]):
        yield Event("watchlist.hit", f"crossing:{body['crossing_id']}")


def _of_departure(_subject: str, body: Body) -> Iterator[Event]:
    yield crossing_event(body["crossing_id"])


def _of_review(_subject: str, body: Body) -> Iterator[Event]:
    if body["review"]["verdict"] != "override":
        return
    about = f"crossing:{body['crossing_id']}"
    waits = body.get("needs_second_person")
    yield Event("approval.waiting" if waits else "decision.overridden", about)


def _of_proposal(matter: str) -> Callable[[str, Body], Iterator[Event]]:
    def find(subject: str, _body: Body) -> Iterator[Event]:
        yield Event("approval.waiting", f"{matter}:{subject}")

    return find


def _of_seizure(subject: str, body: Body) -> Iterator[Event]:
    if body.get("pending_crossing_id") is not None:
        yield Event("approval.waiting", f"find:{subject}")


def _of_opened_case(subject: str, _body: Body) -> Iterator[Event]:
    yield Event("case.changed", f"case:{subject}")


def _of_case(subject: str, body: Body) -> Iterator[Event]:
    """Yield that a case goes on, and that one of its steps waits for a second person."""
    yield Event("case.changed", f"case:{subject}")
    if body["event"]["kind"] in AGREED_TO:
        yield Event("approval.waiting", f"case:{subject}")


def _of_drift(subject: str, body: Body) -> Iterator[Event]:
    """Yield an alarm where searches no longer find what the model states."""
    overall = body["figures"].get("all") or {}
    if any((overall.get(stream) or {}).get("alarmed") for stream in ("picked", "random")):
        yield Event("alarm.raised", f"drift:{subject}")


def _of_account(subject: str, body: Body) -> Iterator[Event]:
    """Yield an alarm where one account of the machine did what takes two administrators."""
    if body.get("on_machine"):
        yield Event("alarm.raised", f"account:{subject}")


def _of_fault(subject: str, _body: Body) -> Iterator[Event]:
    yield Event("alarm.raised", f"fault:{subject}")


_FINDERS: Mapping[str, Callable[[str, Body], Iterator[Event]]] = {
    record.DECISION: _of_decision,
    record.RELEASE: _of_departure,
    record.QUEUE_EXPIRED: _of_departure,
    record.REVIEW: _of_review,
    record.SEIZURE: _of_seizure,
    record.CASE_OPENED: _of_opened_case,
    record.CASE_EVENT: _of_case,
    record.DRIFT_MEASURED: _of_drift,
    **dict.fromkeys(
        (record.PROFILE_FAILED, record.WEBHOOK_DISABLED, record.LINK_STOPPED), _of_fault
    ),
    **dict.fromkeys(
        (record.USER_CREATED, record.USER_LEFT, record.PASSWORD_CHANGED, record.KEY_CREATED),
        _of_account,
    ),
    **dict.fromkeys((record.PROFILE_PROPOSED, record.PROFILE_LEAVING), _of_proposal("profile")),
    **dict.fromkeys(
        (record.WATCHLIST_PROPOSED, record.WATCHLIST_NOTICED, record.WATCHLIST_LEAVING),
        _of_proposal("watchlist"),
    ),
    record.MODEL_SHADOWED: _of_proposal("model"),
    record.AGENCIES_PROPOSED: _of_proposal("agencies"),
    record.ERASURE_PROPOSED: _of_proposal("erasure"),
    record.OIDC_PROPOSED: _of_proposal("oidc"),
    record.ACCOUNT_PROPOSED: _of_proposal("account"),
    record.LINK_PROPOSED: _of_proposal("link"),
    record.LINK_RESUMPTION_PROPOSED: _of_proposal("link_resumption"),
}
