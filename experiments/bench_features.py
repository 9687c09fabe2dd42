"""Bulk features against pandas, Polars and DuckDB: the same reads, agreement before time.

One key, 150,000 crossings, one thread each: how many crossings, how many kilograms and how many
empty runs the vehicle had in the last 7, 30 and 365 days, strictly before. Every contestant starts
from its own table of the same integers, sorted by time, and ends with its own columns.
"""

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # read when polars is imported

import duckdb
import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

from engine.times import DAY
from experiments.benching import Row, interleaved, row, times_faster
from features.kernel import group_reads

CROSSINGS = 150_000
VEHICLES = 60_000
DAYS = (7, 30, 365)
MEASURES = ("n", "kg", "empty")
ROUNDS = 5
Ints = NDArray[np.int64]
Columns = dict[str, Ints]


def history(crossings: int, entities: int, seed: int = 1) -> Columns:
    """Draw a year of crossings in the order of time; most vehicles come rarely, few often."""
    rng = np.random.default_rng(seed)
    keys = rng.integers(1, 2**62, entities)
    weight = rng.lognormal(0.0, 1.3, entities)
    often = rng.choice(entities, crossings, p=weight / weight.sum())
    return {
        # Distinct times: with ties the peers' windows would not be strict.
        "t": np.sort(rng.choice(365 * DAY // 1000, crossings, replace=False)) * 1000,
        "key": keys[often],
        "n": np.ones(crossings, np.int64),
        "kg": rng.integers(0, 400_000, crossings),
        "empty": rng.integers(0, 2, crossings),
    }


def by_kernel(table: Columns) -> Ints:
    """Ours: one pass of the compiled kernel, the numbering of the keys included."""
    pairs = [(m, w) for w in range(len(DAYS)) for m in range(len(MEASURES))]
    return group_reads(
        table["key"],
        table["t"],
        np.array([table[name] for name in MEASURES]),
        table["key"],
        table["t"],
        np.array(DAYS, np.int64) * DAY,
        np.array([m for m, _ in pairs]),
        np.array([w for _, w in pairs]),
    )


def by_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    """Rolling sums of each group over a time index."""
    grouped = frame.groupby("key", sort=False)[list(MEASURES)]
    parts = [grouped.rolling(f"{days}D", closed="left", min_periods=0).sum() for days in DAYS]
    return pd.concat(parts, axis=1)


def by_polars(frame: pl.DataFrame) -> pl.DataFrame:
    """Rolling sums by a time column over the key."""
    return frame.select(
        pl.col(name).rolling_sum_by("t", window_size=f"{days}d", closed="left").over("key")
        .alias(f"{name}_{days}")
        for days in DAYS
        for name in MEASURES
    )  # fmt: skip


def by_duckdb(connection: duckdb.DuckDBPyConnection) -> dict[str, NDArray[np.float64]]:
    """Sums over RANGE frames that stop one microsecond before the row."""
    windows = ", ".join(
        f"w{days} AS (PARTITION BY key ORDER BY t "
        f"RANGE BETWEEN {days * DAY} PRECEDING AND 1 PRECEDING)"
        for days in DAYS
    )
    sums = ", ".join(
        f"coalesce(sum({name}) OVER w{days}, 0)::BIGINT AS {name}_{days}"
        for days in DAYS
        for name in MEASURES
    )
    found: dict[str, NDArray[np.float64]] = connection.sql(
        f"SELECT t, {sums} FROM crossings WINDOW {windows}"  # noqa: S608 - our own constants
    ).fetchnumpy()
    return found


def run(data: Path | None) -> list[Row]:
    """Return the rows of ``bench features``; a synthetic history of its own, ``data`` is unused."""
    del data
    table = history(CROSSINGS, VEHICLES)
    contestants = _contestants(table)
    _agree(table, contestants)
    seconds = interleaved(contestants, ROUNDS)
    per_second = CROSSINGS / sorted(seconds["ours"])[ROUNDS // 2]
    where = f"{CROSSINGS:,} crossings, one key, 9 reads, {per_second:,.0f} crossings/s: against "
    musts = (("pandas", ">= 150"), ("polars", ">= 6"), ("duckdb", ">= 25"))
    return [
        row(where + peer, "times faster", times_faster(seconds, "ours", peer), must)
        for peer, must in musts
    ]


def _contestants(table: Columns) -> dict[str, Callable[[], object]]:
    times = pd.to_datetime(table["t"], unit="us", utc=True)
    frame = pd.DataFrame({name: table[name] for name in ("key", *MEASURES)}, index=times)
    polars = pl.DataFrame(table).with_columns(pl.col("t").cast(pl.Datetime("us")))
    connection = duckdb.connect(config={"threads": 1})
    connection.register("given", pd.DataFrame(table))
    connection.execute("CREATE TABLE crossings AS SELECT * FROM given")
    return {
        "ours": lambda: by_kernel(table),
        "pandas": lambda: by_pandas(frame),
        "polars": lambda: by_polars(polars),
        "duckdb": lambda: by_duckdb(connection),
    }


def _agree(table: Columns, contestants: dict[str, Callable[[], object]]) -> None:
    """Refuse to time what does not compute the same numbers; this also warms everybody up."""
    ours = by_kernel(table)[: len(DAYS) * len(MEASURES)]
    order = np.lexsort((table["t"], table["key"]))
    pandas: pd.DataFrame = contestants["pandas"]()  # type: ignore[assignment]
    sorted_like_ours = pandas.reset_index().sort_values(["key", "level_1"], kind="stable")
    theirs = sorted_like_ours.iloc[:, 2:].to_numpy().T
    np.testing.assert_array_equal(theirs, ours[:, order], "pandas")
    polars: pl.DataFrame = contestants["polars"]()  # type: ignore[assignment]
    np.testing.assert_array_equal(polars.fill_null(0).to_numpy().T, ours, "polars")
    duck: dict[str, Ints] = contestants["duckdb"]()  # type: ignore[assignment]
    by_time = np.argsort(duck.pop("t"))
    np.testing.assert_array_equal(np.array(list(duck.values()))[:, by_time], ours, "duckdb")
