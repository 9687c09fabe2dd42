"""The declarations, goods items, inspection acts and seizures as records, and the ground truth.

The truth has one row a crossing, for the world's own evaluation alone: nothing in the product reads
it. Its probabilities are the generator's own, given who controls whom, the state of the circle, the
true lane and every sign of the trip; calibrated by construction, and tested.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.domain.records import PLACES
from engine.domain.time_units import HOUR
from experiments.synthetic.config import Bools, Ints
from experiments.synthetic.records import crossing_tables, data_errors
from experiments.synthetic.records.crossing_tables import (
    CrossingRows,
    crossing_ids,
    names,
    text,
    times,
)
from experiments.synthetic.unfolding import inspections as unfolding_inspections
from experiments.synthetic.unfolding.historical_policy import BASES
from experiments.synthetic.unfolding.world_simulation import World
from experiments.synthetic.world.concealment import WAYS
from experiments.synthetic.world.goods import DUTY, LINES
from experiments.synthetic.world.network import COUNTRIES, WAGON
from experiments.synthetic.world.smuggling_rings import FRONTS, SUBSTANCES
from experiments.synthetic.world.trips import RUN
from experiments.synthetic.world.world_plan import entry_country

FREE_TRADE = np.isin(COUNTRIES, ("UZ", "KZ", "KG", "TJ", "RU", "BY"))


def declarations(world: World, kept: CrossingRows) -> pa.Table:
    """Return the declarations of the crossings that are kept."""
    plan, lanes = world.plan, world.plan.lanes
    rng = plan.config.rng("declaration fields")
    trip, ids = crossing_tables.declaration_ids(world, kept)
    lane, n = plan.habits.lane[trip], len(trip)
    into = entry_country(plan.entry_post, plan.calls.pair, plan.calls.direction)[trip]
    through = lanes.destination[lane] != into
    leaves = plan.entry_post[trip] < 0
    tir = through & data_errors.some(rng, n, 0.45)
    procedure = np.where(leaves, 3, np.where(tir, 2, through.astype(np.int64)))
    ahead = np.where(
        data_errors.some(rng, n, 0.35), rng.exponential(20.0, n), rng.exponential(0.8, n)
    )
    at = kept.arrived_at[kept.carries_declaration]
    lodged = (at - ((ahead + 0.05) * HOUR).astype(np.int64)) // 1_000_000 * 1_000_000
    kind = plan.vehicles.vehicle_class[plan.calls.vehicle[trip]]
    carnet = text(rng.integers(10**7, 10**8, n), "XV", 8)
    note = text(rng.integers(0, 10**7, n), "", 7)
    return pa.table(
        {
            "declaration_id": ids,
            "lodged_at": times(np.where(data_errors.some(rng, n, 0.02), -1, lodged)),
            "procedure": names(("import", "transit", "tir", "export"), procedure),
            "declarant_id": _parties(world, "declarant", lane, 0.03),
            "consignor_id": _parties(world, "consignor", lane, 0.12),
            "consignee_id": _parties(world, "consignee", lane, 0.03),
            "dispatch_country": names(COUNTRIES, lanes.dispatch[lane]),
            "destination_country": names(COUNTRIES, lanes.destination[lane]),
            "tir_carnet": data_errors.blank(carnet, ~tir),
            "cmr_number": data_errors.blank(note, (kind == WAGON) | data_errors.some(rng, n, 0.25)),
            "transport_mode": names(("30", "20"), (kind == WAGON).astype(np.int64)),
            "nature_of_transaction": names(("11", "12", "21", "99"), (lane * 13) % 17 // 5),
            "payment_type": names(("A", "B", "E"), (lane * 7) % 11 // 4),
        }
    )


def _parties(world: World, who: str, lane: Ints, missing: float) -> pa.Array:
    """Return register numbers of the lanes' parties; some declarations leave them out."""
    member = getattr(world.plan.lanes, who)
    rng = world.plan.config.rng(who)
    step = (int(rng.integers(0, 10**8)) + np.arange(int(member.max()) + 1) * 61_195_301) % 10**9
    ids = text(step, "", 9)
    return data_errors.leave_out(rng, ids.take(pa.array(member[lane])), missing)


