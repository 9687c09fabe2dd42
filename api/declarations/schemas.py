"""Answers about declarations ahead of their vehicles."""

from datetime import datetime
from typing import Any, Literal

from api.decisions.schemas import ChannelCode
from api.http.schema_base import AnswerSchema
from engine.decision.decision import Band, Mode
from engine.domain.advance_declarations import MatchKind
from engine.journal.receipts import Receipt

State = Literal["lodged", "expected", "arrived", "expired", "cancelled"]
"""A declarant is told ``lodged`` or ``cancelled`` alone."""
MissingCode = Literal[
    "no_post",
    "no_window",
    "no_vehicle",
    "no_vehicle_class",
    "no_carrier",
    "short_hs_code",
    "no_value",
]


class AcknowledgedDeclaration(AnswerSchema):
    """A version of a declaration ahead, or its cancellation, that stands in the journal."""

    kind: Literal["declaration_lodged", "declaration_cancelled"]
    id: str
    version: int
    """Counted from 1; a cancellation is the last one."""
    received_at: datetime
    receipt: Receipt


class ProvisionalRisk(AnswerSchema):
    """What is to be expected of the vehicle, as of now; drawn, counted and recorded nowhere."""

    provisional: Literal[True]
    channel: ChannelCode
    band: Band
    percentile: float | None
    p_seizure: float | None
    p_discrepancy: float | None
    watchlist: bool
    mode: Mode
    model_version: str | None


class ExpectedDeclaration(AnswerSchema):
    """A declaration ahead, as a list has it."""

    declaration_id: str
    version: int
    state: State
    post: str | None
    """Null where it is expected at any post."""
    direction: Literal["entry", "exit"] | None
    due_at: datetime
    """When it is expected; when it was lodged, where it does not say."""
    arrives_from: datetime | None
    arrives_until: datetime | None
    plates: list[str]
    vehicle_classes: list[str]
    vehicles: int
    arrived: int | None
    """Vehicles that came; null for a declarant."""
    procedure: str
    items: int
    missing: list[MissingCode]
    """What is not known of it."""
    provisional: ProvisionalRisk | None = None
    """For supervisors and analysts, where the post is known."""


class ExpectedDeclarations(AnswerSchema):
    """Declarations ahead, the first expected first."""

    tables = ("declarations",)
    declarations: list[ExpectedDeclaration]
    next_before: int | None
    """For ``before``, to read on; null where these are all."""


class DeclarationVersion(AnswerSchema):
    """One version of a declaration ahead."""

    version: int
    state: Literal["lodged", "cancelled"]
    received_at: datetime
    receipt: Receipt


class VehicleUse(AnswerSchema):
    """A vehicle that came, and the version that it was decided with."""

    vehicle: int
    version: int
    crossing_id: str
    decision_id: str
    matched_by: MatchKind


class DeclarationView(ExpectedDeclaration):
    """One declaration ahead with its content, its versions and the vehicles that came."""

    tables = ("versions", "uses")
    lodged: dict[str, Any]
    """As it was lodged, in its present version."""
    versions: list[DeclarationVersion]
    uses: list[VehicleUse] | None
    """Null for a declarant."""
