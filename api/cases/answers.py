"""Types of answers about cases. No answer holds a figure of the engine."""

from dataclasses import dataclass
from typing import Any, Literal

from api.http.answers import Answer, Recorded, Time
from engine.cases.case_state import NextStep, Urgency
from engine.domain.field_types import HandlingCode
from engine.domain.records import Direction, Method, Outcome, SubstanceClass, VehicleClass


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSummary(Answer):
    """Where a case stands."""

    case_id: str
    post: str
    agency: str | None
    custody: str | None
    """The agency that holds the goods."""
    owner: str
    state: Literal["open", "closed"]
    handling: list[HandlingCode]
    summary: str
    opened_at: Time
    changed_at: Time
    deadline: Time | None
    is_overdue: bool
    urgency: Urgency
    """Ageing after 7 days without an event, escalated after 14 or past its deadline."""
    agreements_due: int
    """Events that wait for a second person."""
    age_days: int
    """Whole days since it was opened, until it was closed."""
    idle_days: int
    """Whole days without an event."""


@dataclass(frozen=True, slots=True)
class Cases(Answer):
    """Cases, the newest first."""

    tables = ("cases",)
    cases: list[CaseSummary]
    next_before: int | None
    """For ``before``, to read on; null at the end."""


@dataclass(frozen=True, slots=True)
class CaseLinkView(Answer):
    """What a case is about."""

    of: Literal["vehicle", "act", "seizure", "declaration", "attention"]
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFind(Answer):
    """A find without anything nominal, in the form that seizure databases ask for."""

    seizure_id: str | None
    """None where the case itself states what was found."""
    post: str
    detected_at: Time
    substance_class: SubstanceClass
    substance: str | None
    quantity_g: float | None
    remains_g: float | None
    """Of ``quantity_g``, less samples."""
    goods_class: str | None
    class_names: dict[str, str]
    """Of the class of goods, by language."""
    class_codes: dict[str, str]
    """Codes of the class in forms, as far as the table of classes states them."""
    goes_to: str | None
    """The agency that takes goods of the class over."""
    taken_over_by: str | None
    """The agency that has taken the find over: a person of it agreed."""
    amount: float | None
    unit: str | None
    place: str | None
    concealment: str | None
    direction: Direction | None
    means: VehicleClass | None
    means_country: str | None
    dispatch_country: str | None
    destination_country: str | None
    route_countries: list[str]
    origin_countries: list[str]
    cover_goods: list[str]
    """HS codes that were declared."""
    methods: list[Method]
    places_searched: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAct(Answer):
    """An inspection act of the case, as it was last stated."""

    inspection_id: str
    post: str
    filed_at: Time
    started_at: Time | None
    completed_at: Time | None
    by: str | None
    agency: str | None
    outcome: Outcome
    methods: list[Method]
    places_searched: list[str]
    minutes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCorrection(Answer):
    """A statement of an act or a seizure that took the place of an earlier one."""

    of: Literal["act", "seizure"]
    id: str
    at: Time
    by: str
    reason: str
    was: dict[str, Any]
    """Fields of the report before it; as they were filed."""
    now: dict[str, Any] | None
    """The same after it; null for a seizure that was withdrawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStepView(Answer):
    """One event."""

    sequence: int
    kind: str
    recorded_at: Time
    happened_at: Time
    by: str
    by_agency: str | None
    handling: list[HandlingCode]
    is_withheld: bool
    """Its content is for other agencies."""
    is_effective: bool
    """False while a second person has not agreed."""
    agreed_by: str | None
    content: dict[str, Any]
    """Fields of the event, by its kind."""
    remark: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseGoodsStep(Answer):
    """What was taken of the goods found, or passed to another agency."""

    sequence: int
    seizure_id: str | None
    """The find; null for goods that the case itself states."""
    kind: Literal["sample", "custody"]
    happened_at: Time
    name: str
    """The number of the sample, or what passed."""
    to_agency: str | None
    quantity_g: float
    remains_g: float
    differs_g: float
    """What passed on, less what remained of the find; 0 where the grams add up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView(CaseSummary):
    """A case with its finds and events, in order."""

    tables = ("finds", "goods", "acts", "corrections", "events", "links", "next_steps")
    sequence: int
    """Of the record that opened it."""
    opened_by: str
    links: list[CaseLinkView]
    waiting: list[int]
    """Records that wait for a second person."""
    next_steps: list[NextStep]
    """What the case owes, the first first; advice, but for agreements."""
    finds: list[CaseFind]
    found_g: float | None
    """Grams of all finds together; null where one states none."""
    goods: list[CaseGoodsStep]
    """What became of finds whose grams are known."""
    acts: list[CaseAct]
    """Linked, or named by a find; those that the caller's agency sees."""
    corrections: list[ReportCorrection]
    """Of these acts and finds, the oldest first."""
    events: list[CaseStepView]


@dataclass(frozen=True, slots=True)
class CaseWarning(Answer):
    """A text that was recorded and should be looked at again."""

    at: str
    rule: Literal["looks_like_name"] = "looks_like_name"
    why: str = "it looks as if it named a person: a case holds none"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedCase(Recorded):
    """A case or an event that stands in the journal."""

    case_id: str
    sequence: int
    """Of its record; an agreement names it."""
    warnings: list[CaseWarning]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedFile(AcknowledgedCase):
    """A file that lies in the home, under the digest that stands in the journal."""

    digest: str
    """SHA-256 in hex."""
    media_type: str
    """As it was recognised by the content."""
    size_bytes: int


MOST = 500
"""Cases of one page."""
NOT_PASSED_ON = "H2"
