"""The features.

One line declares one feature, for training, for the service and for every engine;
``python -m features.catalogue.plan`` prints it. Families name the subject of a reason.
``proxy`` marks a feature that could stand in for a person's origin: every evaluation reports on
their joint effect.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources

from engine.criteria.profiles.readable_fields import PROXIES
from features.catalogue.encoder import POSITION
from features.catalogue.event_streams import CROSSINGS, FINDS, INSPECTIONS, PASSED, SPREAD
from features.catalogue.find_spread import KINDS, STEPS
from features.catalogue.mirror_features import (
    AS_RECORDED,
    DIFFERS,
    KEYS,
    LESS,
    OVER,
    SHARE,
    WINDOW,
    compare_match,
    match,
)
from features.catalogue.spec import (
    FAR,
    HALF_HOUR,
    SPREAD_PARTS,
    Fact,
    Feature,
    against,
    count,
    days_since,
    differs,
    distance,
    first_comparable,
    first_seen,
    hours_after,
    own_fact,
    ratio,
    share,
    smoothed_rate,
    spread,
    total,
)
from features.catalogue.transforms import recent_rate, seizure_rate

CATALOGUE: dict[str, Feature] = {}
TRACKED = ("plate", "trailer", "driver", "carrier", "consignee", "consignor", "declarant")
"""The conveyance and the parties whose past is read."""


def feature(family: str, name: str, definition: Feature, *, proxy: bool = False) -> None:
    """Put one feature into the catalogue; a name can be taken once."""
    if name in CATALOGUE:
        raise ValueError(f"feature {name} is declared twice")
    CATALOGUE[name] = replace(definition, family=family, proxy=proxy)


def proxies(needs: Iterable[str]) -> list[str]:
    """Return those of these fields and features that could stand in for a person's origin.

    Assumes the marks of the catalogue and of the records' fields: nothing is inferred from data.

    Parameters
    ----------
    needs : iterable of str
        Full names, as an expression reads them: ``crossing.plate_country``, ``features.night``.

    Returns
    -------
    list of str
        In alphabetical order; empty where there is none.

    Examples
    --------
    >>> proxies(["crossing.plate_country", "features.night", "features.origin_hit_rate"])
    ['crossing.plate_country', 'features.origin_hit_rate']
    """
    marked = {f"features.{name}" for name, feature in CATALOGUE.items() if feature.proxy}
    return sorted({*needs} & {*marked, *PROXIES})


# The crossing itself, as declared, measured and checked.
for fact, unit, meaning in (
    ("hour", "hour of day", "hour of arrival, local"),
    ("weekday", "0 is Monday", "day of the week of arrival"),
    ("night", "flag", "arrived between 22:00 and 06:00 local"),
):
    feature("timing", fact, own_fact(fact, unit, meaning))
for fact, unit, meaning in (
    ("is_entry", "flag", "enters the country"),
    ("class_car", "flag", "is a car"),
    ("class_van", "flag", "is a van"),
    ("class_bus", "flag", "is a bus"),
    ("class_truck", "flag", "is a truck"),
    ("class_rail_wagon", "flag", "is a rail wagon"),
    ("weighed_mass_kg", "kg", "mass on the weighbridge"),
    ("is_empty", "flag", "said to be empty"),
    ("trailer_missing", "flag", "no trailer plate was read"),
):
    feature("conveyance", fact, own_fact(fact, unit, meaning))
for fact, unit, meaning in (
    ("has_declaration", "flag", "came with a declaration"),
    ("bad_container", "containers", "container numbers whose check digit fails"),
    ("bad_vin", "flag", "the VIN's check digit fails (binding only in North America and China)"),
    ("plate_missing", "flag", "no plate was read"),
    ("driver_missing", "flag", "no driver reference came"),
    ("carrier_missing", "flag", "no carrier was named"),
    ("seals", "seals", "seal numbers given"),
    ("has_tir", "flag", "under a TIR carnet"),
    ("has_cmr", "flag", "with a CMR note"),
    ("lodged_hours_before", "hours", "declared this long before arrival"),
    ("empty_but_declared", "flag", "said to be empty, yet came with a declaration"),
    ("laden_undeclared", "flag", "said to be laden, yet came without a declaration"),
):
    feature("documents", fact, own_fact(fact, unit, meaning))
for fact, unit, meaning in (
    ("items", "items", "goods items declared"),
    ("chapters", "chapters", "different HS chapters declared"),
    ("origins", "countries", "different countries of origin of the goods"),
    ("customs_value_usd", "USD", "statistical value declared"),
    ("net_mass_kg", "kg", "net mass declared"),
    ("gross_mass_kg", "kg", "gross mass declared"),
    ("packages", "packages", "packages declared"),
    ("value_per_kg", "USD/kg", "value for each kg of net mass"),
    ("mass_per_package", "kg", "net mass of a package"),
    ("gross_per_net", "ratio", "gross over net mass"),
    ("duty_rate", "share", "duty rate of the main goods item"),
    ("main_value_share", "share", "share of the main goods item in the value"),
    ("hs_digits", "digits", "length of the main HS code"),
    ("hs_chapter", "chapter", "HS chapter of the main goods item"),
    ("hs_number", "HS number", "first six digits of the main HS code"),
    ("mass_is_whole", "flag", "net mass declared in whole kilograms"),
    ("mass_is_round", "flag", "net mass declared in whole tens of kilograms"),
    ("dispatch_not_origin", "flag", "goods dispatched from another country than they come from"),
    ("weighed_less_gross_kg", "kg", "weighbridge mass less declared gross mass"),
):
    feature("declared", fact, own_fact(fact, unit, meaning))

# Counts, recency and hit rates: the conveyance and the parties.
for who in TRACKED:
    family = "conveyance" if who in ("plate", "trailer") else "parties"
    feature(family, f"{who}_crossings_30d", count(CROSSINGS, who, 30))
    feature(family, f"{who}_crossings_365d", count(CROSSINGS, who, 365))
    feature(family, f"{who}_days_since", days_since(CROSSINGS, who))
    feature(family, f"{who}_inspections_365d", count(INSPECTIONS, who, 365))
    feature(family, f"{who}_hit_rate", smoothed_rate(INSPECTIONS, "hit", who, 365, 10.0))
    feature("links", f"{who}_finds_elsewhere", count(FINDS, who, 365))
for who in ("carrier", "consignee", "declarant"):
    rate = smoothed_rate(INSPECTIONS, "hit", who, FAR, 3.0)
    feature("parties", f"{who}_hit_rate_ever", rate)
feature("conveyance", "plate_empty_share_365d", ratio(CROSSINGS, "empty", "plate", 365))
feature("conveyance", "plate_night_share_365d", ratio(CROSSINGS, "night", "plate", 365))
feature("conveyance", "plate_usual_mass", ratio(CROSSINGS, "weighed_kg", "plate", 365, "weighed"))
feature(
    "conveyance",
    "mass_over_usual",
    against("weighed_mass_kg", CROSSINGS, "weighed_kg", ("plate", "direction"), 365, "weighed"),
)
feature("conveyance", "carrier_empty_share_365d", ratio(CROSSINGS, "empty", "carrier", 365))
for who in ("driver", "carrier"):
    feature("timing", f"{who}_night_share_365d", ratio(CROSSINGS, "night", who, 365))
# Weighbridge mass less declared mass is the vehicle's tare: an excess is undeclared.
for who in ("plate", "carrier"):
    tare = against("weighed_less_gross_kg", CROSSINGS, "tare_kg", who, 365, "tared")
    feature("conveyance", f"tare_over_usual_of_{who}", tare)
# The paired post has mostly recorded this same movement hours ago: first sightings and changes are
# therefore read from the same direction alone.
WAY = "direction"
# A driver or party is compared within the domain of its identifier alone.
KNOWN = ("plate", "driver_domain")
new_driver = first_comparable(CROSSINGS, ("plate", "driver", WAY), (*KNOWN, WAY), ("plate", WAY))
feature("links", "new_driver_for_plate", new_driver)
for name, pair, of in (
    ("new_trailer_for_plate", ("plate", "trailer"), "plate"),
    ("new_driver_for_carrier", ("carrier", "driver"), "carrier_of_drivers"),
    ("new_consignee_for_carrier", ("carrier", "consignee"), "carrier_of_consignees"),
    ("new_plate_for_carrier", ("carrier", "plate"), "carrier"),
):
    feature("links", name, first_seen(CROSSINGS, (*pair, WAY), (of, pair[1], WAY)))
feature("conveyance", "plate_same_way_365d", count(CROSSINGS, ("plate", WAY), 365))
for family, who in (("conveyance", "plate"), ("parties", "driver")):
    feature(family, f"{who}_same_way_days_since", days_since(CROSSINGS, (who, WAY)))
feature("conveyance", "vin_changed", differs(CROSSINGS, "vin_key", ("plate", WAY)))
# Entities recently new to each other; vehicles that travel in pairs; hits passed on by links.
for who, new, counted, whose in (
    ("plate", "new_plate_driver", KNOWN, KNOWN),
    ("driver", "new_plate_driver", "driver", "driver"),
    ("plate", "new_plate_trailer", "plate", "plate"),
    ("carrier", "new_carrier_driver", "carrier", "carrier_of_drivers"),
    ("driver", "new_carrier_driver", "driver", "driver_of_carriers"),
    ("carrier", "new_carrier_consignee", "carrier", "carrier_of_consignees"),
    ("consignee", "new_carrier_consignee", "consignee", "consignee_of_carriers"),
):
    fellow = new.removeprefix("new_").replace(who, "").strip("_")
    feature("links", f"{who}_new_{fellow}s_90d", total(CROSSINGS, new, counted, 90, whose))
    feature("links", f"{who}_new_{fellow}_share", ratio(CROSSINGS, new, counted, 365, of=whose))
for who in ("plate", "driver", "carrier"):
    feature("links", f"{who}_paired_share", ratio(CROSSINGS, "paired", who, 365))
for who in ("carrier", "consignee", "declarant"):
    line = ("post", "direction", who)
    feature("links", f"{who}_beside_30min", count(CROSSINGS, line, HALF_HOUR))
for link in PASSED.links:
    passed = total(PASSED, link.measure, link.to, 365)
    feature("links", f"hits_passed_from_{link.via}_to_{link.to}", passed)
feature("links", "driver_changed", differs(CROSSINGS, "driver_key", (*KNOWN, WAY)))

# Route and mirror: against the record of the paired post, known before this one.
THERE = "at the paired post"
ACROSS = ("driver_key", "consignee_key")
"""Facts that are compared across the line only where both posts have one domain for them."""
for name, fact, how, unit, meaning in (
    ("mirror_days", "known_at", LESS, "days", "days since it was recorded"),
    ("mirror_hours_late", "hours_late", AS_RECORDED, "hours", "hours until it was recorded"),
    ("transit_us", "arrived_at", LESS, "microseconds", "time of arrival less that"),
    ("mirror_mass_ratio", "weighed_mass_kg", OVER, "ratio", "weighbridge mass over that"),
    ("mirror_mass_gap", "weighed_mass_kg", LESS, "kg", "weighbridge mass less that"),
    ("mirror_plate_differs", "plate_key", DIFFERS, "flag", "plate other than"),
    ("mirror_vin_differs", "vin_key", DIFFERS, "flag", "VIN other than"),
    ("mirror_trailer_differs", "trailer_key", DIFFERS, "flag", "trailer other than"),
    ("mirror_driver_differs", "driver_key", DIFFERS, "flag", "driver other than"),
    ("mirror_seals_differ", "seals_key", DIFFERS, "flag", "seals other than"),
    ("mirror_was_empty", "is_empty", AS_RECORDED, "flag", "said to be empty"),
    ("mirror_consignee_differs", "consignee_key", DIFFERS, "flag", "consignee other than"),
    ("mirror_goods_differ", "hs_number", DIFFERS, "flag", "main HS code (six digits) other than"),
    ("mirror_value_ratio", "customs_value_usd", OVER, "ratio", "value declared over that"),
    ("mirror_net_mass_ratio", "net_mass_kg", OVER, "ratio", "net mass declared over that"),
):
    across = Fact(f"{fact}_across") if fact in ACROSS else None
    compared = compare_match(CROSSINGS, fact, how, unit, f"{meaning} {THERE}", now=across)
    feature("mirror", name, compared)
for place, who in enumerate(KEYS):
    meaning = f"the record {THERE} is the last there of the same {who}"
    feature("mirror", f"mirror_by_{who}", match(CROSSINGS, place, "flag", meaning))
sooner = "share of the line's vehicles that came sooner after their record there"
feature("mirror", "transit_share", match(CROSSINGS, SHARE, "share", sooner))
looked = "hours within which the paired post's record is looked for"
feature("mirror", "mirror_window", match(CROSSINGS, WINDOW, "hours", looked))
MIRROR, PAIRED = ("plate", "post", "direction"), ("plate", "pair", "opposite")
feature("mirror", "mirror_records_3d", count(CROSSINGS, MIRROR, 3, PAIRED))
feature("route", "post_share_of_plate", share(CROSSINGS, ("plate", "post"), 365, "plate"))
feature("route", "post_share_of_carrier", share(CROSSINGS, ("carrier", "post"), 365, "carrier"))
feature("route", "post_changed", differs(CROSSINGS, "line_key", ("plate", WAY)))
for who in ("plate", "driver"):  # searched elsewhere recently, a carrier may come by another post
    feature("route", f"{who}_searched_here_60d", share(INSPECTIONS, (who, "post"), 60, who))
feature("route", "route_crossings_90d", count(CROSSINGS, ("dispatch", "destination", "post"), 90))
feature("timing", "post_crossings_30min", count(CROSSINGS, ("post", "direction"), HALF_HOUR))
feature("route", "post_crossings_1d", count(CROSSINGS, ("post", "direction"), 1))
feature("route", "post_hit_rate", smoothed_rate(INSPECTIONS, "hit", "post", 365, 50.0))
feature("timing", "day_part_share", share(CROSSINGS, ("plate", "day_part"), 365, "plate"))
feature(
    "timing",
    "post_day_part_hit_rate",
    smoothed_rate(INSPECTIONS, "hit", ("post", "day_part"), 365, 50.0),
)

# Goods: how they did before, and how they compare with what is usual for them.
for goods in ("hs2", "hs4", "hs6"):
    feature("goods", f"{goods}_hit_rate", smoothed_rate(INSPECTIONS, "hit", goods, 365, 20.0))
for name, pair in (
    ("hs4_origin", ("hs4", "origin")),
    ("hs6_origin", ("hs6", "origin")),
    ("hs2_post", ("hs2", "post")),
    ("hs4_carrier", ("hs4", "carrier")),
):
    feature("goods", f"{name}_hit_rate", smoothed_rate(INSPECTIONS, "hit", pair, 365, 10.0))
feature("goods", "hs4_crossings_90d", count(CROSSINGS, ("hs4", "post"), 90))
feature("goods", "hs4_origin_crossings_365d", count(CROSSINGS, ("hs4", "origin"), 365))
feature("goods", "consignee_goods_new", first_seen(CROSSINGS, ("consignee", "hs4", WAY)))
feature("goods", "carrier_goods_share", share(CROSSINGS, ("carrier", "hs2"), 365, "carrier"))
VALUE = ("value_usd", "net_kg")
feature(
    "goods", "value_over_usual", against("value_per_kg", CROSSINGS, VALUE[0], "hs6", 365, VALUE[1])
)
USUAL: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("origin", ("hs4", "origin")),
    ("hs6_origin", ("hs6", "origin")),
    ("consignee", ("consignee",)),
    ("consignee_goods", ("consignee", "hs4")),
)
for name, by in USUAL:
    usual = against("value_per_kg", CROSSINGS, VALUE[0], by, 365, VALUE[1])
    feature("goods", f"value_over_usual_of_{name}", usual)

# Origin as declared in the papers: marked as proxies, and reported on.
feature("route", "origin_hit_rate", smoothed_rate(INSPECTIONS, "hit", "origin", 365), proxy=True)
feature(
    "route", "dispatch_hit_rate", smoothed_rate(INSPECTIONS, "hit", "dispatch", 365), proxy=True
)
for name in ("procedure", "mode", "payment", "nature", "preference", "marking"):
    feature("documents", f"{name}_hit_rate", smoothed_rate(INSPECTIONS, "hit", name, 365))

# Fingerprints: the same goods on the same terms, from similar to nearly identical. The rate of the
# most similar is shrunk least.
TERMS = ("hs6", "dispatch", "origin", "preference", "rate")
ALIKE: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("terms", TERMS, 5.0),
    ("terms_mass", (*TERMS, "mass"), 0.1),
    ("terms_marking", (*TERMS, "marking", "mode"), 3.0),
)
for name, by, strength in ALIKE:
    feature(
        "fingerprints", f"{name}_hit_rate", smoothed_rate(INSPECTIONS, "hit", by, 365, strength)
    )
    feature("fingerprints", f"{name}_inspections", count(INSPECTIONS, by, 365))
SAME = (*TERMS, "mass")
feature("fingerprints", "terms_mass_hits_ever", total(INSPECTIONS, "hit", SAME, FAR))
for name, by, strength in (
    ("terms_mass", SAME, 0.1),
    ("hs6_mass", ("hs6", "mass"), 0.5),
    ("origin_rate_mass", ("origin", "rate", "mass"), 0.5),
):
    rate = smoothed_rate(INSPECTIONS, "hit", by, FAR, strength)
    feature("fingerprints", f"{name}_hit_rate_ever", rate)
feature("fingerprints", "terms_crossings_365d", count(CROSSINGS, TERMS, 365))

# Precursors under international control, of which party, route and quantity may be unusual. New
# features come last: the columns of matrices keep their places.
for fact, unit, meaning in (
    ("declares_precursor", "flag", "declares a precursor under international control"),
    ("declares_table_1_precursor", "flag", "declares a precursor of Table I"),
    ("near_precursor", "flag", "declares other goods of the HS heading of a precursor"),
):
    feature("goods", fact, own_fact(fact, unit, meaning))
for name, by in (
    ("consignee_precursor_new", ("consignee", "precursor", WAY)),
    ("consignor_precursor_new", ("consignor", "precursor", WAY)),
    ("precursor_route_new", ("precursor", "dispatch", "destination", WAY)),
    ("consignee_near_precursor_new", ("consignee", "precursor_heading", WAY)),
):
    feature("goods", name, first_seen(CROSSINGS, by))
feature("goods", "precursor_post_share", share(CROSSINGS, ("precursor", "post"), 365, "precursor"))
for name, by in (("", ("precursor",)), ("_of_consignee", ("consignee", "precursor"))):
    amount = against("precursor_kg", CROSSINGS, "precursor_kg", by, 365, "precursor_weighed")
    feature("goods", f"precursor_kg_over_usual{name}", amount)

# What a declaration says of invoice, route, packing and previous documents, where it does.
invoice = own_fact(
    "invoice_over_value", "ratio", "invoice in US dollars over the statistical value"
)
feature("declared", "invoice_over_value", invoice)
for name, by, days in (
    ("invoice_over_usual", ("invoice_currency",), 90),
    ("invoice_over_usual_of_consignee", ("consignee", "invoice_currency"), 365),
):
    usual = against("invoice_per_usd", CROSSINGS, "invoice_amount", by, days, "invoiced_usd")
    feature("declared", name, usual)
for fact, unit, meaning in (
    ("route_countries", "countries", "countries of routing declared"),
    (
        "undeclared_countries",
        "countries",
        "countries of this line that the declared path leaves out",
    ),
):
    feature("route", fact, own_fact(fact, unit, meaning))
for family, name, by, whole in (
    ("route", "path_share", ("declared_route", "path"), ("declared_route",)),
    ("route", "office_share", ("office_route", "office"), ("office_route",)),
    ("route", "post_share_of_office", ("office", "post"), ("office",)),
    ("goods", "package_kind_share", ("packed_chapter", "package_kind"), ("packed_chapter",)),
    (
        "documents",
        "previous_type_share",
        ("post", "procedure", "previous_type"),
        ("post", "procedure"),
    ),
):
    feature(family, name, share(CROSSINGS, by, 365, whole))
packed = smoothed_rate(INSPECTIONS, "hit", ("hs2", "package_kind"), 365, 10.0)
feature("goods", "package_kind_hit_rate", packed)
named = own_fact("previous_documents", "documents", "previous documents declared")
feature("documents", "previous_documents", named)

# Recent finds of its parties, and of those that shared crossings with them.
for kind in KINDS:
    for step in range(STEPS + 1):
        for part in SPREAD_PARTS:
            feature("links", f"{kind}_spread_{step}_{part}", spread(SPREAD, kind, step, part))

# Rates in which the last months count most: who smuggles begins, pauses and stops.
for who in TRACKED:
    family = "conveyance" if who in ("plate", "trailer") else "parties"
    feature(family, f"{who}_recent_hit_rate", recent_rate(INSPECTIONS, "hit", who, 5.0))
    feature("links", f"{who}_recent_seizure_rate", seizure_rate(who, 10.0))

# Where and when the vehicle passed last: what its road allows, and whether the paired post's record
# is the other half of this passage or of an earlier one.
feature("route", "plate_km_since", distance(CROSSINGS, "plate", POSITION))
feature("timing", "plate_hours_since", hours_after(CROSSINGS, "plate"))
feature("timing", "plate_same_way_hours", hours_after(CROSSINGS, ("plate", WAY)))


@cache
def read_families() -> Mapping[str, Mapping[str, str]]:
    """Return owner, threat and reason of each family by its name, as ``families.toml`` has them."""
    text = resources.files(__package__).joinpath("families.toml").read_text("utf-8")
    return tomllib.loads(text)
