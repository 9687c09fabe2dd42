"""Loads in a home: their atomic write, their check against the journal, erasure of their rows.

Assumes an atomic rename. A load is written next to the history and moves to its place, under its
digest, when everything in it is on disk. A load that was killed leaves a folder whose name starts
with a dot, which no reader opens and the next load removes.

A load lies in files next to the store, and its digest in the journal. Features, training and
backtests read the files: a label changed there would change the next model. The check assumes that
the journal itself was checked (:mod:`engine.audit.verification`). A load is named by a record
before its folder is in place, and by another record once it counts. If the second record is
missing, the load was interrupted: that is reported as a note and not as a fault, because only a
process that can write to the journal can have put the folder there.

Erasure writes the remaining rows of a load under ``.erasure`` of the home; a record of the journal
puts them into force, then the folders change places. A kill before the record leaves a folder that
the next erasure removes; after it, the next start of the service, erasure, withdrawal or load does
what is left to do, and ``darvoza verify`` reports it until then.

The summary of a checked history by field (filled rows, range, look-alikes) is for the person who
decides whether a file is what it should be: a mass in tonnes, a month without rows, one carrier
under three spellings. Values of texts are counted and never shown.
"""

import csv
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection

from engine.audit.erasures import EXACT_NAMES, FOLDED_NAMES, STAGE, is_national
from engine.audit.file_anchors import (
    QUARANTINE_FILE,
    find_symbolic_links,
    read_load_anchors,
    read_quarantines,
    read_replaced_loads,
    read_withdrawn_loads,
)
from engine.domain.identifiers import fold
from engine.domain.time_units import rfc3339
from engine.domain.validation import bare
from engine.errors import HomeError
from engine.journal.entries import Draft, JournalFault
from engine.journal.journal import JournalReader
from engine.journal.kinds import (
    CROSSING,
    HISTORY_ERASED,
    INSPECTION,
    LOAD_BEGUN,
    SEIZURE,
    ErasedHistoryBody,
    LoadBody,
)
from engine.storage.home import Home, escape_cell, escape_cells, file_digest, flush_to_disk
from features.history.tables import (
    MODELS,
    SCHEMAS,
    Tables,
    arrange_table,
    content_digest,
    loads,
    read_history,
    read_table,
)
from features.intake.file_reader import Progress, RowFault


@dataclass(frozen=True, slots=True)
class FieldSummary:
    """One field of one table."""

    filled: int
    """Rows with a value."""
    least: float | str | None = None
    """Of numbers and times; times are RFC 3339."""
    most: float | str | None = None
    values: int | None = None
    """Different texts."""
    look_alikes: int = 0
    """Of these, spellings beyond the first of one name: case, marks, Cyrillic for Latin letters."""


def summarize_fields(tables: Tables) -> dict[str, dict[str, FieldSummary]]:
    """Return the summary of each field that has a value, by table and field."""
    found: dict[str, dict[str, FieldSummary]] = {}
    for table, model in MODELS.items():
        for name, info in model.model_fields.items():
            column = tables.table(table)[name].combine_chunks()
            if pa.types.is_list(column.type):
                filled = pc.sum(pc.greater(pc.list_value_length(column), 0)).as_py() or 0
                column = pc.list_flatten(column)
            else:
                filled = len(column) - column.null_count
            if filled:
                is_time = bare(info.annotation) is datetime
                made = _summarize(column, filled, is_time=is_time)
                found.setdefault(table, {})[name] = made
    return found


def _summarize(column: Any, filled: int, *, is_time: bool) -> FieldSummary:
    if pa.types.is_string(column.type):
        values = column.drop_null().unique().to_pylist()
        return FieldSummary(
            filled, None, None, len(values), len(values) - len({*map(fold, values)})
        )
    if pa.types.is_boolean(column.type):
        return FieldSummary(filled)
    ends = pc.min_max(column).as_py()
    least, most = ends["min"], ends["max"]
    if is_time:
        return FieldSummary(filled, rfc3339(least), rfc3339(most))
    return FieldSummary(filled, least, most)


