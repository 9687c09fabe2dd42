"""A world as records: crossings, declarations, goods items, acts, seizures, and the truth.

A trip leaves up to two crossings: one where it leaves a country, one where it enters the next. The
last ``crossings`` of them that are known before the end are kept; whatever belongs to others, or is
not yet known, is left out.

Records have data errors: readers confuse characters, posts write plates in their own way, fields
stay empty. Dirty is not invalid: every record keeps to the contract.

The truth has one row a crossing, for the evaluation of the world alone: nothing in the product
reads it. Its probabilities are those of the generator, given who controls whom, the state of the
circle, the true lane and every sign of the trip; calibrated by construction, and tested.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.domain.records import PLACES
from engine.domain.time_units import HOUR, MINUTE
from experiments.synthetic import fleet as vehicle_identifiers
from experiments.synthetic import inspections as unfolding_inspections
from experiments.synthetic.fleet import BODIES, CONTAINER, STYLES
from experiments.synthetic.inspections import BASES
from experiments.synthetic.posts import (
    BUS,
    CAR,
    CLASSES,
    COUNTRIES,
    GOODS_CLASSES,
    POSTS,
    TRUCK,
    WAGON,
    Bools,
    Floats,
    Ints,
    countries_of,
    name_route,
)
from experiments.synthetic.smuggling import FRONTS, SUBSTANCES, WAYS
from experiments.synthetic.trade import DUTY, LINES
from experiments.synthetic.trips import RUN
from experiments.synthetic.world_plan import entry_country
from experiments.synthetic.world_simulation import World

_CONFUSED = {
    "0": "O", "O": "0", "8": "B", "B": "8", "1": "I", "I": "1", "5": "S", "S": "5", "6": "G",
    "2": "Z", "Z": "2", "M": "H", "H": "N", "N": "M", "7": "1", "3": "8", "9": "0", "4": "A",
}  # fmt: skip
MISREAD = 0.015
OWN_STYLE = 0.86
NO_PLATE = 0.006
NO_BODY = 0.08
CONTAINER_READ = 0.9


def draw_styles(rng: np.random.Generator, post: Ints) -> Ints:
    """Return how each reading is written, shape (n,): mostly in the post's own style."""
    own = np.array([STYLES.index(p.script) for p in POSTS])[post]
    other = rng.integers(0, len(STYLES), len(post))
    return np.where(rng.random(len(post)) < OWN_STYLE, own, other)


def misread(rng: np.random.Generator, readings: pa.Array, *, share: float = MISREAD) -> pa.Array:
    """Confuse one character in some readings, as plate readers do."""
    rows = np.flatnonzero(rng.random(len(readings)) < share)
    if len(rows) == 0:
        return readings
    places = rng.random(len(rows))
    wrong: list[str | None] = []
    for text, place in zip(readings.take(pa.array(rows)).to_pylist(), places.tolist(), strict=True):
        if text is None:
            wrong.append(None)
            continue
        at = int(place * len(text))
        wrong.append(text[:at] + _CONFUSED.get(text[at].upper(), text[at]) + text[at + 1 :])
    mask = np.zeros(len(readings), dtype=np.bool_)
    mask[rows] = True
    return pc.replace_with_mask(readings, pa.array(mask), pa.array(wrong, pa.string()))


def blank(values: pa.Array, where: Bools) -> pa.Array:
    """Leave some fields empty, by a mask of shape (n,)."""
    return pc.if_else(pa.array(where), pa.scalar(None, values.type), values)


def leave_out(rng: np.random.Generator, values: pa.Array, share: float) -> pa.Array:
    """Leave a random share of fields empty."""
    return blank(values, draw_some(rng, len(values), share))


def draw_some(rng: np.random.Generator, count: int, share: float | Floats) -> Bools:
    """Return which of ``count`` rows are in a random share, shape (count,)."""
    return np.asarray(rng.random(count) < share)


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


def keep_crossings(world: World) -> CrossingRows | None:
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


