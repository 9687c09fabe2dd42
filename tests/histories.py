"""Small random histories: few entities and few instants, so that ties and repeats abound."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from engine.network import Network, Post
from engine.records import Crossing, Declaration, GoodsItem, Inspection, Record, Seizure
from engine.times import DAY, HOUR, micros, moment
from features.history import SCHEMAS, Tables

START = micros(Crossing(
    crossing_id="x", post="x", direction="entry", arrived_at="2024-01-01T00:00:00Z",  # type: ignore[arg-type]
    vehicle_class="car",
).arrived_at)  # fmt: skip
NETWORK = Network(
    MappingProxyType(
        {
            code: Post(code=code, name=code, country=country, pair=pair)
            for code, country, pair in (
                ("OYB", "UZ", "FOT"),
                ("FOT", "TJ", "OYB"),
                ("ALT", "UZ", None),
            )
        }
    )
)


@dataclass(frozen=True)
class History:
    """Records in the order in which they became known, with the time of each."""

    crossings: Sequence[tuple[int, Crossing, Declaration | None]]
    inspections: Sequence[tuple[int, Inspection]]
    seizures: Sequence[tuple[int, Seizure, str | None]]


def history(seed: int, crossings: int, *, step: int = 6 * HOUR) -> History:
    """Draw a history; times fall on multiples of ``step``, so that many are equal."""
    rng = random.Random(seed)
    passages = [_crossing(rng, number, step) for number in range(crossings)]
    passages.sort(key=lambda row: (row[0], row[1].crossing_id))
    acts, finds = [], []
    for known_at, crossing, _ in passages:
        turns = range(rng.choice((0, 0, 1, 1, 2)))
        acts += [
            _act(rng, crossing, known_at, f"i-{crossing.crossing_id}-{turn}", step)
            for turn in turns
        ]
        if rng.random() < 0.1:
            at = known_at + rng.randrange(1, 60) * step
            finds.append((at, _find(rng, crossing, at), crossing.crossing_id))
    acts.sort(key=lambda row: (row[0], row[1].inspection_id))
    finds.sort(key=lambda row: (row[0], row[1].seizure_id))
    return History(passages, acts, finds)


def _maybe(rng: random.Random, values: Sequence[Any], missing: float = 0.2) -> Any:
    return None if rng.random() < missing else rng.choice(values)


def _crossing(
    rng: random.Random, number: int, step: int
) -> tuple[int, Crossing, Declaration | None]:
    arrived = START + rng.randrange(0, 400 * DAY // step) * step
    recorded = _maybe(rng, (arrived, arrived + step, arrived + 3 * step), 0.5)
    declaration = _declaration(rng, number, arrived) if rng.random() < 0.7 else None
    crossing = Crossing(
        crossing_id=f"c{number:05d}",
        post=rng.choice(("OYB", "FOT", "ALT")),
        direction=rng.choice(("entry", "exit")),
        arrived_at=moment(arrived),
        recorded_at=None if recorded is None else moment(recorded),
        vehicle_class=rng.choice(("car", "van", "truck")),
        plate=_maybe(rng, ("01 A 123 BC", "01А123ВС", "40 777 AAA", "xy-9")),
        trailer_plate=_maybe(rng, ("T1", "T2"), 0.5),
        driver_ref=_maybe(rng, ("d1", "d2", "d3")),
        carrier_id=_maybe(rng, ("k1", "k2")),
        seal_numbers=tuple(rng.sample(("S1", "S2", "S3"), rng.randrange(3))),
        container_numbers=_maybe(rng, (("CSQU3054383",), ("CSQU3054384",)), 0.7) or (),
        vin=_maybe(rng, ("1M8GDM9AXKP042788", "1M8GDM9AXKP042789"), 0.6),
        weighed_mass_kg=_maybe(rng, (900.0, 12_345.67, 39_999.95)),
        is_empty=_maybe(rng, (True, False)),
        declaration_id=None if declaration is None else declaration.declaration_id,
    )
    return micros(crossing.known_at), crossing, declaration


def _declaration(rng: random.Random, number: int, arrived: int) -> Declaration:
    return Declaration(
        declaration_id=f"d{number:05d}",
        lodged_at=_maybe(rng, (moment(arrived - 5 * HOUR), moment(arrived + HOUR))),
        procedure=rng.choice(("import", "tir")),
        declarant_id=_maybe(rng, ("b1", "b2")),
        consignor_id=_maybe(rng, ("o1", "o2")),
        consignee_id=_maybe(rng, ("e1", "e2")),
        dispatch_country=_maybe(rng, ("CN", "TR")),
        destination_country=_maybe(rng, ("UZ", "TJ")),
        tir_carnet=_maybe(rng, ("XB1234",), 0.6),
        items=tuple(
            GoodsItem(
                item_no=place + 1,
                hs_code=rng.choice(("07", "0701", "070190", "8703230000")),
                origin_country=_maybe(rng, ("CN", "TR")),
                packages=_maybe(rng, (1, 40)),
                net_mass_kg=_maybe(rng, (0.0, 0.1, 10.5, 12_000.0)),
                gross_mass_kg=_maybe(rng, (11.0, 13_000.0)),
                customs_value_usd=_maybe(rng, (0.0, 0.3, 99.99, 45_000.0)),
                duty_rate=_maybe(rng, (0.0, 0.08, 1.5)),
                preference_code=_maybe(rng, ("A", "FEU1")),
            )
            for place in range(rng.randrange(1, 4))
        ),
    )


def _act(
    rng: random.Random, crossing: Crossing, known_at: int, name: str, step: int
) -> tuple[int, Inspection]:
    recorded = known_at + rng.randrange(0, 40) * step
    act = Inspection(
        inspection_id=name,
        crossing_id=crossing.crossing_id,
        recorded_at=moment(recorded),
        basis=rng.choice(("random", "score", "officer")),
        propensity=_maybe(rng, (0.02, 1.0)),
        methods=rng.choice(((), ("documents",), ("weighing", "documents"), ("physical",))),
        outcome=rng.choice(("clear", "clear", "discrepancy", "seizure")),
    )
    return recorded, act


def _find(rng: random.Random, crossing: Crossing, at: int) -> Seizure:
    return Seizure(
        seizure_id=f"s-{crossing.crossing_id}",
        crossing_id=crossing.crossing_id,
        recorded_at=moment(at),
        substance_class="narcotic",
        quantity_g=_maybe(rng, (12.4, 2_000.0)),
    )


def tables(found: History) -> Tables:
    """Return a history as the tables that intake would make of it."""
    heads = [d for _, _, d in found.crossings if d is not None]
    heads.sort(key=lambda d: d.declaration_id)
    items = [(d.declaration_id, item) for d in heads for item in d.items]
    return Tables(
        crossings=_table("crossings", [(c, {"known_at": t}) for t, c, _ in found.crossings]),
        declarations=_table("declarations", [(d, {}) for d in heads]),
        goods_items=_table("goods_items", [(i, {"declaration_id": d}) for d, i in items]),
        inspections=_table("inspections", [(i, {"known_at": t}) for t, i in found.inspections]),
        seizures=_table(
            "seizures",
            [(s, {"known_at": t, "linked_crossing_id": link}) for t, s, link in found.seizures],
        ),
        network=NETWORK,
        digest="",
    )


def _table(name: str, rows: Sequence[tuple[Record, dict[str, Any]]]) -> Any:
    schema = SCHEMAS[name]
    found = [record.model_dump() | added for record, added in rows]
    columns = {field.name: [_cell(row[field.name]) for row in found] for field in schema}
    return pa.Table.from_pydict(columns, schema)


def _cell(value: Any) -> Any:
    if hasattr(value, "tzinfo"):
        return micros(value)
    return list(value) if isinstance(value, tuple) else value
