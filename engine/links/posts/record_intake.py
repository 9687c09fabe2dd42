"""Batches of records that arrive over a link of kind ``post``: each record once, within bounds.

At the centre, an event of the post is a record of the same kind, so that every projection has it;
everything else of the node's journal stands as ``post_record`` and has no effect: the node's keys,
people and approvals grant nothing at the centre. ``UNIQUE (origin, origin_seq)`` in the journal
admits each record once, whatever was checked before.

A copy acts on rows of its own origin alone: everything that it names has to be a record of the same
installation, a row of the loaded history of the link's posts, or new. A record that names anything
else stands as ``post_record`` too. The check is made when copies arrive, and again by ``darvoza
verify``: a copy that fails it there was recorded by another version, or written into the store.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, type_coerce
from sqlalchemy.types import NULLTYPE

from engine.domain.records import Record
from engine.errors import RecordError
from engine.journal.areas import Sort, check_body, kinds_of, list_rules
from engine.journal.copies import COPIES, find_copies, name_origin
from engine.journal.entries import Draft, JournalFault, ProjectionInput
from engine.journal.hash_chain import canonical
from engine.journal.journal import BODIES, JOURNAL, parse_body
from engine.journal.kinds import COPIED, POLICY_DECLARED, SEIZURE, SEIZURE_CORRECTED
from engine.journal.power_records import find_first_records
from engine.links.area import POST_RECORD, PostRecordBody
from engine.links.inbox import ArrivedMessage, LongMessageHandler, UnpackedMessage
from engine.links.messages import RecordBatch, RecordCopy, build_proof
from engine.links.posts.record_outbox import (
    GOVERNING,
    OF_MODELS,
    OF_POST,
    OTHER_HISTORY,
    RECORD,
    has_models,
    unpack_records,
)
from engine.links.state import Link, read_links
from engine.storage.database import fetch_rows_among


class Name(NamedTuple):
    """Something that a record names."""

    sort: Sort
    value: str
    is_made: bool = False

    def __str__(self) -> str:
        """Return it as a message quotes it."""
        return f"{self.sort} {self.value}"


NAMED = frozenset(kind for kind, rule in list_rules().items() if rule.names)
"""Kinds whose copies may have an effect: a copy of another kind has none."""
_ONCE = frozenset({"case", "decision"})
"""What one record alone makes; a second one would be another row of the same key."""
_KINDS_OF: Mapping[Sort, Sequence[str]] = {
    "known_lawful": kinds_of("known_lawful"),
    "model": OF_MODELS,
    "policy": (*kinds_of("policy"), POLICY_DECLARED),
    "profile": kinds_of("profile"),
    "watchlist": kinds_of("watchlist"),
}
_ANSWERS = "SELECT name, seq, post FROM answers WHERE name"
_LOADED = "SELECT name, 0, '' FROM loaded_reports WHERE name"
_TABLES: Mapping[Sort, Sequence[tuple[str, str]]] = {
    "case": [("SELECT case_id, seq, post FROM cases WHERE case_id", "")],
    "crossing": [
        ("SELECT crossing_id, seq, post FROM decisions WHERE crossing_id", ""),
        (_ANSWERS, "crossing:"),
        ("SELECT crossing_id, 0, post FROM passages WHERE crossing_id", ""),
    ],
    "decision": [("SELECT decision_id, seq, post FROM decisions WHERE decision_id", "")],
    "inspection": [(_ANSWERS, "inspection:"), (_LOADED, "inspection:")],
    "seizure": [(_ANSWERS, "seizure:"), (_LOADED, "seizure:")],
    "request": [("SELECT name, seq, '' FROM request_steps WHERE name", "")],
}
"""Where the owners of names are found: a query, and what stands before the name there. The tables
are declared in rooms above this one. A profile, an entry of the watch list or a model belongs to
the installation that recorded it first."""


def list_names(kind: str, subject: str, body: Mapping[str, Any]) -> Iterator[Name]:
    """Yield everything that a record names; raises ``RecordError``."""
    rule, known = list_rules()[kind], {**body, "subject": subject}
    for field in rule.names:
        value = _find_value(known, field.path, kind)
        if value is not None:
            yield Name(field.sort, value, field.is_made)
    if rule.linked and _find_value(known, "event.kind", kind) == "link":
        sort = rule.linked.get(_find_value(known, "event.of", kind) or "")
        if sort is not None:
            yield Name(sort, _find_value(known, "event.id", kind) or "", sort == "request")
    if "message" in body:  # what follows from a partner's message is recorded where that arrived
        yield Name("message", subject)


def _find_value(body: Mapping[str, Any], path: str, kind: str) -> str | None:
    """Return a text of a body, None where an optional part of its path is absent."""
    found: Any = body
    for part in path.split("."):
        name = part.rstrip("?")
        found = found.get(name) if isinstance(found, dict) else None
        if found is None and name != part:
            return None
    if not isinstance(found, str) or not _is_storable(found):
        raise RecordError(RECORD, "body", "malformed", f"is no {kind}")
    return found


def _is_storable(text: str) -> bool:
    """Tell whether both stores take a text: no NUL, no half of a surrogate pair."""
    return "\0" not in text and text == text.encode(errors="replace").decode()


class _Owner(NamedTuple):
    """A record that has a name, or a row of the loaded history, whose number is 0."""

    seq: int
    post: str
    origin: str = ""
    """Fingerprint of the installation that it is a copy of, empty for a record of this one."""


@dataclass(frozen=True, slots=True)
class CopyBounds:
    """On whose rows copies of one installation may have an effect."""

    them: str
    """Fingerprint of the installation that they come from."""
    posts: frozenset[str]
    """Those of the agreement."""
    is_node: bool
    """Whether this installation is the node, whose own decisions its centre reviews."""

    @classmethod
    def of_link(cls, link: Link) -> "CopyBounds":
        """Return the bounds of what arrives over a link."""
        them, posts = link.them.identity.fingerprint, frozenset(link.agreement.posts)
        return cls(them, posts, link.us.role == "node")

    def find_foreign(
        self, connection: Connection, records: Sequence[Sequence[Name]], *, made: Iterable[Name]
    ) -> list[Name | None]:
        """Return, for each record, the first of its names that is not theirs; None without one.

        ``made`` are names of records that the store does not have yet.
        """
        owners = _read_owners(connection, [name for names in records for name in names])
        known = {name[:2] for name in made if name.is_made}
        found: list[Name | None] = []
        for names in records:
            foreign = next((n for n in names if not self._may_name(n, owners, known)), None)
            if foreign is None:
                known |= {name[:2] for name in names if name.is_made}
            found.append(foreign)
        return found

    def find_misplaced(
        self, connection: Connection, records: Sequence[tuple[int, Sequence[Name]]]
    ) -> list[Name | None]:
        """Return the same for records that stand, by what was here before each of them."""
        owners = _read_owners(connection, [name for _, names in records for name in names])
        return [
            next((n for n in names if not self._is_theirs(n, owners[n[:2]], before=seq)), None)
            for seq, names in records
        ]

    def _may_name(
        self,
        name: Name,
        owners: "Mapping[tuple[Sort, str], Sequence[_Owner]]",
        known: set[tuple[Sort, str]],
    ) -> bool:
        held = owners[name[:2]]
        if not self._is_theirs(name, held):
            return False
        is_known = bool(held) or name[:2] in known or name.sort in ("post", "shift")
        return not (is_known and name.sort in _ONCE) if name.is_made else is_known

    def _is_theirs(
        self, name: Name, owners: "Sequence[_Owner]", *, before: int | None = None
    ) -> bool:
        """Tell whether no other installation has a name, or had it before a record."""
        if name.sort == "post":
            return name.value in self.posts
        if name.sort == "shift":
            return name.value.rpartition("@")[0] in self.posts
        if name.sort == "message":
            return False
        return all(self._owns(name, one) for one in owners if before is None or one.seq < before)

    def _owns(self, name: Name, owner: "_Owner") -> bool:
        if not owner.seq:  # a loaded act has no post here: its crossing is named too
            return owner.post in self.posts or (not owner.post and not name.is_made)
        if not owner.origin and self.is_node:
            return name.sort in ("crossing", "decision") and owner.post in self.posts
        return owner.origin == self.them


def _read_owners(
    connection: Connection, names: Iterable[Name]
) -> "Mapping[tuple[Sort, str], Sequence[_Owner]]":
    """Return who has each name, by sort and value."""
    wanted: defaultdict[Sort, set[str]] = defaultdict(set)
    for name in names:
        wanted[name.sort].add(name.value)
    rows: list[tuple[Sort, str, int, str]] = []
    for sort, values in wanted.items():
        for query, prefix in _TABLES.get(sort, ()):
            found = fetch_rows_among(connection, query, [f"{prefix}{one}" for one in values])
            rows += [(sort, name[len(prefix) :], seq, post) for name, seq, post in found]
        if sort in _KINDS_OF:
            first = find_first_records(connection, _KINDS_OF[sort], list(values))
            rows += [(sort, name, seq, "") for name, seq in first.items()]
    seqs = list({row[2] for row in rows if row[2]})
    query = "SELECT seq, origin FROM copied_records WHERE seq"
    copied = dict(fetch_rows_among(connection, query, seqs)) if seqs else {}
    owners: defaultdict[tuple[Sort, str], list[_Owner]] = defaultdict(list)
    for sort, value, seq, post in rows:
        origin = str(copied.get(seq, "")).partition(":")[0]
        owners[sort, value].append(_Owner(seq, post, origin))
    return owners


HAPPENED = frozenset(kind for kind, rule in list_rules().items() if rule.is_of_post)
"""What happened at a post, which the centre keeps as records of the same kinds."""
WITHOUT_POST = frozenset({SEIZURE, SEIZURE_CORRECTED})
"""Kinds that may name no post: goods found inland."""
LEAST_RECORD = 6 * 1024
"""Bytes that a record counts for at least: keeping a short one takes the writer as long."""
ToEvent = Callable[[Connection, str, Mapping[str, Any]], ProjectionInput | None]
"""What the counters need of a record, from its kind and its body."""


@dataclass(frozen=True, slots=True)
class ReadCopy:
    """A copy as far as it can be read without what is here already."""

    copy: RecordCopy
    body: dict[str, Any] | None
    names: tuple[Name, ...] = ()
    """What it names, where a copy of its kind may have an effect; else empty."""
    event: ProjectionInput | None = None


@dataclass(frozen=True, slots=True)
class RecordIntake(LongMessageHandler):
    """Takes batches of records."""

    to_event: ToEvent

    def unpack(
        self, connection: Connection, link: Link, message: Record, *, most: int
    ) -> UnpackedMessage | None:
        """Read the records of a batch; None where they count for more than ``most`` bytes.

        Done before the writer's lock is taken. Raises ``RecordError``.
        """
        assert isinstance(message, RecordBatch)  # noqa: S101  # the handler of this kind
        found = unpack_records(message, most=most)
        size = 0 if found is None else max(found.size, LEAST_RECORD * len(found.copies))
        if found is None or size > most:
            return None
        return UnpackedMessage([self._read(connection, link, one) for one in found.copies], size)

    def _read(self, connection: Connection, link: Link, copy: RecordCopy) -> ReadCopy:
        body = _read_body(copy)
        if body is None or not _has_effect(link, copy):
            return ReadCopy(copy, body)
        check_body(copy.kind, body)
        names = tuple(list_names(copy.kind, copy.subject, body))
        return ReadCopy(copy, body, names, self._event(connection, copy, body))

    def __call__(self, connection: Connection, arrived: ArrivedMessage) -> Sequence[Draft[Any]]:
        """Return the records of a batch that are not here yet; raises ``RecordError``."""
        link, message = arrived.link, arrived.message
        assert isinstance(message, RecordBatch)  # noqa: S101  # the handler of this kind
        read: Sequence[ReadCopy] = arrived.content
        fingerprint = link.them.identity.fingerprint
        about = fingerprint, message.journal_id
        origins = [name_origin(*about, branch) for branch in range(message.branch + 1)]
        known = find_copies(connection, origins, first=message.first, last=message.last)
        for draft in arrived.pending:
            if draft.origin in origins and draft.origin_seq is not None:
                known[draft.origin, draft.origin_seq] = bytes.fromhex(draft.body[COPIED]["chain"])
        new = [one for one in read if not _is_known(one.copy, known, origins)]
        made = [
            name
            for draft in arrived.pending
            if draft.kind in NAMED and COPIED in draft.body
            for name in list_names(draft.kind, draft.subject, draft.body)
        ]
        bounds, named = CopyBounds.of_link(link), [one.names for one in new]
        foreign = bounds.find_foreign(connection, named, made=made)
        draft_copy = partial(_draft, link, message, origin=origins[-1])
        return [draft_copy(one, foreign=name) for one, name in zip(new, foreign, strict=True)]

    def _event(
        self, connection: Connection, copy: RecordCopy, body: Mapping[str, Any]
    ) -> ProjectionInput | None:
        try:
            return self.to_event(connection, copy.kind, body)
        except (KeyError, TypeError, ValueError):  # a body that this version cannot read
            raise RecordError(RECORD, "body", "malformed", f"is no {copy.kind}") from None


def _draft(
    link: Link, batch: RecordBatch, read: ReadCopy, *, origin: str, foreign: Name | None
) -> Draft[Any]:
    """Return a copy with its effect, or kept alone: of its kind, or because of what it names."""
    copy, body = read.copy, read.body
    proof = build_proof(copy, journal_id=batch.journal_id, branch=batch.branch)
    if body is not None and read.names and foreign is None:
        content = {**body, COPIED: proof}
        place = origin, copy.sequence, read.event
        return Draft(copy.kind, copy.subject, copy.post, content, *place)
    wrapped: PostRecordBody = {
        "copied": proof,
        "kind": copy.kind,
        "subject": copy.subject,
        "post": copy.post,
    }
    if body is not None:
        wrapped["content"] = body
    if foreign is not None:
        wrapped["foreign"] = str(foreign)
    post = copy.post if copy.post in link.agreement.posts else ""
    return Draft(POST_RECORD, "", post, wrapped, origin, copy.sequence)


def _has_effect(link: Link, copy: RecordCopy) -> bool:
    """Tell whether a copy of its kind and post may stand here as a record of its own kind."""
    if copy.origin_seq is not None:
        return False
    is_of_post = copy.post in link.agreement.posts
    if link.us.role == "centre":
        is_inland = not copy.post and copy.kind in WITHOUT_POST
        return copy.kind in HAPPENED and (is_of_post or is_inland)
    if copy.kind in OF_POST:
        return is_of_post
    return copy.kind in GOVERNING or (copy.kind in OF_MODELS and has_models(link))


def _is_known(
    copy: RecordCopy, known: Mapping[tuple[str, int], bytes], origins: Sequence[str]
) -> bool:
    """Tell whether a record is here; raises ``RecordError`` where another one has its number.

    A journal that went on from an older state of its disk has other records under numbers that
    were taken: they are of another branch, and both stay.
    """
    chains = [known.get((origin, copy.sequence)) for origin in origins]
    if bytes.fromhex(copy.chain) in chains:
        return True
    if chains[-1] is not None:
        why = "its number is taken by another record of the same journal"
        raise RecordError(RECORD, "sequence", OTHER_HISTORY, why)
    return False


def _read_body(copy: RecordCopy) -> dict[str, Any] | None:
    """Return a body whose form can be made again; raises ``RecordError`` for another."""
    if copy.body is None:
        return None
    try:
        body = json.loads(copy.body)
    except (ValueError, RecursionError):
        body = None
    is_own = copy.origin_seq is None
    is_whole = isinstance(body, dict) and canonical(body).decode() == copy.body
    if not isinstance(body, dict) or not is_whole or (is_own and COPIED in body):
        raise RecordError(RECORD, "body", "malformed", "is not a canonical JSON object")
    return body


FOREIGN_COPY_RULE = "foreign_copy"
_AT_ONCE = 500
_J = JOURNAL.c
_COPIED = (
    select(_J.seq, _J.kind, _J.subject, COPIES.c.origin, type_coerce(BODIES.c.body, NULLTYPE))
    .join_from(COPIES, JOURNAL, _J.seq == COPIES.c.seq)
    .join(BODIES, BODIES.c.seq == _J.seq)
    .order_by(_J.seq)
)


def find_foreign_copies(connection: Connection, fingerprint: str) -> Iterator[JournalFault]:
    """Yield each copy that stands as its kind and names what is not of its own installation.

    ``fingerprint`` is that of this installation's link identity.
    """
    bounds = _read_bounds(connection, fingerprint)
    for some in _read_copies(connection, *NAMED):
        named: defaultdict[str, list[tuple[int, list[Name]]]] = defaultdict(list)
        for seq, kind, subject, origin, body in some:
            try:
                named[origin.partition(":")[0]].append((seq, list(list_names(kind, subject, body))))
            except RecordError:  # its replay is a fault
                continue
        for them, records in named.items():
            if them in bounds:
                found = bounds[them].find_misplaced(connection, records)
                for (seq, _), name in zip(records, found, strict=True):
                    if name is not None:
                        why = f"a copy acts on {name}, which is not of its installation"
                        yield JournalFault(seq, FOREIGN_COPY_RULE, why)


def note_foreign_copies(connection: Connection) -> Iterator[str]:
    """Yield a note where copies were kept without effect because they name rows of others."""
    kept = [
        (seq, body["foreign"])
        for some in _read_copies(connection, POST_RECORD)
        for seq, _, _, _, body in some
        if "foreign" in body
    ]
    if kept:
        yield (
            f"copies: {len(kept)} have no effect because they name what is not of their "
            f"installation; the last is record {kept[-1][0]} ({kept[-1][1]})"
        )


def _read_copies(
    connection: Connection, *kinds: str
) -> Iterator[list[tuple[int, str, str, str, Mapping[str, Any]]]]:
    """Yield the readable copies of some kinds in order, some at a time."""
    query = _COPIED.where(_J.kind.in_(kinds))
    rows = iter(connection.execute(query, execution_options={"yield_per": _AT_ONCE}))
    while some := list(islice(rows, _AT_ONCE)):
        found = []
        for *about, stored in some:
            try:
                body = parse_body(stored)
            except (TypeError, ValueError, RecursionError):  # a fault of the chain
                continue
            if isinstance(body, dict):
                found.append((*about, body))
        yield found


def _read_bounds(connection: Connection, fingerprint: str) -> dict[str, CopyBounds]:
    """Return the bounds of each installation by fingerprint, with the posts of all its links."""
    found: dict[str, CopyBounds] = {}
    for link in read_links(connection, fingerprint).values():
        one = CopyBounds.of_link(link)
        before = found.get(one.them, one)
        found[one.them] = CopyBounds(one.them, one.posts | before.posts, one.is_node)
    return found
