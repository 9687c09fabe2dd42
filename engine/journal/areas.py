"""Areas: what the core must know of each part of the system, declared by the part itself.

An area declares the kinds of its records and its tables. The core imports no area. It asks the rule
of a record's kind whose row the record holds, which events follow from it, and with what it is
erased. A kind without a rule is hidden from everybody, and no journal takes a record of it.

Every area is loaded, whether its routes and pages are on or off (``DARVOZA_AREAS``): what a journal
holds is replayed, compared and erased all the same.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, MetaData

from engine.area_names import AREAS
from engine.domain.rights import Matter, Scope
from engine.errors import RecordError
from engine.journal.entries import Draft, JournalFault, JournalRecord, Kind, Projection
from engine.journal.kinds import ApprovalBody
from engine.storage.database import METADATA, Store
from engine.storage.home import Home

Body = Mapping[str, Any]
Owner = tuple[Matter, str | None]
"""A matter, and the agency whose row a record holds there; None where the row has none."""
Group = tuple[str, str]
"""The sort and the name of what records are erased with: a movement, an entry, a case."""
EventType = Literal[
    "decision.changed",
    "decision.overridden",
    "vehicle.given",
    "watchlist.hit",
    "known_lawful.suspended",
    "approval.waiting",
    "alarm.raised",
    "case.changed",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
UNCOUNTED: tuple[EventType, ...] = (
    "watchlist.hit",
    "known_lawful.suspended",
    "approval.waiting",
    "case.changed",
)
"""Left out of public figures: one more between two vehicles would tell a checkpoint that the list
names the one before it, that the one with a find was known lawful trade, that an override of it
waits for a second person, or that another agency works on a case."""


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


Sort = Literal[
    "case", "crossing", "decision", "inspection", "known_lawful", "message", "model", "policy",
    "post", "profile", "request", "seizure", "shift", "watchlist",
]  # fmt: skip
"""What a record may name."""


class NamedField(NamedTuple):
    """A field by which a kind of record names something."""

    sort: Sort
    path: str
    """Keys of the body with dots between them, or ``subject``; with a question mark, optional."""
    is_made: bool = False
    """The record may be the first one about what it names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRule:
    """What the core must know of the records of one kind."""

    matter: Matter | None = None
    """What they are about besides the journal; None for the journal alone."""
    owners: Callable[[Body], Iterator[Owner]] | None = None
    """Whose rows a record holds; None where it holds no row of an agency."""
    is_of_subject: bool = False
    """True where a record is a row of its subject, whose agency another record states."""
    is_read_back: bool = False
    """True if projections read the bodies of earlier records of the kind."""
    is_wrapper: bool = False
    """True of a record of another journal without effect here: it is seen as what it wraps."""
    hidden: frozenset[Scope] = frozenset({Scope.NONE})
    """Scopes that do not reach these records at all."""
    events: Callable[[str, Body], Iterator[Event]] | None = None
    """Events that follow from a record's subject and body; None where there are none."""
    group: Callable[[JournalRecord[Any]], Group] | None = None
    """What a record is erased with; None where its body has to stay readable."""
    step: tuple[str, str] | None = None
    """The matter of two people, and the step in it, that such a record is; None of all others."""
    journals: Literal["live", "exercise", "both"] = "live"
    """Which journals take such records: live ones, those of exercises, or both."""
    begins_exercises: bool = False
    """True of the kind whose record, as the first of a journal, makes it one of exercises."""
    is_of_restored_disk: bool = False
    """True if the disk may have been restored before such a record: no seed of a shift that was
    chosen before it is used."""
    is_of_post: bool = False
    """True of what happens at a post: its centre keeps records of the same kind."""
    names: tuple[NamedField, ...] = ()
    """What a record names, where a copy of it from another journal may have an effect."""
    claimed: tuple[str, ...] | None = None
    """Keys of the body to what a copy takes as its name, none for the subject; None if it takes
    no name."""
    linked: Mapping[str, Sort] = field(default_factory=dict)
    """What a linking event names, by ``event.of``; its name stands under ``event.id``."""
    is_frequent: bool = False
    """True where there may be one for each vehicle, page or second. Such records grant no power
    and are not indexed by kind: a change is a change of two indexes of the store."""

    @property
    def is_read_whole(self) -> bool:
        """Tell whether the body says who may see such a record."""
        return self.owners is not None or self.is_wrapper


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRule:
    """What an erasure does with a table, and whether a check compares it."""

    erased_by: tuple[str, ...] = ()
    """Columns by which its rows are found and deleted."""
    blanked: Mapping[str, object] = field(default_factory=dict)
    """What is written over instead, in rows found by ``erased_by``."""
    is_counted: bool = False
    """True of sums under digests: an erasure deletes the rows that no remaining crossing reads."""
    kept: str = ""
    """Why an erasure leaves the table as it is; empty where it does not."""
    not_compared: str = ""
    """Why a check does not compare the table; empty where it does."""
    identity: tuple[str, ...] = ()
    """Columns that identify a row, where the primary key is a secret or a plate."""
    shown: tuple[str, ...] = ()
    """Columns of the identity that a fault may name."""
    json_columns: frozenset[str] = frozenset()
    """Columns that hold JSON whose keys stand in any order."""


