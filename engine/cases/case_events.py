"""Events of a case, as they are reported, and its opening.

The terms are those of the field: stop, second search, custody, sample, laboratory result,
hand-over, controlled delivery, report. Custody that passes to another agency, and a controlled
delivery, take effect when a second person agrees.

No event has a field for a person's name, but people type. A free text that looks as if it named a
person, in Latin or Cyrillic letters, gives a warning to its writer; nothing is refused, because a
firm or a street may look the same.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from engine.domain.field_types import (
    Code,
    Country,
    HandlingCode,
    Hex32,
    Identifier,
    PlaceCode,
    Places,
    PostCode,
    Text,
    Time,
    Unit,
)
from engine.domain.records import Amount, Methods, Outcome, Record, SubstanceClass, complete_goods
from engine.domain.validation import looks_like_name


def find_name_signs(content: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Yield the fields of a record's free texts that look as if they named a person."""
    for name, value in content.items():
        where = f"{at}.{name}" if at else name
        if isinstance(value, Mapping):
            yield from find_name_signs(value, where)
        elif name in FREE_TEXTS and isinstance(value, str) and looks_like_name(value):
            yield where


FREE_TEXTS = frozenset({"text", "remark", "summary", "item", "reason", "reference", "description"})
"""Fields of openings and events that hold words of the writer's own."""


Handling = Annotated[tuple[HandlingCode, ...], Field(max_length=3)]
Words = Annotated[Text, Field(min_length=1)]
Grams = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


FileSubject = Literal["photograph", "scanner_image", "scan", "laboratory_report", "other"]
"""What a file of a case is; its name, which may hold a person's, is not kept."""


class Stop(Record):
    """The vehicle was stopped, and where."""

    kind: Literal["stop"]
    place: Words


class SecondSearch(Record):
    """The vehicle was searched again after the find."""

    kind: Literal["second_search"]
    methods: Methods = ()
    places_searched: Places = ()
    outcome: Outcome


class Custody(Record):
    """Goods pass from the agency that holds them to another, once a person of that one agrees."""

    kind: Literal["custody"]
    to_agency: Code
    item: Words
    """What passes: goods, vehicle, samples."""
    seizure_id: Identifier | None = None
    """The find that passes; stated where the case has several."""
    quantity_g: Grams | None = None
    seal: Identifier | None = None


class Sample(Record):
    """A sample was taken."""

    kind: Literal["sample"]
    sample: Identifier
    seizure_id: Identifier | None = None
    """The find that it was taken of; stated where the case has several."""
    quantity_g: Grams | None = None


class LaboratoryResult(Record):
    """A laboratory's result on a sample."""

    kind: Literal["laboratory_result"]
    sample: Identifier
    laboratory: Code
    substance_class: SubstanceClass
    substance: Identifier | None = None
    purity_percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    reference: Identifier | None = None


class HandOver(Record):
    """The case's goods and papers go to an investigating authority or a court."""

    kind: Literal["hand_over"]
    to_agency: Code
    reference: Identifier | None = None


class ControlledDelivery(Record):
    """The consignment goes on under watch, once another person agrees."""

    kind: Literal["controlled_delivery"]
    route_countries: Annotated[tuple[Country, ...], Field(min_length=1, max_length=16)]
    until: Time


class ReportSent(Record):
    """A report to a database or an office of cooperation."""

    kind: Literal["report_sent"]
    to: Literal["cen", "caricc", "ids", "pics", "ions", "interpol", "other"]
    reference: Identifier | None = None


class Note(Record):
    """Words on the case."""

    kind: Literal["note"]
    text: Words


class CaseAssignment(Record):
    """Who owns the case now, by the name of an account, and until when it is to move."""

    kind: Literal["assignment"]
    owner: Identifier
    deadline: Time | None = None


class CaseReference(Record):
    """Something that the case is about, or that is about the case."""

    kind: Literal["link"]
    of: Literal["vehicle", "act", "seizure", "declaration", "attention"]
    id: Identifier
    """A plate for a vehicle; an identifier for all others."""


