"""Every record that a planned world could leave, encoded once for all policies.

Which trips take place depends on who was searched before, so runs and the ordinary trips whose
place they take are both encoded here; who keeps the records of one policy's world says which of
them are there (:mod:`experiments.simulation.incremental_features`). All of it is synthetic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.domain.network import read_network
from engine.domain.time_units import DAY
from experiments.synthetic.config import Config, Ints
from experiments.synthetic.records import crossing_tables, document_tables
from experiments.synthetic.unfolding import inspections, seizures
from experiments.synthetic.unfolding.world_simulation import World
from experiments.synthetic.world.network import network_toml
from experiments.synthetic.world.world_plan import WorldPlan as Trips
from features.catalogue.plan import Lookup, Plan
from features.history.tables import SCHEMAS, Tables, absent_column, arrange_table
from features.offline.encoded_history import EncodedHistory, read_log

SLACK_DAYS = 40
"""Days after the end by which every record of the world has become known."""


@dataclass(frozen=True, slots=True)
class Index:
    """Rows of each entity of one combination, in the order in which they became known."""

    keys: Ints
    """Distinct keys, ascending."""
    start: Ints
    order: Ints

    def codes(self, keys: Ints) -> Ints:
        """Return the number of each key, shape (n,); -1 where no row has it or it is not known."""
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where((keys != 0) & (self.keys[at] == keys), at, -1)

    def rows(self, code: int) -> Ints:
        """Return the rows of one entity, shape (k,)."""
        return self.order[self.start[code] : self.start[code + 1]]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Records that could be, in the order in which they would become known."""

    tables: Tables
    plan: Plan
    log: EncodedHistory
    keys: Mapping[Lookup, Ints]
    index: Mapping[tuple[str, ...], Index]
    codes: Mapping[Lookup, Ints]
    """For each look-up the number of the entity that each row asks for, -1 where not known."""
    measures: Mapping[str, Ints]
    entry_row: Ints
    """For each trip, the row of its entry and of its exit; -1 for none."""
    exit_row: Ints


def candidates(trips: Trips, plan: Plan) -> Candidates:
    """Encode every record that the trips of a plan could leave."""
    made, rows_of = _tables(trips)
    log = read_log(made, plan)
    keys = {lookup: np.asarray(log.keys[at]) for at, lookup in enumerate(plan.lookups)}
    index = {by: _index(keys[of, by]) for of, by in plan.lookups if of == by}
    measures = {
        name: np.asarray(found, np.int64)
        for name, found in log.streams["crossings"].measures.items()
    }
    return Candidates(
        tables=made,
        plan=plan,
        log=log,
        keys=keys,
        index=index,
        codes={lookup: index[lookup[1]].codes(found) for lookup, found in keys.items()},
        measures=measures,
        entry_row=rows_of[1],
        exit_row=rows_of[0],
    )


def _index(keys: Ints) -> Index:
    order = np.argsort(keys, kind="stable")
    distinct, start = np.unique(keys[order], return_index=True)
    return Index(distinct, np.append(start, len(keys)), order)


def _tables(trips: Trips) -> tuple[Tables, tuple[Ints, Ints]]:
    """Return the history in which every trip takes place, and each trip's exit and entry row."""
    world = _full_world(trips)
    kept = crossing_tables.rows(world)
    if kept is None:  # pragma: no cover - the configuration above asks for exactly what there is
        raise ValueError("a record of the world is missing")
    crossings = crossing_tables.crossings(world, kept)
    number = {name: at for at, name in enumerate(crossings["crossing_id"].to_pylist())}
    crossings = crossings.append_column(
        "known_at", pa.array(np.maximum(kept.arrived_at, kept.recorded_at))
    )
    found: dict[str, Any] = {
        "crossings": crossings,
        "declarations": document_tables.declarations(world, kept),
        "goods_items": document_tables.goods_items(world, kept),
    }
    made = {
        name: arrange_table(name, _cast_table(name, found[name]))
        if name in found
        else schema.empty_table()
        for name, schema in SCHEMAS.items()
    }
    place = np.array([number[name] for name in made["crossings"]["crossing_id"].to_pylist()])
    rows = np.full((2, len(trips.calls.vehicle)), -1)
    rows[kept.is_entry[place].astype(np.int64), kept.trip[place]] = np.arange(len(place))
    network = read_network(Path("network.toml"), text=network_toml())
    return Tables(**made, network=network, digest=""), (rows[0], rows[1])


def _full_world(trips: Trips) -> World:
    """Return the impossible world in which all trips take place and none is searched."""
    enters = trips.entry_post >= 0
    leaves = (trips.exit_post >= 0) & (trips.habits.has_mirror | ~enters)
    span = trips.config
    config = Config(
        int(enters.sum() + leaves.sum()),
        span.seed,
        span.end + SLACK_DAYS * DAY,
        span.days + SLACK_DAYS,
    )
    n = len(enters)
    none, nothing = np.zeros(0, np.int64), np.zeros(0)
    given = none.astype(np.int8), nothing
    no_acts = inspections.search(trips, span.rng("none"), rows=none, given=given, hiding=none)
    seized = seizures.Seizures(none, none, none.astype(np.bool_), none, none, nothing)
    return World(
        replace(trips, config=config),
        happens=np.ones(n, np.bool_),
        p_seizure=np.zeros(n),
        p_discrepancy=np.zeros(n),
        hiding=np.full(n, -1),
        propensity=np.zeros(n),
        acts=no_acts,
        seizures=seized,
    )


def _cast_table(name: str, table: pa.Table) -> pa.Table:
    """Return a table of the generator with the columns of a history."""
    columns = {}
    for field in SCHEMAS[name]:
        if field.name not in table.column_names:
            columns[field.name] = absent_column(field.type, table.num_rows)
            continue
        column = table[field.name]
        if pa.types.is_list(field.type):
            cells = column.to_pylist()
            column = pa.array([cell.split(";") if cell else [] for cell in cells], field.type)
        elif pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        columns[field.name] = column.cast(field.type)
    return pa.table(columns)
