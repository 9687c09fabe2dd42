"""The reads of a history on Spark.

For a history that exceeds one machine: the same SQL as DuckDB runs, over the relations as Parquet.
Executors need nothing of this project: they see SQL, no Python. Answers come back as Parquet, one
folder a question, each file sorted by crossing; :mod:`features.offline.sql.national_job` finishes.

An entity with very many events (the post itself, a large carrier, all events together) would be one
task that never ends. Such entities are found first, and their counters are carried forward from
bucket to bucket of time; see :mod:`features.offline.sql.window_queries`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pyspark.sql import SparkSession

from engine.errors import ConflictError
from features.catalogue.plan import Plan
from features.offline.sql.window_queries import ENCODED, RELATIONS, Question, hot, questions, split

HOT = 5_000
"""Events and cuts above which an entity is hot: under a second of sliding frames for a core."""
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
    """Answer every question of a plan; return how many pairs of question and hot entity there were.

    ``relations`` is the address of what :func:`features.offline.sql.window_queries.encode` wrote
    for this plan, as Spark reads it; ``answers`` where to put one folder a question, used once, so
    that no two runs can mix. Entities with more than ``above`` events and cuts are hot; ``text``
    writes a question, given its hot entities. ``progress`` is called with the number of questions
    answered and of all. Raises ConflictError if the relations were encoded for other definitions.
    """
    encoded = spark.read.parquet(f"{relations}/{ENCODED}")
    if encoded.collect()[0].definitions != plan.digest:
        raise ConflictError("relations", relations, "encoded for other definitions")
    for name in RELATIONS:
        spark.read.parquet(f"{relations}/{name}").createOrReplaceTempView(name)
    asked, found = questions(plan), 0
    for done, question in enumerate(asked, 1):
        entities = sorted(row.entity for row in spark.sql(hot(question, above=above)).collect())
        found += len(entities)
        # Sorted, so that a block of crossings is a few row groups of each file.
        rows = spark.sql(text(question, entities)).sortWithinPartitions("crossing")
        rows.write.parquet(f"{answers}/{question.name}")
        if progress is not None:
            progress(done, len(asked))
    encoded.write.parquet(f"{answers}/{ENCODED}")
    return found
