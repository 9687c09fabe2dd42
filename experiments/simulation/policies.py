"""Policies: random checks, fixed profiles, an officer with habits, and three that learn.

The first three learn little. They are made as good as their kind allows, since a weak opponent
proves nothing: profiles hold the product's own indicator rules and lists of past offenders, and the
officer sees and remembers what the historical officers do.

Those that learn see the same features and are fitted again every four weeks. The first takes the
highest scores and nothing else. The second is what the product does, in a light configuration: both
targets, each with a list and minutes of its own, random checks that are never off, a smooth cut,
propensities written down. The third is the same with one list for both, as the product was until
30 November 2026.
"""

from abc import ABC, abstractmethod

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from engine.criteria.indicator_rules import estimate_rule_risk
from engine.errors import NotEnoughDataError
from engine.selection import Policy, ramp
from experiments.simulation.capacity import LOOK, SEARCH, Chooser, Place, Setting
from experiments.simulation.world_records import WorldRecords
from experiments.synthetic.inspections import BASES, OFFICER, Choice, HistoricalPolicy, Results
from experiments.synthetic.posts import CLASSES, COUNTRIES, POSTS, Bools, Floats, Ints
from features.catalogue.plan import Rows
from models.config import TrainConfig, Trees
from models.data.dataset import Dataset
from models.learning.base_learners import grow
from models.learning.fit import FittedModel, fit

PROFILES_RANDOM_SHARE = 0.01
"""Least random rate of the profile policy."""
UNDERVALUED, LISTED, NEW_AND_DEAR = 0.5, 0.6, 0.2
"""Percentages of the profiles next to the indicator rules, as shares."""
HEAT = 2.0
"""How much more an officer makes of past finds than of what the eye can see."""


class Random(Chooser):
    """Random checks alone, of vehicles and of papers."""

    random_share = None

    def chance(self, place: Place, share: float) -> float:
        """Return the share, whoever it is."""
        return share


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
        self.is_full: Bools = np.zeros(n, np.bool_)
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
        self.is_full[results.rows] |= results.is_full
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
        """Return the probability that a profile selects, before it is turned up."""
        return profile_weights(self.names, self.see(rows))[None]

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
        """Return how suspicious each arrival looks to the officer of its post."""
        trips, post = self.trips, self.trips.entry_post[rows]
        vehicle = trips.calls.vehicle[rows]
        score = self.eye.looks[rows] + self.classes[post, trips.vehicles.vehicle_class[vehicle]]
        score = score + self.countries[post, trips.vehicles.country[vehicle]]
        return np.asarray(score + HEAT * self.eye.recall_finds(rows), np.float64)[None]

    def learn(self, results: Results, *, at: int) -> None:
        """Remember finds; they fade."""
        self.eye.learn(results)


FEWEST_FINDS = 10
"""Below this many finds nothing is fitted, and profiles rank."""
LIGHT = Trees(iterations=60, learning_rate=0.08, seeds=1)
PRODUCT = Policy()
"""Random shares and the blur of the cuts."""


