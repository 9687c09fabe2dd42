"""Facts of an arrival in neutral words, and its data gaps.

Facts are shown to everybody, so they say what was declared, measured and seen before, and nothing
about risk. A gap is a code: what could not be known, and so could not speak for or against anybody.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.domain.advance_declarations import AdvanceMatch
from engine.domain.goods import list_watched
from engine.domain.identifiers import container_is_valid
from engine.domain.records import Arrival, Crossing, Declaration
from engine.explanation.messages import Message, Parameters, render
from engine.explanation.reasons import CODE, precursor_parameters

STALE = "network_stale"
"""Gap, and fact with the hours: the centre of the post's node has not answered for too long."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One neutral sentence."""

    code: str
    text: str
    message: str
    """Stable identifier of the sentence."""
    parameters: Parameters = field(default_factory=dict)
    """The figures of the sentence by name, as JSON values."""


def facts(
    arrival: Arrival,
    features: Mapping[str, float],
    *,
    amendment: int = 0,
    advance: AdvanceMatch | None = None,
    silence_seconds: int = 0,
) -> tuple[Fact, ...]:
    """Return the sentences that everybody at the post may read.

    ``silence_seconds`` is for how long the post's centre was silent, 0 within its limit.
    """
    crossing, declaration = arrival.crossing, arrival.declaration
    found = [_conveyance(crossing), *_measurement_facts(crossing), _declaration_fact(declaration)]
    precursor = precursor_parameters(arrival)
    if precursor is not None:
        found.append(_fact(CODE, Message(CODE, precursor)))
    found += [
        _fact("watched_declared", Message("watched_declared", {"hs_code": code}))
        for code in list_watched(() if declaration is None else declaration.items)
    ]
    if advance is not None:
        found += _advance_facts(advance)
    if silence_seconds:
        hours = round(silence_seconds / 3600, 1)
        found.append(_fact(STALE, Message(STALE, {"hours": hours})))
    if amendment:
        amended = "amended_once" if amendment == 1 else "amended"
        found.append(_fact("amended", Message(amended, {"number": amendment})))
    return tuple(found + _seen_before(features))


def data_gaps(
    arrival: Arrival,
    features: Mapping[str, float],
    *,
    advance: AdvanceMatch | None = None,
    is_stale: bool = False,
) -> tuple[str, ...]:
    """Return the codes of what could not be known, and of what a document says otherwise."""
    crossing, declaration = arrival.crossing, arrival.declaration
    missing = {
        "no_plate": crossing.plate is None,
        "no_driver_ref": crossing.driver_ref is None,
        "no_carrier": crossing.carrier_id is None,
        "not_weighed": crossing.weighed_mass_kg is None,
        "no_declaration": declaration is None,
        "declaration_not_received": declaration is None and crossing.declaration_id is not None,
        "container_check_digit": not all(map(container_is_valid, crossing.container_numbers)),
        "no_mirror_record": math.isnan(features.get("mirror_days", math.nan)),
        "short_hs_code": declaration is not None
        and any(len(item.hs_code) < 6 for item in declaration.items),
        "no_value": declaration is not None
        and all(item.customs_value_usd is None for item in declaration.items),
        STALE: is_stale,
    }
    found = [code for code, is_missing in missing.items() if is_missing]
    ahead = () if advance is None else advance.gaps
    return (*found, *(f"{name}_differs" for name in arrival.document_differences), *ahead)


def _conveyance(crossing: Crossing) -> Fact:
    names = ("vehicle_class", "plate", "plate_country", "direction", "is_empty")
    known = {name: getattr(crossing, name) for name in names}
    return _fact("conveyance", Message("conveyance", known))


def _measurement_facts(crossing: Crossing) -> list[Fact]:
    found = []
    if crossing.weighed_mass_kg is not None:
        found.append(_fact("weighed", Message("weighed", {"kg": crossing.weighed_mass_kg})))
    if seals := len(crossing.seal_numbers):
        found.append(_fact("seals", Message("seals", {"number": seals})))
    return found


def _declaration_fact(declaration: Declaration | None) -> Fact:
    if declaration is None:
        return _fact("declared", Message("not_declared"))
    items = declaration.items
    masses = [item.gross_mass_kg for item in items if item.gross_mass_kg is not None]
    values = [item.customs_value_usd for item in items if item.customs_value_usd is not None]
    known = {
        "items": len(items),
        "hs_chapters": sorted({item.hs_code[:2] for item in items}),
        "gross_mass_kg": math.fsum(masses) if masses else None,
        "customs_value_usd": math.fsum(values) if values else None,
        "dispatch_country": declaration.dispatch_country,
        "destination_country": declaration.destination_country,
    }
    return _fact("declared", Message("declared", known))


def _advance_facts(advance: AdvanceMatch) -> list[Fact]:
    """Return which declarations ahead it was matched with, by what, and what differs."""
    found = []
    if advance.uses:
        names = [f"{one.declaration_id} ({one.version})" for one in advance.uses]
        known = {"names": names, "found_by": advance.matched_by}
        code = "brought_and_lodged" if advance.is_brought else "declared_ahead"
        found.append(_fact(code, Message(code, known)))
    if advance.differences:
        fields = list(advance.differences)
        found.append(_fact("ahead_differs", Message("ahead_differs", {"fields": fields})))
    return found


def _seen_before(features: Mapping[str, float]) -> list[Fact]:
    times = features.get("plate_crossings_365d", math.nan)
    if math.isnan(times):
        return []
    seen = "seen_before" if times else "not_seen_before"
    return [_fact("seen_before", Message(seen, {"number": int(times)}))]


def _fact(code: str, message: Message) -> Fact:
    return Fact(code, render(message), message.id, message.parameters)
