"""The feature matrix of a bulk folder or a home, as one Parquet file.

Features are computed a few at a time and files are written row by row, so the matrix goes through a
scratch file next to the output: it is never whole in memory. A row group holds rows of one month at
most.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from features.catalogue.plan import Plan
from features.history.tables import SCHEMAS, Tables
from features.offline.column_file import ColumnFile, ScratchFile
from features.offline.encoded_history import EncodedHistory, derive, encode_history
from features.offline.feature_matrix import Matrix, batches, finish_features
from features.offline.memory_release import release_memory

_ROWS_AT_ONCE = 65_536
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """Result of an export: sizes, and the digest of the definitions that it used.

    ``input_bytes`` are the validated records as Arrow holds them in memory, each once;
    ``output_bytes`` the matrix: four bytes a feature and row.
    """

    rows: int
    features: int
    definitions: str
    synthetic: bool
    input_bytes: int
    output_bytes: int


def export(
    read: Callable[[], Tables],
    plan: Plan,
    out: Path,
    *,
    since: int | None = None,
    progress: Progress | None = None,
) -> ExportSummary:
    """Compute the matrix of a history and write it as Parquet.

    ``read`` returns the history, whose tables are let go once they are encoded. The file has
    ``crossing_id``, ``as_of`` (timestamp, UTC microseconds) and one float32 column a feature, null
    where it is missing; its
    metadata hold the digests of the definitions and of the history. Rows stand in the order in
    which crossings became known; a row group ends with its month. With ``since`` (UTC microseconds)
    only crossings known at or after it are written; all of the past is counted all the same, so
    these rows are, to the bit, those of the whole matrix. ``progress`` is called with the stage,
    the amount done and the amount of all.
    """
    say = progress or (lambda _stage, _done, _of: None)
    tables = read()
    release_memory()
    size = sum(tables.table(name).nbytes for name in SCHEMAS)
    synthetic = tables.network.synthetic
    about = {"history": tables.digest, "synthetic": str(synthetic).lower()}
    columns = ScratchFile(out.parent)
    log = encode_history(tables, plan, lambda done, of: say("encoding", done, of), scratch=columns)
    del tables
    release_memory()
    log = derive(log, plan, scratch=columns)
    first = 0 if since is None else int(np.searchsorted(log.known_at, since))
    rows, width = len(log) - first, len(plan.names)
    scratch = ColumnFile((rows, width), out.parent)
    for made in finish_features(
        log,
        plan,
        batches(log, plan, first=first),
        first=first,
        progress=lambda done, of: say("features", done, of),
    ):
        scratch.write(*made)
    write(_months(log, plan, scratch, first), plan, out, about)
    return ExportSummary(rows, width, plan.digest, synthetic, size, 4 * rows * width)


def _months(log: EncodedHistory, plan: Plan, scratch: ColumnFile, first: int) -> Iterator[Matrix]:
    """Read the scratch file row by row, a month or part of one at a time."""
    month = log.known_at[first:].astype("M8[us]").astype("M8[M]")
    starts = np.r_[0, np.flatnonzero(month[1:] != month[:-1]) + 1, len(month)]
    for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        for at in range(begin, end, _ROWS_AT_ONCE):
            upto = min(at + _ROWS_AT_ONCE, end)
            values = scratch.read_columns(slice(at, upto), range(len(plan.names)))
            rows = slice(first + at, first + upto)
            yield Matrix(log.crossing_id[rows], log.as_of[rows], plan.names, values.T, plan.digest)


def write(matrices: Iterable[Matrix], plan: Plan, out: Path, metadata: Mapping[str, str]) -> None:
    """Write the rows of some matrices, one after the other; see :func:`export`."""
    schema = pa.schema(
        [("crossing_id", pa.string()), ("as_of", pa.timestamp("us", tz="UTC"))]
        + [(name, pa.float32()) for name in plan.names],
        metadata={"definitions": plan.digest} | dict(metadata),
    )
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for made in matrices:
            for begin in range(0, len(made.as_of), _ROWS_AT_ONCE):
                rows = slice(begin, begin + _ROWS_AT_ONCE)
                columns: list[NDArray[Any]] = [
                    made.crossing_id[rows],
                    made.as_of[rows].view("M8[us]"),
                ]
                values = [null_missing(column) for column in made.values[rows].T]
                writer.write_table(pa.table([*columns, *values], schema=schema))


def null_missing(column: NDArray[np.float32]) -> Any:
    """Return a feature's values, shape (n,), as Arrow has them: null for NaN."""
    return pa.array(column, pa.float32(), mask=np.isnan(column))
