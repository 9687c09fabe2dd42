"""Fields that an expression can read, and their values of an arrival.

The fields are derived from :mod:`engine.domain.records`: a field can be read as soon as a
record has it. Times are left out, because features carry their meaning (hour, night,
lodged_hours_before). Plates, trailers, VINs and containers are folded and descriptions are lower
case, so that a spelling hides neither a vehicle nor a word; counts are numbers like all others. A
national field has the kind that its use asks for; a value of another kind is missing.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args, get_origin

from engine.domain.identifiers import fold
from engine.domain.records import Crossing, DeclarationHead, GoodsItem, Record
from engine.domain.time_units import HOUR, MINUTE
from engine.domain.validation import bare

FieldKind = Literal["bool", "number", "text", "texts", "numbers", "items", "item", "national"]
FieldValue = bool | float | str | None | list[str] | list[dict[str, Any]]

ITEMS_MOST, LIST_MOST = 999, 64
"""Longest list of goods items, and of anything else, that a record can hold."""
FOLDED = ("plate", "trailer_plate", "vin", "container_numbers", "seal_numbers")
PROXIES = ("crossing.plate_country",)
"""Fields that could stand for a person's origin: the approver sees that a profile reads them."""


@dataclass(frozen=True, slots=True)
class FieldType:
    """One field, as expressions see it."""

    kind: FieldKind
    spelt: Callable[[str], str] | None = None
    choices: frozenset[str] = frozenset()


_KINDS: dict[Any, FieldKind] = {str: "text", float: "number", int: "number", bool: "bool"}


def _folding_of(name: str) -> Callable[[str], str] | None:
    if name in FOLDED:
        return fold
    return str.lower if name == "description" else None


def _fields(model: type[Record]) -> dict[str, FieldType]:
    found = {}
    for name, info in model.model_fields.items():
        kind_of = bare(info.annotation)
        if kind_of is datetime or name == "national":
            continue
        if get_origin(kind_of) is Literal:
            found[name] = FieldType("text", choices=frozenset(get_args(kind_of)))
        else:
            kind: FieldKind = "texts" if get_origin(kind_of) is tuple else _KINDS[kind_of]
            found[name] = FieldType(kind, _folding_of(name))
    return found


NATIONAL = "national."
SUFFIXES = {"text": "T", "number": "N", "bool": "B"}
"""A national field is written once for each kind: no name of a field has a capital."""

ROOTS = {"crossing": _fields(Crossing), "declaration": _fields(DeclarationHead)}
"""Fields by record; a list is empty where nothing was given, every other field may be missing."""
ITEM = _fields(GoodsItem) | {"chapter": FieldType("number")}
"""Fields of one of the goods; ``chapter`` is the first two digits of its HS code."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A figure for profiles alone, made of features: a new feature would need a new model."""

    inputs: tuple[str, ...]
    value: Callable[..., float]
    unit: str
    meaning: str


def _of_passage(value: float, transit_us: float, same_way_hours: float, is_entry: float) -> float:
    """Return what the opposite post's record says, NaN where it is of another passage.

    So it is where the vehicle has come this way since it was recorded there, and where it leaves.
    """
    is_used = transit_us < 0 or same_way_hours * HOUR <= transit_us
    return math.nan if is_used or not is_entry else value


_PASSAGE = ("transit_us", "plate_same_way_hours", "is_entry")


def _estimate_speed(km: float, hours: float) -> float:
    """Return km/h over a distance; times are compared to the second."""
    return km / max(abs(hours), 1 / 3600)


def _estimate_undeclared(weighed_less_gross: float, over_usual: float) -> float:
    """Return what the vehicle's usual empty mass leaves of weighbridge less declared gross mass."""
    if not over_usual:
        return math.nan
    return weighed_less_gross - weighed_less_gross / over_usual


