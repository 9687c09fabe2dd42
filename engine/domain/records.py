"""Definitions of all reported records, shared by the HTTP interface, the files and the engine.

A record states what a person saw or declared, which may be false: a failed check digit or an HS
code that is in no nomenclature is a signal for the features, never a reason to refuse. A record
that cannot be read is refused: a missing key, a time without an offset, an infinite mass, an
undefined field.

No record holds a person's nationality, ethnicity, religion, sex, age or birthplace. A driver is a
pseudonym made by the sender.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, NoReturn, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from engine.domain.field_types import (
    CODE,
    MASSES,
    Agency,
    AnyPost,
    AnyText,
    Code,
    Codes,
    Countries,
    Country,
    CurrencyCode,
    HsCode,
    Ids,
    IncotermCode,
    KnownCurrency,
    Mass,
    Minutes,
    National,
    OptionalCode,
    OptionalId,
    PlaceCode,
    Places,
    PrintableText,
    Propensity,
    Rate,
    RecordId,
    RequiredCode,
    Text,
    Time,
    Unit,
    UnNumber,
    Value,
    empty_if_absent,
)

Direction = Literal["entry", "exit"]
VehicleClass = Literal["car", "van", "bus", "truck", "rail_wagon", "other"]
BodyType = Literal[
    "tilt", "box", "reefer", "tank", "container", "flat", "car_carrier", "timber", "livestock",
    "bus", "van", "car", "other",
]  # fmt: skip
"""What a conveyance carries its load in; of a road train that of its trailer."""
Basis = Literal[
    "random",
    "lawful_check",
    "random_papers",
    "score",
    "profile",
    "watchlist",
    "officer",
    "counterpart",
]
_PAPERS = frozenset({"documents", "weighing"})
Method = Literal["documents", "weighing", "xray", "canine", "physical"]
Outcome = Literal["clear", "discrepancy", "seizure"]
RowOutcome = Literal["clear", "discrepancy", "seizure", "documents_asked"]
SubstanceClass = Literal["narcotic", "psychotropic", "precursor", "other"]
SUBSTANCES: Mapping[str, SubstanceClass] = MappingProxyType(
    {"narcotics": "narcotic", "psychotropics": "psychotropic", "precursors": "precursor"}
)
"""Classes of goods that are classes of substances too; all others are ``other``."""
PERSONS = "persons"
"""The class of goods of which nothing but the number is recorded."""
DiscrepancyKind = Literal[
    "value", "classification", "origin", "mass", "count", "documents", "undeclared", "transit"
]
DiscrepancyKinds = Annotated[
    tuple[DiscrepancyKind, ...], Field(max_length=8), BeforeValidator(empty_if_absent)
]
Amount = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Methods = Annotated[tuple[Method, ...], Field(max_length=16), BeforeValidator(empty_if_absent)]

PLACES: tuple[str, ...] = (
    "cab.seat", "cab.dash", "cab.roof", "cab.bunk", "cab.bags",
    "engine.bay", "fuel.tank", "fuel.false_tank",
    "chassis.frame", "chassis.underbody", "chassis.spare_wheel", "chassis.tyre", "chassis.axle",
    "chassis.air_tank",
    "trailer.front_wall", "trailer.floor", "trailer.roof", "trailer.doors", "trailer.sides",
    "trailer.refrigeration",
    "cargo.among", "cargo.inside", "cargo.packaging", "cargo.disguised", "person",
)  # fmt: skip
"""Where in a conveyance; a finer code may be any ``group.part``, unknown parts count as group."""


class Record(BaseModel):
    """Base of every record: frozen, strict, and closed to undefined fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)
    EXAMPLE: ClassVar[dict[str, Any]]
    """What a body of such a record holds, for those that a service takes; times are of one day."""


class NoContent(Record):
    """A step that its path says whole."""

    EXAMPLE: ClassVar = {}


class StatedReason(Record):
    """Why a step is taken that changes what others rely on."""

    reason: Annotated[Text, Field(min_length=1)]
    EXAMPLE: ClassVar = {"reason": "It flags every empty truck."}


