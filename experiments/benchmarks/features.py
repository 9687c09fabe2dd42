"""Bulk features against pandas, Polars and DuckDB: the same reads, agreement before time.

One key, the plate; 150,000 crossings; one thread each: how many crossings, how many tenths of a
kilogram and how many empty runs the vehicle had, strictly before, in each window of a day or more
over which the catalogue counts crossings. Every contestant starts from its own table of the same
integers, sorted by time, and ends with its own columns, in the order it likes.

Shape decides: pandas pays for each entity, DuckDB for each event of a frame. So the crossings are
those of a network, synthetic or given, and each row says what they are like. Stands on processor
time, that of every thread: what one core would need, whatever else runs on the machine. Our turn is
a few runs long: one alone would mostly measure whose data the peer before has left in the caches.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # read when polars is imported

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.domain.identifiers import fold
from engine.domain.time_units import DAY
from experiments.benchmarks.runner import Bench, Row, row, take_turns
from experiments.synthetic.folder import open_network
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.encoder import key
from features.catalogue.event_streams import CROSSINGS
from features.catalogue.plan import Plan
from features.catalogue.spec import FAR
from features.history.tables import Tables
from features.intake.load import read_folder
from features.offline.encoded_history import ints
from features.offline.kernel import group_reads

MOST = 150_000
DAYS = sorted(
    {
        read.window // DAY
        for read in Plan(CATALOGUE).reads
        if read.stream == CROSSINGS.name and not read.is_last and DAY <= read.window < FAR * DAY
    }
)
MEASURES = ("n", "kg", "empty")
ROUNDS = 7
RUNS = 5  # in one turn of ours
Ints = NDArray[np.int64]
Columns = dict[str, Ints]


def measure(data: Path | None = None) -> list[Row]:
    """Return the rows of ``bench features``, on the history in ``data`` or a synthetic one."""
    with open_network(data, crossings=MOST * 51 // 50) as folder:  # a few plates are not read
        table = columns(read_folder(folder).tables, MOST)
    contestants = contestants_of(table)
    agree(table, contestants)
    ours = contestants["ours"]
    contestants["ours"] = lambda: [ours() for _ in range(RUNS)]
    found = take_turns(contestants, ROUNDS, clock=time.process_time)
    seconds = found.median("ours") / RUNS
    where = f"{shape(table)}; {len(table['t']) / seconds:,.0f} a second: against "
    musts = (("pandas", ">= 150"), ("polars", ">= 6"), ("duckdb", ">= 25"))
    return [
        row(where + peer, "times faster", RUNS * found.ratio(peer, "ours"), must)
        for peer, must in musts
    ]


def columns(tables: Tables, most: int) -> Columns:
    """Take the first crossings with a plate as integers, in the order in which they were known.

    Equal times are moved apart by a microsecond: pandas' windows are not strict with ties.
    """
    read = tables.crossings.filter(pc.is_valid(tables.crossings["plate"])).slice(0, most)
    plates = read["plate"].combine_chunks().dictionary_encode()
    keys = np.array([key("plate", fold(plate)) for plate in plates.dictionary.to_pylist()])
    step = np.arange(read.num_rows)
    tenths = pc.round(pc.multiply(pc.fill_null(read["weighed_mass_kg"], 0.0), 10.0))
    return {
        "t": np.maximum.accumulate(ints(read["known_at"]) - step) + step,
        "key": keys[plates.indices.to_numpy()],
        "n": np.ones(read.num_rows, np.int64),
        "kg": ints(tenths),
        "empty": ints(pc.fill_null(read["is_empty"], False).cast(pa.int64())),
    }


def shape(table: Columns) -> str:
    """Say what the crossings are like, as they decide who is how fast."""
    _, sizes = np.unique(table["key"], return_counts=True)
    return (
        f"{len(table['t']):,} crossings of {len(sizes):,} plates (half of them <= "
        f"{np.median(sizes):.0f} times, the most {sizes.max():,}), "
        f"{len(MEASURES)} sums over {'/'.join(map(str, DAYS))} days"
    )


def by_kernel(table: Columns, amounts: Ints) -> Ints:
    """Ours: one pass of the compiled kernel, keys numbered too; shape (n, reads)."""
    pairs = [(m, w) for w in range(len(DAYS)) for m in range(len(MEASURES))]
    return group_reads(
        table["key"],
        table["t"],
        amounts,
        table["key"],
        table["t"],
        np.array(DAYS, np.int64) * DAY,
        np.array([m for m, _ in pairs]),
        np.array([w for _, w in pairs]),
        last=False,  # the peers do not return the last event
    )


def by_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    """Rolling sums of each group over a time index."""
    grouped = frame.groupby("key", sort=False)[list(MEASURES)]
    parts = [grouped.rolling(f"{days}D", closed="left", min_periods=0).sum() for days in DAYS]
    return pd.concat(parts, axis=1)


def by_polars(frame: pl.DataFrame) -> list[pl.DataFrame]:
    """Rolling groups: one pass a window, three times as fast as rolling sums over the key."""
    sums = (pl.len().alias("n"), pl.col("kg").sum(), pl.col("empty").sum())
    return [
        frame.rolling("t", period=f"{days}d", group_by="key", closed="left").agg(sums)
        for days in DAYS
    ]


def by_duckdb(connection: duckdb.DuckDBPyConnection) -> Columns:
    """Sums over RANGE frames that stop one microsecond before the row."""
    windows = ", ".join(
        f"w{days} AS (PARTITION BY key ORDER BY t "
        f"RANGE BETWEEN {days * DAY} PRECEDING AND 1 PRECEDING)"
        for days in DAYS
    )
    sums = ", ".join(
        f"count(*) OVER w{days} AS n_{days}, "
        f"coalesce(sum(kg) OVER w{days}, 0)::BIGINT AS kg_{days}, "
        f"coalesce(sum(empty) OVER w{days}, 0)::BIGINT AS empty_{days}"
        for days in DAYS
    )
    found: Columns = connection.sql(
        f"SELECT key, t, {sums} FROM crossings WINDOW {windows}"  # noqa: S608 - our own constants
    ).fetchnumpy()
    return found


def contestants_of(table: Columns) -> dict[str, Callable[[], object]]:
    """Give each contestant the table as it likes it best; that is not timed."""
    times = pd.to_datetime(table["t"], unit="us")
    frame = pd.DataFrame({name: table[name] for name in ("key", *MEASURES)}, index=times)
    polars = pl.DataFrame(table).with_columns(pl.col("t").cast(pl.Datetime("us")))
    connection = duckdb.connect(config={"threads": 1})
    connection.register("given", pd.DataFrame(table))
    connection.execute("CREATE TABLE crossings AS SELECT * FROM given")
    return {
        "ours": partial(by_kernel, table, np.array([table[name] for name in MEASURES])),
        "pandas": partial(by_pandas, frame),
        "polars": partial(by_polars, polars),
        "duckdb": partial(by_duckdb, connection),
    }


def agree(table: Columns, contestants: dict[str, Callable[[], object]]) -> None:
    """Refuse to time what does not compute the same numbers; this also warms everybody up."""
    grouped = np.lexsort((table["t"], table["key"]))
    found: Ints = contestants["ours"]()  # type: ignore[assignment]
    ours = found[: len(DAYS) * len(MEASURES), grouped]
    pandas: pd.DataFrame = contestants["pandas"]()  # type: ignore[assignment]
    sorted_like_ours = pandas.reset_index().sort_values(["key", "level_1"], kind="stable")
    np.testing.assert_array_equal(sorted_like_ours.iloc[:, 2:].to_numpy().T, ours, "pandas")
    polars: list[pl.DataFrame] = contestants["polars"]()  # type: ignore[assignment]
    parts = [part.sort("key", "t").select(MEASURES).to_numpy().T for part in polars]
    np.testing.assert_array_equal(np.concatenate(parts), ours, "polars")
    duck: dict[str, Ints] = contestants["duckdb"]()  # type: ignore[assignment]
    theirs = np.lexsort((duck.pop("t"), duck.pop("key")))
    np.testing.assert_array_equal(np.array(list(duck.values()))[:, theirs], ours, "duckdb")


BENCH = Bench("features", measure, frozenset({"data"}))
