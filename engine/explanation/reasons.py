"""Reasons for and against a crossing, each in words that a person can check.

A declared precursor is stated twice: as a neutral fact, and as a reason that says what is unusual
about it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.domain.goods import Precursor, main_precursor
from engine.domain.records import Arrival
from engine.explanation.message_templates import TEMPLATES
from engine.explanation.messages import (
    Message,
    Parameters,
    places_of,
    render,
    render_comparison,
    render_reason,
)
from engine.ports import Contribution


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence, the fact behind it, and what is usual."""

    code: str
    text: str
    fact: str
    comparison: str
    contribution: float
    """In log-odds of the risk, of all that is known on its subject; 0 where not the model's."""
    message: str
    """Stable identifier of the sentence."""
    parameters: Parameters = field(default_factory=dict)
    """The figures of the sentence by name, as JSON values."""


def make_reason(code: str, message: Message, contribution: float) -> Reason:
    """Return the reason of a fact with its comparison, in English too."""
    return Reason(
        code=code,
        text=render_reason(message),
        fact=render(message),
        comparison=render_comparison(message),
        contribution=contribution,
        message=message.id,
        parameters=message.parameters,
    )


def make_whole_reason(message: Message, contribution: float = 0.0, *, code: str = "") -> Reason:
    """Return the reason of a sentence that is compared with nothing; ``code`` is the message's."""
    text = render(message)
    return Reason(code or message.id, text, text, "", contribution, message.id, message.parameters)


def name_opposite_post(reasons: Sequence[Reason], name: str) -> tuple[Reason, ...]:
    """Return reasons of which those on the opposite post's record name the post, if it has a name.

    The name stands in ``parameters`` as ``opposite``.
    """
    return tuple(_name_in(one, name) for one in reasons) if name else tuple(reasons)


def _is_of_opposite(message: str | None) -> bool:
    template = TEMPLATES.get(message or "")
    return template is not None and "opposite" in places_of(template)


def _name_in(reason: Reason, name: str) -> Reason:
    if _is_of_opposite(reason.message):
        message = Message(reason.message, {**reason.parameters, "opposite": name})
        return make_reason(reason.code, message, reason.contribution)
    if reason.message != "small_signs_led":
        return reason
    figures = [
        {**one, "parameters": {**one["parameters"], "opposite": name}}
        if _is_of_opposite(one["message"])
        else one
        for one in reason.parameters["figures"]
    ]
    message = Message(reason.message, {**reason.parameters, "figures": figures})
    return make_whole_reason(message, reason.contribution, code=reason.code)


REASONS_VERSION = "reasons-1"
"""Changes whenever the rule that makes reasons changes; kept with every decision."""

Sentences = Callable[[Sequence[Contribution], Arrival], Sequence[Reason]]
"""Turns what features contributed into reasons, the strongest first."""


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
