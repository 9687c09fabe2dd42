"""Lifecycle steps of one person about a model, from the command line and over HTTP alike.

Approve, let score in the shadow, put on trial, roll back. Every step that could let a bundle decide
reads and verifies it first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from api.auth.authority import Authority
from api.http.answers import AcknowledgedStep, describe_step
from api.proposals.desk import ProposalDesk
from api.proposals.matters import Approval, ProposalMatter, Step
from engine.criteria.dual_control import ApprovalState
from engine.domain.records import Record
from engine.domain.rights import Matter, Right, Role
from engine.journal.areas import list_projections
from engine.journal.batch_worker import read_stored
from engine.journal.entries import Draft
from engine.journal.idempotency import IdempotencyClaim, project_answers
from engine.journal.journal import JOURNAL, Journal, JournalReader
from engine.journal.kinds import MODEL_APPROVED, MODEL_REGISTERED, MODEL_SHADOWED
from engine.journal.power_records import read_records
from engine.storage.database import Store
from engine.storage.home import Home, file_digest
from features.catalogue.plan import current_plan
from models.bundle import MANIFEST, load_bundle, read_verify_key
from models.lifecycle import transitions
from models.lifecycle.states import ModelStates, read_state


@dataclass(frozen=True, slots=True)
class ModelSteps:
    """Steps of one person; each returns where the models stand after it.

    A step raises ``PromotionRefusedError``, ``TamperedBundleError`` or ``NoModelError``.
    """

    home: Home
    store: Store
    by: str
    claim: IdempotencyClaim | None = None
    """What the request claims, so that sending it again changes nothing."""

    def approve(self, version: str, why: str = "", *, is_trial: bool = False) -> ModelStates:
        """Record one approval; the second puts the model into force.

        With ``is_trial`` it is of a trial, and the second puts the model on trial.
        """
        found = _verify_bundle(self.home, self.store, version)
        step = transitions.challenge if is_trial else transitions.approve
        now = _state(self.store)
        inactive = _inactive(self.store, now, version)
        drafts = step(
            now,
            version,
            by=self.by,
            manifest=found.manifest,
            doubts=found.report.get("doubts", ()),
            unjudged=transitions.explain_unjudged(found.report),
            fits=found.fits,
            inactive=inactive,
        )
        model = now.models[version]
        given = model.challenges if is_trial else model.approvals
        counting = [one for one in given if model.role != "retired" and one not in inactive]
        self._check_people(model.trained_by, counting)
        return self._record(drafts, why)

    def shadow(self, version: str, why: str = "") -> ModelStates:
        """Let a candidate score in the shadow."""
        _verify_bundle(self.home, self.store, version)
        return self._record(transitions.shadow(_state(self.store), version, by=self.by), why)

    def end_trial(self, why: str) -> ModelStates:
        """Take the model on trial off it, so that the one in force decides alone."""
        return self._record(transitions.end_trial(_state(self.store), by=self.by, why=why))

    def roll_back(self, why: str) -> ModelStates:
        """Put the model before the present one back into force: two approved it once."""
        now = _state(self.store)
        found = _verify_bundle(self.home, self.store, transitions.before(now))
        drafts = transitions.roll_back(
            now, by=self.by, why=why, manifest=found.manifest, fits=found.fits
        )
        return self._record(drafts)

    def withdraw(self, why: str) -> ModelStates:
        """Take the model out of force, so that rules and random checks decide."""
        return self._record(transitions.withdraw(_state(self.store), by=self.by, why=why))

    def _check_people(self, trained_by: str, approvals: Sequence[str]) -> None:
        """Refuse a person who may be one who trained or approved it under another name."""
        with self.store.read() as connection:
            authority = Authority().look(connection)
        authority.must_be_two(Matter.MODELS, first=trained_by, second=self.by)
        for first in approvals:
            authority.must_second(Matter.MODELS, first=first, second=self.by)

    def _record(self, drafts: tuple[Draft, ...], why: str = "") -> ModelStates:
        """Record a step with its note and its claim; nothing where nothing changes."""
        if drafts:
            first, *others = drafts
            more = ({} if self.claim is None else {"claim": self.claim.as_dict()}) | (
                {"why": why} if why else {}
            )
            drafts = (replace(first, body={**first.body, **more}), *others)
            Journal(self.store, [project_answers, *list_projections()]).append(drafts)
        return _state(self.store)


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """What all of a bundle, read and verified, says of itself."""

    manifest: str
    report: Mapping[str, Any]
    fits: bool
    """Whether it was fitted on the features that the counters serve; else no service loads it."""


def _verify_bundle(home: Home, store: Store, version: str) -> VerifiedBundle:
    folder = home.bundles / version
    bundle = load_bundle(folder, read_verify_key(home, version))
    fits = bundle.definitions == current_plan().digest
    return VerifiedBundle(file_digest(folder / MANIFEST), bundle.report, fits)


def _state(store: Store) -> ModelStates:
    with store.read() as connection:
        return read_state(connection)


def _inactive(store: Store, now: ModelStates, version: str) -> frozenset[str]:
    """Return who approved a model and is no person of this home, or no longer."""
    model = now.models.get(version)
    given = () if model is None else (*model.approvals, *model.challenges)
    with store.read() as connection:
        authority = Authority().look(connection)
    return frozenset(name for name in given if authority.person(name) is None)


def take_by_command(desk: ProposalDesk, step: str) -> ModelSteps:
    """Return the steps of a person who may call a route about models: ``{version}/shadow``.

    Raises ``NotAllowedError``.
    """
    caller = desk.caller.enter("POST", f"/v1/models/{step}")
    return ModelSteps(desk.service.home, desk.service.store, caller.person)


def read_candidates(connection: Connection) -> Mapping[str, ApprovalState]:
    """Return the models that two people may put into force, as proposals of those who trained them.

    A model that left is no proposal, although two people may approve it again.
    """
    registered = {one.subject: one for one in read_records(connection, [MODEL_REGISTERED])}
    return {
        version: ApprovalState(
            subject=version,
            state="in_force" if model.role == "in_force" else "proposed",
            author=model.trained_by,
            content={},
            sequence=record.seq,
            proposed_at=record.known_at,
            since=record.known_at,
            approvals=model.approvals,
        )
        for version, model in read_state(connection).models.items()
        if model.role != "retired" and (record := registered.get(version)) is not None
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedModel(AcknowledgedStep):
    """A model that one more person approved."""

    role: str
    approvals: tuple[str, ...]


def _approve(step: Step, state: ApprovalState, approval: Approval) -> ApprovedModel:
    service, caller = step.service, step.caller
    steps = ModelSteps(service.home, service.store, caller.person)
    model = steps.approve(state.subject, approval.note or "").models[state.subject]
    about = [JOURNAL.c.subject == model.version]
    with service.store.read() as connection:
        last = next(JournalReader(connection).records(MODEL_APPROVED, newest=1, where=about))
        found = read_stored(connection, service.journal, last.seq)
    known = describe_step(service, found)
    known["state"] = "in_force" if model.role == "in_force" else "proposed"
    return ApprovedModel(**known, role=model.role, approvals=model.approvals)


MODEL: ProposalMatter[Record] = ProposalMatter(
    name="model",
    content=Record,
    about=Matter.MODELS,
    shown=("GET", "/v1/models/{version}"),
    may={Right.APPROVE: frozenset({Role.ANALYST, Role.SUPERVISOR})},
    other_kinds=(MODEL_SHADOWED,),
    page="/models/{}",
    checks_people=False,  # two approve besides the person who trained it: ``ModelSteps``
    subject=lambda _step, _content: "",
    prepare=lambda _step, _content: {},
    read=read_candidates,
    carry_out=_approve,
)
"""A model is proposed by its training (``darvoza train``), and two others approve it."""
