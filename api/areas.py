"""Areas of the service: the routes, pages, menu entries, commands and workers of each.

The other half of an area is in the engine (:mod:`engine.journal.areas`) and always there.
``DARVOZA_AREAS`` names the areas whose doors are open: names with commas, all of them where it is
not set. A closed area has no routes, pages, menu entries, commands or workers; what its records say
is replayed, compared, erased and counted all the same.

The core imports no area. A door is named as ``module:name`` and loaded when it is needed, so that a
start does not wait for it.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Connection

from engine.area_names import AREAS, VARIABLE, parse_areas
from engine.domain.rights import Matter, Right, Role
from engine.errors import ServiceStartError
from engine.journal.areas import load_part
from engine.storage.home import Home

Route = tuple[str, str]
"""Method and path."""
Rules = Mapping[tuple[Matter | None, Right, frozenset[Role]], str]
"""Routes by what they are about, what they do there, and who may call them; no other role may."""


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One link of the menu in the head of every page."""

    path: str
    text: str
    place: int
    """Its place among the links of all areas, the smallest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """The ways into one area."""

    name: str
    rules: Rules = field(default_factory=dict)
    by_person: Sequence[str] = ()
    """Beginnings of routes for whose changes a person must answer."""
    pages_of: Mapping[Route, Route] = field(default_factory=dict)
    """Pages and forms whose JSON route has another path than theirs, with that route."""
    open_routes: frozenset[Route] = frozenset()
    """Routes that ask for no key."""
    open_pages: frozenset[Route] = frozenset()
    """Pages that are for everybody."""
    menu: Sequence[MenuEntry] = ()
    routers: Sequence[str] = ()
    """Routers of the JSON interface."""
    page_routers: Sequence[str] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    """Parts of a running service by name; a core without the area has a plain one instead."""
    workers: Sequence[str] = ()
    """Classes whose object works in the background of a running service, which it is made with."""
    matters: Sequence[str] = ()
    """Matters that two people decide, as ``module:NAME`` of :mod:`api.proposals.matters`."""
    approvals: Mapping[str, tuple[str, Route]] = field(default_factory=dict)
    """By kind of record that is no proposal: what waits for a second person, and the route that
    shows it."""
    alarms: Mapping[str, tuple[str, Route]] = field(default_factory=dict)
    """By kind of record: the alarm, and the route that shows it."""
    find_need: Callable[[Home, Connection], str] = lambda _home, _connection: ""
    """Returns why a home cannot be served with these doors closed, empty where it can."""


@cache
def list_doors() -> tuple[Doors, ...]:
    """Return the doors of every area that this process has open."""
    named = parse_areas(os.environ.get(VARIABLE))
    return tuple(_load_doors(name) for name in AREAS if name in named)


def list_closed() -> list[Doors]:
    """Return the doors of every area that this process has closed."""
    opened = {one.name for one in list_doors()}
    return [_load_doors(name) for name in AREAS if name not in opened]


def list_parts(name: str) -> list[Any]:
    """Return the parts of a running service that open areas have by this name."""
    return [load_part(doors.parts[name]) for doors in list_doors() if name in doors.parts]


def find_part(name: str) -> Any | None:
    """Return the part of a running service by this name, None if no open area has one."""
    return next(iter(list_parts(name)), None)


def require_areas(home: Home, connection: Connection) -> None:
    """Refuse to serve where a closed area would change who decides.

    Raises ``ServiceStartError``, which names the area.
    """
    for doors in list_closed():
        if why := doors.find_need(home, connection):
            raise ServiceStartError(f"the area {doors.name} is closed by {VARIABLE}, and {why}")


def _load_doors(name: str) -> Doors:
    doors: Doors = load_part(f"api.doors:{name.upper()}")
    return doors
