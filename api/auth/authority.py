"""Authority of keys, people and sessions, replayed from the journal.

The tables of :mod:`api.auth.tables` keep the secrets. What a secret opens is what its records
state: a stored digest counts only where a record commits to it, and role, post, owner and
revocation are those of the records. Assumes that keys and people are few; of the sessions only
those that may still be open are read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock
from typing import Self

from sqlalchemy import Connection

from api.auth.account_grants import GRANT_KINDS, OVERLAP, GrantHistory
from api.auth.agencies import AGENCY_KINDS, Duties, TableHistory
from api.auth.credentials import FIELD
from api.auth.oidc_mapping import MAPPING_KINDS, MappingHistory
from api.auth.permissions import covers
from engine.criteria.dual_control import ApprovalState
from engine.domain.rights import Matter, Role
from engine.domain.time_units import HOUR, micros
from engine.errors import LapsedProposalError, SecondPersonError
from engine.journal.kinds import (
    KEY_CREATED,
    KEY_REVOKED,
    OIDC_GRANTED,
    OIDC_LINKED,
    PASSWORD_CHANGED,
    SIGNED_IN,
    SIGNED_OUT,
    USER_CREATED,
    USER_LEFT,
)
from engine.journal.power_records import (
    PowerRecord,
    RecordTail,
    find_first_sequence,
    read_last_known_at,
)

Refused = Callable[[str], None]
"""Told the coarse kind of what a table claims and no record states."""


SAME_PERSON = "the same person took the step before"
SAME_AGENCY = "the table of agencies asks for two people of two different agencies"
SAME_HUMAN = (
    "an account of the identity provider and a local account may be of one person: both use the"
    " provider, or the local account is linked to its own (darvoza oidc link)"
)


def ignore(_: str) -> None:
    """Take no notice of a refusal; for commands, which answer their user directly."""


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """One key as its records state it."""

    key_id: str
    role: Role
    post: str | None
    owner: str | None
    commitment: str
    """Empty where no record commits to its secret: such a key opens nothing."""
    created_at: int
    agency: str | None = None
    is_revoked: bool = False
    label: str | None = None
    until: int | None = None
    """When it opens nothing any more, because another replaces it: UTC microseconds."""

    def is_over(self, now: int) -> bool:
        """Tell whether the key opens nothing at an instant, UTC microseconds."""
        return self.is_revoked or (self.until is not None and self.until <= now)


@dataclass(frozen=True, slots=True)
class PersonGrant:
    """One person as their records state them."""

    name: str
    role: Role
    post: str | None
    commitment: str
    """Empty where no record commits to the password."""
    since: int
    """The record of the password; sessions of before it are over."""
    agency: str | None = None
    is_removed: bool = False
    mapping: int | None = None
    """The record of the mapping by which claims granted this; None of a local account, 0 where the
    claims no longer grant anything."""
    owner: str | None = None
    """The local account with which this one is one person."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One session that a record opened and none ended; times in UTC microseconds."""

    commitment: str
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class _Session:
    name: str
    """Empty once its person signed out: it is no one's."""
    since: int
    until: int
    sequence: int
    mapping: int | None
    """The record of the mapping by which claims opened it; None of one opened by a password."""
    attempt: str


