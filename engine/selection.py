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

Red ranks by the chance of a seizure, yellow and blue by the chance of a discrepancy: a doubt about
value alone sends nobody to a search. Each list has a draw and a cut of its own, and the channel is
the strictest list that selects. The shares assume that chances are spread as in the tables of the
post's last 28 days, which have their quantiles at ``TABLE_LEVELS`` even shares: a percentile is
then uniform, and a cut at 1 - share selects that share.

A vehicle of known lawful trade (:mod:`engine.criteria.known_lawful`) is picked by its score with a
lower probability, and is drawn for a search by a number of its own. Nothing else is changed for it:
random checks, profiles, the watch list and a counterpart's notice select it as any other vehicle.

Two models on trial share what the score may pick: it is random which of them leads an arrival, by a
number other than the score's. The leading model decides as if it were alone. Its record states what
could have happened before the draw: the propensity of a channel is that under each model, weighted
by its probability of leading.
"""

import hashlib
import hmac
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from engine.domain.identifiers import fold
from engine.domain.network import ShiftPeriod
from engine.domain.records import Crossing

SEED_BYTES = 32
RANDOM = "random"
"""Purpose of the random stream."""
RANDOM_PAPERS = "random_papers"
"""Purpose, and basis, of the random streams of yellow and of blue."""
SCORE = "score"
"""Purpose of the smooth cut on the chance of a seizure."""
PAPERS = "papers"
"""Purpose of the smooth cuts of yellow and of blue on the chance of a discrepancy."""
LAWFUL_CHECK = "lawful_check"
"""Purpose, and basis, of the searches that are drawn among known lawful trade."""
PLACE = "place"
"""Purpose of the queue place that is drawn among the scored picks."""
PLACE_AMENDED = "place_amended"
"""The same after a declaration was changed."""


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


@dataclass(frozen=True, slots=True)
class Levels:
    """Percentiles of both chances among the post's last 28 days, in [0, 1]."""

    seizure: float
    discrepancy: float


@dataclass(frozen=True, slots=True)
class RiskTables:
    """``TABLE_LEVELS`` ascending quantiles of both chances at a post; empty without a model."""

    seizure: tuple[float, ...] = ()
    discrepancy: tuple[float, ...] = ()

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> "RiskTables":
        """Return the tables that a record holds."""
        return cls(tuple(body["quantiles"]), tuple(body["discrepancy_quantiles"]))

    @classmethod
    def measure(cls, p_seizure: ArrayLike, p_discrepancy: ArrayLike) -> "RiskTables":
        """Return the tables of chances that were stated, both of shape (n,), n above 0."""
        levels = np.linspace(0.0, 1.0, TABLE_LEVELS)
        both = (
            np.quantile(np.asarray(one, np.float64), levels) for one in (p_seizure, p_discrepancy)
        )
        return cls(*(tuple(one.tolist()) for one in both))

    def as_body(self) -> dict[str, list[float]]:
        """Return what :meth:`from_body` reads."""
        return {
            "quantiles": list(self.seizure),
            "discrepancy_quantiles": list(self.discrepancy),
        }

    def place(self, p_seizure: float, p_discrepancy: float) -> Levels:
        """Return the percentiles of two chances."""
        return Levels(
            percentile(self.seizure, p_seizure), percentile(self.discrepancy, p_discrepancy)
        )

    def outweigh(self, recent: Sequence[tuple[float, float]]) -> "RiskTables":
        """Return the tables of a post: these, outweighed as decisions come in.

        ``recent`` has both chances of the post's last 28 days under this model.
        """
        seen = np.array(recent, np.float64).reshape(-1, 2)
        return RiskTables(
            blend_tables(self.seizure, seen[:, 0]), blend_tables(self.discrepancy, seen[:, 1])
        )

    def table_for(self, channel: "Channel") -> tuple[float, ...]:
        """Return the table of the list that leads to a channel."""
        return self.seizure if channel.ranked_by == "seizure" else self.discrepancy


