"""The year of a small network, week by week, and its bulk folder: nothing in it is real.

Every week draws which trips carry and whose papers are wrong, then what shows of it; officers pick
by that, by what was found before, and by something that no record holds. So inspected trips are no
fair sample, except those of the random stream. Finds are known hours or days later; a party that
rests after a find is held back, and two vehicles in five have another plate after a seizure.

The same mechanism, crossings and seed give the same bytes. ``network.toml`` says that the folder is
synthetic, and every post, party and plate has an invented name.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import pyarrow as pa
from scipy.optimize import brentq

from engine.domain.network import IdentifierField
from engine.domain.time_units import DAY, HOUR, MINUTE, micros
from experiments.synthetic.folder import DEFAULT_DAYS, DEFAULT_END, write_csv
from experiments.synthetic.hidden_risks import (
    CLASSES,
    GOODS,
    LOAD_SIGNS,
    ORIGINS,
    PAPER_SIGNS,
    POSTS,
    HiddenRisks,
    Mechanism,
    Trips,
    draw_risks,
    draw_trips,
)
from experiments.synthetic.posts import Bools, Config, Floats, Ints
from experiments.synthetic.records import blank, choose_names, format_numbers, make_timestamps
from models.scoring import probability

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
class NetworkYear:
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


def simulate_year(trips: Trips, risks: HiddenRisks, config: Config) -> NetworkYear:
    """Let the year happen; ``trips`` change where a car is sent ahead of a load."""
    rng = config.rng("course")
    course = _blank_year(trips)
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


def _blank_year(trips: Trips) -> NetworkYear:
    n = len(trips.vehicle)
    names = (*LOAD_SIGNS, *PAPER_SIGNS)
    never = {
        who: np.full(int(getattr(trips, who).max()) + 2, -(10**18))
        for who in ("driver", "carrier", "consignee", "vehicle")
    }
    return NetworkYear(
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
    course: NetworkYear,
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


def _send_ahead(trips: Trips, course: NetworkYear, rows: Ints, *, rng: np.random.Generator) -> None:
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
    trips: Trips, course: NetworkYear, *, rows: Ints, taste: Floats, rng: np.random.Generator
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
    trips: Trips, course: NetworkYear, risks: HiddenRisks, *, rows: Ints, rng: np.random.Generator
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


_SECOND = 1_000_000
_NIGHT = 19
"""Hour of the day, UTC, at which it is midnight at the posts."""
_COUNTRIES = ("UZ", "KZ", "TJ", "KG", "CN", "RU", "TR", "IR", "DE", "PL", "IN", "KR")


def write(out: Path, *, mechanism: Mechanism, crossings: int, seed: int) -> None:
    """Write a folder of about ``crossings`` crossings over the year before ``DEFAULT_END``."""
    config = Config(crossings, seed, micros(DEFAULT_END), DEFAULT_DAYS)
    trips = draw_trips(config)
    risks = draw_risks(mechanism, trips, config)
    rows = _Rows(trips, simulate_year(trips, risks, config), config, group=risks.group)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("crossings", "declarations", "goods_items", "inspections", "seizures", "truth"):
        write_csv(getattr(rows, name)(), out / f"{name}.csv")
    (out / "network.toml").write_text(_network_toml(), "utf-8")


@contextmanager
def open_network(*, mechanism: Mechanism, crossings: int, seed: int) -> Iterator[Path]:
    """Yield a folder as :func:`write` writes it, which goes after use."""
    with TemporaryDirectory(prefix="synthetic-network-") as name:
        write(Path(name), mechanism=mechanism, crossings=crossings, seed=seed)
        yield Path(name)


class _Rows:
    """The tables of a network: each trip's entry, its exit where recorded, papers, acts, finds."""

    def __init__(
        self, trips: Trips, course: NetworkYear, config: Config, *, group: Ints | None
    ) -> None:
        self.trips, self.course, self.config = trips, course, config
        self.group = group
        self.rng = config.rng("records")
        n = len(trips.vehicle)
        late = course.signs["late"]
        stretch = ((trips.entry_at - trips.exit_at) * np.where(late, 1.6, 0.0)).astype(np.int64)
        self.exit_at = trips.exit_at - stretch
        hour = trips.entry_at // HOUR % 24
        night = course.signs["night"] & ~course.signs["ahead"] & (hour < 17)
        later = np.where(night, _NIGHT - hour, 0) * HOUR
        self.entry_at, self.exit_at = trips.entry_at + later, self.exit_at + later
        inside = (self.entry_at < config.end) & (self.entry_at >= config.first_midnight)
        self.entries = np.flatnonzero(inside)
        self.exits = np.flatnonzero(inside & trips.is_mirrored)
        self.has_papers: Bools = trips.consignee >= 0
        self.net_kg = np.round(self.rng.lognormal(np.log(9_000), 0.5, n), 0)
        self.tare_kg = np.where(trips.is_truck, 14_500 + trips.vehicle % 40 * 50, 1_600)

    def _party_ids(self, values: Ints, prefix: str) -> pa.Array:
        """Return identifiers of entries and exits in turn; null where there is no such party."""
        both = np.concatenate([values[self.entries], values[self.exits]])
        return blank(format_numbers(np.maximum(both, 0), prefix, 7), both < 0)

    def _ids(self, trip: Ints, kind: str) -> pa.Array:
        return format_numbers(trip, f"{kind}{self.config.seed}-", 7)

    def crossings(self) -> pa.Table:
        """Return the crossings as records."""
        trips, at, out = self.trips, self.entries, self.exits
        trip = np.concatenate([at, out])
        is_entry = np.arange(len(trip)) < len(at)
        post = trips.pair[trip] * 2 + np.where(is_entry, 1 - trips.way[trip], trips.way[trip])
        arrived = np.where(is_entry, self.entry_at[trip], self.exit_at[trip]) // _SECOND * _SECOND
        other = len(trips.vehicle)
        driver = trips.driver + np.where(self.course.signs["driver"], other, 0)
        swapped = self.course.signs["trailer"] & (trips.trailer >= 0)
        trailer = trips.trailer + np.where(swapped, other, 0)
        papers = np.where(self.has_papers[trip], trip, -1)
        return pa.table(
            {
                "crossing_id": pa.chunked_array([self._ids(at, "c"), self._ids(out, "x")]),
                "post": choose_names([code for code, _ in POSTS], post),
                "direction": choose_names(("exit", "entry"), is_entry.astype(np.int64)),
                "arrived_at": make_timestamps(arrived),
                "vehicle_class": choose_names(CLASSES, trips.is_truck[trip].astype(np.int64)),
                "plate": self._party_ids(self.course.plate, "P"),
                "plate_country": choose_names(_COUNTRIES, trips.vehicle[trip] % 4),
                "trailer_plate": _optional(
                    np.where(is_entry, trailer[trip], trips.trailer[trip]), "T"
                ),
                "driver_ref": _optional(np.where(is_entry, driver[trip], trips.driver[trip]), "D"),
                "carrier_id": self._party_ids(trips.carrier, "C"),
                "seal_numbers": self._seals(trip, is_entry),
                "weighed_mass_kg": self._weights(trip, is_entry),
                "is_empty": pa.array(papers < 0, mask=~trips.is_truck[trip]),
                "declaration_id": blank(self._ids(np.maximum(papers, 0), "d"), papers < 0),
            }
        )

    def _seals(self, trip: Ints, is_entry: Bools) -> pa.Array:
        changed = self.course.signs["seals"][trip] & is_entry
        seal = np.where(self.has_papers[trip], trip + changed * len(self.has_papers), -1)
        return _optional(seal, "S")

    def _weights(self, trip: Ints, is_entry: Bools) -> pa.Array:
        """Weigh trucks with an error of 0.7 %; two crossings in three are weighed."""
        signs = self.course.signs
        short = np.where(signs["mass"] & self.has_papers, 0.12, 0.0) * self.net_kg
        mass = self.tare_kg + np.where(self.has_papers, 1.03 * self.net_kg, 0) + short
        mass = mass[trip] + 700.0 * (signs["heavy"][trip] & is_entry)
        mass *= 1.0 + self.rng.normal(0, 0.007, len(trip))
        is_weighed = self.trips.is_truck[trip] & (self.rng.random(len(trip)) < 0.66)
        return pa.array(np.round(mass), mask=~is_weighed)

    def _papers(self) -> Ints:
        return self.entries[self.has_papers[self.entries]]

    def declarations(self) -> pa.Table:
        """Return the declarations; both crossings of a trip name the same one."""
        trips, at = self.trips, self._papers()
        home = np.array([_COUNTRIES.index(country) for _, country in POSTS])
        destination = home[trips.pair[at] * 2 + 1 - trips.way[at]]
        detour = self.course.signs["dispatch"][at]
        early = (self.rng.uniform(2, 30, len(at)) * HOUR).astype(np.int64)
        lodged = (np.minimum(self.exit_at, self.entry_at)[at] - early) // _SECOND * _SECOND
        return pa.table(
            {
                "declaration_id": self._ids(at, "d"),
                "lodged_at": make_timestamps(lodged),
                "procedure": choose_names(
                    ("import", "transit"), (trips.consignee[at] % 5 == 0) * 1
                ),
                "declarant_id": format_numbers(trips.declarant[at], "B", 6),
                "consignor_id": format_numbers(trips.consignor[at], "E", 6),
                "consignee_id": format_numbers(trips.consignee[at], "I", 6),
                "dispatch_country": choose_names(
                    _COUNTRIES, (trips.origin[at] + 5 * detour) % ORIGINS
                ),
                "destination_country": choose_names(_COUNTRIES, destination),
            }
        )

    def goods_items(self) -> pa.Table:
        """Return one goods item a declaration; a wrong value is about half of the right one."""
        trips, at = self.trips, self._papers()
        price = np.exp(1.0 + 2.0 * (np.arange(GOODS) * 37 % GOODS) / GOODS)[trips.goods[at]]
        price *= self.rng.lognormal(0.0, 0.25, len(at))
        price *= np.where(self.course.signs["value"][at], 0.5, 1.0)
        duty = np.array([0.0, 0.05, 0.1, 0.15, 0.3])[trips.goods[at] % 5]
        packages = np.maximum(1, self.net_kg[at] // (20 + trips.goods[at])).astype(np.int64)
        return pa.table(
            {
                "declaration_id": self._ids(at, "d"),
                "item_no": pa.array(np.ones(len(at), np.int64)),
                "hs_code": format_numbers(10_001 * (trips.goods[at] + 7), "", 6),
                "origin_country": choose_names(_COUNTRIES, trips.origin[at]),
                "packages": pa.array(packages),
                "net_mass_kg": pa.array(self.net_kg[at]),
                "gross_mass_kg": pa.array(np.round(1.03 * self.net_kg[at])),
                "customs_value_usd": pa.array(np.round(price * self.net_kg[at], 2)),
                "duty_rate": pa.array(duty),
            }
        )

    def _acts(self) -> Ints:
        course = self.course
        known = (course.basis >= 0) & (self._record_times() < self.config.end)
        return np.intersect1d(np.flatnonzero(known), self.entries)

    def _record_times(self) -> Ints:
        """Return when each act became known; a trip that was moved to the evening moves it too."""
        moved = self.entry_at - self.trips.entry_at
        return np.asarray((self.course.recorded_at + moved) // _SECOND * _SECOND, np.int64)

    def inspections(self) -> pa.Table:
        """Return the acts known before the end."""
        course, at = self.course, self._acts()
        started = (self.entry_at[at] + 40 * MINUTE) // _SECOND * _SECOND
        methods = choose_names(("documents;xray;physical", "documents"), course.is_look[at] * 1)
        return pa.table(
            {
                "inspection_id": self._ids(at, "i"),
                "crossing_id": self._ids(at, "c"),
                "basis": choose_names(BASES, course.basis[at]),
                "propensity": pa.array(course.propensity[at], from_pandas=True),
                "started_at": make_timestamps(started),
                "completed_at": make_timestamps(started + 50 * MINUTE),
                "recorded_at": make_timestamps(
                    np.maximum(self._record_times()[at], started + 55 * MINUTE)
                ),
                "methods": methods,
                "minutes": pa.array(np.full(len(at), 50.0)),
                "outcome": choose_names(("clear", "discrepancy", "seizure"), course.outcome[at]),
            }
        )

    def seizures(self) -> pa.Table:
        """Return the seizures known before the end: at the post, and inland by the plate."""
        course = self.course
        acts = self._acts()
        at = acts[course.outcome[acts] == 2]
        inland = np.flatnonzero((course.inland_at >= 0) & (course.inland_at < self.config.end))
        inland = np.intersect1d(inland, self.entries)
        inland = inland[course.inland_at[inland] > self.entry_at[inland] + HOUR]
        row = np.concatenate([at, inland])
        is_inland = np.arange(len(row)) >= len(at)
        known = np.maximum(self._record_times(), self.entry_at + 100 * MINUTE)
        recorded = np.where(is_inland, course.inland_at[row], known[row])
        recorded = recorded // _SECOND * _SECOND
        return pa.table(
            {
                "seizure_id": self._ids(row, "z"),
                "inspection_id": blank(self._ids(row, "i"), is_inland),
                "crossing_id": blank(self._ids(row, "c"), is_inland),
                "plate": format_numbers(course.plate[row], "P", 7),
                "seized_at": make_timestamps(recorded - 2 * MINUTE),
                "recorded_at": make_timestamps(recorded),
                "substance_class": choose_names(("narcotic",), np.zeros(len(row), np.int64)),
            }
        )

    def truth(self) -> pa.Table:
        """Return what is true of each entry, and the generator's chances of it."""
        course, at = self.course, self.entries

        def column(values: Floats | Bools) -> pa.Array:
            return pa.array(np.round(values[at].astype(np.float64), 8))

        return pa.table(
            {
                "crossing_id": self._ids(at, "c"),
                "carries": column(course.carries),
                "discrepancy": column(course.is_wrong),
                "p_seizure": column(course.p_load),
                "p_discrepancy": column(course.p_wrong),
            }
            | ({} if self.group is None else {"group": pa.array(self.group[at])})
        )


def _optional(values: Ints, prefix: str) -> pa.Array:
    return blank(format_numbers(np.maximum(values, 0), prefix, 7), np.asarray(values) < 0)


def _network_toml() -> str:
    """Return the network file; its first line says that nothing in it is real."""
    lines = ["synthetic = true", "", "[identifiers]"]
    lines += [f'{field} = "synthetic"' for field in get_args(IdentifierField)]
    for index, (code, country) in enumerate(POSTS):
        lines += ["", "[[posts]]", f'code = "{code}"', f'name = "Synthetic post {code}"']
        lines += [f'country = "{country}"', f'pair = "{POSTS[index ^ 1][0]}"']
    return "\n".join(lines) + "\n"