class Learner(FeaturePolicy, ABC):
    """A policy whose ranking comes from a model once there is one."""

    lists = 1
    """1 where searches and papers are ranked alike, else 2."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.is_fitted = False

    def score(self, rows: Ints) -> Floats:
        """Rank arrivals by the model in force, by profiles before there is one."""
        self.see(rows)
        return self._rank(rows)

    def again(self, rows: Ints) -> Floats | None:
        """Rank earlier arrivals by the model in force."""
        return self._rank(rows)

    def _rank(self, rows: Ints) -> Floats:
        if not len(rows):
            return np.zeros((self.lists, 0))
        if not self.is_fitted:
            found = profile_weights(self.names, self.values[rows])
            return np.broadcast_to(found, (self.lists, len(rows)))
        return self.rank_by_model(rows)

    @abstractmethod
    def rank_by_model(self, rows: Ints) -> Floats:
        """Rank arrivals by the model, shape (lists, n)."""


class Exploit(Learner):
    """Gradient boosting on finds of any kind; the top scores, and nothing else."""

    model: HistGradientBoostingClassifier

    def rank_by_model(self, rows: Ints) -> Floats:
        """Return the log-odds of a find."""
        return np.asarray(self.model.decision_function(self.values[rows]), np.float64)[None]

    def refit(self, now: int) -> None:
        """Fit one model to every act known."""
        rows = np.flatnonzero((self.outcome >= 0) & (self.basis_of >= 0))
        label = (self.outcome[rows] > 0).astype(np.int8)
        if label.sum() < FEWEST_FINDS:
            return
        signs = np.zeros(len(self.names), np.int8)
        self.model = grow(self.values[rows], label, trees=LIGHT, signs=signs, seed=1)
        self.is_fitted = True


class Ours(Learner):
    """Policy of the product: two lists, a smooth cut, random checks that are never off."""

    lists = 2
    random_share = PRODUCT.random_share
    random_papers = PRODUCT.random_yellow_share
    model: FittedModel
    config = TrainConfig(
        discrepancy=Trees(seeds=2, share_of_features=0.3),
        seizure=Trees(iterations=100, depth=3, leaves=8, ridge=10.0, seeds=1),
        folds=3,
        few_discrepancies=FEWEST_FINDS,
        jobs=1,
    )

    def rank_by_model(self, rows: Ints) -> Floats:
        """Return the chances of a seizure and of a discrepancy, each for a minute of its budget."""
        scores = self.model.score(self.values[rows])
        minutes = self.setting.minutes[:, rows]
        return np.array([scores.p_seizure / minutes[SEARCH], scores.p_discrepancy / minutes[LOOK]])

    def chance(self, place: Place, share: float) -> float:
        """Choose smoothly near the cut, so that its edge can be learnt from."""
        return ramp(place.percentile, share, blur=PRODUCT.blur)

    def refit(self, now: int) -> None:
        """Fit both targets, as the product does."""
        try:
            self.model = fit(self.dataset(now), self.config, until=now, known_before=now)
        except NotEnoughDataError:
            return
        self.is_fitted = True

    def dataset(self, now: int) -> Dataset:
        """Return every arrival so far, and what is known of it."""
        trips = self.setting.trips
        rows = np.flatnonzero(self.arrived)
        as_of = self.setting.records.log.as_of[self.setting.records.entry_row[rows]]
        rows, as_of = rows[np.argsort(as_of, kind="stable")], np.sort(as_of, kind="stable")
        vehicle = trips.calls.vehicle[rows]
        acted = self.basis_of[rows] >= 0
        found = self.outcome[rows]
        names = np.array([*BASES, None], object)
        label = np.where(found < 0, -1, found > 0).astype(np.int8)
        return Dataset(
            crossing_id=rows.astype(object),
            post=np.array([post.code for post in POSTS], object)[trips.entry_post[rows]],
            vehicle_class=np.array(CLASSES, object)[trips.vehicles.vehicle_class[vehicle]],
            direction=np.full(len(rows), "entry", object),
            plate_country=np.array(COUNTRIES, object)[trips.vehicles.country[vehicle]],
            arrived_at=trips.habits.entry_at[rows],
            as_of=as_of,
            names=self.names,
            definitions=self.setting.records.plan.digest,
            values=self.values[rows],
            seizure=np.where(found < 0, -1, found > 1).astype(np.int8),
            discrepancy=label,
            label_known_at=self.known_at[rows],
            basis=names[self.basis_of[rows]],
            propensity=np.where(acted, self.propensity[rows], np.nan),
            is_full=acted & self.is_full[rows],
            synthetic=True,
        )


class OneRank(Ours):
    """The product as it was: a seizure weighs five discrepancies, in one list for both budgets."""

    lists = 1

    def rank_by_model(self, rows: Ints) -> Floats:
        """Return the risk of both for each expected minute of search."""
        scores = self.model.score(self.values[rows])
        risk = (scores.p_discrepancy + 5 * scores.p_seizure) / 6
        return np.asarray(risk / self.setting.minutes[SEARCH, rows])[None]
