"""Search orders against a fixed checklist: how often is the true place among the first three.

Synthetic years; every load of the last quarter, found or not, whose true place is known. An order
learns from what was known before its vehicle arrived, by the code and the store of the service;
the checklist is the prior that it started from (``engine.place_table``). What nobody can beat but
by luck is an order that knows with which weights the network draws a place for each class.

In this network a vehicle that was caught never comes back, and each vehicle hides in a way of its
own, so that no carrier, driver or consignee says anything about the place. The same years are
therefore told once more with one thing changed: all loads of one circle in one class of vehicle lie
in one place. What is learnt then is learnt along parties, as of people who keep to their ways.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from engine.places import PARTIES, Searches, search_order
from engine.records import Crossing, VehicleClass
from engine.store import METADATA, Store
from engine.times import DAY
from experiments.benching import Row, row
from experiments.synth.circles import CONCEALMENTS
from experiments.synth.write import write
from features.acts import Look, looks
from features.catalogue import CATALOGUE
from features.history import Tables
from features.intake import read_folder
from features.log import Log, told
from features.places import Looked, PlaceCounter
from features.plan import Plan
from features.steps import vehicles

CROSSINGS = 250_000
SEEDS = (21, 22, 23, 24)
LAST = 92 * DAY
"""The quarter that is judged."""
FIRST_THREE = 3
RESAMPLED = 2_000
_LETTERS: Mapping[str, str] = {"car": "C", "van": "V", "bus": "B", "truck": "T", "rail_wagon": "W"}

Hits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Load:
    """A load of the last quarter."""

    row: int
    place: str
    circle: str
    """Empty where it belongs to none."""
    was_found: bool


@dataclass(frozen=True, slots=True)
class Year:
    """What is needed of a year: searched vehicles and loads, encoded."""

    log: Log
    looks: Sequence[Look]
    loads: Sequence[Load]
    circle: Sequence[str]
    """Of each row of the log; empty where it carries for none."""
    vehicle: Sequence[str]


def run(data: Path | None) -> list[Row]:
    """Return the rows of ``bench search``, on the history in ``data`` or on synthetic ones."""
    if data is not None:
        return compared([read_year(data)])
    years = []
    for seed in SEEDS:
        with TemporaryDirectory(prefix="bench-search-") as name:
            write(Path(name) / "network", crossings=CROSSINGS, seed=seed)
            years.append(read_year(Path(name) / "network"))
    return compared(years)


def compared(years: Sequence[Year]) -> list[Row]:
    """Return the benchmark's rows."""
    knew = [searches_known(year) for year in years]
    fixed, ideal = _joined(years, checklist), _joined(years, knowing)
    ours = _judged(years, knew)
    found = np.array([load.was_found for year in years for load in year.loads])
    low, high = interval(ours, fixed)
    loads = f"of {len(ours)} loads"
    return [
        row(f"{loads}, place in the first three: checklist", "share", float(fixed.mean()), ">= 0"),
        row(f"{loads}, place in the first three: learnt", "share", float(ours.mean()), ">= 0"),
        row(f"{loads}, by the network's own weights", "share", float(ideal.mean()), ">= 0"),
        _times("by the network's own weights", ideal, fixed, must=">= 0"),
        _times("learnt", ours, fixed, must=">= 0"),
        row("learnt, 95 % from", "times the checklist", low, ">= 0"),
        row("learnt, 95 % up to: not worse", "times the checklist", high, ">= 1"),
        _times(f"learnt, of the {found.sum()} found", ours[found], fixed[found], must=">= 0"),
        *_loyal([keeping_their_ways(year) for year in years]),
    ]


def _loyal(years: Sequence[Year]) -> list[Row]:
    """Return the rows of years in which circles keep their ways."""
    knew = [searches_known(year) for year in years]
    fixed, ours = _joined(years, checklist), _judged(years, knew)
    caught = np.array([_has_party_finds(searches) for each in knew for searches in each])
    kept = "were circles to keep their places: learnt"
    return [
        _times(kept, ours, fixed, must=">= 1.25"),
        _times(
            f"{kept}, of the {caught.sum()} whose parties were caught before",
            ours[caught],
            fixed[caught],
            must=">= 2",
        ),
    ]


def _has_party_finds(searches: Searches) -> bool:
    return any(found for party in PARTIES for _, found in searches.of(party).values())


def _times(name: str, ours: Hits, fixed: Hits, *, must: str) -> Row:
    return row(name, "times the checklist", float(ours.sum() / max(fixed.sum(), 1)), must)


def read_year(folder: Path) -> Year:
    """Read a folder of a synthetic network, its truth too, and encode what is needed of it."""
    tables = read_folder(folder).tables
    truth = csv.read_csv(folder / "truth.csv")
    truth = truth.filter(pc.equal(truth["carries"], 1))
    named = pa.chunked_array(
        [
            *truth["crossing_id"].cast(pa.string()).chunks,
            *tables.inspections["crossing_id"].chunks,
            *tables.seizures["linked_crossing_id"].chunks,
        ]
    )
    kept = tables.crossings.filter(pc.is_in(tables.crossings["crossing_id"], pc.unique(named)))
    some = replace(tables, crossings=kept)
    return _encoded(some, truth, end=tables.crossings["known_at"][-1].as_py())


