"""Requests to partners, answers and withdrawals of one caller: their bodies, each recorded once.

A person sends each of them: power over a vehicle of the other side is used in that person's name.
People of the other side decide what comes of it.
"""

import secrets
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.attentions.answers import AcknowledgedRequest, must_see_link, read_request
from api.auth.callers import OWNERLESS, Caller
from api.cases.steps import choose_passed_files
from api.http.dependencies import of_caller
from api.service.runtime import Runtime
from engine.domain.field_types import HandlingCode, Hex32, Identifier, Text
from engine.domain.records import OptionalReason, Record
from engine.domain.time_units import moment
from engine.errors import NotAllowedError
from engine.journal.batch_worker import StoredRecord
from engine.journal.idempotency import claim
from engine.links.exchange import LinkExchange
from engine.links.messages import (
    MOST_FILES,
    Answer,
    Attention,
    AttentionTerms,
    CaseOffer,
    CaseTerms,
    OfferedFile,
    OutcomeReport,
    OutcomeTerms,
    Withdraw,
)
from engine.links.outbox import OutgoingMessage
from engine.links.requests import open_request, take_step

Handling = Annotated[tuple[HandlingCode, ...], Field(max_length=3)]
Words = Annotated[Text, Field(min_length=1)]


class AttentionRequest(AttentionTerms):
    """A request to a partner about one identifier, until 30 days ahead at most."""

    link: Identifier
    """Name of the agreement."""
    why: Words | None = None
    handling: Handling = ()
    EXAMPLE: ClassVar = {
        "link": "oybek_fotehobod",
        "identifier": "plate",
        "value": "01A123BC",
        "action": "search",
        "answer_by": "2024-03-07T11:00:00Z",
        "until": "2024-03-08T11:00:00Z",
        "why": "Seen at night at a warehouse that is watched.",
        "source": "B",
        "information": "2",
        "handling": ["H2"],
    }


class CaseRequest(CaseTerms):
    """The offer of a common case, to be answered within 30 days at most."""

    link: Identifier
    """Name of the agreement."""
    summary: Words | None = None
    handling: Handling = ()
    case: Identifier | None = None
    """An own case, whose files can be named; its name does not travel."""
    files: Annotated[tuple[Hex32, ...], Field(max_length=MOST_FILES)] = ()
    """Files of that case by their SHA-256: their content leaves once the offer is accepted."""

    EXAMPLE: ClassVar = {
        "link": "oybek_fotehobod",
        "answer_by": "2024-03-14T11:00:00Z",
        "summary": "Three finds of one carrier on both sides.",
        "attentions": ["attention-5f2c0d9b7a1e4c33"],
    }

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.files and self.case is None:
            raise PydanticCustomError("missing_key", "of the files", {"field": "case"})
        return self


