"""Records as rows of a history, and arrivals as they come back from such rows."""

from collections.abc import Mapping
from typing import Any

from engine.domain.records import Arrival, Record
from engine.domain.time_units import micros, moment

Row = dict[str, Any]
TIMES = frozenset({"arrived_at", "recorded_at", "expected_at", "lodged_at"})


def to_row(record: Any) -> Row:
    """Return all fields of a record, also those that its JSON text leaves out; times in micros."""
    return {name: _cell(value) for name, value in vars(record).items()}


def _cell(value: Any) -> Any:
    if isinstance(value, tuple):
        return [to_row(one) if isinstance(one, Record) else one for one in value]
    return micros(value) if hasattr(value, "tzinfo") else value


def to_arrival(crossing: Row, declaration: Row | None, items: tuple[Row, ...]) -> Arrival:
    """Return the arrival of rows; columns that no record has, such as ``known_at``, are left out.

    Raises pydantic's ``ValidationError`` for rows that are no record.
    """
    content: dict[str, Any] = {"crossing": _content(crossing, but="known_at")}
    if declaration is not None:
        goods = [_content(item, but="declaration_id") for item in items]
        content["declaration"] = _content(declaration, but="known_at") | {"items": goods}
    return Arrival.model_validate(content, strict=False)


def _content(row: Mapping[str, Any], *, but: str) -> Row:
    return {
        name: moment(value) if name in TIMES else value
        for name, value in row.items()
        if value is not None and name != but
    }
