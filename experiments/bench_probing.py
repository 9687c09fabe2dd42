"""Who sees only where vehicles are sent: what can they learn of the score.

An insider with a checkpoint's key watches some hundred entries: what was declared of each, and the
channel it was given. A surrogate is taught by that, and asked who else stands in the eighth of
highest risk. Channels come from the service's own selection (``engine.selection``), with its shares
and its lot; risks from our own model on a synthetic network that it has not seen. The best of three
surrogates is reported, chosen in hindsight: a real one would have to guess.

Beside it stands what no blinding can take away: how well the vehicle's class alone tells, which
anybody sees in the yard. SYNTHETIC: no figure here is about any border.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engine.draws import RANDOM, SCORE
from engine.percentiles import LEVELS, percentile
from engine.selection import INSPECTED, Policy, lot, scored, select
from engine.times import DAY
from experiments import peers
from experiments.benching import Row, row
from experiments.synth.write import write
from features.acts import labels
from features.bulk import matrix
from features.catalogue import CATALOGUE
from features.intake import read_folder
from features.log import read_log
from features.plan import Plan
from models.assemble import dataset, frozen
from models.config import TrainConfig
from models.fit import fit
from models.risk import Floats

CROSSINGS = 60_000
SEEDS = (1, 2)
QUERIES = 300
"""Entries that the insider watched."""
DRAWS = 10
"""Sets of watched entries, each with draws of its own."""
QUARTER = 91 * DAY
TOP = 0.125
MOST = "<= 0.8"


@dataclass(frozen=True, slots=True)
class Watched:
    """Entries of one network: what is declared of each, and where it stands at its post."""

    declared: Floats
    """Shape (n, columns): codes of texts, and numbers; 0 where nothing was said."""
    vehicle_class: NDArray[np.object_]
    level: Floats
    """Share of its post's risks below its own, shape (n,)."""

    @property
    def is_high(self) -> NDArray[np.bool_]:
        """Who stands in the part of highest risk."""
        return self.level >= 1.0 - TOP


def run(_data: Path | None) -> list[Row]:
    """Return the rows of ``bench probing``, on synthetic networks."""
    worlds = [watched(seed, CROSSINGS) for seed in SEEDS]
    policy = Policy()
    most, least = policy.random_share, 0.10
    settings = (
        (f"after {QUERIES} entries", policy, QUERIES, MOST),
        ("after 100 entries", policy, 100, ">= 0"),
        ("after 1000 entries", policy, 1000, ">= 0"),
        ("the cut blurred as wide as it goes", replace(policy, blur=1.0), QUERIES, ">= 0"),
        (
            f"a lot of {least:.0%} for {most:.0%}",
            replace(policy, random_share=least),
            QUERIES,
            ">= 0",
        ),
        (
            "the lot alone (nothing to learn)",
            replace(policy, red_share=0.0, yellow_share=0.0, random_share=0.1),
            QUERIES,
            ">= 0",
        ),
    )
    rows = []
    for number, world in enumerate(worlds, 1):
        named = f"network {number}: AUC of the best surrogate"
        for said, shares, queries, must in settings:
            rows.append(row(f"{named}, {said}", "AUC", probed(world, shares, queries), must))
        known = f"network {number}: AUC of the vehicle's class alone"
        rows.append(row(known, "AUC", by_class(world), ">= 0"))
    return rows


def watched(seed: int, crossings: int) -> Watched:
    """Return the entries of a network's last quarter, scored by a model fitted before it."""
    with TemporaryDirectory(prefix="bench-probing-") as name:
        write(Path(name) / "network", crossings=crossings, seed=seed)
        tables = read_folder(Path(name) / "network").tables
    begins = int(pc.max(tables.crossings["arrived_at"]).as_py()) - QUARTER
    known, plan = frozen(tables, labels_before=begins), Plan(CATALOGUE)
    seen = dataset(known, matrix(read_log(known, plan), plan), labels(known))
    asked = (seen.arrived_at >= begins) & (seen.direction == "entry")
    risks = fit(seen, TrainConfig(), until=begins, known_before=begins).risk(seen.values[asked])
    columns, _ = peers.raw(tables, seen.crossing_id[asked])
    return Watched(
        np.nan_to_num(columns), seen.vehicle_class[asked], levels(risks, seen.post[asked])
    )


def levels(risks: Floats, posts: NDArray[np.object_]) -> Floats:
    """Return where each risk stands among those of its post."""
    found = np.empty(len(risks))
    for post in set(posts.tolist()):
        here = posts == post
        table = np.quantile(risks[here], np.linspace(0, 1, LEVELS)).tolist()
        found[here] = [percentile(table, one) for one in risks[here].tolist()]
    return found


def referred(world: Watched, policy: Policy, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return who is sent to officers, as the service would have it."""
    drawn = rng.random((len(world.level), 2)).tolist()
    chosen = [
        select((*scored(policy, level), lot(policy)), {SCORE: score, RANDOM: luck}).channel
        for level, (score, luck) in zip(world.level.tolist(), drawn, strict=True)
    ]
    return np.array([channel in INSPECTED for channel in chosen])


SURROGATES: Sequence[Callable[[], Any]] = (
    lambda: RandomForestClassifier(200, min_samples_leaf=3, random_state=1),
    lambda: HistGradientBoostingClassifier(max_iter=60, min_samples_leaf=10, random_state=1),
    lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500)),
)


def probed(world: Watched, policy: Policy, queries: int) -> float:
    """Return the AUC of the surrogate that tells best, mean over sets of watched entries."""
    found = np.array([list(_told(world, policy, queries, draw)) for draw in range(DRAWS)])
    return float(found.mean(axis=0).max())


def _told(world: Watched, policy: Policy, queries: int, draw: int) -> Iterator[float]:
    rng = np.random.default_rng(draw)
    sent = referred(world, policy, rng)
    order = rng.permutation(len(sent))
    taught, asked = order[:queries], order[queries:]
    for make in SURROGATES:
        if sent[taught].all() or not sent[taught].any():
            yield 0.5
            continue
        surrogate = make().fit(world.declared[taught], sent[taught])
        chance = surrogate.predict_proba(world.declared[asked])[:, 1]
        yield float(roc_auc_score(world.is_high[asked], chance))


def by_class(world: Watched) -> float:
    """Return the AUC of each class's own share of high risks."""
    coded = OneHotEncoder().fit_transform(world.vehicle_class.reshape(-1, 1)).toarray()
    shares = coded @ (coded.T @ world.is_high / coded.sum(axis=0))
    return float(roc_auc_score(world.is_high, shares))
