"""Accounts: keys and users, each made by a record, each secret returned once.

A name has one spelling, is printable, and looks like no other name: two people are asked where one
could be pressed, so a name that reads as another person's would let one person stand for two.
"""

import re
import secrets
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from api.auth.account_grants import AccountRequest
from api.auth.agencies import (
    check_agency,
)
from api.auth.authority import Authority, KeyGrant, PersonGrant, Refused, ignore
from api.auth.credentials import (
    FIELD,
    commitment_of,
    digest,
    hash_password,
    is_password,
    new_key,
    new_password,
    stand_in,
)
from api.auth.permissions import BOUND, MACHINES, OWNED, covers
from api.auth.tables import NO_PASSWORD, USERS, AccountSecret, project_accounts
from engine.domain.identifiers import fold, skeleton
from engine.domain.network import Network
from engine.domain.rights import Matter, Role
from engine.errors import (
    ConflictError,
    NotAllowedError,
    NotAuthenticatedError,
    NotFoundError,
    RecordError,
)
from engine.journal.areas import KeyCarrier, NewKey, list_projections
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.journal.kinds import (
    KEY_CREATED,
    KEY_REVOKED,
    OIDC_LINKED,
    PASSWORD_CHANGED,
    SIGNED_IN,
    USER_CREATED,
    USER_LEFT,
    AccountBody,
)
from engine.journal.power_records import find_last_sequence
from engine.storage.database import Store

LONGEST = 64
_RESERVED = re.compile(r"(key-|account:|oidc-)", re.IGNORECASE)
"""Beginnings of what a record names in the place of a person: a key, an account of the machine, a
subject of an identity provider."""
_MORE_ALIKE = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧL", "ABEZHIKMNOPTYXI")  # Greek
_APOSTROPHES = "\u02bb\u02bc"
"""Letters of Uzbek names, written like an apostrophe; their Unicode names tell no script."""
_EVERYDAY = {
    "LATIN": re.compile("[A-Za-z\u00aa-\u017f\u018f\u0259\u1e00-\u1eff]"),
    "CYRILLIC": re.compile("[\u0400-\u04ff]"),
}
"""Letters in everyday use: others of these scripts (small capitals, phonetic ones) imitate them."""
_PAIRS = (("RN", "M"), ("VV", "W"))


def check_name(name: str, *, taken: Iterable[str]) -> str:
    """Return a new name as it is kept: NFKC, trimmed.

    Raises ``RecordError`` with the rule that it breaks, ``ConflictError`` where it is taken.
    """
    kept = unicodedata.normalize("NFKC", name).strip()
    scripts = {_script(c) for c in kept if c.isalpha() and c not in _APOSTROPHES}
    for rule, why, is_broken in (
        ("length", f"1 to {LONGEST} characters", not 1 <= len(kept) <= LONGEST),
        ("printable", "no control, format or combining characters", not _is_plain(kept)),
        ("letters", "a letter or digit, in letters of everyday writing", not _is_legible(kept)),
        ("one_script", "letters of one script only", len(scripts) > 1),
        (
            "reserved",
            "must not begin with key-, account: or oidc-",
            _RESERVED.match(kept) is not None,
        ),
    ):
        if is_broken:
            raise RecordError("user", "name", rule, why)
    others = set(taken)
    if kept in others:
        raise ConflictError("user", kept, "the name is taken")
    if shape(kept) in {shape(other) for other in others}:
        raise RecordError("user", "name", "look_alike", "looks like a name that is taken")
    return kept


def shape(name: str) -> str:
    """Return what names that look alike share, whatever their case, marks, spaces and script."""
    bare = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(sign for sign in bare if not unicodedata.category(sign).startswith("M"))
    bare = bare.translate(dict.fromkeys(map(ord, _APOSTROPHES)))
    folded = fold(bare).translate(_MORE_ALIKE)
    for pair, one in _PAIRS:
        folded = folded.replace(pair, one)
    return skeleton(folded) or name.casefold()


def _is_plain(name: str) -> bool:
    return name.isprintable() and not any(unicodedata.category(c).startswith("M") for c in name)