class OptionalReason(Record):
    """Why a step is taken; expected, but the step must not wait for it."""

    reason: Text | None = None
    EXAMPLE: ClassVar = {"reason": "The scale of lane 2 was found to be off."}


class Crossing(Record):
    """One passage of a conveyance through a post, in one direction."""

    crossing_id: RecordId
    post: Annotated[AnyPost, PrintableText("text", is_required=True)]
    direction: Direction
    arrived_at: Time
    recorded_at: Time | None = None
    """When the record reached this network; absent means on arrival."""
    vehicle_class: VehicleClass
    plate: OptionalId = None
    """As read: folding happens in :mod:`engine.domain.identifiers`, the raw reading is kept."""
    plate_country: Country | None = None
    trailer_plate: OptionalId = None
    vin: OptionalId = None
    container_numbers: Ids = ()
    driver_ref: OptionalId = None
    """A keyed pseudonym made by the sender; nothing about the person."""
    carrier_id: OptionalId = None
    seal_numbers: Ids = ()
    weighed_mass_kg: Mass | None = None
    is_empty: bool | None = None
    declaration_id: OptionalId = None
    cmr_number: OptionalId = None
    """The consignment note that was seen at the post, or announced for the vehicle."""
    tir_carnet: OptionalId = None
    expected_at: Time | None = None
    """When the vehicle was announced to arrive; may lie in the future."""
    body_type: BodyType | None = None
    body_code: OptionalCode = None
    """The code of the body in the register of vehicles, as it stands there."""
    national: National = None

    @property
    def known_at(self) -> datetime:
        """When this network could know it: never before it arrived."""
        return (
            self.arrived_at if self.recorded_at is None else max(self.arrived_at, self.recorded_at)
        )


MOST_ITEM_NO = 99_999
"""Standard messages number goods items by up to five digits, which need not be in sequence."""


class GoodsItem(Record):
    """One goods item of a declaration."""

    item_no: Annotated[int, Field(ge=1, le=MOST_ITEM_NO)]
    hs_code: HsCode
    description: Annotated[AnyText | None, PrintableText("text")] = None
    origin_country: Country | None = None
    packages: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    net_mass_kg: Mass | None = None
    gross_mass_kg: Mass | None = None
    customs_value_usd: Value | None = None
    """Statistical value, box 46 of the declaration."""
    duty_rate: Rate | None = None
    """A share of the value, in [0, ...): may exceed 1."""
    preference_code: OptionalCode = None
    origin_marking: OptionalCode = None
    package_kind: OptionalCode = None
    """Code of the kind of package, box 31 (UN/ECE recommendation 21, or a national list)."""
    un_number: UnNumber | None = None
    """Of dangerous goods: four digits of the United Nations' model regulations."""
    pen_number: OptionalId = None
    """Number of the pre-export notification of a precursor (PEN Online of the INCB)."""
    national: National = None


class GoodsItemRow(GoodsItem):
    """A goods item as a bulk file has it: it names its declaration."""

    declaration_id: RecordId


class DeclarationHead(Record):
    """A declaration without its items, as a bulk file has it."""

    declaration_id: RecordId
    lodged_at: Time | None = None
    procedure: RequiredCode
    declarant_id: OptionalId = None
    consignor_id: OptionalId = None
    consignee_id: OptionalId = None
    dispatch_country: Country | None = None
    destination_country: Country | None = None
    tir_carnet: OptionalId = None
    cmr_number: OptionalId = None
    transport_mode: OptionalCode = None
    nature_of_transaction: OptionalCode = None
    payment_type: OptionalCode = None
    invoice_value: Value | None = None
    """Total of the invoice, box 22, in ``invoice_currency``: never converted."""
    invoice_currency: CurrencyCode | None = None
    incoterm: IncotermCode | None = None
    office_of_entry: OptionalCode = None
    """Code of the customs office at which the goods enter, box 29."""
    office_of_exit: OptionalCode = None
    route_countries: Countries = ()
    """Countries of routing in the order of travel."""
    previous_documents: Codes = ()
    """Box 40: ``TYPE:REFERENCE``, or what is known of the two."""
    documents: Codes = ()
    """Codes of the documents presented, box 44; each once."""
    guarantee_type: OptionalCode = None
    national: National = None


