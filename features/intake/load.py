"""Validation of a bulk folder and its load: every row is accepted or quarantined, never lost.

Stands on one definition of each record (:mod:`engine.domain.records`): files obey exactly the rules
of the wire. A bad row never stops a load; a header or a network file that cannot be trusted does.

One home has one network. The network file of a folder is merged into it and may bring further
posts, but a post means the same in every file, and synthetic posts never share a network with real
posts.
"""

import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkstemp
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from engine.audit.erasures import lock_loads
from engine.audit.file_anchors import QUARANTINE_FILE
from engine.domain.goods import GoodsClasses, shipped_goods_classes
from engine.domain.network import (
    Network,
    SeverityBand,
    read_home_network,
    read_network,
    write_network,
)
from engine.domain.time_units import SystemClock
from engine.errors import InputError
from engine.journal.areas import load_part
from engine.storage.home import Home
from features.history.tables import (
    MODELS,
    Tables,
    arrange_table,
    content_digest,
    derive_known_times,
    read_history,
)
from features.intake import kcs_format
from features.intake.file_reader import Progress, RowFault, is_there
from features.intake.mapped_rows import open_mapped
from features.intake.mapping import MappingFile
from features.intake.referential_checks import (
    ExistingIds,
    FolderRows,
    Parts,
    check,
    without_held,
)
from features.intake.row_validation import TableBuilder, add_rows, read_part
from features.intake.stored_loads import (
    Announce,
    LoadResult,
    find_load,
    is_quarantine,
    load_digest,
    summarize_fields,
    write_load,
    write_quarantine,
)

NETWORK_FILE = "network.toml"
_Key = TypeVar("_Key", bound=str)
_Value = TypeVar("_Value", str, float)


def join_networks(folder: Path, network: Network) -> Network:
    """Return a network and the posts of a folder's file; raises ``InputError`` on conflict."""
    if not is_there(folder / NETWORK_FILE):
        return network
    found = read_network(folder / NETWORK_FILE)
    if not network.posts:
        return found
    if found.synthetic != network.synthetic:
        raise InputError(
            NETWORK_FILE, "synthetic: a synthetic network and a real one do not share a home"
        )
    for code, post in found.posts.items():
        if network.posts.get(code, post) != post:
            raise InputError(
                NETWORK_FILE, f"posts: {code} differs from the post of this code in the home"
            )
    return Network(
        MappingProxyType({**network.posts, **found.posts}),
        network.synthetic,
        _join_table("severity", network.severity, other=found.severity),
        _join_table("identifiers", network.identifiers, other=found.identifiers),
        _join_bands(network.severity_bands, other=found.severity_bands),
    )


def _join_bands(
    known: tuple[SeverityBand, ...], *, other: tuple[SeverityBand, ...]
) -> tuple[SeverityBand, ...]:
    """Return all bands; a file that states bands of a class states all of that class."""
    classes = {band.substance_class for band in known}
    for substance_class in sorted({band.substance_class for band in other} & classes):
        sides = [
            sorted((b.from_g, b.weight) for b in bands if b.substance_class == substance_class)
            for bands in (known, other)
        ]
        if sides[0] != sides[1]:
            raise InputError(
                NETWORK_FILE, f"severity_bands: {substance_class} differs from the home's"
            )
    return (*known, *(band for band in other if band.substance_class not in classes))


def _join_table(
    name: str, known: Mapping[_Key, _Value], *, other: Mapping[_Key, _Value]
) -> Mapping[_Key, _Value]:
    for key, value in other.items():
        if known.get(key, value) != value:
            raise InputError(NETWORK_FILE, f"{name}.{key}: differs from the home's")
    return MappingProxyType({**known, **other})


def keep_network(home: Home, folder: Path, *, network: Network, held: Network) -> bool:
    """Make a network the home's, as the folder's file where that says all of it.

    Returns whether it differs from the one that is held.
    """
    if network == held or not network.posts:
        return False
    source = folder / NETWORK_FILE
    is_whole = is_there(source) and read_network(source) == network
    handle, name = mkstemp(prefix=".network-", dir=home.root)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(source.read_text("utf-8") if is_whole else write_network(network))
        file.flush()
        os.fsync(handle)
    Path(name).replace(home.network)
    return True


_MESSAGES = "features.messages.translation:read_documents"
"""What reads a folder of standard messages. A name, and no import: the core stands on no area."""


