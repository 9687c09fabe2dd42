"""A folder of features as Spark writes it, without Spark: numpy answers the questions."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.catalogue.plan import Plan
from features.history.tables import Tables
from features.offline import reference_kernel
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import MonthlyFeatures, reads
from features.offline.national_job import encode, finish
from features.offline.window_queries import questions, read_column
from models.data.lookup_baseline import key_names


def write_folder(found: Tables, plan: Plan, out: Path, *, rows: int) -> MonthlyFeatures:
    """Write the features of a history, in parts of at most ``rows`` crossings."""
    parts = encode(found, plan, out, rows=rows)
    assert len({part.month for part in parts}) > 1
    log = read_log(found, plan)
    answers = reads(log, plan, reference_kernel.group_reads)
    for question in questions(plan):
        columns = {read_column(read): answers[read] for read in question.reads}
        folder = parts[0].work / question.name
        folder.mkdir()
        relation = pa.table({"crossing": np.arange(len(log)), **columns})
        pq.write_table(relation, folder / "part-0.parquet")
    finish(found, plan, out, parts, keys=key_names(plan))
    return MonthlyFeatures.open(out, plan)
