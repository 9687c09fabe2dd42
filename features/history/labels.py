"""Labels of crossings from inspection acts and finds, and when they became known.

One label a crossing: the maximum over its acts, known when the deciding act was recorded. A seizure
is a load where its goods are of a class that teaches loads, or of no class; an act whose finds are
all of other classes, such as tobacco or currency, is a discrepancy. A clear act of documents or
weighing alone is no evidence that a vehicle carried nothing, so it is no event and no label; an
audit of a released vehicle that was clear in its books says that there was no discrepancy, and
nothing about a load. Finds linked back to a crossing from elsewhere are a stream of their own for
features; as a label they count, since the vehicle did carry something.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.decision.inspection_minutes import Taught, lesson
from engine.domain.records import VehicleClass, is_papers_only
from engine.domain.time_units import NEVER
from features.catalogue.event_streams import (
    GRAMS_MOST,
    LOAD,
    NO_FINDS,
    NO_LOAD,
    Label,
    StatedAct,
    StatedFind,
    act_step,
    label_steps,
)
from features.history.tables import IS_LOAD, Tables

Ints = NDArray[np.int64]
SearchRow = tuple[int, int, tuple[str, ...], tuple[str, ...]]
"""(known_at, row of the crossing, places searched, places of finds) of one record."""
TakingRow = tuple[int, int, int]
"""(row of a crossing with finds of its acts, 1 where an act says seizure, what the finds teach)."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What was known about each of n crossings before some time.

    Attributes
    ----------
    seizure, discrepancy : int8 array of shape (n,)
        1, 0, or -1 where nothing is known; after an audit of books that of a discrepancy alone is.
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
    a second act corrects the counters and does not count the vehicle twice. A seizure is taken back
    when it is known that all finds of the acts are of classes that teach no load.

    Returns
    -------
    known_at, row : int64 array of shape (m,)
        UTC microseconds, ascending, and the row of the crossing.
    measures : dict of str to int64 array of shape (m,)
        ``n``, ``hit`` and ``seizure`` that each event adds.
    """
    state: dict[int, Label] = defaultdict(lambda: (0, 0, 0))
    events: list[tuple[int, int, int, int, int]] = []
    restated = _find_restated(tables.inspections, "inspection_id")
    apart: dict[int, list[StatedAct]] = defaultdict(list)
    rows_apart = {row for row, _, act in _acts(tables) if act["inspection_id"] in restated}
    finds = _read_act_finds(tables)
    rows_apart |= {row for row, some in finds.items() if any(what != LOAD for *_, what in some)}
    for row, known_at, act in _acts(tables):
        if row in rows_apart:
            full = not is_papers_only(act["methods"])
            apart[row].append((known_at, act["inspection_id"], act["outcome"], full))
            continue
        before = state[row]
        after = act_step(before, act["outcome"], full=not is_papers_only(act["methods"]))
        if after != before:
            n, hit, seizure = (new - old for new, old in zip(after, before, strict=True))
            events.append((known_at, row, n, hit, seizure))
            state[row] = after
    for row, acts in apart.items():
        steps = label_steps(acts, finds.get(row, ()))
        events += ((step.known_at, row, *step.change) for step in steps)
    if apart:
        events.sort(key=lambda event: event[0])
    columns = np.array(events, np.int64).reshape(len(events), 5).T
    return columns[0], columns[1], {"n": columns[2], "hit": columns[3], "seizure": columns[4]}


def find_events(tables: Tables) -> tuple[Ints, Ints, dict[str, Ints]]:
    """Return the stream of finds made elsewhere and linked back to a crossing.

    Returns
    -------
    known_at, row : int64 array of shape (m,)
        UTC microseconds, ascending, and the row of the crossing.
    measures : dict of str to int64 array of shape (m,)
        ``grams``: mass found in grams, at most ``GRAMS_MOST``; ``load``: 1 for goods of a class
        that teaches a load; ``n`` where finds were corrected.
    """
    is_elsewhere = pc.is_null(tables.seizures["inspection_id"])
    restated = _find_restated(tables.seizures, "seizure_id")
    is_linked = pc.is_valid(tables.seizures["linked_crossing_id"])
    if not restated:
        is_elsewhere = pc.and_(is_elsewhere, is_linked)
    found = tables.seizures.filter(is_elsewhere)
    linked = np.asarray(pc.is_valid(found["linked_crossing_id"]), np.int64)
    grams = np.nan_to_num(found["quantity_g"].to_numpy().astype(np.float64), nan=0.0)
    whole = np.rint(np.minimum(grams, GRAMS_MOST)).astype(np.int64) * linked
    known_at = np.asarray(found["known_at"].to_numpy(), np.int64)
    row = _rows(tables, found["linked_crossing_id"])
    load = np.array(_teach_load(tables, found), np.int64) * linked
    if not restated:
        return known_at, row, {"grams": whole, "load": load}
    amounts = np.stack([linked, whole, load])
    state: dict[str, tuple[int, Ints]] = {}
    for at, name in enumerate(found["seizure_id"].to_pylist()):
        before, had = state.get(name, (-1, np.zeros(3, np.int64)))
        row[at] = row[at] if row[at] >= 0 else before
        state[name] = int(row[at]), amounts[:, at].copy()
        amounts[:, at] -= had
    kept = (row >= 0) & amounts.any(axis=0)
    n, whole, load = amounts[:, kept]
    return known_at[kept], row[kept], {"n": n, "grams": whole, "load": load}


def _teach_load(tables: Tables, seizures: Any) -> list[bool]:
    """Return whether each seizure teaches a load: as counted, else by the history's table."""
    if IS_LOAD.name in seizures.column_names:
        taught: list[bool] = seizures[IS_LOAD.name].to_pylist()
        return taught
    return [tables.goods.teaches_load(code) for code in seizures["goods_class"].to_pylist()]


