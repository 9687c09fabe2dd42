"""Movements that two administrations share: records as messages, and arrivals that continue them.

A vehicle that leaves becomes a manifest; at the receiver that is an exit at the partner's post, as
its counterpart could enter it by hand. An act or a find becomes an outcome of the movement that
the partner told of; at the receiver that is the other half of its own movement, an entry at the
partner's post, with an act of basis ``counterpart``: its propensity is unknown. Features read both
as they read every record. National identifiers of a message are of the domain that the agreement
names, so they can be compared; the receiver's own are left out of what happened under the partner's
domain.

An arrival is matched by plate, VIN, TIR carnet, CMR note and trailer, the surest first, as the
mirror's features are. It continues a manifest of the opposite post if the vehicle left at most
``LONGEST`` before; of several, the one that left last. Both indexes hold what has become known so
far and nothing else, so that whatever they answer was known.
"""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from engine.domain.identifiers import fold
from engine.domain.records import SUBSTANCES, Arrival
from engine.domain.time_units import HOUR, micros, moment
from engine.links.messages import Manifest, ManifestItem, OutcomeReport, band_of
from features.catalogue.mirror_features import GRID, KEYS
from features.history.record_rows import Row, to_arrival, to_row

LONGEST = GRID[-1] * HOUR
"""Microseconds between leaving one post and arriving at the other."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One side's record of a vehicle at a post, and what it can be recognised by."""

    name: str
    """Movement of a manifest, or crossing of an arrival."""
    post: str
    passed_at: int
    """UTC microseconds."""
    keys: Mapping[str, str]
    """Folded values by names of ``mirror_features.KEYS``; a missing one is left out."""


def fold_keys(values: Mapping[str, str | None]) -> dict[str, str]:
    """Return the identifiers that can be looked for, folded.

    >>> fold_keys({"plate": "01 a 123 bc", "vin": None})
    {'plate': '01A123BC'}
    """
    folded = {name: fold(values.get(name) or "") for name in KEYS}
    return {name: value for name, value in folded.items() if value}


class PassageIndex:
    """Passages known so far, by identifier and post."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._known: dict[tuple[str, str, str], list[tuple[int, str]]] = defaultdict(list)

    def add(self, passage: Passage) -> None:
        """Make a passage known."""
        for key, value in passage.keys.items():
            insort(self._known[key, value, passage.post], (passage.passed_at, passage.name))

    def find_left(self, arrival: Passage, post: str) -> str | None:
        """Return the movement that left a post for this arrival, None where none is known."""
        since = arrival.passed_at - LONGEST
        for found in self._match(arrival, post, since=since, until=arrival.passed_at):
            return found[-1][1]
        return None

    def find_arrived(self, manifest: Passage, post: str) -> str | None:
        """Return the first arrival at a post that continues a manifest, None where none is."""
        until = manifest.passed_at + LONGEST
        for found in self._match(manifest, post, since=manifest.passed_at, until=until):
            return found[0][1]
        return None

    def _match(
        self, passage: Passage, post: str, *, since: int, until: int
    ) -> Iterator[list[tuple[int, str]]]:
        """Yield the passages within a span by each key that has any, the surest key first."""
        for key in KEYS:
            known = self._known.get((key, passage.keys.get(key, ""), post), [])
            first, end = bisect_left(known, (since, "")), bisect_right(known, (until + 1, ""))
            if found := known[first:end]:
                yield found


PROCEDURE = "manifest"
"""Procedure of goods that are known from a partner's manifest alone."""
MOST_ITEMS = 999
"""Goods items of a manifest; of more, the heaviest travel."""
_VEHICLE = (
    "vehicle_class", "plate", "plate_country", "trailer_plate", "vin", "container_numbers",
    "seal_numbers", "weighed_mass_kg", "is_empty", "body_type", "body_code", "driver_ref",
    "carrier_id",
)  # fmt: skip
_PAPERS = ("tir_carnet", "cmr_number")
_HEAD = (
    "declarant_id", "consignor_id", "consignee_id", "dispatch_country", "destination_country",
)  # fmt: skip
_ITEM = tuple(ManifestItem.model_fields)
_LONGEST_NAME = 50
"""Characters of a record's name, so that what belongs to it can be named after it."""


def name_record(partner: str, movement: str) -> str:
    """Return the name, here, of what a partner tells of one of its movements.

    >>> name_record("TJ", "m-1"), len(name_record("TJ", "m" * 64))
    ('link:TJ:m-1', 37)
    """
    name = f"link:{partner}:{movement}"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"link:{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class Consignment:
    """One crossing as rows of a history: itself, its declaration or None, and its items."""

    crossing: Row
    declaration: Row | None = None
    items: tuple[Row, ...] = ()

    @classmethod
    def of_arrival(cls, arrival: Arrival, *, known_at: int) -> "Consignment":
        """Return the rows of an arrival that became known at UTC microseconds."""
        crossing = to_row(arrival.crossing) | {"known_at": known_at}
        if arrival.declaration is None:
            return cls(crossing)
        head = to_row(arrival.declaration)
        items = tuple(item | {"declaration_id": head["declaration_id"]} for item in head["items"])
        del head["items"]
        return cls(crossing | {"declaration_id": head["declaration_id"]}, head, items)

    @property
    def arrival(self) -> Arrival:
        """The arrival of these rows; raises pydantic's ``ValidationError`` where they are none."""
        return to_arrival(self.crossing, self.declaration, self.items)

    def passage(self, name: str) -> Passage:
        """Return where and when it passed, and what it can be recognised by, under a name."""
        head, crossing = self.declaration or {}, self.crossing
        values = {
            "plate": crossing["plate"],
            "vin": crossing["vin"],
            "tir": head.get("tir_carnet") or crossing["tir_carnet"],
            "cmr": head.get("cmr_number") or crossing["cmr_number"],
            "trailer": crossing["trailer_plate"],
        }
        return Passage(name, crossing["post"], crossing["arrived_at"], fold_keys(values))


