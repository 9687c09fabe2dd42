"""Pages of a vehicle's files: the list with a form, and one picture with what is seen on it.

A place on a picture is chosen by a tap: the picture is the button of a form, and a browser sends
where it was hit. So the picture has one width on every screen, and scrolls on a narrow one.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from api.decisions.readers import DecisionReader
from api.files.form import UploadedForm, open_form
from api.http.dependencies import TheService
from api.service.runtime import Runtime
from api.vehicle_files.answers import (
    AcknowledgedVehicleFile,
    VehicleFileView,
    describe_vehicle,
)
from api.vehicle_files.steps import PICTURES, AboutVehicleFile, VehicleFileWriter
from api.web.forms import FieldMistake, FormError, FormReader, TheReader
from api.web.i18n import N_
from api.web.labels import TABLES
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.templates_env import speech_of
from api.web.visitor import Form, TheForm, read_field
from engine.errors import BodyTooLargeError, FilesFullError, NotFoundError, RecordError
from engine.vehicle_files.ledger import PictureMark

router = APIRouter(prefix="/decisions", route_class=PageRoute, include_in_schema=False)
SHOWN_WIDTH = 640
"""Pixels of a picture on which a place is chosen."""
SPOT = 0.12
"""Width and height of the place around a tap, as a share of the picture's width."""
LABELS = {"file": N_("File"), "made_at": N_("When it was made, if known")}


@router.get("/{decision_id}/files")
def show_files(visit: TheVisit, service: TheService, decision_id: str) -> Response:
    """Show the files of a vehicle beside what was declared."""
    return _page(visit, service, decision_id)


@router.post("/{decision_id}/files")
async def add_file(visit: TheVisit, service: TheService, decision_id: str) -> Response:
    """Add the file of a form; a refusal keeps what was typed."""
    form, fields = await open_form(visit.request, service)
    known = await run_in_threadpool(DecisionReader(service, visit.caller).locate, decision_id)
    reader = FormReader(fields, speech_of(visit.request, known.post))
    try:
        done = await _receive(visit, service, known.crossing_id, reader, form)
    except FormError as error:
        await form.drain()
        return await run_in_threadpool(
            _page, visit, service, decision_id, kept=fields, wrong=error.mistakes
        )
    said = "file_warned" if done.warnings else "file_added"
    return RedirectResponse(f"{_address(decision_id)}?done={said}#done", 303)


async def _receive(
    visit: Visit, service: Runtime, crossing_id: str, reader: FormReader, form: UploadedForm
) -> AcknowledgedVehicleFile:
    """Return the answer about the file; raises ``FormError`` with what is wrong with it."""
    values = reader.texts("shows", "description") | {"made_at": reader.moment("made_at")}
    about = reader.finish(reader.record(AboutVehicleFile, values))
    writer = VehicleFileWriter(service, visit.caller, None)
    try:
        return await writer.receive(crossing_id, form.content(), about)
    except RecordError as error:
        reader.refuse("file", error.rule)
    except BodyTooLargeError:
        reader.refuse("file", "file_too_large")
    except FilesFullError:
        reader.refuse("file", "full")
    raise FormError(*reader.mistakes)


@router.get("/{decision_id}/files/{sequence}")
def show_picture(visit: TheVisit, service: TheService, decision_id: str, sequence: int) -> Response:
    """Show one picture, with the marks on it and the form of the next one."""
    return _page(visit, service, decision_id, sequence=sequence)


@router.post("/{decision_id}/files/{sequence}/marks")
def send_mark(
    visit: TheVisit,
    service: TheService,
    form: TheForm,
    reader: TheReader,
    decision_id: str,
    sequence: int,
) -> Response:
    """Record that nothing is seen, or where to look: where the picture was hit."""
    known = DecisionReader(service, visit.caller).locate(decision_id)
    picture = _find(service, visit, known.crossing_id, sequence)
    try:
        values = reader.texts("seen", "note") | _read_place(form, picture)
        mark = reader.finish(reader.record(PictureMark, values))
    except FormError as error:
        return _page(
            visit, service, decision_id, sequence=sequence, kept=form, wrong=error.mistakes
        )
    VehicleFileWriter(service, visit.caller, reader.once()).mark(known.crossing_id, sequence, mark)
    return RedirectResponse(f"{_address(decision_id)}/{sequence}?done=marked#done", 303)


def _read_place(form: Form, picture: VehicleFileView) -> dict[str, Any]:
    """Return where a picture was hit, as a place around it; nothing where it was not."""
    hit = [read_field(form, f"hit.{axis}") for axis in ("x", "y")]
    if not all(one.isdecimal() and len(one) < 6 for one in hit):
        return {}
    if picture.width is None or picture.height is None:
        return {}
    shape = picture.height / picture.width
    sizes = SPOT, min(SPOT / shape, 1.0)
    shares = int(hit[0]) / SHOWN_WIDTH, int(hit[1]) / (SHOWN_WIDTH * shape)
    corners = [
        round(min(max(share - size / 2, 0.0), 1.0 - size), 4)
        for share, size in zip(shares, sizes, strict=True)
    ]
    named = dict(zip(("x", "y"), corners, strict=True))
    named |= {"width": round(sizes[0], 4), "height": round(sizes[1], 4)}
    return {"seen": "look_here"} | named


def _find(service: Runtime, visit: Visit, crossing_id: str, sequence: int) -> VehicleFileView:
    found = describe_vehicle(service, visit.caller, crossing_id)
    for one in found.files:
        if one.sequence == sequence and one.media_type in PICTURES:
            return one
    raise NotFoundError("picture", str(sequence))


def _address(decision_id: str) -> str:
    return f"/decisions/{quote(decision_id, safe='')}/files"


def _page(
    visit: Visit,
    service: Runtime,
    decision_id: str,
    *,
    sequence: int | None = None,
    kept: Form | None = None,
    wrong: Sequence[FieldMistake] = (),
) -> Response:
    known = DecisionReader(service, visit.caller).locate(decision_id)
    found = describe_vehicle(service, visit.caller, known.crossing_id)
    values: dict[str, Any] = {
        "json_address": f"/v1/crossings/{quote(known.crossing_id, safe='')}/files",
        "found": found,
        "decision_id": decision_id,
        "pictures": PICTURES,
        "shows": tuple(TABLES["vehicle_file"]),
        "shown_width": SHOWN_WIDTH,
    }
    if sequence is not None:
        values["picture"] = _find(service, visit, known.crossing_id, sequence)
    template = "vehicle_files.html" if sequence is None else "vehicle_picture.html"
    return visit.form_page(
        template, kept=kept or {}, wrong=wrong, field_names=LABELS, post=known.post, **values
    )
