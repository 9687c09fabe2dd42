"""Answers about models: states with their reasons, cards, reports, and comparisons."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Path, Query
from sqlalchemy import Connection, select

from api.http.answers import Answer, Time, reader
from api.service.runtime import Runtime
from engine.decision.decision import Mode
from engine.domain.field_types import Identifier
from engine.domain.time_units import rfc3339
from engine.errors import NoModelError, TamperedBundleError
from engine.explanation.messages import Message
from engine.journal.journal import JOURNAL
from engine.journal.kinds import MODEL_SHADOWED
from engine.journal.power_records import read_records
from engine.selection import Side
from engine.storage.home import Home
from models.bundle import BundleDocuments, read_documents, read_verify_key, stamp
from models.lifecycle import transitions
from models.lifecycle.states import (
    KINDS,
    ModelState,
    OnTrial,
    Role,
    find_trial,
    last_of_trial,
    read_state,
)
from models.lifecycle.transitions import describe_refusal
from models.monitoring.shadow_scoring import ShadowAgreement, measure_agreement
from models.statistics.intervals import Estimate, FigureDifference, subtract_estimates


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSide(Answer):
    """Vehicles that one side of a trial alone wanted, and that it led."""

    sent: int
    """To officers: all of them."""
    searched: int
    """By an act that could have found something."""
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialCount(Answer):
    """Searches of one side in one week."""

    finds: int
    clear: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialMeasured(Answer):
    """What both sides found so far."""

    at: Time
    by: str
    since: Time
    until: Time
    sides: dict[Side, TrialSide]
    """With the week that is not over."""
    weeks: list[dict[Side, TrialCount]]
    """Those that are over, the first one first, by when it became known what a vehicle carried;
    older ones weigh less."""
    better: float
    """Chance that what the challenger alone wants holds more finds."""
    winner: Side | None
    """Null while that is not decided. Putting a challenger into force is for two people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialView(Answer):
    """Two models that share what the score may pick."""

    champion: str
    challenger: str
    sequence: int
    """The journal's record that began the trial."""
    share: float
    """Probability with which the challenger leads an arrival; one half until it is measured."""
    measured: TrialMeasured | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(Answer):
    """Why a step is refused, as a message."""

    message: str
    """Stable identifier of ``why``; ``parameters`` are its values."""
    parameters: dict[str, Any]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStanding(Answer):
    """Where one model stands."""

    version: str
    role: Role
    trained_by: str
    approvals: list[str]
    """Who approved it, once each; never the person who trained it."""
    challenges: list[str]
    """Who approved its trial, once each; never the person who trained it."""
    evaluation: str | None
    """SHA-256 of its stored report; a model without one cannot be approved."""
    card: str | None
    """SHA-256 of its card."""
    against: list[str]
    """What stands against any approval of it; empty once it was in force."""
    refusals: list[Refusal]
    """The same as messages."""
    since: Time | None
    """When the last record about it was made."""
    is_synthetic: bool | None
    """Whether it was judged on generated data; null where its bundle cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStandings(Answer):
    """Every model, the newest first, and what decides now."""

    tables = ("models",)
    in_force: str | None
    mode: Mode
    """What this process decides by; it follows a change within seconds."""
    is_refused: bool
    """This process could not load what is in force: missing, changed, or of other features."""
    before: str | None
    """What a roll back returns to."""
    challenger: str | None
    """The model on trial against the one in force."""
    models: list[ModelStanding]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEvent(Answer):
    """One record about a model."""

    at: Time
    kind: Literal[
        "model_registered",
        "model_shadowed",
        "model_approved",
        "model_in_force",
        "model_retired",
        "model_challenged",
    ]
    by: str
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView(ModelStanding):
    """One model in full."""

    history: list[ModelEvent]
    shadow: ShadowAgreement | None
    """None where it scored nothing while a model was in force."""
    trial: TrialView | None
    """Where it is on trial, or another is on trial against it."""
    card_text: dict[str, Any] | None
    """Its card; null where its bundle cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedView(Answer):
    """Figures of one target in one view."""

    rows: int
    finds: int
    effective_rows: float
    calibration_error: Estimate | None
    """Mean distance of stated chances from what was found; inspected rows alone have it."""
    figures: dict[str, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedModel(Answer):
    """One model among others."""

    version: str
    role: Role
    synthetic: bool
    period: dict[str, str] | None
    arrivals: int
    capacity: float | None
    fitted_until: Time | None
    targets: dict[str, dict[str, ComparedView]]
    """By target, then by view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelComparison(Answer):
    """The stored reports of some models side by side."""

    tables = ("models",)
    models: list[ComparedModel]
    differences: dict[str, dict[str, dict[str, FigureDifference]]]
    """Of two models, by target, view and figure; empty for any other number of them."""


VIEWS = ("random_stream", "inverse_propensity", "inspected")
FIGURES = ("hit_rate_at_capacity", "recall_at_capacity", "lift", "average_precision", "auc")
MOST = 3
"""Models side by side."""
Version = Annotated[Identifier, Path()]
Versions = Annotated[list[Identifier], Query(min_length=1, max_length=MOST)]
_J = JOURNAL.c


Standing = TypeVar("Standing", bound=ModelStanding)
Events = Mapping[str, Sequence[ModelEvent]]
"""Records about models, by version, the oldest first."""


def list_models(service: Runtime) -> ModelStandings:
    """Return every model, the newest first, and what decides."""
    with service.store.read() as connection:
        now, events = read_state(connection), _events(connection)
    serving, wanted = service.watch.state, now.in_force
    return ModelStandings(
        in_force=wanted,
        mode=serving.in_force.mode,
        is_refused=wanted is not None and serving.wanted == wanted and bool(serving.why),
        before=now.before,
        challenger=None if now.challenger is None else now.challenger.version,
        models=[
            _describe(ModelStanding, service, one, events)
            for one in reversed(list(now.models.values()))
        ],
    )


def read_standing(service: Runtime, version: str) -> ModelStanding:
    """Return where one model stands; raises ``NoModelError``."""
    with service.store.read() as connection:
        model, events = _find(connection, version), _events(connection)
    return _describe(ModelStanding, service, model, events)


def read_model(service: Runtime, version: str) -> ModelView:
    """Return one model; raises ``NoModelError``."""
    with service.store.read() as connection:
        model, events = _find(connection, version), _events(connection)
        was_shadow = any(one.kind == MODEL_SHADOWED for one in events[version])
        agreement = (
            measure_agreement(connection, service.journal, version=version) if was_shadow else None
        )
        running = find_trial(connection)
        is_tried = running is not None and version in (running.champion, running.challenger)
        trial = _trial(connection, running) if running is not None and is_tried else None
    found, _ = read_papers(service.home, version)
    return _describe(
        ModelView,
        service,
        model,
        events,
        history=events[version],
        card_text=None if found is None else found.card,
        shadow=agreement,
        trial=trial,
    )


def read_report(service: Runtime, version: str) -> Mapping[str, Any]:
    """Return the stored report; raises ``NoModelError`` or ``TamperedBundleError``."""
    with service.store.read() as connection:
        _find(connection, version)
    return _papers(service.home, version).report


def compare_models(service: Runtime, versions: Sequence[str]) -> ModelComparison:
    """Return the figures of some models side by side; raises the same."""
    with service.store.read() as connection:
        found = [_find(connection, version) for version in dict.fromkeys(versions)]
    models = [_figures(one, _papers(service.home, one.version).report) for one in found]
    return ModelComparison(models=models, differences=_compare(models))


def read_papers(home: Home, version: str) -> tuple[BundleDocuments | None, Message | None]:
    """Return a bundle's papers, or None and why they cannot be read."""
    try:
        return _papers(home, version), None
    except NoModelError:
        return None, Message("bundle_missing")
    except TamperedBundleError as error:
        return None, Message("bundle_refused", {"text": error.why})


def _find(connection: Connection, version: str) -> ModelState:
    known = read_state(connection).models
    if version not in known:
        raise NoModelError(version)
    return known[version]


def _describe(
    kind: type[Standing], service: Runtime, model: ModelState, events: Events, **more: Any
) -> Standing:
    found, missing = read_papers(service.home, model.version)
    manifest = model.manifest if found is None else found.manifest
    report = {} if found is None else found.report
    # A bundle that cannot be read is told as missing, not as fitted on something else.
    fits = found is None or found.card.get("definitions") == service.plan.digest
    stands = transitions.against(
        model,
        manifest=manifest,
        doubts=report.get("doubts", ()),
        unjudged="" if found is None else transitions.explain_unjudged(report),
        fits=fits,
    )
    waits = model.role != "in_force"
    refusals = [Refusal(**describe_refusal(why)) for why in (missing, *stands) if why and waits]
    own = events.get(model.version, ())
    return kind(
        version=model.version,
        role=model.role,
        trained_by=model.trained_by,
        approvals=list(model.approvals),
        challenges=list(model.challenges),
        evaluation=model.evaluation or None,
        card=model.card or None,
        against=[one.why for one in refusals],
        refusals=refusals,
        since=own[-1].at if own else None,
        is_synthetic=report.get("synthetic"),
        **more,
    )


def _trial(connection: Connection, running: OnTrial) -> TrialView:
    """Return the trial that runs, and what was measured of it last."""
    measured, last = None, last_of_trial(connection, running.sequence)
    if last is not None:
        seq, body = last
        at = connection.scalar(select(_J.known_at).where(_J.seq == seq))
        measured = reader(TrialMeasured).validate_python({**body, "at": rfc3339(at or 0)})
    return TrialView(
        champion=running.champion,
        challenger=running.challenger,
        sequence=running.sequence,
        share=running.share,
        measured=measured,
    )


def _figures(model: ModelState, report: Mapping[str, Any]) -> ComparedModel:
    """Return what of a report is compared."""
    return ComparedModel(
        version=model.version,
        role=model.role,
        synthetic=report.get("synthetic", False),
        period=report.get("period"),
        arrivals=report.get("arrivals", 0),
        capacity=report.get("capacity"),
        fitted_until=report.get("fitted_until"),
        targets={
            target: {name: _view(views[name]) for name in VIEWS}
            for target, views in report.get("targets", {}).items()
        },
    )


def _view(view: Mapping[str, Any]) -> ComparedView:
    figures = {"figures": {name: view[name] for name in FIGURES}, "calibration_error": None}
    found: ComparedView = reader(ComparedView).validate_python({**figures, **view})
    return found


def _compare(models: Sequence[ComparedModel]) -> dict[str, dict[str, dict[str, FigureDifference]]]:
    """Return by how much the first of two models differs from the second, figure by figure."""
    if len(models) != 2:
        return {}
    first, second = (one.targets for one in models)
    return {
        target: {
            view: {
                name: subtract_estimates(figure, second[target][view].figures[name])
                for name, figure in first[target][view].figures.items()
            }
            for view in VIEWS
        }
        for target in first
        if target in second
    }


def _papers(home: Home, version: str) -> BundleDocuments:
    return _read_papers(home, version, stamp(home.bundles / version))


@lru_cache(maxsize=16)
def _read_papers(home: Home, version: str, _stamp: str) -> BundleDocuments:
    """Verify and read a bundle once; written again, it is read again."""
    return read_documents(home.bundles / version, read_verify_key(home, version))


def _events(connection: Connection) -> dict[str, list[ModelEvent]]:
    """Return the journal's records about each model, the oldest first."""
    found: dict[str, list[ModelEvent]] = defaultdict(list)
    for record in read_records(connection, KINDS):
        if record.body is not None:
            kind: Any = record.kind
            by, why = record.body["by"], record.body.get("why") or None
            event = ModelEvent(at=rfc3339(record.known_at), kind=kind, by=by, why=why)
            found[record.subject].append(event)
    return found
