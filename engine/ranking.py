"""Which of the waiting vehicles comes first.

Channels draw on different hands (red on bays and searching officers, yellow on desks and scanners),
so a red vehicle always comes before a yellow one, and within a channel the order is expected value
per expected minute; see :mod:`engine.minutes`.
"""

from collections.abc import Sequence

from engine.minutes import Minutes
from engine.selection import Channel

SHORTEST = 1.0
"""Minutes an inspection takes at least, so that no vehicle's place is beyond all bounds."""
CHANNEL_STEP = 10**12
"""What one channel is worth in a place: more than any risk."""
MERIT_MOST = 10**11
"""A place within its channel is at most this: a risk of one for each minute."""
FEWEST_PLACES = 20
"""Scored picks from which on a random pick's place is drawn among theirs."""


def place_of(channel: Channel, risk: float, *, minutes: Minutes) -> int:
    """Return what a queue is ordered by, highest first; ``risk`` lies in [0, 1]."""
    per_minute = risk / max(minutes.of(channel) or minutes.red, SHORTEST)
    return int(channel) * CHANNEL_STEP + round(per_minute * MERIT_MOST)


def place_among(places: Sequence[int], drawn: float) -> int | None:
    """Return one of the places of scored picks, ascending, that a number in [0, 1) draws.

    ``None`` where there are fewer than ``FEWEST_PLACES``: one of so few would be known by its own.
    """
    return places[int(drawn * len(places))] if len(places) >= FEWEST_PLACES else None
