"""Steps of promotion: who may take each, and the records that it leaves.

Each returns the records that it takes, or refuses with the condition that is missing. What they
come to is what :mod:`models.lifecycle.states` makes of them.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from engine.errors import NoModelError
from engine.explanation.messages import Message
from engine.journal.entries import Draft
from engine.journal.kinds import (
    MODEL_APPROVED,
    MODEL_CHALLENGED,
    MODEL_IN_FORCE,
    MODEL_REGISTERED,
    MODEL_RETIRED,
    MODEL_SHADOWED,
)
from models.lifecycle.refusals import make_refusal
from models.lifecycle.states import APPROVALS, ModelState, ModelStates


def register(
    now: ModelStates, version: str, *, by: str, manifest: str, evaluation: str, card: str
) -> tuple[Draft, ...]:
    """Return the record of a new candidate; none where the version is registered already."""
    if version in now.models:
        return ()
    body = {"by": by, "manifest": manifest, "evaluation": evaluation, "card": card}
    return (Draft(MODEL_REGISTERED, version, "", body),)


def shadow(now: ModelStates, version: str, *, by: str) -> tuple[Draft, ...]:
    """Return the record that lets a candidate score next to the model in force, unseen."""
    if _find_model(now, version).role != "candidate":
        raise make_refusal(version, "not_a_candidate")
    return (Draft(MODEL_SHADOWED, version, "", {"by": by}),)


def approve(
    now: ModelStates,
    version: str,
    *,
    by: str,
    manifest: str,
    doubts: Sequence[str] = (),
    unjudged: str = "",
    fits: bool = True,
    inactive: Collection[str] = (),
) -> tuple[Draft, ...]:
    """Return the records of one approval; the second puts the model into force.

    Parameters
    ----------
    now : State
    version : str
    by : str
        Who approves, authenticated by the caller.
    manifest : str
        SHA-256 of the manifest of the bundle as it is now, verified by the caller.
    doubts : sequence of str
        What its report says against the labels that taught it
        (:mod:`models.training.label_flip_test`).
    unjudged : str
        Why it could not be judged, as :func:`unjudged` reads its report; empty where it was.
    fits : bool
        Whether it was fitted on the features that are read here.
    inactive : collection of str
        Of those who approved it, who may approve nothing any more: their approvals are dismissed.

    Raises
    ------
    NoModelError
        If no such version is registered.
    PromotionRefusedError
        If its labels are in doubt, it could not be judged, lacks an evaluation or a card, is not
        what was registered, was fitted on other features, was trained by this person, was approved
        by this person already, or is in force. One that has left may be approved again, by two as
        at first.
    """
    model = _find_model(now, version)
    given = () if model.role == "retired" else model.approvals
    dismissed = [person for person in given if person in inactive]
    given = tuple(person for person in given if person not in inactive)
    for why in against(model, manifest=manifest, doubts=doubts, unjudged=unjudged, fits=fits):
        raise make_refusal(version, why.id, **why.parameters)
    if by == model.trained_by:
        raise make_refusal(version, "own_model")
    if by in given:
        raise make_refusal(version, "approved_already")
    body = {"by": by, "manifest": manifest} | ({"dismissed": dismissed} if dismissed else {})
    records = (Draft(MODEL_APPROVED, version, "", body),)
    if len(given) + 1 < APPROVALS:
        return records
    return (*records, *_change(now, version, by=by, why="approved by two"))


def challenge(
    now: ModelStates,
    version: str,
    *,
    by: str,
    manifest: str,
    doubts: Sequence[str] = (),
    unjudged: str = "",
    fits: bool = True,
    inactive: Collection[str] = (),
) -> tuple[Draft, ...]:
    """Return the record of one approval of a trial; the second puts the model on trial.

    On trial it leads some arrivals, at random, so it may lack nothing that a model in force needs:
    arguments and refusals are those of `approve`. It is refused too where no model is in force to
    challenge, and where one is on trial already.
    """
    model = _find_model(now, version)
    for why in against(model, manifest=manifest, doubts=doubts, unjudged=unjudged, fits=fits):
        raise make_refusal(version, why.id, **why.parameters)
    if now.in_force is None:
        raise make_refusal(version, "nothing_to_challenge")
    if now.challenger is not None:
        raise make_refusal(version, "other_on_trial", code=now.challenger.version)
    if by == model.trained_by:
        raise make_refusal(version, "own_trial")
    if by in model.challenges:
        raise make_refusal(version, "trial_approved_already")
    dismissed = [person for person in model.challenges if person in inactive]
    body = {"by": by, "manifest": manifest} | ({"dismissed": dismissed} if dismissed else {})
    return (Draft(MODEL_CHALLENGED, version, "", body),)


def end_trial(now: ModelStates, *, by: str, why: str) -> tuple[Draft, ...]:
    """Return the record after which the model in force decides alone; one person is enough."""
    if now.challenger is None:
        raise make_refusal(now.in_force or "", "none_on_trial")
    return (Draft(MODEL_RETIRED, now.challenger.version, "", {"by": by, "why": why}),)


def against(
    model: ModelState,
    *,
    manifest: str,
    doubts: Sequence[str] = (),
    unjudged: str = "",
    fits: bool = True,
) -> tuple[Message, ...]:
    """Return what stands against approving a model; arguments of `approve`."""
    return tuple(
        message
        for broken, message in (
            (model.role == "in_force", Message("in_force_already")),
            (not model.evaluation, Message("no_evaluation")),
            (bool(unjudged), Message("not_judged", {"text": unjudged})),
            (not model.card, Message("no_card")),
            (manifest != model.manifest, Message("other_bundle")),
            (not fits, Message("other_features")),
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
    return (Draft(MODEL_RETIRED, now.in_force, "", {"by": by, "why": why}),)


def _change(now: ModelStates, version: str, *, by: str, why: str) -> tuple[Draft, ...]:
    entering = Draft(MODEL_IN_FORCE, version, "", {"by": by, "why": why})
    if now.in_force is None:
        return (entering,)
    leaving = Draft(MODEL_RETIRED, now.in_force, "", {"by": by, "why": f"replaced by {version}"})
    return (leaving, entering)


def _find_model(now: ModelStates, version: str) -> ModelState:
    if version not in now.models:
        raise NoModelError(version)
    return now.models[version]
