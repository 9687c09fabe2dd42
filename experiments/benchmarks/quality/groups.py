"""Loads of groups that were never caught before the fit, on synthetic networks of five kinds.

Each kind is drawn with several seeds; labels are frozen when the last quarter begins. Judged by the
truth of its entries: the share of the loads of those groups within the riskiest 2 and 5 % of all
entries, by what ranks red, by the chance of a seizure, and by a plain learner on columns of its own
(:mod:`experiments.benchmarks.quality.plain_learner`); the largest party's share of the riskiest
5 %; and the stated chance of the likeliest 1 % over the truth. Intervals are those of a bootstrap
over networks, because the loads of one network are of the same few groups. SYNTHETIC: no figure
here is about any border.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.ports import Scores
from engine.selection import Channel
from experiments.benchmarks.quality import plain_learner
from experiments.benchmarks.quality.known_truth import KnownTruth, read_known_truth
from experiments.benchmarks.quality.networks import list_coverage, open_network, riskiest
from experiments.benchmarks.runner import Row, row
from experiments.synthetic.hidden_risks import NEVER_CAUGHT, GroupKind
from models.array_types import Floats, Mask
from models.statistics.intervals import bootstrap

AT = (0.02, 0.05)
LIKELIEST = 0.01
RED, SEIZURE, PLAIN = "the rank of red", "p_seizure", "the plain learner"
BEST = "the truth's chances"
ENOUGH_NETWORKS = 4
"""With fewer, how networks differ cannot be told, and there is no interval."""
PARTIES = ("plate", "driver_ref", "carrier_id", "consignee_id")
WORST_STATED = 3.0
"""Stated chances of the likeliest 1 % of all networks together are off by no more than this."""


@dataclass(frozen=True, slots=True)
class Quarter:
    """One network's last quarter; arrays of shape (asked,)."""

    kind: GroupKind
    seed: int
    rankings: Mapping[str, Floats]
    is_hidden: Mask
    """Entries with a load of a group that was never caught."""
    carries: Mask
    stated: Scores
    truth: Scores
    parties: Sequence[NDArray[np.object_]]

    def count_found(self, ranking: str, share: float) -> int:
        """Return how many of the hidden groups' loads lie in the riskiest part."""
        return int(riskiest(self.rankings[ranking], share)[self.is_hidden].sum())

    def sum_likeliest(self) -> tuple[float, int]:
        """Return what is stated of the likeliest 1 % together, and the loads in it."""
        top = riskiest(self.stated.p_seizure, LIKELIEST)
        return float(self.stated.p_seizure[top].sum()), int(self.carries[top].sum())

    def largest_share(self, ranking: str) -> float:
        """Return the share that one party has of the riskiest 5 %."""
        chosen = riskiest(self.rankings[ranking], AT[-1])
        most = 0
        for party in self.parties:
            there = [one for one in party[chosen] if one is not None]
            most = max([most, *np.unique(there, return_counts=True)[1].tolist()])
        return most / max(1, int(chosen.sum()))


def run(kinds: Sequence[GroupKind], *, crossings: int, seeds: Sequence[int]) -> list[Row]:
    """Return the rows of each kind's networks together, and of all."""
    quarters = [
        draw_quarter(kind, crossings=crossings, seed=seed) for kind in kinds for seed in seeds
    ]
    rows: list[Row] = []
    for kind in kinds:
        rows += _list_shares(f"SYNTHETIC {kind}", [one for one in quarters if one.kind == kind])
    rows += _compare(f"SYNTHETIC {', '.join(kinds)}", quarters, is_listed=len(kinds) == 1)
    return rows


def draw_quarter(kind: GroupKind, *, crossings: int, seed: int) -> Quarter:
    """Draw a network, and score its last quarter in each way."""
    with open_network(kind, crossings=crossings, seed=seed) as folder:
        network = read_known_truth(folder)
    scores = network.score(network.seen)
    rankings = {
        RED: getattr(scores, f"p_{Channel.RED.ranked_by}"),
        SEIZURE: scores.p_seizure,
        PLAIN: plain_learner.score(network),
        BEST: network.best.p_seizure,
    }
    is_hidden = network.carries & (network.group >= 0) & (network.group < NEVER_CAUGHT)
    parties = _parties(network)
    return Quarter(kind, seed, rankings, is_hidden, network.carries, scores, network.best, parties)


