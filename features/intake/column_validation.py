"""Validation of whole columns of cells, for the rows that are plainly valid.

A row that passes here is one that its record model accepts, with the same values. Whatever is not
plain (an unusual time, a character beyond ASCII that repeats too seldom) is not refused but left to
the model, row by row, which alone says what is wrong. Cells that come back are given to the model's
own field once each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from engine.domain.placeholders import (
    COMMA,
    NO_NAME,
    NOTHING,
    POWER,
    PrintableText,
    TextKind,
    is_placeholder,
)
from engine.domain.records import FIRST_YEAR, AnyIdentifier, AnyPost, AnyText
from engine.domain.time_units import micros
from engine.domain.validation import bare
from features.history.tables import MODELS, SCHEMAS
from features.intake.file_reader import BETWEEN_MEMBERS, layout

Mask = NDArray[np.bool_]
Prepare = Callable[[str], Any]
Check = Callable[[Any], tuple[Any, Mask]]
"""Takes cells, null where absent; returns their values, and which of them are accepted."""

_TIME = (
    r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d"
    r"(\.\d{1,6})?(Z|[+-](0\d|1[0-4]):[0-5]\d)$"
)
_PLAUSIBLE = micros(datetime(FIRST_YEAR, 1, 2, tzinfo=UTC))
"""From here on a time has a plausible year, whatever its offset; the model looks at the rest."""
_LONGEST = ((AnyIdentifier, 64), (AnyPost, 16), (AnyText, 1000))
_NOTHING, _NO_NAME = pa.array(sorted(NOTHING)), pa.array(sorted(NO_NAME))
_NUMBER = r"^\d{1,12}(\.\d{1,12})?$"
_WHOLE = r"^(0|[1-9]\d{0,9})$"


@dataclass(frozen=True, slots=True)
class ValidatedRows:
    """Rows of one block: the values of those accepted, in the columns of the record."""

    rows: pa.RecordBatch
    accepted: Mask
    """Of the rows that were given."""
    gaps: Mapping[str, Mask] = field(default_factory=dict)
    """Of the rows that were given, those accepted whose cell is a placeholder, by field."""


class ColumnValidator:
    """Checks blocks of cells of one table, column by column."""

    def __init__(self, name: str, prepare: Mapping[str, Prepare]) -> None:
        """Take the table's name, and how cells of lists and truth values are read."""
        model = MODELS[name]
        hints = get_type_hints(model, include_extras=True)
        self._schema = pa.schema([SCHEMAS[name].field(column) for column in model.model_fields])
        self._checks = {
            column: _choose_check(
                hints[column], self._schema.field(column).type, prepare.get(column, str)
            )
            for column in model.model_fields
        }
        self._kinds: dict[str, TextKind] = {
            column: _find_kind(hints[column]) or "text" for column in model.model_fields
        }
        self._required = {n for n, info in model.model_fields.items() if info.is_required()}
        self._rules = [_BETWEEN[rule] for rule in model.__pydantic_decorators__.model_validators]

    def check(self, cells: pa.RecordBatch) -> ValidatedRows:
        """Return the rows of a block that are plainly valid; columns it lacks are absent."""
        n = cells.num_rows
        accepted = np.ones(n, np.bool_)
        columns = []
        gaps: dict[str, Mask] = {}
        for column in self._schema:
            given = cells.column(column.name) if column.name in cells.schema.names else None
            values, fits, missing = self._check_column(column, given, n)
            accepted &= fits
            columns.append(values)
            if missing is not None:
                gaps[column.name] = missing
        for rule in self._rules:
            accepted &= _mask(rule(dict(zip(self._schema.names, columns, strict=True))))
        gaps = {name: missing & accepted for name, missing in gaps.items()}
        if accepted.all():
            return ValidatedRows(pa.record_batch(columns, schema=self._schema), accepted, gaps)
        kept = pa.array(accepted)
        columns = [column.filter(kept) for column in columns]
        return ValidatedRows(pa.record_batch(columns, schema=self._schema), accepted, gaps)

    def _check_column(self, column: Any, cells: Any, n: int) -> tuple[Any, Mask, Mask | None]:
        """Return values, which are accepted, and which of those are missing by a placeholder."""
        is_list = pa.types.is_list(column.type)
        if cells is None and not is_list:
            fits = np.full(n, column.name not in self._required)
            return pa.nulls(n, column.type), fits, None
        cells = pa.nulls(n, pa.string()) if cells is None else cells  # an absent list is empty
        values, fits = self._checks[column.name](cells)
        if column.name in self._required:
            return values, fits & cells.is_valid().to_numpy(zero_copy_only=False), None
        if is_list or fits.all():
            return values, fits, None
        missing = _find_missing(cells, fits, self._kinds[column.name])
        values = pc.if_else(pa.array(missing), pa.scalar(None, column.type), values)
        return values, fits | missing, missing


