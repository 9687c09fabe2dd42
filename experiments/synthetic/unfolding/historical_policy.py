"""Policy by which vehicles were chosen in the past.

Three ways, drawn apart: a random stream of 2 %, always on; a score that adds up what an officer can
see, imperfectly, scaled so that each post fills its capacity; and picks that no engine drew (an
officer's own eye, the counterpart's word). The propensity logged is the exact probability of the
first two together; it is unknown (NaN) for the third.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import HOUR
from experiments.synthetic.config import Bools, Floats, Ints
from experiments.synthetic.world.network import PAIRS, POSTS, TRUCK, VAN
from experiments.synthetic.world.trips import RUN
from experiments.synthetic.world.world_plan import WorldPlan

BASES = ("random", "score", "officer", "counterpart")
RANDOM, SCORE, OFFICER, COUNTERPART = range(4)
RANDOM_SHARE = 0.02
CAPACITY_SHARE = 0.045
"""Of a post's entries a day; posts differ by half."""
MAX_SCORE_PICK = 0.75
MEMORY_DAYS = 60.0
HEAT = np.array([0.0, 0.35, 2.0])
"""How much a clear act, a discrepancy and a seizure stay in mind."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is searched among the arrivals of a day; one entry an arrival."""

    basis: NDArray[np.int8]
    """Index into ``BASES``, -1 where it was not chosen."""
    propensity: Floats
    """Probability with which the engine-drawn ways could have chosen it."""
    is_look: Bools | None = None
    """Chosen for documents and scan alone; None where none is."""


@dataclass(frozen=True, slots=True)
class Results:
    """What became known: rows of the plan, and what the acts found."""

    rows: Ints
    outcome: Ints
    """0 clear, 1 discrepancy, 2 seizure."""


class InspectionPolicy(Protocol):
    """Chooses the vehicles to search; sees only what was known by the morning."""

    def choose(self, rows: Ints) -> Choice:
        """Choose among the arrivals of one day: rows of the plan, shape (n,), as they arrive."""
        ...

    def learn(self, results: Results) -> None:
        """Take in results that were recorded since the last choice."""
        ...


