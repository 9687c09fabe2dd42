"""The quality benchmark hides what it says it hides, and its peers get no hint."""

import numpy as np
import pyarrow as pa

from experiments.benchmarks.quality import kcs, networks, peers
from experiments.benchmarks.quality.known_truth import bound_gain, leave_out
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.labels import labels
from models.data.build_dataset import assemble
from tests.unit.features.random_histories import history, tables

FOUND = tables(history(3, 400))


def test_hidden_outcomes_move_no_feature_of_a_held_out_crossing() -> None:
    """With its labels hidden, turning them round changes nothing that anybody sees."""
    inspected = FOUND.inspections["crossing_id"].to_pylist()
    held = pa.array(sorted(set(inspected))[::3], pa.string())
    hidden = kcs._hidden(FOUND, held)

    assert not set(hidden.inspections["crossing_id"].to_pylist()) & set(held.to_pylist())
    known = labels(hidden)
    rows = np.isin(np.array(FOUND.crossings["crossing_id"].to_pylist()), held.to_pylist())
    assert (known.discrepancy[rows] == -1).all()
    # Negative control: without hiding, the features of others do depend on these labels.
    plan = Plan({name: CATALOGUE[name] for name in ("hs2_hit_rate", "post_hit_rate")})
    assert (assemble(hidden, plan).values != assemble(FOUND, plan).values).any()


def test_shuffled_outcomes_are_the_same_ones_elsewhere() -> None:
    mixed = kcs._shuffle_outcomes(FOUND)
    before, after = (t.inspections["outcome"].to_pylist() for t in (FOUND, mixed))
    assert sorted(before) == sorted(after)
    assert before != after
    assert mixed.seizures.num_rows == 0


def test_raw_columns_follow_the_rows_and_say_nothing_of_inspections() -> None:
    ids = np.array(FOUND.crossings["crossing_id"].to_pylist(), object)[::-1]
    columns, codes = peers.raw(FOUND, ids)
    there = FOUND.crossings["weighed_mass_kg"].to_numpy()[::-1]
    assert len(columns) == len(ids)
    assert any(np.array_equal(column, there, equal_nan=True) for column in columns.T)
    assert all((columns[:, code] % 1 == 0)[~np.isnan(columns[:, code])].all() for code in codes)
    fewer, _ = peers.raw(kcs._shuffle_outcomes(FOUND), ids)
    np.testing.assert_array_equal(columns, fewer)


def test_without_history_no_feature_knows_an_inspection_or_a_link() -> None:
    plan = Plan(CATALOGUE)
    left = leave_out(assemble(FOUND, plan), networks.uses_history)
    assert 40 < len(left.names) < len(CATALOGUE)
    assert not any("hit" in name or "seizure" in name or "finds" in name for name in left.names)
    assert left.values.shape == (FOUND.crossings.num_rows, len(left.names))


def test_the_low_end_of_a_gain_tells_a_gain_from_luck() -> None:
    draw = np.random.default_rng(1)
    found = draw.random(4000) < 0.2
    better = found & (draw.random(4000) < 0.4)
    chance = draw.random(4000) < 0.08
    assert bound_gain(found, better, chance)[0] > 0
    assert bound_gain(found, chance, draw.random(4000) < 0.08)[0] < 0


def test_each_peer_learns_what_is_there() -> None:
    draw = np.random.default_rng(2)
    rows = draw.normal(size=(600, 4))
    rows[:, 3] = np.nan
    label = (rows[:, 0] + 0.3 * draw.normal(size=600) > 0).astype(np.int8)
    for peer in peers.numeric().values():
        result = peer(rows[:500], label[:500], rows[500:])
        assert result[label[500:] == 1].mean() > result[label[500:] == 0].mean() + 0.4
