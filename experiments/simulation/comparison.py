"""Policies side by side in closed loop: which finds more in the same hours, with plots.

What is searched decides what is learnt, and smuggling circles react to what is seized. Every policy
meets the same trips, past, rosters and random numbers; only its choices differ.

There are two aims with two budgets: loads at equal minutes of search, and discrepancies at equal
minutes of papers; ``all`` are the finds of both at the minutes of both. A hit is an act that found
anything, a discrepancy or a seizure. Hours are expected minutes, the currency of the roster. The
miss rate is the share of vehicles that the policy's own choice would
let pass in which a thorough search finds something; only random checks estimate it. The world knows
its truth, so that the coverage of an interval can be checked.

All of it is synthetic: a comparison of policies in a synthetic world, and no finding about a
border.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations, product
from pathlib import Path
from typing import Any, Literal, get_args

import matplotlib as mpl
import numpy as np
from joblib import Parallel, delayed
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import t

from engine.domain.time_units import DAY, micros
from experiments.simulation.capacity import (
    LOOK,
    SHIFT_DAYS,
    Chooser,
    Roster,
    Setting,
    SimulatedDesk,
    Span,
    draw_setting,
    draw_trips,
)
from experiments.simulation.policies import Exploit, Officer, OneRank, Ours, Profiles, Random
from experiments.synthetic import inspections
from experiments.synthetic.inspections import RANDOM
from experiments.synthetic.posts import Bools, Floats, Ints
from experiments.synthetic.world_simulation import World, simulate_world
from models.data.propensity_log import PropensityLog
from models.evaluation.off_policy import policy_value
from models.statistics.intervals import LEVEL

REPEATS = 60
"""Searches of each vehicle that hides something, from which its chance of a find is known."""
BUSY_MINUTES = 300.0
"""Below about six searches in four weeks, one random check outweighs the roster."""


Aim = Literal["all", "loads", "papers"]
AIMS: tuple[Aim, ...] = get_args(Aim)
"""What is counted, of which minutes: every hit of all; loads of searches; wrong papers of looks."""


@dataclass(frozen=True, slots=True)
class Year:
    """One policy in one world; one entry an arrival of the measured year, or as said."""

    hits: Mapping[Aim, Floats]
    """By ``SHIFT_DAYS``, as the next."""
    minutes: Mapping[Aim, Floats]
    searches: int
    """Looks among them."""
    looks: int
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

    def hits_per_hour(self, aim: Aim) -> float:
        """Return the hits of each hour of an aim's minutes."""
        return per_hour(self.hits[aim].sum(), self.minutes[aim].sum())


