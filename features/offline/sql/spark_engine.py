"""The reads of a history on Spark.

For a history that exceeds one machine: the same SQL as DuckDB runs, over the relations as Parquet.
Executors need nothing of this project: they see SQL, no Python. Answers come back as Parquet, one
folder a question, each file sorted by crossing; :mod:`features.offline.sql.national_job` finishes.
"""

from collections.abc import Callable
from typing import Any

from pyspark.sql import SparkSession

from engine.errors import ConflictError
from features.catalogue.plan import Plan
from features.offline.sql.window_queries import (
    ENCODED,
    RELATIONS,
    Question,
    questions,
    write_query,
)


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
    text: Callable[[Question], str] = write_query,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Answer every question of a plan; return how many there were.

    ``relations`` is the address of what :func:`features.offline.sql.window_queries.encode` wrote
    for this plan, as Spark reads it; ``answers`` where to put one folder a question, used once, so
    that no two runs can mix. ``progress`` is called with the number of questions answered and of
    all. Raises ConflictError if the relations were encoded for other definitions.
    """
    encoded = spark.read.parquet(f"{relations}/{ENCODED}")
    if encoded.collect()[0].definitions != plan.digest:
        raise ConflictError("relations", relations, "encoded for other definitions")
    for name in RELATIONS:
        spark.read.parquet(f"{relations}/{name}").createOrReplaceTempView(name)
    asked = questions(plan)
    for done, question in enumerate(asked, 1):
        # Sorted, so that a block of crossings is a few row groups of each file.
        rows = spark.sql(text(question)).sortWithinPartitions("crossing")
        rows.write.parquet(f"{answers}/{question.name}")
        if progress is not None:
            progress(done, len(asked))
    encoded.write.parquet(f"{answers}/{ENCODED}")
    return len(asked)
