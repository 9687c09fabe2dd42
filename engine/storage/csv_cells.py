"""Cells of the CSV files that people open in a spreadsheet: text, never a formula.

Bulk folders are not among them: they are read back by a load, which takes every cell as it is.
"""

from collections.abc import Iterable

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet may take a cell for a formula by; the same behind blanks."""
PREFIX = "'"


def escape_cell(text: str) -> str:
    """Return a text that a spreadsheet shows as it is, with an apostrophe before a formula.

    >>> escape_cell("=1+1"), escape_cell("c-17")
    ("'=1+1", 'c-17')
    """
    return PREFIX + text if text.startswith(STARTS) or text.lstrip().startswith(STARTS) else text


def escape_cells(texts: Iterable[str]) -> list[str]:
    """Return every text as :func:`escape_cell` does."""
    return [escape_cell(text) for text in texts]
