"""Permutation test of whether an officer sees or releases a carrier more than chance explains.

Teams are assigned at random within a shift and a channel, so under honest work any dealing of the
shift's vehicles to its teams was as likely as the one that happened. That is what is permuted: the
teams are dealt again many times, and each figure is compared with what it came to (Fisher's exact
test, sampled). Who lets vehicles go is compared within a week, a kind of shift and a channel, which
assumes that honest officers let go alike there, whatever their day.

The alarm goes by the largest figure of a family (Westfall and Young, 1993), three families sharing
one level: however many pairs a post has, a clean day raises an alarm with that probability and no
more. What a search found is not tested: with a handful of hits a month, a pair that finds nothing
cannot be told from an unlucky one. An alarm accuses no person: it asks for a look.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.array_types import Floats, Positions

PERMUTATIONS = 1999
ALARM_AT = 0.005
"""Adjusted p-value at which a look is asked for: in 90 daily looks at clean work .45 times on
average, mostly on neighbouring days."""
STEADY = 1.0
"""Vehicles squared, added to each variance: a single vehicle of a rare pair is no finding."""
FEWEST = 30
"""Vehicles below which nothing is said."""
ANY = ""
"""Stands for all carriers together."""

Coded = tuple[list[str], Positions]
"""(names, which name each row has)."""


@dataclass(frozen=True, slots=True)
class HandledVehicle:
    """One vehicle that was sent to officers, and who dealt with it."""

    officer: str
    """Team or officer that did it, or who reported it where the roster names none."""
    carrier: str | None
    shift: str
    """Shift and channel: within it, any vehicle could have gone to any team."""
    season: str
    """Week, kind of shift and channel: within it, honest officers let go alike."""
    is_let_go: bool
    """Released without a search that could find something."""
    is_taken_over: bool
    """Drawn for another team."""


@dataclass(frozen=True, slots=True)
class OfficerExcess:
    """One figure that exceeds what random assignment gives."""

    measure: str
    """handled, taken_over or let_go."""
    officer: str
    carrier: str
    """Empty for all carriers together."""
    seen: int
    expected: float
    excess: float
    """In standard deviations, steadied."""
    p_value: float
    """Adjusted for all figures looked at."""

    @property
    def is_alarm(self) -> bool:
        """Tell whether a look is asked for."""
        return self.p_value <= ALARM_AT


def seed_of(*parts: object) -> int:
    """Return the seed of a report's permutations, so that they can be drawn again."""
    text = " ".join(map(str, ("darvoza integrity 1", *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def findings(
    handled: Sequence[HandledVehicle], *, seed: int, permutations: int = PERMUTATIONS
) -> list[OfficerExcess]:
    """Return every figure that exceeds what random assignment gives, the least likely first.

    ``seed`` of the permutations is made by :func:`seed_of`; the smallest p-value is three over one
    more than their number. Empty below ``FEWEST`` vehicles.
    """
    if len(handled) < FEWEST:
        return []
    draw = np.random.default_rng(seed)
    families = _families(handled)
    found = [one for f in families for one in f.findings(draw, permutations, len(families))]
    return sorted(found, key=lambda one: (one.p_value, -one.excess))


def _families(handled: Sequence[HandledVehicle]) -> "list[_Family]":
    has_carrier = np.array([one.carrier is not None for one in handled], np.float64)
    let_go = np.array([one.is_let_go for one in handled], np.float64)
    taken = np.array([one.is_taken_over for one in handled], np.float64)
    officer = _code_values([one.officer for one in handled])
    carrier = _code_values([one.carrier or ANY for one in handled])
    everybody = _code_values([ANY for _ in handled])
    shift = _code_values([one.shift for one in handled])[1]
    season = _code_values([one.season for one in handled])[1]
    assigned = {"handled": has_carrier, "taken_over": taken * has_carrier}
    return [
        _Family(officer, carrier, shift, assigned),
        _Family(officer, everybody, season, {"let_go": let_go}),
        _Family(officer, carrier, season, {"let_go": let_go * has_carrier}),
    ]


@dataclass(frozen=True, slots=True)
class _Family:
    """Figures that share one dealing: for each measure, of each officer and group of vehicles."""

    officer: Coded
    group: Coded
    stratum: Positions
    measures: Mapping[str, Floats]

    def findings(
        self, draw: np.random.Generator, permutations: int, families: int
    ) -> Iterator[OfficerExcess]:
        """Yield figures above what is expected; p-values hold for all families together."""
        seen = self.counts(self.officer[1])
        mean, scale = self.moments()
        excess = (seen - mean) / scale
        most = np.sort([((d - mean) / scale).max() for d in self._dealings(draw, permutations)])
        above = len(most) - np.searchsorted(most, excess - 1e-9)
        p_values = np.minimum(1.0, families * (1 + above) / (1 + permutations))
        for measure, officer, group in np.argwhere(excess > 0).tolist():
            place = measure, officer, group
            yield OfficerExcess(
                list(self.measures)[measure],
                self.officer[0][officer],
                self.group[0][group],
                seen=round(float(seen[place])),
                expected=float(mean[place]),
                excess=float(excess[place]),
                p_value=float(p_values[place]),
            )

    def counts(self, officer: Positions) -> Floats:
        """Return all figures, were these the officers: shape (measures, officers, groups)."""
        sizes = len(self.officer[0]), len(self.group[0])
        of = self.group[1]
        return np.array([_cross_sum(officer, of, sizes, w) for w in self.measures.values()])

    def moments(self) -> tuple[Floats, Floats]:
        """Return mean and steadied standard deviation of each figure over all dealings."""
        found = [self._moments(weight) for weight in self.measures.values()]
        mean, variance = (np.array(part) for part in zip(*found, strict=True))
        return mean, np.sqrt(variance + STEADY)

    def _moments(self, weight: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of sums under sampling without replacement, stratum by stratum."""
        there = np.bincount(self.stratum).astype(np.float64)
        sizes = len(self.group[0]), len(there)
        ones = np.ones_like(weight)
        theirs = _cross_sum(self.officer[1], self.stratum, (len(self.officer[0]), len(there)), ones)
        sums = _cross_sum(self.group[1], self.stratum, sizes, weight)
        squares = _cross_sum(self.group[1], self.stratum, sizes, weight**2)
        spread = (squares - sums**2 / there) / np.maximum(there - 1, 1)
        return theirs @ (sums / there).T, (theirs * (there - theirs) / there) @ spread.T

    def _dealings(self, draw: np.random.Generator, times: int) -> Iterator[Floats]:
        """Yield the figures of each new dealing of the teams within their strata."""
        teams = self.officer[1][np.argsort(self.stratum, kind="stable")]
        dealt = np.empty_like(teams)
        for _ in range(times):
            dealt[np.argsort(self.stratum + draw.random(len(teams)))] = teams
            yield self.counts(dealt)


def _code_values(values: Sequence[str]) -> Coded:
    names, codes = np.unique(np.array(values, object), return_inverse=True)
    return names.tolist(), codes.astype(np.intp)


def _cross_sum(row: Positions, column: Positions, sizes: tuple[int, int], weight: Floats) -> Floats:
    """Sum weights into a table of this shape."""
    rows, columns = sizes
    sums = np.bincount(row * columns + column, weight, rows * columns).astype(np.float64)
    return sums.reshape(sizes)
