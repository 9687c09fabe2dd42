"""Watch list: identifiers that force an inspection until they expire.

An entry of this service needs two persons and then selects for red. A counterpart's notice is in
force at once, because it can be about a vehicle that arrives within the hour; but it rests on one
person of another service, so until a second person here confirms it, it selects for yellow
(documents and scan) and expires within 30 days.

Matching is by hash of the folded identifier, in memory, from the journal's records: a row that is
inserted into a table or deleted there changes no decision. Assumes at most tens of thousands of
entries.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection

from engine.criteria.dual_control import (
    ApprovalState,
    apply_event,
    to_event,
)
from engine.criteria.match import Match
from engine.domain.identifiers import fold, skeleton
from engine.domain.records import (
    Agency,
    Arrival,
    Crossing,
    Declaration,
    Identifier,
    PostCode,
    Record,
    Text,
    Time,
)
from engine.domain.time_units import DAY, micros, moment, rfc3339
from engine.errors import RecordError
from engine.journal.areas import kinds_of
from engine.journal.power_records import PowerRecord, RecordTail
from engine.ports import FeatureRows

LONGEST_DAYS, LONGEST_NOTICE_DAYS = 366, 30
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

    plate: Identifier | None = None
    trailer: Identifier | None = None
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


class Notice(NoticeIdentifiers):
    """A counterpart's notice: one or more identifiers, the reason, and the expiry."""

    source_post: PostCode | None = None
    """The post that reports it; the post of the caller's key where it is absent."""
    reason: Reason
    """A code, or a few words."""
    expiry: Time
    agency: Agency = None
    """The agency whose entry it is."""

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


class WatchEntry(EntryIdentifiers, Notice):
    """What an analyst or a supervisor proposes for the watch list."""

    note: Text | None = None
    is_shareable: bool = False
    """Its identifiers may be compared with the lists of partners: docs/links.md."""
    EXAMPLE: ClassVar = {
        "plate": "01 A 123 BC",
        "look_alikes": True,
        "source_post": "OYB",
        "reason": "seen with a false tank",
        "expiry": "2026-04-01T00:00:00+05:00",
    }


