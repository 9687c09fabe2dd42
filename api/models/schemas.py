"""Answers about models as data: what OpenAPI says of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from api.http.schema_base import Described, Estimate
from api.models.trial_schemas import OnTrial
from engine.decision.decision import Mode

Role = Literal["candidate", "shadow", "challenger", "in_force", "retired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStanding(Described):
    """Where one model stands."""

    version: str
    role: Role
    trained_by: str
    approvals: list[str]
    """Who approved it; never who trained it, nobody twice."""
    challenges: list[str]
    """Who approved its trial beside the model in force; never who trained it, nobody twice."""
    evaluation: str | None
    """SHA-256 of its stored report; a model without one cannot be approved."""
    card: str | None
    """SHA-256 of its card."""
    against: list[str]
    """What stands against approving it, whoever approves; empty once it was in force."""
    since: datetime | None
    """When the last record about it was made."""
    is_synthetic: bool | None
    """Whether it was judged on generated data; null where its bundle cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStandings(Described):
    """Every model, the newest first, and what decides now."""

    in_force: str | None
    mode: Mode
    """What this process decides by; it follows a change within seconds."""
    is_refused: bool
    """This process could not load what is in force: missing, changed, or of other features."""
    before: str | None
    """What a roll back returns to."""
    challenger: str | None
    """The model on trial beside the one in force."""
    models: list[ModelStanding]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEvent(Described):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked(Described):
    """What became of some picks."""

    picked: int
    hit_rate: Estimate
    """Of those inspected by an act that could find something, whatever sent them."""
    random: Estimate
    """The same of random checks alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PickedBy(Described):
    """Picks by whose they are."""

    both: Picked
    shadow: Picked
    """The shadow's alone."""
    in_force: Picked
    """Of the model that decided, alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside(Described):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView(ModelStanding):
    """One model in full."""

    history: list[ModelEvent]
    shadow: Beside | None
    """None where it scored nothing beside a model in force."""
    trial: OnTrial | None
    """Where it is on trial, or another is beside it."""
    card_text: dict[str, Any] | None
    """Its card; null where its bundle cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedView(Described):
    """Figures of one target in one view."""

    rows: int
    finds: int
    effective_rows: float
    calibration_error: Estimate | None
    """Mean distance of stated chances from what was found; inspected rows alone have it."""
    figures: dict[str, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedModel(Described):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelComparison(Described):
    """The stored reports of some models side by side."""

    models: list[ComparedModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedFamily(Described):
    """How far the farthest feature of a family has moved."""

    family: str
    features: int
    moved: int
    """How many of them moved beyond chance and 0.1."""
    farthest: str
    psi: float
    """Population stability index: 0 where nothing moved."""
    noise: float
    """What samples of these sizes hardly ever exceed when nothing moved."""
    is_moved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedScore(Described):
    """How far scores have moved, and what that does to the load."""

    psi: float
    noise: float
    moved: bool
    above_cut: Estimate
    """Share now above the cut that once kept ``expected``."""
    expected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched(Described):
    """Searches against what was stated, week by week since the model came into force."""

    weeks: int
    evidence: float
    """Alarms at the threshold; about 1 where nothing changed."""
    threshold: float
    alarmed: bool
    """An alarm stays said until the model leaves."""
    stated: float | None
    """Mean chance of a discrepancy as stated before the searches."""
    found: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPart(Described):
    """Drift at one post, or at all."""

    rows: int
    knowable: bool
    """Whether that many rows can tell anything."""
    families: list[MovedFamily]
    moved: int | None
    of: int
    score: MovedScore | None
    picked: Watched
    random: Watched


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift(Described):
    """One measurement."""

    at: datetime
    by: str
    version: str
    synthetic: bool
    since: datetime
    until: datetime
    in_force_since: datetime | None = None
    """From when on searches count; older measurements lack it: they forgot those before `since`."""
    decisions: int
    sampled: int
    left_out: int
    """Decisions whose features can no longer be read as they were."""
    span_days: float
    reference_rows: int
    all: DriftPart
    posts: dict[str, DriftPart]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftAnswer(Described):
    """The last measurement, and which model decides now."""

    in_force: str | None
    measured: Drift | None
