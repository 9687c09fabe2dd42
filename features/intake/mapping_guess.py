"""A mapping file proposed from the header and the first rows of an office's file.

A proposal is for a person to read: it says of each column how sure it is, and lists what it did not
recognise. Nothing is loaded by it. A name of a column is compared with the names that offices use
(``column_names.toml``); that the cells are such values decides whether the proposal is sure.
"""

import json
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from difflib import SequenceMatcher
from functools import cache
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from engine.domain.identifiers import container_is_valid, vin_is_valid
from engine.domain.validation import bare
from engine.errors import InputError
from features.history.tables import KEYS, MODELS
from features.intake.file_reader import is_there, read_dialect
from features.intake.mapped_rows import read_text
from features.intake.mapping import MappedTable
from features.intake.office_tables import is_empty, list_sheets, open_file

Sureness = Literal["sure", "likely", "by its cells"]
SAMPLE_ROWS = 200
HEADER_LINES = 10
"""Lines in which a header is looked for."""
MOST_CODES = 20
_LIKE = 0.86
"""Least similarity of a name to a known one (difflib's ratio)."""
TIME_FORMATS = (
    "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y", "%d.%m.%y %H:%M", "%d.%m.%y",
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S",
    "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y %H:%M", "%d-%m-%Y",
)  # fmt: skip
_UNITS = {"т": 1000, "тн": 1000, "тонн": 1000, "t": 1000, "tonna": 1000, "tonnes": 1000}
_NO_UNITS = {"кг", "kg", "долл", "usd", "г", "g", "шт", "сша"}
_NUMBER = re.compile(r"[+-]?\d[\d \u00a0]*([.,]\d+)?")


@dataclass(frozen=True, slots=True)
class GuessedColumn:
    """One column of a file, and what it is taken for."""

    column: str
    table: str = ""
    field: str = ""
    sure: Sureness | None = None
    """None where it was not recognised."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mapping as text, and what it says of each column."""

    text: str
    columns: Sequence[GuessedColumn]


@dataclass(slots=True)
class _Sheet:
    """A table of a file: names of its header and the cells of its first rows, by column."""

    header: int
    names: list[str]
    cells: dict[str, list[Any]]
    title: str | None = None
    matched: dict[tuple[str, str], tuple[str, Sureness]] = field(default_factory=dict)
    """Column and sureness by table and field."""


def guess_mapping(path: Path) -> Proposal:
    """Propose a mapping for a text, a workbook or a Parquet file; raises ``InputError``."""
    if not is_there(path):
        raise InputError(str(path), "no such file")
    form = _read_form(path)
    titles: Sequence[str | None] = list_sheets(path) or [None]
    sheets = [sheet for title in titles if (sheet := _read_sheet(path, form, title)) is not None]
    if not sheets:
        raise InputError(path.name, "no header in its first lines")
    for sheet in sheets:
        _match(sheet)
    used: dict[str, _Sheet] = {}
    for sheet in sheets:
        for table in _choose_tables(sheet):
            used.setdefault(table, sheet)
    lines = [f"# Proposed from {path.name}: read every line before you load by it.", *form]
    for table in (table for table in MODELS if table in used):
        is_shared = list(used.values()).count(used[table]) > 1
        lines += ["", *_write_table(path, table, used[table], is_shared=is_shared)]
    columns = [one for sheet in sheets for one in _list_columns(sheet, used)]
    left = [one.column for one in columns if one.sure is None]
    lines += [f"# not recognised: {name!r}" for name in left]
    return Proposal("\n".join(lines) + "\n", columns)


def _read_form(path: Path) -> list[str]:
    """Return how a text is written, as lines of a mapping; none for other files."""
    if list_sheets(path) or path.suffix.lower() == ".parquet":
        return []
    found = read_dialect(path)
    lines = [] if found.encoding == "utf-8" else [f'encoding = "{found.encoding}"']
    return lines if found.delimiter == "," else [*lines, f"delimiter = {_quote(found.delimiter)}"]


def _read_sheet(path: Path, form: Sequence[str], title: str | None) -> _Sheet | None:
    stated = tomllib.loads("\n".join(form))
    table = MappedTable(file=path.name, sheet=title, columns={}, **stated)
    lines = list(islice(open_file(path, table, "crossings"), HEADER_LINES))
    filled = [sum(not is_empty(cell) for cell in row) for _, row in lines]
    at = next((at for at, width in enumerate(filled) if width > 1 and width >= max(filled) - 1), 0)
    if not lines or not filled[at]:
        return None
    header = lines[at][0]
    rows = open_file(path, table.model_copy(update={"header": header}), "crossings")
    _, first = next(rows)
    names = [" ".join(read_text(cell).split()) if cell is not None else "" for cell in first]
    sample = [row for _, row in islice(rows, SAMPLE_ROWS)]
    cells = {
        name: [row[at] for row in sample if at < len(row) and not is_empty(row[at])]
        for at, name in enumerate(names)
        if name and names.count(name) == 1
    }
    return _Sheet(header, names, cells, title)


