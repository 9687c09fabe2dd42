"""Features of a history that exceeds one machine: by Spark, to the bit those of the kernel.

The driver reads the validated history and cuts it into parts, each of one month at most. Executors
encode the parts as relations, SQL over the relations answers every read of the catalogue
(:mod:`features.offline.window_queries`), and executors finish the parts with the operators of every
engine. Finds spread along ties are followed on the driver, because each step of a snapshot stands
on the one before. Executors have this program, and a file system that they share with the driver.
See "A national history" in docs/analysis.md.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.errors import ConflictError, NotEnoughDataError
from features.catalogue.encoder import FACTS
from features.catalogue.event_streams import CROSSINGS, SPREAD
from features.catalogue.find_spread import Finds
from features.catalogue.plan import Plan
from features.catalogue.spec import Floats
from features.history.tables import SCHEMAS, Tables
from features.offline.encoded_history import ints, read_log, spread_inputs, to_spread_events
from features.offline.feature_matrix import (
    FEATURES,
    HISTORY,
    MANIFEST,
    TEXTS,
    ExportSummary,
    read_history_folder,
    without_rows,
    write_history,
)
from features.offline.spread_snapshots import SpreadInputs, join_parts, spread_finds
from features.offline.window_queries import (
    RELATIONS,
    Question,
    key_column,
    questions,
    read_column,
    relations,
    spread_relation,
    write_query,
)

ROWS = 250_000
"""Crossings in one part: an executor needs about 1.6 kB of memory for each."""
AT_ONCE = 4
"""Queries that Spark is given together: while one is planned or ends, another one has work."""
_WORK = "_work"
"""Folder of what is made on the way; gone at the end."""
_FINISHED_AT_ONCE = 50_000
Progress = Callable[[str, int, int], None]
Entities = tuple[str, ...]
Runner = Callable[[Callable[["Part"], None], Sequence["Part"]], None]
"""Calls a function with each part, on whichever machines there are."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some crossings of one month that follow each other, with whatever happened to them."""

    work: Path
    month: str
    first: int
    """Number of the first crossing, in the order in which they became known."""

    @property
    def name(self) -> str:
        """The name of the part's files; names are in the order of parts."""
        return f"part-{self.first:012d}"

    @property
    def history(self) -> Path:
        """Folder of its rows."""
        return self.work / HISTORY / self.name

    def relation(self, name: str) -> Path:
        """Return the file of a relation of the part."""
        return self.work / name / f"{self.name}.parquet"


def session(name: str, **settings: str) -> Any:
    """Return the Spark session, on this machine unless Spark's own settings say otherwise.

    Executors run the driver's Python where ``PYSPARK_PYTHON`` names no other one.
    """
    from pyspark.sql import SparkSession  # here, since only this needs Spark

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(name).config("spark.ui.showConsoleProgress", "false")
    for setting, value in settings.items():
        builder = builder.config(setting, value)
    return builder.getOrCreate()


def compute_features(
    spark: Any,
    tables: Tables,
    plan: Plan,
    out: Path,
    *,
    keys: Sequence[Entities] = (),
    rows: int = ROWS,
    text: Callable[[Question], str] = write_query,
    progress: Progress = lambda _stage, _done, _of: None,
) -> ExportSummary:
    """Compute the features of a history and write them by month, with what training needs.

    ``out`` is a new or empty folder on a file system that the driver and all executors share; see
    :mod:`features.offline.feature_matrix`. The keys of the combinations of entities ``keys`` are
    written beside the features. A part has ``rows`` crossings at most. ``progress`` is called with
    the stage, the amount done and the amount of all. A run that is killed leaves a folder without
    a manifest; it is to be begun again in an empty one. Raises as :func:`encode` does.
    """
    context = spark.sparkContext

    def run(task: Callable[[Part], None], parts: Sequence[Part]) -> None:
        context.parallelize(parts, len(parts)).foreach(task)

    parts = encode(tables, plan, out, rows=rows, run=run, progress=progress)
    answer(spark, out / _WORK, plan, text=text, progress=progress)
    finish(tables, plan, out, parts, keys=keys, run=run, progress=progress)
    rows, width = tables.crossings.num_rows, len(plan.names)
    size = sum(tables.table(name).nbytes for name in SCHEMAS)
    return ExportSummary(rows, width, plan.digest, tables.network.synthetic, size, 4 * rows * width)