def _parties(network: KnownTruth) -> list[NDArray[np.object_]]:
    """Return the parties of the entries asked about, by kind of party."""
    tables, asked = network.tables, network.seen.crossing_id[network.asked]
    crossings = tables.crossings.take(
        pc.index_in(pa.array(asked.tolist()), tables.crossings["crossing_id"])
    )
    papers = tables.declarations
    at = pc.index_in(crossings["declaration_id"], papers["declaration_id"])
    columns = [
        papers[name].take(at) if name in papers.column_names else crossings[name]
        for name in PARTIES
    ]
    return [np.array(column.to_pylist(), object) for column in columns]


def _divide(
    quarters: Sequence[Quarter], count: Callable[[Quarter], tuple[float, float]]
) -> tuple[float, tuple[float, float] | None]:
    """Return the ratio of two sums over networks, and its interval by a bootstrap over these."""
    counts = np.array([count(one) for one in quarters], np.float64)

    def divide(weight: Floats) -> float:
        above, below = weight @ counts
        return float(above / max(1.0, below))

    ratio = divide(np.ones(len(counts)))
    if len(counts) < ENOUGH_NETWORKS:
        return ratio, None
    low, high = bootstrap(divide, len(counts), seed=1)
    return ratio, (float(low[0]), float(high[0]))


def _list_shares(name: str, quarters: Sequence[Quarter]) -> Iterator[Row]:
    """Yield what each way finds of the hidden groups' loads in some networks, and the worst."""
    loads = sum(int(one.is_hidden.sum()) for one in quarters)
    yield row(f"{name}: loads of groups never caught", "loads", loads, ">= 1")
    for share in AT:
        for ranking in quarters[0].rankings:

            def count(
                one: Quarter, ranking: str = ranking, share: float = share
            ) -> tuple[int, int]:
                return one.count_found(ranking, share), int(one.is_hidden.sum())

            seen, between = _divide(quarters, count)
            yield row(f"{name}: within {share:.0%} by {ranking}", "share", seen, between=between)
    for ranking in (RED, PLAIN):
        shares = [
            one.count_found(ranking, AT[-1]) / max(1, int(one.is_hidden.sum())) for one in quarters
        ]
        yield row(f"{name}: within 5% by {ranking}, worst network", "share", min(shares))
        most = max(one.largest_share(ranking) for one in quarters)
        yield row(f"{name}: largest party in 5% by {ranking}", "share", most, "<= 1")


def _compare(name: str, quarters: Sequence[Quarter], *, is_listed: bool) -> Iterator[Row]:
    """Yield what all networks show together."""
    if not is_listed:
        yield from _list_shares(name, quarters)
    for share in AT:
        for other in (SEIZURE, PLAIN):

            def count(one: Quarter, other: str = other, share: float = share) -> tuple[int, int]:
                return one.count_found(RED, share), one.count_found(other, share)

            seen, between = _divide(quarters, count)
            about = f"{name}: within {share:.0%}, {RED} over {other}"
            yield row(about, "ratio", seen, ">= 1", between=between)
    yield from _list_stated(name, quarters)
    yield from list_coverage(name, [(one.stated, one.truth) for one in quarters])


def _list_stated(name: str, quarters: Sequence[Quarter]) -> Iterator[Row]:
    """Yield the chance of the likeliest 1 % of each network over the truth.

    Once of all networks, and once of those whose chances are stated as numbers.
    """
    about = f"{name}: chance over truth in the likeliest 1%"
    seen, between = _divide(quarters, Quarter.sum_likeliest)
    yield row(about, "ratio", seen, f"<= {WORST_STATED}", between=between)
    if between is not None:
        yield row(f"{about}, high end", "ratio", between[1], f">= {1 / WORST_STATED:.2f}")
    each = [chance / max(1, loads) for chance, loads in map(Quarter.sum_likeliest, quarters)]
    yield row(f"{about}, highest network", "ratio", max(each))
    yield row(f"{about}, lowest network", "ratio", min(each))
    numbers = [one for one in quarters if one.stated.seizure_between is not None]
    yield row(f"{name}: networks whose chance of a seizure is a number", "networks", len(numbers))
    if numbers:
        seen, between = _divide(numbers, Quarter.sum_likeliest)
        yield row(f"{about}, of these networks", "ratio", seen, between=between)
