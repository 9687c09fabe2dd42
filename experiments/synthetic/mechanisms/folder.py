"""A network as a bulk folder, with its ground truth: nothing in it is real.

The same mechanism, crossings and seed give the same bytes. ``network.toml`` says that the folder is
synthetic, and every post, party and plate has a name that is none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import pyarrow as pa

from engine.domain.network import IdentifierField
from engine.domain.time_units import HOUR, MINUTE, micros
from experiments.synthetic.config import Bools, Config, Floats, Ints
from experiments.synthetic.mechanisms.course import BASES, Course, run_course
from experiments.synthetic.mechanisms.hidden_risks import Mechanism, draw_risks
from experiments.synthetic.mechanisms.traffic import (
    CLASSES,
    GOODS,
    ORIGINS,
    POSTS,
    Trips,
    draw_trips,
)
from experiments.synthetic.records.crossing_tables import names, text, times
from experiments.synthetic.records.data_errors import blank
from experiments.synthetic.records.writer import DEFAULT_DAYS, DEFAULT_END, write_csv

_SECOND = 1_000_000
_NIGHT = 19
"""Hour of the day, UTC, at which it is midnight at the posts."""
_COUNTRIES = ("UZ", "KZ", "TJ", "KG", "CN", "RU", "TR", "IR", "DE", "PL", "IN", "KR")


def write(out: Path, *, mechanism: Mechanism, crossings: int, seed: int) -> None:
    """Write a folder of about ``crossings`` crossings over the year before ``DEFAULT_END``."""
    config = Config(crossings, seed, micros(DEFAULT_END), DEFAULT_DAYS)
    trips = draw_trips(config)
    risks = draw_risks(mechanism, trips, config)
    rows = _Rows(trips, run_course(trips, risks, config), config, group=risks.group)
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

    def __init__(self, trips: Trips, course: Course, config: Config, *, group: Ints | None) -> None:
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
        return blank(text(np.maximum(both, 0), prefix, 7), both < 0)

    def _ids(self, trip: Ints, kind: str) -> pa.Array:
        return text(trip, f"{kind}{self.config.seed}-", 7)

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
                "post": names([code for code, _ in POSTS], post),
                "direction": names(("exit", "entry"), is_entry.astype(np.int64)),
                "arrived_at": times(arrived),
                "vehicle_class": names(CLASSES, trips.is_truck[trip].astype(np.int64)),
                "plate": self._party_ids(self.course.plate, "P"),
                "plate_country": names(_COUNTRIES, trips.vehicle[trip] % 4),
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
                "lodged_at": times(lodged),
                "procedure": names(("import", "transit"), (trips.consignee[at] % 5 == 0) * 1),
                "declarant_id": text(trips.declarant[at], "B", 6),
                "consignor_id": text(trips.consignor[at], "E", 6),
                "consignee_id": text(trips.consignee[at], "I", 6),
                "dispatch_country": names(_COUNTRIES, (trips.origin[at] + 5 * detour) % ORIGINS),
                "destination_country": names(_COUNTRIES, destination),
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
                "hs_code": text(10_001 * (trips.goods[at] + 7), "", 6),
                "origin_country": names(_COUNTRIES, trips.origin[at]),
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
        methods = names(("documents;xray;physical", "documents"), course.is_look[at] * 1)
        return pa.table(
            {
                "inspection_id": self._ids(at, "i"),
                "crossing_id": self._ids(at, "c"),
                "basis": names(BASES, course.basis[at]),
                "propensity": pa.array(course.propensity[at], from_pandas=True),
                "started_at": times(started),
                "completed_at": times(started + 50 * MINUTE),
                "recorded_at": times(np.maximum(self._record_times()[at], started + 55 * MINUTE)),
                "methods": methods,
                "minutes": pa.array(np.full(len(at), 50.0)),
                "outcome": names(("clear", "discrepancy", "seizure"), course.outcome[at]),
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
                "plate": text(course.plate[row], "P", 7),
                "seized_at": times(recorded - 2 * MINUTE),
                "recorded_at": times(recorded),
                "substance_class": names(("narcotic",), np.zeros(len(row), np.int64)),
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
    return blank(text(np.maximum(values, 0), prefix, 7), np.asarray(values) < 0)


def _network_toml() -> str:
    """Return the network file; its first line says that nothing in it is real."""
    lines = ["synthetic = true", "", "[identifiers]"]
    lines += [f'{field} = "synthetic"' for field in get_args(IdentifierField)]
    for index, (code, country) in enumerate(POSTS):
        lines += ["", "[[posts]]", f'code = "{code}"', f'name = "Synthetic post {code}"']
        lines += [f'country = "{country}"', f'pair = "{POSTS[index ^ 1][0]}"']
    return "\n".join(lines) + "\n"
