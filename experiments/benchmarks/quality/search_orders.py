"""Search orders against a fixed checklist: how often is the true place among the first three.

Synthetic years; loads of the last quarter whose true place is known: those found, at the post or
inland, and all of them, found or not. An order learns from what was known before its vehicle
arrived, by the code and the store of the service; the checklist is the prior of each class that it
started from (``engine.search_orders``). The upper bound is the three places of each class
that held most of these same loads: no fixed checklist of three can beat it. SYNTHETIC: where loads
lie is the network's (``experiments/synthetic/smuggling.py``), and no finding about any
border.

Orders use what works at their post. The checklist, and the orders of a row of their own, name
places as if every post had everything, and are counted as if it had: a place that only a scanner
reaches counts for them at a post without one.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from engine.domain.network import Network, read_network
from engine.domain.records import Crossing, VehicleClass
from engine.domain.time_units import DAY
from engine.search_orders import (
    PARTIES,
    PER_MINUTES,
    SearchCounts,
    expectations,
    is_working,
    join_equipment,
    search_order,
)
from engine.storage.database import METADATA, Store
from experiments.benchmarks.runner import Row, row
from experiments.synthetic.folder import open_network
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.event_streams import vehicles
from features.catalogue.plan import Plan
from features.history.labels import SearchRow, read_searches
from features.history.tables import Tables
from features.intake.load import NETWORK_FILE, read_folder
from features.offline.encoded_history import EncodedHistory, encode_history
from features.online.search_counts import PlaceCounter, SearchedVehicle

CROSSINGS = 250_000
SEEDS = (21, 22, 23, 24)
LAST = 92 * DAY
"""The quarter that is judged."""
FIRST_THREE = 3
RESAMPLED = 2_000
FAULTS = "not the best stated expectation first, or a method that does not work at the post"
TIMES = "times the checklist"

Hits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Load:
    """A load of the last quarter."""

    row: int
    place: str
    was_found: bool


@dataclass(frozen=True, slots=True)
class Year:
    """What is needed of a year: searched vehicles and loads, encoded."""

    log: EncodedHistory
    searches: Sequence[SearchRow]
    loads: Sequence[Load]
    vehicle: Sequence[str]
    equipment: Sequence[Mapping[str, int]]
    """What works at the post of each crossing."""


def measure(data: Path | None = None) -> list[Row]:
    """Return the rows of ``bench quality --orders``, on ``data`` or synthetic years."""
    years = []
    for seed in SEEDS if data is None else (0,):
        with open_network(data, crossings=CROSSINGS, seed=seed) as folder:
            years.append(read_year(folder))
    return compare(years)


def compare(years: Sequence[Year]) -> list[Row]:
    """Return the benchmark's rows."""
    knew = [searches_known(year) for year in years]
    fixed, ideal = np.concatenate([checklist(year) for year in years]), in_hindsight(years)
    ours = hits(years, knew)
    found = np.array([load.was_found for year in years for load in year.loads])
    caught = np.array([_has_party_finds(searches) for each in knew for searches in each])
    low, high = interval(ours[found], fixed[found])
    finds, loads = f"of {found.sum()} finds", f"of {len(ours)} loads, found or not"
    before = hits(years, [[replace(one, equipment={}) for one in each] for each in knew])
    wrong = [
        fault for year, each in zip(years, knew, strict=True) for fault in list_faults(year, each)
    ]
    return [
        row(f"of {len(ours)} orders, faults: {FAULTS}", "faults", len(wrong), "<= 0"),
        row(f"{finds}, place in the first three: checklist", "share", _mean(fixed[found])),
        row(f"{finds}, place in the first three: learnt", "share", _mean(ours[found])),
        _times(f"{finds}: learnt", ours[found], fixed[found], must=">= 2"),
        _times(f"{finds}: as if all equipment worked", before[found], fixed[found]),
        row(f"{finds}: learnt, 95 % from", TIMES, low, ">= 1"),
        row(f"{finds}: learnt, 95 % up to", TIMES, high, ">= 1"),
        row(f"{loads}: checklist", "share", _mean(fixed)),
        row(f"{loads}: learnt", "share", _mean(ours)),
        _times(f"{loads}: learnt", ours, fixed, must=">= 1"),
        _times(f"{loads}: as if all equipment worked", before, fixed),
        _times(f"{loads}: best fixed three of each class, in hindsight", ideal, fixed),
        _times(
            f"{loads}: learnt, of the {caught.sum()} whose parties were caught before",
            ours[caught],
            fixed[caught],
            must=">= 1",
        ),
    ]


def _has_party_finds(searches: SearchCounts) -> bool:
    return any(found for party in PARTIES for _, found in searches.of(party).values())


def _times(name: str, ours: Hits, fixed: Hits, *, must: str = ">= 0") -> Row:
    return row(name, TIMES, float(ours.sum() / max(fixed.sum(), 1)), must)


def _mean(hits: Hits) -> float:
    return float(hits.mean()) if len(hits) else 0.0


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
    end = tables.crossings["known_at"][-1].as_py()
    return _encode(some, truth, network=read_network(folder / NETWORK_FILE), end=end)


