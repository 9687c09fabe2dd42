"""Erasure of rows of the loaded history: what is left of a load takes the place of the load.

Assumes an atomic rename. What is left is written under ``.erasure`` of the home first; a record of
the journal puts it into force, then the folders change places. A kill before the record leaves a
folder that the next erasure removes; after it, the next erasure, or the load of a folder, does what
is left to do, and ``darvoza verify`` says so until then.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from engine.audit.file_anchors import QUARANTINE_FILE, read_replaced_loads
from engine.audit.subject_records import EXACT, FOLDED
from engine.domain.identifiers import fold
from engine.journal.entries import Draft
from engine.journal.kinds import CROSSING, HISTORY_ERASED, INSPECTION, SEIZURE
from engine.journal.payloads import ErasedHistoryBody
from engine.storage.file_digests import file_digest
from engine.storage.home import Home
from features.history.tables import (
    SCHEMAS,
    Tables,
    arrange_table,
    content_digest,
    loads,
    read_history,
    read_table,
)
from features.intake.atomic_writer import LoadResult, load_digest, write

STAGE = ".erasure"
_RECORD = "load.json"
_KEYS = {
    "crossings": "crossing_id",
    "declarations": "declaration_id",
    "goods_items": "declaration_id",
    "inspections": "inspection_id",
    "seizures": "seizure_id",
}


@dataclass(frozen=True, slots=True)
class HistoryRows:
    """Identifiers of the rows of a loaded history that are to be erased, by table."""

    ids: Mapping[str, Any] = field(default_factory=dict)
    """pyarrow arrays of text."""

    @property
    def crossings(self) -> list[str]:
        """Identifiers of the crossings."""
        found: list[str] = self.ids["crossings"].to_pylist() if self.ids else []
        return found

    @property
    def count(self) -> int:
        """How many crossings, acts and finds."""
        return sum(
            len(self.ids[name]) for name in ("crossings", "inspections", "seizures") if self.ids
        )


def select_rows(home: Home, *, subject: str | None, cuts: Mapping[str, int]) -> HistoryRows:
    """Return what names a subject, or is due by the cuts of its kinds (UTC microseconds).

    A crossing takes its declaration, acts and finds with it, and is due when all of these are.
    """
    if not loads(home):
        return HistoryRows()
    history = read_history(home)
    crossings, acts, finds = history.crossings, history.inspections, history.seizures
    if subject is not None:
        declared = _column(
            history.declarations, "declaration_id", _match_names(history.declarations, subject)
        )
        chosen = pc.or_(
            _match_names(crossings, subject),
            pc.fill_null(
                pc.is_in(crossings["declaration_id"], value_set=declared), fill_value=False
            ),
        )
        own = _column(finds, "linked_crossing_id", _match_names(finds, subject))
        chosen = pc.or_(chosen, pc.is_in(crossings["crossing_id"], value_set=own))
        loose = _match_names(finds, subject)
    else:
        chosen, loose = _due(crossings, cuts, CROSSING), _due(finds, cuts, SEIZURE)
        for table, by, kind in (
            (acts, "crossing_id", INSPECTION),
            (finds, "linked_crossing_id", SEIZURE),
        ):
            young = _column(table, by, pc.invert(_due(table, cuts, kind)))
            chosen = pc.and_not(chosen, pc.is_in(crossings["crossing_id"], value_set=young))
    ids = _column(crossings, "crossing_id", chosen)
    left = _column(crossings, "declaration_id", pc.invert(chosen))
    declared = _column(crossings, "declaration_id", chosen)
    declared = declared.filter(pc.invert(pc.is_in(declared, value_set=left)))
    linked = finds["linked_crossing_id"]
    unlinked = pc.and_(pc.is_null(linked), loose)
    found = pc.or_(pc.fill_null(pc.is_in(linked, value_set=ids), fill_value=False), unlinked)
    return HistoryRows(
        {
            "crossings": ids,
            "declarations": declared,
            "goods_items": declared,
            "inspections": _column(
                acts, "inspection_id", pc.is_in(acts["crossing_id"], value_set=ids)
            ),
            "seizures": _column(finds, "seizure_id", found),
        }
    )


def read_rows(home: Home, rows: HistoryRows) -> dict[str, list[dict[str, Any]]]:
    """Return these rows as JSON values, by table."""
    if not rows.ids:
        return {}
    history = read_history(home)
    return {
        name: history.table(name)
        .filter(pc.is_in(history.table(name)[key], value_set=rows.ids[name]))
        .to_pylist()
        for name, key in _KEYS.items()
    }


def _column(table: Any, name: str, mask: Any) -> Any:
    return table[name].filter(mask).drop_null().combine_chunks()


def _due(table: Any, cuts: Mapping[str, int], kind: str) -> Any:
    return pc.less(table["known_at"], cuts.get(kind, -(1 << 62)))


def _match_names(table: Any, subject: str) -> Any:
    """Return for each row whether it names a subject, as :func:`names_subject` does."""
    mask = pa.chunked_array([pa.array([False] * table.num_rows, pa.bool_())])
    for name in table.column_names:
        if name not in FOLDED | EXACT:
            continue
        column = table[name].combine_chunks()
        is_list = pa.types.is_list(column.type)
        texts = pc.list_flatten(column) if is_list else column
        wanted = [
            text
            for text in pc.unique(texts).drop_null().to_pylist()
            if text == subject or (name in FOLDED and fold(text) == fold(subject) != "")
        ]
        hits = pc.is_in(texts, value_set=pa.array(wanted, pa.string()))
        if is_list:
            rows = pc.list_parent_indices(column).filter(hits)
            hits = pc.is_in(pa.array(range(table.num_rows), rows.type), value_set=rows)
        mask = pc.or_(mask, hits)
    return mask


def stage_erasure(home: Home, rows: HistoryRows) -> list[Draft]:
    """Write what is left of each load that holds such rows; return the records that anchor it.

    Under :func:`features.intake.atomic_writer.exclusively`.
    """
    shutil.rmtree(home.root / STAGE, ignore_errors=True)
    stage = Home(home.root / STAGE)
    drafts = []
    for digest in loads(home) if rows.ids else ():
        tables = {name: read_table(home, (digest,), name=name) for name in SCHEMAS}
        kept = {
            name: arrange_table(
                name,
                table.filter(pc.invert(pc.is_in(table[_KEYS[name]], value_set=rows.ids[name]))),
            )
            for name, table in tables.items()
        }
        if all(kept[name].num_rows == tables[name].num_rows for name in SCHEMAS):
            continue
        stage.history.mkdir(parents=True, exist_ok=True)
        drafts.append(_stage_load(home, stage, digest, kept))
    return drafts


def _stage_load(home: Home, stage: Home, digest: str, kept: Mapping[str, Any]) -> Draft:
    source = home.history / digest
    known = json.loads((source / _RECORD).read_text("utf-8"))
    loaded = LoadResult(**known, quarantine_file=source / QUARANTINE_FILE, is_new=False)
    loaded = replace(
        loaded,
        digest=load_digest(loaded.offered, content_digest(kept)),
        rows={name: table.num_rows for name, table in kept.items()},
    )
    history = read_history(stage)  # its network: none
    write(stage, Tables(**kept, network=history.network, digest=""), loaded=loaded, faults=())
    shutil.copy2(source / QUARANTINE_FILE, stage.history / loaded.digest / QUARANTINE_FILE)
    quarantine = file_digest(source / QUARANTINE_FILE)
    body: ErasedHistoryBody = {"load": digest, "instead": loaded.digest, "quarantine": quarantine}
    return HISTORY_ERASED.draft(digest, body)


def finish_erasure(home: Home, connection: Connection) -> None:
    """Put what is left of erased loads into their place, and remove the loads; may be repeated.

    Under :func:`features.intake.atomic_writer.exclusively`.
    """
    for load, (_, instead) in read_replaced_loads(connection).items():
        staged, place = home.root / STAGE / "history" / instead, home.history / instead
        if staged.is_dir() and not place.exists():
            staged.rename(place)
        if place.is_dir() and (home.history / load).is_dir():
            shutil.rmtree(home.history / load)
    shutil.rmtree(home.root / STAGE, ignore_errors=True)
