"""Files of vehicles as a table, what they say, and the marks on them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection, Index, String, select

from engine.domain.field_types import Hex32, Text, Time
from engine.domain.records import Record
from engine.errors import ConflictError
from engine.files.store import NamedFile, to_named
from engine.journal.copies import find_local_number
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.journal import JournalReader
from engine.journal.kinds import COPIED
from engine.storage.database import Int64, declare_columns, insert_rows, record_table
from engine.vehicle_files.area import (
    VEHICLE_FILE,
    VEHICLE_MARK,
    VehicleFileBody,
    VehicleMarkBody,
)

Shown = Literal["photograph", "scanner_image", "other"]
"""What a file of a vehicle is."""
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Pixels = Annotated[int, Field(ge=1, le=1 << 20)]


class VehicleFile(Record):
    """A file of a vehicle as it was received; its content lies in the home, under its digest."""

    digest: Hex32
    """SHA-256."""
    media_type: str
    """As it was recognised by the content."""
    size_bytes: Annotated[int, Field(ge=1)]
    shows: Shown
    description: Text | None = None
    made_at: Time | None = None
    """Absent where it is made now."""
    width: Pixels | None = None
    height: Pixels | None = None
    """Of a picture, upright; absent where its content does not say so plainly."""


class PictureMark(Record):
    """What its sender sees on a picture: nothing, or a place to look at, in shares of the picture.

    ``x`` and ``y`` are its left upper corner from that of the picture; without ``width`` and
    ``height`` it is a point.
    """

    seen: Literal["nothing", "look_here"]
    x: Share | None = None
    y: Share | None = None
    width: Share | None = None
    height: Share | None = None
    note: Annotated[Text, Field(min_length=1)] | None = None
    EXAMPLE: ClassVar = {"seen": "look_here", "x": 0.42, "y": 0.61, "width": 0.1, "height": 0.08}

    @model_validator(mode="after")
    def _has_place(self) -> Self:
        point, size = (self.x, self.y), (self.width, self.height)
        if self.seen == "nothing" and any(one is not None for one in (*point, *size)):
            why, at = "where nothing is seen there is no place", {"field": "x"}
            raise PydanticCustomError("contradiction", why, at)
        if (self.x is None) != (self.y is None) or (None in point and size != (None, None)):
            why, at = "x and y go together, and come before a size", {"field": "x"}
            raise PydanticCustomError("missing_key", why, at)
        if (self.width is None) != (self.height is None):
            why, at = "width and height go together", {"field": "width"}
            raise PydanticCustomError("missing_key", why, at)
        if (self.x or 0) + (self.width or 0) > 1 or (self.y or 0) + (self.height or 0) > 1:
            why, at = "the place reaches out of the picture", {"field": "width"}
            raise PydanticCustomError("out_of_range", why, at)
        return self


VEHICLE_FILES = record_table(
    "vehicle_files",
    *declare_columns(String, "crossing_id", "digest"),
    *declare_columns(Int64, "size_bytes"),
    Index("vehicle_files_crossing_ix", "crossing_id"),
)
VEHICLE_MARKS = record_table(
    "vehicle_marks",
    *declare_columns(String, "crossing_id"),
    *declare_columns(Int64, "of"),
    Index("vehicle_marks_crossing_ix", "crossing_id"),
)
_F, _M = VEHICLE_FILES.c, VEHICLE_MARKS.c


def project_vehicle_files(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep which records are files of a crossing, and which are marks on them.

    Raises ``ConflictError`` for a mark on what is no file of the crossing; one that another
    installation sent has no effect.
    """
    files = list_bodies(entries, VEHICLE_FILE)
    rows = [
        (entry.seq, body["crossing_id"], body["file"]["digest"], body["file"]["size_bytes"])
        for entry, body in files
    ]
    insert_rows(connection, VEHICLE_FILES, rows)
    for entry, draft in entries:
        if entry.kind == VEHICLE_MARK:
            _add_mark(connection, entry, draft)


def _add_mark(connection: Connection, entry: Entry, draft: Draft) -> None:
    crossing_id, stated = draft.body["crossing_id"], draft.body["of"]
    of = find_local_number(connection, draft, stated)
    if connection.scalar(select(_F.crossing_id).where(_F.seq == of)) == crossing_id:
        insert_rows(connection, VEHICLE_MARKS, [(entry.seq, crossing_id, of)])
    elif COPIED not in draft.body:
        raise ConflictError(VEHICLE_MARK, crossing_id, "on no file of the vehicle")


@dataclass(frozen=True, slots=True)
class KnownMark:
    """A mark, and the number that its picture's record has here."""

    of: int
    body: VehicleMarkBody


def list_vehicle_files(
    connection: Connection, crossing_id: str
) -> tuple[dict[int, VehicleFileBody], dict[int, KnownMark]]:
    """Return the files of a crossing and the marks on them by their records, the oldest first."""
    read = JournalReader(connection)
    seqs = connection.scalars(select(_F.seq).where(_F.crossing_id == crossing_id))
    files: dict[int, Any] = dict(sorted(read.bodies(list(seqs)).items()))
    rows = connection.execute(select(_M.seq, _M.of).where(_M.crossing_id == crossing_id))
    named = {row.seq: row.of for row in rows}
    bodies: dict[int, Any] = dict(sorted(read.bodies(list(named)).items()))
    return files, {seq: KnownMark(named[seq], body) for seq, body in bodies.items()}


def read_vehicle_files(connection: Connection) -> Iterator[NamedFile]:
    """Yield the files that records of vehicles name."""
    for seq, body in JournalReader(connection).bodies_of(VEHICLE_FILE):
        named = to_named(seq, body["file"], is_own=COPIED not in body)
        if named is not None:
            yield named
