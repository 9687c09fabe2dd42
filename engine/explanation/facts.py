"""What is known of an arrival in neutral words, and what is missing.

Facts are shown to everybody, so they say what was declared, measured and seen before, and nothing
about risk. A gap is a code: what could not be known, and so could not speak for or against anybody.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.domain.identifiers import container_is_valid
from engine.domain.records import Arrival, Crossing, Declaration
from engine.explanation.messages import Message, Parameters, render

CLASS_NAMES = {
    "car": "Car",
    "van": "Van",
    "bus": "Bus",
    "truck": "Truck",
    "rail_wagon": "Rail wagon",
    "other": "Conveyance",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One neutral sentence."""

    code: str
    text: str
    message: str = ""
    """Stable identifier of the sentence; empty in records of before it was kept."""
    parameters: Parameters = field(default_factory=dict)
    """The figures of the sentence by name, as JSON values."""


def facts(
    arrival: Arrival, features: Mapping[str, float], *, amendment: int = 0
) -> tuple[Fact, ...]:
    """Return the sentences that everybody at the post may read."""
    crossing, declaration = arrival.crossing, arrival.declaration
    found = [_conveyance(crossing), *_measurement_facts(crossing), _declaration_fact(declaration)]
    if amendment:
        amended = "amended_once" if amendment == 1 else "amended"
        found.append(_fact("amended", Message(amended, {"number": amendment})))
    return tuple(found + _seen_before(features))


def data_gaps(arrival: Arrival, features: Mapping[str, float]) -> tuple[str, ...]:
    """Return the codes of what could not be known of this arrival."""
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
    }
    return tuple(code for code, is_missing in missing.items() if is_missing)


def _conveyance(crossing: Crossing) -> Fact:
    what = CLASS_NAMES[crossing.vehicle_class]
    plate = f" {crossing.plate}" if crossing.plate else ", plate not read"
    country = f" ({crossing.plate_country})" if crossing.plate and crossing.plate_country else ""
    load = {None: "", True: ", reported empty", False: ", reported laden"}[crossing.is_empty]
    text = f"{what}{plate}{country}, {crossing.direction}{load}."
    known = {
        "vehicle_class": crossing.vehicle_class,
        "plate": crossing.plate,
        "plate_country": crossing.plate_country,
        "direction": crossing.direction,
        "is_empty": crossing.is_empty,
    }
    return Fact("conveyance", text, "conveyance", known)


def _measurement_facts(crossing: Crossing) -> list[Fact]:
    found = []
    if crossing.weighed_mass_kg is not None:
        text = f"Weighed {crossing.weighed_mass_kg:,.0f} kg at this post."
        found.append(Fact("weighed", text, "weighed", {"kg": crossing.weighed_mass_kg}))
    if seals := len(crossing.seal_numbers):
        text = f"{_format_count(seals, 'seal')} recorded."
        found.append(Fact("seals", text, "seals", {"number": seals}))
    return found


def _declaration_fact(declaration: Declaration | None) -> Fact:
    if declaration is None:
        return Fact("declared", "No declaration came with this crossing.", "not_declared")
    items = declaration.items
    chapters = sorted({item.hs_code[:2] for item in items})
    masses = [item.gross_mass_kg for item in items if item.gross_mass_kg is not None]
    values = [item.customs_value_usd for item in items if item.customs_value_usd is not None]
    parts = [
        f"{_format_count(len(items), 'goods item')} declared, HS chapter {', '.join(chapters[:4])}"
        + (" and others" if len(chapters) > 4 else "")
    ]
    if masses:
        parts.append(f"{math.fsum(masses):,.0f} kg gross")
    if values:
        parts.append(f"{math.fsum(values):,.0f} USD")
    route = (declaration.dispatch_country, declaration.destination_country)
    if all(route):
        parts.append(f"from {route[0]} to {route[1]}")
    known = {
        "items": len(items),
        "hs_chapters": chapters,
        "gross_mass_kg": math.fsum(masses) if masses else None,
        "customs_value_usd": math.fsum(values) if values else None,
        "dispatch_country": route[0],
        "destination_country": route[1],
    }
    return Fact("declared", ", ".join(parts) + ".", "declared", known)


def _seen_before(features: Mapping[str, float]) -> list[Fact]:
    times = features.get("plate_crossings_365d", math.nan)
    if math.isnan(times):
        return []
    seen = "seen_before" if times else "not_seen_before"
    return [_fact("seen_before", Message(seen, {"number": int(times)}))]


def _fact(code: str, message: Message) -> Fact:
    return Fact(code, render(message), message.id, message.parameters)


def _format_count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
