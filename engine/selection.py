"""From a score and committed random numbers to a channel and its propensity.

Everything that may select a crossing is a ``Chance``: the random stream, the score near its cut, an
indicator rule, a counterpart's notice. Each purpose draws one number of its own, so chances of
different purposes are independent, and the propensity of a channel is 1 - prod(1 - p_k) over the
purposes that lead to that channel or a stricter one, notices left out.

Random numbers lie in [0, 1), and no person can steer them. This assumes that the shift's seed stays
secret until the shift's acts are closed, and that its commitment was journalled before the first
draw. A draw depends on the seed, on its purpose and on the movement, never on a record's id: a
vehicle that is sent again under a new id draws the same numbers. One number of the seed assigns the
team that inspects a vehicle, so that no driver can count on a team and no officer can pick a
vehicle; ``darvoza verify`` draws it again, and the integrity report counts inspections by another
team.

The shares assume that scores are spread as in the table of the post's last 28 days, which has the
quantiles of the risk at ``LEVELS`` even shares: a percentile is then uniform, and a cut at 1 -
share selects that share.

Two models on trial share what the score may pick: it is random which of them leads an arrival, by a
number other than the score's. The leading model decides as if it were alone. Its record states what
could have happened before the draw: the score's chance of a channel is that of each model, weighted
by its probability of leading.
"""

import hashlib
import hmac
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import lru_cache
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.domain.identifiers import fold
from engine.domain.network import Network, instant_of, wall_time
from engine.domain.records import Crossing
from engine.domain.time_units import DAY, HOUR, rfc3339

SEED_BYTES = 32
RANDOM = "random"
"""Purpose of the random stream."""
SCORE = "score"
"""Purpose of the smooth cut on the model's score."""
PLACE = "place"
"""Purpose of the queue place that is drawn among the scored picks."""
PLACE_AMENDED = "place_amended"
"""The same after a declaration was changed."""


@dataclass(frozen=True, slots=True)
class ShiftPeriod:
    """One shift of one post, half open: ``opens_at <= t < closes_at``, UTC microseconds."""

    post: str
    opens_at: int
    closes_at: int

    @property
    def shift_id(self) -> str:
        """The shift's name in the journal."""
        return f"{self.post}@{rfc3339(self.opens_at)}"


@dataclass(frozen=True, slots=True)
class ShiftPlan:
    """When shifts change: one begins at ``starts``, local time, then every ``length``.

    Where a post's clocks are moved, the shift meanwhile is so much longer or shorter.
    """

    utc_offset: int = 5 * HOUR
    """Local time minus UTC, microseconds, of posts that the network does not name."""
    starts: int = 8 * HOUR
    """Local time of day at which a shift begins, microseconds."""
    length: int = 12 * HOUR
    """Length of a shift, microseconds; divides a day."""
    network: Network = field(default_factory=Network)
    """Names the time zone of each post."""

    def shift(self, post: str, instant: int) -> ShiftPeriod:
        """Return the shift of a post that an instant falls into."""
        begins = self._begins(post, instant)
        opens_at, closes_at = (self._instant(post, begins + n * self.length) for n in (0, 1))
        if instant >= closes_at:  # the clocks show the change of shifts a second time
            opens_at, closes_at = closes_at, self._instant(post, begins + 2 * self.length)
        elif instant < opens_at:  # or leave it out
            opens_at, closes_at = self._instant(post, begins - self.length), opens_at
        return ShiftPeriod(post, opens_at, closes_at)

    def local_start(self, post: str, instant: int) -> int:
        """Return the local time of day at which the shift of an instant began, microseconds."""
        return self._begins(post, instant) % DAY

    def _begins(self, post: str, instant: int) -> int:
        """Return what the post's clocks show at the change of shifts before an instant."""
        zone = self._zone(post)
        local = instant + self.utc_offset if zone is None else wall_time(instant, zone)
        return local - (local - self.starts) % self.length

    def _instant(self, post: str, wall: int) -> int:
        zone = self._zone(post)
        return wall - self.utc_offset if zone is None else instant_of(wall, zone)

    def _zone(self, post: str) -> str | None:
        known = self.network.posts.get(post)
        return None if known is None else known.timezone


