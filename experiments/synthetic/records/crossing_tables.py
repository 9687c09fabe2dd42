"""The world as the records that a bulk folder holds.

A trip leaves up to two crossings: one where it leaves a country, one where it enters the next. The
last ``crossings`` of them that are known before the end are kept; whatever belongs to others, or is
not yet known, is left out.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.domain.time_units import HOUR, MINUTE
from experiments.synthetic.config import Bools, Ints
from experiments.synthetic.records import data_errors
from experiments.synthetic.unfolding.world_simulation import World
from experiments.synthetic.world import vehicle_identifiers
from experiments.synthetic.world.network import (
    BUS,
    CAR,
    CLASSES,
    COUNTRIES,
    GOODS_CLASSES,
    POSTS,
    TRUCK,
    WAGON,
)


@dataclass(frozen=True, slots=True)
class CrossingRows:
    """One entry a crossing that is kept, in order of arrival."""

    trip: Ints
    is_entry: Bools
    arrived_at: Ints
    recorded_at: Ints
    """-1 where the record came at once."""
    carries_declaration: Bools

    @property
    def known_at(self) -> Ints:
        """When each became known, shape (n,)."""
        return np.maximum(self.arrived_at, self.recorded_at)


def rows(world: World) -> CrossingRows | None:
    """Return the crossings to keep, None if there are too few."""
    plan, config = world.plan, world.plan.config
    rng = config.rng("records")
    enters = plan.entry_post >= 0
    leaves = (plan.exit_post >= 0) & (plan.habits.has_mirror | ~enters)
    entry, exit_ = np.flatnonzero(world.happens & enters), np.flatnonzero(world.happens & leaves)
    trip = np.concatenate([exit_, entry])
    is_entry = np.repeat([False, True], [len(exit_), len(entry)])
    arrived = np.where(is_entry, plan.habits.entry_at[trip], plan.habits.exit_at[trip])
    arrived = arrived // 1_000_000 * 1_000_000
    u = rng.random(len(trip))
    late = np.where(is_entry, rng.uniform(1, 40, len(trip)) * MINUTE, 0).astype(np.int64)
    batch = (rng.exponential(5.0, len(trip)) * HOUR).astype(np.int64)
    late = np.where(is_entry, late, np.minimum(batch, 72 * HOUR)) // 1_000_000 * 1_000_000
    recorded = np.where(u < np.where(is_entry, 0.03, 0.12), arrived + late, -1)
    known = np.maximum(arrived, recorded) < config.end
    order = np.flatnonzero(known)[np.lexsort((is_entry[known], trip[known], arrived[known]))]
    if len(order) < config.crossings:
        return None
    order = order[-config.crossings :]
    trip, is_entry = trip[order], is_entry[order]
    anchor = is_entry | (plan.entry_post[trip] < 0)
    return CrossingRows(
        trip, is_entry, arrived[order], recorded[order], anchor & plan.cargo.is_declared[trip]
    )


def text(values: Ints, prefix: str, width: int) -> pa.Array:
    """Return numbers, shape (n,), as text: a prefix and a fixed number of digits."""
    digits = pc.utf8_lpad(pa.array(values, pa.int64()).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def names(options: tuple[str, ...] | list[str], which: Ints) -> pa.Array:
    """Return one of the options for each entry, shape (n,); null where ``which`` is negative."""
    index = pa.array(which, pa.int64(), mask=np.asarray(which) < 0)
    return pa.array(options, pa.string()).take(index)


def times(instants: Ints) -> pa.Array:
    """Return instants, shape (n,), as UTC timestamps; null where negative."""
    values = np.asarray(instants, dtype=np.int64)
    return pa.array(values, pa.timestamp("us", "UTC"), mask=values < 0)


def crossing_ids(world: World, which: Ints) -> pa.Array:
    """Return the ids of crossings by number of arrival, shape (n,); null where negative."""
    found = text(np.maximum(which, 0), f"s{world.plan.config.seed}-", 8)
    return data_errors.blank(found, np.asarray(which) < 0)


def declaration_ids(world: World, kept: CrossingRows) -> tuple[Ints, pa.Array]:
    """Return the trips that are declared, shape (k,), in order, and their declarations' ids."""
    trip = kept.trip[kept.carries_declaration]
    return trip, text(np.arange(len(trip)), f"d{world.plan.config.seed}-", 8)


