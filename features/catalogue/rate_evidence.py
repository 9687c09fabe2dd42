"""Inspections behind each smoothed rate, from the reads of the rate itself.

The smoothed rate of an entity that was never inspected is its prior, and no history. A sentence
about a rate therefore states these counts instead. They are the as-of reads of the decision itself,
so that a recomputed decision has the same ones. Assumes that a rate's first inputs are own finds,
own inspections, all finds and all inspections (``features.catalogue.spec.Feature.is_rate``).
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from engine.ports import Evidence
from features.catalogue.plan import Plan
from features.catalogue.spec import Floats

OF_POST = "post_hit_rate"
"""The rate whose inspections are those of the post in the last year."""
FEWEST = 50
"""Inspections from which on finds per inspection are called usual."""


class EvidenceReader:
    """Finds the reads behind the rates of a plan."""

    def __init__(self, plan: Plan) -> None:
        facts = len(plan.facts)
        rates = {name: f for name, f in plan.catalogue.items() if f.is_rate}
        self._places = {name: place for place, name in enumerate(rates)}
        self._columns = np.array(
            [[plan.slot[item] - facts for item in rate.inputs[:4]] for rate in rates.values()],
            np.intp,
        ).reshape(-1, 4)
        self._finds_hits = frozenset(
            name for name, rate in rates.items() if getattr(rate.inputs[0], "measure", "") == "hit"
        )

    def of(self, reads: Floats) -> tuple[Mapping[str, Evidence], ...]:
        """Return the evidence of each arrival by feature, computed on demand.

        Parameters
        ----------
        reads : float64 array of shape (n, n_reads)
            Exact integers, NaN where the entity looked up is not known.
        """
        return tuple(
            _OfArrival(self._places, self._finds_hits, row) for row in reads[:, self._columns]
        )


class _OfArrival(Mapping[str, Evidence]):
    """Evidence of one arrival, computed on demand because few arrivals are referred."""

    __slots__ = ("_evidence", "_hits", "_places", "_sums")

    def __init__(
        self, places: Mapping[str, int], hits: frozenset[str], sums: NDArray[np.float64]
    ) -> None:
        self._places, self._hits, self._sums = places, hits, sums
        self._evidence: Mapping[str, Evidence] | None = None

    def __getitem__(self, name: str) -> Evidence:
        return self._load()[name]

    def _load(self) -> Mapping[str, Evidence]:
        if self._evidence is None:
            self._evidence = self._compute()
        return self._evidence

    def _compute(self) -> Mapping[str, Evidence]:
        sums = dict(zip(self._places, self._sums.tolist(), strict=True))
        here, searched = sums.get(OF_POST, (0.0, 0.0))[:2]
        of_post = _usual(here, searched)
        is_post_known = not math.isnan(of_post)
        made = {}
        for name, (finds, inspections, all_finds, all_inspections) in sums.items():
            is_of_post = is_post_known and name in self._hits and name != OF_POST
            usual = of_post if is_of_post else _usual(all_finds, all_inspections)
            made[name] = Evidence(_whole(finds), _whole(inspections), usual, is_of_post)
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _usual(finds: float, inspections: float) -> float:
    return finds / inspections if inspections >= FEWEST else math.nan


def _whole(count: float) -> int:
    """Return a count; of an entity that is not known nothing was inspected."""
    return 0 if math.isnan(count) else int(count)
