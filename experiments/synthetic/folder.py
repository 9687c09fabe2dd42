"""Synthetic network as a bulk folder, with its ground truth.

The same (seed, crossings, days, end) give the same bytes. Cells hold no comma, quote or line break,
so none is quoted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from engine.domain.time_units import micros
from engine.errors import InputError
from experiments.synthetic import records
from experiments.synthetic.inspections import HistoricalPolicy
from experiments.synthetic.posts import Config, network_toml
from experiments.synthetic.world_plan import draw_plan
from experiments.synthetic.world_simulation import Progress, World, simulate_world

DEFAULT_END = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULT_DAYS = 365
MARK = "SYNTHETIC.txt"
"""Marks a folder that ``darvoza synth`` wrote and may write again."""
TRIPS_A_CROSSING = 0.625
"""Trips to plan for each crossing: most trips leave two records, some of either are never made."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written."""

    rows: dict[str, int]
    """Rows of each file."""
    carrying: int
    """Entries that carried, found or not."""


@dataclass(frozen=True, slots=True)
class Records:
    """A world as records: one table a file, times as UTC timestamps, lists joined by semicolons."""

    crossings: pa.Table
    declarations: pa.Table
    goods_items: pa.Table
    inspections: pa.Table
    seizures: pa.Table
    truth: pa.Table


OWN = frozenset({MARK, "network.toml", *(f"{name}.csv" for name in Records.__slots__)})
_TEXT = "written by darvoza synth: nothing in these files is real\n"
"""Files that such a folder may hold."""


def generate(
    config: Config, *, progress: Progress | None = None
) -> tuple[World, records.CrossingRows]:
    """Return a world whose past was searched by the historical policy, and what is recorded of it.

    Recorded are the last ``crossings`` that are known before the end.
    """
    trips = config.crossings * TRIPS_A_CROSSING
    while True:
        drawn = draw_plan(config, trips)
        world = simulate_world(drawn, HistoricalPolicy(drawn), progress=progress)
        kept = records.keep_crossings(world)
        if kept is not None:
            return world, kept
        trips *= 1.12  # a small world may fall short of its average; draw a larger one


def _records(world: World, kept: records.CrossingRows) -> Records:
    acts, number = records.tabulate_inspections(world, kept)
    return Records(
        crossings=records.tabulate_crossings(world, kept),
        declarations=records.tabulate_declarations(world, kept),
        goods_items=records.tabulate_goods_items(world, kept),
        inspections=acts,
        seizures=records.tabulate_seizures(world, kept, act_number=number),
        truth=records.tabulate_truth(world, kept),
    )


def write(
    out: Path,
    *,
    crossings: int,
    seed: int,
    end: datetime | None = None,
    days: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Write a folder of ``crossings`` crossings that end before ``end``; return what is in it.

    ``progress`` is called with (days done, days in all).
    """
    config = Config(crossings, seed, micros(end or DEFAULT_END), days or DEFAULT_DAYS)
    world, kept = generate(config, progress=progress)
    made = _records(world, kept)
    out.mkdir(parents=True, exist_ok=True)
    rows = {}
    for name in Records.__slots__:
        table = getattr(made, name)
        write_csv(table, out / f"{name}.csv")
        rows[name] = table.num_rows
    (out / "network.toml").write_text(network_toml(), "utf-8")
    return Summary(rows, int((world.plan.loads.carries[kept.trip] & kept.is_entry).sum()))


@contextmanager
def open_network(data: Path | None, *, crossings: int, seed: int = 1) -> Iterator[Path]:
    """Yield the folder of a history: the one given, or a synthetic one that goes after use."""
    if data is not None:
        yield data
        return
    with TemporaryDirectory(prefix="synthetic-network-") as name:
        write(Path(name), crossings=crossings, seed=seed)
        yield Path(name)


def claim(folder: Path, *, overwrite: bool) -> None:
    """Mark a folder as the project's own; ``InputError`` where it may not be replaced.

    A folder that is not empty may be replaced where it holds the mark and nothing but files of a
    synthetic network, and then only with ``overwrite``.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(str(folder), "is not a folder")
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if names and MARK not in names:
        raise InputError(str(folder), "holds files that darvoza synth did not write: name another")
    if others := names - OWN:
        raise InputError(str(folder), f"holds {min(others)}, which darvoza synth did not write")
    if names and not overwrite:
        raise InputError(str(folder), "holds a synthetic network already: --overwrite replaces it")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text(_TEXT, "utf-8")


def write_csv(table: pa.Table, path: Path) -> None:
    """Write one file: a header, no quotes, times as RFC 3339 in UTC."""
    columns = [
        pc.strftime(column.cast(pa.timestamp("s", "UTC")), format="%Y-%m-%dT%H:%M:%SZ")
        if pa.types.is_timestamp(column.type)
        else column
        for column in table.columns
    ]
    with path.open("wb") as file:
        file.write((",".join(table.column_names) + "\n").encode())
        options = csv.WriteOptions(include_header=False, quoting_style="none")
        csv.write_csv(pa.table(columns, names=table.column_names), file, options)
