"""Figures that a profile asked for, in words: what it was about this arrival that fitted."""

from functools import cache
from typing import Any

from engine.criteria.profiles.fields import DERIVED
from engine.ports import Evidence
from features.catalogue.catalogue import CATALOGUE
from models.explanation.feature_wording import word_feature
from models.explanation.units import Wording, amount

_FIELDS = {"weighed_mass_kg": ("weighbridge mass", "kg"), "is_empty": ("said to be empty", "flag")}


def profile_figure(full: str, value: Any, behind: Evidence | None) -> str:
    """Say one field or feature of an arrival with its value.

    A rate of inspections is said by the counts behind it, never by itself.
    """
    root, _, name = full.partition(".")
    if root == "features" and name in DERIVED:
        return f"{DERIVED[name].meaning}: {amount(DERIVED[name].unit, value)}"
    if root == "features":
        result = _wording_of(name)
        if CATALOGUE[name].operator == "rate":
            return result.counted(behind.finds, behind.inspections) if behind else result.unknown
        return result.fact(value)
    noun, unit = _FIELDS.get(name, (name.replace("_", " "), ""))
    if isinstance(value, list):
        return f"{noun}: {', '.join(map(str, value))}"
    return f"{noun}: {value if isinstance(value, str) else amount(unit, float(value))}"


@cache
def _wording_of(name: str) -> Wording:
    return word_feature(CATALOGUE[name])
