"""Removal of valid rows that conflict with others: unknown posts, the future, repeats, orphans.

Assumes an order: a row that one rule removes is absent for the next, so that an item of a
quarantined declaration is an orphan. Only its own faults remove a crossing: where its declaration
is missing it stays, with a data gap.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.domain.goods import GoodsClasses
from engine.domain.network import Network
from engine.domain.validation import bare
from features.history.tables import KEYS, MODELS, Tables
from features.intake.row_validation import RowRule, ValidatedTable

Parts = dict[str, ValidatedTable]
_FORECASTS = frozenset({"expected_at"})
"""Times that may lie after the load: what was announced, not what happened."""

REFERENCES = (
    ("goods_items", "declaration_id", "declarations"),
    ("inspections", "crossing_id", "crossings"),
    ("seizures", "inspection_id", "inspections"),
    ("seizures", "crossing_id", "crossings"),
)
"""(table, column, the table whose row it must name), in the order in which they are checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRows:
    """What a folder holds, row by row, and how its rows are counted."""

    parts: Parts
    seen: Mapping[str, int]
    """Rows by file, or by what else one row stands for."""
    complete: Callable[[Parts], Parts] = dict
    """Removes what is left of a row that makes several records, of which one has a fault."""
    total: Callable[[Mapping[str, int]], Mapping[str, int]] = dict
    """Returns counts as a load states them, from those by the names in ``seen``."""
    rowless: Mapping[str, int] = field(default_factory=dict)
    """What was taken without a row, as a load states it."""
    differences: Mapping[str, int] = field(default_factory=dict)
    """Crossings by the field in which their document differs; ``document``: it is not there."""


@dataclass(frozen=True, slots=True)
class ExistingIds:
    """Keys that a home already holds, which new rows may refer to or repeat."""

    tables: Tables | None = None

    def keys(self, name: str) -> Any:
        """Return the keys of one table as strings."""
        if self.tables is None:
            return pa.array([], pa.string())
        return ValidatedTable(name, self.tables.table(name), None).strings(*KEYS[name])


@dataclass(frozen=True, slots=True)
class HeldRows:
    """Files and lines of rows whose key the home holds already."""

    same: set[tuple[str, int]]
    """With the same values."""
    other: set[tuple[str, int]]


def check(
    parts: Mapping[str, ValidatedTable],
    network: Network,
    *,
    now: int,
    held: ExistingIds,
    goods: GoodsClasses,
) -> Parts:
    """Remove the rows that conflict with others, each with its fault, from validated tables.

    A crossing may name the posts of ``network``, any where it is empty; a row with a time at or
    after ``now`` (UTC microseconds) is not known yet; new rows may refer to the rows ``held``; a
    find has a class of ``goods``, and a unit of that class.
    Repeats of rows that the home holds are still in the answer: see :func:`without_held`.
    """
    left = {
        name: _unique(
            part.keep(*_at_posts(part, network), *_are_known(part, now), *_fit_classes(part, goods))
        )
        for name, part in parts.items()
    }
    for name in MODELS:
        part = left[name]
        rules = (
            _is_no_orphan(part, column, left[target], held=held.keys(target))
            for table, column, target in REFERENCES
            if table == name
        )
        left[name] = part.keep(*rules)
    left["declarations"] = _with_items(left, held)
    return left


def _fit_classes(part: ValidatedTable, goods: GoodsClasses) -> Iterator[RowRule]:
    if part.name != "seizures":
        return
    codes, units = part.rows["goods_class"].to_pylist(), part.rows["unit"].to_pylist()
    known = [code is None or code in goods.by_code for code in codes]
    why = f"one of {', '.join(goods.by_code)}"
    yield RowRule(np.array(known, np.bool_), "goods_class", "unknown_enumeration", why)
    fits = [
        unit is None or code not in goods.by_code or goods.by_code[code].takes(unit)
        for code, unit in zip(codes, units, strict=True)
    ]
    why = "goods of the class are stated in another unit"
    yield RowRule(np.array(fits, np.bool_), "unit", "wrong_unit", why)


