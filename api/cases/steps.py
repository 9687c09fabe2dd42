"""Openings, events and files of cases, each recorded once for its caller.

A file is placed in the home before its record stands, and is read as its case is.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from sqlalchemy import Connection

from api.auth.callers import OWNERLESS, Caller
from api.cases.answers import NOT_PASSED_ON, AcknowledgedCase, AcknowledgedFile, CaseWarning
from api.cases.readers import is_party, must_see, read_finds
from api.files.transfers import FoundFile, hand_out, receive_file
from api.http.access import check_post
from api.http.dependencies import of_caller
from api.service.runtime import Runtime
from engine.cases.area import CASE_EVENT, CASE_OPENED
from engine.cases.case_events import (
    NEED_SECOND,
    Agreement,
    CaseAssignment,
    CaseEvent,
    CaseFile,
    CaseFileReport,
    CaseOpening,
    CaseReference,
    Custody,
    FileSubject,
    Handling,
    Sample,
    Withdrawal,
    Words,
    find_name_signs,
)
from engine.cases.case_ledger import Reporter, draft_event, draft_opening, opening_name
from engine.cases.case_state import AGREEMENT, OPEN, CaseHistory, CaseState, CaseStep, refuse_state
from engine.criteria.policy import read_goods_classes
from engine.domain.field_types import HandlingCode, Identifier, Time
from engine.domain.records import Record
from engine.domain.rights import Matter
from engine.domain.time_units import micros
from engine.errors import FilesFullError, NotAllowedError, NotFoundError, RecordError
from engine.files.content import recognise
from engine.files.store import ReceivedFile
from engine.journal.batch_worker import StoredRecord
from engine.journal.entries import Draft
from engine.journal.idempotency import IdempotencyClaim, claim
from engine.journal.kinds import COPIED
from engine.links.messages import MOST_FILES as MOST_OFFERED
from engine.queue.corrections import read_stated_act, read_stated_seizure
from engine.vehicle_files.ledger import list_vehicle_files

if TYPE_CHECKING:
    from engine.links.messages import OfferedFile


def list_agencies(service: Runtime) -> list[str]:
    """Return the agencies of the posts and of people with an account, by code."""
    people = service.accounts.look().people()
    known = {one.agency for one in people if one.agency is not None and not one.is_removed}
    return sorted(known.union(*(post.agencies for post in service.network.posts.values())))


class CaseWriter:
    """Takes the steps of one caller; each is answered with its receipt."""

    def __init__(self, service: Runtime, caller: Caller, key: str | None) -> None:
        self._service = service
        self._caller = caller
        self._key = caller.own(key)
        self._by = Reporter(caller.person, caller.agency)

    def open(self, opening: CaseOpening) -> AcknowledgedCase:
        """Open a case; raises ``NotFoundError`` for what it would be opened from."""
        if opening.agency not in (None, self._caller.agency) and self._caller.agency is not None:
            why = "the sender acts for another agency"
            raise RecordError("caseopening", "agency", "other_agency", why)
        if opening.agency is None:
            opening = opening.model_copy(update={"agency": self._caller.agency})
        post = self._post_of(opening)
        self._check_owner(opening.owner)
        with self._service.store.read() as connection:
            goods = read_goods_classes(connection)
        goods.check_unit("caseopening", opening.goods_class, opening.unit)
        found = opening.seizure_id or secrets.token_hex(8)
        asked = claim(CASE_OPENED, opening, post=post, name=opening_name(found), key=self._key)
        recording = self._service.recording
        # A find opens one case: that of a node's post is its own.
        record = recording.once if opening.seizure_id is None else recording.once_here
        done = record(asked, lambda _: draft_opening(opening, post=post, by=self._by, claim=asked))
        if opening.seizure_id is not None:
            with self._service.store.read() as connection:
                stated = read_stated_seizure(connection, opening.seizure_id)
            if (crossing_id := stated.body["linked_crossing_id"]) is not None:
                self.take_files(done.entry.subject, crossing_id)
        return AcknowledgedCase(**self.describe(done, opening))

    def take_files(self, case_id: str, crossing_id: str) -> None:
        """Let the files of a vehicle join an open case, each once.

        A repeated opening takes what an interrupted one left.
        """
        with self._service.store.read() as connection:
            history = must_see(connection, self._caller, case_id)
            files, _ = list_vehicle_files(connection, crossing_id)
        case, held = history.case, {one.event["digest"] for one in history.files()}
        for body in files.values() if case.is_open else ():
            known = body["file"]
            if known["digest"] in held or not self._caller.sees(Matter.ACTS, body.get("agency")):
                continue
            names = "digest", "media_type", "size_bytes", "shows", "description"
            event = CaseFile.model_validate({name: known.get(name) for name in names})
            made_at = known.get("made_at")
            reported = CaseFileReport(
                event=event,
                happened_at=None if made_at is None else datetime.fromisoformat(made_at),
            )
            self.record_file(case, reported)

    def record_file(self, case: CaseState, reported: CaseFileReport) -> StoredRecord:
        """Record a file of a case whose content lies in the home; raises ``FilesFullError``."""
        file = reported.event
        asked = self.claim(case, reported, f"file:{file.digest}")
        limits = reported.model_dump(mode="json", exclude={"event"}, exclude_defaults=True)
        content = file.model_dump(mode="json", exclude_none=True)

        def draft(connection: Connection) -> Draft:
            now = must_see(connection, self._caller, case.case_id)
            _check_room(now.files(), file.size_bytes)
            return draft_event(now.case, content, by=self._by, claim=asked, about=limits)

        return self.record(case, asked, draft)

    def check(self, case_id: str, reported: CaseEvent) -> CaseState:
        """Return the case that an event fits, as far as that is known before it is recorded.

        Raises ``NotFoundError`` and ``RecordError``.
        """
        event = reported.event
        if isinstance(event, CaseAssignment):
            self._check_owner(event.owner)
        with self._service.store.read() as connection:
            history = must_see(connection, self._caller, case_id)
            if isinstance(event, CaseReference) and event.of in ("act", "seizure"):
                self._find_post(connection, event.of, event.id)
            if isinstance(event, Sample | Custody):
                self._check_goods(connection, history, event)
        return history.case

    def add(self, case_id: str, reported: CaseEvent) -> AcknowledgedCase:
        """Record an event; raises ``NotFoundError``, ``ConflictError``, ``NotAllowedError``."""
        event, case = reported.event, self.check(case_id, reported)
        deadline = None
        if isinstance(event, CaseAssignment) and event.deadline is not None:
            deadline = micros(event.deadline)
        taken = secrets.token_hex(8)
        if isinstance(event, Agreement | Withdrawal):
            taken = f"{'agreed' if isinstance(event, Agreement) else 'withdrawn'}:{event.of}"
        asked = self.claim(case, reported, taken)
        about = reported.model_dump(mode="json", exclude={"event"}, exclude_defaults=True)
        content = event.model_dump(mode="json", exclude_none=True)

        def draft(connection: Connection) -> Draft:
            now = must_see(connection, self._caller, case_id).case
            made = draft_event(
                now, content, by=self._by, claim=asked, deadline=deadline, about=about
            )
            self._check_people(now, content)
            return made

        done = self.record(case, asked, draft)
        return AcknowledgedCase(**self.describe(done, reported))

    def record(
        self, case: CaseState, asked: IdempotencyClaim, draft: Callable[[Connection], Draft]
    ) -> StoredRecord:
        """Record an event; a case that a post's node opened goes on there, while the link lasts.

        Raises ``ConflictError``.
        """
        recording = self._service.recording
        return (recording.once_here if case.is_copied else recording.once)(asked, draft)

    def claim(self, case: CaseState, reported: Any, taken: str) -> IdempotencyClaim:
        """Return the claim of one event of a case."""
        name = f"case_event:{case.case_id}:{taken}"
        about = {"post": case.post, "name": name, "about": f"{case.case_id}\0{self._by.person}"}
        return claim(CASE_EVENT, reported, key=self._key, **about)

    def describe(self, done: StoredRecord, content: Record) -> dict[str, Any]:
        """Return the fields of an :class:`AcknowledgedCase` about a step that is recorded."""
        signs = find_name_signs(content.model_dump(mode="json"))
        known = {"case_id": done.entry.subject, "sequence": done.entry.seq}
        warnings = {"warnings": [CaseWarning(at) for at in signs]}
        return known | warnings | self._service.answers.receipt(done)

    def _post_of(self, opening: CaseOpening) -> str:
        """Return the post of a new case, once what it is opened from was found."""
        if opening.attention_id is not None:
            self._check_attention(opening.attention_id)
        if opening.seizure_id is None:
            post = str(opening.post)
            check_post(self._service.network, self._caller, post)
            return post
        with self._service.store.read() as connection:
            return self._find_post(connection, "seizure", opening.seizure_id)

    def _find_post(self, connection: Connection, kind: str, name: str) -> str:
        """Return the post of an act or a seizure that the caller sees."""
        read = read_stated_act if kind == "act" else read_stated_seizure
        matter = Matter.ACTS if kind == "act" else Matter.SEIZURES
        stated = read(connection, name)
        agency = stated.body["inspection" if kind == "act" else "seizure"].get("agency")
        if not (self._caller.reaches(stated.post) and self._caller.sees(matter, agency)):
            raise NotFoundError(kind, name)
        return stated.post

    def _check_attention(self, name: str) -> None:
        from engine.links.requests import find_request

        if not self._caller.may("GET", "/v1/attentions/{request_id}"):
            raise NotFoundError("attention", name)
        with self._service.store.read() as connection:
            find_request(connection, name)

    def _check_goods(
        self, connection: Connection, history: CaseHistory, event: Sample | Custody
    ) -> None:
        """Refuse a find that is not one of several linked ones, and more grams than remain of it.

        Also a transfer to an agency that has nobody here.
        """
        if isinstance(event, Custody):
            known = list_agencies(self._service)
            if event.to_agency not in known:
                why = "no post and no person here is of this agency"
                raise RecordError("case", "to_agency", "unknown_agency", why)
        linked, find = history.case.holders, event.seizure_id
        if find not in linked and (find is not None or len(linked) > 1):
            why = "it names one of the finds that are linked to the case"
            raise RecordError("case", "seizure_id", "unknown_report", why)
        finds = read_finds(connection, self._caller, history)
        left = next((one.remains_g for one in finds if find in (None, one.seizure_id)), None)
        if left is not None and (event.quantity_g or 0.0) > left:
            why = f"{left:g} g of the goods remain"
            raise RecordError("case", "quantity_g", "more_than_remains", why)

    def _check_owner(self, owner: str | None) -> None:
        """Refuse an owner without an account."""
        if owner is not None and not self._service.accounts.is_active(owner):
            why = "no person of this name has an account here"
            raise RecordError("case", "owner", "unknown_account", why)

    def _check_people(self, case: CaseState, event: Mapping[str, Any]) -> None:
        """Refuse a step towards power over goods that no person takes, or one person alone.

        Raises ``NotAllowedError``, ``SecondPersonError`` and ``LapsedProposalError``.
        """
        if event["kind"] not in (*NEED_SECOND, AGREEMENT):
            return
        if not self._caller.is_person:
            raise NotAllowedError(OWNERLESS)
        if event["kind"] == AGREEMENT:
            first = str(case.waiting[event["of"]].body["by"])
            accounts, second = self._service.accounts, self._caller.person
            accounts.must_second(Matter.CASES, first=first, second=second)


TheWriter = Annotated[CaseWriter, of_caller(CaseWriter)]


MOST_FILES = 200
MOST_BYTES = 512 * 1024 * 1024
"""Bytes of all files of one case."""


class AboutFile(Record):
    """What its sender says of a file."""

    shows: FileSubject
    sample: Identifier | None = None
    description: Words | None = None
    happened_at: Time | None = None
    handling: Handling = ()


class CaseFileWriter:
    """Takes the files of one caller; each content counts once in a case."""

    def __init__(self, service: Runtime, caller: Caller, key: str | None) -> None:
        self._service, self._caller = service, caller
        self._steps = CaseWriter(service, caller, key)

    async def receive(
        self, case_id: str, pieces: AsyncIterator[bytes], about: AboutFile
    ) -> AcknowledgedFile:
        """Take a file as it arrives, and return the answer about it.

        Raises ``BusyError``, ``NotFoundError`` and ``ConflictError`` before anything is read,
        ``BodyTooLargeError``, ``RecordError`` for a file of no type that is taken, and
        ``FilesFullError``.
        """
        return await receive_file(
            self._service,
            pieces,
            check=partial(self._check, case_id),
            add=lambda received: self._add(case_id, received, about),
        )

    def _check(self, case_id: str) -> None:
        with self._service.store.read() as connection:
            case = must_see(connection, self._caller, case_id).case
        if not case.is_open:
            raise refuse_state(case_id, OPEN)

    def _add(self, case_id: str, received: ReceivedFile, about: AboutFile) -> AcknowledgedFile:
        digest = received.finish()
        file = CaseFile.model_validate(
            {
                "digest": digest,
                "media_type": recognise(self._service.home, received.path),
                "size_bytes": received.size_bytes,
                "shows": about.shows,
                "sample": about.sample,
                "description": about.description,
            }
        )
        reported = CaseFileReport(
            event=file, happened_at=about.happened_at, handling=about.handling
        )
        with self._service.store.read() as connection:
            case = must_see(connection, self._caller, case_id).case
        with received.place():
            done = self._steps.record_file(case, reported)
        return AcknowledgedFile(
            digest=digest,
            media_type=file.media_type,
            size_bytes=file.size_bytes,
            **self._steps.describe(done, reported),
        )


def _check_room(files: Sequence[CaseStep], size_bytes: int) -> None:
    """Refuse a file for which a case has no room; raises ``FilesFullError``.

    Files that are recorded at the same moment are not counted.
    """
    held = sum(int(one.event["size_bytes"]) for one in files)
    if len(files) >= MOST_FILES or held + size_bytes > MOST_BYTES:
        raise FilesFullError("case", MOST_FILES, MOST_BYTES // 2**20)


def find_file(service: Runtime, caller: Caller, case_id: str, digest: str) -> FoundFile:
    """Return a file of a case, once it is recorded who takes it.

    Raises ``NotFoundError`` also where its event is for other agencies, and ``HomeError`` where it
    is not what was recorded.
    """
    with service.store.read() as connection:
        step = _find_event(connection, caller, case_id, digest)
    return hand_out(
        service,
        caller,
        digest,
        str(step.event["media_type"]),
        seq=step.seq,
        post=step.post,
        kind="case_file",
        is_copied=COPIED in step.body,
    )


def _find_event(connection: Connection, caller: Caller, case_id: str, digest: str) -> CaseStep:
    history = must_see(connection, caller, case_id)
    party = is_party(caller, history.case)
    for step in history.files():
        if step.event["digest"] == digest and (party or NOT_PASSED_ON not in step.limits):
            return step
    raise NotFoundError("file", digest)


def choose_passed_files(
    service: Runtime, caller: Caller, case_id: str, digests: Sequence[str]
) -> "tuple[tuple[OfferedFile, ...], frozenset[HandlingCode]]":
    """Return files of a case as they are offered to a partner, and the limits of their use.

    Raises ``NotFoundError`` for a case that the caller does not see, and ``RecordError`` for a file
    that is none of this case, or that it or its case says is not to be passed on.
    """
    from engine.links.messages import OfferedFile

    if not caller.may("GET", "/v1/cases/{case_id}/files/{digest}"):
        raise NotFoundError("case", case_id)
    with service.store.read() as connection:
        history = must_see(connection, caller, case_id)
    party = is_party(caller, history.case)
    steps = {one.event["digest"]: one for one in history.files()}
    found, limits = [], set(history.facts.get("handling") or ())
    for digest in dict.fromkeys(digests):
        step = steps.get(digest)
        if step is None or (NOT_PASSED_ON in step.limits and not party):
            raise RecordError(
                "case", "files", "unknown_file", f"{digest[:16]} is none of this case"
            )
        limits |= {*step.limits}
        if NOT_PASSED_ON in limits:
            why = f"{digest[:16]} is not to be passed on ({NOT_PASSED_ON})"
            raise RecordError("case", "files", "not_passed_on", why)
        names = "digest", "media_type", "size_bytes", "shows"
        found.append(OfferedFile.model_validate({name: step.event[name] for name in names}))
    return tuple(found), frozenset(limits)


def list_passable(service: Runtime, caller: Caller, case_id: str) -> list[str]:
    """Return the newest files of a case that may be offered to a partner, by digest."""
    with service.store.read() as connection:
        history = must_see(connection, caller, case_id)
    if NOT_PASSED_ON in (history.facts.get("handling") or ()):
        return []
    found = [one.event["digest"] for one in history.files() if NOT_PASSED_ON not in one.limits]
    return list(dict.fromkeys(reversed(found)))[:MOST_OFFERED]


TheFileWriter = Annotated[CaseFileWriter, of_caller(CaseFileWriter)]
