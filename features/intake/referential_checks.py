"""Removal of valid rows that conflict with others: unknown posts, the future, repeats, orphans.

Assumes an order: a row that one rule removes is absent for the next, so that an item of a
quarantined declaration is an orphan. Only its own faults remove a crossing: where its declaration
is missing it stays, with a data gap.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.domain.network import Network
from engine.domain.validation import bare
from features.history.tables import KEYS, MODELS, Tables
from features.intake.row_validation import ValidatedTable

Parts = dict[str, ValidatedTable]
_FORECASTS = frozenset({"expected_at"})
"""Times that may lie after the load: what was announced, not what happened."""

_REFERENCES = (
    ("goods_items", "declaration_id", "declarations"),
    ("inspections", "crossing_id", "crossings"),
    ("seizures", "inspection_id", "inspections"),
    ("seizures", "crossing_id", "crossings"),
)
"""(table, column, the table whose row it must name), in the order in which they are checked."""


@dataclass(frozen=True, slots=True)
class ExistingIds:
    """Keys that a home already holds, which new rows may refer to or repeat."""

    tables: Tables | None = None

    def keys(self, name: str) -> Any:
        """Return the keys of one table as strings."""
        if self.tables is None:
            return pa.array([], pa.string())
        return ValidatedTable(name, self.tables.table(name), None).strings(*KEYS[name])


def check(
    parts: Mapping[str, ValidatedTable], network: Network, *, now: int, held: ExistingIds
) -> Parts:
    """Remove the rows that conflict with others, each with its fault, from validated tables.

    A crossing may name the posts of ``network``, any where it is empty; a row with a time at or
    after ``now`` (UTC microseconds) is not known yet; new rows may refer to the rows ``held``.
    Repeats of rows that the home holds are still in the answer: see :func:`without_held`.
    """
    left = dict(parts)
    if network.posts:
        left["crossings"] = _at_posts(left["crossings"], network)
    left = {name: _unique(_drop_unknown_times(part, now)) for name, part in left.items()}
    for name, column, target in _REFERENCES:
        left[name] = _drop_orphans(left[name], column, left[target], held=held.keys(target))
    left["declarations"] = _with_items(left, held)
    return left


def without_held(parts: Mapping[str, ValidatedTable], held: ExistingIds) -> Parts:
    """Remove the rows whose key the home already holds from another load."""
    return {
        name: part.keep(
            ~_is_in(part.strings(*KEYS[name]), held.keys(name)),
            KEYS[name][-1],
            rule="duplicate_id",
            message="an earlier load holds this already",
        )
        for name, part in parts.items()
    }


def drop_partial_rows(parts: Mapping[str, ValidatedTable]) -> Parts:
    """Remove what is left of rows that make several records, of which one has a fault."""
    bad = pa.array(
        [f"{f.file}\n{f.line}" for part in parts.values() for f in part.faults], pa.string()
    )
    left = {}
    for name, part in parts.items():
        lines = part.where["line"].cast(pa.string())
        places = pc.binary_join_element_wise(part.where["file"], lines, "\n")
        good = pc.invert(pc.is_in(places, value_set=bad))
        left[name] = replace(part, rows=part.rows.filter(good), where=part.where.filter(good))
    return left


def _at_posts(part: ValidatedTable, network: Network) -> ValidatedTable:
    return part.keep(
        _is_in(part.strings("post"), pa.array(list(network.posts), pa.string())),
        "post",
        rule="unknown_post",
        message="the network file names no such post",
    )


def _drop_unknown_times(part: ValidatedTable, now: int) -> ValidatedTable:
    for field, info in MODELS[part.name].model_fields.items():
        if bare(info.annotation) is datetime and field not in _FORECASTS:
            early = pc.fill_null(pc.less(part.rows[field], now), True)
            part = part.keep(
                _mask(early), field, rule="not_yet_known", message="at or after the time of loading"
            )
    return part


def _unique(part: ValidatedTable) -> ValidatedTable:
    """Keep the first row of each key."""
    names = part.strings(*KEYS[part.name])
    if pc.all(pc.less(names[:-1], names[1:])).as_py():  # most files are in order: none comes twice
        return part
    codes = names.dictionary_encode().indices.to_numpy()
    first = np.zeros(len(codes), np.bool_)
    first[np.unique(codes, return_index=True)[1]] = True
    return part.keep(
        first, KEYS[part.name][-1], rule="duplicate_id", message="an earlier row has the same id"
    )


def _drop_orphans(
    part: ValidatedTable, column: str, target: ValidatedTable, *, held: Any
) -> ValidatedTable:
    names = part.strings(column)
    known = _is_in(names, target.strings(*KEYS[target.name])) | _is_in(names, held)
    return part.keep(
        known | _mask(names.is_null()),
        column,
        rule="orphan",
        message=f"no accepted row of {target.name} has this id",
    )


def _with_items(parts: Mapping[str, ValidatedTable], held: ExistingIds) -> ValidatedTable:
    heads = parts["declarations"]
    ids = heads.strings("declaration_id")
    having = _is_in(ids, parts["goods_items"].strings("declaration_id"))
    if held.tables is not None:
        having |= _is_in(ids, held.tables.goods_items["declaration_id"])
    return heads.keep(
        having, "items", rule="missing_key", message="a declaration needs one valid goods item"
    )


def _is_in(values: Any, among: Any) -> NDArray[np.bool_]:
    if len(among) > len(values):  # a table of those asked for is the smaller one
        among = among.filter(pc.is_in(among, value_set=pc.unique(values)))
    return _mask(pc.is_in(values, value_set=among))


def _mask(values: Any) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = values.to_numpy(zero_copy_only=False).astype(np.bool_)
    return found