def _is_legible(name: str) -> bool:
    """Tell whether a name shows something to read, and no sign that only looks like a letter."""
    return any(c.isalnum() for c in name) and not any(map(_is_misleading, name))


def _is_misleading(sign: str) -> bool:
    """Tell whether a sign is a blank or a picture, or imitates a letter of everyday writing."""
    everyday = _EVERYDAY.get(_script(sign))
    is_blank = "FILLER" in unicodedata.name(sign, "") or unicodedata.category(sign) in ("So", "Sk")
    return is_blank or (everyday is not None and not everyday.match(sign))


def _script(letter: str) -> str:
    """Return the script of a letter, the first word of its Unicode name."""
    return unicodedata.name(letter, "?").partition(" ")[0]


PROVIDERS_ACCOUNT = (
    "this account signs on by the identity provider: it has no password, and no keys"
)


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
        nodes: KeyCarrier | None = None,
    ) -> None:
        """``refused`` is told of users whom the table holds otherwise than the journal.

        By ``nodes`` keys of posts with a node of their own reach it; without, none is sent.
        """
        self._store = store
        self._authority = authority or Authority()
        self._refused = refused
        self._network = network
        self._journal = Journal(
            store,
            [project_accounts, *list_projections()],
        )
        self._nodes = nodes or KeyCarrier()

    def create_key(
        self,
        role: Role,
        post: str | None,
        *,
        pepper: bytes,
        owner: str | None = None,
        agency: str | None = None,
        label: str | None = None,
    ) -> IssuedCredential:
        """Make a key, of a user where one is named; both count as one person, of one agency.

        Raises ``NotAllowedError`` where the role needs a post or an owner and none is named, or
        the owner's own role or post is narrower, or the agency another than the owner's;
        ``NotFoundError`` where there is no such user; ``RecordError`` for an unknown agency.
        """
        self._check(role, post)
        self._check_owner(owner, role, post)
        agency = self._resolve_agency(agency, owner, post)
        wanted = AccountRequest(
            grant="key", role=role, post=post, agency=agency, owner=owner, label=label
        )
        made, draft = _draft_key(wanted, role, pepper=pepper)
        if owner is not None:
            draft.body.update(self._note_machine())
        self._journal.append_found(
            lambda connection, now: [draft, *self._tell_node(connection, now, made, owner)]
        )
        return made

    def check_node(self, post: str | None) -> None:
        """Refuse a new key that would not reach the node of its post; raises ``ConflictError``."""
        if post is not None:
            with self._store.read() as connection:
                self._nodes.check(connection, self._journal.now(connection), post)

    def send_key(self, made: IssuedCredential, owner: str | None) -> None:
        """Send a key that was just recorded to the node of its post, where that has one."""
        self._journal.append_found(
            lambda connection, now: self._tell_node(connection, now, made, owner)
        )

    def _tell_node(
        self, connection: Connection, now: int, made: IssuedCredential, owner: str | None
    ) -> list[Draft]:
        """Return the message of a new key to the node of its post; none for other posts."""
        if made.post is None:
            return []
        key = NewKey(
            name=made.name,
            post=made.post,
            role=made.role.value,
            owner=owner,
            agency=made.agency,
            commitment=commitment_of(made.secret),
            secret=made.secret,
        )
        return self._nodes.draft(connection, now, key)

    def revoke_key(self, key_id: str) -> None:
        """Revoke a key; raises ``NotFoundError``."""
        found = next((key for key in self.every_key() if key.key_id == key_id), None)
        if found is None:
            raise NotFoundError("key", key_id)
        self._journal.append([KEY_REVOKED.draft(key_id, {}, post=found.post or "")])

    def every_key(self) -> tuple[KeyGrant, ...]:
        """Return every key, the oldest first."""
        return self.look().every_key()

    def answers_for(self, key: KeyGrant) -> bool:
        """Tell whether a person answers for a key."""
        return self.look().person_behind(key) is not None

    def create_user(
        self, name: str, role: Role, *, post: str | None = None, agency: str | None = None
    ) -> IssuedCredential:
        """Make a user with a new password.

        Raises ``ConflictError`` where the name is taken, ``RecordError`` where it breaks a rule or
        the agency is unknown.
        """
        self._check(role, post)
        if role in MACHINES:
            raise NotAllowedError(f"the role {role} is for machines: make a key")
        name = check_name(name, taken=self.look().names())
        agency = self._resolve_agency(agency, None, post)
        made, draft = _draft_user(name, role, post, agency)
        draft.body.update(self._note_machine())
        try:
            self._journal.append([draft])
        except IntegrityError:
            raise ConflictError("user", name, "the name is taken") from None
        return made

    def has_password(self, name: str) -> bool:
        """Tell whether a person signs in by a password here, not by an identity provider."""
        person = self.look().person(name)
        return person is not None and person.mapping is None

    def change_password(self, name: str, *, is_own: bool = False) -> IssuedCredential:
        """Make a user a new password and end their sessions; raises ``NotFoundError``.

        ``is_own`` where they ask for it themselves, by the present one.
        """
        known = self._must_be_local(name)
        made, draft = _draft_password(known)
        if not is_own:
            draft.body.update(self._note_machine())
        self._journal.append([draft])
        return made

    def _note_machine(self) -> AccountBody:
        """Return what the record of a command about a person says once people have signed in."""
        with self._store.read() as connection:
            is_in_use = find_last_sequence(connection, SIGNED_IN) is not None
        return {"on_machine": True} if is_in_use else {}

    def resolve_request(self, wanted: AccountRequest) -> AccountRequest:
        """Return a request for a grant with its name and agency as they would be recorded.

        Raises what :meth:`create_user`, :meth:`create_key` and :meth:`change_password` raise.
        """
        name, role, post, agency = wanted.name, wanted.role, wanted.post, wanted.agency
        if role is not None:
            self._check(role, post)
        if name is not None and wanted.grant == "person":
            name = check_name(name, taken=self.look().names())
        elif name is not None:
            self._must_be_local(name)
        if role is not None and wanted.grant == "key":
            self._check_owner(wanted.owner, role, post)
        if wanted.grant != "password":
            agency = self._resolve_agency(agency, wanted.owner, post)
        resolved = wanted.model_copy(update={"name": name, "agency": agency})
        if resolved.replaces is not None:
            self._check_replaced(resolved)
        return resolved

    def _check_replaced(self, wanted: AccountRequest) -> None:
        """Refuse a key that replaces another of wider or other reach; raises ``NotFoundError``."""
        keys = {one.key_id: one for one in self.every_key() if not one.is_revoked}
        old = keys.get(str(wanted.replaces))
        if old is None or old.until is not None:
            raise NotFoundError("key", str(wanted.replaces))
        same = ("role", "post", "agency", "owner")
        if any(getattr(old, name) != getattr(wanted, name) for name in same):
            why = "a key is replaced by one of the same role, post, agency and owner"
            raise RecordError("account", "replaces", "other_reach", why)

    def draft_granted(
        self, granted: AccountRequest, *, grant: str, pepper: bytes
    ) -> tuple[IssuedCredential, Draft[AccountBody]]:
        """Return the secret of a grant, and the record that makes it count; nothing is recorded.

        Raises what :meth:`resolve_request` raises: what was right as it was proposed may not be so
        any more.
        """
        now = self.resolve_request(granted)
        if now.grant == "password":
            made, draft = _draft_password(self._must_be_local(str(now.name)))
        elif now.role is None:
            raise NotFoundError("grant", grant)
        elif now.grant == "key":
            made, draft = _draft_key(now, now.role, pepper=pepper)
        else:
            made, draft = _draft_user(str(now.name), now.role, now.post, now.agency)
        draft.body["grant"] = grant
        return made, draft

    def remove_user(self, name: str) -> None:
        """Let a user in no more, with no session and no key; raises ``NotFoundError``.

        The name stays theirs: what it approved was never approved by another person.
        """
        found = self.look().subject(name)
        if found is None or found.is_removed:  # a subject that no longer counts may come back
            self._must_know(name)
        self._journal.append([USER_LEFT.draft(name, self._note_machine())])

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

    def link_subject(self, subject: str, *, owner: str) -> None:
        """Record that a subject and the owner of a local account are one person, for good.

        Raises ``NotFoundError`` for an unknown subject or owner, ``ConflictError`` where the
        subject is linked already.
        """
        self._must_be_local(owner)
        found = self.look().subject(subject)
        if found is None:
            raise NotFoundError("subject", subject)
        if found.owner is not None:
            raise ConflictError("subject", subject, "it is linked already")
        self._journal.append([OIDC_LINKED.draft(subject, {"owner": owner})])

    def has_people(self) -> bool:
        """Tell whether this home has a person who was not removed."""
        authority = self.look()
        return any(authority.person(name) is not None for name in authority.names())

    def agency_of(self, name: str) -> str | None:
        """Return the agency of a person or a key, also of a removed one; None without one."""
        return self.look().agency_of(name)

    def must_be_two(self, matter: Matter, *, first: str, second: str) -> None:
        """Refuse a second person who is, or may be, the first; raises ``SecondPersonError``."""
        self.look().must_be_two(matter, first=first, second=second)

    def must_second(
        self, matter: Matter, *, first: str, second: str, by_anyone: bool = False
    ) -> None:
        """Refuse a second person who may not complete what the first began.

        Raises what :meth:`api.auth.authority.Authority.must_second` raises.
        """
        self.look().must_second(matter, first=first, second=second, by_anyone=by_anyone)

    def is_active(self, name: str) -> bool:
        """Tell whether this is a person who was not removed."""
        return self.look().person(name) is not None

    def _must_know(self, name: str) -> PersonGrant:
        """Return a user who may sign in; raises ``NotFoundError``."""
        known = self.look().person(name)
        if known is None:
            raise NotFoundError("user", name)
        return known

    def _must_be_local(self, name: str) -> PersonGrant:
        """Return a user who has a password; raises ``NotFoundError``, ``NotAllowedError``."""
        known = self._must_know(name)
        if known.mapping is not None:
            raise NotAllowedError(PROVIDERS_ACCOUNT)
        return known

    def look(self) -> Authority:
        """Return what the records of accounts state by now."""
        with self._store.read() as connection:
            return self._authority.look(connection)

    def _check_owner(self, owner: str | None, role: Role, post: str | None) -> None:
        if owner is None:
            if role in OWNED:
                raise NotAllowedError(
                    f"a key of the role {role} needs an owner: name one (--owner)"
                )
            return
        own = self._must_be_local(owner)
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


