"""What traders do when a wrong declaration of theirs was found.

Most go on as before; some hold the wrong consignments of that lane back for weeks, or send them
another way, and declare rightly what they do send. So what was learnt of them fades. Assumed, see
docs/synthetic.md.
"""

import numpy as np

from engine.domain.time_units import DAY
from experiments.synthetic.config import Bools, Ints
from experiments.synthetic.world.cargo import NONE
from experiments.synthetic.world.world_plan import WorldPlan

CAREFUL = 0.25
"""Finds after which the traders of a lane are careful."""
CAREFUL_DAYS = 45.0
"""For how long, on average."""


class Traders:
    """Who is careful while days go by: lanes, and vehicles that trade without papers."""

    def __init__(self, plan: WorldPlan) -> None:
        rng = plan.config.rng("traders' nerves")
        n = len(plan.calls.vehicle)
        lane, lanes = plan.habits.lane, len(plan.lanes.group)
        named = plan.cargo.is_declared & (lane >= 0)
        self.who = np.where(named, lane, lanes + plan.calls.vehicle)
        self.wrong = plan.cargo.discrepancy != NONE
        self.lawful = plan.front < 0
        self.until = np.zeros(lanes + len(plan.vehicles.carrier), np.int64)
        self.days = np.where(rng.random(n) < CAREFUL, rng.exponential(CAREFUL_DAYS, n), 0.0)
        self.p_wrong = plan.cargo.p_discrepancy.copy()

    def hold_back(self, rows: Ints, now: int) -> Bools:
        """Say which of the day's trips stay away; a careful trader sends nothing wrong."""
        careful = self.lawful[rows] & (self.until[self.who[rows]] > now)
        self.p_wrong[rows[careful]] = 0.0
        return np.asarray(careful & self.wrong[rows])

    def react(self, rows: Ints, now: int) -> None:
        """Let those whose wrong declarations were found think about it."""
        until = now + (self.days[rows] * DAY).astype(np.int64)
        np.maximum.at(self.until, self.who[rows], until)
