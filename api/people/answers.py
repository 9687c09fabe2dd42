"""People, keys and proposals, as an administrator may see them."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select

from api.auth.account_grants import AccountGrant, GrantKind, GrantPhase
from api.auth.authority import Authority, KeyGrant, PersonGrant
from api.auth.callers import Caller
from api.auth.permissions import OWNED
from api.auth.tables import SESSIONS
from api.http.answers import AnswerSchema
from api.service.runtime import Runtime
from engine.domain.rights import Role
from engine.domain.time_units import rfc3339
from engine.journal.receipts import Receipt


class PersonView(AnswerSchema):
    """A person with an account."""

    name: str
    role: Role
    post: str | None
    """The one post that is reached; null means every post."""
    agency: str | None
    state: Literal["active", "removed", "not_granted"]
    """``not_granted``: of the identity provider, whose claims grant nothing any more."""
    signs_on_by: Literal["password", "provider"]
    owner: str | None
    """The local account with which an account of the provider is one person."""
    last_sign_in_at: datetime | None


class KeyView(AnswerSchema):
    """A key; when it was used last is not kept."""

    key_id: str
    role: Role
    post: str | None
    agency: str | None
    owner: str | None
    state: Literal["active", "only_reads", "revoked"]
    """``only_reads``: no person answers for a key that would propose or approve."""
    created_at: datetime


class AccountProposalView(AnswerSchema):
    """What one administrator proposed, and what became of it."""

    proposal: str
    grant: GrantKind
    name: str | None
    role: Role | None
    post: str | None
    agency: str | None
    owner: str | None
    by: str
    proposed_at: datetime
    approved_by: str | None
    state: GrantPhase
    until: datetime
    """When it lapses: seven days after the proposal, then seven days after the approval."""


class PeopleAnswer(AnswerSchema):
    """People by name, keys and proposals with the newest first."""

    tables = ("people", "keys", "proposals")
    people: list[PersonView]
    keys: list[KeyView]
    proposals: list[AccountProposalView]


class AccountEnd(AnswerSchema):
    """A withdrawal, a removal or a revocation that stands in the journal."""

    kind: Literal["account_withdrawn", "user_left", "key_revoked"]
    id: str
    """Of the proposal or the key, or the name of the person."""
    recorded_at: datetime
    receipt: Receipt


class AccountStep(AnswerSchema):
    """A proposal or an approval that stands in the journal."""

    kind: str
    id: str
    """Of the proposal."""
    state: str
    code: str | None
    """One of the two codes of the invitation, for the person it is meant for; null where no secret
    follows, as of another role."""
    recorded_at: datetime
    receipt: Receipt


def list_people(service: Runtime, caller: Caller) -> dict[str, list[dict[str, Any]]]:
    """Return people by name, keys and proposals with the newest first, of the caller's reach."""
    last = select(SESSIONS.c.name, func.max(SESSIONS.c.signed_in_at)).group_by(SESSIONS.c.name)
    with service.store.read() as connection:
        now = service.journal.now(connection)
        signed_in = {row[0]: row[1] for row in connection.execute(last)}
        authority = service.accounts.look()
    people = sorted(authority.people(), key=lambda one: one.name)
    keys = reversed(authority.every_key())
    grants = sorted(authority.grants.every(), key=lambda one: -one.state.proposed_at)
    return {
        "people": [
            _describe_person(one, authority, signed_in.get(one.name))
            for one in people
            if _reaches(caller, one.agency, one.post)
        ],
        "keys": [
            _describe_key(one, authority) for one in keys if _reaches(caller, one.agency, one.post)
        ],
        "proposals": [
            _describe_grant(one, now)
            for one in grants
            if _reaches(caller, one.content.get("agency"), one.content.get("post"))
        ],
    }


def _reaches(caller: Caller, agency: str | None, post: str | None) -> bool:
    return caller.covers(agency) and caller.post in (None, post)


def _describe_person(one: PersonGrant, authority: Authority, last: int | None) -> dict[str, Any]:
    is_there = authority.person(one.name) is not None
    return {
        "name": one.name,
        "role": one.role,
        "post": one.post,
        "agency": one.agency,
        "state": "removed" if one.is_removed else "active" if is_there else "not_granted",
        "signs_on_by": "password" if one.mapping is None else "provider",
        "owner": one.owner,
        "last_sign_in_at": None if last is None else rfc3339(last),
    }


def _describe_key(one: KeyGrant, authority: Authority) -> dict[str, Any]:
    answers = one.role not in OWNED or authority.person_behind(one) is not None
    return {
        "key_id": one.key_id,
        "role": one.role,
        "post": one.post,
        "agency": one.agency,
        "owner": one.owner,
        "state": "revoked" if one.is_revoked else "active" if answers else "only_reads",
        "created_at": rfc3339(one.created_at),
    }


def _describe_grant(one: AccountGrant, now: int) -> dict[str, Any]:
    content, state = one.content, one.state
    names = ("name", "role", "post", "agency", "owner")
    return {
        "proposal": state.subject,
        "grant": content["grant"],
        **{name: content.get(name) for name in names},
        "by": state.author,
        "proposed_at": rfc3339(state.proposed_at),
        "approved_by": state.approvals[-1] if state.approvals else None,
        "state": one.phase(now),
        "until": rfc3339(one.until),
    }
