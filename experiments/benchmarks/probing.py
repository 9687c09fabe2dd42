"""Probing: what a sender that sees only the channels can learn of the score.

An insider with a checkpoint's key watches some hundred entries: what was declared of each, and the
channel it was given. A surrogate is taught by that, and asked who else stands in the eighth of
highest risk. Channels come from the service's own selection (``engine.selection``), with its
shares and its random checks; risks from our own model on a synthetic network that it has not seen.
The best of three surrogates is reported, chosen in hindsight: a real one would have to guess.

The insider may file acts, too. After one the answer has no figure; after a full act on a referred
vehicle it has the subjects of its reasons, in words. Three insiders use them: one lets go of
referrals whose subjects are unlike those of yellow ones, which the score alone picks; one learns
each subject apart; and one knows outright which referrals were random checks, which is more than
any words could tell. None may do better than channels alone.

The baseline is what no blinding can remove: how well the vehicle's class alone tells, which is
visible in the yard. SYNTHETIC: no figure here is about any border.

Places in a queue may tell what picked a vehicle. For these, entries pass the service's own
selection and placement (``engine.decision.decision``), with a random stream of 10 %, red picks of
15 % and a profile that fits three of ten vehicles of any risk. Places are compared within one post
and vehicle class: what a class is anybody sees.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engine.decision.decision import MOST_PEERS, MeritPeers, drawn_merit
from engine.domain.time_units import DAY
from engine.selection import (
    INSPECTED,
    RANDOM,
    SCORE,
    TABLE_LEVELS,
    Chance,
    Channel,
    Policy,
    percentile,
    random_chance,
    score_chances,
    select,
)
from experiments.benchmarks.quality import peers
from experiments.support.benchmark_harness import Row, row
from experiments.synthetic.folder import open_network
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.intake.load import read_folder
from models.array_types import Floats
from models.config import TrainConfig
from models.data.build_dataset import assemble, freeze_history
from models.learning.fit import FittedModel, fit
from models.training.known_seizures import contributions_of

CROSSINGS = 60_000
SEEDS = (1, 2)
QUERIES = 300
"""Entries that the insider watched."""
DRAWS = 10
"""Sets of watched entries, each with draws of its own."""
QUARTER = 91 * DAY
TOP = 0.125
MOST = "<= 0.8"
ADDED = "<= 0.02"
"""What answers after acts may add to what channels tell; sets of 300 entries differ by .01."""
MOST_REASONS = 6
FEWEST = 5
"""Referrals of a subject from which on it is learnt apart."""


_POLICY = Policy(red_share=0.15, yellow_share=0.05, random_share=0.10)
ANY_PROFILE = Chance("profile:any", Channel.RED, 0.5)
PROFILE_FITS = 0.3
WARM_PICKS = 16
"""Scored picks of a group before its places are compared: until then the table stands in."""
Group = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ScoredEntries:
    """Entries in the order in which they came, shape (n,) each."""

    post: NDArray[np.object_]
    vehicle_class: NDArray[np.object_]
    risk: Floats
    level: Floats
    """Share of its post's risks below its own."""


@dataclass(frozen=True, slots=True)
class Apart:
    """How well the place tells two bases apart."""

    auc: float
    """In [0.5, 1], over pairs of one post and class."""
    pairs: int