def crossings(world: World, kept: CrossingRows) -> pa.Table:
    """Return the crossings as records."""
    plan = world.plan
    rng = plan.config.rng("crossing fields")
    n, trip = len(kept.trip), kept.trip
    vehicle = plan.calls.vehicle[trip]
    kind = plan.vehicles.vehicle_class[vehicle]
    post = np.where(kept.is_entry, plan.entry_post[trip], plan.exit_post[trip])
    mass = np.where(kept.is_entry, plan.loads.entry_kg[trip], plan.loads.exit_kg[trip])
    number = np.full(n, -1)
    number[kept.carries_declaration] = np.arange(int(kept.carries_declaration.sum()))
    is_goods = np.isin(kind, GOODS_CLASSES)
    empty = pa.array(plan.habits.lane[trip] < 0, mask=~is_goods | data_errors.some(rng, n, 0.06))
    carrier = plan.vehicles.carrier[vehicle]
    no_carrier = (carrier < 0) | (kind == CAR) | data_errors.some(rng, n, 0.07)
    country = data_errors.leave_out(rng, names(COUNTRIES, plan.vehicles.country[vehicle]), 0.03)
    ids = _company_ids(plan.config.rng("carrier ids"), len(plan.carriers.mess))
    declared = data_errors.blank(
        text(np.maximum(number, 0), f"d{plan.config.seed}-", 8), number < 0
    )
    plate, trailer, vin = _marks(world, kept, (rng, post))
    return pa.table(
        {
            "crossing_id": crossing_ids(world, np.arange(n)),
            "post": names([p.code for p in POSTS], post),
            "direction": names(("exit", "entry"), kept.is_entry.astype(np.int64)),
            "arrived_at": times(kept.arrived_at),
            "recorded_at": times(kept.recorded_at),
            "vehicle_class": names(CLASSES, kind),
            "plate": plate,
            "plate_country": country,
            "trailer_plate": trailer,
            "vin": vin,
            "container_numbers": _containers(world, trip, kind),
            "driver_ref": _drivers(world, trip, rng),
            "carrier_id": data_errors.blank(ids.take(pa.array(np.maximum(carrier, 0))), no_carrier),
            "seal_numbers": _seals(world, kept),
            "weighed_mass_kg": pa.array(mass, from_pandas=True),
            "is_empty": empty,
            "declaration_id": declared,
        }
    )


def _company_ids(rng: np.random.Generator, count: int) -> pa.Array:
    """Return nine-digit register numbers, none twice."""
    step = (int(rng.integers(0, 10**8)) + np.arange(count) * 61_195_301) % 700_000_000
    return (pa.array(step + 200_000_000)).cast(pa.string())


