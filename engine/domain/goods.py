"""Classes of goods that a find can be of, and precursors of drugs by the HS code of each.

``goods_classes.toml`` holds the table that is shipped. An installation replaces the table under two
people; the replaced table keeps the classes that records name by themselves: the three classes of
substances, and hidden persons, who are counted and never described.

A find without a class is one of the time before there were classes: it teaches the chance of a
load, as every seizure did, and weighs what its class of substance weighs.

``precursors.toml`` holds the precursors under international control, with their source. Assumes six
digits: a shorter code does not tell a precursor from its neighbours in the nomenclature.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from engine.domain.field_types import MASSES, Agency, Code, Identifier
from engine.domain.records import PERSONS, SUBSTANCES, Record, ReportedSeizure, SubstanceClass
from engine.errors import MalformedBodyError, RecordError

CURRENCY: Final = "currency"
"""Stands in a class for the codes of all currencies."""
ClassUnit = Literal["g", "kg", "l", "pieces", "currency"]
Language = Literal["en", "ru", "uz", "tg"]
Form = Literal["cen", "national", "un", "hs"]
DEFAULT_GRAVITY = 5.0
"""Weight of a seizure against a discrepancy, for goods without a weight of their own."""


def _to_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class GoodsClass(Record):
    """One class of goods."""

    code: Code
    names: dict[Language, Annotated[Identifier, Field(max_length=64)]]
    """By language; English is always there."""
    units: Annotated[
        tuple[ClassUnit, ...], Field(min_length=1, max_length=5), BeforeValidator(_to_tuple)
    ]
    """What an amount may be stated in, the usual unit first."""
    is_load: bool
    """Whether a find teaches the chance of a load; else it teaches that of a discrepancy alone."""
    gravity: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
    """What a find weighs, in discrepancies."""
    agency: Agency = None
    """The agency that takes the goods over."""
    forms: dict[Form, Identifier] = Field(default_factory=dict)
    """Code of the class in a form, as far as one is known."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if "en" not in self.names:
            raise PydanticCustomError("missing_key", "a class has an English name", {"field": "en"})
        return self

    def takes(self, unit: str) -> bool:
        """Tell whether an amount of the class may be stated in a unit."""
        return (unit if unit in MEASURES else CURRENCY) in self.units


MEASURES: Final = frozenset({*MASSES, "l", "pieces"})


class GoodsClasses(Record):
    """A table of classes, in the order in which forms offer them."""

    classes: Annotated[
        tuple[GoodsClass, ...], Field(min_length=1, max_length=100), BeforeValidator(_to_tuple)
    ]

    @model_validator(mode="after")
    def _check_table(self) -> Self:
        if len(self.by_code) != len(self.classes):
            raise PydanticCustomError("duplicate_id", "a class is stated twice")
        if left := [code for code in (*SUBSTANCES, PERSONS) if code not in self.by_code]:
            why = "records name the class {code} by themselves"
            raise PydanticCustomError("missing_key", why, {"field": "classes", "code": left[0]})
        if self.by_code[PERSONS].units != ("pieces",):
            raise PydanticCustomError("count_alone", "persons are counted in pieces, no more")
        return self

    @cached_property
    def by_code(self) -> Mapping[str, GoodsClass]:
        """The classes by code."""
        return {one.code: one for one in self.classes}

    def name(self, code: str, language: str) -> str:
        """Return what a class is called; its code where the table has it no more."""
        known = self.by_code.get(code)
        if known is None:
            return code
        names = {str(one): text for one, text in known.names.items()}
        return names.get(language) or names["en"]

    def teaches_load(self, code: str | None) -> bool:
        """Tell whether a find of a class teaches the chance of a load.

        A class that the table has no more teaches it where the class is a substance.
        """
        known = self.by_code.get(code or "")
        return code is None or (code in SUBSTANCES if known is None else known.is_load)

    def gravity(self, code: str) -> float:
        """Return what a find of a class weighs, in discrepancies."""
        known = self.by_code.get(code)
        return DEFAULT_GRAVITY if known is None else known.gravity

    def check_unit(self, record: str, code: str | None, unit: str | None) -> None:
        """Refuse a class that the table does not have, and a unit that the class does not take.

        Raises ``RecordError`` about a field of ``record``; no class is not looked at.
        """
        if code is None:
            return
        if (known := self.by_code.get(code)) is None:
            why = f"one of {', '.join(self.by_code)}"
            raise RecordError(record, "goods_class", "unknown_enumeration", why)
        if unit is not None and not known.takes(unit):
            raise RecordError(record, "unit", "wrong_unit", f"one of {', '.join(known.units)}")

    def check(self, found: ReportedSeizure, *, names_methods: bool | None = None) -> None:
        """Refuse a find that its class does not fit; one without a class is not looked at.

        ``names_methods`` says whether the act of the find names its methods, None for a find of no
        act. Raises ``RecordError`` for a class or a unit that the table does not have. Raises
        ``MalformedBodyError`` for a find of an act without its place, its amount or a method, which
        names all that is missing.
        """
        self.check_unit("seizure", found.goods_class, found.unit)
        if found.goods_class is None or names_methods is None:
            return
        missing = [name for name in ("place", "amount") if getattr(found, name) is None]
        faults = [_describe_missing(f"seizure.{name}") for name in missing]
        if not names_methods:
            faults.append(_describe_missing("inspection.methods"))
        if faults:
            why = "a find of an act says where it was, how much it is, and by which method"
            raise MalformedBodyError(why, tuple(faults))


