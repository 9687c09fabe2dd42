"""People, keys and the table of agencies: what administrators decide, and redeemed invitations.

What grants power is a matter of two people: one administrator proposes, another approves. What
takes power away, one does at once. :mod:`api.auth.account_grants` says what the journal grants. The
secret that two administrators granted is made, and shown once, when its invitation is redeemed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection

from api.auth.account_grants import AccountGrant, AccountRequest, are_codes, derive_codes
from api.auth.accounts import GOVERNORS, IssuedCredential
from api.auth.agencies import AgencyTable, check_agency, table_content
from api.auth.authority import Authority, KeyGrant, PersonGrant
from api.auth.callers import OTHER_AGENCY, Caller
from api.auth.credentials import FIELD, open_pepper
from api.http.answers import Acknowledged, AcknowledgedAccount, acknowledge, describe_step
from api.proposals.matters import BY_GOVERNORS, ProposalMatter, Step, name_at_random
from api.service.runtime import Runtime
from engine.criteria.dual_control import ApprovalState
from engine.domain.field_types import Identifier
from engine.domain.records import NoContent, Record
from engine.domain.rights import Matter, Right, Role
from engine.errors import (
    ConflictError,
    NotAllowedError,
    NotAuthenticatedError,
    NotFoundError,
    RecordError,
)
from engine.journal.batch_worker import StoredRecord
from engine.journal.entries import Draft, Kind
from engine.journal.idempotency import claim
from engine.journal.kinds import (
    ACCOUNT_APPROVED,
    ACCOUNT_WITHDRAWN,
    KEY_CREATED,
    KEY_REVOKED,
    PASSWORD_CHANGED,
    USER_CREATED,
    USER_LEFT,
    AccountBody,
)

CONTENT = ("grant", "name", "role", "post", "agency", "owner", "label", "replaces")
"""What a proposal's record holds of its request."""


def _prepare(step: Step, wanted: AccountRequest) -> Mapping[str, Any]:
    accounts, caller = step.service.accounts, step.caller
    resolved = accounts.resolve_request(wanted)
    known = [resolved.agency]
    if wanted.name is not None and wanted.grant != "person":
        known.append(accounts.agency_of(wanted.name))
    if not all(map(caller.covers, known)):
        raise NotAllowedError(OTHER_AGENCY, "agency")
    return resolved.model_dump(mode="json", exclude_none=True)


def _find_end(step: Step, state: ApprovalState) -> str:
    found = step.service.accounts.look().grants.find(state.subject)
    phase = "lapsed" if found is None else found.phase(step.now)
    return "" if phase == "proposed" else f"it is {phase} already"


def _complete(state: ApprovalState, draft: Draft[Any]) -> Draft[Any]:
    """Let the record of another role say which: it counts from there on."""
    if state.content["grant"] != "role":
        return draft
    return replace(draft, body={**draft.body, "content": dict(state.content)})


def _answer(service: Runtime, done: StoredRecord) -> AcknowledgedAccount:
    found, code = service.accounts.look().grants.find(done.entry.subject), None
    if found is not None and found.content["grant"] != "role":
        codes = derive_codes(done.entry.subject, open_pepper(service.home))
        code = codes[done.entry.kind == ACCOUNT_APPROVED]
    return AcknowledgedAccount(**describe_step(service, done), code=code)


ACCOUNT = ProposalMatter(
    name="account",
    content=AccountRequest,
    about=Matter.PEOPLE,
    shown=("GET", "/v1/people"),
    may=dict.fromkeys((Right.ACT, Right.APPROVE), frozenset({Role.ADMINISTRATOR})),
    page="/people#{}",
    is_governing=True,
    subject=name_at_random("account"),
    post=lambda _caller, wanted: wanted.post,
    prepare=_prepare,
    find_end=_find_end,
    complete=_complete,
    answer=_answer,
)


def _prepare_table(step: Step, table: AgencyTable) -> Mapping[str, Any]:
    authority = step.service.accounts.look()
    for agency in table.agencies:
        check_agency(agency, step.service.network, None)
    _check_successors(authority, table)
    return table_content(table, authority.tables.sequence)


