"""Fit tasks: which rows, features and signs teach which part of a model.

Assumes a fold in time: nothing here looks at a row or a label that was not known at its cut.

Screening: each split of a tree tries a few features drawn at random. If finds are many, features
that say nothing are left out before the draw, so that a split is not spent on them. If finds are
few, this test says hardly more than chance, and nothing is left out (:mod:`models.learning.fit`). A
feature that speaks only together with another is lost; that costs less than the crowd does
(docs/trials.md).

Thinning: inspections without a find are many times those with one, and beyond some ten thousand
they teach little more. A sample of them, drawn by the seed, stands for all, as in a case-control
study; the odds that it raises are lowered again when the part is fitted.

Monotone constraints: with a hundred seizures or fewer, chance bends what trees learn. The public
lists of land indicators (World Customs Organization; no universal weights exist) name facts that
speak for a search and never against one: earlier finds on a party, a conveyance or driver that is
new here, differences from the paired post's record, a low value, thin hours. Trees for seizures
keep these signs, and half of them look at nothing else (:mod:`models.learning.base_learners`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from models.array_types import Floats, Labels, Positions, Rows
from models.config import TrainConfig, Trees
from models.data.dataset import TARGETS, Dataset, Fold, Target
from models.scoring import UNSEEN_TREES, column_of, fingerprints, unseen

FOUND = ("_hit_rate", "_hit_rate_ever", "_seizure_rate", "_finds_elsewhere", "_hits_ever")
"""Endings of features that say how much was found before; so do hits passed along links, and finds
spread along them."""
RISING = (
    "night",
    "new_driver_for_plate",
    "new_trailer_for_plate",
    "new_driver_for_carrier",
    "new_consignee_for_carrier",
    "new_plate_for_carrier",
    "driver_changed",
    "post_changed",
    "vin_changed",
    "mirror_plate_differs",
    "mirror_vin_differs",
    "mirror_trailer_differs",
    "mirror_driver_differs",
    "mirror_seals_differ",
    "mirror_consignee_differs",
    "mirror_goods_differ",
    "mirror_mass_gap",
    "transit_share",
    "bad_container",
    "carrier_beside_30min",
    "tare_over_usual_of_plate",
    "tare_over_usual_of_carrier",
    "consignee_precursor_new",
    "consignor_precursor_new",
    "precursor_route_new",
    "consignee_near_precursor_new",
    "precursor_kg_over_usual",
    "precursor_kg_over_usual_of_consignee",
)
"""More of it, or its being so, never speaks against a search."""
FALLING = (
    "plate_crossings_365d",
    "plate_same_way_365d",
    "plate_searched_here_60d",
    "driver_searched_here_60d",
    "post_crossings_30min",
    "value_over_usual",
    "value_over_usual_of_origin",
    "value_over_usual_of_hs6_origin",
    "value_over_usual_of_consignee",
    "value_over_usual_of_consignee_goods",
)
"""More of it never speaks for a search: a regular, a busy half hour, a high value, being
searched of late where it comes again rather than elsewhere."""


def list_signs(names: Sequence[str], more: Mapping[str, int]) -> NDArray[np.int8]:
    """Return the sign of each of f features for seizures, int8 of shape (f,).

    1 rising, -1 falling, 0 free; ``more``, the signs of a training configuration, goes first.
    """
    return np.array([more.get(name, _sign(name)) for name in names], np.int8)


def _sign(name: str) -> int:
    if name in FALLING:
        return -1
    has_found = name.endswith(FOUND) or name.startswith("hits_passed") or "_spread_" in name
    return int(name in RISING or has_found)


COMPANIONS = 200
"""At most so many released rows are drawn for each find that was linked back to one."""


@dataclass(frozen=True, slots=True)
class FitTask:
    """What to fit, on which rows, and the rows whose margins are asked of it."""

    part: str
    """Name of its trees; a target's own part comes with a line."""
    target: Target
    rows: Positions
    label: Labels
    later: Positions
    trees: Trees
    signs: NDArray[np.int8]
    """Of each feature: 1 rising, -1 falling, 0 free."""
    among: Positions | None = None
    """The columns that its trees may use; all when None."""
    line_among: Positions | None = None
    """The columns that its line reads; all when None."""
    kept: float = 1.0
    """Share of the clear rows that is left among ``rows``."""

    @property
    def is_final(self) -> bool:
        """Whether it serves: nothing later is asked of it."""
        return not len(self.later)

    @property
    def leans_on_field(self) -> bool:
        """Whether half of its trees look at nothing but features whose sign the field knows."""
        return self.target == "seizure"

    @property
    def has_line(self) -> bool:
        """Whether a line is fitted in addition to its trees."""
        return self.part == self.target


def plan_fit_tasks(
    dataset: Dataset, fold: Fold, *, config: TrainConfig, is_rich: bool
) -> list[FitTask]:
    """Return what a fold can teach; parts whose positives are too few are left out.

    ``is_rich`` where finds are many: richer trees, screened features, and trees for unseen
    fingerprints.
    """
    own = [_gather_rows(dataset, fold, target, config=config) for target in TARGETS]
    made = [task for task in own if task is not None]
    if not is_rich:
        return made
    return [one for task in made for one in _enrich(dataset, fold, task, config=config)]


