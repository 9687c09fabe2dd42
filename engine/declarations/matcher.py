"""The declaration ahead of a vehicle that comes: the one its papers or plates lead to, or none.

Kinds of identifiers are tried in the order of :data:`engine.domain.advance_declarations.KINDS`. The
first that leads to a declaration decides; if it leads to several, none is used, unless one of them
says that the others travel with it. A declaration is expected at its post and within its window and
a day around it; only one that the vehicle names by its own number may be expected elsewhere. A
vehicle that names other papers is not the one expected with these. Nothing is guessed: a
declaration that was not used is a data gap.

Only what both the vehicle and the declaration state is compared; masses and values differ from half
a per cent on, because two systems round differently.

Everything is read as known strictly before a time, so that a match can be made again later.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from engine.declarations.lodgings import (
    GRACE,
    LodgedVersion,
    find_keys,
    has_lodgings,
    list_arrival_keys,
    list_paper_keys,
    list_vehicle_keys,
    read_contents,
    read_uses,
    read_versions,
)
from engine.domain.advance_declarations import (
    KINDS,
    OF_DOCUMENTS,
    AdvanceDeclaration,
    AdvanceMatch,
    ExpectedVehicle,
    MatchKind,
    UsedVersion,
)
from engine.domain.identifiers import fold
from engine.domain.records import Arrival, Crossing, Declaration, join_declarations
from engine.domain.time_units import micros

_HEAD = (
    "procedure",
    "declarant_id",
    "consignor_id",
    "consignee_id",
    "dispatch_country",
    "destination_country",
)
_FOLDED = ("tir_carnet", "cmr_number")
_SUMS = ("packages", "net_mass_kg", "gross_mass_kg", "customs_value_usd")
_CLOSE = 0.005


def compare_declarations(lodged: Declaration, brought: Declaration) -> tuple[str, ...]:
    """Return the fields in which two declarations of the same goods differ."""
    pairs = [(name, getattr(lodged, name), getattr(brought, name)) for name in _HEAD + _FOLDED]
    found = [name for name, one, other in pairs if _is_apart(name, one, other)]
    if len(lodged.items) != len(brought.items):
        found.append("items")
    codes = (sorted(item.hs_code for item in each.items) for each in (lodged, brought))
    if next(codes) != next(codes):
        found.append("hs_code")
    for name in _SUMS:
        sums = [_sum(getattr(item, name) for item in each.items) for each in (lodged, brought)]
        if None not in sums and not math.isclose(*sums, rel_tol=_CLOSE):  # type: ignore[arg-type]
            found.append(name)
    return tuple(found)


def compare_vehicle(expected: ExpectedVehicle, crossing: Crossing) -> tuple[str, ...]:
    """Return the fields in which a vehicle differs from the one that was announced."""
    pairs = [
        (name, getattr(expected, name), getattr(crossing, name))
        for name in ("plate", "trailer_plate")
    ]
    found = [name for name, one, other in pairs if one and other and fold(one) != fold(other)]
    boxes = [set(map(fold, each.container_numbers)) for each in (expected, crossing)]
    if all(boxes) and boxes[0] != boxes[1]:
        found.append("container_numbers")
    return tuple(found)


def _is_apart(name: str, one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return False
    return fold(one) != fold(other) if name in _FOLDED else one != other


def _sum(values: Iterable[float | None]) -> float | None:
    """Return a sum, None where a part of it is not known."""
    known = list(values)
    return None if None in known else math.fsum(v for v in known if v is not None)


AMBIGUOUS = "advance_ambiguous"
USED = "advance_used"
WITHDRAWN = "advance_cancelled"
DIFFERS = "advance_differs"
ELSEWHERE = "advance_elsewhere"
INCOMPLETE = "advance_incomplete"
BY_PAPERS: MatchKind = "declaration_id"
"""How a declaration is found that another one says to travel with it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A declaration ahead that an identifier leads to."""

    version: LodgedVersion
    lodged: AdvanceDeclaration
    taken: frozenset[int]
    """Its vehicles that other crossings were."""

    def list_free(self, keys: frozenset[int], kind: MatchKind) -> list[int]:
        """Return its vehicles that have not come yet; of a conveyance's keys those that have one.

        The one that shares most keys comes first.
        """
        free = (n for n in range(1, self.version.vehicles + 1) if n not in self.taken)
        shared = {n: sum(key in keys for _, key in list_vehicle_keys(self.lodged, n)) for n in free}
        possible = [n for n in shared if kind in OF_DOCUMENTS or shared[n]]
        return sorted(possible, key=lambda n: (-shared[n], n))

    def use(self, keys: frozenset[int], kind: MatchKind) -> UsedVersion:
        """Return its use by a vehicle with these keys."""
        known = self.version
        vehicle = self.list_free(keys, kind)[0]
        return UsedVersion(known.declaration_id, known.version, known.seq, vehicle)


@dataclass(slots=True)
class LodgingReader:
    """Declarations ahead that some arrivals lead to, read at once as of a time."""

    connection: Connection
    as_of: int
    _names: dict[int, list[str]] = field(default_factory=dict)
    """Identifiers of declarations, by the digests that lead to them."""
    _versions: dict[str, LodgedVersion] = field(default_factory=dict)
    _contents: dict[int, AdvanceDeclaration] = field(default_factory=dict)
    _taken: dict[str, dict[int, str]] = field(default_factory=dict)
    """By declaration and vehicle, the crossing that was it."""

    def read(self, keys: Sequence[int]) -> None:
        """Read what these digests lead to, and what travels with it."""
        rows = find_keys(self.connection, keys, before=self.as_of)
        self._add({name for *_, name in rows})
        for key, _, seq, name in rows:
            names = self._names.setdefault(key, [])
            if self._versions[name].seq == seq and name not in names:
                names.append(name)  # what earlier versions were expected under no longer leads here
        self._add({one for lodged in self._contents.values() for one in lodged.travels_with})

    def _add(self, names: set[str]) -> None:
        new = names - set(self._versions)
        found = read_versions(self.connection, new, before=self.as_of)
        self._versions |= found
        self._contents |= read_contents(self.connection, (one.seq for one in found.values()))
        for name, uses in read_uses(self.connection, list(found), before=self.as_of).items():
            self._taken[name] = {use.vehicle: use.crossing_id for use in uses}

    def find(self, key: int) -> Sequence[str]:
        """Return the declarations that a digest leads to."""
        return self._names.get(key, ())

    def version(self, name: str) -> LodgedVersion | None:
        """Return the version of a declaration that is known; None for an unknown one."""
        return self._versions.get(name)

    def candidate(self, name: str, crossing_id: str) -> Candidate | None:
        """Return a declaration that may be used; None for an unknown or a cancelled one."""
        known = self._versions.get(name)
        lodged = None if known is None else self._contents.get(known.seq)
        if known is None or lodged is None:
            return None
        others = (v for v, by in self._taken.get(name, {}).items() if by != crossing_id)
        return Candidate(known, lodged, frozenset(others))


def match_arrivals(
    connection: Connection, arrivals: Sequence[Arrival], *, as_of: int
) -> list[tuple[Arrival, AdvanceMatch | None]]:
    """Return arrivals with the declarations ahead that they are decided with.

    Each with how it was matched; None where no declaration ahead has anything to say of it.
    """
    if not has_lodgings(connection):
        return [(arrival, None) for arrival in arrivals]
    keys = [list_arrival_keys(arrival) for arrival in arrivals]
    reader = LodgingReader(connection, as_of)
    reader.read(sorted({key for each in keys for _, key in each}))
    return [
        _ArrivalMatcher(reader, arrival, own).match()
        for arrival, own in zip(arrivals, keys, strict=True)
    ]


class _ArrivalMatcher:
    """Matches one arrival."""

    def __init__(
        self, reader: LodgingReader, arrival: Arrival, keys: Sequence[tuple[MatchKind, int]]
    ) -> None:
        self._reader = reader
        self._arrival = arrival
        self._crossing = arrival.crossing
        self._arrived_at = micros(arrival.crossing.arrived_at)
        self._keys: dict[MatchKind, list[int]] = {}
        for kind, key in keys:
            self._keys.setdefault(kind, []).append(key)
        self._all = frozenset(key for _, key in keys)
        self._gaps: list[str] = []

    def match(self) -> tuple[Arrival, AdvanceMatch | None]:
        """Return the arrival as it is decided on, and how it was matched."""
        for kind in KINDS:
            found = self._find(kind)
            free = [one for one in found if one.list_free(self._all, kind)]
            if found and not free and kind in OF_DOCUMENTS:
                return self._give_up(USED)
            if not free:
                continue
            group = self._choose(free) if not self._names_each(kind) else free
            return self._give_up(AMBIGUOUS) if group is None else self._use(kind, group)
        return self._give_up()

    def _give_up(self, *gaps: str) -> tuple[Arrival, AdvanceMatch | None]:
        gaps = (*self._gaps, *gaps)
        match = AdvanceMatch(self._reader.as_of, "", gaps=gaps) if gaps else None
        return self._arrival, match

    def _find(self, kind: MatchKind) -> list[Candidate]:
        """Return the declarations that a kind of identifiers leads to, cancelled ones left out."""
        names = dict.fromkeys(
            name for key in self._keys.get(kind, ()) for name in self._reader.find(key)
        )
        found = []
        for name in names:
            version = self._reader.version(name)
            if version is None or not self._is_expected(version, kind):
                continue
            candidate = self._reader.candidate(name, self._crossing.crossing_id)
            if version.is_cancelled and kind in OF_DOCUMENTS:
                self._gaps = [WITHDRAWN]
            elif candidate is not None and not self._contradicts(candidate.lodged, kind):
                found.append(candidate)
        return found

    def _is_expected(self, version: LodgedVersion, kind: MatchKind) -> bool:
        """Tell whether a declaration is expected here and now; one that is named need not be."""
        if kind == "declaration_id":
            return True
        is_here = version.post in ("", self._crossing.post)
        return (
            is_here
            and version.due_at - GRACE <= self._latest
            and self._arrived_at < version.expires_at
        )

    @property
    def _latest(self) -> int:
        """The arrival as the journal may know it: a clock may be behind."""
        return max(self._arrived_at, self._reader.as_of)

    def _contradicts(self, lodged: AdvanceDeclaration, kind: MatchKind) -> bool:
        """Tell whether a vehicle that a plate led to goes the other way or names other papers."""
        if kind != "declaration_id" and lodged.direction not in (None, self._crossing.direction):
            return True
        if kind in OF_DOCUMENTS:
            return False
        return any(
            self._keys.get(one) and key not in self._keys[one]
            for one, key in list_paper_keys(lodged)
        )

    def _names_each(self, kind: MatchKind) -> bool:
        """Tell whether the vehicle brings several declarations, each of which it names."""
        return kind == BY_PAPERS and len(self._keys[kind]) > 1

    def _read_brought(self, group: Sequence[Candidate]) -> Declaration | None:
        """Return what the vehicle brought of these declarations, all of it where it names none."""
        names = {one.version.declaration_id for one in group}
        declared = self._arrival.declarations or ()
        of_group = [one for one in declared if one.declaration_id in names]
        return join_declarations(of_group) if of_group else self._arrival.declaration

    def _choose(self, free: Sequence[Candidate]) -> list[Candidate] | None:
        """Return the one declaration, with those that travel with it; None where several fit."""
        arrived_at = self._crossing.arrived_at
        inside = [one for one in free if one.lodged.is_within(arrived_at)]
        free = inside or free
        names = {one.version.declaration_id for one in free}
        for one in sorted(free, key=lambda each: each.version.declaration_id):
            if names <= {one.version.declaration_id, *one.lodged.travels_with}:
                return [one, *self._list_others(one)]
        return None

    def _list_others(self, first: Candidate) -> Iterator[Candidate]:
        """Yield the declarations that travel with one; those that cannot be used are a gap."""
        for name in first.lodged.travels_with:
            other = self._reader.candidate(name, self._crossing.crossing_id)
            if other is not None and other.list_free(self._all, BY_PAPERS):
                yield other
            elif INCOMPLETE not in self._gaps:
                self._gaps.append(INCOMPLETE)

    def _use(
        self, kind: MatchKind, group: Sequence[Candidate]
    ) -> tuple[Arrival, AdvanceMatch | None]:
        uses = (
            group[0].use(self._all, kind),
            *(one.use(self._all, BY_PAPERS) for one in group[1:]),
        )
        declared = join_declarations([one.lodged.declaration for one in group])
        brought, first = self._read_brought(group), group[0]
        differences = compare_vehicle(
            first.lodged.expected_vehicles[uses[0].vehicle - 1], self._crossing
        )
        if brought is not None:
            differences += compare_declarations(declared, brought)
        is_here = first.version.post in ("", self._crossing.post)
        if not (is_here and first.lodged.is_within(self._crossing.arrived_at)):
            self._gaps.append(ELSEWHERE)
        if differences:
            self._gaps.append(DIFFERS)
        match = AdvanceMatch(
            self._reader.as_of,
            kind,
            uses,
            differences,
            tuple(self._gaps),
            is_brought=self._arrival.declaration is not None,
        )
        if self._arrival.declaration is not None:
            return self._arrival, match
        return self._arrival.model_copy(update=_declare(group, declared)), match


def _declare(group: Sequence[Candidate], declared: Declaration) -> dict[str, Any]:
    """Return the papers of an arrival: the goods of all, and each declaration where all fit."""
    each = tuple(one.lodged.declaration for one in group)
    is_whole = len(each) > 1 and sum(len(one.items) for one in each) == len(declared.items)
    return {"declaration": declared} | ({"declarations": each} if is_whole else {})