@cache
def choose_validator(name: str) -> ColumnValidator | None:
    """Return the validator of a table; None where a rule between fields is unknown here."""
    if not _BETWEEN.keys() >= MODELS[name].__pydantic_decorators__.model_validators.keys():
        return None
    return ColumnValidator(name, layout(MODELS[name]).preparations)


def _choose_check(hint: Any, kind: Any, read: Prepare) -> Check:
    plain = bare(hint)
    adapter: TypeAdapter[Any] = TypeAdapter(hint, config=ConfigDict(strict=True))
    longest, text_kind = _find_longest(hint), _find_kind(hint)
    if longest is not None:
        return lambda cells: _check_text(cells, longest, text_kind)
    if plain is datetime:
        return _check_times
    bounds = _find_bounds(adapter) if plain in (float, int) else None
    if bounds is not None:
        shape = _NUMBER if plain is float else _WHOLE
        return lambda cells: _check_numbers(cells, shape, kind, bounds=bounds)
    if get_origin(plain) is tuple:
        member = _choose_check(_add(get_args(plain)[0], hint), pa.string(), str)
        most = adapter.json_schema()["maxItems"]
        return lambda cells: _check_lists(cells, member, most)
    return lambda cells: _check_distinct(cells, adapter, read, kind)


def _find_longest(hint: Any) -> int | None:
    """Return how long a printable text may be; None for any other type."""
    inner = get_args(hint)
    for text, longest in _LONGEST:
        if inner[: len(get_args(text))] == get_args(text):
            return longest
    return _find_longest(inner[0]) if inner and get_origin(hint) is not tuple else None


def _find_kind(hint: Any) -> TextKind | None:
    """Return of which kind the texts of a field are, None where it has no placeholders."""
    found = (one.kind for one in get_args(hint)[1:] if isinstance(one, PrintableText))
    return next(found, None)


def _add(member: Any, hint: Any) -> Any:
    """Return the type of a list's members with the placeholders of the list."""
    kind = _find_kind(hint)
    return member if kind is None else Annotated[member, PrintableText(kind)]


def _find_missing(cells: Any, fits: Mask, kind: TextKind) -> Mask:
    """Return which cells that do not fit are placeholders."""
    missing = ~fits
    at = np.flatnonzero(missing)
    distinct = cells.take(pa.array(at)).dictionary_encode()
    found = [is_placeholder(text, kind) for text in distinct.dictionary.to_pylist()]
    missing[at] = np.array(found)[distinct.indices.to_numpy()]
    return missing


def _find_bounds(adapter: TypeAdapter[Any]) -> tuple[float, float] | None:
    """Return between what a number lies, ends included; None where an end is not."""
    schema = adapter.json_schema()
    number = next(one for one in schema.get("anyOf", [schema]) if one["type"] != "null")
    if not number.keys() >= {"minimum", "maximum"}:
        return None
    return number["minimum"], number["maximum"]