def _gather_rows(
    dataset: Dataset, fold: Fold, target: Target, *, config: TrainConfig
) -> FitTask | None:
    """Gather a fold's rows for one target; None where its positives are too few to learn from."""
    rows = fold.fit[dataset.evidence(target)[fold.fit]]
    label = dataset.label(target)[rows]
    trees, few, given = config.discrepancy, config.few_discrepancies, dict(config.monotone)
    line_among = None
    signs = np.array([given.get(name, 0) for name in dataset.names], np.int8)
    if target == "seizure":
        rows, label = _add_later_finds(dataset, rows, fold=fold, seed=config.seed)
        trees, few, signs = (
            config.seizure,
            config.few_seizures,
            list_signs(dataset.names, given),
        )
        line_among = select_features(dataset.names, left_out=config.seizure_line_leaves_out)
    positives = int(label.sum())
    if min(positives, len(label) - positives) < few:
        return None
    most = 0 if target in dict(config.estimators) else config.most_clear
    kept = thin_clear(label, most=most, seed=config.seed)
    share = (len(kept) - positives) / (len(label) - positives)
    return FitTask(
        target,
        target,
        rows[kept],
        label[kept],
        fold.later,
        trees,
        signs,
        line_among=line_among,
        kept=share,
    )


def select_features(names: Sequence[str], *, left_out: Sequence[str]) -> Positions | None:
    """Return the columns, shape (n,), that no pattern names; None if these are all or none."""
    kept = [not any(fnmatchcase(name, pattern) for pattern in left_out) for name in names]
    return np.flatnonzero(kept) if any(kept) and not all(kept) else None


def thin_clear(label: Labels, *, most: int, seed: int) -> Positions:
    """Return the rows that teach: every find, and at most ``most`` others, where that is not 0.

    Parameters
    ----------
    label : int8 array of shape (n,)
        1 or 0.

    Returns
    -------
    int array of shape (k,)
        Ascending.
    """
    clear = np.flatnonzero(label == 0)
    if not 0 < most < len(clear):
        return np.arange(len(label))
    drawn = np.random.default_rng(seed).choice(clear, most, replace=False)
    return np.sort(np.concatenate((np.flatnonzero(label), drawn)))


def _enrich(
    dataset: Dataset, fold: Fold, task: FitTask, *, config: TrainConfig
) -> Iterator[FitTask]:
    """Yield what many finds can carry instead: fewer features, richer trees, and some for the new.

    First declarations of a fingerprint get trees of their own where these and others are many.
    """
    if task.target != "discrepancy":
        yield task
        return
    among = screen_features(dataset.values[task.rows], task.label)
    yield replace(task, trees=config.rich, among=among)
    is_first = unseen(dataset.values, column_of(dataset.names)) > 0
    first, later = is_first[task.rows], fold.later[is_first[fold.later]]
    is_idle = len(fold.later) > 0 and not len(later)
    finds = min(int(task.label[first].sum()), int(task.label[~first].sum()))
    if is_idle or finds < config.many_unseen:
        return
    yield FitTask(
        part=UNSEEN_TREES,
        target="discrepancy",
        rows=task.rows[first],
        label=task.label[first],
        later=later,
        trees=replace(config.rich, seeds=2 * config.rich.seeds),
        signs=task.signs,
        kept=task.kept,
        among=np.setdiff1d(among, fingerprints(dataset.names)),
    )


def _add_later_finds(
    dataset: Dataset, rows: Positions, *, fold: Fold, seed: int
) -> tuple[Positions, Labels]:
    """Add the finds linked back to released vehicles, each with companions from the released.

    Alone, such finds would teach that a vehicle which the old selection let pass is guilty.
    Released rows of the same period, so many that the share of finds among them equals that among
    inspected rows, keep "was it inspected" from carrying any message.
    """
    if not len(rows):
        return rows, dataset.seizure[rows]
    early = dataset.arrived_at <= dataset.arrived_at[rows].max()
    found = dataset.is_linked & early & (dataset.label_known_at < fold.cut) & (dataset.seizure == 1)
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


SCREENING_BINS = 16
SCREENING_ROWS = 20.0
"""Rows at the mean rate that every bin starts with."""
LEAST_GAIN = 2.0
"""Standard errors by which a feature's gain in later log-likelihood must exceed nothing."""


def screen_features(values: Rows, label: Labels) -> Positions:
    """Return the columns that, alone, foretell labels of the later half from the earlier half.

    Parameters
    ----------
    values, label : float32 array of shape (n, f), int8 array of shape (n,)
        In time order, NaN where unknown; 1 or 0.

    Returns
    -------
    int array of shape (k,)
        Ascending. All f columns where fewer than two speak: then nothing was learnt about them.
    """
    gains = np.array([_gain(column, label.astype(np.float64)) for column in values.T])
    kept = np.flatnonzero(gains > LEAST_GAIN)
    return kept if len(kept) > 1 else np.arange(values.shape[1])


def _gain(column: Rows, label: Floats) -> float:
    """Return a feature's gain in later log-likelihood, in its standard errors."""
    half = len(label) // 2
    known = column[:half][~np.isnan(column[:half])]
    inner = np.linspace(0, 1, SCREENING_BINS + 1)[1:-1]
    edges = np.unique(np.quantile(known, inner)) if len(known) else known
    place = np.searchsorted(edges, column, side="right")
    place[np.isnan(column)] = len(edges) + 1
    early, later, count = place[:half], place[half:], len(edges) + 2
    base = label[:half].mean()
    finds = np.bincount(early, weights=label[:half], minlength=count)
    rate = (finds + SCREENING_ROWS * base) / (np.bincount(early, minlength=count) + SCREENING_ROWS)
    chance, found = rate[later], label[half:]
    gain = found * np.log(chance / base) + (1 - found) * np.log((1 - chance) / (1 - base))
    return float(gain.sum() / max(np.sqrt(gain @ gain), 1e-12))
