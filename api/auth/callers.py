"""Callers of routes, and what they may reach.

A key that was looked up is believed for a few seconds, so that a decision costs no extra read; a
revoked key is refused at most that much later. Assumes that keys are few: each is kept in memory.
"""

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Self

from sqlalchemy import Connection, select

from api.auth.agencies import Duties
from api.auth.authority import Authority, PersonGrant, Refused, ignore
from api.auth.credentials import PREFIX, commitment_of, digest, is_token
from api.auth.key_uses import KeyUses
from api.auth.permissions import BY_PERSON, OWNED, ROUTES, RouteRule
from api.auth.tables import KEYS
from engine.domain.rights import Matter, Right, Role, Scope
from engine.errors import NotAllowedError, NotAuthenticatedError, NotFoundError
from engine.journal.power_records import read_last_known_at
from engine.storage.database import Store

_REMEMBERED = 10_000
OWNERLESS = (
    "this key has no owner whose own role allows it: it may read, and a person proposes or"
    " approves; make one with darvoza keys create --owner"
)


SUBJECT_READERS = frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR, Role.INTEGRITY})
"""Roles that export what is held on a subject, and query identifiers."""
OTHER_AGENCY = "the table of agencies does not permit this to your role and agency"


@dataclass(frozen=True, slots=True)
class Caller:
    """A machine or a person that showed a valid secret."""

    name: str
    role: Role
    post: str | None
    """The one post it reaches; None means every post."""
    owner: str | None = None
    """The user whose key it is, or whose local account a subject is linked to; else None."""
    is_person: bool = True
    """Whether a known person answers: signed in, or the owner of a key no wider than their role."""
    agency: str | None = None
    """The agency for which it acts; None where its records name none."""
    duties: Duties = field(default_factory=Duties, hash=False)
    """What the table of agencies permits to its role and agency."""
    matter: Matter = Matter.DECISIONS
    """What the route that it calls is about."""
    right: Right = Right.SEE
    """What that route does."""

    @property
    def person(self) -> str:
        """Return who answers for what is done, and counts as one where two people are asked."""
        return self.owner or self.name

    def own(self, key: str | None) -> str | None:
        """Return an idempotency key as this person's: the same of another names another request."""
        return None if key is None else f"{self.person}\0{key}"

    def reaches(self, post: str) -> bool:
        """Tell whether this caller may do for a post what its route does."""
        return self.post in (None, post) and post not in self.hidden_posts

    @property
    def hidden_posts(self) -> frozenset[str]:
        """Return the posts of other agencies that its route does not reach."""
        return self.duties.hidden_posts(self.matter, self.right)

    def sees_post(self, post: str) -> bool:
        """Tell whether this caller sees the decisions of a post, whatever its route does."""
        is_none = self.duties.scope(Matter.DECISIONS, Right.SEE) is Scope.NONE
        hidden = self.duties.hidden_posts(Matter.DECISIONS, Right.SEE)
        return self.post in (None, post) and post not in hidden and not is_none

    def sees(self, matter: Matter, agency: str | None) -> bool:
        """Tell whether this caller sees a row of an agency; None where the row has none."""
        return self.duties.covers(matter, Right.SEE, agency)

    def sees_all(self, matter: Matter) -> bool:
        """Tell whether this caller sees the rows of every agency."""
        return self.duties.scope(matter, Right.SEE) is Scope.ALL

    def covers(self, agency: str | None) -> bool:
        """Tell whether this caller may do to a row of an agency what its route does."""
        return self.duties.covers(self.matter, self.right, agency)

    def covers_all(self) -> bool:
        """Tell whether this caller may do to the rows of every agency what its route does."""
        return self.duties.scope(self.matter, self.right) is Scope.ALL

    def must_reach(self, post: str) -> None:
        """Raise ``NotAllowedError`` where it may not."""
        if self.post not in (None, post):
            raise NotAllowedError("this key is for another post", "post")
        if post in self.hidden_posts:
            raise NotAllowedError(OTHER_AGENCY, "agency")

    def may(self, method: str, path: str) -> bool:
        """Tell whether the caller's role and agency may call a route at all."""
        rule = ROUTES.get((method, path))  # none where its area is closed
        return rule is not None and self.permits(rule)

    def permits(self, rule: RouteRule) -> bool:
        """Tell whether the caller's role and agency may do what a rule is about."""
        return self.role in rule.roles and self._is_permitted(rule)

    def enter(self, method: str, path: str) -> Self:
        """Return the caller as it calls a route; raises ``NotAllowedError``.

        Every request comes by here, of machines and of people at the pages.
        """
        return self.admit(ROUTES[method, path], is_step=(method, path) in BY_PERSON)

    def admit(self, rule: RouteRule, *, is_step: bool) -> Self:
        """Return the caller as it does what a rule is about; raises ``NotAllowedError``.

        For a step a person must answer.
        """
        if self.role not in rule.roles:
            raise NotAllowedError(f"the role {self.role} may not call this")
        if not self._is_permitted(rule):
            raise NotAllowedError(OTHER_AGENCY, "agency")
        if self.role in OWNED and not self.is_person and is_step:
            raise NotAllowedError(OWNERLESS)
        return replace(self, matter=rule.matter or self.matter, right=rule.right)

    def must_see_all(self) -> None:
        """Refuse a caller who may not read all that is held on a subject.

        Raises ``NotAllowedError`` for a caller of one post, of another role, or from whom the table
        of agencies hides any row.
        """
        if self.post is not None or self.role not in SUBJECT_READERS:
            why = "an integrity officer, administrator or supervisor of every post does this"
            raise NotAllowedError(why)
        if not all(map(self.sees_all, Matter)):
            raise NotAllowedError(OTHER_AGENCY, "agency")

    def _is_permitted(self, rule: RouteRule) -> bool:
        """Tell whether the table of agencies leaves anything of a rule."""
        return rule.matter is None or self.duties.scope(rule.matter, rule.right) != Scope.NONE