@dataclass(frozen=True, slots=True)
class HomeCheck:
    """What a check of a home has: its store in one snapshot, and what a witness holds of it."""

    home: Home
    store: Store
    connection: Connection
    witness: Path | None = None
    """A file, or the folder that it is in."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What an area finds in a check of a home."""

    faults: Iterable[JournalFault] = ()
    notes: Iterable[str] = ()
    """What is unfinished, and is no fault."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How much was looked at, by the name under which the verdict has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just made: its secret is known now and never again."""

    name: str
    post: str
    role: str
    owner: str | None
    agency: str | None
    commitment: str
    secret: str


class KeyCarrier:
    """What takes a new key to the installation that decides at its post: none without links."""

    def check(self, connection: Connection, now: int, post: str) -> object:
        """Raise ``ConflictError`` if a key of this post cannot be sent."""

    def draft(self, connection: Connection, now: int, key: NewKey) -> list[Draft[Any]]:
        """Return the records that send a key; none for a post at which this installation decides.

        The caller holds the writer's lock. Raises what :meth:`check` raises.
        """
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One area, by its name in ``DARVOZA_AREAS``."""

    name: str
    records: Mapping[Kind[Any], RecordRule]
    tables: Mapping[str, TableRule] = field(default_factory=dict)
    keys: Mapping[str, Kind[Any]] = field(default_factory=dict)
    """Key files in ``keys/`` of the home, with the kind of the records that need each."""
    projections: Sequence[str] = ()
    """Projections of its tables as ``module:function``, in the order in which they are applied."""
    authority: str = ""
    """What opens the :class:`engine.ports.PostAuthority` of a home, as ``module:function``."""
    key_carrier: str = ""
    """What makes the :class:`KeyCarrier` of a home, as ``module:class``."""
    check: str = ""
    """What checks what the area has besides its tables, as ``module:function`` of a
    :class:`HomeCheck` that returns :class:`Findings`."""
    files: str = ""
    """What yields the files that its records name, as ``module:function`` of a connection
    (:mod:`engine.files.store`)."""
    sweep: str = ""
    """What removes files that no record names any more, as ``module:function`` of a home and its
    store; with ``is_patient=False`` it leaves what another process holds."""
    owners: str = ""
    """What reads the agency of each subject whose records are rows of it, as ``module:function`` of
    a connection that returns it by matter and subject."""
    held: str = ""
    """What selects the groups of records that are still needed, which an erasure keeps, as
    ``module:function`` of a connection and of groups; empty if there are none."""


def change_decision(crossing_id: str) -> Event:
    """Return the event that the decision on a crossing changed."""
    return Event("decision.changed", f"crossing:{crossing_id}")


def await_approval(matter: str) -> Callable[[str, Body], Iterator[Event]]:
    """Return what lists the event that a subject of a matter waits for a second person."""

    def list_events(subject: str, _body: Body) -> Iterator[Event]:
        yield Event("approval.waiting", f"{matter}:{subject}")

    return list_events


def rule_steps(
    name: str,
    steps: Mapping[str, Kind[ApprovalBody]],
    *,
    waiting: Collection[str] = ("proposed", "leaving"),
    **rule: Any,
) -> dict[Kind[Any], RecordRule]:
    """Return the rules of the steps of a matter of two people with this name, by their kinds.

    After the steps in ``waiting`` a second person is waited for; ``rule`` holds for all of them.
    """
    pending = await_approval(name)
    return {
        kind: RecordRule(step=(name, step), events=pending if step in waiting else None, **rule)
        for step, kind in steps.items()
    }


def raise_fault(subject: str, _body: Body) -> Iterator[Event]:
    """Yield the alarm that something failed."""
    yield Event("alarm.raised", f"fault:{subject}")


def group_alone(one: JournalRecord[Any]) -> Group:
    """Return a group of one record: nothing else is erased with it."""
    return "record", str(one.seq)


@cache
def load_areas() -> tuple[Area, ...]:
    """Return every area, the core first."""
    modules = ("engine.core_area", *filter(None, AREAS.values()))
    return tuple(import_module(name).AREA for name in modules)


def check_body(kind: str, body: Mapping[str, Any]) -> None:
    """Refuse a body that another installation wrote and that is none of its kind.

    Projections read bodies of this journal without a look at their types; those of copies must be
    as safe. Raises ``RecordError``.
    """
    try:
        _read_body_types()[kind].validate_python(body, strict=True)
    except ValidationError:
        raise RecordError("post_record", "body", "malformed", f"is no {kind}") from None


@cache
def _read_body_types() -> Mapping[str, TypeAdapter[Any]]:
    types = {kind: kind.body_type for area in load_areas() for kind in area.records}
    return {kind: TypeAdapter(found) for kind, found in types.items()}


@cache
def list_rules() -> Mapping[str, RecordRule]:
    """Return the rule of each kind of record; raises ``ValueError`` where two areas have one."""
    found: dict[str, RecordRule] = {}
    for area in load_areas():
        for kind, rule in area.records.items():
            if kind in found:
                raise ValueError(f"two areas declare records of kind {kind}")
            found[kind] = rule
    return found


@cache
def list_steps() -> Mapping[str, tuple[str, str]]:
    """Return the matter of two people, and the step in it, of each kind that is such a step."""
    return {kind: rule.step for kind, rule in list_rules().items() if rule.step is not None}


@cache
def kinds_of(matter: str) -> tuple[Kind[ApprovalBody], ...]:
    """Return the kinds of records of a matter of two people; raises ``KeyError`` without any."""
    found = tuple(kind for kind, (other, _) in list_steps().items() if other == matter)
    if not found:
        raise KeyError(matter)
    return found  # type: ignore[return-value]


@cache
def list_tables() -> Mapping[str, TableRule]:
    """Return the rule of each table; raises ``ValueError`` if two areas declare the same table."""
    found: dict[str, TableRule] = {}
    for area in load_areas():
        if both := found.keys() & area.tables.keys():
            raise ValueError(f"two areas declare the tables {', '.join(sorted(both))}")
        found.update(area.tables)
    return found


def list_projections() -> list[Projection]:
    """Return the projections of all areas but the core's, which the service puts together."""
    return [load_part(name) for area in load_areas() for name in area.projections]


