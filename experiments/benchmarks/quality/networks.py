"""Quality on networks of several makes, and what a family of features is worth on each.

The main generator's network (``synth``) and those of other mechanisms are judged alike, by the
truth of their last quarter. A post inspects 5 % of each day's entries. A hit is an entry that truly
carries, or whose declaration is wrong, found or not. On three networks of the main generator our
ranking is held against the generator's own chances (the optimum), gradient boosting on the
records' columns without any history, and our own model with links and the history of labels
switched off. SYNTHETIC: no figure here is about any border.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from engine.errors import InputError
from engine.ports import Scores
from experiments.benchmarks.quality import known_truth
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
from models.data.dataset import TARGETS, Target
from models.statistics.intervals import clopper_pearson
from models.statistics.ranking_metrics import within_capacity

Make = Mechanism | Literal["synth"]
CROSSINGS = 120_000
OURS, TRUTH, RAW, PLAIN = "ours", "truth", "raw columns", "no links, no label history"
SEEDS = (1, 2, 3, 4)
"""Of the networks of each make."""
PEER_SEEDS = (1, 2, 3)
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
    """What a ranking finds in one network, or in several together."""

    chosen: Mask
    """Entries among the riskiest 5 % of each post's day, shape (asked,)."""
    hits: int
    """Of these, the ones that carry or are declared wrongly."""
    likeliest: Mask
    """The 5 % of all entries that likeliest carry, by the chance of a seizure alone. A post's day
    has a few entries, of which 5 % are none or one by chance: this tells smaller gains."""
    loads: int
    """Of these, the ones that carry."""
    auc: float
    """Of loads, by the chance of a seizure; of several networks the mean."""
    average_precision: float
    """Of any find, by the chance of a discrepancy: as a label it holds loads, too."""


def run(
    makes: Sequence[Make],
    *,
    crossings: int = CROSSINGS,
    seeds: Sequence[int] = SEEDS,
    without: Sequence[str] = (),
) -> list[Row]:
    """Return the rows of each make, its networks together.

    ``without`` are patterns of features to leave out in turn. Raises ``InputError`` for a pattern
    that no feature fits.
    """
    for pattern in without:
        if not any(fnmatchcase(name, pattern) for name in CATALOGUE):
            raise InputError("--without", f"no feature is named like {pattern}")
    rows: list[Row] = []
    stated: list[tuple[Scores, Scores]] = []
    for make in makes:
        drawn = [
            _measure_network(make, crossings=crossings, seed=seed, without=without)
            for seed in seeds
        ]
        of_make = [one.stated for one in drawn]
        name, ours = f"SYNTHETIC {make}", pool([one.ours for one in drawn])
        rows += _rows(name, ours, pool([one.best for one in drawn]))
        rows += list_coverage(name, of_make)
        truth = {
            "holds": np.concatenate([one.holds for one in drawn]),
            "carries": np.concatenate([one.carries for one in drawn]),
        }
        for at, pattern in enumerate(without):
            theirs = pool([one.without[at] for one in drawn])
            rows += _state_gain(f"{name}, {pattern}", ours, theirs, **truth)
        stated += of_make
    if len(makes) > 1:
        rows += list_coverage(f"SYNTHETIC {', '.join(makes)}", stated)
    return rows


@dataclass(frozen=True, slots=True)
class _Measured:
    """One network and what each ranking finds in it."""

    holds: Mask
    carries: Mask
    ours: Figures
    best: Figures
    without: Sequence[Figures]
    stated: tuple[Scores, Scores]
    """Chances by the model, and by the generator."""


def _measure_network(make: Make, *, crossings: int, seed: int, without: Sequence[str]) -> _Measured:
    with open_network(make, crossings=crossings, seed=seed) as path:
        network = read_known_truth(path)
    scores = network.score(network.seen)
    return _Measured(
        network.holds,
        network.carries,
        measure(network, scores),
        measure(network, network.best),
        [_measure_without(network, pattern) for pattern in without],
        (scores, network.best),
    )


def pool(figures: Sequence[Figures]) -> Figures:
    """Return the figures of several networks together, one after another."""
    return Figures(
        chosen=np.concatenate([one.chosen for one in figures]),
        hits=sum(one.hits for one in figures),
        likeliest=np.concatenate([one.likeliest for one in figures]),
        loads=sum(one.loads for one in figures),
        auc=statistics.fmean(one.auc for one in figures),
        average_precision=statistics.fmean(one.average_precision for one in figures),
    )


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


def list_coverage(name: str, stated: Sequence[tuple[Scores, Scores]]) -> Iterator[Row]:
    """Yield of how many tenths of the entries, by stated chance, the interval holds the truth.

    ``stated`` has for each network its stated chances and the true ones. Held against each other
    are means over a tenth of a network's entries. Where the chances tell an order alone there is no
    interval to hold anything.
    """
    for target in TARGETS:
        held = [
            low <= true <= high
            for scores, truth in stated
            for low, true, high in _list_tenths(target, scores, truth)
        ]
        about = f"{name}: of {len(held)} tenths with a stated chance of a {target}, held"
        if held:
            share, ends = sum(held) / len(held), clopper_pearson(sum(held), len(held))
            yield row(about, "share", share, ">= 0.7", between=ends)
        else:
            yield row(about, "share", 0.0)


def _list_tenths(
    target: Target, stated: Scores, truth: Scores
) -> Iterator[tuple[float, float, float]]:
    """Yield each tenth's interval with the true chance between its ends."""
    chance, ends = getattr(stated, f"p_{target}"), getattr(stated, f"{target}_between")
    for rows in [] if ends is None else np.array_split(np.argsort(chance, kind="stable"), 10):
        low, high = np.mean(ends[rows], axis=0)
        yield float(low), float(np.mean(getattr(truth, f"p_{target}")[rows])), float(high)


def _measure_without(network: KnownTruth, pattern: str) -> Figures:
    """Measure a model without the features of some names."""
    fewer = leave_out(network.seen, lambda feature: fnmatchcase(feature, pattern))
    return measure(network, network.score(fewer))


def _state_gain(
    name: str, ours: Figures, theirs: Figures, *, holds: Mask, carries: Mask
) -> Iterator[Row]:
    """Yield what some features gain, with paired intervals of hits and loads: they may not harm.

    ``holds`` and ``carries``, shape (asked,), are the truth of the entries of both figures.
    """
    for what, found, first, second, least, least_low in (
        ("hits", holds, ours.chosen, theirs.chosen, 0.05, 0.1),
        ("loads", carries, ours.likeliest, theirs.likeliest, 0.1, 0.25),
    ):
        mine, other = int(found[first].sum()), int(found[second].sum())
        low, high = bound_gain(found, first, second)
        yield row(f"{name}: they gain", what, mine - other, f">= {-least * mine:.1f}")
        yield row(f"{name}: they gain, low end", what, low, f">= {-least_low * mine:.1f}")
        yield row(f"{name}: they gain, high end", what, high, ">= 0")
    yield row(f"{name}: they gain", "AUC of loads", ours.auc - theirs.auc, ">= -0.02")
    gain = ours.average_precision - theirs.average_precision
    yield row(f"{name}: they gain", "AP of any find", gain, ">= -0.02")


def measure(network: KnownTruth, scores: Scores) -> Figures:
    """Measure chances, shape (asked,), against the truth of the network."""
    chosen = choose(network, scores.p_discrepancy, seed=1)
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
    for seed in PEER_SEEDS:
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
    columns, _ = known_truth.raw(network.tables, network.seen.crossing_id)
    seen, peer, chance = network.seen, known_truth.numeric()["scikit-learn"], {}
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
