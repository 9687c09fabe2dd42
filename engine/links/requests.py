"""Requests between partners: attentions and offers of cases, from their envelopes to their end.

Both sides keep the steps of a request as facts, each with the time at which its side took it, and
read the state from them in that order. So a message that is lost, doubled or late changes nothing
once it has arrived: equal facts are equal states. At any time one side owns a request that has not
ended; each has a deadline, by which it ends on both sides even if nothing gets through.

An attention is owned by the side that is asked: it accepts or declines until ``answer_by``, and
reports until ``until``. A case stays with the side that offers it until the other accepts; the side
that accepted it may return it.

A step of this side is sent with the person who took it. It counts by what this side knows at that
moment, and is recorded once for each claim, in one transaction with what follows from it here. A
step that arrives is taken whatever is known of its request: it counts, or not, by its time. An
envelope that the other side refused, or that was sealed again under a later number, is no step. The
time of a step is that of its envelope, which both sides hold. Rows grant nothing: the content of a
request stands in the record with the row's number.

An accepted attention is a counterpart's notice on the watch list. ``search`` and ``scan`` select
for yellow, and for red once a second person confirms that. ``papers``, ``tell`` and ``do_not_stop``
select nothing: the record of the decision says that the identifier was seen, and people decide. An
entry ends with its request, unless a second person confirmed it: then it is this house's own, and
ends as such an entry does.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Index, Select, String, select, text

from engine.criteria.dual_control import draft_proposal, draft_withdrawal, read_approval_states
from engine.criteria.watchlist import LONGEST_NOTICE_DAYS
from engine.domain.records import Record
from engine.domain.time_units import DAY, micros, rfc3339
from engine.errors import ConflictError, ErasedError, NotFoundError, RecordError
from engine.journal.batch_worker import StoredRecord, read_stored
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.idempotency import IdempotencyClaim, find_answer, find_holders
from engine.journal.power_records import read_record as read_proven_record
from engine.links.area import LINK_RECEIVED, LINK_SENT
from engine.links.envelope import read_envelope
from engine.links.exchange import LinkExchange
from engine.links.inbox import ArrivedMessage
from engine.links.ledger import ENVELOPES
from engine.links.messages import (
    FILE,
    Attention,
    AttentionIdentifier,
    CaseOffer,
    Withdraw,
)
from engine.links.outbox import OutgoingMessage, draft_messages
from engine.links.state import Link, find_link
from engine.storage.database import (
    Int64,
    declare_columns,
    insert_rows,
    record_table,
    split_in_slices,
)

RequestKind = Literal["attention", "case"]
RequestSide = Literal["asker", "receiver"]
RequestState = Literal[
    "open", "accepted", "answered", "declined", "returned", "withdrawn", "expired"
]
RequestStep = Literal["accept", "decline", "report", "return", "withdraw"]


@dataclass(frozen=True, slots=True)
class RequestTransition:
    """Which side takes a step in a state, and the state that follows."""

    side: RequestSide
    target: RequestState


TRANSITIONS: Mapping[tuple[RequestKind, RequestState, RequestStep], RequestTransition] = {
    ("attention", "open", "accept"): RequestTransition("receiver", "accepted"),
    ("attention", "open", "decline"): RequestTransition("receiver", "declined"),
    ("attention", "open", "report"): RequestTransition("receiver", "answered"),
    ("attention", "open", "withdraw"): RequestTransition("asker", "withdrawn"),
    ("attention", "accepted", "report"): RequestTransition("receiver", "answered"),
    ("attention", "accepted", "decline"): RequestTransition("receiver", "declined"),
    ("attention", "accepted", "withdraw"): RequestTransition("asker", "withdrawn"),
    ("case", "open", "accept"): RequestTransition("receiver", "accepted"),
    ("case", "open", "decline"): RequestTransition("receiver", "declined"),
    ("case", "open", "withdraw"): RequestTransition("asker", "withdrawn"),
    ("case", "accepted", "return"): RequestTransition("receiver", "returned"),
}
"""Every step that counts after the first; in any other state a step counts for nothing."""
_WAITING: frozenset[tuple[RequestKind, RequestState]] = frozenset(
    {("attention", "open"), ("attention", "accepted"), ("case", "open")}
)


@dataclass(frozen=True, slots=True, order=True)
class RequestFact:
    """One step as the side that took it recorded it; a fact that arrives twice is one fact."""

    at: int
    """UTC microseconds, by the clock of the side that took it."""
    side: RequestSide
    step: RequestStep


@dataclass(frozen=True, slots=True)
class Request:
    """What a request was opened with; it never changes."""

    name: str
    kind: RequestKind
    asked_at: int
    answer_by: int
    """UTC microseconds: from then on an open one is expired."""
    until: int
    """UTC microseconds: from then on an accepted attention is expired."""

    def __post_init__(self) -> None:
        """Refuse deadlines that lie before the request."""
        if not self.asked_at < self.answer_by <= self.until:
            raise ValueError("asked_at < answer_by <= until is needed")

    def deadline(self, state: RequestState) -> int | None:
        """Return when a state ends by itself, None where it does not."""
        if (self.kind, state) not in _WAITING:
            return None
        return self.answer_by if state == "open" else self.until

    def owner(self, state: RequestState) -> RequestSide | None:
        """Return the side that owns the request, or the case, in a state.

        An attention that has ended has no owner.
        """
        if self.kind == "case":
            return "receiver" if state == "accepted" else "asker"
        return "receiver" if self.is_waiting(state) else None

    def is_waiting(self, state: RequestState) -> bool:
        """Tell whether something is still to come: a state that has a deadline."""
        return (self.kind, state) in _WAITING


def read_state(request: Request, facts: Iterable[RequestFact], *, at: int) -> RequestState:
    """Return the state of a request at UTC microseconds, by the facts that one side knows.

    Facts count in the order in which they were taken, whatever the order in which they came; one
    that its table does not name, or that came after a deadline, counts for nothing.
    """
    state: RequestState = "open"
    for fact in sorted(set(facts)):
        state = _expire(request, state, at=fact.at)
        transition = TRANSITIONS.get((request.kind, state, fact.step))
        if transition is not None and transition.side == fact.side:
            state = transition.target
    return _expire(request, state, at=at)


def _expire(request: Request, state: RequestState, *, at: int) -> RequestState:
    deadline = request.deadline(state)
    return "expired" if deadline is not None and at >= deadline else state


def check_step(
    request: Request,
    facts: Iterable[RequestFact],
    *,
    side: RequestSide,
    step: RequestStep,
    at: int,
) -> RequestFact:
    """Return the fact of a step that a side takes now; raises ``ConflictError``.

    It counts by what that side knows. Where an earlier step of the other side is still on its way,
    both will read the same state when it has arrived.
    """
    state = read_state(request, facts, at=at)
    transition = TRANSITIONS.get((request.kind, state, step))
    if transition is None or transition.side != side:
        why = f"{step} by the {side} does not count while it is {state}"
        raise ConflictError(request.kind, request.name, why)
    return RequestFact(at, side, step)


_NAMES: Mapping[str, str] = {
    "attention": "attention",
    "case": "case",
    "answer": "about",
    "withdraw": "attention",
    "outcome": "outcome_of",
}
"""Kinds of messages that open a request or are a step of one, with the field that names it."""
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
_STEPS: Mapping[str, RequestStep] = {
    "accepted": "accept",
    "declined": "decline",
    "returned": "return",
    "outcome": "report",
    "withdraw": "withdraw",
}
"""Steps by the answer, or by the kind of another message."""
_SIDES: Mapping[str, RequestSide] = {
    **dict.fromkeys(("accept", "decline", "report", "return"), "receiver"),
    "withdraw": "asker",
}
_AT_ONCE = 400


def project_requests(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep the table of steps; runs after that of the envelopes."""
    rows = []
    for entry, sent in list_bodies(entries, LINK_SENT):
        if sent["message"] in _NAMES:
            at = read_envelope(sent["envelope"].encode()).sent_at
            rows.append(_row(entry, "sent", sent["message"], sent["body"], at=at))
    for entry, received in list_bodies(entries, LINK_RECEIVED):
        if received["message"] in _NAMES:
            about = entry, "received", received["message"], received["body"]
            rows.append(_row(*about, at=received["sent_at"]))
    insert_rows(connection, STEPS, rows)