class Authority:
    """Keys, people and sessions of one process, brought up to date with each look."""

    def __init__(
        self, *, session_hours: float = 0.0, posts: Mapping[str, frozenset[str]] | None = None
    ) -> None:
        """Without ``session_hours`` no session is read: none is open.

        ``posts`` holds the agencies of each post that names any.
        """
        self._hours = session_hours
        self._posts = posts or {}
        self.tables = TableHistory()
        """Tables of agencies, proposed and in force."""
        self.oidc = MappingHistory()
        """Mappings of claims, proposed and in force."""
        self.grants = GrantHistory()
        """People, keys, roles and passwords that two administrators granted."""
        self._duties: dict[tuple[Role, str | None], Duties] = {}
        self._lock = Lock()
        self._accounts = RecordTail((*_ACCOUNTS, *GRANT_KINDS, *AGENCY_KINDS, *MAPPING_KINDS))
        self._openings: RecordTail | None = None
        self._keys: dict[str, KeyGrant] = {}
        self._key_ids: dict[str, str] = {}
        self._people: dict[str, PersonGrant] = {}
        self._sessions: dict[str, _Session] = {}
        self._looked_at = 0
        """When the last record was known, as sessions were last read."""

    def look(self, connection: Connection) -> Self:
        """Take in what was recorded since the last look."""
        with self._lock:
            for record in self._accounts.read_new(connection):
                if record.kind in AGENCY_KINDS:
                    self.tables.apply(record)
                    self._duties = {}
                elif record.kind in MAPPING_KINDS:
                    self.oidc.apply(record)
                elif record.kind in GRANT_KINDS:
                    self._change_role(self.grants.apply(record))
                else:
                    _ACCOUNTS[record.kind](self, record)
            if self._hours:
                self._look_at_sessions(connection)
        return self

    def key(self, commitment: str) -> KeyGrant | None:
        """Return the key to whose secret a record commits, None where it is revoked or unknown."""
        found = self.find_key(commitment)
        return None if found is None or found.is_revoked else found

    def find_key(self, commitment: str) -> KeyGrant | None:
        """Return the key to whose secret a record commits, also one that is over."""
        return self._keys.get(self._key_ids.get(commitment, ""))

    def every_key(self) -> tuple[KeyGrant, ...]:
        """Return every key, the oldest first."""
        return tuple(self._keys.values())

    def person(self, name: str) -> PersonGrant | None:
        """Return a person who was not removed, None for others.

        What claims granted counts for as long as the mapping is in force by which they did.
        """
        found = self._people.get(name)
        if found is None or found.is_removed:
            return None
        if found.mapping is None:
            return found
        is_current = self.oidc.in_force is not None and found.mapping == self.oidc.sequence
        is_owned = found.owner is None or self.person(found.owner) is not None
        return found if is_current and is_owned else None

    def subject(self, name: str) -> PersonGrant | None:
        """Return what claims granted to a subject last, whether it counts or not."""
        found = self._people.get(name)
        return None if found is None or found.mapping is None else found

    def people(self) -> tuple[PersonGrant, ...]:
        """Return everybody who ever had an account, those who were removed included."""
        return tuple(self._people.values())

    def subjects(self) -> tuple[PersonGrant, ...]:
        """Return every subject that ever signed on by claims."""
        return tuple(one for one in self._people.values() if one.mapping is not None)

    def human(self, name: str) -> str:
        """Return the name that counts as one person where two are asked: the owner's."""
        found = self._people.get(name)
        return name if found is None or found.owner is None else found.owner

    def are_two(self, first: str, second: str) -> bool:
        """Tell whether two names are two people, as far as accounts can tell.

        A local account and a subject of the identity provider may be of one human: they are two
        people only where the local account is linked to another subject, which signed on under the
        same mapping: under another key of subjects one human has another name. So a subject that
        did not sign on under the mapping in force is not known to be another person than anyone.
        """
        one, other = self.human(first), self.human(second)
        people = self._people.get(one), self._people.get(other)
        if one == other or None in people:
            return one != other
        if any(p is not None and p.mapping not in (None, self.oidc.sequence) for p in people):
            return False
        local = [person.name for person in people if person is not None and person.mapping is None]
        linked = (one.name for one in self.subjects() if one.owner in local)
        return len(local) != 1 or any(self.person(name) is not None for name in linked)

    def duties(self, role: Role, agency: str | None) -> Duties:
        """Return what a role of an agency may do, by the table in force."""
        with self._lock:  # a table that comes into force meanwhile must not be forgotten
            if (role, agency) not in self._duties:
                self._duties[role, agency] = self.tables.duties(role, agency, self._posts)
            return self._duties[role, agency]

    def agency_of(self, name: str) -> str | None:
        """Return the agency of a person or a key, also of a removed one; None without one."""
        found = self._people.get(name) or self._keys.get(name)
        return None if found is None else found.agency

    def has_left(self, name: str) -> bool:
        """Tell whether this is a person who was removed, or whom claims grant nothing any more."""
        return name in self._people and self.person(name) is None

    def must_be_two(self, matter: Matter, *, first: str, second: str) -> None:
        """Refuse a second person who is, or may be, the first; raises ``SecondPersonError``."""
        if first == second:
            raise SecondPersonError(matter, SAME_PERSON)
        if not self.are_two(first, second):
            raise SecondPersonError(matter, SAME_HUMAN, "human")

    def must_second(
        self, matter: Matter, *, first: str, second: str, by_anyone: bool = False
    ) -> None:
        """Refuse a second person who may not complete what the first began.

        The only rule of two people: used wherever a step waits for a second person. They are two
        people, the first still has an account, and both are of two agencies where the table of
        agencies asks for that. With ``by_anyone`` the first may also be a key without an owner, or
        a person of another installation. Raises ``SecondPersonError``, and ``LapsedProposalError``
        where the first has left.
        """
        if self.has_left(first) or (not by_anyone and self.person(first) is None):
            raise LapsedProposalError(matter)
        self.must_be_two(matter, first=first, second=second)
        if matter in self.duties(Role.ADMINISTRATOR, None).two_agencies:
            one, other = self.agency_of(first), self.agency_of(second)
            if None in (one, other) or one == other:
                raise SecondPersonError(matter, SAME_AGENCY)

    def names(self) -> tuple[str, ...]:
        """Return every name that was ever given, those of removed people too."""
        return tuple(self._people)

    def person_behind(self, key: KeyGrant) -> PersonGrant | None:
        """Return the person who answers for a key: an owner whose own role is as wide."""
        owner = None if key.owner is None else self.person(key.owner)
        if owner is None or not covers(owner.role, key.role):
            return None
        return owner if owner.post in (None, key.post) else None

    def session(self, commitment: str, now: int) -> PersonGrant | None:
        """Return the person whose session a record opened and none ended."""
        found = self._sessions.get(commitment)
        if found is None or found.until <= now:
            return None
        person = self.person(found.name)
        if person is None or person.since >= found.sequence:
            return None
        return person if found.mapping == person.mapping else None

    def is_open(self, commitment: str) -> bool:
        """Tell whether a session was open when sessions were last read."""
        return self.session(commitment, self._looked_at) is not None

    def open_sessions(self, name: str, now: int) -> tuple[OpenSession, ...]:
        """Return the open sessions of a name, the oldest first."""
        return tuple(
            OpenSession(given, one.since, one.until)
            for given, one in self._sessions.items()
            if one.name == name and self.session(given, now) is not None
        )

    def is_of_provider(self, commitment: str) -> bool:
        """Tell whether an identity provider opened a session."""
        found = self._sessions.get(commitment)
        return found is not None and found.mapping is not None

    def is_used(self, attempt: str) -> bool:
        """Tell whether an attempt to sign on by claims has opened a session already."""
        return any(one.attempt == attempt for one in self._sessions.values())

    def _look_at_sessions(self, connection: Connection) -> None:
        now = read_last_known_at(connection)  # the journal's own time: a clock that jumps ends none
        self._looked_at = now
        if self._openings is None:
            first = find_first_sequence(connection, now - round(self._hours * HOUR))
            self._openings = RecordTail((SIGNED_IN, SIGNED_OUT), after=max(0, first - 1))
        for record in self._openings.read_new(connection):
            given = str((record.body or {}).get(FIELD, ""))
            if record.kind == SIGNED_OUT:
                if (found := self._sessions.get(given)) is not None:  # kept, as its attempt is used
                    self._sessions[given] = replace(found, name="")
            elif given:
                self._sessions = {k: s for k, s in self._sessions.items() if s.until > now}
                self._sessions[given] = _session(record)

    def _create_key(self, record: PowerRecord) -> None:
        body = record.body
        if body is None or record.subject in self._keys or body.get("role") not in _ROLES:
            return
        if not self.grants.use(record, "key"):
            return
        given = str(body.get(FIELD, ""))
        self._keys[record.subject] = KeyGrant(
            key_id=record.subject,
            role=Role(body["role"]),
            post=record.post or None,
            owner=body.get("owner"),
            commitment=given,
            created_at=record.known_at,
            agency=body.get("agency"),
            label=body.get("label"),
        )
        if given:
            self._key_ids[given] = record.subject
        if (old := self._keys.get(str(body.get("replaces")))) is not None and old.until is None:
            self._keys[old.key_id] = replace(old, until=record.known_at + OVERLAP)

    def _revoke_key(self, record: PowerRecord) -> None:
        if (found := self._keys.get(record.subject)) is not None:
            self._keys[record.subject] = replace(found, is_revoked=True)

    def _create_person(self, record: PowerRecord) -> None:
        body = record.body
        if body is None or record.subject in self._people or body.get("role") not in _ROLES:
            return
        if not self.grants.use(record, "person"):
            return
        self._people[record.subject] = PersonGrant(
            name=record.subject,
            role=Role(body["role"]),
            post=record.post or None,
            commitment=str(body.get(FIELD, "")),
            since=record.seq,
            agency=body.get("agency"),
        )

    def _change_password(self, record: PowerRecord) -> None:
        """Let the old password and its sessions open nothing, whatever comes of the new one."""
        if (found := self._people.get(record.subject)) is not None:
            is_right = self.grants.use(record, "password")
            given = str((record.body or {}).get(FIELD, "")) if is_right else ""
            changed = replace(found, commitment=given, since=record.seq)
            body = record.body or {}
            if "link" in body and body.get("role") in _ROLES:  # its centre gave another role
                changed = replace(changed, role=Role(body["role"]), agency=body.get("agency"))
            self._people[found.name] = changed

    def _change_role(self, granted: ApprovalState | None) -> None:
        """Let a person have another role from now on; sessions of before are over."""
        found = None if granted is None else self._people.get(str(granted.content["name"]))
        if granted is None or found is None or found.is_removed or found.mapping is not None:
            return
        content = granted.content
        self._people[found.name] = replace(
            found,
            role=Role(content["role"]),
            post=content.get("post"),
            agency=content.get("agency"),
            since=granted.sequence,
        )

    def _remove_person(self, record: PowerRecord) -> None:
        if (found := self._people.get(record.subject)) is not None:
            self._people[found.name] = replace(found, is_removed=True, since=record.seq)
        for key in self._keys.values():
            if key.owner == record.subject:
                self._keys = self._keys | {key.key_id: replace(key, is_revoked=True)}

    def _grant_by_claims(self, record: PowerRecord) -> None:
        """Take what claims grant from now on; a record that its mapping does not bear out: nothing.

        Sessions of before go on with the new role, and are over where nothing is granted.
        """
        found = self._people.get(record.subject)
        if found is not None and found.mapping is None:
            return
        grant = self.oidc.grant(record.body or {})
        if grant is None or grant.post != (record.post or None):
            if found is not None:
                self._people[found.name] = replace(found, mapping=0, since=record.seq)
            return
        self._people[record.subject] = PersonGrant(
            name=record.subject,
            role=grant.role,
            post=grant.post,
            commitment="",
            since=record.seq if found is None else found.since,
            agency=grant.agency,
            is_removed=found is not None and found.is_removed,
            mapping=self.oidc.sequence,
            owner=None if found is None else found.owner,
        )

    def _link(self, record: PowerRecord) -> None:
        """Let a subject count as the owner of a local account, for good.

        With a record that does not match the chain it counts for nothing: whose it is, is unknown.
        """
        found, owner = self._people.get(record.subject), (record.body or {}).get("owner")
        local = self._people.get(str(owner))
        is_right = local is not None and local.mapping is None
        if found is None or found.mapping is None:
            return
        if record.body is None:
            self._people[found.name] = replace(found, is_removed=True)
        elif found.owner is None and is_right:
            self._people[found.name] = replace(found, owner=str(owner))


def _session(record: PowerRecord) -> _Session:
    body = record.body or {}
    until, oidc = micros(datetime.fromisoformat(body["until"])), body.get("oidc", {})
    mapping, attempt = oidc.get("mapping"), str(oidc.get("attempt", ""))
    return _Session(record.subject, record.known_at, until, record.seq, mapping, attempt)


_ROLES = frozenset(Role)
_ACCOUNTS: dict[str, Callable[[Authority, PowerRecord], None]] = {
    KEY_CREATED: Authority._create_key,
    KEY_REVOKED: Authority._revoke_key,
    USER_CREATED: Authority._create_person,
    PASSWORD_CHANGED: Authority._change_password,
    USER_LEFT: Authority._remove_person,
    OIDC_GRANTED: Authority._grant_by_claims,
    OIDC_LINKED: Authority._link,
}
"""What each record changes."""
