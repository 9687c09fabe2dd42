"""Results of a policy's year, and comparison of policies over the same years.

A hit is a search that found anything, a discrepancy or a seizure. Hours are expected minutes, the
currency of the roster. The miss rate is the share of vehicles that the policy's own choice would
let pass in which a thorough search finds something; only random checks estimate it. The world knows
its truth, so that the coverage of an interval can be checked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import t

from experiments.simulation.capacity_allocation import Roster, SimulatedDesk
from experiments.simulation.world_setup import LOOK, SHIFT_DAYS
from experiments.synthetic.config import Bools, Floats, Ints
from experiments.synthetic.unfolding import inspections
from experiments.synthetic.unfolding.historical_policy import RANDOM
from experiments.synthetic.unfolding.world_simulation import World
from models.data.propensity_log import PropensityLog
from models.evaluation.off_policy import policy_value
from models.statistics.intervals import LEVEL

REPEATS = 60
"""Searches of each vehicle that hides something, from which its chance of a find is known."""
BUSY_MINUTES = 300.0
"""Below about six searches in four weeks, one random check outweighs the roster."""


@dataclass(frozen=True, slots=True)
class Year:
    """One policy in one world; one entry an arrival of the measured year, or as said."""

    hits: Floats
    """By ``SHIFT_DAYS``, as the next."""
    minutes: Floats
    searches: int
    """Looks among them."""
    looks: int
    seizures: int
    kilograms: float
    lawful: int
    """Searched with nothing hidden and nothing wrong."""
    is_random: Bools
    p_random: Floats
    p_other: Floats
    found: Bools
    findable: Floats
    """Chance that a thorough search finds something."""
    rosters: tuple[Roster, ...]

    @property
    def hits_per_hour(self) -> float:
        """Hits of each hour of searching."""
        return per_hour(self.hits.sum(), self.minutes.sum())


def year(world: World, desk: SimulatedDesk) -> Year:
    """Count what a policy did in the measured year of a world."""
    setting, plan = desk.setting, world.plan
    arrived = plan.habits.entry_at
    measured = (arrived >= setting.begins) & (arrived < setting.ends)
    act = np.flatnonzero(measured[world.acts.row])
    row, outcome = world.acts.row[act], world.acts.outcome[act]
    wrong = plan.loads.carries | (plan.cargo.discrepancy > 0)
    block = (arrived[row] - setting.begins) // (SHIFT_DAYS * 86_400_000_000)
    blocks = -(-setting.span.days // SHIFT_DAYS)
    minutes = setting.minutes[desk.how[row], row]
    seized = row[outcome == inspections.SEIZURE]
    entries = np.flatnonzero(world.happens & (plan.entry_post >= 0) & measured)
    found = np.zeros(len(arrived), np.bool_)
    found[row] = outcome > inspections.CLEAR
    return Year(
        hits=_total(block, outcome > inspections.CLEAR, blocks),
        minutes=_total(block, minutes, blocks),
        searches=len(row),
        looks=int((desk.how[row] == LOOK).sum()),
        seizures=len(seized),
        kilograms=float(plan.loads.quantity_g[seized].sum() / 1000),
        lawful=int((~wrong[row]).sum()),
        is_random=desk.is_random[entries],
        p_random=desk.p_random[entries],
        p_other=desk.p_other[entries],
        found=found[entries],
        findable=_findable(world, entries),
        rosters=tuple(one for one in desk.rosters if one.opens_at < setting.ends),
    )


def _total(block: Ints, amounts: Bools | Floats, blocks: int) -> Floats:
    return np.bincount(block, amounts, minlength=blocks).astype(np.float64)


def _findable(world: World, entries: Ints) -> Floats:
    """Return the chance that a thorough search finds something, by repetition."""
    plan = world.plan
    hides = plan.loads.carries[entries] | (plan.cargo.discrepancy[entries] > 0)
    rows, rng = entries[hides], plan.config.rng("what could be found")
    basis, certain = np.full(len(rows), RANDOM, np.int8), np.ones(len(rows))
    finds = np.zeros(len(rows))
    for _ in range(REPEATS):
        done = inspections.search(plan, rng, rows=rows, given=(basis, certain), hiding=world.hiding)
        finds += done.outcome > inspections.CLEAR
    chance = np.zeros(len(entries))
    chance[hides] = finds / REPEATS
    return chance


def rate(years: Sequence[Year]) -> float:
    """Return hits for each hour of some years together; 0 without a search."""
    return per_hour(
        sum(float(one.hits.sum()) for one in years), sum(float(one.minutes.sum()) for one in years)
    )


def per_hour(hits: float, minutes: float) -> float:
    """Return hits for each hour; 0 without a search."""
    return float(60.0 * hits / minutes) if minutes else 0.0


def miss_rate(years: Sequence[Year]) -> tuple[tuple[float, float] | None, float]:
    """Return the interval of the miss rate (None without random checks), and the truth."""
    wanted = 1.0 - np.concatenate([one.p_other for one in years])
    findable = np.concatenate([one.findable for one in years])
    truth = float(wanted @ findable / max(wanted.sum(), 1e-9))
    is_random = np.concatenate([one.is_random for one in years])
    if not is_random.any():
        return None, truth
    found = np.where(is_random, np.concatenate([one.found for one in years]), -1).astype(np.int8)
    p_random = np.concatenate([one.p_random for one in years])
    value = policy_value(PropensityLog(is_random, p_random, found), wanted)
    made = value.self_normalised
    if value.diagnostics.faults or made.low is None or made.high is None:
        return None, truth
    return (made.low, made.high), truth


def figures(name: str, years: Sequence[Year], *, random_rate: float) -> dict[str, Any]:
    """Return a policy's figures over some years; ``random_rate`` is that of random checks alone."""
    hits = sum(float(one.hits.sum()) for one in years)
    interval, truth = miss_rate(years)
    return {
        "name": name,
        "hits": int(hits),
        "hits_per_hour": rate(years),
        "lift": rate(years) / random_rate if random_rate else None,
        "minutes": round(sum(float(one.minutes.sum()) for one in years), 1),
        "miss_rate": None if interval is None else list(interval),
        "covered": interval is not None and interval[0] <= truth <= interval[1],
        "miss_rate_truth": truth,
        "searches": sum(one.searches for one in years),
        "looks": sum(one.looks for one in years),
        "seizures": sum(one.seizures for one in years),
        "kilograms": round(sum(one.kilograms for one in years), 1),
        "lawful_per_hit": sum(one.lawful for one in years) / hits if hits else None,
        "by_seed": [one.hits_per_hour for one in years],
        "roster": _roster(years),
    }


