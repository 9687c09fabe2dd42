"""Random histories: few entities and few instants, so that ties and repeats abound.

``crowd`` adds many entities that are seen once or twice, next to the few that are always there.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.domain.network import BorderPost, Network
from engine.domain.records import Crossing, Declaration, GoodsItem, Inspection, Record, Seizure
from engine.domain.time_units import DAY, HOUR, MINUTE, micros, moment
from features.catalogue.spec import Feature, Read
from features.history.tables import SCHEMAS, Tables

START = micros(Crossing(
    crossing_id="x", post="x", direction="entry", arrived_at="2024-01-01T00:00:00Z",  # type: ignore[arg-type]
    vehicle_class="car",
).arrived_at)  # fmt: skip
NETWORK = Network(
    MappingProxyType(
        {
            code: BorderPost(
                code=code,
                name=code,
                country=country,
                pair=pair,
                timezone=zone,
                administration=by,
                lat=lat,
                lon=None if lat is None else 69.1,
            )
            for code, country, pair, zone, by, lat in (
                ("OYB", "UZ", "FOT", "Asia/Kabul", "one", 40.5),
                ("FOT", "TJ", "OYB", "Europe/Berlin", "one", 37.25),
                ("ALT", "UZ", None, "Asia/Almaty", "other", None),
            )
        }
    ),
    identifiers=MappingProxyType({"declarant_id": "shared"}),
)
"""Posts with clocks of their own; the third one names drivers and most parties otherwise."""


@dataclass(frozen=True)
class History:
    """Records in the order in which they became known, with the time of each."""

    crossings: Sequence[tuple[int, Crossing, Declaration | None]]
    inspections: Sequence[tuple[int, Inspection]]
    seizures: Sequence[tuple[int, Seizure, str | None]]


@dataclass(frozen=True)
class _Shape:
    step: int
    span: int
    crowd: int


def history(
    seed: int, crossings: int, *, step: int = 6 * HOUR, span: int | None = None, crowd: int = 0
) -> History:
    """Draw a history; times fall on multiples of ``step``, so that many are equal.

    It spans 400 days, unless told otherwise; with steps of minutes, 144 of them.
    """
    if span is None:
        span = 400 * DAY if step >= HOUR else 144 * step
    rng, shape = random.Random(seed), _Shape(step, span, crowd)
    passages = [_crossing(rng, number, shape) for number in range(crossings)]
    passages.sort(key=lambda row: (row[0], row[1].crossing_id))
    acts: list[tuple[int, Inspection]] = []
    finds: list[tuple[int, Seizure, str | None]] = []
    for known_at, crossing, _ in passages:
        turns = range(rng.choice((0, 0, 1, 1, 2)))
        acts += [
            _act(rng, crossing, known_at, f"i-{crossing.crossing_id}-{turn}", step)
            for turn in turns
        ]
        if rng.random() < 0.1:
            at = known_at + rng.randrange(1, 60) * step
            finds.append((at, _find(rng, crossing, at), crossing.crossing_id))
    finds = _find_goods(random.Random(seed), acts, finds, step)
    acts.sort(key=lambda row: (row[0], row[1].inspection_id))
    finds.sort(key=lambda row: (row[0], row[1].seizure_id))
    return History(passages, acts, finds)


def thin_history(found: History, before: int, *, kind: str) -> History:
    """Leave out every third record of a kind that was known before a time.

    Kinds are "crossings", "inspections" and "seizures"; with a crossing goes what is about it.
    """

    def keep_rows(rows: Sequence[Any], name: str) -> list[Any]:
        is_kind = name == kind
        return [
            row for at, row in enumerate(rows) if not (is_kind and at % 3 == 0 and row[0] < before)
        ]

    crossings = keep_rows(found.crossings, "crossings")
    known = {crossing.crossing_id for _, crossing, _ in crossings}
    return History(
        crossings,
        [row for row in keep_rows(found.inspections, "inspections") if row[1].crossing_id in known],
        [row for row in keep_rows(found.seizures, "seizures") if row[1].crossing_id in known],
    )


def list_movable_features(catalogue: Mapping[str, Feature], *, kind: str) -> set[str]:
    """Name the features that an earlier record of a kind can move; no other record can."""
    streams = {
        "crossings": {"crossings", "inspections", "finds", "passed", "spread"},
        "inspections": {"inspections", "passed", "spread"},
        "seizures": {"finds", "spread"},
    }[kind]
    return {
        name
        for name, feature in catalogue.items()
        for item in feature.inputs
        if isinstance(item, Read)
        if item.stream in streams or (item.stream == "inspections" and item.measure == "seizure")
    }


def _maybe(rng: random.Random, values: Sequence[Any], missing: float = 0.2) -> Any:
    return None if rng.random() < missing else rng.choice(values)


def _who(rng: random.Random, names: Sequence[str], crowd: int, missing: float = 0.2) -> str | None:
    """Draw one of the few, or half of the time one of the crowd: the first of it come often."""
    if not crowd or rng.random() < 0.5:
        name: str | None = _maybe(rng, names, missing)
        return name
    return f"{names[0]}{int(crowd * rng.random() ** 2)}"


def _crossing(
    rng: random.Random, number: int, shape: _Shape
) -> tuple[int, Crossing, Declaration | None]:
    step, crowd = shape.step, shape.crowd
    arrived = START + rng.randrange(0, shape.span // step) * step
    recorded = _maybe(rng, (arrived, arrived + step, arrived + 3 * step), 0.5)
    declaration = _declaration(rng, number, arrived, crowd=crowd) if rng.random() < 0.7 else None
    crossing = Crossing(
        crossing_id=f"c{number:05d}",
        post=rng.choice(("OYB", "FOT", "ALT")),
        direction=rng.choice(("entry", "exit")),
        arrived_at=moment(arrived),
        recorded_at=None if recorded is None else moment(recorded),
        vehicle_class=rng.choice(("car", "van", "truck")),
        plate=_who(rng, ("01 A 123 BC", "01А123ВС", "40 777 AAA", "xy-9"), crowd),
        trailer_plate=_who(rng, ("T1", "T2"), crowd, 0.5),
        driver_ref=_who(rng, ("d1", "d2", "d3"), crowd),
        carrier_id=_who(rng, ("k1", "k2"), crowd),
        seal_numbers=tuple(rng.sample(("S1", "S2", "S3"), rng.randrange(3))),
        container_numbers=_maybe(rng, (("CSQU3054383",), ("CSQU3054384",)), 0.7) or (),
        vin=_maybe(rng, ("1M8GDM9AXKP042788", "1M8GDM9AXKP042789"), 0.6),
        weighed_mass_kg=_maybe(rng, (900.0, 12_345.67, 39_999.95)),
        is_empty=_maybe(rng, (True, False)),
        declaration_id=None if declaration is None else declaration.declaration_id,
        body_type=(None, "tilt", "reefer")[number % 3],
    )
    return micros(crossing.known_at), crossing, declaration


def _declaration(rng: random.Random, number: int, arrived: int, *, crowd: int) -> Declaration:
    own = random.Random(number)
    return Declaration(
        declaration_id=f"d{number:05d}",
        lodged_at=_maybe(rng, (moment(arrived - 5 * HOUR), moment(arrived + HOUR))),
        procedure=rng.choice(("import", "tir")),
        declarant_id=_who(rng, ("b1", "b2"), crowd),
        consignor_id=_who(rng, ("o1", "o2"), crowd),
        consignee_id=_who(rng, ("e1", "e2"), crowd),
        dispatch_country=_maybe(rng, ("CN", "TR")),
        destination_country=_maybe(rng, ("UZ", "TJ")),
        tir_carnet=_maybe(rng, ("XB1234",), 0.6),
        cmr_number=_maybe(rng, ("C-1", "C-2"), 0.6),
        transport_mode=_maybe(rng, ("30", "31")),
        nature_of_transaction=_maybe(rng, ("11", "21")),
        payment_type=_maybe(rng, ("A", "E")),
        invoice_value=_maybe(own, (0.0, 100.5, 45_000.0, 9.9e6)),
        invoice_currency=_maybe(own, ("USD", "UZS", "EUR")),
        incoterm=_maybe(own, ("CIF", "EXW")),
        office_of_entry=_maybe(own, ("UZ26004", "UZ26007")),
        office_of_exit=_maybe(own, ("KZ55302",)),
        route_countries=_maybe(own, (("KZ",), ("TM", "AF"), ("AF", "TM"))) or (),
        previous_documents=_maybe(own, (("N821:1", "N730:2"), ("N821:7",), ("bare 12",))) or (),
        documents=_maybe(own, (("N935",), ("N935", "C651"))) or (),
        guarantee_type=_maybe(own, ("0", "B")),
        items=tuple(
            GoodsItem(
                item_no=place + 1,
                hs_code=_goods(rng.choice(("07", "0701", "070190", "8703230000")), number),
                origin_country=_maybe(rng, ("CN", "TR")),
                packages=_maybe(rng, (1, 40)),
                net_mass_kg=_maybe(rng, (0.0, 0.1, 10.5, 12_000.0)),
                gross_mass_kg=_maybe(rng, (11.0, 13_000.0)),
                customs_value_usd=_maybe(rng, (0.0, 0.3, 99.99, 45_000.0)),
                duty_rate=_maybe(rng, (0.0, 0.08, 1.5)),
                preference_code=_maybe(rng, ("A", "FEU1")),
                origin_marking=_maybe(rng, ("CN", "none")),
                package_kind=_maybe(own, ("BX", "PK", "CT")),
            )
            for place in range(rng.randrange(1, 4))
        ),
    )


def _goods(code: str, number: int) -> str:
    """Return the code, in some declarations one of precursors or of their neighbours."""
    others = ({}, _PRECURSORS, {})[number % 3]
    return others.get(code, code)


_PRECURSORS = {"07": "290230", "070190": "291524", "0701": "2915"}


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


_GOODS: Sequence[tuple[str, str | None]] = (
    ("narcotic", None), ("narcotic", "narcotics"), ("other", "tobacco"), ("other", "alcohol"),
)  # fmt: skip


def _find_goods(
    rng: random.Random,
    acts: Sequence[tuple[int, Inspection]],
    elsewhere: Sequence[tuple[int, Seizure, str | None]],
    step: int,
) -> list[tuple[int, Seizure, str | None]]:
    """Return the finds made elsewhere and those of acts, all of goods of some class."""
    own = [
        (at, Seizure(
            seizure_id=f"{act.inspection_id}-{number}",
            inspection_id=act.inspection_id,
            crossing_id=act.crossing_id,
            recorded_at=moment(at),
            substance_class="other",
            quantity_g=_maybe(rng, (12.4, 2_000.0)),
        ), act.crossing_id)
        for known_at, act in acts
        if act.outcome == "seizure"
        for number in range(rng.choice((0, 1, 1, 2)))
        for at in [known_at + rng.randrange(0, 9) * step]
    ]  # fmt: skip
    made = []
    for at, seizure, link in [*elsewhere, *own]:
        substance, code = rng.choice(_GOODS)
        named = {"substance_class": substance, "goods_class": code}
        made.append((at, seizure.model_copy(update=named), link))
    return made


def tables(found: History) -> Tables:
    """Return a history as the tables that intake would make of it."""
    heads = [d for _, _, d in found.crossings if d is not None]
    heads.sort(key=lambda d: d.declaration_id)
    items = [(d.declaration_id, item) for d in heads for item in d.items]
    return Tables(
        crossings=_table("crossings", [(c, {"known_at": t}) for t, c, _ in found.crossings]),
        declarations=_table("declarations", [(d, {}) for d in heads]),
        goods_items=_table("goods_items", [(i, {"declaration_id": d}) for d, i in items]),
        inspections=_table(
            "inspections",
            [(i, {"known_at": t, "documents": (), "due_at": None}) for t, i in found.inspections],
        ),
        seizures=_table(
            "seizures",
            [(s, {"known_at": t, "linked_crossing_id": link}) for t, s, link in found.seizures],
        ),
        network=NETWORK,
        digest="",
    )


def known_before(found: Tables, cut: int) -> Tables:
    """Return a history as it stood at a time."""
    past = {
        name: found.table(name).filter(pc.less(found.table(name)["known_at"], cut))
        for name in ("crossings", "inspections", "seizures")
    }
    return replace(found, **past)


def _table(name: str, rows: Sequence[tuple[Record, dict[str, Any]]]) -> Any:
    schema = SCHEMAS[name]
    found = [dict(record) | added for record, added in rows]
    columns = {field.name: [_cell(row[field.name]) for row in found] for field in schema}
    return pa.Table.from_pydict(columns, schema)


def _cell(value: Any) -> Any:
    if hasattr(value, "tzinfo"):
        return micros(value)
    return list(value) if isinstance(value, tuple) else value


def alike(found: History) -> History:
    """Return the history with the same goods on the same terms in every declaration."""
    head = next(d for _, _, d in found.crossings if d is not None)
    item = head.items[0].model_copy(
        update={
            "item_no": 1,
            "hs_code": "070190",
            "origin_country": "CN",
            "net_mass_kg": 10.5,
            "duty_rate": 0.08,
            "preference_code": "A",
            "origin_marking": "CN",
        }
    )
    same = {"dispatch_country": "CN", "transport_mode": "30", "items": (item,)}
    crossings = [(t, c, d and d.model_copy(update=same)) for t, c, d in found.crossings]
    return History(crossings, found.inspections, found.seizures)


def turn_directions(found: History) -> History:
    """Return the history with every vehicle leaving at FOT or entering at OYB."""
    ways = ({"post": "FOT", "direction": "exit"}, {"post": "OYB", "direction": "entry"})
    crossings = [
        (t, c.model_copy(update=ways[place // 3 % 2]), d)
        for place, (t, c, d) in enumerate(found.crossings)
    ]
    return History(crossings, found.inspections, found.seizures)


EVENTFUL = (
    history(2, 300, step=6 * HOUR),
    alike(history(3, 100, step=6 * HOUR)),
    turn_directions(history(4, 300, step=10 * MINUTE, span=6 * HOUR, crowd=30)),
)
"""Histories in which, together, every feature moves: over a year, and within minutes."""
