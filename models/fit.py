"""How is a model learnt from what was known at a cut? Two ensembles, a blend, a calibration.

Assumes that finds are rare: the trees are small, no row is doubled or dropped to balance classes
(that would ruin the probabilities), and where seizures are too few for trees of their own, seizure
leans on discrepancy. Calibration comes from margins of folds in time, each predicted by trees that
saw only what was known before it; the trees that serve are then fitted on everything.
"""

from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engine.errors import NotEnoughDataError
from models import splits
from models.calibrate import fit_knots
from models.config import TrainConfig, Trees
from models.dataset import TARGETS, Dataset, Target
from models.heads import SCALED_POSITIVES, seizure_head
from models.model import Model
from models.risk import Floats, Head

COMPANIONS = 200
"""At most so many released rows are drawn for each find that was linked back to one."""
_WORTH_A_PROCESS = 4_000_000  # cells; below, starting processes costs more than it saves


@dataclass(frozen=True, slots=True)
class _Task:
    """One ensemble to fit, and the rows whose margins are asked of it."""

    target: Target
    rows: NDArray[np.intp]
    label: NDArray[np.int8]
    later: NDArray[np.intp]


def fit(dataset: Dataset, config: TrainConfig, *, until: int, known_before: int) -> Model:
    """Fit both targets on what was known at a cut.

    Parameters
    ----------
    dataset : Dataset of n rows
        Features as known at each row's ``as_of``; later rows are ignored.
    config : TrainConfig
        Every choice; the same data and choices give the same bits.
    until, known_before : int
        UTC microseconds: only arrivals before ``until`` whose label was known before
        ``known_before`` teach or calibrate.

    Returns
    -------
    Model

    Raises
    ------
    NotEnoughDataError
        When fewer than ``config.few_discrepancies`` inspected rows hold a find, or hold none.
    """
    known = (dataset.arrived_at < until) & (dataset.label_known_at < known_before)
    _enough(dataset, known, config)
    folds = splits.rolling(
        dataset,
        dataset.evidence("discrepancy"),
        until=until,
        known_before=known_before,
        gap=config.label_delay,
        folds=config.folds,
    )
    everything = splits.Fold(
        fit=np.flatnonzero(known & dataset.evidence("discrepancy")),
        later=np.empty(0, np.intp),
        cut=known_before,
    )
    tasks = [
        task
        for fold in (*folds, everything)
        for target in TARGETS
        if (task := _task(dataset, fold, target, config=config)) is not None
    ]
    fitted = _run(dataset, tasks, config)
    later = np.concatenate([fold.later for fold in folds] or [everything.later])
    margins = _pooled(tasks, [margin for _, margin in fitted], later)
    final = {
        task.target: trees
        for task, (trees, _) in zip(tasks, fitted, strict=True)
        if not len(task.later)
    }
    return _assemble(dataset, config, ensembles=final, later=later, margins=margins, known=known)


def _enough(dataset: Dataset, known: NDArray[np.bool_], config: TrainConfig) -> None:
    """Refuse a history that cannot teach even the dense target."""
    label = dataset.discrepancy[known & dataset.evidence("discrepancy")]
    positives = int(label.sum())
    if min(positives, len(label) - positives) < config.few_discrepancies:
        raise NotEnoughDataError(
            "a model of discrepancies",
            f"{config.few_discrepancies} inspections with a find and as many without are needed; "
            f"{positives} and {len(label) - positives} were known in time",
        )


def _task(
    dataset: Dataset, fold: splits.Fold, target: Target, *, config: TrainConfig
) -> _Task | None:
    """Gather a fold's rows for one target; None where its positives are too few for trees."""
    rows = fold.fit[dataset.evidence(target)[fold.fit]]
    label = dataset.label(target)[rows]
    if target == "seizure":
        rows, label = _with_linked(dataset, rows, fold=fold, seed=config.seed)
    few = config.few_seizures if target == "seizure" else config.few_discrepancies
    positives = int(label.sum())
    if min(positives, len(label) - positives) < few:
        return None
    return _Task(target, rows, label, fold.later)


def _with_linked(
    dataset: Dataset, rows: NDArray[np.intp], *, fold: splits.Fold, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.int8]]:
    """Add the finds linked back to released vehicles, each with companions from the released.

    Alone, such finds would teach that whoever the old selection let pass is guilty. Released rows
    of the same period, so many that the share of finds among them equals that among inspected
    rows, keep "was it inspected" from carrying any message.
    """
    if not len(rows):
        return rows, dataset.seizure[rows]
    early = dataset.arrived_at <= dataset.arrived_at[rows[-1]]
    found = dataset.linked & early & (dataset.label_known_at < fold.cut) & (dataset.seizure == 1)
    linked = np.flatnonzero(found)
    label = dataset.seizure[rows]
    base = float(label.mean())
    # A find that came to light after the cut was not known then: its row is a released one.
    released = np.flatnonzero(early & ~dataset.basis.astype(np.bool_) & ~found)
    if not len(linked) or not len(released) or base == 0.0:
        return rows, label
    wanted = min((1 - base) / base, COMPANIONS) * len(linked)
    count = min(len(released), round(wanted))
    drawn = np.random.default_rng(seed).choice(released, count, replace=False)
    every = np.concatenate((rows, linked, drawn))
    labels = np.concatenate((label, np.ones(len(linked)), np.zeros(count))).astype(np.int8)
    order = np.argsort(every, kind="stable")
    return every[order], labels[order]