def blend_tables(seed: Sequence[float], recent: ArrayLike) -> tuple[float, ...]:
    """Return the table of a post: the model's own quantiles, outweighed as decisions come in.

    ``recent`` has the chances of the post's last 28 days under this model, shape (n,).
    """
    seen = np.sort(np.asarray(recent, np.float64))
    shares = np.linspace(0.0, 1.0, len(seed))
    prior = np.interp((np.arange(SEED_WEIGHT) + 0.5) / SEED_WEIGHT, shares, np.asarray(seed))
    both = np.concatenate([prior, seen])
    # A point of the seed weighs all of it without decisions, and half of it after 200.
    of_seed = SEED_WEIGHT / (SEED_WEIGHT + len(seen))
    weights = np.concatenate([np.full(SEED_WEIGHT, of_seed), np.ones(len(seen))])
    order = np.argsort(both, kind="stable")
    mass = np.cumsum(weights[order]) - 0.5 * weights[order]
    return tuple(np.interp(shares, mass / weights.sum(), both[order]).tolist())


RANDOM_SHARE = (0.03, 0.10)
"""Below, blind spots stay blind; above, random checks cost too many minutes."""
LAWFUL_SHARES: Mapping[str, tuple[float, float]] = {
    "lawful_factor": (0.1, 1.0),
    "lawful_floor": (0.005, 0.05),
}
"""Bounds of both shares of known lawful trade: the score always counts, and searches are drawn."""
_BOUNDS = {
    "random_share": RANDOM_SHARE,
    "random_yellow_share": (0, RANDOM_SHARE[1]),
    "random_blue_share": (0, RANDOM_SHARE[1]),
    "blur": (0, 1.0),
    **dict.fromkeys(("red_share", "yellow_share", "blue_share"), (0, 0.5)),
    **LAWFUL_SHARES,
}
"""Of each share of a policy."""
MOST_DRAWN = 4.0
"""Drawn searches for each one by score, at most, among known lawful trade at a uniform score: a
search of such a vehicle then does not tell that it was drawn."""


ChannelCode = Literal["green", "blue", "yellow", "red"]
RankedTarget = Literal["seizure", "discrepancy"]
"""Whose chance a list ranks by."""


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

    @property
    def ranked_by(self) -> RankedTarget:
        """What its list ranks by; what goes to no list is ranked as red is."""
        return "discrepancy" if self in (Channel.BLUE, Channel.YELLOW) else "seizure"

    @classmethod
    def of(cls, code: str) -> "Channel":
        """Return the channel with this name."""
        return cls[code.upper()]


_CODES: tuple[ChannelCode, ...] = get_args(ChannelCode)
INSPECTED = (Channel.YELLOW, Channel.RED)
"""Channels that send a crossing to officers."""
LISTED = (Channel.BLUE, *INSPECTED)
"""Channels that the score selects for; a propensity is kept for each."""
COUNTERPART = "counterpart"
"""Purpose and basis of a counterpart's notice, which always selects what it names.

With which probability another administration names a vehicle is unknown, so a notice enters no
propensity: those of the vehicle are what the engine's own chances give it.
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """The fixed shares of a post, each a share of all its decisions.

    Red ranks by the chance of a seizure, yellow and blue by the chance of a discrepancy. Each list
    has a cut, a draw and a random share of its own.
    """

    red_share: float = 0.04
    """Picked for physical inspection by score."""
    yellow_share: float = 0.08
    """Picked for documents and scan by score."""
    blue_share: float = 0.02
    """Picked for an audit after release by score, next to the yellow ones."""
    random_share: float = 0.03
    """Drawn at random for physical inspection, whatever the score."""
    random_yellow_share: float = 0.01
    """Drawn at random for documents and scan, whatever the score."""
    random_blue_share: float = 0.01
    """Drawn at random for an audit after release, whatever the score."""
    blur: float = 0.25
    """Half width of the randomised band at each cut, as a part of the share above the cut."""
    lawful_factor: float = 0.25
    """What the score's probabilities are multiplied by for known lawful trade."""
    lawful_floor: float = 0.01
    """Share of known lawful trade that is drawn for a search, besides the random checks."""

    def __post_init__(self) -> None:
        """Refuse shares that cannot be shares."""
        for name, (low, high) in _BOUNDS.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie in [{low}, {high}]")
        if self.red_share + self.yellow_share > 0.5:
            raise ValueError("red_share and yellow_share together must not exceed 0.5")
        if self.yellow_share + self.blue_share > 0.5:
            raise ValueError("yellow_share and blue_share together must not exceed 0.5")

    @property
    def most_red(self) -> float:
        """Largest red share beside the yellow one."""
        return 0.5 - self.yellow_share

    @property
    def most_yellow(self) -> float:
        """Largest yellow share beside the blue one."""
        return 0.5 - self.blue_share


