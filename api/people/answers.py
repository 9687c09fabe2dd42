"""People, keys and proposals, as an administrator may see them."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, select

from api.auth.account_grants import AccountGrant, GrantKind, GrantPhase
from api.auth.authority import Authority, KeyGrant, PersonGrant
from api.auth.callers import Caller
from api.auth.key_uses import TAKEN, read_last_uses
from api.auth.permissions import OWNED
from api.auth.tables import KEY_USES, SESSIONS
from api.http.answers import Answer, Time
from api.service.runtime import Runtime
from engine.domain.rights import Role
from engine.domain.time_units import MINUTE, rfc3339
from engine.errors import NotFoundError

KeyState = Literal["active", "only_reads", "revoked", "replaced"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonView(Answer):
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
    last_sign_in_at: Time | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView(Answer):
    """A key."""

    key_id: str
    label: str | None
    """What it is for, in words."""
    role: Role
    post: str | None
    agency: str | None
    owner: str | None
    state: KeyState
    """``only_reads``: no person answers for a key that would propose or approve; ``replaced``:
    another took its place, and its time is over."""
    created_at: Time
    until: Time | None
    """When it opens nothing any more, because another replaces it."""
    last_used_at: Time | None
    """Of a call that was taken or refused, to the minute; null for a key that was never used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRefusal(Answer):
    """Why calls of a key were refused."""

    reason: str
    """Title of the problem, with the first field and rule that it names."""
    calls: int
    """Calls that were refused for it on the local day of the last one."""
    last_at: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUsage(Answer):
    """A key, what it called today, and why calls were refused.

    Where several processes serve, it is some seconds behind.
    """

    tables = ("refusals",)
    key: KeyView
    calls_today: int
    """Of the local day of its post, in UTC without one; refused ones included."""
    refused_today: int
    last_taken_at: Time | None
    refusals: list[KeyRefusal]
    """The latest first."""
    replacement: "AccountProposalView | None"
    """The key that shall take its place, while it waits for approval or for its two codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountProposalView(Answer):
    """What one administrator proposed, and what became of it."""

    proposal: str
    grant: GrantKind
    name: str | None
    role: Role | None
    post: str | None
    agency: str | None
    owner: str | None
    label: str | None
    replaces: str | None
    """The key whose place a new one takes, which opens for seven days longer."""
    by: str
    proposed_at: Time
    approved_by: str | None
    state: GrantPhase
    until: Time
    """When it lapses: seven days after the proposal, then seven days after the approval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleAnswer(Answer):
    """People by name, keys and proposals with the newest first."""

    tables = ("people", "keys", "proposals")
    people: list[PersonView]
    keys: list[KeyView]
    proposals: list[AccountProposalView]


def list_people(service: Runtime, caller: Caller) -> PeopleAnswer:
    """Return people by name, keys and proposals with the newest first, of the caller's reach."""
    last = select(SESSIONS.c.name, func.max(SESSIONS.c.signed_in_at)).group_by(SESSIONS.c.name)
    with service.store.read() as connection:
        now = service.journal.now(connection)
        signed_in = {row[0]: row[1] for row in connection.execute(last)}
        used = read_last_uses(connection)
        authority = service.accounts.look()
    people = sorted(authority.people(), key=lambda one: one.name)
    keys = reversed(authority.every_key())
    grants = sorted(authority.grants.every(), key=lambda one: -one.state.proposed_at)
    return PeopleAnswer(
        people=[
            _describe_person(one, authority, signed_in.get(one.name))
            for one in people
            if _reaches(caller, one.agency, one.post)
        ],
        keys=[
            _describe_key(one, authority, used.get(one.key_id), now)
            for one in keys
            if _reaches(caller, one.agency, one.post)
        ],
        proposals=[
            _describe_grant(one, now)
            for one in grants
            if _reaches(caller, one.content.get("agency"), one.content.get("post"))
        ],
    )


def describe_usage(service: Runtime, caller: Caller, key_id: str) -> KeyUsage:
    """Return a key with its uses; raises ``NotFoundError`` for none of the caller's reach."""
    uses = service.callers.uses
    uses.flush()
    with service.store.read() as connection:
        now = service.journal.now(connection)
        authority = service.accounts.look()
        found = next((one for one in authority.every_key() if one.key_id == key_id), None)
        if found is None or not _reaches(caller, found.agency, found.post):
            raise NotFoundError("key", key_id)
        query = select(KEY_USES).where(KEY_USES.c.key_id == key_id)
        rows = connection.execute(query.order_by(KEY_USES.c.used_at.desc())).all()
    replacements = (
        one
        for one in authority.grants.every()
        if one.content.get("replaces") == key_id and one.phase(now) in ("proposed", "approved")
    )
    replacement = next(replacements, None)
    today = uses.day(now, found.post)
    counted = {row.reason: row.calls for row in rows if row.day == today}
    taken = next((row.used_at for row in rows if row.reason == TAKEN), None)
    return KeyUsage(
        key=_describe_key(found, authority, rows[0].used_at if rows else None, now),
        calls_today=sum(counted.values()),
        refused_today=sum(calls for reason, calls in counted.items() if reason != TAKEN),
        last_taken_at=None if taken is None else rfc3339(taken),
        refusals=[
            KeyRefusal(reason=row.reason, calls=row.calls, last_at=rfc3339(row.used_at))
            for row in rows
            if row.reason != TAKEN
        ],
        replacement=None if replacement is None else _describe_grant(replacement, now),
    )


def _reaches(caller: Caller, agency: str | None, post: str | None) -> bool:
    return caller.covers(agency) and caller.post in (None, post)


def _describe_person(one: PersonGrant, authority: Authority, last: int | None) -> PersonView:
    is_there = authority.person(one.name) is not None
    return PersonView(
        name=one.name,
        role=one.role,
        post=one.post,
        agency=one.agency,
        state="removed" if one.is_removed else "active" if is_there else "not_granted",
        signs_on_by="password" if one.mapping is None else "provider",
        owner=one.owner,
        last_sign_in_at=None if last is None else rfc3339(last),
    )


def _describe_key(one: KeyGrant, authority: Authority, used: int | None, now: int) -> KeyView:
    answers = one.role not in OWNED or authority.person_behind(one) is not None
    state: KeyState = "active" if answers else "only_reads"
    if one.is_over(now):
        state = "revoked" if one.is_revoked else "replaced"
    return KeyView(
        key_id=one.key_id,
        label=one.label,
        role=one.role,
        post=one.post,
        agency=one.agency,
        owner=one.owner,
        state=state,
        created_at=rfc3339(one.created_at),
        until=None if one.until is None else rfc3339(one.until),
        last_used_at=None if used is None else rfc3339(used - used % MINUTE),
    )


def _describe_grant(one: AccountGrant, now: int) -> AccountProposalView:
    content, state = one.content, one.state
    return AccountProposalView(
        proposal=state.subject,
        grant=content["grant"],
        name=content.get("name"),
        role=content.get("role"),
        post=content.get("post"),
        agency=content.get("agency"),
        owner=content.get("owner"),
        label=content.get("label"),
        replaces=content.get("replaces"),
        by=state.author,
        proposed_at=rfc3339(state.proposed_at),
        approved_by=state.approvals[-1] if state.approvals else None,
        state=one.phase(now),
        until=rfc3339(one.until),
    )
