"""Watch list: identifiers that force an inspection until they expire.

An entry of this service needs two persons and then selects for red. A counterpart's notice is in
force at once, because it can be about a vehicle that arrives within the hour; but it rests on one
person of another service, so until a second person here confirms it, it selects for yellow
(documents and scan) and expires within 30 days.

A list that is loaded from a file is one entry with many rows: it is proposed, approved, renewed and
retired as a whole. A renewal is a new entry with the same rows, which takes the place of the
earlier one when it is approved.

Matching is by hash of the folded identifier, in memory, from the journal's records: a row that is
inserted into a table or deleted there changes no decision. An arrival is looked up by its own few
identifiers, whatever the number of entries. Assumes at most tens of thousands of rows.
"""

import hashlib
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection

from engine.criteria.dual_control import ApprovalState, ApprovalTail, read_approval_states
from engine.criteria.match import Match
from engine.domain.field_types import (
    Agency,
    HandlingCode,
    Identifier,
    PostCode,
    Text,
    Time,
    TypedPlate,
)
from engine.domain.identifiers import fold, skeleton
from engine.domain.records import Arrival, Crossing, Declaration, Record
from engine.domain.time_units import DAY, micros, moment, rfc3339
from engine.errors import RecordError
from engine.ports import FeatureRows

LONGEST_DAYS, LONGEST_NOTICE_DAYS = 366, 30
MOST_ROWS = 5_000
"""Rows of one list that is loaded from a file."""
CHANNEL: Final = "red"
NOTICE_CHANNEL: Final = "yellow"
CONVEYANCE = ("plate", "trailer", "vin", "container")
"""Identifiers that are folded, and may be matched by their shape."""
PARTIES = ("carrier", "consignee", "consignor", "declarant")
NAMED = (*CONVEYANCE, "party", *PARTIES, "driver_ref")
REQUESTED = ("seal", "tir_carnet")
"""Identifiers that only a request of a partner names; folded."""
SELECTING = frozenset({"search", "scan"})
"""Actions of a partner's request that select; an entry without an action does as well."""

Reason = Annotated[Text, Field(min_length=1, max_length=200)]


class NoticeIdentifiers(Record):
    """What a counterpart's notice may name."""

    plate: TypedPlate | None = None
    trailer: TypedPlate | None = None
    container: Identifier | None = None
    party: Identifier | None = None
    """A carrier, consignee, consignor or declarant; it matches in any of these roles."""


class EntryIdentifiers(NoticeIdentifiers):
    """What an entry may name, and how it is compared."""

    vin: Identifier | None = None
    carrier: Identifier | None = None
    consignee: Identifier | None = None
    consignor: Identifier | None = None
    declarant: Identifier | None = None
    driver_ref: Identifier | None = None
    look_alikes: bool = False
    """Match plates, trailers, VINs and containers by shape: O as 0, I as 1, B as 8."""


class EntryTerms(Record):
    """Why something stands on the watch list, until when, and whose entry it is."""

    source_post: PostCode | None = None
    """The post that reports it; the post of the caller's key where it is absent."""
    reason: Reason
    """A code, or a few words."""
    expiry: Time
    agency: Agency = None
    """The agency whose entry it is."""


class Notice(NoticeIdentifiers, EntryTerms):
    """A counterpart's notice: one or more identifiers, the reason, and the expiry."""

    EXAMPLE: ClassVar = {
        "trailer": "01 4567 AA",
        "source_post": "FOT",
        "reason": "magnets under the frame, 1 March",
        "expiry": "2026-03-20T00:00:00+05:00",
    }

    @model_validator(mode="after")
    def _names(self) -> Self:
        if not list_identifiers(self.model_dump(mode="json")):
            raise PydanticCustomError("missing_key", "at least one identifier is needed")
        return self