def fold_name(name: str) -> str:
    """Return a name without case, marks and units."""
    return " ".join(word for word in _split_name(name) if word not in _NO_UNITS | _UNITS.keys())


def _split_name(name: str) -> list[str]:
    text = unicodedata.normalize("NFKC", name.replace("№", " № ")).casefold().replace("ё", "е")
    return re.sub(r"[^\w№]+", " ", text.replace("_", " ")).split()


@cache
def _read_column_names() -> Mapping[str, Any]:
    text = resources.files("features.intake").joinpath("column_names.toml").read_text("utf-8")
    return tomllib.loads(text)


@cache
def _list_names() -> Sequence[tuple[str, str, str]]:
    """Return each known name, folded, with its table and field."""
    return [
        (fold_name(name), table, one)
        for table in MODELS
        for one, names in _read_column_names()[table].items()
        for name in names
    ]


def _match(sheet: _Sheet) -> None:
    """Give each field of each table the column that fits it best."""
    found: list[tuple[float, str, str, str]] = []
    for column, cells in sheet.cells.items():
        for name, table, one in _list_names():
            if likeness := _compare(fold_name(column), name):
                likeness -= 0.0 if _fits(table, one, cells) else 0.3
                found.append((likeness, table, one, column))
        found += [(0.5, "crossings", one, column) for one in _read_by_cells(cells)]
    taken: set[tuple[str, str]] = set()
    for likeness, table, one, column in sorted(found, key=lambda each: -each[0]):
        if likeness >= 0.5 and (table, one) not in sheet.matched and (table, column) not in taken:
            taken.add((table, column))
            sureness: Sureness = "sure" if likeness == 1 else "likely"
            sheet.matched[table, one] = column, sureness if likeness > 0.5 else "by its cells"


def _compare(name: str, known: str) -> float:
    """Return how alike two folded names are: 1 where they are equal, 0 where they are not alike."""
    if name == known:
        return 1.0
    words = name.split()
    if len(known) > 3 and set(known.split()) < set(words):
        return 0.9 - 0.05 * (len(words) - len(known.split()))
    ratio = SequenceMatcher(None, name, known).ratio() if len(known) > 4 else 0.0
    return 0.85 * ratio if ratio >= _LIKE else 0.0


def _kind(table: str, one: str) -> Any:
    return bare(MODELS[table].model_fields[one].annotation)


def _fits(table: str, one: str, cells: Sequence[Any]) -> bool:
    """Tell whether most cells can be values of a field."""
    kind = _kind(table, one)
    if kind is datetime:
        return all(isinstance(cell, date) for cell in cells) or bool(_list_formats(cells))
    texts = [read_text(cell) for cell in cells]
    if kind in (int, float):
        good = [_NUMBER.fullmatch(text) is not None for text in texts]
    elif one == "hs_code":
        good = [re.fullmatch(r"\d{4,10}", text) is not None for text in texts]
    elif names := _list_values(table, one):
        good = [_fold_value(text) in names or _is_country(one, text) for text in texts]
    else:
        good = [not isinstance(cell, date) for cell in cells]
    return sum(good) * 2 >= len(good)


def _is_country(one: str, text: str) -> bool:
    return one.endswith("_country") and re.fullmatch("[A-Z]{2}", text) is not None


def _list_values(table: str, one: str) -> Mapping[str, str]:
    """Return what cells of a field with few values say, with the value of each."""
    codes = _read_column_names()["codes"].get("country" if one.endswith("_country") else one, {})
    found = {_fold_value(name): value for value, names in codes.items() for name in names}
    if get_origin(_kind(table, one)) is Literal:
        found |= {_fold_value(value): value for value in get_args(_kind(table, one))}
    return found


def _fold_value(text: str) -> str:
    return " ".join(_split_name(text))


def _read_by_cells(cells: Sequence[Any]) -> Iterator[str]:
    texts = [read_text(cell) for cell in cells]
    for one, is_valid in (("container_numbers", container_is_valid), ("vin", vin_is_valid)):
        members = [part for text in texts for part in re.split("[;, ]+", text) if part]
        if members and sum(map(is_valid, members)) * 5 >= len(members) * 4:
            yield one


