"""A feature is one line of the catalogue: the service reads it as a history does."""

from collections.abc import Sequence

import numpy as np
import pytest

from engine.store import Store
from engine.times import HOUR
from features import catalogue
from features.definitions import count, previous, smoothed_rate
from features.plan import Plan
from features.streams import CROSSINGS, INSPECTIONS
from tests.histories import history
from tests.store import test_counters
from tests.store.test_counters import Replay, as_bulk, differing

BY = ("carrier", "driver", "hs2")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Sequence[str]:
    """Declare three features, and nothing else."""
    monkeypatch.setattr(catalogue, "CATALOGUE", {})
    catalogue.feature("links", "seen_together", count(CROSSINGS, BY, 90))
    catalogue.feature("links", "found_together", smoothed_rate(INSPECTIONS, "hit", BY, 200))
    catalogue.feature("links", "mass_before", previous(CROSSINGS, "weighed_mass_kg", BY))
    monkeypatch.setattr(test_counters, "PLAN", Plan(catalogue.CATALOGUE))
    return tuple(catalogue.CATALOGUE)


def test_one_line_makes_a_feature_for_the_service(store: Store, names: Sequence[str]) -> None:
    found, replay = history(5, 250, step=HOUR), Replay(store)
    assert replay.features.names == names
    assert differing(found, replay, 7) == 0
    values = as_bulk(found, replay)
    assert (np.nanmax(values, axis=0) > np.nanmin(values, axis=0)).all()
