"""Subjects of reasons in words without figures: all that a checkpoint ever reads of them.

A figure, the size of a contribution, its sign or its order would tell the score to a person who
files acts on invented declarations. What selected a vehicle (a random check, a profile, an entry of
the watch list) is no subject: it would tell picks apart.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from engine.explanation.precursor_signs import CODE
from features.catalogue.catalogue import CATALOGUE

TEXTS: Final[Mapping[str, str]] = {
    "timing": "When it came, and when it was recorded.",
    "conveyance": "The vehicle itself.",
    "documents": "Its papers.",
    "declared": "What was declared.",
    "parties": "Its parties: earlier crossings and inspections.",
    "links": "Links to other vehicles and parties.",
    "mirror": "What the paired post recorded.",
    "route": "Its route.",
    "goods": "The goods.",
    "fingerprints": "Goods like these, seen before.",
    "other": "Other facts.",
}
"""One sentence a family of features."""
_OF_RULES: Final[Mapping[str, str]] = {
    "linked_find": "links",
    "mass_unlike_exit": "mirror",
    "seal_changed": "mirror",
    "trailer_changed": "mirror",
    "empty_but_declared": "documents",
    "laden_undeclared": "documents",
    "container_check_digit": "documents",
    "new_driver_at_night": "links",
    "first_crossing": "parties",
}
_FAMILIES: Final[Mapping[str, str]] = {
    **{name: feature.family for name, feature in CATALOGUE.items()},
    **_OF_RULES,
    CODE: "goods",
}


def subjects(codes: Iterable[str]) -> list[dict[str, str]]:
    """Return what these reasons are about, each subject once, in an order of their own.

    Codes of neither a feature nor an indicator rule say what selected a vehicle, and are left out.
    """
    known = {_FAMILIES[code] for code in codes if code in _FAMILIES}
    return [{"code": one, "text": TEXTS[one]} for one in TEXTS if one in known] or [
        {"code": "other", "text": TEXTS["other"]}
    ]
