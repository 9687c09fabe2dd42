"""States of models: a table of transitions over the journal's records.

Assumes that a state is what the records say, in their order, and nothing else: two approvals by
different people put a model into force, whether or not a record says so too, and an approval twice
by one person, or by the person who trained the model, counts for nothing even when it got into the
journal. Two commands that race therefore cannot promote with one person. The same holds of a trial,
in which a challenger shares the searches of the model in force: it needs two people, and it ends
when either of the two models leaves. A model that was withdrawn is on no way back, whatever comes
into force after it, until two people approve it again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from engine.criteria.dual_control import NOTHING_PENDING, Refusal, Transition, check_person
from engine.journal.kinds import (
    MODEL_APPROVED,
    MODEL_CHALLENGED,
    MODEL_IN_FORCE,
    MODEL_REGISTERED,
    MODEL_RETIRED,
    MODEL_SHADOWED,
)

KINDS = (
    MODEL_REGISTERED,
    MODEL_SHADOWED,
    MODEL_APPROVED,
    MODEL_IN_FORCE,
    MODEL_RETIRED,
    MODEL_CHALLENGED,
)
APPROVALS = 2
WEEKLY_TIMER = "account:every-week"
"""Who trains the candidate of every week: no person's name, so that it approves nothing."""

Role = Literal["candidate", "shadow", "challenger", "in_force", "retired"]


@dataclass(frozen=True, slots=True)
class ModelEvent:
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
    seq: int = 0
    """The record's number in the journal."""
    dismissed: tuple[str, ...] = ()
    """Approved or challenged: whose earlier approvals count no more, because they have left."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """Where one model stands."""

    version: str
    role: Role
    trained_by: str
    manifest: str
    evaluation: str
    card: str
    approvals: tuple[str, ...] = ()
    """Who approved, in order; never who trained it, no person twice."""
    challenges: tuple[str, ...] = ()
    """Who approved its trial next to the model in force; never who trained it, no person twice."""
    trial: int | None = None
    """The journal's record that put it on trial; None where it is on none."""


@dataclass(frozen=True, slots=True)
class ModelStates:
    """Where every model stands."""

    models: Mapping[str, ModelState] = field(default_factory=dict)
    history: tuple[str, ...] = ()
    """The way back: versions that were put into force, oldest first, the one in force the last.

    A version that comes back cuts off what came after it, and one that is withdrawn is taken out:
    one person returns to neither.
    """

    @property
    def in_force(self) -> str | None:
        """The version that decides, None where none does."""
        if not self.history or self.models[self.history[-1]].role != "in_force":
            return None
        return self.history[-1]

    @property
    def before(self) -> str | None:
        """The version that a roll back returns to, None where there is none."""
        earlier = self.history if self.in_force is None else self.history[:-1]
        return earlier[-1] if earlier else None

    @property
    def challenger(self) -> ModelState | None:
        """The model on trial next to the one in force, None where there is none."""
        return next((one for one in self.models.values() if one.role == "challenger"), None)


Rule = Callable[[ModelStates, ModelState, ModelEvent], Refusal | None]
"""Returns why a step does not count, None where it counts."""
Effect = Callable[[ModelStates, ModelState, ModelEvent], ModelStates]


def state(events: Iterable[ModelEvent]) -> ModelStates:
    """Return where every model stands after these records, in the journal's order.

    Records that no command here would write (of an unknown version, say) change nothing.
    """
    now = ModelStates()
    for event in events:
        now = apply_event(now, event)
    return now


def apply_event(now: ModelStates, event: ModelEvent) -> ModelStates:
    """Return the states after a record; a record that breaks a rule changes nothing."""
    model = now.models.get(event.version)
    if model is None:
        is_new = event.kind == MODEL_REGISTERED
        return _with(now, _register_model(event)) if is_new else now
    if find_refusal(now, model, event) is not None:
        return now
    return _EFFECTS[event.kind](now, model, event)


def find_refusal(now: ModelStates, model: ModelState, event: ModelEvent) -> Refusal | None:
    """Return why a step does not count, whether it is read or to be written; None where it does."""
    transition = TRANSITIONS.get((model.role, event.kind))
    return NOTHING_PENDING if transition is None else transition.rule(now, model, event)


def _accept(_now: ModelStates, _model: ModelState, _event: ModelEvent) -> Refusal | None:
    return None


def _check_approval(_now: ModelStates, model: ModelState, event: ModelEvent) -> Refusal | None:
    given = _but(_come_back(model).approvals, event.dismissed)
    return check_person(event.by, author=model.trained_by, approvals=given)


def _check_challenge(now: ModelStates, model: ModelState, event: ModelEvent) -> Refusal | None:
    """Permit an approval of a trial where a model is in force, and none on trial next to it."""
    if now.in_force is None or now.challenger is not None:
        return NOTHING_PENDING
    given = _but(model.challenges, event.dismissed)
    return check_person(event.by, author=model.trained_by, approvals=given)


def _check_return(now: ModelStates, model: ModelState, _event: ModelEvent) -> Refusal | None:
    """Permit a roll back, by one person, to what was in force; others need approvals."""
    return None if model.version in now.history else NOTHING_PENDING


