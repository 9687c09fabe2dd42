"""Journal records and draws, as an integrity officer reads them.

The role lists records: numbers, times, kinds and leaves. The opening of a body is recorded first,
with the reader's name, so that reading is as accountable as writing. A check of the journal is a
record too: who made it, when, and what it found. A check of the whole journal also replays it and
compares the tables, except for the counters, whose history only a command reads. The check runs on
the machine that it checks, with what the service has; receipts kept elsewhere do not depend on it.

Draws of a shift are repeated from its revealed seed: HMAC-SHA-256 over purpose and movement
(:mod:`engine.selection`). A seed that is still secret is not read here at all.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from api.auth.callers import Caller
from api.http.access import RecordFilter
from api.http.answers import Answer, Time, reader
from api.service.executors import CHECKS, run_apart
from api.service.runtime import Runtime
from engine.audit.verification import RevealedShift, redraw_numbers
from engine.domain.network import ShiftPeriod
from engine.domain.records import Record
from engine.domain.rights import Matter
from engine.domain.time_units import micros, rfc3339
from engine.errors import NotFoundError
from engine.journal.areas import list_rules
from engine.journal.batch_worker import StoredRecord, read_stored
from engine.journal.entries import Entry, JournalFault
from engine.journal.idempotency import claim
from engine.journal.journal import BODIES, JOURNAL, JournalReader
from engine.journal.kinds import (
    JOURNAL_VERIFIED,
    SENSITIVE_READ,
    JournalFindings,
    SensitiveReadBody,
    VerifiedBody,
)
from engine.journal.receipts import Receipt
from engine.selection import commitment
from engine.shifts.shift_state import SHIFTS
from engine.storage.database import at_posts


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHead(Answer):
    """The last record of the journal."""

    sequence: int
    known_at: Time
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRecord(Answer):
    """A record without its body."""

    sequence: int
    known_at: Time
    kind: str
    subject: str
    post: str
    leaf: str
    chain: str
    has_body: bool
    """False where it was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalCheck(Answer):
    """What a check of the journal found; itself a record."""

    by: str
    after: int
    """Records up to this one were believed as they stand; 0: the whole journal was walked."""
    upto: int
    checked: int
    drawn: int
    """Decisions whose numbers were drawn again."""
    compared: int
    """Rows of tables compared with what a replay of the journal makes; 0: not replayed."""
    erased: int
    """Bodies that are gone because a signed erasure names them."""
    found: int
    """Faults in all."""
    faults: list[JournalFault]
    """The first twenty."""
    recorded_at: Time
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitiveRead(Answer):
    """Who opened which record, or which ones a look showed: a search, or the page of a party."""

    read_at: Time
    by: str
    role: str
    sequence: int
    kind: str
    found: list[int] | None = None
    """Records that a look showed."""
    purpose: str | None = None
    """Of a look, where one was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalPage(Answer):
    """Records, the newest first."""

    tables = ("records", "reads")
    journal_id: str
    head: JournalHead
    synthetic: bool
    records: list[ListedRecord]
    next_before: int | None
    """Ask ``before`` this one for older records; null where there are none."""
    verified: JournalCheck | None
    """The last check that was made from the service; null where none was."""
    reads: list[SensitiveRead]
    """Who opened records, the last twenty times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRecord(Answer):
    """A record with its body; that it was opened is a record too."""

    sequence: int
    known_at: Time
    kind: str
    subject: str
    post: str
    body: dict[str, Any] | None
    """Null where it was erased."""
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedShift(Answer):
    """A shift, what it committed to as it opened, and its seed once that is revealed."""

    shift: str
    opens_at: Time
    closes_at: Time
    commitment: str
    head_sequence: int
    opened_sequence: int
    revealed_sequence: int | None
    seed: str | None
    commitment_holds: bool | None
    """Null while the seed is secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberAgain(Answer):
    """A number that decided about chance, as recorded and drawn again."""

    purpose: str
    recorded: float
    again: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionAgain(Answer):
    """A decision's numbers."""

    decision_id: str
    sequence: int
    numbers: list[NumberAgain]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftAgain(Answer):
    """A shift's decisions, drawn again."""

    shift: str
    decisions: int
    numbers: int
    equal: int
    is_bounded: bool
    """There are more decisions: ``darvoza verify`` draws all."""
    rows: list[DecisionAgain]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostDraws(Answer):
    """A post's last shifts, one of them drawn again."""

    tables = ("shifts", "shown.rows")
    post: str
    as_of: Time
    synthetic: bool
    shifts: list[CommittedShift]
    shown: ShiftAgain | None
    """Null while no seed is revealed."""


MOST_WALKED = 50_000
"""Records that a check from a page walks; of a longer journal the last of them."""
MOST_READS = 20
"""Readings of bodies that are listed, the last of them; all are records of their kind."""
_J = JOURNAL.c
_COLUMNS = (_J.seq, _J.known_at, _J.kind, _J.subject, _J.post, _J.leaf, _J.chain)


