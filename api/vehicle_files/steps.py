"""Files of vehicles and marks on them, each recorded once for its caller."""

import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Annotated

from sqlalchemy import Connection

from api.auth.callers import Caller
from api.files.transfers import FoundFile, hand_out, receive_file
from api.http.access import post_of
from api.http.dependencies import of_caller
from api.service.runtime import Runtime
from api.vehicle_files.answers import AcknowledgedMark, AcknowledgedVehicleFile
from engine.domain.field_types import Text, Time
from engine.domain.records import Record
from engine.domain.rights import Matter
from engine.domain.validation import looks_like_name
from engine.errors import FilesFullError, NotFoundError
from engine.files.content import JPEG, PNG, WEBP, recognise, strip_picture
from engine.files.store import ReceivedFile
from engine.journal.entries import Draft
from engine.journal.idempotency import claim
from engine.journal.kinds import COPIED
from engine.vehicle_files.area import VEHICLE_FILE, VEHICLE_MARK, VehicleFileBody, VehicleMarkBody
from engine.vehicle_files.ledger import PictureMark, Shown, VehicleFile, list_vehicle_files

MOST_FILES = 40
MOST_BYTES = 256 * 1024 * 1024
"""Bytes of all files of one vehicle."""
PICTURES = frozenset({JPEG, PNG, WEBP})


class AboutVehicleFile(Record):
    """What its sender says of a file."""

    shows: Shown
    description: Text | None = None
    made_at: Time | None = None


class VehicleFileWriter:
    """Takes the files and the marks of one caller; each content counts once at a vehicle."""

    def __init__(self, service: Runtime, caller: Caller, key: str | None) -> None:
        self._service, self._caller = service, caller
        self._key = caller.own(key)

    async def receive(
        self, crossing_id: str, pieces: AsyncIterator[bytes], about: AboutVehicleFile
    ) -> AcknowledgedVehicleFile:
        """Take a file as it arrives, and return the answer about it.

        Raises ``BusyError`` and ``NotFoundError`` before anything is read,
        ``BodyTooLargeError``, ``RecordError`` for a file of no type that is taken, and
        ``FilesFullError``.
        """
        return await receive_file(
            self._service,
            pieces,
            check=lambda: self._check(crossing_id),
            add=lambda received: self._add(crossing_id, received, about),
        )

    def mark(self, crossing_id: str, of: int, mark: PictureMark) -> AcknowledgedMark:
        """Record what was seen on a picture; raises ``NotFoundError``."""
        service = self._service
        post = post_of(service.recording, self._caller, crossing_id)
        with service.store.read() as connection:
            found = find_files(connection, self._caller, crossing_id).get(of)
        if found is None or found["file"]["media_type"] not in PICTURES:
            raise NotFoundError("picture", str(of))
        name = f"{VEHICLE_MARK}:{secrets.token_hex(12)}"
        about = f"{crossing_id}\0{of}"
        asked = claim(VEHICLE_MARK, mark, post=post, name=name, key=self._key, about=about)
        content = mark.model_dump(mode="json", exclude_none=True)
        body: VehicleMarkBody = {
            "claim": asked.as_dict(),
            "by": self._caller.person,
            "crossing_id": crossing_id,
            "of": of,
            "mark": content,
        }
        if self._caller.agency is not None:
            body["agency"] = self._caller.agency
        done = service.recording.once_here(
            asked, lambda _: VEHICLE_MARK.draft(crossing_id, body, post=post)
        )
        signs = ["note"] if mark.note and looks_like_name(mark.note) else []
        receipt = service.answers.receipt(done)
        return AcknowledgedMark(crossing_id=crossing_id, of=of, warnings=signs, **receipt)

    def _check(self, crossing_id: str) -> None:
        post_of(self._service.recording, self._caller, crossing_id)

    def _add(
        self, crossing_id: str, received: ReceivedFile, about: AboutVehicleFile
    ) -> AcknowledgedVehicleFile:
        service, digest = self._service, received.finish()
        post = post_of(service.recording, self._caller, crossing_id)
        media_type = recognise(service.home, received.path)
        picture = strip_picture(received.path.read_bytes()) if media_type in PICTURES else None
        size = {} if picture is None else _stand_up(picture.width, picture.height, picture.turn)
        file = VehicleFile(
            digest=digest,
            media_type=media_type,
            size_bytes=received.size_bytes,
            shows=about.shows,
            description=about.description,
            made_at=about.made_at,
            **size,
        )
        name = f"{VEHICLE_FILE}:{crossing_id}:{digest}"
        asked = claim(VEHICLE_FILE, file, post=post, name=name, key=self._key, about=crossing_id)
        content = file.model_dump(mode="json", exclude_none=True)
        body: VehicleFileBody = {
            "claim": asked.as_dict(),
            "by": self._caller.person,
            "crossing_id": crossing_id,
            "file": content,
        }
        if self._caller.agency is not None:
            body["agency"] = self._caller.agency

        def draft(connection: Connection) -> Draft:
            _check_room(connection, crossing_id, file.size_bytes)
            return VEHICLE_FILE.draft(crossing_id, body, post=post)

        with received.place():
            done = service.recording.once_here(asked, draft)
        return AcknowledgedVehicleFile(
            crossing_id=crossing_id,
            sequence=done.entry.seq,
            digest=digest,
            media_type=media_type,
            size_bytes=file.size_bytes,
            warnings=["description"] if looks_like_name(about.description or "") else [],
            **service.answers.receipt(done),
        )


def _stand_up(width: int, height: int, turn: int) -> dict[str, int]:
    """Return the size of a picture as it is seen, once it was turned by so many degrees."""
    sides = (height, width) if turn in (90, 270) else (width, height)
    return dict(zip(("width", "height"), sides, strict=True))


def _check_room(connection: Connection, crossing_id: str, size_bytes: int) -> None:
    """Refuse a file for which a vehicle has no room; raises ``FilesFullError``."""
    files, _ = list_vehicle_files(connection, crossing_id)
    held = sum(int(one["file"]["size_bytes"]) for one in files.values())
    if len(files) >= MOST_FILES or held + size_bytes > MOST_BYTES:
        raise FilesFullError("vehicle", MOST_FILES, MOST_BYTES // 2**20)


def find_files(
    connection: Connection, caller: Caller, crossing_id: str
) -> Mapping[int, VehicleFileBody]:
    """Return the files of a vehicle that a caller sees, by their records."""
    files, _ = list_vehicle_files(connection, crossing_id)
    return {seq: one for seq, one in files.items() if caller.sees(Matter.ACTS, one.get("agency"))}


def find_vehicle_file(service: Runtime, caller: Caller, crossing_id: str, digest: str) -> FoundFile:
    """Return a file of a vehicle, once it is recorded who takes it.

    Raises ``NotFoundError``, ``ConflictError`` for one that has not arrived from its node, and
    ``HomeError`` for one that is not what was recorded.
    """
    post = post_of(service.recording, caller, crossing_id)
    with service.store.read() as connection:
        known = find_files(connection, caller, crossing_id)
    for seq, body in known.items():
        if body["file"]["digest"] == digest:
            return hand_out(
                service,
                caller,
                digest,
                str(body["file"]["media_type"]),
                seq=seq,
                post=post,
                kind="vehicle_file",
                is_copied=COPIED in body,
            )
    raise NotFoundError("file", digest)


TheVehicleFileWriter = Annotated[VehicleFileWriter, of_caller(VehicleFileWriter)]
