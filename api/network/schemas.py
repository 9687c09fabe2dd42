"""Answer of the overview of all posts."""

from datetime import date, datetime
from typing import Literal

from api.decisions.schemas import ChannelCode
from api.http.schema_base import AnswerSchema, Estimate
from api.shifts.schemas import Median

PostState = Literal["open", "full", "cut_off", "no_data"]
"""Full is a post without minutes left for physical inspection, cut off one whose link is silent or
not in force, and without data one that decided nothing in the weeks that are counted."""


class NetworkPost(AnswerSchema):
    """One post: where it stands now, and what the weeks counted decided and found there."""

    post: str
    name: str
    country: str | None
    kind: str | None
    """``road`` or ``rail``; null, as the country, for a post in no network file."""
    lat: float | None
    lon: float | None
    pair: str | None
    """The opposite post, where the network file names it."""
    timezone: str
    state: PostState
    waiting_red: int
    waiting_yellow: int
    waiting_since: datetime | None
    """When the first of the vehicles that wait was decided on; null where none waits."""
    roster_minutes: float | None
    """Of the running shift, all channels; null without a roster."""
    used_minutes: float
    """Expected of the vehicles that the running shift sent to officers."""
    decisions: int
    inspected: int
    hits: int
    hit_rate: Estimate
    """Of all inspections."""
    random_hit_rate: Estimate
    """Of the random stream alone: what ordinary traffic carries."""
    delay_of_lawful: Median
    overrides: int | None
    """Decisions overridden; null for a caller who does not see reviews of every agency."""
    last_decision_at: datetime | None
    """Null where none was made in the weeks counted."""
    link: str | None
    """The link of the post's own node, or of this node to its centre."""
    silent_minutes: float | None
    """Since that link last brought something."""


class NetworkMinutes(AnswerSchema):
    """Minutes of one channel of a post in its running shift."""

    post: str
    channel: ChannelCode
    roster: float | None
    vehicles: int
    """Sent to the channel in the shift."""
    used: float
    """Expected minutes of these vehicles."""
    left: float | None


class NetworkWeek(AnswerSchema):
    """One week of a post, from Monday by the post's own clocks; the last week still runs."""

    post: str | None
    """Null for all posts together."""
    week: date
    """Its Monday."""
    decisions: int
    inspected: int
    hits: int
    seizures: int
    hit_rate: Estimate
    random_inspected: int
    random_hits: int
    random_hit_rate: Estimate


class NetworkHour(AnswerSchema):
    """One hour of one day of the week with arrivals, by the post's own clocks."""

    post: str
    weekday: int
    """1 is Monday."""
    hour: int
    arrivals: int
    """Decisions made in the hour."""
    inspected: int
    hits: int
    """Of these arrivals, whenever they were searched."""


class NetworkFunnel(AnswerSchema):
    """What became of the arrivals of a post."""

    post: str | None
    """Null for all posts together."""
    arrivals: int
    green: int
    """Where each vehicle was last sent, by the engine or a supervisor."""
    blue: int
    yellow: int
    red: int
    inspected: int
    papers_only: int
    hits: int
    seizures: int


class NetworkPlace(AnswerSchema):
    """One place of a vehicle class: how often it was searched, and things were seized there."""

    vehicle_class: str
    place: str
    searched: int
    seizures: int


class NetworkOverview(AnswerSchema):
    """All posts that the caller reaches."""

    tables = ("posts", "minutes", "weeks", "hours", "funnel", "places")
    as_of: datetime
    counted_at: datetime
    """When weeks, hours, funnel and places were counted: at most some seconds before."""
    since: date
    """The first Monday of the weeks that are counted."""
    synthetic: bool
    posts: list[NetworkPost]
    minutes: list[NetworkMinutes]
    weeks: list[NetworkWeek]
    hours: list[NetworkHour]
    funnel: list[NetworkFunnel]
    places: list[NetworkPlace]