def _check_text(cells: Any, longest: int, kind: TextKind | None) -> tuple[Any, Mask]:
    fits = pc.and_(pc.ascii_is_printable(cells), pc.less_equal(pc.binary_length(cells), longest))
    accepted = _mask(fits)
    if not accepted.all():
        rest = np.flatnonzero(~accepted)
        distinct = cells.take(pa.array(rest)).dictionary_encode()
        good = [t.isprintable() and len(t) <= longest for t in distinct.dictionary.to_pylist()]
        accepted[rest] = np.array(good)[distinct.indices.to_numpy()]
    if kind is not None:
        accepted &= ~_may_be_missing(cells, kind)
    return cells, accepted


def _may_be_missing(cells: Any, kind: TextKind) -> Mask:
    """Return which cells are placeholders, and some others that the model has to look at."""
    found = pc.is_in(cells, value_set=_NOTHING if kind == "text" else _NO_NAME)
    if kind != "text":
        found = pc.or_(found, pc.match_substring(cells, POWER))
    if kind == "member":
        found = pc.or_(found, pc.match_substring(cells, COMMA))
    return _mask(found, absent=False)


def _check_times(cells: Any) -> tuple[Any, Mask]:
    accepted = _mask(pc.match_substring_regex(cells, _TIME))
    plain = cells if accepted.all() else pc.if_else(pa.array(accepted), cells, None)
    try:
        times = plain.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    except pa.ArrowInvalid:  # a day that its month does not have
        return pa.nulls(len(cells), pa.int64()), _mask(cells.is_null())
    return times, accepted & _mask(pc.greater_equal(times, _PLAUSIBLE))


def _check_numbers(
    cells: Any, shape: str, kind: Any, *, bounds: tuple[float, float]
) -> tuple[Any, Mask]:
    accepted = _mask(pc.match_substring_regex(cells, shape))
    plain = cells if accepted.all() else pc.if_else(pa.array(accepted), cells, None)
    values = plain.cast(kind)
    within = pc.and_(pc.greater_equal(values, bounds[0]), pc.less_equal(values, bounds[1]))
    return values, accepted & _mask(within)


def _check_lists(cells: Any, member: Check, most: int) -> tuple[Any, Mask]:
    """Check the members of lists as one column; an absent list is empty."""
    lists = pc.split_pattern(cells, BETWEEN_MEMBERS)
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    flat = pc.list_flatten(lists)
    values, fits = member(flat)
    fits &= _mask(pc.greater(pc.binary_length(flat), 0))
    ends = np.r_[0, sizes.cumsum()]
    refused = np.r_[0, (~fits).cumsum()][ends]
    rows = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values)
    return rows, (refused[1:] == refused[:-1]) & (sizes <= most)


def _check_distinct(
    cells: Any, adapter: TypeAdapter[Any], read: Prepare, kind: Any
) -> tuple[Any, Mask]:
    """Give each distinct cell to the field of the model."""
    coded = cells.dictionary_encode()
    absent = () if pa.types.is_list(kind) else None
    values: list[Any] = []
    good: list[bool] = []
    for cell in coded.dictionary.to_pylist():
        try:
            values.append(adapter.validate_python(read(cell), strict=False))
            good.append(True)
        except ValidationError:
            values.append(absent)
            good.append(False)
    which = coded.indices.fill_null(len(values))
    return (
        pa.array([*values, absent], kind).take(which),
        np.array([*good, True])[which.to_numpy()],
    )


def _is_recorded_after_start(columns: Mapping[str, Any]) -> Any:
    return pc.greater_equal(columns["recorded_at"], columns["started_at"])


def _names_vehicle(columns: Mapping[str, Any]) -> Any:
    return pc.or_(columns["crossing_id"].is_valid(), columns["plate"].is_valid())


_BETWEEN: Mapping[str, Callable[[Mapping[str, Any]], Any]] = MappingProxyType(
    {"_recorded_after_start": _is_recorded_after_start, "_linked": _names_vehicle}
)
"""Rules between the fields of a record, by the name of the model's own: which rows keep them."""


def _mask(fits: Any, *, absent: bool = True) -> Mask:
    """Return which cells fit; absent ones do unless ``absent`` is False."""
    found: Mask = pc.fill_null(fits, absent).to_numpy(zero_copy_only=False).astype(np.bool_)
    return found
