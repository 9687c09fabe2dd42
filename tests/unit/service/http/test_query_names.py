"""A parameter that a route does not declare is refused by name, on every route and page."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Match

from api import site
from api.exercises import pages as training_pages
from api.http.dependencies import CheckedRoute
from api.web.page_route import FOREIGN
from engine.domain.rights import Role
from tests.support.page_session import Desk, at_desk
from tests.support.running_service import POST, World, arrival

ROUTES = [
    route
    for router in (*site.ROUTERS, *site.PAGES, training_pages.router)
    for route in router.routes
    if isinstance(route, APIRoute)
]
ADDRESS = re.compile(r'(?:href|data-address)="(/[^"#]*|\?[^"#]*)')
FIELD = re.compile(r'<(?:input|select)[^>]* name="([^"]+)"')
GET_FORM = re.compile(r'<form([^>]*method="get"[^>]*)>(.*?)</form>', re.DOTALL)
ACTION = re.compile(r' action="([^"]+)"')


def test_every_route_compares() -> None:
    open_to_any = {
        route.path_format
        for route in ROUTES
        if not isinstance(route, CheckedRoute)
        or (route.query_names is None and "GET" in (route.methods or ()))
    }
    assert open_to_any == FOREIGN


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/decisions?limt=5", "limt"),
        ("/v1/cases?stat=open", "stat"),
        ("/v1/network?post=OYB", "post"),
        ("/v1/decisions?limit=5&spreadsheet=comma&tabel=decisions", "tabel"),
        ("/healthz?deep=1", "deep"),
    ],
)
def test_a_mistyped_parameter_is_named(world: World, path: str, name: str) -> None:
    answer = world.get(path)
    (fault,) = answer.json()["fields"]
    assert (answer.status_code, answer.json()["title"]) == (422, "Malformed")
    assert (fault["at"], fault["rule"]) == (f"query.{name}", "unknown_field")


def test_a_refusal_lists_what_there_is_and_repeats_no_value(world: World) -> None:
    answer = world.get("/v1/decisions?CANARY=1&kinds=CANARY2")
    assert [one["at"] for one in answer.json()["fields"]] == ["query.?", "query.kinds"]
    assert "before, channel, limit, post" in answer.json()["fields"][0]["why"]
    assert "CANARY" not in answer.text


def test_a_stranger_is_a_stranger_first(world: World) -> None:
    assert world.client.get("/v1/decisions?limt=5").status_code == 401


def test_a_record_is_not_taken_with_a_mistyped_parameter(world: World) -> None:
    answer = world.post("/v1/decisions?dry_run=true", arrival(7))
    assert (answer.status_code, answer.json()["fields"][0]["at"]) == (422, "query.dry_run")
    assert world.post("/v1/decisions", arrival(7)).status_code == 201
    assert len(world.get("/v1/decisions").json()["decisions"]) == 1


def test_a_page_says_which_parameter(world: World) -> None:
    desk = at_desk(world, "typing")
    answer = desk.get(f"/posts/{POST}/queue?chanel=red&done=put")
    assert answer.status_code == 422
    assert "what the page does not take: chanel." in answer.text
    assert desk.get(f"/posts/{POST}/queue?channel=red&done=put").status_code == 200


@pytest.mark.parametrize("path", sorted(FOREIGN - {"/login/oidc/callback"}))
def test_a_page_that_others_lead_to_takes_what_they_add(world: World, path: str) -> None:
    assert world.client.get(f"{path}?utm_source=mail&state=x").status_code == 200


@pytest.mark.parametrize(
    ("limit", "rule", "why"),
    [("0", "too_small", "greater than or equal to 1"), ("5000", "too_large", "1000")],
)
def test_a_bound_is_said_as_it_is(world: World, limit: str, rule: str, why: str) -> None:
    (fault,) = world.get(f"/v1/decisions?limit={limit}").json()["fields"]
    assert (fault["at"], fault["rule"]) == ("query.limit", rule)
    assert why in fault["why"]


def find_names(path: str) -> frozenset[str] | None:
    scope = {"type": "http", "method": "GET", "path": path}
    for route in ROUTES:
        if route.matches(scope)[0] is Match.FULL:
            names: frozenset[str] | None = route.query_names  # type: ignore[attr-defined]
            return names
    return None


def addresses(page: str, path: str) -> Iterator[str]:
    """Yield the addresses of a page's links, and of what its filters ask for."""
    for found in ADDRESS.findall(page):
        yield (path + found if found.startswith("?") else found).replace("&amp;", "&")
    for opening, inside in GET_FORM.findall(page):
        action = ACTION.search(opening)
        fields = "&".join(f"{name}=" for name in FIELD.findall(inside))
        yield f"{path if action is None else action[1]}?{fields}"


def walk(desk: Desk) -> Iterator[tuple[str, set[str]]]:
    """Yield each address that pages lead to, one of each page and set of parameters."""
    due, known = ["/"], {("/", "")}
    while due:
        path = urlsplit(due.pop()).path
        answer = desk.client.get(path)
        if not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        for found in addresses(answer.text, path):
            names = {name for name, _ in parse_qsl(urlsplit(found).query, keep_blank_values=True)}
            target = urlsplit(found).path
            if (target, ",".join(sorted(names))) in known:
                continue
            known.add((target, ",".join(sorted(names))))
            yield found, names
            if not target.startswith(("/v1/", "/static/", "/language/")):
                due.append(found)


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.ANALYST])
def test_every_link_of_a_page_sends_what_is_declared(world: World, role: Role) -> None:
    queue = find_names(f"/posts/{POST}/queue")
    assert queue is not None
    assert "chanel" not in queue, "so a mistyped link would be found"
    asked = 0
    for found, names in walk(at_desk(world, f"walk-{role}", role)):
        known = find_names(urlsplit(found).path)
        asked += bool(names)
        assert known is None or names <= known, found
    assert asked > 5
