"""Dossier as a PDF file: text, drawings, photographs; no script, form or outside address.

The work of a process of its own: photographs of megabytes are read and copied here, and the library
and its fonts take the time of many decisions to import. The date that the file states is that of
the newest record, so that the same dossier is the same bytes.
"""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

from fpdf.enums import XPos, YPos
from fpdf.image_datastructures import RasterImageInfo
from pydantic import TypeAdapter

from api.cases.dossier_parts import (
    Dossier,
    DossierEvent,
    DossierFile,
    DossierFind,
    Fact,
    RecordProof,
)
from api.decisions.vehicle_drawing import Drawing
from api.web.document_pdf import FONT, GREY, LINE, RED, DocumentPages
from engine.files.content import Photograph, PngRows, strip_picture

_WIDEST, _TALLEST, _GAP = 84.0, 84.0, 6.0
"""Of a photograph, and between two."""


def write(_: Path, given: bytes) -> bytes:
    """Return the PDF file of a dossier that is given as JSON."""
    return write_dossier(TypeAdapter(Dossier).validate_json(given))


def write_dossier(dossier: Dossier) -> bytes:
    """Return the PDF file of a dossier."""
    page, texts = _Pages(dossier), dossier.texts
    page.put_title(texts["title"], dossier.case_id)
    for warning in dossier.warnings:
        page.put_warning(warning)
    page.ln(2)
    page.put_line(dossier.summary, size=11)
    for note in dossier.notes:
        page.put_line(note, size=8, grey=GREY)
    page.put_heading(texts["facts"])
    page.put_facts(dossier.facts)
    page.put_heading(texts["finds"])
    if not dossier.finds:
        page.put_line(texts["no_finds"])
    for find in dossier.finds:
        page.put_find(find)
    page.put_fact_lists(texts["searches"], dossier.searches)
    page.put_fact_lists(texts["goods"], [dossier.goods] if dossier.goods else [])
    if dossier.corrections:
        page.put_heading(texts["corrections"])
        page.put_events(dossier.corrections)
    page.put_heading(texts["timeline"])
    page.put_events(dossier.events)
    page.put_files()
    page.put_photographs()
    page.put_proof()
    return bytes(page.output())


