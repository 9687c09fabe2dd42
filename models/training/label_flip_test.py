"""Label-flip test: whether a post's labels contradict what the other posts teach.

Assumes that what a find looks like is much the same everywhere, and how many there are is not. So
trees learnt from the other posts state a chance for each searched vehicle of a post; how often the
post finds something may differ freely within reason, but a find where nothing speaks for one is
rare. If a share of the labels was turned (a clear search entered as a find, or a find as clear),
finds appear evenly where none are stated. That share is estimated by maximum likelihood, with the
post's own level as a nuisance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import chdtri, expit

from models.array_types import Floats, Labels
from models.config import TrainConfig, Trees
from models.data.dataset import Dataset
from models.learning.base_learners import grow

FOLDS = 4
"""Groups of posts; each is judged by trees learnt from the other three."""
JUDGES = Trees(iterations=60, depth=3, leaves=8, seeds=1)
"""Few and shallow: they need to be calibrated more than sharp."""
FEWEST = 50
"""Labels below which a post is not judged: so few cannot turn a model either."""
MOST = 2_000
"""Labels of a post that are judged, the latest."""
SURE = 0.999
"""Confidence of the lower bounds of all posts together."""
TOLERATED = 0.05
"""Share of a post's labels that may be wrong without anybody's doing."""
_SHARES = np.linspace(0.0, 1.0, 101)
_LEVELS = np.linspace(-3.0, 3.0, 61)
"""How much more or less a post may find than the others teach, in log-odds."""
_LEAST_SPREAD = 0.25
"""Posts differ in level by this standard deviation at least, however alike these here look."""


@dataclass(frozen=True, slots=True)
class LabelFlipEstimate:
    """What share of one post's labels look turned."""

    post: str
    labels: int
    finds: int
    value: float
    low: float
    """Lower bound, at ``SURE`` over all posts together."""

    @property
    def is_refused(self) -> bool:
        """Whether more labels look turned than carelessness explains."""
        return self.low > TOLERATED

    def as_dict(self) -> dict[str, Any]:
        """Return it as the report keeps it."""
        return {name: getattr(self, name) for name in self.__slots__} | {"refused": self.is_refused}


def test_label_flips(dataset: Dataset, config: TrainConfig) -> list[LabelFlipEstimate]:
    """Judge each post's labels by what the other posts teach.

    Of the rows that a model is fitted on, only inspected ones that are evidence of a discrepancy
    count. There is one estimate for each post with ``FEWEST`` labels or more whose like the others
    can teach, by name; none where there are fewer than two.
    """
    stated = _state_log_odds(dataset, config)
    if len(stated) < 2:
        return []
    terms = {post: _terms(margin, label) for post, (margin, label) in stated.items()}
    usual = np.array([_LEVELS[term[0].argmax()] for term in terms.values()])
    # Half of the posts may be as far off as they like without moving this.
    spread = max(_LEAST_SPREAD, float(np.median(np.abs(usual))) / 0.6745)
    allowed = chdtri(1, 2 * (1 - SURE) / len(stated)) / 2
    found = []
    for post, term in sorted(terms.items()):
        likely = (term - (_LEVELS / spread) ** 2 / 2).max(axis=1)
        low = _SHARES[np.flatnonzero(likely >= likely.max() - allowed)[0]]
        label = stated[post][1]
        value = float(_SHARES[likely.argmax()])
        found.append(LabelFlipEstimate(post, len(label), int(label.sum()), value, float(low)))
    return found


def doubts(found: Sequence[LabelFlipEstimate]) -> list[str]:
    """Return a sentence for each post whose labels must be looked at before a model is used."""
    return [
        f"The results entered at {one.post} contradict what the other posts teach: "
        f"{one.value:.0%} of {one.labels:,} look turned (at least {one.low:.0%})."
        for one in found
        if one.is_refused
    ]


def _state_log_odds(dataset: Dataset, config: TrainConfig) -> dict[str, tuple[Floats, Labels]]:
    """Return, for each post, the log-odds that the other groups of posts teach, and its labels."""
    rows = np.flatnonzero(dataset.evidence("discrepancy"))
    names, place, count = np.unique(
        dataset.post[rows].astype(str), return_inverse=True, return_counts=True
    )
    group = np.empty(len(names), np.int64)
    group[np.argsort(-count, kind="stable")] = np.arange(len(names)) % FOLDS
    stated = {}
    for fold in range(FOLDS):
        others = rows[group[place] != fold]
        label = dataset.discrepancy[others]
        if min(label.sum(), (1 - label).sum()) < config.few_discrepancies:
            continue
        judge = grow(
            dataset.values[others],
            label,
            trees=JUDGES,
            signs=np.zeros(len(dataset.names), np.int8),
            seed=config.seed,
        )
        for post in np.flatnonzero((group == fold) & (count >= FEWEST)):
            own = rows[place == post][-MOST:]
            stated[str(names[post])] = (
                judge.decision_function(dataset.values[own]),
                dataset.discrepancy[own],
            )
    return stated


def _terms(margin: Floats, label: Labels) -> Floats:
    """Return the log-likelihood of a post's labels, of shape (shares, levels).

    ``margin`` (float64, shape (n,)) is the stated log-odds of a find, ``label`` int8 of shape (n,).
    """
    found = label == 1
    likely = np.zeros((len(_SHARES), len(_LEVELS)))
    for rows, log in ((found, np.log), (~found, _log_of_rest)):
        chance = expit(margin[rows] + _LEVELS[:, None])
        for at, share in enumerate(_SHARES):
            find = np.clip(chance + share * (1 - 2 * chance), 1e-12, 1 - 1e-12)
            likely[at] += log(find).sum(axis=1)
    return likely


def _log_of_rest(chance: Floats) -> Floats:
    rest: Floats = np.log1p(-chance)
    return rest