def _marks(
    world: World, kept: CrossingRows, given: tuple[np.random.Generator, Ints]
) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Return plates, trailer plates and VINs as read at each crossing."""
    rng, post = given
    plan, n = world.plan, len(kept.trip)
    vehicle = plan.calls.vehicle[kept.trip]
    count, make = len(plan.vehicles.carrier), plan.config.rng("marks")
    painted = painted_plates(world)
    which = plate_numbers(world, kept.trip)
    all_plates = pa.array(vehicle_identifiers.style_plates(painted))
    reading = all_plates.take(pa.array(data_errors.styles(rng, post) * len(painted) + which))
    plate = data_errors.leave_out(rng, data_errors.misread(rng, reading), data_errors.NO_PLATE)
    towed = np.where(
        kept.is_entry, plan.habits.trailer[kept.trip], plan.habits.exit_trailer[kept.trip]
    )
    all_trailers = pa.array(
        vehicle_identifiers.style_plates(vehicle_identifiers.trailers(make, count))
    )
    trailer = all_trailers.take(
        pa.array(data_errors.styles(rng, post) * count + np.maximum(towed, 0))
    )
    trailer = data_errors.blank(
        data_errors.misread(rng, trailer), (towed < 0) | data_errors.some(rng, n, 0.22)
    )
    all_vins = pa.array(vehicle_identifiers.vins(make, count).tolist(), pa.string())
    vin = data_errors.blank(all_vins.take(pa.array(vehicle)), ~data_errors.some(rng, n, 0.3))
    return plate, trailer, vin


def painted_plates(world: World) -> list[str]:
    """Return every vehicle's plate as painted, then the later plates of those that got another."""
    fleet = world.plan.vehicles
    again = np.flatnonzero(np.isfinite(fleet.new_plate_from))
    owners = np.append(np.arange(len(fleet.carrier)), again)
    rng = world.plan.config.rng("plates")
    return vehicle_identifiers.plates(rng, fleet.country[owners], fleet.is_company[owners])


def plate_numbers(world: World, trip: Ints) -> Ints:
    """Return which of the painted plates each trip ran under, shape (n,)."""
    fleet, calls = world.plan.vehicles, world.plan.calls
    changes = np.isfinite(fleet.new_plate_from)
    later = len(changes) + np.cumsum(changes) - 1
    vehicle = calls.vehicle[trip]
    return np.where(calls.day[trip] >= fleet.new_plate_from[vehicle], later[vehicle], vehicle)


def _drivers(world: World, trip: Ints, rng: np.random.Generator) -> pa.Array:
    driver = world.plan.habits.driver
    keys = world.plan.config.rng("drivers").integers(0, 1 << 48, int(driver.max(initial=0)) + 1)
    refs = pa.array([f"drv-{key:012x}" for key in keys.tolist()])
    return data_errors.leave_out(rng, refs.take(pa.array(driver[trip])), 0.05)


def _seals(world: World, kept: CrossingRows) -> pa.Array:
    plan = world.plan
    rng = plan.config.rng("seals")
    n = len(plan.calls.vehicle)
    first, again, second = (text(rng.integers(10**6, 10**7, n), "A", 7) for _ in range(3))
    changed = plan.habits.seal_changed[kept.trip] & kept.is_entry
    index = pa.array(kept.trip)
    main = pc.if_else(pa.array(changed), again.take(index), first.take(index))
    both = data_errors.some(rng, n, 0.14)[kept.trip]
    paired = pc.binary_join_element_wise(main, second.take(index), ";")
    found = pc.if_else(pa.array(both), paired, main)
    unread = data_errors.some(rng, len(kept.trip), 0.08)
    return data_errors.blank(found, ~plan.habits.is_sealed[kept.trip] | unread)


def _containers(world: World, trip: Ints, kind: Ints) -> pa.Array:
    """Return container numbers: on half the loaded wagons and some trucks; boxes come back."""
    plan = world.plan
    rng = plan.config.rng("containers")
    n = len(plan.calls.vehicle)
    share = np.zeros(len(CLASSES))
    share[TRUCK], share[WAGON] = 0.13, 0.5
    all_kind = plan.vehicles.vehicle_class[plan.calls.vehicle]
    boxed = (rng.random(n) < share[all_kind]) & (plan.habits.lane >= 0)
    pool = max(20, n // 60)
    boxes = pa.array(vehicle_identifiers.containers(rng, pool).tolist(), pa.string())
    box = (rng.random(n) ** 1.5 * pool).astype(np.int64)
    has_two = (rng.random(n) < 0.3) & (all_kind == TRUCK)
    index = pa.array(box[trip])
    pair = pc.binary_join_element_wise(
        boxes.take(index), boxes.take(pa.array((box[trip] * 7 + 3) % pool)), ";"
    )
    found = pc.if_else(pa.array(has_two[trip]), pair, boxes.take(index))
    return data_errors.blank(found, ~boxed[trip] | (kind <= BUS))