class ListTerms(Record):
    """Which named list something belongs to, who answers for it and how far it is believed.

    None of it selects or ranks: it is shown beside the match to those who see the watch list.
    """

    list: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    owner: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    """The office that answers for it."""
    threat: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    """What it is there to find."""
    review_by: Time | None = None
    gravity: Literal["low", "medium", "high"] | None = None
    source_grade: Literal["A", "B", "C", "D", "E", "F"] | None = None
    """Reliability of the source, A the most reliable, F not known."""
    information_grade: Literal["1", "2", "3", "4", "5", "6"] | None = None
    """Credibility of the information, 1 confirmed, 6 not known."""
    handling: Annotated[tuple[HandlingCode, ...], Field(max_length=3)] = ()
    is_shareable: bool = False
    """Its identifiers may be compared with the lists of partners: docs/links.md."""

    @model_validator(mode="after")
    def _keep_back(self) -> Self:
        if "H2" in self.handling and self.is_shareable:
            why = "what is handled as H2 is not compared with partners"
            raise PydanticCustomError("kept_back", "{why}", {"field": "handling", "why": why})
        return self


class WatchEntry(EntryIdentifiers, ListTerms, Notice):
    """What an analyst or a supervisor proposes for the watch list."""

    note: Text | None = None
    EXAMPLE: ClassVar = {
        "plate": "01 A 123 BC",
        "look_alikes": True,
        "source_post": "OYB",
        "reason": "seen with a false tank",
        "expiry": "2026-04-01T00:00:00+05:00",
    }


class WatchRow(EntryIdentifiers):
    """One row of a list."""

    reason: Reason | None = None
    """That of the list where it is absent."""
    note: Text | None = None


class NamedList(ListTerms, EntryTerms):
    """What is common to the rows of a list."""

    list: Annotated[Text, Field(min_length=1, max_length=100)]
    owner: Annotated[Text, Field(min_length=1, max_length=100)]
    note: Text | None = None
    instead_of: Identifier | None = None
    """The entry that it renews, which ends when this one is approved."""


class WatchBatch(NamedList):
    """A list of many rows, which two people put into force, renew and retire as a whole."""

    rows: Annotated[tuple[WatchRow, ...], Field(min_length=1, max_length=MOST_ROWS)]
    left_out: Annotated[int, Field(ge=0)] = 0
    """Faulty rows of the file, which are not part of it."""