DERIVED: dict[str, Derived] = {
    "undeclared_mass_kg": Derived(
        ("weighed_less_gross_kg", "tare_over_usual_of_plate"),
        _estimate_undeclared,
        "kg",
        "weighbridge mass less declared gross mass less the usual empty mass of this vehicle",
    ),
    "left_empty": Derived(
        ("mirror_was_empty", *_PASSAGE), _of_passage, "flag", "left the opposite post empty"
    ),
    "mass_gained_kg": Derived(
        ("mirror_mass_gap", *_PASSAGE),
        _of_passage,
        "kg",
        "weighbridge mass less that at the opposite post",
    ),
    "seals_changed": Derived(
        ("mirror_seals_differ", *_PASSAGE),
        _of_passage,
        "flag",
        "left the opposite post with other seals",
    ),
    "trailer_changed": Derived(
        ("mirror_trailer_differs", *_PASSAGE),
        _of_passage,
        "flag",
        "left the opposite post with another trailer",
    ),
    "minutes_across": Derived(
        _PASSAGE,
        lambda transit_us, *others: _of_passage(transit_us / MINUTE, transit_us, *others),
        "minutes",
        "minutes from the opposite post",
    ),
    "plate_kmh": Derived(
        ("plate_km_since", "plate_hours_since"),
        _estimate_speed,
        "km/h",
        "speed, in a straight line, from where this plate was recorded last",
    ),
}
"""By name, asked for as ``features.NAME``; missing where an input is. A weighbridge weighs the
vehicle too, and the mass of one that was never weighed with papers before is not known. What the
opposite post recorded is missing where that was an earlier passage."""


def list_derived(names: Iterable[str]) -> list[str]:
    """Return the derived figures that can be made of these features."""
    known = frozenset(names)
    return [name for name, one in DERIVED.items() if known.issuperset(one.inputs)]


def columns_of(needs: Iterable[str]) -> set[str]:
    """Return the features that expressions read, by the full names of what they need."""
    asked = {full.removeprefix("features.") for full in needs if full.startswith("features.")}
    made = {name for one in asked & DERIVED.keys() for name in DERIVED[one].inputs}
    return (asked - DERIVED.keys()) | made


def flat(name: str) -> str:
    """Return what a field or feature is called in the written-out expression."""
    return name.replace(".", "_")


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

    def values(self, crossing: Any, declaration: Any, row: Any) -> dict[str, FieldValue]:
        """Return values by their flat names; None where one is missing.

        Takes anything with the attributes of the records, and a row of features with NaN where
        nothing was known.
        """
        found: dict[str, FieldValue] = {}
        for root, record in (("crossing", crossing), ("declaration", declaration)):
            for written, name in self._fields[root]:
                found |= _values(written, name, record, ROOTS[root])
        for written, column in self._features:
            found[written] = _finite(float(row[column]))
        for written, value, columns in self._derived:
            found[written] = _finite(value(*(float(row[column]) for column in columns)))
        if self._goods:
            items = () if declaration is None else declaration.items
            found["goods"] = [
                {
                    key: value
                    for name in self._item
                    for key, value in _values(flat(name), name, item, ITEM).items()
                }
                for item in items
            ]
        return found


def _values(written: str, name: str, record: Any, known: Mapping[str, FieldType]) -> dict[str, Any]:
    """Return the value of a field by what it is written as; of a national one, for each kind."""
    if name == "chapter":
        return {written: float(record.hs_code[:2])}
    if not name.startswith(NATIONAL):
        return {written: _value(getattr(record, name, None), known[name])}
    stated = json.loads(getattr(record, "national", None) or "{}")
    value = stated.get(name.removeprefix(NATIONAL))
    found: dict[str, Any] = {written: None if value is None else True}
    for kind, sign in SUFFIXES.items():
        fits = value is not None and _KINDS[type(value)] == kind
        found[written + sign] = (float(value) if kind == "number" else value) if fits else None
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _value(value: Any, known: FieldType) -> Any:
    if known.kind == "texts":
        texts = value or ()
        return [known.spelt(text) for text in texts] if known.spelt else list(texts)
    if value is None:
        return None
    if known.kind == "number":
        return float(value)
    return known.spelt(value) if known.spelt else value
