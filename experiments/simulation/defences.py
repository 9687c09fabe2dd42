"""What each defence is worth against an insider, by leaving it out.

The policy is the product's with what two people approve beside it: the shipped facts across the
line, which are always searched, and profiles, which select a share of what they fit. The same
worlds go by with every defence and without each, and each time without the insider and with him. A
load passed if no act at the post found it; what it cost is in ordinary runs.

All of it is synthetic and says nothing about a real border.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from joblib import Parallel, delayed

from engine.criteria.profiles.checker import context, program
from engine.criteria.profiles.profile import read_templates
from engine.criteria.profiles.readable_fields import Reader
from experiments.simulation.capacity import Setting, SimulatedDesk, Span, draw_setting, draw_trips
from experiments.simulation.comparison import END, NOTICE, student_ends
from experiments.simulation.insider import PLAIN, WAYS, Insider, Schemes, plan_schemes
from experiments.simulation.policies import Ours, profile_weights
from experiments.synthetic.inspections import SEIZURE
from experiments.synthetic.posts import Bools, Floats, Ints
from experiments.synthetic.world_simulation import World, simulate_world
from features.offline.encoded_history import arrivals
from models.statistics.intervals import clopper_pearson

Defence = Literal["random", "facts", "links", "profiles"]
DEFENCES: tuple[Defence, ...] = get_args(Defence)
"""Random checks; facts across the line; the other side's records; profiles."""
PROFILES_SHARE = 0.05
"""Part of the vehicles that profiles select of those that they fit, by their percentages."""


class Defended(Ours):
    """The product with facts and profiles in force."""

    def __init__(self, setting: Setting, without: Defence | None) -> None:
        super().__init__(setting)
        self.without = without
        shipped = [one for one in read_templates().values() if "fact" in one]
        self._facts = [
            program(one["expression"], features=self.names, tolerance=one.get("tolerance"))
            for one in shipped
        ]
        needs = {name for fact in self._facts for name in fact.needs}
        self._reader = Reader(needs, {name: at for at, name in enumerate(self.names)})
        if without == "random":
            self.random_share = self.random_papers = 0.0

    def mandate(self, rows: Ints) -> Floats:
        """Return with what chance facts, profiles and hints send arrivals to a search."""
        values, sent = self.values[rows], super().mandate(rows)
        if self.without != "profiles":
            sent = np.maximum(sent, PROFILES_SHARE * profile_weights(self.names, values))
        if self.without != "facts":
            sent = np.maximum(sent, self._has_fact(rows))
        return np.asarray(sent, np.float64)

    def _has_fact(self, rows: Ints) -> Floats:
        """Return 1 where a shipped fact fits: what both posts recorded is of no lawful trip."""
        tables = self.setting.records.tables
        entries = tables.crossings.take(pa.array(self.setting.records.entry_row[rows]))
        records = arrivals(replace(tables, crossings=entries))
        known = (
            context(self._reader.values(crossing, declaration, values))
            for (crossing, declaration), values in zip(records, self.values[rows], strict=True)
        )
        found = [any(fact.fits(one) for fact in self._facts) for one in known]
        return np.array(found, np.float64)


@dataclass(frozen=True, slots=True)
class Campaign:
    """What circles sent in a measured year, and what became of it; loads by way."""

    sent: Floats
    """Loads; a part of one counts as that part."""
    passed: Floats
    kilograms_passed: float
    spent: float
    """In ordinary runs."""
    tried: Floats
    """Vehicles, as the next."""
    searched: Floats


def count_campaign(world: World, desk: SimulatedDesk, insider: Insider) -> Campaign:
    """Count the loads of circles in the measured year."""
    setting, plan, schemes = desk.setting, world.plan, insider.schemes
    at, way = plan.habits.entry_at, schemes.way
    own = world.happens & (way >= 0) & plan.loads.carries & ~schemes.is_rival
    own &= (plan.entry_post >= 0) & (at >= setting.begins) & (at < setting.ends)
    caught = np.zeros(len(own), np.bool_)
    caught[world.acts.row[world.acts.outcome == SEIZURE]] = True
    part = plan.loads.quantity_g / np.maximum(plan.loads.quantity_g[plan.event], 1e-9)

    def count(rows: Bools) -> Floats:
        loads = np.bincount(way[rows], np.minimum(part[rows], 1.0), minlength=len(WAYS))
        return loads.astype(np.float64)

    return Campaign(
        sent=count(own),
        passed=count(own & ~caught),
        kilograms_passed=float(plan.loads.quantity_g[own & ~caught].sum() / 1000),
        spent=float(insider.spent.sum()),
        tried=insider.tried,
        searched=insider.searched,
    )


