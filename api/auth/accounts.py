"""How keys and users come to be: each is a record, its secret is returned once."""

import secrets
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from api.auth.agencies import check_agency
from api.auth.authority import Authority, KeyGrant, PersonGrant, Refused, ignore
from api.auth.credential_commitment import FIELD, commitment_of
from api.auth.credentials import digest, hash_password, is_password, new_key, new_password, stand_in
from api.auth.permissions import BOUND, OWNED, Role, covers
from api.auth.tables import NO_PASSWORD, USERS, AccountProjection, AccountSecret
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
    agency: str | None = None


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
        self,
        role: Role,
        post: str | None,
        *,
        pepper: bytes,
        owner: str | None = None,
        agency: str | None = None,
    ) -> IssuedCredential:
        """Make a key, of a user where one is named; both count as one person, of one agency.

        Raises ``NotAllowedError`` where the role needs a post or an owner and none is named, or
        the owner's own role or post is narrower, or the agency another than the owner's;
        ``NotFoundError`` where there is no such user; ``RecordError`` for an unknown agency.
        """
        self._check(role, post)
        self._check_owner(owner, role, post)
        agency = self._resolve_agency(agency, owner, post)
        made = IssuedCredential(f"key-{secrets.token_hex(6)}", role, post, new_key(), agency)
        kept = digest(made.secret, pepper)
        body = {"role": role.value, FIELD: commitment_of(kept)}
        body |= {} if owner is None else {"owner": owner}
        body |= {} if agency is None else {"agency": agency}
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

    def create_user(
        self, name: str, role: Role, *, post: str | None = None, agency: str | None = None
    ) -> IssuedCredential:
        """Make a user with a new password.

        Raises ``ConflictError`` where the name is taken, ``RecordError`` where it breaks a rule or
        the agency is unknown.
        """
        self._check(role, post)
        name = check_name(name, taken=self._look().names())
        agency = self._resolve_agency(agency, None, post)
        made = IssuedCredential(name, role, post, new_password(), agency)
        kept = hash_password(made.secret)
        body = {"role": role.value, FIELD: commitment_of(kept)}
        body |= {} if agency is None else {"agency": agency}
        draft = Draft(USER_CREATED, name, post or "", body, extra=AccountSecret(kept))
        try:
            self._journal.append([draft])
        except IntegrityError:
            raise ConflictError("user", name, "the name is taken") from None
        return made

    def change_password(self, name: str) -> IssuedCredential:
        """Make a user a new password and end their sessions; raises ``NotFoundError``."""
        known = self._must_know(name)
        made = IssuedCredential(name, known.role, known.post, new_password(), known.agency)
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
        if stored is None or stored == NO_PASSWORD:
            return None
        if person is None or commitment_of(stored) != person.commitment:
            self._refused("user")
            return None
        return stored

    def has_people(self) -> bool:
        """Tell whether this home has a person who was not removed."""
        authority = self._look()
        return any(authority.person(name) is not None for name in authority.names())

    def agency_of(self, name: str) -> str | None:
        """Return the agency of a person, also of one who was removed; None where none is known."""
        return self._look().agency_of(name)

    def is_active(self, name: str) -> bool:
        """Tell whether this is a person who was not removed."""
        return self._look().person(name) is not None

    def _must_know(self, name: str) -> PersonGrant:
        """Return a user who may sign in; raises ``NotFoundError``."""
        known = self._look().person(name)
        if known is None:
            raise NotFoundError("user", name)
        return known

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
        own = self._must_know(owner)
        if not covers(own.role, role):
            raise NotAllowedError(f"the role {role} is wider than its owner's, {own.role}")
        if own.post is not None and own.post != post:
            raise NotAllowedError(f"its owner is for the post {own.post} alone: name it (--post)")

    def _resolve_agency(
        self, agency: str | None, owner: str | None, post: str | None
    ) -> str | None:
        """Return the agency of a new key or user: the one named, else its owner's."""
        if owner is not None:
            own = self._must_know(owner).agency
            if agency not in (None, own):
                raise NotAllowedError(f"its owner is of the agency {own or '(none)'}")
            agency = own
        if agency is not None:
            check_agency(agency, self._network, post)
        return agency

    def _check(self, role: Role, post: str | None) -> None:
        if post is not None and self._network.posts:
            self._network.post(post)
        if role in BOUND and post is None:
            raise NotAllowedError(f"the role {role} is for one post: name it")
