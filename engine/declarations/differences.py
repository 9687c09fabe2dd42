"""Differences of a vehicle, or of its papers, from the declaration ahead.

Only what both sides say is compared; masses and values differ from half a per cent on, because two
systems round differently.
"""

import math
from collections.abc import Iterable

from engine.domain.advance_declarations import ExpectedVehicle
from engine.domain.identifiers import fold
from engine.domain.records import Crossing, Declaration

_HEAD = (
    "procedure",
    "declarant_id",
    "consignor_id",
    "consignee_id",
    "dispatch_country",
    "destination_country",
)
_FOLDED = ("tir_carnet", "cmr_number")
_SUMS = ("packages", "net_mass_kg", "gross_mass_kg", "customs_value_usd")
_CLOSE = 0.005


def compare_declarations(lodged: Declaration, brought: Declaration) -> tuple[str, ...]:
    """Return the fields in which two declarations of the same goods differ."""
    pairs = [(name, getattr(lodged, name), getattr(brought, name)) for name in _HEAD + _FOLDED]
    found = [name for name, one, other in pairs if _is_apart(name, one, other)]
    if len(lodged.items) != len(brought.items):
        found.append("items")
    codes = (sorted(item.hs_code for item in each.items) for each in (lodged, brought))
    if next(codes) != next(codes):
        found.append("hs_code")
    for name in _SUMS:
        sums = [_sum(getattr(item, name) for item in each.items) for each in (lodged, brought)]
        if None not in sums and not math.isclose(*sums, rel_tol=_CLOSE):  # type: ignore[arg-type]
            found.append(name)
    return tuple(found)


def compare_vehicle(expected: ExpectedVehicle, crossing: Crossing) -> tuple[str, ...]:
    """Return the fields in which a vehicle differs from the one that was announced."""
    pairs = [
        (name, getattr(expected, name), getattr(crossing, name))
        for name in ("plate", "trailer_plate")
    ]
    found = [name for name, one, other in pairs if one and other and fold(one) != fold(other)]
    boxes = [set(map(fold, each.container_numbers)) for each in (expected, crossing)]
    if all(boxes) and boxes[0] != boxes[1]:
        found.append("container_numbers")
    return tuple(found)


def _is_apart(name: str, one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return False
    return fold(one) != fold(other) if name in _FOLDED else one != other


def _sum(values: Iterable[float | None]) -> float | None:
    """Return a sum, None where a part of it is not known."""
    known = list(values)
    return None if None in known else math.fsum(v for v in known if v is not None)