def _draft_key(
    wanted: AccountRequest, role: Role, *, pepper: bytes
) -> tuple[IssuedCredential, Draft[AccountBody]]:
    name = f"key-{secrets.token_hex(6)}"
    made = IssuedCredential(name, role, wanted.post, new_key(), wanted.agency)
    kept = digest(made.secret, pepper)
    body: AccountBody = {"role": role.value, FIELD: commitment_of(kept)}
    if wanted.owner is not None:
        body["owner"] = wanted.owner
    if wanted.agency is not None:
        body["agency"] = wanted.agency
    if wanted.label is not None:
        body["label"] = wanted.label
    if wanted.replaces is not None:
        body["replaces"] = wanted.replaces
    extra = AccountSecret(kept)
    return made, KEY_CREATED.draft(made.name, body, post=made.post or "", extra=extra)


def _draft_user(
    name: str, role: Role, post: str | None, agency: str | None
) -> tuple[IssuedCredential, Draft[AccountBody]]:
    made = IssuedCredential(name, role, post, new_password(), agency)
    kept = hash_password(made.secret)
    body: AccountBody = {"role": role.value, FIELD: commitment_of(kept)}
    if agency is not None:
        body["agency"] = agency
    return made, USER_CREATED.draft(name, body, post=post or "", extra=AccountSecret(kept))


def _draft_password(known: PersonGrant) -> tuple[IssuedCredential, Draft[AccountBody]]:
    made = IssuedCredential(known.name, known.role, known.post, new_password(), known.agency)
    kept = hash_password(made.secret)
    body: AccountBody = {FIELD: commitment_of(kept)}
    return made, PASSWORD_CHANGED.draft(known.name, body, extra=AccountSecret(kept))


GOVERNORS = frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR})
"""Roles that govern what concerns all posts, where their person reaches every post."""
