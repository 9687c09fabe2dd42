"""Forms of a case: what each kind of event asks for, and how it is read.

One table serves the form, the review before it is recorded, and the timeline. Fields carry a
prefix, because a case's place, reason or outcome is not what other forms call so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from api.decisions.find_forms import read_find
from api.web.forms import FormReader, mistakes_of
from api.web.i18n import N_
from engine.cases.case_events import CaseEvent, CaseOpening, ReportedEvent
from engine.domain.goods import GoodsClasses

Model = TypeVar("Model", bound=BaseModel)
PREFIX = "event-"
Control = Literal[
    "line", "words", "number", "moment", "day", "choice", "checks", "countries", "offered",
    "goods",  # a class of the table in force
    "agency",  # of this installation
    "authority",  # of any
    "find",  # of the case, if it has several
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class EventField:
    """One field of an event, as its form asks for it."""

    name: str
    text: str
    control: Control = "line"
    table: str = ""
    """Names of its codes, for a choice."""
    is_owed: bool = False

    @property
    def at(self) -> str:
        """Its name in the form."""
        return f"{PREFIX}{self.name}"


_REFERENCE = EventField("reference", N_("Reference number"))
_WHY = EventField("reason", N_("Reason"), "words", is_owed=True)
_SAMPLE = EventField("sample", N_("Number of the sample"), is_owed=True)
_CLASS = EventField("substance_class", N_("Kind"), "choice", "substance", is_owed=True)
_SUBSTANCE = EventField("substance", N_("Substance"), "offered", "substance_name")
_FIND = EventField("seizure_id", N_("Find"), "find", is_owed=True)
_QUANTITY = EventField("quantity_g", N_("Quantity, g"), "number")
EVENT_FIELDS: Final[Mapping[str, tuple[EventField, ...]]] = {
    "note": (EventField("text", N_("Note"), "words", is_owed=True),),
    "stop": (EventField("place", N_("Where it was stopped"), is_owed=True),),
    "second_search": (
        EventField("outcome", N_("Outcome"), "choice", "outcome", is_owed=True),
        EventField("methods", N_("Methods"), "checks", "method"),
        EventField("places_searched", N_("Places searched"), "checks", "place"),
    ),
    "custody": (
        EventField("to_agency", N_("To which agency"), "agency", is_owed=True),
        _FIND,
        EventField("item", N_("What passes"), is_owed=True),
        _QUANTITY,
        EventField("seal", N_("Seal")),
    ),
    "sample": (_FIND, _SAMPLE, _QUANTITY),
    "laboratory_result": (
        _SAMPLE,
        EventField("laboratory", N_("Laboratory"), "authority", is_owed=True),
        _CLASS,
        _SUBSTANCE,
        EventField("purity_percent", N_("Purity, %"), "number"),
        _REFERENCE,
    ),
    "hand_over": (
        EventField("to_agency", N_("To which agency"), "authority", is_owed=True),
        _REFERENCE,
    ),
    "controlled_delivery": (
        EventField(
            "route_countries",
            N_("Countries of the route, two letters each"),
            "countries",
            is_owed=True,
        ),
        EventField("until", N_("Until"), "moment", is_owed=True),
    ),
    "report_sent": (
        EventField("to", N_("To whom"), "choice", "report_office", is_owed=True),
        _REFERENCE,
    ),
    "link": (
        EventField("of", N_("What it is"), "choice", "linked_thing", is_owed=True),
        EventField("id", N_("Identifier"), is_owed=True),
    ),
    "assignment": (
        EventField("owner", N_("Owner, by the name of an account"), is_owed=True),
        EventField("deadline", N_("Deadline"), "moment"),
    ),
    "agreement": (EventField("of", N_("Record"), is_owed=True),),
    "withdrawal": (EventField("of", N_("Record"), is_owed=True),),
    "closed": (
        EventField("outcome", N_("Outcome"), "choice", "case_outcome", is_owed=True),
        _WHY,
    ),
    "reopened": (_WHY,),
}
"""What each kind of event asks for, in the order of its form."""
OFFERED: Final[Mapping[str, tuple[str, ...]]] = {
    "evidence": ("sample", "laboratory_result", "second_search", "stop"),
    "hand_on": ("custody", "hand_over", "controlled_delivery", "report_sent"),
    "case": ("note", "link", "assignment", "closed"),
}
"""Kinds that an open case offers, by what they are about."""
ABOUT: Final = (
    EventField("happened_at", N_("When it happened, if not now"), "moment"),
    EventField("remark", N_("Note")),
)
"""What may be said of any event but a step of the case itself."""
BARE = frozenset({"note", "link", "assignment", "agreement", "withdrawal", "closed", "reopened"})
"""Kinds that happen when they are recorded: they ask for nothing besides."""
FILE_FIELDS: Final = (
    EventField("shows", N_("What it shows"), "choice", "file_subject", is_owed=True),
    replace(_SAMPLE, is_owed=False),
    EventField("description", N_("Description, without a person's name"), "words"),
    EventField("happened_at", N_("When it was made, if known"), "moment"),
)
"""What is said of a file."""
GOODS_FIELDS: Final = (
    EventField("goods_class", N_("Kind"), "goods"),
    _SUBSTANCE,
    EventField("amount", N_("Amount"), "number"),
    EventField("unit", N_("Unit")),
    EventField("place", N_("Where"), "choice", "place"),
    EventField("concealment", N_("How it was hidden")),
)
"""What is said of goods that no act found."""
OPENING_FIELDS: Final = (
    EventField("summary", N_("Summary"), "words", is_owed=True),
    EventField("owner", N_("Owner, by the name of an account")),
    EventField("deadline", N_("Deadline"), "moment"),
    *GOODS_FIELDS,
)
"""What the opening of a case by hand asks for."""
_MODELS: Mapping[str, type[BaseModel]] = {
    get_args(one.model_fields["kind"].annotation)[0]: one for one in get_args(ReportedEvent)
}
HANDLING = f"{PREFIX}handling"
LABELS: Final[Mapping[str, str]] = {
    one.at: one.text
    for fields in (*EVENT_FIELDS.values(), ABOUT, FILE_FIELDS, OPENING_FIELDS)
    for one in fields
} | {f"{PREFIX}file": N_("File")}
"""What pages call these fields where one needs a correction."""


def read_values(reader: FormReader, fields: tuple[EventField, ...]) -> dict[str, Any]:
    """Return those of these fields that are filled, as a record takes them."""
    found: dict[str, Any] = {}
    measures = {"number": reader.number, "moment": reader.moment}
    for one in fields:
        if one.control in measures:
            value: Any = measures[one.control](one.at)
        elif one.control == "day":
            value = reader.day(one.at, is_last=True)
        elif one.control == "checks":
            value = reader.every(one.at) or None
        elif one.control == "countries":
            value = reader.text(one.at).replace(",", " ").upper().split() or None
        elif one.control == "offered":
            value = reader.offered(one.at, one.table) or None
        else:
            value = reader.text(one.at) or None
        if value is not None:
            found[one.name] = value
    return found


def read_event(reader: FormReader, kind: str) -> CaseEvent:
    """Return the event that a form reports; raises ``FormError`` with all that is wrong."""
    content = {"kind": kind} | read_values(reader, EVENT_FIELDS[kind])
    made = make_record(reader, _MODELS[kind], content)
    about = {} if kind in BARE else read_values(reader, ABOUT)
    if limits := reader.every(HANDLING):
        about["handling"] = limits
    event = make_record(reader, CaseEvent, about | {"event": content}) if made else None
    return reader.finish(event)


def read_goods(reader: FormReader, classes: GoodsClasses) -> dict[str, Any]:
    """Return the goods of a form as a record takes them; the reader keeps what is wrong."""
    part = reader.within(PREFIX)
    values = read_find(part, classes, is_whole=False)
    reader.mistakes += [replace(one, at=f"{PREFIX}{one.at}") for one in part.mistakes]
    return values


def read_opening(reader: FormReader, classes: GoodsClasses, **known: Any) -> CaseOpening:
    """Return the case that a form opens; raises ``FormError`` with all that is wrong."""
    besides = tuple(one for one in OPENING_FIELDS if one not in GOODS_FIELDS)
    values = read_values(reader, besides) | read_goods(reader, classes) | known
    if limits := reader.every(HANDLING):
        values["handling"] = limits
    return reader.finish(make_record(reader, CaseOpening, values))


def refuse_field(reader: FormReader, name: str, rule: str) -> None:
    """Keep a mistake of a field by its name in the record."""
    reader.refuse(f"{PREFIX}{name}", rule)


def make_record(reader: FormReader, model: type[Model], values: Mapping[str, Any]) -> Model | None:
    """Return a record of these values; what breaks a rule of it becomes a mistake of the form."""
    known = {mistake.at for mistake in reader.mistakes}
    try:
        return model.model_validate(values, strict=False)
    except ValidationError as error:
        found = [replace(one, at=f"{PREFIX}{one.at}") for one in mistakes_of(error)]
        reader.mistakes += [one for one in found if one.at not in known]
        return None
