"""A backtest sees nothing of its test period, whatever happens in it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from engine.domain.time_units import DAY
from engine.errors import InputError
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.tables import Tables
from models.config import TrainConfig, Trees
from models.training.backtest import Backtest, Period, backtest
from tests.support.feature_folder import write_folder
from tests.support.sizes import PROOF
from tests.unit.features.random_histories import START, history, tables

PLAN = Plan({name: CATALOGUE[name] for name in ("plate_hit_rate", "hs2_hit_rate", "hour", "items")})
SMALL = TrainConfig(
    discrepancy=Trees(iterations=10, smallest_leaf=5),
    seizure=Trees(iterations=5, depth=2, smallest_leaf=5),
    few_discrepancies=10,
    folds=2,
    jobs=1,
)
FROM = START + 250 * DAY
FROZEN = Period(train_until=FROM, test_from=FROM)


@pytest.fixture(scope="module")
def history_tables() -> Tables:
    return tables(history(1, 900 if PROOF else 400))


def run_backtest(history_tables: Tables, period: Period) -> Backtest:
    return backtest(history_tables, PLAN, SMALL, period)


def other_outcomes(history_tables: Tables, known_from: int) -> Tables:
    """The same acts, with every outcome known from a time on turned round."""
    turned = pc.if_else(
        pc.equal(history_tables.inspections["outcome"], "clear"), "seizure", "clear"
    )
    late = pc.greater_equal(history_tables.inspections["known_at"], known_from)
    outcome = pc.if_else(late, turned, history_tables.inspections["outcome"])
    place = history_tables.inspections.column_names.index("outcome")
    return replace(
        history_tables, inspections=history_tables.inspections.set_column(place, "outcome", outcome)
    )


@pytest.fixture(scope="module")
def frozen_backtest(history_tables: Tables) -> Backtest:
    return run_backtest(history_tables, FROZEN)


def test_frozen_scores_do_not_depend_on_outcomes_of_the_test_period(
    history_tables: Tables, frozen_backtest: Backtest
) -> None:
    turned = run_backtest(other_outcomes(history_tables, FROM), FROZEN)
    np.testing.assert_array_equal(frozen_backtest.p_seizure, turned.p_seizure)
    np.testing.assert_array_equal(frozen_backtest.p_discrepancy, turned.p_discrepancy)
    assert frozen_backtest.report["targets"] != turned.report["targets"]


def test_a_delay_is_for_streaming_labels_alone(
    history_tables: Tables, frozen_backtest: Backtest
) -> None:
    """Frozen labels are those recorded before the test, whatever the delay."""
    np.testing.assert_array_equal(
        frozen_backtest.p_seizure,
        run_backtest(history_tables, Period(FROM, FROM, label_delay=DAY)).p_seizure,
    )
    streams = [Period(FROM, FROM, labels="streaming", label_delay=days * DAY) for days in (0, 20)]
    assert (
        run_backtest(history_tables, streams[0]).p_seizure
        != run_backtest(history_tables, streams[1]).p_seizure
    ).any()


def test_streaming_scores_do(history_tables: Tables) -> None:
    """Negative control: where labels do arrive, turning them round must show."""
    period = Period(FROM, FROM, labels="streaming", refit=80 * DAY)
    ours, turned = (
        run_backtest(history_tables, period),
        run_backtest(other_outcomes(history_tables, FROM), period),
    )
    assert (ours.p_seizure != turned.p_seizure).mean() > 0.3


def test_a_backtest_from_a_folder_of_features_is_the_one_from_the_history(
    history_tables: Tables, tmp_path: Path
) -> None:
    features = write_folder(history_tables, PLAN, tmp_path / "out", rows=90)
    period = Period(FROM, FROM, labels="streaming", refit=80 * DAY)
    made = backtest(features.history(), PLAN, SMALL, period, features=features)
    ours = run_backtest(history_tables, period)
    assert made.report == ours.report
    assert made.crossing_id.tolist() == ours.crossing_id.tolist()
    np.testing.assert_array_equal(made.p_seizure, ours.p_seizure)
    np.testing.assert_array_equal(made.p_discrepancy, ours.p_discrepancy)
    for other in (FROZEN, Period(FROM, FROM, labels="streaming", label_delay=DAY)):
        with pytest.raises(InputError, match="as recorded"):
            backtest(features.history(), PLAN, SMALL, other, features=features)


def test_every_arrival_of_the_period_is_scored(history_tables: Tables) -> None:
    period = Period(
        FROM, FROM, FROM + 60 * DAY, labels="streaming", label_delay=DAY, refit=30 * DAY
    )
    made = run_backtest(history_tables, period)
    arrived = history_tables.crossings["arrived_at"].to_numpy()
    expected = history_tables.crossings.filter(
        pa.array((arrived >= FROM) & (arrived < FROM + 60 * DAY))
    )
    assert list(made.crossing_id) == expected["crossing_id"].to_pylist()
    for column in (made.p_seizure, made.p_discrepancy, made.p_seizure):
        assert ((column >= 0) & (column <= 1)).all()