_RECORD = "load.json"
_UNDATED = "undated"
_ENUMERATED = {
    "post", "direction", "vehicle_class", "plate_country", "procedure", "dispatch_country",
    "destination_country", "transport_mode", "nature_of_transaction", "payment_type", "hs_code",
    "origin_country", "preference_code", "origin_marking", "outcome", "basis", "substance_class",
    "substance", "place", "concealment", "carrier_id", "driver_ref", "declarant_id",
    "invoice_currency", "incoterm", "office_of_entry", "office_of_exit", "guarantee_type",
    "package_kind", "un_number", "body_type", "body_code", "goods_class", "unit", "currency",
}  # fmt: skip
"""Columns with few values, or values that come back: a dictionary on disk pays for these."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What one load brought; the same load again returns the same, with ``is_new`` False."""

    digest: str
    """Names the load's folder; covers what was offered and what was stored. Empty for a check."""
    offered: str
    """Digest of the valid rows and the faults before the home was asked what it holds already."""
    format: str
    accepted: Mapping[str, int]
    """Rows by file."""
    quarantined: Mapping[str, int]
    """Rows by file."""
    rows: Mapping[str, int]
    """Rows by table of the history."""
    known_from: int | None
    """Earliest and latest known_at of the load's crossings, UTC microseconds; None without any."""
    known_until: int | None
    synthetic: bool
    note: str
    quarantine_file: Path
    is_new: bool
    new_posts: Mapping[str, int] = field(default_factory=dict)
    """Crossings by post code, of posts that no network file and no earlier load names."""
    differences: Mapping[str, int] = field(default_factory=dict)
    """Crossings by the field in which their document differs from the reading at the post."""
    held: Mapping[str, int] = field(default_factory=dict)
    """Rows by file of those quarantined that the home held as they are."""
    differing: Mapping[str, int] = field(default_factory=dict)
    """Rows by file of those quarantined that the home held with other values."""
    has_new_network: bool = False
    """The folder's network file added posts to that of the home."""
    placeholders: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Accepted rows by file and field whose cell stands for a missing value."""
    fields: Mapping[str, Mapping[str, FieldSummary]] = field(default_factory=dict)
    """Of a check: what accepted rows hold, by table and field."""

    def as_body(self) -> LoadBody:
        """Return what records say of the load."""
        return {
            "digest": self.digest,
            "quarantine": file_digest(self.quarantine_file),
            "rows": dict(self.rows),
            "note": self.note,
        }

    def as_json(self) -> dict[str, Any]:
        """Return what ``darvoza load --json`` prints."""
        found: dict[str, Any] = {"load": self.digest} if self.digest else {}
        found |= {
            "accepted": dict(self.accepted),
            "quarantined": dict(self.quarantined),
            "held": dict(self.held),
            "differing": dict(self.differing),
            "placeholders": {file: dict(fields) for file, fields in self.placeholders.items()},
            "quarantine_file": str(self.quarantine_file),
            "new_posts": dict(self.new_posts),
        }
        if self.fields:
            found["fields"] = {
                table: {name: asdict(one) for name, one in fields.items()}
                for table, fields in self.fields.items()
            }
        return found | ({"differences": dict(self.differences)} if self.differences else {})

    def list_bad_files(self, most: float) -> Iterator[tuple[str, str]]:
        """Yield each file with bad rows of which no row was accepted, or more than a share is bad.

        A row that the home holds as it is, is not bad. Each file comes with the reason, in words.
        """
        for file, accepted in self.accepted.items():
            rows = accepted + self.quarantined[file]
            bad = self.quarantined[file] - self.held.get(file, 0)
            if bad and not accepted:
                yield file, f"no row was accepted, {bad:,} of {rows:,} are bad"
            elif bad > most * rows:
                yield file, f"{bad:,} of {rows:,} rows are bad: more than a share of {most:g}"


Announce = Callable[[LoadResult], None]


def load_digest(offered: str, content: str) -> str:
    """Return the name of a load: what was offered to the home, and what it took of that."""
    return sha256(f"{offered}\n{content}\n".encode()).hexdigest()


def is_intact(home: Home, digest: str) -> bool:
    """Tell whether a load on disk still is what its digest, as the journal holds it, says."""
    if any(path.is_symlink() for path in (home.history / digest).rglob("*")):
        return False  # what a link names lies outside, and may change unseen
    try:
        record = json.loads((home.history / digest / _RECORD).read_text("utf-8"))
        rows = {name: read_table(home, (digest,), name=name) for name in SCHEMAS}
        content = content_digest({name: arrange_table(name, table) for name, table in rows.items()})
        return load_digest(record["offered"], content) == digest
    except (OSError, ValueError, KeyError, pa.ArrowException, HomeError):
        return False


def find_load(home: Home, offered: str) -> LoadResult | None:
    """Return the earlier load to which the same was offered, if there is one."""
    for path in home.history.glob(f"[!.]*/{_RECORD}"):
        record = json.loads(path.read_text("utf-8"))
        if record["offered"] == offered:
            return LoadResult(**record, quarantine_file=path.parent / QUARANTINE_FILE, is_new=False)
    return None


def write_load(
    home: Home,
    tables: Tables,
    *,
    loaded: LoadResult,
    faults: Sequence[RowFault],
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> None:
    """Write what a load adds to a home under ``home.history / loaded.digest``.

    Called under :func:`exclusively`. ``loaded`` is kept next to the tables in ``load.json``;
    ``faults`` are those of the quarantined rows. ``progress`` is called with ``"writing"``, tables
    done and tables in all; ``announce`` with the load once all is on the disk, before the folder
    gets its name.
    """
    folder = Path(mkdtemp(prefix=".load-", dir=home.history))
    record = asdict(loaded)
    for name in ("quarantine_file", "is_new", "new_posts", "has_new_network", "fields"):
        del record[name]
    (folder / _RECORD).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", "utf-8")
    write_quarantine(folder / QUARANTINE_FILE, faults)
    for done, (name, months) in enumerate(_known_months(tables).items(), 1):
        _write_months(folder / name, tables.table(name), months=months)
        if progress is not None:
            progress("writing", done, len(SCHEMAS))
    folder.chmod(0o700)
    for path in sorted(folder.rglob("*")):
        flush_to_disk(path)
    flush_to_disk(folder)
    if announce is not None:
        announce(replace(loaded, quarantine_file=folder / QUARANTINE_FILE))
    folder.rename(home.history / loaded.digest)
    flush_to_disk(home.history)


_COLUMNS = [column.name for column in fields(RowFault)]


def is_quarantine(path: Path) -> bool:
    """Tell whether a file is one that :func:`write_quarantine` wrote."""
    with path.open("rb") as file:
        return file.readline() == (",".join(_COLUMNS) + "\n").encode()


def write_quarantine(path: Path, faults: Sequence[RowFault]) -> None:
    """Write one line for each fault."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(_COLUMNS)
        for fault in faults:
            file, line, *rest = astuple(fault)
            out.writerow([escape_cell(file), line, *escape_cells(rest)])


