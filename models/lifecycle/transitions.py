"""Steps of promotion: who may take each, the records that it leaves, and its refusals.

Each step returns the records that it takes, or refuses with the condition that is missing; a
refusal is a message identifier with parameters and an English template. What the records come to is
what :mod:`models.lifecycle.states` makes of them.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Required, TypedDict, Unpack

from engine.criteria.dual_control import APPROVED_ALREADY, OWN_WORK, Refusal
from engine.errors import NoModelError, PromotionRefusedError
from engine.explanation.messages import Message, render
from engine.journal.entries import Draft, Kind
from engine.journal.kinds import (
    MODEL_APPROVED,
    MODEL_CHALLENGED,
    MODEL_IN_FORCE,
    MODEL_REGISTERED,
    MODEL_RETIRED,
    MODEL_SHADOWED,
    ModelBody,
)
from models.lifecycle.states import (
    APPROVALS,
    ModelEvent,
    ModelState,
    ModelStates,
    find_refusal,
)

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


def register(
    now: ModelStates, version: str, *, by: str, manifest: str, evaluation: str, card: str
) -> tuple[Draft, ...]:
    """Return the record of a new candidate; none where the version is registered already."""
    if version in now.models:
        return ()
    body: ModelBody = {"by": by, "manifest": manifest, "evaluation": evaluation, "card": card}
    return (MODEL_REGISTERED.draft(version, body),)


def shadow(now: ModelStates, version: str, *, by: str) -> tuple[Draft, ...]:
    """Return the record that lets a candidate score next to the model in force, unseen."""
    model = _find_model(now, version)
    if find_refusal(now, model, ModelEvent(MODEL_SHADOWED, version, by)):
        raise make_refusal(version, "not_a_candidate")
    return (MODEL_SHADOWED.draft(version, {"by": by}),)


def retire_proposal(now: ModelStates, version: str, *, by: str, why: str) -> tuple[Draft, ...]:
    """Return the record by which a model in the shadow leaves, approved by no person.

    None of any other: a model that decides, or that a person approved, leaves by a person's step.
    """
    model = _find_model(now, version)
    if model.role != "shadow" or model.approvals or model.challenges:
        return ()
    return (MODEL_RETIRED.draft(version, {"by": by, "why": why}),)


class BundleFacts(TypedDict, total=False):
    """What is known of the bundle of a model, verified by the caller."""

    manifest: Required[str]
    """SHA-256 of its manifest as it is now."""
    doubts: Sequence[str]
    """What its report says against the labels that taught it
    (:mod:`models.training.label_flip_test`)."""
    unjudged: str
    """Why it could not be judged (:func:`explain_unjudged`); empty where it was."""
    fits: bool
    """Whether it was fitted on the features that are read here."""


_REFUSED: Mapping[tuple[Kind[ModelBody], Refusal], str] = {
    (MODEL_APPROVED, OWN_WORK): "own_model",
    (MODEL_APPROVED, APPROVED_ALREADY): "approved_already",
    (MODEL_CHALLENGED, OWN_WORK): "own_trial",
    (MODEL_CHALLENGED, APPROVED_ALREADY): "trial_approved_already",
}
"""Messages of the refusals by the rules of :data:`models.lifecycle.states.TRANSITIONS`."""


def approve(
    now: ModelStates,
    version: str,
    *,
    by: str,
    inactive: Collection[str] = (),
    **bundle: Unpack[BundleFacts],
) -> tuple[Draft, ...]:
    """Return the records of one approval; the second puts the model into force.

    ``by`` approves, authenticated by the caller. Approvals of the ``inactive``, who may approve
    nothing any more, are dismissed. One that has left may be approved again, by two as at first.

    Raises ``NoModelError`` if no such version is registered, ``PromotionRefusedError`` if its
    labels are in doubt, it could not be judged, lacks an evaluation or a card, is not what was
    registered, was fitted on other features, was trained or approved already by this person, or is
    in force.
    """
    model = _find_model(now, version)
    given = () if model.role == "retired" else model.approvals
    draft = _draft_approval(
        now, MODEL_APPROVED, model, given, by=by, inactive=inactive, bundle=bundle
    )
    if len(given) - len(draft.body.get("dismissed", ())) + 1 < APPROVALS:
        return (draft,)
    return (draft, *_change(now, version, by=by, why="approved by two"))


def challenge(
    now: ModelStates,
    version: str,
    *,
    by: str,
    inactive: Collection[str] = (),
    **bundle: Unpack[BundleFacts],
) -> tuple[Draft, ...]:
    """Return the record of one approval of a trial; the second puts the model on trial.

    On trial it leads some arrivals, at random, so it may lack nothing that a model in force needs:
    arguments and refusals are those of `approve`. It is refused too where no model is in force to
    challenge, and where one is on trial already.
    """
    model, more = _find_model(now, version), list[Message]()
    if now.in_force is None:
        more.append(Message("nothing_to_challenge"))
    if now.challenger is not None:
        more.append(Message("other_on_trial", {"code": now.challenger.version}))
    draft = _draft_approval(
        now,
        MODEL_CHALLENGED,
        model,
        model.challenges,
        by=by,
        inactive=inactive,
        bundle=bundle,
        more=more,
    )
    return (draft,)


def _draft_approval(
    now: ModelStates,
    kind: Kind[ModelBody],
    model: ModelState,
    given: Sequence[str],
    *,
    by: str,
    inactive: Collection[str],
    bundle: BundleFacts,
    more: Sequence[Message] = (),
) -> Draft:
    """Return the record of one person's approval after those given; raises where it is refused."""
    for why in (*against(model, **bundle), *more):
        raise make_refusal(model.version, why.id, **why.parameters)
    dismissed = [person for person in given if person in inactive]
    event = ModelEvent(kind, model.version, by, dismissed=tuple(dismissed))
    if refusal := find_refusal(now, model, event):
        raise make_refusal(model.version, _REFUSED[kind, refusal])
    body: ModelBody = {"by": by, "manifest": bundle["manifest"]}
    if dismissed:
        body["dismissed"] = dismissed
    return kind.draft(model.version, body)


