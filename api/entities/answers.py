"""Answer about a vehicle or a party: its passages, finds, entries, cases and company.

As of now, or as of a decision or a time: what became known later is then left out. The roles and
agencies of the caller decide what is shown, as on the pages that the rows lead to.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from api.areas import find_part
from api.auth.callers import Caller
from api.entities.looks import Purpose, record_look
from api.entities.passages import (
    IDENTIFIERS_OF,
    Entity,
    EntityKind,
    Found,
    Passage,
    PassageReader,
)
from api.http.answers import Answer, Time
from api.service.runtime import Runtime
from engine.criteria.dual_control import ApprovalState, replay_records
from engine.criteria.watchlist import is_selecting, read_expiry
from engine.domain.identifiers import fold
from engine.domain.rights import Matter
from engine.domain.time_units import NEVER, micros, rfc3339
from engine.errors import NotFoundError, RecordError
from engine.journal.areas import kinds_of
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.power_records import read_records
from engine.queue.corrections import Corrections
from engine.queue.identifier_index import IdentifierKind, RecordSort, find_records
from engine.queue.queue import DECISIONS
from features.online.loaded_parties import PartyRole

FOLLOWED = 200
"""Passages, the last of them, of which company is counted and finds are looked for."""
MOST_LISTED = 50
"""Finds, entries, cases and declarations ahead that are listed at most."""
MOST_AT_ONCE = 20
"""Passages of one party that may become known at one time."""
SHORTEST = 2
"""Characters of the shortest name, folded."""
_D, _J = DECISIONS.c, JOURNAL.c


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageView(Answer):
    """One passage of a vehicle or a party."""

    crossing_id: str
    post: str
    direction: str
    arrived_at: Time
    source: Literal["decided", "recorded", "loaded"]
    """Decided on here, recorded without a decision, or from the loaded history."""
    link: str | None
    """The link by which a partner told of it, where nothing else did."""
    decision_id: str | None
    roles: list[PartyRole]
    """As what it took part."""
    plate: str | None
    found: Found | None
    """What searches of it found; null where none is known or its acts are hidden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanionView(Answer):
    """A vehicle or a party that took part in the same passages."""

    kind: EntityKind
    value: str
    roles: list[PartyRole]
    passages: int
    """Together, of those that were followed."""
    first: Time
    last: Time
    finds: int
    """Passages together in which something was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindView(Answer):
    """Goods found in a passage, or taken with the plate named."""

    seizure_id: str
    crossing_id: str | None
    post: str
    at: Time
    goods_class: str
    amount: float | None
    unit: str
    place: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView(Answer):
    """An entry that names it."""

    entry_id: str
    matter: Literal["watchlist", "known_lawful"]
    state: str
    is_notice: bool
    reason: str
    proposed_at: Time
    expiry: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAbout(Answer):
    """A case about a find in one of its passages."""

    case_id: str
    post: str
    state: str
    summary: str
    opened_at: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredView(Answer):
    """A declaration ahead that names it."""

    declaration_id: str
    version: int
    post: str | None
    lodged_at: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityView(Answer):
    """What is known of a vehicle or a party."""

    tables = ("passages", "companions", "finds", "entries", "cases", "declarations")
    kind: EntityKind
    value: str
    as_of: Time
    is_now: bool
    """False where it is shown as of a decision or a time."""
    synthetic: bool
    total: int
    """Passages that the caller may see."""
    is_total_exact: bool
    """False where there are more than were counted."""
    followed: int
    """Passages, the last of them, from which company and finds are taken."""
    passages: list[PassageView]
    next_before: int | None
    """For ``before``, to read on; null at the end."""
    companions: list[CompanionView]
    finds: list[FindView]
    entries: list[EntryView]
    cases: list[CaseAbout]
    declarations: list[DeclaredView]


@dataclass(frozen=True, slots=True)
class AskedTime:
    """As of when something is asked."""

    before: int
    """Nothing known at or after it is shown; ``NEVER`` for now."""
    shown: int

    @property
    def is_now(self) -> bool:
        """Tell whether nothing is left out."""
        return self.before == NEVER


def read_time(service: Runtime, snapshot: Connection, caller: Caller, asked: str) -> AskedTime:
    """Return the time that a decision's number or a time says; now without one.

    Raises ``NotFoundError`` for a decision that the caller does not see, ``RecordError`` for a text
    that is neither.
    """
    if not asked:
        return AskedTime(NEVER, service.journal.now(snapshot))
    query = select(_D.seq, _D.post).where(_D.decision_id == asked)
    decision = snapshot.execute(query).one_or_none()
    if decision is not None:
        if not caller.sees_post(decision.post):
            raise NotFoundError("decision", asked)
        at: int = service.journal.body(snapshot, decision.seq)["inputs"]["as_of"]
        return AskedTime(at, at)
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(asked)
        if moment.tzinfo is not None:
            return AskedTime(micros(moment), micros(moment))
    raise RecordError(
        "query", "as_of", "as_of", "the number of a decision, or a time with its zone"
    )


@dataclass(frozen=True, slots=True)
class AskedPage:
    """Which passages are listed."""

    before: int | None = None
    most: int = MOST_LISTED


def describe_entity(
    service: Runtime,
    caller: Caller,
    entity: Entity,
    purpose: Purpose,
    *,
    as_of: str = "",
    page: AskedPage = AskedPage(),
) -> EntityView:
    """Return what is known of a vehicle or a party, once it is recorded who looks and why."""
    if len(entity.text) < SHORTEST:
        raise RecordError("query", "value", "too_short", f"at least {SHORTEST} letters or digits")
    with service.store.read() as snapshot:
        at = read_time(service, snapshot, caller, as_of)
        reader = PassageReader(service, snapshot, caller, at.before)
        followed = reader.read(entity, most=FOLLOWED)
        shown, next_before = _cut_page(reader, entity, page)
        finds = list_finds(reader, followed.shown, entity)
        entries = list(_list_entries(reader, entity))
        found = EntityView(
            kind=entity.kind,
            value=entity.value,
            as_of=rfc3339(at.shown),
            is_now=at.is_now,
            synthetic=service.network.synthetic,
            total=followed.total,
            is_total_exact=followed.is_exact,
            followed=len(followed.shown),
            passages=[describe_passage(one, entity) for one in shown],
            next_before=next_before,
            companions=count_companions(followed.shown, entity),
            finds=[one for _, one in finds],
            entries=[one for _, one in entries],
            cases=list_cases(reader, [one.seizure_id for _, one in finds]),
            declarations=list(_list_declarations(reader, entity)),
        )
    seen = [one.seq for one in shown if one.seq is not None]
    record_look(
        service,
        caller,
        "entity",
        [*seen, *(n for n, _ in finds), *(n for n, _ in entries)],
        purpose,
    )
    return found


def _cut_page(
    reader: PassageReader, entity: Entity, page: AskedPage
) -> tuple[Sequence[Passage], int | None]:
    """Return the passages of a page, and the time from which to read on.

    A page ends where the time changes, because loaded passages may become known at one time.
    """
    most = min(page.most, FOLLOWED)
    found = reader.read(entity, most=most + MOST_AT_ONCE, before=page.before).shown
    if len(found) <= most:
        return found, None
    end = next(
        (at for at in range(most, len(found)) if found[at].known_at != found[at - 1].known_at),
        len(found),
    )
    return found[:end], found[end - 1].known_at


def describe_passage(one: Passage, entity: Entity | None = None) -> PassageView:
    """Return a passage as it is shown."""
    plates = [party.value for party in one.parties if party.role == "plate"]
    is_loaded = one.seq is None
    return PassageView(
        crossing_id=one.crossing_id,
        post=one.post,
        direction=one.direction,
        arrived_at=rfc3339(one.arrived_at),
        source="loaded" if is_loaded else "decided" if one.decision_id else "recorded",
        link=one.link,
        decision_id=one.decision_id,
        roles=[] if entity is None else one.roles_of(entity),
        plate=plates[0] if plates else None,
        found=one.found,
    )


@dataclass(slots=True)
class _Company:
    value: str
    roles: dict[PartyRole, None] = field(default_factory=dict)
    passages: list[Passage] = field(default_factory=list)


def count_companions(passages: Sequence[Passage], entity: Entity) -> list[CompanionView]:
    """Return who took part in the same passages, those in most of them first."""
    found: dict[tuple[str, str], _Company] = {}
    for one in passages:
        seen: set[tuple[str, str]] = set()
        for party in one.parties:
            name = (party.entity.kind, party.entity.text)
            if name == (entity.kind, entity.text):
                continue
            known = found.setdefault(name, _Company(party.value))
            known.roles[party.role] = None
            if name not in seen:
                known.passages.append(one)
            seen.add(name)
    views = [
        CompanionView(
            kind=kind,  # type: ignore[arg-type]
            value=one.value,
            roles=list(one.roles),
            passages=len(one.passages),
            first=rfc3339(min(each.arrived_at for each in one.passages)),
            last=rfc3339(max(each.arrived_at for each in one.passages)),
            finds=sum(each.found == "find" for each in one.passages),
        )
        for (kind, _), one in found.items()
    ]
    return sorted(views, key=lambda one: (-one.finds, -one.passages, one.kind, one.value))


def list_finds(
    reader: PassageReader,
    passages: Sequence[Passage],
    entity: Entity | None = None,
    *,
    most: int | None = MOST_LISTED,
) -> list[tuple[int, FindView]]:
    """Return the finds of passages, or with the plate of an entity, each with its record.

    The newest first, ``most`` at most; those of agencies that the caller sees.
    """
    asked = [(IdentifierKind.CROSSING, fold(one.crossing_id)) for one in passages]
    if entity is not None and entity.kind == "plate":
        asked.append((IdentifierKind.PLATE, entity.text))
    numbers: dict[int, int] = {}
    for kind, text in asked:
        named = reader.ask(RecordSort.FIND, (kind,), text)
        numbers |= find_records(reader.snapshot, named, most=MOST_LISTED)
    bodies = JournalReader(reader.snapshot).bodies(sorted(numbers))
    corrected = Corrections(reader.snapshot, upto=_find_last(reader)) if bodies else None
    posts = _read_posts(reader.snapshot, list(bodies))
    found: dict[str, tuple[int, FindView]] = {}
    for seq in sorted(bodies):
        stated = None if corrected is None else corrected.read(seq, bodies[seq])
        one = None if stated is None else _describe_find(reader, stated, posts[seq])
        name = bodies[seq]["seizure"]["seizure_id"]
        found.pop(name, None)
        if one is not None:
            found[name] = (seq, one)
    return sorted(found.values(), key=lambda each: each[1].at, reverse=True)[:most]


def _find_last(reader: PassageReader) -> int | None:
    """Return the last record that was known by the reader's time, None for all."""
    if reader.before == NEVER:
        return None
    return reader.snapshot.scalar(select(func.max(_J.seq)).where(_J.known_at < reader.before)) or 0


