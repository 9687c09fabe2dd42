"""Jobs as their records state them: asked for, perhaps agreed to by a second person, ended."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from sqlalchemy import Connection

from engine.analysis.area import JOB_ASKED, JOB_ENDED, JobEndedBody
from engine.criteria.dual_control import read_approval_states
from engine.journal.journal import JournalReader

JobSort = Literal["check", "load", "train", "evaluate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job, as its records say."""

    name: str
    by: str
    """Who asked for it; of a load, who proposed it."""
    asked_at: int
    """When it could begin: UTC microseconds, as all times here."""
    options: Mapping[str, Any]
    digest: str | None = None
    ended: JobEndedBody | None = None
    ended_at: int | None = None

    @property
    def sort(self) -> JobSort:
        """What it does, by the beginning of its name."""
        return cast("JobSort", self.name.partition("-")[0])


def read_jobs(connection: Connection, *, most: int) -> list[Job]:
    """Return the last jobs of each sort of beginning, the newest first.

    A load is a job from its approval on. Assumes that fewer than ``most`` jobs wait or run.
    """
    reader = JournalReader(connection)
    ends = {one.subject: one for one in reader.records(JOB_ENDED, newest=2 * most)}
    found = [
        Job(
            name=one.subject,
            by=str(one.body["by"]),
            asked_at=one.known_at,
            options=one.body["options"],
            digest=one.body.get("digest"),
        )
        for one in reader.records(JOB_ASKED, newest=most)
    ]
    loads = [
        Job(name=one.subject, by=one.author, asked_at=one.since, options=one.content)
        for one in read_approval_states(connection, "load").values()
        if one.state == "in_force"
    ]
    found = sorted([*found, *loads[-most:]], key=lambda one: one.asked_at, reverse=True)
    return [
        replace(one, ended=end.body, ended_at=end.known_at)
        if (end := ends.get(one.name)) is not None
        else one
        for one in found
    ]
