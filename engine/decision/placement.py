"""The merit that a referred vehicle queues with: its own, or one drawn among the scored picks.

Only a vehicle whose basis is the score queues with its own merit. Every other one (a random check,
a profile, an entry of the watch list, a rule, a supervisor's override) takes a merit drawn from
those of the last scored picks of the same post, channel, vehicle class and model: a new scored pick
falls between any two of them with the same probability, so that the place tells nothing of it.
While fewer than ``FEWEST`` are known, quantiles of the post's table stand in for the missing ones;
they are of all classes together, so a place may tell a little of the basis then.

A sender who changes a declaration to see whether the place moves must not learn the basis either:
after an amendment every vehicle takes a drawn merit, by a number of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.selection.percentiles import at
from engine.selection.policy import Channel, Policy, level_among_picks, picked_levels
from engine.selection.randomization import PLACE, PLACE_AMENDED

PLACEMENT_VERSION = "placement-1"
"""Changes whenever this rule changes; kept with every decision."""
FEWEST = 16
"""Merits that one is drawn among."""
MOST_PEERS = 32
"""The last scored picks that are looked at."""


@dataclass(frozen=True, slots=True)
class MeritPeers:
    """What a merit is drawn among."""

    merits: Sequence[float]
    """Of the last scored picks, ascending."""
    table: Sequence[float]
    """Quantiles of the risk at the post; empty without a model."""
    policy: Policy
    channel: Channel


def purpose_of(amendment: int) -> str:
    """Return what the number is drawn for; ``amendment`` counts the changes of the declaration."""
    return PLACE_AMENDED if amendment else PLACE


def drawn_merit(peers: MeritPeers, drawn: float) -> float:
    """Return the merit at a number drawn in [0, 1); without a model the number itself."""
    if not peers.table:
        return drawn
    missing = max(FEWEST - len(peers.merits), 0)
    prior = [_prior(peers, (place + 0.5) / missing) for place in range(missing)]
    points = sorted([*peers.merits, *prior])
    low, high = picked_levels(peers.policy, peers.channel)
    ends = [
        min(points[0], at(peers.table, low)),
        *points,
        max(points[-1], at(peers.table, high)),
    ]
    where = drawn * (len(points) + 1)
    gap = min(int(where), len(points))
    return ends[gap] + (where - gap) * (ends[gap + 1] - ends[gap])


def _prior(peers: MeritPeers, drawn: float) -> float:
    return at(peers.table, level_among_picks(drawn, peers.policy, peers.channel))
