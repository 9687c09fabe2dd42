"""Answers about people and keys."""

from datetime import datetime
from typing import Literal

from api.auth.account_grants import GrantKind, GrantPhase
from api.http.schema_base import AnswerSchema
from engine.domain.rights import Role
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
