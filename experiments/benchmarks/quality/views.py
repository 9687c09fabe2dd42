"""Worth of a link between two administrations, on synthetic networks of several makes.

The posts of each pair lie in two administrations. *pooled*: one database and one model. *linked*
and *isolated*: a model of each administration, on its own records with and without what messages
brought (:mod:`models.training.view_backtest`). All three are frozen when the last quarter begins,
and judged by the truth of each of its entries, among the riskiest 5 % of each post's day.

Two rankings of one network share most of their hits, so intervals are paired, over the entries of
all seeds together. That isolated ones fall below is asked of AP, whose low end of the gain is above
0: a few hundred hits do not tell 5 % from chance. SYNTHETIC: no figure here is about any border.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from engine.errors import InputError
from experiments.benchmarks.quality.known_truth import bound_gain
from experiments.benchmarks.quality.mechanisms import Make, open_network
from experiments.support.benchmark_harness import Row, row
from experiments.synthetic import posts as world
from experiments.synthetic.mechanisms import hidden_risks
from experiments.synthetic.mechanisms.hidden_risks import QUARTER
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.tables import Tables
from features.intake.load import read_folder
from models.array_types import Floats
from models.config import TrainConfig
from models.scoring import risk
from models.statistics.intervals import bootstrap
from models.statistics.ranking_metrics import within_capacity
from models.training.backtest import Period, PeriodScorer, ScoredPeriod, state_severity
from models.training.view_backtest import View, join_periods, score_administrations

NETWORKS: tuple[Make, ...] = ("signs",)
CROSSINGS, SEEDS = 90_000, 3
SIDES = ("first", "second")
"""Administrations: of the first post of each pair, and of the second."""
FIRST_POSTS: Mapping[bool, frozenset[str]] = {
    True: frozenset(world.POSTS[pair.a].code for pair in world.PAIRS),
    False: frozenset(code for code, _ in hidden_risks.POSTS[::2]),
}
"""By whether the network is of the main generator."""
LINKED_MUST = 0.95
"""Share of one database's hits, and of its AP, that linked administrations reach."""
DRAWS = 200
"""Of the intervals of AP."""


@dataclass(frozen=True, slots=True)
class ViewRanking:
    """What a ranking finds; arrays are of the asked entries in the order of the history."""

    chosen: NDArray[np.bool_]
    risk: Floats


@dataclass(frozen=True, slots=True)
class ViewComparison:
    """The three views of one network, on the same entries."""

    is_found: NDArray[np.bool_]
    """Whether an entry truly carries, or is declared wrongly, shape (entries,)."""
    rankings: Mapping[View, ViewRanking]

    def count(self, view: View) -> int:
        """Return the hits of a view."""
        return int(self.is_found[self.rankings[view].chosen].sum())


def run(
    data: Path | None,
    *,
    networks: Sequence[Make] = NETWORKS,
    crossings: int = CROSSINGS,
    seed: int = 1,
) -> list[Row]:
    """Return the rows of ``bench views``: of each network, ``SEEDS`` draws from a seed on.

    Raises ``InputError`` for a folder: only a drawn network has the truth of every entry.
    """
    if data is not None:
        raise InputError("--data", "views are judged by the truth, which drawn networks alone have")
    rows: list[Row] = []
    for make in networks:
        compared = []
        for number in range(seed, seed + SEEDS):
            compared.append(compare_views(make, crossings=crossings, seed=number))
            rows += _list_draw(f"SYNTHETIC {make}, seed {number}", compared[-1])
        rows += _list_all(f"SYNTHETIC {make}, seeds {seed} to {seed + SEEDS - 1}", compared)
    return rows


def compare_views(make: Make, *, crossings: int, seed: int) -> ViewComparison:
    """Draw a network, and score its last quarter in each view."""
    with open_network(make, crossings=crossings, seed=seed) as path:
        whole = face_each_other(read_folder(path).tables, first=FIRST_POSTS[make == "synth"])
        truth = pa_csv.read_csv(path / "truth.csv")
    begins = int(pc.max(whole.crossings["arrived_at"]).as_py()) - QUARTER
    period, plan = Period(begins, begins), Plan(CATALOGUE)
    config = state_severity(whole, TrainConfig(), period)
    pooled = join_periods([PeriodScorer(whole, plan, config, period).score()])
    scored: dict[View, ScoredPeriod] = {"pooled": pooled}
    for view in ("linked", "isolated"):
        parts, _ = score_administrations(whole, plan, config, period, view=view)
        scored[view] = join_periods(list(parts.values()))
    entries = pooled.test.direction == "entry"
    known = truth.take(pc.index_in(pooled.test.crossing_id[entries].tolist(), truth["crossing_id"]))
    is_found = np.zeros(int(entries.sum()), np.bool_)
    for name in ("carries", "discrepancy"):
        is_found |= np.asarray(pc.fill_null(known[name], 0).to_numpy(), np.float64) > 0
    return ViewComparison(is_found, {view: rank(one, config) for view, one in scored.items()})