def _roster(years: Sequence[Year]) -> dict[str, float]:
    """Return how expected minutes spent compare with rosters of at least ``BUSY_MINUTES``."""
    every = [one for year in years for one in year.rosters if one.minutes >= BUSY_MINUTES]
    used = [one.spent / one.minutes for one in every]
    at = np.quantile(used, (0.0, 0.5, 0.95, 1.0)) if used else np.zeros(4)
    names = ("least", "median", "p95", "most")
    return {"rosters": len(used)} | dict(zip(names, at.tolist(), strict=True))


def compare_pairs(years: Mapping[str, Sequence[Year]]) -> list[dict[str, Any]]:
    """Return the difference in hits per hour of each two policies over the same worlds.

    Student's interval at 95 % over worlds; of a single world, over its four-week periods, which
    leaves out how worlds differ.
    """
    made = []
    for over, policy in combinations(years, 2):
        apart = _units(years[policy]) - _units(years[over])
        reach = 0.0
        if len(apart) > 1:
            spread = apart.std(ddof=1) / np.sqrt(len(apart))
            reach = float(t.ppf((1 + LEVEL) / 2, len(apart) - 1) * spread)
        difference = (
            float(apart.mean())
            if len(years[policy]) > 1
            else rate(years[policy]) - rate(years[over])
        )
        low, high = difference - reach, difference + reach
        made.append(
            {"policy": policy, "over": over, "difference": difference, "low": low, "high": high}
        )
    return made


def _units(years: Sequence[Year]) -> Floats:
    if len(years) > 1:
        return np.array([one.hits_per_hour for one in years])
    pairs = zip(years[0].hits.tolist(), years[0].minutes.tolist(), strict=True)
    return np.array([per_hour(hits, minutes) for hits, minutes in pairs])
