"""Fields that a profile can read, and the values that they are given.

Derived from :mod:`engine.domain.records`: a field added to a record can be asked for by itself.
Times are left out, because what matters of them are features (hour, night, lodged_hours_before).
Plates, trailers, VINs and containers are folded and descriptions are lower case, so that a spelling
neither hides a vehicle nor a word; counts are numbers like all others.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args, get_origin

from engine.domain.identifiers import fold
from engine.domain.records import Crossing, DeclarationHead, GoodsItem, Record
from engine.domain.validation import bare

Kind = Literal["bool", "number", "text", "texts", "numbers", "items", "item"]
Value = bool | float | str | None | list[str] | list[dict[str, Any]]

ITEMS_MOST, LIST_MOST = 999, 64
"""Longest list of goods items, and of anything else, that a record can hold."""
FOLDED = ("plate", "trailer_plate", "vin", "container_numbers", "seal_numbers")
PROXIES = ("crossing.plate_country",)
"""Fields that could stand for a person's origin: the approver sees that a profile reads them."""


@dataclass(frozen=True, slots=True)
class FieldType:
    """One field, as expressions see it."""

    kind: Kind
    spelt: Callable[[str], str] | None = None
    choices: frozenset[str] = frozenset()


_KINDS: dict[Any, Kind] = {str: "text", float: "number", int: "number", bool: "bool"}


def _folding_of(name: str) -> Callable[[str], str] | None:
    if name in FOLDED:
        return fold
    return str.lower if name == "description" else None


def _fields(model: type[Record]) -> dict[str, FieldType]:
    found = {}
    for name, info in model.model_fields.items():
        kind_of = bare(info.annotation)
        if kind_of is datetime:
            continue
        if get_origin(kind_of) is Literal:
            found[name] = FieldType("text", choices=frozenset(get_args(kind_of)))
        else:
            kind: Kind = "texts" if get_origin(kind_of) is tuple else _KINDS[kind_of]
            found[name] = FieldType(kind, _folding_of(name))
    return found


ROOTS = {"crossing": _fields(Crossing), "declaration": _fields(DeclarationHead)}
"""Fields by record; a list is empty where nothing was given, every other field may be missing."""
ITEM = _fields(GoodsItem)
"""Fields of one of the goods."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A figure for profiles alone, made of features: a new feature would need a new model."""

    inputs: tuple[str, ...]
    value: Callable[..., float]
    unit: str
    meaning: str


def _estimate_undeclared(weighed_less_gross: float, over_usual: float) -> float:
    """Return what the vehicle's usual empty mass leaves of weighbridge less declared gross mass."""
    if not over_usual:
        return math.nan
    return weighed_less_gross - weighed_less_gross / over_usual


DERIVED: Mapping[str, Derived] = {
    "undeclared_mass_kg": Derived(
        ("weighed_less_gross_kg", "tare_over_usual_of_plate"),
        _estimate_undeclared,
        "kg",
        "weighbridge mass less declared gross mass less the usual empty mass of this vehicle",
    )
}
"""By name, asked for as ``features.NAME``; missing where an input is. A weighbridge weighs the
vehicle too, and the mass of one that was never weighed with papers before is not known."""


def list_derived(names: Iterable[str]) -> list[str]:
    """Return the derived figures that can be made of these features."""
    known = frozenset(names)
    return [name for name, one in DERIVED.items() if known.issuperset(one.inputs)]


def columns_of(needs: Iterable[str]) -> set[str]:
    """Return the features that expressions read, by the full names of what they need."""
    asked = {full.removeprefix("features.") for full in needs if full.startswith("features.")}
    made = {name for one in asked & DERIVED.keys() for name in DERIVED[one].inputs}
    return (asked - DERIVED.keys()) | made


class Reader:
    """Reads from an arrival what some expressions need, each value once."""

    def __init__(self, needs: Iterable[str], names: Mapping[str, int]) -> None:
        """``names`` gives each feature its column."""
        wanted = sorted(set(needs))
        parts = [(full, *full.partition(".")[::2]) for full in wanted if "." in full]
        flat = {full: full.replace(".", "_") for full in wanted}
        self._fields = {
            root: [(flat[full], name) for full, of, name in parts if of == root] for root in ROOTS
        }
        asked = [(flat[full], name) for full, of, name in parts if of == "features"]
        self._features = [(full, names[name]) for full, name in asked if name not in DERIVED]
        self._derived = [
            (full, DERIVED[name].value, [names[one] for one in DERIVED[name].inputs])
            for full, name in asked
            if name in DERIVED
        ]
        self._item = [name for _, of, name in parts if of == "goods"]
        self._goods = "goods" in wanted or bool(self._item)

    def values(self, crossing: Any, declaration: Any, row: Any) -> dict[str, Value]:
        """Return values by their flat names; None where one is missing.

        Takes anything with the attributes of the records, and a row of features with NaN where
        nothing was known.
        """
        found: dict[str, Value] = {}
        for root, record in (("crossing", crossing), ("declaration", declaration)):
            for written, name in self._fields[root]:
                found[written] = _value(name, getattr(record, name, None), ROOTS[root][name])
        for written, column in self._features:
            found[written] = _finite(float(row[column]))
        for written, value, columns in self._derived:
            found[written] = _finite(value(*(float(row[column]) for column in columns)))
        if self._goods:
            items = () if declaration is None else declaration.items
            found["goods"] = [
                {name: _value(name, getattr(item, name), ITEM[name]) for name in self._item}
                for item in items
            ]
        return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _value(_name: str, value: Any, known: FieldType) -> Any:
    if known.kind == "texts":
        texts = value or ()
        return [known.spelt(text) for text in texts] if known.spelt else list(texts)
    if value is None:
        return None
    if known.kind == "number":
        return float(value)
    return known.spelt(value) if known.spelt else value