def _encoded(tables: Tables, truth: pa.Table, *, end: int) -> Year:
    log = told(tables, Plan(CATALOGUE))
    true = {one["crossing_id"]: one for one in truth.to_pylist()}
    is_entry = pc.equal(tables.crossings["direction"], "entry").to_pylist()
    held = {at for _, at, _, found in looks(tables) if found}
    loads = [
        Load(at, true[name]["place"], true[name]["circle"] or "", at in held)
        for at, name in enumerate(log.crossing_id.tolist())
        if name in true and is_entry[at] and log.known_at[at] >= end - LAST
    ]
    circle = [(true.get(name) or {}).get("circle") or "" for name in log.crossing_id.tolist()]
    kinds = vehicles(log.facts, slice(0, len(log)))
    return Year(log, sorted(looks(tables)), loads, circle, kinds)


def checklist(year: Year) -> Hits:
    """Tell for which loads the checklist, the prior alone, has the place among its first three."""
    return _judged([year], [[Searches({})] * len(year.loads)])


def knowing(year: Year) -> Hits:
    """Tell the same of an order that knows how likely the network draws each place."""
    return np.array(
        [
            load.place in sorted(weight, key=lambda place: -weight[place])[:FIRST_THREE]
            for load in year.loads
            for weight in [drawn_from(year.vehicle[load.row])]
        ]
    )


def searches_known(year: Year) -> list[Searches]:
    """Return what the service would have known of each load's vehicle as it arrived."""
    counter, known, seen = PlaceCounter(Plan(CATALOGUE)), [], 0
    with TemporaryDirectory(prefix="bench-search-") as name:
        store = Store(f"sqlite:///{name}/places.sqlite")
        METADATA.create_all(store.engine)
        with store.write() as connection:
            for load in year.loads:
                begin = seen
                while seen < len(year.looks) and year.looks[seen][0] < year.log.known_at[load.row]:
                    seen += 1
                counter.count(connection, [_looked(year, one) for one in year.looks[begin:seen]])
                keys = year.log.keys[:, load.row].tolist()
                known.append(counter.searches(connection, year.vehicle[load.row], keys))
        store.dispose()
    return known


def _looked(year: Year, look: Look) -> Looked:
    _, at, searched, found = look
    keys = year.log.keys[:, at].tolist()
    return Looked(str(year.log.crossing_id[at]), year.vehicle[at], keys, searched, found)


def _judged(years: Sequence[Year], knew: Sequence[Sequence[Searches]]) -> Hits:
    """Tell for which loads the order made from what was known has the place in its first three."""
    out = []
    for year, known in zip(years, knew, strict=True):
        for load, searches in zip(year.loads, known, strict=True):
            order = search_order(_crossing(year.vehicle[load.row]), searches)
            out.append(load.place in [step.place for step in order[:FIRST_THREE]])
    return np.array(out)


def _crossing(vehicle: str) -> Crossing:
    """Return a vehicle of a kind; nothing else of it moves an order."""
    vehicle_class, load = vehicle.split(":")
    known: VehicleClass = vehicle_class  # type: ignore[assignment]
    return Crossing(
        crossing_id="-",
        post="-",
        direction="entry",
        arrived_at=datetime(2025, 1, 1, tzinfo=UTC),
        vehicle_class=known,
        is_empty=load == "empty",
    )


def drawn_from(vehicle: str) -> Mapping[str, float]:
    """Return the network's weight of each place of a kind of vehicle."""
    letter = _LETTERS[vehicle.partition(":")[0]]
    return {place: weight for _, place, fits, weight in CONCEALMENTS if letter in fits}


def keeping_their_ways(year: Year) -> Year:
    """Return a year in which all loads of a circle in one class lie in one place, drawn as ever."""
    rng = np.random.default_rng(1)
    ways: dict[tuple[str, str], str] = {}

    def place(at: int, otherwise: str) -> str:
        if not (circle := year.circle[at]):
            return otherwise
        kind = circle, year.vehicle[at].partition(":")[0]
        if kind not in ways:
            weights = drawn_from(year.vehicle[at])
            chance = np.array(list(weights.values()))
            ways[kind] = str(rng.choice(list(weights), p=chance / chance.sum()))
        return ways[kind]

    looks_there = [
        (known_at, at, *(((one := (place(at, found[0]),)), one) if found else (searched, found)))
        for known_at, at, searched, found in year.looks
    ]
    loads = [replace(load, place=place(load.row, load.place)) for load in year.loads]
    return replace(year, looks=looks_there, loads=loads)


def interval(ours: Hits, fixed: Hits) -> tuple[float, float]:
    """Return the 95 % interval of the ratio of two shares of the same loads, by resampling them."""
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, len(ours), (RESAMPLED, len(ours)))
    ratios = ours[drawn].sum(axis=1) / np.maximum(fixed[drawn].sum(axis=1), 1)
    low, high = np.quantile(ratios, (0.025, 0.975)).tolist()
    return low, high


def _joined(years: Sequence[Year], judge: Callable[[Year], Hits]) -> Hits:
    return np.concatenate([judge(year) for year in years])