def _known_months(tables: Tables) -> dict[str, Any]:
    """Return for each row of each table the month (UTC) in which it became known.

    A declaration is known with the first crossing that names it, else since it was lodged, and its
    goods items with it.
    """
    crossings, heads, items = tables.crossings, tables.declarations, tables.goods_items
    dated = ("crossings", "inspections", "seizures")
    months = {name: _month(tables.table(name)["known_at"]) for name in dated}
    first = pc.index_in(heads["declaration_id"], value_set=crossings["declaration_id"])
    moment = crossings["known_at"].combine_chunks().take(first.combine_chunks())
    months["declarations"] = _month(pc.coalesce(moment, heads["lodged_at"].combine_chunks()))
    its = pc.index_in(items["declaration_id"], value_set=heads["declaration_id"])
    months["goods_items"] = pc.fill_null(
        months["declarations"].take(its.combine_chunks()), _UNDATED
    )
    return {name: months[name] for name in SCHEMAS}


def _month(moments: Any) -> Any:
    if isinstance(moments, pa.ChunkedArray):
        moments = moments.combine_chunks()
    return pc.fill_null(pc.strftime(moments.cast(pa.timestamp("us")), "%Y-%m"), _UNDATED)


def _write_months(folder: Path, table: Any, *, months: Any) -> None:
    if table.num_rows == 0:
        return
    folder.mkdir()
    coded = months.dictionary_encode()
    codes = coded.indices.to_numpy()
    if (codes[1:] < codes[:-1]).any():
        table = table.take(pa.array(np.argsort(codes, kind="stable")))
    ends = np.cumsum(np.bincount(codes))
    for month, start, end in zip(coded.dictionary.to_pylist(), [0, *ends[:-1]], ends, strict=True):
        pq.write_table(
            table.slice(start, end - start),
            folder / f"{month}.parquet",
            compression="zstd",
            use_dictionary=[name for name in table.column_names if name in _ENUMERATED],
        )


