"""Rows of tables in a report: which cell states the mass of a substance.

A table has a line of heads and rows with as many cells, between bars, semicolons or tabs. The
column whose head speaks of a net weight counts, then any other column of a weight; the unit stands
in the cell or in its head.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from features.seizure_reports.folded_text import FoldedText, Term
from features.seizure_reports.lexicon import Lexicon
from features.seizure_reports.numbers import Number
from features.seizure_reports.quantities import Quantity

_MARKS = ("|", ";", "\t")
_FEWEST_CELLS = 3
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TableRow:
    """Cells of one line, each from its first character up to the mark behind it."""

    mark: str
    cells: Sequence[Span]


def find_row(text: str, place: int) -> TableRow | None:
    """Return the row of the line at a place; None where the line is no row."""
    return _list_rows(text)[text.rfind("\n", 0, place) + 1][0]


def find_heads(text: str, row: TableRow) -> TableRow | None:
    """Return the nearest line above with as many cells and no digits of weights."""
    return _list_rows(text)[text.rfind("\n", 0, row.cells[0][0]) + 1][1]


@lru_cache(maxsize=4)
def _list_rows(text: str) -> Mapping[int, tuple[TableRow | None, TableRow | None]]:
    """Return the row of each line and its heads, by where the line begins."""
    found: dict[int, tuple[TableRow | None, TableRow | None]] = {}
    heads: dict[tuple[str, int], TableRow] = {}
    start = 0
    for line in text.split("\n"):
        row = _split_line(line, start)
        found[start] = row, heads.get((row.mark, len(row.cells))) if row else None
        is_named = re.search(r"[^\W\d_]", line) is not None  # no rule of dashes
        if row and is_named and not re.search(r"\d", line):
            heads[row.mark, len(row.cells)] = row
        start += len(line) + 1
    return found


def _split_line(line: str, start: int) -> TableRow | None:
    for mark in _MARKS:
        marks = [at for at, letter in enumerate(line) if letter == mark]
        cells = [(left + 1, right) for left, right in pairwise([-1, *marks, len(line)])]
        cells = [cell for cell in cells if line[slice(*cell)].strip()]
        if len(cells) >= _FEWEST_CELLS:
            return TableRow(mark, [(start + left, start + right) for left, right in cells])
    return None


def read_cell(
    text: FoldedText,
    term: Term,
    quantities: Sequence[Quantity],
    numbers: Sequence[Number],
    lexicon: Lexicon,
) -> Quantity | None:
    """Return the mass in the row of a substance, None where there is no such table."""
    row = find_row(text.text, term.start)
    heads = None if row is None else find_heads(text.text, row)
    if row is None or heads is None:
        return None
    ranked = [(_rank_head(text, head, lexicon), number) for number, head in enumerate(heads.cells)]
    for _, number in sorted((rank, number) for rank, number in ranked if rank is not None):
        head, cell = heads.cells[number], row.cells[number]
        found = _read_mass(text, head, cell, quantities, numbers, lexicon)
        if found is not None:
            return replace(found, is_total=True, is_cargo=False, is_gross=False)
    return None


def _rank_head(text: FoldedText, head: Span, lexicon: Lexicon) -> int | None:
    """Return 0 for a net weight, 1 for a weight, 2 for a gross one; None for another column."""
    words = text.folded[slice(*head)]
    if any(one.code == "gross" for one in lexicon.statements.find(words)):
        return 2
    if any(one.code == "total" for one in lexicon.wholes.find(words)):
        return 0
    return 1 if lexicon.columns.find(words) else None


def _read_mass(
    text: FoldedText,
    head: Span,
    cell: Span,
    quantities: Sequence[Quantity],
    numbers: Sequence[Number],
    lexicon: Lexicon,
) -> Quantity | None:
    stated = [one for one in quantities if cell[0] <= one.start < cell[1]]
    if stated:
        return stated[0]
    units = lexicon.units.find(text.folded[slice(*head)])
    bare = [one for one in numbers if cell[0] <= one.start < cell[1]]
    if not units or len(bare) != 1:
        return None
    return Quantity(bare[0].value * float(units[-1].code), bare[0].start, bare[0].end)
