"""Spark against numpy, on the whole catalogue; and what must be caught."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.domain.time_units import HOUR
from engine.errors import ConflictError
from features.catalogue import catalogue
from features.catalogue.event_streams import CROSSINGS, INSPECTIONS
from features.catalogue.plan import Plan, Rows
from features.catalogue.spec import count, previous, smoothed_rate
from features.history.tables import Tables
from features.offline import reference_kernel
from features.offline.column_file import ColumnFile
from features.offline.encoded_history import EncodedHistory, read_log
from features.offline.feature_matrix import MonthlyFeatures, matrix, reads
from features.offline.national_job import compute_features, session
from features.offline.window_queries import write_query
from tests.support import sql_bugs
from tests.support.sizes import PROOF
from tests.unit.features.random_histories import history, tables

CROSSINGS_OF_20_000_EVENTS = 13_000
LATEST = Plan(
    {
        name: feature
        for name, feature in catalogue.CATALOGUE.items()
        if feature.operator in ("spread", "recent_rate")
    }
)
"""Finds spread along links, and recent rates."""
CROSSINGS_OF_LATEST = 6_000
"""With their acts and finds 10,000 events, and 300,000 of snapshots."""
HERE = "127.0.0.1"
ROOT = Path(__file__).parents[2]
TRAINS = ROOT / ".venv/bin/darvoza"
CROSSINGS_TO_TRAIN = 100_000 if PROOF else 30_000
# Compiling the queries takes longer than answering them about so few crossings.
SMALL = "--conf spark.sql.shuffle.partitions=2 --conf spark.sql.codegen.wholeStage=false"
ONE_MACHINE = os.environ | {
    "SPARK_LOCAL_IP": HERE,
    "PYSPARK_SUBMIT_ARGS": f"--master local[2] {SMALL} pyspark-shell",
}


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """Start one Spark on this machine alone."""
    settings = {
        "spark.master": "local[2]",
        "spark.driver.host": HERE,
        "spark.driver.bindAddress": HERE,
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
    }
    found = session("tests", **settings)
    found.sparkContext.setLogLevel("ERROR")
    yield found
    found.stop()


def by_numpy(log: EncodedHistory, plan: Plan) -> Rows:
    return matrix(log, plan, engine=partial(reads, kernel=reference_kernel.group_reads)).values


def by_spark(
    spark: Any, found: Tables, plan: Plan, folder: Path, text: sql_bugs.Bug = write_query
) -> Rows:
    out, rows = folder / "features", 1 + found.crossings.num_rows // 3
    compute_features(spark, found, plan, out, rows=rows, text=text)
    made = MonthlyFeatures.open(out, plan)
    crossings = made.history().crossings
    assert crossings["crossing_id"].to_pylist() == found.crossings["crossing_id"].to_pylist()
    values = ColumnFile((len(crossings), len(plan.names)), folder)
    made.write_rows(np.ones(len(crossings), np.bool_), plan.names, values)
    return values[:]


def test_spark_equals_numpy_on_20_000_events(spark: Any, tmp_path: Path) -> None:
    """Every bit of every feature."""
    plan, found = (
        Plan(catalogue.CATALOGUE),
        tables(history(1, CROSSINGS_OF_20_000_EVENTS, step=HOUR)),
    )
    log = read_log(found, plan)
    assert sum(len(events.row) for events in log.streams.values()) >= 20_000
    served = by_spark(spark, found, plan, tmp_path)
    assert int((served.view(np.int32) != by_numpy(log, plan).view(np.int32)).sum()) == 0


if PROOF:  # Spark takes minutes for it

    def test_spread_finds_and_recent_rates_are_those_of_numpy_on_100_000_events(
        spark: Any, tmp_path: Path
    ) -> None:
        crowd = CROSSINGS_OF_LATEST // 4
        found = tables(history(1, CROSSINGS_OF_LATEST, step=HOUR, crowd=crowd))
        log = read_log(found, LATEST)
        assert sum(len(events.row) for events in log.streams.values()) >= 100_000
        expected = by_numpy(log, LATEST)
        assert np.nanmax(expected, axis=0).min() > 0
        served = by_spark(spark, found, LATEST, tmp_path)
        assert int((served.view(np.int32) != expected.view(np.int32)).sum()) == 0


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Declare three features of the same entities, one line each."""
    monkeypatch.setattr(catalogue, "CATALOGUE", {})
    by = ("carrier", "driver")
    catalogue.feature("links", "seen_together", count(CROSSINGS, by, 90))
    catalogue.feature("links", "found_together", smoothed_rate(INSPECTIONS, "hit", by, 200))
    catalogue.feature("links", "mass_before", previous(CROSSINGS, "weighed_mass_kg", by))
    return Plan(catalogue.CATALOGUE)


def count_differing_values(spark: Any, plan: Plan, folder: Path, text: sql_bugs.Bug) -> int:
    found = tables(history(2, 1_500, step=12 * HOUR))
    served = by_spark(spark, found, plan, folder, text=text)
    expected = by_numpy(read_log(found, plan), plan)
    assert (np.nanmax(expected, axis=0) > np.nanmin(expected, axis=0)).all()
    return int((served.view(np.int32) != expected.view(np.int32)).sum())


def test_one_line_makes_a_feature_for_spark(spark: Any, tmp_path: Path, small: Plan) -> None:
    assert count_differing_values(spark, small, tmp_path, write_query) == 0


@pytest.mark.parametrize("bug", [sql_bugs.leaky, sql_bugs.counted_twice, sql_bugs.forgetful])
def test_a_seeded_bug_of_the_text_is_caught(
    spark: Any, tmp_path: Path, small: Plan, bug: sql_bugs.Bug
) -> None:
    assert count_differing_values(spark, small, tmp_path, bug) > 0


def test_a_folder_that_holds_anything_is_refused(spark: Any, tmp_path: Path, small: Plan) -> None:
    (tmp_path / "of-another-run").touch()
    with pytest.raises(ConflictError, match="not empty"):
        compute_features(spark, tables(history(3, 20)), small, tmp_path)


def test_a_model_from_the_folder_is_the_one_from_the_home(tmp_path: Path) -> None:
    """Commands alone: features of the bulk folder on Spark, a load, and the same model twice."""
    bulk, home, folder = (tmp_path / name for name in ("bulk", "home", "features"))
    here, spark = [TRAINS], [Path(sys.executable).with_name("darvoza")]

    def run(*command: Any, env: dict[str, str] | None = None) -> Any:
        done = subprocess.run(
            [*map(str, command), "--json"], check=True, cwd=ROOT, env=env, stdout=subprocess.PIPE
        )
        return json.loads(done.stdout)

    run(*spark, "synth", bulk, "--crossings", CROSSINGS_TO_TRAIN, "--seed", 3)
    made = run(*spark, "features", bulk, "--engine", "spark", "--out", folder, env=ONE_MACHINE)
    assert made["rows"] == CROSSINGS_TO_TRAIN
    run(*here, "load", bulk, "--home", home)
    one, other = (
        run(*here, "train", "--home", home, *given) for given in ([], ["--features", folder])
    )
    assert one == other
    assert one["version"]
