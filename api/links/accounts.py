"""People and keys of a post, from its centre to the node that decides there.

The centre states each person and key of the node's posts; a state that changed is sent again. At
the node a state becomes records of its own journal, under its own pepper, so that what grants power
there is what that journal says. A name that the node gave itself is never touched.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from api.auth.authority import Authority
from api.auth.credential_commitment import FIELD, commitment_of
from api.auth.credentials import digest, open_pepper
from api.auth.permissions import MACHINES, OWNED
from api.auth.tables import USERS, AccountSecret
from api.auth.user_names import check_name
from engine.domain.rights import Role
from engine.errors import ConflictError, RecordError
from engine.journal.entries import Draft, Kind
from engine.journal.kinds import (
    KEY_CREATED,
    KEY_REVOKED,
    PASSWORD_CHANGED,
    USER_CREATED,
    USER_LEFT,
)
from engine.journal.payloads import AccountBody
from engine.journal.power_records import read_records
from engine.links.exchange import LinkExchange
from engine.links.inbox import ArrivedMessage
from engine.links.key_files import find_link_keys
from engine.links.messages import ACCOUNT, AccountState
from engine.links.outbox import OutgoingMessage, draft_messages
from engine.links.posts.account_messages import (
    carries_accounts,
    open_secret,
    read_sent,
    seal_secret,
)
from engine.links.state import Link
from engine.storage.home import Home


@dataclass(slots=True)
class AccountLine:
    """Sends what changed of people and keys; a :data:`engine.links.exchange.Follower`."""

    _authority: Authority = field(default_factory=Authority)

    def __call__(self, exchange: LinkExchange, name: str) -> int:
        """Seal what is due on a link; return how many envelopes it makes."""
        link = exchange.find_link(name)
        if not carries_accounts(link):
            return 0

        def find(connection: Connection, now: int) -> Sequence[Draft]:
            due = list_due(connection, link, self._authority.look(connection))
            if not due or link.phase(now) != "in_force":
                return []
            given = [OutgoingMessage(ACCOUNT, state) for state in due]
            return draft_messages(connection, now, link, keys=exchange.keys, messages=given)

        with exchange.store.read() as connection:
            if not list_due(connection, link, self._authority.look(connection)):
                return 0
        return len(exchange.journal.append_found(find))


def list_due(connection: Connection, link: Link, authority: Authority) -> list[AccountState]:
    """Return the states of a link's posts that the node was not sent, secrets sealed.

    The secret of a key is known only as it is made (:class:`NodeKeys`): here it is revoked.
    """
    sent = read_sent(connection, link)
    rows = connection.execute(select(USERS.c.name, USERS.c.password))
    stored = {row.name: row.password for row in rows}
    here = {("user", state.name): state for state in _list_people(link, authority)}
    due = []
    for account, state in here.items():
        before = sent.get(account)
        kept = stored.get(state.name, "")
        is_same = before is not None and _compare(before) == _compare(state)
        if not is_same and commitment_of(kept) == state.commitment:
            due.append(seal_secret(link, state, kept))
    revoked = {key.key_id for key in authority.every_key() if key.is_revoked}
    for (kind, name), before in sent.items():
        # A person who reaches another post, or every post, is none of this node's any more.
        is_gone = name in revoked if kind == "key" else (kind, name) not in here
        if is_gone and before.role is not None:
            due.append(before.model_copy(update={"role": None, "owner": None, "secret": None}))
    return due


def _compare(state: AccountState) -> tuple[str, ...]:
    """Return what of a person's state has effect at the node."""
    return state.post, state.commitment, state.role or "", state.agency or ""


def _list_people(link: Link, authority: Authority) -> Iterator[AccountState]:
    for name in authority.names():
        person = authority.person(name)
        if person is None or person.mapping is not None or not person.commitment:
            continue
        if person.post in link.agreement.posts:
            yield AccountState(
                account="user",
                name=name,
                post=person.post,
                commitment=person.commitment,
                role=person.role.value,
                agency=person.agency,
            )