class OutcomeRequest(OutcomeTerms):
    """Outcome of a vehicle, as a person reports it."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.is_searched and self.outcome is None:
            raise PydanticCustomError("missing_key", "of a search", {"field": "outcome"})
        if not self.is_searched and (self.outcome or self.methods):
            why = "only of a search"
            raise PydanticCustomError("unknown_field", "{why}", {"field": "outcome", "why": why})
        return self


class RequestAnswer(Record):
    """An answer to a request of a partner."""

    answer: Literal["accepted", "declined", "returned", "reported"]
    """``reported`` closes an attention, ``returned`` gives an accepted case back."""
    reason: Words | None = None
    """Owed with ``declined`` and ``returned``."""
    report: OutcomeRequest | None = None
    """Owed with ``reported``."""

    EXAMPLE: ClassVar = {"answer": "declined", "reason": "The vehicle left an hour ago."}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.answer in ("declined", "returned") and self.reason is None:
            raise PydanticCustomError("missing_key", "say why", {"field": "reason"})
        if (self.answer == "reported") != (self.report is not None):
            raise PydanticCustomError("missing_key", "with reported alone", {"field": "report"})
        return self


class RequestWriter:
    """Takes the steps of one caller; each is answered with its receipt."""

    def __init__(self, service: Runtime, caller: Caller, key: str | None) -> None:
        self._service = service
        self._caller = caller
        self._key = caller.own(key)

    def ask(self, asked: AttentionRequest) -> AcknowledgedRequest:
        """Ask a partner for attention."""
        name = f"attention-{secrets.token_hex(8)}"
        about = asked.model_dump(exclude={"link", "handling"})
        link = must_see_link(self._service, self._caller, asked.link)
        message = Attention(attention=name, **about)
        sent = self._send("attention", asked, name, message, handling=asked.handling)
        found = open_request(self._open_exchange(), link, sent)
        return self._acknowledge(found, found.body["body"]["attention"])

    def offer(self, asked: CaseRequest) -> AcknowledgedRequest:
        """Offer a partner a common case, with files of an own one where they may be passed on.

        Raises ``RecordError`` for a file with H2, or that the agreement does not let travel.
        """
        name = f"case-{secrets.token_hex(8)}"
        about = asked.model_dump(exclude={"link", "handling", "case", "files"})
        link = must_see_link(self._service, self._caller, asked.link)
        files: tuple[OfferedFile, ...] = ()
        limits = asked.handling
        if asked.case is not None:
            files, known = choose_passed_files(self._service, self._caller, asked.case, asked.files)
            limits = tuple(sorted({*limits, *known}))
        message = CaseOffer(case=name, files=files, **about)
        sent = self._send("case", asked, name, message, handling=limits)
        found = open_request(self._open_exchange(), link, sent)
        return self._acknowledge(found, found.body["body"]["case"])

    def answer(self, name: str, answered: RequestAnswer) -> AcknowledgedRequest:
        """Answer a request of a partner."""
        read_request(self._service, name, self._caller)

        message: Answer | OutcomeReport
        if answered.report is None:
            about = {"about": name, "answer": answered.answer, "reason": answered.reason}
            message = Answer.model_validate(about)
        else:
            with self._service.store.read() as connection:
                now = self._service.journal.now(connection)
            known = answered.report.model_dump()
            message = OutcomeReport(outcome_of=name, recorded_at=moment(now), **known)
        sent = self._send("request_answer", answered, name, message)
        return self._acknowledge(take_step(self._open_exchange(), name, sent), name)

    def withdraw(self, name: str, withdrawn: OptionalReason) -> AcknowledgedRequest:
        """Withdraw a request of this side."""
        read_request(self._service, name, self._caller)
        message = Withdraw(attention=name, reason=withdrawn.reason)
        sent = self._send("request_withdrawal", withdrawn, name, message)
        return self._acknowledge(take_step(self._open_exchange(), name, sent), name)

    def _open_exchange(self) -> LinkExchange:
        from api.links.exchanges import open_exchange

        service = self._service
        return open_exchange(service.home, service.store, service.journal)

    def _send(
        self,
        kind: str,
        record: Record,
        name: str,
        message: Record,
        *,
        handling: tuple[HandlingCode, ...] = (),
    ) -> OutgoingMessage:
        """Return what this person sends once; raises ``NotAllowedError`` for a machine."""
        if not self._caller.is_person:
            raise NotAllowedError(OWNERLESS)
        step = f"{kind}:{name}:{secrets.token_hex(8)}"
        about = "" if kind in ("attention", "case") else name
        asked = claim(kind, record, post="", name=step, key=self._key, about=about)
        return OutgoingMessage(message, handling, by=self._caller.person, claim=asked)

    def _acknowledge(self, found: StoredRecord, name: str) -> AcknowledgedRequest:
        seen = read_request(self._service, name, self._caller)
        receipt = self._service.answers.receipt(found)
        return AcknowledgedRequest(id=name, state=seen.state, **receipt)


TheWriter = Annotated[RequestWriter, of_caller(RequestWriter)]
