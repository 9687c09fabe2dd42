"""Bulk folders for the intake's tests, with bad rows that know the rule they break."""

import csv
import random
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

from engine.domain.time_units import DAY, HOUR, MINUTE, rfc3339
from features.history.tables import MODELS

START = 1_735_689_600_000_000  # 2025-01-01T00:00:00Z
NOW = START + 400 * DAY
RULE = "_rule"
"""A bad row says in this cell, which is never written, which rule it breaks."""

Row = dict[str, str]
Tables = dict[str, list[Row]]

NETWORK = """
synthetic = true
[[posts]]
code = "OYB"
name = "Oybek"
country = "UZ"
pair = "FOT"
[[posts]]
code = "FOT"
name = "Fotehobod"
country = "TJ"
pair = "OYB"
[posts.roster]
physical = 240.0
"""


def crossing(number: int, **cells: str) -> Row:
    """Return a crossing; every other one has a declaration and a late record."""
    time = START + number * 4 * MINUTE
    return {
        "crossing_id": f"c{number}",
        "post": "OYB" if number % 3 else "FOT",
        "direction": "entry" if number % 2 else "exit",
        "arrived_at": rfc3339(time),
        "recorded_at": rfc3339(time + MINUTE) if number % 2 else "",
        "vehicle_class": "truck",
        "plate": f"01 A {number % 977:03d} BC",
        "plate_country": "UZ",
        "container_numbers": "MSKU1234565;CSQU3054383" if number % 5 == 0 else "",
        "weighed_mass_kg": f"{12_000 + number % 900}.5",
        "is_empty": "TRUE" if number % 7 == 0 else "0",
        "declaration_id": f"d{number}" if number % 2 else "",
    } | cells


def declaration(number: int, **cells: str) -> Row:
    """Return the declaration of a crossing."""
    lodged = rfc3339(START + number * 4 * MINUTE - HOUR)
    return {"declaration_id": f"d{number}", "lodged_at": lodged, "procedure": "import"} | cells


def item(number: int, *, no: int = 1, **cells: str) -> Row:
    """Return a goods item of a declaration."""
    return {
        "declaration_id": f"d{number}",
        "item_no": str(no),
        "hs_code": "0807190000",
        "description": "melons, fresh",
        "origin_country": "UZ",
        "net_mass_kg": "1500.25",
        "customs_value_usd": "420",
    } | cells


def inspection(number: int, **cells: str) -> Row:
    """Return an inspection act of a crossing."""
    time = START + number * 4 * MINUTE
    return {
        "inspection_id": f"i{number}",
        "crossing_id": f"c{number}",
        "basis": "random",
        "propensity": "0.02",
        "started_at": rfc3339(time + 10 * MINUTE),
        "recorded_at": rfc3339(time + 5 * HOUR),
        "methods": "xray;canine",
        "outcome": "clear",
    } | cells


def seizure(number: int, **cells: str) -> Row:
    """Return a seizure at a crossing."""
    return {
        "seizure_id": f"s{number}",
        "crossing_id": f"c{number}",
        "plate": "",
        "seized_at": "",
        "recorded_at": rfc3339(START + number * 4 * MINUTE + 6 * HOUR),
        "substance_class": "narcotic",
        "place": "trailer.floor",
    } | cells


def clean(rows: int) -> Tables:
    """Return ``rows`` good rows: two in five are crossings, as many are goods items."""
    crossings = rows * 38 // 100
    odd = range(1, crossings, 2)
    searched = range(0, crossings, 10)
    items = [item(number, no=no) for number in odd for no in (1, 2)]
    found = {
        "crossings": [crossing(number) for number in range(crossings)],
        "declarations": [declaration(number) for number in odd],
        "goods_items": items,
        "inspections": [inspection(number) for number in searched],
        "seizures": [seizure(number) for number in searched[::20]],
    }
    missing = rows - sum(map(len, found.values()))
    found["goods_items"] += [item(1, no=number) for number in range(10, 10 + missing)]
    return found


def _bad_crossing(rule: str, **cells: str) -> Callable[[int], tuple[str, Row]]:
    return lambda number: ("crossings", crossing(number, **cells) | {RULE: rule})


def _bad_item(rule: str, **cells: str) -> Callable[[int], tuple[str, Row]]:
    return lambda number: ("goods_items", item(1, no=number % 9000, **cells) | {RULE: rule})


def _bad_inspection(rule: str, **cells: str) -> Callable[[int], tuple[str, Row]]:
    return lambda number: (
        "inspections",
        inspection(number) | {"crossing_id": "c0", **cells, RULE: rule},
    )


KINDS: tuple[Callable[[int], tuple[str, Row]], ...] = (
    _bad_crossing("missing_key", vehicle_class=""),
    _bad_crossing("duplicate_id", crossing_id="c0"),
    _bad_crossing("unknown_enumeration", direction="sideways"),
    _bad_crossing("bad_time", arrived_at="2025-02-30T12:00:00Z"),
    _bad_crossing("time_without_offset", arrived_at="2025-02-03T12:00:00"),
    _bad_item("not_finite", net_mass_kg="inf"),
    _bad_item("negative", customs_value_usd="-1"),
    _bad_crossing("too_long", plate="A" * 65),
    _bad_item("control_character", description="a line\nbreak"),
    _bad_crossing("malformed_country", plate_country="uz"),
    _bad_crossing("unknown_post", post="ATLANTIS"),
    _bad_inspection("orphan", crossing_id="none"),
    _bad_inspection("recorded_before_started", started_at=rfc3339(NOW - HOUR)),
    _bad_inspection("propensity_outside", propensity="0"),
    _bad_crossing("not_yet_known", recorded_at=rfc3339(NOW)),
    _bad_item("not_a_number", net_mass_kg="heavy"),
    _bad_item("malformed_hs_code", hs_code="melons"),
    _bad_crossing("bad_encoding", plate="01A\udcff"),
    _bad_crossing("ragged", plate="broken"),
)


def plant(tables: Tables, bad: int, *, seed: int = 1) -> Tables:
    """Return the tables with ``bad`` more rows at random places, each breaking one rule in turn."""
    draw = random.Random(seed)
    found = {name: list(rows) for name, rows in tables.items()}
    for number in range(bad):
        name, row = KINDS[number % len(KINDS)](100_000 + number)
        at = 1 if row[RULE] == "duplicate_id" else 0  # the later row is the bad one
        found[name].insert(draw.randint(at, len(found[name])), row)
    return found


def write(
    tables: Tables, folder: Path, *, network: str | None = NETWORK
) -> set[tuple[str, int, str]]:
    """Write a bulk folder; return (file, line, rule) of the bad rows."""
    folder.mkdir(parents=True, exist_ok=True)
    bad_rows = set()
    for name, rows in tables.items():
        text, lines = _csv(name, rows)
        (folder / f"{name}.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
        bad_rows |= {(f"{name}.csv", line, rule) for line, rule in lines}
    if network is not None:
        (folder / "network.toml").write_text(network, "utf-8")
    return bad_rows


def _csv(name: str, rows: list[Row]) -> tuple[str, list[tuple[int, str]]]:
    columns: list[str] = list(MODELS[name].model_fields)
    out = StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    line, bad_rows = 2, []
    for row in rows:
        cells: list[Any] = [row.get(column, "") for column in columns]
        rule = row.get(RULE)
        if rule is not None:
            bad_rows.append((line, rule))
        writer.writerow(cells[:-1] if rule == "ragged" else cells)
        line += 1 + sum(cell.count("\n") for cell in cells)
    return out.getvalue(), bad_rows
