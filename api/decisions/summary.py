"""What a line says of a vehicle: its load, and what picked it.

The queue and a decision's page say it alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.domain.goods import PRECURSORS
from engine.search_orders.rates import goods_group
from engine.selection import LAWFUL_CHECK


@dataclass(frozen=True, slots=True)
class Cargo:
    """What a vehicle carries and by which way, as far as it was declared."""

    heading: str
    """HS heading of the main goods item; empty where nothing was declared."""
    description: str
    group: str
    """Group of goods of that heading; empty as well."""
    substance: str
    """English name of the controlled precursor that its code is of; else empty."""
    route: tuple[str, str]
    """Countries of dispatch and destination."""


def read_cargo(arrival: Mapping[str, Any]) -> Cargo:
    """Return what an arrival as recorded carries: of several goods items the dearest."""
    papers = arrival.get("declaration") or {}
    items = papers.get("items", ())
    main: Mapping[str, Any] = max(
        items, key=lambda one: one.get("customs_value_usd") or 0.0, default={}
    )
    route = (papers.get("dispatch_country") or "", papers.get("destination_country") or "")
    code = main.get("hs_code", "")
    known = PRECURSORS.get(code[:6])
    substance = "" if known is None else known.name
    group = goods_group(int(code[:2])) if code[:2].isdecimal() else ""
    return Cargo(code[:4], main.get("description", ""), group, substance, route)


def name_picks(body: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """Return what picked a vehicle, by its record: the basis, a profile's code and its title.

    Hard facts are one pick, without a code and with all titles.
    """
    decision, titles = body["decision"], _titles(body["inputs"]["matches"])
    facts = list_facts(body)
    other = [code for code in decision["profiles"] if code not in facts]
    named = [("profile", code, titles.get(code, "")) for code in other]
    if facts:
        named.insert(0, ("fact", "", "; ".join(f"{code}: {titles[code]}" for code in facts)))
    if decision["watchlist"]:
        basis = "counterpart" if decision["basis"] == "counterpart" else "watchlist"
        named.append((basis, "", ""))
    if decision["basis"] in ("random", LAWFUL_CHECK):
        named.insert(0, (decision["basis"], "", ""))
    basis = decision["basis"]
    return tuple(named) or ((basis, "", ""),) * bool(basis)


def list_facts(body: Mapping[str, Any]) -> list[str]:
    """Return the codes of the profiles of hard facts that picked a vehicle, by its record."""
    stated = {one["code"] for one in body["inputs"]["matches"] if one["fact"]}
    return [code for code in body["decision"]["profiles"] if code in stated]


def _titles(matches: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the titles of the profiles that a vehicle matched, as of its decision."""
    return {one["code"]: one["title"] for one in matches if one["source"] == "profile"}