RULE = "history"


def read_begun_loads(connection: Connection) -> frozenset[str]:
    """Return the digests of the loads that were begun, finished or not."""
    return frozenset(body["digest"] for _, body in JournalReader(connection).bodies_of(LOAD_BEGUN))


def find_history_faults(home: Home, connection: Connection) -> Iterator[JournalFault]:
    """Yield each load that is gone or changed, and each that the journal does not know."""
    yield from find_symbolic_links(home.history)
    known, started = read_load_anchors(connection), read_begun_loads(connection)
    for digest, seq in known.items():
        if not is_intact(home, digest):
            yield JournalFault(seq, RULE, f"load {digest} is not on the disk as it was recorded")
    erased, withdrawn = read_replaced_loads(connection), read_withdrawn_loads(connection)
    for digest in loads(home):
        if digest in erased:
            why = (
                f"load {digest} was erased and is on the disk: darvoza erase finishes what it began"
            )
            yield JournalFault(erased[digest][0], RULE, why)
        elif digest in withdrawn.keys() - known.keys():
            why = f"load {digest} was withdrawn and is on the disk: darvoza load removes it first"
            yield JournalFault(withdrawn[digest], RULE, why)
        elif digest not in known and not (digest in started and is_intact(home, digest)):
            yield JournalFault(
                0, RULE, f"load {digest} is on the disk and in no record: load it again"
            )
    yield from _quarantine_faults(home, connection)


def _quarantine_faults(home: Home, connection: Connection) -> Iterator[JournalFault]:
    for load, (seq, digest) in read_quarantines(connection).items():
        path = home.history / load / QUARANTINE_FILE
        if path.is_symlink():
            continue
        if not path.is_file():
            yield JournalFault(seq, "quarantine", f"load {load}: its {QUARANTINE_FILE} is gone")
        elif file_digest(path) != digest:
            yield JournalFault(seq, "quarantine", f"load {load}: its {QUARANTINE_FILE} was changed")


def list_history_notes(home: Home, connection: Connection) -> Iterator[str]:
    """Yield what is unfinished or not anchored, and is no fault."""
    known, started = read_load_anchors(connection), read_begun_loads(connection)
    started -= read_withdrawn_loads(connection).keys()
    for digest in loads(home):
        if digest in started and digest not in known:
            yield f"load {digest}: not finished; load the same folder again, and it will count"
    if home.history.is_dir():
        for path in sorted(home.history.glob(".load-*")):
            yield f"{path.name}: left by a load that was stopped; the next load removes it"


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
        declared = pa.chunked_array(
            _column(table, "declaration_id", _match_names(table, subject))
            for table in (history.declarations, history.goods_items)
        ).combine_chunks()
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
    if "national" in table.column_names:
        stated = (json.loads(text or "{}") for text in table["national"].to_pylist())
        mask = pa.chunked_array([[is_national(one, subject) for one in stated]], pa.bool_())
    for name in table.column_names:
        if name not in FOLDED_NAMES | EXACT_NAMES:
            continue
        column = table[name].combine_chunks()
        is_list = pa.types.is_list(column.type)
        texts = pc.list_flatten(column) if is_list else column
        wanted = [
            text
            for text in pc.unique(texts).drop_null().to_pylist()
            if text == subject or (name in FOLDED_NAMES and fold(text) == fold(subject) != "")
        ]
        hits = pc.is_in(texts, value_set=pa.array(wanted, pa.string()))
        if is_list:
            rows = pc.list_parent_indices(column).filter(hits)
            hits = pc.is_in(pa.array(range(table.num_rows), rows.type), value_set=rows)
        mask = pc.or_(mask, hits)
    return mask


def stage_erasure(home: Home, rows: HistoryRows) -> list[Draft]:
    """Write what is left of each load that holds such rows; return the records that anchor it.

    Under :func:`engine.audit.erasures.lock_loads`.
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
    write_load(stage, Tables(**kept, network=history.network, digest=""), loaded=loaded, faults=())
    shutil.copy2(source / QUARANTINE_FILE, stage.history / loaded.digest / QUARANTINE_FILE)
    quarantine = file_digest(source / QUARANTINE_FILE)
    body: ErasedHistoryBody = {"load": digest, "instead": loaded.digest, "quarantine": quarantine}
    return HISTORY_ERASED.draft(digest, body)
