"""Known times of rows, and the crossing that a seizure belongs to.

Assumes the rule that nothing about a crossing is known before the crossing itself. A seizure made
inland often has a plate alone: it goes to the last entry of that plate, folded, in the 30 days
before it, and to none where there is no such entry.
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.domain.identifiers import fold
from features.catalogue.event_streams import REACH


def derive_known_times(
    rows: Mapping[str, Any], *, held: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the tables of a history from the columns of its records, in no particular order.

    The five tables have the fields of their records; ``known_at`` of crossings, inspections and
    seizures, and ``linked_crossing_id`` of seizures are computed, again where they are there.
    ``held`` has the crossings and inspections of earlier loads that rows may refer to.
    """
    found = dict(rows)
    late = pc.max_element_wise(found["crossings"]["arrived_at"], found["crossings"]["recorded_at"])
    found["crossings"] = _with(found["crossings"], known_at=late)
    crossings, inspections = found["crossings"], found["inspections"]
    if held is not None:
        crossings = _both(crossings, held["crossings"])
        inspections = _both(inspections, held["inspections"])
    found["inspections"] = _not_before(found["inspections"], crossings, by="crossing_id")
    seizures = _with(found["seizures"], linked_crossing_id=_links(found, crossings, inspections))
    found["seizures"] = _not_before(seizures, crossings, by="linked_crossing_id")
    return found


def _both(new: Any, held: Any) -> Any:
    shared = [name for name in new.column_names if name in held.column_names]
    new = new.select(shared)
    return pa.concat_tables([new, held.select(shared).cast(new.schema)])


def _with(table: Any, **columns: Any) -> Any:
    for name, values in columns.items():
        if name in table.column_names:
            table = table.drop_columns(name)
        table = table.append_column(name, values)
    return table


def _not_before(rows: Any, crossings: Any, *, by: str) -> Any:
    """Add ``known_at``: when recorded, or when its crossing was known, whichever is later."""
    crossing = _look_up(rows[by], crossings["crossing_id"], crossings["known_at"])
    return _with(rows, known_at=pc.max_element_wise(rows["recorded_at"], crossing))


def _look_up(keys: Any, among: Any, values: Any) -> Any:
    if len(among) > len(keys):  # a table of those asked for is the smaller one
        is_asked = pc.is_in(among, value_set=pc.unique(keys))
        among, values = among.filter(is_asked), values.filter(is_asked)
    return values.combine_chunks().take(pc.index_in(keys, value_set=among).combine_chunks())


def _links(rows: Mapping[str, Any], crossings: Any, inspections: Any) -> Any:
    seizures = rows["seizures"]
    searched = _look_up(
        seizures["inspection_id"], inspections["inspection_id"], inspections["crossing_id"]
    )
    links = pc.coalesce(seizures["crossing_id"].combine_chunks(), searched)
    if links.null_count == 0:
        return links
    inland = seizures.filter(links.is_null())
    entries = iter(_last_entries(inland, crossings))
    return pa.array(
        [link if link is not None else next(entries) for link in links.to_pylist()], pa.string()
    )


def _last_entries(seizures: Any, crossings: Any) -> list[str | None]:
    """Return the last entry before each seizure of its folded plate, None where there is none."""
    plates = [fold(plate) for plate in seizures["plate"].to_pylist()]
    times = pc.coalesce(seizures["seized_at"], seizures["recorded_at"]).to_pylist()
    entries = _entries(crossings, set(plates) - {""}, since=min(times) - REACH, until=max(times))
    found: list[str | None] = []
    for plate, time in zip(plates, times, strict=True):
        before = entries.get(plate, [])
        at = bisect_left(before, (time, "")) - 1
        found.append(before[at][1] if at >= 0 and before[at][0] >= time - REACH else None)
    return found


def _entries(
    crossings: Any, plates: set[str], *, since: int, until: int
) -> dict[str, list[tuple[int, str]]]:
    """Return (arrived_at, crossing_id) of the entries of each of these folded plates, ordered."""
    arrived = crossings["arrived_at"]
    near = pc.and_(pc.greater_equal(arrived, since), pc.less(arrived, until))
    entries = crossings.filter(
        pc.and_(
            pc.and_(near, pc.equal(crossings["direction"], "entry")), crossings["plate"].is_valid()
        )
    )
    folded = {raw: fold(raw) for raw in entries["plate"].unique().to_pylist()}
    wanted = pa.array([raw for raw, plate in folded.items() if plate in plates], pa.string())
    entries = entries.filter(pc.is_in(entries["plate"], value_set=wanted))
    found: dict[str, list[tuple[int, str]]] = {plate: [] for plate in plates}
    for raw, time, crossing in zip(
        entries["plate"].to_pylist(),
        entries["arrived_at"].to_pylist(),
        entries["crossing_id"].to_pylist(),
        strict=True,
    ):
        found[folded[raw]].append((time, crossing))
    return {plate: sorted(times) for plate, times in found.items()}