def list_rows(entry_id: str, content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the rows of an entry with their names: itself, or ``ID.1`` and so on of a list."""
    rows = content.get("rows")
    if rows is None:
        yield entry_id, content
    else:
        yield from ((f"{entry_id}.{number}", row) for number, row in enumerate(rows, 1))


def read_entries(connection: Connection) -> dict[str, ApprovalState]:
    """Return the entries by id; one whose renewal was ever approved is retired."""
    found = read_approval_states(connection, "watchlist")
    for one in list(found.values()):
        earlier = found.get(find_renewed(one))
        if earlier is not None:
            found[earlier.subject] = replace(earlier, state="retired", leaving=None)
    return found


def find_renewed(entry: ApprovalState) -> str:
    """Return the entry in whose place an approved one stands, empty where there is none."""
    return str(entry.content.get("instead_of", "")) if entry.approvals else ""


def list_identifiers(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the identifiers of an entry or of a row, by kind; a list has none of its own."""
    kinds = (*NAMED, *REQUESTED)
    return {kind: content[kind] for kind in kinds if content.get(kind) is not None}


def entry_content(entry: EntryTerms, *, now: int) -> dict[str, Any]:
    """Return an entry, or a counterpart's notice, as it is recorded.

    The expiry of a notice is cut to 30 days; ``RecordError`` refuses one of an entry too far ahead.
    """
    expires = micros(entry.expiry)
    if not isinstance(entry, WatchEntry | WatchBatch):
        expires = min(expires, now + LONGEST_NOTICE_DAYS * DAY)
    return record_until("watchlist", entry, expires, now=now)


def record_until(matter: str, entry: Record, expires: int, *, now: int) -> dict[str, Any]:
    """Return an entry of a matter with its expiry, UTC microseconds, as it is recorded.

    Raises ``RecordError`` for an expiry that is past or more than ``LONGEST_DAYS`` ahead.
    """
    if expires <= now:
        raise RecordError(matter, "expiry", "expiry", "must lie ahead")
    if expires > now + LONGEST_DAYS * DAY:
        raise RecordError(matter, "expiry", "expiry", f"at most {LONGEST_DAYS} days ahead")
    return entry.model_dump(mode="json", exclude_none=True) | {"expiry": rfc3339(expires)}


def make_key(kind: str, value: str) -> int:
    """Return the lookup key of a value of one kind, 63 bits."""
    digest = hashlib.blake2b(f"{kind}\x1f{value}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big") >> 1


def list_entry_keys(content: Mapping[str, Any]) -> Iterator[int]:
    """Yield the lookup keys of an entry or a row; what folds to an empty text has none."""
    for kind, value in list_identifiers(content).items():
        if kind not in (*CONVEYANCE, *REQUESTED):
            yield make_key(kind, value)
        elif folded := fold(value):
            is_shape = content.get("look_alikes", False)
            yield make_key(kind + "~", skeleton(folded)) if is_shape else make_key(kind, folded)


def list_arrival_keys(arrival: Arrival) -> Iterator[int]:
    """Yield the lookup keys of an arrival."""
    crossing = arrival.crossing
    for kind, value in _conveyance(crossing):
        if folded := fold(value):
            yield make_key(kind, folded)
            yield make_key(kind + "~", skeleton(folded))
    for papers in arrival.declarations or (arrival.declaration,):
        for kind, party in _parties(crossing, papers):
            if party is not None:
                yield make_key(kind, party)
                if kind in PARTIES:
                    yield make_key("party", party)


def _conveyance(crossing: Crossing) -> Iterator[tuple[str, str]]:
    known = (("plate", crossing.plate), ("trailer", crossing.trailer_plate), ("vin", crossing.vin))
    yield from ((kind, value) for kind, value in known if value is not None)
    yield from (("container", number) for number in crossing.container_numbers)
    yield from (("seal", number) for number in crossing.seal_numbers)
    if crossing.tir_carnet is not None:
        yield "tir_carnet", crossing.tir_carnet


def _parties(
    crossing: Crossing, declaration: Declaration | None
) -> Iterator[tuple[str, str | None]]:
    yield "carrier", crossing.carrier_id
    yield "driver_ref", crossing.driver_ref
    for kind in PARTIES[1:]:
        yield kind, getattr(declaration, f"{kind}_id", None)


class EntryMatcher(ABC):
    """Finds entries of one matter; implements ``engine.criteria.match.Matcher``."""

    def __init__(self, matter: str) -> None:
        self._tail = ApprovalTail(matter)

    def matches(
        self,
        snapshot: Connection,
        arrivals: Sequence[Arrival],
        _rows: FeatureRows,
        *,
        as_of: int,
    ) -> Sequence[Sequence[Match]]:
        """Return, for each arrival, the entries in force that name it."""
        for entry_id, now in self._tail.read_changed(snapshot).items():
            self._move(entry_id, now)
        return [self._match(arrival, as_of) for arrival in arrivals]

    @abstractmethod
    def _move(self, entry_id: str, now: ApprovalState | None) -> None:
        """Let an entry match as it stands now."""

    @abstractmethod
    def _match(self, arrival: Arrival, as_of: int) -> tuple[Match, ...]:
        """Return the entries in force that name an arrival."""


class WatchMatcher(EntryMatcher):
    """Finds the entries of the watch list that name an arrival."""

    def __init__(self) -> None:
        super().__init__("watchlist")
        self._renewed: set[str] = set()
        self._keys: dict[str, tuple[int, ...]] = {}
        """Lookup keys of each entry in force."""
        self._entries: defaultdict[int, dict[str, tuple[ApprovalState, Mapping[str, Any], int]]] = (
            defaultdict(dict)
        )
        """By key, then by entry: the entry, its row, and its expiry."""

    def _match(self, arrival: Arrival, as_of: int) -> tuple[Match, ...]:
        if not self._keys:
            return ()
        found: dict[Match, None] = {}
        for key in list_arrival_keys(arrival):
            known = self._entries.get(key, {}).values()
            due = (to_match(entry, row) for entry, row, expires in known if expires > as_of)
            found |= dict.fromkeys(sorted(due, key=lambda match: match.sequence))
        return tuple(found)

    def _move(self, entry_id: str, now: ApprovalState | None) -> None:
        self._drop(entry_id)
        if now is None:
            return
        if renewed := find_renewed(now):
            self._renewed.add(renewed)
            self._drop(renewed)
        if now.state == "in_force" and entry_id not in self._renewed:
            self._add(now)

    def _drop(self, entry_id: str) -> None:
        for key in self._keys.pop(entry_id, ()):
            del self._entries[key][entry_id]

    def _add(self, entry: ApprovalState) -> None:
        expires, keys = read_expiry(entry), dict[int, None]()
        for _, row in list_rows(entry.subject, entry.content):
            for key in list_entry_keys(row):
                keys[key] = None
                self._entries[key][entry.subject] = entry, row, expires
        self._keys[entry.subject] = tuple(keys)


def to_match(entry: ApprovalState, row: Mapping[str, Any]) -> Match:
    """Return the match of a row of an entry in force, as a decision keeps it."""
    stated = state_row(entry, row)
    return Match(
        source="watchlist",
        code=entry.subject,
        sequence=entry.sequence,
        channel=NOTICE_CHANNEL if entry.is_notice else CHANNEL,
        share=1.0 if is_selecting(entry.content) else 0.0,
        words=describe_entry(entry, stated),
        parameters=stated,
        is_of_counterpart=entry.is_of_counterpart,
    )


def is_selecting(content: Mapping[str, Any]) -> bool:
    """Tell whether an entry selects what it names; requests such as ``tell`` only match it."""
    return content.get("action", "search") in SELECTING


def read_expiry(found: ApprovalState) -> int:
    """Return when an entry expires, UTC microseconds."""
    return micros(datetime.fromisoformat(found.content["expiry"]))


def describe_entry(entry: ApprovalState, stated: Mapping[str, Any]) -> str:
    """Return the parameters of a match with an entry in words, for permitted readers."""
    names = describe_names(stated["identifiers"])
    until = moment(read_expiry(entry)).strftime("%Y-%m-%d %H:%M UTC")
    return f"{names}; reason: {stated['reason']}; by {entry.author}; until {until}"


def describe_names(names: Mapping[str, str]) -> str:
    """Return what an entry names, by kind, in words."""
    return ", ".join(f"{kind.replace('_', ' ')} {value}" for kind, value in names.items())


def state_row(entry: ApprovalState, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return identifiers, reason, author and expiry of a row as the parameters of a message."""
    agency = entry.content.get("agency")
    return ({} if agency is None else {"agency": agency}) | {
        "identifiers": list_identifiers(row),
        "reason": _say_reason(entry, row),
        "author": entry.author,
        "until": rfc3339(read_expiry(entry)),
    }


def _say_reason(entry: ApprovalState, row: Mapping[str, Any]) -> str:
    """Return the reason of a row, after its list with grades and handling where it has one."""
    known, reason = entry.content, str(row.get("reason") or entry.content["reason"])
    if "list" not in known:
        return reason
    grade = known.get("source_grade", "") + known.get("information_grade", "")
    codes = ", ".join(filter(None, (grade, *known.get("handling", ()))))
    return f"{known['list']} ({codes}): {reason}" if codes else f"{known['list']}: {reason}"
