"""Answers about profiles and the watch list as data: what OpenAPI says of them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from api.http.schema_base import AnswerSchema, Estimate
from engine.journal.receipts import Receipt


class RandomChecks(AnswerSchema):
    """What random checks say of a profile."""

    inspected: int
    """By an act that could find something."""
    matched: int
    """Of the inspected."""
    share_matched: Estimate
    """Of all random checks drawn: about its share of all crossings."""
    hit_rate: Estimate
    """Its ends are those of the worst and best that the checks left undone could have shown."""
    not_carried_out: int
    """Drawn, and without evidence."""


class DrawsBehind(AnswerSchema):
    """Whether the engine's draws can bear an answer."""

    drawn: int
    """Draws that the policy asked about would search as well."""
    effective: float
    """Equally weighted searches worth as much."""
    largest_weight: float
    """Share of the heaviest search in all weight."""
    covered: float
    """Weight of all draws over the searches asked about: 1 where draws reach all of them."""
    covered_low: float
    covered_high: float
    not_carried_out: float
    """Share, by weight, of draws without evidence."""
    faults: list[str]
    """Why nothing is claimed; empty where something is."""
    doubts: list[str]
    """Those of them that speak against the log itself, whatever is asked of it."""
    messages: list[dict[str, Any]]
    """The faults as ``message`` and ``parameters``."""


class HadItChosen(AnswerSchema):
    """What searches would have found had a policy chosen, by what the engine drew."""

    searches: float
    inverse_propensity: Estimate
    self_normalised: Estimate
    """Finds for each search: the estimate to read."""
    doubly_robust: Estimate
    """Known where a model's chances were given."""
    hits_per_hour: Estimate
    """Finds for each hour of search."""
    hits: Estimate
    """Finds of all these searches."""
    diagnostics: DrawsBehind


class Example(AnswerSchema):
    """A crossing that a profile matches."""

    crossing_id: str
    post: str
    known_at: datetime


class ProfileBacktest(AnswerSchema):
    """What a profile would have done in the last days of what the home knows."""

    synthetic: bool
    history: str
    since: datetime | None
    until: datetime | None
    days: float
    arrivals: int
    matches: int
    matches_per_day: float
    selected_per_day: float
    minutes_per_day: float
    """Inspection minutes that the selected ones would take."""
    inspected: int
    """Of the matches, by an act that could find something, whatever selected them."""
    hits: int
    seizures: int
    finds_elsewhere: int
    """Of the matches that were let go, those that a later find was linked to."""
    hit_rate: Estimate
    seizure_rate: Estimate
    random: RandomChecks
    base_rate: Estimate
    """Hit rate of all random checks."""
    failed: int
    """Crossings on which it could not be evaluated."""
    steps: int
    reads: list[str]
    proxies: list[str]
    """What it reads that could stand for a person's origin."""
    examples: list[Example]
    had_it_chosen: HadItChosen
    """What its searches would have found."""
    daily_matches: list[int]
    """Of each 24 hours back from the last crossing, the oldest first."""


class ProfileCheck(AnswerSchema):
    """Whether an expression may run, and what it would read."""

    fits: bool
    at: int | None
    """Where it does not fit, counted from 1."""
    why: str | None
    message: str | None
    """Stable identifier of ``why``; ``parameters`` are its values."""
    parameters: dict[str, Any] | None
    steps: int | None
    """Most steps of one evaluation."""
    most_steps: int
    reads: list[str]
    proxies: list[str]
    """What it reads that could stand for a person's origin."""


class ProfileField(AnswerSchema):
    """Something an expression may ask for."""

    name: str
    kind: Literal["bool", "number", "text", "texts"]
    choices: list[str]
    """What it can be, where that is a closed list."""
    unit: str
    meaning: str
    proxy: bool
    """It could stand for a person's origin."""


class ProfileFields(AnswerSchema):
    """All that an expression may ask for."""

    tables = ("fields",)
    fields: list[ProfileField]


class ShadowCounts(AnswerSchema):
    """What a shadow saw and would have matched."""

    arrivals: int
    matches: int


class OutcomeFigures(AnswerSchema):
    """What became of the vehicles that a profile or an entry of the watch list matched."""

    matches: int
    """Vehicles, each once, at posts that the caller sees."""
    searches: int
    """Vehicles with an act that could have found something; acts that the caller sees."""
    finds: int
    minutes: float


class MonthOutcome(OutcomeFigures):
    """The same of the vehicles that were first matched in one month, UTC."""

    month: Annotated[str, Field(pattern=r"^\d{4}-\d{2}$")]


class Outcome(OutcomeFigures):
    """The same together and by month, the first month first; months without a match are absent."""

    gravity: float
    """What the finds weigh together, in discrepancies, by the weights of the network file."""
    months: list[MonthOutcome]


class ProfileAudit(AnswerSchema):
    """What became of a profile's matches."""

    matches: int
    selected: int
    inspected: int
    hits: int
    minutes: float
    hit_rate: Estimate
    selected_hit_rate: Estimate
    shadow: ShadowCounts


class LeavingView(AnswerSchema):
    """Who wants it gone; it waits for another's approval."""

    by: str
    why: str


class TwoKeysView(AnswerSchema):
    """What stands with the agreement of two people."""

    id: str
    state: Literal["proposed", "shadow", "in_force", "expired", "retired"]
    author: str
    approvals: list[str]
    proposed_at: datetime
    since: datetime
    """When it came to where it is."""
    leaving: LeavingView | None


class ProfileView(TwoKeysView):
    """A profile."""

    code: str
    title: str | None
    expression: str
    channel: Literal["blue", "yellow", "red"]
    percentage: float
    post: str | None
    valid_from: datetime | None
    valid_until: datetime
    note: str | None
    instead_of: str | None
    """Whose place it shall take; that one leaves by a step of its own."""
    is_valid: bool
    backtest: ProfileBacktest | None
    audit: ProfileAudit
    outcome: Outcome


class Profiles(AnswerSchema):
    """Profiles, the newest first."""

    tables = ("profiles",)
    profiles: list[ProfileView]


class AcknowledgedStep(AnswerSchema):
    """A step about a profile or an entry that stands in the journal."""

    kind: str
    id: str
    state: Literal["proposed", "shadow", "in_force", "retired"]
    recorded_at: datetime
    receipt: Receipt


class AcknowledgedProfile(AcknowledgedStep):
    """A proposed profile, with what it would have done."""

    backtest: ProfileBacktest | None
    """None where it could not be made now: ask for one before the approval."""
