"""A feature is one line of the catalogue: the service reads it as a history does."""

import numpy as np
import pytest

from engine.domain.time_units import HOUR
from engine.storage.database import Store
from features.catalogue import catalogue
from features.catalogue.event_streams import CROSSINGS, INSPECTIONS
from features.catalogue.plan import Plan
from features.catalogue.spec import count, previous, smoothed_rate
from tests.unit.features.online.replay import Replay, as_bulk, batches, steps, unlike_bulk
from tests.unit.features.random_histories import history

BY = ("carrier", "driver", "hs2")


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Declare three features, and nothing else."""
    monkeypatch.setattr(catalogue, "CATALOGUE", {})
    catalogue.feature("links", "seen_together", count(CROSSINGS, BY, 90))
    catalogue.feature("links", "found_together", smoothed_rate(INSPECTIONS, "hit", BY, 200))
    catalogue.feature("links", "mass_before", previous(CROSSINGS, "weighed_mass_kg", BY))
    return Plan(catalogue.CATALOGUE)


def test_one_line_makes_a_feature_for_the_service(store: Store, plan: Plan) -> None:
    found, replay = history(5, 250, step=HOUR), Replay(store, plan)
    for batch in batches(steps(found), 12):
        replay.batch(batch)
    assert replay.features.names == ("seen_together", "found_together", "mass_before")
    assert unlike_bulk(found, replay) == (0, 0)
    values = as_bulk(found, replay).values
    assert (np.nanmax(values, axis=0) > np.nanmin(values, axis=0)).all()
