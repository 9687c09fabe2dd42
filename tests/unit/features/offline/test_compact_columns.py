"""Keys and facts held small are, to the bit, those of the encoder, crossing by crossing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue.catalogue import CATALOGUE
from features.catalogue.encoder import encode, key
from features.catalogue.plan import Plan
from features.offline.encoded_history import arrivals, read_log
from tests.unit.features.random_histories import history, tables

PLAN = Plan(CATALOGUE)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 120))
def test_a_log_holds_what_the_encoder_says(seed: int, size: int) -> None:
    found = tables(history(seed, size))
    log = read_log(found, PLAN)
    for row, each in enumerate(arrivals(found)):
        entities, facts = encode(*each, found.network)
        assert log.keys[:, row].tolist() == PLAN.keys(entities)
        expected = np.array(PLAN.fact_row(facts))
        np.testing.assert_array_equal(log.facts[:, row].view(np.int64), expected.view(np.int64))
        plate = entities["plate"]
        assert log.plate_key[row] == (0 if plate is None else key("plate", plate))
        assert log.post[row] == entities["post"]
        assert log.crossing_id[row] == each[0].crossing_id
    assert log.crossing_id[:].tolist() == [each[0].crossing_id for each in arrivals(found)]
    backwards = np.arange(len(log))[::-1]
    assert log.crossing_id[backwards].tolist() == log.crossing_id[:].tolist()[::-1]
    assert log.crossing_id[2:5].tolist() == log.crossing_id[:].tolist()[2:5]
