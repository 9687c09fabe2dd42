"""A reason: one thing that speaks for or against a crossing, in words a person can check."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.domain.records import Arrival
from engine.explanation.message_templates import NAMED, TEMPLATES
from engine.explanation.messages import (
    Message,
    Parameters,
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


def _name_in(reason: Reason, name: str) -> Reason:
    if f"{reason.message}{NAMED}" in TEMPLATES:
        message = Message(reason.message, {**reason.parameters, "opposite": name})
        return make_reason(reason.code, message, reason.contribution)
    if reason.message != "small_signs_led":
        return reason
    figures = [
        {**one, "parameters": {**one["parameters"], "opposite": name}}
        if f"{one['message']}{NAMED}" in TEMPLATES
        else one
        for one in reason.parameters["figures"]
    ]
    message = Message(reason.message, {**reason.parameters, "figures": figures})
    return make_whole_reason(message, reason.contribution, code=reason.code)


REASONS_VERSION = "reasons-1"
"""Changes whenever the rule that makes reasons changes; kept with every decision."""

Sentences = Callable[[Sequence[Contribution], Arrival], Sequence[Reason]]
"""Turns what features contributed into reasons, the strongest first."""
