"""Scorer of a bundle in force: risk of an arrival and contributions of its features.

Assumes a verified bundle. Only numpy is needed to score, and numba to explain: no training library
is imported, and nothing here can be made to run code from a bundle. What explains is put together
when it is first asked for, because a service can decide a second earlier without it.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from threading import Lock
from typing import Self

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.errors import TamperedBundleError
from engine.ports import Contribution, Scores
from models.array_types import Floats, Rows
from models.bundle.bundle import Bundle, load_bundle
from models.explanation.contributions import Contributions
from models.explanation.similar_seizures import SHOWN, SimilarSeizure, by_family
from models.explanation.usual_values import ALL
from models.scoring.linear import Linear, fold_values
from models.scoring.novelty import column_of, unseen
from models.scoring.risk import UNSEEN, probability
from models.scoring.tree_ensemble import TreeEnsemble


class Scorer:
    """Scores and explains by one bundle; implements :class:`engine.ports.Scorer`."""

    def __init__(self, bundle: Bundle) -> None:
        self.version = bundle.version
        self.definitions = bundle.definitions
        self.names = bundle.names
        self.severity = bundle.severity
        self.seizures = bundle.seizures
        self._heads = bundle.heads
        self._quantiles = bundle.quantiles
        self._lines = bundle.lines
        self._counted = column_of(bundle.names)
        self._trees = {name: TreeEnsemble(grown) for name, grown in bundle.paths.items()}
        self._explainer = _ExplainerLoader(bundle)

    @classmethod
    def load(cls, folder: Path, *, key: Ed25519PublicKey) -> Self:
        """Verify a bundle's folder and serve it; raises ``TamperedBundleError``."""
        bundle = load_bundle(folder, key)
        try:
            return cls(bundle)
        except Exception as error:  # files of another version's shape, say, after an upgrade
            raise TamperedBundleError(folder.name, f"{type(error).__name__} in use") from error

    @property
    def contributions(self) -> Contributions:
        """Contributions of the model; the first caller waits until they are put together."""
        return self._explainer.load()

    def prepare(self) -> None:
        """Put together what explains, before anybody asks."""
        self._explainer.load()

    def score(self, values: Rows) -> Scores:
        """Return calibrated probabilities, two float64 arrays of shape (n,), each in (0, 1).

        Parameters
        ----------
        values : float32 array of shape (n, f)
            Features in the bundle's order; NaN where unknown.
        """
        margins = margins_of(self._trees, self._lines, values, column=self._counted)
        chance = {
            target: probability(head.log_odds(margins)) for target, head in self._heads.items()
        }
        return Scores(p_seizure=chance["seizure"], p_discrepancy=chance["discrepancy"])

    def with_quantiles(self, quantiles: Mapping[str, tuple[float, ...]]) -> Self:
        """Return the same model with other quantiles at some posts: those its shadow saw there."""
        other = copy(self)
        other._quantiles = {**self._quantiles, **quantiles}
        return other

    def quantiles(self, post: str) -> Sequence[float]:
        """Return 101 ascending quantiles of the risk of this post's entries, or else of all."""
        return self._quantiles.get(post, self._quantiles[ALL])

    def explain(self, row: Rows, *, vehicle_class: str, post: str) -> tuple[Contribution, ...]:
        """Return the strongest contributions to the risk that ranks, largest magnitude first.

        ``row`` is float32 of shape (f,), compared with the usual values of this class at this post.
        """
        added = self.contributions.risk(row)
        return self.contributions.describe(row, added, vehicle_class=vehicle_class, post=post)

    def similar(self, row: Rows, *, as_of: int, count: int = SHOWN) -> tuple[SimilarSeizure, ...]:
        """Return the past seizures whose reasons were most like this row's, the nearest first.

        ``row`` is float32 of shape (f,). A seizure known at or after ``as_of``, the decision's time
        in UTC microseconds, is not seen; those known since the bundle was trained come with the
        next one.
        """
        reasons = by_family(self.names, self.contributions.risk(row))
        return self.seizures.nearest(reasons, as_of=as_of, count=count)


def margins_of(
    trees: Mapping[str, TreeEnsemble],
    lines: Mapping[str, Linear],
    values: Rows,
    *,
    column: int | None,
) -> dict[str, Floats]:
    """Return each part's log-odds for rows of shape (n, f), and which rows' like is unseen.

    ``column`` counts the inspections of a row's fingerprint.
    """
    rows = np.ascontiguousarray(values, np.float32)
    grown: dict[str, Floats] = {name: one(rows) for name, one in trees.items()}
    folded = fold_values(rows) if lines else None  # for all lines at once
    drawn = {name: line.margin(rows, folded) for name, line in lines.items()}
    return grown | drawn | {UNSEEN: unseen(rows, column)}


class _ExplainerLoader:
    """A bundle's contributions, put together once."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._contributions: Contributions | None = None
        self._lock = Lock()

    def load(self) -> Contributions:
        with self._lock:
            if self._contributions is None:
                self._contributions = _contributions(self._bundle)
            return self._contributions


def _contributions(bundle: Bundle) -> Contributions:
    from models.explanation.tree_shap import (
        make_contributions,  # compiled code, loaded by the first explanation
    )

    return make_contributions(
        bundle.names,
        heads=bundle.heads,
        trees=bundle.paths,
        lines=bundle.lines,
        severity=bundle.severity,
        norms=bundle.norms,
    )
