"""Digests by which declarations ahead and vehicles are found.

A digest of 63 bits stands for the kind and the folded value, so that a table of them holds no plate
and takes little room. Two values share one by chance in one of about 10^18 pairs; a match is then
held against the declaration itself.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from engine.domain.advance_declarations import AdvanceDeclaration, MatchKind
from engine.domain.identifiers import fold
from engine.domain.records import Arrival
from engine.journal.payloads import dump_arrival


@lru_cache(maxsize=1 << 14)
def digest(kind: MatchKind, value: str) -> int:
    """Return the digest of an identifier; that of a declaration is not folded.

    >>> digest("plate", "01 a 123 bc") == digest("plate", "01A123BC") != digest("tir", "01A123BC")
    True
    """
    text = value if kind == "declaration_id" else fold(value) or value
    found = hashlib.blake2b(f"{kind}\x1f{text}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(found.digest(), "big") >> 1


def list_arrival_keys(arrival: Arrival) -> list[tuple[MatchKind, int]]:
    """Return the digests of an arrival with their kinds, the surest first, each once."""
    return list_body_keys(dump_arrival(arrival))


def list_body_keys(arrival: Any) -> list[tuple[MatchKind, int]]:
    """Return the same of an arrival as a record's body holds it."""
    crossing, papers = arrival["crossing"], arrival.get("declaration") or {}
    given: list[tuple[MatchKind, str | None]] = [
        ("declaration_id", papers.get("declaration_id") or crossing.get("declaration_id")),
        ("tir", papers.get("tir_carnet") or crossing.get("tir_carnet")),
        ("cmr", papers.get("cmr_number") or crossing.get("cmr_number")),
        *(("container", number) for number in crossing.get("container_numbers") or ()),
        ("plate", crossing.get("plate")),
        ("trailer", crossing.get("trailer_plate")),
    ]
    found = ((kind, digest(kind, value)) for kind, value in given if value)
    return list(dict.fromkeys(found))


def list_lodged_keys(lodged: AdvanceDeclaration) -> list[tuple[int, int]]:
    """Return the digests of a declaration ahead, each with its vehicle: 0 for the papers."""
    found = [(key, 0) for _, key in list_paper_keys(lodged)]
    for number in range(1, len(lodged.expected_vehicles) + 1):
        found += [(key, number) for _, key in list_vehicle_keys(lodged, number)]
    return list(dict.fromkeys(found))


def list_paper_keys(lodged: AdvanceDeclaration) -> list[tuple[MatchKind, int]]:
    """Return the digests of its papers with their kinds, the surest first."""
    papers = lodged.declaration
    given: list[tuple[MatchKind, str | None]] = [
        ("declaration_id", papers.declaration_id),
        ("tir", papers.tir_carnet),
        ("cmr", papers.cmr_number),
    ]
    return [(kind, digest(kind, value)) for kind, value in given if value]


def list_vehicle_keys(lodged: AdvanceDeclaration, number: int) -> Iterator[tuple[MatchKind, int]]:
    """Yield the digests of one of its vehicles, counted from 1, with their kinds."""
    vehicle = lodged.expected_vehicles[number - 1]
    for container in vehicle.container_numbers:
        yield "container", digest("container", container)
    if vehicle.plate:
        yield "plate", digest("plate", vehicle.plate)
    if vehicle.trailer_plate:
        yield "trailer", digest("trailer", vehicle.trailer_plate)