def _row(entry: Entry, direction: str, kind: str, body: Mapping[str, Any], *, at: int) -> Any:
    step = _STEPS.get(body.get("answer", kind), kind)
    times = [body["answer_by"], body.get("until", body["answer_by"])] if "answer_by" in body else ()
    answer_by, until = [micros(datetime.fromisoformat(one)) for one in times] or (0, 0)
    return (entry.seq, entry.subject, body[_NAMES[kind]], step, direction, at, answer_by, until)


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


ENTRY_KINDS: Mapping[AttentionIdentifier, str] = {
    "plate": "plate",
    "trailer_plate": "trailer",
    "vin": "vin",
    "container_number": "container",
    "seal_number": "seal",
    "tir_carnet": "tir_carnet",
    "driver_ref": "driver_ref",
    "carrier_id": "carrier",
    "consignee_id": "consignee",
    "consignor_id": "consignor",
}
"""What the watch list calls each identifier."""


def draft_request_notice(link: Link, attention: Attention, *, by: str, now: int) -> Draft:
    """Return the record that puts an attention onto the watch list, under its own name.

    Why the partner asks is not repeated there: decisions and their readers quote entries.
    """
    expires = min(micros(attention.until), now + LONGEST_NOTICE_DAYS * DAY)
    content = {
        ENTRY_KINDS[attention.identifier]: attention.value,
        "reason": f"{link.agreement.name}: {attention.action}",
        "action": attention.action,
        "expiry": rfc3339(expires),
    }
    name = attention.attention
    return draft_proposal("watchlist", name, by=by, content=content, is_notice=True)


