"""Which events there are, and what they measure.

An event is known at one time and belongs to one crossing, whose entities it is counted under. Its
measures are scaled integers: the scale says how many units of the counter make one of the measure.

crossings    every passage, known when its record reached this network
inspections  one for each inspected crossing, known when the deciding act was recorded: a later act
             that finds more adds its difference; papers and scales alone say nothing when clear
finds        goods found elsewhere and linked back to a crossing: never in a hit rate's denominator
"""

from collections.abc import Mapping
from types import MappingProxyType

from features.definitions import Stream

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
        }
    ),
)
INSPECTIONS = Stream(
    "inspections", "inspections", MappingProxyType({"hit": ("hit", 1), "seizure": ("seizure", 1)})
)
FINDS = Stream("finds", "finds elsewhere", MappingProxyType({"grams": ("grams", 1)}))

STREAMS: Mapping[str, Stream] = MappingProxyType(
    {stream.name: stream for stream in (CROSSINGS, INSPECTIONS, FINDS)}
)