def _read_posts(snapshot: Connection, seqs: Sequence[int]) -> dict[int, str]:
    query = select(_J.seq, _J.post).where(_J.seq.in_(seqs))
    return {row.seq: row.post for row in snapshot.execute(query)}


def _describe_find(reader: PassageReader, body: Mapping[str, Any], post: str) -> FindView | None:
    seizure = body["seizure"]
    is_pending = "pending_crossing_id" in body
    if is_pending or not reader.caller.sees(Matter.SEIZURES, seizure.get("agency")):
        return None
    is_weighed = seizure.get("amount") is None
    return FindView(
        seizure_id=seizure["seizure_id"],
        crossing_id=body["linked_crossing_id"],
        post=post,
        at=seizure.get("seized_at") or seizure["recorded_at"],
        goods_class=seizure.get("goods_class") or seizure["substance_class"],
        amount=seizure.get("quantity_g") if is_weighed else seizure["amount"],
        unit="g" if is_weighed else seizure["unit"],
        place=seizure.get("place"),
    )


_ENTRIES: Mapping[Literal["watchlist", "known_lawful"], str] = {
    "watchlist": "/v1/watchlist/{entry_id}",
    "known_lawful": "/v1/known-lawful/{entry_id}",
}
"""Matters of entries, each with the route that shows one."""