def _read_act_finds(tables: Tables) -> dict[int, list[StatedFind]]:
    """Return the finds of each crossing's acts, by its row, in the order of their time."""
    own = tables.seizures.filter(pc.is_valid(tables.seizures["inspection_id"]))
    rows, times = _rows(tables, own["linked_crossing_id"]).tolist(), own["known_at"].to_pylist()
    names, loads = own["seizure_id"].to_pylist(), _teach_load(tables, own)
    row_of: dict[str, int] = {}
    found: dict[int, list[StatedFind]] = defaultdict(list)
    for row, known_at, name, is_load in zip(rows, times, names, loads, strict=True):
        taught = NO_FINDS if row < 0 else LOAD if is_load else NO_LOAD
        row_of[name] = row if row >= 0 else row_of.get(name, row)
        if row_of[name] >= 0:
            found[row_of[name]].append((known_at, name, taught))
    return found


def read_takings(tables: Tables) -> list[TakingRow]:
    """Return what acts say and what their finds teach, of crossings with finds of acts."""
    last = {
        row: max({name: taught for _, name, taught in some}.values())
        for row, some in _read_act_finds(tables).items()
    }
    seized = {row for row, _, act in _last_stated(tables) if act["outcome"] == "seizure"}
    return [(row, int(row in seized), taught) for row, taught in last.items()]


def act_minutes(tables: Tables) -> list[Taught]:
    """Return counts and sums of inspection minutes by vehicle class and kind of search."""
    classes = tables.crossings["vehicle_class"].to_pylist()
    last = keep_last(tables.inspections, "inspection_id")
    rows = _rows(tables, last["crossing_id"]).tolist()
    acts = last.select(["methods", "minutes"]).to_pylist()
    sums: dict[tuple[VehicleClass, bool], list[float]] = defaultdict(lambda: [0, 0.0])
    for row, act in zip(rows, acts, strict=True):
        for who, how, n, minutes in lesson(classes[row], act["methods"] or (), act["minutes"]):
            sums[who, how][0] += n
            sums[who, how][1] += minutes
    return [(who, how, int(n), minutes) for (who, how), (n, minutes) in sums.items()]


def act_lengths(tables: Tables) -> dict[str, float]:
    """Return how many minutes the acts of each crossing took together, where all of them say so."""
    lengths: dict[str, float] = defaultdict(float)
    acts = keep_last(tables.inspections, "inspection_id")
    for crossing_id, minutes in zip(
        acts["crossing_id"].to_pylist(), acts["minutes"].to_pylist(), strict=True
    ):
        lengths[crossing_id] += np.nan if minutes is None else minutes
    return {name: minutes for name, minutes in lengths.items() if not np.isnan(minutes)}


def read_searches(tables: Tables) -> list[SearchRow]:
    """Return the places searched in the vehicles of a history, and the places of finds.

    A seizure counts at its place whether the act that made it says that it searched there or not.
    """
    acts = keep_last(tables.inspections, "inspection_id")
    seizures = keep_last(tables.seizures, "seizure_id")
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


