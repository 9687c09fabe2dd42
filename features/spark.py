"""The reads of a history on Spark, for a history that one machine does not hold.

The same SQL as DuckDB runs, over the relations as Parquet. Executors need nothing of this project:
they see SQL, no Python. Answers come back as Parquet, one folder a question, each file sorted by
crossing, and are finished into features block by block, with the operators of every other engine.

An entity with very many events (the post itself, a large carrier, all events together) would be one
task that never ends. Such entities are found first and their counters carried forward from bucket
to bucket of time; see :mod:`features.sql`.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from engine.errors import ConflictError
from features.bulk import Matrix
from features.definitions import Floats
from features.encode import FACTS
from features.plan import Plan
from features.relations import read_column
from features.sql import Question, hot, questions, split
from features.streams import STREAMS

HOT = 10_000
"""Events and cuts above which an entity is hot."""
Split = Callable[[Question, Sequence[int]], str]


def session(name: str, **settings: str) -> Any:
    """Return the Spark session, on this machine unless ``spark-submit`` says otherwise."""
    builder = SparkSession.builder.appName(name).config("spark.ui.showConsoleProgress", "false")
    for setting, value in settings.items():
        builder = builder.config(setting, value)
    return builder.getOrCreate()


def answer(
    spark: Any,
    relations: str,
    plan: Plan,
    answers: str,
    *,
    above: int = HOT,
    text: Split = split,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Answer every question of a plan.

    Parameters
    ----------
    spark : SparkSession
    relations : str
        Address of what :func:`features.relations.encode` wrote, as Spark reads it.
    plan : Plan
        The one that was encoded.
    answers : str
        Where to put one folder a question.
    above : int, default=10,000
        Entities with more events and cuts than this are hot.
    text : Split, default=features.sql.split
        Writes a question, given its hot entities.
    progress : callable, optional
        Told how many questions are answered, and how many there are.

    Returns
    -------
    int
        How many pairs of question and hot entity there were.
    """
    for name in STREAMS:
        spark.read.parquet(f"{relations}/{name}").createOrReplaceTempView(name)
    asked, found = questions(plan), 0
    for done, question in enumerate(asked, 1):
        entities = sorted(row.entity for row in spark.sql(hot(question, above=above)).collect())
        found += len(entities)
        # Sorted, so that a block of crossings is a few row groups of each file.
        rows = spark.sql(text(question, entities)).sortWithinPartitions("crossing")
        rows.write.mode("overwrite").parquet(f"{answers}/{question.name}")
        if progress is not None:
            progress(done, len(asked))
    return found


def finish(relations: Path, answers: Path, plan: Plan, *, rows: int = 200_000) -> Iterator[Matrix]:
    """Make features of the answers.

    Parameters
    ----------
    relations, answers : Path
        What was encoded, and what Spark answered.
    plan : Plan
    rows : int, default=200,000
        Crossings at once; about 1.5 kB each are held in memory.

    Yields
    ------
    Matrix
        Some crossings, in the order in which they became known.

    Raises
    ------
    ConflictError
        If the relations were encoded for other definitions.
    """
    for part in sorted((relations / "crossings").glob("*.parquet")):
        file = pq.ParquetFile(part)
        if file.schema_arrow.metadata[b"definitions"].decode() != plan.digest:
            raise ConflictError("relations", part.name, "encoded for other definitions")
        for batch in file.iter_batches(batch_size=rows):
            yield _finished(batch, answers, plan)


def _finished(batch: Any, answers: Path, plan: Plan) -> Matrix:
    crossings, as_of = batch["crossing"].to_numpy(), batch["as_of"].to_numpy()
    slots = np.full((len(plan.slot), len(crossings)), np.nan)
    for place, name in enumerate(FACTS):
        slots[place] = batch[f"fact_{name}"].to_numpy()
    slots[len(FACTS)] = as_of
    for question in questions(plan):
        _fill(slots, plan, question, answers / question.name, crossings)
    values = plan.finish(slots.T)
    ids = batch["crossing_id"].to_numpy(zero_copy_only=False)
    return Matrix(ids, as_of, plan.names, values, plan.digest)


def _fill(slots: Floats, plan: Plan, question: Question, folder: Path, crossings: Any) -> None:
    """Put one question's answers about these crossings where they belong."""
    first, last = int(crossings[0]), int(crossings[-1])
    within = [("crossing", ">=", first), ("crossing", "<=", last)]
    answer = pq.read_table(folder, filters=within)
    places = answer["crossing"].to_numpy() - first
    for read in question.reads:
        slots[plan.slot[read], places] = answer[read_column(read)].to_numpy()