def _describe_missing(at: str) -> dict[str, str]:
    return {"at": at, "rule": "missing_key", "why": "a find of an act names it"}


@cache
def shipped_goods_classes() -> GoodsClasses:
    """Return the table that is shipped."""
    text = resources.files(__package__).joinpath("goods_classes.toml").read_text("utf-8")
    return GoodsClasses.model_validate(tomllib.loads(text))


def class_of(substance: SubstanceClass, goods_class: str | None) -> str:
    """Return the class under which a find counts; ``other`` where it names none.

    >>> class_of("narcotic", None), class_of("other", "tobacco"), class_of("other", None)
    ('narcotics', 'tobacco', 'other')
    """
    if goods_class is not None:
        return goods_class
    return next((code for code, one in SUBSTANCES.items() if one == substance), "other")


_LIST = tomllib.loads(resources.files(__package__).joinpath("precursors.toml").read_text("utf-8"))
HS_DIGITS: Final = 6
HEADING_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Precursor:
    """A substance in Table I or II of the Convention of 1988."""

    hs_code: str
    """Six digits."""
    name: str
    """In English; the catalogues translate it."""
    table: int
    """1 or 2."""


def _read() -> Mapping[str, Precursor]:
    return {
        code: Precursor(code, name, table)
        for table in (1, 2)
        for code, name in _LIST[f"table_{table}"].items()
    }


PRECURSORS: Final = _read()
"""By HS code of six digits."""
WATCHED: Final[Mapping[str, str]] = _LIST["watched"]
"""What is used beside precursors, in English by HS code of six digits; under no control."""
_HEADINGS: Final = frozenset(code[:HEADING_DIGITS] for code in PRECURSORS)


def precursor_of(hs_code: str) -> Precursor | None:
    """Return the precursor that a code of 2 to 10 digits declares, None for all other goods."""
    return PRECURSORS.get(hs_code[:HS_DIGITS])


def is_controlled(hs_code: str) -> bool:
    """Tell whether a code declares a precursor, or what is used beside one."""
    return hs_code[:HS_DIGITS] in PRECURSORS or hs_code[:HS_DIGITS] in WATCHED


def list_watched(items: Any) -> list[str]:
    """Return the codes of six digits of what goods items declare that is used beside precursors."""
    return sorted({item.hs_code[:HS_DIGITS] for item in items} & WATCHED.keys())


def neighbour_heading(hs_code: str) -> str | None:
    """Return the heading of a precursor in which a code declares other goods; None elsewhere.

    A code of four or five digits is a neighbour too: it does not say what the goods are.
    """
    heading = hs_code[:HEADING_DIGITS]
    return heading if heading in _HEADINGS and precursor_of(hs_code) is None else None


def main_precursor(items: Any) -> tuple[Precursor, Any] | None:
    """Return the precursor that goods items declare, with its item; None where there is none.

    Of several the one of the stricter table, then the heavier, then the first. Items are objects
    with ``hs_code``, ``net_mass_kg`` and ``item_no``.
    """
    found = [(known, item) for item in items if (known := precursor_of(item.hs_code)) is not None]
    return min(found, key=_strictness, default=None)


def _strictness(declared: tuple[Precursor, Any]) -> tuple[int, float, int]:
    precursor, item = declared
    return precursor.table, -(item.net_mass_kg or 0.0), item.item_no
