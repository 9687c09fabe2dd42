"""Policies that learn little: random checks, fixed profiles, an officer with habits.

They are made as good as their kind allows, since a weak opponent proves nothing: profiles hold the
product's own indicator rules and lists of past offenders, and the officer sees and remembers what
the historical officers do.
"""

import numpy as np

from engine.criteria.indicator_rules import estimate_rule_risk
from experiments.simulation.capacity_allocation import Chooser, Place
from experiments.simulation.incremental_features import WorldRecords
from experiments.simulation.world_setup import Setting
from experiments.synthetic.config import Bools, Floats, Ints
from experiments.synthetic.unfolding.historical_policy import (
    OFFICER,
    Choice,
    HistoricalPolicy,
    Results,
)
from experiments.synthetic.world.network import CLASSES, COUNTRIES, POSTS
from features.catalogue.plan import Rows

PROFILES_RANDOM_SHARE = 0.01
"""Least random rate of the profile policy."""
UNDERVALUED, LISTED, NEW_AND_DEAR = 0.5, 0.6, 0.2
"""Percentages of the profiles next to the indicator rules, as shares."""
HEAT = 2.0
"""How much more an officer makes of past finds than of what the eye can see."""


class Random(Chooser):
    """Random checks alone."""

    random_share = None


class FeaturePolicy(Chooser):
    """A policy that sees features, and knows what acts have found."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        n = len(setting.u_random)
        self.records = WorldRecords(setting.records)
        self.names = setting.records.plan.names
        self.values: Rows = np.zeros((n, len(self.names)), np.float32)
        self.arrived: Bools = np.zeros(n, np.bool_)
        self.basis_of = np.full(n, -1, np.int8)
        self.propensity: Floats = np.full(n, np.nan)
        self.outcome = np.full(n, -1, np.int8)
        self.known_at = np.full(n, np.iinfo(np.int64).max)

    def see(self, rows: Ints) -> Rows:
        """Take in arrivals, shape (n,), and return their features, shape (n, f)."""
        self.values[rows] = self.records.features(self.records.arrive(rows))
        self.arrived[rows] = True
        return self.values[rows]

    def note_searches(self, rows: Ints, choice: Choice) -> None:
        """Note who of these rows, shape (n,), was chosen, and with what probability."""
        self.basis_of[rows], self.propensity[rows] = choice.basis, choice.propensity

    def learn(self, results: Results, *, at: int) -> None:
        """Take in results: of acts first, all else is a find made elsewhere."""
        acted = (self.basis_of[results.rows] >= 0) & (self.outcome[results.rows] < 0)
        acts, finds = results.rows[acted], results.rows[~acted]
        self.records.act(acts, results.outcome[acted], at=at)
        self.records.find(finds, self.setting.trips.loads.quantity_g[finds], at=at)
        for rows, outcome in ((acts, results.outcome[acted]), (finds, results.outcome[~acted])):
            more = outcome > self.outcome[rows]
            self.outcome[rows[more]] = outcome[more]
            self.known_at[rows[more]] = at


class Profiles(FeaturePolicy):
    """Fixed criteria with percentages, turned up or down alike until they fill the roster."""

    random_share = PROFILES_RANDOM_SHARE

    def score(self, rows: Ints) -> Floats:
        """Return the probability, shape (n,), that a profile selects, before it is turned up."""
        return profile_weights(self.names, self.see(rows))

    def chance(self, place: Place, share: float) -> float:
        """Percentages in proportion, so that together they choose ``share`` of arrivals."""
        return min(1.0, place.score * share / max(place.typical, 1e-9))


def profile_weights(names: tuple[str, ...], values: Rows) -> Floats:
    """Return the probability, shape (n,), that at least one profile selects each row."""
    known = {name: values[:, at] for at, name in enumerate(names)}
    rules = np.array(
        [estimate_rule_risk(dict(zip(names, row, strict=True))) for row in values.tolist()]
    )
    dear = known["duty_rate"] > 0.12
    listed = np.zeros(len(values), np.bool_)
    for who in ("plate", "driver", "carrier", "consignee", "declarant"):
        listed |= known[f"{who}_hit_rate"] > 0.12
    profiles = (
        (UNDERVALUED, (known["value_over_usual"] < 0.7) & dear),
        (LISTED, listed),
        (NEW_AND_DEAR, (known["new_consignee_for_carrier"] == 1) & dear),
    )
    left = 1.0 - rules.reshape(len(values))
    for share, fires in profiles:
        left = left * np.where(fires, 1.0 - share, 1.0)
    return np.asarray(1.0 - left, np.float64)


class Officer(Chooser):
    """An experienced eye: what can be seen, a memory for finds, favourites and habits."""

    basis = OFFICER

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        rng = setting.trips.config.rng("officer's favourites")
        self.trips = setting.trips
        self.eye = HistoricalPolicy(setting.trips)
        self.classes = rng.normal(0, 0.4, (len(POSTS), len(CLASSES)))
        self.countries = rng.normal(0, 0.4, (len(POSTS), len(COUNTRIES)))

    def score(self, rows: Ints) -> Floats:
        """Return how suspicious each arrival looks to the officer of its post, shape (n,)."""
        trips, post = self.trips, self.trips.entry_post[rows]
        vehicle = trips.calls.vehicle[rows]
        score = self.eye.looks[rows] + self.classes[post, trips.vehicles.vehicle_class[vehicle]]
        score = score + self.countries[post, trips.vehicles.country[vehicle]]
        return np.asarray(score + HEAT * self.eye.recall_finds(rows), np.float64)

    def learn(self, results: Results, *, at: int) -> None:
        """Remember finds; they fade."""
        self.eye.learn(results)