def _list_entries(reader: PassageReader, entity: Entity) -> Iterator[tuple[int, EntryView]]:
    """Yield the entries that name an entity, each with the record that proposed it."""
    kinds = list(IDENTIFIERS_OF[entity.kind])
    if entity.kind in ("carrier", "firm"):
        kinds.append(IdentifierKind.PARTY)
    # An entry is of no post: its agency says who sees it.
    named = replace(reader.ask(RecordSort.ENTRY, kinds, entity.text), post=None, hidden=())
    numbers = find_records(reader.snapshot, named, most=MOST_LISTED)
    yield from describe_entries(reader, list(numbers))


def describe_entries(
    reader: PassageReader, numbers: Sequence[int]
) -> Iterator[tuple[int, EntryView]]:
    """Yield the entries of some proposals that the caller may open, the newest first."""
    query = select(_J.seq, _J.subject).where(_J.seq.in_(numbers))
    subjects = {row.seq: row.subject for row in reader.snapshot.execute(query)}
    for matter, route in _ENTRIES.items():
        if not reader.caller.may("GET", route):
            continue
        states = read_states(reader, matter, list(subjects.values()))
        for seq in sorted(subjects, reverse=True):
            state = states.get(subjects[seq])
            if state is not None and _sees_entry(reader.caller, state):
                yield seq, describe_entry(reader, matter, state)