def draft_notice_end(connection: Connection, name: str, *, by: str, why: str) -> list[Draft]:
    """Return the record that takes an attention off the list; none where two people answer for it.

    None either where it never stood there.
    """
    now = read_approval_states(connection, "watchlist", name).get(name)
    if now is None or now.state != "in_force" or not now.is_notice:
        return []
    return [draft_withdrawal("watchlist", now, by=by, why=why)]


LONGEST_DAYS = 30
"""A request is over then: its notice on the other side's watch list could not last longer."""


def open_request(exchange: LinkExchange, name: str, asked: OutgoingMessage) -> StoredRecord:
    """Send a request, an attention or the offer of a case, over a link of this name.

    Raises ``NotFoundError`` for an unknown link, ``ConflictError`` where it is not in force,
    ``RecordError`` where the deadlines or the agreement do not let it travel.
    """

    def find(connection: Connection, now: int) -> Sequence[Draft]:
        message = asked.message
        check_deadlines(message, now=now)
        link = find_link(exchange.read_links(connection), name)
        if isinstance(message, CaseOffer) and message.files:
            _check_files(link)
        return draft_messages(connection, now, link, keys=exchange.keys, messages=[asked])

    return _record_once(exchange, asked.claim, find)


def take_step(exchange: LinkExchange, name: str, sent: OutgoingMessage) -> StoredRecord:
    """Send a step of a request: an answer, a report or a withdrawal.

    Raises ``NotFoundError`` for an unknown request, ``ConflictError`` where the step does not count
    or the link is not in force, ``RecordError`` where the agreement keeps it here.
    """

    def find(connection: Connection, now: int) -> Sequence[Draft]:
        held, step = (
            find_request(connection, name),
            _STEPS[getattr(sent.message, "answer", sent.kind)],
        )
        check_step(held.request, held.facts, side=held.side, step=step, at=now)
        link = find_link(exchange.read_links(connection), held.link)
        drafts = draft_messages(connection, now, link, keys=exchange.keys, messages=[sent])
        if held.request.kind == "attention" and not held.is_ours:
            drafts += _draft_effects(connection, now, link, held=held, step=step, by=sent.by)
        return drafts

    return _record_once(exchange, sent.claim, find)