def to_manifest(consignment: Consignment, movement: str) -> Manifest:
    """Return the message of a vehicle that left; what travels of it the agreement says."""
    crossing, head = consignment.crossing, consignment.declaration or {}
    heaviest = sorted(consignment.items, key=lambda item: -(item["net_mass_kg"] or 0.0))[
        :MOST_ITEMS
    ]
    values = {name: crossing[name] for name in _VEHICLE} | {name: head.get(name) for name in _HEAD}
    values |= {name: head.get(name) or crossing[name] for name in _PAPERS}
    return Manifest.model_validate(
        {name: value for name, value in values.items() if value is not None}
        | {
            "movement": movement,
            "post": crossing["post"],
            "left_at": moment(crossing["arrived_at"]),
        }
        | {"goods": [{name: item[name] for name in _ITEM} for item in heaviest]}
    )


def to_exit(manifest: Manifest, *, partner: str, known_at: int) -> Consignment:
    """Return the exit that a partner's manifest tells of, as the receiver knows it.

    ``known_at`` is when it reached the receiver, UTC microseconds.
    """
    name = name_record(partner, manifest.movement)
    crossing = {
        "crossing_id": name,
        "post": manifest.post,
        "direction": "exit",
        "arrived_at": micros(manifest.left_at),
        "recorded_at": known_at,
        "known_at": max(known_at, micros(manifest.left_at)),
        "declaration_id": name if manifest.goods else None,
    } | {field: _plain(getattr(manifest, field)) for field in (*_VEHICLE, *_PAPERS)}
    crossing["vehicle_class"] = manifest.vehicle_class or "other"
    if not manifest.goods:
        return Consignment(crossing)
    head = {field: getattr(manifest, field) for field in _HEAD}
    items = tuple(
        {"declaration_id": name, "item_no": number}
        | {field: getattr(item, field) for field in _ITEM}
        for number, item in enumerate(manifest.goods, 1)
    )
    return Consignment(crossing, head | {"declaration_id": name, "procedure": PROCEDURE}, items)


def to_outcome(
    act: Row | None, find: Row | None, *, movement: str, post: str, at: int
) -> OutcomeReport:
    """Return the message of an act, of a find, or of both, on a partner's movement.

    ``at`` is when it became known here, UTC microseconds.
    """
    values: dict[str, Any] = {
        "outcome_of": movement,
        "post": post,
        "recorded_at": moment(at),
        "is_searched": act is not None,
    }
    if act is not None:
        values |= {"methods": tuple(act["methods"] or ()), "outcome": act["outcome"]}
    if find is not None:
        grams = find["quantity_g"]
        values |= {name: find[name] for name in ("substance_class", "goods_class")}
        values["quantity_band"] = None if grams is None else band_of(grams)
    return OutcomeReport.model_validate(values)


def to_entry(
    outcome: OutcomeReport,
    own: Consignment,
    *,
    name: str,
    known_at: int,
    comparable: frozenset[str],
) -> Consignment:
    """Return the other half of the receiver's own movement, which an outcome tells of.

    The vehicle arrived at an unknown time until the outcome's record: that record's is taken.
    ``own`` is the receiver's exit, ``name`` the new record's identifier, ``comparable`` the
    national identifiers that both sides draw from one domain.
    """
    entry = _copy(own, name, comparable)
    left_at: int = own.crossing["arrived_at"]
    arrived_at = max(min(micros(outcome.recorded_at), left_at + LONGEST), left_at)
    times = {"arrived_at": arrived_at, "recorded_at": known_at, "known_at": known_at}
    entry.crossing.update(times, post=outcome.post, direction="entry")
    return entry


def to_act(
    outcome: OutcomeReport, *, crossing: str, name: str, known_at: int
) -> tuple[Row | None, Row | None]:
    """Return the inspection and the seizure that an outcome tells of; None where it tells none."""
    times = {"recorded_at": known_at, "known_at": known_at}
    inspection = seizure = None
    if outcome.is_searched and outcome.outcome is not None:
        inspection = times | {
            "inspection_id": name,
            "crossing_id": crossing,
            "methods": list(outcome.methods),
            "outcome": outcome.outcome,
            "basis": "counterpart",
        }
    if outcome.substance_class is not None:
        seizure = times | {
            "seizure_id": name,
            "inspection_id": name if inspection else None,
            "crossing_id": crossing,
            "linked_crossing_id": crossing,
            "substance_class": outcome.substance_class,
            "goods_class": _agree(outcome),
        }
    return inspection, seizure


def _agree(outcome: OutcomeReport) -> str | None:
    """Return the class of goods that a partner tells, unless the class of substance is another."""
    code = outcome.goods_class
    is_same = code is None or outcome.substance_class == SUBSTANCES.get(code, "other")
    return code if is_same else None


def _copy(own: Consignment, name: str, comparable: frozenset[str]) -> Consignment:
    """Return the receiver's own record under a new name, without what has another domain there."""
    crossing = dict(own.crossing) | {"crossing_id": name, "weighed_mass_kg": None}
    for field in ("driver_ref", "carrier_id"):
        if field not in comparable:
            crossing[field] = None
    if own.declaration is None:
        return Consignment(crossing | {"declaration_id": None})
    head = dict(own.declaration) | {"declaration_id": name, "lodged_at": None}
    for field in ("declarant_id", "consignor_id", "consignee_id"):
        if field not in comparable:
            head[field] = None
    items = tuple(dict(item) | {"declaration_id": name} for item in own.items)
    return Consignment(crossing | {"declaration_id": name}, head, items)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
