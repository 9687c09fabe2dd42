"""Simulation of champion and challenger under regimes of drift.

Assumes a synthetic traffic of forty signs, eight of which carry risk; the model is a logistic one,
so that two years run in a second. Nothing here is real. A regime says what happens after a year and
a half, a strategy what is learnt from; all strategies see the same arrivals.

``python -m experiments.simulation.drift_regimes [SEEDS]`` prints hit rates of the last quarter side
by side.
"""

import sys
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.array_types import Floats
from models.monitoring import trials
from models.statistics import drift

Regime = Literal["stationary", "quarter", "half", "abrupt", "reversal"]
Strategy = Literal["keep", "reset", "ours"]
REGIMES: tuple[Regime, ...] = ("stationary", "quarter", "half", "abrupt", "reversal")
"""Nothing shifts; two, four or all of the eight signs are replaced; or turned into their opposite
as well."""
STRATEGIES: tuple[Strategy, ...] = ("keep", "reset", "ours")
"""Keep everything; start again at each alarm; let champion and challenger race after an alarm."""
SIGNS, ACTIVE = 40, 8
WEEKS, SHIFT, LAST = 104, 78, 13
ARRIVALS, CAPACITY, RANDOM = 1200, 0.05, 0.03
BASE = 0.05
"""Share of arrivals in which a search would find something."""
START = 2
"""Weeks in which all searches are random checks, because nothing is known yet."""
MONTH = 4
"""Weeks between two fits of what is in force; a challenger is fitted every week."""


@dataclass(frozen=True, slots=True)
class Week:
    """One week's n arrivals."""

    signs: Floats
    """Shape (n, SIGNS), 0 or 1."""
    found: NDArray[np.int8]
    """Whether a search would find something."""
    is_random: NDArray[np.bool_]
    """Member of the random stream."""
    arm_draw: Floats
    """One number in [0, 1) for what champion and challenger dispute."""


def weeks_of(regime: Regime, *, seed: int) -> list[Week]:
    """Return the arrivals; those before the shift are the same in every regime."""
    draw = np.random.default_rng(seed)
    often = draw.uniform(0.05, 0.2, SIGNS)
    order = draw.permutation(SIGNS)
    before, kept = np.zeros(SIGNS), order[:ACTIVE]
    before[kept] = draw.uniform(1.4, 2.4, ACTIVE)
    moved = {"stationary": 0, "quarter": ACTIVE // 4, "half": ACTIVE // 2}.get(regime, ACTIVE)
    later = before.copy()
    later[kept[:moved]] = -before[kept[:moved]] / 2 if regime == "reversal" else 0.0
    later[order[ACTIVE : ACTIVE + moved]] = before[kept[:moved]]
    made = []
    worlds = [(weights, _level(often, weights)) for weights in (before, later)]
    for number in range(WEEKS):
        weights, level = worlds[number >= SHIFT]
        signs = (draw.random((ARRIVALS, SIGNS)) < often).astype(np.float64)
        found = (draw.random(ARRIVALS) < _chance(level + signs @ weights)).astype(np.int8)
        lots = draw.random((2, ARRIVALS))
        made.append(Week(signs, found, lots[0] < RANDOM, lots[1]))
    return made


def _level(often: Floats, weights: Floats) -> float:
    """Return the log-odds without any sign at which the mean chance is ``BASE``."""
    signs = np.random.default_rng(0).random((4000, SIGNS)) < often
    low, high = -12.0, 0.0
    for _ in range(40):
        middle = (low + high) / 2
        enough = float(_chance(middle + signs @ weights).mean()) > BASE
        low, high = (low, middle) if enough else (middle, high)
    return low


def _chance(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -30, 30))), np.float64)


def fit_logistic(signs: Floats, found: NDArray[np.int8], *, start: Floats) -> Floats:
    """Return intercept and weights, shape (k + 1,), of a ridge logistic regression by Newton."""
    rows = np.column_stack((np.ones(len(signs)), signs))
    weights, pull = start, np.ones(rows.shape[1])
    pull[0] = 0.0
    for _ in range(12):
        chance = _chance(rows @ weights)
        slope = rows.T @ (found - chance) - pull * weights
        bend = (rows * (chance * (1 - chance))[:, None]).T @ rows + np.diag(pull + 1e-6)
        step = np.linalg.solve(bend, slope)
        weights = weights + step
        if float(np.abs(step).max()) < 1e-3:
            break
    return weights


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a strategy fared."""

    last_quarter: float
    """Share of the last quarter's searches by score that found something."""
    alarms: tuple[int, ...]
    """Weeks that ended in an alarm."""


