"""How smuggling circles work.

A circle controls fronts (small carriers with vehicles and drivers of their own), a few key drivers
whom all its fronts share, and consignees for its cover loads. One front works at a time; after a
seizure the circle goes quiet, then comes back, often with another front on another road and
another way of hiding. Shares and preferences are assumed, see docs/synthetic.md.
"""

from dataclasses import dataclass

import numpy as np

from experiments.synthetic.config import Floats, Ints, pick

FRONTS = 3
KEY_DRIVERS = 5
COVER_LANES = 3
ROADS = 2
"""Roads that a front works on, each with its own cover lanes."""
LOADS_A_YEAR = 75.0
CIRCLE_LOADS = 0.0078
"""Circle loads as a share of entries: far above life, so that 100,000 teach."""

SUBSTANCES = (
    ("opium", "narcotic", 1.0),
    ("heroin", "narcotic", 1.3),
    ("hashish", "narcotic", 2.2),
    ("cannabis", "narcotic", 0.8),
    ("methamphetamine", "psychotropic", 1.2),
    ("mephedrone", "psychotropic", 0.8),
    ("pregabalin", "psychotropic", 0.7),
    ("acetic_anhydride", "precursor", 0.5),
    ("unidentified", "other", 0.2),
)


@dataclass(frozen=True, slots=True)
class Circles:
    """Circles and their fronts; front ``f`` belongs to circle ``f // FRONTS``."""

    load_rate: Floats
    """Per circle: chance that a suitable trip of the working front is a run."""
    substance: Ints
    """Per front, as the next two."""
    quantity_g: Floats
    """Median of a load."""
    established: Ints
    """1 if it trades lawfully before the circle uses it."""
    vehicle_front: Ints
    """Per vehicle of the whole fleet, as the next three: its front, or -1."""
    vehicle_road: Ints
    """pair * 2 + direction of its runs, or -1."""
    vehicle_lane: Ints
    """Its first cover lane, COVER_LANES of them follow; or -1."""
    way_order: Ints
    """In which order each circle prefers its ways of hiding: ``hiding.order``."""

    @property
    def count(self) -> int:
        """How many circles there are."""
        return len(self.load_rate)


def substances(rng: np.random.Generator, count: int) -> Ints:
    """Draw substances."""
    return pick(np.array([weight for _, _, weight in SUBSTANCES]), rng.random(count))
