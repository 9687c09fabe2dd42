"""Names in copied records, and whether the records may have an effect on what they name.

A copy acts on rows of its own origin alone: everything that it names has to be a record of the same
installation, a row of the loaded history of the link's posts, or new. The check is made once, where
copies arrive (:mod:`engine.links.posts.record_intake`), and again by ``darvoza verify``.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection

from engine.errors import RecordError
from engine.journal import kinds as of
from engine.journal.areas import NamedField as Field
from engine.journal.areas import Sort, kinds_of, list_rules
from engine.journal.power_records import find_first_records
from engine.links.posts.record_batches import RECORD
from engine.links.posts.record_outbox import OF_MODELS
from engine.links.state import Link
from engine.storage.database import fetch_rows_among


class Name(NamedTuple):
    """Something that a record names."""

    sort: Sort
    value: str
    is_made: bool = False

    def __str__(self) -> str:
        """Return it as a message quotes it."""
        return f"{self.sort} {self.value}"


_SUBJECT = "subject"
_VEHICLE = (Field("crossing", "crossing_id"),)
_RELEASED = (Field("crossing", _SUBJECT), *_VEHICLE)
_DECIDED = (Field("decision", _SUBJECT), *_VEHICLE)
_ARRIVED = (
    Field("post", "arrival.crossing.post"),
    Field("crossing", "arrival.crossing.crossing_id", is_made=True),
)
_SEIZED = (
    Field("crossing", "seizure.crossing_id?"),
    Field("crossing", "linked_crossing_id?"),
    Field("inspection", "seizure.inspection_id?"),
)
NAMED: Mapping[str, tuple[Field, ...]] = {
    of.DECISION: (
        *_ARRIVED,
        Field("decision", _SUBJECT, is_made=True),
        Field("decision", "decision.decision_id", is_made=True),
        Field("decision", "queue.decision_id", is_made=True),
        Field("decision", "queue.amends?"),
        Field("crossing", "crossing_id", is_made=True),
        Field("crossing", "queue.crossing_id", is_made=True),
    ),
    of.CROSSING: (*_ARRIVED, Field("crossing", _SUBJECT, is_made=True)),
    of.INSPECTION: (
        Field("inspection", _SUBJECT, is_made=True),
        Field("inspection", "inspection.inspection_id", is_made=True),
        Field("crossing", "inspection.crossing_id"),
        *_VEHICLE,
    ),
    of.SEIZURE: (
        Field("seizure", _SUBJECT, is_made=True),
        Field("seizure", "seizure.seizure_id", is_made=True),
        *_SEIZED,
        Field("crossing", "pending_crossing_id?"),
        Field("post", "pending_post?"),
    ),
    of.INSPECTION_CORRECTED: (
        Field("inspection", _SUBJECT),
        Field("inspection", "inspection.inspection_id"),
        Field("inspection", "was.inspection_id"),
        Field("crossing", "inspection.crossing_id"),
        Field("crossing", "was.crossing_id"),
        *_VEHICLE,
    ),
    of.SEIZURE_CORRECTED: (
        Field("seizure", _SUBJECT),
        Field("seizure", "seizure?.seizure_id"),
        Field("seizure", "was?.seizure_id"),
        Field("crossing", "seizure?.crossing_id?"),
        Field("crossing", "was?.crossing_id?"),
        Field("crossing", "crossing_id?"),
    ),
    of.FIND_CONFIRMED: (
        Field("seizure", _SUBJECT),
        Field("seizure", "seizure.seizure_id"),
        *_SEIZED,
    ),
    of.RELEASE: _RELEASED,
    of.VEHICLE_TAKEN: _RELEASED,
    of.VEHICLE_GIVEN_BACK: _RELEASED,
    of.AUDIT_CLOSED: (*_DECIDED, Field("decision", "decision_id")),
    of.QUEUE_EXPIRED: _DECIDED,
    of.REVIEW: (*_DECIDED, Field("decision", "decision_id")),
    of.ROSTER: (Field("post", _SUBJECT),),
    of.HANDOVER: (Field("shift", _SUBJECT),),
    of.HANDOVER_TAKEN: (Field("shift", _SUBJECT),),
    **{kind: (Field("model", _SUBJECT, is_made=True),) for kind in OF_MODELS},
    **{kind: (Field("profile", _SUBJECT, is_made=True),) for kind in kinds_of("profile")},
    **{kind: (Field("watchlist", _SUBJECT, is_made=True),) for kind in kinds_of("watchlist")},
    **{kind: rule.names for kind, rule in list_rules().items() if rule.names},
}
"""What each kind names that may have an effect as a copy; a copy of another kind has none."""
_ONCE = frozenset({"case", "decision"})
"""What one record alone makes; a second one would be another row of the same key."""
_KINDS_OF: Mapping[Sort, Sequence[str]] = {
    "model": OF_MODELS,
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
    """Yield everything that a record of a kind in ``NAMED`` names; raises ``RecordError``."""
    known = {**body, _SUBJECT: subject}
    for field in NAMED[kind]:
        value = _find_value(known, field.path, kind)
        if value is not None:
            yield Name(field.sort, value, field.is_made)
    linked = list_rules()[kind].linked
    if linked and _find_value(known, "event.kind", kind) == "link":
        sort = linked.get(_find_value(known, "event.of", kind) or "")
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
