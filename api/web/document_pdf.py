"""Documents as PDF files: text and tables; no script, form or outside address.

The work of a process of its own: the library and its fonts take the time of many decisions to
import. The date that a file states is given, so that the same document is the same bytes.
"""

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace
from pydantic import TypeAdapter

from api.web.documents import Document

FONT = "source"
_FACES = {"": "SourceSansPro-Regular.ttf", "B": "SourceSansPro-Semibold.ttf"}
"""Letters of Latin, Cyrillic, Tajik and Uzbek (SIL Open Font License 1.1)."""
LINE = 4.6
"""Millimetres."""
_TERMS = 42
GREY, BLACK, RED = 96, 0, (164, 20, 20)
_UNWRITTEN = "?"
"""For a letter that the font lacks; the library would write the text to the log."""


class DocumentPages(FPDF):
    """Pages on A4 with one line at the foot of each."""

    def __init__(
        self, title: str, *, language: str, made_of: datetime, foot: Sequence[str]
    ) -> None:
        """``made_of`` is the date that the file states, ``foot`` what stands on every page."""
        super().__init__(format="A4")
        self._foot = foot
        folder = files("font_source_sans_pro") / "files"
        for style, name in _FACES.items():
            self.add_font(FONT, style, str(folder / name))
        self.set_margins(18, 16, 18)
        self.set_auto_page_break(True, margin=20)
        self.set_creation_date(made_of)
        self.set_title(title)
        self.set_lang(language)
        self.alias_nb_pages("{pages}")
        self.add_page()

    def footer(self) -> None:
        """Say whose page it is, and which limits it has."""
        self.set_y(-14)
        parts = [*self._foot, f"{self.page_no()} / {{pages}}"]
        self.put_line(" · ".join(filter(None, parts)), size=8, grey=GREY)

    def put_line(self, text: str, *, size: float = 9.5, style: str = "", grey: int = BLACK) -> None:
        """Write a text over the whole width."""
        self.set_font(FONT, style, size)
        self.set_text_color(grey)
        self.multi_cell(0, LINE, self.fit(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")

    def put_title(self, text: str, about: str) -> None:
        """Write what the document is."""
        self.put_line(text, size=18, style="B")
        self.ln(2)
        self.put_line(about, size=11, grey=GREY)

    def put_heading(self, text: str) -> None:
        """Write a heading, with a part of what follows on the same page."""
        if self.will_page_break(24):
            self.add_page()
        self.ln(4)
        self.put_line(text, size=12, style="B")
        self.ln(1)

    def keep_lines(self, lines: int) -> None:
        """Begin a page unless so many lines find room on this one."""
        if self.will_page_break(lines * LINE):
            self.add_page()

    def put_warning(self, text: str) -> None:
        """Write what has to be read before all else."""
        self.set_font(FONT, "B", 10.5)
        self.set_text_color(*RED)
        self.multi_cell(
            0, 5.4, self.fit(text), border=1, new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L"
        )

    def put_facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Write terms and their values in two columns; the longer of both ends the row."""
        for term, value in facts:
            self.keep_lines(3)
            top, page = self.get_y(), self.page
            self.set_font(FONT, "", 9.5)
            self.set_text_color(GREY)
            self.multi_cell(
                _TERMS, LINE, self.fit(term), new_x=XPos.RIGHT, new_y=YPos.NEXT, align="L"
            )
            under_term = self.get_y()
            self.set_text_color(BLACK)
            self.set_xy(self.l_margin + _TERMS, top)
            self.multi_cell(
                0, LINE, self.fit(value), new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L"
            )
            if self.page == page:
                self.set_y(max(under_term, self.get_y()))

    def fit(self, text: str) -> str:
        """Return a text in letters that the font has."""
        known = self.fonts[FONT].cmap  # type: ignore[union-attr]
        return "".join(one if ord(one) in known else _UNWRITTEN for one in text)

    def put_table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a table; its first column is as wide as two others."""
        self.set_font(FONT, "", 8.5)
        self.set_text_color(BLACK)
        with self.table(
            col_widths=(2, *[1] * (len(columns) - 1)),
            line_height=LINE,
            text_align=("LEFT", *["RIGHT"] * (len(columns) - 1)),
            headings_style=FontFace(emphasis="BOLD", color=GREY),
            borders_layout="HORIZONTAL_LINES",
        ) as table:
            for cells in (columns, *rows):
                table.row([self.fit(cell) for cell in cells])


def write(_: Path, given: bytes) -> bytes:
    """Return the PDF file of a document that is given as JSON."""
    document = TypeAdapter(Document).validate_json(given)
    page = DocumentPages(
        f"{document.title} {document.about}",
        language=document.language,
        made_of=document.made_of,
        foot=[document.title, document.about],
    )
    page.put_title(document.title, document.about)
    for warning in document.warnings:
        page.put_warning(warning)
    page.ln(2)
    for conclusion in document.conclusions:
        page.put_line(conclusion, size=11)
    page.ln(2)
    page.put_facts(document.facts)
    for table in document.tables:
        page.put_heading(table.heading)
        page.put_table(table.columns, table.rows)
    return bytes(page.output())
