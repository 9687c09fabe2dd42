"""How risky is this arrival, and which features say so? A bundle in force.

Assumes a verified bundle. Only numpy, Treelite and numba are needed: no training library is
imported, and nothing here can be made to run code from a bundle.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import treelite
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from numpy.typing import NDArray

from engine.ports import Contribution, Scores
from models.bundle import Bundle, load_bundle
from models.dataset import Target
from models.explain import TreeShap
from models.risk import Floats, probability

BASE, CALIBRATION = "(base)", "(calibration)"
"""Contributions that no feature made: where every row starts, and what calibration moved."""
ALL = "*"


class Scorer:
    """Scores and explains by one bundle; implements :class:`engine.ports.Scorer`."""

    def __init__(self, bundle: Bundle) -> None:
        self.version = bundle.version
        self.definitions = bundle.definitions
        self.names = bundle.names
        self.severity = bundle.severity
        self._heads = bundle.heads
        self._norms = bundle.norms
        self._quantiles = bundle.quantiles
        self._trees = {
            name: treelite.Model.deserialize_bytes(kept) for name, kept in bundle.trees.items()
        }
        self._shap = {
            name: TreeShap(leaves, len(bundle.names)) for name, leaves in bundle.paths.items()
        }

    @classmethod
    def load(cls, folder: Path, *, key: Ed25519PublicKey) -> Self:
        """Verify a bundle's folder and serve it; raises ``TamperedBundleError``."""
        return cls(load_bundle(folder, key))

    def score(self, values: NDArray[np.float32]) -> Scores:
        """Return calibrated probabilities.

        Parameters
        ----------
        values : float32 array of shape (n, f)
            Features in the bundle's order; NaN where unknown.

        Returns
        -------
        Scores
            Two float64 arrays of shape (n,), each in (0, 1).
        """
        margins = margins_of(self._trees, values)
        chance = {
            target: probability(head.knots(head.margin(margins)))
            for target, head in self._heads.items()
        }
        return Scores(p_seizure=chance["seizure"], p_discrepancy=chance["discrepancy"])

    def quantiles(self, post: str) -> Sequence[float]:
        """Return 101 ascending quantiles of the risk of this post's entries, or else of all."""
        return self._quantiles.get(post, self._quantiles[ALL])

    def explain(self, row: NDArray[np.float32], *, vehicle_class: str) -> tuple[Contribution, ...]:
        """Return what each feature added to the risk that ranks, largest magnitude first.

        The risk is a weighted sum of two chances. A step in its logarithm is, to first order, the
        steps in the two log-odds, each weighed by its chance's part in the risk: that is how the
        two explanations are joined. With ``(base)`` and ``(calibration)`` they sum to the same
        weighing of the two calibrated log-odds.

        Parameters
        ----------
        row : float32 array of shape (f,)
        vehicle_class : str
            Whose usual values the features are compared with.
        """
        made = {target: self._added(row, target) for target in self._heads}
        parts = self._parts({target: float(added.sum()) for target, added in made.items()})
        joined = sum((parts[name] * added for name, added in made.items()), np.zeros(len(row) + 2))
        return self._told(row, joined, vehicle_class=vehicle_class)

    def explain_target(
        self, row: NDArray[np.float32], target: Target, *, vehicle_class: str
    ) -> tuple[Contribution, ...]:
        """Return contributions that sum to one target's calibrated log-odds exactly."""
        return self._told(row, self._added(row, target), vehicle_class=vehicle_class)

    def _added(self, row: NDArray[np.float32], target: Target) -> Floats:
        """Return the features' contributions, then base and calibration: shape (f + 2,)."""
        head = self._heads[target]
        added = np.zeros(len(row) + 2)
        for name, weight in head.blend:
            shap = self._shap[name]
            added[:-2] += weight * shap(row)
            added[-2] += weight * shap.base
        margin = added.sum()
        added[-1] = float(head.knots(margin)) - margin
        return added

    def _parts(self, log_odds: Mapping[Target, float]) -> dict[Target, float]:
        """Return each target's part in the risk; the parts sum to 1."""
        worth: dict[Target, float] = {
            "seizure": self.severity * float(probability(log_odds["seizure"])),
            "discrepancy": float(probability(log_odds["discrepancy"])),
        }
        total = sum(worth.values())
        return {target: value / total for target, value in worth.items()}

    def _told(
        self, row: NDArray[np.float32], added: Floats, *, vehicle_class: str
    ) -> tuple[Contribution, ...]:
        """Put names, values and what is usual to contributions; ties go by the features' order."""
        usual = self._norms.get(vehicle_class, self._norms[ALL])
        nan = float("nan")
        names, values = (*self.names, BASE, CALIBRATION), (*row.tolist(), nan, nan)
        normal = (*usual, nan, nan)
        order = np.argsort(-np.abs(added), kind="stable")
        return tuple(
            Contribution(names[at], float(values[at]), float(normal[at]), float(added[at]))
            for at in order.tolist()
        )


def margins_of(
    trees: Mapping[Target, treelite.Model], values: NDArray[np.float32]
) -> dict[Target, Floats]:
    """Return each ensemble's log-odds for rows of shape (n, f), by Treelite on one thread."""
    rows = np.ascontiguousarray(values, np.float32)
    return {
        name: np.asarray(
            treelite.gtil.predict(model, rows, nthread=1, pred_margin=True), np.float64
        ).reshape(len(rows))
        for name, model in trees.items()
    }
