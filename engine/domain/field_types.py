"""Types of fields of records: texts, codes, numbers, lists, and national fields.

A text that stands for a missing value is no value. Exports of databases and spreadsheets write
``NULL``, ``N/A``, ``-`` or ``0`` for a missing value, and ``3.01E+08`` for a long number. Taken as
an identifier, each would be one carrier or one plate with thousands of crossings.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any, Literal, cast, get_origin

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from engine.domain.identifiers import fold

TextKind = Literal["text", "name", "member"]
"""A ``name`` is an identifier of a thing, a person or a record, and a ``member`` one in a list; any
other ``text`` may be 0, as codes are."""

_WORDS = ("null", "(null)", "<null>", r"\n", "n/a", "#n/a", "н/д", "#н/д")
_SIGNS = [sign * times for sign in "-–—?.*#" for times in range(1, 13)]
_ERRORS = ("#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#ССЫЛКА!", "#ЗНАЧ!", "#ИМЯ?")
NOTHING = frozenset(
    [*_WORDS, *map(str.upper, _WORDS), *map(str.capitalize, _WORDS), *_SIGNS, *_ERRORS]
)
"""What no text may be: a word or signs for *missing*, or a spreadsheet's mark of an error."""
NO_NAME = NOTHING | {"None", "nan", "NaN", "0.0", "0,0", *("0" * times for times in range(1, 17))}
"""What no name may be: what Python writes for *missing* and zeros, too."""
POWER, COMMA = "E+", ","
"""In a name, the sign of a number in scientific notation; in a member, of several in one."""
RULE, CONTROL = "placeholder", "control_character"
_SCIENTIFIC = re.compile(r"\d+([.,]\d+)?E\+\d{1,3}")


def is_placeholder(text: str, kind: TextKind = "text") -> bool:
    """Tell whether a text of a kind stands for a missing value.

    >>> is_placeholder("0"), is_placeholder("0", "name"), is_placeholder("A1,A2", "member")
    (False, True, True)
    """
    if kind == "text":
        return text in NOTHING
    if POWER in text and _SCIENTIFIC.fullmatch(text) is not None:
        return True
    return text in NO_NAME or (kind == "member" and COMMA in text)