def format_numbers(values: Ints, prefix: str, width: int) -> pa.Array:
    """Return numbers, shape (n,), as text: a prefix and a fixed number of digits."""
    digits = pc.utf8_lpad(pa.array(values, pa.int64()).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def choose_names(options: tuple[str, ...] | list[str], which: Ints) -> pa.Array:
    """Return one of the options for each entry, shape (n,); null where ``which`` is negative."""
    index = pa.array(which, pa.int64(), mask=np.asarray(which) < 0)
    return pa.array(options, pa.string()).take(index)


def make_timestamps(instants: Ints) -> pa.Array:
    """Return instants, shape (n,), as UTC timestamps; null where negative."""
    values = np.asarray(instants, dtype=np.int64)
    return pa.array(values, pa.timestamp("us", "UTC"), mask=values < 0)


def crossing_ids(world: World, which: Ints) -> pa.Array:
    """Return the ids of crossings by number of arrival, shape (n,); null where negative."""
    found = format_numbers(np.maximum(which, 0), f"s{world.plan.config.seed}-", 8)
    return blank(found, np.asarray(which) < 0)


def declaration_ids(world: World, kept: CrossingRows) -> tuple[Ints, pa.Array]:
    """Return the trips that are declared, shape (k,), in order, and their declarations' ids."""
    trip = kept.trip[kept.carries_declaration]
    return trip, format_numbers(np.arange(len(trip)), f"d{world.plan.config.seed}-", 8)


def tabulate_crossings(world: World, kept: CrossingRows) -> pa.Table:
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
    empty = pa.array(plan.habits.lane[trip] < 0, mask=~is_goods | draw_some(rng, n, 0.06))
    carrier = plan.vehicles.carrier[vehicle]
    no_carrier = (carrier < 0) | (kind == CAR) | draw_some(rng, n, 0.07)
    country = leave_out(rng, choose_names(COUNTRIES, plan.vehicles.country[vehicle]), 0.03)
    ids = _company_ids(plan.config.rng("carrier ids"), len(plan.carriers.mess))
    declared = blank(format_numbers(np.maximum(number, 0), f"d{plan.config.seed}-", 8), number < 0)
    plate, trailer, vin = _read_marks(world, kept, (rng, post))
    return pa.table(
        {
            "crossing_id": crossing_ids(world, np.arange(n)),
            "post": choose_names([p.code for p in POSTS], post),
            "direction": choose_names(("exit", "entry"), kept.is_entry.astype(np.int64)),
            "arrived_at": make_timestamps(kept.arrived_at),
            "recorded_at": make_timestamps(kept.recorded_at),
            "vehicle_class": choose_names(CLASSES, kind),
            "plate": plate,
            "plate_country": country,
            "trailer_plate": trailer,
            "vin": vin,
            "container_numbers": _containers(world, trip, kind),
            "driver_ref": _drivers(world, trip, rng),
            "carrier_id": blank(ids.take(pa.array(np.maximum(carrier, 0))), no_carrier),
            "seal_numbers": _seals(world, kept),
            "weighed_mass_kg": pa.array(mass, from_pandas=True),
            "is_empty": empty,
            "declaration_id": declared,
            "body_type": leave_out(
                plan.config.rng("bodies read"), choose_names(BODIES, plan.body[trip]), NO_BODY
            ),
        }
    )


def _company_ids(rng: np.random.Generator, count: int) -> pa.Array:
    """Return nine-digit register numbers, none twice."""
    step = (int(rng.integers(0, 10**8)) + np.arange(count) * 61_195_301) % 700_000_000
    return (pa.array(step + 200_000_000)).cast(pa.string())


def _read_marks(
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
    reading = all_plates.take(pa.array(draw_styles(rng, post) * len(painted) + which))
    plate = leave_out(rng, misread(rng, reading), NO_PLATE)
    towed = np.where(
        kept.is_entry, plan.habits.trailer[kept.trip], plan.habits.exit_trailer[kept.trip]
    )
    all_trailers = pa.array(
        vehicle_identifiers.style_plates(vehicle_identifiers.make_trailer_plates(make, count))
    )
    trailer = all_trailers.take(pa.array(draw_styles(rng, post) * count + np.maximum(towed, 0)))
    trailer = blank(misread(rng, trailer), (towed < 0) | draw_some(rng, n, 0.22))
    all_vins = pa.array(vehicle_identifiers.make_vins(make, count).tolist(), pa.string())
    vin = blank(all_vins.take(pa.array(vehicle)), ~draw_some(rng, n, 0.3))
    return plate, trailer, vin


def painted_plates(world: World) -> list[str]:
    """Return every vehicle's plate as painted, then the later plates of those that got another."""
    fleet = world.plan.vehicles
    again = np.flatnonzero(np.isfinite(fleet.new_plate_from))
    owners = np.append(np.arange(len(fleet.carrier)), again)
    rng = world.plan.config.rng("plates")
    return vehicle_identifiers.make_plates(rng, fleet.country[owners], fleet.is_company[owners])


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
    return leave_out(rng, refs.take(pa.array(driver[trip])), 0.05)


def _seals(world: World, kept: CrossingRows) -> pa.Array:
    plan = world.plan
    rng = plan.config.rng("seals")
    n = len(plan.calls.vehicle)
    first, again, second = (format_numbers(rng.integers(10**6, 10**7, n), "A", 7) for _ in range(3))
    changed = plan.habits.seal_changed[kept.trip] & kept.is_entry
    index = pa.array(kept.trip)
    main = pc.if_else(pa.array(changed), again.take(index), first.take(index))
    both = draw_some(rng, n, 0.14)[kept.trip]
    paired = pc.binary_join_element_wise(main, second.take(index), ";")
    found = pc.if_else(pa.array(both), paired, main)
    unread = draw_some(rng, len(kept.trip), 0.08)
    return blank(found, ~plan.habits.is_sealed[kept.trip] | unread)


def _containers(world: World, trip: Ints, kind: Ints) -> pa.Array:
    """Return container numbers of loaded containers, most of which are read; boxes come back."""
    plan = world.plan
    rng = plan.config.rng("containers")
    n = len(plan.calls.vehicle)
    all_kind = plan.vehicles.vehicle_class[plan.calls.vehicle]
    is_read = rng.random(n) < CONTAINER_READ
    boxed = is_read & (plan.body == CONTAINER) & (plan.habits.lane >= 0)
    pool = max(20, n // 60)
    boxes = pa.array(vehicle_identifiers.make_container_numbers(rng, pool).tolist(), pa.string())
    box = (rng.random(n) ** 1.5 * pool).astype(np.int64)
    has_two = (rng.random(n) < 0.3) & (all_kind == TRUCK)
    index = pa.array(box[trip])
    pair = pc.binary_join_element_wise(
        boxes.take(index), boxes.take(pa.array((box[trip] * 7 + 3) % pool)), ";"
    )
    found = pc.if_else(pa.array(has_two[trip]), pair, boxes.take(index))
    return blank(found, ~boxed[trip] | (kind <= BUS))


FREE_TRADE = np.isin(COUNTRIES, ("UZ", "KZ", "KG", "TJ", "RU", "BY"))


def tabulate_declarations(world: World, kept: CrossingRows) -> pa.Table:
    """Return the declarations of the crossings that are kept."""
    plan, lanes = world.plan, world.plan.lanes
    rng = plan.config.rng("declaration fields")
    trip, ids = declaration_ids(world, kept)
    lane, n = plan.habits.lane[trip], len(trip)
    into = entry_country(plan.entry_post, plan.calls.pair, plan.calls.direction)[trip]
    through = lanes.destination[lane] != into
    leaves = plan.entry_post[trip] < 0
    tir = through & draw_some(rng, n, 0.45)
    procedure = np.where(leaves, 3, np.where(tir, 2, through.astype(np.int64)))
    ahead = np.where(draw_some(rng, n, 0.35), rng.exponential(20.0, n), rng.exponential(0.8, n))
    at = kept.arrived_at[kept.carries_declaration]
    lodged = (at - ((ahead + 0.05) * HOUR).astype(np.int64)) // 1_000_000 * 1_000_000
    kind = plan.vehicles.vehicle_class[plan.calls.vehicle[trip]]
    carnet = format_numbers(rng.integers(10**7, 10**8, n), "XV", 8)
    note = format_numbers(rng.integers(0, 10**7, n), "", 7)
    return pa.table(
        {
            "declaration_id": ids,
            "lodged_at": make_timestamps(np.where(draw_some(rng, n, 0.02), -1, lodged)),
            "procedure": choose_names(("import", "transit", "tir", "export"), procedure),
            "declarant_id": _parties(world, "declarant", lane, 0.03),
            "consignor_id": _parties(world, "consignor", lane, 0.12),
            "consignee_id": _parties(world, "consignee", lane, 0.03),
            "dispatch_country": choose_names(COUNTRIES, lanes.dispatch[lane]),
            "destination_country": choose_names(COUNTRIES, lanes.destination[lane]),
            "route_countries": _routes(world, trip, draw_some(rng, n, ROUTED)),
            "tir_carnet": blank(carnet, ~tir),
            "cmr_number": blank(note, (kind == WAGON) | draw_some(rng, n, 0.25)),
            "transport_mode": choose_names(("30", "20"), (kind == WAGON).astype(np.int64)),
            "nature_of_transaction": choose_names(("11", "12", "21", "99"), (lane * 13) % 17 // 5),
            "payment_type": choose_names(("A", "B", "E"), (lane * 7) % 11 // 4),
        }
    )


ROUTED = 0.7
"""Declarations that name the countries of routing, of those whose goods go beyond this border."""


def _routes(world: World, trip: Ints, is_named: Bools) -> pa.Array:
    """Return the countries on the way of each declared trip; null where there are but two."""
    plan, lanes = world.plan, world.plan.lanes
    lane, ends = plan.habits.lane[trip], (lanes.dispatch, lanes.destination)
    roads = zip(plan.calls.pair[trip].tolist(), plan.calls.direction[trip].tolist(), strict=True)
    found = []
    for number, road, named in zip(lane.tolist(), roads, is_named.tolist(), strict=True):
        here, there = countries_of(*road)
        start, end = (int(one[number]) for one in ends)
        is_long = named and (start, end) != (here, there)
        found.append(name_route(start, here, there, end) if is_long else None)
    return pa.array(found, pa.string())


def _parties(world: World, who: str, lane: Ints, missing: float) -> pa.Array:
    """Return register numbers of the lanes' parties; some declarations leave them out."""
    member = getattr(world.plan.lanes, who)
    rng = world.plan.config.rng(who)
    step = (int(rng.integers(0, 10**8)) + np.arange(int(member.max()) + 1) * 61_195_301) % 10**9
    ids = format_numbers(step, "", 9)
    return leave_out(rng, ids.take(pa.array(member[lane])), missing)


def tabulate_goods_items(world: World, kept: CrossingRows) -> pa.Table:
    """Return the goods items of the declarations that are kept."""
    plan, items = world.plan, world.plan.items
    rng = plan.config.rng("item fields")
    trip, ids = declaration_ids(world, kept)
    place = np.full(len(plan.calls.vehicle), -1)
    place[trip] = np.arange(len(trip))
    at = np.flatnonzero(place[items.trip] >= 0)
    at = at[np.argsort(place[items.trip[at]], kind="stable")]
    lane = plan.habits.lane[items.trip[at]]
    line, n = items.line[at], len(at)
    origin = np.where(draw_some(rng, n, 0.95), plan.lanes.origin[lane], 6)
    free = FREE_TRADE[origin]
    return pa.table(
        {
            "declaration_id": ids.take(pa.array(place[items.trip[at]])),
            "item_no": pa.array(items.item_no[at]),
            "hs_code": _hs_codes(line, plan.lanes.digits[lane], draw_some(rng, n, 0.004)),
            "description": leave_out(
                rng, choose_names([item.description for item in LINES], line), 0.06
            ),
            "origin_country": leave_out(rng, choose_names(COUNTRIES, origin), 0.02),
            "packages": leave_out(rng, pa.array(items.packages[at]), 0.08),
            "net_mass_kg": leave_out(rng, pa.array(items.net_kg[at]), 0.02),
            "gross_mass_kg": leave_out(rng, pa.array(items.gross_kg[at]), 0.05),
            "customs_value_usd": leave_out(rng, pa.array(items.value_usd[at]), 0.015),
            "duty_rate": pa.array(np.where(free, 0.0, DUTY[line])),
            "preference_code": blank(choose_names(("CIS",), np.zeros(n, np.int64)), ~free),
            "origin_marking": choose_names(("Y", "N", "B"), (lane * 5) % 13 // 5),
        }
    )


def _hs_codes(line: Ints, digits: Ints, unknown: Bools) -> pa.Array:
    """Return HS codes with as many digits as the declarant writes; a few no nomenclature knows."""
    six = [item.hs6 for item in LINES]
    forms = [c[:4] for c in six] + six + [c + "0" + c[3] + "00" for c in six]
    offset = np.select([digits == 4, digits == 6], [0, 1], 2) * len(six)
    found = pa.array(forms).take(pa.array(offset + line))
    return pc.if_else(pa.array(unknown), pa.scalar("9899990000"), found)


def tabulate_inspections(world: World, kept: CrossingRows) -> tuple[pa.Table, Ints]:
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
    lapses = draw_some(rng, n, 0.05)
    table = pa.table(
        {
            "inspection_id": format_numbers(np.arange(n), f"i{plan.config.seed}-", 7),
            "crossing_id": crossing_ids(world, place[acts.row[keep]]),
            "basis": choose_names(BASES, acts.basis[keep].astype(np.int64)),
            "propensity": pa.array(
                np.where(acts.basis[keep] <= 1, acts.propensity[keep], np.nan), from_pandas=True
            ),
            "started_at": make_timestamps(np.where(lapses, -1, acts.started_at[keep])),
            "completed_at": make_timestamps(np.where(lapses, -1, acts.completed_at[keep])),
            "recorded_at": make_timestamps(recorded[keep]),
            "methods": _join_options(unfolding_inspections.METHODS, acts.methods[keep]),
            "minutes": leave_out(rng, pa.array(acts.minutes[keep]), 0.06),
            "places_searched": _join_options(PLACES, acts.places[keep]),
            "outcome": choose_names(
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
    return blank(found, np.asarray(~chosen.any(axis=1)))


def tabulate_seizures(world: World, kept: CrossingRows, *, act_number: Ints) -> pa.Table:
    """Return the seizures known before the end; ``act_number`` has shape (n,)."""
    plan, found = world.plan, world.seizures
    rng = plan.config.rng("seizure fields")
    at, act, crossing = _known_seizures(world, kept, act_number)
    row, n = found.row[at], len(at)
    hiding = np.where(row >= 0, world.hiding[row], -1)
    substance = plan.loads.substance[row]
    strangers = format_numbers(rng.integers(100, 10**4, n), "ZZ", 4)
    plate = pa.array(painted_plates(world)).take(pa.array(plate_numbers(world, row)))
    plate = pc.if_else(pa.array(row < 0), strangers, plate)
    names_plate = (crossing < 0) | draw_some(rng, n, 0.5)
    number = format_numbers(np.maximum(act, 0), f"i{plan.config.seed}-", 7)
    what = choose_names([name for name, _, _ in SUBSTANCES], substance)
    where = choose_names([way.place for way in WAYS], hiding)
    how = choose_names([way.code for way in WAYS], hiding)
    return pa.table(
        {
            "seizure_id": format_numbers(np.arange(n), f"z{plan.config.seed}-", 6),
            "inspection_id": blank(number, act < 0),
            "crossing_id": crossing_ids(world, crossing),
            "plate": blank(misread(rng, plate, share=0.01), ~names_plate),
            "seized_at": make_timestamps(found.seized_at[at]),
            "recorded_at": make_timestamps(found.recorded_at[at]),
            "substance_class": choose_names([kind for _, kind, _ in SUBSTANCES], substance),
            "substance": leave_out(rng, what, 0.05),
            "quantity_g": pa.array(found.quantity_g[at]),
            "place": leave_out(rng, where, 0.08),
            "concealment": leave_out(rng, how, 0.12),
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
WRONGS = tuple(unfolding_inspections.WRONG_NAMES[kind] for kind in range(1, 5))


def tabulate_truth(world: World, kept: CrossingRows) -> pa.Table:
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
            "trip": format_numbers(trip, "t", 8),
            "carries": pa.array(carries.astype(np.int8)),
            "discrepancy": pa.array((wrong > 0).astype(np.int8)),
            "p_seizure": pa.array(np.round(world.p_seizure[trip], 8)),
            "p_discrepancy": pa.array(np.round(world.p_discrepancy[trip], 8)),
            "propensity": pa.array(propensity, from_pandas=True),
            "basis": choose_names(BASES, _basis_of_entry(world, kept)),
            "circle": blank(format_numbers(np.maximum(front, 0) // FRONTS, "c", 4), front < 0),
            "role": choose_names(ROLES, plan.calls.role[trip].astype(np.int64)),
            "is_lone": pa.array(carries & (plan.calls.role[trip] != RUN)),
            "place": choose_names([way.place for way in WAYS], hiding),
            "concealment": choose_names([way.code for way in WAYS], hiding),
            "substance": choose_names(
                [name for name, _, _ in SUBSTANCES],
                np.where(carries, plan.loads.substance[trip], -1),
            ),
            "quantity_g": pa.array(
                np.where(carries, plan.loads.quantity_g[trip], np.nan), from_pandas=True
            ),
            "wrong": choose_names(WRONGS, wrong - 1),
        }
    )


def _basis_of_entry(world: World, kept: CrossingRows) -> Ints:
    """Return why each entry was searched; -1 where it was not, and for exits."""
    basis = np.full(len(world.plan.calls.vehicle), -1)
    basis[world.acts.row] = world.acts.basis
    return np.where(kept.is_entry, basis[kept.trip], -1)
