"""Monotone constraints: signs of features that hold before any seizure is known.

With a hundred seizures or fewer, chance bends what trees learn. The public lists of land indicators
(World Customs Organization; no universal weights exist) name facts that speak for a search and
never against one: earlier finds on a party, a conveyance or driver that is new here,
differences from the paired post's record, a low value, thin hours. Trees for seizures keep these
signs, and half of them look at nothing else (:mod:`models.learning.base_learners`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

FOUND = ("_hit_rate", "_hit_rate_ever", "_seizure_rate", "_finds_elsewhere", "_hits_ever")
"""Endings of features that say how much was found before; so do hits passed along links, and finds
spread along them."""
RISING = (
    "night",
    "new_driver_for_plate",
    "new_trailer_for_plate",
    "new_driver_for_carrier",
    "new_consignee_for_carrier",
    "new_plate_for_carrier",
    "driver_changed",
    "post_changed",
    "vin_changed",
    "mirror_plate_differs",
    "mirror_vin_differs",
    "mirror_trailer_differs",
    "mirror_driver_differs",
    "mirror_seals_differ",
    "mirror_consignee_differs",
    "mirror_goods_differ",
    "mirror_mass_gap",
    "transit_share",
    "bad_container",
    "carrier_beside_30min",
    "tare_over_usual_of_plate",
    "tare_over_usual_of_carrier",
    "consignee_precursor_new",
    "consignor_precursor_new",
    "precursor_route_new",
    "consignee_near_precursor_new",
    "precursor_kg_over_usual",
    "precursor_kg_over_usual_of_consignee",
)
"""More of it, or its being so, never speaks against a search."""
FALLING = (
    "plate_crossings_365d",
    "plate_same_way_365d",
    "plate_searched_here_60d",
    "driver_searched_here_60d",
    "post_crossings_30min",
    "value_over_usual",
    "value_over_usual_of_origin",
    "value_over_usual_of_hs6_origin",
    "value_over_usual_of_consignee",
    "value_over_usual_of_consignee_goods",
)
"""More of it never speaks for a search: a regular, a busy half hour, a high value, being
searched of late where it comes again rather than elsewhere."""


def signs(names: Sequence[str], more: Mapping[str, int]) -> NDArray[np.int8]:
    """Return the sign of each of f features for seizures, int8 of shape (f,).

    1 rising, -1 falling, 0 free; ``more``, the signs of a training configuration, goes first.
    """
    return np.array([more.get(name, _sign(name)) for name in names], np.int8)


def _sign(name: str) -> int:
    if name in FALLING:
        return -1
    has_found = name.endswith(FOUND) or name.startswith("hits_passed") or "_spread_" in name
    return int(name in RISING or has_found)
