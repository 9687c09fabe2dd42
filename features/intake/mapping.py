"""A mapping file: where the tables of an office stand, and how their cells are written.

A mapping is checked against the records (:mod:`engine.domain.records`) before a row is read: every
field exists, required ones have a source, and every code table is there.
"""

import codecs
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from engine.domain.field_types import check_national_name
from engine.domain.network import check_time_zone
from engine.domain.validation import bare, read_document
from features.history.tables import MODELS
from features.intake.file_reader import BETWEEN_MEMBERS

NATIONAL_KINDS: Mapping[str, type] = {"text": str, "number": float, "boolean": bool}
"""Python's type of a national field by the type that a mapping states."""
TableName = Literal["crossings", "declarations", "goods_items", "inspections", "seizures"]


def _check_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
        "".encode(name)
    except LookupError:
        raise PydanticCustomError("unknown_encoding", "no encoding of texts") from None
    return name


def _check_time_format(text: str) -> str:
    moment = datetime(2025, 12, 31, 14, 5)
    try:
        is_whole = datetime.strptime(moment.strftime(text), text).date() == moment.date()
    except ValueError:
        is_whole = False
    if not is_whole:
        why = "states no day, month and year in the signs of strptime, such as %d.%m.%Y %H:%M"
        raise PydanticCustomError("bad_time_format", why)
    return text


def _list_columns(given: object) -> object:
    """Read the name of a column, or a list of names, as a column without anything else."""
    if isinstance(given, str | list):
        given = {"column": given}
    if isinstance(given, dict) and isinstance(given.get("column"), str):
        given = given | {"column": [given["column"]]}
    return given


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CellForm(_Part):
    """How cells are written: stated for a column, else for its table, else for the whole file."""

    decimal: Literal[".", ","] | None = None
    """The decimal mark of numbers that are text; default a point."""
    grouping: Literal[" ", ".", ",", "'"] | None = None
    """What may stand between groups of three digits; default a space."""
    time_format: Annotated[str, AfterValidator(_check_time_format)] | None = None
    """Times that are text, in the signs of ``strptime``; default RFC 3339."""
    timezone: Annotated[str, AfterValidator(check_time_zone)] | None = None
    """Zone of times that state no offset, a name of the tz database; without it they are faults."""


class TextForm(CellForm):
    """How tables are written."""

    encoding: Annotated[str, AfterValidator(_check_encoding)] | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    database: str | None = None
    """Address of a database for SQLAlchemy, or ``$NAME``: the variable that holds the address."""


class MappedColumn(CellForm):
    """From which columns a field is read, or which value it has in every row."""

    column: tuple[str, ...] = ()
    """Several are joined by ``join``; of a list each is a member, or holds several members."""
    join: str = " "
    constant: str | bool | int | float | None = None
    codes: str | dict[str, str] = {}
    """What each code becomes: a table, or the name of one in ``codes`` of the file."""
    otherwise: str | None = None
    """What a code becomes that no table holds; without it such a cell is a fault of its row."""
    keep: bool = False
    """Leave codes that no table holds as they are."""
    separator: Annotated[str, Field(min_length=1)] = BETWEEN_MEMBERS
    """Between the members of a list in one cell."""
    factor: Annotated[Decimal, Field(gt=0, le=1_000_000, allow_inf_nan=False)] = Decimal(1)
    """What a number is multiplied by, exactly: 1000 for tonnes in a field in kilograms."""
    digits: Annotated[int, Field(ge=1, le=16)] | None = None
    """Fills a code with zeros on the left up to so many digits: spreadsheets cut them off."""

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if bool(self.column) == (self.constant is not None):
            why = "a field has either column or constant"
            raise PydanticCustomError("contradiction", why)
        return self


Column = Annotated[MappedColumn, BeforeValidator(_list_columns)]


class NationalColumn(MappedColumn):
    """From which columns a national field is read, and its type."""

    type: Literal["text", "number", "boolean"] = "text"


