"""What did each feature add to the risk of this arrival? And what is usual there.

Assumes a bundle's heads: each target is a blend of parts in log-odds, then a calibration. Every
part says exactly what each feature added to it, so that with ``(base)`` and ``(calibration)`` the
contributions sum to the calibrated log-odds.
"""

from collections.abc import Mapping, Sequence
from math import nan

import numpy as np
from numpy.typing import NDArray

from engine.ports import Contribution
from models.dataset import Target
from models.explain import Part
from models.norms import Norms
from models.risk import Floats, Head, probability

BASE, CALIBRATION = "(base)", "(calibration)"
"""Contributions that no feature made: where every row starts, and what calibration moved."""
SMALLEST = 0.02
"""Log-odds below which a contribution moves no chance that anybody could notice."""
FEWEST = 24
"""So many are told at least, the strongest: enough for three reasons of different families."""


class Contributions:
    """Explains rows by one model."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        heads: Mapping[Target, Head],
        parts: Mapping[str, Part],
        severity: float,
        norms: Norms,
    ) -> None:
        """``parts`` are the heads' ensembles, and whatever else a blend may name, by name."""
        self._names = (*names, BASE, CALIBRATION)
        self._heads = heads
        self._parts = parts
        self._severity = severity
        self._norms = norms

    def target(self, row: NDArray[np.float32], target: Target) -> Floats:
        """Return the features' contributions to one target, then base and calibration.

        Parameters
        ----------
        row : float32 array of shape (f,)
        target : Target

        Returns
        -------
        float64 array of shape (f + 2,)
            In log-odds; sums to the target's calibrated log-odds.
        """
        return self._target(self._each_part(row), target)

    def risk(self, row: NDArray[np.float32]) -> Floats:
        """Return the contributions to the risk that ranks, of shape (f + 2,).

        The risk is a weighted sum of two chances. A step in its logarithm is, to first order, the
        steps in the two log-odds, each weighed by its chance's part in the risk: that is how the
        two explanations are joined. They sum to the same weighing of the two calibrated log-odds.
        """
        each = self._each_part(row)
        added = {target: self._target(each, target) for target in self._heads}
        worth = {
            target: (self._severity if target == "seizure" else 1.0) * float(probability(one.sum()))
            for target, one in added.items()
        }
        whole = sum(worth.values())
        joined = np.zeros(len(row) + 2)
        for target, one in added.items():
            joined += worth[target] / whole * one
        return joined

    def told(
        self, row: NDArray[np.float32], added: Floats, *, vehicle_class: str, post: str
    ) -> tuple[Contribution, ...]:
        """Put names, values and what is usual to contributions.

        Largest magnitude first; ties go by the features' order. Those too small to notice are left
        out once ``FEWEST`` are told.
        """
        size = np.abs(added)
        order = np.argsort(-size, kind="stable")
        count = max(int(np.count_nonzero(size > SMALLEST)), FEWEST)
        usual, others = self._norms.usual(vehicle_class=vehicle_class, post=post)
        known = len(row)
        return tuple(
            Contribution(
                self._names[at],
                float(row[at]) if at < known else nan,
                usual[at] if at < known else nan,
                float(added[at]),
                others,
            )
            for at in order[:count].tolist()
        )

    def _each_part(self, row: NDArray[np.float32]) -> dict[str, tuple[Floats, float]]:
        """Return what each part says, worked out once for all heads."""
        used = {name for head in self._heads.values() for name, _ in head.blend}
        return {name: (self._parts[name](row), self._parts[name].base) for name in sorted(used)}

    def _target(self, each: Mapping[str, tuple[Floats, float]], target: Target) -> Floats:
        head = self._heads[target]
        width = len(self._names)
        added = np.zeros(width)
        for name, weight in head.blend:
            shared, base = each[name]
            added[:-2] += weight * shared
            added[-2] += weight * base
        margin = float(added.sum())
        added[-1] = float(head.knots(margin)) - margin
        return added