def face_each_other(history: Tables, *, first: frozenset[str]) -> Tables:
    """Return a history whose pairs of posts lie between two administrations."""
    posts = {
        code: post.model_copy(update={"administration": SIDES[code not in first]})
        for code, post in history.network.posts.items()
    }
    return replace(history, network=replace(history.network, posts=MappingProxyType(posts)))


def rank(scored: ScoredPeriod, config: TrainConfig) -> ViewRanking:
    """Return the riskiest entries of each post's day, as many as its capacity."""
    test, chances = scored.test, scored.scores
    entries = test.direction == "entry"
    ranked = risk(
        chances.p_seizure[entries], chances.p_discrepancy[entries], severity=config.seizure_weight
    )
    chosen = within_capacity(
        ranked,
        test.post[entries],
        test.arrived_at[entries],
        capacity=config.capacity,
        seed=config.seed,
    )
    return ViewRanking(chosen, ranked)


def _list_draw(name: str, one: ViewComparison) -> Iterator[Row]:
    """Yield what one draw shows; one alone has no bar, because chance moves it by as much."""
    for view in ("pooled", "linked", "isolated"):
        yield row(f"{name}: {view}, hits at 5 %", "hits", one.count(view), ">= 0")
        precision = average_precision_score(one.is_found, one.rankings[view].risk)
        yield row(f"{name}: {view}, AP of any find", "AP", precision, ">= 0")


def _list_all(name: str, compared: Sequence[ViewComparison]) -> Iterator[Row]:
    """Yield what all draws together show."""
    is_found = np.concatenate([one.is_found for one in compared])
    chosen = {
        view: np.concatenate([one.rankings[view].chosen for one in compared])
        for view in compared[0].rankings
    }
    pooled, linked, isolated = (
        is_found & chosen[view] for view in ("pooled", "linked", "isolated")
    )
    for view, hits, must in (("linked", linked, LINKED_MUST), ("isolated", isolated, 0)):
        low, high = bound_share(hits, pooled)
        share = float(hits.sum()) / max(1, int(pooled.sum()))
        yield row(f"{name}: {view} over pooled", "ratio", share, f">= {must}")
        yield row(f"{name}: {view} over pooled, low end", "ratio", low, ">= 0")
        yield row(f"{name}: {view} over pooled, high end", "ratio", high, ">= 0")
    low, high = bound_gain(is_found, chosen["linked"], chosen["isolated"])
    yield row(f"{name}: the link gains", "hits", int(linked.sum() - isolated.sum()), ">= 1")
    yield row(f"{name}: the link gains, low end", "hits", low, f">= {-0.05 * pooled.sum():.1f}")
    yield row(f"{name}: the link gains, high end", "hits", high, ">= 1")
    yield from _list_precision(name, is_found, compared)


def _list_precision(
    name: str, is_found: NDArray[np.bool_], compared: Sequence[ViewComparison]
) -> Iterator[Row]:
    """Yield what all draws together show of the whole ranking: it has more power than hits."""
    risks = {
        view: np.concatenate([one.rankings[view].risk for one in compared])
        for view in compared[0].rankings
    }

    def measure(weight: Floats) -> list[float]:
        pooled, linked, isolated = (
            float(average_precision_score(is_found, risks[view], sample_weight=weight))
            for view in ("pooled", "linked", "isolated")
        )
        return [linked / pooled, isolated / pooled, linked - isolated]

    seen = measure(np.ones(len(is_found)))
    low, high = bootstrap(measure, len(is_found), seed=1, draws=DRAWS)
    named = ("linked over pooled", "isolated over pooled", "the link gains")
    for at, (what, least) in enumerate(zip(named, (LINKED_MUST, 0, 0), strict=True)):
        yield row(f"{name}: {what}", "AP", seen[at], f">= {least}")
        yield row(f"{name}: {what}, low end", "AP", float(low[at]), ">= 0")
        yield row(f"{name}: {what}, high end", "AP", float(high[at]), ">= 0")


def bound_share(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the paired 95 % interval of the ratio of two counts of hits, by entries of shape (n,).

    >>> import numpy as np
    >>> bound_share(np.ones(9, np.bool_), np.ones(9, np.bool_))
    (1.0, 1.0)
    """
    at = np.flatnonzero(ours | theirs)
    hits, against = ours[at].astype(np.float64), theirs[at].astype(np.float64)

    def divide(weight: Floats) -> float:
        return float(weight @ hits) / max(1.0, float(weight @ against))

    low, high = bootstrap(divide, len(at), seed=1, draws=DRAWS)
    return float(low[0]), float(high[0])