def labels(tables: Tables) -> Labels:
    """Return what is known about each of n crossings, in their order; arrays have shape (n,).

    What was known at an earlier time are the labels of a history without later acts and finds.
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
    acts, finds = _last_stated(tables), _read_finds(tables)
    for row, _, act in acts:
        _note_act(out, row, act)
    no_load = _find_no_load(finds)
    acts = [_without_load(*one, no_load=no_load) for one in acts]
    for row, known_at, act in sorted(acts, key=lambda one: one[1]):
        _raise_act(out, row, known_at, act)
    for row, known_at, is_load in finds:
        _raise_label(out, row, known_at, seizure=int(is_load), discrepancy=1)
    return out


def _read_finds(tables: Tables) -> list[tuple[int, int, bool]]:
    """Return (row of the crossing, known_at, whether it teaches a load) of each find."""
    known = keep_last(tables.seizures, "seizure_id")
    rows = _rows(tables, known["linked_crossing_id"]).tolist()
    times, codes = known["known_at"].to_pylist(), known["goods_class"].to_pylist()
    return [
        (row, at, tables.goods.teaches_load(code))
        for row, at, code in zip(rows, times, codes, strict=True)
        if row >= 0
    ]


def _find_no_load(finds: Sequence[tuple[int, int, bool]]) -> dict[int, int]:
    """Return since when it is known of crossings with finds that none of these is a load."""
    since: dict[int, int] = {}
    for row, known_at, _ in finds:
        since[row] = min(since.get(row, known_at), known_at)
    loads = {row for row, _, is_load in finds if is_load}
    return {row: at for row, at in since.items() if row not in loads}


def _without_load(
    row: int, known_at: int, act: dict[str, Any], *, no_load: Mapping[int, int]
) -> tuple[int, int, dict[str, Any]]:
    """Return an act that seized goods; where all of them teach no load, as a discrepancy."""
    if act["outcome"] != "seizure" or row not in no_load:
        return row, known_at, act
    return row, max(known_at, no_load[row]), act | {"outcome": "discrepancy"}


def _note_act(out: Labels, row: int, act: dict[str, Any]) -> None:
    if out.basis[row] is None:
        out.basis[row] = act["basis"]
        out.propensity[row] = np.nan if act["propensity"] is None else act["propensity"]
    out.is_full[row] |= not is_papers_only(act["methods"])


def _raise_act(out: Labels, row: int, known_at: int, act: dict[str, Any]) -> None:
    is_clear, is_papers = act["outcome"] == "clear", is_papers_only(act["methods"])
    if is_clear and is_papers and act["is_audit"]:
        _raise_label(out, row, known_at, seizure=-1, discrepancy=0)
    elif not (is_clear and is_papers):
        seizure = int(act["outcome"] == "seizure")
        _raise_label(out, row, known_at, seizure=seizure, discrepancy=int(not is_clear))


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
    names = ["inspection_id", "outcome", "methods", "basis", "propensity", "is_audit"]
    acts = tables.inspections.select(names).to_pylist()
    rows = _rows(tables, tables.inspections["crossing_id"]).tolist()
    return zip(rows, tables.inspections["known_at"].to_pylist(), acts, strict=True)


def _find_restated(table: Any, name: str) -> frozenset[str]:
    """Return the identifiers that more than one row has: later ones are corrections."""
    if pc.count_distinct(table[name]).as_py() == table.num_rows:
        return frozenset()
    counts = pc.value_counts(table[name])
    return frozenset(one["values"] for one in counts.to_pylist() if one["counts"] > 1)


def keep_last(table: Any, name: str) -> Any:
    """Return the rows of a table that no later row of the same identifier restates."""
    restated = _find_restated(table, name)
    if not restated:
        return table
    last = {one: at for at, one in enumerate(table[name].to_pylist())}
    kept = sorted(last.values())
    return table.take(kept)


def _last_stated(tables: Tables) -> list[tuple[int, int, dict[str, Any]]]:
    """Return acts as last stated, in the order in which they were first known.

    One whose correction changes nothing about the label keeps its time.
    """
    found: dict[str, tuple[int, int, dict[str, Any]]] = {}
    for row, known_at, act in _acts(tables):
        had = found.get(act["inspection_id"])
        is_same = had is not None and _says(had[2]) == _says(act)
        at = had[1] if had is not None and is_same else known_at
        found[act["inspection_id"]] = row, at, act
    return list(found.values())


def _says(act: dict[str, Any]) -> tuple[str, bool]:
    return act["outcome"], is_papers_only(act["methods"])
