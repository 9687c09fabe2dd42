"""Requests and answers of one caller, each recorded once.

A person sends: power over a vehicle of the other side is used in that person's name. What comes of
it there is decided by people there.
"""

import secrets
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends

from api.attentions.bodies import (
    AttentionRequest,
    CaseRequest,
    RequestAnswer,
    RequestWithdrawal,
)
from api.attentions.reads import must_see_link, read_request
from api.auth.callers import OWNERLESS, Caller
from api.cases.files import choose_passed_files
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.service.runtime import Runtime
from engine.domain.records import Record
from engine.domain.time_units import moment
from engine.errors import NotAllowedError
from engine.journal.batch_worker import StoredRecord
from engine.journal.idempotency import claim
from engine.links.envelope import HandlingCode

if TYPE_CHECKING:
    from engine.links.requests.request_desk import RequestDesk, RequestSender


class RequestWriter:
    """Takes the steps of one caller; each is answered as JSON values, with its receipt."""

    def __init__(self, service: Runtime, caller: Caller, key: str | None) -> None:
        self._service = service
        self._caller = caller
        self._key = caller.own(key)

    def ask(self, asked: AttentionRequest) -> dict[str, Any]:
        """Ask a partner for attention."""
        from engine.links.messages import Attention

        name = f"attention-{secrets.token_hex(8)}"
        about = asked.model_dump(exclude={"link", "handling"})
        sender = self._sender("attention", asked, name, handling=asked.handling)
        link = must_see_link(self._service, self._caller, asked.link)
        found = self._desk().open(link, Attention(attention=name, **about), sender)
        return self._acknowledge(found, found.body["body"]["attention"])

    def offer(self, asked: CaseRequest) -> dict[str, Any]:
        """Offer a partner a common case, with files of an own one where they may be passed on.

        Raises ``RecordError`` for a file with H2, or that the agreement does not let travel.
        """
        from engine.links.messages import CaseOffer, OfferedFile

        name = f"case-{secrets.token_hex(8)}"
        about = asked.model_dump(exclude={"link", "handling", "case", "files"})
        link = must_see_link(self._service, self._caller, asked.link)
        files: tuple[OfferedFile, ...] = ()
        limits = asked.handling
        if asked.case is not None:
            files, known = choose_passed_files(self._service, self._caller, asked.case, asked.files)
            limits = tuple(sorted({*limits, *known}))
        sender = self._sender("case", asked, name, handling=limits)
        found = self._desk().open(link, CaseOffer(case=name, files=files, **about), sender)
        return self._acknowledge(found, found.body["body"]["case"])

    def answer(self, name: str, answered: RequestAnswer) -> dict[str, Any]:
        """Answer a request of a partner."""
        from engine.links.messages import Answer, OutcomeReport

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
        sender = self._sender("request_answer", answered, name)
        return self._acknowledge(self._desk().take_step(name, message, sender), name)

    def withdraw(self, name: str, withdrawn: RequestWithdrawal) -> dict[str, Any]:
        """Withdraw a request of this side."""
        from engine.links.messages import Withdraw

        read_request(self._service, name, self._caller)
        message = Withdraw(attention=name, reason=withdrawn.reason)
        sender = self._sender("request_withdrawal", withdrawn, name)
        return self._acknowledge(self._desk().take_step(name, message, sender), name)

    def _desk(self) -> "RequestDesk":
        from api.links.exchanges import open_exchange
        from engine.links.requests.request_desk import RequestDesk

        service = self._service
        return RequestDesk(open_exchange(service.home, service.store, service.journal))

    def _sender(
        self, kind: str, record: Record, name: str, *, handling: tuple[HandlingCode, ...] = ()
    ) -> "RequestSender":
        """Return who sends; raises ``NotAllowedError`` for a machine."""
        from engine.links.requests.request_desk import RequestSender

        if not self._caller.is_person:
            raise NotAllowedError(OWNERLESS)
        step = f"{kind}:{name}:{secrets.token_hex(8)}"
        about = "" if kind in ("attention", "case") else name
        asked = claim(kind, record, post="", name=step, key=self._key, about=about)
        return RequestSender(self._caller.person, asked, handling)

    def _acknowledge(self, found: StoredRecord, name: str) -> dict[str, Any]:
        seen = read_request(self._service, name, self._caller)
        return {"id": name, "state": seen["state"]} | self._service.answers.receipt(found)


async def writer_of(caller: TheCaller, service: TheService, key: IdempotencyKey) -> RequestWriter:
    """Return what takes the caller's steps, once for each of their idempotency keys."""
    return RequestWriter(service, caller, key)


TheWriter = Annotated[RequestWriter, Depends(writer_of)]
