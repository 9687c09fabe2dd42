"""Labels of crossings from inspection acts and finds, and when they became known.

One label a crossing: the maximum over its acts, known when the deciding act was recorded. A clear
act of documents or weighing alone is no evidence that a vehicle carried nothing, so it is no event
and no label. Finds linked back to a crossing from elsewhere are a stream of their own for features;
as a label they count, since the vehicle did carry something.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.decision.inspection_minutes import Taught, lesson
from engine.domain.records import VehicleClass, is_papers_only
from features.catalogue.event_measures import GRAMS_MOST, Label, act_step
from features.history.tables import Tables

Ints = NDArray[np.int64]
NEVER = int(np.iinfo(np.int64).max)
SearchRow = tuple[int, int, tuple[str, ...], tuple[str, ...]]
"""(known_at, row of the crossing, places searched, places of finds) of one record."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What was known about each of n crossings before some time.

    Attributes
    ----------
    seizure, discrepancy : int8 array of shape (n,)
        1, 0, or -1 where nothing is known.
    known_at : int64 array of shape (n,)
        UTC microseconds of the deciding record; ``NEVER`` where there is no label.
    basis : object array of shape (n,)
        Why the first act took place; None where there was none.
    propensity : float64 array of shape (n,)
        As logged with the first act, NaN where unknown.
    is_full : bool array of shape (n,)
        Whether any act could have found something.
    """

    seizure: NDArray[np.int8]
    discrepancy: NDArray[np.int8]
    known_at: Ints
    basis: NDArray[np.object_]
    propensity: NDArray[np.float64]
    is_full: NDArray[np.bool_]


def act_events(tables: Tables) -> tuple[Ints, Ints, dict[str, Ints]]:
    """Return the inspection stream: times, rows of crossings, and what each event adds.

    ``n`` is 1 with the first act that says anything about a crossing and 0 with later ones, so that
    a second act corrects the counters and does not count the vehicle twice.

    Returns
    -------
    known_at, row : int64 array of shape (m,)
        UTC microseconds, ascending, and the row of the crossing.
    measures : dict of str to int64 array of shape (m,)
        ``n``, ``hit`` and ``seizure`` that each event adds.
    """
    state: dict[int, Label] = defaultdict(lambda: (0, 0, 0))
    events: list[tuple[int, int, int, int, int]] = []
    for row, known_at, act in _acts(tables):
        before = state[row]
        after = act_step(before, act["outcome"], full=not is_papers_only(act["methods"]))
        if after != before:
            n, hit, seizure = (new - old for new, old in zip(after, before, strict=True))
            events.append((known_at, row, n, hit, seizure))
            state[row] = after
    columns = np.array(events, np.int64).reshape(len(events), 5).T
    return columns[0], columns[1], {"n": columns[2], "hit": columns[3], "seizure": columns[4]}


def find_events(tables: Tables) -> tuple[Ints, Ints, dict[str, Ints]]:
    """Return the stream of finds made elsewhere and linked back to a crossing.

    Returns
    -------
    known_at, row : int64 array of shape (m,)
        UTC microseconds, ascending, and the row of the crossing.
    measures : dict of str to int64 array of shape (m,)
        ``grams``: mass found in grams, at most ``GRAMS_MOST``.
    """
    found = tables.seizures.filter(
        pc.and_(
            pc.is_null(tables.seizures["inspection_id"]),
            pc.is_valid(tables.seizures["linked_crossing_id"]),
        )
    )
    row = _rows(tables, found["linked_crossing_id"])
    grams = np.nan_to_num(found["quantity_g"].to_numpy().astype(np.float64), nan=0.0)
    return (
        np.asarray(found["known_at"].to_numpy(), np.int64),
        row,
        {"grams": np.rint(np.minimum(grams, GRAMS_MOST)).astype(np.int64)},
    )


def act_minutes(tables: Tables) -> list[Taught]:
    """Return counts and sums of inspection minutes by vehicle class and kind of search."""
    classes = tables.crossings["vehicle_class"].to_pylist()
    rows = _rows(tables, tables.inspections["crossing_id"]).tolist()
    acts = tables.inspections.select(["methods", "minutes"]).to_pylist()
    sums: dict[tuple[VehicleClass, bool], list[float]] = defaultdict(lambda: [0, 0.0])
    for row, act in zip(rows, acts, strict=True):
        for who, how, n, minutes in lesson(classes[row], act["methods"] or (), act["minutes"]):
            sums[who, how][0] += n
            sums[who, how][1] += minutes
    return [(who, how, int(n), minutes) for (who, how), (n, minutes) in sums.items()]


def act_lengths(tables: Tables) -> dict[str, float]:
    """Return how many minutes the acts of each crossing took together, where all of them say so."""
    lengths: dict[str, float] = defaultdict(float)
    acts = tables.inspections
    for crossing_id, minutes in zip(
        acts["crossing_id"].to_pylist(), acts["minutes"].to_pylist(), strict=True
    ):
        lengths[crossing_id] += np.nan if minutes is None else minutes
    return {name: minutes for name, minutes in lengths.items() if not np.isnan(minutes)}


def read_searches(tables: Tables) -> list[SearchRow]:
    """Return the places searched in the vehicles of a history, and the places of finds.

    A seizure counts at its place whether the act that made it says that it searched there or not.
    """
    acts, seizures = tables.inspections, tables.seizures
    out: list[SearchRow] = [
        (at, row, tuple(places), ())
        for at, row, places in _yield_labels(tables, acts, "crossing_id", "places_searched")
        if row >= 0 and places
    ]
    return out + [
        (at, row, (place,), (place,))
        for at, row, place in _yield_labels(tables, seizures, "linked_crossing_id", "place")
        if row >= 0 and place is not None
    ]


def _yield_labels(
    tables: Tables, of: Any, crossing: str, what: str
) -> Iterator[tuple[int, int, Any]]:
    """Yield (known_at, crossing row or -1, value of the column) of each row of a table."""
    rows = _rows(tables, of[crossing]).tolist()
    return zip(of["known_at"].to_pylist(), rows, of[what].to_pylist(), strict=True)


def labels(tables: Tables, *, before: int = NEVER, delay: int = 0) -> Labels:
    """Return what was known about each of n crossings, in their order, strictly before a time.

    Arrays have shape (n,). ``before`` is in UTC microseconds; ``delay`` is how many microseconds
    later than it was entered each record becomes known.
    """
    n = tables.crossings.num_rows
    out = Labels(
        np.full(n, -1, np.int8),
        np.full(n, -1, np.int8),
        np.full(n, NEVER),
        np.full(n, None, object),
        np.full(n, np.nan),
        np.zeros(n, np.bool_),
    )
    for row, known_at, act in _acts(tables):
        if known_at + delay < before:
            _apply_act(out, row, known_at + delay, act)
    rows = _rows(tables, tables.seizures["linked_crossing_id"])
    for row, known_at in zip(rows, tables.seizures["known_at"].to_pylist(), strict=True):
        if row >= 0 and known_at + delay < before:
            _raise_label(out, row, known_at + delay, seizure=1, discrepancy=1)
    return out


def _apply_act(out: Labels, row: int, known_at: int, act: dict[str, Any]) -> None:
    if out.basis[row] is None:
        out.basis[row] = act["basis"]
        out.propensity[row] = np.nan if act["propensity"] is None else act["propensity"]
    full = not is_papers_only(act["methods"])
    out.is_full[row] |= full
    if full or act["outcome"] != "clear":
        _raise_label(
            out,
            row,
            known_at,
            seizure=int(act["outcome"] == "seizure"),
            discrepancy=int(act["outcome"] != "clear"),
        )


def _raise_label(out: Labels, row: int, known_at: int, *, seizure: int, discrepancy: int) -> None:
    """Raise a label; the record that raises it decides when it was known."""
    if seizure > out.seizure[row] or discrepancy > out.discrepancy[row]:
        out.seizure[row] = max(out.seizure[row], seizure)
        out.discrepancy[row] = max(out.discrepancy[row], discrepancy)
        out.known_at[row] = known_at


def _rows(tables: Tables, crossing_ids: Any) -> Ints:
    """Return the row of each crossing, -1 where there is none."""
    # The reverse look-up: few crossings are wanted, out of very many.
    asked = pc.unique(crossing_ids)
    number = pc.index_in(tables.crossings["crossing_id"], asked)
    found = np.flatnonzero(number.is_valid().to_numpy())
    rows = np.full(len(asked), -1)
    rows[number.drop_null().to_numpy()] = found
    out: Ints = rows[pc.index_in(crossing_ids, asked).to_numpy()]
    return out


def _acts(tables: Tables) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Yield (crossing row, known_at, act) in the order in which acts became known."""
    names = ["outcome", "methods", "basis", "propensity"]
    acts = tables.inspections.select(names).to_pylist()
    rows = _rows(tables, tables.inspections["crossing_id"]).tolist()
    return zip(rows, tables.inspections["known_at"].to_pylist(), acts, strict=True)
