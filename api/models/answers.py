"""Answers about models: states with their reasons, cards, reports, and comparisons."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from sqlalchemy import Connection, select

from api.http.answers import AnswerSchema, Estimate
from api.service.runtime import Runtime
from engine.decision.decision import Mode
from engine.domain.records import Identifier
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
    ModelStates,
    OnTrial,
    find_trial,
    last_of_trial,
    read_state,
)
from models.lifecycle.transitions import describe_refusal
from models.statistics.intervals import subtract_estimates

Role = Literal["candidate", "shadow", "challenger", "in_force", "retired"]


class TrialSide(AnswerSchema):
    """Vehicles that one side of a trial alone wanted, and that it led."""

    sent: int
    """To officers: all of them."""
    searched: int
    """By an act that could have found something."""
    found: int


class TrialSides(AnswerSchema):
    """Both sides of a trial."""

    champion: TrialSide
    challenger: TrialSide


class TrialCount(AnswerSchema):
    """Searches of one side in one week."""

    finds: int
    clear: int


class TrialWeek(AnswerSchema):
    """One week of a trial, by when it became known what a vehicle carried."""

    champion: TrialCount
    challenger: TrialCount


class TrialMeasured(AnswerSchema):
    """What both sides found so far."""

    at: datetime
    by: str
    since: datetime
    until: datetime
    sides: TrialSides
    """With the week that is not over."""
    weeks: list[TrialWeek]
    """Those that are over, the first one first; older ones weigh less."""
    better: float
    """Chance that what the challenger alone wants holds more finds."""
    winner: Side | None
    """Null while that is not decided. Putting a challenger into force is for two people."""


class TrialView(AnswerSchema):
    """Two models that share what the score may pick."""

    champion: str
    challenger: str
    sequence: int
    """The journal's record that began the trial."""
    share: float
    """Probability with which the challenger leads an arrival; one half until it is measured."""
    measured: TrialMeasured | None


class Refusal(AnswerSchema):
    """Why a step is refused, as a message."""

    message: str
    """Stable identifier of ``why``; ``parameters`` are its values."""
    parameters: dict[str, Any]
    why: str


class ModelStanding(AnswerSchema):
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
    since: datetime | None
    """When the last record about it was made."""
    is_synthetic: bool | None
    """Whether it was judged on generated data; null where its bundle cannot be read."""


class ModelStandings(AnswerSchema):
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


class ModelEvent(AnswerSchema):
    """One record about a model."""

    at: datetime
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


class Picked(AnswerSchema):
    """What became of some picks."""

    picked: int
    hit_rate: Estimate
    """Of those inspected by an act that could find something, whatever sent them."""
    random: Estimate
    """The same of random checks alone."""


class PickedBy(AnswerSchema):
    """Picks by whose they are."""

    both: Picked
    shadow: Picked
    """The shadow's alone."""
    in_force: Picked
    """Of the model that decided, alone."""


class ShadowAgreement(AnswerSchema):
    """A shadow against the models that decided meanwhile."""

    days: int
    last_day: str
    decisions: int
    """Which both scored."""
    capacity: float
    picked: int
    """By each: the riskiest share of a post's day."""
    agreement: Estimate
    """Share of its picks that the model in force picked too."""
    groups: PickedBy


class ModelView(ModelStanding):
    """One model in full."""

    history: list[ModelEvent]
    shadow: ShadowAgreement | None
    """None where it scored nothing while a model was in force."""
    trial: TrialView | None
    """Where it is on trial, or another is on trial against it."""
    card_text: dict[str, Any] | None
    """Its card; null where its bundle cannot be read."""


class ComparedView(AnswerSchema):
    """Figures of one target in one view."""

    rows: int
    finds: int
    effective_rows: float
    calibration_error: Estimate | None
    """Mean distance of stated chances from what was found; inspected rows alone have it."""
    figures: dict[str, Estimate]


class ComparedModel(AnswerSchema):
    """One model among others."""

    version: str
    role: Role
    synthetic: bool
    period: dict[str, str] | None
    arrivals: int
    capacity: float | None
    fitted_until: datetime | None
    targets: dict[str, dict[str, ComparedView]]
    """By target, then by view."""


class FigureDifference(AnswerSchema):
    """By how much a figure of the first model differs from that of the second."""

    value: float | None
    low: float | None
    high: float | None
    """Ends of the 95 % interval, wider than need be where both were judged on the same rows."""
    n: int
    """Inspections behind the figure that has fewer."""
    conclusion: Literal["higher", "lower", "same", "not_knowable"]
    """``same``: they cannot be told apart."""


class ModelComparison(AnswerSchema):
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