def list_identifiers(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the identifiers of an entry, by kind."""
    kinds = (*NAMED, *REQUESTED)
    return {kind: content[kind] for kind in kinds if content.get(kind) is not None}


def entry_content(entry: Notice, *, now: int) -> dict[str, Any]:
    """Return an entry, or a counterpart's notice, as it is recorded.

    The expiry of a notice is cut to 30 days; ``RecordError`` refuses one of an entry too far ahead.
    """
    expires, latest = micros(entry.expiry), now + LONGEST_DAYS * DAY
    if not isinstance(entry, WatchEntry):
        latest = now + LONGEST_NOTICE_DAYS * DAY
        expires = min(expires, latest)
    if expires <= now:
        raise RecordError("watchlist", "expiry", "expiry", "must lie ahead")
    if expires > latest:
        raise RecordError("watchlist", "expiry", "expiry", f"at most {LONGEST_DAYS} days ahead")
    return entry.model_dump(mode="json", exclude_none=True) | {"expiry": rfc3339(expires)}


def _key(kind: str, value: str) -> int:
    digest = hashlib.blake2b(f"{kind}\x1f{value}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big") >> 1


def _entry_keys(content: Mapping[str, Any]) -> Iterator[int]:
    """Yield the lookup keys of an entry; an identifier that folds to an empty text has none."""
    for kind, value in list_identifiers(content).items():
        if kind not in (*CONVEYANCE, *REQUESTED):
            yield _key(kind, value)
        elif folded := fold(value):
            is_shape = content.get("look_alikes", False)
            yield _key(kind + "~", skeleton(folded)) if is_shape else _key(kind, folded)


def _arrival_keys(arrival: Arrival) -> Iterator[int]:
    """Yield the lookup keys of an arrival."""
    crossing = arrival.crossing
    for kind, value in _conveyance(crossing):
        if folded := fold(value):
            yield _key(kind, folded)
            yield _key(kind + "~", skeleton(folded))
    for kind, party in _parties(crossing, arrival.declaration):
        if party is not None:
            yield _key(kind, party)
            if kind in PARTIES:
                yield _key("party", party)


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


def _key_rows(found: ApprovalState) -> Iterator[dict[str, Any]]:
    for key in dict.fromkeys(_entry_keys(found.content)):
        yield {
            "entry_id": found.subject,
            "key": key,
            "seq": found.sequence,
            "channel": NOTICE_CHANNEL if found.is_notice else CHANNEL,
            "expires_at": read_expiry(found),
        }


class WatchMatcher:
    """Finds the entries that name an arrival; implements ``engine.criteria.match.Matcher``."""

    def __init__(self) -> None:
        self._tail = RecordTail(kinds_of("watchlist"))
        self._standings: dict[str, ApprovalState] = {}
        self._unproven: set[str] = set()
        self._keys: dict[str, tuple[int, ...]] = {}
        """Lookup keys of each entry in force."""
        self._entries: defaultdict[int, dict[str, tuple[Match, int]]] = defaultdict(dict)
        """By key, then by entry: the match, and its expiry."""

    def matches(
        self,
        snapshot: Connection,
        arrivals: Sequence[Arrival],
        _rows: FeatureRows,
        *,
        as_of: int,
    ) -> Sequence[Sequence[Match]]:
        """Return, for each arrival, the entries in force that name it."""
        for record in self._tail.read_new(snapshot):
            self._move(record)
        if not self._keys:
            return [()] * len(arrivals)
        return [self._of(arrival, as_of) for arrival in arrivals]

    def _of(self, arrival: Arrival, as_of: int) -> tuple[Match, ...]:
        found: dict[Match, None] = {}
        for key in _arrival_keys(arrival):
            known = self._entries.get(key, {}).values()
            due = (match for match, expires in known if expires > as_of)
            found |= dict.fromkeys(sorted(due, key=lambda match: match.sequence))
        return tuple(found)

    def _move(self, record: PowerRecord) -> None:
        """Apply one record; an entry with an unproven record never matches."""
        entry_id = record.subject
        for key in self._keys.pop(entry_id, ()):
            del self._entries[key][entry_id]
        if record.body is None:
            self._unproven.add(entry_id)
        if entry_id in self._unproven:
            return
        before = self._standings.get(entry_id)
        now = apply_event(before, to_event(record), needs_evidence=False)
        if now is None:
            return
        self._standings[entry_id] = now
        if now.state == "in_force":
            rows = list(_key_rows(now))
            self._keys[entry_id] = tuple(row["key"] for row in rows)
            words, known = describe_entry(now), entry_parameters(now)
            for row in rows:
                match = Match(
                    source="watchlist",
                    code=entry_id,
                    sequence=row["seq"],
                    channel=row["channel"],
                    share=1.0 if is_selecting(now.content) else 0.0,
                    words=words,
                    parameters=known,
                    is_of_counterpart=now.is_of_counterpart,
                )
                self._entries[row["key"]][entry_id] = match, row["expires_at"]


def is_selecting(content: Mapping[str, Any]) -> bool:
    """Tell whether an entry selects what it names; requests such as ``tell`` only match it."""
    return content.get("action", "search") in SELECTING


def read_expiry(found: ApprovalState) -> int:
    """Return when an entry expires, UTC microseconds."""
    return micros(datetime.fromisoformat(found.content["expiry"]))


def describe_entry(found: ApprovalState) -> str:
    """Return identifiers, reason, author and expiry of an entry in words, for permitted readers."""
    names = ", ".join(
        f"{kind.replace('_', ' ')} {value}"
        for kind, value in list_identifiers(found.content).items()
    )
    until = moment(read_expiry(found)).strftime("%Y-%m-%d %H:%M UTC")
    return f"{names}; reason: {found.content['reason']}; by {found.author}; until {until}"


def entry_parameters(found: ApprovalState) -> dict[str, Any]:
    """Return what :func:`describe_entry` says as the parameters of a message."""
    agency = found.content.get("agency")
    return ({} if agency is None else {"agency": agency}) | {
        "identifiers": dict(list_identifiers(found.content)),
        "reason": found.content["reason"],
        "author": found.author,
        "until": rfc3339(read_expiry(found)),
    }
