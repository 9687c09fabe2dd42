"""All reads of a whole history at once, and the feature matrix made of them.

Group by group, the kernel turns a stream's events and the crossings' cuts into reads. Exact because
everything is int64, and leak-free because an event counts only strictly before the cut.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.definitions import EVER, Floats, Read
from features.encode import FACTS
from features.kernel import group_reads
from features.log import Events, Log
from features.plan import Group, Plan, Rows

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Features of n crossings.

    Attributes
    ----------
    crossing_id : object array of shape (n,)
    as_of : int64 array of shape (n,)
        UTC microseconds: nothing known at or after it had a part in the row.
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


Kernel = Callable[..., Ints]
"""Computes the reads of one group; see :func:`features.kernel.group_reads`."""


def reads(log: Log, plan: Plan, kernel: Kernel = group_reads) -> dict[Read, Floats]:
    """Compute every read of the plan for every crossing.

    Parameters
    ----------
    log : Log of n crossings
    plan : Plan
    kernel : Kernel, default=the numba kernel
        ``features.reference.group_reads`` is its numpy twin.

    Returns
    -------
    dict of Read to float64 array of shape (n,)
        Exact integers; NaN where the entity looked up is not known, or has no last event.
    """
    # The journal's decisions are cut before they are known, so cuts need not ascend with rows.
    order = np.argsort(log.as_of, kind="stable")
    out: dict[Read, Floats] = {}
    for group in plan.groups:
        wanted = [read for read in plan.reads if (read.stream, read.by) == (group.stream, group.by)]
        for of in sorted({read.of for read in wanted}):
            asked = [read for read in wanted if read.of == of]
            out |= _group_reads(log, plan, group, asked, order=order, kernel=kernel)
    return out


def _group_reads(
    log: Log, plan: Plan, group: Group, wanted: Sequence[Read], *, order: Ints, kernel: Kernel
) -> dict[Read, Floats]:
    events = log.streams[group.stream]
    query = log.keys[plan.column[wanted[0].of, group.by]]
    sums = [read for read in wanted if not read.is_last]
    measures = sorted({read.measure for read in sums})
    windows = sorted({read.window for read in sums}) or [EVER]
    found = kernel(
        log.counted_under(plan, group),
        events.known_at,
        np.array([_amounts(events, name) for name in measures], np.int64).reshape(
            len(measures), len(events.row)
        ),
        query[order],
        log.as_of[order],
        np.array([0 if window >= EVER else window for window in windows]),
        np.array([measures.index(read.measure) for read in sums], np.int64),
        np.array([windows.index(read.window) for read in sums], np.int64),
    )
    out = {}
    for read in wanted:
        values = np.empty(len(log))
        carried = (
            found[sums.index(read)] if not read.is_last else _last(log, events, found[-1], read)
        )
        values[order] = carried
        out[read] = np.where(query == 0, np.nan, values)
    return out


def _amounts(events: Events, measure: str) -> Ints:
    if measure == "n" and "n" not in events.measures:
        return np.ones(len(events.row), np.int64)
    return events.measures[measure]


def _last(log: Log, events: Events, last: Ints, read: Read) -> Floats:
    """Return what the last events carry; NaN where there is none."""
    if not len(events.row):
        return np.full(len(last), np.nan)
    if read.measure == "known_at":
        carried = events.known_at[last].astype(np.float64)
    else:
        carried = log.facts[FACTS.index(read.measure)][events.row[last]]
    return np.where(last < 0, np.nan, carried)


Engine = Callable[[Log, Plan], dict[Read, Floats]]
"""Computes every read of a plan for every crossing; see :func:`reads`."""


def matrix(
    log: Log,
    plan: Plan,
    progress: Callable[[int, int], None] | None = None,
    *,
    engine: Engine = reads,
) -> Matrix:
    """Compute the feature matrix of a history.

    Parameters
    ----------
    log : Log of n crossings
    plan : Plan
    progress : callable, optional
        Told how many rows are done, and how many there are.
    engine : Engine, default=the numba kernel
        ``features.duck.reads`` is an independent one, of equal bits.

    Returns
    -------
    Matrix
        One row a crossing, cut at its own ``as_of``.
    """
    columns = engine(log, plan)
    values = np.empty((len(log), len(plan.names)), np.float32)
    block = 8192
    for begin in range(0, len(log), block):
        rows = slice(begin, begin + block)
        values[rows] = plan.finish(_slots(log, plan, columns, rows))
        if progress is not None:
            progress(min(begin + block, len(log)), len(log))
    return Matrix(log.crossing_id, log.as_of, plan.names, values, plan.digest)


def _slots(log: Log, plan: Plan, columns: Mapping[Read, Floats], rows: slice) -> Floats:
    facts = [log.facts[:, rows], log.as_of[None, rows].astype(np.float64)]
    found = [columns[read][None, rows] for read in plan.reads]
    return np.concatenate(facts + found).T