def _run(
    dataset: Dataset, tasks: list[_Task], config: TrainConfig
) -> list[tuple[HistGradientBoostingClassifier, Floats]]:
    """Fit every task, spread over processes where that pays."""
    values = dataset.values
    signs = np.array([dict(config.monotone).get(name, 0) for name in dataset.names], np.int8)
    calls = [
        delayed(_fit_one)(
            values[task.rows],
            task.label,
            later=values[task.later],
            trees=getattr(config, task.target),
            signs=signs,
            seed=config.seed,
        )
        for task in tasks
    ]
    cells = sum(len(task.rows) for task in tasks) * len(dataset.names)
    jobs = min(config.jobs, len(tasks)) if cells > _WORTH_A_PROCESS else 1
    done: list[tuple[HistGradientBoostingClassifier, Floats]] = Parallel(n_jobs=jobs)(calls)
    return done


def _fit_one(
    values: NDArray[np.float32],
    label: NDArray[np.int8],
    *,
    later: NDArray[np.float32],
    trees: Trees,
    signs: NDArray[np.int8],
    seed: int,
) -> tuple[HistGradientBoostingClassifier, Floats]:
    """Fit one ensemble and return it with its margins on later rows.

    A column without any value is filled: no tree can split on it, and scikit-learn cannot bin it.
    """
    estimator = HistGradientBoostingClassifier(
        max_iter=trees.iterations,
        learning_rate=trees.learning_rate,
        max_depth=trees.depth,
        max_leaf_nodes=trees.leaves,
        min_samples_leaf=trees.smallest_leaf,
        l2_regularization=trees.ridge,
        max_features=trees.share_of_features,
        monotonic_cst=signs,
        categorical_features=None,
        early_stopping=False,
        random_state=seed,
    )
    # Sums over threads depend on their number; one thread, and the bits repeat on any machine.
    with threadpool_limits(1, user_api="openmp"):
        # Without sample weights: with them, scikit-learn 1.9 takes a minute to find its bins.
        estimator.fit(np.where(np.isnan(values).all(axis=0), np.float32(0), values), label)
        margin = estimator.decision_function(later) if len(later) else np.empty(0)
    return estimator, margin


def _pooled(
    tasks: list[_Task], margins: list[Floats], later: NDArray[np.intp]
) -> dict[Target, Floats]:
    """Line up the folds' margins with their rows; NaN where a fold had no trees for a target."""
    place = {int(row): position for position, row in enumerate(later)}
    pooled: dict[Target, Floats] = {
        "seizure": np.full(len(later), np.nan),
        "discrepancy": np.full(len(later), np.nan),
    }
    for task, margin in zip(tasks, margins, strict=True):
        pooled[task.target][[place[int(row)] for row in task.later]] = margin
    return pooled


def _assemble(
    dataset: Dataset,
    config: TrainConfig,
    *,
    ensembles: dict[Target, HistGradientBoostingClassifier],
    later: NDArray[np.intp],
    margins: dict[Target, Floats],
    known: NDArray[np.bool_],
) -> Model:
    """Fit the heads on pooled out-of-time margins and put the model together."""
    found = dataset.discrepancy[later]
    seen = ~np.isnan(margins["discrepancy"])
    if int(found[seen].sum()) < SCALED_POSITIVES:
        raise NotEnoughDataError(
            "a calibration of discrepancies", "too few finds in the later half of the history"
        )
    knots = fit_knots(margins["discrepancy"][seen], found[seen])
    head, on = seizure_head(dataset, later, margins=margins, knots=knots, fitted=ensembles)
    used = {name for name, _ in head.blend} | {"discrepancy"}
    counts: dict[Target, tuple[int, int]] = {}
    for target in TARGETS:
        label = dataset.label(target)[known & dataset.evidence(target)]
        counts[target] = (len(label), int(label.sum()))
    return Model(
        names=dataset.names,
        definitions=dataset.definitions,
        ensembles={name: trees for name, trees in ensembles.items() if name in used},
        heads={"seizure": head, "discrepancy": Head((("discrepancy", 1.0),), knots)},
        severity=config.severity,
        evidence=counts,
        calibrated_on={"seizure": on, "discrepancy": (int(seen.sum()), int(found[seen].sum()))},
    )
