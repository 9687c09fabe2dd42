"""Policies that learn from what they searched: exploiting alone, and ours.

Both see the same features and are fitted again every four weeks. The first searches the highest
scores and nothing else. Ours is what the product does, in a light configuration: both targets,
random checks that are never off, value per minute, a smooth cut, propensities written down, and
half of the minutes for documents and scan, which go to whom comes next after those to be searched.
"""

from abc import ABC, abstractmethod

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from engine.errors import NotEnoughDataError
from engine.selection.policy import ramp
from experiments.simulation.baseline_policies import FeaturePolicy, profile_weights
from experiments.simulation.capacity_allocation import Place
from experiments.simulation.world_setup import SEARCH, Setting
from experiments.synthetic.config import Floats, Ints
from experiments.synthetic.unfolding.historical_policy import BASES
from experiments.synthetic.world.network import CLASSES, COUNTRIES, POSTS
from models.config import TrainConfig, Trees
from models.data.dataset import Dataset
from models.learning.base_learners import grow
from models.learning.fit import fit
from models.learning.fitted_model import FittedModel

FEWEST_FINDS = 10
"""Below this many finds nothing is fitted, and profiles rank."""
LIGHT = Trees(iterations=60, learning_rate=0.08, seeds=1)
OURS_RANDOM_SHARE = 0.03
BLUR = 0.25
LOOKS = 0.5
"""Part of the minutes that is for documents and scan, as in most rosters of the synthetic network:
480 minutes of documents and 480 of physical inspection a shift."""


class Learner(FeaturePolicy, ABC):
    """A policy whose ranking comes from a model once there is one."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.is_fitted = False

    def score(self, rows: Ints) -> Floats:
        """Rank arrivals, shape (n,), by the model in force, by profiles before there is one."""
        self.see(rows)
        return self._rank(rows)

    def again(self, rows: Ints) -> Floats | None:
        """Rank earlier arrivals, shape (n,), by the model in force."""
        return self._rank(rows)

    def _rank(self, rows: Ints) -> Floats:
        if not len(rows):
            return np.zeros(0)
        if not self.is_fitted:
            return profile_weights(self.names, self.values[rows])
        return self.rank_by_model(rows)

    @abstractmethod
    def rank_by_model(self, rows: Ints) -> Floats:
        """Rank arrivals, shape (n,), by the model."""


class Exploit(Learner):
    """Gradient boosting on finds of any kind; the top scores, and nothing else."""

    model: HistGradientBoostingClassifier

    def rank_by_model(self, rows: Ints) -> Floats:
        """Return the log-odds of a find, shape (n,)."""
        return np.asarray(self.model.decision_function(self.values[rows]), np.float64)

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
    """Policy of the product: value per minute, a smooth cut, random checks that are never off."""

    random_share = OURS_RANDOM_SHARE
    looks = LOOKS
    model: FittedModel
    config = TrainConfig(
        discrepancy=Trees(seeds=2, share_of_features=0.3),
        seizure=Trees(iterations=100, depth=3, leaves=8, ridge=10.0, seeds=1),
        folds=3,
        few_discrepancies=FEWEST_FINDS,
        jobs=1,
    )

    def rank_by_model(self, rows: Ints) -> Floats:
        """Return the severity-weighted risk for each expected minute, shape (n,)."""
        return np.asarray(self.model.risk(self.values[rows]) / self.setting.minutes[SEARCH, rows])

    def chance(self, place: Place, share: float) -> float:
        """Choose smoothly near the cut, so that its edge can be learnt from."""
        return ramp(place.percentile, share, blur=BLUR)

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
            is_full=acted & (found >= 0),
            synthetic=True,
        )