def check_areas(check: HomeCheck) -> list[Findings]:
    """Return what each area finds in a home."""
    return [load_part(area.check)(check) for area in load_areas() if area.check]


def sweep_areas(home: Home, store: Store, *, is_patient: bool = True) -> None:
    """Remove the files that no record names any more."""
    for area in load_areas():
        if area.sweep:
            load_part(area.sweep)(home, store, is_patient=is_patient)


def read_owners(connection: Connection) -> dict[tuple[Matter, str | None], str | None]:
    """Return the agency of each subject whose records are rows of it, by its matter."""
    found: dict[tuple[Matter, str | None], str | None] = {}
    for area in load_areas():
        if area.owners:
            found |= load_part(area.owners)(connection)
    return found


def open_key_carrier(home: Home) -> KeyCarrier:
    """Return what takes new keys to other installations."""
    for area in load_areas():
        if area.key_carrier:
            carrier: KeyCarrier = load_part(area.key_carrier)(home)
            return carrier
    return KeyCarrier()


def list_declared_tables() -> MetaData:
    """Return every table of the store, those of areas that nothing has used yet among them."""
    list_projections()
    return METADATA


def list_events(kind: str, subject: str, body: Body) -> list[Event]:
    """Return the events of one record; most records have none."""
    rule = list_rules().get(kind)
    return [] if rule is None or rule.events is None else list(rule.events(subject, body))


def list_held(connection: Connection, groups: Sequence[Group]) -> set[Group]:
    """Return those of some groups of records that some area still needs."""
    held = (load_part(area.held) for area in load_areas() if area.held)
    return {group for select_held in held for group in select_held(connection, groups)}


def load_part(name: str) -> Any:
    """Return what ``module:name`` names."""
    module, _, part = name.partition(":")
    return getattr(import_module(module), part)