def movement_key(crossing: Crossing, shift: ShiftPeriod) -> bytes:
    """Return what makes two reports the same movement: post, direction, folded plate and shift.

    Without a readable plate the crossing's own id has to serve.
    """
    plate = fold(crossing.plate or "")
    who = ("plate", plate) if plate else ("crossing", crossing.crossing_id)
    return _join_texts(crossing.post, crossing.direction, *who, str(shift.opens_at))


def draw(seed: bytes, purpose: str, *, movement: bytes) -> float:
    """Return the number in [0, 1) that this movement draws for this purpose (53 bits)."""
    drawn = hmac.digest(seed, _encode_purpose(purpose) + movement, "sha256")
    return (int.from_bytes(drawn[:8], "big") >> 11) / (1 << 53)


def commitment(seed: bytes, head: bytes) -> str:
    """Return what is journalled as a shift opens: SHA-256 over the journal's head and the seed.

    The head keeps a seed from being chosen, and its commitment prepared, ahead of time.
    """
    return hashlib.sha256(b"darvoza shift seed 1" + head + seed).hexdigest()


@lru_cache
def _encode_purpose(purpose: str) -> bytes:
    return _join_texts(purpose)


def _join_texts(*parts: str) -> bytes:
    """Join texts so that no two lists of texts give the same bytes."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


TEAM = "team"
"""Purpose of the number that assigns a team."""


@dataclass(frozen=True, slots=True)
class Handling:
    """Who reports an act or a release."""

    person: str
    """A key's or a user's name."""
    team: str | None = None
    """Who did it, where the reporter says so; else it is taken for the team that was drawn."""
    agency: str | None = None
    """The agency for which the reporter acts; None without one."""


def assign_team(teams: Sequence[str], drawn: float) -> str | None:
    """Return the team that a number in [0, 1) assigns, each alike; None where there is none."""
    return teams[int(drawn * len(teams))] if teams else None


TABLE_LEVELS = 101
"""Quantiles of a table: the shares 0, 0.01, ..., 1."""
SEED_WEIGHT = 200
"""Decisions that the model's own table counts as, until the post's decisions outnumber it."""


def percentile(table: Sequence[float], value: float) -> float:
    """Return the share of past risks below ``value``; on a step of equal quantiles, its middle."""
    low, high = bisect_left(table, value), bisect_right(table, value)
    last = len(table) - 1
    if high > low:
        return (low + high - 1) / (2 * last)
    if low == 0:
        return 0.0
    if low > last:
        return 1.0
    below, above = table[low - 1], table[low]
    return (low - 1 + (value - below) / (above - below)) / last


def risk_at(table: Sequence[float], share: float) -> float:
    """Return the risk at a share of the table: the inverse of ``percentile`` where it has one."""
    where = share * (len(table) - 1)
    low = min(int(where), len(table) - 2)
    return table[low] + (where - low) * (table[low + 1] - table[low])


def blend_tables(seed: Sequence[float], recent: ArrayLike) -> tuple[float, ...]:
    """Return the table of a post: the model's own quantiles, outweighed as decisions come in.

    ``recent`` has the risks of the post's last 28 days under this model, shape (n,).
    """
    seen = np.sort(np.asarray(recent, np.float64))
    shares = np.linspace(0.0, 1.0, len(seed))
    prior = np.interp((np.arange(SEED_WEIGHT) + 0.5) / SEED_WEIGHT, shares, np.asarray(seed))
    both = np.concatenate([prior, seen])
    weights = np.concatenate([np.full(SEED_WEIGHT, _seed_weight(len(seen))), np.ones(len(seen))])
    order = np.argsort(both, kind="stable")
    mass = np.cumsum(weights[order]) - 0.5 * weights[order]
    return tuple(np.interp(shares, mass / weights.sum(), both[order]).tolist())


def _seed_weight(n: int) -> float:
    """Weight of one of the seed's points: all of it without decisions, half of it after 200."""
    return SEED_WEIGHT / (SEED_WEIGHT + n)