def goods_items(world: World, kept: CrossingRows) -> pa.Table:
    """Return the goods items of the declarations that are kept."""
    plan, items = world.plan, world.plan.items
    rng = plan.config.rng("item fields")
    trip, ids = crossing_tables.declaration_ids(world, kept)
    place = np.full(len(plan.calls.vehicle), -1)
    place[trip] = np.arange(len(trip))
    at = np.flatnonzero(place[items.trip] >= 0)
    at = at[np.argsort(place[items.trip[at]], kind="stable")]
    lane = plan.habits.lane[items.trip[at]]
    line, n = items.line[at], len(at)
    origin = np.where(data_errors.some(rng, n, 0.95), plan.lanes.origin[lane], 6)
    free = FREE_TRADE[origin]
    return pa.table(
        {
            "declaration_id": ids.take(pa.array(place[items.trip[at]])),
            "item_no": pa.array(items.item_no[at]),
            "hs_code": _hs_codes(line, plan.lanes.digits[lane], data_errors.some(rng, n, 0.004)),
            "description": data_errors.leave_out(
                rng, names([item.description for item in LINES], line), 0.06
            ),
            "origin_country": data_errors.leave_out(rng, names(COUNTRIES, origin), 0.02),
            "packages": data_errors.leave_out(rng, pa.array(items.packages[at]), 0.08),
            "net_mass_kg": data_errors.leave_out(rng, pa.array(items.net_kg[at]), 0.02),
            "gross_mass_kg": data_errors.leave_out(rng, pa.array(items.gross_kg[at]), 0.05),
            "customs_value_usd": data_errors.leave_out(rng, pa.array(items.value_usd[at]), 0.015),
            "duty_rate": pa.array(np.where(free, 0.0, DUTY[line])),
            "preference_code": data_errors.blank(names(("CIS",), np.zeros(n, np.int64)), ~free),
            "origin_marking": names(("Y", "N", "B"), (lane * 5) % 13 // 5),
        }
    )


def _hs_codes(line: Ints, digits: Ints, unknown: Bools) -> pa.Array:
    """Return HS codes with as many digits as the declarant writes; a few no nomenclature knows."""
    six = [item.hs6 for item in LINES]
    forms = [c[:4] for c in six] + six + [c + "0" + c[3] + "00" for c in six]
    offset = np.select([digits == 4, digits == 6], [0, 1], 2) * len(six)
    found = pa.array(forms).take(pa.array(offset + line))
    return pc.if_else(pa.array(unknown), pa.scalar("9899990000"), found)


def inspections(world: World, kept: CrossingRows) -> tuple[pa.Table, Ints]:
    """Return the acts known before the end, and the number of each, shape (n,), -1 if left out."""
    plan, acts = world.plan, world.acts
    place, known = _entry_place(world, kept)
    recorded = np.maximum(acts.recorded_at, known[acts.row])
    keep = np.flatnonzero((place[acts.row] >= 0) & (recorded < plan.config.end))
    keep = keep[np.argsort(recorded[keep], kind="stable")]
    number = np.full(len(acts.row), -1)
    number[keep] = np.arange(len(keep))
    rng = plan.config.rng("act fields")
    n = len(keep)
    lapses = data_errors.some(rng, n, 0.05)
    table = pa.table(
        {
            "inspection_id": text(np.arange(n), f"i{plan.config.seed}-", 7),
            "crossing_id": crossing_tables.crossing_ids(world, place[acts.row[keep]]),
            "basis": names(BASES, acts.basis[keep].astype(np.int64)),
            "propensity": pa.array(
                np.where(acts.basis[keep] <= 1, acts.propensity[keep], np.nan), from_pandas=True
            ),
            "started_at": times(np.where(lapses, -1, acts.started_at[keep])),
            "completed_at": times(np.where(lapses, -1, acts.completed_at[keep])),
            "recorded_at": times(recorded[keep]),
            "methods": _join_options(unfolding_inspections.METHODS, acts.methods[keep]),
            "minutes": data_errors.leave_out(rng, pa.array(acts.minutes[keep]), 0.06),
            "places_searched": _join_options(PLACES, acts.places[keep]),
            "outcome": names(
                ("clear", "discrepancy", "seizure"), acts.outcome[keep].astype(np.int64)
            ),
        }
    )
    return table, number


def _entry_place(world: World, kept: CrossingRows) -> tuple[Ints, Ints]:
    """Return each trip's entry crossing (-1 where none is kept), and when it was known."""
    n = len(world.plan.calls.vehicle)
    place, known = np.full(n, -1), np.zeros(n, np.int64)
    entries = np.flatnonzero(kept.is_entry)
    place[kept.trip[entries]] = entries
    known[kept.trip[entries]] = kept.known_at[entries]
    return place, known


def _join_options(options: tuple[str, ...], chosen: Bools) -> pa.Array:
    """Return the chosen options of each row as one cell; null where there are none."""
    cells = [";".join(n for n, c in zip(options, row, strict=True) if c) for row in chosen.tolist()]
    found = pa.array(cells, pa.string())
    return data_errors.blank(found, np.asarray(~chosen.any(axis=1)))


def seizures(world: World, kept: CrossingRows, *, act_number: Ints) -> pa.Table:
    """Return the seizures known before the end; ``act_number`` has shape (n,)."""
    plan, found = world.plan, world.seizures
    rng = plan.config.rng("seizure fields")
    at, act, crossing = _known_seizures(world, kept, act_number)
    row, n = found.row[at], len(at)
    hiding = np.where(row >= 0, world.hiding[row], -1)
    substance = plan.loads.substance[row]
    strangers = text(rng.integers(100, 10**4, n), "ZZ", 4)
    plate = pa.array(crossing_tables.painted_plates(world)).take(
        pa.array(crossing_tables.plate_numbers(world, row))
    )
    plate = pc.if_else(pa.array(row < 0), strangers, plate)
    names_plate = (crossing < 0) | data_errors.some(rng, n, 0.5)
    number = text(np.maximum(act, 0), f"i{plan.config.seed}-", 7)
    what = names([name for name, _, _ in SUBSTANCES], substance)
    where = names([way.place for way in WAYS], hiding)
    how = names([way.code for way in WAYS], hiding)
    return pa.table(
        {
            "seizure_id": text(np.arange(n), f"z{plan.config.seed}-", 6),
            "inspection_id": data_errors.blank(number, act < 0),
            "crossing_id": crossing_tables.crossing_ids(world, crossing),
            "plate": data_errors.blank(data_errors.misread(rng, plate, share=0.01), ~names_plate),
            "seized_at": times(found.seized_at[at]),
            "recorded_at": times(found.recorded_at[at]),
            "substance_class": names([kind for _, kind, _ in SUBSTANCES], substance),
            "substance": data_errors.leave_out(rng, what, 0.05),
            "quantity_g": pa.array(found.quantity_g[at]),
            "place": data_errors.leave_out(rng, where, 0.08),
            "concealment": data_errors.leave_out(rng, how, 0.12),
        }
    )


def _known_seizures(world: World, kept: CrossingRows, act_number: Ints) -> tuple[Ints, Ints, Ints]:
    """Return which seizures are known, each one's act, and the crossing that it names (or -1)."""
    found = world.seizures
    place, _ = _entry_place(world, kept)
    crossing = np.where(found.row >= 0, place[found.row], -1)
    act = np.where(found.act >= 0, act_number[found.act], -1)
    here = np.where(found.act >= 0, act >= 0, (found.row < 0) | (crossing >= 0))
    here &= (found.recorded_at < world.plan.config.end) & (found.seized_at > kept.arrived_at[0])
    at = np.flatnonzero(here)
    at = at[np.argsort(found.recorded_at[at], kind="stable")]
    return at, act[at], np.where(found.names_crossing, crossing, -1)[at]


ROLES = ("ordinary", "run", "escort")
WRONGS = tuple(unfolding_inspections.KINDS[kind] for kind in range(1, 5))


def truth(world: World, kept: CrossingRows) -> pa.Table:
    """Return one row a crossing; propensities stand on entries alone."""
    plan, trip = world.plan, kept.trip
    carries = plan.loads.carries[trip]
    front = plan.front[trip]
    wrong = plan.cargo.discrepancy[trip].astype(np.int64)
    hiding = world.hiding[trip]
    propensity = np.where(kept.is_entry, world.propensity[trip], np.nan)
    return pa.table(
        {
            "crossing_id": crossing_ids(world, np.arange(len(trip))),
            "trip": text(trip, "t", 8),
            "carries": pa.array(carries.astype(np.int8)),
            "discrepancy": pa.array((wrong > 0).astype(np.int8)),
            "p_seizure": pa.array(np.round(world.p_seizure[trip], 8)),
            "p_discrepancy": pa.array(np.round(world.p_discrepancy[trip], 8)),
            "propensity": pa.array(propensity, from_pandas=True),
            "basis": names(BASES, _basis_of_entry(world, kept)),
            "circle": data_errors.blank(text(np.maximum(front, 0) // FRONTS, "c", 4), front < 0),
            "role": names(ROLES, plan.calls.role[trip].astype(np.int64)),
            "is_lone": pa.array(carries & (plan.calls.role[trip] != RUN)),
            "place": names([way.place for way in WAYS], hiding),
            "concealment": names([way.code for way in WAYS], hiding),
            "substance": names(
                [name for name, _, _ in SUBSTANCES],
                np.where(carries, plan.loads.substance[trip], -1),
            ),
            "quantity_g": pa.array(
                np.where(carries, plan.loads.quantity_g[trip], np.nan), from_pandas=True
            ),
            "wrong": names(WRONGS, wrong - 1),
        }
    )


def _basis_of_entry(world: World, kept: CrossingRows) -> Ints:
    """Return why each entry was searched; -1 where it was not, and for exits."""
    basis = np.full(len(world.plan.calls.vehicle), -1)
    basis[world.acts.row] = world.acts.basis
    return np.where(kept.is_entry, basis[kept.trip], -1)
