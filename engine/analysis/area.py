"""The area of analysis: queries and jobs of analysts who have no shell on the machine.

A query is recorded with its purpose, its statement and the digest of its answer. A job is a command
of ours that a person starts from a page; what it did is said by two records, of its start and of
its end. A load waits for a second person first: the history is what every model learns from.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, NotRequired

from typing_extensions import TypedDict

from engine.domain.rights import Matter
from engine.journal.areas import Area, RecordRule, group_alone, rule_steps
from engine.journal.entries import Kind
from engine.journal.kinds import ApprovalBody, Json, ReportBody

Outcome = Literal["done", "failed", "cancelled", "stopped", "unknown"]
"""How a job ended: ``stopped`` with the service, ``unknown`` if nothing saw its end."""


class QueryBody(TypedDict):
    """One query; its statement shows identifiers as digests, unless somebody typed one."""

    by: str
    role: str
    purpose: str
    statement: str
    as_of: NotRequired[str]
    """RFC 3339; absent from what was refused without a time."""
    rows: NotRequired[int]
    digest: NotRequired[str]
    """SHA-256 of columns and rows, in hex."""
    refused: NotRequired[str]
    """Why there was no answer."""


class JobAskedBody(ReportBody):
    """A job that a person asked for."""

    options: Json
    """What was asked, as the body of the request had it."""
    digest: NotRequired[str]
    """SHA-256 of the file that was sent with it, in hex."""


class JobEndedBody(TypedDict):
    """The end of a job."""

    outcome: Outcome
    by: NotRequired[str]
    """Who cancelled it."""
    result: Json
    """Counts and names that the command printed; nothing of any vehicle."""
    why: NotRequired[str]


DECISION_COLUMNS: Final[Mapping[str, type]] = {
    **dict.fromkeys(("decision_id", "crossing_id", "post"), str),
    **dict.fromkeys(("decided_at", "as_of"), datetime),
    **dict.fromkeys(("channel", "basis"), str),
    "is_random": bool,
    **dict.fromkeys(("propensity", "percentile"), float),
    "band": str,
    **dict.fromkeys(("p_seizure", "p_discrepancy"), float),
    **dict.fromkeys(("mode", "model_version"), str),
    "profiles": list,
    "watchlist": bool,
    "amends": str,
}
"""Columns of the view of decisions, and what each holds."""
REVIEW_COLUMNS: Final[Mapping[str, type]] = {
    **dict.fromkeys(("decision_id", "crossing_id"), str),
    "reviewed_at": datetime,
    **dict.fromkeys(("person", "verdict", "channel", "reason_code", "reason"), str),
}
QUERY_RUN: Final = Kind[QueryBody]("query", "query")
JOB_ASKED: Final = Kind[JobAskedBody]("job_asked", "job started")
"""The subject is the job, as of the next one."""
JOB_ENDED: Final = Kind[JobEndedBody]("job_ended", "a job ended")
LOAD_PROPOSED: Final = Kind[ApprovalBody]("load_proposed")
"""A first person proposes to load a file that was checked."""
LOAD_APPROVED: Final = Kind[ApprovalBody]("load_approved")
"""A second person agrees; the job begins with this record, whose subject is its name."""


AREA: Final = Area(
    name="analysis",
    records={
        QUERY_RUN: RecordRule(group=group_alone),
        JOB_ASKED: RecordRule(matter=Matter.MODELS),
        JOB_ENDED: RecordRule(matter=Matter.MODELS),
        **rule_steps(
            "load",
            {"proposed": LOAD_PROPOSED, "approved": LOAD_APPROVED},
            matter=Matter.MODELS,
        ),
    },
)
