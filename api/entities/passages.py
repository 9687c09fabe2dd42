"""Passages of a vehicle or a party: those recorded here, and those of the loaded history.

What is read is bounded, so that the time of a page grows neither with the history nor with how
often a party crossed. A caller sees the passages of its posts alone, and what acts found as far as
it sees the acts of their agencies.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, select

from api.auth.callers import Caller
from api.service.runtime import Runtime
from engine.domain.identifiers import fold
from engine.domain.rights import Matter
from engine.domain.time_units import NEVER, micros
from engine.journal.journal import JOURNAL, JournalReader
from engine.queue.identifier_index import (
    IdentifierKind,
    NamedBy,
    RecordSort,
    count_records,
    find_records,
)
from engine.queue.match_outcomes import ACTS
from engine.storage.database import split_in_slices
from features.online.loaded_parties import (
    LoadedPassage,
    PartyRole,
    find_parties,
    read_loaded,
    read_names,
    read_passages,
)

EntityKind = Literal["plate", "trailer", "container", "driver", "carrier", "firm"]
KINDS: tuple[EntityKind, ...] = get_args(EntityKind)
FIRMS: tuple[PartyRole, ...] = ("consignor", "consignee", "declarant")
ROLES_OF: Mapping[EntityKind, tuple[PartyRole, ...]] = {
    "plate": ("plate",),
    "trailer": ("trailer",),
    "container": ("container",),
    "driver": ("driver",),
    "carrier": ("carrier",),
    "firm": FIRMS,
}
KIND_OF: Mapping[PartyRole, EntityKind] = {
    role: kind for kind, roles in ROLES_OF.items() for role in roles
}
IDENTIFIERS_OF: Mapping[EntityKind, tuple[IdentifierKind, ...]] = {
    "plate": (IdentifierKind.PLATE,),
    "trailer": (IdentifierKind.TRAILER_PLATE,),
    "container": (IdentifierKind.CONTAINER,),
    "driver": (IdentifierKind.DRIVER,),
    "carrier": (IdentifierKind.CARRIER,),
    "firm": (IdentifierKind.CONSIGNOR, IdentifierKind.CONSIGNEE, IdentifierKind.DECLARANT),
}
HUB = 10_000
"""Recorded passages of one party that are counted; above it, so many are said to be there."""
_AT_ONCE = 500
_A, _J = ACTS.c, JOURNAL.c
Found = Literal["clear", "find"]


@dataclass(frozen=True, slots=True)
class Entity:
    """A vehicle or a party by what it is called."""

    kind: EntityKind
    value: str

    @property
    def text(self) -> str:
        """Its name folded: two spellings of one name are one entity."""
        return fold(self.value)


@dataclass(frozen=True, slots=True)
class Party:
    """Who took part in a passage, and as what."""

    role: PartyRole
    value: str

    @property
    def entity(self) -> Entity:
        """Which vehicle or party it is."""
        return Entity(KIND_OF[self.role], self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One crossing; times are UTC microseconds."""

    crossing_id: str
    post: str
    direction: str
    arrived_at: int
    known_at: int
    parties: tuple[Party, ...]
    seq: int | None = None
    """Its record, the last one where its declaration was changed; None of the loaded history."""
    decision_id: str | None = None
    link: str | None = None
    """The link by which a partner told of it, where it is known from that alone."""
    found: Found | None = None
    """What a search of it found; None where none is known, or the caller may not see it."""

    def roles_of(self, entity: Entity) -> list[PartyRole]:
        """Return as what an entity took part."""
        mine = (entity.kind, entity.text)
        return [one.role for one in self.parties if (one.entity.kind, fold(one.value)) == mine]


@dataclass(frozen=True, slots=True)
class Passages:
    """The last passages of an entity, the newest first."""

    shown: Sequence[Passage]
    total: int
    """All that the caller may see; a changed declaration counts once more."""
    is_exact: bool
    """False where there are more than ``HUB`` recorded ones, of which so many were counted."""


