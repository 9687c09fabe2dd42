"""Answers about models as data: what OpenAPI says of them."""

from datetime import datetime
from typing import Any, Literal

from api.http.schema_base import AnswerSchema, Estimate
from engine.decision.decision import Mode
from engine.selection.champion_challenger import Side

Role = Literal["candidate", "shadow", "challenger", "in_force", "retired"]


class TrialSide(AnswerSchema):
    """Vehicles that one side of a trial alone wanted, and that it led."""

    sent: int
    """To officers: all of them."""
    searched: int
    """By an act that could have found something."""
    found: int


class TrialSides(AnswerSchema):
    """Both sides of a trial."""

    champion: TrialSide
    challenger: TrialSide


class TrialCount(AnswerSchema):
    """Searches of one side in one week."""

    finds: int
    clear: int


class TrialWeek(AnswerSchema):
    """One week of a trial, by when it became known what a vehicle carried."""

    champion: TrialCount
    challenger: TrialCount


class TrialMeasured(AnswerSchema):
    """What both sides found so far."""

    at: datetime
    by: str
    since: datetime
    until: datetime
    sides: TrialSides
    """With the week that is not over."""
    weeks: list[TrialWeek]
    """Those that are over, the first one first; older ones weigh less."""
    better: float
    """Chance that what the challenger alone wants holds more finds."""
    winner: Side | None
    """Null while that is not decided. Putting a challenger into force is for two people."""


class OnTrial(AnswerSchema):
    """Two models that share what the score may pick."""

    champion: str
    challenger: str
    sequence: int
    """The journal's record that began the trial."""
    share: float
    """Probability with which the challenger leads an arrival; one half until it is measured."""
    measured: TrialMeasured | None


class Refusal(AnswerSchema):
    """Why a step is refused, as a message."""

    message: str
    """Stable identifier of ``why``; ``parameters`` are its values."""
    parameters: dict[str, Any]
    why: str


class ModelStanding(AnswerSchema):
    """Where one model stands."""

    version: str
    role: Role
    trained_by: str
    approvals: list[str]
    """Who approved it, once each; never the person who trained it."""
    challenges: list[str]
    """Who approved its trial, once each; never the person who trained it."""
    evaluation: str | None
    """SHA-256 of its stored report; a model without one cannot be approved."""
    card: str | None
    """SHA-256 of its card."""
    against: list[str]
    """What stands against any approval of it; empty once it was in force."""
    refusals: list[Refusal]
    """The same as messages."""
    since: datetime | None
    """When the last record about it was made."""
    is_synthetic: bool | None
    """Whether it was judged on generated data; null where its bundle cannot be read."""


class ModelStandings(AnswerSchema):
    """Every model, the newest first, and what decides now."""

    tables = ("models",)
    in_force: str | None
    mode: Mode
    """What this process decides by; it follows a change within seconds."""
    is_refused: bool
    """This process could not load what is in force: missing, changed, or of other features."""
    before: str | None
    """What a roll back returns to."""
    challenger: str | None
    """The model on trial against the one in force."""
    models: list[ModelStanding]


class ModelEvent(AnswerSchema):
    """One record about a model."""

    at: datetime
    kind: Literal[
        "model_registered",
        "model_shadowed",
        "model_approved",
        "model_in_force",
        "model_retired",
        "model_challenged",
    ]
    by: str
    why: str | None


class Picked(AnswerSchema):
    """What became of some picks."""

    picked: int
    hit_rate: Estimate
    """Of those inspected by an act that could find something, whatever sent them."""
    random: Estimate
    """The same of random checks alone."""


class PickedBy(AnswerSchema):
    """Picks by whose they are."""

    both: Picked
    shadow: Picked
    """The shadow's alone."""
    in_force: Picked
    """Of the model that decided, alone."""


class ShadowAgreement(AnswerSchema):
    """A shadow against the models that decided meanwhile."""

    days: int
    last_day: str
    decisions: int
    """Which both scored."""
    capacity: float
    picked: int
    """By each: the riskiest share of a post's day."""
    agreement: Estimate
    """Share of its picks that the model in force picked too."""
    groups: PickedBy


class ModelView(ModelStanding):
    """One model in full."""

    history: list[ModelEvent]
    shadow: ShadowAgreement | None
    """None where it scored nothing while a model was in force."""
    trial: OnTrial | None
    """Where it is on trial, or another is on trial against it."""
    card_text: dict[str, Any] | None
    """Its card; null where its bundle cannot be read."""


class ComparedView(AnswerSchema):
    """Figures of one target in one view."""

    rows: int
    finds: int
    effective_rows: float
    calibration_error: Estimate | None
    """Mean distance of stated chances from what was found; inspected rows alone have it."""
    figures: dict[str, Estimate]


class ComparedModel(AnswerSchema):
    """One model among others."""

    version: str
    role: Role
    synthetic: bool
    period: dict[str, str] | None
    arrivals: int
    capacity: float | None
    fitted_until: datetime | None
    targets: dict[str, dict[str, ComparedView]]
    """By target, then by view."""


class FigureDifference(AnswerSchema):
    """By how much a figure of the first model differs from that of the second."""

    value: float | None
    low: float | None
    high: float | None
    """Ends of the 95 % interval, wider than need be where both were judged on the same rows."""
    n: int
    """Inspections behind the figure that has fewer."""
    conclusion: Literal["higher", "lower", "same", "not_knowable"]
    """``same``: they cannot be told apart."""


class ModelComparison(AnswerSchema):
    """The stored reports of some models side by side."""

    tables = ("models",)
    models: list[ComparedModel]
    differences: dict[str, dict[str, dict[str, FigureDifference]]]
    """Of two models, by target, view and figure; empty for any other number of them."""
