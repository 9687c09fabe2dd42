"""Seizures, at the post and inland.

A load that no search found may surface inland within weeks: then the record names the plate, rarely
the crossing, and comes late. A vehicle is caught inland before it crosses again, so a plate and a
time lead back to one crossing. Some inland seizures belong to no crossing of this network.
"""

from dataclasses import dataclass

import numpy as np

from engine.domain.time_units import DAY, HOUR
from experiments.synthetic.config import Bools, Floats, Ints
from experiments.synthetic.unfolding import inspections
from experiments.synthetic.world.world_plan import WorldPlan

SURFACES = 0.04
"""Chance that an undetected load is seized inland: about three finds in ten [assumed]."""
UNRELATED = 0.04
"""Inland seizures of vehicles that never crossed here, per inland seizure."""


@dataclass(frozen=True, slots=True)
class Seizures:
    """One entry a seizure."""

    row: Ints
    """The trip of the plan that carried it, -1 for a vehicle that never crossed here."""
    act: Ints
    """Index of the inspection act, -1 inland."""
    names_crossing: Bools
    seized_at: Ints
    recorded_at: Ints
    quantity_g: Floats


class Inland:
    """Loads that surface inland."""

    def __init__(self, plan: WorldPlan) -> None:
        rng = plan.config.rng("inland")
        n = len(plan.calls.vehicle)
        self.plan = plan
        at = plan.habits.entry_at
        free = _next_trip(plan) - at
        self.surfaces = plan.loads.carries & (rng.random(n) < SURFACES) & (free > 2 * HOUR)
        wait = (rng.uniform(0.1, 9.0, n) * DAY).astype(np.int64)
        self.seized_at = at + np.minimum(wait, (0.8 * free).astype(np.int64))
        lag = rng.uniform(3 * DAY, 45 * DAY, n).astype(np.int64)
        self.recorded_at = self.seized_at + lag
        self.rows: list[int] = []

    def surface(self, rows: Ints, acts: inspections.Acts) -> list[tuple[int, int]]:
        """Return (trip, time) of loads of the day's rows, shape (n,), to be seized inland."""
        found = acts.row[acts.outcome == inspections.SEIZURE]
        missed = rows[self.surfaces[rows] & ~np.isin(rows, found)].tolist()
        self.rows += missed
        return [(row, int(self.seized_at[row])) for row in missed]


def _next_trip(plan: WorldPlan) -> Ints:
    """Return when each trip's vehicle could next be on the road: its next departure.

    A run and the ordinary trip whose place it takes never both happen.
    """
    vehicle, at = plan.calls.vehicle, plan.habits.entry_at
    order = np.lexsort((at, vehicle))
    never = np.iinfo(np.int64).max // 4
    following = np.full((2, len(order)), never)
    ahead = np.full(len(order), -1)
    for step in (1, 2):
        here, then = order[:-step], order[step:]
        same = vehicle[here] == vehicle[then]
        following[step - 1, here] = np.where(same, plan.habits.exit_at[then], never)
        if step == 1:
            ahead[here] = np.where(same, then, -1)
    is_twin = (ahead >= 0) & (plan.calls.partner == ahead)
    return np.asarray(np.where(is_twin, following[1], following[0]), dtype=np.int64)


def collect(plan: WorldPlan, acts: inspections.Acts, inland: Inland) -> Seizures:
    """Return all seizures: those of acts, those inland, and some of strangers."""
    rng = plan.config.rng("seizures")
    made = np.flatnonzero(acts.outcome == inspections.SEIZURE)
    later = np.array(sorted(inland.rows), dtype=np.int64)
    strangers = rng.poisson(UNRELATED * len(later) + 0.3)
    span = plan.config.days * DAY
    elsewhere = plan.config.first_midnight + (rng.random(strangers) * span).astype(np.int64)
    row = np.concatenate([acts.row[made], later, np.full(strangers, -1)])
    seized = np.concatenate([acts.completed_at[made], inland.seized_at[later], elsewhere])
    act = np.concatenate([made, np.full(len(later) + strangers, -1)])
    at_post = act >= 0
    lag = rng.lognormal(np.log(6 * HOUR), 1.0, len(row)).astype(np.int64)
    known = np.where(
        at_post, np.maximum(seized + lag, np.append(acts.recorded_at, 0)[act]), seized + 9 * DAY
    )
    known = np.where(~at_post & (row >= 0), inland.recorded_at[row], known)
    quantity = plan.loads.quantity_g[row] * np.where(at_post, 1.0, rng.uniform(0.3, 1.0, len(row)))
    second = 1_000_000
    return Seizures(
        row=row,
        act=act,
        names_crossing=at_post | ((rng.random(len(row)) < 0.25) & (row >= 0)),
        seized_at=seized // second * second,
        recorded_at=known // second * second,
        quantity_g=np.round(quantity, 1),
    )
