"""Statements on a declared precursor: a neutral fact, and a reason with what is unusual of it."""

import math
from collections.abc import Mapping, Sequence

from engine.domain.precursors import Precursor, main_precursor
from engine.domain.records import Arrival
from engine.explanation.messages import Message
from engine.explanation.reasons import Reason, make_whole_reason

CODE = "precursor_declared"
"""Code of the fact and of the reason."""
LARGE = 3.0
"""Quantity over the usual one from which on it is called unusual."""
_FLAGS: Mapping[str, str] = {
    "consignee_precursor_new": "first_consignee",
    "consignor_precursor_new": "first_consignor",
    "precursor_route_new": "first_route",
}


def precursor_parameters(arrival: Arrival) -> dict[str, object] | None:
    """Return the parameters of the messages on a declared precursor; None where there is none."""
    declared = None if arrival.declaration is None else main_precursor(arrival.declaration.items)
    return None if declared is None else _parameters(declared[0])


def add_precursor_reason(
    reasons: Sequence[Reason], arrival: Arrival, features: Mapping[str, float]
) -> tuple[Reason, ...]:
    """Return reasons with one on the declared precursor, if there is one.

    It comes first where party, route or quantity are unusual of it, else last: what a regular
    importer brings on its usual route is no sign.
    """
    known = precursor_parameters(arrival)
    if known is None:
        return tuple(reasons)
    signs = unusual_signs(features)
    if not signs:
        return (*reasons, _reason("precursor_usual", known))
    return (_reason("precursor_unusual", {**known, "unusual": signs}), *reasons)


def unusual_signs(features: Mapping[str, float]) -> list[str]:
    """Return what is unusual of a declared precursor; what is not known is no sign."""
    signs = [sign for name, sign in _FLAGS.items() if features.get(name) == 1.0]
    amounts = ("precursor_kg_over_usual", "precursor_kg_over_usual_of_consignee")
    if any(features.get(name, math.nan) >= LARGE for name in amounts):
        signs.append("large_quantity")
    return signs


def _parameters(precursor: Precursor) -> dict[str, object]:
    return {"hs_code": precursor.hs_code, "table": "I" * precursor.table}


def _reason(message: str, parameters: Mapping[str, object]) -> Reason:
    made = make_whole_reason(Message(message, parameters))
    return Reason(CODE, made.text, made.fact, "", 0.0, made.message, made.parameters)
