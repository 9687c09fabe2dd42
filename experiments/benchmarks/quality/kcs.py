"""Quality on the public declarations of Korea Customs, by two protocols.

*Official*: fitted on a year, tested on what arrived later. Most of its rows repeat a declaration
seen before. *Novel*: whole fingerprints are held out, so that nothing of the kind was ever seen;
their labels are hidden from the features' counters, the fit and the calibration alike. There every
row is scored as of its own arrival, with what other fingerprints had shown by then.
"""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import GroupKFold

from engine.domain.time_units import DAY, NEVER, micros
from experiments.benchmarks.quality import known_truth
from experiments.benchmarks.runner import Row, row
from features.catalogue.catalogue import CATALOGUE, SAME
from features.catalogue.plan import Plan
from features.history.labels import labels
from features.history.tables import Tables
from features.intake.load import read_folder
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from models.array_types import Floats, Labels
from models.config import TrainConfig
from models.data.build_dataset import dataset, freeze_history
from models.data.dataset import Dataset
from models.learning.fit import fit
from models.statistics.intervals import bootstrap
from models.statistics.ranking_metrics import average_precision, reliability

TEST_FROM = micros(datetime(2021, 1, 1, tzinfo=UTC))
TEST_UNTIL = micros(datetime(2021, 4, 1, tzinfo=UTC))
FOLDS = 5
SHUFFLED_FOLDS = 2
AT = 0.05
"""Share of rows that could be inspected."""
SEED = 1


def run(folder: Path) -> list[Row]:
    """Return the rows of both protocols on a folder of KCS files."""
    tables = read_folder(folder, format="kcs").tables
    return _official(tables) + _novel(tables)


def _figure(score: Floats, label: Labels, what: str = "ap") -> float:
    statistic = average_precision_score if what == "ap" else roc_auc_score
    return float(statistic(label, score))


def _official(tables: Tables) -> list[Row]:
    """Fit before the test period and evaluate on it, with peers on the same rows."""
    known = freeze_history(tables, labels_before=TEST_FROM)
    plan = Plan(CATALOGUE)
    made = matrix(read_log(known, plan), plan)
    seen, truth = dataset(known, made, labels(known)), dataset(tables, made, labels(tables))
    tested = (seen.arrived_at >= TEST_FROM) & (seen.arrived_at < TEST_UNTIL)
    tested &= truth.evidence("discrepancy")
    taught = (seen.arrived_at < TEST_FROM) & seen.evidence("discrepancy")
    label = truth.discrepancy[tested]
    model = fit(seen, TrainConfig(), until=TEST_FROM, known_before=TEST_FROM)
    ours = model.score(seen.values[tested]).p_discrepancy
    own = _figure(ours, label)
    rows = [
        row("KCS official: average precision", "AP", own, ">= 0.945"),
        row("KCS official: area under the curve", "AUC", _figure(ours, label, "auc"), ">= 0.98"),
        row("KCS official: calibration error", "ECE", reliability(ours, label).error, "<= 0.015"),
        row("KCS official: Brier score", "score", brier_score_loss(label, ours), "<= 0.045"),
    ]
    raw, codes = known_truth.raw(tables, seen.crossing_id)
    others = {
        "CatBoost, native categories, raw": (known_truth.catboost_native(codes), raw, ">= 1.2"),
        "LightGBM, ordinal codes, raw": (known_truth.numeric()["LightGBM"], raw, ">= 1.5"),
    } | {
        f"{name}, our features": (peer, seen.values, ">= 0.99")
        for name, peer in known_truth.numeric().items()
    }
    for name, (peer, columns, must) in others.items():
        theirs = peer(columns[taught], seen.discrepancy[taught], columns[tested])
        rows.append(
            row(f"KCS official: over {name}", "AP ratio", own / _figure(theirs, label), must)
        )
        low = _least(ours, theirs, label)
        rows.append(row(f"KCS official: less {name}, low end", "AP", low, ">= -0.01"))
    return rows


def _least(ours: Floats, theirs: Floats, label: Labels) -> float:
    """Return the low end of the paired 95 % interval of the difference in average precision."""
    mine, other = average_precision(ours, label), average_precision(theirs, label)
    low, _ = bootstrap(lambda w: mine(w) - other(w), len(label), seed=SEED, draws=200)
    return float(low[0])


def _novel(tables: Tables) -> list[Row]:
    """Hold out whole fingerprints; and once more with labels that mean nothing."""
    plan = Plan(CATALOGUE)
    log = read_log(tables, plan)
    keys = log.keys[plan.column[SAME, SAME]]
    group = np.where(keys == 0, np.arange(len(keys)), keys)
    parts = [held for _, held in GroupKFold(FOLDS).split(group, groups=group)]
    held_ids = [log.crossing_id[part] for part in parts]
    score, label = _held_out(tables, plan, held_ids)
    mixed = _shuffle_outcomes(tables)
    chance, drawn = _held_out(mixed, plan, held_ids[:SHUFFLED_FOLDS])
    top = np.argsort(-score, kind="stable")[: round(AT * len(score))]
    off = abs(_figure(chance, drawn, "auc") - 0.5)
    return [
        row("KCS novel: area under the curve", "AUC", _figure(score, label, "auc"), ">= 0.62"),
        row("KCS novel: average precision", "AP", _figure(score, label), ">= 0.30"),
        row("KCS novel: hit rate at 5 %", "share", float(label[top].mean()), ">= 0.365"),
        row("KCS novel, labels shuffled: AUC less .50", "AUC", off, "<= 0.02"),
    ]


def _held_out(
    tables: Tables, plan: Plan, held_ids: list[NDArray[np.object_]]
) -> tuple[Floats, Labels]:
    """Score each part with its labels hidden; return scores and true labels of all parts."""
    scores, truths = [], []
    for ids in held_ids:
        hidden = _hidden(tables, pa.array(ids, pa.string()))
        made = matrix(read_log(hidden, plan), plan)
        seen, truth = dataset(hidden, made, labels(hidden)), dataset(tables, made, labels(tables))
        held = np.isin(seen.crossing_id.astype(str), ids.astype(str))
        held &= truth.evidence("discrepancy")
        scores.append(_score(seen, held))
        truths.append(truth.discrepancy[held])
    return np.concatenate(scores), np.concatenate(truths)


def _score(seen: Dataset, held: NDArray[np.bool_]) -> Floats:
    end = int(seen.arrived_at.max()) + DAY
    # One fold calibrates: no figure here depends on more than the order of the scores.
    config = replace(TrainConfig(), folds=1)
    model = fit(seen, config, until=end, known_before=NEVER)
    return model.score(seen.values[held]).p_discrepancy


def _hidden(tables: Tables, ids: pa.Array) -> Tables:
    """Return a history without the outcomes of some crossings."""
    acts, finds = tables.inspections, tables.seizures
    return replace(
        tables,
        inspections=acts.filter(pc.invert(pc.is_in(acts["crossing_id"], ids))),
        seizures=finds.filter(pc.invert(pc.is_in(finds["linked_crossing_id"], ids))),
    )


def _shuffle_outcomes(tables: Tables) -> Tables:
    """Return the history with the outcomes of its acts shuffled, and no other finds."""
    acts = tables.inspections
    order = np.random.default_rng(SEED).permutation(acts.num_rows)
    outcome = acts["outcome"].take(pa.array(order))
    place = acts.column_names.index("outcome")
    dealt = acts.set_column(place, acts.field("outcome"), outcome)
    return replace(tables, inspections=dealt, seizures=tables.seizures.slice(0, 0))
