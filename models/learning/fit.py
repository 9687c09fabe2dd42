"""Fit of a model on what was known at a cut: base learners, blend, calibration.

Assumes that finds are rare: the parts are held down, no row is doubled, the odds are lowered by as
much as sampling of clear rows raised them (else they would ruin the probabilities), and if seizures
are too few for parts of their own, seizure leans on discrepancy. Blend and calibration come from
margins of folds in time, each predicted by parts that saw only what was known before it; the parts
that serve are then fitted on everything.

A fitted model has scikit-learn's estimators and, for each target, the head that turns margins into
a chance: it is the analysts' side. A bundle has the same trees and the same heads as data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engine.domain.time_units import DAY
from engine.errors import NotEnoughDataError
from engine.ports import Scores
from features.catalogue.catalogue import CATALOGUE
from models.array_types import Floats, Labels, Mask, Positions, Rows
from models.config import BinsBy, TrainConfig
from models.data import dataset as temporal_splits
from models.data.dataset import TARGETS, Dataset, Target
from models.learning.base_learners import grow, grow_with_field, precedents, straight_part
from models.learning.calibration import (
    FittedHead,
    correct_intercept,
    discrepancy_head,
    seizure_head,
)
from models.learning.fit_tasks import FitTask, plan_fit_tasks
from models.learning.own_estimators import OwnEstimator, fit_estimator, load_estimator
from models.learning.scikit_trees import read_trees, shift_log_odds
from models.scoring import (
    PRECEDENTS,
    UNSEEN,
    UNSEEN_TREES,
    Head,
    Linear,
    TreeArrays,
    column_of,
    line_of,
    state_chances,
    unseen,
)

_AT_ONCE = 16_384
"""Rows that are scored together: the lines need several times their memory."""


@dataclass(frozen=True, slots=True)
class FittedModel:
    """Fitted ensembles with their heads; what a bundle is written from."""

    names: tuple[str, ...]
    definitions: str
    ensembles: Mapping[str, HistGradientBoostingClassifier | OwnEstimator]
    """Estimators that a head uses, by name: a target's own, and those for unseen fingerprints."""
    lines: Mapping[str, Linear]
    """Lines that a head uses in addition, by name."""
    heads: Mapping[Target, Head]
    evidence: Mapping[Target, tuple[int, int]]
    """Rows and positives that each target's labels gave."""
    calibrated_on: Mapping[Target, tuple[int, int]]
    """Out-of-time rows and positives behind each calibration."""
    alone: Mapping[Target, Mapping[str, float]]
    """Mean out-of-time log-loss of each part that could be blended, alone, and of the blend."""
    level: Mapping[Target, float]
    """Log-odds by which the random stream moved each calibration."""
    _arrays: dict[str, TreeArrays] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """Ensembles as plain arrays, once they were scored by."""

    def read_parts(self) -> tuple[dict[str, TreeArrays], dict[str, Linear]]:
        """Return trees and lines as a bundle keeps them, by name."""
        trees: dict[str, TreeArrays] = {}
        lines = dict(self.lines)
        for name, estimator in self.ensembles.items():
            own = isinstance(estimator, OwnEstimator)
            part = estimator.as_part() if own else read_trees(estimator)
            if isinstance(part, Linear):
                lines[name] = part
            else:
                trees[name] = part
        return trees, lines

    def margins(self, values: Rows) -> dict[str, Floats]:
        """Return each part's log-odds for rows of shape (n, f), to the bit as scikit-learn does."""
        trees = {name: self._add_trees(name, values) for name in self.ensembles}
        lines = {name: line.margin(values) for name, line in self.lines.items()}
        return trees | lines | {UNSEEN: unseen(values, column_of(self.names))}

    def score(self, values: Rows) -> Scores:
        """Return calibrated probabilities for rows of shape (n, f), with their intervals."""
        parts = [
            self.margins(values[begin : begin + _AT_ONCE])
            for begin in range(0, len(values) or 1, _AT_ONCE)
        ]
        margins = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
        return state_chances(self.heads, margins)

    def _add_trees(self, name: str, values: Rows) -> Floats:
        """Return an ensemble's log-odds; trees add up row by row, whatever rows come with it."""
        from models.learning.scikit_trees import (
            add_trees,  # compiled code: what only fits needs none
        )

        estimator = self.ensembles[name]
        if isinstance(estimator, OwnEstimator):
            return estimator.decision_function(values)
        if name not in self._arrays:
            self._arrays[name] = read_trees(estimator)
        return add_trees(self._arrays[name], values)


HEAVIEST = 4.0
"""No row weighs more than this many usual ones."""
_WORTH_A_PROCESS = 4_000_000  # cells; below, starting processes costs more than it saves


