"""Signed erasures of records, and the removal of loads that were erased or withdrawn.

A body leaves the store by a record of kind ``erasure`` that names it by its sequence and its leaf.
A program that can write to the database can append a record, so the record alone proves nothing: it
carries an Ed25519 signature of the home's signing key, over a message that cannot be confused with
a receipt. Assumes that the key is not on the machine of the database; with both one can erase.

Everything recorded about one movement forms a group, because an act says nothing without the
crossing that it is about; so do the steps of one watch-list entry, the versions of one declaration
ahead, and the records of one case. Every other record that may be erased is a group of its own. A
group is erased whole or not at all: the rest of the journal then replays without it.

Of loads, a record of the journal puts an erasure or a withdrawal into force, then folders are moved
and removed. What a kill left undone is done by the next start of the service, erasure, withdrawal
or load.
"""

import fcntl
import json
import shutil
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from engine.audit.file_anchors import (
    read_load_anchors,
    read_replaced_loads,
    read_withdrawn_loads,
)
from engine.criteria.watchlist import CONVEYANCE, NAMED, PARTIES, REQUESTED
from engine.domain.identifiers import fold
from engine.errors import RecordError
from engine.journal.areas import list_rules, list_tables
from engine.journal.entries import Draft, JournalRecord, Kind
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import ERASURE, ErasureBody, ErasureGrounds
from engine.journal.receipts import Signer, key_id_of
from engine.storage.database import Store
from engine.storage.home import Home

_PURPOSE = b"darvoza erasure 1"
_HEADER = struct.Struct(">II")
_NAMED = struct.Struct(">q32s")
_FIELDS = frozenset({"sequences", "leaves", "key_id", "signature"})


@dataclass(frozen=True, slots=True)
class Erasure:
    """The records that one erasure names, and its signature."""

    leaves: Mapping[int, bytes]
    """By sequence."""
    key_id: str
    signature: bytes


def erasure_message(journal_id: str, leaves: Mapping[int, bytes]) -> bytes:
    """Return the bytes that an erasure signs; sequences ascend."""
    name = journal_id.encode()
    named = (_NAMED.pack(seq, leaf) for seq, leaf in sorted(leaves.items()))
    return _PURPOSE + _HEADER.pack(len(name), len(leaves)) + name + b"".join(named)


def erasure_draft(
    signer: Signer,
    journal_id: str,
    leaves: Mapping[int, bytes],
    *,
    by: str,
    why: str,
    about: ErasureGrounds | None = None,
) -> Draft:
    """Return the record that erases the bodies of some records.

    Parameters
    ----------
    signer : Signer
        Of the home's signing key.
    journal_id : str
    leaves : mapping of int to bytes
        By sequence, the leaf of each record as it stands in the journal.
    by, why : str
        The person who erases, and the reason that is given.
    about : mapping, optional
        What the record says besides; not signed.
    """
    if not leaves:
        raise RecordError("erasure", "sequences", "missing_key", "names no record")
    body: ErasureBody = {
        **(about or {}),
        "by": by,
        "why": why,
        "sequences": sorted(leaves),
        "leaves": [leaves[seq].hex() for seq in sorted(leaves)],
        "key_id": signer.key_id,
        "signature": signer.sign_message(erasure_message(journal_id, leaves)).hex(),
    }
    return ERASURE.draft("", body)


def read_erasure(body: object) -> Erasure:
    """Read the body of an erasure; raises ``ValueError`` for any other body."""
    if not isinstance(body, Mapping) or not body.keys() >= _FIELDS:
        raise ValueError("names no signature")
    sequences, leaves = body["sequences"], body["leaves"]
    if not isinstance(sequences, list) or not isinstance(leaves, list):
        raise ValueError("sequences and leaves are lists")
    if len(sequences) != len(leaves) or not all(type(seq) is int for seq in sequences):
        raise ValueError("each sequence has one leaf")
    named = dict(zip(sequences, map(_bytes_of, leaves), strict=True))
    if len(named) != len(sequences):
        raise ValueError("a sequence is named twice")
    return Erasure(named, str(body["key_id"]), _bytes_of(body["signature"]))


