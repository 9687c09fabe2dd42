"""What a checked history holds in each field: how many rows fill it, its range, its look-alikes.

For who decides whether a file is what it should be: a mass in tonnes, a month without rows, one
carrier under three spellings. Values of texts are counted and never shown.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.domain.identifiers import fold
from engine.domain.time_units import rfc3339
from engine.domain.validation import bare
from features.history.tables import MODELS, Tables


@dataclass(frozen=True, slots=True)
class FieldSummary:
    """One field of one table."""

    filled: int
    """Rows with a value."""
    least: float | str | None = None
    """Of numbers and times; times are RFC 3339."""
    most: float | str | None = None
    values: int | None = None
    """Different texts."""
    look_alikes: int = 0
    """Of these, spellings beyond the first of one name: case, marks, Cyrillic for Latin letters."""


def summarize_fields(tables: Tables) -> dict[str, dict[str, FieldSummary]]:
    """Return the summary of each field that has a value, by table and field."""
    found: dict[str, dict[str, FieldSummary]] = {}
    for table, model in MODELS.items():
        for name, info in model.model_fields.items():
            column = tables.table(table)[name].combine_chunks()
            if pa.types.is_list(column.type):
                filled = pc.sum(pc.greater(pc.list_value_length(column), 0)).as_py() or 0
                column = pc.list_flatten(column)
            else:
                filled = len(column) - column.null_count
            if filled:
                is_time = bare(info.annotation) is datetime
                made = _summarize(column, filled, is_time=is_time)
                found.setdefault(table, {})[name] = made
    return found


def _summarize(column: Any, filled: int, *, is_time: bool) -> FieldSummary:
    if pa.types.is_string(column.type):
        values = column.drop_null().unique().to_pylist()
        return FieldSummary(
            filled, None, None, len(values), len(values) - len({*map(fold, values)})
        )
    if pa.types.is_boolean(column.type):
        return FieldSummary(filled)
    ends = pc.min_max(column).as_py()
    least, most = ends["min"], ends["max"]
    if is_time:
        return FieldSummary(filled, rfc3339(least), rfc3339(most))
    return FieldSummary(filled, least, most)