@dataclass(frozen=True, slots=True)
class Intake:
    """A bulk folder, read: what is valid, and why the rest is not.

    For each file, rows seen = ``accepted[file]`` + ``quarantined[file]``, exactly.
    """

    tables: Tables
    quarantine: Sequence[RowFault]
    """Every fault of every row that was not taken, by file and line."""
    accepted: Mapping[str, int]
    quarantined: Mapping[str, int]
    held: Mapping[str, int]
    """Rows of those quarantined that the home holds as they are."""
    differing: Mapping[str, int]
    """Rows of those quarantined that the home holds with other values."""
    placeholders: Mapping[str, Mapping[str, int]]
    """Accepted rows by file and field whose cell stands for a missing value."""
    offered: str
    """Digest of the folder's valid rows and faults, before the home was asked what it holds."""
    differences: Mapping[str, int] = field(default_factory=dict)
    """Crossings by the field in which their document differs from the reading at the post."""


def read_folder(
    folder: Path,
    *,
    format: str = "contract",  # noqa: A002 - the option's name on the command line
    ignore_columns: Collection[str] = (),
    now: int | None = None,
    progress: Progress | None = None,
    held: Tables | None = None,
    network: Network | None = None,
    goods: GoodsClasses | None = None,
    settings: Any = None,
) -> Intake:
    """Read and validate a bulk folder: tables as of ``known_at``, the faults of rows not in them.

    Contract files are ``.csv`` or ``.parquet`` each, or what ``settings`` names if that is a
    :class:`features.intake.mapping.MappingFile`; for ``kcs`` every ``*.csv`` is read, for standard
    messages ``crossings.csv`` and the documents, by ``settings`` (see docs/data.md; None: the
    defaults).
    Columns in ``ignore_columns`` are no part of a record and may be there. Rows with a time at or
    after ``now`` (UTC microseconds; default: the clock) are quarantined. ``progress``
    is called with the stage, the amount done and the total. Rows may refer to the history ``held``
    and must not repeat it. Crossings may name the posts of ``network``; default: those of the
    folder's network file, else any. Finds have a class of ``goods``; default: the shipped table.
    Raises InputError where a file as a whole cannot be read, or where rows were neither accepted
    nor quarantined.
    """
    if not folder.is_dir():
        raise InputError(str(folder), "no such folder")
    now = SystemClock().now() if now is None else now
    holding = ExistingIds(held)
    if format == "kcs":
        network = Network()
    elif network is None:
        network = join_networks(folder, Network())
    source = _read_rows(
        folder, format, settings=settings, ignored=ignore_columns, progress=progress
    )
    classes = goods or shipped_goods_classes()
    offered = check(source.parts, network, now=now, held=holding, goods=classes)
    left, known = without_held(offered, holding)
    offered, left = source.complete(offered), source.complete(left)
    name = _name_offered(offered)
    del offered  # no row stands in memory twice once tables are arranged
    faults = _faults(left)
    accepted = _account_rows(left, source.seen, faults)
    quarantined = {file: rows - accepted[file] for file, rows in source.seen.items()}
    held_rows = _count_rows(known.same, source.seen)
    differing = _count_rows(known.other, source.seen)
    placeholders = _count_gaps(left, faults)
    return Intake(
        tables=_take_tables(left, network, held=held),
        quarantine=faults,
        accepted=source.total({**accepted, **source.rowless}),
        quarantined=source.total(quarantined),
        held=source.total(held_rows),
        differing=source.total(differing),
        placeholders=placeholders,
        offered=name,
        differences=source.differences,
    )


def _read_rows(
    folder: Path,
    format: str,  # noqa: A002
    *,
    settings: Any,
    ignored: Collection[str],
    progress: Progress | None,
) -> FolderRows:
    if isinstance(settings, MappingFile):
        parts, seen = _read_mapped(folder, settings, progress=progress)
        return FolderRows(parts=parts, seen=seen)
    if format == "contract":
        parts, seen = _read_contract(folder, ignored=ignored, progress=progress)
        return FolderRows(parts=parts, seen=seen)
    if format == "kcs":
        parts, seen = kcs_format.read(folder, ignored=ignored, progress=progress)
        return FolderRows(parts=parts, seen=seen, complete=kcs_format.keep_whole_rows)
    read = load_part(_MESSAGES)
    found: FolderRows = read(folder, format, settings=settings, ignored=ignored, progress=progress)
    return found


