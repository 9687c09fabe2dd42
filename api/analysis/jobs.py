"""Jobs: files that are checked and loaded, trainings and evaluations, as people start them.

A job is the command of the same name in a process of its own (:mod:`api.analysis.worker`). One of a
sort runs at a time. A load is proposed by one person and begins when another one approves it.
"""

import re
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import orjson
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from api.analysis.folders import KEPT_DAYS, JobFolder, folder_of
from api.areas import find_part
from api.auth.accounts import GOVERNORS
from api.auth.callers import Caller
from api.http.answers import Acknowledged, Answer, Time, acknowledge
from api.proposals.desk import EVERY_POST
from api.proposals.matters import ProposalMatter, Step, name_at_random
from api.service.executors import MEGABYTE, Bounds, run_apart
from api.service.runtime import Runtime
from engine.analysis.area import JOB_ASKED, JobAskedBody
from engine.analysis.jobs import Job, JobSort, read_jobs
from engine.criteria.dual_control import ApprovalState
from engine.domain.field_types import Identifier
from engine.domain.field_types import Time as Instant
from engine.domain.records import Record
from engine.domain.rights import Matter, Right, Role
from engine.domain.time_units import DAY, rfc3339
from engine.errors import (
    BodyTooLargeError,
    ConflictError,
    HomeError,
    NotAllowedError,
    NotFoundError,
    RecordError,
)
from engine.journal.entries import Draft
from engine.journal.idempotency import claim

MOST: Final = 50
"""Jobs that are listed."""
LARGEST: Final = 256 * MEGABYTE
"""Bytes of an archive that is sent."""
ROOM: Final = 4 << 30
"""Bytes that the disk must have left before a file is taken."""
ARCHIVES: Final = Bounds("archive", most_bytes=MEGABYTE, seconds=120)
UNPACK: Final = "features.intake.archives:unpack"
BULK_FORMATS: Final = ("contract", "kcs")
"""Formats that are there without the area of standard messages."""
State = Literal["waiting", "running", "done", "failed", "cancelled", "stopped", "unknown"]
MAPPING: Final = ".toml"
"""How the name of a mapping file ends, and of no format."""
_FORMAT: Final = r"^[a-z][a-z0-9_]{0,31}(\.toml)?$"
Format = Annotated[str, Field(pattern=_FORMAT)]
"""Of the files, or a mapping file of the home; a package may add a format, and the check refuses
what it does not know."""


class JobRequest(Record):
    """A training of a candidate, or an evaluation on a file that was checked."""

    what: Literal["train", "evaluate"]
    file: Identifier | None = None
    """The job that checked the file to evaluate on."""
    train_until: Instant | None = None
    """What an evaluation learns from became known before."""
    test_from: Instant | None = None
    """It is judged on arrivals from then on."""
    EXAMPLE: ClassVar = {"what": "train"}

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        given = {name: getattr(self, name) for name in ("file", "train_until", "test_from")}
        for name, value in given.items():
            if (value is not None) != (self.what == "evaluate"):
                why = "an evaluation needs it, a training does not take it"
                raise PydanticCustomError("missing_key", why, {"field": name})
        return self


class LoadProposal(Record):
    """A proposal to load a file that was checked."""

    file: Identifier
    """The job that checked it."""
    EXAMPLE: ClassVar = {"file": "check-5d2c0f9a71b3e8c4"}


