"""Answers about cases."""

from datetime import datetime
from typing import Any, Literal

from api.http.schema_base import AnswerSchema
from engine.cases.case_progress import Duty, Urgency
from engine.domain.records import Direction, Method, SubstanceClass, VehicleClass
from engine.journal.receipts import Receipt
from engine.links.envelope import HandlingCode


class CaseSummary(AnswerSchema):
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
    opened_at: datetime
    changed_at: datetime
    deadline: datetime | None
    is_overdue: bool
    urgency: Urgency
    """Ageing after 7 days without an event, escalated after 14 or past its deadline."""
    agreements_due: int
    """Events that wait for a second person."""
    age_days: int
    """Whole days since it was opened, until it was closed."""
    idle_days: int
    """Whole days without an event."""


class Cases(AnswerSchema):
    """Cases, the newest first."""

    tables = ("cases",)
    cases: list[CaseSummary]
    next_before: int | None
    """For ``before``, to read on; null at the end."""


class CaseLinkView(AnswerSchema):
    """What a case is about."""

    of: Literal["vehicle", "act", "seizure", "declaration", "attention"]
    id: str


class CaseFind(AnswerSchema):
    """A find without anything nominal, in the form that seizure databases ask for."""

    seizure_id: str | None
    """None where the case itself states what was found."""
    post: str
    detected_at: datetime
    substance_class: SubstanceClass
    substance: str | None
    quantity_g: float | None
    unit: Literal["g"]
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


class CaseStepView(AnswerSchema):
    """One event."""

    sequence: int
    kind: str
    recorded_at: datetime
    happened_at: datetime
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


class CaseNextStep(AnswerSchema):
    """One step that a case owes, and who takes it."""

    duty: Duty
    person: str | None
    """The owner, where the step is theirs."""
    agency: str | None
    """The agency whose person agrees."""
    sequence: int | None
    """The record that waits for a second person, or that the step follows."""
    reported_by: str | None
    """Who may not agree, because they reported it."""
    sample: str | None
    until: datetime | None


class CaseView(CaseSummary):
    """A case with its finds and events, in order."""

    tables = ("finds", "events", "links", "next_steps")
    sequence: int
    """Of the record that opened it."""
    opened_by: str
    links: list[CaseLinkView]
    waiting: list[int]
    """Records that wait for a second person."""
    next_steps: list[CaseNextStep]
    """What the case owes, the first first; advice, but for agreements."""
    finds: list[CaseFind]
    events: list[CaseStepView]


class CaseWarning(AnswerSchema):
    """A text that was recorded and should be looked at again."""

    at: str
    rule: Literal["looks_like_name"]
    why: str


class AcknowledgedCase(AnswerSchema):
    """A case or an event that stands in the journal."""

    case_id: str
    sequence: int
    """Of its record; an agreement names it."""
    warnings: list[CaseWarning]
    recorded_at: datetime
    receipt: Receipt


class AcknowledgedFile(AcknowledgedCase):
    """A file that lies in the home, under the digest that stands in the journal."""

    digest: str
    """SHA-256 in hex."""
    media_type: str
    """As it was recognised by the content."""
    size_bytes: int
