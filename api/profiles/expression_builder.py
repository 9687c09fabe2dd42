"""Builder of an expression: rows of a field, a comparison and a value, joined by AND or OR.

It writes the profile language and nothing else: what a row may compare with what is for the check,
which says where it does not fit. A list of texts, and a field of the goods, is asked whether one of
them fits.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from babel import Locale

from api.web.form_fields import FieldMistake, FormError, join_lines
from api.web.i18n import N_
from api.web.number_parsing import AmbiguousNumeralError, NumeralError, read_number
from api.web.visitor import Form, read_field

MOST_ROWS, FIRST_ROWS = 8, 2
JOINS = {"&&": N_("all of these"), "||": N_("one of these or more")}
COMPARISONS = {
    "==": N_("is"),
    "!=": N_("is not"),
    "<": N_("is less than"),
    "<=": N_("is at most"),
    ">": N_("is more than"),
    ">=": N_("is at least"),
    "startsWith": N_("begins with"),
    "contains": N_("contains"),
    "in": N_("is one of (separate by commas)"),
    "has": N_("is known"),
}
"""What a row may ask, by the sign or the function of the language."""
_FUNCTIONS = ("startsWith", "contains")
_GOODS = "goods."


@dataclass(frozen=True, slots=True)
class BuilderRow:
    """One row as it was filled in."""

    number: int
    field: str
    comparison: str
    value: str


def read_rows(form: Form) -> list[BuilderRow]:
    """Return the rows of a form, at least ``FIRST_ROWS`` of them."""
    asked = read_field(form, "rows")
    count = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 3 else 0
    if read_field(form, "build") == "row":
        count += 1
    numbers = range(1, min(max(count, FIRST_ROWS), MOST_ROWS) + 1)
    names = ("field", "comparison", "value")
    texts = [[join_lines(read_field(form, f"{name}_{n}")) for name in names] for n in numbers]
    return [BuilderRow(n, *each) for n, each in zip(numbers, texts, strict=True)]


def write_expression(form: Form, kinds: Mapping[str, str], locale: Locale) -> str:
    """Return the expression that the rows of a form make; empty rows are left out.

    ``kinds`` are those of the fields by full name. Raises ``FormError`` with a mistake at each row
    that cannot be written.
    """
    mistakes: list[FieldMistake] = []
    written: list[str] = []
    for row in read_rows(form):
        if not row.field:
            continue
        try:
            written.append(_write_row(row, kinds, locale))
        except FormError as error:
            mistakes += error.mistakes
    if not written and not mistakes:
        mistakes.append(FieldMistake("field_1", "missing_key"))
    if mistakes:
        raise FormError(*mistakes)
    join = read_field(form, "join")
    return f" {join if join in JOINS else '&&'} ".join(written)


def _write_row(row: BuilderRow, kinds: Mapping[str, str], locale: Locale) -> str:
    kind = kinds.get(row.field)
    if kind is None or row.comparison not in COMPARISONS:
        raise FormError(FieldMistake(f"field_{row.number}", "unknown_field"))
    name, over = row.field, ""
    if row.field.startswith(_GOODS):
        name, over = f"g.{row.field.removeprefix(_GOODS)}", "goods.exists(g, {})"
    elif kind == "texts":
        name, over = "c", f"{row.field}.exists(c, {{}})"
    if row.comparison == "has":
        return (
            f"size({row.field}) > 0" if kind == "texts" else (over or "{}").format(f"has({name})")
        )
    value = _write_value(row, kind, locale)
    if row.comparison in _FUNCTIONS:
        asked = f"{name}.{row.comparison}({value})"
    else:
        asked = f"{name} {row.comparison} {value}"
    return (over or "{}").format(asked)


def _write_value(row: BuilderRow, kind: str, locale: Locale) -> str:
    parts = row.value.split(",") if row.comparison == "in" else [row.value]
    texts = [part.strip() for part in parts if part.strip()]
    if not texts:
        raise FormError(FieldMistake(f"value_{row.number}", "missing_key"))
    literals = [_write_literal(row, kind, text, locale) for text in texts]
    return f"[{', '.join(literals)}]" if row.comparison == "in" else literals[0]


def _write_literal(row: BuilderRow, kind: str, text: str, locale: Locale) -> str:
    if kind == "bool":
        return text.lower()
    if kind != "number":
        return json.dumps(text, ensure_ascii=False)
    minus = "-" if text.startswith("-") else ""
    try:
        number = read_number(text.removeprefix("-").strip(), locale)
    except AmbiguousNumeralError as error:
        found: dict[str, Any] = {"whole": error.grouped, "fraction": error.fraction}
        raise FormError(FieldMistake(f"value_{row.number}", "ambiguous_number", found)) from None
    except NumeralError:
        about = {"example": "40.5"}
        raise FormError(FieldMistake(f"value_{row.number}", "not_a_number", about)) from None
    return f"{minus}{number:.15g}"