class Declaration(DeclarationHead):
    """What was declared for a consignment, with its goods items."""

    items: Annotated[tuple[GoodsItem, ...], Field(min_length=1, max_length=999)]


MOST_ITEMS = 999
"""Goods items of a declaration, and of all declarations of one vehicle."""


def join_declarations(declared: Sequence[Declaration]) -> Declaration:
    """Return the goods of one vehicle as one declaration, with the number of the first.

    Its items are numbered again, ``MOST_ITEMS`` at most. A field in which they differ is absent,
    but for the procedure.
    """
    first = declared[0]
    if len(declared) == 1:
        return first
    items = [item for each in declared for item in each.items][:MOST_ITEMS]
    numbered = [item.model_copy(update={"item_no": n}) for n, item in enumerate(items, 1)]
    kept = {"declaration_id", "procedure", "items"}
    unlike = {
        name: None
        for name in set(Declaration.model_fields) - kept
        if len({getattr(each, name) for each in declared}) > 1
    }
    return first.model_copy(update={**unlike, "items": tuple(numbered)})


class InspectionAct(Record):
    """An inspection act as a checkpoint reports it; why it took place is the engine's to say."""

    inspection_id: RecordId
    crossing_id: RecordId
    started_at: Time | None = None
    completed_at: Time | None = None
    recorded_at: Time | None = None
    """When it became known; absent where the service records it as it comes."""
    methods: Methods = ()
    minutes: Minutes | None = None
    places_searched: Places = ()
    outcome: Outcome
    agency: Agency = None
    """The agency that made the act."""
    discrepancy_kinds: DiscrepancyKinds = ()
    """In what the goods or papers differ from what was declared."""
    duty_assessed: Value | None = None
    """Duty and fine that follow from what was found, in ``currency``."""
    currency: KnownCurrency | None = None

    @model_validator(mode="after")
    def _assessed(self) -> Self:
        check_assessment(self.outcome, self.discrepancy_kinds, self.duty_assessed, self.currency)
        return self

    @model_validator(mode="after")
    def _recorded_after_start(self) -> Self:
        times = self.started_at, self.recorded_at
        if times[0] is not None and times[1] is not None and times[1] < times[0]:
            why, at = "recorded before it was started", {"field": "recorded_at"}
            raise PydanticCustomError("recorded_before_started", why, at)
        return self


def check_assessment(
    outcome: RowOutcome, kinds: Collection[str], duty: float | None, currency: str | None
) -> None:
    """Refuse what was assessed of an act that found nothing, and a sum without its currency.

    Raises a ``PydanticCustomError``.
    """
    if (duty is None) != (currency is None):
        missing = "currency" if currency is None else "duty_assessed"
        why = "duty_assessed and currency go together"
        raise PydanticCustomError("missing_key", why, {"field": missing})
    if outcome in ("clear", "documents_asked") and (kinds or duty is not None):
        why = "discrepancy_kinds and duty_assessed belong to an act that found something"
        raise PydanticCustomError("nothing_found", why, {"field": "outcome"})


def is_papers_only(methods: Collection[str] | None) -> bool:
    """Tell whether an act names papers and scales alone: a clear one proves nothing.

    An act that names no methods counts as full.
    """
    return bool(methods) and _PAPERS.issuperset(methods or ())


class Inspection(InspectionAct):
    """An inspection act with the reason it took place; also when nothing was found."""

    recorded_at: Time
    basis: Basis
    propensity: Propensity | None = None
    """Probability with which the policy in force selected this crossing; None when unknown."""
    is_audit: bool | None = None
    """True of an audit of a vehicle that was released: clear books tell that the papers were right,
    and nothing about a load."""

    @property
    def is_full(self) -> bool:
        """Tell whether it could have found goods."""
        return not is_papers_only(self.methods)

    @property
    def is_evidence(self) -> bool:
        """Tell whether it says anything of the goods: a hit, or a search that could have found."""
        return self.outcome != "clear" or self.is_full


