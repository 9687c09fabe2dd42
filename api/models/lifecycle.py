"""What one person does to a model, from the command line and over HTTP alike.

Approve, let score in the shadow, put on trial, roll back. Every step that could let a bundle decide
reads and verifies it first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from api.auth.authority import Authority
from api.auth.permissions import Role
from engine.errors import NotAllowedError
from engine.journal.entries import Draft
from engine.journal.idempotency import AnswerProjection, IdempotencyClaim
from engine.journal.journal import Journal
from engine.storage.database import Store
from engine.storage.home import Home
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from models.bundle.bundle import MANIFEST, file_digest, load_bundle, read_verify_key
from models.lifecycle import transitions
from models.lifecycle.projection import PromotionProjection, read_state
from models.lifecycle.states import ModelStates

APPROVERS = (Role.ANALYST, Role.SUPERVISOR)


def approve_model(
    home: Home,
    store: Store,
    version: str,
    *,
    by: str,
    role: Role,
    why: str = "",
    claim: IdempotencyClaim | None = None,
    is_trial: bool = False,
) -> ModelStates:
    """Record one approval and return where the models stand; the second puts it into force.

    With ``is_trial`` it is of a trial, and the second puts the model on trial.

    Raises ``PromotionRefusedError``, ``TamperedBundleError``, ``NoModelError``, or
    ``NotAllowedError`` for a role that does not approve models.
    """
    _check_role(role)
    found = _verify_bundle(home, version)
    step = transitions.challenge if is_trial else transitions.approve
    now = _state(store)
    drafts = step(
        now,
        version,
        by=by,
        manifest=found.manifest,
        doubts=found.report.get("doubts", ()),
        unjudged=transitions.explain_unjudged(found.report),
        fits=found.fits,
        inactive=_inactive(store, now, version),
    )
    return _record_step(store, drafts, claim, why=why)


def shadow_model(
    home: Home,
    store: Store,
    version: str,
    *,
    by: str,
    role: Role,
    why: str = "",
    claim: IdempotencyClaim | None = None,
) -> ModelStates:
    """Let a candidate score in the shadow and return where the models stand; raises alike."""
    _check_role(role)
    _verify_bundle(home, version)
    return _record_step(store, transitions.shadow(_state(store), version, by=by), claim, why=why)


def trial_ended(
    store: Store, *, by: str, role: Role, why: str, claim: IdempotencyClaim | None = None
) -> ModelStates:
    """Take the model on trial off it, so that the one in force decides alone; raises alike."""
    _check_role(role)
    return _record_step(store, transitions.end_trial(_state(store), by=by, why=why), claim)


def rolled_back(
    home: Home,
    store: Store,
    *,
    by: str,
    role: Role,
    why: str,
    claim: IdempotencyClaim | None = None,
) -> ModelStates:
    """Put the model before the present one back into force; raises alike.

    One person is enough: two approved that model once.
    """
    _check_role(role)
    now = _state(store)
    found = _verify_bundle(home, transitions.before(now))
    drafts = transitions.roll_back(now, by=by, why=why, manifest=found.manifest, fits=found.fits)
    return _record_step(store, drafts, claim)


def withdraw_model(
    store: Store, *, by: str, role: Role, why: str, claim: IdempotencyClaim | None = None
) -> ModelStates:
    """Take the model out of force, so that rules and random checks decide; raises alike."""
    _check_role(role)
    return _record_step(store, transitions.withdraw(_state(store), by=by, why=why), claim)


def _check_role(role: Role) -> None:
    if role not in APPROVERS:
        raise NotAllowedError("models are approved by analysts and supervisors")


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """What all of a bundle, read and verified, says of itself."""

    manifest: str
    report: Mapping[str, Any]
    fits: bool
    """Whether it was fitted on the features that this program reads; else no service loads it."""


def _verify_bundle(home: Home, version: str) -> VerifiedBundle:
    folder = home.bundles / version
    bundle = load_bundle(folder, read_verify_key(home, version))
    fits = bundle.definitions == Plan(CATALOGUE).digest
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


def _record_step(
    store: Store, drafts: tuple[Draft, ...], claim: IdempotencyClaim | None, *, why: str = ""
) -> ModelStates:
    """Record a step with its note and what its request claims; nothing where nothing changes."""
    if drafts:
        first, *others = drafts
        more = ({} if claim is None else {"claim": claim.as_dict()}) | ({"why": why} if why else {})
        drafts = (replace(first, body={**first.body, **more}), *others)
        Journal(store, [PromotionProjection(), AnswerProjection()]).append(drafts)
    return _state(store)
