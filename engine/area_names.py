"""Names of the areas, and where the records of each are declared.

The command line reads this list alone: what an area is made of is loaded when a command or a
service needs it. An area has the same name in every layer; its doors (:mod:`api.doors`) have it in
capital letters.
"""

from collections.abc import Mapping
from typing import Final

from engine.errors import InputError

VARIABLE: Final = "DARVOZA_AREAS"
AREAS: Final[Mapping[str, str]] = {
    "seizure_reports": "",  # its page stands before any case's
    "cases": "engine.cases.area",
    "circulars": "engine.circulars.area",
    "complaints": "engine.complaints",
    "vehicle_files": "engine.vehicle_files.area",
    "links": "engine.links.area",
    "messages": "",
    "webhooks": "engine.events.area",
    "sign_on": "",
    "exercises": "engine.exercises",
    "analysis": "engine.analysis.area",
}
"""Modules whose ``AREA`` declares records of each area; empty for an area without records. A name,
and no import: the core stands on no area."""


def parse_areas(text: str | None) -> frozenset[str]:
    """Return the areas that a text names, all of them where there is none.

    Raises ``InputError``.

    >>> sorted(parse_areas("links, cases"))
    ['cases', 'links']
    """
    if text is None:
        return frozenset(AREAS)
    named = frozenset(one.strip() for one in text.split(",") if one.strip())
    if unknown := sorted(named - AREAS.keys()):
        known = ", ".join(AREAS)
        raise InputError(VARIABLE, f"no such area: {', '.join(unknown)}; there are {known}")
    return named
