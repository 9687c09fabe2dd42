"""Candidates: from a home's history to a registered model, weekly by a timer, and made again.

history + journal -> point-in-time matrix -> fit, judge -> signed bundle -> journal and MLflow. No
candidate decides anything: it comes into force by two people's approval.

The timer is no person. The candidates that it trains are trained by ``WEEKLY_TIMER``, an account
that approves nothing, so that two people are as needed as for any other model. A candidate that
could be judged, and whose labels nothing speaks against, scores in the shadow from then on; it
takes the place of the timer's earlier ones that no person has approved.

A model is made again from its card and compared file by file. Nothing is ever edited: what a home
knew at a cut-off is what it knows now, less what came since. Nothing is written, and the model that
serves is only read.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from engine.domain.time_units import DAY, micros
from engine.errors import InputError, NotEnoughDataError, RiskError
from engine.journal.areas import list_projections
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.storage.database import Store
from engine.storage.home import Home, file_digest
from features.catalogue.plan import Plan
from features.history.labels import act_lengths
from features.history.tables import Tables, epoch, read_event_log
from features.offline.feature_matrix import MonthlyFeatures
from models.bundle import load_bundle, read_verify_key, signing_key
from models.config import TrainConfig
from models.data.build_dataset import (
    build_from_features,
    build_on_disk,
    freeze_history,
    known_until,
    sample_rows,
)
from models.data.propensity_log import read_sent, sent_among
from models.evaluation.report import BEFORE_DAYS
from models.explanation.contributions import NORMAL_DAYS
from models.lifecycle.states import WEEKLY_TIMER, ModelStates, read_state
from models.lifecycle.transitions import explain_unjudged, register, retire_proposal, shadow
from models.training.bundle_writer import made_with, serving_files, version_of, write_bundle
from models.training.known_seizures import (
    crossing_gravity,
    past_seizures,
)
from models.training.mlflow_tracking import register as record_run
from models.training.trainer import TrainingResult, train

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A registered candidate."""

    version: str
    bundle: Path
    run_id: str
    report: Mapping[str, Any]


def make_candidate(
    home: Home,
    store: Store,
    plan: Plan,
    config: TrainConfig,
    *,
    by: str,
    features: Path | None = None,
    progress: Progress,
) -> Candidate:
    """Train on everything a home knows and register the result.

    ``by`` trains, and may not approve. ``features`` is a folder in which the home's features were
    computed (:mod:`features.offline.feature_matrix`); by default they are computed now.
    ``progress`` is called with the stage, how much is done, how much there is. Raises
    ``NotEnoughDataError`` where the home holds no history, or too few finds, and ``InputError``
    where the folder is not whole, or of another history.
    """
    trained = trained_on(home, store, plan, config, features=features, progress=progress)
    bundle = write_bundle(home.bundles, trained, signing_key(home))
    digests = {name: file_digest(bundle / name) for name in ("manifest.json", "report.json")}
    with store.read() as connection:
        now = read_state(connection)
    Journal(store).append(
        register(
            now,
            bundle.name,
            by=by,
            manifest=digests["manifest.json"],
            evaluation=digests["report.json"],
            card=file_digest(bundle / "card.json"),
        )
    )
    run_id = record_run(home, bundle, trained.report)
    return Candidate(bundle.name, bundle, run_id, trained.report)


def trained_on(
    home: Home,
    store: Store,
    plan: Plan,
    config: TrainConfig,
    *,
    cutoff: int | None = None,
    features: Path | None = None,
    progress: Progress,
) -> TrainingResult:
    """Train on what a home knew at a cut-off, and write nothing.

    ``cutoff`` is in UTC microseconds: all that the home knows when absent. All else is as
    :func:`make_candidate` has it.
    """
    recent = round(max(NORMAL_DAYS, config.test_days + BEFORE_DAYS) * DAY)
    if features is None:
        made, table, tables = build_on_disk(
            partial(_read_home, home, store, cutoff),
            plan,
            scratch=home.root,
            progress=partial(progress, "features"),
        )
    else:
        found = MonthlyFeatures.open(features, plan)
        if found.about["history"] != epoch(home):
            raise InputError(str(features), "its features are those of another history")
        made, table, tables = build_from_features(
            found, plan, scratch=home.root, share=config.sample, recent=recent
        )
    if cutoff is None:
        cutoff = known_until(made.as_of, made.label_known_at)
    rows = sample_rows(
        made.crossing_id,
        made.arrived_at,
        made.label_known_at,
        share=config.sample,
        since=cutoff - recent,
    )
    made, table = made.narrow(rows), table.take(rows)
    progress("training", 0, 1)
    with store.read() as connection:
        decided = read_sent(connection, before=cutoff)
    sent = sent_among(decided, made.crossing_id.tolist(), minutes=act_lengths(tables))
    gravity = crossing_gravity(tables, made, known_before=cutoff)
    trained = train(made, config, cutoff=cutoff, sent=sent, table=table, gravity=gravity)
    known = past_seizures(made, tables.seizures, trained.model, known_before=cutoff)
    progress("training", 1, 1)
    return replace(trained, seizures=known)


