"""How keys and users come to be: each is a record, its secret is returned once."""

import secrets
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from api.auth.authority import Authority, KeyGrant, PersonGrant, Refused, ignore
from api.auth.credential_commitment import FIELD, commitment_of
from api.auth.credentials import digest, hash_password, is_password, new_key, new_password, stand_in
from api.auth.permissions import BOUND, OWNED, Role, covers
from api.auth.tables import NOBODY, USERS, AccountProjection, AccountSecret
from api.auth.user_names import check_name
from engine.domain.network import Network
from engine.errors import ConflictError, NotAllowedError, NotAuthenticatedError, NotFoundError
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.journal.kinds import KEY_CREATED, KEY_REVOKED, PASSWORD_CHANGED, USER_CREATED, USER_LEFT
from engine.storage.database import Store


@dataclass(frozen=True, slots=True)
class IssuedCredential:
    """A new key or user, with the secret that is shown once."""

    name: str
    role: Role
    post: str | None
    secret: str


class Accounts:
    """Makes and revokes keys, makes and removes users, and checks their passwords."""

    def __init__(
        self,
        store: Store,
        network: Network,
        *,
        authority: Authority | None = None,
        refused: Refused = ignore,
    ) -> None:
        """``refused`` is told of users whom the table holds otherwise than the journal."""
        self._store = store
        self._authority = authority or Authority()
        self._refused = refused
        self._network = network
        self._journal = Journal(store, [AccountProjection()])

    def create_key(
        self, role: Role, post: str | None, *, pepper: bytes, owner: str | None = None
    ) -> IssuedCredential:
        """Make a key, of a user where one is named; both count as one person.

        Raises ``NotAllowedError`` where the role needs a post or an owner and none is named, or
        the owner's own role or post is narrower; ``NotFoundError`` where there is no such user.
        """
        self._check(role, post)
        self._check_owner(owner, role, post)
        made = IssuedCredential(f"key-{secrets.token_hex(6)}", role, post, new_key())
        kept = digest(made.secret, pepper)
        body = {"role": role.value, FIELD: commitment_of(kept)}
        body |= {} if owner is None else {"owner": owner}
        draft = Draft(KEY_CREATED, made.name, post or "", body, extra=AccountSecret(kept))
        self._journal.append([draft])
        return made

    def revoke_key(self, key_id: str) -> None:
        """Revoke a key; raises ``NotFoundError``."""
        found = next((key for key in self.every_key() if key.key_id == key_id), None)
        if found is None:
            raise NotFoundError("key", key_id)
        self._journal.append([Draft(KEY_REVOKED, key_id, found.post or "", {})])

    def every_key(self) -> tuple[KeyGrant, ...]:
        """Return every key, the oldest first."""
        return self._look().every_key()

    def answers_for(self, key: KeyGrant) -> bool:
        """Tell whether a person answers for a key."""
        return self._look().person_behind(key) is not None

    def create_user(self, name: str, role: Role, *, post: str | None = None) -> IssuedCredential:
        """Make a user with a new password.

        Raises ``ConflictError`` where the name is taken, ``RecordError`` where it breaks a rule.
        """
        self._check(role, post)
        name = check_name(name, taken=self._look().names())
        made = IssuedCredential(name, role, post, new_password())
        kept = hash_password(made.secret)
        body = {"role": role.value, FIELD: commitment_of(kept)}
        draft = Draft(USER_CREATED, name, post or "", body, extra=AccountSecret(kept))
        try:
            self._journal.append([draft])
        except IntegrityError:
            raise ConflictError("user", name, "the name is taken") from None
        return made

    def change_password(self, name: str) -> IssuedCredential:
        """Make a user a new password and end their sessions; raises ``NotFoundError``."""
        role, post = self._must_know(name)
        made = IssuedCredential(name, role, post, new_password())
        kept = hash_password(made.secret)
        body = {FIELD: commitment_of(kept)}
        self._journal.append([Draft(PASSWORD_CHANGED, name, "", body, extra=AccountSecret(kept))])
        return made

    def remove_user(self, name: str) -> None:
        """Let a user in no more, with no session and no key; raises ``NotFoundError``.

        The name stays theirs: what it approved was never approved by another person.
        """
        self._must_know(name)
        self._journal.append([Draft(USER_LEFT, name, "", {})])

    def sign_in(self, name: str, password: str) -> Role:
        """Return the role of a user who knows the password; raises ``NotAuthenticatedError``."""
        query = select(USERS.c.password).where(USERS.c.name == name)
        with self._store.read() as connection:
            stored = connection.scalar(query)
            person = self._authority.look(connection).person(name)
        known = self._backed(stored, person)
        # An unknown name takes as long as a wrong password: one password is looked at, either way.
        kept = known or stand_in()
        if not is_password(password, kept) or known is None or person is None:
            raise NotAuthenticatedError
        return person.role

    def _backed(self, stored: str | None, person: PersonGrant | None) -> str | None:
        """Return a stored password to which a record commits, None for every other."""
        if stored is None or stored == NOBODY:
            return None
        if person is None or commitment_of(stored) != person.commitment:
            self._refused("user")
            return None
        return stored

    def has_people(self) -> bool:
        """Tell whether this home has a person who was not removed."""
        authority = self._look()
        return any(authority.person(name) is not None for name in authority.names())

    def is_active(self, name: str) -> bool:
        """Tell whether this is a person who was not removed."""
        return self._look().person(name) is not None

    def _must_know(self, name: str) -> tuple[Role, str | None]:
        """Return the role and post of a user who may sign in; raises ``NotFoundError``."""
        known = self._look().person(name)
        if known is None:
            raise NotFoundError("user", name)
        return known.role, known.post

    def _look(self) -> Authority:
        with self._store.read() as connection:
            return self._authority.look(connection)

    def _check_owner(self, owner: str | None, role: Role, post: str | None) -> None:
        if owner is None:
            if role in OWNED:
                raise NotAllowedError(
                    f"a key of the role {role} needs an owner: name one (--owner)"
                )
            return
        own_role, own_post = self._must_know(owner)
        if not covers(own_role, role):
            raise NotAllowedError(f"the role {role} is wider than its owner's, {own_role}")
        if own_post is not None and own_post != post:
            raise NotAllowedError(f"its owner is for the post {own_post} alone: name it (--post)")

    def _check(self, role: Role, post: str | None) -> None:
        if post is not None and self._network.posts:
            self._network.post(post)
        if role in BOUND and post is None:
            raise NotAllowedError(f"the role {role} is for one post: name it")
