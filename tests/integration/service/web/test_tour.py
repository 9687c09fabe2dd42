"""The tour of the demonstration names people and pages that are there, open to who visits them."""

import re
from collections.abc import Iterator
from pathlib import Path

from fastapi.routing import APIRoute

from api.auth.permissions import MACHINES, MAY
from api.harness.lived_weeks import LINE, PEOPLE
from api.site import PAGES
from api.web.visitor import OPEN_PAGES, SIGNED_IN_ALONE, json_route
from engine.domain.rights import Role

TOUR = Path(__file__).parents[4] / "docs" / "pages.md"
WHO = re.compile(r"^\*\*(.+)\*\*$")
STEP = re.compile(r"^(\d+)\. `(/\S*)`: \S")
PATH = re.compile(r"`(/[^`\s]*)`")
GETS = {
    route.path: re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route.path)) + "$")
    for router in PAGES
    for route in router.routes
    if isinstance(route, APIRoute) and "GET" in (route.methods or ())
}


def find_route(path: str) -> str | None:
    """Return the route of a page, the most exact one; None where there is none."""
    fits = [route for route, pattern in GETS.items() if pattern.match(path)]
    return min(fits, key=lambda route: route.count("{"), default=None)


def steps(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield who takes each step of a tour, and the pages that it names."""
    people: list[str] = []
    for line in text.splitlines():
        if found := WHO.match(line):
            people = [name for name in PEOPLE if re.search(rf"\b{name}\b", found[1])]
        elif STEP.match(line):
            yield people, PATH.findall(line)


def find_faults(text: str) -> list[str]:
    """Return the steps without a known person, and pages that are not there or not open."""
    found = []
    for number, (people, paths) in enumerate(steps(text), 1):
        if not people:
            found.append(f"{number}: no person of the demonstration")
        for path in paths:
            route = find_route(path.replace("{decision_id}", "d-1"))
            if route is None:
                found.append(f"{number}: {path} is no page")
            elif ("GET", route) not in SIGNED_IN_ALONE | OPEN_PAGES:
                roles = MAY[json_route("GET", route)]
                found += [
                    f"{number}: {path} is not open to {name}"
                    for name in people
                    if PEOPLE[name][0] not in roles
                ]
    return found


def test_every_step_is_taken_by_a_person_whom_its_page_lets_in() -> None:
    text = TOUR.read_text("utf-8")
    numbers = [int(found[1]) for line in text.splitlines() if (found := STEP.match(line))]
    assert numbers == list(range(1, 21))
    assert find_faults(text) == []
    assert {role for role, _ in PEOPLE.values()} == set(Role) - MACHINES, "people of every role"
    assert {post for _, post in PEOPLE.values() if post} == set(LINE)


def test_a_tour_that_names_what_is_not_there_is_found() -> None:
    """Negative control."""
    text = "**nodira, integrity officer**\n\n1. `/journal`: a\n2. `/people`: b\n3. `/nowhere`: c\n"
    assert find_faults(text) == ["2: /people is not open to nodira", "3: /nowhere is no page"]
    assert find_faults("**olga**\n\n1. `/journal`: a\n") == ["1: no person of the demonstration"]
