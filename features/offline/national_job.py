"""Commands for a history that exceeds one machine: encode here, read on a cluster, finish here.

Three steps, each a command of its own, since they run on different machines. The last step computes
the features from the answers that the cluster wrote as Parquet, block by block, in the order in
which crossings became known, with the operators of every engine; it writes the same file as
``darvoza features HOME``. See "A national history" in docs/analysis.md.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.errors import ConflictError
from engine.storage.database import Store
from engine.storage.home import Home
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.encoder import FACTS
from features.catalogue.plan import Plan
from features.catalogue.spec import Floats
from features.history.tables import read_event_log
from features.offline.feature_matrix import Matrix, write_matrix
from features.offline.window_queries import (
    ENCODED,
    RELATIONS,
    Question,
    encode,
    questions,
    read_column,
    write_query,
)


def session(name: str, **settings: str) -> Any:
    """Return the Spark session, on this machine unless ``spark-submit`` says otherwise."""
    from pyspark.sql import SparkSession  # here, since the other steps need no Spark

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

    ``relations`` is the address of what :func:`features.offline.window_queries.encode` wrote
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


def finish_history(
    relations: Path, answers: Path, plan: Plan, *, rows: int = 200_000
) -> Iterator[Matrix]:
    """Yield features of some crossings at a time, in the order in which they became known.

    ``relations`` holds what was encoded, ``answers`` what Spark answered; ``rows`` crossings at
    once take about 1.5 kB each in memory. Raises ConflictError if the relations were encoded for
    other definitions, or the answers are those of others.
    """
    about = read_manifest(relations)
    if read_manifest(answers) != about or about["definitions"] != plan.digest:
        raise ConflictError("answers", answers.name, "other definitions, or another history")
    for part in sorted((relations / "crossings").glob("*.parquet")):
        for batch in pq.ParquetFile(part).iter_batches(batch_size=rows):
            yield _finish_batch(batch, answers, plan)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what was encoded: ``definitions``, ``history``, ``synthetic``, ``crossings``."""
    found: dict[str, Any] = pq.read_table(folder / ENCODED).to_pylist()[0]
    return found


def _finish_batch(batch: Any, answers: Path, plan: Plan) -> Matrix:
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


def main(arguments: Sequence[str]) -> None:
    """Run one step and print what it did, as one JSON object."""
    given = _parser().parse_args(arguments)
    plan = Plan(CATALOGUE)
    if given.step == "encode":
        done = {"crossings": _encode(given.home, given.relations, plan, rows=given.rows)}
    elif given.step == "answer":
        done = {"questions": _answer(given.relations, given.answers, plan)}
    else:
        done = {"crossings": _run_finish(given.relations, given.answers, plan, out=given.out)}
    sys.stdout.write(json.dumps(done | {"definitions": plan.digest}) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="national", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    step = steps.add_parser("encode", help="all that a home knows, as Parquet")
    step.add_argument("home", type=Path)
    step.add_argument("relations", type=Path)
    step.add_argument("--rows", type=int, default=1_000_000, help="crossings in one part")
    step = steps.add_parser("answer", help="every read of the catalogue, on Spark")
    step.add_argument("relations", help="where Spark finds what was encoded")
    step.add_argument("answers", help="where Spark puts its answers")
    step = steps.add_parser("finish", help="the feature matrix")
    step.add_argument("relations", type=Path)
    step.add_argument("answers", type=Path)
    step.add_argument("out", type=Path)
    return parser


def _encode(home: Path, relations: Path, plan: Plan, *, rows: int) -> int:
    found = Home(home)
    with Store(found.database_url) as store, store.read() as connection:
        tables = read_event_log(found, connection)
    return encode(tables, plan, relations, rows=rows)


def _answer(relations: str, answers: str, plan: Plan) -> int:
    spark = session("darvoza: a national history")
    try:
        return answer(spark, relations, plan, answers, progress=_report_progress)
    finally:
        spark.stop()


def _report_progress(done: int, of: int) -> None:
    sys.stderr.write(f"{done} of {of} questions answered\n")


def _run_finish(relations: Path, answers: Path, plan: Plan, *, out: Path) -> int:
    about = read_manifest(relations)
    metadata = {name: about[name] for name in ("history", "synthetic")}
    write_matrix(finish_history(relations, answers, plan), plan, out, metadata)
    return int(about["crossings"])


if __name__ == "__main__":
    main(sys.argv[1:])
