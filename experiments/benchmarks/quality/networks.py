"""Quality on networks of several makes, and what a family of features is worth on each.

The main generator's network (``synth``) and those of other mechanisms are judged alike, by the
truth of their last quarter. A post inspects 5 % of each day's entries. A hit is an entry that truly
carries, or whose declaration is wrong, found or not. On three networks of the main generator our
ranking is held against the generator's own chances (the optimum), gradient boosting on the
records' columns without any history, and our own model with links and the history of labels
switched off. SYNTHETIC: no figure here is about any border.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from engine.errors import InputError
from engine.ports import Scores
from experiments.benchmarks.quality import peers
from experiments.benchmarks.quality.known_truth import (
    KnownTruth,
    bound_gain,
    leave_out,
    read_known_truth,
)
from experiments.benchmarks.runner import Row, row
from experiments.synthetic import folder as writer
from experiments.synthetic import network_year
from experiments.synthetic.hidden_risks import Mechanism
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.spec import Read
from models.array_types import Floats, Mask
from models.config import TrainConfig
from models.data.dataset import TARGETS
from models.statistics.ranking_metrics import within_capacity

Make = Mechanism | Literal["synth"]
CROSSINGS = 120_000
SEED = 1
OURS, TRUTH, RAW, PLAIN = "ours", "truth", "raw columns", "no links, no label history"
SEEDS = (1, 2, 3)
"""Of the networks on which peers are compared."""
PEER_MUST = {
    TRUTH: (">= 0.5", ">= 0.3"),
    RAW: (">= 1.3", ">= 1.5"),
    PLAIN: (">= 1.1", ">= 1.2"),
}
"""Ratios of hits and of loads over each."""
_HISTORY = frozenset({"inspections", "finds", "passed"})
MUST = {"hits": ">= 0.45", "loads": ">= 0.6", "finds": ">= 0.3"}
"""Bars of every network: hits over the generator's, AUC of loads, AP of any find."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a ranking finds."""

    chosen: NDArray[np.bool_]
    """Entries among the riskiest 5 % of each post's day, shape (asked,)."""
    hits: int
    """Of these, the ones that carry or are declared wrongly."""
    likeliest: NDArray[np.bool_]
    """The 5 % of all entries that likeliest carry, by the chance of a seizure alone. A post's day
    has a few entries, of which 5 % are none or one by chance: this tells smaller gains."""
    loads: int
    """Of these, the ones that carry."""
    auc: float
    """Of loads, by the chance of a seizure."""
    average_precision: float
    """Of any find, by the chance of a discrepancy: as a label it holds loads, too."""


def run(
    makes: Iterable[Make],
    *,
    crossings: int = CROSSINGS,
    seed: int = SEED,
    without: Sequence[str] = (),
) -> list[Row]:
    """Return the rows of each network; ``without`` are patterns of features to leave out in turn.

    Raises ``InputError`` for a pattern that no feature fits.
    """
    for pattern in without:
        if not any(fnmatchcase(name, pattern) for name in CATALOGUE):
            raise InputError("--without", f"no feature is named like {pattern}")
    rows: list[Row] = []
    for make in makes:
        with open_network(make, crossings=crossings, seed=seed) as path:
            network = read_known_truth(path)
        scores = network.score(network.seen)
        ours = measure(network, scores)
        rows += _rows(f"SYNTHETIC {make}", ours, measure(network, network.best))
        rows += _list_coverage(f"SYNTHETIC {make}", scores, network.best)
        for pattern in without:
            theirs = _measure_without(network, pattern)
            rows += _state_gain(f"SYNTHETIC {make}, {pattern}", network, ours, theirs)
    return rows


def open_network(make: Make, *, crossings: int, seed: int) -> AbstractContextManager[Path]:
    """Draw a network of some make into a folder, which goes after use."""
    if make == "synth":
        return writer.open_network(None, crossings=crossings, seed=seed)
    return network_year.open_network(mechanism=make, crossings=crossings, seed=seed)


def _rows(name: str, ours: Figures, best: Figures) -> Iterator[Row]:
    ratio = ours.hits / max(1, best.hits)
    yield row(f"{name}: hits at 5 %", "hits", ours.hits, ">= 1")
    yield row(f"{name}: hits at 5 % over the generator's chances", "ratio", ratio, MUST["hits"])
    yield row(f"{name}: loads within the likeliest 5 %", "loads", ours.loads, ">= 1")
    about = f"{name}: loads within the likeliest 5 %, the generator's chances"
    yield row(about, "loads", best.loads, ">= 1")
    yield row(f"{name}: AUC of loads", "AUC", ours.auc, MUST["loads"])
    yield row(f"{name}: AUC of loads, the generator's chances", "AUC", best.auc, ">= 0.5")
    yield row(f"{name}: AP of any find", "AP", ours.average_precision, MUST["finds"])
    about = f"{name}: AP of any find, the generator's chances"
    yield row(about, "AP", best.average_precision, MUST["finds"])


def _list_coverage(name: str, stated: Scores, truth: Scores) -> Iterator[Row]:
    """Yield for how many tenths of the entries, by stated chance, the interval holds the truth.

    Held against each other are means over a tenth. Where the chances tell an order alone there is
    no interval to hold anything.
    """
    for target in TARGETS:
        chance, ends = getattr(stated, f"p_{target}"), getattr(stated, f"{target}_between")
        tenths = [] if ends is None else np.array_split(np.argsort(chance, kind="stable"), 10)
        yield row(f"{name}: tenths with a stated chance of a {target}", "tenths", len(tenths))
        held = 0
        for rows in tenths:
            low, high = np.mean(ends[rows], axis=0)
            true = float(np.mean(getattr(truth, f"p_{target}")[rows]))
            held += int(low <= true <= high)
        if tenths:
            about = f"{name}: of these, with the truth in the interval"
            yield row(f"{about} ({target})", "tenths", held, ">= 7")