def run_here(task: Callable[[Part], None], parts: Sequence[Part]) -> None:
    """Call a function with each part in this process."""
    for part in parts:
        task(part)


def encode(
    tables: Tables,
    plan: Plan,
    out: Path,
    *,
    rows: int = ROWS,
    run: Runner = run_here,
    progress: Progress = lambda _stage, _done, _of: None,
) -> list[Part]:
    """Write the relations of a history, part by part; return the parts.

    Raises ConflictError if the folder ``out`` holds anything: parts of two histories would be read
    as one. Raises NotEnoughDataError where the history holds no crossing.
    """
    if not tables.crossings.num_rows:
        raise NotEnoughDataError("features", "the history holds no crossing")
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise ConflictError("folder", out.name, "it is not empty")
    work = out.absolute() / _WORK
    for name in (*RELATIONS, _INPUTS):
        (work / name).mkdir(parents=True)
    parts = []
    for part, of in _split(tables, work, rows):
        write_history(of, part.history)
        parts.append(part)
        progress("splitting", part.first + of.crossings.num_rows, tables.crossings.num_rows)
    progress("encoding", 0, len(parts))
    run(partial(_encode_part, plan=plan), parts)
    progress("encoding", len(parts), len(parts))
    inputs, ends = zip(*(_read_inputs(part) for part in parts), strict=True)
    spread = to_spread_events(*spread_finds(join_parts(inputs), before=max(ends)))
    _write(spread_relation(spread), work / SPREAD.name / "part-0.parquet")
    return parts


def _split(tables: Tables, work: Path, rows: int) -> Iterator[tuple[Part, Tables]]:
    """Yield each part with its rows."""
    months = ints(tables.crossings["known_at"]).astype("M8[us]").astype("M8[M]")
    starts = np.flatnonzero(np.r_[True, months[1:] != months[:-1]]).tolist()
    for begin, end in pairwise([*starts, len(months)]):
        for first in range(begin, end, rows):
            crossings = tables.crossings.slice(first, min(rows, end - first))
            yield Part(work, str(months[first]), first), _belongings(tables, crossings)


def _belongings(tables: Tables, crossings: pa.Table) -> Tables:
    """Return some crossings with their declarations, acts and finds."""

    def those_of(name: str, column: str, owners: Any) -> pa.Table:
        table = tables.table(name)
        return table.filter(pc.is_in(table[column], pc.unique(owners.drop_null())))

    declared = crossings["declaration_id"]
    # A find that is withdrawn belongs to no crossing any more, and still takes back what it added.
    found = those_of("seizures", "linked_crossing_id", crossings["crossing_id"])["seizure_id"]
    return replace(
        tables,
        crossings=crossings,
        declarations=those_of("declarations", "declaration_id", declared),
        goods_items=those_of("goods_items", "declaration_id", declared),
        inspections=those_of("inspections", "crossing_id", crossings["crossing_id"]),
        seizures=those_of("seizures", "seizure_id", found),
    )


def _encode_part(part: Part, plan: Plan) -> None:
    """Write the relations of one part, and what its finds are spread by."""
    log = read_log(read_history_folder(part.history), plan, before=0)
    made = relations(log, plan, first=part.first)
    del made[SPREAD.name]  # of one part it would say nothing
    for name, relation in made.items():
        _write(relation, part.relation(name))
    inputs = spread_inputs(log, plan, first=part.first)
    finds = {
        f"{kind}.{name}": getattr(found, name)
        for kind, found in inputs.finds.items()
        for name in _FINDS
    }
    with (part.work / _INPUTS / part.name).open("wb") as file:
        np.savez(file, keys=inputs.keys, known_at=inputs.known_at, ends=log.ends, **finds)


_INPUTS = "spread_inputs"
_FINDS = ("known_at", "source", "amount")


def _read_inputs(part: Part) -> tuple[SpreadInputs, int]:
    """Return what the finds of a part are spread by, and when all of the part is known."""
    with np.load(part.work / _INPUTS / part.name) as found:
        kinds = dict.fromkeys(name.partition(".")[0] for name in found.files if "." in name)
        finds = {kind: Finds(*(found[f"{kind}.{name}"] for name in _FINDS)) for kind in kinds}
        return SpreadInputs(found["keys"], found["known_at"], finds), int(found["ends"])