@dataclass(frozen=True, slots=True)
class PrintableText:
    """Metadata of a printable text, or of a list of them: placeholders are missing values.

    A required one is refused by the rule ``placeholder``; of a list those members are left out.
    Both rules are one call, because most fields of most records are such texts.
    """

    kind: TextKind
    is_required: bool = False

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check the value after its own type."""
        if get_origin(source) is tuple:
            check: Any = self._drop_members
        else:
            check = self._make_check()
        return core_schema.no_info_after_validator_function(check, handler(source))

    def _make_check(self) -> Callable[[str | None], str | None]:
        known, kind = (NOTHING if self.kind == "text" else NO_NAME), self.kind

        def check(text: str | None) -> str | None:
            if text is None:
                return None
            if not text.isprintable():
                raise PydanticCustomError(CONTROL, "holds a character that cannot be printed")
            if text in known or (POWER in text and is_placeholder(text, kind)):
                if is_required:
                    raise PydanticCustomError(RULE, "stands for a missing value")
                return None
            return text

        is_required = self.is_required
        return check

    def _drop_members(self, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(text for text in given if not is_placeholder(text, self.kind))


def is_nothing(cell: object) -> bool:
    """Tell whether a cell of a file says that its value is missing, a list in each member.

    >>> is_nothing("N/A"), is_nothing(["-"]), is_nothing("0"), is_nothing([])
    (True, True, False, False)
    """
    if isinstance(cell, list | tuple):
        return bool(cell) and all(map(is_nothing, cell))
    return isinstance(cell, str) and is_placeholder(cell)


_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?P<offset>[Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
_COUNTRY = re.compile("[A-Z]{2}")
_HS_CODE = re.compile("[0-9]{2,10}")
_THREE_LETTERS = re.compile("[A-Z]{3}")
_UN_NUMBER = re.compile("[0-9]{4}")
CODE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_PLACE = re.compile(r"[a-z_]{1,31}(\.[a-z_0-9]{1,32})?")
FIRST_YEAR = 1971
"""A time of an earlier year is none: 0001, 1900 and 1970 are what programs write for no time."""


def _time(value: object) -> object:
    """Read RFC 3339 with an offset; return UTC in microseconds (finer digits are cut)."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise PydanticCustomError("time_without_offset", "a time needs an offset from UTC")
        _check_year(value.year)
        return value.astimezone(UTC)
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError("bad_time", "not an RFC 3339 date and time")
    if match["offset"] is None:
        raise PydanticCustomError("time_without_offset", "a time needs an offset from UTC")
    _check_year(int(match[0][:4]))
    try:
        return datetime.fromisoformat(cast("str", value).upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("bad_time", "no such date or time") from None


def _check_year(year: int) -> None:
    if year < FIRST_YEAR:
        raise PydanticCustomError("implausible_time", f"its year is before {FIRST_YEAR}")


def _printable(value: str) -> str:
    if not value.isprintable():
        raise PydanticCustomError("control_character", "holds a character that cannot be printed")
    return value


def _country(value: str) -> str:
    if _COUNTRY.fullmatch(value) is None:
        raise PydanticCustomError("malformed_country", "two capital letters (ISO 3166-1 alpha-2)")
    return value


def _hs_code(value: str) -> str:
    if _HS_CODE.fullmatch(value) is None:
        raise PydanticCustomError("malformed_hs_code", "2 to 10 digits")
    return value


def _currency(value: str) -> str:
    if _THREE_LETTERS.fullmatch(value) is None:
        raise PydanticCustomError("malformed_currency", "three capital letters (ISO 4217)")
    return value


def _unit(value: str) -> str:
    if value not in UNITS and not _is_currency(value):
        raise PydanticCustomError("unknown_unit", "g, kg, l, pieces, or a currency of ISO 4217")
    return value


def _known_currency(value: str) -> str:
    if not _is_currency(value):
        raise PydanticCustomError("unknown_currency", "no currency of ISO 4217 has this code")
    return value


def _is_currency(value: str) -> bool:
    # imported here: a service that files no amount does not read the list
    from babel.numbers import is_currency

    return value not in _NO_CURRENCIES and is_currency(value)


def _incoterm(value: str) -> str:
    if _THREE_LETTERS.fullmatch(value) is None:
        raise PydanticCustomError("malformed_incoterm", "three capital letters (Incoterms)")
    return value


def _un_number(value: str) -> str:
    if _UN_NUMBER.fullmatch(value) is None:
        raise PydanticCustomError("malformed_un_number", "four digits")
    return value


def _place(value: str) -> str:
    if _PLACE.fullmatch(value) is None:
        raise PydanticCustomError("malformed_place", "a lower-case group, or group.part")
    return value


def _code(value: str) -> str:
    if CODE.fullmatch(value) is None:
        rule = "a lower-case letter, then at most 31 of a to z, 0 to 9 and _"
        raise PydanticCustomError("malformed_code", rule)
    return value


SHORTEST_PLATE, LONGEST_PLATE = 2, 12
"""Letters and digits of a plate that somebody looks for."""


def _typed_plate(value: str) -> str:
    folded = fold(value)
    is_long_enough = SHORTEST_PLATE <= len(folded) <= LONGEST_PLATE
    if not is_long_enough or not any(sign.isdigit() for sign in folded):
        why = f"{SHORTEST_PLATE} to {LONGEST_PLATE} letters and digits, a digit among them"
        raise PydanticCustomError("not_a_plate", why)
    return value


def _propensity(value: float) -> float:
    if not 0.0 < value <= 1.0:
        raise PydanticCustomError("propensity_outside", "a probability in (0, 1]")
    return value


def _schema_rule(**schema: Any) -> Any:
    """Add to a record's schema the rule that one of our validators checks."""
    return Field(json_schema_extra=schema)


Time = Annotated[datetime, BeforeValidator(_time)]
AnyIdentifier = Annotated[str, Field(min_length=1, max_length=64)]
AnyPost = Annotated[str, Field(min_length=1, max_length=16)]
AnyText = Annotated[str, Field(max_length=1000)]
"""Texts of any characters; what is printable is said with what is a placeholder, or alone."""
Identifier = Annotated[AnyIdentifier, AfterValidator(_printable)]
TypedPlate = Annotated[Identifier, AfterValidator(_typed_plate)]
"""A plate that somebody looks for; what was read at a post is kept as it was read."""
PostCode = Annotated[AnyPost, AfterValidator(_printable)]
Text = Annotated[AnyText, AfterValidator(_printable)]
Country = Annotated[str, AfterValidator(_country), _schema_rule(pattern=f"^{_COUNTRY.pattern}$")]
HsCode = Annotated[str, AfterValidator(_hs_code), _schema_rule(pattern=f"^{_HS_CODE.pattern}$")]
UnNumber = Annotated[
    str, AfterValidator(_un_number), _schema_rule(pattern=f"^{_UN_NUMBER.pattern}$")
]
PlaceCode = Annotated[str, AfterValidator(_place), _schema_rule(pattern=f"^{_PLACE.pattern}$")]
RecordId = Annotated[AnyIdentifier, PrintableText("name", is_required=True)]
"""What names a record, or the record that it belongs to."""
OptionalId = Annotated[AnyIdentifier | None, PrintableText("name")]
"""What names a vehicle, a person, a firm or a document; a placeholder is none."""
RequiredCode = Annotated[AnyIdentifier, PrintableText("text", is_required=True)]
OptionalCode = Annotated[AnyIdentifier | None, PrintableText("text")]
HEX_32 = r"^[0-9a-f]{64}$"
"""32 bytes in hexadecimal: a SHA-256 or a public key."""
Hex32 = Annotated[str, Field(pattern=HEX_32)]
Propensity = Annotated[
    float,
    Field(allow_inf_nan=False),
    AfterValidator(_propensity),
    _schema_rule(exclusiveMinimum=0, maximum=1),
]
# Bounds far above any conveyance or consignment keep scaled 64-bit sums from overflowing.
Mass = Annotated[float, Field(ge=0, le=1e8, allow_inf_nan=False)]
Value = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, le=1e4, allow_inf_nan=False)]
Minutes = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]


