"""Linear part of a blend: plain data, exact to explain.

Assumes that counts, masses and days matter by their order of magnitude: a feature enters as
``sign(x) log(1 + |x|)``, held within what training rows showed, so that no single number far out
can decide. Serving needs numpy alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from models.array_types import Floats, Positions, Rows

_COLUMNS = ("low", "high", "fill", "center", "weight")


def fold_values(values: Rows) -> Floats:
    """Return ``sign(x) log(1 + |x|)`` of values of any shape, as float64; unknown stays NaN.

    >>> fold_values(np.array([0.0, 1.0, -3.0], np.float32)).round(3).tolist()
    [0.0, 0.693, -1.386]
    """
    folded = np.abs(values, dtype=np.float64)
    np.log1p(folded, out=folded)
    return np.copysign(folded, values, out=folded)


@dataclass(frozen=True, slots=True)
class Linear:
    """Log-odds as a weighted sum over f features.

    Attributes
    ----------
    low, high : float64 arrays of shape (f,)
        A folded feature is held between them.
    fill : float64 array of shape (f,)
        Stands for a folded feature that is unknown.
    center : float64 array of shape (f,)
        Mean over the training rows: where a feature adds nothing.
    weight : float64 array of shape (f,)
        Log-odds for each unit of a folded feature.
    base : float
        Log-odds of the mean training row.
    is_folded : bool
        Whether features enter by their order of magnitude; an estimator of an analyst's own takes
        them as they are.
    """

    low: Floats
    high: Floats
    fill: Floats
    center: Floats
    weight: Floats
    base: float
    is_folded: bool = True

    def __call__(self, row: Rows, folded: Floats | None = None) -> Floats:
        """Return what each feature adds to the log-odds of a row, or of many: shape (..., f).

        ``folded`` are its values folded, where they are known already.
        """
        if not self.is_folded:
            seen = row.astype(np.float64)
        else:
            seen = fold_values(row) if folded is None else folded
        held = np.clip(seen, self.low, self.high)
        known = np.where(np.isnan(held), self.fill, held)
        return np.asarray(self.weight * (known - self.center), np.float64)

    def margin(self, values: Rows, folded: Floats | None = None) -> Floats:
        """Return the log-odds of rows of shape (n, f), with their values folded as in a call."""
        return np.asarray(self.base + self(values, folded).sum(axis=1), np.float64)

    def widen(self, columns: Positions, *, width: int) -> Self:
        """Return the part for rows of ``width`` features; its own ``columns`` have shape (n,)."""
        own = self.as_dict()
        for name in _COLUMNS:
            wide = np.zeros(width)
            wide[columns] = own[name]
            own[name] = wide
        return self.from_dict(own)

    def as_dict(self) -> dict[str, Any]:
        """Return the part as JSON keeps it."""
        columns = {name: getattr(self, name).tolist() for name in _COLUMNS}
        return columns | {"base": self.base, "is_folded": self.is_folded}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_dict` wrote."""
        columns = {name: np.array(kept[name], np.float64) for name in _COLUMNS}
        if len({len(column) for column in columns.values()}) != 1:
            raise ValueError("a linear part needs one number a feature in each of its columns")
        return cls(**columns, base=float(kept["base"]), is_folded=bool(kept["is_folded"]))
