"""Loads of groups that were never caught before the fit, on synthetic networks of five kinds.

Each kind is drawn with four seeds; labels are frozen when the last quarter begins. Judged by the
truth of its entries: the share of the loads of those groups within the riskiest 2 and 5 % of all
entries, by the chance of a seizure, by the risk that ranks, and by a plain learner on columns of
its own (:mod:`experiments.benchmarks.quality.plain_learner`); the largest party's share of the
riskiest 5 %; and the stated chance of the likeliest 1 % over the truth. Shares of counts have exact
intervals, ratios those of a bootstrap over entries. SYNTHETIC: no figure here is about any border.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from experiments.benchmarks.quality import plain_learner
from experiments.benchmarks.quality.known_truth import KnownTruth, read_known_truth
from experiments.benchmarks.quality.networks import open_network, riskiest
from experiments.benchmarks.runner import Row, row
from experiments.synthetic.hidden_risks import NEVER_CAUGHT, GroupKind
from models.array_types import Floats, Mask
from models.statistics.intervals import bootstrap, clopper_pearson

SEEDS = 4
AT = (0.02, 0.05)
LIKELIEST = 0.01
RED, PLAIN, BEST = "the rank of red", "the plain learner", "the truth's chances"
"""Red ranks by ``p_seizure``."""
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
    stated: Floats
    """Chances of a seizure."""
    parties: Sequence[NDArray[np.object_]]

    def find(self, ranking: str, share: float) -> Mask:
        """Return which of the hidden groups' loads lie in the riskiest part, shape (loads,)."""
        return riskiest(self.rankings[ranking], share)[self.is_hidden]

    def largest_share(self, ranking: str) -> float:
        """Return the share that one party has of the riskiest 5 %."""
        chosen = riskiest(self.rankings[ranking], AT[-1])
        most = 0
        for party in self.parties:
            there = [one for one in party[chosen] if one is not None]
            most = max([most, *np.unique(there, return_counts=True)[1].tolist()])
        return most / max(1, int(chosen.sum()))


def run(kinds: Sequence[GroupKind], *, crossings: int, seed: int) -> list[Row]:
    """Return the rows of networks of these kinds, ``SEEDS`` of each from a seed on."""
    quarters = [
        draw_quarter(kind, crossings=crossings, seed=number)
        for kind in kinds
        for number in range(seed, seed + SEEDS)
    ]
    rows: list[Row] = []
    for kind in dict.fromkeys(kinds):
        rows += _list_shares(f"SYNTHETIC {kind}", [one for one in quarters if one.kind == kind])
    rows += _compare(f"SYNTHETIC {', '.join(kinds)}", quarters)
    return rows


def draw_quarter(kind: GroupKind, *, crossings: int, seed: int) -> Quarter:
    """Draw a network, and score its last quarter in each way."""
    with open_network(kind, crossings=crossings, seed=seed) as folder:
        network = read_known_truth(folder)
    scores = network.score(network.seen)
    rankings = {
        RED: scores.p_seizure,
        PLAIN: plain_learner.score(network),
        BEST: network.best.p_seizure,
    }
    is_hidden = network.carries & (network.group >= 0) & (network.group < NEVER_CAUGHT)
    return Quarter(
        kind, seed, rankings, is_hidden, network.carries, scores.p_seizure, _parties(network)
    )


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


def _list_shares(name: str, quarters: Sequence[Quarter]) -> Iterator[Row]:
    """Yield what each way finds of the hidden groups' loads in some networks together."""
    loads = sum(int(one.is_hidden.sum()) for one in quarters)
    yield row(f"{name}: loads of groups never caught", "loads", loads, ">= 1")
    for share in AT:
        for ranking in quarters[0].rankings:
            hits = sum(int(one.find(ranking, share).sum()) for one in quarters)
            about = f"{name}: within {share:.0%} by {ranking}"
            low, high = clopper_pearson(hits, max(1, loads))
            yield row(about, "share", hits / max(1, loads), ">= 0")
            yield row(f"{about}, low end", "share", low, ">= 0")
            yield row(f"{about}, high end", "share", high, ">= 0")


def _compare(name: str, quarters: Sequence[Quarter]) -> Iterator[Row]:
    """Yield what all networks show together, and the worst of them."""
    if len({one.kind for one in quarters}) > 1:
        yield from _list_shares(name, quarters)
    for share in AT:
        found = [
            np.concatenate([one.find(ranking, share) for one in quarters]).astype(np.float64)
            for ranking in (RED, PLAIN)
        ]

        def divide(weight: Floats, found: Sequence[Floats] = found) -> float:
            return float(weight @ found[0]) / max(1.0, float(weight @ found[1]))

        about = f"{name}: within {share:.0%}, {RED} over {PLAIN}"
        low, high = bootstrap(divide, len(found[0]), seed=1)
        yield row(about, "ratio", divide(np.ones(len(found[0]))), ">= 1")
        yield row(f"{about}, low end", "ratio", float(low[0]), ">= 0")
        yield row(f"{about}, high end", "ratio", float(high[0]), ">= 0")
    for ranking in (RED, PLAIN):
        worst = min(
            float(one.find(ranking, AT[-1]).sum()) / max(1, int(one.is_hidden.sum()))
            for one in quarters
        )
        yield row(f"{name}: within 5% by {ranking}, worst network", "share", worst, ">= 0")
        most = max(one.largest_share(ranking) for one in quarters)
        yield row(f"{name}: largest party in 5% by {ranking}", "share", most, "<= 1")
    yield from _list_stated(name, quarters)


def _list_stated(name: str, quarters: Sequence[Quarter]) -> Iterator[Row]:
    """Yield the stated chance of the likeliest 1 % of each network over the truth."""
    tops = [riskiest(one.stated, LIKELIEST) for one in quarters]
    stated = np.concatenate([one.stated[top] for one, top in zip(quarters, tops, strict=True)])
    carries = np.concatenate([one.carries[top] for one, top in zip(quarters, tops, strict=True)])

    def divide(weight: Floats) -> float:
        return float(weight @ stated) / max(1.0, float(weight @ carries))

    about = f"{name}: stated over true chance in the likeliest 1%"
    low, high = bootstrap(divide, len(stated), seed=1)
    yield row(about, "ratio", divide(np.ones(len(stated))), f"<= {WORST_STATED}")
    yield row(f"{about}, low end", "ratio", float(low[0]), ">= 0")
    yield row(f"{about}, high end", "ratio", float(high[0]), f">= {1 / WORST_STATED:.2f}")
    each = [
        float(one.stated[top].sum()) / max(1, int(one.carries[top].sum()))
        for one, top in zip(quarters, tops, strict=True)
    ]
    yield row(f"{about}, highest network", "ratio", max(each), ">= 0")
    yield row(f"{about}, lowest network", "ratio", min(each), ">= 0")