def count_year(world: World, desk: SimulatedDesk) -> Year:
    """Count what a policy did in the measured year of a world."""
    setting, plan = desk.setting, world.plan
    arrived = plan.habits.entry_at
    measured = (arrived >= setting.begins) & (arrived < setting.ends)
    act = np.flatnonzero(measured[world.acts.row])
    row, outcome = world.acts.row[act], world.acts.outcome[act]
    wrong = plan.loads.carries | (plan.cargo.discrepancy > 0)
    block = (arrived[row] - setting.begins) // (SHIFT_DAYS * DAY)
    blocks = -(-setting.span.days // SHIFT_DAYS)
    minutes, is_look = setting.minutes[desk.how[row], row], desk.how[row] == LOOK
    is_load = outcome == inspections.SEIZURE
    hits = {
        "all": outcome > inspections.CLEAR,
        "loads": is_load & ~is_look,
        "papers": (outcome == inspections.DISCREPANCY) & is_look,
    }
    spent = {"all": minutes, "loads": minutes * ~is_look, "papers": minutes * is_look}
    entries = np.flatnonzero(world.happens & (plan.entry_post >= 0) & measured)
    found = np.zeros(len(arrived), np.bool_)
    found[row] = hits["all"]
    return Year(
        hits={aim: _total(block, hits[aim], blocks) for aim in AIMS},
        minutes={aim: _total(block, spent[aim], blocks) for aim in AIMS},
        searches=len(row),
        looks=int(is_look.sum()),
        kilograms=float(plan.loads.quantity_g[row[is_load]].sum() / 1000),
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


def measure_hit_rate(years: Sequence[Year], aim: Aim = "all") -> float:
    """Return hits for each hour of an aim's minutes of some years together."""
    return per_hour(
        sum(float(one.hits[aim].sum()) for one in years),
        sum(float(one.minutes[aim].sum()) for one in years),
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


def summarize_policy(name: str, years: Sequence[Year], *, random_rate: float) -> dict[str, Any]:
    """Return a policy's figures over some years; ``random_rate`` is that of random checks alone."""
    hits = sum(float(one.hits["all"].sum()) for one in years)
    interval, truth = miss_rate(years)
    return {
        "name": name,
        "hits": int(hits),
        "lift": measure_hit_rate(years) / random_rate if random_rate else None,
        "minutes": round(sum(float(one.minutes["all"].sum()) for one in years), 1),
        "miss_rate": None if interval is None else list(interval),
        "covered": interval is not None and interval[0] <= truth <= interval[1],
        "miss_rate_truth": truth,
        "searches": sum(one.searches for one in years),
        "looks": sum(one.looks for one in years),
        "kilograms": round(sum(one.kilograms for one in years), 1),
        "lawful_per_hit": sum(one.lawful for one in years) / hits if hits else None,
        "aims": {aim: _describe_aim(years, aim) for aim in AIMS},
        "roster": _roster(years),
    }


def _describe_aim(years: Sequence[Year], aim: Aim) -> dict[str, Any]:
    rate, units = measure_hit_rate(years, aim), _units(years, aim)
    return {
        "hits": int(sum(float(one.hits[aim].sum()) for one in years)),
        "hits_per_hour": rate,
        **student_ends(rate, units),
        "by_seed": [one.hits_per_hour(aim) for one in years],
    }


def _roster(years: Sequence[Year]) -> dict[str, float]:
    """Return how expected minutes spent compare with rosters of at least ``BUSY_MINUTES``."""
    every = [one for year in years for one in year.rosters if one.minutes >= BUSY_MINUTES]
    used = [one.spent / one.minutes for one in every]
    at = np.quantile(used, (0.0, 0.5, 0.95, 1.0)) if used else np.zeros(4)
    names = ("least", "median", "p95", "most")
    return {"rosters": len(used)} | dict(zip(names, at.tolist(), strict=True))


def compare_pairs(years: Mapping[str, Sequence[Year]]) -> list[dict[str, Any]]:
    """Return the difference in hits per hour of each two policies over the same worlds, by aim.

    Student's interval at 95 % over worlds; of a single world, over its four-week periods, which
    leaves out how worlds differ.
    """
    made = []
    for (over, policy), aim in product(combinations(years, 2), AIMS):
        apart = _units(years[policy], aim) - _units(years[over], aim)
        difference = (
            float(apart.mean())
            if len(years[policy]) > 1
            else measure_hit_rate(years[policy], aim) - measure_hit_rate(years[over], aim)
        )
        one = {"policy": policy, "over": over, "aim": aim, "difference": difference}
        made.append(one | student_ends(difference, apart))
    return made


def student_ends(value: float, units: Floats) -> dict[str, float]:
    """Return the ends of Student's 95 % interval around a value, of units that are alike."""
    reach = 0.0
    if len(units) > 1:
        spread = units.std(ddof=1) / np.sqrt(len(units))
        reach = float(t.ppf((1 + LEVEL) / 2, len(units) - 1) * spread)
    return {"low": value - reach, "high": value + reach}


def _units(years: Sequence[Year], aim: Aim) -> Floats:
    if len(years) > 1:
        return np.array([one.hits_per_hour(aim) for one in years])
    pairs = zip(years[0].hits[aim].tolist(), years[0].minutes[aim].tolist(), strict=True)
    return np.array([per_hour(hits, minutes) for hits, minutes in pairs])


Maker = Callable[[Setting], Chooser]
POLICIES: Mapping[str, Maker] = {
    "random": Random,
    "profiles": Profiles,
    "officer": Officer,
    "exploit": Exploit,
    "one_rank": OneRank,
    "ours": Ours,
}
END = micros(datetime(2026, 1, 1, tzinfo=UTC))
NOTICE = "SYNTHETIC: policies in a synthetic world; nothing here is a finding about a real border."


def simulate(
    policies: Sequence[str],
    *,
    seeds: int,
    span: Span | None = None,
    jobs: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Run policies over the worlds of the first seeds; see ``docs/evaluation.md`` for the keys.

    ``progress`` is called with the number of years done and of all.
    """
    span = span or Span()
    names = [name for name in POLICIES if name in policies]
    wanted = list(dict.fromkeys(["random", *names]))  # lift is measured against random checks
    tasks = [delayed(simulate_seed)(seed, wanted, span) for seed in range(1, seeds + 1)]
    worlds: list[dict[str, Year]] = []
    for made in Parallel(n_jobs=min(jobs, seeds), return_as="generator")(tasks):
        worlds.append(made)
        if progress is not None:
            progress(len(worlds), seeds)
    years = {name: [world[name] for world in worlds] for name in wanted}
    return compare_policies(years, names, span=span)


def simulate_seed(seed: int, names: Sequence[str], span: Span) -> dict[str, Year]:
    """Run policies by name over the world of one seed."""
    given = draw_setting(draw_trips(seed, span, end=END), span)
    return {name: simulate_policy(given, POLICIES[name]) for name in names}


def simulate_policy(given: Setting, maker: Maker) -> Year:
    """Let a world go by under one policy, and count its measured year."""
    desk = SimulatedDesk(given, maker(given))
    return count_year(simulate_world(given.trips, desk), desk)


def compare_policies(
    years: Mapping[str, Sequence[Year]], names: Sequence[str], *, span: Span
) -> dict[str, Any]:
    """Return the figures of the policies named, and their paired differences."""
    baseline = years["random"]
    return {
        "synthetic": True,
        "notice": NOTICE,
        "seeds": len(baseline),
        "crossings_a_year": span.crossings,
        "days": span.days,
        "capacity": span.capacity,
        "shift_days": SHIFT_DAYS,
        "policies": [
            summarize_policy(name, years[name], random_rate=measure_hit_rate(baseline))
            for name in names
        ],
        "paired": compare_pairs({name: years[name] for name in names}),
        "hits_by_shift": {
            name: [
                float(sum(y.hits["all"][at] for y in years[name]))
                for at in range(len(baseline[0].hits["all"]))
            ]
            for name in names
        },
    }


_MARKS = ("o", "s", "^", "D", "v", "*")
_LINES = (":", "-.", (0, (3, 1, 1, 1)), "--", (0, (1, 3)), "-")
_INKS = ("#7d8890", "#b3541e", "#7a1f2b", "#22303c", "#4c7a4c", "#2f6690")


def draw_plots(result: Mapping[str, Any], out: Path) -> None:
    """Write the plots; marks and kinds of line tell policies apart without colours."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "simulate", "font.size": 10}):
        figure = Figure(figsize=(9.0, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        _plot_rates(left, result["policies"])
        _plot_year(right, result)
        figure.suptitle(result["notice"], fontsize=8)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    out.write_text(buffer.getvalue(), "utf-8")


def _plot_rates(axes: Axes, policies: list[Mapping[str, Any]]) -> None:
    for at, one in enumerate(policies):
        seeds = one["aims"]["all"]["by_seed"]
        mark, ink = _MARKS[at % len(_INKS)], _INKS[at % len(_INKS)]
        axes.plot([at] * len(seeds), seeds, mark, color=ink, alpha=0.5, markersize=4)
        axes.plot([at], [one["aims"]["all"]["hits_per_hour"]], mark, color=ink, markersize=9)
    axes.set_xticks(range(len(policies)), [one["name"] for one in policies])
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("hits for each hour of searching")


def _plot_year(axes: Axes, result: Mapping[str, Any]) -> None:
    for at, (name, hits) in enumerate(result["hits_by_shift"].items()):
        total = np.cumsum(hits) / result["seeds"]
        weeks = np.arange(1, len(hits) + 1) * result["shift_days"] / 7
        axes.plot(
            weeks,
            total,
            label=name,
            linestyle=_LINES[at % len(_INKS)],
            color=_INKS[at % len(_INKS)],
        )
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("weeks")
    axes.set_ylabel("hits so far, mean of the worlds")
    axes.legend(frameon=False)
