"""Steps of administrators about people and keys, each recorded once, and redeemed invitations.

A step that grants power takes two people: one proposes, another approves. A step that takes power
away is done by one at once. Dual control says which approvals count
(:mod:`engine.criteria.dual_control`), and the journal what is granted
(:mod:`api.auth.account_grants`). The secret that two administrators granted is made, and shown
once, when its invitation is redeemed.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Self

from fastapi import Depends
from pydantic import model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection

from api.auth.account_grants import AccountGrant, AccountRequest, are_codes, derive_codes
from api.auth.accounts import IssuedCredential
from api.auth.authority import KeyGrant, PersonGrant
from api.auth.callers import OTHER_AGENCY, Caller
from api.auth.credentials import FIELD, open_pepper
from api.http.access import check_post
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.service.runtime import Runtime
from engine.criteria.dual_control import draft_approval, draft_proposal
from engine.domain.records import Identifier, Record
from engine.domain.rights import Matter, Right
from engine.errors import ConflictError, NotAllowedError, NotAuthenticatedError, NotFoundError
from engine.journal.batch_worker import StoredRecord
from engine.journal.entries import Draft, Kind
from engine.journal.idempotency import IdempotencyClaim, claim
from engine.journal.kinds import (
    ACCOUNT_APPROVED,
    ACCOUNT_PROPOSED,
    ACCOUNT_WITHDRAWN,
    KEY_CREATED,
    KEY_REVOKED,
    PASSWORD_CHANGED,
    USER_CREATED,
    USER_LEFT,
    AccountBody,
)

CONTENT = ("grant", "name", "role", "post", "agency", "owner")
"""What a proposal's record holds of its request."""


class AccountApproval(Record):
    """Another administrator's agreement to a proposal."""


class AccountWithdrawal(Record):
    """The end of a proposal, or of an invitation that was not redeemed."""


class AccountRemoval(Record):
    """A person to remove, or a key to revoke."""

    name: Identifier | None = None
    key_id: Identifier | None = None

    @model_validator(mode="after")
    def _check_subject(self) -> Self:
        if (self.name is None) == (self.key_id is None):
            why = "name a person or a key, and not both"
            raise PydanticCustomError("missing_key", why, {"field": "name"})
        return self


class AccountWriter:
    """Takes the steps of one administrator; each is answered as JSON values, with its receipt."""

    def __init__(self, service: Runtime, caller: Caller, key: str | None = None) -> None:
        self._service = service
        self._caller = caller
        self._key = caller.own(key)

    def propose(self, wanted: AccountRequest) -> dict[str, Any]:
        """Propose a grant, and return the proposer's code where a secret follows from it.

        Raises ``NotAllowedError`` for an administrator of one post or of another agency, and what
        :meth:`api.auth.accounts.Accounts.resolve_request` raises.
        """
        service, caller = self._service, self._caller
        service.accounts.check_governor(caller.person, Right.ACT)
        if wanted.post is not None:
            check_post(service.network, caller, wanted.post)
        subject, post = f"account-{secrets.token_hex(8)}", wanted.post or ""
        asked = claim(ACCOUNT_PROPOSED, wanted, post=post, name=subject, key=self._key)

        def draft(_: Connection) -> Draft:
            resolved = service.accounts.resolve_request(wanted)
            if wanted.name is not None and wanted.grant != "person":
                self._must_cover(service.accounts.agency_of(wanted.name))
            self._must_cover(resolved.agency)
            content = resolved.model_dump(mode="json", exclude_none=True)
            made = draft_proposal("account", subject, by=caller.person, content=content, post=post)
            return replace(made, body={**made.body, "claim": asked.as_dict()})

        done = service.recording.once(asked, draft)
        return self._answer(done, done.body["content"]["grant"], half=0)

    def approve(self, subject: str) -> dict[str, Any]:
        """Grant what another administrator proposed, and return the approver's code.

        Raises ``NotFoundError``, ``NotAllowedError``, ``SecondPersonError``, ``ConflictError``
        where nothing waits any more, and ``LapsedProposalError`` for the proposal of a person who
        left.
        """
        service, caller = self._service, self._caller
        service.accounts.check_governor(caller.person, Right.APPROVE)

        def draft(connection: Connection) -> Draft:
            found = self._find(connection, subject)
            self._must_wait(connection, found, "proposed")
            state = found.state
            made = draft_approval("account", state, by=caller.person)
            first, second = state.author, caller.person
            service.accounts.must_second(Matter.PEOPLE, first=first, second=second)
            if state.content["grant"] != "role":
                return made
            return replace(made, body={**made.body, "content": dict(state.content)})

        done = self._step(ACCOUNT_APPROVED, subject, AccountApproval(), draft)
        with service.store.read() as connection:
            grant = self._find(connection, subject).content["grant"]
        return self._answer(done, grant, half=1)

    def withdraw(self, subject: str) -> dict[str, Any]:
        """End a proposal or an invitation; raises ``NotFoundError``, ``ConflictError``."""

        def draft(connection: Connection) -> Draft:
            self._must_wait(connection, self._find(connection, subject), "proposed", "approved")
            body: AccountBody = {"by": self._caller.person}
            return ACCOUNT_WITHDRAWN.draft(subject, body)

        done = self._step(ACCOUNT_WITHDRAWN, subject, AccountWithdrawal(), draft)
        return self._service.answers.acknowledge(done, identifier=subject)

    def remove(self, wanted: AccountRemoval) -> dict[str, Any]:
        """Remove a person, with sessions and keys, or revoke a key, at once.

        Raises ``NotFoundError`` for one that is not known, or not any more, and
        ``NotAllowedError`` for one of another agency or post.
        """
        kind = KEY_REVOKED if wanted.name is None else USER_LEFT
        subject = str(wanted.key_id if wanted.name is None else wanted.name)

        def draft(_: Connection) -> Draft:
            found = self._find_account(kind, subject)
            if self._caller.post not in (None, found.post):
                raise NotAllowedError("this account is of another post", "post")
            self._must_cover(found.agency)
            body: AccountBody = {"by": self._caller.person}
            post = found.post or "" if kind == KEY_REVOKED else ""
            return kind.draft(subject, body, post=post)

        done = self._step(kind, subject, wanted, draft)
        return self._service.answers.acknowledge(done, identifier=subject)

    def _find_account(self, kind: Kind[AccountBody], subject: str) -> KeyGrant | PersonGrant:
        authority = self._service.accounts.look()
        if kind == KEY_REVOKED:
            keys = (one for one in authority.every_key() if not one.is_revoked)
            key = next((one for one in keys if one.key_id == subject), None)
            if key is None:
                raise NotFoundError("key", subject)
            return key
        person = authority.subject(subject) or authority.person(subject)
        if person is None or person.is_removed:
            raise NotFoundError("user", subject)
        return person

    def _step(
        self, kind: Kind[Any], subject: str, wanted: Record, draft: Callable[[Connection], Draft]
    ) -> StoredRecord:
        """Record a step that is taken once about its subject, however often it is asked for."""
        asked = claim(kind, wanted, post="", name=f"{kind}:{subject}", about=subject)

        def draft_claimed(connection: Connection) -> Draft:
            made = draft(connection)
            return replace(made, body={**made.body, "claim": asked.as_dict()})

        return self._once(asked, draft_claimed)

    def _once(self, asked: IdempotencyClaim, draft: Callable[[Connection], Draft]) -> StoredRecord:
        done = self._service.recording.once(asked, draft)
        if done.body["by"] != self._caller.person:
            raise ConflictError(asked.kind, asked.names[-1], "another person did it already")
        return done

    def _find(self, connection: Connection, subject: str) -> AccountGrant:
        """Return a grant that the caller reaches; raises ``NotFoundError``."""
        authority = self._service.accounts.look()
        found = authority.grants.find(subject)
        if found is None or not self._caller.covers(found.content.get("agency")):
            raise NotFoundError("proposal", subject)
        return found

    def _must_wait(self, connection: Connection, found: AccountGrant, *phases: str) -> None:
        phase = found.phase(self._service.journal.now(connection))
        if phase not in phases:
            raise ConflictError("account", found.state.subject, f"it is {phase} already")

    def _must_cover(self, agency: str | None) -> None:
        if not self._caller.covers(agency):
            raise NotAllowedError(OTHER_AGENCY, "agency")

    def _answer(self, done: StoredRecord, grant: str, *, half: int) -> dict[str, Any]:
        """Return what a step led to, with one code of the invitation where there is one."""
        service = self._service
        code = None
        if grant != "role":
            code = derive_codes(done.entry.subject, open_pepper(service.home))[half]
        return service.answers.acknowledge_step(done) | {"code": code}


