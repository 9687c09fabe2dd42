"""Answers about shifts: rosters, handovers, and the shift report."""

from dataclasses import dataclass
from typing import Literal

from api.http.answers import Answer, Recorded, Time
from engine.domain.records import DiscrepancyKind, Outcome
from engine.selection import ChannelCode
from models.statistics.intervals import Estimate

Stream = Literal[
    "score",
    "profile",
    "watchlist",
    "counterpart",
    "random",
    "lawful_check",
    "random_papers",
    "override",
    "officer",
]
HourlyMethod = Literal["xray", "canine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActFigures(Answer):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFigures(ActFigures):
    """What came of the vehicles that one thing sent to officers."""

    stream: Stream
    """An override is a vehicle that the engine let go and a supervisor sent; counterpart are
    vehicles sent by a counterpart's notice, or searched on its word after the engine let them go;
    of a post of the other side of a link, those that it told it had searched.
    """
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyFigures(ActFigures):
    """What the acts of one agency found, whatever sent the vehicles to officers."""

    agency: str | None
    """Null for acts that name none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentFigures(Answer):
    """What the acts found that used a scanner, or a dog, in an hour of theirs.

    An act does not say how long each method took: its whole time counts for each that it names.
    """

    method: HourlyMethod
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Median(Answer):
    """A median with its 95 % interval, or why it cannot be known yet."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    knowable: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftFigures(Answer):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftMinutes(Answer):
    """What a channel's minutes went to in the shift."""

    channel: ChannelCode
    """Yellow or red."""
    roster: float | None
    """None if there is none, or if the shift is over."""
    vehicles: int
    """Decided on in the shift."""
    expected: float
    """Minutes expected for these vehicles."""
    inspected: int
    """Acts filed in the shift, also on vehicles that were decided on before it."""
    reported: float
    """Minutes that these acts state; ``acts_with_minutes`` of them do."""
    acts_with_minutes: int
    waiting: int
    """Vehicles that wait at the time of the report."""
    needed: float
    """Minutes expected for these vehicles."""
    used: float
    """Minutes of the acts of every agency, as stated or else as expected; as the next two, of a
    running shift alone."""
    lost: float
    """Minutes of the roster that nobody can work before the shift ends."""
    left: float | None
    """What is left of the roster; negative where minutes are missing, None without a roster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenGoods(Answer):
    """Goods of one seizure report."""

    substance_class: str
    substance: str | None
    quantity_g: float | None
    goods_class: str | None
    amount: float | None
    unit: str | None
    place: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures(Answer):
    """Goods of one class that were taken, as far as they are stated in one unit."""

    goods_class: str
    """``other`` for goods of no class."""
    substance_class: str
    unit: str | None
    """Grams for masses; null for finds without an amount."""
    finds: int
    amount: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftFind(Answer):
    """One act of the shift that found something."""

    decision_id: str
    plate: str | None
    outcome: Outcome
    is_from_earlier_shift: bool
    """The vehicle was decided on before the shift began."""
    goods: list[TakenGoods]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftWork(Answer):
    """What officers did in the shift: acts by the time of filing, as in queue and handover."""

    inspected: int
    """By an act that could find something."""
    papers_only: int
    minutes: float
    finds: list[ShiftFind]
    goods: list[ClassFigures]
    """What these finds took, by class and unit."""
    kinds: dict[DiscrepancyKind, int]
    """Acts by what differed; one act can have several kinds."""
    duties: dict[str, float]
    """Duty and fine assessed, by currency."""
    longest_wait: float | None
    """Minutes since the first vehicle that waits was decided on; null if none does, or the shift is
    over."""


@dataclass(frozen=True, slots=True)
class NamedDecisions(Answer):
    """How many decisions, and the first 500 of them."""

    count: int
    decisions: list[str]


@dataclass(frozen=True, slots=True)
class FoundInShift(Answer):
    """Acts on vehicles that a shift decided on, by what they found."""

    inspected: int
    discrepancies: int
    seizures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverView(Answer):
    """The handover of a shift; null for what the caller's agency does not see."""

    sequence: int
    """Record of the first signature."""
    shift: str
    left_by: str
    left_at: Time
    note: str
    taken_by: str | None
    """Null until a second person has signed: the shift is not handed over before."""
    taken_at: Time | None
    taken_note: str | None
    waiting: NamedDecisions | None
    without_act: NamedDecisions | None
    """Referred in the shift, gone, and not inspected."""
    overridden: NamedDecisions | None
    found: FoundInShift | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHandover(Recorded):
    """One signature of a handover."""

    sequence: int
    """Record of the first signature, which the second one names."""
    shift: str
    complete: bool
    """Two people have signed."""


@dataclass(frozen=True, slots=True)
class CrowdedPicks(Answer):
    """More than half of what the score picked in the shift is of one party, which is not named."""

    kind: str
    """What the party is to its vehicles: plate, driver, carrier or consignee."""
    share: float
    """Of the picks."""
    picks: int
    """Vehicles that the score sent to officers in the shift; at least 4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftReport(Answer):
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
    as_of: Time
    opens_at: Time
    closes_at: Time
    timezone: str | None
    """Zone of the post's clocks, by which shifts change; null for a post in no network file."""
    is_running: bool
    synthetic: bool
    work: ShiftWork
    this_shift: ShiftFigures
    """Of the vehicles decided on in the shift, whenever they were searched."""
    crowded: CrowdedPicks | None
    """Null where no party has more than half of the score's picks, or these are below 4."""
    last_28_days: ShiftFigures
    minutes: list[ShiftMinutes]
    handover: HandoverView | None
    """Null while no supervisor has signed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterSide(Answer):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftRoster(Answer):
    """Where a shift stands; a channel without a roster keeps its fixed share and is not named."""

    tables = ("channels",)
    post: str
    shift: str
    as_of: Time
    closes_at: Time
    channels: list[RosterSide]
    equipment: dict[str, int]
    """How many of each work; what is not named is not known."""
