"""Assembly of a data set: features as of each arrival, labels with their times.

Features read what was known at each arrival, whatever a label says later; a fit looks at
when a label was known. A frozen history forgets later acts for both, as if the backtest's day had
come.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import cast
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.domain.time_units import NEVER
from features.catalogue.plan import Plan
from features.history.labels import Labels, labels
from features.history.tables import SCHEMAS, Tables
from features.offline.column_file import ColumnFile, ScratchFile, select_rows
from features.offline.encoded_history import derive, encode_history, read_log
from features.offline.feature_matrix import (
    TEXTS,
    Matrix,
    MonthlyFeatures,
    batches,
    finish_features,
    matrix,
)
from features.offline.memory_release import release_memory
from models.array_types import Mask, Positions, Rows
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


def assemble(tables: Tables, plan: Plan) -> Dataset:
    """Build the dataset of a history: one row a crossing, ordered by ``as_of``."""
    return dataset(tables, matrix(read_log(tables, plan), plan), labels(tables))


def build_on_disk(
    read: Callable[[], Tables], plan: Plan, *, scratch: Path, progress: Progress | None = None
) -> tuple[Dataset, Lookup, Tables]:
    """Build the dataset of a long history, and the keys of a look-up table for the same rows.

    Features are in a file of the folder ``scratch``, and gone with the dataset. ``progress`` is
    called with how many features are done, and how many there are. ``read`` returns the history;
    returned of it are acts, finds and a few columns of crossings: the rest is let go.
    """
    tables, columns = read(), ScratchFile(scratch)
    log, known = encode_history(tables, plan, scratch=columns), labels(tables)
    tables = replace(
        tables,
        crossings=tables.crossings.select(["arrived_at", *TEXTS]),
        declarations=SCHEMAS["declarations"].empty_table(),
        goods_items=SCHEMAS["goods_items"].empty_table(),
    )
    release_memory()
    log = derive(log, plan, scratch=columns)
    release_memory()
    values = ColumnFile((len(log), len(plan.names)), scratch)
    for part in finish_features(log, plan, batches(log, plan), progress=progress):
        values.write(*part)
    made = Matrix(log.crossing_id[:], log.as_of, plan.names, cast("Rows", values), plan.digest)
    table = lookup(partial(log.keys_under, plan), plan, len(log)).take(in_order(made))
    return dataset(tables, made, known), table, tables


def build_from_features(
    found: MonthlyFeatures, plan: Plan, *, scratch: Path, share: float, recent: int
) -> tuple[Dataset, Lookup, Tables]:
    """Build from a folder of features what :func:`build_on_disk` builds from a history.

    Features of crossings that :func:`sample_rows` leaves out with ``share`` are not read;
    ``recent`` microseconds before all was known no crossing is left out.
    """
    tables = found.history()
    known, crossings = labels(tables), tables.crossings
    names, as_of, arrived = (
        crossings[name].to_numpy() for name in ("crossing_id", "as_of", "arrived_at")
    )
    since = known_until(as_of, known.known_at) - recent
    rows = sample_rows(names, arrived, known.known_at, share=share, since=since)
    tables = replace(tables, crossings=crossings.filter(pa.array(rows)))
    made, table = read_features(found, plan, rows, scratch=scratch)
    chosen = replace(known, **{one.name: getattr(known, one.name)[rows] for one in fields(known)})
    return dataset(tables, made, chosen), table, tables


def read_features(
    found: MonthlyFeatures, plan: Plan, rows: Mask, *, scratch: Path
) -> tuple[Matrix, Lookup]:
    """Return features and keys of k of the n crossings in a folder, those of a mask.

    Features stay in a file of the folder ``scratch``; keys are in the order of a dataset.
    """
    values = ColumnFile((int(rows.sum()), len(plan.names)), scratch)
    found.write_rows(rows, plan.names, values)
    crossings = found.crossings()
    names, as_of = (crossings[name].to_numpy()[rows] for name in ("crossing_id", "as_of"))
    made = Matrix(names, as_of, plan.names, cast("Rows", values), plan.digest)
    table = lookup(lambda by: found.keys(by)[rows], plan, len(values))
    return made, table.take(in_order(made))


def known_until(as_of: NDArray[np.int64], label_known_at: NDArray[np.int64]) -> int:
    """Return when all of n crossings and their labels was known, UTC microseconds.

    A label that became known after the last crossing counts as known with it.
    """
    known = label_known_at[label_known_at < NEVER]
    return 1 + max(int(as_of.max(initial=0)), int(known.max(initial=0)))


def sample_rows(
    names: NDArray[np.object_],
    arrived_at: NDArray[np.int64],
    label_known_at: NDArray[np.int64],
    *,
    share: float,
    since: int,
) -> Mask:
    """Return which of n crossings are read: all with a label, all recent ones, a share of the rest.

    Crossings that arrived at or after ``since`` (UTC microseconds) are recent. Of the rest their
    identifiers decide, so that the same crossings are read whatever else there is.
    """
    rows = (label_known_at < NEVER) | (arrived_at >= since)
    if share >= 1:
        return np.ones(len(rows), np.bool_)
    for row in np.flatnonzero(~rows) if share > 0 else ():
        rows[row] = crc32(names[row].encode()) < share * (1 << 32)
    return np.asarray(rows, np.bool_)


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
    order, crossings = in_order(made), tables.crossings

    def text(name: str) -> NDArray[np.object_]:
        # One object for each distinct text, not for each row.
        column = pc.dictionary_encode(crossings[name]).combine_chunks()
        distinct = np.array([*column.dictionary.to_pylist(), None], object)
        places = pc.fill_null(column.indices, len(distinct) - 1).to_numpy()
        texts: NDArray[np.object_] = distinct[places][order]
        return texts

    return Dataset(
        crossing_id=made.crossing_id[order],
        **{name: text(name) for name in TEXTS},
        arrived_at=np.asarray(crossings["arrived_at"].to_numpy(), np.int64)[order],
        as_of=made.as_of[order],
        names=made.names,
        definitions=made.definitions,
        values=select_rows(made.values, order),
        seizure=known.seizure[order],
        discrepancy=known.discrepancy[order],
        label_known_at=known.known_at[order],
        basis=known.basis[order],
        propensity=known.propensity[order],
        is_full=known.is_full[order],
        synthetic=tables.network.synthetic,
    )