async def writer_of(
    caller: TheCaller, service: TheService, key: IdempotencyKey = None
) -> AccountWriter:
    """Return the steps that a caller takes."""
    return AccountWriter(service, caller, key)


TheWriter = Annotated[AccountWriter, Depends(writer_of)]


_KINDS = {"person": USER_CREATED, "key": KEY_CREATED, "password": PASSWORD_CHANGED}


class Redemption(Record):
    """The use of an invitation, once."""


def redeem(service: Runtime, codes: tuple[str, str]) -> tuple[str, IssuedCredential]:
    """Make the secret of an invitation, and return what was granted with it.

    Raises ``NotAuthenticatedError`` where no open invitation has these two codes,
    ``ConflictError`` where it was redeemed meanwhile, and what
    :meth:`api.auth.accounts.Accounts.draft_granted` raises.
    """
    pepper = open_pepper(service.home)
    granted = _find(service, codes, pepper)
    subject, content = granted.state.subject, granted.content
    wanted = AccountRequest.model_validate(
        {name: content[name] for name in CONTENT if name in content}, strict=False
    )
    post = "" if wanted.grant == "password" else wanted.post or ""
    kind = _KINDS[wanted.grant]
    asked = claim(kind, Redemption(), post=post, name=f"invitation:{subject}", about=subject)
    made: list[tuple[IssuedCredential, str]] = []
    if wanted.grant == "key":
        service.accounts.check_node(wanted.post)

    def draft(_: Connection) -> Draft:
        issued, record = service.accounts.draft_granted(wanted, grant=subject, pepper=pepper)
        record.body["claim"] = asked.as_dict()
        made.append((issued, record.body[FIELD]))
        return record

    done = service.recording.once(asked, draft)
    for issued, commitment in made:
        if done.body[FIELD] == commitment:
            if wanted.grant == "key":
                service.accounts.send_key(issued, wanted.owner)
            return wanted.grant, issued
    raise ConflictError("invitation", subject, "it was redeemed already")


def _find(service: Runtime, codes: tuple[str, str], pepper: bytes) -> AccountGrant:
    with service.store.read() as connection:
        now = service.journal.now(connection)
    for one in service.accounts.look().grants.every():
        is_open = one.phase(now) == "approved" and one.content["grant"] in _KINDS
        if is_open and are_codes(codes, one.state.subject, pepper):
            return one
    raise NotAuthenticatedError
