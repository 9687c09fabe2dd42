"""States of models: a table of transitions over the journal's records.

Assumes that a state is what the records say, in their order, and nothing else: two approvals by
different people put a model into force, whether or not a record says so too, and an approval twice
by one person, or by the person who trained the model, counts for nothing even if it is in the
journal. Two commands that race therefore cannot promote with one person. The same holds of a trial,
in which a challenger shares the searches of the model in force: it needs two people, and it ends
when either of the two models leaves. A withdrawn model is never restored by a rollback; two people
must approve it again.

Records about models are few: the state is computed again from all of them at each look.

A record of a registration holds the digest of the bundle's manifest, and the manifest those of its
files. The service refuses a changed bundle when it loads it; the check of bundles finds one before
that, and one that is gone, so that a decision of that model could not be computed again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, select

from engine.audit.file_anchors import find_symbolic_links
from engine.criteria.dual_control import NOTHING_PENDING, Refusal, Transition, check_person
from engine.errors import NoModelError, TamperedBundleError
from engine.journal.entries import Draft, JournalFault
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import (
    COPIED,
    DRIFT_MEASURED,
    MODEL_APPROVED,
    MODEL_CHALLENGED,
    MODEL_IN_FORCE,
    MODEL_REGISTERED,
    MODEL_RETIRED,
    MODEL_SHADOWED,
    TRIAL_MEASURED,
    TrialBody,
)
from engine.journal.power_records import PowerRecord, find_last_sequence, read_records
from engine.storage.home import Home, file_digest
from models.bundle import KEY_FILE, MANIFEST, read_verified, signing_key

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


def compute_states(events: Iterable[ModelEvent]) -> ModelStates:
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


EVEN = 0.5
"""Share of a challenger that nothing was found about yet."""


def read_state(connection: Connection) -> ModelStates:
    """Return where every model stands."""
    return compute_states(_events(connection))


def came_into_force(connection: Connection, version: str) -> int | None:
    """Return the number of the record that put a version into force; None where it does not decide.

    Where it left and came back, that is the record by which it came back.
    """
    events = _events(connection)
    if compute_states(events).in_force != version:
        return None
    while compute_states(events[:-1]).in_force == version:
        events.pop()
    return events[-1].seq


def _events(connection: Connection) -> list[ModelEvent]:
    # A record that is not proven only takes a model away.
    return [
        _event(record)
        for record in read_records(connection, KINDS)
        if record.body is not None or record.kind == MODEL_RETIRED
    ]


def _event(record: PowerRecord) -> ModelEvent:
    body = record.body or {}
    return ModelEvent(
        kind=record.kind,
        version=record.subject,
        by=str(body.get("by", "")),
        manifest=body.get("manifest", ""),
        evaluation=body.get("evaluation", ""),
        card=body.get("card", ""),
        seq=record.seq,
        dismissed=tuple(body.get("dismissed", ())),
    )


def measurement(version: str, *, by: str, figures: Mapping[str, Any]) -> Draft:
    """Return the record of one measurement of drift."""
    return DRIFT_MEASURED.draft(version, {"by": by, "figures": dict(figures)})


def find_last_measurement(connection: Connection) -> int | None:
    """Return the journal's number of the last measurement of drift, None where there is none."""
    return find_last_sequence(connection, DRIFT_MEASURED)


def find_model_in_force(connection: Connection) -> str | None:
    """Return the version that decides, None where none does."""
    return read_state(connection).in_force


@dataclass(frozen=True, slots=True)
class OnTrial:
    """Two models that share what the score may pick."""

    champion: str
    """The version in force."""
    challenger: str
    sequence: int
    """The journal's record that began the trial."""
    share: float
    """Probability with which the challenger leads an arrival."""


def find_trial(connection: Connection) -> OnTrial | None:
    """Return the trial that runs, with its share as measured last; None where none does."""
    now = read_state(connection)
    challenger = now.challenger
    if now.in_force is None or challenger is None or challenger.trial is None:
        return None
    measured = last_of_trial(connection, challenger.trial)
    share = EVEN if measured is None else measured[1]["share"]
    return OnTrial(now.in_force, challenger.version, challenger.trial, share)


def last_of_trial(connection: Connection, sequence: int) -> tuple[int, TrialBody] | None:
    """Return the last measurement of the trial that this record began: its number and its body."""
    for record in reversed(read_records(connection, (TRIAL_MEASURED,), after=sequence)):
        body = record.body
        # One that was under way as the trial before it ended is of that one.
        if body is not None and body["trial"] == sequence:
            return record.seq, cast("TrialBody", body)
    return None


def registered_bundles(connection: Connection) -> dict[str, tuple[int, str]]:
    """Return each registered version with the number of its record and its manifest's digest."""
    found: dict[str, tuple[int, str]] = {}
    query = select(JOURNAL.c.seq, JOURNAL.c.subject).where(JOURNAL.c.kind == MODEL_REGISTERED)
    versions = {row.seq: row.subject for row in connection.execute(query)}
    for seq, body in JournalReader(connection).bodies_of(MODEL_REGISTERED):
        if body.get("manifest"):
            found.setdefault(versions[seq], (seq, str(body["manifest"])))
    return found


def bundle_faults(home: Home, connection: Connection) -> Iterator[JournalFault]:
    """Yield each bundle that is gone, changed or reached by a link."""
    yield from find_symbolic_links(home.bundles)
    key = signing_key(home).public_key() if (home.keys / KEY_FILE).exists() else None
    elsewhere = _list_elsewhere(connection)
    for version, (seq, manifest) in registered_bundles(connection).items():
        if version in elsewhere and not (home.bundles / version).is_dir():
            continue
        why = _difference(home, version, manifest=manifest, key=key)
        if why is not None:
            yield JournalFault(seq, "bundle", f"bundle {version} {why}")


def _list_elsewhere(connection: Connection) -> set[str]:
    """Return the versions of a node's centre that never decided here: theirs may not arrive."""
    registered = read_records(connection, (MODEL_REGISTERED,))
    copied = {one.subject for one in registered if COPIED in (one.body or {})}
    return copied - set(read_state(connection).history)


def _difference(
    home: Home, version: str, *, manifest: str, key: Ed25519PublicKey | None
) -> str | None:
    folder = home.bundles / version
    if not folder.is_dir():
        return "is gone"
    if folder.is_symlink() or (folder / MANIFEST).is_symlink():
        return None  # named as a link
    try:
        if file_digest(folder / MANIFEST) != manifest:
            return "has another manifest than was registered"
        if key is not None:
            read_verified(folder, key)
    except (OSError, NoModelError, TamperedBundleError, ValueError, KeyError) as error:
        return f"is not as it was registered ({getattr(error, 'why', type(error).__name__)})"
    return None
