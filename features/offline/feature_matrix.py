"""All reads of a whole history, the feature matrix computed from them, and its files.

Group by group, the kernel turns a stream's events and the crossings' cuts into reads. Exact because
everything is int64, and leak-free because an event counts only strictly before the cut. A feature
is finished as soon as its reads are computed; reads that no feature still needs are freed.

Features are computed a few at a time and files are written row by row, so an exported matrix goes
through a scratch file next to the output: it is never whole in memory. A row group holds rows of
one month at most.

A folder of features by month has what training needs of the history behind them too:

- ``features/2026-03/part-000000120000.parquet``: crossings in the order in which they became known,
  their times and texts, the keys of a few combinations of entities, and their features.
- ``history``: the acts and finds, the network and the classes of goods.
- ``manifest.json`` is written last: a folder without it is not whole.

Unlike the one file of ``darvoza features``, a value that is not known is NaN, and its bits are
those of the kernel: what is trained from the folder is trained from the same bits.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.domain.goods import GoodsClasses
from engine.domain.network import read_home_network, write_network
from engine.errors import InputError
from features.catalogue.encoder import FACTS
from features.catalogue.plan import Group, Plan, Rows
from features.catalogue.spec import EVER, Fact, Feature, Floats, Read
from features.catalogue.transforms import FeatureBatch, Item, batch_features
from features.history.tables import SCHEMAS, Tables
from features.offline.column_file import ColumnFile, ScratchFile
from features.offline.compact_columns import FLOATS, narrowest
from features.offline.encoded_history import EncodedHistory, Events, derive, encode_history
from features.offline.kernel import group_reads
from features.offline.memory_release import release_memory
from features.offline.window_queries import key_column

Ints = NDArray[np.int64]
_ROWS_AT_ONCE = 8_192
"""Rows of which some features are finished together: few enough to stay within a cache."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Features of n crossings.

    Attributes
    ----------
    crossing_id : object array of shape (n,)
    as_of : int64 array of shape (n,)
        UTC microseconds: a record known at or after it does not affect the row.
    names : tuple of str
    values : float32 array of shape (n, n_features)
        NaN where unknown.
    definitions : str
        Digest of the definitions.
    """

    crossing_id: NDArray[np.object_]
    as_of: Ints
    names: tuple[str, ...]
    values: Rows
    definitions: str


@dataclass(frozen=True, slots=True)
class LastFact:
    """A fact of the last event of each crossing, looked up on demand.

    Many reads of one group share the places of the last events, four bytes a crossing.
    """

    log: EncodedHistory
    events: Events
    last: NDArray[np.int32]
    """Place of the last event, -1 where there is none."""
    fact: str

    def __getitem__(self, rows: slice) -> Floats:
        """Return the fact for some crossings, NaN where there is no last event."""
        last, events = self.last[rows], self.events
        if not len(events.row):
            return np.full(len(last), np.nan)
        if self.fact == "known_at":
            carried = events.known_at[last].astype(np.float64)
        else:
            carried = self.log.facts[FACTS.index(self.fact), events.row[last]]
        return np.where(last < 0, np.nan, carried)


Column = Floats | LastFact
"""One read of shape (n,), indexed by a slice of rows."""
Kernel = Callable[..., Ints]
"""Computes the reads of one group; see :func:`features.offline.kernel.group_reads`."""


def reads(log: EncodedHistory, plan: Plan, kernel: Kernel = group_reads) -> dict[Read, Floats]:
    """Compute every read of the plan for the n crossings of a log.

    By read, a float64 array of shape (n,): exact integers; NaN where the entity looked up is not
    known, or has no last event. The default is the numba kernel;
    ``features.offline.reference_kernel.group_reads`` is the second implementation.
    """
    found = chain.from_iterable(batch.items() for batch in batches(log, plan, kernel))
    return {read: column[:] for read, column in found}


def batches(
    log: EncodedHistory, plan: Plan, kernel: Kernel = group_reads, *, first: int = 0
) -> Iterator[dict[Read, Column]]:
    """Yield the reads of :func:`reads` a few at a time, strictly before each crossing's ``as_of``.

    Crossings are cut from the row ``first`` on; events of all rows count. Each read is a float64
    column of shape (n - first,), NaN where the entity is not known.
    """
    for group in plan.groups:
        wanted = [read for read in plan.reads if (read.stream, read.by) == (group.stream, group.by)]
        for of in sorted({read.of for read in wanted}):
            asked = [read for read in wanted if read.of == of]
            yield _group_reads(log, plan, group, asked, first=first, kernel=kernel)


def _group_reads(
    log: EncodedHistory,
    plan: Plan,
    group: Group,
    wanted: Sequence[Read],
    *,
    first: int,
    kernel: Kernel,
) -> dict[Read, Column]:
    events = log.events_of(group)
    query, as_of = log.keys[plan.column[wanted[0].of, group.by]][first:], log.as_of[first:]
    # The journal's decisions are cut before they are known, so cuts need not ascend with rows.
    order = slice(None) if (as_of[1:] >= as_of[:-1]).all() else np.argsort(as_of, kind="stable")
    sums = [read for read in wanted if not read.is_last]
    measures = sorted({read.measure for read in sums})
    windows = sorted({read.window for read in sums}) or [EVER]
    under = log.event_keys(plan, group)
    # Of a stream with keys of its own, most events are another group's: six of a crossing.
    counted = slice(None) if events.keys is None else np.flatnonzero(under)
    under = under[counted]
    found = kernel(
        under,
        events.known_at[counted],
        _amounts(events, measures, counted, len(under)),
        query[order],
        as_of[order],
        np.array([0 if window >= EVER else window for window in windows]),
        np.array([measures.index(read.measure) for read in sums], np.int64),
        np.array([windows.index(read.window) for read in sums], np.int64),
        last=len(sums) < len(wanted),
    )
    out: dict[Read, Column] = {}
    last = np.full(len(query), -1, np.int32)
    if len(sums) < len(wanted):
        places = found[-1]
        if not isinstance(counted, slice) and len(counted):
            places = np.where(places < 0, -1, counted[places])
        last[order] = places
        last[query == 0] = -1
    for read in wanted:
        if read.is_last:
            out[read] = LastFact(log, events, last, read.measure)
            continue
        values = _as_floats(found[sums.index(read)], order)
        values[query == 0] = np.nan
        out[read] = values
    return out


def _as_floats(column: Ints, order: NDArray[np.intp] | slice) -> Floats:
    """Return a column in the order of rows, in the memory that it has where it has that order."""
    values = column.view(np.float64)
    if not isinstance(order, slice):
        values = np.empty(len(column))
        values[order] = column
        return values
    for begin in range(0, len(column), _ROWS_AT_ONCE):
        rows = slice(begin, begin + _ROWS_AT_ONCE)
        values[rows] = column[rows]
    return values


def _amounts(events: Events, measures: Sequence[str], counted: Ints | slice, m: int) -> Ints:
    """Return what each of m counted events adds, one row a measure."""
    out = np.empty((len(measures), m), np.int64)
    for name, row in zip(measures, out, strict=True):
        row[:] = events.amounts(name)[counted]
    return out


Engine = Callable[[EncodedHistory, Plan], dict[Read, Floats]]
"""Computes every read of a plan for every crossing; see :func:`reads`."""


def matrix(
    log: EncodedHistory,
    plan: Plan,
    progress: Callable[[int, int], None] | None = None,
    *,
    engine: Engine | None = None,
) -> Matrix:
    """Compute the feature matrix of a history, one row a crossing, cut at its own ``as_of``.

    Its float32 values are of shape (n, n_features). ``progress`` is called with the number of
    features done and the number of all. The default engine is the numba kernel, a few reads at a
    time; ``features.offline.window_queries.reads`` is an independent one, of equal bits.
    """
    values = np.empty((len(log), len(plan.names)), np.float32)
    found = batches(log, plan) if engine is None else [engine(log, plan)]
    for places, rows, made in finish_features(log, plan, found, progress=progress):
        values[rows, places] = made.T
    return Matrix(log.crossing_id[:], log.as_of, plan.names, values, plan.digest)


def finish_features(
    log: EncodedHistory,
    plan: Plan,
    found: Iterable[Mapping[Read, Column]],
    *,
    first: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[tuple[int, ...], slice, Rows]]:
    """Finish features as soon as their reads are computed, some features of some rows at a time.

    Features are wanted from the row ``first`` on; ``progress`` is called with the number of
    features done and the number of all.

    Parameters
    ----------
    found : iterable of mapping of Read to float64 column of shape (n - first,)
        All reads of the plan, a few at a time.

    Yields
    ------
    places : tuple of k int
        Where these features stand among the plan's names; each place once for each row.
    rows : slice of m rows, counted from ``first``
    values : float32 array of shape (k, m)
        To the bit what ``plan.finish`` makes of all slots.
    """
    waits = dict(enumerate(plan.catalogue.values()))
    reads = {place: _reads(feature) for place, feature in waits.items()}
    held: dict[Read, Column] = {}
    for batch in chain([{}], found):
        held |= batch
        ready = [place for place in waits if reads[place] <= held.keys()]
        for features in batch_features({place: waits.pop(place) for place in ready}):
            yield from _finish_rows(log, features, held, first)
        wanted = set().union(*(reads[place] for place in waits))
        # Reads still needed get memory of their own, so that the rest of the group is freed.
        held = {
            read: _narrow(values) if read in batch else values
            for read, values in held.items()
            if read in wanted
        }
        del batch  # or it would stay in memory while the next one is computed
        if progress is not None and ready:
            progress(len(reads) - len(waits), len(reads))


def _narrow(column: Column) -> Column:
    return column if isinstance(column, LastFact) else narrowest(column, FLOATS)


def _reads(feature: Feature) -> set[Read]:
    return {item for item in feature.inputs if isinstance(item, Read)}


def _finish_rows(
    log: EncodedHistory, features: FeatureBatch, held: Mapping[Read, Column], first: int
) -> Iterator[tuple[tuple[int, ...], slice, Rows]]:
    n = len(log) - first

    def fill_rows(items: Sequence[Item], rows: slice) -> Floats:
        out = np.empty((len(items), rows.stop - rows.start))
        for item, row in zip(items, out, strict=True):
            within = slice(first + rows.start, first + rows.stop)
            row[:] = held[item][rows] if isinstance(item, Read) else _fact(log, item, within)
        return out

    items, shape = tuple(chain.from_iterable(features.own)), (-1, len(features.places))
    for begin in range(0, n, _ROWS_AT_ONCE):
        rows = slice(begin, min(begin + _ROWS_AT_ONCE, n))
        own = fill_rows(items, rows).reshape(*shape, rows.stop - begin)
        made = features.finish(own, fill_rows(features.common, rows))
        yield features.places, rows, made.astype(np.float32)


def _fact(log: EncodedHistory, fact: Fact, rows: slice) -> Floats:
    if fact.name == "as_of":
        return log.as_of[rows].astype(np.float64)
    return log.facts[FACTS.index(fact.name), rows]


_WRITTEN_AT_ONCE = 65_536
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
    write_matrix(_months(log, plan, scratch, first), plan, out, about)
    return ExportSummary(rows, width, plan.digest, synthetic, size, 4 * rows * width)


def _months(log: EncodedHistory, plan: Plan, scratch: ColumnFile, first: int) -> Iterator[Matrix]:
    """Read the scratch file row by row, a month or part of one at a time."""
    month = log.known_at[first:].astype("M8[us]").astype("M8[M]")
    starts = np.r_[0, np.flatnonzero(month[1:] != month[:-1]) + 1, len(month)]
    for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        for at in range(begin, end, _WRITTEN_AT_ONCE):
            upto = min(at + _WRITTEN_AT_ONCE, end)
            values = scratch.read_columns(slice(at, upto), range(len(plan.names)))
            rows = slice(first + at, first + upto)
            yield Matrix(log.crossing_id[rows], log.as_of[rows], plan.names, values.T, plan.digest)


def write_matrix(
    matrices: Iterable[Matrix], plan: Plan, out: Path, metadata: Mapping[str, str]
) -> None:
    """Write the rows of some matrices, one after the other; see :func:`export`."""
    schema = pa.schema(
        [("crossing_id", pa.string()), ("as_of", pa.timestamp("us", tz="UTC"))]
        + [(name, pa.float32()) for name in plan.names],
        metadata={"definitions": plan.digest} | dict(metadata),
    )
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for made in matrices:
            for begin in range(0, len(made.as_of), _WRITTEN_AT_ONCE):
                rows = slice(begin, begin + _WRITTEN_AT_ONCE)
                columns: list[NDArray[Any]] = [
                    made.crossing_id[rows],
                    made.as_of[rows].view("M8[us]"),
                ]
                values = [null_missing(column) for column in made.values[rows].T]
                writer.write_table(pa.table([*columns, *values], schema=schema))


def null_missing(column: NDArray[np.float32]) -> Any:
    """Return a feature's values, shape (n,), as Arrow has them: null for NaN."""
    return pa.array(column, pa.float32(), mask=np.isnan(column))