def _check_successors(authority: Authority, table: AgencyTable) -> None:
    """Refuse a table that no two people of today could change: it would stand for ever."""
    people = [one for one in map(authority.person, authority.names()) if one is not None]
    may = {
        (person.name, right): table.scopes(person.agency, person.role)[Matter.PEOPLE, right]
        for person in people
        if person.role in GOVERNORS
        and person.post is None
        and person.mapping is None  # a command asks for a password
        for right in (Right.ACT, Right.APPROVE)
    }
    proposers = [name for (name, right), one in may.items() if right == Right.ACT and one != "none"]
    others = [name for (name, right), one in may.items() if right != Right.ACT and one != "none"]
    needs_two = Matter.PEOPLE in table.two_agencies
    agency = authority.agency_of
    for one in proposers:
        for other in others:
            is_apart = None not in (agency(one), agency(other)) and agency(one) != agency(other)
            if one != other and (is_apart or not needs_two):
                return
    why = "no two people could propose and approve the next table: matter people"
    raise RecordError("agencies", "rules", "no_successor", why)


def _find_later_table(step: Step, state: ApprovalState) -> str:
    is_open = state.content["instead_of"] == step.service.accounts.look().tables.sequence
    return "" if is_open else "another one is in force since"


AGENCIES = ProposalMatter(
    name="agencies",
    content=AgencyTable,
    **BY_GOVERNORS,
    subject=name_at_random("agencies"),
    prepare=_prepare_table,
    find_end=_find_later_table,
    file="agencies.toml",
)


class AccountRemoval(Record):
    """A person to remove, or a key to revoke."""

    name: Identifier | None = None
    key_id: Identifier | None = None

    EXAMPLE: ClassVar = {"name": "dilshod"}

    @model_validator(mode="after")
    def _check_subject(self) -> Self:
        if (self.name is None) == (self.key_id is None):
            why = "name a person or a key, and not both"
            raise PydanticCustomError("missing_key", why, {"field": "name"})
        return self


@dataclass(frozen=True, slots=True)
class AccountEnds:
    """Steps by which one administrator ends a grant, a person or a key; each is recorded once."""

    service: Runtime
    caller: Caller

    def withdraw(self, subject: str) -> Acknowledged:
        """End a proposal or an invitation; raises ``NotFoundError``, ``ConflictError``."""

        def draft(connection: Connection) -> Draft:
            found = self.service.accounts.look().grants.find(subject)
            if found is None or not self.caller.covers(found.content.get("agency")):
                raise NotFoundError("proposal", subject)
            phase = found.phase(self.service.journal.now(connection))
            if phase not in ("proposed", "approved"):
                raise ConflictError("account", subject, f"it is {phase} already")
            body: AccountBody = {"by": self.caller.person}
            return ACCOUNT_WITHDRAWN.draft(subject, body)

        return self._record(ACCOUNT_WITHDRAWN, subject, NoContent(), draft)

    def remove(self, wanted: AccountRemoval) -> Acknowledged:
        """Remove a person, with sessions and keys, or revoke a key, at once.

        Raises ``NotFoundError`` for one that is not known, or not any more, and
        ``NotAllowedError`` for one of another agency or post.
        """
        kind = KEY_REVOKED if wanted.name is None else USER_LEFT
        subject = str(wanted.key_id if wanted.name is None else wanted.name)

        def draft(_: Connection) -> Draft:
            found = self._find_account(kind, subject)
            if self.caller.post not in (None, found.post):
                raise NotAllowedError("this account is of another post", "post")
            if not self.caller.covers(found.agency):
                raise NotAllowedError(OTHER_AGENCY, "agency")
            body: AccountBody = {"by": self.caller.person}
            post = found.post or "" if kind == KEY_REVOKED else ""
            return kind.draft(subject, body, post=post)

        return self._record(kind, subject, wanted, draft)

    def _find_account(self, kind: Kind[AccountBody], subject: str) -> KeyGrant | PersonGrant:
        authority = self.service.accounts.look()
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

    def _record(
        self, kind: Kind[Any], subject: str, wanted: Record, draft: Callable[[Connection], Draft]
    ) -> Acknowledged:
        """Record a step that is taken once about its subject, however often it is asked for."""
        asked = claim(kind, wanted, post="", name=f"{kind}:{subject}", about=subject)

        def draft_claimed(connection: Connection) -> Draft:
            made = draft(connection)
            return replace(made, body={**made.body, "claim": asked.as_dict()})

        done = self.service.recording.once(asked, draft_claimed)
        if done.body["by"] != self.caller.person:
            raise ConflictError(asked.kind, asked.names[-1], "another person did it already")
        return acknowledge(self.service, done, subject)


_KINDS = {"person": USER_CREATED, "key": KEY_CREATED, "password": PASSWORD_CHANGED}


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
    asked = claim(kind, NoContent(), post=post, name=f"invitation:{subject}", about=subject)
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