def check_folder(
    folder: Path,
    quarantine: Path,
    *,
    format: str = "contract",  # noqa: A002 - the option's name on the command line
    ignore_columns: Collection[str] = (),
    progress: Progress | None = None,
    settings: Any = None,
    network: Network | None = None,
    goods: GoodsClasses | None = None,
) -> LoadResult:
    """Read a bulk folder as a load into a home without history would, and write its faults.

    Arguments are those of :func:`load`; ``network`` and ``goods`` are those of the home, None
    where there is none. Raises InputError where :func:`load` does, and where ``quarantine`` is a
    file of another kind.
    """
    if is_there(quarantine) and not is_quarantine(quarantine):
        raise InputError(str(quarantine), "is there already, and is no quarantine file")
    intake = read_folder(
        folder,
        format=format,
        ignore_columns=ignore_columns,
        progress=progress,
        settings=settings,
        network=join_networks(folder, network or Network()),
        goods=goods,
    )
    write_quarantine(quarantine, intake.quarantine)
    found = _summarize(intake, quarantine.parent, format=format)
    new = _new_posts(intake.tables, named=intake.tables.network.posts, held=None)
    fields = summarize_fields(intake.tables)
    return replace(found, digest="", quarantine_file=quarantine, new_posts=new, fields=fields)


def load(
    home: Home,
    folder: Path,
    *,
    format: str = "contract",  # noqa: A002 - the option's name on the command line
    ignore_columns: Collection[str] = (),
    now: int | None = None,
    progress: Progress | None = None,
    announce: Announce | None = None,
    settings: Any = None,
    network: Network | None = None,
    goods: GoodsClasses | None = None,
) -> LoadResult:
    """Load a bulk folder into a home; loading the same again changes nothing.

    The home gets the history, the load's ``quarantine.csv`` and the network file. Arguments are
    those of :func:`read_folder`; ``announce`` records a load with rows before it is in place, see
    :func:`features.intake.stored_loads.write_load`. ``network`` is the one in force, by default
    that of the home's file, and ``goods`` the table of classes in force. Returns counts, and the
    digest by which the caller anchors the load in the journal. Raises InputError as
    :func:`read_folder` does, and if the folder's network contradicts the home's.
    """
    with lock_loads(home):
        kept = network or read_home_network(home.network)
        network = Network() if format == "kcs" else join_networks(folder, kept)
        held = read_history(home) if any(home.history.glob("[!.]*/load.json")) else None
        intake = read_folder(
            folder,
            format=format,
            ignore_columns=ignore_columns,
            now=now,
            progress=progress,
            held=held,
            network=network,
            goods=goods,
            settings=settings,
        )
        loaded = find_load(home, intake.offered)
        if loaded is not None:
            loaded = _drop_vain(loaded, intake)
        if loaded is None:
            loaded = _summarize(intake, home.history, format=format)
            if isinstance(settings, MappingFile):
                loaded = replace(loaded, note=settings.note)
            write_load(
                home,
                intake.tables,
                loaded=loaded,
                faults=intake.quarantine,
                progress=progress,
                announce=announce if any(loaded.rows.values()) else None,
            )
        is_new = keep_network(home, folder, network=network, held=kept)
        named = {*kept.posts, *network.posts}
        new = _new_posts(intake.tables, named=named, held=held)
        return replace(loaded, new_posts=new, has_new_network=is_new)


def _drop_vain(loaded: LoadResult, intake: Intake) -> LoadResult | None:
    """Return an earlier load of the same, unless it took nothing and this one has rows.

    That is a load of what the home held at the time, from a load that was withdrawn since.
    """
    if any(loaded.accepted.values()) or not any(intake.accepted.values()):
        return loaded
    shutil.rmtree(loaded.quarantine_file.parent)
    return None


def _read_contract(
    folder: Path, *, ignored: Collection[str], progress: Progress | None
) -> tuple[Parts, dict[str, int]]:
    parts: Parts = {}
    seen: dict[str, int] = {}
    for name in MODELS:
        both = (folder / f"{name}.csv", folder / f"{name}.parquet")
        paths = [path for path in both if is_there(path)]
        if len(paths) > 1:
            raise InputError(str(folder), f"{name} is there both as CSV and as Parquet; remove one")
        if not paths and name == "crossings":
            why = "a bulk folder needs crossings.csv or crossings.parquet"
            if books := sorted(path.name for path in folder.glob("crossings.xls*")):
                why += f"; {books[0]} is a workbook: read it by --mapping, or save its sheet as CSV"
            raise InputError(str(folder), why)
        parts[name] = TableBuilder(name).part()
        for path in paths:
            parts[name], seen[path.name] = read_part(name, path, ignored=ignored, progress=progress)
    return parts, seen


def _read_mapped(
    folder: Path, mapping: MappingFile, *, progress: Progress | None
) -> tuple[Parts, dict[str, int]]:
    builders = {name: TableBuilder(name) for name in MODELS}
    faults: dict[str, list[RowFault]] = {name: [] for name in MODELS}
    seen: dict[str, int] = {}
    for name, rows in open_mapped(folder, mapping, progress=progress):
        faults[name] += add_rows(builders[name], rows)
        faults[name] += rows.faults
        seen[rows.name] = rows.seen
    return {name: builder.part(faults[name]) for name, builder in builders.items()}, seen


