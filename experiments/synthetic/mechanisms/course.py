"""The year week by week: loads, what shows of them, searches, finds.

Every week draws which trips carry and whose papers are wrong, then what shows of it; officers pick
by that, by what was found before, and by something that no record holds. So inspected trips are no
fair sample, except those of the random stream. Finds are known hours or days later; who rests after
one is held back, and two vehicles in five have another plate after a seizure.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq

from engine.domain.time_units import DAY, HOUR, MINUTE
from experiments.synthetic.config import Bools, Config, Floats, Ints
from experiments.synthetic.mechanisms.hidden_risks import LOAD_SIGNS, PAPER_SIGNS, HiddenRisks
from experiments.synthetic.mechanisms.traffic import Trips
from models.scoring.risk import probability

WRONG = 0.045
"""Mean chance of an entry to be declared wrongly."""
RANDOM_SHARE, SEARCHED, MOST = 0.02, 0.1, 0.75
OFFICER_SHARE = 0.002
BASES = ("random", "score", "officer")
_USUAL = {"late": 0.1, "seals": 0.04, "driver": 0.05, "trailer": 0.05, "heavy": 0.05}
_USUAL |= {"night": 0.12, "ahead": 0.004, "value": 0.1, "mass": 0.08, "dispatch": 0.06}
_TRUCK_SIGNS = frozenset({"seals", "trailer", "heavy"})
_FINDS_LOAD, _FINDS_WRONG, _PAPERS_ALONE, _INLAND = 0.75, 0.65, 0.12, 0.05
_RESTING = -3.0


@dataclass(slots=True)
class Course:
    """What happened to each trip, shape (n,)."""

    carries: Bools
    is_wrong: Bools
    p_load: Floats
    p_wrong: Floats
    """The generator's chances given parties and everything that shows: no ranking does better."""
    signs: dict[str, Bools]
    basis: Ints
    """Index into ``BASES``, -1 where it was not searched."""
    propensity: Floats
    """Chance of the engine-drawn ways; NaN for an officer's pick."""
    is_look: Bools
    """Papers alone."""
    outcome: Ints
    """0 clear, 1 discrepancy, 2 seizure."""
    recorded_at: Ints
    inland_at: Ints
    """When a load that passed was found inland; -1 where it was not."""
    plate: Ints
    last_find: dict[str, Ints] = field(default_factory=dict)
    """By kind of party: when its last find became known, one value a party."""


def run_course(trips: Trips, risks: HiddenRisks, config: Config) -> Course:
    """Let the year happen; ``trips`` change where a car is sent ahead of a load."""
    rng = config.rng("course")
    course = _blank_course(trips)
    risks_at = _set_levels(trips, risks)
    taste = rng.normal(0.0, 0.7, len(trips.vehicle))  # what an officer sees and no record holds
    week = (trips.entry_at - config.first_midnight) // (7 * DAY)
    edges = np.searchsorted(week, np.arange(int(week.max()) + 2))
    for first, last in pairwise(edges):
        rows = np.arange(first, last)
        if len(rows):
            _draw_truth(trips, risks, course, rows=rows, levels=risks_at, rng=rng)
            _search(trips, course, rows=rows, taste=taste[rows], rng=rng)
            _find(trips, course, risks, rows=rows, rng=rng)
    return course


def _blank_course(trips: Trips) -> Course:
    n = len(trips.vehicle)
    names = (*LOAD_SIGNS, *PAPER_SIGNS)
    never = {
        who: np.full(int(getattr(trips, who).max()) + 2, -(10**18))
        for who in ("driver", "carrier", "consignee", "vehicle")
    }
    return Course(
        carries=np.zeros(n, np.bool_),
        is_wrong=np.zeros(n, np.bool_),
        p_load=np.zeros(n),
        p_wrong=np.zeros(n),
        signs={name: np.zeros(n, np.bool_) for name in names},
        basis=np.full(n, -1),
        propensity=np.full(n, np.nan),
        is_look=np.zeros(n, np.bool_),
        outcome=np.zeros(n, np.int64),
        recorded_at=np.full(n, -1),
        inland_at=np.full(n, -1),
        plate=trips.vehicle.copy(),
        last_find=never,
    )