def _encode(tables: Tables, truth: pa.Table, *, network: Network, end: int) -> Year:
    log = encode_history(tables, Plan(CATALOGUE))
    true = {one["crossing_id"]: one for one in truth.to_pylist()}
    is_entry = pc.equal(tables.crossings["direction"], "entry").to_pylist()
    held = {at for _, at, _, found in read_searches(tables) if found}
    loads = [
        Load(at, true[name]["place"], at in held)
        for at, name in enumerate(log.crossing_id[:].tolist())
        if name in true and is_entry[at] and log.known_at[at] >= end - LAST
    ]
    kinds = vehicles(log.facts, slice(0, len(log)))
    posts = tables.crossings["post"].to_pylist()
    works = {code: join_equipment(post.equipment, {}) for code, post in network.posts.items()}
    equipment = [works[post] for post in posts]
    return Year(log, sorted(read_searches(tables)), loads, kinds, equipment)


def checklist(year: Year) -> Hits:
    """Tell for which loads the checklist, the prior alone, has the place among its first three."""
    return hits([year], [[SearchCounts({})] * len(year.loads)])


def in_hindsight(years: Sequence[Year]) -> Hits:
    """Tell the same of the three places of each class that held most of these very loads."""
    where: defaultdict[str, Counter[str]] = defaultdict(Counter)
    loads = [(_class(year, load), load.place) for year in years for load in year.loads]
    for kind, place in loads:
        where[kind][place] += 1
    first = {
        kind: {place for place, _ in each.most_common(FIRST_THREE)} for kind, each in where.items()
    }
    return np.array([place in first[kind] for kind, place in loads])


def _class(year: Year, load: Load) -> str:
    return year.vehicle[load.row].partition(":")[0]


def searches_known(year: Year) -> list[SearchCounts]:
    """Return what the service would have known of each load's vehicle as it arrived."""
    counter, known, seen = PlaceCounter(Plan(CATALOGUE)), [], 0
    with (
        TemporaryDirectory(prefix="bench-search-") as name,
        Store(f"sqlite:///{name}/places.sqlite") as store,
    ):
        METADATA.create_all(store.engine)
        with store.write() as connection:
            for load in year.loads:
                begin = seen
                while (
                    seen < len(year.searches)
                    and year.searches[seen][0] < year.log.known_at[load.row]
                ):
                    seen += 1
                counter.count(connection, [_report(year, one) for one in year.searches[begin:seen]])
                keys = year.log.keys[:, load.row].tolist()
                searches = counter.searches(connection, year.vehicle[load.row], keys)
                known.append(replace(searches, equipment=year.equipment[load.row]))
    return known


def _report(year: Year, search: SearchRow) -> SearchedVehicle:
    _, at, searched, found = search
    keys = year.log.keys[:, at].tolist()
    return SearchedVehicle(str(year.log.crossing_id[at]), year.vehicle[at], keys, searched, found)


def hits(years: Sequence[Year], knew: Sequence[Sequence[SearchCounts]]) -> Hits:
    """Tell for which loads the order made from what was known has the place in its first three."""
    out = []
    for year, known in zip(years, knew, strict=True):
        for load, searches in zip(year.loads, known, strict=True):
            order = search_order(_crossing(year.vehicle[load.row]), searches)
            out.append(load.place in [step.place for step in order[:FIRST_THREE]])
    return np.array(out)


def list_faults(year: Year, knew: Sequence[SearchCounts]) -> list[str]:
    """Return what is wrong with the orders of these vehicles; nothing where all are right."""
    found = []
    for load, searches in zip(year.loads, knew, strict=True):
        crossing = _crossing(year.vehicle[load.row])
        order, expected = search_order(crossing, searches), expectations(crossing, searches)
        best = round(PER_MINUTES * max(expected.values()), 3)
        if order[0].parameters["finds_in_1000_minutes"] != best:
            found.append(f"{order[0].place} first, which has not the best stated expectation")
        found += [
            f"{step.place} by {step.method}, which does not work at the post"
            for step in order
            if not is_working(step.method, searches.equipment)
        ]
    return found


def _crossing(vehicle: str) -> Crossing:
    """Return a vehicle of a kind; nothing else of it moves an order."""
    vehicle_class, load = vehicle.split(":")
    known: VehicleClass = vehicle_class  # type: ignore[assignment]
    return Crossing(
        crossing_id="bench",
        post="bench",
        direction="entry",
        arrived_at=datetime(2025, 1, 1, tzinfo=UTC),
        vehicle_class=known,
        is_empty=load == "empty",
    )


def interval(ours: Hits, fixed: Hits) -> tuple[float, float]:
    """Return the 95 % interval of the ratio of two shares of the same loads, by resampling them."""
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, len(ours), (RESAMPLED, len(ours)))
    ratios = ours[drawn].sum(axis=1) / np.maximum(fixed[drawn].sum(axis=1), 1)
    low, high = np.quantile(ratios, (0.025, 0.975)).tolist()
    return low, high
