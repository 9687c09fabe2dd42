"""Setup shared by all policies of one synthetic world: trips, past, roster, random numbers.

At 50,000 crossings a year a post sees four entries a day, so a shift of hours would have less than
one search to give: here the minutes of a post's shifts in four weeks stand together as one roster.
Searches are charged at their expected minutes, worked out from the world's own constants.
"""

from dataclasses import dataclass

import numpy as np

from engine.domain.time_units import DAY
from experiments.simulation.candidate_records import Candidates, candidates
from experiments.synthetic.config import Config, Floats
from experiments.synthetic.records.writer import TRIPS_A_CROSSING
from experiments.synthetic.unfolding import inspections
from experiments.synthetic.world.network import POSTS, TRUCK
from experiments.synthetic.world.trips import ORDINARY
from experiments.synthetic.world.world_plan import WorldPlan as Trips
from experiments.synthetic.world.world_plan import plan
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan

SEARCH, LOT, LOOK = range(3)
"""How a vehicle is inspected: searched by choice, random check, documents and scan alone."""
SHIFT_DAYS = 28
"""Days whose minutes stand together; also from one refit to the next."""
CAPACITY = 0.10
"""Full searches that the roster allows, as a share of entries: what the product's shares ask for
(4 % by score, 3 % at random, 8 % of documents and scan at a third of the minutes)."""
_NOISE = float(np.exp(0.25**2 / 2))  # mean of the log-normal spread of a search's minutes


@dataclass(frozen=True, slots=True)
class Span:
    """How large a world is, and for how long it is looked at."""

    crossings: int = 50_000
    """A year."""
    days: int = 364
    """Measured, from the end of the past on."""
    past_days: int = 182
    """Searched by the historical policy, the same for all."""
    capacity: float = CAPACITY
    """Searches that the roster allows, as a share of entries."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One world before any policy; one entry a trip unless stated otherwise."""

    trips: Trips
    records: Candidates
    span: Span
    minutes: Floats
    """Expected minutes, shape (3, trips): ``SEARCH``, ``LOT``, ``LOOK``."""
    budget: Floats
    """Minutes of each post's roster for ``SHIFT_DAYS``."""
    u_random: Floats
    u_pick: Floats
    """Numbers drawn once: every policy meets the same luck."""

    @property
    def begins(self) -> int:
        """UTC microseconds from which policies choose for themselves."""
        return self.trips.config.first_midnight + self.span.past_days * DAY

    @property
    def ends(self) -> int:
        """UTC microseconds at which the count stops."""
        return self.begins + self.span.days * DAY


def setting(seed: int, span: Span, *, end: int) -> Setting:
    """Draw a world and encode every record that it could leave."""
    days = span.past_days + span.days
    wanted = span.crossings * days / 365.0
    config = Config(round(wanted), seed, end, days)
    trips = plan(config, wanted * TRIPS_A_CROSSING)
    rng = config.rng("simulated draws")
    u_random, u_pick = rng.random((2, len(trips.calls.vehicle)))
    minutes = expected_minutes(trips)
    return Setting(
        trips=trips,
        records=candidates(trips, Plan(CATALOGUE)),
        span=span,
        minutes=minutes,
        budget=span.capacity * _load(trips, minutes[0]),
        u_random=u_random,
        u_pick=u_pick,
    )


def expected_minutes(trips: Trips) -> Floats:
    """Return minutes, shape (3, trips): of a chosen search, a random check, a look at papers.

    Follows how :mod:`experiments.synthetic.unfolding.inspections` draws its methods; what a find
    takes beyond that is no part of a roster.
    """
    kind, post = trips.vehicles.vehicle_class[trips.calls.vehicle], trips.entry_post
    scanner = np.array([p.has_scanner for p in POSTS])[post]
    scale = np.array([p.has_scale for p in POSTS])[post]
    scanned = np.where(scanner, np.where(kind == TRUCK, 0.65, 0.3), 0.0)
    weighed = np.where(scale & (kind >= TRUCK), 0.4, 0.0)
    made = []
    for papers_only, physical in ((0.12, 0.7), (0.0, 0.8)):
        weak = (1 - scanned) * 0.5
        shares = np.array(
            [
                np.full(len(kind), 0.9 + 0.1 * papers_only),
                weighed,
                scanned * (1 - papers_only),
                np.full(len(kind), 0.5 * (1 - papers_only)),
                (weak + (1 - weak) * physical) * (1 - papers_only),
            ]
        )
        made.append(inspections.MINUTES @ shares * inspections.CLASS_MINUTES[kind] * _NOISE)
    looks = np.array([np.ones(len(kind)), weighed, 0.88 * scanned])
    made.append(
        inspections.MINUTES[: len(looks)] @ looks * inspections.CLASS_MINUTES[kind] * _NOISE
    )
    return np.array(made)


def _load(trips: Trips, minutes: Floats) -> Floats:
    """Return the minutes of searching everybody at each post, from its lawful traffic."""
    usual = (trips.calls.role == ORDINARY) & (trips.entry_post >= 0)
    total = np.bincount(trips.entry_post[usual], minutes[usual], minlength=len(POSTS))
    return np.asarray(total * SHIFT_DAYS / trips.config.days)