Chances = TypeVar("Chances", float, NDArray[np.float64])

RANDOM_SHARE = (0.03, 0.10)
"""Below, blind spots stay blind; above, random checks cost too many minutes."""


ChannelCode = Literal["green", "blue", "yellow", "red"]


class Channel(IntEnum):
    """Where a crossing goes, in rising order of intervention."""

    GREEN = 0
    BLUE = 1
    YELLOW = 2
    RED = 3

    @property
    def code(self) -> ChannelCode:
        """The channel's name in records and answers."""
        return _CODES[self]

    @classmethod
    def of(cls, code: str) -> "Channel":
        """Return the channel with this name."""
        return cls[code.upper()]


_CODES: tuple[ChannelCode, ...] = get_args(ChannelCode)
INSPECTED = (Channel.YELLOW, Channel.RED)
"""Channels that send a crossing to officers; a propensity is kept for each."""
COUNTERPART = "counterpart"
"""Purpose and basis of a counterpart's notice, which always selects what it names.

With which probability another administration names a vehicle is unknown, so a notice enters no
propensity: those of the vehicle are what the engine's own chances give it.
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """The fixed shares of a post, each a share of all its decisions."""

    red_share: float = 0.04
    """Picked for physical inspection by score."""
    yellow_share: float = 0.08
    """Picked for documents and scan by score, next to the red ones."""
    random_share: float = 0.03
    """Drawn at random for physical inspection, whatever the score."""
    blur: float = 0.25
    """Half width of the randomised band at each cut, as a part of the share above the cut."""

    def __post_init__(self) -> None:
        """Refuse shares that cannot be shares."""
        low, high = RANDOM_SHARE
        if not low <= self.random_share <= high:
            raise ValueError(f"random_share must lie in [{low}, {high}]")
        if min(self.red_share, self.yellow_share) < 0:
            raise ValueError("red_share and yellow_share must not be below 0")
        if self.red_share + self.yellow_share > 0.5:
            raise ValueError("red_share and yellow_share together must not exceed 0.5")
        if not 0 <= self.blur <= 1:
            raise ValueError("blur must lie in [0, 1]")


@dataclass(frozen=True, slots=True)
class Chance:
    """One way into a channel: selected when the number drawn for ``purpose`` is below it."""

    purpose: str
    channel: Channel
    probability: float
    before: float | None = None
    """What it was before it was drawn which model leads
    (:mod:`engine.selection`); None: the same.
    """

    @property
    def written(self) -> float:
        """The probability that propensities are made of."""
        return self.probability if self.before is None else self.before


@dataclass(frozen=True, slots=True)
class Selection:
    """What the draws made of the chances."""

    channel: Channel
    basis: str | None
    """random, watchlist, counterpart, profile or score; None where nothing selected it."""
    is_random: bool
    """Member of the random stream, whatever else selected it."""
    fired: tuple[str, ...]
    """Purposes that selected it."""
    propensities: Mapping[Channel, float]
    """For each inspected channel, the probability of that channel or a stricter one."""


def risk(p_seizure: Chances, p_discrepancy: Chances, *, severity: float) -> Chances:
    """Return the mean of the two probabilities in [0, 1], a seizure weighing ``severity`` times.

    Strictly increasing in both; one pair, or arrays of equal shape.
    """
    return (p_discrepancy + severity * p_seizure) / (1.0 + severity)


def ramp(percentile: float, share: float, *, blur: float) -> float:
    """Return the probability of being above a cut at ``1 - share``: smooth, with mean ``share``."""
    cut, half = 1.0 - share, blur * share
    if share <= 0.0:
        return 0.0
    if half < 1e-9:  # as sharp as a percentile can tell
        return 1.0 if percentile >= cut else 0.0
    return min(1.0, max(0.0, (percentile - (cut - half)) / (2.0 * half)))


def place_among_picks(drawn: float, share: float, *, blur: float) -> float:
    """Return the percentile of a scored pick drawn at random: the inverse of ``ramp``'s mass.

    A random pick queues at such a place: by its own score it would come last and be skipped, and an
    officer could tell it from the others.
    """
    cut, half = 1.0 - share, blur * share
    mass = drawn * share
    if mass < half:
        return cut - half + 2.0 * math.sqrt(half * mass)
    return cut + mass


def picked_levels(policy: Policy, channel: Channel) -> tuple[float, float]:
    """Return the lowest and the highest percentile that the score picks for an inspected channel.

    A share of nothing counts as the usual one: what is drawn then queues where picks did before.
    """
    red, yellow = _shares(policy)
    if channel is Channel.RED:
        return max(1.0 - red * (1.0 + policy.blur), 0.0), 1.0
    wide = red + yellow
    return max(1.0 - wide * (1.0 + policy.blur), 0.0), 1.0 - red * (1.0 - policy.blur)


def level_among_picks(drawn: float, policy: Policy, channel: Channel) -> float:
    """Return the percentile of a scored pick of a channel, drawn at random.

    The inverse of the mass that the score sends to the channel and not to a stricter one.
    """
    red, yellow = _shares(policy)
    if channel is Channel.RED:
        return place_among_picks(drawn, red, blur=policy.blur)
    low, high = picked_levels(policy, channel)
    wanted = drawn * yellow
    for _ in range(50):
        middle = (low + high) / 2.0
        mass = _mass_below(middle, red + yellow, policy.blur) - _mass_below(
            middle, red, policy.blur
        )
        low, high = (middle, high) if mass < wanted else (low, middle)
    return (low + high) / 2.0


def _shares(policy: Policy) -> tuple[float, float]:
    usual = Policy()
    return policy.red_share or usual.red_share, policy.yellow_share or usual.yellow_share


def _mass_below(percentile: float, share: float, blur: float) -> float:
    """Return how much of a share the score has picked below a percentile."""
    cut, half = 1.0 - share, blur * share
    if percentile <= cut - half:
        return 0.0
    if half < 1e-9 or percentile >= cut + half:
        return percentile - cut
    return (percentile - cut + half) ** 2 / (4.0 * half)


def score_chances(policy: Policy, percentile: float) -> tuple[Chance, ...]:
    """Return what the score alone may do to a crossing at this percentile of its post."""
    red = ramp(percentile, policy.red_share, blur=policy.blur)
    yellow = ramp(percentile, policy.red_share + policy.yellow_share, blur=policy.blur)
    return (
        Chance(SCORE, Channel.RED, red),
        Chance(SCORE, Channel.YELLOW, max(red, yellow)),
    )


def random_chance(policy: Policy) -> Chance:
    """Return the random stream, which covers every crossing."""
    return Chance(RANDOM, Channel.RED, policy.random_share)


def select(chances: Sequence[Chance], draws: Mapping[str, float]) -> Selection:
    """Apply the draws; ``draws`` has one number in [0, 1) for each purpose."""
    hits = [chance for chance in chances if draws[chance.purpose] < chance.probability]
    fired = tuple(dict.fromkeys(chance.purpose for chance in hits))
    channel = max((chance.channel for chance in hits), default=Channel.GREEN)
    return Selection(
        channel=channel,
        basis=_basis(hits, channel),
        is_random=RANDOM in fired,
        fired=fired,
        propensities={channel: propensity(chances, channel) for channel in INSPECTED},
    )


def propensity(chances: Iterable[Chance], channel: Channel) -> float:
    """Return the probability that the engine's own chances lead to ``channel`` or a stricter one.

    A counterpart's notice is left out (:data:`COUNTERPART`).
    """
    most: dict[str, float] = {}
    for chance in chances:
        if chance.channel >= channel and chance.purpose != COUNTERPART:
            # one number a purpose: its chances are nested, not independent
            most[chance.purpose] = max(most.get(chance.purpose, 0.0), chance.written)
    return 1.0 - math.prod(1.0 - probability for probability in most.values())


def _basis(hits: Sequence[Chance], channel: Channel) -> str | None:
    """Name why it goes where it goes.

    A random member counts as random before all, else the stream is no fair sample. The score comes
    last: what a profile or the watch list wants anyway is not the score's merit. A counterpart's
    word outweighs profiles: what it selects with an unknown probability must not measure them.
    """
    if any(chance.purpose == RANDOM for chance in hits):
        return "random"
    found = {chance.purpose.partition(":")[0] for chance in hits if chance.channel == channel}
    return next((_BASES[source] for source in _BASES if source in found), None)


_BASES = {
    "watchlist": "watchlist",
    COUNTERPART: COUNTERPART,
    "profile": "profile",
    "rule": "profile",
    SCORE: "score",
}
"""What each kind of purpose is called as a basis; what comes first outweighs what follows."""


TRIAL = "trial"
"""Purpose of who leads; drawn while a trial runs alone."""
Side = Literal["champion", "challenger"]
CHAMPION: Side = "champion"
CHALLENGER: Side = "challenger"


@dataclass(frozen=True, slots=True)
class Trial:
    """The trial that an arrival falls into, and the model that does not lead it."""

    sequence: int
    """The journal's record that began it."""
    share: float
    """Probability with which the challenger leads."""
    leader: Side
    other: str
    """Version of the model that does not lead."""
    table_sequence: int | None
    """The journal's record of ``table``."""
    table: tuple[float, ...]
    """Quantiles of the other model's risk at this post."""
    severity: float
    """What one seizure is worth, in discrepancies, to the other model."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of an arrival in a trial: who led it, and what the other model said."""

    sequence: int
    share: float
    leader: Side
    other: str
    percentile: float
    """Share of the post's last 28 days below it, by the other model."""
    p_seizure: float
    p_discrepancy: float
    wanted: tuple[Side, ...]
    """Sides whose score, with the number drawn, sends it to officers where that side leads."""