class Agreement(Record):
    """A second person agrees to a transfer of custody or to a controlled delivery."""

    kind: Literal["agreement"]
    of: Annotated[int, Field(ge=1, le=2**53)]
    """The number of the record that is agreed to."""


class Withdrawal(Record):
    """A transfer of custody or a controlled delivery that waits is withdrawn, or declined."""

    kind: Literal["withdrawal"]
    of: Annotated[int, Field(ge=1, le=2**53)]
    """The number of the record that waits."""


class CaseClosure(Record):
    """The case ends; it takes no event afterwards but its reopening."""

    kind: Literal["closed"]
    outcome: Literal["handed_over", "reported", "no_offence", "joined_to_another", "other"]
    reason: Words


class CaseReturn(Record):
    """A closed case is opened again."""

    kind: Literal["reopened"]
    reason: Words


ReportedEvent = (
    Stop
    | SecondSearch
    | Custody
    | Sample
    | LaboratoryResult
    | HandOver
    | ControlledDelivery
    | ReportSent
    | Note
    | CaseAssignment
    | CaseReference
    | Agreement
    | Withdrawal
    | CaseClosure
    | CaseReturn
)
NEED_SECOND = frozenset({"custody", "controlled_delivery"})
"""Kinds that take effect when a second person agrees."""


class CaseEvent(Record):
    """One event of a case, with when it happened and how it may be used."""

    event: Annotated[ReportedEvent, Field(discriminator="kind")]
    happened_at: Time | None = None
    """Absent where it happens now."""
    remark: Words | None = None
    handling: Handling = ()
    """Limits of this event's use, besides those of the case."""
    EXAMPLE: ClassVar = {
        "event": {"kind": "stop", "place": "lane 2, after the scales"},
        "happened_at": "2024-03-07T09:40:00Z",
    }


class CaseFile(Record):
    """A file of a case as it was received; its content lies in the home, under its digest."""

    kind: Literal["file"] = "file"
    digest: Hex32
    """SHA-256."""
    media_type: Literal["image/jpeg", "image/png", "image/webp", "application/pdf", "text/plain"]
    """As it was recognised by the content."""
    size_bytes: Annotated[int, Field(ge=1)]
    shows: FileSubject
    sample: Identifier | None = None
    """The sample that it is about."""
    description: Words | None = None


class CaseFileReport(Record):
    """A file of a case, with when it was made and how it may be used."""

    event: CaseFile
    happened_at: Time | None = None
    handling: Handling = ()


class CaseOpening(Record):
    """What a case is opened with: from a seizure, from an attention, or by hand at a post."""

    post: PostCode | None = None
    seizure_id: Identifier | None = None
    attention_id: Identifier | None = None
    summary: Words
    owner: Identifier | None = None
    """The name of an account; absent, who opens the case."""
    deadline: Time | None = None
    handling: Handling = ()
    agency: Code | None = None
    substance_class: SubstanceClass | None = None
    substance: Identifier | None = None
    quantity_g: Grams | None = None
    place: PlaceCode | None = None
    concealment: Identifier | None = None
    goods_class: Code | None = None
    amount: Amount | None = None
    unit: Unit | None = None

    EXAMPLE: ClassVar = {
        "post": "OYB",
        "summary": "Heroin in the fuel tank of a truck, found by a dog.",
        "substance_class": "narcotic",
        "substance": "heroin",
        "quantity_g": 2300.0,
        "place": "fuel.tank",
        "concealment": "built_in",
        "handling": ["H1"],
    }

    @model_validator(mode="after")
    def _classed(self) -> Self:
        self.__dict__.update(complete_goods(self))
        return self

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if self.seizure_id is not None and self.attention_id is not None:
            why, at = "a case is opened from one thing; link the other", {"field": "attention_id"}
            raise PydanticCustomError("second_source", why, at)
        if self.seizure_id is None and self.post is None:
            why, at = "a case that no seizure opens names its post", {"field": "post"}
            raise PydanticCustomError("missing_key", why, at)
        return self