def _choose_tables(sheet: _Sheet) -> list[str]:
    """Return the tables that a sheet holds: those whose key and most other needs are recognised."""
    found = []
    for table, model in MODELS.items():
        needed = [name for name, info in model.model_fields.items() if info.is_required()]
        known = [name for name in needed if (table, name) in sheet.matched]
        own = sum(1 for of, _ in sheet.matched if of == table)
        has_key = all((table, name) in sheet.matched for name in KEYS[table])
        found.append((has_key and len(known) * 2 > len(needed), own, table))
    whole = [table for is_whole, _, table in found if is_whole]
    return whole or [max(found, key=lambda each: each[1])[2]]


def _list_columns(sheet: _Sheet, used: Mapping[str, _Sheet]) -> Iterator[GuessedColumn]:
    for name in sheet.cells:
        places = [
            GuessedColumn(name, table, one, sure)
            for (table, one), (column, sure) in sheet.matched.items()
            if column == name and used.get(table) is sheet
        ]
        yield next(iter(places), GuessedColumn(name))


def _write_table(path: Path, table: str, sheet: _Sheet, *, is_shared: bool) -> Iterator[str]:
    yield f"[{table}]"
    yield f"file = {_quote(path.name)}"
    if sheet.title is not None:
        yield f"sheet = {_quote(sheet.title)}"
    if sheet.header > 1:
        yield f"header = {sheet.header}"
    if is_shared:
        key = sheet.matched[table, KEYS[table][0]][0]
        yield f"when = {_quote(key)}  # one file holds several tables"
        yield "distinct = true"
    yield f"[{table}.columns]"
    for name, info in MODELS[table].model_fields.items():
        if (table, name) in sheet.matched:
            column, sure = sheet.matched[table, name]
            yield from _write_column(table, name, column, sure, sheet.cells[column])
        elif info.is_required():
            yield f"# {name} = ...  # needed, and no column was recognised"


def _write_column(
    table: str, name: str, column: str, sure: Sureness, cells: Sequence[Any]
) -> Iterator[str]:
    keys, notes = [f"column = {_quote(column)}"], [str(sure)]
    kind = _kind(table, name)
    for key, note in (
        *_describe_number(kind, column, cells),
        *_describe_time(kind, cells),
        *_describe_text(table, name, cells),
    ):
        keys += [key] if key else []
        notes += [note] if note else []
    value = _quote(column) if len(keys) == 1 else f"{{ {', '.join(keys)} }}"
    yield f"{name} = {value}  # {'; '.join(notes)}"


_Described = Iterator[tuple[str, str]]
"""Keys of a column, and notes for who reads the proposal; either may be empty."""


def _describe_number(kind: Any, column: str, cells: Sequence[Any]) -> _Described:
    if kind not in (int, float):
        return
    texts = [cell for cell in cells if isinstance(cell, str)]
    if any("," in text for text in texts):
        yield 'decimal = ","', ""
    factor = next((_UNITS[word] for word in _split_name(column) if word in _UNITS), None)
    if factor is not None:
        yield f"factor = {factor}", "its name says tonnes"
    if "%" in column:
        yield "factor = 0.01", "its name says percent"


def _describe_time(kind: Any, cells: Sequence[Any]) -> _Described:
    if kind is not datetime:
        return
    formats = _list_formats(cells)
    if formats:
        yield f"time_format = {_quote(formats[0])}", ""
    if len(formats) > 1:
        yield "", f"or {formats[1]}: every day is 12 or less"
    is_zoned = any(isinstance(cell, datetime) and cell.tzinfo for cell in cells)
    if formats or (cells and isinstance(cells[0], date) and not is_zoned):
        yield "", "state a timezone"


def _list_formats(cells: Sequence[Any]) -> list[str]:
    """Return the forms in which all cells that are text are times."""
    texts = [cell.strip() for cell in cells if isinstance(cell, str)]
    return [form for form in TIME_FORMATS if texts and all(_is_time(t, form) for t in texts)]


def _is_time(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def _describe_text(table: str, name: str, cells: Sequence[Any]) -> _Described:
    texts = [read_text(cell).strip() for cell in cells]
    if name == "hs_code" and max(map(len, texts), default=0) == 10 and min(map(len, texts)) == 9:
        yield "digits = 10", "zeros on the left are gone"
    if get_origin(_kind(table, name)) is tuple and any("," in text for text in texts):
        yield 'separator = ","', ""
    known = _list_values(table, name)
    given = list(dict.fromkeys(texts))
    if not known or all(_is_country(name, text) or text in known.values() for text in given):
        return
    codes = {text: known.get(_fold_value(text), "") for text in given[:MOST_CODES]}
    pairs = ", ".join(f"{_quote(text)} = {_quote(value)}" for text, value in codes.items())
    blank = sum(not value for value in codes.values())
    yield f"codes = {{ {pairs} }}", f"{blank} codes are not known" if blank else ""


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