class _FileSent(Record):
    """What names a file that was sent, so that sending it again is the same request."""

    digest: str
    format: str
    mapping: str | None = None
    """SHA-256 of the mapping file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress(Answer):
    """How far a job is."""

    stage: str
    done: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView(Answer):
    """One job and where it stands."""

    id: str
    what: JobSort
    state: State
    """``stopped``: with the service; ``unknown``: nothing saw its end."""
    by: str
    asked_at: Time
    ended_at: Time | None
    ended_by: str | None
    """Who cancelled it."""
    options: dict[str, Any]
    digest: str | None
    """SHA-256 of the archive that was sent with it."""
    progress: JobProgress | None
    result: dict[str, Any]
    why: str | None
    """Why it failed, in the words of the command."""
    files: list[str]
    """Results that can be taken, for some days."""
    has_input: bool
    """Whether the file that it checked is still here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetail(JobView):
    """One job with its log."""

    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatView(Answer):
    """A format of files, as ``darvoza load --format`` has it, or a mapping file of the home."""

    name: str
    """That of a mapping file ends in ``.toml``."""
    package: str | None
    """Name and version of the installed package that adds it; null if none does."""
    rule: str | None
    """Why a package's format is not read; null if it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs(Answer):
    """The last jobs, the newest first, and the formats of files that a check takes."""

    tables = ("jobs", "formats")
    jobs: list[JobView]
    formats: list[FormatView]


def describe_job(service: Runtime, job: Job) -> JobView:
    """Return a job as it stands."""
    folder, ended = folder_of(service.home, job.name), job.ended
    state: State = "running" if folder.begun.exists() else "waiting"
    progress = None
    if ended is not None:
        state = ended["outcome"]
    elif found := folder.read_json(folder.progress):
        progress = JobProgress(**found)
    return JobView(
        id=job.name,
        what=job.sort,
        state=state,
        by=job.by,
        asked_at=rfc3339(job.asked_at),
        ended_at=None if job.ended_at is None else rfc3339(job.ended_at),
        ended_by=None if ended is None else ended.get("by"),
        options=dict(job.options),
        digest=job.digest,
        progress=progress,
        result={} if ended is None else dict(ended["result"]),
        why=None if ended is None else ended.get("why"),
        files=folder.list_results(),
        has_input=folder.input.is_dir(),
    )


def describe_detail(service: Runtime, job: Job) -> JobDetail:
    """Return a job with its log."""
    found = describe_job(service, job)
    shown = {one.name: getattr(found, one.name) for one in fields(found)}
    return JobDetail(**shown, log=folder_of(service.home, job.name).read_log())


def _check_post(caller: Caller) -> None:
    """Refuse a caller of one post: a job reads and writes for all of them."""
    if caller.post is not None:
        raise NotAllowedError(EVERY_POST, "post")


def list_jobs(service: Runtime, caller: Caller) -> Jobs:
    """Return the last jobs; raises ``NotAllowedError``."""
    _check_post(caller)
    with service.store.read() as connection:
        found = read_jobs(connection, most=MOST)[:MOST]
    return Jobs(
        jobs=[describe_job(service, one) for one in found], formats=list_file_formats(service)
    )


def list_file_formats(service: Runtime) -> list[FormatView]:
    """Return the formats and mapping files, those of messages if that area is open."""
    list_messages = find_part("message_formats")
    mappings = sorted(path.name for path in service.home.mappings.glob(f"*{MAPPING}"))
    names = (*BULK_FORMATS, *(name for name in mappings if re.fullmatch(_FORMAT, name)))
    return [
        *(FormatView(name=name, package=None, rule=None) for name in names),
        *(
            FormatView(name=one.name, package=one.package or None, rule=one.rule or None)
            for one in (list_messages() if list_messages else ())
        ),
    ]


def find_job(service: Runtime, caller: Caller, name: str) -> Job:
    """Return one of the last jobs; raises ``NotFoundError`` and ``NotAllowedError``."""
    _check_post(caller)
    with service.store.read() as connection:
        return _find(connection, name)


def _find(connection: Connection, name: str) -> Job:
    for one in read_jobs(connection, most=MOST):
        if one.name == name:
            return one
    raise NotFoundError("job", name)


def find_result(service: Runtime, caller: Caller, name: str, file: str) -> Path:
    """Return a file that a job left; raises ``NotFoundError`` and ``NotAllowedError``."""
    folder = folder_of(service.home, find_job(service, caller, name).name)
    if file not in folder.list_results():
        raise NotFoundError("file", file)
    return folder.path / file


def find_checked(service: Runtime, connection: Connection, name: str) -> Job:
    """Return a check that ended well and whose file is still here; raises ``ConflictError``."""
    job = _find(connection, name)
    if job.sort != "check" or job.ended is None or job.ended["outcome"] != "done":
        raise ConflictError("job", name, "it is no check that ended well")
    if not folder_of(service.home, name).input.is_dir():
        why = f"its file is no longer here: files stay {KEPT_DAYS} days; send it again"
        raise ConflictError("job", name, why)
    return job


def check_free(connection: Connection, sort: JobSort) -> None:
    """Refuse a job while another of its sort waits or runs; raises ``ConflictError``."""
    for one in read_jobs(connection, most=MOST):
        if one.sort == sort and one.ended is None:
            raise ConflictError("job", one.name, f"it is under way: one {sort} at a time")


def start_job(
    service: Runtime, caller: Caller, asked: JobRequest, *, key: str | None = None
) -> Acknowledged:
    """Ask for a training or an evaluation; raises ``ConflictError``, ``NotFoundError``."""
    _check_post(caller)
    options = orjson.loads(asked.model_dump_json(exclude={"what"}, exclude_none=True))
    return _record(service, caller, asked, asked.what, {"options": options}, key=key)


def _record(
    service: Runtime,
    caller: Caller,
    content: Record,
    sort: JobSort,
    about: Mapping[str, Any],
    *,
    key: str | None,
    name: str = "",
) -> Acknowledged:
    name = name or f"{sort}-{secrets.token_hex(8)}"
    asked = claim(f"{sort}_job", content, post="", name=f"job:{name}", key=caller.own(key))

    def draft(connection: Connection) -> Draft[JobAskedBody]:
        check_free(connection, sort)
        if (file := about["options"].get("file")) is not None:
            find_checked(service, connection, file)
        body: Any = {"claim": asked.as_dict(), "by": caller.person, **about}
        return JOB_ASKED.draft(name, body)

    done = service.recording.once(asked, draft)
    return acknowledge(service, done, done.entry.subject)


async def receive_file(
    service: Runtime,
    caller: Caller,
    pieces: AsyncIterator[bytes],
    layout: Format,
    *,
    key: str | None = None,
) -> Acknowledged:
    """Take the archive of a bulk folder as it arrives, and ask for its check.

    Raises ``BodyTooLargeError``, ``RecordError`` for an archive that is not taken, ``HomeError``
    where the disk has no room, and ``ConflictError`` where another check is under way.
    """
    _check_post(caller)
    with service.executors.files.hold():
        folder = await run_in_threadpool(_make_folder, service, layout)
        try:
            digest = await _write_archive(folder, pieces)
            return await run_in_threadpool(
                _ask_check, service, caller, folder, layout=layout, digest=digest, key=key
            )
        except BaseException:
            with suppress(OSError):
                shutil.rmtree(folder.path)
            raise


def _make_folder(service: Runtime, layout: Format) -> JobFolder:
    if layout.endswith(MAPPING) and not (service.home.mappings / layout).is_file():
        raise RecordError("file", "format", "not_offered", "the home has no such mapping file")
    with service.store.read() as connection:
        check_free(connection, "check")
    if shutil.disk_usage(service.home.root).free < ROOM:
        raise HomeError("jobs", "the disk has too little room for a file")
    folder = folder_of(service.home, f"check-{secrets.token_hex(8)}")
    folder.path.mkdir(mode=0o700, parents=True)
    if layout.endswith(MAPPING):  # the load reads what the check has read
        shutil.copyfile(service.home.mappings / layout, folder.path / layout)
    return folder


async def _write_archive(folder: JobFolder, pieces: AsyncIterator[bytes]) -> str:
    """Write an archive, and return its SHA-256 in hex."""
    digest, size = sha256(), 0
    with (folder.path / "archive").open("xb") as file:
        async for piece in pieces:
            size += len(piece)
            if size > LARGEST:
                raise BodyTooLargeError(LARGEST)
            digest.update(piece)
            await run_in_threadpool(file.write, piece)
    return digest.hexdigest()


def _ask_check(
    service: Runtime,
    caller: Caller,
    folder: JobFolder,
    *,
    layout: Format,
    digest: str,
    key: str | None,
) -> Acknowledged:
    within = folder.path.relative_to(service.home.root)
    given = {"archive": str(within / "archive"), "folder": str(within / "input")}
    files = orjson.loads(run_apart(service.home, ARCHIVES, UNPACK, orjson.dumps(given)))
    (folder.path / "archive").unlink()
    options: dict[str, Any] = {"format": layout, "files": len(files)}
    if layout.endswith(MAPPING):
        options["mapping"] = sha256((folder.path / layout).read_bytes()).hexdigest()
    content = _FileSent(digest=digest, format=layout, mapping=options.get("mapping"))
    about = {"options": options, "digest": digest}
    started = _record(service, caller, content, "check", about, key=key, name=folder.path.name)
    if started.id != folder.path.name:  # sent again: the first one is checked
        shutil.rmtree(folder.path)
    return started


def cancel_job(service: Runtime, caller: Caller, name: str) -> JobView:
    """Let a job end; raises ``ConflictError`` for one that has ended."""
    job = find_job(service, caller, name)
    if job.ended is not None:
        raise ConflictError("job", name, "it has ended")
    folder = folder_of(service.home, name)
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.cancelled.write_text(caller.person, "utf-8")
    return describe_job(service, job)


def _prepare_load(step: Step, proposed: LoadProposal) -> Mapping[str, Any]:
    job = find_checked(step.service, step.connection, proposed.file)
    ended = job.ended
    result = {} if ended is None else ended["result"]
    layout = {name: job.options[name] for name in ("format", "mapping") if name in job.options}
    known = {"file": job.name, "digest": job.digest, **layout}
    return known | {"accepted": result.get("accepted"), "quarantined": result.get("quarantined")}


def _check_load(step: Step, state: ApprovalState) -> None:
    check_free(step.connection, "load")
    find_checked(step.service, step.connection, state.content["file"])


def _find_end(step: Step, state: ApprovalState) -> str:
    is_here = folder_of(step.service.home, str(state.content["file"])).input.is_dir()
    return "" if is_here else "its file is no longer here: send it again"


LOAD: Final = ProposalMatter(
    name="load",
    content=LoadProposal,
    about=Matter.MODELS,
    shown=("GET", "/v1/jobs"),
    may={Right.ACT: frozenset({Role.ANALYST, Role.SUPERVISOR}), Right.APPROVE: GOVERNORS},
    page="/jobs#{}",
    is_governing=True,
    open_time=KEPT_DAYS * DAY,
    subject=name_at_random("load"),
    prepare=_prepare_load,
    check=_check_load,
    find_end=_find_end,
)
