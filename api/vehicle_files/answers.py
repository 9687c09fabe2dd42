"""Files of a vehicle with what operators saw on them, and what was declared beside."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from sqlalchemy import Connection

from api.auth.callers import Caller
from api.http.access import post_of
from api.http.answers import Answer, Recorded, Time
from api.service.runtime import Runtime
from engine.domain.rights import Matter
from engine.domain.time_units import rfc3339
from engine.journal.idempotency import crossing_name, find_holders
from engine.vehicle_files.ledger import list_vehicle_files


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedVehicleFile(Recorded):
    """A file of a vehicle that lies in the home, under the digest that stands in the journal."""

    crossing_id: str
    sequence: int
    """Of its record; a mark names it."""
    digest: str
    """SHA-256 in hex."""
    media_type: str
    """As it was recognised by the content."""
    size_bytes: int
    warnings: list[str]
    """Fields that look as if they named a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedMark(Recorded):
    """A mark on a picture that stands in the journal."""

    crossing_id: str
    of: int
    warnings: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkView(Answer):
    """What a person saw on a picture; places are shares of its width and height."""

    seen: Literal["nothing", "look_here"]
    x: float | None
    y: float | None
    width: float | None
    height: float | None
    note: str | None
    by: str
    marked_at: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleFileView(Answer):
    """A file of a vehicle."""

    sequence: int
    digest: str
    media_type: str
    size_bytes: int
    shows: Literal["photograph", "scanner_image", "other"]
    description: str | None
    made_at: Time
    width: int | None
    """Pixels, upright; null where the content does not say so plainly."""
    height: int | None
    by: str
    recorded_at: Time
    marks: list[MarkView]
    """The oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredItem(Answer):
    """One goods item as it was declared."""

    item_no: int
    hs_code: str
    description: str | None
    packages: int | None
    net_mass_kg: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleFiles(Answer):
    """The files of a vehicle, the oldest first, and what was declared of its load."""

    tables = ("files", "declared")
    crossing_id: str
    post: str
    plate: str | None
    weighed_mass_kg: float | None
    is_empty: bool | None
    declared: list[DeclaredItem]
    """Of all declarations that it was decided on with."""
    files: list[VehicleFileView]


def describe_vehicle(service: Runtime, caller: Caller, crossing_id: str) -> VehicleFiles:
    """Return the files of a vehicle that a caller sees; raises ``NotFoundError``."""
    post = post_of(service.recording, caller, crossing_id)
    with service.store.read() as connection:
        arrival = _read_arrival(connection, service, crossing_id)
        files, marks = list_vehicle_files(connection, crossing_id)
        times = {
            seq: rfc3339(service.journal.entry(connection, seq).known_at)
            for seq in (*files, *marks)
        }
    seen: dict[int, list[MarkView]] = {seq: [] for seq in files}
    for seq, mark in marks.items():
        if mark.of in seen and caller.sees(Matter.ACTS, mark.body.get("agency")):
            said = _fill(MarkView, mark.body["mark"])
            one = MarkView(**said, by=str(mark.body["by"]), marked_at=times[seq])
            seen[mark.of].append(one)
    crossing, papers = arrival["crossing"], arrival.get("declaration") or {}
    return VehicleFiles(
        crossing_id=crossing_id,
        post=post,
        plate=crossing.get("plate"),
        weighed_mass_kg=crossing.get("weighed_mass_kg"),
        is_empty=crossing.get("is_empty"),
        declared=[DeclaredItem(**_fill(DeclaredItem, one)) for one in papers.get("items") or ()],
        files=[
            VehicleFileView(
                **(_fill(VehicleFileView, {"made_at": times[seq]} | one["file"])),
                sequence=seq,
                by=str(one["by"]),
                recorded_at=times[seq],
                marks=seen[seq],
            )
            for seq, one in files.items()
            if caller.sees(Matter.ACTS, one.get("agency"))
        ],
    )


_ADDED = frozenset({"sequence", "by", "recorded_at", "marked_at", "marks"})


def _fill(kind: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an answer that a record's content has, null for those it lacks."""
    names = {one.name for one in fields(kind)} - _ADDED
    return {name: content.get(name) for name in names}


def _read_arrival(connection: Connection, service: Runtime, crossing_id: str) -> Mapping[str, Any]:
    name = crossing_name(crossing_id)
    holder = find_holders(connection, [name])[name]
    arrival: Mapping[str, Any] = service.journal.body(connection, holder.seq)["arrival"]
    return arrival
