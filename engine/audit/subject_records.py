"""Records grouped as they are erased, and the subjects that they name.

Everything recorded about one movement forms a group, because an act says nothing without the
crossing that it is about; so do the steps of one watch-list entry, the versions of one declaration
ahead, and the records of one case. Every other record that may be erased is a group of its own. A
group is erased whole or not at all: what is left of a journal then replays without it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from sqlalchemy import Connection

from engine.criteria.watchlist import CONVEYANCE, NAMED, PARTIES, REQUESTED
from engine.domain.identifiers import fold
from engine.journal.areas import list_rules
from engine.journal.entries import JournalRecord, Kind
from engine.journal.journal import JOURNAL, JournalReader

ERASABLE: Final[tuple[Kind[Any], ...]] = cast(
    "tuple[Kind[Any], ...]",
    tuple(kind for kind, rule in list_rules().items() if rule.group is not None),
)
"""Kinds whose bodies may be erased. No other says anything of a movement or of a watched subject:
what grants power, opens a shift or anchors a file has to stay readable."""
FOLDED = frozenset({*CONVEYANCE, *REQUESTED, "trailer_plate", "container_numbers", "value"})
EXACT = frozenset(
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

    Plates, containers and VINs are folded, as the watch list folds them.

    >>> names_subject({"arrival": {"crossing": {"plate": "01 A 123 BC"}}}, "01a123bc")
    True
    >>> names_subject({"inspection": {"place": "01A123BC"}}, "01A123BC")
    False

    So are records that a link carries as text:

    >>> names_subject({"message": "record", "body": {"body": '{"plate": "01A123BC"}'}}, "01A123BC")
    True
    """
    if isinstance(value, Mapping):
        return any(_is_named(key, one, subject) for key, one in value.items())
    return isinstance(value, list) and any(names_subject(one, subject) for one in value)


def _is_named(key: str, value: object, subject: str) -> bool:
    if key in FOLDED or key in EXACT:
        texts = value if isinstance(value, list) else [value]
        for text in texts:
            if isinstance(text, str) and text == subject:
                return True
            if key in FOLDED and isinstance(text, str) and fold(text) == fold(subject) != "":
                return True
    if key == "body" and isinstance(value, str):
        value = _parse_copy(value)
    return names_subject(value, subject)


def _parse_copy(body: str) -> object:
    """Return the body of another installation's record, None where the text is none."""
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found
