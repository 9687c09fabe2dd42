"""Openings and events of one caller, each recorded once."""

import secrets
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import Connection

from api.auth.callers import OWNERLESS, Caller
from api.cases.reads import must_see
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.guards import check_post
from api.service.runtime import Runtime
from engine.cases.area import CASE_EVENT, CASE_OPENED
from engine.cases.case_events import NEED_SECOND, Agreement, CaseAssignment, CaseEvent, CaseOpening
from engine.cases.case_ledger import Reporter, draft_event, draft_opening, opening_name
from engine.cases.case_state import AGREEMENT, CaseState
from engine.cases.name_signs import find_name_signs
from engine.domain.rights import Matter
from engine.domain.time_units import micros
from engine.errors import NotAllowedError, NotFoundError, RecordError
from engine.journal.batch_worker import StoredRecord
from engine.journal.entries import Draft
from engine.journal.idempotency import IdempotencyClaim, claim
from engine.targeting.corrections import read_stated_act, read_stated_seizure

LOOKS_LIKE_NAME = "it looks as if it named a person: a case holds none"


class CaseWriter:
    """Takes the steps of one caller; each is answered as JSON values, with its receipt."""

    def __init__(self, service: Runtime, caller: Caller, key: str | None) -> None:
        self._service = service
        self._caller = caller
        self._key = caller.own(key)
        self._by = Reporter(caller.person, caller.agency)

    def open(self, opening: CaseOpening) -> dict[str, Any]:
        """Open a case; raises ``NotFoundError`` for what it would be opened from."""
        if opening.agency not in (None, self._caller.agency) and self._caller.agency is not None:
            why = "the sender acts for another agency"
            raise RecordError("caseopening", "agency", "other_agency", why)
        if opening.agency is None:
            opening = opening.model_copy(update={"agency": self._caller.agency})
        post = self._post_of(opening)
        self._check_owner(opening.owner)
        found = opening.seizure_id or secrets.token_hex(8)
        asked = claim(CASE_OPENED, opening, post=post, name=opening_name(found), key=self._key)
        recording = self._service.recording
        # A find opens one case: that of a node's post is its own.
        record = recording.once if opening.seizure_id is None else recording.once_here
        done = record(asked, lambda _: draft_opening(opening, post=post, by=self._by, claim=asked))
        return self.acknowledge(done, opening.model_dump(mode="json"))

    def add(self, case_id: str, reported: CaseEvent) -> dict[str, Any]:
        """Record an event; raises ``NotFoundError``, ``ConflictError``, ``NotAllowedError``."""
        event = reported.event
        deadline = None
        if isinstance(event, CaseAssignment):
            self._check_owner(event.owner)
            deadline = None if event.deadline is None else micros(event.deadline)
        with self._service.store.read() as connection:
            case = must_see(connection, self._caller, case_id).case
            self._check_link(connection, event.model_dump())
        taken = f"agreed:{event.of}" if isinstance(event, Agreement) else secrets.token_hex(8)
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
        return self.acknowledge(done, reported.model_dump(mode="json"))

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

    def acknowledge(self, done: StoredRecord, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer about a step that is recorded."""
        warnings = [
            {"at": at, "rule": "looks_like_name", "why": LOOKS_LIKE_NAME}
            for at in find_name_signs(content)
        ]
        known = {"case_id": done.entry.subject, "sequence": done.entry.seq, "warnings": warnings}
        return known | self._service.answers.receipt(done)

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
        from engine.links.requests.facts import find_request

        if not self._caller.may("GET", "/v1/attentions/{request_id}"):
            raise NotFoundError("attention", name)
        with self._service.store.read() as connection:
            find_request(connection, name)

    def _check_link(self, connection: Connection, event: Mapping[str, Any]) -> None:
        if event["kind"] == "link" and event["of"] in ("act", "seizure"):
            self._find_post(connection, event["of"], event["id"])

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


async def case_writer_of(caller: TheCaller, service: TheService, key: IdempotencyKey) -> CaseWriter:
    """Return what takes the caller's steps, once for each of their idempotency keys."""
    return CaseWriter(service, caller, key)


TheWriter = Annotated[CaseWriter, Depends(case_writer_of)]