TEXTS = ("post", "vehicle_class", "direction", "plate_country")
"""Texts of a crossing that a data set has beside its features."""
CARRIED = ("crossing_id", "arrived_at", "as_of", *TEXTS)
FEATURES, HISTORY, MANIFEST = "features", "history", "manifest.json"
_NETWORK, _ABOUT = "network.toml", "about.json"
_BATCH_ROWS = 65_536


def write_history(tables: Tables, folder: Path) -> None:
    """Write a history, or a part of one, into a new folder; see :func:`read_history_folder`."""
    folder.mkdir(parents=True)
    for name in SCHEMAS:
        pq.write_table(tables.table(name), folder / f"{name}.parquet", compression="zstd")
    if tables.network.posts:
        (folder / _NETWORK).write_text(write_network(tables.network), "utf-8")
    about = {"digest": tables.digest, "goods": tables.goods.model_dump(mode="json")}
    (folder / _ABOUT).write_text(json.dumps(about), "utf-8")


def read_history_folder(folder: Path) -> Tables:
    """Return what :func:`write_history` wrote."""
    about = json.loads((folder / _ABOUT).read_text("utf-8"))
    return Tables(
        **{name: pq.read_table(folder / f"{name}.parquet") for name in SCHEMAS},
        network=read_home_network(folder / _NETWORK),
        digest=about["digest"],
        goods=GoodsClasses.model_validate(about["goods"]),
    )