@dataclass(frozen=True, slots=True)
class _FittedPart:
    """Trees, their lines by name, and the log-odds of all of them on the later rows."""

    trees: HistGradientBoostingClassifier | OwnEstimator
    lines: dict[str, Linear]
    margins: dict[str, Floats]


def fit(dataset: Dataset, config: TrainConfig, *, until: int, known_before: int) -> FittedModel:
    """Fit both targets on what was known at a cut.

    Features are as known at each row's ``as_of``. Only arrivals before ``until`` whose label was
    known before ``known_before`` (UTC microseconds) teach or calibrate. The same data and choices
    give the same bits. Raises NotEnoughDataError when fewer than ``config.few_discrepancies``
    inspected rows hold a find, or hold none.
    """
    known = (dataset.arrived_at < until) & (dataset.label_known_at < known_before)
    is_rich = _enough(dataset, known, config) >= config.many_discrepancies
    folds = temporal_splits.rolling_folds(
        dataset,
        dataset.evidence("discrepancy"),
        until=until,
        known_before=known_before,
        gap=config.label_delay,
        folds=config.folds,
    )
    everything = temporal_splits.Fold(
        fit=np.flatnonzero(known & dataset.evidence("discrepancy")),
        later=np.empty(0, np.intp),
        cut=known_before,
    )
    tasks = [
        task
        for fold in (*folds, everything)
        for task in plan_fit_tasks(dataset, fold, config=config, is_rich=is_rich)
    ]
    fitted = _run(dataset, tasks, config)
    later = np.concatenate([fold.later for fold in folds] or [everything.later])
    margins = _pool_margins(tasks, fitted, later)
    margins[UNSEEN] = unseen(dataset.values[later], column_of(dataset.names))
    final = {task.part: one for task, one in zip(tasks, fitted, strict=True) if task.is_final}
    with threadpool_limits(1):  # long sums depend on the number of threads, too
        return _assemble(
            dataset,
            config,
            parts=final,
            later=later,
            margins=margins,
            known=known,
            is_rich=is_rich,
        )


def _enough(dataset: Dataset, known: Mask, config: TrainConfig) -> int:
    """Return how many finds there are; refuse what cannot teach even the dense target."""
    label = dataset.discrepancy[known & dataset.evidence("discrepancy")]
    positives = int(label.sum())
    if min(positives, len(label) - positives) < config.few_discrepancies:
        raise NotEnoughDataError(
            "a model of discrepancies",
            f"{config.few_discrepancies} inspections with a find and as many without are needed; "
            f"{positives} and {len(label) - positives} were known in time",
        )
    return positives


def _run(dataset: Dataset, tasks: list[FitTask], config: TrainConfig) -> list[_FittedPart]:
    """Fit every task, spread over processes where that pays."""
    values = dataset.values
    own: dict[str, Any] = {target: load_estimator(name) for target, name in config.estimators}
    calls = (  # rows are copied when a task begins, not for all of them at once
        delayed(_fit_one)(
            values[task.rows],
            task.label,
            weight=_weight(dataset.propensity[task.rows], config),
            later=values[task.later],
            task=task,
            recency=_recency(dataset.arrived_at[task.rows], config.line_half_life_days),
            names=dataset.names,
            line=config.seizure_line if task.target == "seizure" else config.line,
            seed=config.seed,
            bins=config.bins,
            estimator=own.get(task.part),
        )
        for task in tasks
    )
    cells = sum(len(task.rows) for task in tasks) * len(dataset.names)
    jobs = min(config.jobs, len(tasks)) if cells > _WORTH_A_PROCESS else 1
    done: list[_FittedPart] = Parallel(n_jobs=jobs)(calls)
    return done


def _weight(propensity: Floats, config: TrainConfig) -> Floats | None:
    """Return each row's weight, of mean 1; one of unknown propensity weighs as the median."""
    if config.weights != "propensity" or np.isnan(propensity).all():
        return None
    inverse = 1.0 / propensity
    usual = float(np.nanmedian(inverse))
    # Held down: a row drawn by one chance in a thousand must not outweigh all others.
    held = np.minimum(np.where(np.isnan(inverse), usual, inverse), HEAVIEST * usual)
    return np.asarray(held / held.mean(), np.float64)


def _recency(arrived_at: NDArray[np.int64], half_life_days: float) -> Floats | None:
    """Return the weight of each row, shape (n,), of mean 1: half as much for each half-life."""
    if not half_life_days or not len(arrived_at):
        return None
    age = (arrived_at.max() - arrived_at) / DAY
    recent = np.exp2(-age / half_life_days)
    return np.asarray(recent / recent.mean(), np.float64)