def merits(
    entries: ScoredEntries, rng: np.random.Generator, *, all_own: bool = False
) -> Mapping[Group, Mapping[str, Sequence[float]]]:
    """Return the merits that red vehicles queue with, by post and class, then by basis.

    ``all_own`` lets every vehicle queue with its own, as a service without drawn places would.
    """
    tables = {post: _quantiles_of(entries.risk[entries.post == post]) for post in set(entries.post)}
    peers: dict[Group, deque[float]] = defaultdict(lambda: deque(maxlen=MOST_PEERS))
    seen: dict[Group, int] = defaultdict(int)
    found: dict[Group, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for at, post in enumerate(entries.post):
        group, risk = (post, entries.vehicle_class[at]), float(entries.risk[at])
        numbers = rng.random(5).tolist()
        draws = {SCORE: numbers[0], RANDOM: numbers[1], ANY_PROFILE.purpose: numbers[2]}
        fits = (ANY_PROFILE,) if numbers[3] < PROFILE_FITS else ()
        chosen = select(
            (*score_chances(_POLICY, float(entries.level[at])), *fits, random_chance(_POLICY)),
            draws,
        )
        if chosen.channel is not Channel.RED or chosen.basis is None:
            continue
        among = MeritPeers(tuple(sorted(peers[group])), tables[post], _POLICY, Channel.RED)
        is_own = all_own or chosen.basis == "score"
        if seen[group] >= WARM_PICKS:
            merit = risk if is_own else drawn_merit(among, numbers[4])
            found[group][chosen.basis].append(merit)
        if chosen.basis == "score":
            peers[group].append(risk)
            seen[group] += 1
    return found


def apart(
    found: Sequence[Mapping[Group, Mapping[str, Sequence[float]]]],
) -> Mapping[str, Apart]:
    """Return how far places tell each two bases apart, over all groups of some runs."""
    fields = {}
    for one, other in combinations(("random", "profile", "score"), 2):
        every = [each for run in found for each in _pairs(run, one, other)]
        wins, pairs = sum(won for won, _ in every), sum(of for _, of in every)
        area = float(wins / pairs)
        fields[f"{one} from {other}"] = Apart(max(area, 1.0 - area), int(pairs))
    return fields


def _pairs(
    found: Mapping[Group, Mapping[str, Sequence[float]]], one: str, other: str
) -> Iterator[tuple[float, int]]:
    for group in found.values():
        first, second = np.array(group.get(one, [])), np.sort(group.get(other, []))
        below = np.searchsorted(second, first, "left") + np.searchsorted(second, first, "right")
        yield float(below.sum()) / 2.0, len(first) * len(second)


def _quantiles_of(risks: Floats) -> tuple[float, ...]:
    return tuple(np.quantile(risks, np.linspace(0, 1, TABLE_LEVELS)).tolist())


@dataclass(frozen=True, slots=True)
class ObservedProbes:
    """Entries of one network: what is declared of each, and where it stands at its post."""

    declared: Floats
    """Shape (n, columns): codes of texts, and numbers; 0 where nothing was said."""
    vehicle_class: NDArray[np.object_]
    level: Floats
    """Share of its post's risks below its own, shape (n,)."""
    subjects: NDArray[np.bool_]
    """Which families the reasons of each would be about, shape (n, families)."""
    entries: ScoredEntries | None = None
    """The same entries with their posts and risks, for their places."""

    @property
    def is_high(self) -> NDArray[np.bool_]:
        """Who stands in the part of highest risk, shape (n,)."""
        return self.level >= 1.0 - TOP


def run(_data: Path | None) -> list[Row]:
    """Return the rows of ``bench probing``, on synthetic networks."""
    worlds = [watch_probes(seed, CROSSINGS) for seed in SEEDS]
    policy = Policy()
    most, least = policy.random_share, 0.10
    alone = replace(policy, red_share=0.0, yellow_share=0.0, random_share=0.1)
    settings = (
        (f"after {QUERIES} entries", policy, QUERIES),
        ("after 100 entries", policy, 100),
        ("after 1000 entries", policy, 1000),
        ("the cut blurred as wide as it goes", replace(policy, blur=1.0), QUERIES),
        (
            f"random checks of {least:.0%} for {most:.0%}",
            replace(policy, random_share=least),
            QUERIES,
        ),
        ("random checks alone (nothing to learn)", alone, QUERIES),
    )
    rows = []
    for number, world in enumerate(worlds, 1):
        named = f"network {number}: AUC of the best surrogate"
        for at, (value, shares, queries) in enumerate(settings):
            area = probe_service(world, shares, queries)
            rows.append(row(f"{named}, {value}", "AUC", area, ">= 0" if at else MOST))
        known = f"network {number}: AUC of the vehicle's class alone"
        rows.append(row(known, "AUC", by_class(world), ">= 0"))
        rows += [*_after_acts(world, number), *_places(world, number)]
    return rows


def _after_acts(world: ObservedProbes, number: int) -> Iterator[Row]:
    """Yield what answers after acts add to what channels tell."""
    alone = probe_service(world, Policy(), QUERIES)
    for value, insider in INSIDERS.items():
        more = probe_service(world, Policy(), QUERIES, insider=insider) - alone
        name = f"network {number}: AUC that {value} adds to channels, after {QUERIES} entries"
        yield row(name, "AUC", more, ADDED)


def _places(world: ObservedProbes, number: int) -> Iterator[Row]:
    """Yield how well the place in the queue tells bases apart, and how well it would undrawn."""
    if world.entries is None:
        return
    for all_own, must in ((False, "<= 0.55"), (True, ">= 0")):
        runs = [
            merits(world.entries, np.random.default_rng(draw), all_own=all_own)
            for draw in range(DRAWS)
        ]
        how = ", each by its own risk" if all_own else ""
        for value, one in apart(runs).items():
            name = f"network {number}: AUC of places, {value}, {one.pairs:,} pairs{how}"
            yield row(name, "AUC", one.auc, must)


def watch_probes(seed: int, crossings: int) -> ObservedProbes:
    """Return the entries of a network's last quarter, scored by a model fitted before it."""
    with open_network(None, crossings=crossings, seed=seed) as folder:
        tables = read_folder(folder).tables
    begins = int(pc.max(tables.crossings["arrived_at"]).as_py()) - QUARTER
    seen = assemble(freeze_history(tables, labels_before=begins), Plan(CATALOGUE))
    asked = (seen.arrived_at >= begins) & (seen.direction == "entry")
    model = fit(seen, TrainConfig(), until=begins, known_before=begins)
    entries = seen.take(asked)
    risks, kinds, posts = model.risk(entries.values), entries.vehicle_class, entries.post
    columns, _ = peers.raw(tables, entries.crossing_id)
    level, order = levels(risks, posts), np.argsort(entries.arrived_at, kind="stable")
    scored = ScoredEntries(posts[order], kinds[order], risks[order], level[order])
    about = subjects(model, entries.values)
    return ObservedProbes(np.nan_to_num(columns), kinds, level, about, scored)


def subjects(model: FittedModel, values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return what the reasons of rows of shape (n, f) are about: families of what raises most."""
    explained, names = contributions_of(model), sorted({f.family for f in CATALOGUE.values()})
    family = np.array([names.index(feature.family) for feature in CATALOGUE.values()])
    found = np.zeros((len(values), len(names)), np.bool_)
    for at, one in enumerate(values):
        added = explained.risk(one)[: len(family)]
        strongest = np.argsort(-added)[:MOST_REASONS]
        found[at, family[strongest[added[strongest] > 0]]] = True
    return found


def levels(risks: Floats, posts: NDArray[np.object_]) -> Floats:
    """Return where each risk stands among those of its post, shape (n,)."""
    found = np.empty(len(risks))
    for post in set(posts.tolist()):
        here = posts == post
        table = np.quantile(risks[here], np.linspace(0, 1, TABLE_LEVELS)).tolist()
        found[here] = [percentile(table, one) for one in risks[here].tolist()]
    return found


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """Where entries were sent, shape (n,) each."""

    to_officers: NDArray[np.bool_]
    is_red: NDArray[np.bool_]
    by_score: NDArray[np.bool_]
    """Which the score picked, whatever else did; no answer says so."""


def send_probes(world: ObservedProbes, policy: Policy, rng: np.random.Generator) -> ProbeAnswer:
    """Return who is sent to officers, as the service would have it."""
    drawn = rng.random((len(world.level), 2)).tolist()
    chosen = [
        select((*score_chances(policy, level), random_chance(policy)), {SCORE: score, RANDOM: luck})
        for level, (score, luck) in zip(world.level.tolist(), drawn, strict=True)
    ]
    return ProbeAnswer(
        np.array([one.channel in INSPECTED for one in chosen]),
        np.array([one.channel is Channel.RED for one in chosen]),
        np.array([SCORE in one.fired for one in chosen]),
    )


Insider = Callable[[ProbeAnswer, NDArray[np.bool_]], Sequence[NDArray[np.bool_]]]
"""From where entries were sent and what their reasons are about to what a surrogate is taught: one
answer or more an entry, of which the surrogates' chances are averaged."""


def by_channel(where: ProbeAnswer, _: NDArray[np.bool_]) -> Sequence[NDArray[np.bool_]]:
    """Learn who was sent to officers: masks of shape (n,)."""
    return [where.to_officers]


def by_likeness(where: ProbeAnswer, about: NDArray[np.bool_]) -> Sequence[NDArray[np.bool_]]:
    """Let go of red ones least in common with yellow ones, below nine in ten: shape (n,)."""
    yellow = where.to_officers & ~where.is_red
    usual = about[yellow].mean(axis=0) if yellow.any() else np.zeros(about.shape[1])
    alike = about @ usual
    least = np.quantile(alike[yellow], 0.1) if yellow.any() else 0.0
    return [where.to_officers & (yellow | (alike >= least))]


def by_subject(where: ProbeAnswer, about: NDArray[np.bool_]) -> Sequence[NDArray[np.bool_]]:
    """Learn each subject apart: masks of shape (n,)."""
    every = [where.to_officers & one for one in about.T]
    return [one for one in every if one.sum() >= FEWEST] or [where.to_officers]


def by_secret(where: ProbeAnswer, _: NDArray[np.bool_]) -> Sequence[NDArray[np.bool_]]:
    """Know which referrals were random checks alone: masks of shape (n,)."""
    return [where.to_officers & where.by_score]


INSIDERS: Mapping[str, Insider] = {
    "letting go of unlike words": by_likeness,
    "learning each word apart": by_subject,
    "knowing every random check outright": by_secret,
}


SURROGATES: Sequence[Callable[[], Any]] = (
    lambda: RandomForestClassifier(200, min_samples_leaf=3, random_state=1),
    lambda: HistGradientBoostingClassifier(max_iter=60, min_samples_leaf=10, random_state=1),
    lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500)),
)


