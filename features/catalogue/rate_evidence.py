"""Inspections behind each smoothed rate, and the party behind each index of finds.

The smoothed rate of an entity that was never inspected is its prior, and no history. A sentence
about a rate therefore states these counts instead. They are the as-of reads of the decision itself,
so that a recomputed decision has the same ones. Assumes that a rate's first inputs are own finds,
own inspections, all finds and all inspections (``features.catalogue.spec.Feature.is_rate``).

An index of finds spread along links is one party's value where it is the largest or the second of a
crossing's: the reads tell whose, and a sentence names that party.
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from engine.ports import Evidence
from features.catalogue.find_spread import ENTITIES
from features.catalogue.plan import Plan
from features.catalogue.spec import SPREAD_PARTS, Feature, Floats

OF_POST = "post_hit_rate"
"""The rate whose inspections are those of the post in the last year."""
FEWEST = 50
"""Inspections from which on finds per inspection are called usual."""


class EvidenceReader:
    """Finds the reads behind the rates, and behind the indices of finds, of a plan."""

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
        indices = {name: f for name, f in plan.catalogue.items() if _is_of_one_party(f)}
        self._ranks = {name: int(f.parameters[0]) for name, f in indices.items()}
        self._values = np.array(
            [[plan.slot[item] - facts for item in f.inputs] for f in indices.values()], np.intp
        ).reshape(-1, len(ENTITIES))

    def of(self, reads: Floats) -> tuple[Mapping[str, Evidence], ...]:
        """Return the evidence of each arrival by feature, computed on demand.

        Parameters
        ----------
        reads : float64 array of shape (n, n_reads)
            Exact integers, NaN where the entity looked up is not known.
        """
        return tuple(
            _OfArrival(self._places, self._finds_hits, sums, self._ranks, values)
            for sums, values in zip(reads[:, self._columns], reads[:, self._values], strict=True)
        )


class _OfArrival(Mapping[str, Evidence]):
    """Evidence of one arrival, computed on demand because few arrivals are referred."""

    __slots__ = ("_evidence", "_hits", "_places", "_ranks", "_sums", "_values")

    def __init__(
        self,
        places: Mapping[str, int],
        hits: frozenset[str],
        sums: NDArray[np.float64],
        ranks: Mapping[str, int],
        values: NDArray[np.float64],
    ) -> None:
        self._places, self._hits, self._sums = places, hits, sums
        self._ranks, self._values = ranks, values
        self._evidence: Mapping[str, Evidence] | None = None

    def __getitem__(self, name: str) -> Evidence:
        return self._load()[name]

    def _load(self) -> Mapping[str, Evidence]:
        if self._evidence is None:
            self._evidence = {**self._compute(), **self._parties()}
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
            made[name] = Evidence(_round_count(finds), _round_count(inspections), usual, is_of_post)
        return made

    def _parties(self) -> dict[str, Evidence]:
        """Return whose value each index of finds is; none where it is zero or not known."""
        found = {}
        for (name, rank), values in zip(self._ranks.items(), self._values.tolist(), strict=True):
            known = sorted((-value, kind) for kind, value in enumerate(values) if value > 0.0)
            if rank < len(known):
                party = ENTITIES[known[rank][1]]
                found[name] = Evidence(0, 0, math.nan, is_of_post=False, party=party)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._load())

    def __len__(self) -> int:
        return len(self._load())


def _is_of_one_party(feature: Feature) -> bool:
    return feature.operator == "spread" and SPREAD_PARTS[int(feature.parameters[0])] != "sum"


def _usual(finds: float, inspections: float) -> float:
    return finds / inspections if inspections >= FEWEST else math.nan


def _round_count(count: float) -> int:
    """Return a count; of an entity that is not known nothing was inspected."""
    return 0 if math.isnan(count) else int(count)