def _faults(parts: Parts) -> list[RowFault]:
    """Return the faults of every bad row, by file and line; of one row, in the order found.

    Where a row makes several records, the faults of the first one say it: others follow from them.
    """
    first: dict[tuple[str, int], str] = {}
    found: dict[RowFault, None] = {}
    for name, part in parts.items():
        for fault in part.faults:
            if first.setdefault((fault.file, fault.line), name) == name:
                found[fault] = None
    return sorted(found, key=lambda fault: (fault.file, fault.line))


def _count_rows(places: Collection[tuple[str, int]], files: Iterable[str]) -> dict[str, int]:
    counted = Counter(file for file, _ in places)
    return {file: counted[file] for file in files}


def _count_gaps(parts: Parts, faults: Sequence[RowFault]) -> dict[str, dict[str, int]]:
    """Return by file and field how many accepted rows hold a placeholder."""
    bad: dict[str, set[int]] = {}
    for fault in faults:
        bad.setdefault(fault.file, set()).add(fault.line)
    found: dict[str, Counter[str]] = {}
    for gap in (gap for part in parts.values() for gap in part.gaps):
        lines = np.setdiff1d(gap.lines, list(bad.get(gap.file, ())), assume_unique=True)
        if len(lines):
            found.setdefault(gap.file, Counter())[gap.field] += len(lines)
    return {file: dict(sorted(fields.items())) for file, fields in sorted(found.items())}


def _account_rows(
    parts: Parts, seen: Mapping[str, int], faults: Sequence[RowFault]
) -> dict[str, int]:
    """Return the rows accepted of each file; what was read must be there or have a fault."""
    accepted: Counter[str] = Counter()
    for name, part in parts.items():
        for row in part.where["file"].value_counts().to_pylist():
            # The records of one KCS row share its place: it counts once, and only if all are there,
            # but for the act, which a row without a verdict does not have.
            file, count = row["values"], row["counts"]
            if file not in accepted or name != "inspections":
                accepted[file] = min(accepted.get(file, count), count)
    quarantined = Counter(file for file, _ in {(fault.file, fault.line) for fault in faults})
    for file, rows in seen.items():
        if rows != accepted[file] + quarantined[file]:
            raise InputError(
                file,
                f"{rows} rows were read, but {accepted[file]} accepted and {quarantined[file]} "
                "quarantined; nothing was loaded, please report this",
            )
    return {file: accepted[file] for file in seen}


def _take_tables(parts: Parts, network: Network, *, held: Tables | None) -> Tables:
    """Return the tables of a history from its parts, each of which is let go: none is left."""
    before = None
    if held is not None:
        before = {"crossings": held.crossings, "inspections": held.inspections}
    found = derive_known_times({name: parts.pop(name).rows for name in tuple(parts)}, held=before)
    for name in MODELS:
        found[name] = arrange_table(name, found.pop(name))
    return Tables(**found, network=network, digest=content_digest(found))


def _new_posts(tables: Tables, *, named: Collection[str], held: Tables | None) -> dict[str, int]:
    """Count the crossings of posts that neither a network file nor the history so far names."""
    before = set() if held is None else set(held.crossings["post"].unique().to_pylist())
    counted = tables.crossings["post"].value_counts().to_pylist()
    counts = {row["values"]: row["counts"] for row in counted}
    return {post: counts[post] for post in sorted(counts) if post not in before.union(named)}


def _name_offered(parts: Parts) -> str:
    rows = {name: part.rows for name, part in parts.items()}
    faults = pa.Table.from_pylist(
        [{"file": f.file, "line": f.line, "rule": f.rule} for f in _faults(parts)],
        pa.schema({"file": pa.string(), "line": pa.int64(), "rule": pa.string()}),
    )
    return content_digest({**rows, "quarantine": faults})


def _summarize(intake: Intake, history: Path, *, format: str) -> LoadResult:  # noqa: A002
    tables = intake.tables
    digest = load_digest(intake.offered, tables.digest)
    known_at: Any = tables.crossings["known_at"]
    return LoadResult(
        digest=digest,
        offered=intake.offered,
        format=format,
        accepted=intake.accepted,
        quarantined=intake.quarantined,
        held=intake.held,
        differing=intake.differing,
        placeholders=intake.placeholders,
        rows={name: tables.table(name).num_rows for name in MODELS},
        known_from=known_at[0].as_py() if len(known_at) else None,
        known_until=known_at[-1].as_py() if len(known_at) else None,
        synthetic=tables.network.synthetic,
        note=kcs_format.NOTE if format == "kcs" else "",
        quarantine_file=history / digest / QUARANTINE_FILE,
        is_new=True,
        differences=intake.differences,
    )
