"""Data set, one row a crossing, and its splits in time.

Assumes point-in-time features: a row's values use only what was known strictly before ``as_of``.
Labels are selected (only searched vehicles have them), so every row says how it was selected.

The future differs from the past, and labels come late: what a fold predicts lies after what teaches
it, by the label delay. A row teaches only if its label was known before the predictions began, as
it would have been on the day.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import DAY, NEVER
from features.offline.column_file import select_rows
from models.array_types import Floats, Labels, Mask, Positions, Rows

Target = Literal["seizure", "discrepancy"]
TARGETS: tuple[Target, ...] = ("seizure", "discrepancy")

_AT_ONCE = 16_384
_ROWWISE_EXCEPT = frozenset({"names", "definitions", "synthetic"})


@dataclass(frozen=True, slots=True)
class Dataset:
    """Arrays of n rows, entries and exits alike, ordered by ``as_of``.

    Attributes
    ----------
    crossing_id, post, vehicle_class, direction, plate_country : object array of shape (n,)
        Text; ``plate_country`` is None where it was not read.
    arrived_at, as_of : int64 array of shape (n,)
        UTC microseconds: the event, and the cut of the features.
    names : tuple of str
        The f features, in the order of the columns of ``values``.
    definitions : str
        Digest of the feature definitions.
    values : float32 array of shape (n, f)
        NaN where nothing was known. Of a long history a
        :class:`features.offline.column_file.ColumnFile`, which reads alike.
    seizure, discrepancy : int8 array of shape (n,)
        1, 0, or -1 where there is no label.
    label_known_at : int64 array of shape (n,)
        UTC microseconds at which the label became known; ``NEVER`` where there is none.
    basis : object array of shape (n,)
        Why the crossing was inspected; None where it was not.
    propensity : float64 array of shape (n,)
        Logged probability of selection in (0, 1]; NaN where unknown.
    is_full : bool array of shape (n,)
        Whether an act could have found something: not documents or weighing alone.
    synthetic : bool
        Whether the data were generated; said wherever a figure from them is shown.
    """

    crossing_id: NDArray[np.object_]
    post: NDArray[np.object_]
    vehicle_class: NDArray[np.object_]
    direction: NDArray[np.object_]
    plate_country: NDArray[np.object_]
    arrived_at: NDArray[np.int64]
    as_of: NDArray[np.int64]
    names: tuple[str, ...]
    definitions: str
    values: Rows
    seizure: Labels
    discrepancy: Labels
    label_known_at: NDArray[np.int64]
    basis: NDArray[np.object_]
    propensity: Floats
    is_full: Mask
    synthetic: bool

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together: a shifted label would go unseen otherwise."""
        n = len(self.crossing_id)
        if self.values.shape != (n, len(self.names)) or self.values.dtype != np.float32:
            raise ValueError("values must be float32 of shape (n rows, n names)")
        wrong = [name for name in self._rowwise() if len(getattr(self, name)) != n]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: one value a row is needed")
        if n and np.any(np.diff(self.as_of) < 0):
            raise ValueError("rows must be ordered by as_of")

    def __len__(self) -> int:
        return len(self.crossing_id)

    def take(self, rows: NDArray[Any]) -> Self:
        """Return some rows by a mask of shape (n,), or by ascending indices of shape (k,).

        A mask of all rows copies nothing.
        """
        if rows.dtype == np.bool_ and rows.all():
            return self
        picked = {name: getattr(self, name)[rows] for name in self._rowwise()}
        return replace(self, **picked)

    def narrow(self, rows: NDArray[Any]) -> Self:
        """Return what :meth:`take` does; features that are in a file stay there.

        Rows are a mask of shape (n,) or ascending indices of shape (k,).
        """
        if rows.dtype == np.bool_ and rows.all():
            return self
        named = [name for name in self._rowwise() if name != "values"]
        picked = {name: getattr(self, name)[rows] for name in named}
        return replace(self, **picked, values=select_rows(self.values, rows))

    @property
    def entries(self) -> Mask:
        """Rows that are decided, shape (n,): entries, or all rows where there are none."""
        entries = np.asarray(self.direction == "entry", np.bool_)
        return entries if entries.any() else np.ones(len(self), np.bool_)

    def last(self, days: int) -> Self:
        """Return what arrived in the days up to the latest arrival.

        That is not the last row's: a record that came late stands after later arrivals.
        """
        return self.narrow(self._is_recent(days, np.ones(len(self), np.bool_)))

    def last_entries(self, days: int, *, before: int = NEVER) -> Self:
        """Return what :meth:`last` finds among the :attr:`entries` of what arrived before a time.

        ``before`` is in UTC microseconds. What is returned is copied, except features in a file.
        """
        known = self.arrived_at < before
        entries = known & np.asarray(self.direction == "entry", np.bool_)
        return self.narrow(self._is_recent(days, entries if entries.any() else known))

    def _is_recent(self, days: int, among: Mask) -> Mask:
        latest = self.arrived_at.max(initial=0, where=among)
        return np.asarray(among & (self.arrived_at >= latest - days * DAY), np.bool_)

    def label(self, target: Target) -> Labels:
        """Return the labels of one target, shape (n,): 1, 0, or -1 where there is none."""
        return self.seizure if target == "seizure" else self.discrepancy

    @property
    def is_inspected(self) -> Mask:
        """Rows with an inspection act, shape (n,); later finds linked to releases are excluded."""
        return self.basis.astype(np.bool_) & (self.discrepancy >= 0)

    @property
    def is_linked(self) -> Mask:
        """Released rows to which a later find was linked, shape (n,): a stream of its own."""
        return np.asarray(~self.basis.astype(np.bool_) & (self.discrepancy == 1), np.bool_)

    def evidence(self, target: Target) -> Mask:
        """Return the inspected rows whose label is evidence, shape (n,).

        Evidence is a find, or a full act that found nothing.

        Papers alone show nothing about what a vehicle carried, so a clear act of documents or
        weighing is no negative. A row without a label of a seizure is that of an audit of books.
        """
        label = self.label(target)
        usable = (label == 1) | ((label == 0) & (self.is_full | (self.seizure < 0)))
        return np.asarray(self.is_inspected & usable, np.bool_)

    def drop_labels(self, posts: Iterable[str]) -> Self:
        """Return the rows without what some posts found, as if these had searched nothing."""
        out = np.isin(self.post.astype(str), list(posts))
        return replace(
            self,
            seizure=np.where(out, np.int8(-1), self.seizure),
            discrepancy=np.where(out, np.int8(-1), self.discrepancy),
            label_known_at=np.where(out, NEVER, self.label_known_at),
            basis=np.where(out, np.array(None, object), self.basis),
            propensity=np.where(out, np.nan, self.propensity),
            is_full=self.is_full & ~out,
        )

    def digest(self) -> str:
        """Return a SHA-256 over names, definitions and every row, to name the data of a run."""
        total = hashlib.sha256(repr((self.names, self.definitions, self.synthetic)).encode())
        for name in self._rowwise():
            column = getattr(self, name)
            total.update(name.encode())
            for begin in range(0, len(self), _AT_ONCE):
                part = column[begin : begin + _AT_ONCE]
                if part.dtype == object:
                    total.update(b"\x1f" * (begin > 0) + _text(part))
                else:
                    total.update(np.ascontiguousarray(part).data)
        return total.hexdigest()

    @classmethod
    def _rowwise(cls) -> Iterable[str]:
        return [field.name for field in fields(cls) if field.name not in _ROWWISE_EXCEPT]


