"""The area of circulars: words and pictures to posts, and who read them.

A circular tells officers of a new hiding place. It is about no vehicle, names no person, and ends
by itself. Each step of it is one record.
"""

from typing import Any, Final, NotRequired

from engine.domain.rights import Matter
from engine.journal.areas import Area, Group, RecordRule, TableRule
from engine.journal.entries import JournalRecord, Kind
from engine.journal.kinds import Json, ReportBody


class CircularBody(ReportBody):
    """A circular as ``engine.circulars.ledger.Circular`` has it."""

    circular: Json


class CircularFileBody(ReportBody):
    """A picture or a document of a circular."""

    file: Json
    """``digest``, ``media_type``, ``size_bytes``; its content lies in the home."""


class CircularStepBody(ReportBody):
    """That a person read a circular, or that it ends."""

    reason: NotRequired[str]


CIRCULAR_ISSUED: Final = Kind[CircularBody]("circular_issued", "circular to posts")
"""A circular is written; the subject is the circular, as of all that follow."""
CIRCULAR_FILE: Final = Kind[CircularFileBody]("circular_file", "picture of a circular")
CIRCULAR_READ: Final = Kind[CircularStepBody]("circular_read", "circular read")
"""A person says that they read it; the post is theirs."""
CIRCULAR_ENDED: Final = Kind[CircularStepBody]("circular_ended", "circular ended")
"""It is shown no longer, before its last day."""


def _group_by_circular(one: JournalRecord[Any]) -> Group:
    return "circular", one.subject


_RULE = RecordRule(matter=Matter.REPORTS, group=_group_by_circular)
AREA: Final = Area(
    name="circulars",
    records={
        CIRCULAR_ISSUED: _RULE,
        CIRCULAR_FILE: _RULE,
        CIRCULAR_READ: _RULE,
        CIRCULAR_ENDED: _RULE,
    },
    tables={
        "circulars": TableRule(erased_by=("seq",)),
        "circular_steps": TableRule(erased_by=("seq",)),
    },
    projections=("engine.circulars.ledger:project_circulars",),
    files="engine.circulars.ledger:read_circular_files",
)