def _set_levels(trips: Trips, risks: HiddenRisks) -> tuple[float, float]:
    """Return the constants with which the mean chances are the stated ones."""
    has_papers = trips.consignee >= 0

    def level(log_odds: Floats, rate: float) -> float:
        return float(brentq(lambda c: probability(log_odds + c).mean() - rate, -30.0, 10.0))

    wrong = level(risks.papers[has_papers], WRONG / has_papers.mean())
    return level(risks.load, risks.loads), wrong


def _draw_truth(
    trips: Trips,
    risks: HiddenRisks,
    course: Course,
    *,
    rows: Ints,
    levels: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    """Draw loads, wrong papers and what shows of them; set the generator's chances given those."""
    now = int(trips.entry_at[rows[0]])
    rests = now - course.last_find["driver"][trips.driver[rows]] < risks.rests_days * DAY
    paused = now - course.last_find["consignee"][trips.consignee[rows]] < risks.rests_days * DAY
    load = risks.load[rows] + levels[0] + _RESTING * rests
    papers = risks.papers[rows] + levels[1] + _RESTING * (paused & (trips.consignee[rows] >= 0))
    papers = np.where(trips.consignee[rows] >= 0, papers, -16.0)
    course.carries[rows] = rng.random(len(rows)) < probability(load)
    course.is_wrong[rows] = rng.random(len(rows)) < probability(papers)
    for names, truth, strength in (
        (LOAD_SIGNS, course.carries[rows], risks.load_signs),
        (PAPER_SIGNS, course.is_wrong[rows], risks.paper_signs),
    ):
        for name in names:
            more = risks.leads if name == "ahead" else strength
            shows, ratio = _draw_sign(name, truth, more, can=_can_show(name, trips, rows), rng=rng)
            course.signs[name][rows] = shows
            if names is LOAD_SIGNS:
                load = load + ratio
            else:
                papers = papers + ratio
    course.p_load[rows], course.p_wrong[rows] = probability(load), probability(papers)
    _send_ahead(trips, course, rows, rng=rng)


def _can_show(name: str, trips: Trips, rows: Ints) -> Bools:
    if name in PAPER_SIGNS:
        return trips.consignee[rows] >= 0
    return trips.is_truck[rows] | (name not in _TRUCK_SIGNS)


def _draw_sign(
    name: str, truth: Bools, more: float, *, can: Bools, rng: np.random.Generator
) -> tuple[Bools, Floats]:
    """Draw one sign; return it and the log-likelihood ratio that it gives, shape (n,) each."""
    usual = _USUAL[name] if more or name != "ahead" else 0.0
    raised = float(probability(np.log(usual / (1 - usual)) + more)) if usual else 0.0
    shows = can & (rng.random(len(truth)) < np.where(truth, raised, usual))
    if not usual:
        return shows, np.zeros(len(truth))
    ratio = np.where(shows, np.log(raised / usual), np.log((1 - raised) / (1 - usual)))
    return shows, np.where(can, ratio, 0.0)


def _send_ahead(trips: Trips, course: Course, rows: Ints, *, rng: np.random.Generator) -> None:
    """Let a car of the leader's own drive minutes ahead: an innocent car trip becomes that one."""
    leader = rows[course.signs["ahead"][rows]]
    is_free = ~trips.is_truck[rows] & ~course.carries[rows] & ~course.signs["ahead"][rows]
    free = rng.permutation(rows[is_free])[: len(leader)]
    leader = leader[: len(free)]
    cars = np.unique(trips.vehicle[~trips.is_truck])
    helper = cars[trips.driver[leader] // 2 % len(cars)]  # a car serves two drivers
    trips.vehicle[free] = course.plate[free] = helper
    trips.driver[free] = helper
    trips.pair[free], trips.way[free] = trips.pair[leader], trips.way[leader]
    gap = (rng.uniform(2, 14, len(free)) * MINUTE).astype(np.int64)
    trips.entry_at[free] = trips.entry_at[leader] - gap
    trips.exit_at[free] = trips.exit_at[leader] - gap // 2
    for name in ("night", "late"):  # it comes when its leader does
        course.signs[name][free] = False


def _search(
    trips: Trips, course: Course, *, rows: Ints, taste: Floats, rng: np.random.Generator
) -> None:
    """Choose and search a week's trips; remember what was found."""
    seen = sum(course.signs[name][rows].astype(np.float64) for name in LOAD_SIGNS[:5])
    seen = seen + 0.8 * course.signs["value"][rows] + 0.8 * course.signs["mass"][rows]
    memory = np.zeros(len(rows))
    for who, finds in course.last_find.items():
        party = getattr(trips, who)[rows]
        age = (trips.entry_at[rows] - finds[party]) / (60.0 * DAY)
        is_known = (party >= 0) & (age > 0)
        memory += 1.1 * np.exp(-np.clip(age, 0.0, 50.0)) * is_known
    hunch = 0.8 * course.carries[rows] + 0.4 * course.is_wrong[rows]
    weight = np.exp(0.6 * seen + np.minimum(memory, 2.5) + taste + 0.3 * trips.is_truck[rows])
    chance = np.minimum(MOST, SEARCHED * weight / weight.mean())
    u = rng.random((4, len(rows)))
    basis = np.full(len(rows), -1)
    basis[u[0] < OFFICER_SHARE * weight * np.exp(hunch)] = 2
    basis[u[1] < chance] = 1
    basis[u[2] < RANDOM_SHARE] = 0
    is_look = (u[3] < _PAPERS_ALONE) & (basis > 0)
    course.basis[rows], course.is_look[rows] = basis, is_look
    propensity = 1.0 - (1.0 - RANDOM_SHARE) * (1.0 - chance)
    course.propensity[rows] = np.where((basis == 0) | (basis == 1), propensity, np.nan)


def _find(
    trips: Trips, course: Course, risks: HiddenRisks, *, rows: Ints, rng: np.random.Generator
) -> None:
    """Draw what the searches of a week find, when it is known, and what surfaces inland."""
    searched, look = course.basis[rows] >= 0, course.is_look[rows]
    u = rng.random((4, len(rows)))
    is_known = np.zeros(len(rows), np.bool_)
    if risks.is_reported is not None:
        is_known = risks.is_reported[rows]
    course.basis[rows[is_known]], course.propensity[rows[is_known]] = BASES.index("officer"), np.nan
    searched, look = searched | is_known, look & ~is_known
    course.is_look[rows] = look
    seized = searched & ~look & course.carries[rows] & ((u[0] < _FINDS_LOAD) | is_known)
    spared = np.zeros(len(rows), np.bool_) if risks.is_spared is None else risks.is_spared[rows]
    is_missed = seized & spared
    course.basis[rows[is_missed]], course.propensity[rows[is_missed]] = -1, np.nan
    seized, searched = seized & ~is_missed, searched & ~is_missed
    noticed = searched & course.is_wrong[rows] & (u[1] < _FINDS_WRONG * np.where(look, 0.6, 1.0))
    course.outcome[rows] = np.where(seized, 2, np.where(noticed, 1, 0))
    lag = rng.lognormal(np.log(50), 0.9, len(rows)) * MINUTE + 2 * HOUR
    lag = np.where(u[2] < 0.1, rng.uniform(1, 12, len(rows)) * DAY, lag)
    course.recorded_at[rows] = np.where(searched, trips.entry_at[rows] + lag.astype(np.int64), -1)
    inland = course.carries[rows] & ~seized & ~spared & (u[3] < _INLAND)
    later = (rng.uniform(0.1, 20, len(rows)) * DAY).astype(np.int64)
    course.inland_at[rows] = np.where(inland, trips.entry_at[rows] + later, -1)
    found = rows[seized | noticed]
    for who, finds in course.last_find.items():
        party = getattr(trips, who)[found]
        there = party >= 0
        np.maximum.at(finds, party[there], course.recorded_at[found[there]])
    changed = rows[seized][rng.random(int(seized.sum())) < 0.4]
    for row in changed:
        later_trips = (trips.vehicle == trips.vehicle[row]) & (trips.entry_at > trips.entry_at[row])
        course.plate[later_trips] = len(trips.vehicle) + row