@dataclass(frozen=True, slots=True)
class PassageReader:
    """Reads passages for one caller in one snapshot, as of a time."""

    service: Runtime
    snapshot: Connection
    caller: Caller
    before: int = NEVER
    """Nothing known at or after this time is read: UTC microseconds."""

    def read(self, entity: Entity, *, most: int, before: int | None = None) -> Passages:
        """Return the last passages of an entity, ``most`` of them.

        ``before`` reads on: passages that were known before this time.
        """
        asked = self.ask(RecordSort.PASSAGE, IDENTIFIERS_OF[entity.kind], entity.text)
        if before is not None:
            asked = replace(asked, before=min(before, self.before))
        # A declaration that was changed is a record more.
        recorded = self.read_records(find_records(self.snapshot, asked, most=2 * most))
        loaded, total = self._read_loaded(entity, most=most, before=asked.before)
        known = {one.crossing_id: one for one in (*loaded, *recorded)}
        shown = sorted(known.values(), key=lambda one: (-one.known_at, one.crossing_id))[:most]
        counted = count_records(self.snapshot, asked, most=HUB + 1)
        return Passages(
            self._add_outcomes(shown), max(min(counted, HUB) + total, len(shown)), counted <= HUB
        )

    def ask(self, sort: RecordSort, kinds: Collection[IdentifierKind], text: str) -> NamedBy:
        """Return what asks for records of a sort that this caller's posts may show it."""
        return NamedBy(
            sort,
            kinds,
            text,
            before=self.before,
            post=self.caller.post,
            hidden=self.caller.hidden_posts,
        )

    def read_records(self, known_at: Mapping[int, int]) -> list[Passage]:
        """Return the passages of records by number and time, once each, without erased ones."""
        found: dict[str, Passage] = {}
        for seq, body in sorted(JournalReader(self.snapshot).bodies(list(known_at)).items()):
            one = _describe_record(seq, known_at[seq], body)
            if self.caller.sees_post(one.post):
                found[one.crossing_id] = one
        return list(found.values())

    def _read_loaded(self, entity: Entity, *, most: int, before: int) -> tuple[list[Passage], int]:
        passages: list[LoadedPassage] = []
        total = 0
        for _, _, key in find_parties(self.snapshot, ROLES_OF[entity.kind], entity.text):
            some, count = read_loaded(
                self.snapshot, self.service.plan, key, before=before, most=most
            )
            passages += some
            total += count
        found = self._describe_loaded(passages, entity)
        sees_every_post = self.caller.post is None and not self.caller.hidden_posts
        return found, total if sees_every_post else len(found)

    def _describe_loaded(
        self, passages: Sequence[LoadedPassage], entity: Entity | None = None
    ) -> list[Passage]:
        """Return loaded crossings that the caller may see, each once.

        ``entity`` is the one by which they were found, which their keys may not name.
        """
        seen = {one.crossing_id: one for one in passages if self.caller.sees_post(one.post)}
        keys = {key for one in seen.values() for key in one.parties.values() if key}
        names = read_names(self.snapshot, keys)
        sees_found = self.before == NEVER and self.caller.sees_all(Matter.ACTS)
        return [
            _describe_loaded(one, names, entity, sees_found=sees_found) for one in seen.values()
        ]

    def _add_outcomes(self, passages: Sequence[Passage]) -> list[Passage]:
        """Return passages with what acts of them found, as far as the caller sees these acts."""
        recorded = [one.crossing_id for one in passages if one.seq is not None]
        found: dict[str, Found] = {}
        columns = (_A.crossing_id, _A.agency, _A.is_hit)
        for some in split_in_slices(recorded, _AT_ONCE):
            query = (
                select(*columns)
                .join(JOURNAL, _J.seq == _A.seq)
                .where(_A.crossing_id.in_(some), _A.is_evidence, _J.known_at < self.before)
            )
            for crossing_id, agency, is_hit in self.snapshot.execute(query):
                if self.caller.sees(Matter.ACTS, agency):
                    is_found = is_hit or found.get(crossing_id) == "find"
                    found[crossing_id] = "find" if is_found else "clear"
        return [
            replace(one, found=found.get(one.crossing_id)) if one.seq is not None else one
            for one in passages
        ]

    def read_crossings(self, crossings: Sequence[str]) -> list[Passage]:
        """Return passages by their identifiers, as far as they are known and may be seen."""
        found: dict[str, Passage] = {}
        for crossing_id in crossings:
            asked = self.ask(RecordSort.PASSAGE, (IdentifierKind.CROSSING,), fold(crossing_id))
            records = self.read_records(find_records(self.snapshot, asked, most=_AT_ONCE))
            found |= {one.crossing_id: one for one in records if one.crossing_id == crossing_id}
        left = [one for one in crossings if one not in found]
        loaded = read_passages(self.snapshot, self.service.plan, left)
        known = self._describe_loaded([one for one in loaded if one.known_at < self.before])
        return self._add_outcomes([*found.values(), *known])


def _describe_record(seq: int, known_at: int, body: Mapping[str, Any]) -> Passage:
    arrival = body["arrival"]
    crossing = arrival["crossing"]
    return Passage(
        crossing_id=crossing["crossing_id"],
        post=crossing["post"],
        direction=crossing["direction"],
        arrived_at=micros(datetime.fromisoformat(crossing["arrived_at"])),
        known_at=known_at,
        parties=tuple(list_parties(arrival)),
        seq=seq,
        decision_id=body["decision"]["decision_id"] if "decision" in body else None,
        link=(body.get("message") or {}).get("link"),
    )


_OF_CROSSING: Sequence[tuple[PartyRole, str]] = (
    ("plate", "plate"),
    ("trailer", "trailer_plate"),
    ("driver", "driver_ref"),
    ("carrier", "carrier_id"),
)


def list_parties(arrival: Mapping[str, Any]) -> list[Party]:
    """Return who takes part in a crossing, as it was reported with one declaration or several."""
    crossing = arrival["crossing"]
    brought = arrival.get("declarations") or [arrival.get("declaration") or {}]
    found = [Party(role, crossing[name]) for role, name in _OF_CROSSING if crossing.get(name)]
    found += [Party("container", number) for number in crossing.get("container_numbers") or ()]
    found += [
        Party(role, papers[f"{role}_id"])
        for papers in brought
        for role in FIRMS
        if papers.get(f"{role}_id")
    ]
    return [one for one in dict.fromkeys(found) if fold(one.value)]


def _describe_loaded(
    one: LoadedPassage, names: Mapping[int, str], entity: Entity | None, *, sees_found: bool
) -> Passage:
    parties = [Party(role, names[key]) for role, key in one.parties.items() if key in names]
    if entity is not None and entity.kind == "container":
        parties.append(Party("container", entity.value))
    found: Found | None = None
    if sees_found and one.inspected:
        found = "find" if one.hit else "clear"
    return Passage(
        crossing_id=one.crossing_id,
        post=one.post,
        direction="entry" if one.is_entry else "exit",
        arrived_at=one.arrived_at,
        known_at=one.known_at,
        parties=tuple(parties),
        found=found,
    )
