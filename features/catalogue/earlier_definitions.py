"""Definitions of features that counters of an earlier version of this program serve.

A home goes on with the definitions that its counters and its model were made for, until ``darvoza
load`` fills the counters for those of this version (docs/decisions/0025-clocks.md). So a home of
an earlier version opens, verifies, recomputes its decisions and serves its model.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache

from features.catalogue.catalogue import CATALOGUE
from features.catalogue.event_streams import CROSSINGS, INSPECTIONS
from features.catalogue.mirror_features import DIFFERS, compare_match
from features.catalogue.plan import Plan
from features.catalogue.spec import Feature, differs, first_seen, ratio, smoothed_rate, total

UNIFORM_ENCODING = 4
"""Version of the encoder with one clock, UTC+5, for all posts, and one domain of identifiers."""
ENCODING_WITHOUT_OPTIONAL = 5
"""Version of the encoder that did not read the optional fields."""
ENCODING_WITHOUT_SPREAD = 6
"""Version of the encoder without snapshots of finds spread along links."""
ENCODING_WITHOUT_RECENT = 7
"""Version of the encoder without rates in which late inspections count more."""


def _uniform() -> Iterator[tuple[str, Feature]]:
    """Yield the features that compared identifiers whatever their domain."""
    for name, pair in (
        ("new_driver_for_plate", ("plate", "driver")),
        ("new_driver_for_carrier", ("carrier", "driver")),
        ("new_consignee_for_carrier", ("carrier", "consignee")),
    ):
        yield name, first_seen(CROSSINGS, (*pair, "direction"))
    for who, fellow, new in (
        ("plate", "driver", "new_plate_driver"),
        ("carrier", "driver", "new_carrier_driver"),
        ("driver", "carrier", "new_carrier_driver"),
        ("carrier", "consignee", "new_carrier_consignee"),
        ("consignee", "carrier", "new_carrier_consignee"),
    ):
        yield f"{who}_new_{fellow}s_90d", total(CROSSINGS, new, who, 90)
        yield f"{who}_new_{fellow}_share", ratio(CROSSINGS, new, who, 365)
    yield "driver_changed", differs(CROSSINGS, "driver_key", ("plate", "direction"))
    for who in ("driver", "consignee"):
        compared = compare_match(CROSSINGS, f"{who}_key", DIFFERS, "flag", "")
        yield f"mirror_{who}_differs", compared


_OPTIONAL = frozenset(
    {"invoice_over_value", "invoice_over_usual", "invoice_over_usual_of_consignee",
     "route_countries", "undeclared_countries", "path_share", "office_share",
     "post_share_of_office", "package_kind_share", "previous_type_share",
     "package_kind_hit_rate", "previous_documents"}
)  # fmt: skip
"""Features of the optional fields (docs/decisions/0037-optional-fields.md)."""


def _with_rates_of_seizures() -> Iterator[tuple[str, Feature]]:
    """Yield the features but recent rates, with the rates of seizures that those have replaced."""
    for name, feature in CATALOGUE.items():
        if feature.operator != "recent_rate":
            yield name, feature
        if name == "declarant_finds_elsewhere":
            for who in ("plate", "driver", "carrier", "consignee"):
                rate = smoothed_rate(INSPECTIONS, "seizure", who, 365, 20.0)
                yield f"{who}_seizure_rate", replace(rate, family="links")


WITHOUT_RECENT: Mapping[str, Feature] = dict(_with_rates_of_seizures())
"""The catalogue before rates in which late inspections count more."""
WITHOUT_SPREAD: Mapping[str, Feature] = {
    name: feature for name, feature in WITHOUT_RECENT.items() if feature.operator != "spread"
}
"""The catalogue before finds spread along links."""
WITHOUT_OPTIONAL: Mapping[str, Feature] = {
    name: feature for name, feature in WITHOUT_SPREAD.items() if name not in _OPTIONAL
}
"""The catalogue before them."""
_KEPT = {name: one for name, one in WITHOUT_OPTIONAL.items() if "precursor" not in name}
"""The catalogue before precursors, too."""
UNIFORM: Mapping[str, Feature] = _KEPT | {
    name: replace(CATALOGUE[name], operator=f.operator, inputs=f.inputs, parameters=f.parameters)
    for name, f in _uniform()
}
"""The catalogue of those definitions."""


@cache
def _plan_without_recent() -> Plan:
    return Plan(WITHOUT_RECENT, encoding=ENCODING_WITHOUT_RECENT)


@cache
def _plan_without_spread() -> Plan:
    return Plan(WITHOUT_SPREAD, encoding=ENCODING_WITHOUT_SPREAD)


@cache
def _plan_without_optional() -> Plan:
    return Plan(WITHOUT_OPTIONAL, encoding=ENCODING_WITHOUT_OPTIONAL)


@cache
def _uniform_plan() -> Plan:
    return Plan(UNIFORM, encoding=UNIFORM_ENCODING)


def is_uniform(definitions: str) -> bool:
    """Tell whether definitions, by their digest, had one clock and one domain of identifiers."""
    return definitions == _uniform_plan().digest


@cache
def plan_of(definitions: str) -> Plan:
    """Return the plan of some definitions, that of this version where they are not known."""
    current = Plan(CATALOGUE)
    if current.digest == definitions:
        return current  # as nearly always: a start need not build the others
    earlier = (_plan_without_recent, _plan_without_spread, _plan_without_optional, _uniform_plan)
    found = (make() for make in earlier)
    return next((plan for plan in found if plan.digest == definitions), current)
