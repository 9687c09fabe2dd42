"""Names of the areas of the service, where each is declared, and its commands.

The command line reads these alone: what an area is made of is loaded when a command or a service
needs it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from engine.errors import InputError

VARIABLE: Final = "DARVOZA_AREAS"
AREAS: Final[Mapping[str, str]] = {
    "seizure_reports": "api.doors:SEIZURE_REPORTS",  # its page stands before any case's
    "cases": "api.doors:CASES",
    "links": "api.doors:LINKS",
    "messages": "api.doors:MESSAGES",
    "webhooks": "api.doors:WEBHOOKS",
    "sign_on": "api.doors:SIGN_ON",
    "exercises": "api.doors:EXERCISES",
}
"""Where the doors of each area are declared. A name, and no import."""
AREA_COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    "seizure_reports": ("api.cli.data:extract",),
    "links": ("api.cli.links:links",),
    "messages": ("api.cli.data:translate",),
    "sign_on": ("api.cli.oidc:oidc",),
    "exercises": ("api.cli.exercises:exercises",),
}
"""Commands of ``darvoza`` by area: functions, and groups of commands that have a name."""


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
