"""Who approved what, and which model decides: a state machine over the journal's records.

Assumes that a state is what the records say, in their order, and nothing else: two approvals by
different people put a model into force, whether or not a record says so too, and an approval twice
by one person, or by whoever trained the model, counts for nothing even when it got into the
journal. Two commands that race therefore cannot promote with one person.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from engine.errors import NoModelError, PromotionRefusedError
from engine.journal import Draft

REGISTERED = "model_registered"
SHADOWED = "model_shadowed"
APPROVED = "model_approved"
IN_FORCE = "model_in_force"
RETIRED = "model_retired"
KINDS = (REGISTERED, SHADOWED, APPROVED, IN_FORCE, RETIRED)
APPROVALS = 2
OTHER_FEATURES = "it was fitted on other features than those read here"

Role = Literal["candidate", "shadow", "in_force", "retired"]


@dataclass(frozen=True, slots=True)
class Event:
    """One record about a model."""

    kind: str
    version: str
    by: str
    manifest: str = ""
    """Registered: SHA-256 of the bundle's manifest, so that what is approved is what was judged."""
    evaluation: str = ""
    """Registered: SHA-256 of the stored report; empty where there is none."""
    card: str = ""
    """Registered: SHA-256 of the card; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one model stands."""

    version: str
    role: Role
    trained_by: str
    manifest: str
    evaluation: str
    card: str
    approvals: tuple[str, ...] = ()
    """Who approved, in order; never who trained it, nobody twice."""
    was_in_force: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """Where every model stands."""

    models: Mapping[str, Standing] = field(default_factory=dict)
    history: tuple[str, ...] = ()
    """Versions put into force, oldest first; the last decides while it is in force.

    A roll back cuts off what came after the version it returns to.
    """

    @property
    def in_force(self) -> str | None:
        """The version that decides, None where none does."""
        if not self.history or self.models[self.history[-1]].role != "in_force":
            return None
        return self.history[-1]


def state(events: Iterable[Event]) -> State:
    """Return where every model stands after these records, in the journal's order.

    Records that no command here would write (of an unknown version, say) change nothing.
    """
    now = State()
    for event in events:
        now = _after(now, event)
    return now


def _after(now: State, event: Event) -> State:
    model = now.models.get(event.version)
    if event.kind == REGISTERED:
        return now if model else _with(now, _registered(event))
    if model is None:
        return now
    if event.kind == SHADOWED and model.role == "candidate":
        return _with(now, replace(model, role="shadow"))
    if event.kind == RETIRED:
        return _with(now, replace(model, role="retired"))
    if event.kind == IN_FORCE and model.was_in_force:  # a roll back; firsts need approvals
        return _into_force(now, model)
    if event.kind == APPROVED and model.role != "in_force":
        return _approved(now, model, event.by)
    return now


def _registered(event: Event) -> Standing:
    return Standing(
        version=event.version,
        role="candidate",
        trained_by=event.by,
        manifest=event.manifest,
        evaluation=event.evaluation,
        card=event.card,
    )


def _approved(now: State, model: Standing, by: str) -> State:
    """Count an approval; the second of two people puts the model into force.

    One that has left is a candidate again, and those who approved it before have to do so anew.
    """
    if model.role == "retired":
        model = replace(model, role="candidate", approvals=())
    if by == model.trained_by or by in model.approvals:
        return now
    model = replace(model, approvals=(*model.approvals, by))
    return _with(now, model) if len(model.approvals) < APPROVALS else _into_force(now, model)


def _into_force(now: State, model: Standing) -> State:
    """Put a model into force and retire the one before it."""
    if now.in_force == model.version:
        return now
    history = now.history
    if model.version in history:
        history = history[: history.index(model.version)]
    if now.in_force is not None:
        now = _with(now, replace(now.models[now.in_force], role="retired"))
    now = _with(now, replace(model, role="in_force", was_in_force=True))
    return replace(now, history=(*history, model.version))


def _with(now: State, model: Standing) -> State:
    return replace(now, models={**now.models, model.version: model})


