"""Search orders: how often is the step that finds among the first three.

Two kinds of worlds, both SYNTHETIC, and no finding about any border. In synthetic years
(``experiments/synthetic``) an order learns from what was known before its vehicle arrived, by the
code and the store of the service; judged are loads of the last quarter, found or not. In simulated
searches the place of a load depends on body, goods and corridor by factors that are drawn, and
orders learn from searches of other vehicles before.

Compared are the checklist, which is the prior of each class that orders start from
(``engine.search_orders``), and orders that know class and load alone. Signs of the opposite post's
record are left out. Orders of years use what works at their post; the checklist names places as if
every post had everything, and is counted as if it had.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from engine.domain.network import Network, read_network
from engine.domain.records import PLACES, Arrival, BodyType, Crossing, Declaration, GoodsItem
from engine.domain.time_units import DAY
from engine.search_orders.order import is_working, join_equipment, search_order
from engine.search_orders.rates import (
    ALL,
    CLASS,
    LACKED_BY_BODY,
    LOAD,
    PRIOR,
    SearchCounts,
    goods_group,
)
from engine.storage.database import METADATA, Store
from experiments.benchmarks.runner import Row, row
from experiments.synthetic.folder import open_network
from experiments.synthetic.trade import LINES
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.event_streams import vehicles
from features.catalogue.plan import Plan
from features.history import labels
from features.history.record_rows import to_arrival
from features.history.tables import Tables
from features.intake.load import NETWORK_FILE, read_folder
from features.offline.encoded_history import encode_history
from features.online.search_counts import (
    SearchedVehicle,
    count_history,
    count_searches,
    read_searches,
)

CROSSINGS = 250_000
SEEDS = (21, 22, 23, 24)
LAST = 92 * DAY
"""The quarter that is judged."""
FIRST_THREE = 3
RESAMPLED = 2_000
LORRIES = 100
"""Lorries whose first steps are compared with each other."""
JUDGED = 1_000
"""Simulated searches of a loaded vehicle."""
BROAD = (ALL, CLASS, LOAD)
"""What orders knew before they knew body, goods and corridor."""

Hits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Load:
    """A vehicle that carries something, and what was known when it arrived."""

    arrival: Arrival
    place: str
    was_found: bool
    searches: SearchCounts


def measure(data: Path | None = None) -> list[Row]:
    """Return the rows of ``bench quality --orders``, on ``data`` or synthetic years."""
    loads: list[Load] = []
    lorries: list[Load] = []
    for seed in SEEDS if data is None else (0,):
        with open_network(data, crossings=CROSSINGS, seed=seed) as folder:
            loads += read_loads(folder)
            lorries = lorries or read_loads(folder, searched=True)
    simulated = [load for seed in (1, 2, 3, 4) for load in simulate(seed, judged=JUDGED // 4)]
    name = f"different first three steps of the last {LORRIES} lorries searched"
    return [
        *compare("loads of years", loads),
        *compare("simulated searches", simulated),
        row(f"{name}: by class and load", "orders", count_beginnings(list(map(narrow, lorries)))),
        row(f"{name}: by all that is seen", "orders", count_beginnings(lorries)),
    ]


def compare(what: str, loads: Sequence[Load]) -> list[Row]:
    """Return the benchmark's rows on some loads."""
    ours = find_hits(loads)
    broad = find_hits([narrow(load) for load in loads])
    fixed = find_hits([replace(narrow(load), searches=SearchCounts({})) for load in loads])
    low, high = interval(ours, fixed)
    name = f"of {len(loads)} {what}, the step that finds is among the first three"
    return [
        row(f"{name}: checklist", "share", _mean(fixed)),
        row(f"{name}: by class and load", "share", _mean(broad)),
        row(f"{name}: by all that is seen", "share", _mean(ours), f">= {_mean(broad)}"),
        row(f"{name}: over the checklist, 95 % from", "times", low, ">= 1"),
        row(f"{name}: over the checklist, 95 % up to", "times", high),
        row(f"{what}: steps that do not work at the post", "faults", count_faults(loads), "<= 0"),
        row(
            f"{what}: different first three steps of {LORRIES} lorries",
            "orders",
            count_beginnings(loads),
        ),
    ]


def narrow(load: Load) -> Load:
    """Return a load of which class and load alone are known."""
    seen = load.arrival.crossing.model_copy(update={"body_type": None})
    counts = {scope: load.searches.find_counts(scope) for scope in BROAD}
    known = replace(load.searches, counts=counts)
    return replace(load, arrival=Arrival(crossing=seen), searches=known)


def _first_steps(load: Load) -> tuple[str, ...]:
    steps = search_order(load.arrival, load.searches, is_physical=True).steps[:FIRST_THREE]
    return tuple(step.place or step.what for step in steps)