class HistoricalPolicy:
    """The policy of the past: a random stream, an officer's score, picks by eye and by word."""

    def __init__(self, plan: WorldPlan) -> None:
        rng = plan.config.rng("officers")
        n = len(plan.calls.vehicle)
        self.plan = plan
        self.looks = _looks(plan) + rng.normal(0, 0.9, n)
        self.u_random, self.u_score, self.u_other = rng.random((3, n))
        self.is_tipped = rng.random(n) < np.where(plan.calls.role == RUN, 0.045, 0.0004)
        self.capacity = CAPACITY_SHARE * rng.uniform(0.6, 1.5, len(POSTS))
        self.mean = np.full((2, len(POSTS)), 1e-9)
        vehicles = len(plan.vehicles.carrier)
        self.seen = plan.vehicles.born < 0
        self.heat_vehicle = np.zeros(vehicles)
        self.heat_carrier = np.zeros(len(plan.carriers.mess) + 1)
        self.heat_party = np.zeros(int(plan.lanes.consignee.max()) + 2)

    def choose(self, rows: Ints) -> Choice:
        """Score rows of shape (n,), fill each post's capacity, add picks by eye and by word."""
        post = self.plan.entry_post[rows]
        weight = self._weights(rows)
        share = self.capacity[post]
        norm = self._typical(post, weight)
        p_score = np.minimum(MAX_SCORE_PICK, share * weight / norm[post])
        basis = np.full(len(rows), -1, np.int8)
        basis[self.u_other[rows] < 0.002 * np.minimum(weight / norm[post], 10.0)] = OFFICER
        basis[self.is_tipped[rows]] = COUNTERPART
        basis[self.u_score[rows] < p_score] = SCORE
        basis[self.u_random[rows] < RANDOM_SHARE] = RANDOM
        self.seen[self.plan.calls.vehicle[rows]] = True
        return Choice(basis, 1.0 - (1.0 - RANDOM_SHARE) * (1.0 - p_score))

    def learn(self, results: Results) -> None:
        """Remember vehicles, carriers and consignees with a hit; memories fade."""
        for heat in (self.heat_vehicle, self.heat_carrier, self.heat_party):
            heat *= 1.0 - 1.0 / MEMORY_DAYS
        hits = np.flatnonzero(results.outcome > 0)
        weight = HEAT[results.outcome[hits]]
        vehicle = self.plan.calls.vehicle[results.rows[hits]]
        np.add.at(self.heat_vehicle, vehicle, weight)
        np.add.at(self.heat_carrier, self.plan.vehicles.carrier[vehicle], weight)
        np.add.at(self.heat_party, self._party(results.rows[hits]), weight)
        self.heat_carrier[-1] = self.heat_party[-1] = 0.0

    def _party(self, rows: Ints) -> Ints:
        lane = self.plan.habits.lane[rows]
        return np.where(lane >= 0, self.plan.lanes.consignee[lane], -1)

    def _weights(self, rows: Ints) -> Floats:
        heat = self.recall_finds(rows, carrier=0.9, party=0.6)
        score = self.looks[rows] + heat + 0.45 * ~self.seen[self.plan.calls.vehicle[rows]]
        return np.asarray(np.exp(np.clip(score, -4.0, 3.5)), dtype=np.float64)

    def recall_finds(self, rows: Ints, *, carrier: float = 1.0, party: float = 1.0) -> Floats:
        """Return what is remembered of each vehicle and its parties, weighted, shape (n,)."""
        vehicle = self.plan.calls.vehicle[rows]
        of_carrier = self.heat_carrier[self.plan.vehicles.carrier[vehicle]]
        heat = 1.0 * np.minimum(self.heat_vehicle[vehicle], 1.0)
        heat += carrier * np.minimum(of_carrier, 2.0)
        heat += party * np.minimum(self.heat_party[self._party(rows)], 2.0)
        return np.asarray(heat, np.float64)

    def _typical(self, post: Ints, weight: Floats) -> Floats:
        """Return each post's mean weight over the last weeks, before today where there were any."""
        total = np.bincount(post, weight, minlength=len(POSTS))
        count = np.bincount(post, minlength=len(POSTS))
        known = self.mean[1] > 1.0
        overall = weight.mean() if len(weight) else 1.0
        norm = np.where(known, self.mean[0] / np.maximum(self.mean[1], 1e-9), overall)
        self.mean = self.mean * (1.0 - 1.0 / 28.0) + np.array([total, count])
        return np.asarray(norm, dtype=np.float64)


def _looks(plan: WorldPlan) -> Floats:
    """Add up what an officer can see on arrival, with an officer's weights."""
    ways, cargo, loads = plan.habits, plan.cargo, plan.loads
    kind = plan.vehicles.vehicle_class[plan.calls.vehicle]
    local = (ways.entry_at // HOUR + 5) % 24
    threat = np.array([list(pair.threat) for pair in PAIRS])[plan.calls.pair, plan.calls.direction]
    known = np.nan_to_num(loads.exit_kg / loads.entry_kg, nan=1.0)
    score = 0.35 * ((local >= 22) | (local < 6)) + 0.7 * ways.seal_changed
    score = score + 0.5 * (ways.trailer != ways.exit_trailer) * ways.has_mirror
    score = score + 0.6 * (np.abs(known - 1.0) > 0.03)
    score = score + 0.3 * (ways.entry_at - ways.exit_at > 12 * HOUR) * ways.has_mirror
    score = score + 0.7 * (cargo.is_declared & (cargo.value_shift < -0.5))
    score = score + 0.5 * np.minimum(threat, 1.2) + 0.25 * ~ways.has_mirror
    score = (
        score + 0.3 * ((kind == TRUCK) | (kind == VAN)) + 0.2 * ((ways.lane < 0) & (kind == TRUCK))
    )
    return np.asarray(score, dtype=np.float64)
