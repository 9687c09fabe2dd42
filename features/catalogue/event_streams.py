"""Streams of events and their measures.

An event is known at one time and belongs to one crossing, whose entities it is counted under. Its
measures are scaled integers: the scale says how many units of the counter make one of the measure.

crossings    every passage, known when its record reached this network
inspections  one for each inspected crossing, known when the deciding act was recorded: a later act
             that finds more adds its difference; papers and scales alone say nothing when clear
finds        goods found elsewhere and linked back to a crossing: never in a hit rate's denominator
passed       hits passed along links known before the hit was: to the plates its driver had crossed
             with, the consignees its carrier had carried for, and so on; not to its own
spread       snapshots of finds spread along links: at each cut, what changed about the value of an
             entity since the one before; counted under that entity alone, and of no crossing
"""

from collections.abc import Mapping
from types import MappingProxyType

from engine.domain.time_units import DAY, MINUTE
from features.catalogue import find_spread
from features.catalogue.mirror_features import FOLLOWED
from features.catalogue.spec import Link, PriorSighting, Stream

REACH = 30 * DAY
"""How long before a find that names a plate alone the entry may lie that it belongs to."""
PAIR = 30 * MINUTE
"""Vehicles seen at one post within this time travel together; only the later one can know it."""

CROSSINGS = Stream(
    "crossings",
    "crossings",
    MappingProxyType(
        {
            "entry": ("is_entry", 1),
            "empty": ("is_empty", 1),
            "night": ("night", 1),
            "declared": ("has_declaration", 1),
            "weighed": ("is_weighed", 1),
            "weighed_kg": ("weighed_mass_kg", 10),
            "value_usd": ("norm_value_usd", 100),
            "net_kg": ("norm_net_kg", 1000),
            "tare_kg": ("weighed_less_gross_kg", 10),
            "tared": ("has_tare", 1),
            "precursor_kg": ("precursor_kg", 1000),
            "precursor_weighed": ("has_precursor_kg", 1),
            "invoice_amount": ("invoice_amount", 100),
            "invoiced_usd": ("invoiced_usd", 100),
        }
    ),
    MappingProxyType(
        {
            "new_plate_driver": PriorSighting(
                ("plate", "driver"), "the first of plate and driver together"
            ),
            "new_plate_trailer": PriorSighting(
                ("plate", "trailer"), "the first of plate and trailer together"
            ),
            "new_carrier_driver": PriorSighting(
                ("carrier", "driver"), "the first of carrier and driver together"
            ),
            "new_carrier_consignee": PriorSighting(
                ("carrier", "consignee"), "the first of carrier and consignee together"
            ),
            "paired": PriorSighting(
                ("post", "direction", "carrier"),
                "half an hour or less after another of the carrier",
                PAIR,
                wanted=True,
            ),
            **FOLLOWED,
        }
    ),
)
INSPECTIONS = Stream(
    "inspections", "inspections", MappingProxyType({"hit": ("hit", 1), "seizure": ("seizure", 1)})
)
FINDS = Stream("finds", "finds elsewhere", MappingProxyType({"grams": ("grams", 1)}))
PASSED = Stream(
    "passed",
    "hits passed on",
    links=(
        Link("driver", "plate", ("plate", "driver")),
        Link("plate", "driver", ("plate", "driver")),
        Link("trailer", "plate", ("plate", "trailer")),
        Link("plate", "trailer", ("plate", "trailer")),
        Link("driver", "carrier", ("carrier", "driver")),
        Link("consignee", "carrier", ("carrier", "consignee")),
        Link("carrier", "consignee", ("carrier", "consignee")),
    ),
)
SPREAD = Stream(
    "spread",
    "finds spread along links",
    MappingProxyType(dict.fromkeys(find_spread.MEASURES, ("", find_spread.SCALE))),
    under=find_spread.ENTITIES,
    constants=find_spread.CONSTANTS,
)

STREAMS: Mapping[str, Stream] = MappingProxyType(
    {stream.name: stream for stream in (CROSSINGS, INSPECTIONS, FINDS, PASSED, SPREAD)}
)