def call_as(person: PersonGrant, authority: Authority) -> Caller:
    """Return a person who signed in, as a caller."""
    return Caller(
        person.name,
        person.role,
        person.post,
        person.owner,
        agency=person.agency,
        duties=authority.duties(person.role, person.agency),
    )


TAKING = ("POST", "/v1/crossings/{crossing_id}/takings")


def list_officers(authority: Authority, post: str) -> list[str]:
    """Return the people who may take vehicles at a post, by the names of their accounts."""
    callers = [
        call_as(person, authority)
        for one in authority.people()
        if (person := authority.person(one.name)) is not None
    ]
    able = [one.enter(*TAKING) for one in callers if one.may(*TAKING)]
    return sorted({one.person for one in able if one.reaches(post) and one.sees_post(post)})


def check_officer(authority: Authority, name: str, post: str) -> None:
    """Refuse an account that may not take vehicles at a post; raises ``NotFoundError``."""
    if name not in list_officers(authority, post):
        raise NotFoundError("officer", name)


class Callers:
    """Finds the caller behind a key."""

    def __init__(
        self,
        store: Store,
        pepper: bytes,
        *,
        believed_seconds: float,
        authority: Authority,
        uses: KeyUses,
        refused: Refused = ignore,
    ) -> None:
        """``refused`` is told of keys that a table holds and no record backs."""
        self._store = store
        self._authority = authority
        self._refused = refused
        self._pepper = pepper
        self._believed = believed_seconds
        self._known: dict[bytes, tuple[float, Caller]] = {}
        self.uses = uses

    def find_remembered(self, header: str | None) -> Caller | None:
        """Return the caller of an ``Authorization`` header without a read, None where it needs one.

        Raises ``NotAuthenticatedError`` for what cannot be a key.
        """
        found = self._known.get(self._digest(header))
        return found[1] if found is not None and found[0] > time.monotonic() else None

    def is_known(self, header: str) -> bool:
        """Tell whether a header's key was valid when keys were last read, however long ago."""
        kept = self._digest(header)
        return kept in self._known or self._authority.key(commitment_of(kept)) is not None

    def read_new(self) -> None:
        """Read what was recorded of keys and sessions since they were last read."""
        with self._store.read() as connection:
            self._authority.look(connection)

    def look_up(self, header: str | None) -> Caller:
        """Return the caller of a header; raises ``NotAuthenticatedError``."""
        kept = self._digest(header)
        until = time.monotonic() + self._believed  # before the read: it is as old as that
        with self._store.read() as connection:
            authority = self._authority.look(connection)
            grant = authority.key(commitment_of(kept))
            is_claimed = grant is None and _is_in_table(connection, kept)
            now = read_last_known_at(connection)
        if grant is None or grant.is_over(now):
            self._known.pop(kept, None)
            if is_claimed:
                self._refused("key")
            raise NotAuthenticatedError
        is_person = authority.person_behind(grant) is not None
        caller = Caller(
            grant.key_id,
            grant.role,
            grant.post,
            grant.owner,
            is_person,
            agency=grant.agency,
            duties=authority.duties(grant.role, grant.agency),
        )
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[kept] = (until, caller)
        return caller

    def note_use(self, header: str, reason: str) -> None:
        """Count a request with a key, and why it was refused; also with a key that is over."""
        with suppress(NotAuthenticatedError):
            kept = self._digest(header)
            known = self._known.get(kept)
            grant = self._authority.find_key(commitment_of(kept)) if known is None else None
            if known is not None:
                self.uses.note(known[1].name, known[1].post, reason)
            elif grant is not None:
                self.uses.note(grant.key_id, grant.post, reason)

    def _digest(self, header: str | None) -> bytes:
        if not may_be_key(header or ""):
            raise NotAuthenticatedError
        return digest((header or "").partition(" ")[2], self._pepper)


def may_be_key(header: str) -> bool:
    """Tell whether an ``Authorization`` header can hold a key, before anything is looked up."""
    scheme, _, key = header.partition(" ")
    return scheme.lower() == "bearer" and key.startswith(PREFIX) and is_token(key)


def _is_in_table(connection: Connection, kept: bytes) -> bool:
    query = select(KEYS.c.key_id).where(KEYS.c.digest == kept, KEYS.c.revoked_at.is_(None))
    return connection.execute(query).first() is not None
