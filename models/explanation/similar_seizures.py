"""Past seizures whose reasons were most like those of an arrival.

Assumes that likeness of reasons, not of raw values, is what a reviewer can use: two arrivals are
alike where the same families of facts speak for and against them, as strongly. A bundle keeps the
last seizures known when it was trained, each as one number a family and what was found where; no
plate, no name, no identifier of any kind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import rfc3339
from features.catalogue.catalogue import CATALOGUE
from models.array_types import Floats

Texts = NDArray[np.str_]

MOST = 400
"""Seizures that a bundle keeps, the last known."""
SHOWN = 3
SHARED = 3
"""Families named as what two arrivals have in common, at most."""
NOTICED = 0.05
"""Log-odds below which a family has nothing to say."""
OTHER = "other"
"""Family of a feature that the catalogue does not have."""


@dataclass(frozen=True, slots=True)
class SimilarSeizure:
    """A past seizure, as a reviewer sees it."""

    seized_on: str
    """The UTC day."""
    post: str
    vehicle_class: str
    place: str
    """Where in the conveyance; empty where it was not recorded."""
    substance_class: str
    alike: float
    """1 where the reasons are the same, 0 where they have nothing in common."""
    shared: tuple[str, ...]
    """Families that speak the same way for both, the strongest first."""


@dataclass(frozen=True, slots=True)
class PastSeizures:
    """Seizures and their reasons, in the order in which they became known.

    Attributes
    ----------
    families : str array of shape (m,)
    reasons : float64 array of shape (n, m)
        What each family added to the risk, in log-odds.
    known_at, seized_at : int64 arrays of shape (n,)
        UTC microseconds.
    post, vehicle_class, place, substance_class : str arrays of shape (n,)
    """

    families: Texts
    reasons: Floats
    known_at: NDArray[np.int64]
    seized_at: NDArray[np.int64]
    post: Texts
    vehicle_class: Texts
    place: Texts
    substance_class: Texts

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit each other: a bundle must not fail while it serves."""
        n, m = self.reasons.shape
        columns = [getattr(self, name) for name in self.__slots__[2:]]
        if self.families.shape != (m,) or any(column.shape != (n,) for column in columns):
            raise ValueError("seizures and their reasons must be of one length")
        if n > MOST or (np.diff(self.known_at) < 0).any() or not np.isfinite(self.reasons).all():
            raise ValueError("seizures must be few, finite and in order")

    def nearest(
        self, reasons: Floats, *, as_of: int, count: int = SHOWN
    ) -> tuple[SimilarSeizure, ...]:
        """Return the seizures most alike, the nearest first; of equals, the latest known.

        ``reasons`` (float64, shape (m,)) is what each of ``families`` added to the arrival's risk:
        :func:`by_family`. A seizure known at or after ``as_of`` (UTC microseconds) is not seen.
        Likeness is one minus the city-block distance over the sum of both sizes (Bray and Curtis,
        1957, with signs): both what speaks and how strongly count.
        """
        seen = int(np.searchsorted(self.known_at, as_of))
        past = self.reasons[:seen]
        whole = np.abs(past).sum(axis=1) + np.abs(reasons).sum()
        apart = np.abs(past - reasons).sum(axis=1)
        ratio = np.divide(apart, whole, out=np.ones(seen), where=whole > 0)
        alike = 1.0 - np.minimum(ratio, 1.0)  # sums round: nothing is less alike than opposite
        order = np.lexsort((-np.arange(seen), -alike))[:count]
        return tuple(
            self._describe(at, float(alike[at]), self._list_shared(self.reasons[at], reasons))
            for at in order.tolist()
        )

    def _describe(self, at: int, alike: float, shared: tuple[str, ...]) -> SimilarSeizure:
        return SimilarSeizure(
            seized_on=rfc3339(int(self.seized_at[at]))[:10],
            post=str(self.post[at]),
            vehicle_class=str(self.vehicle_class[at]),
            place=str(self.place[at]),
            substance_class=str(self.substance_class[at]),
            alike=alike,
            shared=shared,
        )

    def _list_shared(self, one: Floats, other: Floats) -> tuple[str, ...]:
        """Return the families that speak the same way for both."""
        both = np.where(one * other > 0, np.minimum(np.abs(one), np.abs(other)), 0.0)
        order = np.argsort(-both, kind="stable")[:SHARED]
        return tuple(str(self.families[at]) for at in order.tolist() if both[at] > NOTICED)

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, as a bundle keeps them: shape (k,) or (k, families)."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read what :meth:`as_arrays` gave, in its shapes; no name may lack or be added."""
        return cls(**arrays)


def none_known(names: Sequence[str]) -> PastSeizures:
    """Return what a model with these features remembers where no seizure is known."""
    known = families(names)
    ints, texts = np.zeros(0, np.int64), np.zeros(0, np.str_)
    reasons = np.zeros((0, len(known)))
    return PastSeizures(np.array(known, np.str_), reasons, ints, ints, texts, texts, texts, texts)


def families(names: Sequence[str]) -> tuple[str, ...]:
    """Return the families of some features, each once, in order of first appearance."""
    return tuple(dict.fromkeys(_family(name) for name in names))


def by_family(names: Sequence[str], added: Floats) -> Floats:
    """Sum contributions by family.

    Parameters
    ----------
    added : float64 array of shape (..., f) or more
        One contribution to each of the f named features; what follows the features (base,
        calibration) is left out.

    Returns
    -------
    float64 array of shape (..., m)
        In the order of :func:`families`.
    """
    order = families(names)
    place = {family: at for at, family in enumerate(order)}
    of = np.zeros((len(names), len(order)))
    of[np.arange(len(names)), [place[_family(name)] for name in names]] = 1.0
    summed: Floats = added[..., : len(names)] @ of
    return summed


def _family(name: str) -> str:
    return CATALOGUE[name].family if name in CATALOGUE else OTHER