class _QuestionRow(Inspection):
    documents: Codes = ()
    due_at: Time | None = None

    @model_validator(mode="after")
    def _require_due_day(self) -> Self:
        if (str(self.outcome) == "documents_asked") != (self.due_at is not None):
            why = "documents_asked and due_at go together"
            raise PydanticCustomError("missing_key", why, {"field": "due_at"})
        return self


InspectionRow = create_model(
    "InspectionRow",
    __base__=_QuestionRow,
    __doc__="An act as a bulk file has it, or documents that were asked for: those are no act.",
    outcome=(RowOutcome, ...),
)


def complete_goods(goods: Any) -> dict[str, Any]:
    """Return what follows of an amount: grams from a mass, and a mass from grams alone.

    ``goods`` is a seizure, or its correction. Raises a ``PydanticCustomError`` for an amount
    without a class or a unit, for a class of substances that the class of goods contradicts, and
    for anything but a number of persons.
    """
    amount, unit = goods.amount, goods.unit
    if goods.goods_class is None:
        if amount is not None or unit is not None:
            _refuse("goods_class", "missing_key", "an amount is that of a class of goods")
        return {}
    if goods.substance_class != SUBSTANCES.get(goods.goods_class, "other"):
        _refuse("substance_class", "contradiction", "goods_class is another kind of goods")
    if goods.goods_class == PERSONS:
        _check_count(goods)
    if (amount is None) != (unit is None):
        missing = "unit" if unit is None else "amount"
        _refuse(missing, "missing_key", "amount and unit go together")
    if unit == "pieces" and not amount.is_integer():
        _refuse("amount", "not_a_whole_number", "pieces are counted")
    return _complete_mass(amount, unit, goods.quantity_g)


def _complete_mass(amount: float | None, unit: str | None, grams: float | None) -> dict[str, Any]:
    if amount is None:
        return {} if grams is None else {"amount": grams, "unit": "g"}
    if (factor := MASSES.get(unit or "")) is None:
        return {}
    mass = amount * factor
    if grams is not None and not math.isclose(grams, mass, rel_tol=1e-6):
        _refuse("quantity_g", "contradiction", "amount is another mass")
    return {"quantity_g": mass if grams is None else grams}


def _check_count(goods: Any) -> None:
    """Refuse all that could describe a person."""
    for name in ("substance", "quantity_g"):
        if getattr(goods, name) is not None:
            _refuse(name, "count_alone", "of persons the number is recorded, no more")
    if goods.unit not in (None, "pieces"):
        _refuse("unit", "wrong_unit", "persons are counted in pieces")
    if goods.concealment is not None and CODE.fullmatch(goods.concealment) is None:
        _refuse("concealment", "count_alone", "of persons a code says how they were hidden")


def _refuse(field: str, rule: Any, why: Any) -> NoReturn:
    raise PydanticCustomError(rule, why, {"field": field})


class ReportedSeizure(Record):
    """Goods taken, at a post or inland, as they are reported."""

    seizure_id: RecordId
    inspection_id: OptionalId = None
    crossing_id: OptionalId = None
    plate: OptionalId = None
    seized_at: Time | None = None
    recorded_at: Time | None = None
    """When it became known; absent where the service records it as it comes."""
    substance_class: SubstanceClass
    substance: OptionalCode = None
    quantity_g: Amount | None = None
    place: PlaceCode | None = None
    concealment: OptionalCode = None
    agency: Agency = None
    """The agency that took the goods."""
    goods_class: Code | None = None
    """Code of the class of goods (:mod:`engine.domain.goods`)."""
    amount: Amount | None = None
    unit: Unit | None = None

    EXAMPLE: ClassVar = {
        "seizure_id": "OYB-SZ-2026-0004",
        "inspection_id": "OYB-ACT-2026-0031",
        "crossing_id": "OYB-2026-000417",
        "seized_at": "2026-03-01T10:05:00+05:00",
        "recorded_at": "2026-03-01T10:15:00+05:00",
        "substance_class": "narcotic",
        "substance": "hashish",
        "quantity_g": 2000.0,
        "place": "chassis.frame",
        "concealment": "magnet",
    }

    @model_validator(mode="after")
    def _classed(self) -> Self:
        self.__dict__.update(complete_goods(self))
        return self

    @model_validator(mode="after")
    def _linked(self) -> Self:
        if self.crossing_id is None and self.plate is None:
            why, at = "a seizure needs crossing_id or plate", {"field": "crossing_id"}
            raise PydanticCustomError("missing_key", why, at)
        return self


