"""Which of the waiting vehicles comes first.

Channels draw on different hands (red on bays and searching officers, yellow on desks and scanners),
so a red vehicle always comes before a yellow one, and within a channel the order is expected value
per expected minute; see :mod:`engine.minutes`.
"""

from engine.minutes import Minutes
from engine.selection import Channel

SHORTEST = 1.0
"""Minutes an inspection takes at least, so that no vehicle's place is beyond all bounds."""
CHANNEL_STEP = 10**12
"""What one channel is worth in a place: more than any risk."""
FORWARD = 2 * 10**11
"""What an alert adds to a place: more than any risk per minute, less than a channel."""
_SCALE = 10**11


def place_of(channel: Channel, risk: float, *, minutes: Minutes) -> int:
    """Return what a queue is ordered by, highest first; ``risk`` lies in [0, 1]."""
    per_minute = risk / max(minutes.of(channel) or minutes.red, SHORTEST)
    return int(channel) * CHANNEL_STEP + round(per_minute * _SCALE)
