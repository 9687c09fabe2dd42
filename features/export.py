"""The feature matrix of a bulk folder or a home, as one Parquet file."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.bulk import Matrix, matrix
from features.history import Tables
from features.log import read_log
from features.plan import Plan

_ROWS_AT_ONCE = 65_536


def export(
    tables: Tables, plan: Plan, out: Path, *, progress: Callable[[int, int], None] | None = None
) -> Matrix:
    """Compute the matrix of a history and write it.

    Parameters
    ----------
    tables : Tables
    plan : Plan
        The compiled catalogue.
    out : Path
        Parquet file with ``crossing_id``, ``as_of`` (int64, UTC microseconds) and one float32
        column a feature; its metadata hold the digests of the definitions and of the history.
    progress : callable, optional
        Told how many rows are done, and how many there are.

    Returns
    -------
    Matrix
        What was written.
    """
    made = matrix(read_log(tables, plan), plan, progress)
    synthetic = str(tables.network.synthetic).lower()
    write([made], plan, out, {"history": tables.digest, "synthetic": synthetic})
    return made


def write(matrices: Iterable[Matrix], plan: Plan, out: Path, metadata: Mapping[str, str]) -> None:
    """Write the rows of some matrices, one after the other; see :func:`export`."""
    schema = pa.schema(
        [("crossing_id", pa.string()), ("as_of", pa.int64())]
        + [(name, pa.float32()) for name in plan.names],
        metadata={"definitions": plan.digest} | dict(metadata),
    )
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for made in matrices:
            for begin in range(0, len(made.as_of), _ROWS_AT_ONCE):
                rows = slice(begin, begin + _ROWS_AT_ONCE)
                columns = [made.crossing_id[rows], made.as_of[rows], *made.values[rows].T]
                writer.write_table(pa.table(dict(zip(schema.names, columns, strict=True)), schema))