class Seizure(ReportedSeizure):
    """Goods taken, at a post or inland, with when it became known."""

    recorded_at: Time


DocumentField = Literal[
    "plate",
    "trailer_plate",
    "plate_country",
    "vin",
    "container_numbers",
    "seal_numbers",
    "carrier_id",
]
"""Fields of a crossing that a transport or customs document fills too."""


class Arrival(Record):
    """What a checkpoint sends for a decision: the crossing, and its declaration if there is one.

    A vehicle with several declarations is decided on by the goods of all: ``declaration`` joins
    them.
    """

    crossing: Crossing
    declaration: Declaration | None = None
    declarations: Annotated[tuple[Declaration, ...], Field(min_length=1, max_length=64)] | None = (
        None
    )
    """Each declaration as it was sent, if there are several; ``declaration`` joins them."""
    document_differences: Annotated[
        tuple[DocumentField, ...],
        Field(max_length=16),
        BeforeValidator(empty_if_absent),
    ] = ()
    """Fields in which a document and the reading differ; the crossing has the reading."""
    EXAMPLE: ClassVar = {
        "crossing": {
            "crossing_id": "OYB-2026-000417",
            "post": "OYB",
            "direction": "entry",
            "arrived_at": "2026-03-01T09:14:00+05:00",
            "vehicle_class": "truck",
            "plate": "01 A 123 BC",
            "plate_country": "TJ",
            "trailer_plate": "01 4567 AA",
            "container_numbers": ["MSKU0000008"],
            "driver_ref": "p-5d2c0f",
            "carrier_id": "carrier-12",
            "seal_numbers": ["S-88121"],
            "weighed_mass_kg": 17350.0,
            "is_empty": False,
            "declaration_id": "26UZ-0009981",
        },
        "declaration": {
            "declaration_id": "26UZ-0009981",
            "lodged_at": "2026-03-01T07:40:00+05:00",
            "procedure": "import",
            "declarant_id": "broker-3",
            "consignor_id": "farm-77",
            "consignee_id": "market-5",
            "dispatch_country": "TJ",
            "destination_country": "UZ",
            "items": [
                {
                    "item_no": 1,
                    "hs_code": "08062010",
                    "description": "raisins in boxes",
                    "origin_country": "TJ",
                    "packages": 900,
                    "net_mass_kg": 9000.0,
                    "gross_mass_kg": 9450.0,
                    "customs_value_usd": 13500.0,
                    "duty_rate": 0.05,
                }
            ],
        },
    }

    @model_validator(mode="after")
    def _join(self) -> Self:
        """Let several declarations be decided on as one; one in a list is the declaration."""
        if self.declarations is None:
            return self
        names = [one.declaration_id for one in self.declarations]
        if len(set(names)) < len(names):
            why, at = "two declarations have one number", {"field": "declarations"}
            raise PydanticCustomError("duplicate", why, at)
        if sum(len(one.items) for one in self.declarations) > MOST_ITEMS:
            why, at = "more than 999 goods items in all", {"field": "declarations"}
            raise PydanticCustomError("too_many_items", why, at)
        joined = join_declarations(self.declarations)
        if self.declaration not in (None, joined):
            why, at = "send the declaration, or declarations", {"field": "declaration"}
            raise PydanticCustomError("contradiction", why, at)
        object.__setattr__(self, "declaration", joined)  # the record is frozen for all others
        if len(names) == 1:
            object.__setattr__(self, "declarations", None)
        return self
