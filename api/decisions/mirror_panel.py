"""One vehicle on both sides of the line: what the paired post recorded, and what came here.

Assumes the decision's own features: what its mirror features knew at that time is what is shown,
with the paired post's figures computed back from the differences. Of seals, trailer, driver,
consignee and goods they know whether they are the same, not what they were.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import isnan, nan
from typing import Any, Literal

from engine.queue.mirror_alerts import HEAVY

State = Literal["same", "differs", "unknown", "plain", "apart"]
DEAR = 0.25
"""Values of both papers differ from here on: freight and insurance come on top of an export's."""
OLD_DAYS = 3.0
"""A record older than this is hardly the other half of the same movement."""


@dataclass(frozen=True, slots=True)
class ComparedField:
    """One thing that both posts may have recorded."""

    code: str
    state: State
    there: datetime | float | bool | str | None = None
    """None where it is not known, or known only to be the same or another."""
    here: datetime | float | bool | str | None = None


@dataclass(frozen=True, slots=True)
class MirrorComparison:
    """Both records; ``days`` is the age of the paired post's."""

    days: float
    transit: float | None
    """Minutes between them."""
    rows: tuple[ComparedField, ...]

    @property
    def is_old(self) -> bool:
        """Tell whether the paired post's record is likely of an earlier movement."""
        return self.days > OLD_DAYS

    @property
    def differences(self) -> int:
        """How many rows differ."""
        return sum(row.state == "differs" for row in self.rows)


def sides(
    crossing: Mapping[str, Any],
    features: Mapping[str, float],
    *,
    apart: Collection[str] = (),
) -> MirrorComparison | None:
    """Return both sides of a crossing, None where the paired post's record was not known.

    ``apart`` holds codes of rows whose identifiers are of different domains: not comparable.
    """
    days = features.get("mirror_days", nan)
    if isnan(days):
        return None
    transit = features.get("transit_us", nan)
    arrived = datetime.fromisoformat(crossing["arrived_at"])
    left = None if isnan(transit) else arrived - timedelta(microseconds=transit)
    seals = ", ".join(crossing.get("seal_numbers", ()))
    code = features["hs_number"]
    goods = None if isnan(code) else f"{code:06.0f}"
    rows = (
        ComparedField("time", "plain", left, arrived),
        _mass(crossing, features),
        _load(crossing, features),
        _compare_name("trailer", crossing.get("trailer_plate"), features["mirror_trailer_differs"]),
        _compare_name("seals", seals, features["mirror_seals_differ"]),
        _compare_name("driver", crossing.get("driver_ref"), features["mirror_driver_differs"]),
        _compare_name("consignee", None, features["mirror_consignee_differs"]),
        _compare_name("goods", goods, features["mirror_goods_differ"]),
        _compare_amount(
            "value", features["customs_value_usd"], features["mirror_value_ratio"], DEAR
        ),
        _compare_amount("net", features["net_mass_kg"], features["mirror_net_mass_ratio"], HEAVY),
    )
    shown = tuple(replace(row, state="apart") if row.code in apart else row for row in rows)
    return MirrorComparison(days, None if isnan(transit) else transit / 60e6, shown)


def fill_from_manifest(found: MirrorComparison, manifest: Mapping[str, Any]) -> MirrorComparison:
    """Return the comparison with what the partner's manifest names, where that was compared.

    The features know of seals, trailer and goods whether they are the same, not what they were.
    """
    named = {
        "trailer": manifest.get("trailer_plate"),
        "seals": ", ".join(manifest.get("seal_numbers", ())),
    }
    rows = tuple(
        replace(row, there=named.get(row.code) or row.there) if row.state == "differs" else row
        for row in found.rows
    )
    return replace(found, rows=rows)


def _mass(crossing: Mapping[str, Any], features: Mapping[str, float]) -> ComparedField:
    here, gap = crossing.get("weighed_mass_kg"), features["mirror_mass_gap"]
    if here is None or isnan(gap):
        return ComparedField("mass", "unknown", None, here)
    ratio = features["mirror_mass_ratio"]
    is_like = isnan(ratio) or 1 - HEAVY <= ratio <= 1 + HEAVY
    return ComparedField("mass", "same" if is_like else "differs", here - gap, here)


def _compare_amount(code: str, here: float, ratio: float, tolerance: float) -> ComparedField:
    if isnan(ratio) or not ratio:
        return ComparedField(code, "unknown", None, None if isnan(here) else here)
    is_like = 1 - tolerance <= ratio <= 1 + tolerance
    return ComparedField(code, "same" if is_like else "differs", here / ratio, here)


def _load(crossing: Mapping[str, Any], features: Mapping[str, float]) -> ComparedField:
    here, there = crossing.get("is_empty"), features["mirror_was_empty"]
    known = None if isnan(there) else there >= 0.5
    if here is None or known is None:
        return ComparedField("load", "unknown", known, here)
    return ComparedField("load", "same" if here == known else "differs", known, here)


def _compare_name(code: str, here: str | None, differs: float) -> ComparedField:
    if isnan(differs):
        return ComparedField(code, "unknown", None, here or None)
    return ComparedField(code, "differs" if differs >= 0.5 else "same", None, here or None)
