"""In which form a CSV file is written, where that is not the form of docs/data.md.

Looks at the beginning of a file. It is named so that the file can be exported again, or converted:
nothing is read by it, because a date or a number that is read otherwise than it was meant is worse
than one that is refused.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import islice, zip_longest
from pathlib import Path

SAMPLE = 1 << 16
"""Bytes that are looked at."""
ROWS = 50
_BETWEEN = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_CLOCK = r"([ T]\d{1,2}:\d\d(:\d\d(\.\d+)?)?)?"
_TIME = "not as 2025-12-31T14:05:00+05:00"
_VALUES = {
    f"dates are written as 31.12.2025 14:05, {_TIME}": rf"\d{{1,2}}\.\d{{1,2}}\.\d{{4}}{_CLOCK}",
    f"dates are written as 31/12/2025 or 12/31/2025, {_TIME}": (
        rf"\d{{1,2}}/\d{{1,2}}/\d{{4}}{_CLOCK}"
    ),
    f"times have no offset from UTC: {_TIME}": rf"\d{{4}}-\d\d-\d\d(?=[ T]){_CLOCK}",
    "decimals have a comma, not a point": r"[+-]?\d{1,3}([ \xa0]?\d{3})*,\d+",
}
"""What a column is said to hold, by the expression that most of its cells match."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the beginning of a file differs from the contract's form, in words."""

    form: Sequence[str]
    """What keeps its header from being read."""
    values: Sequence[str]
    """What most cells of some column have in common."""

    def __str__(self) -> str:
        """Return all of it as one sentence without its end; empty where nothing differs."""
        return "; ".join((*self.form, *self.values))


def read_dialect(path: Path) -> Dialect:
    """Return in which form a CSV file is written, by its first lines."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
        if len(sample) == SAMPLE:
            sample = sample[: sample.rfind(b"\n") + 1] or sample
    if sample.startswith(_WORKBOOKS):
        why = "is a workbook, not text: save each of its sheets as CSV (UTF-8, commas)"
        return Dialect([why], [])
    text, form = _decode(sample)
    rows = text.splitlines()
    between = max(_BETWEEN, key=rows[0].count) if rows else ","
    if between != "," and rows[0].count(between):
        form.append(f"its cells are parted by {_BETWEEN[between]}: commas are needed")
    cells = islice(csv.reader(StringIO(text, newline=""), delimiter=between), 1, 1 + ROWS)
    return Dialect(form, list(_name_values(cells)))


def _decode(sample: bytes) -> tuple[str, list[str]]:
    """Return the text of a sample, and what its encoding is where that is not UTF-8."""
    wide = _UTF_16.get(sample[:2])
    if wide is not None:
        return sample[2:].decode(wide, "replace"), ["its text is UTF-16: UTF-8 is needed"]
    try:
        return sample.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        high = [byte for byte in sample if byte >= 0x80]
        # There letters lie at the end of the table; in code page 866 most lie before.
        is_windows = sum(byte >= 0xC0 for byte in high) * 2 >= len(high)
        name, codec = ("Windows-1251", "cp1251") if is_windows else ("code page 866", "cp866")
        why = f"its text is not UTF-8, which is needed: it reads as {name}"
        return sample.decode(codec, "replace"), [why]


def _name_values(rows: Iterator[list[str]]) -> Iterator[str]:
    try:
        columns = [[cell.strip() for cell in one if cell] for one in zip_longest(*rows)]
    except csv.Error:
        return
    for sentence, pattern in _VALUES.items():
        for cells in columns:
            fitting = sum(re.fullmatch(pattern, cell) is not None for cell in cells)
            if fitting * 2 > len(cells):
                yield sentence
                break