def _fit_one(
    values: Rows,
    label: Labels,
    *,
    weight: Floats | None,
    recency: Floats | None,
    later: Rows,
    task: FitTask,
    names: tuple[str, ...],
    line: float,
    seed: int,
    bins: BinsBy,
    estimator: Any | None,
) -> _FittedPart:
    """Fit the trees, and the lines, of one part; return them with their margins on later rows."""
    thinned = float(np.log(task.kept))  # a sample of the clear rows makes finds look frequent
    grown: HistGradientBoostingClassifier | OwnEstimator
    if estimator is not None:
        grown = fit_estimator(estimator, values, label, seed=seed, weight=weight)
    else:
        grower = grow_with_field if task.leans_on_field else partial(grow, among=task.among)
        grown = grower(
            values,
            label,
            trees=task.trees,
            signs=task.signs,
            seed=seed,
            weight=weight,
            by_weight=bins == "weighted",
        )
    if isinstance(grown, HistGradientBoostingClassifier):
        shift_log_odds(grown, by=thinned)
    lines: dict[str, Linear] = {}
    if task.has_line:
        # Seizures' line alone: recent rows taught discrepancies no better (docs/trials.md).
        heavy, families = weight, None
        if task.target == "seizure":
            heavy = _multiply(weight, recency)
            features = [CATALOGUE.get(name) for name in names]
            families = np.array([one.family if one else "" for one in features], object)
        straight = straight_part(
            values,
            label,
            strength=line,
            weight=heavy,
            among=task.line_among,
            families=families,
        )
        lines[line_of(task.target)] = replace(straight, base=straight.base + thinned)
    if task.part == "seizure" and (prior := precedents(values, label, names=names, kept=task.kept)):
        lines[PRECEDENTS] = prior
    with threadpool_limits(1, user_api="openmp"):
        margin = grown.decision_function(later) if len(later) else np.empty(0)
    drawn = {name: one.margin(later) for name, one in lines.items()}
    return _FittedPart(grown, lines, {task.part: margin} | drawn)


def _multiply(first: Floats | None, second: Floats | None) -> Floats | None:
    if first is None or second is None:
        return second if first is None else first
    return first * second


def _pool_margins(
    tasks: list[FitTask], fitted: list[_FittedPart], later: Positions
) -> dict[str, Floats]:
    """Line up the folds' margins with their rows; NaN where a fold had no part for a target."""
    place = {int(row): position for position, row in enumerate(later)}
    always = [*TARGETS, *map(line_of, TARGETS), UNSEEN_TREES]
    names = dict.fromkeys([*always, *(name for one in fitted for name in one.margins)])
    pooled = {name: np.full(len(later), np.nan) for name in names}
    for task, one in zip(tasks, fitted, strict=True):
        at = [place[int(row)] for row in task.later]
        for name, margin in one.margins.items():
            pooled[name][at] = margin
    return pooled


def _assemble(
    dataset: Dataset,
    config: TrainConfig,
    *,
    parts: dict[str, _FittedPart],
    later: Positions,
    margins: dict[str, Floats],
    known: Mask,
    is_rich: bool,
) -> FittedModel:
    """Fit the heads on pooled out-of-time margins and put the model together."""
    line_share = 0.0 if is_rich else config.line_share
    dense = discrepancy_head(dataset, later, margins=margins, fitted=parts, line_share=line_share)
    grave = seizure_head(dataset, later, margins=margins, dense=dense, fitted=parts)
    dense = correct_intercept(dense, dataset, later, target="discrepancy", margins=margins)
    grave = correct_intercept(
        grave, dataset, later, target="seizure", margins=margins, usual=dense.level
    )
    heads: dict[Target, FittedHead] = {"seizure": grave, "discrepancy": dense}
    used = {name for judged in heads.values() for name in judged.head.parts()} | {"discrepancy"}
    counts: dict[Target, tuple[int, int]] = {}
    for target in TARGETS:
        label = dataset.label(target)[known & dataset.evidence(target)]
        counts[target] = (len(label), int(label.sum()))
    return FittedModel(
        names=dataset.names,
        definitions=dataset.definitions,
        ensembles={name: one.trees for name, one in parts.items() if name in used},
        lines={
            name: line for one in parts.values() for name, line in one.lines.items() if name in used
        },
        heads={target: judged.head for target, judged in heads.items()},
        evidence=counts,
        calibrated_on={target: judged.counted for target, judged in heads.items()},
        alone={target: judged.alone for target, judged in heads.items()},
        level={target: judged.level for target, judged in heads.items()},
    )