def draw_leader(share: float, drawn: float) -> Side:
    """Return who leads, given the number drawn for it in [0, 1)."""
    return CHALLENGER if drawn < share else CHAMPION


def apply_trial(
    trial: Trial,
    other: tuple[float, float],
    picked: Sequence[Chance],
    *,
    policy: Policy,
    draws: Mapping[str, float],
) -> tuple[Tried, tuple[Chance, ...]]:
    """Return what a trial makes of an arrival, and the leader's chances with what they were before.

    ``other`` are the chances of a seizure and of a discrepancy by the model that does not lead,
    ``picked`` what the leader's score may do.
    """
    level = percentile(trial.table, risk(*other, severity=trial.severity))
    theirs = score_chances(policy, level)
    follower = CHAMPION if trial.leader == CHALLENGER else CHALLENGER
    chances = {trial.leader: picked, follower: theirs}
    found = Tried(
        sequence=trial.sequence,
        share=trial.share,
        leader=trial.leader,
        other=trial.other,
        percentile=level,
        p_seizure=other[0],
        p_discrepancy=other[1],
        wanted=tuple(side for side in (CHAMPION, CHALLENGER) if _wants(chances[side], draws)),
    )
    weight = trial.share if trial.leader == CHALLENGER else 1.0 - trial.share
    return found, share_chances(picked, theirs, weight=weight)


def share_chances(
    ours: Sequence[Chance], theirs: Sequence[Chance], *, weight: float
) -> tuple[Chance, ...]:
    """Return the leader's chances with the probability they had before it was drawn who leads.

    ``weight`` is the probability of that; both sides' chances are of the same channels in order.
    """
    return tuple(
        replace(one, before=weight * one.probability + (1.0 - weight) * other.probability)
        for one, other in zip(ours, theirs, strict=True)
    )


def _wants(chances: Sequence[Chance], draws: Mapping[str, float]) -> bool:
    return any(draws[SCORE] < chance.probability for chance in chances)