def register(
    now: State, version: str, *, by: str, manifest: str, evaluation: str, card: str
) -> tuple[Draft, ...]:
    """Return the record of a new candidate; none where the version is registered already."""
    if version in now.models:
        return ()
    body = {"by": by, "manifest": manifest, "evaluation": evaluation, "card": card}
    return (Draft(REGISTERED, version, "", body),)


def shadow(now: State, version: str, *, by: str) -> tuple[Draft, ...]:
    """Return the record that lets a candidate score beside the model in force, unseen."""
    if _known(now, version).role != "candidate":
        raise PromotionRefusedError(version, "only a candidate can become a shadow")
    return (Draft(SHADOWED, version, "", {"by": by}),)


def approve(
    now: State,
    version: str,
    *,
    by: str,
    manifest: str,
    doubts: Sequence[str] = (),
    fits: bool = True,
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
        What its report says against the labels that taught it (:mod:`models.turned`).
    fits : bool
        Whether it was fitted on the features that are read here.

    Raises
    ------
    NoModelError
        If no such version is registered.
    PromotionRefusedError
        If its labels are in doubt, it lacks an evaluation or a card, is not what was registered,
        was fitted on other features, was trained by this person, was approved by this person
        already, or is in force. One that has left may be approved anew, by two as at first.
    """
    model = _known(now, version)
    given = () if model.role == "retired" else model.approvals
    for why in against(model, manifest=manifest, doubts=doubts, fits=fits):
        raise PromotionRefusedError(version, why)
    if by == model.trained_by:
        raise PromotionRefusedError(version, "whoever trained a model may not approve it")
    if by in given:
        raise PromotionRefusedError(version, "the same person approved it already")
    records = (Draft(APPROVED, version, "", {"by": by, "manifest": manifest}),)
    if len(given) + 1 < APPROVALS:
        return records
    return (*records, *_change(now, version, by=by, why="approved by two"))


def against(
    model: Standing, *, manifest: str, doubts: Sequence[str] = (), fits: bool = True
) -> tuple[str, ...]:
    """Return what stands against approving a model, whoever approves; arguments of `approve`."""
    return tuple(
        why
        for broken, why in (
            (model.role == "in_force", "it is in force"),
            (not model.evaluation, "it has no stored evaluation"),
            (not model.card, "it has no model card"),
            (manifest != model.manifest, "its bundle is not the one that was registered"),
            (not fits, OTHER_FEATURES),
            (bool(doubts), " ".join(doubts)),
        )
        if broken
    )


def before(now: State) -> str:
    """Return the version that a roll back returns to: the one before that which decided last.

    Raises ``PromotionRefusedError`` where there is none. After a withdrawal it is the same: one
    person does not return to a model that was taken out of force for a doubt; two may approve it.
    """
    if len(now.history) < 2:
        last = now.history[-1] if now.history else ""
        raise PromotionRefusedError(last, "no earlier model was in force")
    return now.history[-2]


def roll_back(
    now: State, *, by: str, why: str, manifest: str, fits: bool = True
) -> tuple[Draft, ...]:
    """Return the records that put the model before the present one back into force.

    ``manifest`` is the SHA-256 of its bundle's manifest as it is now, verified by the caller, and
    ``fits`` whether it was fitted on the features that are read here.
    """
    version = before(now)
    if manifest != now.models[version].manifest:
        raise PromotionRefusedError(version, "its bundle is not the one that was registered")
    if not fits:
        raise PromotionRefusedError(version, OTHER_FEATURES)
    return _change(now, version, by=by, why=why)


def withdraw(now: State, *, by: str, why: str) -> tuple[Draft, ...]:
    """Return the record after which no model decides: rules and random checks alone."""
    if now.in_force is None:
        return ()
    return (Draft(RETIRED, now.in_force, "", {"by": by, "why": why}),)


def _change(now: State, version: str, *, by: str, why: str) -> tuple[Draft, ...]:
    entering = Draft(IN_FORCE, version, "", {"by": by, "why": why})
    if now.in_force is None:
        return (entering,)
    leaving = Draft(RETIRED, now.in_force, "", {"by": by, "why": f"replaced by {version}"})
    return (leaving, entering)


def _known(now: State, version: str) -> Standing:
    if version not in now.models:
        raise NoModelError(version)
    return now.models[version]