@dataclass(frozen=True, slots=True)
class AccountIntake:
    """Takes states of people and keys; a :data:`engine.links.inbox.MessageHandler`."""

    home: Home

    def __call__(self, connection: Connection, arrived: ArrivedMessage) -> Sequence[Draft[Any]]:
        """Return the records that a state makes due; raises ``RecordError``.

        An account is of one post of the node, so it governs nothing that concerns all.
        """
        state, link = arrived.message, arrived.link
        assert isinstance(state, AccountState)  # noqa: S101  # the handler of this kind
        if link.us.role != "node" or state.post not in link.agreement.posts:
            raise _refuse("post", "post_not_agreed", "the agreement does not name this post")
        centre = link.them.identity.fingerprint
        is_user = state.account == "user"
        known = _Account.read(connection, arrived.pending, state.name, is_user=is_user)
        if known is not None and known.centre != centre:
            raise _refuse("name", "name_taken", "this node gave the name itself")
        if state.role is None:
            left = USER_LEFT if is_user else KEY_REVOKED
            is_over = known is None or known.is_over
            post = "" if is_user else state.post
            return [] if is_over else [left.draft(state.name, {}, post=post)]
        role = _check_role(state, is_user=is_user)
        if known is not None and (known.is_over or not is_user):
            raise _refuse("name", "name_taken", "a key is made once, and who left stays away")
        secret = open_secret(link, state, find_link_keys(self.home))
        if not is_user:
            return [self._draft_key(connection, arrived, state, secret, role=role)]
        body = _describe(state, role, centre=centre, commitment=commitment_of(secret))
        kept = AccountSecret(secret)
        if known is None:
            _check_new_name(connection, arrived, state.name)
            return [USER_CREATED.draft(state.name, body, post=state.post, extra=kept)]
        return (
            [] if known.has(state, body) else [PASSWORD_CHANGED.draft(state.name, body, extra=kept)]
        )

    def _draft_key(
        self,
        connection: Connection,
        arrived: ArrivedMessage,
        state: AccountState,
        secret: str,
        *,
        role: Role,
    ) -> Draft[Any]:
        centre = arrived.link.them.identity.fingerprint
        if not state.name.startswith("key-"):
            raise _refuse("name", "malformed", "is no name of a key")
        if state.owner is None and role in OWNED:
            raise _refuse("owner", "missing_key", f"a key of the role {role} needs an owner")
        if state.owner is not None:
            owner = _Account.read(connection, arrived.pending, state.owner, is_user=True)
            if owner is None or owner.is_over or owner.centre != centre:
                raise _refuse("owner", "unknown_account", "no person of this name came here")
        kept = digest(secret, open_pepper(self.home))
        body = _describe(state, role, centre=centre, commitment=commitment_of(kept))
        if state.owner is not None:
            body["owner"] = state.owner
        return KEY_CREATED.draft(state.name, body, post=state.post, extra=AccountSecret(kept))


def _check_role(state: AccountState, *, is_user: bool) -> Role:
    if state.role not in frozenset(Role) or (is_user and state.role in MACHINES):
        raise _refuse("role", "unknown_value", "no role of such an account")
    return Role(state.role)


def _check_new_name(connection: Connection, arrived: ArrivedMessage, name: str) -> None:
    """Refuse a name that breaks a rule, or that looks like one that was given here."""
    given = [one.subject for one in arrived.pending if one.kind == USER_CREATED]
    taken = (*Authority().look(connection).names(), *given)
    try:
        is_kept = check_name(name, taken=taken) == name
    except ConflictError as error:
        raise _refuse("name", "name_taken", str(error)) from None
    if not is_kept:
        raise _refuse("name", "malformed", "has another spelling")


def _describe(state: AccountState, role: Role, *, centre: str, commitment: str) -> AccountBody:
    body: AccountBody = {"role": role.value, FIELD: commitment, "link": centre}
    if state.agency is not None:
        body["agency"] = state.agency
    return body


@dataclass(frozen=True, slots=True)
class _Account:
    """A person or a key as this node's records have it."""

    centre: str
    """Fingerprint of the centre that made it; empty where this node did."""
    commitment: str
    role: str
    post: str
    is_over: bool

    def has(self, state: AccountState, body: AccountBody) -> bool:
        """Tell whether a state changes nothing; raises ``RecordError`` for another post."""
        if self.post != state.post:
            raise _refuse("post", "not_changed", "an account of a node stays with its post")
        return (self.commitment, self.role) == (body[FIELD], state.role)

    @classmethod
    def read(
        cls, connection: Connection, pending: Sequence[Draft[Any]], name: str, *, is_user: bool
    ) -> "_Account | None":
        """Return an account by what is recorded, and by what comes in the same parcel before."""
        made, over = (USER_CREATED, USER_LEFT) if is_user else (KEY_CREATED, KEY_REVOKED)
        kinds: tuple[Kind[Any], ...] = (made, over, PASSWORD_CHANGED)
        found: list[tuple[str, str, Mapping[str, Any]]] = [
            (one.kind, one.post, one.body or {})
            for one in read_records(connection, kinds, subject=name)
        ]
        found += [
            (one.kind, one.post, one.body)
            for one in pending
            if one.kind in kinds and one.subject == name
        ]
        begun = next(((post, body) for kind, post, body in found if kind == made), None)
        if begun is None:
            return None
        last: dict[str, Any] = {}
        for kind, _, body in found:
            last |= {} if kind == over else body
        is_over = over in [kind for kind, _, _ in found]
        about = str(last.get(FIELD, "")), str(last.get("role", "")), begun[0], is_over
        return cls(str(begun[1].get("link", "")), *about)


def _refuse(name: str, rule: str, why: str) -> RecordError:
    return RecordError(ACCOUNT, name, rule, why)
