"""How a feature of the paired post's record is said.

Assumes the two operators of :mod:`features.catalogue.mirror_features`: what the record says beside
this crossing, and how it was found.
"""

from collections.abc import Mapping

from features.catalogue.mirror_features import DIFFERS, KEYS, LESS, OVER, SHARE, WINDOW
from features.catalogue.spec import Fact, Feature, Read
from models.amounts import Wording, noun

NONE = "no record of the paired post was found"
RECORD = "the paired post's record"
KEY_NOUN: Mapping[str, str] = {
    "plate": "plate",
    "vin": "VIN",
    "tir": "TIR carnet",
    "cmr": "CMR note",
    "trailer": "trailer",
}
_PLATE_AND_VIN: Mapping[str, str] = {"plate_key": "plate", "vin_key": "VIN"}


def matched(feature: Feature) -> Wording:
    """Return how a difference to the paired post's record is said."""
    how, last = int(feature.parameters[0]), feature.inputs[-1]
    fact = last.measure if isinstance(last, Read) else ""
    what = _PLATE_AND_VIN.get(fact) or noun(fact)
    if fact == "known_at":
        said = "the paired post last recorded this vehicle {} ago"
        return Wording(said, feature.unit, unknown=NONE)
    if how == DIFFERS:
        recorded = "the paired post recorded"
        return Wording(
            f"{what} other than {recorded}",
            "flag",
            denied=f"same {what} as {recorded}",
            unknown=f"{what}: nothing known to compare with what {recorded}",
        )
    if how == OVER:
        missing = f"{what}: no such in {RECORD}"
        return Wording(f"{what} {{}} × that of {RECORD}", "ratio", unknown=missing)
    if how == LESS:
        return _less(feature, what)
    return Wording(f"{what}, by {RECORD}: {{}}", feature.unit)


def _less(feature: Feature, what: str) -> Wording:
    if feature.inputs[0] == Fact("arrived_at"):
        unknown = f"time since {RECORD}: not known"
        return Wording(f"arrived {{}} after {RECORD}", feature.unit, unknown=unknown)
    unknown = f"{what}: nothing known of {RECORD}"
    return Wording(f"{what} less that of {RECORD}: {{}}", feature.unit, unknown=unknown)


def match(feature: Feature) -> Wording:
    """Return how the match itself is said."""
    what = int(feature.parameters[0])
    if what == WINDOW:
        return Wording(f"{RECORD} is looked for within {{}}", feature.unit)
    if what == SHARE:
        said = "{} of the vehicles on this line came sooner after their record at the paired post"
        return Wording(said, "share", unknown="how soon vehicles follow on this line: not known")
    key = KEY_NOUN[KEYS[what]]
    return Wording(
        f"{RECORD} was found by {key}", "flag", denied=f"{key} did not find {RECORD}", unknown=NONE
    )