@dataclass(frozen=True, slots=True)
class JournalFilter:
    """Which records a list holds; what is empty or None asks for nothing."""

    kind: str = ""
    post: str = ""
    until: date | None = None
    """The last day, by UTC."""
    before: int | None = None
    person: str = ""
    """Who acted, as the record's body names them."""


MOST_LOOKED_THROUGH = 2_000
"""Records among which one page looks for those of a person."""


def list_records(
    service: Runtime, caller: Caller, wanted: JournalFilter, *, most: int
) -> JournalPage:
    """Return records without their bodies, the newest first.

    Those of a person are looked for among ``MOST_LOOKED_THROUGH``; ``next_before`` leads on.
    """
    read = MOST_LOOKED_THROUGH if wanted.person else most
    with service.store.read() as snapshot:
        head = service.journal.head(snapshot)
        query = select(*_COLUMNS, BODIES.c.seq.is_not(None).label("has_body"))
        query = query.outerjoin(BODIES, BODIES.c.seq == _J.seq).order_by(_J.seq.desc())
        if wanted.kind:
            query = query.where(_J.kind == wanted.kind)
        if wanted.post:
            query = query.where(_J.post == wanted.post)
        if wanted.until is not None:
            end = datetime.combine(wanted.until + timedelta(days=1), time(), tzinfo=UTC)
            query = query.where(_J.known_at < micros(end))
        if wanted.before is not None:
            query = query.where(_J.seq < wanted.before)
        query = query.where(*at_posts(_J.post, caller.post, caller.hidden_posts))
        rows = snapshot.execute(query.limit(read + 1)).all()
        checked, reads = _last_check(snapshot, service), _reads(snapshot, caller)
        found = _list_acted(snapshot, rows[:read], wanted.person) if wanted.person else rows[:read]
        shown = found[:most]
        last = (
            found[most - 1].seq
            if len(found) > most
            else rows[read - 1].seq
            if rows[read:]
            else None
        )
        seen = _select_visible(snapshot, caller, shown)
    return JournalPage(
        journal_id=head.journal_id,
        head=JournalHead(
            sequence=head.seq, known_at=rfc3339(head.known_at), chain=head.chain.hex()
        ),
        synthetic=service.network.synthetic,
        records=[_list_record(row) for row in shown if row.seq in seen],
        next_before=last,
        verified=checked,
        reads=reads,
    )


def _list_acted(snapshot: Connection, rows: Sequence[Row[Any]], person: str) -> Sequence[Row[Any]]:
    """Return the records whose bodies say that a person acted."""
    bodies = JournalReader(snapshot).bodies([row.seq for row in rows])
    return [row for row in rows if bodies.get(row.seq, {}).get("by") == person]


def _select_visible(
    snapshot: Connection, caller: Caller, rows: Sequence[Row[Any]]
) -> frozenset[int]:
    """Return the numbers of the records that hold no row hidden from the caller."""
    rules = list_rules()
    owned = [row.seq for row in rows if row.kind in rules and rules[row.kind].is_read_whole]
    if all(caller.sees_all(matter) for matter in Matter):
        return frozenset(row.seq for row in rows)
    bodies, whole = JournalReader(snapshot).bodies(owned), RecordFilter(snapshot, caller)
    return frozenset(
        row.seq
        for row in rows
        if whole.sees(row.kind, row.subject, row.post, body=bodies.get(row.seq))
    )


def open_record(service: Runtime, caller: Caller, seq: int) -> OpenedRecord:
    """Return a record with its body, once it is recorded who opens it; raises ``NotFoundError``."""
    entry = _reachable(service, caller, seq)
    fields: SensitiveReadBody
    fields = {"by": caller.person, "role": caller.role.value, "sequence": seq, "kind": entry.kind}
    service.writer.submit(SENSITIVE_READ.draft(str(seq), fields, post=entry.post)).result()
    with service.store.read() as snapshot:
        try:
            body = service.journal.body(snapshot, seq)
        except NotFoundError:
            body = None  # erased
    return OpenedRecord(
        sequence=entry.seq,
        known_at=rfc3339(entry.known_at),
        kind=entry.kind,
        subject=entry.subject,
        post=entry.post,
        body=body,
        receipt=service.signer.sign(entry),
    )


def verify_journal(service: Runtime, caller: Caller, key: str | None = None) -> JournalCheck:
    """Check the journal in a process of its own, record what was found, and return it.

    ``key`` is the sender's idempotency key: one check for each. Raises ``BusyError`` where another
    check is under way for any worker of the service.
    """
    name = f"{JOURNAL_VERIFIED}:{secrets.token_hex(12)}"
    asked = claim(JOURNAL_VERIFIED, Record(), post="", name=name, key=caller.own(key))
    if (known := service.recording.before(asked)) is not None:
        return _read_check(known)
    given = str(MOST_WALKED).encode()
    found: JournalFindings
    found = json.loads(run_apart(service.home, CHECKS, "api.audit.home_verification:check", given))
    fields: VerifiedBody = {"claim": asked.as_dict(), "by": caller.person, **found}
    draft = JOURNAL_VERIFIED.draft(str(found["upto"]), fields)
    return _read_check(service.recording.once(asked, lambda _: draft))


