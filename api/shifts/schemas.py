"""Answer of the shift's report."""

from datetime import datetime
from typing import Literal

from api.decisions.schemas import ChannelCode
from api.http.schema_base import AnswerSchema, Estimate
from engine.journal.receipts import Receipt


class ActFigures(AnswerSchema):
    """What some acts found."""

    inspected: int
    """By an act that could find something."""
    papers_only: int
    """Acts of papers or scales alone: no evidence that a vehicle carried nothing."""
    hits: int
    seizures: int
    gravity: float
    """What the finds weigh together, in discrepancies, by the weights of the network file."""
    hit_rate: Estimate
    """Of the inspected."""
    seizure_rate: Estimate
    minutes: float
    """As acts reported them; ``acts_with_minutes`` did."""
    acts_with_minutes: int


class StreamFigures(ActFigures):
    """What came of the vehicles that one thing sent to officers."""

    stream: Literal["score", "profile", "watchlist", "counterpart", "random", "override", "officer"]
    """An override is a vehicle that the engine let go and a supervisor sent; counterpart are
    vehicles sent by a counterpart's notice, or searched on its word after the engine let them go;
    of a post of the other side of a link, those that it told it had searched.
    """
    sent: int


class AgencyFigures(ActFigures):
    """What the acts of one agency found, whatever sent the vehicles to officers."""

    agency: str | None
    """Null for acts that name none."""


class EquipmentFigures(AnswerSchema):
    """What the acts found that used a scanner, or a dog, in an hour of theirs.

    An act does not say how long each method took: its whole time counts for each that it names.
    """

    method: Literal["xray", "canine"]
    stream: Literal["all", "random"]
    """All acts, of vehicles selected for their risk too; or those of random checks alone."""
    acts: int
    acts_with_minutes: int
    """The figures below are of these."""
    hours: float
    hits: int
    seizures: int
    hits_per_hour: Estimate
    seizures_per_hour: Estimate


class Median(AnswerSchema):
    """A median with its 95 % interval, or why it cannot be known yet."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    knowable: bool
    why: str


class ShiftFigures(AnswerSchema):
    """What was decided and found in a period."""

    decisions: int
    channels: dict[ChannelCode, int]
    """Where the engine sent them."""
    streams: list[StreamFigures]
    agencies: list[AgencyFigures]
    """By the agency of the act; of agencies whose acts the caller sees."""
    equipment: list[EquipmentFigures]
    delay_of_lawful: Median
    """Minutes from the decision to the act, of vehicles on which nothing was found."""


class ShiftMinutes(AnswerSchema):
    """What a channel's minutes went to in the shift."""

    channel: Literal["yellow", "red"]
    roster: float | None
    """None where there is none, or where the shift is over."""
    vehicles: int
    expected: float
    inspected: int
    reported: float
    acts_with_minutes: int


class NamedDecisions(AnswerSchema):
    """How many decisions, and the first 500 of them."""

    count: int
    decisions: list[str]


class FoundInShift(AnswerSchema):
    """Acts on vehicles that a shift decided on, by what they found."""

    inspected: int
    discrepancies: int
    seizures: int


class HandoverView(AnswerSchema):
    """The handover of a shift; null for what the caller's agency does not see."""

    sequence: int
    """Record of the first signature."""
    shift: str
    left_by: str
    left_at: datetime
    note: str
    taken_by: str | None
    """Null until a second person has signed: the shift is not handed over before."""
    taken_at: datetime | None
    taken_note: str | None
    waiting: NamedDecisions | None
    without_act: NamedDecisions | None
    """Referred in the shift, gone, and not inspected."""
    overridden: NamedDecisions | None
    found: FoundInShift | None


class SignedHandover(AnswerSchema):
    """One signature of a handover."""

    sequence: int
    """Record of the first signature, which the second one names."""
    shift: str
    complete: bool
    """Two people have signed."""
    recorded_at: datetime
    receipt: Receipt


class ShiftReport(AnswerSchema):
    """What a shift found for its minutes, next to the post's last 28 days."""

    tables = (
        "this_shift.streams",
        "this_shift.agencies",
        "this_shift.equipment",
        "last_28_days.streams",
        "last_28_days.agencies",
        "last_28_days.equipment",
        "minutes",
    )
    post: str
    shift: str
    as_of: datetime
    opens_at: datetime
    closes_at: datetime
    timezone: str | None = None
    """Zone of the post's clocks, by which shifts change; null for a post in no network file."""
    is_running: bool
    synthetic: bool
    this_shift: ShiftFigures
    last_28_days: ShiftFigures
    minutes: list[ShiftMinutes]
    handover: HandoverView | None = None
    """Null while no supervisor has signed it."""


class RosterSide(AnswerSchema):
    """One channel's minutes in a shift, as expected when each vehicle was sent to it."""

    channel: ChannelCode
    minutes: float
    picked: float | None
    """Of those, taken by picks of the score and random checks; null for a checkpoint."""
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


class ShiftRoster(AnswerSchema):
    """Where a shift stands; a channel without a roster keeps its fixed share and is not named."""

    tables = ("channels",)
    post: str
    shift: str
    as_of: datetime
    closes_at: datetime
    channels: list[RosterSide]
    equipment: dict[str, int]
    """How many of each work; what is not named is not known."""
