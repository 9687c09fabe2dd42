"""Requests: parameters that no route declares, and heads that could be read in two ways."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Match

from api import site
from api.exercises import pages as training_pages
from api.http import connection_limits
from api.http.dependencies import CheckedRoute
from api.web.page_route import FOREIGN
from engine.domain.rights import Role
from tests.support.people import Desk, at_desk
from tests.support.running_service import POST, World, arrival
from tests.unit.service.auth.test_refusals import is_problem

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
    assert "before, channel, limit, outcome, post" in answer.json()["fields"][0]["why"]
    assert "CANARY" not in answer.text


def test_a_stranger_is_a_stranger_first(world: World) -> None:
    assert world.client.get("/v1/decisions?limt=5").status_code == 401


def test_a_record_is_not_taken_with_a_mistyped_parameter(world: World) -> None:
    before = len(world.get("/v1/decisions").json()["decisions"])
    answer = world.post("/v1/decisions?dry_run=true", arrival(7))
    assert (answer.status_code, answer.json()["fields"][0]["at"]) == (422, "query.dry_run")
    assert len(world.get("/v1/decisions").json()["decisions"]) == before
    assert world.post("/v1/decisions", arrival(7)).status_code == 201
    assert len(world.get("/v1/decisions").json()["decisions"]) == before + 1


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


TWO_KEYS = ("dz_" + "A" * 43, "dz_" + "B" * 43)


def send_doubled(world: World, name: str, number: int) -> Any:
    """Ask for a decision with a header of this name given twice."""
    good = world.headers() | {"Idempotency-Key": f"once-{number}", "Host": "testserver"}
    more = {"Authorization": f"Bearer {TWO_KEYS[0]}", "Idempotency-Key": "other", "Host": "other"}
    sent = [*good.items(), (name, more[name])]
    return world.client.post("/v1/decisions", json=arrival(number), headers=sent)


@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "Host"])
def test_a_header_that_must_be_given_once_is_refused_twice(world: World, name: str) -> None:
    world.decide(arrival(91_000))  # the key is remembered: the fast path would be open
    answer = send_doubled(world, name, 91_001)
    assert is_problem(answer, 400) and name in answer.json()["detail"]


def test_without_the_check_the_first_of_two_keys_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the service before the check."""
    monkeypatch.setattr(connection_limits, "ambiguity", lambda *_: None)
    assert send_doubled(world, "Authorization", 91_002).status_code == 201


def test_a_request_of_http_1_1_names_its_host() -> None:
    assert connection_limits.ambiguity([], "1.1") == "the header Host is missing"
    assert connection_limits.ambiguity([], "1.0") is None
    assert connection_limits.ambiguity([(b"host", b"x")], "1.1") is None


@pytest.mark.parametrize("path", ["/v1/decisions/", "/healthz/", "/login/", "/v1/posts/OYB/queue/"])
def test_a_trailing_slash_names_nothing(world: World, path: str) -> None:
    for method in ("GET", "POST"):
        answer = world.client.request(
            method, path, headers=world.headers(Role.SUPERVISOR), follow_redirects=False
        )
        assert is_problem(answer, 404)


def answers(world: World) -> list[Any]:
    """Return an answer of every kind: long and fast path, refusals, what no route knows."""
    return [
        world.decide(arrival(91_003)),
        world.decide(arrival(91_003)),
        world.get("/v1/posts/OYB/queue"),
        world.get("/v1/decisions/none"),
        world.get("/v1/nothing"),
        world.client.get("/v1/decisions"),
        world.client.put("/v1/decisions"),
        world.client.get("/readyz"),
        world.client.get("/openapi.json"),
        send_doubled(world, "Host", 91_004),
    ]


def test_no_cache_keeps_an_answer_and_no_browser_guesses_its_type(world: World) -> None:
    for answer in answers(world):
        assert answer.headers.get_list("cache-control") == ["no-store"], answer.url
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"], answer.url
    kept = world.client.get("/static/desk.css?v=1").headers
    assert kept.get_list("cache-control") == ["public, max-age=31536000, immutable"]


async def abandon_request(world: World) -> list[Any]:
    """Send half a body, then go away; return what was answered."""
    messages = [{"type": "http.request", "body": b"{", "more_body": True}]
    answered: list[Any] = []

    async def receive() -> Any:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answered.append(message)

    headers = [(name.lower().encode(), value.encode()) for name, value in world.headers().items()]
    scope = {"type": "http", "method": "POST", "path": "/v1/seizures", "headers": headers}
    more = {"query_string": b"", "root_path": "", "scheme": "http", "server": ("here", 80)}
    await world.client.app(scope | more, receive, send)
    return answered


def test_a_sender_who_goes_away_is_no_fault_of_ours(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert world.client.portal is not None
    assert world.client.portal.call(abandon_request, world) == []
    logged = capsys.readouterr()
    assert "ClientDisconnect" not in logged.out + logged.err