def end_trial(now: ModelStates, *, by: str, why: str) -> tuple[Draft, ...]:
    """Return the record after which the model in force decides alone; one person is enough."""
    if now.challenger is None:
        raise make_refusal(now.in_force or "", "none_on_trial")
    return (MODEL_RETIRED.draft(now.challenger.version, {"by": by, "why": why}),)


def against(model: ModelState, **bundle: Unpack[BundleFacts]) -> tuple[Message, ...]:
    """Return what stands against approving a model."""
    unjudged, doubts = bundle.get("unjudged", ""), bundle.get("doubts", ())
    return tuple(
        message
        for broken, message in (
            (model.role == "in_force", Message("in_force_already")),
            (not model.evaluation, Message("no_evaluation")),
            (bool(unjudged), Message("not_judged", {"text": unjudged})),
            (not model.card, Message("no_card")),
            (bundle["manifest"] != model.manifest, Message("other_bundle")),
            (not bundle.get("fits", True), Message("other_features")),
            (bool(doubts), Message("labels_doubted", {"text": " ".join(doubts)})),
        )
        if broken
    )


def explain_unjudged(report: Mapping[str, Any]) -> str:
    """Return why a stored report judges nothing, empty where it does.

    Where no model could be fitted before the test period, the one that serves may have been: it has
    no figure that two people could approve it by.
    """
    if report.get("targets"):
        return ""
    return " ".join(report.get("cannot_tell", ())) or "its report does not say why"


def before(now: ModelStates) -> str:
    """Return the version that a roll back returns to: the last one in force before the present.

    Raises ``PromotionRefusedError`` where there is none. One that was withdrawn is passed over for
    good: one person does not return to a model that was taken out of force for a doubt; two may
    approve it again.
    """
    if now.before is None:
        raise make_refusal(now.in_force or "", "nothing_to_return_to")
    return now.before


def roll_back(
    now: ModelStates, *, by: str, why: str, manifest: str, fits: bool = True
) -> tuple[Draft, ...]:
    """Return the records that put the model before the present one back into force.

    ``manifest`` is the SHA-256 of its bundle's manifest as it is now, verified by the caller, and
    ``fits`` whether it was fitted on the features that are read here.
    """
    version = before(now)
    if manifest != now.models[version].manifest:
        raise make_refusal(version, "other_bundle")
    if not fits:
        raise make_refusal(version, "other_features")
    return _change(now, version, by=by, why=why)


def withdraw(now: ModelStates, *, by: str, why: str) -> tuple[Draft, ...]:
    """Return the record after which no model decides: rules and random checks alone."""
    if now.in_force is None:
        return ()
    return (MODEL_RETIRED.draft(now.in_force, {"by": by, "why": why}),)


def _change(now: ModelStates, version: str, *, by: str, why: str) -> tuple[Draft, ...]:
    entering = MODEL_IN_FORCE.draft(version, {"by": by, "why": why})
    if now.in_force is None:
        return (entering,)
    leaving = MODEL_RETIRED.draft(now.in_force, {"by": by, "why": f"replaced by {version}"})
    return (leaving, entering)


def _find_model(now: ModelStates, version: str) -> ModelState:
    if version not in now.models:
        raise NoModelError(version)
    return now.models[version]