def _measure_without(network: KnownTruth, pattern: str) -> Figures:
    """Measure a model without the features of some names."""
    fewer = leave_out(network.seen, lambda feature: fnmatchcase(feature, pattern))
    return measure(network, network.score(fewer))


def _state_gain(name: str, network: KnownTruth, ours: Figures, theirs: Figures) -> Iterator[Row]:
    """Yield what some features gain, with paired intervals of hits and loads: they may not harm."""
    low, high = bound_gain(network.holds, ours.chosen, theirs.chosen)
    yield row(f"{name}: they gain", "hits", ours.hits - theirs.hits, f">= {-0.05 * ours.hits:.1f}")
    yield row(f"{name}: they gain, low end", "hits", low, f">= {-0.1 * ours.hits:.1f}")
    yield row(f"{name}: they gain, high end", "hits", high, ">= 0")
    low, high = bound_gain(network.carries, ours.likeliest, theirs.likeliest)
    yield row(
        f"{name}: they gain", "loads", ours.loads - theirs.loads, f">= {-0.1 * ours.loads:.1f}"
    )
    yield row(f"{name}: they gain, low end", "loads", low, f">= {-0.25 * ours.loads:.1f}")
    yield row(f"{name}: they gain, high end", "loads", high, ">= 0")
    yield row(f"{name}: they gain", "AUC of loads", ours.auc - theirs.auc, ">= -0.02")
    gain = ours.average_precision - theirs.average_precision
    yield row(f"{name}: they gain", "AP of any find", gain, ">= -0.02")


def measure(network: KnownTruth, scores: Scores) -> Figures:
    """Measure chances, shape (asked,), against the truth of the network."""
    chosen = choose(network, scores.p_discrepancy, seed=SEED)
    likeliest = riskiest(scores.p_seizure, TrainConfig().capacity)
    return Figures(
        chosen=chosen,
        hits=int(network.holds[chosen].sum()),
        likeliest=likeliest,
        loads=int(network.carries[likeliest].sum()),
        auc=float(roc_auc_score(network.carries, scores.p_seizure)),
        average_precision=float(average_precision_score(network.holds, scores.p_discrepancy)),
    )


def choose(network: KnownTruth, ranked: Floats, *, seed: int) -> Mask:
    """Return a mask of the riskiest 5 % of the entries of each post on each day, shape (asked,)."""
    seen, asked = network.seen, network.asked
    capacity = TrainConfig().capacity
    return within_capacity(
        ranked, seen.post[asked], seen.arrived_at[asked], capacity=capacity, seed=seed
    )


def riskiest(score: Floats, share: float) -> Mask:
    """Return the riskiest share of rows, shape (n,); of equal ones the first."""
    chosen = np.zeros(len(score), np.bool_)
    chosen[np.argsort(-score, kind="stable")[: round(share * len(score))]] = True
    return chosen


def compare_peers(*, crossings: int = CROSSINGS) -> list[Row]:
    """Return the rows of ours over each peer, on networks of the main generator together."""
    found: dict[str, list[Mask]] = {"hits": [], "loads": []}
    chosen: dict[str, dict[str, list[Mask]]] = {
        name: {what: [] for what in found} for name in (OURS, *PEER_MUST)
    }
    for seed in SEEDS:
        with open_network("synth", crossings=crossings, seed=seed) as path:
            network = read_known_truth(path)
        found["hits"].append(network.holds)
        found["loads"].append(network.carries)
        for name, scores in _score_by_peers(network).items():
            for what, ranked in (("hits", scores.p_discrepancy), ("loads", scores.p_seizure)):
                chosen[name][what].append(choose(network, ranked, seed=seed))
    rows = []
    for name, bounds in PEER_MUST.items():
        for (what, parts), bound in zip(found.items(), bounds, strict=True):
            true = np.concatenate(parts)
            ours, theirs = (np.concatenate(chosen[one][what]) for one in (OURS, name))
            ratio = float(true[ours].sum() / max(1, true[theirs].sum()))
            about = f"synthetic, {what} at 5 %: over {name}"
            rows.append(row(about, "ratio", ratio, bound))
            if name != TRUTH:
                low, _ = bound_gain(true, ours, theirs)
                rows.append(row(f"{about}, low end of the gain", what, low, ">= 0"))
    return rows


def _score_by_peers(network: KnownTruth) -> Mapping[str, Scores]:
    columns, _ = peers.raw(network.tables, network.seen.crossing_id)
    seen, peer, chance = network.seen, peers.numeric()["scikit-learn"], {}
    for target in TARGETS:
        rows = (seen.arrived_at < network.begins) & seen.evidence(target)
        chance[target] = peer(columns[rows], seen.label(target)[rows], columns[network.asked])
    raw = Scores(p_seizure=chance["seizure"], p_discrepancy=chance["discrepancy"])
    plain = network.score(leave_out(seen, uses_history))
    return {OURS: network.score(seen), TRUTH: network.best, RAW: raw, PLAIN: plain}


def uses_history(name: str) -> bool:
    """Tell whether a feature is of links, or of what earlier inspections found."""
    feature = CATALOGUE[name]
    reads = (item for item in feature.inputs if isinstance(item, Read))
    return feature.family == "links" or any(read.stream in _HISTORY for read in reads)
