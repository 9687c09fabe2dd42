"""Places in a queue, and how well they tell what picked a vehicle, with a model's own risks.

Entries of a synthetic network pass the service's own selection and placement
(``engine.selection.policy``, ``engine.decision.placement``), with a random stream of 10 %, red
picks of 15 % and a profile that fits three of ten vehicles of any risk. Places are compared within
one post and vehicle class: what a class is anybody sees. SYNTHETIC: no figure here is about any
border.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from engine.decision.placement import MOST_PEERS, MeritPeers, drawn_merit
from engine.selection.percentiles import LEVELS
from engine.selection.policy import Chance, Channel, Policy, lot, score_chances, select
from engine.selection.randomization import RANDOM, SCORE
from models.array_types import Floats

POLICY = Policy(red_share=0.15, yellow_share=0.05, random_share=0.10)
PROFILE = Chance("profile:any", Channel.RED, 0.5)
FITS = 0.3
WARM = 16
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
    tables = {post: _table(entries.risk[entries.post == post]) for post in set(entries.post)}
    peers: dict[Group, deque[float]] = defaultdict(lambda: deque(maxlen=MOST_PEERS))
    seen: dict[Group, int] = defaultdict(int)
    found: dict[Group, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for at, post in enumerate(entries.post):
        group, risk = (post, entries.vehicle_class[at]), float(entries.risk[at])
        numbers = rng.random(5).tolist()
        draws = {SCORE: numbers[0], RANDOM: numbers[1], PROFILE.purpose: numbers[2]}
        fits = (PROFILE,) if numbers[3] < FITS else ()
        chosen = select(
            (*score_chances(POLICY, float(entries.level[at])), *fits, lot(POLICY)), draws
        )
        if chosen.channel is not Channel.RED or chosen.basis is None:
            continue
        among = MeritPeers(tuple(sorted(peers[group])), tables[post], POLICY, Channel.RED)
        is_own = all_own or chosen.basis == "score"
        if seen[group] >= WARM:
            merit = risk if is_own else drawn_merit(among, numbers[4])
            found[group][chosen.basis].append(merit)
        if chosen.basis == "score":
            peers[group].append(risk)
            seen[group] += 1
    return found


def apart(found: Sequence[Mapping[Group, Mapping[str, Sequence[float]]]]) -> Mapping[str, Apart]:
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


def _table(risks: Floats) -> tuple[float, ...]:
    return tuple(np.quantile(risks, np.linspace(0, 1, LEVELS)).tolist())
