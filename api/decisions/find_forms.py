"""Fields of a form about an act: what differs, the duty assessed, and each find of it.

A form has the fields of several finds: those of the second end in ``_2``, and so on. The class of
goods says the rest: the class of substance, and the unit of an amount that is typed without one.
Goods of no class of the table are weighed in grams.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel

from api.web.forms import FormReader
from engine.domain.field_types import MASSES
from engine.domain.goods import CURRENCY, GoodsClass, GoodsClasses
from engine.domain.records import SUBSTANCES, Seizure
from engine.queue.corrections import SeizureCorrection

Model = TypeVar("Model", bound=BaseModel)
FIND = ("goods_class", "substance", "amount", "unit", "place", "concealment")
"""Fields of one find."""
ASSESSED = ("discrepancy_kinds", "duty_assessed", "currency")
"""Fields of an act about a discrepancy."""
OTHER = "other"
"""Goods of no class."""
_SHOWN = {"quantity_g": "amount", "substance_class": "goods_class"}
"""Fields of a record by whose fault a field of the form is to be corrected."""
MOST_FINDS = 20
"""Finds in one form."""
CURRENCIES = (
    "UZS", "TJS", "KGS", "KZT", "TMT", "AFN", "CNY", "RUB", "USD", "EUR", "CHF", "GBP", "TRY",
)  # fmt: skip
"""Currencies that a form offers; over HTTP each currency of ISO 4217 is taken."""


def end_of(number: int) -> str:
    """Return how the names of the fields of a find end.

    >>> end_of(1), end_of(2)
    ('', '_2')
    """
    return "" if number == 1 else f"_{number}"


def count_finds(form: Mapping[str, Sequence[str]]) -> int:
    """Return how many finds a form has fields of: those it was shown with, or more with a value."""
    shown = (form.get("finds") or ["1"])[0]
    count = int(shown) if shown.isdecimal() and len(shown) < 3 else 1
    filled = (
        number
        for number in range(1, MOST_FINDS + 1)
        if any(any(form.get(name + end_of(number), ())) for name in FIND)
    )
    return min(max(count, *filled, 1), MOST_FINDS)


def add_find(form: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return a form with the fields of one find more."""
    return dict(form) | {"finds": [str(min(count_finds(form) + 1, MOST_FINDS))]}


def read_assessment(reader: FormReader) -> dict[str, Any]:
    """Return the fields of an act about what differs, and the duty and fine assessed."""
    duty = reader.number("duty_assessed")
    currency = reader.texts("currency") if duty is not None else {}
    kinds = reader.every("discrepancy_kinds")
    return {"discrepancy_kinds": kinds, "duty_assessed": duty} | currency


def read_finds(
    reader: FormReader,
    classes: GoodsClasses,
    model: type[Model],
    *,
    about: Callable[[int], dict[str, Any]],
) -> dict[int, Model]:
    """Return the finds that a form states, by number; the reader keeps what is wrong or missing.

    ``about`` returns what a record holds besides, by the number of the find.
    """
    if not reader.every("methods"):
        reader.refuse("methods", "missing_key")
    found = {}
    for number in range(1, count_finds(reader.form) + 1):
        part = reader.part(end_of(number))
        if number > 1 and not any(part.text(name) for name in FIND):
            continue
        values = read_find(part, classes, is_whole=True)
        record = part.record(model, values | about(number))
        mistakes = [replace(one, at=_SHOWN.get(one.at, one.at)) for one in part.mistakes]
        reader.mistakes += [replace(one, at=one.at + end_of(number)) for one in mistakes]
        if record is not None:
            found[number] = record
    return found


def read_find(part: FormReader, classes: GoodsClasses, *, is_whole: bool) -> dict[str, Any]:
    """Return the fields of one find; one that is whole says what, where and how much."""
    values, amount = part.texts("place", "concealment"), part.number("amount")
    if substance := part.offered("substance", "substance_name"):
        values["substance"] = substance
    code = part.text("goods_class")
    if is_whole and "place" not in values:
        part.refuse("place", "missing_key")
    if code == OTHER:
        return values | {"substance_class": OTHER} | _weigh(part, amount, part.text("unit"))
    if (known := classes.by_code.get(code)) is not None:
        values |= {"goods_class": code, "substance_class": SUBSTANCES.get(code, OTHER)}
        return values | _measure(part, known, amount, is_owed=is_whole)
    if code or is_whole or amount is not None:
        part.refuse("goods_class", "unknown_enumeration" if code else "missing_key")
        values["substance_class"] = OTHER
    return values


def _measure(
    part: FormReader, known: GoodsClass, amount: float | None, *, is_owed: bool
) -> dict[str, Any]:
    """Return the amount of goods of a class, in its usual unit where the form names none."""
    if amount is None and not is_owed:
        return {}
    if amount is None and not part.mistakes_at("amount"):
        part.refuse("amount", "missing_key")
    unit = part.text("unit") or ("" if known.units[0] == CURRENCY else known.units[0])
    if not unit:
        part.refuse("unit", "missing_key")
    elif not known.takes(unit):
        part.refuse("unit", "wrong_unit")
    return {} if amount is None else {"amount": amount, "unit": unit or None}


def _weigh(part: FormReader, amount: float | None, unit: str) -> dict[str, Any]:
    """Return the grams of goods of no class."""
    if unit not in ("", *MASSES):
        part.refuse("unit", "wrong_unit")
        return {}
    return {"quantity_g": None if amount is None else amount * MASSES[unit or "g"]}


def add_places(
    searched: Sequence[str], finds: Iterable[Seizure | SeizureCorrection]
) -> dict[str, Any]:
    """Return the places searched and those of the finds: where something was found was searched."""
    found = [one.place for one in finds if one.place is not None]
    return {"places_searched": tuple(dict.fromkeys([*searched, *found]))}


def state_finds(seizures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fields of a form that states finds as they are recorded."""
    known = {one: code for code, one in SUBSTANCES.items()}
    stated: dict[str, Any] = {"finds": str(max(len(seizures), 1))}
    for number, one in enumerate(seizures, 1):
        values = {name: one.get(name) for name in FIND}
        if values["goods_class"] is None:
            code = known.get(one["substance_class"], OTHER)
            values |= {"goods_class": code, "amount": one.get("quantity_g"), "unit": "g"}
        stated |= {name + end_of(number): value for name, value in values.items()}
    return stated


def list_classes(classes: GoodsClasses, language: str) -> list[tuple[str, str, str]]:
    """Return code, name and usual unit of each class that a form offers."""
    return [
        (code, classes.name(code, language), one.units[0]) for code, one in classes.by_code.items()
    ]
