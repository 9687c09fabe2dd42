"""The area of files at a vehicle: photographs and scanner's images before there is any case.

A file is of a crossing. What an operator sees on a picture is a mark: nothing, or a place to look
at. Both are erased with the movement. When a case is opened from a find on the vehicle, its files
join the case (:mod:`api.cases.steps`).
"""

from collections.abc import Iterator
from typing import Any, Final, NotRequired

from engine.domain.rights import Matter
from engine.journal.areas import Area, Body, Group, NamedField, Owner, RecordRule, TableRule
from engine.journal.entries import JournalRecord, Kind
from engine.journal.kinds import Json, ReportBody


class VehicleFileBody(ReportBody):
    """A file that was made at a vehicle, as ``engine.vehicle_files.ledger.VehicleFile`` has it."""

    crossing_id: str
    agency: NotRequired[str]
    file: Json


class VehicleMarkBody(ReportBody):
    """What an operator saw on a picture; ``of`` is the number of the picture's record."""

    crossing_id: str
    agency: NotRequired[str]
    of: int
    mark: Json


VEHICLE_FILE: Final = Kind[VehicleFileBody]("vehicle_file", "file at a vehicle")
"""A photograph or a scanner's image of a vehicle; the subject is the crossing."""
VEHICLE_MARK: Final = Kind[VehicleMarkBody]("vehicle_mark", "mark on a picture")
"""What an operator saw on it; the subject is the crossing."""


def _own(body: Body) -> Iterator[Owner]:
    yield Matter.ACTS, body.get("agency")


def _group_by_movement(one: JournalRecord[Any]) -> Group:
    return "movement", str(one.body["crossing_id"])


_RULE = RecordRule(
    matter=Matter.ACTS,
    owners=_own,
    group=_group_by_movement,
    is_of_post=True,
    names=(NamedField("crossing", "subject"), NamedField("crossing", "crossing_id")),
)
AREA: Final = Area(
    name="vehicle_files",
    records={VEHICLE_FILE: _RULE, VEHICLE_MARK: _RULE},
    tables={
        "vehicle_files": TableRule(erased_by=("seq",)),
        "vehicle_marks": TableRule(erased_by=("seq",)),
    },
    projections=("engine.vehicle_files.ledger:project_vehicle_files",),
    files="engine.vehicle_files.ledger:read_vehicle_files",
)