def _read_home(home: Home, store: Store, cutoff: int | None) -> Tables:
    """Return what a home knew at a cut-off; raises ``NotEnoughDataError`` where it knew nothing."""
    with store.read() as connection:
        tables = read_event_log(home, connection)
    if not tables.crossings.num_rows:
        raise NotEnoughDataError("a model", "the home holds no history: darvoza load FOLDER")
    if cutoff is None:
        return tables
    # Acts that came since would change labels that were known before.
    return freeze_history(tables, labels_before=cutoff)


@dataclass(frozen=True, slots=True)
class WeeklyProposal:
    """A candidate of the timer, and why it was not proposed; empty where it was."""

    candidate: Candidate
    why_not: str


def propose_weekly(
    home: Home, store: Store, plan: Plan, config: TrainConfig, *, progress: Progress
) -> WeeklyProposal:
    """Train on everything a home knows, judge the result, and propose it to two people.

    The record of the proposal is an event for webhooks (``approval.waiting``). Raises as
    :func:`models.training.candidates.make_candidate` does.
    """
    made = make_candidate(home, store, plan, config, by=WEEKLY_TIMER, progress=progress)
    why_not = explain_refusal(made.report)
    if not why_not:
        with store.read() as connection:
            drafts = draft_weekly_proposal(read_state(connection), made.version)
        if drafts:
            Journal(store, list_projections()).append(drafts)
    return WeeklyProposal(made, why_not)


def explain_refusal(report: Mapping[str, Any]) -> str:
    """Return why a report's model is not worth a person's time; empty where it is."""
    doubts = " ".join(map(str, report.get("doubts", ())))
    return explain_unjudged(report) or doubts


def draft_weekly_proposal(now: ModelStates, version: str) -> list[Draft]:
    """Return the records by which a candidate is proposed in the place of earlier ones.

    None where the version left the state of a candidate before: nothing new was learnt.
    """
    if now.models[version].role != "candidate":
        return []
    why = f"replaced by {version}"
    drafts = [
        draft
        for model in now.models.values()
        if model.trained_by == WEEKLY_TIMER
        for draft in retire_proposal(now, model.version, by=WEEKLY_TIMER, why=why)
    ]
    return [*drafts, *shadow(now, version, by=WEEKLY_TIMER)]


class OtherFeaturesError(RiskError):
    """The model stands on features that this version no longer reads."""

    version: str
    TEXT = "model {version} was fitted on other features than this version reads"


@dataclass(frozen=True, slots=True)
class ReproducedModel:
    """What came out of training a model again."""

    version: str
    came_out: str
    """The version that training again would have been given: of data, choices, report and bytes."""
    same_data: bool
    same_report: bool
    files: Mapping[str, bool]
    """Each file that serves: whether its bytes are the same."""
    changed: Mapping[str, tuple[str, str]]
    """Libraries that are others now: their versions then, and now."""

    @property
    def is_identical(self) -> bool:
        """Whether everything was reproduced bit for bit."""
        return self.version == self.came_out and all(self.files.values())

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "version": self.version,
            "came_out": self.came_out,
            "identical": self.is_identical,
            "same_data": self.same_data,
            "same_report": self.same_report,
            "files": dict(self.files),
            "changed": {name: list(pair) for name, pair in self.changed.items()},
        }


def reproduce_model(
    home: Home, store: Store, plan: Plan, *, version: str, progress: Progress
) -> ReproducedModel:
    """Train a model again from the record of a bundle in the home, and compare.

    ``progress`` is as :func:`models.training.candidates.make_candidate` has it. Raises
    ``NoModelError`` or ``TamperedBundleError`` as :func:`models.bundle.load_bundle`, and
    ``OtherFeaturesError`` where the catalogue is another one now.
    """
    folder = home.bundles / version
    bundle = load_bundle(folder, read_verify_key(home, version))
    papers = bundle.card
    if papers["definitions"] != plan.digest:
        raise OtherFeaturesError(version)
    config = TrainConfig.from_record(papers["config"])
    cutoff = micros(datetime.fromisoformat(papers["known_until"]))
    made = trained_on(home, store, plan, config, cutoff=cutoff, progress=progress)
    files = serving_files(made)
    kept = {path.name: file_digest(path) for path in folder.iterdir()}
    then, now = papers["made_with"], made_with()
    return ReproducedModel(
        version=version,
        came_out=version_of(made, files),
        same_data=papers["data_digest"] == made.data_digest,
        same_report=json.loads(json.dumps(made.report)) == bundle.report,
        files={name: kept.get(name) == sha256(raw).hexdigest() for name, raw in files.items()},
        changed={name: (then[name], now[name]) for name in now if then[name] != now[name]},
    )
