"""Fitted model: base learners and, for each target, the head that turns margins into a chance.

Assumes scikit-learn's estimators: this is the analysts' side. What serves is the same trees and
the same heads as data, in a bundle.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from engine.ports import Scores
from models.array_types import Floats, Rows
from models.data.dataset import Target
from models.learning.own_estimators import OwnEstimator
from models.learning.scikit_trees import read_trees
from models.scoring.linear import Linear
from models.scoring.novelty import column_of, unseen
from models.scoring.risk import UNSEEN, Head, probability, risk
from models.scoring.tree_ensemble import TreeArrays

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
    severity: float
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
        """Return calibrated probabilities for rows of shape (n, f)."""
        parts = [
            self.margins(values[begin : begin + _AT_ONCE])
            for begin in range(0, len(values) or 1, _AT_ONCE)
        ]
        margins = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
        chance = {
            target: probability(head.log_odds(margins)) for target, head in self.heads.items()
        }
        return Scores(p_seizure=chance["seizure"], p_discrepancy=chance["discrepancy"])

    def risk(self, values: Rows) -> Floats:
        """Return the severity-weighted risk of rows of shape (n, f): shape (n,), in [0, 1]."""
        scores = self.score(values)
        return risk(scores.p_seizure, scores.p_discrepancy, severity=self.severity)

    def _add_trees(self, name: str, values: Rows) -> Floats:
        """Return an ensemble's log-odds; trees add up row by row, whatever rows come with it."""
        from models.learning.tree_walk import add_trees  # compiled code: what only fits needs none

        estimator = self.ensembles[name]
        if isinstance(estimator, OwnEstimator):
            return estimator.decision_function(values)
        if name not in self._arrays:
            self._arrays[name] = read_trees(estimator)
        return add_trees(self._arrays[name], values)