@dataclass(slots=True)
class Post:
    """A post that chooses, learns and forgets by one strategy."""

    strategy: Strategy
    signs: list[Floats] = field(default_factory=list)
    found: list[NDArray[np.int8]] = field(default_factory=list)
    models: dict[int, Floats] = field(default_factory=dict)
    since: int = 0
    """First week that what is in force has learnt from."""
    challenger: int | None = None
    """First week that the challenger has learnt from, while there is one."""
    race: trials.ArmCounts = field(default_factory=trials.ArmCounts)
    watch: drift.EDetector = field(default_factory=drift.EDetector)
    alarms: list[int] = field(default_factory=list)

    def work(self, number: int, week: Week) -> float:
        """Search one week's arrivals, learn from them, and return the hit rate by score."""
        if number < START:
            picked = week.arm_draw < CAPACITY
            self._learn(week, picked | week.is_random)
            return float(week.found[picked].mean())
        if self.since not in self.models or number % MONTH == 0:
            self._fit(self.since)
        chance = self._state(self.since, week)
        ours = theirs = _riskiest(chance)
        if self.challenger is not None:
            self._fit(self.challenger)
            theirs = _riskiest(self._state(self.challenger, week))
        chances = trials.propensities(ours, theirs, share=self.race.share)
        picked = week.arm_draw < chances
        self._learn(week, picked | week.is_random)
        self.watch = drift.update_detector(
            self.watch, chance[picked & ours], week.found[picked & ours]
        )
        if self.challenger is not None:
            self._race(week, picked & ours & ~theirs, picked & theirs & ~ours)
        elif self.watch.is_alarming and self.strategy != "keep":
            self._alarm(number)
        return float(week.found[picked].mean())

    def _race(self, week: Week, ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> None:
        def count(rows: NDArray[np.bool_]) -> tuple[int, int]:
            hits = int(week.found[rows].sum())
            return hits, int(rows.sum()) - hits

        self.race = trials.update_counts(self.race, champion=count(ours), challenger=count(theirs))
        if self.race.winner is None:
            return
        if self.race.winner == "challenger" and self.challenger is not None:
            self.since = self.challenger
        self.challenger, self.watch = None, drift.EDetector()

    def _alarm(self, number: int) -> None:
        changed = number - (self.watch.periods - self.watch.began) + 1
        self.alarms.append(number)
        self.watch, self.race = drift.EDetector(), trials.ArmCounts()
        if self.strategy == "reset":
            self.since = changed
        else:
            self.challenger = changed

    def _learn(self, week: Week, rows: NDArray[np.bool_]) -> None:
        self.signs.append(week.signs[rows])
        self.found.append(week.found[rows])

    def _fit(self, since: int) -> None:
        start = self.models.get(since, np.array([-3.0] + [0.0] * SIGNS))
        signs, found = np.concatenate(self.signs[since:]), np.concatenate(self.found[since:])
        self.models[since] = fit_logistic(signs, found, start=start)

    def _state(self, since: int, week: Week) -> Floats:
        return _chance(self.models[since][0] + week.signs @ self.models[since][1:])


def run(strategy: Strategy, weeks: list[Week]) -> Outcome:
    """Let one strategy work through the weeks."""
    post = Post(strategy)
    with threadpool_limits(1, user_api="blas"):  # threads cost more than matrices this small gain
        rates = [post.work(number, week) for number, week in enumerate(weeks)]
    return Outcome(float(np.mean(rates[-LAST:])), tuple(post.alarms))


def _riskiest(chance: Floats) -> NDArray[np.bool_]:
    top = np.zeros(len(chance), np.bool_)
    top[np.argsort(-chance, kind="stable")[: round(CAPACITY * len(chance))]] = True
    return top


def main(arguments: list[str]) -> None:
    """Print the mean hit rate of the last quarter of each strategy in each regime."""
    seeds = int(arguments[0]) if arguments else 3
    print(f"{'synthetic traffic':17}" + "".join(f"{name:>8}" for name in STRATEGIES) + "  alarms")
    for regime in REGIMES:
        made = [weeks_of(regime, seed=seed) for seed in range(seeds)]
        outcomes = {name: [run(name, weeks) for weeks in made] for name in STRATEGIES}
        means = [float(np.mean([one.last_quarter for one in outcomes[name]])) for name in outcomes]
        alarms = sum(len(one.alarms) for one in outcomes["ours"])
        print(f"{regime:16}" + "".join(f"{mean:8.3f}" for mean in means) + f"{alarms:8d}")


if __name__ == "__main__":
    main(sys.argv[1:])
