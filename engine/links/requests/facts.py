"""Steps of requests as a table made from the envelopes, and requests read from them.

An envelope that the other side refused, or that was sealed again under a later number, is no step:
the other side does not know of it. The time of a step is that of its envelope, which both sides
hold. Rows grant nothing: what a request asks stands in the record with the row's number.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Index, Select, String, select, text

from engine.domain.time_units import micros
from engine.errors import NotFoundError
from engine.journal.entries import Draft, Entry, list_bodies
from engine.links.area import LINK_RECEIVED, LINK_SENT
from engine.links.envelope import read_envelope
from engine.links.ledger import ENVELOPES
from engine.links.requests.transitions import (
    Request,
    RequestFact,
    RequestKind,
    RequestSide,
    RequestState,
    RequestStep,
    read_state,
)
from engine.storage.database import (
    Int64,
    declare_columns,
    insert_rows,
    record_table,
    split_in_slices,
)

_NAMES: Mapping[str, str] = {
    "attention": "attention",
    "case": "case",
    "answer": "about",
    "withdraw": "attention",
    "outcome": "outcome_of",
}
"""Kinds of messages that open a request or are a step of one, with the field that names it."""
_MESSAGES = {"outcome": "report"}
STEPS = record_table(
    "request_steps",
    *declare_columns(String, "link", "name", "step", "direction"),
    *declare_columns(Int64, "at", "answer_by", "until"),
    Index("request_steps_name_ix", "name"),
)
"""``step`` is the kind of a request for the envelope that opens it. Times are UTC microseconds;
``answer_by`` and ``until`` are 0 for a step."""
_S = STEPS.c
_OPENED = "step IN ('attention', 'case')"
Index(
    "request_steps_opened_ix",
    STEPS.c.seq,
    sqlite_where=text(_OPENED),
    postgresql_where=text(_OPENED),
)
_ANSWERED: Mapping[str, RequestStep] = {
    "accepted": "accept",
    "declined": "decline",
    "returned": "return",
}
_SIDES: Mapping[str, RequestSide] = {
    **dict.fromkeys(("accept", "decline", "report", "return"), "receiver"),
    "withdraw": "asker",
}
_AT_ONCE = 400


class RequestProjection:
    """Keeps the table of steps; runs after that of the envelopes."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Write the steps among these records."""
        rows = []
        for entry, sent in list_bodies(entries, LINK_SENT):
            if sent["message"] in _NAMES:
                at = read_envelope(sent["envelope"].encode()).head.sent_at
                rows.append(_row(entry, "sent", sent["message"], sent["body"], at=at))
        for entry, received in list_bodies(entries, LINK_RECEIVED):
            if received["message"] in _NAMES:
                about = entry, "received", received["message"], received["body"]
                rows.append(_row(*about, at=received["sent_at"]))
        insert_rows(connection, STEPS, rows)


def _row(entry: Entry, direction: str, kind: str, body: Mapping[str, Any], *, at: int) -> Any:
    step = _ANSWERED[body["answer"]] if kind == "answer" else _MESSAGES.get(kind, kind)
    answer_by = until = 0
    if "answer_by" in body:
        answer_by = _to_micros(body["answer_by"])
        until = _to_micros(body.get("until", body["answer_by"]))
    return (entry.seq, entry.subject, body[_NAMES[kind]], step, direction, at, answer_by, until)


def _to_micros(value: str) -> int:
    return micros(datetime.fromisoformat(value))


Delivery = Literal["waiting", "taken", "refused"]
"""Of our own envelope: no receipt yet, taken, or refused by the other side."""


@dataclass(frozen=True, slots=True)
class StepRow:
    """One envelope that opens a request, or is a step of one."""

    seq: int
    link: str
    name: str
    step: str
    direction: Literal["sent", "received"]
    at: int
    answer_by: int
    until: int
    status: Delivery
    rule: str


@dataclass(frozen=True, slots=True)
class HeldRequest:
    """A request as this side holds it."""

    link: str
    opened: StepRow
    steps: tuple[StepRow, ...]
    """Steps that count or not, of either side, in the order of their records."""

    @property
    def is_ours(self) -> bool:
        """Whether this side asks."""
        return self.opened.direction == "sent"

    @property
    def side(self) -> RequestSide:
        """Which side this is."""
        return "asker" if self.is_ours else "receiver"

    @property
    def request(self) -> Request:
        """What it was opened with; one whose deadline lies before it is expired from the start."""
        row = self.opened
        kind: RequestKind = "attention" if row.step == "attention" else "case"
        asked_at = min(row.at, row.answer_by - 1)
        return Request(row.name, kind, asked_at, row.answer_by, row.until)

    @property
    def facts(self) -> list[RequestFact]:
        """The steps of both sides; one of the wrong side is none."""
        return [
            RequestFact(row.at, _SIDES[row.step], row.step)  # type: ignore[arg-type]
            for row in self.steps
            if (row.direction == self.opened.direction) == (_SIDES[row.step] == "asker")
        ]

    def state(self, at: int) -> RequestState:
        """Return its state at an instant, UTC microseconds."""
        return read_state(self.request, self.facts, at=at)


def _select_rows() -> Select[Any]:
    columns = ENVELOPES.c
    return (
        select(*_S, columns.status, columns.rule)
        .join(ENVELOPES, columns.seq == _S.seq)
        .where(columns.status.in_((*get_args(Delivery),)))
        .order_by(_S.seq)
    )


def list_requests(
    connection: Connection, *, most: int, ends_after: int | None = None
) -> list[HeldRequest]:
    """Return requests of either side, the newest first; with ``ends_after`` those that end later.

    ``ends_after`` is in UTC microseconds.
    """
    query = _select_rows().where(text(_OPENED)).order_by(None).order_by(_S.seq.desc()).limit(most)
    if ends_after is not None:
        query = query.where(_S.until > ends_after)
    return _complete(connection, [StepRow(*row) for row in connection.execute(query)])


def find_request(connection: Connection, name: str, *, link: str | None = None) -> HeldRequest:
    """Return the request of a name, of one link if it is given; raises ``NotFoundError``.

    A name that was given twice is that of the first.
    """
    query = _select_rows().where(text(_OPENED), _S.name == name)
    if link is not None:
        query = query.where(_S.link == link)
    row = connection.execute(query.limit(1)).first()
    if row is None:
        raise NotFoundError("request", name)
    return _complete(connection, [StepRow(*row)])[0]


def list_holders(connection: Connection, name: str) -> set[tuple[str, str]]:
    """Return the link and the direction of each request of a name."""
    query = select(_S.link, _S.direction).where(text(_OPENED), _S.name == name)
    return {(link, direction) for link, direction in connection.execute(query)}


def _complete(connection: Connection, opened: Sequence[StepRow]) -> list[HeldRequest]:
    names = sorted({row.name for row in opened})
    steps: defaultdict[tuple[str, str], list[StepRow]] = defaultdict(list)
    for some in split_in_slices(names, _AT_ONCE):
        query = _select_rows().where(_S.name.in_(some), _S.step.in_(_SIDES))
        for row in (StepRow(*found) for found in connection.execute(query)):
            if row.status != "refused":
                steps[row.link, row.name].append(row)
    return [HeldRequest(one.link, one, tuple(steps[one.link, one.name])) for one in opened]