def probe_service(
    world: ObservedProbes, policy: Policy, queries: int, *, insider: Insider = by_channel
) -> float:
    """Return the AUC of the surrogate that tells best, mean over sets of watched entries."""
    every = [list(_describe(world, policy, queries, draw, insider)) for draw in range(DRAWS)]
    return float(np.array(every).mean(axis=0).max())


def _describe(
    world: ObservedProbes, policy: Policy, queries: int, draw: int, insider: Insider
) -> Iterator[float]:
    rng = np.random.default_rng(draw)
    where = send_probes(world, policy, rng)
    order = rng.permutation(len(world.level))
    taught, asked = order[:queries], order[queries:]
    seen = ProbeAnswer(where.to_officers[taught], where.is_red[taught], where.by_score[taught])
    answers = [one for one in insider(seen, world.subjects[taught]) if one.any() and not one.all()]
    for make in SURROGATES:
        if not answers:
            yield 0.5
            continue
        made = [make().fit(world.declared[taught], one) for one in answers]
        chance = sum(one.predict_proba(world.declared[asked])[:, 1] for one in made)
        yield float(roc_auc_score(world.is_high[asked], chance))


def by_class(world: ObservedProbes) -> float:
    """Return the AUC of each class's own share of high risks."""
    coded = OneHotEncoder().fit_transform(world.vehicle_class.reshape(-1, 1)).toarray()
    shares = coded @ (coded.T @ world.is_high / coded.sum(axis=0))
    return float(roc_auc_score(world.is_high, shares))