def _read_check(found: StoredRecord) -> JournalCheck:
    about = {"recorded_at": rfc3339(found.entry.known_at), "sequence": found.entry.seq}
    check: JournalCheck = reader(JournalCheck).validate_python({**found.body, **about})
    return check


def _reachable(service: Runtime, caller: Caller, seq: int) -> Entry:
    with service.store.read() as snapshot:
        entry = service.journal.entry(snapshot, seq)
        body = JournalReader(snapshot).bodies([seq]).get(seq)
        is_whole = RecordFilter(snapshot, caller).sees(
            entry.kind, entry.subject, entry.post, body=body
        )
    if caller.post is not None and entry.post != caller.post:
        raise NotFoundError("record", str(seq))
    if entry.post in caller.hidden_posts or not is_whole:
        raise NotFoundError("record", str(seq))
    return entry


def _list_record(row: Row[Any]) -> ListedRecord:
    return ListedRecord(
        sequence=row.seq,
        known_at=rfc3339(row.known_at),
        kind=row.kind,
        subject=row.subject,
        post=row.post,
        leaf=bytes(row.leaf).hex(),
        chain=bytes(row.chain).hex(),
        has_body=row.has_body,
    )


def _reads(snapshot: Connection, caller: Caller) -> list[SensitiveRead]:
    of_post = at_posts(_J.post, caller.post, caller.hidden_posts)
    reads = JournalReader(snapshot).records(SENSITIVE_READ, where=of_post, newest=MOST_READS)
    at = [{"read_at": rfc3339(one.known_at)} | one.body for one in reads]
    return [reader(SensitiveRead).validate_python(one) for one in at]


def _last_check(snapshot: Connection, service: Runtime) -> JournalCheck | None:
    query = select(_J.seq).where(_J.kind == JOURNAL_VERIFIED).order_by(_J.seq.desc()).limit(1)
    seq = snapshot.scalar(query)
    return None if seq is None else _read_check(read_stored(snapshot, service.journal, seq))


MOST_SHIFTS = 14
MOST_DECISIONS = 500
"""Decisions of a shift that are drawn again for a page; ``darvoza verify`` draws all."""
_S = SHIFTS.c


def draws(service: Runtime, post: str, shift_id: str | None) -> PostDraws:
    """Return a post's last shifts, and one of them drawn again: the last revealed, or this one."""
    with service.store.read() as snapshot:
        as_of = service.journal.head(snapshot).as_of
        query = select(_S.shift_id, _S.opened_seq, _S.closed_seq).where(_S.post == post)
        rows = snapshot.execute(query.order_by(_S.closes_at.desc()).limit(MOST_SHIFTS)).all()
        shifts = [_shift(snapshot, row.opened_seq, row.closed_seq) for row in rows]
        revealed = [one for one in shifts if one.seed is not None]
        if shift_id is not None:
            revealed = [one for one in revealed if one.shift == shift_id]
            if not revealed:
                raise NotFoundError("shift", shift_id)
        shown = _redraw_numbers(snapshot, post, revealed[0]) if revealed else None
    return PostDraws(
        post=post,
        as_of=rfc3339(as_of),
        synthetic=service.network.synthetic,
        shifts=shifts,
        shown=shown,
    )


def _shift(snapshot: Connection, opened: int, closed: int | None) -> CommittedShift:
    body = JournalReader(snapshot).body(opened)
    seed = None if closed is None else str(JournalReader(snapshot).body(closed)["seed"])
    head = bytes.fromhex(body["head_chain"])
    holds = None if seed is None else commitment(bytes.fromhex(seed), head) == body["commitment"]
    return CommittedShift(
        shift=body["shift"],
        opens_at=body["opens_at"],
        closes_at=body["closes_at"],
        commitment=body["commitment"],
        head_sequence=body["head_sequence"],
        opened_sequence=opened,
        revealed_sequence=closed,
        seed=seed,
        commitment_holds=holds,
    )


def _redraw_numbers(snapshot: Connection, post: str, one: CommittedShift) -> ShiftAgain:
    times = (micros(datetime.fromisoformat(at)) for at in (one.opens_at, one.closes_at))
    known = RevealedShift(ShiftPeriod(post, *times), bytes.fromhex(one.seed or ""))
    rows = [
        DecisionAgain(
            decision_id=each.decision_id,
            sequence=each.seq,
            numbers=[
                NumberAgain(purpose=name, recorded=number, again=(each.again or {}).get(name))
                for name, number in each.recorded.items()
            ],
        )
        for each in redraw_numbers(snapshot, known, most=MOST_DECISIONS)
    ]
    numbers = [number for row in rows for number in row.numbers]
    return ShiftAgain(
        shift=one.shift,
        decisions=len(rows),
        numbers=len(numbers),
        equal=sum(number.recorded == number.again for number in numbers),
        is_bounded=len(rows) == MOST_DECISIONS,
        rows=rows,
    )
