"""Policies side by side in closed loop: which finds more in the same hours.

What is searched decides what is learnt, and smuggling circles react to what is seized. Every policy
meets the same trips, past, rosters and random numbers; only its choices differ.
All of it is synthetic: a comparison of policies in a synthetic world, and no finding about a
border.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from joblib import Parallel, delayed

from engine.domain.time_units import micros
from experiments.simulation.baseline_policies import Officer, Profiles, Random
from experiments.simulation.capacity_allocation import Chooser, SimulatedDesk
from experiments.simulation.learning_policies import Exploit, Ours
from experiments.simulation.results import Year, compare_pairs, figures, rate, year
from experiments.simulation.world_setup import SHIFT_DAYS, Setting, Span, setting
from experiments.synthetic.unfolding.world_simulation import simulate_world

Maker = Callable[[Setting], Chooser]
POLICIES: Mapping[str, Maker] = {
    "random": Random,
    "profiles": Profiles,
    "officer": Officer,
    "exploit": Exploit,
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
    tasks = [delayed(one_world)(seed, wanted, span) for seed in range(1, seeds + 1)]
    worlds: list[dict[str, Year]] = []
    for made in Parallel(n_jobs=min(jobs, seeds), return_as="generator")(tasks):
        worlds.append(made)
        if progress is not None:
            progress(len(worlds), seeds)
    years = {name: [world[name] for world in worlds] for name in wanted}
    return compare(years, names, span=span)


def one_world(seed: int, names: Sequence[str], span: Span) -> dict[str, Year]:
    """Run policies by name over the world of one seed."""
    given = setting(seed, span, end=END)
    return {name: live(given, POLICIES[name]) for name in names}


def live(given: Setting, maker: Maker) -> Year:
    """Let a world go by under one policy, and count its measured year."""
    desk = SimulatedDesk(given, maker(given))
    return year(simulate_world(given.trips, desk), desk)


def compare(
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
        "policies": [figures(name, years[name], random_rate=rate(baseline)) for name in names],
        "paired": compare_pairs({name: years[name] for name in names}),
        "hits_by_shift": {
            name: [
                float(sum(y.hits[at] for y in years[name])) for at in range(len(baseline[0].hits))
            ]
            for name in names
        },
    }
