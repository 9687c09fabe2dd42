"""Known lawful trade: entries under two people that lower what the score alone may do.

An entry names parties or a conveyance, a corridor, or a certificate of another administration. It
fits an arrival that agrees with everything it names: a name more makes an entry narrower, and no
identifier is compared by its shape. What an entry does to an arrival that it fits is said in
:mod:`engine.selection`; an entry never selects an arrival and never hides one.

A declaration can name a trusted party falsely. Random checks, the searches that are drawn among
known lawful trade, profiles and the watch list therefore stay as they are for what an entry fits.

Matching is by hash, in memory, from the journal's records, as that of the watch list.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from engine.criteria.dual_control import ApprovalState
from engine.criteria.match import KNOWN_LAWFUL, Match
from engine.criteria.watchlist import (
    EntryMatcher,
    Reason,
    describe_entry,
    list_arrival_keys,
    list_entry_keys,
    list_identifiers,
    make_key,
    read_expiry,
    record_until,
    state_row,
)
from engine.domain.field_types import Agency, Country, Identifier, PostCode, Text, Time, TypedPlate
from engine.domain.identifiers import fold
from engine.domain.records import Arrival, Record
from engine.domain.time_units import micros
from engine.selection import LAWFUL_CHECK, Channel

PARTIES = ("carrier", "consignee", "consignor", "declarant")
FOLDED = ("plate", "trailer", "container")
NAMED = (*PARTIES, "driver_ref", *FOLDED)
"""Identifiers that an entry may name."""
CORRIDOR = ("post", "dispatch_country", "destination_country")
"""A post, and the countries from which and to which goods are declared."""


class KnownLawful(Record):
    """What an analyst or a supervisor proposes as known lawful trade."""

    carrier: Identifier | None = None
    consignee: Identifier | None = None
    consignor: Identifier | None = None
    declarant: Identifier | None = None
    driver_ref: Identifier | None = None
    plate: TypedPlate | None = None
    trailer: TypedPlate | None = None
    container: Identifier | None = None
    post: PostCode | None = None
    """The post at which the entry holds; every post where it is absent."""
    dispatch_country: Country | None = None
    destination_country: Country | None = None
    certificate: Identifier | None = None
    """Number of a certificate of another administration, as the documents of the declaration state
    it: alone, or after the code of its type and a colon."""
    administration: Country | None = None
    """Country of the administration that issued the certificate."""
    reason: Reason
    expiry: Time
    agency: Agency = None
    """The agency whose entry it is."""
    note: Text | None = None

    EXAMPLE: ClassVar = {
        "carrier": "carrier-12",
        "consignee": "market-5",
        "dispatch_country": "TJ",
        "destination_country": "UZ",
        "reason": "audited in February, no finding in three years",
        "expiry": "2026-09-01T00:00:00+05:00",
    }

    @model_validator(mode="after")
    def _fits_somebody(self) -> Self:
        is_named = any(getattr(self, kind) is not None for kind in NAMED)
        if not is_named and (self.dispatch_country is None or self.destination_country is None):
            why = "names a party, a conveyance, or both countries of a corridor"
            raise PydanticCustomError("missing_key", why, {"field": "carrier"})
        for kind in FOLDED:
            value = getattr(self, kind)
            if value is not None and not fold(value):
                why = "has no letter or digit"
                raise PydanticCustomError("missing_key", why, {"field": kind})
        if (self.certificate is None) != (self.administration is None):
            why = "a certificate has a number and the administration that issued it"
            field = "certificate" if self.certificate is None else "administration"
            raise PydanticCustomError("missing_key", why, {"field": field})
        if self.certificate is not None:
            if not fold(self.certificate):
                why = "has no letter or digit"
                raise PydanticCustomError("missing_key", why, {"field": "certificate"})
            if all(getattr(self, kind) is None for kind in PARTIES):
                why = "a certificate needs the party that holds it"
                raise PydanticCustomError("missing_key", why, {"field": "carrier"})
        return self


def lawful_content(entry: KnownLawful, *, now: int) -> dict[str, Any]:
    """Return an entry as it is recorded; raises ``RecordError`` for an expiry out of bounds."""
    return record_until(KNOWN_LAWFUL, entry, micros(entry.expiry), now=now)


def list_names(content: Mapping[str, Any]) -> dict[str, str]:
    """Return everything that an entry names, by kind: all of it has to fit."""
    named = (*CORRIDOR, "certificate", "administration")
    return list_identifiers(content) | {one: content[one] for one in named if one in content}


def _list_lawful_keys(content: Mapping[str, Any]) -> Iterator[int]:
    """Yield the keys of an entry, all of which an arrival that it fits has."""
    yield from list_entry_keys(content)
    yield from (make_key(kind, content[kind]) for kind in CORRIDOR if kind in content)
    if "certificate" in content:
        yield make_key("certificate", fold(content["certificate"]))


def _list_keys(arrival: Arrival) -> Iterator[int]:
    """Yield the keys of an arrival; of several declarations what all of them say."""
    yield from list_arrival_keys(arrival.model_copy(update={"declarations": None}))
    yield make_key("post", arrival.crossing.post)
    papers = arrival.declaration
    if papers is not None:
        for kind in CORRIDOR[1:]:
            if (country := getattr(papers, kind)) is not None:
                yield make_key(kind, country)
        for document in papers.documents:
            yield make_key("certificate", fold(document))
            yield make_key("certificate", fold(document.rpartition(":")[2]))


class LawfulMatcher(EntryMatcher):
    """Finds the entries that fit an arrival."""

    def __init__(self) -> None:
        super().__init__(KNOWN_LAWFUL)
        self._keys: dict[str, frozenset[int]] = {}
        """Of each entry in force, all its keys."""
        self._entries: defaultdict[int, dict[str, tuple[Match, int]]] = defaultdict(dict)
        """By the least key of an entry, then by entry: the match, and its expiry."""

    def _match(self, arrival: Arrival, as_of: int) -> tuple[Match, ...]:
        if not self._keys:
            return ()
        keys = frozenset(_list_keys(arrival))
        found = [
            match
            for key in keys & self._entries.keys()
            for entry_id, (match, expires) in self._entries[key].items()
            if expires > as_of and self._keys[entry_id] <= keys
        ]
        return tuple(sorted(found, key=lambda match: match.sequence))

    def _move(self, entry_id: str, now: ApprovalState | None) -> None:
        known = self._keys.pop(entry_id, None)
        if known is not None:
            key = min(known)
            del self._entries[key][entry_id]
            if not self._entries[key]:
                del self._entries[key]
        if now is not None and now.state == "in_force":
            keys = self._keys[entry_id] = frozenset(_list_lawful_keys(now.content))
            self._entries[min(keys)][entry_id] = _match(now), read_expiry(now)


def _match(entry: ApprovalState) -> Match:
    stated = state_row(entry, entry.content) | {"identifiers": list_names(entry.content)}
    return Match(
        source="known_lawful",
        code=entry.subject,
        sequence=entry.sequence,
        channel=Channel.RED.code,
        share=0.0,
        words=describe_entry(entry, stated),
        parameters=stated,
    )


def is_drawn(basis: str | None) -> bool:
    """Tell whether a decision's basis says that it was drawn, whatever its score."""
    return basis in ("random", LAWFUL_CHECK)
