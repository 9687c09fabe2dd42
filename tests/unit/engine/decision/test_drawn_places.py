"""Places of random checks and profiles do not tell what picked a vehicle: they are drawn.

Entries of one post pass the service's own selection and placement, with a random stream of 10 %,
red picks of 15 % and a profile that fits three of ten vehicles of any risk. Places are compared
within one vehicle class: what a class is anybody sees.
"""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from engine.decision.decision import MOST_PEERS, MeritPeers, drawn_merit
from engine.selection import (
    PAPERS,
    RANDOM,
    RANDOM_PAPERS,
    SCORE,
    TABLE_LEVELS,
    Chance,
    Channel,
    Levels,
    Policy,
    percentile,
    random_chances,
    score_chances,
    select,
)

POLICY = Policy(red_share=0.15, yellow_share=0.05, random_share=0.10)
ANY_PROFILE = Chance("profile:any", Channel.RED, 0.5)
PROFILE_FITS = 0.3
WARM_PICKS = 16
"""Scored picks of a class before its places are compared: until then the table stands in."""
ENTRIES = 12_000
Merits = Mapping[str, Mapping[str, Sequence[float]]]


def queue_merits(*, all_own: bool = False) -> Merits:
    """Return the merits that red vehicles queue with, by class, then by basis.

    Trucks stand higher in risk than cars. ``all_own`` lets every vehicle queue with its own risk.
    """
    rng = np.random.default_rng(1)
    kinds = np.where(rng.random(ENTRIES) < 0.5, "truck", "car")
    risks = rng.random(ENTRIES) ** np.where(kinds == "truck", 2.0, 4.0)
    table = tuple(np.quantile(risks, np.linspace(0, 1, TABLE_LEVELS)).tolist())
    peers: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MOST_PEERS))
    seen: dict[str, int] = defaultdict(int)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for kind, risk in zip(kinds.tolist(), risks.tolist(), strict=True):
        draw, luck, profile, fit, place = rng.random(5).tolist()
        chances = score_chances(POLICY, Levels(percentile(table, risk), 0.0))
        profiles = (ANY_PROFILE,) if fit < PROFILE_FITS else ()
        draws = {SCORE: draw, RANDOM: luck, ANY_PROFILE.purpose: profile}
        draws |= {PAPERS: 0.999, RANDOM_PAPERS: 0.999}
        chosen = select((*chances, *profiles, *random_chances(POLICY)), draws)
        if chosen.channel is not Channel.RED or chosen.basis is None:
            continue
        among = MeritPeers(tuple(sorted(peers[kind])), table, POLICY, Channel.RED)
        is_own = all_own or chosen.basis == "score"
        if seen[kind] >= WARM_PICKS:
            found[kind][chosen.basis].append(risk if is_own else drawn_merit(among, place))
        if chosen.basis == "score":
            peers[kind].append(risk)
            seen[kind] += 1
    return found


def tell_apart(found: Merits) -> dict[tuple[str, str], float]:
    """Return how well places tell each two bases apart, in [0.5, 1], over pairs of one class."""
    areas = {}
    for bases in combinations(("random", "profile", "score"), 2):
        won, pairs = np.sum([_count_pairs(one, *bases) for one in found.values()], axis=0)
        assert pairs >= 2_000
        areas[bases] = max(won / pairs, 1 - won / pairs)
    return areas


def _count_pairs(
    merits: Mapping[str, Sequence[float]], one: str, other: str
) -> tuple[float, float]:
    first, second = np.array(merits[one]), np.sort(merits[other])
    below = np.searchsorted(second, first, "left") + np.searchsorted(second, first, "right")
    return float(below.sum()) / 2.0, float(len(first) * len(second))


def test_drawn_places_do_not_tell_and_own_ones_do() -> None:
    """Negative control: every vehicle by its own risk, random checks would come last."""
    assert max(tell_apart(queue_merits()).values()) <= 0.55
    own = tell_apart(queue_merits(all_own=True))
    assert own["random", "score"] > 0.8 and own["profile", "score"] > 0.8