@dataclass(frozen=True, slots=True)
class Chance:
    """One way into a channel: selected when the number drawn for ``purpose`` is below it."""

    purpose: str
    channel: Channel
    probability: float
    rival: float | None = None
    """The probability by the other model of a trial; None if the same holds whoever leads."""
    weight: float = 1.0
    """The probability, before the draw, that the model leads which ``probability`` is of."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What the draws made of the chances."""

    channel: Channel
    basis: str | None
    """random, lawful_check, random_papers, watchlist, counterpart, profile or score; None without
    any."""
    is_random: bool
    """Member of the random stream of red, whatever else selected it."""
    fired: tuple[str, ...]
    """Purposes that selected it."""
    propensities: Mapping[Channel, float]
    """For each list, the probability of its channel or a stricter one."""


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

    They are percentiles of the channel's own list. A share of nothing counts as the usual one: what
    is drawn then queues where picks did before.
    """
    return max(1.0 - _share(policy, channel) * (1.0 + policy.blur), 0.0), 1.0


def level_among_picks(drawn: float, policy: Policy, channel: Channel) -> float:
    """Return the percentile, in its own list, of a scored pick of a channel drawn at random."""
    return place_among_picks(drawn, _share(policy, channel), blur=policy.blur)


def _share(policy: Policy, channel: Channel) -> float:
    usual = Policy()
    if channel is Channel.RED:
        return policy.red_share or usual.red_share
    return policy.yellow_share or usual.yellow_share


def score_chances(policy: Policy, levels: Levels) -> tuple[Chance, ...]:
    """Return what the score alone may do to a crossing at these percentiles of its post.

    Raising either percentile never makes the channel milder.
    """
    yellow = ramp(levels.discrepancy, policy.yellow_share, blur=policy.blur)
    blue = ramp(levels.discrepancy, policy.yellow_share + policy.blue_share, blur=policy.blur)
    return (
        Chance(SCORE, Channel.RED, ramp(levels.seizure, policy.red_share, blur=policy.blur)),
        Chance(PAPERS, Channel.YELLOW, yellow),
        Chance(PAPERS, Channel.BLUE, max(yellow, blue)),
    )


def lower_factor(policy: Policy) -> float:
    """Return what the score's probabilities are multiplied by for known lawful trade.

    It is the policy's factor, or a higher one under which at least one search in five of such a
    vehicle is still by score, if its scores are spread as those of all: where few are picked by
    score, or many at random, nothing is left to lower.
    """
    drawn = propensity(
        (*random_chances(policy), Chance(LAWFUL_CHECK, Channel.RED, policy.lawful_floor)),
        Channel.RED,
    )
    if drawn >= MOST_DRAWN * policy.red_share:
        return 1.0
    return max(policy.lawful_factor, drawn / (MOST_DRAWN * policy.red_share))


def lower_chances(chances: Sequence[Chance], factor: float) -> tuple[Chance, ...]:
    """Return chances with their probabilities multiplied by a factor in (0, 1]."""
    if factor == 1.0:
        return tuple(chances)
    return tuple(replace(one, probability=factor * one.probability) for one in chances)


def random_chances(policy: Policy) -> tuple[Chance, ...]:
    """Return the random streams of the three lists; each covers every crossing."""
    papers = policy.random_yellow_share
    return (
        Chance(RANDOM, Channel.RED, policy.random_share),
        Chance(RANDOM_PAPERS, Channel.YELLOW, papers),
        Chance(RANDOM_PAPERS, Channel.BLUE, papers + policy.random_blue_share),
    )


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
        propensities={channel: propensity(chances, channel) for channel in LISTED},
    )


def propensity(chances: Iterable[Chance], channel: Channel) -> float:
    """Return the probability that the engine's own chances lead to ``channel`` or a stricter one.

    Of a trial, it is that of before the draw of who leads. A counterpart's notice is left out
    (:data:`COUNTERPART`).
    """
    counted = [one for one in chances if one.channel >= channel and one.purpose != COUNTERPART]
    weight = next((one.weight for one in counted if one.rival is not None), 1.0)
    led = _miss_all((one.purpose, one.probability) for one in counted)
    if weight == 1.0:
        return 1.0 - led
    rivals = ((one.purpose, one.probability if one.rival is None else one.rival) for one in counted)
    return 1.0 - weight * led - (1.0 - weight) * _miss_all(rivals)


def _miss_all(chances: Iterable[tuple[str, float]]) -> float:
    """Return the probability that no purpose selects."""
    most: dict[str, float] = {}
    for purpose, probability in chances:  # one number a purpose: its chances are nested
        most[purpose] = max(most.get(purpose, 0.0), probability)
    return math.prod(1.0 - one for one in most.values())


def _basis(hits: Sequence[Chance], channel: Channel) -> str | None:
    """Name why it goes where it goes.

    A random member counts as random before all, and one drawn among known lawful trade as that,
    else neither stream is a fair sample. The score comes last: what a profile or the watch list
    wants anyway is not the score's merit. A counterpart's word outweighs profiles: what it selects
    with an unknown probability must not measure them.
    """
    for drawn in (RANDOM, LAWFUL_CHECK):
        if any(chance.purpose == drawn for chance in hits):
            return drawn
    found = {chance.purpose.partition(":")[0] for chance in hits if chance.channel == channel}
    return next((_BASES[source] for source in _BASES if source in found), None)


_BASES = {
    RANDOM_PAPERS: RANDOM_PAPERS,
    "watchlist": "watchlist",
    COUNTERPART: COUNTERPART,
    "profile": "profile",
    "rule": "profile",
    SCORE: "score",
    PAPERS: "score",
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
    """The journal's record of ``tables``."""
    tables: RiskTables
    """Of the other model at this post."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of an arrival in a trial: who led it, and what the other model said."""

    sequence: int
    share: float
    leader: Side
    other: str
    percentile: float
    """Share of the post's last 28 days with a lower chance of a seizure, by the other model."""
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
    factor: float = 1.0,
) -> tuple[Tried, tuple[Chance, ...]]:
    """Return what a trial makes of an arrival, and the leader's chances with what they were before.

    ``other`` are the chances of a seizure and of a discrepancy by the model that does not lead,
    ``picked`` what the leader's score may do, already lowered by ``factor``.
    """
    levels = trial.tables.place(*other)
    theirs = lower_chances(score_chances(policy, levels), factor)
    follower = CHAMPION if trial.leader == CHALLENGER else CHALLENGER
    chances = {trial.leader: picked, follower: theirs}
    found = Tried(
        sequence=trial.sequence,
        share=trial.share,
        leader=trial.leader,
        other=trial.other,
        percentile=levels.seizure,
        p_seizure=other[0],
        p_discrepancy=other[1],
        wanted=tuple(side for side in (CHAMPION, CHALLENGER) if _wants(chances[side], draws)),
    )
    weight = trial.share if trial.leader == CHALLENGER else 1.0 - trial.share
    return found, share_chances(picked, theirs, weight=weight)


def share_chances(
    ours: Sequence[Chance], theirs: Sequence[Chance], *, weight: float
) -> tuple[Chance, ...]:
    """Return the leader's chances with those of the other model beside them.

    ``weight`` is the probability that the leader leads; both sides' chances are of the same
    channels in order.
    """
    return tuple(
        replace(one, rival=other.probability, weight=weight)
        for one, other in zip(ours, theirs, strict=True)
    )


def _wants(chances: Sequence[Chance], draws: Mapping[str, float]) -> bool:
    return any(
        draws[chance.purpose] < chance.probability
        for chance in chances
        if chance.channel in INSPECTED
    )