def _record_once(
    exchange: LinkExchange,
    claim: IdempotencyClaim | None,
    find: Callable[[Connection, int], Sequence[Draft]],
) -> StoredRecord:
    known: list[int] = []

    def find_once(connection: Connection, now: int) -> Sequence[Draft]:
        if claim is not None:
            seq = find_answer(claim, find_holders(connection, claim.names))
            if seq is not None:
                known.append(seq)
                return []
        return find(connection, now)

    entries = exchange.journal.append_found(find_once)
    seq = known[0] if known else entries[0].seq
    with exchange.store.read() as connection:
        return read_stored(connection, exchange.journal, seq)


def _check_files(link: Link) -> None:
    """Refuse files that the agreement does not let travel: they would be left out unsaid."""
    rule = link.agreement.rule("case", link.us)
    is_agreed = rule is not None and "files.digest" in rule.fields
    if not is_agreed or link.agreement.rule(FILE, link.us) is None:
        why = "the agreement does not let files travel"
        raise RecordError("case", "files", "kind_not_agreed", why)


def check_deadlines(message: Record, *, now: int) -> None:
    """Refuse deadlines that lie behind, in the wrong order or too far ahead."""
    match message:
        case Attention(answer_by=due, until=end):
            kind, last = "attention", "until"
        case CaseOffer(answer_by=due):
            kind, last, end = "case", "answer_by", due
        case _:
            raise ValueError("opens no request")
    answer_by, until = micros(due), micros(end)
    if answer_by <= now:
        raise RecordError(kind, "answer_by", "deadline", "must lie ahead")
    if until < answer_by:
        raise RecordError(kind, "until", "deadline", "must not lie before answer_by")
    if until > now + LONGEST_DAYS * DAY:
        raise RecordError(kind, last, "deadline", f"at most {LONGEST_DAYS} days ahead")


def _draft_effects(
    connection: Connection, now: int, link: Link, *, held: HeldRequest, step: RequestStep, by: str
) -> list[Draft[Any]]:
    """Return what a step of the side that is asked changes on its watch list."""
    if step != "accept":
        return draft_notice_end(connection, held.opened.name, by=by, why=step)
    record = read_proven_record(connection, held.opened.seq)
    if record is None or record.body is None:
        raise ErasedError("request", held.opened.name)
    attention = Attention.model_validate(record.body["body"], strict=False)
    return [draft_request_notice(link, attention, by=by, now=now)]


def take_request(connection: Connection, arrived: ArrivedMessage) -> Sequence[Draft[Any]]:
    """Refuse a request by the name of another, or one that ends before it is to be answered.

    Nothing else follows from it.
    """
    message = arrived.message
    if isinstance(message, Attention):
        _check_name(connection, arrived, "attention", message.attention)
    if isinstance(message, CaseOffer):
        _check_name(connection, arrived, "case", message.case)
    if isinstance(message, Attention) and micros(message.until) < micros(message.answer_by):
        why = "must not lie before answer_by"
        raise RecordError("attention", "until", "deadline", why)
    return ()


def _check_name(connection: Connection, arrived: ArrivedMessage, kind: str, name: str) -> None:
    """Refuse the name of what is not of this link: steps by it would be about that, too."""
    held = list_holders(connection, name)
    if not held and read_approval_states(connection, "watchlist", name):
        held = {("", "")}
    if held - {(arrived.link.name, "received")}:
        raise RecordError(kind, kind, "name_taken", "is the name of something else here")


def take_withdrawal(connection: Connection, arrived: ArrivedMessage) -> Sequence[Draft[Any]]:
    """Return the record that takes the notice of an accepted attention off the watch list."""
    message, link = arrived.message, arrived.link
    if not isinstance(message, Withdraw):
        return ()
    try:
        held = find_request(connection, message.attention, link=link.name)
    except NotFoundError:
        return ()
    if held.is_ours or held.state(arrived.now) != "accepted":
        return ()
    by = f"{link.agreement.name}:{link.them.name}"
    return draft_notice_end(connection, held.opened.name, by=by, why="withdraw")
