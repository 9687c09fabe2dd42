"""How does a report's page write a table? Cells of ready markup, figures as text.

Assumes the estimates of :mod:`models.report`.
"""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from models.report_text import said

_LONG = 40
"""Characters of a cell that may be broken into lines."""


def figure(found: Mapping[str, Any], *, share: bool) -> str:
    """Return a figure with its interval, or that it is not yet knowable and why."""
    if found["knowable"]:
        return said(found, share=share)
    why = escape(found["why"], quote=True)
    return f'<span class="unknown" title="{why}">not yet knowable</span>'


def table(heads: Iterable[str], rows: Iterable[tuple[str, list[str]]], *, caption: str) -> str:
    """Return a table of ready markup; numbers alone are set to the right."""
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(f'<td class="{_kind(cell)}">{cell}</td>' for cell in cells)
        + "</tr>"
        for name, cells in rows
    )
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _kind(cell: str) -> str:
    if cell.replace(",", "").isdigit():
        return "n"
    return "long" if len(cell) > _LONG and "<" not in cell else "s"
