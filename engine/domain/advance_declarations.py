"""Declarations lodged ahead of their vehicles, and how one was matched when the vehicle came.

A declaration names what it is expected under: its own number, a TIR carnet, a CMR note, containers,
plates, a post and a time. All of that is what a sender announces, which may be false: a match by it
is recorded with how it was made, and a difference is a signal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from engine.domain.field_types import Country, Identifiers, Ids, OptionalId, PostCode, Time
from engine.domain.records import Arrival, Declaration, Direction, Record, VehicleClass

MOST_VEHICLES = 50
"""Vehicles of one declaration."""
MatchKind = Literal["declaration_id", "tir", "cmr", "container", "plate", "trailer"]
KINDS: tuple[MatchKind, ...] = ("declaration_id", "tir", "cmr", "container", "plate", "trailer")
"""By what a vehicle is matched, the surest first."""
OF_DOCUMENTS = frozenset({"declaration_id", "tir", "cmr"})
"""Kinds that name the papers; the others name a conveyance, which has other papers tomorrow."""


class ExpectedVehicle(Record):
    """A vehicle that a declaration is expected with, as far as it is known."""

    vehicle_class: VehicleClass | None = None
    plate: OptionalId = None
    plate_country: Country | None = None
    trailer_plate: OptionalId = None
    container_numbers: Ids = ()
    carrier_id: OptionalId = None


Vehicles = Annotated[
    tuple[ExpectedVehicle, ...],
    Field(max_length=MOST_VEHICLES),
    BeforeValidator(lambda given: () if given is None else tuple(given)),
]


class AdvanceDeclaration(Record):
    """A declaration ahead of its vehicle; one that says no vehicle is expected with one."""

    declaration: Declaration
    post: PostCode | None = None
    """Where it is expected; absent means at any post."""
    direction: Direction | None = None
    arrives_from: Time | None = None
    arrives_until: Time | None = None
    vehicles: Vehicles = ()
    """One for each vehicle that carries goods of this declaration."""
    travels_with: Identifiers = ()
    """Other declarations for goods in the same vehicle."""

    EXAMPLE: ClassVar = {
        "declaration": Arrival.EXAMPLE["declaration"],
        "post": "OYB",
        "direction": "entry",
        "arrives_from": "2026-03-01T06:00:00+05:00",
        "arrives_until": "2026-03-01T18:00:00+05:00",
        "vehicles": [{"vehicle_class": "truck", "plate": "01A123BC", "plate_country": "UZ"}],
    }

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        first, last = self.arrives_from, self.arrives_until
        if first is not None and last is not None and last < first:
            why, at = "the window ends before it begins", {"field": "arrives_until"}
            raise PydanticCustomError("ends_before_start", why, at)
        if self.declaration.declaration_id in self.travels_with:
            why, at = "names the declaration itself", {"field": "travels_with"}
            raise PydanticCustomError("names_itself", why, at)
        return self

    @property
    def declaration_id(self) -> str:
        """The identifier of the declaration."""
        return self.declaration.declaration_id

    @property
    def expected_vehicles(self) -> tuple[ExpectedVehicle, ...]:
        """The vehicles, at least one."""
        return self.vehicles or (ExpectedVehicle(),)

    def is_within(self, arrived_at: datetime) -> bool:
        """Tell whether a time lies in the window; what it leaves open is no bound."""
        first, last = self.arrives_from, self.arrives_until
        return (first is None or first <= arrived_at) and (last is None or arrived_at <= last)


@dataclass(frozen=True, slots=True)
class UsedVersion:
    """The version of a declaration ahead that a decision was made with."""

    declaration_id: str
    version: int
    sequence: int
    """The journal's record of the version."""
    vehicle: int
    """Which of its vehicles this is, counted from 1."""


@dataclass(frozen=True, slots=True)
class AdvanceMatch:
    """What became of the declarations ahead when a vehicle came."""

    as_of: int
    """They were read as known strictly before, UTC microseconds."""
    matched_by: str
    """One of :data:`KINDS`; empty where none was used."""
    uses: tuple[UsedVersion, ...] = ()
    """Several where goods of several declarations are in the vehicle."""
    differences: tuple[str, ...] = ()
    """Fields in which the vehicle, or the declaration that it brought, differs from them."""
    gaps: tuple[str, ...] = ()
    """Data gaps."""
    is_brought: bool = False
    """The vehicle brought a declaration of its own, which was decided with."""

    def to_json(self) -> dict[str, Any]:
        """Return it as a record holds it."""
        known = {name: getattr(self, name) for name in self.__slots__}
        lists = {name: list(known[name]) for name in ("differences", "gaps")}
        uses = [{name: getattr(one, name) for name in one.__slots__} for one in self.uses]
        return known | lists | {"uses": uses}

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> "AdvanceMatch | None":
        """Read what :meth:`to_json` wrote; None for a record without one."""
        if value is None:
            return None
        known = {name: tuple(value[name]) for name in ("differences", "gaps")}
        uses = tuple(UsedVersion(**one) for one in value["uses"])
        return cls(**{**value, **known, "uses": uses})
