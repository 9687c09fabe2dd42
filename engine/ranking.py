"""Which of the waiting vehicles comes first.

Channels draw on different hands (red on bays and searching officers, yellow on desks and scanners),
so a red vehicle always comes before a yellow one, and within a channel the order is expected value
per expected minute. The minutes are stated by judgement for each vehicle class: they are not learnt
from inspection acts yet.
"""

from engine.records import VehicleClass
from engine.selection import Channel

MINUTES: dict[VehicleClass, float] = {
    "car": 20.0,
    "van": 30.0,
    "bus": 60.0,
    "truck": 60.0,
    "rail_wagon": 90.0,
    "other": 45.0,
}
"""Expected minutes of a physical inspection; the other channels keep the same proportions."""

RANKING_VERSION = "minutes-1"
"""Changes whenever the minutes change; kept with every decision."""
_CHANNEL_STEP = 10**12
_SCALE = 10**11


def place_of(channel: Channel, risk: float, *, vehicle_class: VehicleClass) -> int:
    """Return what a queue is ordered by, highest first; ``risk`` lies in [0, 1]."""
    per_minute = risk / MINUTES[vehicle_class]
    return int(channel) * _CHANNEL_STEP + round(per_minute * _SCALE)