TRANSITIONS: dict[tuple[Role, str], Transition[Rule, Role]] = {
    ("candidate", MODEL_SHADOWED): Transition(_accept, "shadow"),
    ("candidate", MODEL_APPROVED): Transition(_check_approval, "in_force"),
    ("candidate", MODEL_CHALLENGED): Transition(_check_challenge, "challenger"),
    ("candidate", MODEL_IN_FORCE): Transition(_check_return, "in_force"),
    ("candidate", MODEL_RETIRED): Transition(_accept, "retired"),
    ("shadow", MODEL_APPROVED): Transition(_check_approval, "in_force"),
    ("shadow", MODEL_CHALLENGED): Transition(_check_challenge, "challenger"),
    ("shadow", MODEL_IN_FORCE): Transition(_check_return, "in_force"),
    ("shadow", MODEL_RETIRED): Transition(_accept, "retired"),
    ("challenger", MODEL_APPROVED): Transition(_check_approval, "in_force"),
    ("challenger", MODEL_IN_FORCE): Transition(_check_return, "in_force"),
    ("challenger", MODEL_RETIRED): Transition(_accept, "retired"),
    ("in_force", MODEL_RETIRED): Transition(_accept, "retired"),
    ("retired", MODEL_APPROVED): Transition(_check_approval, "in_force"),
    ("retired", MODEL_CHALLENGED): Transition(_check_challenge, "challenger"),
    ("retired", MODEL_IN_FORCE): Transition(_check_return, "in_force"),
}
"""Every step that can count after the registration, with the state that it leads to: an approval,
of the model or of its trial, leads there as the second of two people gives it."""


def _register_model(event: ModelEvent) -> ModelState:
    return ModelState(
        version=event.version,
        role="candidate",
        trained_by=event.by,
        manifest=event.manifest,
        evaluation=event.evaluation,
        card=event.card,
    )


def _shadow_model(now: ModelStates, model: ModelState, _event: ModelEvent) -> ModelStates:
    return _with(now, replace(model, role="shadow"))


def _retire_model(now: ModelStates, model: ModelState, _event: ModelEvent) -> ModelStates:
    """Let a model leave; one that decides is withdrawn, and leaves the way back with it.

    One that was replaced has left already as the other came, before the record that says so.
    """
    if model.role == "in_force":
        now = replace(_without_trial(now), history=now.history[:-1])
    return _with(now, replace(model, role="retired", challenges=(), trial=None))


def _count_approval(now: ModelStates, model: ModelState, event: ModelEvent) -> ModelStates:
    """Count an approval; the second of two people puts the model into force."""
    model = _come_back(model)
    model = replace(model, approvals=(*_but(model.approvals, event.dismissed), event.by))
    return _with(now, model) if len(model.approvals) < APPROVALS else _into_force(now, model)


def _come_back(model: ModelState) -> ModelState:
    """Return a retired model as a candidate without approvals."""
    return replace(model, role="candidate", approvals=()) if model.role == "retired" else model


def _count_challenge(now: ModelStates, model: ModelState, event: ModelEvent) -> ModelStates:
    """Count an approval of a trial; the second of two people begins it."""
    model = _come_back(model)
    model = replace(model, challenges=(*_but(model.challenges, event.dismissed), event.by))
    if len(model.challenges) < APPROVALS:
        return _with(now, model)
    return _with(now, replace(model, role="challenger", trial=event.seq))


def _but(people: tuple[str, ...], dismissed: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(person for person in people if person not in dismissed)


def _without_trial(now: ModelStates) -> ModelStates:
    """End a trial as its champion leaves, and forget who wanted one: it was against that model."""
    ended = {
        version: replace(
            one, challenges=(), trial=None, role="candidate" if one.trial is not None else one.role
        )
        for version, one in now.models.items()
    }
    return replace(now, models=ended)


def _into_force(now: ModelStates, model: ModelState) -> ModelStates:
    """Put a model into force, retire the one before it, and end the trial that there was."""
    if now.in_force == model.version:
        return now
    history = now.history
    if model.version in history:
        history = history[: history.index(model.version)]
    if now.in_force is not None:
        now = _with(now, replace(now.models[now.in_force], role="retired"))
    now = _without_trial(now)
    model = replace(model, role="in_force", challenges=(), trial=None)
    now = _with(now, model)
    return replace(now, history=(*history, model.version))


def _return_to_force(now: ModelStates, model: ModelState, _event: ModelEvent) -> ModelStates:
    return _into_force(now, model)


_EFFECTS: Mapping[str, Effect] = {
    MODEL_SHADOWED: _shadow_model,
    MODEL_APPROVED: _count_approval,
    MODEL_CHALLENGED: _count_challenge,
    MODEL_IN_FORCE: _return_to_force,
    MODEL_RETIRED: _retire_model,
}
"""What a step that counts changes."""


def _with(now: ModelStates, model: ModelState) -> ModelStates:
    return replace(now, models={**now.models, model.version: model})
