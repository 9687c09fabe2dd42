"""One crossing with its declaration, as entities (who and what) and facts (how much and when).

This encoder says what a record means. The service runs it on each arrival; a whole history is
encoded column by column (:mod:`features.offline.column_encoder`), with the functions below for
texts, and tests hold every bit of it to what is said here. It takes anything with the attributes of
:class:`engine.domain.records.Crossing` and :class:`engine.domain.records.Declaration`.

Entities are strings, hashed to 63-bit keys: the same key on every engine, in every process, without
a table of codes to agree on (see docs/decisions/0002-features.md). Facts are float64, NaN where the
record says nothing. Nothing here looks at a person: a driver is the sender's pseudonym.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, get_args

from engine.domain.goods import HS_DIGITS, PRECURSORS, main_precursor, neighbour_heading
from engine.domain.identifiers import (
    FOLDING_VERSION,
    container_is_valid,
    fold,
    skeleton,
    vin_is_valid,
)
from engine.domain.network import IdentifierField, Network, local_time
from engine.domain.records import BodyType, Crossing
from engine.domain.time_units import HOUR, micros

ENCODING_VERSION = (1, FOLDING_VERSION)
"""Changes whenever an entity or a fact below changes its meaning, or definitions of features do."""

SEPARATOR, KEY_BYTES = "\x1f", 8
"""Between the texts that are hashed to a key, and the bytes of their digest."""
NAN = math.nan
CLASSES = ("car", "van", "bus", "truck", "rail_wagon")
BODY_NUMBER: Mapping[str, float] = {
    body: float(number) for number, body in enumerate(get_args(BodyType))
}
OPPOSITE = {"entry": "exit", "exit": "entry"}

Entities = dict[str, str | None]
Facts = dict[str, float]


@lru_cache(maxsize=1 << 14)  # what a post meets in days; each one kept takes 0.3 kB
def key(kind: str, *values: str) -> int:
    """Return the 63-bit key of an entity; never 0, which stands for "not known"."""
    text = SEPARATOR.join((kind, *values)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=KEY_BYTES).digest(), "big") >> 1 or 1


def encode(crossing: Any, declaration: Any, network: Network) -> tuple[Entities, Facts]:
    """Return the entities and facts of one crossing.

    Parameters
    ----------
    crossing : object with the attributes of ``engine.domain.records.Crossing``
    declaration : object with the attributes of ``engine.domain.records.Declaration``, or None
    network : Network
        Says which post faces which, and what its clocks show; an unknown post has no pair.

    Returns
    -------
    entities : dict of str to str or None
        Every name of ``ENTITIES``; plates, containers and VINs folded.
    facts : dict of str to float
        Every name of ``FACTS``; masses in kg, values in USD, times in hours or microseconds as the
        name says, flags 0 or 1, NaN where unknown.
    """
    local = _local_time(crossing, network)
    entities = _conveyance(crossing, network, local=local)
    facts = _crossing_facts(crossing, entities, local=local)
    items = declaration.items if declaration is not None else ()
    main = max(items, key=_weight, default=None)
    entities.update(_consignment(crossing, declaration, main))
    for name, field in PARTIES.items():
        entities[name] = qualify(entities[name], field, crossing.post, network)
    for name, (whose, field, of) in COVERED.items():
        entities[name] = entities[whose] if network.covers(of, field) else None
    entities.update(find_precursors(items) if items else _NO_PRECURSORS)
    entities.update(_declared_terms(crossing, declaration, main, entities))
    facts.update(_goods_facts(items, main) if items else NO_GOODS)
    facts.update(NO_TERMS if declaration is None else _declared_facts(declaration, facts))
    facts["undeclared_countries"] = count_undeclared_countries(crossing.post, declaration, network)
    facts.update(precursor_facts(items, entities) if items else NO_PRECURSOR_FACTS)
    facts.update(_gap_facts(crossing, declaration, facts))
    facts["dispatch_not_origin"] = _differ(entities["dispatch"], entities["origin"])
    for fact, entity in REMEMBERED.items():
        value = entities[entity]
        if value is not None and fact in SHAPES:
            value = skeleton(value)
        facts[fact] = NAN if value is None else float(key(entity, value))
    for fact, field in ACROSS.items():
        is_comparable = network.are_comparable(field, crossing.post, entities["pair"])
        facts[f"{fact}_across"] = facts[fact] if is_comparable else NAN
    # Both posts of a line are one way across; a post that faces none stands for itself.
    facts["line_key"] = float(key("line", entities["line"] or crossing.post))
    facts.update(zip(POSITION, network.position_of(crossing.post), strict=True))
    return entities, facts


def fold_text(raw: str | None) -> str | None:
    """Return a plate or number folded; None where it is not known, or nothing is left of it."""
    return (fold(raw) or None) if raw else None


def join_values(values: Sequence[str] | None) -> str | None:
    """Return folded values in one order, joined; None where there are none."""
    return "+".join(sorted(filter(None, map(fold, values)))) or None if values else None


POSITION = ("place_x", "place_y", "place_z")
"""Facts of where a post lies: kilometres from the centre of the earth, along three axes."""


def _conveyance(crossing: Any, network: Network, *, local: datetime) -> Entities:
    pair = network.pair(crossing.post)
    return {
        "post": crossing.post,
        "pair": pair,
        "line": None if pair is None else "|".join(sorted((crossing.post, pair))),
        "direction": crossing.direction,
        "opposite": OPPOSITE[crossing.direction],
        "plate": fold_text(crossing.plate),
        "plate_country": crossing.plate_country,
        "vehicle_class": crossing.vehicle_class,
        "trailer": fold_text(crossing.trailer_plate),
        "vin": fold_text(crossing.vin),
        "containers": join_values(crossing.container_numbers),
        "seals": join_values(crossing.seal_numbers),
        "driver": qualify(crossing.driver_ref, "driver_ref", crossing.post, network),
        "driver_domain": network.domain_of("driver_ref", crossing.post) or "-",
        "carrier": qualify(crossing.carrier_id, "carrier_id", crossing.post, network),
        "day_part": str(local.hour // 4),
    }


def _crossing_facts(crossing: Any, entities: Entities, *, local: datetime) -> Facts:
    containers = crossing.container_numbers or ()
    is_known = crossing.recorded_at or crossing.arrived_at
    facts = {
        "arrived_at": float(micros(crossing.arrived_at)),
        "hours_late": (micros(is_known) - micros(crossing.arrived_at)) / HOUR,
        "hour": float(local.hour),
        "weekday": float(local.weekday()),
        "night": float(local.hour < 6 or local.hour >= 22),
        "is_entry": float(crossing.direction == "entry"),
        "weighed_mass_kg": _number(crossing.weighed_mass_kg),
        "is_weighed": float(crossing.weighed_mass_kg is not None),
        "is_empty": _number(crossing.is_empty),
        "containers": float(len(containers)),
        "seals": float(len(crossing.seal_numbers or ())),
        "bad_container": float(sum(not container_is_valid(c) for c in containers)),
        "bad_vin": NAN if crossing.vin is None else float(not vin_is_valid(crossing.vin)),
        "plate_missing": float(entities["plate"] is None),
        "trailer_missing": float(entities["trailer"] is None),
        "driver_missing": float(entities["driver"] is None),
        "carrier_missing": float(entities["carrier"] is None),
    }
    for name in CLASSES:
        facts[f"class_{name}"] = float(crossing.vehicle_class == name)
    facts["body"] = BODY_NUMBER.get(crossing.body_type, NAN)
    return facts


def _consignment(crossing: Any, declaration: Any, main: Any) -> Entities:
    papers = {"tir": fold_text(crossing.tir_carnet), "cmr": fold_text(crossing.cmr_number)}
    head = (
        _HEAD | papers
        if declaration is None
        else _HEAD
        | {
            "declarant": declaration.declarant_id,
            "consignor": declaration.consignor_id,
            "consignee": declaration.consignee_id,
            "procedure": declaration.procedure,
            "dispatch": declaration.dispatch_country,
            "destination": declaration.destination_country,
            "tir": fold_text(declaration.tir_carnet) or papers["tir"],
            "cmr": fold_text(declaration.cmr_number) or papers["cmr"],
            "mode": declaration.transport_mode,
            "nature": declaration.nature_of_transaction,
            "payment": declaration.payment_type,
        }
    )
    if main is None:
        return head | _ITEM
    code = main.hs_code
    return head | {
        "hs2": code[:2],
        "hs4": code[:4] if len(code) >= 4 else None,
        "hs6": code[:6] if len(code) >= 6 else None,
        "origin": main.origin_country,
        "preference": main.preference_code,
        "marking": main.origin_marking,
        "rate": None if main.duty_rate is None else repr(float(main.duty_rate)),
        "mass": None if main.net_mass_kg is None else repr(float(main.net_mass_kg)),
    }


_HEAD: Entities = dict.fromkeys(
    (
        "declarant", "consignor", "consignee", "procedure", "dispatch", "destination",
        "tir", "cmr", "mode", "nature", "payment",
    )
)  # fmt: skip
_ITEM: Entities = dict.fromkeys(
    ("hs2", "hs4", "hs6", "origin", "preference", "marking", "rate", "mass")
)


def _weight(item: Any) -> tuple[float, float, int]:
    """The main item is the most valuable one; where values are unknown or equal, the heaviest."""
    return item.customs_value_usd or 0.0, item.net_mass_kg or 0.0, -item.item_no


def _goods_facts(items: Sequence[Any], main: Any) -> Facts:
    value = _total(item.customs_value_usd for item in items)
    net = _total(item.net_mass_kg for item in items)
    gross = _total(item.gross_mass_kg for item in items)
    packages = _total(item.packages for item in items)
    chapters = {item.hs_code[:2] for item in items}
    origins = {item.origin_country for item in items if item.origin_country is not None}
    return {
        "has_declaration": float(bool(items)),
        "items": float(len(items)),
        "chapters": float(len(chapters)) if items else NAN,
        "origins": float(len(origins)) if items else NAN,
        "customs_value_usd": value,
        "net_mass_kg": net,
        "gross_mass_kg": gross,
        "packages": packages,
        "norm_value_usd": value if net > 0.0 else NAN,
        "norm_net_kg": net if value == value else NAN,
        "value_per_kg": _quotient(value, net),
        "mass_per_package": _quotient(net, packages),
        "gross_per_net": _quotient(gross, net),
        "duty_rate": NAN if main is None else _number(main.duty_rate),
        "main_value_share": NAN
        if main is None
        else _quotient(_number(main.customs_value_usd), value),
        "hs_digits": NAN if main is None else float(len(main.hs_code)),
        "hs_chapter": NAN if main is None else float(main.hs_code[:2]),
        "hs_number": NAN if main is None else float(main.hs_code[:6].ljust(6, "0")),
        "mass_is_whole": _is_multiple(net, 1.0),
        "mass_is_round": _is_multiple(net, 10.0),
    }


def find_precursors(items: Sequence[Any]) -> Entities:
    """Return the precursor that is declared, and the heading of one that other goods share."""
    declared = main_precursor(items)
    headings = (neighbour_heading(item.hs_code) for item in items)
    return {
        "precursor": None if declared is None else declared[0].hs_code,
        "precursor_heading": min(filter(None, headings), default=None),
    }


def precursor_facts(items: Sequence[Any], entities: Entities) -> Facts:
    """Return the facts of the precursor that :func:`find_precursors` named, and of its items."""
    code = entities["precursor"]
    net = _total(item.net_mass_kg for item in items if item.hs_code[:HS_DIGITS] == code)
    strict = code is not None and PRECURSORS[code].table == 1
    return {
        "declares_precursor": float(code is not None) if items else NAN,
        "declares_table_1_precursor": float(strict) if items else NAN,
        "near_precursor": float(entities["precursor_heading"] is not None) if items else NAN,
        "precursor_kg": net,
        "has_precursor_kg": float(not math.isnan(net)),
    }


def _gap_facts(crossing: Any, declaration: Any, facts: Facts) -> Facts:
    lodged = None if declaration is None else declaration.lodged_at
    tare = facts["weighed_mass_kg"] - facts["gross_mass_kg"]
    return {
        "weighed_less_gross_kg": tare,
        "has_tare": float(not math.isnan(tare)),
        "lodged_hours_before": NAN
        if lodged is None
        else (micros(crossing.arrived_at) - micros(lodged)) / HOUR,
        "has_tir": _has_paper("tir_carnet", crossing, declaration),
        "has_cmr": _has_paper("cmr_number", crossing, declaration),
        "empty_but_declared": float(bool(crossing.is_empty) and declaration is not None),
        "laden_undeclared": float(crossing.is_empty is False and declaration is None),
    }


def _declared_terms(crossing: Any, declaration: Any, main: Any, entities: Entities) -> Entities:
    """Return currency, path, office, packing and previous documents, as they were declared.

    What others are compared with is known only where the thing itself is: a sender that never names
    a path does not make the paths of others look rare.
    """
    if declaration is None:
        return _TERMS
    way = crossing.direction
    office = declaration.office_of_entry if way == "entry" else declaration.office_of_exit
    dispatch, destination = entities["dispatch"], entities["destination"]
    route = None if dispatch is None or destination is None else f"{dispatch}>{destination}"
    path = ">".join(declaration.route_countries or ()) or None
    kind = None if main is None else main.package_kind
    return {
        "invoice_currency": declaration.invoice_currency,
        "path": path,
        "declared_route": None if path is None else route,
        "office": None if office is None else f"{way}:{office}",
        "office_route": None if office is None or route is None else f"{way}:{route}",
        "package_kind": kind,
        "packed_chapter": None if kind is None else entities["hs2"],
        "previous_type": name_previous_types(declaration.previous_documents or ()),
    }


_TERMS: Entities = dict.fromkeys(
    (
        "invoice_currency", "path", "declared_route", "office", "office_route", "package_kind",
        "packed_chapter", "previous_type",
    )
)  # fmt: skip


def name_previous_types(given: Sequence[str]) -> str:
    """Return the types of the previous documents, each once; ``none`` where none is named.

    >>> name_previous_types(["N830:26KZ1", "N730:7", "N830:26KZ2"])
    'N730+N830'
    >>> name_previous_types(["26KZ00017"])
    'untyped'
    """
    types = {kind if mark else "untyped" for kind, mark, _ in (one.partition(":") for one in given)}
    return "+".join(sorted(types)) or "none"


def _declared_facts(declaration: Any, facts: Facts) -> Facts:
    """Return the invoice against the statistical value, and how much was named of the rest.

    The statistical value is in US dollars: an invoice in dollars is compared with it, one in
    another currency only with what that currency usually gives for a dollar.
    """
    invoice = NAN if declaration is None else _number(declaration.invoice_value)
    unit = None if declaration is None else declaration.invoice_currency
    value = facts["customs_value_usd"]
    is_valued = unit is not None and invoice > 0.0 and value > 0.0
    names = () if declaration is None else declaration.route_countries or ()
    return {
        "invoice_over_value": _quotient(invoice, value) if is_valued and unit == "USD" else NAN,
        "invoice_per_usd": _quotient(invoice, value) if is_valued else NAN,
        "invoice_amount": invoice if is_valued else NAN,
        "invoiced_usd": value if is_valued else NAN,
        "route_countries": float(len(names)) if names else NAN,
        "previous_documents": NAN
        if declaration is None
        else float(len(declaration.previous_documents or ())),
    }


def count_undeclared_countries(code: str, declaration: Any, network: Network) -> float:
    """Return how many countries of this line a declared path leaves out; NaN without a path."""
    if declaration is None or not declaration.route_countries:
        return NAN
    posts = (network.posts.get(each) for each in (code, network.pair(code)) if each is not None)
    visited = {post.country for post in posts if post is not None}
    ends = (declaration.dispatch_country, declaration.destination_country)
    return float(len(visited.difference(declaration.route_countries, ends))) if visited else NAN


def _has_paper(name: str, crossing: Any, declaration: Any) -> float:
    """Tell whether the vehicle or its declaration names a paper; NaN where neither could."""
    if getattr(crossing, name) is not None:
        return 1.0
    return NAN if declaration is None else float(getattr(declaration, name) is not None)


def _total(values: Any) -> float:
    """Sum of what is known, exactly rounded whatever the order of items; NaN where nothing is."""
    known = [float(value) for value in values if value is not None]
    return math.fsum(known) if known else NAN


def _is_multiple(amount: float, of: float) -> float:
    return NAN if math.isnan(amount) else float(amount % of == 0.0)


def _differ(one: str | None, other: str | None) -> float:
    return NAN if one is None or other is None else float(one != other)


def _quotient(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else NAN


def _number(value: float | None) -> float:
    return NAN if value is None else float(value)


def _local_time(crossing: Any, network: Network) -> datetime:
    """Return the arrival by the clocks of its post; by UTC on the calendar's first and last day."""
    arrived: datetime = crossing.arrived_at
    try:
        return local_time(arrived, network.timezone(crossing.post))
    except OverflowError:
        return arrived


