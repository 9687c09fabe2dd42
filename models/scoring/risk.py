"""Arithmetic from margins to risk, shared by training and serving.

Assumes that more margin never means less risk: every map here is strictly increasing, so ranking by
probability is ranking by margin and ties stay ties. Nothing here needs a training library.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from engine.selection import policy
from models.array_types import Floats
from models.data.dataset import Target

FARTHEST = 16.0
"""Calibrated log-odds never leave +-16 (a chance of 1e-7): no sample here can tell more."""


@dataclass(frozen=True, slots=True)
class Knots:
    """A strictly increasing piecewise-linear map, straight on beyond its outer knots."""

    margin: tuple[float, ...]
    log_odds: tuple[float, ...]
    _lines: tuple[Floats, Floats, Floats] = field(init=False, repr=False, compare=False)
    """The same as arrays, and the slopes between."""

    def __post_init__(self) -> None:
        """Refuse a map that could reverse or merge two margins."""
        rising = all(
            all(low < high for low, high in pairwise(values))
            for values in (self.margin, self.log_odds)
        )
        if len(self.margin) < 2 or len(self.margin) != len(self.log_odds) or not rising:
            raise ValueError("knots must be at least two, and strictly increasing on both axes")
        x, y = np.array(self.margin), np.array(self.log_odds)
        object.__setattr__(self, "_lines", (x, y, np.diff(y) / np.diff(x)))

    def __call__(self, margin: ArrayLike) -> Floats:
        """Return calibrated log-odds of margins of any shape."""
        x, y, slopes = self._lines
        asked = np.asarray(margin, np.float64)
        segment = np.clip(np.searchsorted(x, asked, side="right") - 1, 0, len(slopes) - 1)
        mapped = y[segment] + slopes[segment] * (asked - x[segment])
        return np.asarray(np.clip(mapped, -FARTHEST, FARTHEST), np.float64)

    def at(self, margin: float) -> float:
        """Return the calibrated log-odds of one margin: the same bits, a tenth of the time."""
        x, y = self.margin, self.log_odds
        segment = min(max(bisect_right(x, margin) - 1, 0), len(x) - 2)
        slope = (y[segment + 1] - y[segment]) / (x[segment + 1] - x[segment])
        return min(max(y[segment] + slope * (margin - x[segment]), -FARTHEST), FARTHEST)

    def shift(self, shift: float) -> Self:
        """Return the same map, all of it higher by so many log-odds."""
        return replace(self, log_odds=tuple(level + shift for level in self.log_odds))


UNCALIBRATED = Knots((-1.0, 1.0), (-1.0, 1.0))
"""Leaves margins as they are, within ``FARTHEST``."""


def probability(log_odds: ArrayLike) -> Floats:
    """Return probabilities in (0, 1) of log-odds of any shape.

    >>> probability([0.0, np.log(3.0)]).round(2).tolist()
    [0.5, 0.75]
    """
    # np.exp of -log_odds would overflow far below; the knots' bound makes that impossible.
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(log_odds, np.float64))), np.float64)


def line_of(target: Target) -> str:
    """Return the name of a target's linear part; its trees bear the target's own name."""
    return f"{target}_line"


PRECEDENTS = "seizure_precedents"
"""Name of the part that says what earlier finds alone say of a seizure."""

UNSEEN_TREES = "discrepancy_unseen"
"""Name of discrepancy's trees for fingerprints that were never inspected."""

UNSEEN = "(unseen)"
"""Next to the parts' margins: 1 where a row's fingerprint was never inspected, else 0."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """How far a target's stated chances may be off, by what set their level and their slope.

    Random checks set the level, later finds the slope. Of both, the errors are counted in log-odds.
    """

    random_finds: int
    """Finds of the random checks behind the level."""
    center: float
    """Log-odds at which the level is known best."""
    level: float
    """Standard error of the level there."""
    slope: float
    """Standard error of the slope, which is 1 as stated."""

    @property
    def has_level(self) -> bool:
        """Tell whether a chance may be stated at all; where not, only the order is known."""
        return self.random_finds >= FEWEST_RANDOM_FINDS

    def bounds(self, chance: float) -> tuple[float, float] | None:
        """Return the 95 % interval of a stated chance in (0, 1); None below the fewest finds.

        >>> doubt = Doubt(random_finds=12, center=-5.0, level=0.3, slope=0.1)
        >>> [round(end, 4) for end in doubt.bounds(1 / 240) or ()]
        [0.0023, 0.0075]
        """
        if not self.has_level:
            return None
        log_odds = float(np.log(chance / (1.0 - chance)))
        error = float(np.hypot(self.level, self.slope * (log_odds - self.center)))
        low, high = probability([log_odds - NORMAL_95 * error, log_odds + NORMAL_95 * error])
        return float(low), float(high)


FEWEST_RANDOM_FINDS = 5
"""Below so many finds of random checks a chance has an order and no number."""
NORMAL_95 = 1.96

Blend = tuple[tuple[str, float], ...]
"""Parts and their weights, which are positive and sum to 1."""


@dataclass(frozen=True, slots=True)
class Head:
    """One target: a blend of the parts' margins, then its calibration."""

    blend: Blend
    knots: Knots
    unseen: "Head | None" = None
    """What holds where a fingerprint was never inspected; the same as elsewhere when None."""
    doubt: Doubt | None = None
    """Of the stated chances; None where no random check set their level."""

    def margin(self, margins: Mapping[str, Floats]) -> Floats:
        """Return this head's own blend of log-odds, of the shape of the margins."""
        first, *others = (weight * margins[name] for name, weight in self.blend)
        return sum(others, start=first)

    def log_odds(self, margins: Mapping[str, Floats]) -> Floats:
        """Return calibrated log-odds, shape (n,), each row by the head that holds for it."""
        everywhere = self.knots(self.margin(margins))
        if self.unseen is None:
            return everywhere
        return np.where(margins[UNSEEN] > 0, self.unseen.log_odds(margins), everywhere)

    def where(self, *, unseen: bool) -> "Head":
        """Return the head that holds for rows of one kind, alone."""
        return self.unseen if unseen and self.unseen else replace(self, unseen=None)

    def parts(self) -> set[str]:
        """Return the names of all parts that are blended anywhere."""
        own = {name for name, _ in self.blend}
        return own | (self.unseen.parts() if self.unseen else set())

    def as_dict(self) -> dict[str, Any]:
        """Return the head as JSON keeps it."""
        knots = {"margin": self.knots.margin, "log_odds": self.knots.log_odds}
        kept = {"blend": dict(self.blend), "knots": knots}
        kept |= {"unseen": self.unseen.as_dict()} if self.unseen else {}
        return kept | ({"doubt": asdict(self.doubt)} if self.doubt else {})

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_dict` wrote."""
        knots = Knots(tuple(kept["knots"]["margin"]), tuple(kept["knots"]["log_odds"]))
        blend = tuple((name, float(weight)) for name, weight in kept["blend"].items())
        unseen = cls.from_dict(kept["unseen"]) if "unseen" in kept else None
        return cls(blend, knots, unseen, Doubt(**kept["doubt"]) if "doubt" in kept else None)


def risk(p_seizure: Floats, p_discrepancy: Floats, *, severity: float) -> Floats:
    """Return the severity-weighted risk, strictly increasing in both probabilities.

    Both have the shape (n,), and so has the risk; all lie in [0, 1].

    A seizure counts as ``severity`` discrepancies; dividing by their sum keeps the risk in [0, 1]
    without changing any order. It is the engine's own: what judges is what decides.
    """
    return policy.risk(p_seizure, p_discrepancy, severity=severity)