class ModelReader:
    """Reads models, each call in one snapshot."""

    def __init__(self, service: Runtime) -> None:
        self._service = service

    def list_models(self) -> dict[str, Any]:
        """Return every model, the newest first, and what decides."""
        with self._service.store.read() as connection:
            now, events = read_state(connection), _events(connection)
        every = reversed(list(now.models.values()))
        return self._read_serving(now) | {"models": [self._describe(one, events) for one in every]}

    def read_standing(self, version: str) -> dict[str, Any]:
        """Return where one model stands; raises ``NoModelError``."""
        with self._service.store.read() as connection:
            now, events = read_state(connection), _events(connection)
        if version not in now.models:
            raise NoModelError(version)
        return self._describe(now.models[version], events)

    def read_model(self, version: str) -> dict[str, Any]:
        """Return one model; raises ``NoModelError``."""
        from models.monitoring.shadow_scoring import (
            measure_agreement,  # scipy: not on the way of a service that starts
        )

        with self._service.store.read() as connection:
            now, events = read_state(connection), _events(connection)
            if version not in now.models:
                raise NoModelError(version)
            was_shadow = any(one["kind"] == MODEL_SHADOWED for one in events[version])
            agreement = (
                measure_agreement(connection, self._service.journal, version=version)
                if was_shadow
                else None
            )
            running = find_trial(connection)
            is_tried = running is not None and version in (running.champion, running.challenger)
            trial = _trial(connection, running) if running is not None and is_tried else None
        found, _ = self.papers(version)
        return self._describe(now.models[version], events) | {
            "history": events[version],
            "card_text": None if found is None else found.card,
            "shadow": agreement,
            "trial": trial,
        }

    def report(self, version: str) -> Mapping[str, Any]:
        """Return the stored report; raises ``NoModelError`` or ``TamperedBundleError``."""
        with self._service.store.read() as connection:
            if version not in read_state(connection).models:
                raise NoModelError(version)
        return _papers(self._service.home, version).report

    def comparison(self, versions: Sequence[str]) -> dict[str, Any]:
        """Return the figures of some models side by side; raises the same."""
        with self._service.store.read() as connection:
            now = read_state(connection)
        found = []
        for version in dict.fromkeys(versions):
            if version not in now.models:
                raise NoModelError(version)
            report = _papers(self._service.home, version).report
            found.append({"version": version, "role": now.models[version].role} | figures(report))
        return {"models": found, "differences": _compare(found)}

    def papers(self, version: str) -> tuple[BundleDocuments | None, Message | None]:
        """Return a bundle's papers, or None and why they cannot be read."""
        try:
            return _papers(self._service.home, version), None
        except NoModelError:
            return None, Message("bundle_missing")
        except TamperedBundleError as error:
            return None, Message("bundle_refused", {"text": error.why})

    def _read_serving(self, now: ModelStates) -> dict[str, Any]:
        serving, wanted = self._service.watch.state, now.in_force
        is_refused = wanted is not None and serving.wanted == wanted and bool(serving.why)
        deciding = {"in_force": wanted, "mode": serving.in_force.mode, "before": now.before}
        challenger = None if now.challenger is None else now.challenger.version
        return deciding | {"is_refused": is_refused, "challenger": challenger}

    def _describe(
        self, model: ModelState, events: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> dict[str, Any]:
        found, missing = self.papers(model.version)
        manifest = model.manifest if found is None else found.manifest
        report = {} if found is None else found.report
        # A bundle that cannot be read is told as missing, not as fitted on something else.
        fits = found is None or found.card.get("definitions") == self._service.plan.digest
        stands = transitions.against(
            model,
            manifest=manifest,
            doubts=report.get("doubts", ()),
            unjudged="" if found is None else transitions.explain_unjudged(report),
            fits=fits,
        )
        waits = model.role != "in_force"
        refusals = [describe_refusal(why) for why in (missing, *stands) if why and waits]
        own = events.get(model.version, ())
        return {
            "version": model.version,
            "role": model.role,
            "trained_by": model.trained_by,
            "approvals": list(model.approvals),
            "challenges": list(model.challenges),
            "evaluation": model.evaluation or None,
            "card": model.card or None,
            "against": [one["why"] for one in refusals],
            "refusals": refusals,
            "since": own[-1]["at"] if own else None,
            "is_synthetic": report.get("synthetic"),
        }


def _trial(connection: Connection, running: OnTrial) -> dict[str, Any]:
    """Return the trial that runs, and what was measured of it last."""
    names = ("champion", "challenger", "sequence", "share")
    fields = {name: getattr(running, name) for name in names} | {"measured": None}
    last = last_of_trial(connection, running.sequence)
    if last is None:
        return fields
    seq, body = last[0], dict(last[1])
    at = connection.scalar(select(_J.known_at).where(_J.seq == seq))
    kept = ("by", "since", "until", "sides", "weeks", "better", "winner")
    return fields | {"measured": {"at": rfc3339(at or 0)} | {name: body[name] for name in kept}}


def figures(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a report is compared."""
    targets = report.get("targets", {})
    return {
        "synthetic": report.get("synthetic", False),
        "period": report.get("period"),
        "arrivals": report.get("arrivals", 0),
        "capacity": report.get("capacity"),
        "fitted_until": report.get("fitted_until"),
        "targets": {
            target: {name: _view(views[name]) for name in VIEWS}
            for target, views in targets.items()
        },
    }


def _compare(models: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return by how much the first of two models differs from the second, figure by figure."""
    if len(models) != 2:
        return {}
    first, second = (one["targets"] for one in models)
    return {
        target: {
            view: {
                name: subtract_estimates(figure, second[target][view]["figures"][name])
                for name, figure in first[target][view]["figures"].items()
            }
            for view in VIEWS
        }
        for target in first
        if target in second
    }


def _view(view: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rows": view["rows"],
        "finds": view["finds"],
        "effective_rows": view["effective_rows"],
        "calibration_error": view.get("calibration_error"),
        "figures": {name: view[name] for name in FIGURES},
    }


def _papers(home: Home, version: str) -> BundleDocuments:
    return _read_papers(home, version, stamp(home.bundles / version))


@lru_cache(maxsize=16)
def _read_papers(home: Home, version: str, _stamp: str) -> BundleDocuments:
    """Verify and read a bundle once; written again, it is read again."""
    return read_documents(home.bundles / version, read_verify_key(home, version))


def _events(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Return the journal's records about each model, the oldest first."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in read_records(connection, KINDS):
        if record.body is not None:
            about = {"by": record.body["by"], "why": record.body.get("why") or None}
            at = {"at": rfc3339(record.known_at), "kind": record.kind}
            found[record.subject].append(at | about)
    return found
