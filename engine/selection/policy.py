"""From a score and draws to a channel, with the probability that it could have come out so.

Everything that may select a crossing is a ``Chance``: the random stream, the score near its cut, an
indicator rule, a counterpart's notice. Each purpose draws one number of its own, so chances of
different purposes are independent, and the propensity of a channel is 1 - prod(1 - p_k) over the
purposes that lead to that channel or a stricter one, notices left out.

The shares assume that scores are spread as in the table of the post's last 28 days: a percentile is
then uniform, and a cut at 1 - share selects that share.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.selection.randomization import RANDOM, SCORE

Chances = TypeVar("Chances", float, NDArray[np.float64])

RANDOM_SHARE = (0.03, 0.10)
"""Below, blind spots stay blind; above, random checks cost too many minutes."""


class Channel(IntEnum):
    """Where a crossing goes, in rising order of intervention."""

    GREEN = 0
    BLUE = 1
    YELLOW = 2
    RED = 3

    @property
    def code(self) -> str:
        """The channel's name in records and answers."""
        return self.name.lower()

    @classmethod
    def of(cls, code: str) -> "Channel":
        """Return the channel with this name."""
        return cls[code.upper()]


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
    (:mod:`engine.selection.champion_challenger`); None: the same.
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
