"""Topics of features, so that one subject is one reason.

Features that ask the same of one party over two windows share its credit between them: each alone
looks weak, and two of them read like one reason said twice. Contributions of a topic are added up
(Shapley values are additive) and one fact speaks for all of them.
"""

from collections.abc import Iterable

from features.catalogue.event_streams import STREAMS
from features.catalogue.mirror_features import SHARE
from features.catalogue.spec import Fact, Feature, Read

PARTIES = ("plate", "trailer", "driver", "carrier", "consignee", "consignor", "declarant")
_PLACE = frozenset({"post", "direction", "pair", "opposite"})
_TIME = frozenset({"hour", "weekday", "night", "day_part", "as_of"})
_GOODS = frozenset(
    {"hs2", "hs4", "hs6", "hs_number", "hs_chapter", "origin", "dispatch", "preference", "rate",
     "mass", "marking", "mode", "duty_rate"}
)  # fmt: skip
_PRECURSOR = frozenset(
    {"precursor", "precursor_heading", "declares_precursor", "declares_table_1_precursor",
     "near_precursor", "precursor_kg"}
)  # fmt: skip
_MASS = frozenset(
    {"weighed_mass_kg", "net_mass_kg", "gross_mass_kg", "weighed_less_gross_kg",
     "mass_per_package", "gross_per_net", "mass_is_whole", "mass_is_round", "packages"}
)  # fmt: skip
_PRICE = frozenset({"customs_value_usd", "value_per_kg", "main_value_share"})
_DECLARED = {
    "invoice_over_value": "invoice", "invoice_per_usd": "invoice",
    "route_countries": "path", "undeclared_countries": "path", "path": "path", "office": "office",
    "package_kind": "packing",
    "previous_documents": "previous documents", "previous_type": "previous documents",
}  # fmt: skip
"""Subject by a fact or an entity of the optional fields."""


def topic(feature: Feature) -> str:
    """Return the subject of a feature; empty where no one vehicle is told apart by it.

    The class of the vehicle, the direction, and what is true of all that arrive at the post in the
    same hour tell nothing about one vehicle.
    """
    if feature.operator in ("matched", "match"):
        return _mirror(feature)
    names = set(_names(feature.inputs)) - {""}
    if any(name.startswith("class_") or name == "is_entry" for name in names):
        return ""
    if names & _PRECURSOR:
        return "precursor"
    if declared := sorted(names & _DECLARED.keys()):
        return _DECLARED[declared[0]]
    if any(isinstance(item, Read) and "pair" in item.of for item in feature.inputs):
        return "paired post"
    facts = {item.name for item in feature.inputs if isinstance(item, Fact)}
    for subject, members in (("price", _PRICE), ("mass", _MASS)):
        if facts & members:
            return subject
    return _of_entities(names)


def _of_entities(names: set[str]) -> str:
    """Return the parties that a feature is about, else the route or the goods."""
    if parties := [party for party in PARTIES if party in names]:
        return "+".join([*parties, *(("goods",) if names & _GOODS else ())])
    if "destination" in names:
        return "route"
    if names & _GOODS:
        return "goods"
    return "+".join(sorted(names - _PLACE - _TIME))


def _mirror(feature: Feature) -> str:
    """Return what is compared with the paired post's record."""
    last = feature.inputs[-1]
    if feature.operator == "match":
        return "transit" if int(feature.parameters[0]) <= SHARE else ""
    fact = last.measure if isinstance(last, Read) else ""
    if fact in ("known_at", "arrived_at", "hours_late"):
        return "transit"
    return f"paired {'mass' if fact in _MASS else fact}"


def _names(inputs: Iterable[Fact | Read]) -> Iterable[str]:
    """Yield the entities that a feature is counted under, and the facts that it reads."""
    for item in inputs:
        if isinstance(item, Fact):
            yield item.name.removesuffix("_key")
            continue
        yield from item.by
        derived = STREAMS[item.stream].derived
        if item.measure in derived:
            yield from derived[item.measure].by
        yield item.measure.removeprefix("via_") if item.measure.startswith("via_") else ""