def empty_if_absent(value: object) -> object:
    """Read null as an empty list: missing is absent, null or an empty cell."""
    # Behind this function pydantic no longer knows that a list came from JSON, where it is a tuple.
    return () if value is None else tuple(value) if isinstance(value, list) else value


Code = Annotated[str, AfterValidator(_code), _schema_rule(pattern=f"^{CODE.pattern}$")]
Agency = Code | None
"""Code of an agency, free: customs, border_troops, interior, drug_control and others."""

HandlingCode = Literal["H1", "H2", "H3"]
"""Not in court, not to be passed on, other limits as stated (Europol)."""

Identifiers = Annotated[
    tuple[Identifier, ...], Field(max_length=64), BeforeValidator(empty_if_absent)
]
Ids = Annotated[Identifiers, PrintableText("member")]


Codes = Annotated[Identifiers, PrintableText("text")]
CurrencyCode = Annotated[
    str, AfterValidator(_currency), _schema_rule(pattern=f"^{_THREE_LETTERS.pattern}$")
]
IncotermCode = Annotated[
    str, AfterValidator(_incoterm), _schema_rule(pattern=f"^{_THREE_LETTERS.pattern}$")
]
KnownCurrency = Annotated[
    str, AfterValidator(_known_currency), _schema_rule(pattern=f"^{_THREE_LETTERS.pattern}$")
]
"""A currency that ISO 4217 has or had, for sums that are added up."""
MASSES: Mapping[str, float] = MappingProxyType({"g": 1.0, "kg": 1000.0})
"""Grams of a unit of mass."""
UNITS = (*MASSES, "l", "pieces")
_NO_CURRENCIES = frozenset({"XTS", "XXX"})
"""Codes of ISO 4217 for tests, and for none."""
Unit = Annotated[
    str,
    AfterValidator(_unit),
    _schema_rule(pattern=f"^({'|'.join(UNITS)}|{_THREE_LETTERS.pattern})$"),
]
"""What an amount is stated in; money in its currency."""
Countries = Annotated[tuple[Country, ...], Field(max_length=64), BeforeValidator(empty_if_absent)]
Places = Annotated[tuple[PlaceCode, ...], Field(max_length=64), BeforeValidator(empty_if_absent)]

