"""Exact explanations against ``shap.TreeExplainer`` on the same 200 trees, rows and machine.

What a bundle would say is held against its own calibrated log-odds first: of a whole model, with
its lines and both targets, over ten thousand rows. Then both are asked for the contributions of one
ensemble: row by row, as a service asks, and in one batch, as a report does. Before anything is
timed both must say the same of every row, and sum to the ensemble's own log-odds. Synthetic
history, features as in service.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from experiments.benchmarks.runner import Bench, Row, row, take_turns
from experiments.synthetic.folder import open_network
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.intake.load import read_folder
from models.config import TrainConfig, Trees
from models.data.build_dataset import assemble
from models.data.dataset import Dataset
from models.explanation.tree_shap import TreeShap
from models.learning.base_learners import grow
from models.learning.fit import FittedModel, fit
from models.learning.scikit_trees import read_trees
from models.training.known_seizures import contributions_of

CROSSINGS = 60_000
TREES = 200
ROWS = 400
SUMMED = 10_000
"""Rows whose contributions are summed, of the whole model."""
ONE_BY_ONE = 60
"""Rows explained one at a time in a turn."""
ROUNDS = 15
NANO = 1e-9
"""Largest difference in log-odds between the two, and from the margin."""


def measure(data: Path | None = None) -> list[Row]:
    """Return the rows of ``bench explain``, on the history in ``data`` or a synthetic one."""
    with open_network(data, crossings=CROSSINGS) as folder:
        dataset = assemble(read_folder(folder).tables, Plan(CATALOGUE))
    until = int(dataset.as_of[-1]) + 1
    model = fit(dataset, TrainConfig(), until=until, known_before=until)
    draw = np.random.default_rng(1)
    asked = dataset.values[draw.choice(len(dataset), SUMMED)]
    drawn = draw.choice(len(dataset), ROWS, replace=False)
    return [sum_error(model, asked), *compare(_fit_trees(dataset), dataset.values[drawn])]


def sum_error(model: FittedModel, values: NDArray[np.float32]) -> Row:
    """Return how far contributions are from the log-odds they must sum to, rows of shape (n, f)."""
    explained, margins = contributions_of(model), model.margins(values)
    off = 0.0
    for target, head in model.heads.items():
        sums = np.array([explained.target(one, target).sum() for one in values])
        off = max(off, float(np.abs(sums - head.log_odds(margins)).max()))
    name = f"furthest from the calibrated log-odds of both targets, {len(values):,} rows"
    return row(name, "log-odds / 10^9", off / NANO, "<= 1")


def _fit_trees(dataset: Dataset) -> HistGradientBoostingClassifier:
    """Fit trees shaped as those of a training run, on every inspected crossing."""
    rows = dataset.evidence("discrepancy")
    trees, free = Trees(iterations=TREES, seeds=1), np.zeros(len(dataset.names), np.int8)
    return grow(dataset.values[rows], dataset.discrepancy[rows], trees=trees, signs=free, seed=1)


def compare(estimator: HistGradientBoostingClassifier, values: NDArray[np.float32]) -> list[Row]:
    """Return the benchmark's rows for a fitted ensemble and rows of shape (n, f)."""
    import shap  # with all that it draws with; so that imports of this module do not wait for it

    trees = read_trees(estimator)
    ours = TreeShap(trees, values.shape[1])
    peer = shap.TreeExplainer(estimator)
    mine, theirs = ours.rows(values), peer.shap_values(values)
    margin = estimator.decision_function(values)
    apart = float(np.abs(mine - theirs).max())
    off = float(np.abs(ours.base + mine.sum(axis=1) - margin).max())
    some = values[:ONE_BY_ONE]
    found = take_turns(
        {
            "ours": lambda: [ours(one) for one in some],
            "peer": lambda: [peer.shap_values(one.reshape(1, -1)) for one in some],
            "ours, batch": lambda: ours.rows(values),
            "peer, batch": lambda: peer.shap_values(values),
        },
        ROUNDS,
    )
    against = f"against shap.TreeExplainer, {len(trees.root)} trees"
    return [
        row("furthest apart from shap.TreeExplainer", "log-odds / 10^9", apart / NANO, "<= 1"),
        row("furthest from the ensemble's own margin", "log-odds / 10^9", off / NANO, "<= 1"),
        row(f"rows one by one {against}", "times", found.ratio("peer", "ours"), ">= 4"),
        row(
            f"a batch of rows {against}",
            "times",
            found.ratio("peer, batch", "ours, batch"),
            ">= 4",
        ),
        row("explanations one by one", "per second", len(some) / found.median("ours")),
    ]


BENCH = Bench("explain", measure, frozenset({"data"}))