def _text(column: NDArray[np.object_]) -> bytes:
    """Encode a text column so that no two different columns look alike."""
    return "\x1f".join("\x00" if value is None else str(value) for value in column).encode()


@dataclass(frozen=True, slots=True)
class Fold:
    """One step of a rolling origin: fit on what was known at ``cut``, predict what came after."""

    fit: Positions
    later: Positions
    cut: int


def rolling_folds(
    dataset: Dataset,
    usable: Mask,
    *,
    until: int,
    known_before: int,
    gap: int,
    folds: int,
) -> tuple[Fold, ...]:
    """Return temporal folds over the later half of the usable rows, in time order.

    Arrivals before ``until`` and labels before ``known_before`` count (UTC microseconds). A fold's
    fit ends ``gap``, the label delay in microseconds, before its predictions begin. Cuts are set so
    that each fold predicts about the same number of rows; the ``later`` rows of different folds are
    disjoint. A fold without rows on either side is left out.

    Parameters
    ----------
    dataset : Dataset of n rows
        Ordered by ``as_of``.
    usable : bool array of shape (n,)
        Rows whose label is evidence.
    """
    rows = _rows(dataset, usable, until=until, known_before=known_before)
    arrived = dataset.arrived_at[rows]
    if not len(rows):
        return ()
    edges = [int(edge) for edge in np.quantile(arrived, np.linspace(0.5, 1.0, folds + 1))]
    edges[-1] = until
    made = []
    for cut, end in pairwise(edges):
        fit = _rows(dataset, usable, until=cut - gap, known_before=min(cut, known_before))
        later = _rows(dataset, usable, since=cut, until=end, known_before=known_before)
        if len(fit) and len(later):
            made.append(Fold(fit=fit, later=later, cut=cut))
    return tuple(made)


def _rows(
    dataset: Dataset,
    usable: Mask,
    *,
    until: int,
    known_before: int,
    since: int | None = None,
) -> Positions:
    """Return ascending indices of usable rows that arrived in a period and were known in time."""
    inside = usable & (dataset.arrived_at < until) & (dataset.label_known_at < known_before)
    if since is not None:
        inside &= dataset.arrived_at >= since
    return np.flatnonzero(inside)
