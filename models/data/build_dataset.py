"""Assembly of a data set: features as of each arrival, labels with their times.

Features read what was known at each arrival, whatever a label says later; a fit looks at
when a label was known. A frozen history forgets later acts for both, as if the backtest's day had
come.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.catalogue.plan import Plan
from features.history.labels import Labels, labels
from features.history.tables import Tables
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import Matrix, matrix
from models.array_types import Positions
from models.data.dataset import Dataset
from models.data.lookup_baseline import Lookup, lookup

Progress = Callable[[int, int], None]


def freeze_history(tables: Tables, *, labels_before: int, delay: int = 0) -> Tables:
    """Return a history in which acts and finds become known ``delay`` later, and none after a cut.

    Times are in (UTC) microseconds; acts and finds known at or after ``labels_before`` are removed.
    """

    def keep_known(table: pa.Table) -> pa.Table:
        place = table.column_names.index("known_at")
        later = pc.add(table["known_at"], delay)
        return table.set_column(place, table.field("known_at"), later).filter(
            pc.less(later, labels_before)
        )

    return replace(
        tables, inspections=keep_known(tables.inspections), seizures=keep_known(tables.seizures)
    )


def assemble(tables: Tables, plan: Plan, *, progress: Progress | None = None) -> Dataset:
    """Build the dataset of a history: one row a crossing, ordered by ``as_of``.

    ``progress`` is called with how many features are done, and how many there are.
    """
    made = matrix(read_log(tables, plan), plan, progress)
    return dataset(tables, made, labels(tables))


def build_with_lookup(
    tables: Tables, plan: Plan, *, progress: Progress | None = None
) -> tuple[Dataset, Lookup]:
    """Build the dataset of a history, and the keys of a look-up table for the same rows."""
    log = read_log(tables, plan)
    made = matrix(log, plan, progress)
    return dataset(tables, made, labels(tables)), lookup(log, plan).take(in_order(made))


def in_order(made: Matrix) -> Positions | slice:
    """Return the rows, shape (n,), as a dataset has them: by the cut of their features.

    Decisions are cut before their record is known, so this order may differ from the journal's;
    where it does not, as in a loaded history, all rows are one slice, which copies nothing.
    """
    if (made.as_of[1:] >= made.as_of[:-1]).all():
        return slice(None)
    return np.argsort(made.as_of, kind="stable")


def dataset(tables: Tables, made: Matrix, known: Labels) -> Dataset:
    """Put a feature matrix, shape (n, f), and labels side by side, ordered by ``as_of``."""
    order = in_order(made)

    def text(name: str) -> NDArray[np.object_]:
        return np.array(tables.crossings[name].to_pylist(), object)[order]

    return Dataset(
        crossing_id=made.crossing_id[order],
        post=text("post"),
        vehicle_class=text("vehicle_class"),
        direction=text("direction"),
        plate_country=text("plate_country"),
        arrived_at=np.asarray(tables.crossings["arrived_at"].to_numpy(), np.int64)[order],
        as_of=made.as_of[order],
        names=made.names,
        definitions=made.definitions,
        values=made.values[order],
        seizure=known.seizure[order],
        discrepancy=known.discrepancy[order],
        label_known_at=known.known_at[order],
        basis=known.basis[order],
        propensity=known.propensity[order],
        is_full=known.is_full[order],
        synthetic=tables.network.synthetic,
    )
