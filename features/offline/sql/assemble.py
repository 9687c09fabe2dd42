"""Features from the answers that an SQL engine wrote as Parquet.

Block by block, in the order in which crossings became known, with the operators of every engine.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.errors import ConflictError
from features.catalogue.encoder import FACTS
from features.catalogue.plan import Plan
from features.catalogue.spec import Floats
from features.offline.feature_matrix import Matrix
from features.offline.sql.relations import ENCODED, read_column
from features.offline.sql.window_queries import Question, questions


def finish(relations: Path, answers: Path, plan: Plan, *, rows: int = 200_000) -> Iterator[Matrix]:
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
