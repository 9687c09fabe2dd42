"""Training run from a home's history to a registered candidate.

history + journal -> point-in-time matrix -> fit, judge -> signed bundle -> journal and MLflow.
Nothing it makes decides anything: a candidate comes into force by two people's approval.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import NotEnoughDataError
from engine.journal.journal import Journal
from engine.storage.database import Store
from engine.storage.file_digests import file_digest
from engine.storage.home import Home
from features.catalogue.plan import Plan
from features.history.journal_history import read_event_log
from features.history.labels import act_lengths
from features.history.tables import Tables
from models.bundle.bundle import signing_key
from models.config import TrainConfig
from models.data.build_dataset import build_on_disk, freeze_history
from models.data.referral_log import read_sent, sent_among
from models.lifecycle.projection import read_state
from models.lifecycle.transitions import register
from models.training.bundle_writer import write_bundle
from models.training.find_severity import crossing_gravity, find_severity, settle_severity
from models.training.mlflow_tracking import register as record_run
from models.training.past_seizures import past_seizures
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
    home: Home, store: Store, plan: Plan, config: TrainConfig, *, by: str, progress: Progress
) -> Candidate:
    """Train on everything a home knows and register the result.

    ``by`` trains, and may not approve. ``progress`` is called with the stage, how much is done, how
    much there is. Raises ``NotEnoughDataError`` where the home holds no history, or too few finds.
    """
    trained = trained_on(home, store, plan, config, progress=progress)
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
    progress: Progress,
) -> TrainingResult:
    """Train on what a home knew at a cut-off, and write nothing.

    ``cutoff`` is in UTC microseconds: all that the home knows when absent. All else is as
    :func:`make_candidate` has it.
    """

    def read() -> Tables:
        with store.read() as connection:
            tables = read_event_log(home, connection)
        if not tables.crossings.num_rows:
            raise NotEnoughDataError("a model", "the home holds no history: darvoza load FOLDER")
        if cutoff is None:
            return tables
        # Acts that came since would change labels that were known before.
        return freeze_history(tables, labels_before=cutoff)

    made, table, tables = build_on_disk(
        read,
        plan,
        scratch=home.root,
        progress=lambda done, of: progress("features", done, of),
    )
    if cutoff is None:
        # A label that became known after the last crossing counts as known with it.
        last_label = made.label_known_at[made.discrepancy >= 0].max(initial=0)
        cutoff = max(int(made.as_of[-1]), int(last_label)) + 1
    progress("training", 0, 1)
    with store.read() as connection:
        decided = read_sent(connection, before=cutoff)
    sent = sent_among(decided, made.crossing_id.tolist(), minutes=act_lengths(tables))
    severity = find_severity(tables, config, known_before=cutoff)
    config = settle_severity(config, severity)
    gravity = crossing_gravity(tables, made, known_before=cutoff)
    trained = train(made, config, cutoff=cutoff, sent=sent, table=table, gravity=gravity)
    known = past_seizures(made, tables.seizures, trained.model, known_before=cutoff)
    progress("training", 1, 1)
    return replace(trained, seizures=known, severity=severity.as_dict())