class _Pages(DocumentPages):
    """Pages with the case and its limits at the foot of each."""

    def __init__(self, dossier: Dossier) -> None:
        self._dossier = dossier
        read = ((one, _read_photograph(one)) for one in dossier.files)
        self._photographs = {file.digest: found for file, found in read if found is not None}
        limits = " · ".join(one.partition(":")[0] for one in dossier.warnings)
        super().__init__(
            f"{dossier.texts['title']} {dossier.case_id}",
            language=dossier.language,
            made_of=dossier.made_of,
            foot=[dossier.case_id, limits],
        )

    def put_fact_lists(self, heading: str, lists: Sequence[Sequence[Fact]]) -> None:
        """Write lists of facts under a heading, and nothing where there is none."""
        if lists:
            self.put_heading(heading)
        for facts in lists:
            self.put_facts(facts)
            self.ln(2)

    def put_find(self, find: DossierFind) -> None:
        """Write a find with its drawing."""
        self.put_facts(find.facts)
        if find.drawing is not None:
            self._draw(find.drawing)
        self.ln(2)

    def put_events(self, events: Sequence[DossierEvent]) -> None:
        """Write what happened, in order."""
        for event in events:
            self.keep_lines(2 + min(len(event.lines), 3))
            self.put_line(event.what, style="B")
            self.put_line(event.when, size=8, grey=GREY)
            for text in event.lines:
                self.put_line(text)
            self.ln(1)

    def put_files(self) -> None:
        """Write which files were added."""
        if self._dossier.files:
            self.put_heading(self._dossier.texts["files"])
        for file in self._dossier.files:
            self.keep_lines(3)
            self.put_line(file.what)
            self.put_line(file.digest, size=8)
            if why_not := self._say_why_not(file):
                self.put_line(why_not, size=8, grey=GREY)

    def _say_why_not(self, file: DossierFile) -> str:
        is_left_out = file.path and file.digest not in self._photographs
        return self._dossier.texts["not_shown"] if is_left_out else file.why_not

    def put_photographs(self) -> None:
        """Show the photographs, two in a row, each upright over its description."""
        known = self._photographs
        shown = [(one, known[one.digest]) for one in self._dossier.files if one.digest in known]
        if not shown:
            return
        self.put_heading(self._dossier.texts["photographs"])
        for at in range(0, len(shown), 2):
            row = shown[at : at + 2]
            if self.will_page_break(max(_measure(one)[1] for _, one in row) + 3 * LINE):
                self.add_page()
            top, bottom = self.get_y(), self.get_y()
            for column, (file, photograph) in enumerate(row):
                left = self.l_margin + self.c_margin + column * (_WIDEST + _GAP)
                self.set_xy(left - self.c_margin, top + self._show(photograph, left, top) + 1)
                self.set_font(FONT, "", 8)
                self.set_text_color(GREY)
                caption = self.fit(f"{file.what} · {file.digest[:16]}")
                self.multi_cell(
                    _WIDEST, 3.8, caption, new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L"
                )
                bottom = max(bottom, self.get_y())
            self.set_y(bottom + 3)

    def _show(self, photograph: Photograph, left: float, top: float) -> float:
        """Show a photograph upright in its column, and return its height in millimetres."""
        across, down, scale = _measure(photograph)
        x, y = left + across / 2, top + down / 2
        width, height = photograph.width * scale, photograph.height * scale
        with self.rotation(-photograph.turn, x, y):
            content = io.BytesIO(photograph.content)
            if photograph.rows is not None:
                self._keep_rows(photograph, photograph.rows)
            self.image(content, x=x - width / 2, y=y - height / 2, w=width, h=height)
        return down

    def _keep_rows(self, photograph: Photograph, rows: PngRows) -> None:
        """Let the library find a PNG picture as if it had read it: it would decode it."""
        content, images = photograph.content, self.image_cache.images
        name = hashlib.new("md5", content.strip(), usedforsecurity=False).hexdigest()
        if name in images:
            return
        space = "Indexed" if rows.palette else "DeviceGray" if rows.colours == 1 else "DeviceRGB"
        columns = f"/Columns {photograph.width}"
        info: dict[str, object] = {
            "data": content, "w": photograph.width, "h": photograph.height, "cs": space,
            "dpn": rows.colours, "bpc": 8, "f": "FlateDecode", "inverted": False,
            "dp": f"/Predictor 15 /Colors {rows.colours} {columns}", "pal": rows.palette,
            "iccp": None, "iccp_i": None, "i": len(images) + 1, "usages": 0,
        }  # fmt: skip
        images[name] = RasterImageInfo(info)

    def put_proof(self) -> None:
        """Write what each record is checked by."""
        self.put_heading(self._dossier.texts["proof"])
        self.put_line(self._dossier.texts["how_to_check"], size=8, grey=GREY)
        for proof in self._dossier.proofs:
            self._put_record(proof)

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
        self.set_font(FONT, "B", 9)
        for mark in drawing.marks:
            x, y, radius = left + mark.x * scale, top + mark.y * scale, 2.6
            self.set_fill_color(*RED)
            self.circle(x=x, y=y, radius=radius, style="F")
            self.set_text_color(255)
            number = str(mark.number)
            self.text(x - self.get_string_width(number) / 2, y + 1.1, number)
        self.set_xy(left, top + height + 2)

    def _put_record(self, proof: RecordProof) -> None:
        if self.will_page_break(5 * LINE):
            self.add_page()
        texts = self._dossier.texts
        self.put_line(f"{texts['record']} {proof.sequence}", size=8, style="B")
        for term, value in (
            (texts["leaf"], proof.leaf),
            (texts["chain"], proof.chain),
            (texts["signature"], proof.signature),
        ):
            self.put_line(f"{term}: {value}", size=6.5)


def _read_photograph(file: DossierFile) -> Photograph | None:
    return strip_picture(Path(file.path).read_bytes()) if file.path else None


def _measure(photograph: Photograph) -> tuple[float, float, float]:
    """Return width and height of a photograph that stands upright, and millimetres a pixel."""
    across, down = photograph.width, photograph.height
    if photograph.turn in (90, 270):
        across, down = down, across
    scale = min(_WIDEST / across, _TALLEST / down)
    return across * scale, down * scale, scale


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