def without_held(parts: Mapping[str, ValidatedTable], held: ExistingIds) -> tuple[Parts, HeldRows]:
    """Remove the rows whose key the home already holds from another load."""
    left: Parts = {}
    found = HeldRows(set(), set())
    for name, part in parts.items():
        key = KEYS[name][-1]
        place = pc.index_in(part.strings(*KEYS[name]), value_set=held.keys(name))
        is_new = _mask(place.is_null())
        is_other = np.zeros(len(is_new), np.bool_)
        if not is_new.all() and held.tables is not None:
            is_other[~is_new] = _differ(
                part.rows.filter(pa.array(~is_new)),
                held.tables.table(name).take(place.drop_null()),
            )
        found.same.update(_places(part, ~is_new & ~is_other))
        found.other.update(_places(part, is_other))
        left[name] = part.keep(
            RowRule(is_new | is_other, key, "duplicate_id", "an earlier load holds this already"),
            RowRule(
                ~is_other,
                key,
                "duplicate_id",
                "an earlier load holds this with other values: withdraw that load to correct it",
            ),
        )
    found.same.difference_update(found.other)  # where one row makes several records
    return left, found


def _places(part: ValidatedTable, mask: NDArray[np.bool_]) -> Iterator[tuple[str, int]]:
    chosen = part.where.filter(pa.array(mask))
    return zip(chosen["file"].to_pylist(), chosen["line"].to_pylist(), strict=True)


def _differ(rows: Any, others: Any) -> NDArray[np.bool_]:
    """Return for each row whether a field of the record differs from that of the other row."""
    found = np.zeros(rows.num_rows, np.bool_)
    for name in rows.column_names:
        one, other = rows[name].combine_chunks(), others[name].combine_chunks()
        if pa.types.is_list(one.type):  # no member holds a line break
            one, other = pc.binary_join(one, "\n"), pc.binary_join(other, "\n")
        is_equal = pc.fill_null(pc.equal(one, other), False)
        found |= ~_mask(pc.or_(is_equal, pc.and_(one.is_null(), other.is_null())))
    return found


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


def _at_posts(part: ValidatedTable, network: Network) -> Iterator[RowRule]:
    if network.posts and part.name == "crossings":
        is_named = _is_in(part.strings("post"), pa.array(list(network.posts), pa.string()))
        yield RowRule(is_named, "post", "unknown_post", "the network file names no such post")


def _are_known(part: ValidatedTable, now: int) -> Iterator[RowRule]:
    for name, info in MODELS[part.name].model_fields.items():
        if bare(info.annotation) is datetime and name not in _FORECASTS:
            early = _mask(pc.fill_null(pc.less(part.rows[name], now), True))
            yield RowRule(early, name, "not_yet_known", "at or after the time of loading")


def _unique(part: ValidatedTable) -> ValidatedTable:
    """Keep the first row of each key."""
    names = part.strings(*KEYS[part.name])
    if pc.all(pc.less(names[:-1], names[1:])).as_py():  # most files are in order: none comes twice
        return part
    codes = names.dictionary_encode().indices.to_numpy()
    first = np.zeros(len(codes), np.bool_)
    first[np.unique(codes, return_index=True)[1]] = True
    why = "an earlier row has the same id"
    return part.keep(RowRule(first, KEYS[part.name][-1], "duplicate_id", why))


def _is_no_orphan(
    part: ValidatedTable, column: str, target: ValidatedTable, *, held: Any
) -> RowRule:
    names = part.strings(column)
    known = _is_in(names, target.strings(*KEYS[target.name])) | _is_in(names, held)
    why = f"no accepted row of {target.name} has this id"
    return RowRule(known | _mask(names.is_null()), column, "orphan", why)


def _with_items(parts: Mapping[str, ValidatedTable], held: ExistingIds) -> ValidatedTable:
    heads = parts["declarations"]
    ids = heads.strings("declaration_id")
    having = _is_in(ids, parts["goods_items"].strings("declaration_id"))
    if held.tables is not None:
        having |= _is_in(ids, held.tables.goods_items["declaration_id"])
    why = "a declaration needs one valid goods item"
    return heads.keep(RowRule(having, "items", "missing_key", why))


def _is_in(values: Any, among: Any) -> NDArray[np.bool_]:
    if len(among) > len(values):  # a table of those asked for is the smaller one
        among = among.filter(pc.is_in(among, value_set=pc.unique(values)))
    return _mask(pc.is_in(values, value_set=among))


def _mask(values: Any) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = values.to_numpy(zero_copy_only=False).astype(np.bool_)
    return found
