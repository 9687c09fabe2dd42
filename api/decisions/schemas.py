"""The answers of the service as data: what OpenAPI says, and what tests hold them to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from api.http.schema_base import Described
from engine.decision.decision import Mode, Rank, Risk
from engine.domain.records import Basis
from engine.explanation.facts import Fact
from engine.explanation.reasons import Reason
from engine.journal.receipts import Receipt
from engine.search_orders.search_order import SearchStep
from engine.selection.champion_challenger import Tried

ChannelCode = Literal["green", "blue", "yellow", "red"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorAlert(Described):
    """What the paired post's record, known after the decision, says otherwise."""

    code: Literal["mass", "plate", "trailer", "driver", "vin", "seals", "load"]
    decided: str
    told: str
    known_at: datetime
    matched_by: list[Literal["plate", "vin", "tir", "cmr", "trailer"]]
    """What both records agree on; the first led to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointView(Described):
    """A decision as its checkpoint sees it, before its inspection act and after it."""

    decision_id: str
    crossing_id: str
    post: str
    decided_at: datetime
    as_of: datetime
    channel: ChannelCode
    """Release; release with audit afterwards; documents and scan; physical inspection."""
    rank: Rank
    search_order: list[SearchStep]
    """Where to look first; on red."""
    team: str | None = None
    """Who inspects it, drawn by lot from the roster; null where the roster names nobody."""
    facts: list[Fact]
    data_gaps: list[str]
    mode: Mode
    advisory: Literal[True]
    receipt: Receipt
    amends: str | None = None
    """The first decision of its movement, where its declaration was changed since."""
    alerts: list[MirrorAlert] | None = None
    """Where the paired post's record came after the decision and differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject(Described):
    """What a reason is about, in words: neither a figure nor whether it raises the risk."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedView(CheckpointView):
    """The same, once an act that is what the channel asks for was filed on a referred vehicle."""

    reasons: list[Subject]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSaid(Described):
    """A supervisor's word on a decision."""

    verdict: Literal["uphold", "override"]
    channel: ChannelCode | None = None
    reason_code: str
    reason: str | None = None
    person: str
    recorded_at: datetime
    needs_second_person: bool | None = None
    """It changes nothing until another supervisor says the same; absent where it took effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorView(CheckpointView):
    """A decision with why it was made."""

    risk: Risk
    propensity: float
    """Probability with which the engine could have sent it to officers at all."""
    propensities: dict[ChannelCode, float]
    """For each inspected channel, the probability of that channel or a stricter one."""
    basis: Basis | None
    is_random: bool
    """Member of the random stream, whatever else selected it."""
    profiles: list[str]
    watchlist: bool
    """Selected by an entry of the watch list."""
    reasons: list[Reason]
    model_version: str | None
    trial: Tried | None = None
    """What a trial of two models made of it, where one ran."""
    reviews: list[ReviewSaid] | None = None
    """What supervisors said about it, where one decision is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterSide(Described):
    """One channel's minutes in a shift, as expected when each vehicle was sent to it."""

    channel: ChannelCode
    minutes: float
    picked: float | None
    """Of those, taken by picks of the score and of the lot; null for a checkpoint."""
    mandated: float | None
    """Taken by profiles, rules and the watch list, which are served first; null alike.

    Read before and after a decision, the two would tell a checkpoint what picked the vehicle.
    """
    left: float
    arrivals_expected: float
    """Arrivals still to come in this shift."""
    oversubscribed: bool | None
    """Profiles, rules and the watch list alone ask for more than there is.

    Null for a checkpoint, as what they took is.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftRoster(Described):
    """Where a shift stands; a channel without a roster keeps its fixed share and is not named."""

    post: str
    shift: str
    as_of: datetime
    closes_at: datetime
    channels: list[RosterSide]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue(Described):
    """What waits at a post, in the order of the search; each with its rank as of now."""

    post: str
    as_of: datetime
    waiting: list[SupervisorView | CheckpointView]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions(Described):
    """Decisions, the newest first."""

    decisions: list[SupervisorView]
    next_before: int | None
    """For ``before``, to read on; null where these are all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureValues(Described):
    """The features of a decision, read anew as of its time; null where nothing was known."""

    decision_id: str
    as_of: datetime
    features: dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation(Described):
    """What speaks for and against, the strongest first, for any channel."""

    decision_id: str
    reasons: list[Reason]
