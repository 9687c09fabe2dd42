"""Figures that a profile asked for: what it was about this arrival that fitted."""

from functools import cache
from typing import Any

from engine.criteria.profiles.fields import DERIVED
from engine.explanation.messages import Message
from engine.ports import Evidence
from features.catalogue.catalogue import CATALOGUE
from models.explanation.feature_wording import Wording, word_feature

_FIELDS = {"weighed_mass_kg": ("weighbridge mass", "kg"), "is_empty": ("said to be empty", "flag")}


def profile_figure(full: str, value: Any, behind: Evidence | None) -> Message:
    """Return the message of one field or feature of an arrival with its value.

    A rate of inspections is stated by the counts behind it, never by itself.
    """
    root, _, name = full.partition(".")
    if root == "features" and name in DERIVED:
        return Wording(
            "field_value", DERIVED[name].unit, parameters={"of": DERIVED[name].meaning}
        ).message(value)
    if root == "features":
        wording = _wording_of(name)
        if CATALOGUE[name].operator != "rate":
            return wording.message(value)
        return wording.count_message(*((behind.finds, behind.inspections) if behind else (0, 0)))
    noun, unit = _FIELDS.get(name, (name.replace("_", " "), ""))
    if isinstance(value, (str, list)):
        text = value if isinstance(value, str) else ", ".join(map(str, value))
        return Message("field_text", {"of": noun, "text": text})
    return Wording("field_value", unit, parameters={"of": noun}).message(float(value))


@cache
def _wording_of(name: str) -> Wording:
    return word_feature(CATALOGUE[name])