def find_hits(loads: Sequence[Load]) -> Hits:
    """Tell for which loads the order has the place among its first three steps."""
    return np.array([load.place in _first_steps(load) for load in loads], np.bool_)


def count_beginnings(loads: Sequence[Load]) -> int:
    """Return how many different first three steps the last lorries have."""
    lorries = [load for load in loads if load.arrival.crossing.vehicle_class == "truck"]
    return len({_first_steps(load) for load in lorries[-LORRIES:]})


def count_faults(loads: Sequence[Load]) -> int:
    """Return how many steps name a method that does not work at the post."""
    return sum(
        not is_working(step.method, load.searches.equipment)
        for load in loads
        for step in search_order(load.arrival, load.searches, is_physical=True).steps
    )


def _mean(hits: Hits) -> float:
    return float(hits.mean()) if len(hits) else 0.0


def read_loads(folder: Path, *, searched: bool = False) -> list[Load]:
    """Read the loads of the last quarter of a synthetic network, with what was known of each.

    With ``searched``, read whatever was searched then, loaded or not.
    """
    tables = read_folder(folder).tables
    truth = csv.read_csv(folder / "truth.csv")
    acts = pc.unique(tables.inspections["crossing_id"])
    wanted = pc.is_in(truth["crossing_id"].cast(pa.string()), acts)
    truth = truth.filter(wanted if searched else pc.equal(truth["carries"], 1))
    named = pa.chunked_array(
        [
            *truth["crossing_id"].cast(pa.string()).chunks,
            *tables.inspections["crossing_id"].chunks,
            *tables.seizures["linked_crossing_id"].chunks,
        ]
    )
    kept = tables.crossings.filter(pc.is_in(tables.crossings["crossing_id"], pc.unique(named)))
    end = tables.crossings["known_at"][-1].as_py()
    network = read_network(folder / NETWORK_FILE)
    return _follow(replace(tables, crossings=kept), truth, network=network, since=end - LAST)


def _follow(tables: Tables, truth: pa.Table, *, network: Network, since: int) -> list[Load]:
    """Count searches in the order in which they became known; stop at each load's arrival."""
    log = encode_history(tables, Plan(CATALOGUE))
    searches = sorted(labels.read_searches(tables))
    true = {one["crossing_id"]: one["place"] for one in truth.to_pylist()}
    held = {at for _, at, _, found in searches if found}
    kinds, names = vehicles(log.facts, slice(0, len(log))), log.crossing_id[:].tolist()
    arrivals = _Arrivals(tables)
    loads, seen = [], 0
    with (
        TemporaryDirectory(prefix="bench-search-") as name,
        Store(f"sqlite:///{name}/places.sqlite") as store,
    ):
        METADATA.create_all(store.engine)
        with store.write() as connection:
            for at, crossing_id in enumerate(names):
                arrival = arrivals.find(at) if crossing_id in true else None
                if arrival is None or log.known_at[at] < since:
                    continue
                begin = seen
                while seen < len(searches) and searches[seen][0] < log.known_at[at]:
                    seen += 1
                reports = [
                    SearchedVehicle(names[row], kinds[row], places, found)
                    for _, row, places, found in searches[begin:seen]
                ]
                count_searches(connection, reports)
                works = join_equipment(network.post(arrival.crossing.post).equipment, {})
                known = replace(read_searches(connection, kinds[at]), equipment=works)
                loads.append(Load(arrival, true[crossing_id], at in held, known))
    return loads


class _Arrivals:
    """Entries of a history as the service would have taken them."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        heads = tables.declarations["declaration_id"].to_pylist()
        self._heads = {name: at for at, name in enumerate(heads)}
        self._items: dict[str, list[int]] = {}
        for at, name in enumerate(tables.goods_items["declaration_id"].to_pylist()):
            self._items.setdefault(name, []).append(at)

    def find(self, at: int) -> Arrival | None:
        """Return the arrival of a crossing's row; None for an exit."""
        (crossing,) = self._tables.crossings.slice(at, 1).to_pylist()
        if crossing["direction"] != "entry":
            return None
        name = crossing["declaration_id"]
        if name not in self._heads:
            return to_arrival(crossing, None, ())
        (head,) = self._tables.declarations.slice(self._heads[name], 1).to_pylist()
        items = self._tables.goods_items.take(self._items[name]).to_pylist()
        return to_arrival(crossing, head, tuple(items))


# Simulated searches.

