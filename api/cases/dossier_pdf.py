"""Dossier as a PDF file: text, a drawing and tables, with no script, form or outside address.

Imported when the first dossier is asked for: the library and its fonts take the time of many
decisions to import. The date that the file states is that of the newest record, so that the same
dossier is the same bytes.
"""

import io
from collections.abc import Sequence
from importlib.resources import files

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from api.cases.dossier import Dossier, DossierFind, Fact
from api.decisions.vehicle_drawing import Drawing
from engine.journal.receipts import Receipt

_FONT = "source"
_FACES = {"": "SourceSansPro-Regular.ttf", "B": "SourceSansPro-Semibold.ttf"}
"""Letters of Latin, Cyrillic, Tajik and Uzbek (SIL Open Font License 1.1)."""
_LINE = 4.6
"""Millimetres."""
_TERMS = 42
_GREY, _BLACK, _RED = 96, 0, (164, 20, 20)
_UNWRITTEN = "?"
"""For a letter that the font lacks; the library would write the text to the log."""


def write_dossier(dossier: Dossier) -> bytes:
    """Return the PDF file of a dossier."""
    page, texts = _Pages(dossier), dossier.texts
    page.put_title(texts.title, dossier.case_id)
    for warning in dossier.warnings:
        page.put_warning(warning)
    page.put_line(dossier.summary, size=11)
    for note in dossier.notes:
        page.put_line(note, size=8, grey=_GREY)
    page.put_heading(texts.facts)
    page.put_facts(dossier.facts)
    page.put_heading(texts.finds)
    if not dossier.finds:
        page.put_line(texts.no_finds)
    for find in dossier.finds:
        page.put_find(find)
    page.put_timeline()
    page.put_proof()
    return bytes(page.output())


class _Pages(FPDF):
    """Pages with the case and its limits at the foot of each."""

    def __init__(self, dossier: Dossier) -> None:
        super().__init__(format="A4")
        self._dossier = dossier
        folder = files("font_source_sans_pro") / "files"
        for style, name in _FACES.items():
            self.add_font(_FONT, style, str(folder / name))
        self.set_margins(18, 16, 18)
        self.set_auto_page_break(True, margin=20)
        self.set_creation_date(dossier.made_of)
        self.set_title(f"{dossier.texts.title} {dossier.case_id}")
        self.set_lang(dossier.language)
        self.alias_nb_pages("{pages}")
        self.add_page()

    def footer(self) -> None:
        """Say whose page it is, and which limits it has."""
        self.set_y(-14)
        limits = " · ".join(one.partition(":")[0] for one in self._dossier.warnings)
        parts = [self._dossier.case_id, limits, f"{self.page_no()} / {{pages}}"]
        self.put_line(" · ".join(filter(None, parts)), size=8, grey=_GREY)

    def put_line(
        self, text: str, *, size: float = 9.5, style: str = "", grey: int = _BLACK
    ) -> None:
        """Write a text over the whole width."""
        self.set_font(_FONT, style, size)
        self.set_text_color(grey)
        self.multi_cell(0, _LINE, self._fit(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")

    def put_title(self, text: str, case_id: str) -> None:
        """Write what the document is."""
        self.put_line(text, size=18, style="B")
        self.ln(2)
        self.put_line(case_id, size=11, grey=_GREY)

    def put_heading(self, text: str) -> None:
        """Write a heading, with a part of what follows on the same page."""
        if self.will_page_break(24):
            self.add_page()
        self.ln(4)
        self.put_line(text, size=12, style="B")
        self.ln(1)

    def put_warning(self, text: str) -> None:
        """Write what has to be read before all else."""
        self.set_font(_FONT, "B", 10.5)
        self.set_text_color(*_RED)
        self.multi_cell(0, 5.4, self._fit(text), border=1, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def put_facts(self, facts: Sequence[Fact]) -> None:
        """Write terms and their values in two columns."""
        for term, value in facts:
            if self.will_page_break(2 * _LINE):
                self.add_page()
            top = self.get_y()
            self.set_font(_FONT, "", 9.5)
            self.set_text_color(_GREY)
            self.multi_cell(
                _TERMS, _LINE, self._fit(term), new_x=XPos.RIGHT, new_y=YPos.TOP, align="L"
            )
            self.set_text_color(_BLACK)
            self.set_xy(self.l_margin + _TERMS, top)
            self.multi_cell(
                0, _LINE, self._fit(value), new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L"
            )

    def put_find(self, find: DossierFind) -> None:
        """Write a find with its drawing."""
        self.put_facts(find.facts)
        if find.drawing is not None:
            self._draw(find.drawing)
        self.ln(2)

    def put_timeline(self) -> None:
        """Write what happened, and which files were added."""
        self.put_heading(self._dossier.texts.timeline)
        for event in self._dossier.events:
            self.put_line(event.what, style="B")
            self.put_line(event.when, size=8, grey=_GREY)
            for text in event.lines:
                self.put_line(text)
            self.ln(1)
        if self._dossier.files:
            self.put_heading(self._dossier.texts.files)
        for file in self._dossier.files:
            self.put_line(file.what)
            self.put_line(file.digest, size=8)

    def put_proof(self) -> None:
        """Write what each record is checked by."""
        self.put_heading(self._dossier.texts.proof)
        self.put_line(self._dossier.texts.how_to_check, size=8, grey=_GREY)
        for receipt in self._dossier.receipts:
            self._put_receipt(receipt)

    def _draw(self, drawing: Drawing) -> None:
        """Draw the vehicle, and a mark where the goods were."""
        width = 110.0
        scale = width / drawing.width
        height = drawing.height * scale
        if self.will_page_break(height + 4):
            self.add_page()
        left, top = self.l_margin, self.get_y() + 2
        outline = io.BytesIO(_write_outline(drawing).encode())
        self.image(outline, x=left, y=top, w=width)
        self.set_font(_FONT, "B", 9)
        for mark in drawing.marks:
            x, y, radius = left + mark.x * scale, top + mark.y * scale, 2.6
            self.set_fill_color(*_RED)
            self.circle(x=x, y=y, radius=radius, style="F")
            self.set_text_color(255)
            number = str(mark.number)
            self.text(x - self.get_string_width(number) / 2, y + 1.1, number)
        self.set_xy(left, top + height + 2)

    def _put_receipt(self, receipt: Receipt) -> None:
        if self.will_page_break(5 * _LINE):
            self.add_page()
        texts = self._dossier.texts
        self.put_line(f"{texts.record} {receipt.sequence}", size=8, style="B")
        for term, value in (
            (texts.leaf, receipt.leaf),
            (texts.chain, receipt.chain),
            (texts.signature, receipt.signature),
        ):
            self.put_line(f"{term}: {value}", size=6.5)

    def _fit(self, text: str) -> str:
        known = self.fonts[_FONT].cmap  # type: ignore[union-attr]
        return "".join(one if ord(one) in known else _UNWRITTEN for one in text)


def _write_outline(drawing: Drawing) -> str:
    """Return the outline of a vehicle as SVG."""
    outline = drawing.outline
    line = 'fill="none" stroke="#444444" stroke-width="2"'
    shapes = [f'<path d="{path}" {line}/>' for path in (*outline.bodies, *outline.glass)]
    shapes += [
        f'<circle cx="{x}" cy="{y}" r="{radius}" fill="#ffffff" stroke="#444444" stroke-width="2"/>'
        for x, y, radius in outline.wheels
    ]
    shapes.append(f'<path d="M0 {drawing.ground}H{drawing.width}" {line}/>')
    size = f'viewBox="0 0 {drawing.width} {drawing.height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(shapes)}</svg>'
