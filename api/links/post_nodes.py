"""What a post's node gets from its centre: people and keys, bundles of models, records.

The centre states each person and key of the node's posts; a state that changed is sent again. At
the node a state becomes records of its own journal, under its own pepper, so that what grants power
there is what that journal says. A name that the node gave itself is never touched.

The centre sends each model that one person has approved, so that its bundle is at the node before
the records that put it into force. Parts of a bundle are envelopes, few at a time: records pass
between them. The node puts the parts together once it has the record of the registration, whose
digest they must have. A bundle puts no model into force; the journal does.

Records travel both ways; the counters take from a copied record what they need.
"""

from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, func, select

from api.auth.accounts import check_name
from api.auth.authority import Authority
from api.auth.credentials import FIELD, commitment_of, digest, open_pepper
from api.auth.permissions import MACHINES, OWNED
from api.auth.tables import USERS, AccountSecret
from api.links.movements import MovementContext
from api.service.structured_logging import log_event
from engine.domain.rights import Role
from engine.errors import ConflictError, RecordError, RiskError, TamperedBundleError
from engine.journal.entries import Draft, Kind, ProjectionInput
from engine.journal.journal import JournalReader
from engine.journal.kinds import (
    KEY_CREATED,
    KEY_REVOKED,
    PASSWORD_CHANGED,
    USER_CREATED,
    USER_LEFT,
    AccountBody,
)
from engine.journal.power_records import read_last_known_at, read_records
from engine.links.exchange import LinkExchange
from engine.links.identity import find_link_keys
from engine.links.inbox import ArrivedMessage
from engine.links.ledger import ENVELOPES, Direction
from engine.links.messages import ACCOUNT, BUNDLE, AccountState, BundlePart
from engine.links.outbox import OutgoingMessage, draft_messages
from engine.links.posts.linked_posts import carries_accounts, open_secret, read_sent, seal_secret
from engine.links.posts.record_outbox import RECORD, send_records
from engine.links.state import Link
from engine.storage.home import Home
from features.online.crossing_index import read_event
from models.bundle import (
    MANIFEST,
    SIGNATURE,
    keep_bundle,
    read_verified,
    read_verify_key,
    signing_key,
)
from models.lifecycle.states import ModelStates, read_state


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
            given = [OutgoingMessage(state) for state in due]
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
    now = read_last_known_at(connection)
    revoked = {key.key_id for key in authority.every_key() if key.is_over(now)}
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


PART = 48 * 1024
"""Bytes of one part: four go over a line of 64 kbit/s within a minute."""
WINDOW = 4
"""Parts that may wait for their receipts."""
_E = ENVELOPES.c


@dataclass(slots=True)
class BundleLine:
    """Bundles over the links of one home; a :data:`engine.links.exchange.Follower`."""

    home: Home
    _sent: dict[str, set[str]] = field(default_factory=dict)
    """By link, the versions that were sent whole: read once in a process."""
    _tried: dict[str, tuple[int, frozenset[str]]] = field(default_factory=dict)
    """By link, what was put together last: the newest part, and the versions that lacked."""

    def __call__(self, exchange: LinkExchange, name: str) -> int:
        """Seal the next parts, or keep what arrived whole; return how many parts were sealed."""
        link = exchange.find_link(name)
        if link.agreement.rule(BUNDLE, link.us) is not None:
            return self._send(exchange, link)
        if link.agreement.rule(BUNDLE, link.them) is not None:
            self._keep(exchange, link)
        return 0

    def _send(self, exchange: LinkExchange, link: Link) -> int:
        with exchange.store.read() as connection:
            wanted = list_wanted(read_state(connection))
            newest = _read_newest(connection, link, "sent")
            if wanted and link.name not in self._sent:
                sent = _read_parts(connection, link, "sent")
                self._sent[link.name] = {one["bundle"] for one in sent if _is_last(one)}
            room = WINDOW - _count_waiting(connection, link)
        parts = self._list_next(link, wanted, newest.body) if room > 0 else []
        given = [OutgoingMessage(one) for one in parts[:room]]

        def find(connection: Connection, now: int) -> Sequence[Draft]:
            is_first = _read_newest(connection, link, "sent").seq == newest.seq
            if not is_first or link.phase(now) != "in_force":
                return []  # another process was first
            return draft_messages(connection, now, link, keys=exchange.keys, messages=given)

        if not given or not exchange.journal.append_found(find):
            return 0
        if len(given) == len(parts):
            self._sent[link.name].add(parts[0].bundle)
        return len(given)

    def _list_next(
        self, link: Link, wanted: Mapping[str, str], last: Mapping[str, Any]
    ) -> list[BundlePart]:
        """Return the parts that are left of the bundle on its way, or all of the next one."""
        if last and last["bundle"] in wanted and not _is_last(last):
            found = self._cut(last["bundle"], wanted)
            at = [one.file == last["file"] and one.part == last["part"] for one in found]
            return found[at.index(True) + 1 :] if True in at else found
        left = [version for version in wanted if version not in self._sent.get(link.name, ())]
        return next((found for version in left if (found := self._cut(version, wanted))), [])

    def _cut(self, version: str, wanted: Mapping[str, str]) -> list[BundlePart]:
        """Return a bundle in parts, its manifest the last; none of one that was changed."""
        try:
            folder = self.home.bundles / version
            _, files = read_verified(folder, read_verify_key(self.home, version))
            files[MANIFEST] = (folder / MANIFEST).read_bytes()
        except (RiskError, OSError, ValueError, KeyError) as error:  # nor would it be loaded here
            log_event("bundle_not_sent", why=type(error).__name__)
            return []
        if sha256(files[MANIFEST]).hexdigest() != wanted[version]:
            return []
        names = sorted(files, key=lambda name: (name == MANIFEST, name))
        return [part for name in names for part in _cut_file(version, name, files[name])]

    def _keep(self, exchange: LinkExchange, link: Link) -> None:
        with exchange.store.read() as connection:
            newest = _read_newest(connection, link, "received")
            lacking = self._list_lacking(read_state(connection))
            state = newest.seq, frozenset(lacking)
            if not lacking or not newest.seq or self._tried.get(link.name) == state:
                return
            self._tried[link.name] = state
            if not _is_last(newest.body) and newest.body["bundle"] in lacking:
                return
            arrived = _join(connection, link, lacking)
        for version, files in arrived.items():
            try:
                key = signing_key(self.home)
                keep_bundle(self.home.bundles, version, files, manifest=lacking[version], key=key)
            except TamperedBundleError as error:
                log_event("bundle_not_kept", wanted=version, why=error.why)

    def _list_lacking(self, now: ModelStates) -> dict[str, str]:
        """Return registered versions without a bundle here, with their manifest's digest."""
        return {
            one.version: one.manifest
            for one in now.models.values()
            if one.manifest and not (self.home.bundles / one.version).exists()
        }


