"""How is a model learnt from what was known at a cut? Trees and a line, a blend, a calibration.

Assumes that finds are rare: the parts are held down, no row is doubled or dropped to balance
classes (that would ruin the probabilities), and where seizures are too few for parts of their own,
seizure leans on discrepancy. Blend and calibration come from margins of folds in time, each
predicted by parts that saw only what was known before it; what serves is then fitted on everything.
"""

from dataclasses import dataclass, replace

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engine.errors import NotEnoughDataError
from models import splits
from models.config import TrainConfig, Trees
from models.dataset import TARGETS, Dataset, Target
from models.heads import Judged, discrepancy_head, seizure_head
from models.linear import Linear
from models.model import Model
from models.parts import grow, straight
from models.risk import Floats, line_of

COMPANIONS = 200
"""At most so many released rows are drawn for each find that was linked back to one."""
HEAVIEST = 4.0
"""No row weighs more than this many usual ones."""
_WORTH_A_PROCESS = 4_000_000  # cells; below, starting processes costs more than it saves


@dataclass(frozen=True, slots=True)
class _Task:
    """What to fit for one target, and the rows whose margins are asked of it."""

    target: Target
    rows: NDArray[np.intp]
    label: NDArray[np.int8]
    later: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Both parts of a target, and their log-odds on the later rows."""

    trees: HistGradientBoostingClassifier
    line: Linear
    margin: Floats
    line_margin: Floats


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
    finds = _enough(dataset, known, config)
    if finds >= config.many_discrepancies:
        config = replace(config, discrepancy=config.rich)
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
    margins = _pooled(tasks, fitted, later)
    final = {
        task.target: one for task, one in zip(tasks, fitted, strict=True) if not len(task.later)
    }
    with threadpool_limits(1):  # long sums depend on the number of threads, too
        return _assemble(dataset, config, parts=final, later=later, margins=margins, known=known)


def _enough(dataset: Dataset, known: NDArray[np.bool_], config: TrainConfig) -> int:
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


def _task(
    dataset: Dataset, fold: splits.Fold, target: Target, *, config: TrainConfig
) -> _Task | None:
    """Gather a fold's rows for one target; None where its positives are too few to learn from."""
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


def _run(dataset: Dataset, tasks: list[_Task], config: TrainConfig) -> list[_Fitted]:
    """Fit every task, spread over processes where that pays."""
    values = dataset.values
    signs = np.array([dict(config.monotone).get(name, 0) for name in dataset.names], np.int8)
    calls = [
        delayed(_fit_one)(
            values[task.rows],
            task.label,
            weight=_weight(dataset.propensity[task.rows], config),
            later=values[task.later],
            trees=getattr(config, task.target),
            line=config.line,
            signs=signs,
            seed=config.seed,
        )
        for task in tasks
    ]
    cells = sum(len(task.rows) for task in tasks) * len(dataset.names)
    jobs = min(config.jobs, len(tasks)) if cells > _WORTH_A_PROCESS else 1
    done: list[_Fitted] = Parallel(n_jobs=jobs)(calls)
    return done


def _weight(propensity: Floats, config: TrainConfig) -> Floats | None:
    """Return each row's weight, of mean 1; a row whose propensity is not known counts as most."""
    if config.weights == "even" or np.isnan(propensity).all():
        return None
    inverse = 1.0 / propensity
    usual = float(np.nanmedian(inverse))
    # Held down: a row drawn by one chance in a thousand must not outweigh all others.
    held = np.minimum(np.where(np.isnan(inverse), usual, inverse), HEAVIEST * usual)
    return np.asarray(held / held.mean(), np.float64)


def _fit_one(
    values: NDArray[np.float32],
    label: NDArray[np.int8],
    *,
    weight: Floats | None,
    later: NDArray[np.float32],
    trees: Trees,
    line: float,
    signs: NDArray[np.int8],
    seed: int,
) -> _Fitted:
    """Fit both parts of one target and return them with their margins on later rows."""
    grown = grow(values, label, trees=trees, signs=signs, seed=seed, weight=weight)
    drawn = straight(values, label, strength=line, weight=weight)
    if not len(later):
        return _Fitted(grown, drawn, np.empty(0), np.empty(0))
    with threadpool_limits(1, user_api="openmp"):
        margin = grown.decision_function(later)
    return _Fitted(grown, drawn, margin, drawn.margin(later))


def _pooled(
    tasks: list[_Task], fitted: list[_Fitted], later: NDArray[np.intp]
) -> dict[str, Floats]:
    """Line up the folds' margins with their rows; NaN where a fold had no part for a target."""
    place = {int(row): position for position, row in enumerate(later)}
    names = [name for target in TARGETS for name in (target, line_of(target))]
    pooled = {name: np.full(len(later), np.nan) for name in names}
    for task, one in zip(tasks, fitted, strict=True):
        at = [place[int(row)] for row in task.later]
        pooled[task.target][at] = one.margin
        pooled[line_of(task.target)][at] = one.line_margin
    return pooled


def _assemble(
    dataset: Dataset,
    config: TrainConfig,
    *,
    parts: dict[Target, _Fitted],
    later: NDArray[np.intp],
    margins: dict[str, Floats],
    known: NDArray[np.bool_],
) -> Model:
    """Fit the heads on pooled out-of-time margins and put the model together."""
    dense = discrepancy_head(dataset, later, margins=margins)
    grave = seizure_head(dataset, later, margins=margins, dense=dense, fitted=parts)
    heads: dict[Target, Judged] = {"seizure": grave, "discrepancy": dense}
    used = {name for judged in heads.values() for name, _ in judged.head.blend} | {"discrepancy"}
    counts: dict[Target, tuple[int, int]] = {}
    for target in TARGETS:
        label = dataset.label(target)[known & dataset.evidence(target)]
        counts[target] = (len(label), int(label.sum()))
    return Model(
        names=dataset.names,
        definitions=dataset.definitions,
        ensembles={target: one.trees for target, one in parts.items() if target in used},
        lines={
            line_of(target): one.line for target, one in parts.items() if line_of(target) in used
        },
        heads={target: judged.head for target, judged in heads.items()},
        severity=config.severity,
        evidence=counts,
        calibrated_on={target: judged.counted for target, judged in heads.items()},
        alone={target: judged.alone for target, judged in heads.items()},
    )