def without_rows(tables: Tables, *names: str) -> Tables:
    """Return a history in which some tables have no rows."""
    return replace(tables, **{name: tables.table(name).slice(0, 0) for name in names})


@dataclass(frozen=True, slots=True)
class MonthlyFeatures:
    """Features of a history in a folder that is whole."""

    folder: Path
    about: Mapping[str, Any]
    """The manifest: ``definitions``, ``history``, ``synthetic`` and ``crossings``."""

    @classmethod
    def open(cls, folder: Path, plan: Plan) -> "MonthlyFeatures":
        """Open a folder; raises ``InputError`` where it is not whole, or of other definitions."""
        try:
            about = json.loads((folder / MANIFEST).read_text("utf-8"))
        except (OSError, ValueError):
            why = f"has no {MANIFEST}: no features are in it, or not all"
            raise InputError(str(folder), why) from None
        if about["definitions"] != plan.digest:
            raise InputError(str(folder), "its features have other definitions than this version")
        return cls(folder, about)

    def crossings(self) -> pa.Table:
        """Return the columns ``CARRIED`` of all crossings, as they became known."""
        return self._read(CARRIED)

    def history(self) -> Tables:
        """Return the history with :meth:`crossings` alone of these, without declarations."""
        kept = read_history_folder(self.folder / HISTORY)
        return replace(kept, crossings=self.crossings())

    def keys(self, by: tuple[str, ...]) -> NDArray[np.int64]:
        """Return the key of each of n crossings under some entities: shape (n,), 0: not known."""
        name = key_column(by, by)
        return np.asarray(self._read([name])[name].to_numpy(), np.int64)

    def write_rows(self, rows: NDArray[np.bool_], names: Sequence[str], out: ColumnFile) -> None:
        """Write the features of k of the n crossings, those of a mask, into a file of k rows."""
        begin = first = 0
        for path in self._files():
            for batch in pq.ParquetFile(path).iter_batches(_BATCH_ROWS, columns=list(names)):
                wanted = rows[first : first + batch.num_rows]
                first += batch.num_rows
                count = int(wanted.sum())
                if count:
                    values = np.array([batch[name].to_numpy()[wanted] for name in names])
                    out.write(range(len(names)), slice(begin, begin + count), values)
                    begin += count

    def _files(self) -> Iterator[Path]:
        """Yield the files in the order in which their crossings became known."""
        return iter(sorted((self.folder / FEATURES).glob("*/*.parquet")))

    def _read(self, names: Sequence[str]) -> pa.Table:
        parts = [pq.ParquetFile(path).read(columns=list(names)) for path in self._files()]
        return pa.concat_tables(parts)