def run_campaign(
    schemes: Schemes, span: Span, *, without: Defence | None, ways: Sequence[int]
) -> Campaign:
    """Let a world go by against a defence; ``ways`` are those that circles may take."""
    setting = draw_setting(schemes.plan, span, is_tipped=schemes.is_rival)
    if without == "links":
        none = np.full(len(setting.records.exit_row), -1)
        setting = replace(setting, records=replace(setting.records, exit_row=none))
    desk = SimulatedDesk(setting, Defended(setting, without))
    insider = Insider(schemes, ways, begins=setting.begins)
    return count_campaign(simulate_world(schemes.plan, desk, circles=insider), desk, insider)


def compare_defences(
    *,
    seeds: int,
    span: Span,
    jobs: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Return what passes with every defence and without each, without the insider and with him.

    ``progress`` is called with the number of worlds done and of all.
    """
    tasks = [delayed(_run_seed)(seed, span) for seed in range(1, seeds + 1)]
    worlds: list[Mapping[tuple[Defence | None, bool], Campaign]] = []
    for made in Parallel(n_jobs=min(jobs, seeds), return_as="generator")(tasks):
        worlds.append(made)
        if progress is not None:
            progress(len(worlds), seeds)
    by_case = {case: [world[case] for world in worlds] for case in worlds[0]}
    return {
        "synthetic": True,
        "notice": NOTICE,
        "seeds": seeds,
        "crossings_a_year": span.crossings,
        "days": span.days,
        "campaigns": [
            {"without": without, "insider": insider} | _describe(years, by_case[None, insider])
            for (without, insider), years in by_case.items()
        ],
        "ways": _describe_ways(by_case[None, True]),
    }


def _run_seed(seed: int, span: Span) -> dict[tuple[Defence | None, bool], Campaign]:
    schemes = plan_schemes(draw_trips(seed, span, end=END))
    every = {False: (PLAIN,), True: tuple(range(len(WAYS)))}
    return {
        (without, insider): run_campaign(schemes, span, without=without, ways=ways)
        for without in (None, *DEFENCES)
        for insider, ways in every.items()
    }


def _describe(years: Sequence[Campaign], defended: Sequence[Campaign]) -> dict[str, Any]:
    """Return what passed, and the difference to the share that passes every defence.

    The share has an exact interval over loads, the difference Student's over worlds.
    """
    sent = sum(float(one.sent.sum()) for one in years)
    passed = sum(float(one.passed.sum()) for one in years)
    spent = sum(one.spent for one in years)
    low, high = clopper_pearson(round(passed), max(1, round(sent)))
    pairs = zip(years, defended, strict=True)
    apart = np.array([_share(one) - _share(other) for one, other in pairs])
    more = float(apart.mean())
    return {
        "sent": sent,
        "passed": passed,
        "share_passed": [passed / max(sent, 1e-9), low, high],
        "kilograms_passed": sum(one.kilograms_passed for one in years),
        "spent": spent,
        "passed_per_100_spent": 100 * passed / max(spent, 1e-9),
        "more_than_defended": [more, *student_ends(more, apart).values()],
    }


def _share(one: Campaign) -> float:
    return float(one.passed.sum() / max(one.sent.sum(), 1e-9))


def _describe_ways(years: Sequence[Campaign]) -> list[dict[str, Any]]:
    """Return, of each way that the insider had, how often he took it and what became of it."""
    tried, searched, sent, passed = (
        np.sum([getattr(one, name) for one in years], axis=0)
        for name in ("tried", "searched", "sent", "passed")
    )
    return [
        {
            "way": name,
            "price": way.price,
            "once": way.once,
            "tried": int(tried[at]),
            "searched": float(searched[at] / max(tried[at], 1)),
            "sent": float(sent[at]),
            "passed": float(passed[at]),
        }
        for at, (name, way) in enumerate(WAYS.items())
    ]
