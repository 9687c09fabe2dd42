"""Keys and facts held small are, to the bit, those of the encoder, crossing by crossing."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue.catalogue import CATALOGUE
from features.catalogue.encoder import encode, key
from features.catalogue.plan import Plan
from features.offline import compact_columns
from features.offline.column_file import ScratchFile
from features.offline.compact_columns import FLOATS, WHOLE, narrowest
from features.offline.encoded_history import arrivals, derive, encode_history, read_log
from tests.support.random_histories import history, tables

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


def test_blocks_and_a_short_memory_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tables(history(5, 300))
    whole = read_log(found, PLAN)
    monkeypatch.setattr(compact_columns, "_KEYS_KEPT", 0)
    monkeypatch.setattr(compact_columns, "_AT_ONCE", 11)
    monkeypatch.setattr(compact_columns, "_SLOTS", 2)
    pieced = read_log(found, PLAN)
    for _ in range(2):
        np.testing.assert_array_equal(pieced.keys[:], whole.keys[:])
        np.testing.assert_array_equal(pieced.keys[3, 5:9], whole.keys[3][5:9])
    np.testing.assert_array_equal(pieced.facts[:], whole.facts[:])
    assert whole.keys[:].any(axis=1).all()


@pytest.mark.parametrize("is_read_whole", [False, True])
def test_columns_in_a_file_are_those_in_memory(tmp_path: Path, is_read_whole: bool) -> None:
    found, scratch = tables(history(5, 300)), ScratchFile(tmp_path)
    whole = read_log(found, PLAN)
    log = encode_history(found, PLAN, scratch=scratch, is_read_whole=is_read_whole)
    stored = derive(log, PLAN, scratch=scratch)
    np.testing.assert_array_equal(stored.keys[:], whole.keys[:])
    np.testing.assert_array_equal(stored.facts[:], whole.facts[:])
    np.testing.assert_array_equal(stored.facts[:, 7], whole.facts[:, 7])
    np.testing.assert_array_equal(stored.facts[3, 5:9], whole.facts[3][5:9])
    made, expected = stored.streams["spread"], whole.streams["spread"]
    assert len(expected.row)
    np.testing.assert_array_equal(made.known_at[:], expected.known_at)
    for name, amounts in expected.measures.items():
        np.testing.assert_array_equal(made.measures[name], amounts)
    for by, keys in (expected.keys or {}).items():
        np.testing.assert_array_equal((made.keys or {})[by], keys)


def test_keys_without_room_lie_unnamed_in_the_scratch_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compact_columns, "_KEYS_KEPT", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not there"))
    found, scratch = tables(history(5, 300)), ScratchFile(tmp_path)
    made = encode_history(found, PLAN, scratch=scratch)
    before = os.fstat(scratch.raw.fileno()).st_size
    keys = made.keys[:]
    spilled = os.fstat(scratch.raw.fileno())
    # Two columns stay in memory. A file without a name is gone however its process ends.
    assert spilled.st_size - before == (len(keys) - 2) * keys[0].nbytes
    assert spilled.st_dev == tmp_path.stat().st_dev
    assert spilled.st_nlink == 0
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):  # without the folder the system's would have been taken
        encode_history(found, PLAN).keys[:]


@given(st.lists(st.floats(width=64), max_size=20))
def test_the_narrowest_float_gives_every_value_back(values: list[float]) -> None:
    given = np.array(values, np.float64)
    back = narrowest(given, FLOATS).astype(np.float64)
    known = ~np.isnan(given)
    np.testing.assert_array_equal(back[known].view(np.int64), given[known].view(np.int64))
    assert np.isnan(back[~known]).all()


@pytest.mark.parametrize("tried", [1, 100])
def test_narrow_is_as_narrow_as_the_values_allow(
    tried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the first values, which are tried before all of them, would allow."""
    monkeypatch.setattr(compact_columns, "_AT_ONCE", tried)
    floats = ([0.0, 1.0, np.nan], [0.0, 65_537.0], [0.0, 0.1])
    assert [narrowest(np.array(each), FLOATS).itemsize for each in floats] == [2, 4, 8]
    whole = ([-128, 127], [0, 128], [0, 2**31 - 1], [0, 2**31])
    assert [narrowest(np.array(each), WHOLE).itemsize for each in whole] == [1, 2, 4, 8]
