"""How much of a shift's inspection minutes is left, and what share of arrivals may spend it.

The share above the cut is set anew for every arrival, so that the expected minutes of those still
to come above it are the minutes left. Profiles, rules and the watch list are served first, since
somebody answers for them by name; then the random stream, whose minutes are reserved; the score has
what remains, and yields first when there is too little. Red vehicles use the minutes of physical
inspection, yellow ones those of documents and scanner.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.decision.inspection_minutes import Minutes
from engine.domain.records import Method
from engine.selection.policy import Channel, Policy

METHODS: Mapping[Channel, tuple[Method, ...]] = {
    Channel.RED: ("physical",),
    Channel.YELLOW: ("documents", "xray"),
}
"""Whose minutes a channel uses. Dogs and weighbridges go with either and bound neither."""
MOST_SHARE = 0.25
"""No channel takes more of the arrivals by score, however many minutes are left."""
CAUTION = 1.0
"""Standard deviations of what the lot and the profiles may still take that are kept back."""
SLACK = 0.05
"""Part of a shift's minutes by which one last long inspection may exceed them."""


@dataclass(frozen=True, slots=True)
class MinutesUsed:
    """Expected minutes of what was sent to one channel so far in a shift."""

    ours: float = 0.0
    """Picked by score or by lot."""
    mandated: float = 0.0
    """Picked by a profile, a rule or the watch list."""


@dataclass(frozen=True, slots=True)
class ExpectedRemainder:
    """What is expected of the rest of a shift."""

    arrivals: float
    """Arrivals still to come, the one at hand included."""
    mean: float
    """Expected minutes of one pick in this channel."""
    mandated: float
    """Minutes that profiles, rules and the watch list will take, for each arrival."""


@dataclass(frozen=True, slots=True)
class ChannelCapacity:
    """One channel of a shift: its minutes, what they went to, what is still to come."""

    minutes: float
    spent: MinutesUsed
    outlook: ExpectedRemainder

    @property
    def left(self) -> float:
        """Minutes not spoken for yet."""
        return self.minutes - self.spent.ours - self.spent.mandated

    @property
    def is_oversubscribed(self) -> bool:
        """Tell whether profiles, rules and the watch list alone ask for more than there is."""
        return self.spent.mandated > self.minutes

    def share(self, *, reserved: float, expected: float) -> float:
        """Return the share of arrivals that the score may pick.

        ``reserved`` is the share of the random stream, ``expected`` the minutes that the arrival at
        hand would take: where it does not fit any more, the score does not pick it.
        """
        coming = max(self.outlook.arrivals, 1.0)
        promised = coming * (self.outlook.mandated + reserved * self.outlook.mean)
        # What chance may add to that is kept back too; it shrinks as the shift runs out.
        spread = CAUTION * math.sqrt(promised * self.outlook.mean)
        free = self.left - promised - spread
        if free <= 0.0 or expected > self.left + SLACK * self.minutes:
            return 0.0
        return min(MOST_SHARE, free / (coming * self.outlook.mean))


def adapt_policy(
    policy: Policy, sides: Mapping[Channel, ChannelCapacity], minutes: Minutes
) -> Policy:
    """Return the policy for one arrival; a channel without a roster keeps its fixed share."""
    red, yellow = sides.get(Channel.RED), sides.get(Channel.YELLOW)
    share: dict[str, float] = {}
    if red is not None:
        share["red_share"] = red.share(reserved=policy.random_share, expected=minutes.red)
    if yellow is not None:
        share["yellow_share"] = yellow.share(reserved=0.0, expected=minutes.yellow)
    return replace(policy, **share)
