"""Files of a vehicle over HTTP: add, list, read, and say what is seen on a picture."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from api.files.transfers import FILE_BODY, HANDED_OUT, Digest, seal_file
from api.http.dependencies import TheCaller, TheService
from api.http.request_bodies import body_of, stream_bounded
from api.http.responses import answer, creates, document_problems, json_router
from api.vehicle_files.answers import (
    AcknowledgedMark,
    AcknowledgedVehicleFile,
    VehicleFiles,
    describe_vehicle,
)
from api.vehicle_files.steps import AboutVehicleFile, TheVehicleFileWriter, find_vehicle_file
from engine.domain.field_types import Identifier, Text, Time
from engine.files.content import LARGEST_FILE
from engine.vehicle_files.ledger import PictureMark, Shown

router = json_router("/v1/crossings", "vehicle_files", 404)
CrossingId = Annotated[Identifier, Path()]


# an identifier may hold a slash, which comes as one from %2F
@router.get("/{crossing_id:path}/files", response_model=VehicleFiles)
def vehicle_files(caller: TheCaller, service: TheService, crossing_id: CrossingId) -> Response:
    """List the files of a vehicle, with the marks on them and what was declared."""
    return answer(describe_vehicle(service, caller, crossing_id))


@router.post(
    "/{crossing_id:path}/files",
    **creates(AcknowledgedVehicleFile, 409, 413) | {"openapi_extra": FILE_BODY},
)
async def add_vehicle_file(
    request: Request,
    writer: TheVehicleFileWriter,
    crossing_id: CrossingId,
    shows: Annotated[Shown, Query()] = "photograph",
    description: Annotated[Text | None, Query(min_length=1)] = None,
    made_at: Annotated[Time | None, Query()] = None,
) -> Response:
    """Add a photograph or a scanner's image of a vehicle: the body is its content."""
    about = AboutVehicleFile(shows=shows, description=description, made_at=made_at)
    pieces = stream_bounded(request, LARGEST_FILE)
    return answer(await writer.receive(crossing_id, pieces, about), 201)


@router.get(
    "/{crossing_id:path}/files/{digest}",
    response_class=Response,
    responses=HANDED_OUT | document_problems(404),
)
def vehicle_file(
    caller: TheCaller, service: TheService, crossing_id: CrossingId, digest: Digest
) -> Response:
    """Return a file of a vehicle by the SHA-256 of its content; the reading is recorded."""
    return seal_file(find_vehicle_file(service, caller, crossing_id, digest))


@router.post(
    "/{crossing_id:path}/files/{sequence}/marks",
    **creates(AcknowledgedMark, 409, 413, body=PictureMark),
)
def mark_picture(
    writer: TheVehicleFileWriter,
    crossing_id: CrossingId,
    sequence: Annotated[int, Path(ge=1, lt=1 << 63)],
    mark: Annotated[PictureMark, Depends(body_of(PictureMark))],
) -> Response:
    """Say that nothing is seen on a picture, or where to look; earlier marks stay."""
    return answer(writer.mark(crossing_id, sequence, mark), 201)