def list_wanted(now: ModelStates) -> dict[str, str]:
    """Return the versions that a node needs, with their manifest's digest: in force first."""
    found = [one for one in now.models.values() if one.role != "retired" and one.approvals]
    found.sort(key=lambda one: one.role != "in_force")
    if now.in_force is not None and now.models[now.in_force] not in found:
        found.insert(0, now.models[now.in_force])
    return {one.version: one.manifest for one in found}


def _cut_file(version: str, name: str, content: bytes) -> Iterator[BundlePart]:
    starts = range(0, max(1, len(content)), PART)
    for part, start in enumerate(starts, 1):
        yield BundlePart(
            bundle=version,
            file=name,
            digest=sha256(content).hexdigest(),
            part=part,
            parts=len(starts),
            content=b64encode(content[start : start + PART]).decode(),
        )


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest part of a direction: its record, 0 without one, and the message."""

    seq: int
    body: Mapping[str, Any]


def _select_parts(link: Link, direction: Direction) -> Any:
    # One that was refused is not sent again for ever: the node goes on without this bundle.
    statuses = ("waiting", "taken", "refused") if direction == "sent" else ("taken",)
    query = select(_E.seq).where(_E.link == link.name, _E.kind == BUNDLE)
    return query.where(_E.direction == direction, _E.status.in_(statuses)).order_by(_E.seq)


def _read_newest(connection: Connection, link: Link, direction: Direction) -> _Newest:
    query = _select_parts(link, direction).order_by(None).order_by(_E.seq.desc()).limit(1)
    seq = connection.scalar(query) or 0
    body = JournalReader(connection).bodies([seq] if seq else []).get(seq)
    return _Newest(seq, {} if body is None else body["body"])


def _count_waiting(connection: Connection, link: Link) -> int:
    query = select(func.count()).where(_E.link == link.name, _E.kind == BUNDLE)
    query = query.where(_E.direction == "sent", _E.status == "waiting")
    return connection.scalar(query) or 0


def _is_last(body: Mapping[str, Any]) -> bool:
    return bool(body) and body["file"] == MANIFEST and body["part"] == body["parts"]


def _read_parts(connection: Connection, link: Link, direction: Direction) -> Iterator[Any]:
    """Yield the parts of a direction in their order; one that was erased is left out."""
    for seq in list(connection.scalars(_select_parts(link, direction))):
        found = JournalReader(connection).bodies([seq])
        if seq in found:
            yield found[seq]["body"]


def _join(
    connection: Connection, link: Link, lacking: Mapping[str, str]
) -> dict[str, dict[str, bytes]]:
    """Return the files of bundles that arrived whole, each with the digest that its parts name."""
    parts: defaultdict[tuple[str, str, str], dict[int, str]] = defaultdict(dict)
    counts: dict[tuple[str, str, str], int] = {}
    for body in _read_parts(connection, link, "received"):
        if body["bundle"] in lacking and body["file"] != SIGNATURE:
            about = body["bundle"], body["file"], body["digest"]
            parts[about][body["part"]], counts[about] = body["content"], body["parts"]
    found: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
    for about, contents in parts.items():
        version, name, digest = about
        content = b"".join(b64decode(contents[number]) for number in sorted(contents))
        is_whole = len(contents) == counts[about] and sha256(content).hexdigest() == digest
        if is_whole:
            found[version][name] = content
    return {version: files for version, files in found.items() if MANIFEST in files}


def make_event(
    connection: Connection, kind: str, body: Mapping[str, Any], *, context: MovementContext
) -> ProjectionInput | None:
    """Return what the counters get of a copied record."""
    return read_event(context.open(connection)[0], kind, body)


def follow_records(exchange: LinkExchange, name: str) -> int:
    """Seal the next records of a link of kind ``post``; return how many envelopes they are."""
    link = exchange.find_link(name)
    if link.agreement.rule(RECORD, link.us) is None:
        return 0
    return send_records(exchange.store, exchange.journal, exchange.keys, link)