def _write(relation: pa.Table, path: Path) -> None:
    pq.write_table(relation, path, compression="zstd")


def answer(
    spark: Any,
    work: Path,
    plan: Plan,
    *,
    text: Callable[[Question], str] = write_query,
    progress: Progress = lambda _stage, _done, _of: None,
) -> None:
    """Answer every question of a plan over the relations in ``work``, one folder a question."""
    for name in RELATIONS:
        spark.read.parquet(str(work / name)).createOrReplaceTempView(name)

    def write(question: Question) -> None:
        # Sorted, so that a block of crossings is a few row groups of each file.
        rows = spark.sql(text(question)).sortWithinPartitions("crossing")
        rows.write.parquet(str(work / question.name))

    asked = questions(plan)
    threads = ThreadPoolExecutor(AT_ONCE)
    try:
        for done, _ in enumerate(threads.map(write, asked), 1):
            progress("queries", done, len(asked))
    finally:
        threads.shutdown(cancel_futures=True)


def finish(
    tables: Tables,
    plan: Plan,
    out: Path,
    parts: Sequence[Part],
    *,
    keys: Sequence[Entities] = (),
    run: Runner = run_here,
    progress: Progress = lambda _stage, _done, _of: None,
) -> None:
    """Write the features of all parts from the answers, then what training needs of the history."""
    progress("finishing", 0, len(parts))
    for month in {part.month for part in parts}:
        (out / FEATURES / month).mkdir(parents=True)
    run(partial(_finish_part, plan=plan, out=out.absolute(), keys=tuple(keys)), parts)
    write_history(without_rows(tables, "crossings", "declarations", "goods_items"), out / HISTORY)
    about = {
        "definitions": plan.digest,
        "history": tables.digest,
        "synthetic": tables.network.synthetic,
        "crossings": tables.crossings.num_rows,
    }
    shutil.rmtree(out / _WORK)
    (out / MANIFEST).write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    progress("finishing", len(parts), len(parts))


def _finish_part(part: Part, plan: Plan, out: Path, keys: tuple[Entities, ...]) -> None:
    """Write the features of one part: see :mod:`features.offline.feature_matrix`."""
    carried = pq.read_table(part.history / f"{CROSSINGS.name}.parquet")
    names = [key_column(by, by) for by in keys]
    path = out / FEATURES / part.month / f"{part.name}.parquet"
    writer = None
    begin = 0
    for batch in pq.ParquetFile(part.relation(CROSSINGS.name)).iter_batches(_FINISHED_AT_ONCE):
        columns = {
            name: carried[name].slice(begin, batch.num_rows)
            for name in ("crossing_id", "arrived_at", *TEXTS)
        }
        columns |= {name: batch[name] for name in ("as_of", *names)}
        columns |= dict(zip(plan.names, _finish_rows(batch, part.work, plan), strict=True))
        made = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, made.schema, compression="zstd")
        writer.write_table(made)
        begin += batch.num_rows
    if writer is not None:
        writer.close()


def _finish_rows(batch: Any, work: Path, plan: Plan) -> NDArray[np.float32]:
    """Return the features of some rows of the relation of crossings: shape (features, rows)."""
    crossings = batch["crossing"].to_numpy()
    slots = np.full((len(plan.slot), len(crossings)), np.nan)
    for place, name in enumerate(FACTS):
        slots[place] = batch[f"fact_{name}"].to_numpy()
    slots[len(FACTS)] = batch["as_of"].to_numpy()
    for question in questions(plan):
        _fill(slots, plan, question, work / question.name, crossings)
    return plan.finish(slots.T).T


def _fill(
    slots: Floats, plan: Plan, question: Question, folder: Path, crossings: NDArray[np.int64]
) -> None:
    """Put one question's answers about these crossings where they belong."""
    first, last = int(crossings[0]), int(crossings[-1])
    within = [("crossing", ">=", first), ("crossing", "<=", last)]
    answer = pq.read_table(folder, filters=within)
    places = answer["crossing"].to_numpy() - first
    for read in question.reads:
        slots[plan.slot[read], places] = answer[read_column(read)].to_numpy()