def find_erasure_fault(
    erasure: Erasure, seq: int, *, journal_id: str, key: Ed25519PublicKey | None
) -> str | None:
    """Return why an erasure at ``seq`` is invalid, None where it is valid."""
    if any(not 0 < named < seq for named in erasure.leaves):
        return "names a record that does not come before it"
    if key is None:
        return "cannot be checked: the home's signing key is not here"
    if erasure.key_id != key_id_of(key):
        return "is signed with a key that is not this home's"
    try:
        key.verify(erasure.signature, erasure_message(journal_id, erasure.leaves))
    except (InvalidSignature, ValueError, struct.error):
        return "has a signature that does not fit"
    return None


def _bytes_of(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("bytes are hexadecimal text")
    return bytes.fromhex(value)


def find_mismatches(erasure: Erasure, standing: Mapping[int, bytes]) -> Sequence[int]:
    """Return the sequences whose record has another leaf than the erasure says."""
    return [seq for seq, leaf in erasure.leaves.items() if standing.get(seq) != leaf]


ERASABLE: Final[tuple[Kind[Any], ...]] = cast(
    "tuple[Kind[Any], ...]",
    tuple(kind for kind, rule in list_rules().items() if rule.group is not None),
)
"""Kinds whose bodies may be erased. No other says anything of a movement or of a watched subject:
what grants power, opens a shift or anchors a file has to stay readable."""
FOLDED_NAMES = frozenset({*CONVEYANCE, *REQUESTED, "trailer_plate", "container_numbers", "value"})
EXACT_NAMES = frozenset(
    {*NAMED, *(f"{party}_id" for party in PARTIES), "driver_ref", "subject"} - {*CONVEYANCE}
)
"""Keys under which a body names a subject, at whatever depth: folded, or as they are. ``value`` is
that of an attention."""


@dataclass(slots=True)
class RecordGroup:
    """Records that are erased together."""

    key: tuple[str, str]
    """(``movement``, its crossing), (``entry``, of the watch list), (``declaration``, ahead of its
    vehicle), ``case`` or (``record``, its number)."""
    sequences: list[int] = field(default_factory=list)
    latest: dict[str, int] = field(default_factory=dict)
    """By kind, when its last record became known: UTC microseconds."""
    names_subject: bool = False

    def is_due(self, cuts: Mapping[str, int]) -> bool:
        """Tell whether all records became known before the cut of their kind; none without one."""
        return all(kind in cuts and at < cuts[kind] for kind, at in self.latest.items())


class RecordGroups:
    """The groups of a journal, read in one pass and brought up to date by the next."""

    def __init__(self, subject: str | None = None) -> None:
        self.groups: dict[tuple[str, str], RecordGroup] = {}
        self._subject = subject
        self._last = 0

    def read(self, connection: Connection) -> None:
        """Take in what was recorded since the last call."""
        for one in read_erasable(connection, after=self._last):
            key = group_key(one)
            group = self.groups.setdefault(key, RecordGroup(key))
            group.sequences.append(one.seq)
            group.latest[one.kind] = one.known_at
            if self._subject is not None:
                group.names_subject |= names_subject(one.body, self._subject)
            self._last = one.seq


def read_erasable(connection: Connection, *, after: int = 0) -> Iterator[JournalRecord[Any]]:
    """Yield the records that may be erased and were not, in the journal's order."""
    return JournalReader(connection).records(*ERASABLE, where=[JOURNAL.c.seq > after])


def group_key(one: JournalRecord[Any]) -> tuple[str, str]:
    """Return the group that a record belongs to; raises ``ValueError`` of one that has none."""
    group = list_rules()[one.kind].group
    if group is None:
        raise ValueError(f"a record of kind {one.kind} is not erased")
    return group(one)


def names_subject(value: object, subject: str) -> bool:
    """Tell whether a body names a subject as an identifier.

    Plates, containers and VINs are folded, as the watch list folds them, and texts of national
    fields are.

    >>> names_subject({"arrival": {"crossing": {"plate": "01 A 123 BC"}}}, "01a123bc")
    True
    >>> names_subject({"inspection": {"place": "01A123BC"}}, "01A123BC")
    False

    >>> names_subject({"crossing": {"national": {"permit": "RP-0417"}}}, "rp 0417")
    True

    So are records that a link carries as text:

    >>> names_subject({"message": "record", "body": {"body": '{"plate": "01A123BC"}'}}, "01A123BC")
    True
    """
    if isinstance(value, Mapping):
        return any(_is_named(key, one, subject) for key, one in value.items())
    return isinstance(value, list) and any(names_subject(one, subject) for one in value)


def _is_named(key: str, value: object, subject: str) -> bool:
    if key in FOLDED_NAMES or key in EXACT_NAMES:
        texts = value if isinstance(value, list) else [value]
        for text in texts:
            if isinstance(text, str) and text == subject:
                return True
            if key in FOLDED_NAMES and isinstance(text, str) and fold(text) == fold(subject) != "":
                return True
    if key == "national" and isinstance(value, Mapping):
        return is_national(value, subject)
    if key == "body" and isinstance(value, str):
        value = _parse_copy(value)
    return names_subject(value, subject)


def is_national(fields: Mapping[str, Any], subject: str) -> bool:
    """Tell whether the text of a national field is a subject, folded."""
    texts = (value for value in fields.values() if isinstance(value, str))
    return bool(fold(subject)) and fold(subject) in map(fold, texts)


def _parse_copy(body: str) -> object:
    """Return the body of another installation's record, None where the text is none."""
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found


def forget_deleted(store: Store) -> bool:
    """Write deleted content over: SQLite's log into its file, PostgreSQL's dead rows away.

    Returns False where a reader still holds an older snapshot; the erasure stands all the same.
    """
    engine = store.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if store.dialect.is_sqlite:
            return not connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
        for table in (name for name, rule in list_tables().items() if rule.erased_by):
            connection.exec_driver_sql(f"VACUUM {table}")
    return True


STAGE = ".erasure"
"""Folder of a home with what is left of loads, until a record puts it into force."""


@contextmanager
def lock_loads(home: Home) -> Iterator[None]:
    """Let one process at a time load into a home; clear what a killed one left."""
    home.history.mkdir(parents=True, exist_ok=True)
    with (home.history / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in home.history.glob(".load-*"):
            shutil.rmtree(left)
        yield


def resume_removals(home: Home, store: Store) -> None:
    """Finish what erasures and withdrawals left to do when their process was killed."""
    with store.read() as connection:
        gone = [*read_replaced_loads(connection), *_list_withdrawn(connection)]
    if any((home.history / load).is_dir() for load in gone):
        with lock_loads(home), store.read() as connection:
            finish_removals(home, connection)


def _list_withdrawn(connection: Connection) -> Collection[str]:
    return read_withdrawn_loads(connection).keys() - read_load_anchors(connection).keys()


def finish_removals(home: Home, connection: Connection) -> None:
    """Put what is left of erased loads into their place; remove erased and withdrawn loads.

    May be repeated.

    Under :func:`lock_loads`.
    """
    for load, (_, instead) in read_replaced_loads(connection).items():
        staged, place = home.root / STAGE / "history" / instead, home.history / instead
        if staged.is_dir() and not place.exists():
            staged.rename(place)
        if place.is_dir() and (home.history / load).is_dir():
            shutil.rmtree(home.history / load)
    for load in _list_withdrawn(connection):
        if (home.history / load).is_dir():
            shutil.rmtree(home.history / load)
    shutil.rmtree(home.root / STAGE, ignore_errors=True)