class MappedTable(TextForm):
    """Where the rows of one table stand, and its fields."""

    file: str | None = None
    """Name in the folder: ``.xlsx``, ``.parquet``, anything else is text; ``*`` names several."""
    sheet: str | None = None
    header: Annotated[int, Field(ge=1, le=100)] = 1
    """Line of the header in a text or a sheet."""
    query: str | None = None
    """SQL that gives the rows; ORDER BY makes lines of faults the same each time."""
    when: str | None = None
    """A column: rows with an empty cell in it are no rows of this table."""
    distinct: bool = False
    """Take rows that are equal in all columns of this table for one."""
    columns: dict[str, Column]
    national: dict[str, Annotated[NationalColumn, BeforeValidator(_list_columns)]] = {}
    """Fields of the country's own, which a record carries under ``national``."""

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if (self.file is None) == (self.query is None):
            raise PydanticCustomError("contradiction", "a table has either file or query")
        if self.file is not None and (Path(self.file).name != self.file or self.file == ".."):
            why, at = "the name of a file in the folder, without a path", {"field": "file"}
            raise PydanticCustomError("not_a_name", why, at)
        return self


class MappingFile(TextForm):
    """A mapping file, checked against the records: every field exists, every code table is there.

    Attributes
    ----------
    note
        Name and SHA-256 of the file, for the record of the load.
    """

    codes: dict[str, dict[str, str]] = {}
    crossings: MappedTable
    declarations: MappedTable | None = None
    goods_items: MappedTable | None = None
    inspections: MappedTable | None = None
    seizures: MappedTable | None = None
    note: str = ""

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        for name, table in self.tables():
            known = MODELS[name].model_fields
            for field, column in table.columns.items():
                at = f"{name}.columns.{field}"
                if field not in known or field == "national":
                    raise _refuse(at, "unknown_field", "no field of the record")
                self._check_column(at, bare(known[field].annotation), column)
            for field, own in table.national.items():
                at = f"{name}.national.{field}"
                if "national" not in known:
                    raise _refuse(at, "unknown_field", "the record has no national fields")
                check_national_name(field, at)
                self._check_column(at, NATIONAL_KINDS[own.type], own)
            _check_required(name, table)
            if table.query is not None and not (table.database or self.database):
                raise _refuse(f"{name}.database", "missing_key", "a query needs a database")
        return self

    def _check_column(self, at: str, kind: Any, column: MappedColumn) -> None:
        kind = str if get_origin(kind) in (tuple, Literal) else kind
        for key in column.model_fields_set & _USES.keys():
            if kind not in _USES[key]:
                raise _refuse(f"{at}.{key}", "wrong_kind", "is not for a field of this kind")
        if isinstance(column.codes, str) and column.codes not in self.codes:
            raise _refuse(f"{at}.codes", "unknown_code_table", "no table in codes")

    def tables(self) -> Iterator[tuple[TableName, MappedTable]]:
        """Yield each table that is mapped, in the order in which they refer to one another."""
        for name in get_args(TableName):
            if (table := getattr(self, name)) is not None:
                yield name, table

    def choose_codes(self, column: MappedColumn) -> Mapping[str, str]:
        """Return the code table of a column; empty where it has none."""
        return self.codes[column.codes] if isinstance(column.codes, str) else column.codes


def _refuse(field: str, rule: Any, why: Any) -> PydanticCustomError:
    return PydanticCustomError(rule, why, {"field": field})


def _check_required(name: str, table: MappedTable) -> None:
    for field, info in MODELS[name].model_fields.items():
        if info.is_required() and field not in table.columns:
            why = "the record needs this field"
            raise _refuse(f"{name}.columns.{field}", "missing_key", why)


_USES = {
    "time_format": (datetime,),
    "timezone": (datetime,),
    "decimal": (int, float),
    "grouping": (int, float),
    "factor": (int, float),
    "digits": (str,),
}
"""Kinds of fields that a key of a column is for."""


def read_mapping(path: Path) -> MappingFile:
    """Read a mapping file; raises ``InputError`` with file, table, field and rule."""
    found = read_document(path, MappingFile)
    digest = sha256(path.read_bytes()).hexdigest()
    return found.model_copy(update={"note": f"read by {path.name}, SHA-256 {digest}"})
