"""How keys and users come to be: each is a record, its secret is returned once."""

import secrets
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from api.credential_commitment import FIELD, commitment_of
from api.keys import digest, hashed, is_password, new_key, new_password
from api.roles import BOUND, Role
from api.tables import (
    KEY_CREATED,
    KEY_REVOKED,
    KEYS,
    NOBODY,
    PASSWORD_CHANGED,
    USER_CREATED,
    USER_LEFT,
    USERS,
    AccountProjection,
)
from engine.errors import ConflictError, NotAllowedError, NotAuthenticatedError, NotFoundError
from engine.journal import Draft, Journal
from engine.network import Network
from engine.store import Store


@dataclass(frozen=True, slots=True)
class Made:
    """A new key or user, with the secret that is shown once."""

    name: str
    role: Role
    post: str | None
    secret: str


class Accounts:
    """Makes and revokes keys, makes and removes users, and checks their passwords."""

    def __init__(self, store: Store, network: Network) -> None:
        self._store = store
        self._network = network
        self._journal = Journal(store, [AccountProjection()])

    def create_key(
        self, role: Role, post: str | None, *, pepper: bytes, owner: str | None = None
    ) -> Made:
        """Make a key, of a user where one is named; both count as one person.

        Raises ``NotAllowedError`` where the role needs a post and none is named, ``NotFoundError``
        where there is no such user.
        """
        self._check(role, post)
        if owner is not None:
            self._must_know(owner)
        made = Made(f"key-{secrets.token_hex(6)}", role, post, new_key())
        kept = digest(made.secret, pepper)
        body = {"role": role.value, FIELD: commitment_of(kept)}
        body |= {} if owner is None else {"owner": owner}
        draft = Draft(KEY_CREATED, made.name, post or "", body, extra=kept)
        self._journal.append([draft])
        return made

    def revoke_key(self, key_id: str) -> None:
        """Revoke a key; raises ``NotFoundError``."""
        with self._store.read() as connection:
            post = connection.execute(
                select(KEYS.c.post).where(KEYS.c.key_id == key_id)
            ).one_or_none()
        if post is None:
            raise NotFoundError("key", key_id)
        self._journal.append([Draft(KEY_REVOKED, key_id, post[0] or "", {})])

    def create_user(self, name: str, role: Role, *, post: str | None = None) -> Made:
        """Make a user with a new password; raises ``ConflictError`` where the name is taken."""
        self._check(role, post)
        made = Made(name, role, post, new_password())
        kept = hashed(made.secret)
        body = {"role": role.value, FIELD: commitment_of(kept)}
        draft = Draft(USER_CREATED, name, post or "", body, extra=kept)
        try:
            self._journal.append([draft])
        except IntegrityError:
            raise ConflictError("user", name, "the name is taken") from None
        return made

    def change_password(self, name: str) -> Made:
        """Make a user a new password and end their sessions; raises ``NotFoundError``."""
        role, post = self._must_know(name)
        made = Made(name, role, post, new_password())
        kept = hashed(made.secret)
        body = {FIELD: commitment_of(kept)}
        self._journal.append([Draft(PASSWORD_CHANGED, name, "", body, extra=kept)])
        return made

    def remove_user(self, name: str) -> None:
        """Let a user in no more, with no session and no key; raises ``NotFoundError``.

        The name stays theirs: what it approved was never approved by somebody else.
        """
        self._must_know(name)
        self._journal.append([Draft(USER_LEFT, name, "", {})])

    def sign_in(self, name: str, password: str) -> Role:
        """Return the role of a user who knows the password; raises ``NotAuthenticatedError``."""
        query = select(USERS.c.password, USERS.c.role).where(USERS.c.name == name)
        with self._store.read() as connection:
            found = connection.execute(query).one_or_none()
        known = None if found is None else found.password
        # An unknown name takes as long as a wrong password, so that names cannot be tried out.
        kept = known or hashed(new_password())
        if not is_password(password, kept) or found is None or known == NOBODY:
            raise NotAuthenticatedError
        return Role(found.role)

    def _must_know(self, name: str) -> tuple[Role, str | None]:
        """Return the role and post of a user who may sign in; raises ``NotFoundError``."""
        query = select(USERS.c.role, USERS.c.post).where(
            USERS.c.name == name, USERS.c.password != NOBODY
        )
        with self._store.read() as connection:
            known = connection.execute(query).one_or_none()
        if known is None:
            raise NotFoundError("user", name)
        return Role(known.role), known.post

    def _check(self, role: Role, post: str | None) -> None:
        if post is not None and self._network.posts:
            self._network.post(post)
        if role in BOUND and post is None:
            raise NotAllowedError(f"the role {role} is for one post: name it")
