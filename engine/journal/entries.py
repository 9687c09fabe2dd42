"""Journal records before and after they are appended, and what the journal asks of others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, cast, get_args

from sqlalchemy import Connection
from typing_extensions import TypeVar

Body_co = TypeVar("Body_co", covariant=True, default=Mapping[str, Any])


class ProjectionInput:
    """What projections need of a record besides its body and the journal must not hold.

    A subclass for each: events of the counters (:mod:`engine.ports`), the anchor of an accepted
    clock, the seed of a shift, the secret of an account.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Draft(Generic[Body_co]):
    """A record before it is appended; :meth:`Kind.draft` holds its body to its kind."""

    kind: str
    subject: str
    """Identifier of the object of the record; empty where there is none."""
    post: str
    body: Body_co
    """JSON values only."""
    origin: str = ""
    """The journal it came from, where it is not this one; ``origin_seq`` is its number there."""
    origin_seq: int | None = None
    extra: ProjectionInput | None = None
    """Not recorded: handed to the projections."""


class Kind(str, Generic[Body_co]):
    """A kind of record, whose bodies have one type: ``Kind[Body](name, label)``."""

    label: str
    """What pages call a record of the kind, in English; empty for a step of two people or of a
    model, which pages call by its matter, and for a kind that they do not list."""

    def __new__(cls, name: str, label: str = "") -> Self:
        """Make a kind of its name, which never changes."""
        made = super().__new__(cls, name)
        made.label = label
        return made

    @property
    def body_type(self) -> Any:
        """The type of its bodies, as ``Kind[Body]`` states it."""
        (found,) = get_args(self.__orig_class__)  # type: ignore[attr-defined]  # of typing
        return found

    def draft(
        self,
        subject: str,
        body: Body_co,  # type: ignore[misc]  # covariant for readers of several kinds
        *,
        post: str = "",
        extra: ProjectionInput | None = None,
    ) -> Draft[Body_co]:
        """Return a record of this kind before it is appended."""
        return Draft(self, subject, post, body, extra=extra)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as it stands in the journal, without its body."""

    journal_id: str
    seq: int
    known_at: int
    """UTC microseconds."""
    kind: str
    subject: str
    post: str
    leaf: bytes
    chain: bytes
    after: int | None = field(default=None, compare=False)
    """When the record before it became known, 0 where there is none; set as it is recorded."""


@dataclass(frozen=True, slots=True)
class JournalRecord(Generic[Body_co]):
    """A record as it is read back, with its body."""

    seq: int
    known_at: int
    """UTC microseconds."""
    kind: str
    subject: str
    post: str
    body: Body_co


def list_bodies(
    entries: Sequence[tuple[Entry, Draft]], *kinds: Kind[Body_co]
) -> list[tuple[Entry, Body_co]]:
    """Return the records of some kinds among those that a projection gets, with their bodies."""
    return [(entry, cast("Any", draft.body)) for entry, draft in entries if entry.kind in kinds]


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """Return UTC microseconds."""
        ...


Projection = Callable[[Connection, Sequence[tuple[Entry, Draft]]], None]
"""Writes what records change in tables, in the transaction of the records.

An exception undoes the records too.
"""


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a journal; ``seq`` is 0 where there is none yet."""

    journal_id: str
    seq: int
    known_at: int
    chain: bytes

    @property
    def as_of(self) -> int:
        """The cut that sees all of this journal, with a strict ``<``: UTC microseconds."""
        return self.known_at + 1


@dataclass(frozen=True, slots=True)
class JournalFault:
    """A difference from what the records state."""

    seq: int
    """Where; 0 for the journal as a whole."""
    rule: str
    message: str
    table: str = ""
    """Of a projection; empty where the fault is in the journal or in a file."""
    key: str = ""
    """Which row of it."""
