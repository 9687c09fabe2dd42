"""Korea Customs Service import declarations, one a row, as records of this project.

Stands on the public data set of arXiv 2208.02484: there is no vehicle, a row with a verdict was
inspected, days are UTC days, and a row is whole: where one of its records is bad, none is taken.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.domain.field_types import is_nothing
from engine.domain.records import Record
from engine.errors import InputError
from features.history.tables import MODELS
from features.intake.file_reader import (
    ColumnLayout,
    FileRows,
    Progress,
    RowFault,
    is_there,
)
from features.intake.referential_checks import Parts, drop_partial_rows
from features.intake.row_validation import TableBuilder

NOTE = "customs_value_usd holds Item Price as it is in the KCS files: Korean won, not US dollars"

COLUMN_OF: Mapping[str, str] = {
    "crossing_id": "Declaration ID",
    "declaration_id": "Declaration ID",
    "inspection_id": "Declaration ID",
    "arrived_at": "Date",
    "lodged_at": "Date",
    "recorded_at": "Date",
    "post": "Office ID",
    "procedure": "Process Type",
    "nature_of_transaction": "Import Type",
    "payment_type": "Payment Type",
    "transport_mode": "Mode of Transport",
    "declarant_id": "Declarant ID",
    "consignee_id": "Importer ID",
    "consignor_id": "Seller ID",
    "carrier_id": "Courier ID",
    "hs_code": "HS6 Code",
    "dispatch_country": "Country of Departure",
    "origin_country": "Country of Origin",
    "duty_rate": "Tax Rate",
    "preference_code": "Tax Type",
    "origin_marking": "Country of Origin Indicator",
    "net_mass_kg": "Net Mass",
    "customs_value_usd": "Item Price",
    "outcome": "Fraud",
}
"""Source column of each field; a fault is reported under this column's name."""

_COPIED: Mapping[str, tuple[str, ...]] = {
    "crossings": ("crossing_id", "post", "carrier_id", "declaration_id"),
    "declarations": (
        "declaration_id", "declarant_id", "consignor_id", "consignee_id", "dispatch_country",
        "transport_mode", "nature_of_transaction", "payment_type",
    ),
    "goods_items": (
        "declaration_id", "origin_country", "net_mass_kg", "customs_value_usd", "preference_code",
        "origin_marking",
    ),
    "inspections": ("inspection_id", "crossing_id"),
}  # fmt: skip
"""Fields of each record that are taken as they stand."""
_COLUMNS = (*dict.fromkeys(COLUMN_OF.values()), "Import Use", "Critical Fraud")
_LAYOUT = ColumnLayout(columns=_COLUMNS, required=frozenset(_COLUMNS))
_OUTCOMES = {"0": "clear", "1": "discrepancy"}
_GRAVE = "2"


def read(
    folder: Path, *, ignored: Collection[str] = (), progress: Progress | None = None
) -> tuple[Parts, dict[str, int]]:
    """Read every ``*.csv`` of a folder, by name; return the five tables and the rows of each file.

    A row's crossing, declaration, item and inspection have the same place; a row without a verdict
    has no inspection. Columns in ``ignored`` may be there and are not read. ``progress`` is called
    with the file's name, the bytes done and their total. Raises InputError where there is no CSV
    file, or a header is not that of KCS.
    """
    paths = sorted(path for path in folder.glob("*.csv") if is_there(path))
    if not paths:
        raise InputError(str(folder), "no *.csv file here")
    builders = {name: TableBuilder(name) for name in MODELS}
    faults: list[RowFault] = []
    seen: dict[str, int] = {}
    for path in paths:
        rows = FileRows(path, _LAYOUT, ignored=ignored, progress=progress)
        for lines, chunk in rows:
            _add(builders, path.name, lines=lines, chunk=chunk, faults=faults)
        faults += rows.faults
        seen[path.name] = rows.seen
    parts = {name: builder.part() for name, builder in builders.items()}
    parts["crossings"] = replace(parts["crossings"], faults=tuple(faults))
    return parts, seen


def keep_whole_rows(parts: Parts) -> Parts:
    """Remove what is left of rows of which some record has a fault; name faults by KCS columns."""
    return {
        name: replace(
            part,
            faults=tuple(replace(f, field=COLUMN_OF.get(f.field, f.field)) for f in part.faults),
            gaps=tuple(replace(g, field=COLUMN_OF.get(g.field, g.field)) for g in part.gaps),
        )
        for name, part in drop_partial_rows(parts).items()
    }


def _add(
    builders: Mapping[str, TableBuilder],
    file: str,
    *,
    lines: list[int],
    chunk: list[dict[str, Any]],
    faults: list[RowFault],
) -> None:
    valid: dict[str, list[tuple[int, Record]]] = {name: [] for name in builders}
    gaps: dict[str, dict[str, list[int]]] = {name: {} for name in builders}
    for line, cells in zip(lines, chunk, strict=True):
        checked = {
            name: builders[name].check(file, line, record)
            for name, record in _records(cells).items()
        }
        found = [fault for one in checked.values() for fault in one.faults]
        faults += found
        for name, one in checked.items():
            if one.record is not None and not found:
                valid[name].append((line, one.record))
                for field in one.gaps:
                    gaps[name].setdefault(field, []).append(line)
    for name, rows in valid.items():
        builders[name].note_gaps(file, gaps[name])
        builders[name].add([good for _, good in rows], file, lines=[place for place, _ in rows])


def _records(cells: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the cells of the records of a row, missing ones left out."""
    get = cells.get
    day, code = get("Date"), get("HS6 Code")
    opened = day and f"{day}T00:00:00Z"
    made: dict[str, dict[str, Any]] = {
        "crossings": {"direction": "entry", "arrived_at": opened, "vehicle_class": "other"},
        "declarations": {
            "lodged_at": opened,
            "procedure": "-".join(
                cell
                for cell in (get("Process Type"), get("Import Use"))
                if cell and not is_nothing(cell)
            ),
        },
        "goods_items": {
            "item_no": 1,
            "hs_code": code and code.zfill(6),
            "duty_rate": _share(get("Tax Rate")),
        },
    }
    fraud, critical = get("Fraud"), get("Critical Fraud")
    if fraud is not None or critical is not None:  # else no result is given: no act
        closed, outcome = day and f"{day}T23:59:59Z", _outcome(fraud, critical)
        made["inspections"] = {"recorded_at": closed, "outcome": outcome, "basis": "officer"}
    return {
        name: _present(**{field: get(COLUMN_OF[field]) for field in _COPIED[name]}, **more)
        for name, more in made.items()
    }


def _present(**cells: Any) -> dict[str, Any]:
    return {name: cell for name, cell in cells.items() if cell is not None and cell != ""}


def _share(percent: str | None) -> float | str | None:
    """Return a rate in percent as a share; what is no number is left for the record to refuse."""
    try:
        if percent is None or "_" in percent:  # Python would read the digits of a group
            return percent
        return float(percent) / 100
    except ValueError:
        return percent


def _outcome(fraud: str | None, critical: str | None) -> str | None:
    if fraud is None:
        return None
    # Where some cells are empty, many a tool writes the others as 0.0 and 1.0.
    if (critical or "").removesuffix(".0") == _GRAVE:
        return "seizure"
    return _OUTCOMES.get(fraud.removesuffix(".0"), "unknown")
