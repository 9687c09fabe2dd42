"""Quality on synthetic networks, whose truth is known: the last quarter, three seeds.

Frozen: fitted on what was known when the quarter began, on nothing known later. A post inspects
5 % of each day's entries. A hit is any entry that truly carries, or whose declaration is wrong,
found or not: the generator knows. Compared with our ranking: the generator's own probabilities (the
optimum), gradient boosting on the records' columns without any history, and our own model
with links and the history of labels switched off. SYNTHETIC: no figure here is about any border.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.ports import Scores
from experiments.benchmarks.quality import peers
from experiments.benchmarks.quality.known_truth import (
    KnownTruth,
    bound_gain,
    leave_out,
    read_known_truth,
)
from experiments.support.benchmark_harness import Row, row
from experiments.synthetic.folder import open_network
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.spec import Read
from models.array_types import Floats
from models.config import TrainConfig
from models.data.dataset import TARGETS
from models.scoring import risk
from models.statistics.ranking_metrics import within_capacity

CROSSINGS = 120_000
SEEDS = (1, 2, 3)
SEVERITY = TrainConfig().seizure_weight
CAPACITY = TrainConfig().capacity
OURS, TRUTH, RAW, PLAIN = "ours", "truth", "raw columns", "no links, no label history"
_HISTORY = frozenset({"inspections", "finds", "passed"})


@dataclass(frozen=True, slots=True)
class Quarter:
    """Entries of the last quarter: what was truly there, and who would have inspected them."""

    hit: NDArray[np.bool_]
    load: NDArray[np.bool_]
    chosen: Mapping[str, NDArray[np.bool_]]


def run() -> list[Row]:
    """Return the rows on the synthetic network."""
    quarters = [_quarter(seed) for seed in SEEDS]
    hit = np.concatenate([one.hit for one in quarters])
    load = np.concatenate([one.load for one in quarters])
    chosen = {
        name: np.concatenate([one.chosen[name] for one in quarters]) for name in quarters[0].chosen
    }
    must = {
        TRUTH: (">= 0.5", ">= 0.3"),
        RAW: (">= 1.3", ">= 1.5"),
        PLAIN: (">= 1.1", ">= 1.2"),
    }
    rows = []
    for name, bounds in must.items():
        for what, found, bound in zip(("hits", "loads"), (hit, load), bounds, strict=True):
            ours, theirs = found[chosen[OURS]].sum(), found[chosen[name]].sum()
            about = f"synthetic, {what} at 5 %: over {name}"
            rows.append(row(about, "ratio", float(ours / max(1, theirs)), bound))
            if name != TRUTH:
                low, _ = bound_gain(found, chosen[OURS], chosen[name])
                rows.append(row(f"{about}, low end of the gain", what, low, ">= 0"))
    return rows


def _quarter(seed: int) -> Quarter:
    with open_network(None, crossings=CROSSINGS, seed=seed) as folder:
        network = read_known_truth(folder)
    seen, best = network.seen, network.best
    fields = {
        TRUTH: _risk(best),
        OURS: _risk(network.score(seen)),
        PLAIN: _risk(network.score(leave_out(seen, _uses_history))),
        RAW: _boost(network),
    }
    asked = network.asked
    chosen = {
        name: within_capacity(
            one, seen.post[asked], seen.arrived_at[asked], capacity=CAPACITY, seed=seed
        )
        for name, one in fields.items()
    }
    return Quarter(network.holds, network.carries, chosen)


def _risk(scores: Scores) -> Floats:
    return risk(scores.p_seizure, scores.p_discrepancy, severity=SEVERITY)


def _boost(network: KnownTruth) -> Floats:
    """Let scikit-learn's boosting, as it comes, rank by both targets on raw columns."""
    seen = network.seen
    columns, _ = peers.raw(network.tables, seen.crossing_id)
    peer = peers.numeric()["scikit-learn"]
    chance = {}
    for target in TARGETS:
        rows = (seen.arrived_at < network.begins) & seen.evidence(target)
        chance[target] = peer(columns[rows], seen.label(target)[rows], columns[network.asked])
    return _risk(Scores(p_seizure=chance["seizure"], p_discrepancy=chance["discrepancy"]))


def _uses_history(name: str) -> bool:
    """Whether a feature is of links, or of what earlier inspections found."""
    feature = CATALOGUE[name]
    reads = (item for item in feature.inputs if isinstance(item, Read))
    return feature.family == "links" or any(read.stream in _HISTORY for read in reads)
