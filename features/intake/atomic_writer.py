"""Atomic and idempotent write of a load into a home.

Assumes an atomic rename: a load is written next to the history and moves to its place, under its
digest, when everything in it is on disk. A load that was killed leaves a folder whose name starts
with a dot, which no reader opens and the next load removes.
"""

import csv
import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.audit.file_anchors import QUARANTINE_FILE
from engine.journal.payloads import LoadBody
from engine.storage.csv_cells import escape_cell, escape_cells
from engine.storage.durable_files import flush_to_disk
from engine.storage.file_digests import file_digest
from engine.storage.home import Home
from features.history.tables import SCHEMAS, Tables, arrange_table, content_digest, read_table
from features.intake.file_reader import Progress, RowFault

_RECORD = "load.json"
_UNDATED = "undated"
_ENUMERATED = {
    "post", "direction", "vehicle_class", "plate_country", "procedure", "dispatch_country",
    "destination_country", "transport_mode", "nature_of_transaction", "payment_type", "hs_code",
    "origin_country", "preference_code", "origin_marking", "outcome", "basis", "substance_class",
    "substance", "place", "concealment", "carrier_id", "driver_ref", "declarant_id",
    "invoice_currency", "incoterm", "office_of_entry", "office_of_exit", "guarantee_type",
    "package_kind",
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
    placeholders: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Accepted rows by file and field whose cell stands for a missing value."""

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
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return False


@contextmanager
def exclusively(home: Home) -> Iterator[None]:
    """Let one process at a time load into a home; clear what a killed one left."""
    home.history.mkdir(parents=True, exist_ok=True)
    with (home.history / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in home.history.glob(".load-*"):
            shutil.rmtree(left)
        yield


def find(home: Home, offered: str) -> LoadResult | None:
    """Return the earlier load to which the same was offered, if there is one."""
    for path in home.history.glob(f"[!.]*/{_RECORD}"):
        record = json.loads(path.read_text("utf-8"))
        if record["offered"] == offered:
            return LoadResult(**record, quarantine_file=path.parent / QUARANTINE_FILE, is_new=False)
    return None


def write(
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
    del record["quarantine_file"], record["is_new"], record["new_posts"]
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