def read_states(
    reader: PassageReader, matter: str, subjects: Sequence[str]
) -> dict[str, ApprovalState]:
    """Return where some entries of a matter stood at the reader's time."""
    records = read_records(reader.snapshot, kinds_of(matter), subjects=subjects)
    return replay_records([one for one in records if one.known_at < reader.before], matter)


def _sees_entry(caller: Caller, state: ApprovalState) -> bool:
    """Requests of partners that select nothing are at their own page."""
    content = state.content
    return is_selecting(content) and caller.sees(Matter.WATCHLIST, content.get("agency"))


def describe_entry(
    reader: PassageReader, matter: Literal["watchlist", "known_lawful"], state: ApprovalState
) -> EntryView:
    """Return an entry as it stood at the reader's time."""
    now = reader.before
    if now == NEVER:
        now = reader.service.journal.now(reader.snapshot)
    is_over = state.state != "retired" and now >= read_expiry(state)
    return EntryView(
        entry_id=state.subject,
        matter=matter,
        state="expired" if is_over else state.state,
        is_notice=state.is_notice,
        reason=state.content["reason"],
        proposed_at=rfc3339(state.proposed_at),
        expiry=state.content["expiry"],
    )


def list_cases(
    reader: PassageReader, seizures: Sequence[str], numbers: Sequence[int] = ()
) -> list[CaseAbout]:
    """Return the cases opened from finds, or by records of these numbers, that the caller sees."""
    find_cases = find_part("cases_about")
    if find_cases is None:
        return []
    found: list[CaseAbout] = find_cases(
        reader.snapshot, reader.caller, seizures, numbers, before=reader.before
    )
    return found


def _list_declarations(reader: PassageReader, entity: Entity) -> Iterator[DeclaredView]:
    if not reader.caller.may("GET", "/v1/declarations/{declaration_id}"):
        return
    asked = reader.ask(RecordSort.DECLARATION, IDENTIFIERS_OF[entity.kind], entity.text)
    numbers = find_records(reader.snapshot, replace(asked, post=None, hidden=()), most=MOST_LISTED)
    yield from describe_declarations(reader.snapshot, reader.caller, numbers)


def describe_declarations(
    snapshot: Connection, caller: Caller, numbers: Mapping[int, int]
) -> Iterator[DeclaredView]:
    """Yield the last version among these records of each declaration ahead that a caller sees.

    One that names no post is expected at any.
    """
    bodies = JournalReader(snapshot).bodies(list(numbers))
    seen: set[str] = set()
    for seq in sorted(bodies, reverse=True):
        lodged = bodies[seq]["lodged"]
        name, post = lodged["declaration"]["declaration_id"], lodged.get("post")
        if name not in seen and (post is None or caller.sees_post(post)):
            yield DeclaredView(
                declaration_id=name,
                version=bodies[seq]["version"],
                post=lodged.get("post"),
                lodged_at=rfc3339(numbers[seq]),
            )
        seen.add(name)