MOST_NATIONAL = 32
"""National fields of one record."""
_PERSONAL = frozenset(
    {"age", "birth", "birthplace", "citizenship", "ethnicity", "gender", "nationality", "race"}
    | {"religion", "sex"}
)


def _read_national(value: object) -> str | None:
    """Return national fields as JSON text, sorted by name; None where no field has a value."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = ()
    if value is None:
        return None
    if not isinstance(value, dict):
        raise PydanticCustomError("not_an_object", "an object of national fields")
    if len(value) > MOST_NATIONAL:
        raise PydanticCustomError("too_long", "too many", {"max_length": MOST_NATIONAL})
    found = {name: _check_national(name, one) for name, one in sorted(value.items())}
    kept = {name: one for name, one in found.items() if one is not None}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")) if kept else None


def check_national_name(name: str, at: str | None = None) -> None:
    """Refuse a name of a national field by a ``PydanticCustomError`` that names ``at``, or it."""
    if CODE.fullmatch(name) is None:
        where = {"field": at} if at else {}
        raise PydanticCustomError("malformed_code", "names are as codes of agencies are", where)
    if _PERSONAL.intersection(name.split("_")):
        why = "no field says this of a person"
        raise PydanticCustomError("forbidden_field", why, {"field": at or name})


def _check_national(name: str, value: object) -> object:
    """Return the value of a national field, None for a placeholder."""
    check_national_name(name)
    if isinstance(value, str):
        if len(value) > LONGEST_NATIONAL:
            raise PydanticCustomError("string_too_long", "at most 200 characters", {"field": name})
        _printable(value)
        return None if is_nothing(value) else value
    if value is not None and not isinstance(value, bool | int | float):
        why = "a text, a number, true or false"
        raise PydanticCustomError("not_a_plain_value", why, {"field": name})
    if isinstance(value, int | float) and not abs(value) <= 1e15:
        raise PydanticCustomError("too_large", "at most 1e15", {"field": name})
    return value


LONGEST_NATIONAL = 200
"""Characters of a national field that is text."""
National = Annotated[
    str | None,
    BeforeValidator(_read_national),
    PlainSerializer(lambda text: None if text is None else json.loads(text), when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "object",
                    "maxProperties": MOST_NATIONAL,
                    "propertyNames": {"pattern": f"^{CODE.pattern}$"},
                    "additionalProperties": {
                        "anyOf": [
                            {"type": "string", "maxLength": LONGEST_NATIONAL},
                            {"type": "number", "minimum": -1e15, "maximum": 1e15},
                            {"type": "boolean"},
                        ]
                    },
                },
                {"type": "null"},
            ]
        }
    ),
]
"""Fields of a country's own, by name: texts, numbers and truth values. JSON has an object; columns
and attributes hold its text, so that records stay values that can be compared and hashed."""
