"""The reads of a history by DuckDB: the independent checker of the kernels.

It shares the definitions with them and nothing else: neither how events are traversed or searched,
nor how a read becomes a column of numbers.
"""

from collections.abc import Callable

import duckdb
import numpy as np

from features.catalogue.plan import Plan
from features.catalogue.spec import Floats, Read
from features.offline.encoded_history import EncodedHistory
from features.offline.sql.window_queries import (
    Question,
    questions,
    read_column,
    relations,
    write_query,
)


def reads(
    log: EncodedHistory, plan: Plan, text: Callable[[Question], str] = write_query
) -> dict[Read, Floats]:
    """Compute every read of the plan for the n crossings of a log.

    As :func:`features.offline.feature_matrix.reads` does, by read a float64 array of shape (n,):
    exact integers; NaN where the entity looked up is not known, or has no last event.
    """
    out = {read: np.full(len(log), np.nan) for read in plan.reads}
    with duckdb.connect() as connection:
        for name, relation in relations(log, plan).items():
            connection.register(name, relation)
        for question in questions(plan):
            answer = connection.sql(text(question)).to_arrow_table()
            rows = answer["crossing"].to_numpy()
            for read in question.reads:
                out[read][rows] = answer[read_column(read)].to_numpy()
    return out