DOMAIN = "\x1e"
"""Stands between a domain and an identifier in it."""


def qualify(value: str | None, field: IdentifierField, post: str, network: Network) -> str | None:
    """Return an identifier with its domain, without which it is not compared."""
    domain = network.domain_of(field, post)
    return f"{domain}{DOMAIN}{value}" if value is not None and domain else value


PARTIES: Mapping[str, IdentifierField] = {
    "declarant": "declarant_id",
    "consignor": "consignor_id",
    "consignee": "consignee_id",
}
COVERED: Mapping[str, tuple[str, IdentifierField, IdentifierField]] = {
    "carrier_of_drivers": ("carrier", "carrier_id", "driver_ref"),
    "carrier_of_consignees": ("carrier", "carrier_id", "consignee_id"),
    "consignee_of_carriers": ("consignee", "consignee_id", "carrier_id"),
    "driver_of_carriers": ("driver", "driver_ref", "carrier_id"),
}
"""Entities where all posts that name them alike also name those alike that are counted for them."""
ACROSS: Mapping[str, IdentifierField] = {
    "driver_key": "driver_ref",
    "consignee_key": "consignee_id",
}
"""Facts that have a second form, NaN where the paired post's cannot be compared with them."""
REMEMBERED: Mapping[str, str] = {
    "plate_key": "plate",
    "vin_key": "vin",
    "driver_key": "driver",
    "carrier_key": "carrier",
    "trailer_key": "trailer",
    "seals_key": "seals",
    "consignee_key": "consignee",
    "post_key": "post",
    "hs4_key": "hs4",
    "containers_key": "containers",
}
"""Entities kept as facts of a crossing, so that the next one can say whether they are the same."""
SHAPES = ("trailer_key",)
"""Those of which the shape is kept: one letter that was read for another is no other trailer."""


# Most vehicles carry nothing that is declared: what that says is worked out once.
NO_GOODS = _goods_facts((), None)
_NO_PRECURSORS = find_precursors(())
NO_PRECURSOR_FACTS = precursor_facts((), _NO_PRECURSORS)
NO_TERMS = _declared_facts(None, NO_GOODS)

_PROBE = Crossing(
    crossing_id="probe",
    post="probe",
    direction="entry",
    arrived_at=datetime(2024, 3, 7, tzinfo=UTC),
    vehicle_class="other",
)
ENTITIES, FACTS = (tuple(names) for names in encode(_PROBE, None, Network()))
"""The names of all entities and all facts, in the order of the encoder."""
