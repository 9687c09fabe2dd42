"""Refusals of a step of promotion: message identifiers with parameters, and English templates."""

from collections.abc import Mapping
from typing import Any, Final

from engine.errors import PromotionRefusedError
from engine.explanation.messages import Message, render

REFUSALS: Final[Mapping[str, str]] = {
    "in_force_already": "it is in force",
    "no_evaluation": "it has no stored evaluation",
    "not_judged": "it could not be judged: {text}",
    "no_card": "it has no model card",
    "other_bundle": "its bundle is not the one that was registered",
    "bundle_missing": "its bundle is missing",
    "bundle_refused": "its bundle is refused: {text}",
    "other_features": "it was fitted on other features than those read here",
    "labels_doubted": "its labels are in doubt: {text}",
    "not_a_candidate": "only a candidate can become a shadow",
    "own_model": "the person who trained a model may not approve it",
    "own_trial": "the person who trained a model may not put it on trial",
    "approved_already": "the same person approved it already",
    "trial_approved_already": "the same person approved its trial already",
    "nothing_to_challenge": "no model is in force that it could challenge",
    "other_on_trial": "{code} is on trial",
    "none_on_trial": "no model is on trial",
    "nothing_to_return_to": "no earlier model is left to return to",
}
"""By message identifier. Clients read the identifiers; their words may be improved."""


def describe_refusal(message: Message) -> dict[str, Any]:
    """Return a refusal as JSON values, with its words in English."""
    return {**message.as_dict(), "why": render(message, templates=REFUSALS)}


def make_refusal(version: str, message: str, **parameters: Any) -> PromotionRefusedError:
    """Return the refusal of a step of this model; empty ``version`` where it is of no one model."""
    refused = describe_refusal(Message(message, parameters))
    return PromotionRefusedError(version, refused["why"], message, parameters)
