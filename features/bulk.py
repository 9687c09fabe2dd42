"""All reads of a whole history at once, and the feature matrix made of them.

The reference is in numpy: events and cuts are sorted onto one integer line (entity, rank of time),
where an as-of read is a binary search and a difference of two cumulative sums. It is exact because
everything is int64, and it is leak-free because the search is strict.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.times import DAY
from features.definitions import Floats, Read
from features.encode import FACTS
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


@dataclass(frozen=True, slots=True)
class Line:
    """Events of one group and cuts of all queries on one integer line.

    Attributes
    ----------
    order : int64 array of shape (m,)
        Events by (entity, known_at, order of becoming known).
    place : int64 array of shape (m,)
        Where each ordered event stands on the line.
    start : int64 array of shape (n,)
        Where the queried entity begins; ``width`` times its code, -1 where it has no event.
    times : int64 array of shape (k,)
        Distinct event times, ascending.
    """

    order: Ints
    place: Ints
    start: Ints
    times: Ints

    def before(self, cut: Ints) -> Ints:
        """Return, for each query, how many ordered events stand before its entity's cut."""
        rank = np.searchsorted(self.times, cut, side="left")
        return np.searchsorted(self.place, self.start + rank, side="left")


def line(event_key: Ints, known_at: Ints, query_key: Ints) -> Line:
    """Lay events and queries of one group on one line; events must ascend in ``known_at``."""
    entities, code = np.unique(event_key, return_inverse=True)
    times, rank = np.unique(known_at, return_inverse=True)
    width = len(times) + 1
    place = code * width + rank
    order = np.argsort(place, kind="stable")
    if not len(entities):
        return Line(order, place, np.full(len(query_key), -1), times)
    found = np.minimum(np.searchsorted(entities, query_key), len(entities) - 1)
    start = np.where(entities[found] == query_key, found * width, -1)
    return Line(order, place[order], start, times)


def reads(log: Log, plan: Plan) -> dict[Read, Floats]:
    """Compute every read of the plan for every crossing.

    Returns
    -------
    dict of Read to float64 array of shape (n,)
        Exact integers; NaN where the entity looked up is not known, or has no last event.
    """
    out: dict[Read, Floats] = {}
    for group in plan.groups:
        wanted = [read for read in plan.reads if (read.stream, read.by) == (group.stream, group.by)]
        for of in sorted({read.of for read in wanted}):
            out |= _group_reads(log, plan, group, [read for read in wanted if read.of == of])
    return out


def _group_reads(log: Log, plan: Plan, group: Group, wanted: list[Read]) -> dict[Read, Floats]:
    events = log.streams[group.stream]
    key = log.event_keys[plan.bys.index(group.by)][events.row]
    known = key != 0
    query = log.query_keys[plan.ofs.index((wanted[0].of, group.by))]
    laid = line(key[known], events.known_at[known], query)
    upto = laid.before(log.as_of)
    out = {}
    for read in wanted:
        if read.is_last:
            values = _last(log, events, np.flatnonzero(known)[laid.order], laid, upto, read)
        else:
            since = laid.before(log.as_of - read.days * DAY)
            amounts = _amounts(events, read.measure)[known][laid.order]
            sums = np.concatenate(([0], np.cumsum(amounts)))
            values = np.where(laid.start < 0, 0, sums[upto] - sums[since]).astype(np.float64)
        out[read] = np.where(query == 0, np.nan, values)
    return out


def _amounts(events: Events, measure: str) -> Ints:
    if measure == "n" and "n" not in events.measures:
        return np.ones(len(events.row), np.int64)
    return events.measures[measure]


def _last(log: Log, events: Events, order: Ints, laid: Line, upto: Ints, read: Read) -> Floats:
    """Return what each entity's last event before the cut carries; NaN where there is none."""
    if not len(order):
        return np.full(len(log), np.nan)
    first = np.searchsorted(laid.place, laid.start, side="left")
    event = order[np.maximum(upto - 1, 0)]
    if read.measure == "known_at":
        carried = events.known_at[event].astype(np.float64)
    else:
        carried = log.facts[FACTS.index(read.measure)][events.row[event]]
    return np.where((laid.start >= 0) & (upto > first), carried, np.nan)


def matrix(log: Log, plan: Plan, progress: Callable[[int, int], None] | None = None) -> Matrix:
    """Compute the feature matrix of a history.

    Returns
    -------
    Matrix
        One row a crossing, cut at its own ``as_of``.
    """
    columns = reads(log, plan)
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