BODIES: tuple[BodyType, ...] = get_args(BodyType)
BODIES_OF: Mapping[str, tuple[BodyType, ...]] = {
    "07": ("tilt", "reefer"), "08": ("reefer",), "15": ("tank",), "27": ("tank",),
    "29": ("tank", "container"), "44": ("timber",), "72": ("flat",), "8703": ("car_carrier",),
}  # fmt: skip
"""By the beginning of the HS code; other goods travel in tilts, boxes and containers."""
CORRIDORS = tuple(f"{post}{way}" for post in range(6) for way in "<>")
PAST = 20_000
"""Searches that orders learn from; of their vehicles 3 in 100 carry something."""


class _SimulatedWorld:
    """Where loads lie: a factor for each place by body, by group of goods, and by corridor."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._factor: dict[object, NDArray[np.float64]] = {}

    def draw_vehicle(self) -> tuple[bool, BodyType, str, str]:
        """Draw a lorry: whether it is empty, its body, its goods, its corridor."""
        goods = LINES[int(self.rng.integers(len(LINES)))].hs6
        fitting = [bodies for code, bodies in BODIES_OF.items() if goods.startswith(code)]
        bodies = fitting[-1] if fitting else ("tilt", "box", "container")
        body = bodies[int(self.rng.integers(len(bodies)))]
        corridor = CORRIDORS[int(self.rng.integers(len(CORRIDORS)))]
        return bool(self.rng.random() < 0.2), body, goods, corridor

    def draw_place(self, lorry: tuple[bool, BodyType, str, str]) -> str:
        """Draw where such a lorry hides its load."""
        empty, body, goods, corridor = lorry
        weight = np.array([PRIOR["truck"][place] for place in PLACES])
        for what in (body, corridor, *(() if empty else (goods_group(int(goods[:2])),))):
            if what not in self._factor:
                self._factor[what] = np.exp(self.rng.normal(0.0, 1.0, len(PLACES)))
            weight = weight * self._factor[what]
        weight *= [place in list_places(empty, body) for place in PLACES]
        return PLACES[int(self.rng.choice(len(PLACES), p=weight / weight.sum()))]


def list_places(empty: bool, body: BodyType) -> list[str]:
    """Return the places of a lorry."""
    lacked = (*LACKED_BY_BODY[body], *(("cargo.",) if empty else ()))
    return [place for place in PLACES if not place.startswith(lacked)]


def simulate(seed: int, *, judged: int) -> list[Load]:
    """Return loaded lorries, with what searches of others before them showed."""
    world = _SimulatedWorld(seed)
    with (
        TemporaryDirectory(prefix="bench-search-") as name,
        Store(f"sqlite:///{name}/places.sqlite") as store,
    ):
        METADATA.create_all(store.engine)
        with store.write() as connection:
            count_history(connection, [_search_one(world, number) for number in range(PAST)])
            loads = []
            for _ in range(judged):
                lorry = world.draw_vehicle()
                known = read_searches(connection, _name(lorry))
                loads.append(Load(_arrive(lorry), world.draw_place(lorry), False, known))
    return loads


def _search_one(world: _SimulatedWorld, number: int) -> SearchedVehicle:
    """Search half of a lorry's places; four loads in five are found where one looks."""
    lorry = world.draw_vehicle()
    has = list_places(lorry[0], lorry[1])
    searched = [place for place in has if world.rng.random() < 0.5]
    place = world.draw_place(lorry) if world.rng.random() < 0.03 else None
    found = [place] if place in searched and world.rng.random() < 0.8 else []
    return SearchedVehicle(str(number), _name(lorry), searched, [p for p in found if p])


def _name(lorry: tuple[bool, BodyType, str, str]) -> str:
    empty, body, goods, corridor = lorry
    chapter = "" if empty else str(int(goods[:2]))
    return f"truck:{'empty' if empty else 'laden'}:{BODIES.index(body)}:{chapter}:{corridor}"


def _arrive(lorry: tuple[bool, BodyType, str, str]) -> Arrival:
    empty, body, goods, _ = lorry
    crossing = Crossing(
        crossing_id="bench",
        post="bench",
        direction="entry",
        arrived_at=datetime(2025, 1, 1, tzinfo=UTC),
        vehicle_class="truck",
        is_empty=empty,
        body_type=body,
    )
    if empty:
        return Arrival(crossing=crossing)
    item = GoodsItem(item_no=1, hs_code=goods, packages=400, net_mass_kg=9000.0)
    declared = Declaration(declaration_id="bench", procedure="import", items=(item,))
    return Arrival(crossing=crossing, declaration=declared)


def interval(ours: Hits, fixed: Hits) -> tuple[float, float]:
    """Return the 95 % interval of the ratio of two shares of the same loads, by resampling them."""
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, len(ours), (RESAMPLED, len(ours)))
    ratios = ours[drawn].sum(axis=1) / np.maximum(fixed[drawn].sum(axis=1), 1)
    low, high = np.quantile(ratios, (0.025, 0.975)).tolist()
    return low, high
