"""Sessions: cookies no script reads, forms no other site can send, passwords no one can guess."""

import re
import time
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select

from api.auth import throttles
from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from api.auth.permissions import MACHINES, MAY
from api.auth.sessions import COOKIE, HOST_COOKIE
from api.auth.tables import NO_PASSWORD, SESSIONS
from api.site import PAGES
from api.web import sign_in_page
from api.web.i18n import choose_language
from api.web.page_route import HEADERS, local
from api.web.visitor import OPEN_PAGES, OTHER_ROUTES, SIGNED_IN_ALONE, json_route
from engine.domain.rights import Role
from engine.errors import (
    ConflictError,
    NotAuthenticatedError,
    NotFoundError,
)
from tests.support.clocks import travel
from tests.support.people import TOKEN, Desk, at_desk, user
from tests.support.running_service import CHEAP, POST, World

QUEUE = f"/v1/posts/{POST}/queue"


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_page, "HELD_SECONDS", 0.0)


def accounts(world: World) -> Accounts:
    return Accounts(world.runtime.store, world.runtime.network)


def test_a_session_begins_and_ends(world: World) -> None:
    desk = Desk(world)
    assert desk.get("/").headers["location"] == "/login"
    password = user(world, "one", Role.SUPERVISOR)
    answer = desk.sign_in("one", password, next="/posts/OYB/queue")
    assert (answer.status_code, answer.headers["location"]) == (303, "/posts/OYB/queue")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(COOKIE))
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
    assert desk.get("/").status_code == 200 and desk.get(QUEUE).status_code == 200
    stolen = desk.client.cookies[COOKIE]
    assert desk.send("/", "/logout", {}).headers["location"] == "/login"
    thief = Desk(world)
    thief.client.cookies.set(COOKIE, stolen)
    assert thief.get("/").status_code == 303 and thief.get(QUEUE).status_code == 401


def test_a_new_password_ends_the_old_one_and_every_session(world: World) -> None:
    old = user(world, "forgetful", Role.SUPERVISOR)
    desk = Desk(world)
    assert desk.sign_in("forgetful", old).status_code == 303
    with patch("api.auth.credentials._HASHER", CHEAP):
        made = accounts(world).change_password("forgetful")
    assert (made.role, made.post) == (Role.SUPERVISOR, None)
    assert desk.get(QUEUE).status_code == 401
    assert Desk(world).sign_in("forgetful", old).status_code == 401
    assert Desk(world).sign_in("forgetful", made.secret).status_code == 303


def test_who_was_removed_reaches_nothing_and_leaves_the_name_behind(world: World) -> None:
    password, desk = user(world, "leaver", Role.SUPERVISOR), Desk(world)
    assert desk.sign_in("leaver", password).status_code == 303
    pepper = open_pepper(world.home)
    key = accounts(world).create_key(Role.SUPERVISOR, None, pepper=pepper, owner="leaver").secret
    accounts(world).remove_user("leaver")
    assert desk.get(QUEUE).status_code == 401
    for tried in (password, NO_PASSWORD):
        assert Desk(world).sign_in("leaver", tried).status_code == 401
        with pytest.raises(NotAuthenticatedError):
            accounts(world).sign_in("leaver", tried)
    asked = world.client.get(QUEUE, headers={"Authorization": f"Bearer {key}"})
    assert asked.status_code == 401
    with pytest.raises(ConflictError):
        user(world, "leaver", Role.ANALYST)
    for again in (accounts(world).change_password, accounts(world).remove_user):
        with pytest.raises(NotFoundError):
            again("leaver")
    with pytest.raises(NotFoundError):
        accounts(world).create_key(Role.ANALYST, None, pepper=pepper, owner="leaver")


def test_over_tls_a_cookie_never_goes_out_in_the_clear(world: World) -> None:
    desk = Desk(world)
    desk.client.base_url = "https://testserver"
    assert "Secure" in desk.get("/login").headers["set-cookie"]
    answer = desk.sign_in("seventeen", user(world, "seventeen", Role.SUPERVISOR))
    kept = answer.headers.get_list("set-cookie")[0]
    assert kept.startswith(f"{HOST_COOKIE}=") and {"Secure", "HttpOnly", "Path=/"} <= {
        part.strip() for part in kept.split(";")
    }
    assert desk.get("/").status_code == 200
    tossed = {"Cookie": f"{COOKIE}={desk.client.cookies[HOST_COOKIE]}"}
    desk.client.cookies.clear()
    assert desk.get("/", **tossed).status_code == 303, "a neighbour's cookie is not ours"


def test_a_session_is_a_record_and_its_token_is_not(world: World) -> None:
    desk = at_desk(world, "two")
    token = desk.client.cookies[COOKIE]
    kept = b"".join(path.read_bytes() for path in world.home.root.glob("darvoza.sqlite*"))
    assert b"signed_in" in kept and token.encode() not in kept
    with world.runtime.store.read() as connection:
        row = connection.execute(select(SESSIONS).where(SESSIONS.c.name == "two")).one()
    assert row.digest != token.encode()


def test_a_session_ends_with_its_shift(world: World) -> None:
    desk = at_desk(world, "three")
    for hours in range(1, 13):
        with travel(datetime.now(UTC) + timedelta(hours=0.99 * hours), tick=False):
            assert desk.get("/").status_code == 200, hours
    with travel(datetime.now(UTC) + timedelta(hours=12.1), tick=False):
        assert desk.get("/").status_code == 303


def test_a_session_that_nobody_uses_ends(world: World) -> None:
    desk, asked = at_desk(world, "idle"), {"X-Asked-By": "page"}
    begun = datetime.now(UTC)
    for minutes in (25, 50, 59):
        with travel(begun + timedelta(minutes=minutes), tick=False):
            answer = desk.get("/v1/notifications", **asked)
            assert answer.status_code == 200, "a page that is open asks, and it is not idle yet"
            assert world.runtime.sessions.open_of("idle")
    with travel(begun + timedelta(minutes=61), tick=False):
        assert desk.get("/v1/notifications").status_code == 401
        assert desk.get("/").status_code == 303
        assert world.runtime.sessions.open_of("idle") == ()
    used = at_desk(world, "in-use")  # negative control: a person's own requests keep it
    for minutes in (50, 100, 150):
        with travel(begun + timedelta(minutes=minutes), tick=False):
            assert used.get("/").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://elsewhere.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://testserver"},
    ],
)
def test_another_site_sends_nothing(world: World, headers: dict[str, str]) -> None:
    desk = at_desk(world, f"four{len(headers)}{hash(str(headers))}")
    assert desk.send("/", "/logout", {}, **headers).status_code == 403
    review = {"verdict": "uphold", "reason_code": "agreed"}
    path = "/v1/decisions/dec-0/reviews"
    assert desk.client.post(path, json=review, headers=headers).status_code == 403
    assert desk.client.post(path, json=review).status_code == 403, "a cookie alone is not enough"
    ours = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    assert desk.client.post(path, json=review, headers=ours).status_code == 404
    assert desk.get("/").status_code == 200


def test_a_form_needs_its_own_token(world: World) -> None:
    desk, other = at_desk(world, "five"), at_desk(world, "six")
    theirs = {"form_token": world.runtime.sessions.form_token(other.client.cookies[COOKIE])}
    for fields in ({}, {"form_token": ""}, {"form_token": "0" * 64}, theirs):
        assert desk.client.post("/logout", data=fields).status_code in (403, 422)
    assert Desk(world).client.post("/login", data=theirs | {"name": "x"}).status_code == 403
    assert desk.get("/").status_code == 200
    assert desk.send("/", "/logout", {}).status_code == 303


def test_wrong_passwords_slow_down_and_a_right_one_starts_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttles, "FREE", 2)
    password = user(world, "seven", Role.SUPERVISOR)
    desk = Desk(world)
    assert desk.sign_in("seven", "guess").status_code == 401
    assert desk.sign_in("seven", password).status_code == 303
    desk = Desk(world)
    assert [desk.sign_in("seven", "guess").status_code for _ in range(3)] == [401, 401, 429]
    refused = desk.sign_in("seven", password)
    assert refused.status_code == 429 and 0 < int(refused.headers["retry-after"]) <= 16
    assert COOKIE not in desk.client.cookies
    counts = world.runtime.sessions.attempts
    monkeypatch.setattr(counts, "_now", lambda: time.monotonic() + 20)
    assert desk.sign_in("seven", password).status_code == 303


def test_waits_grow_and_end() -> None:
    waits = [throttles.wait(wrong) for wrong in range(40)]
    assert waits == sorted(waits) and waits[throttles.FREE - 1] == 0
    assert waits[-1] == throttles.LONGEST_WAIT


def test_an_unknown_name_is_answered_like_a_wrong_password(world: World) -> None:
    user(world, "eight", Role.SUPERVISOR)
    texts = []
    for name in ("eight", "nobody"):
        answer = Desk(world).sign_in(name, "guess")
        texts.append((answer.status_code, answer.text.replace(name, "")))
        assert f'value="{name}"' in answer.text, "what was typed is kept, whoever it names"
    strip = [(status, len(text)) for status, text in texts]
    assert strip[0] == strip[1]


ALL_PAGES = {
    (method, route.path)
    for router in PAGES
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in route.methods or ()
}
OF_ROLES = ALL_PAGES - SIGNED_IN_ALONE - OPEN_PAGES
ENDLESS = ("GET", "/posts/{post}/queue/events")


def test_every_page_names_a_route_that_exists() -> None:
    assert set(OTHER_ROUTES) | SIGNED_IN_ALONE | OPEN_PAGES <= ALL_PAGES
    assert {json_route(*page) for page in OF_ROLES} <= set(MAY)


@pytest.mark.parametrize("role", sorted(set(Role) - MACHINES))
def test_a_role_reaches_the_pages_of_its_routes_alone(world: World, role: Role) -> None:
    desk = at_desk(world, f"walks-{role}", role)
    token = TOKEN.findall(desk.get("/account").text)[0]
    for page in sorted(OF_ROLES - {ENDLESS}):
        path = re.sub(r"\{\w+\}", "x-0", page[1].replace("{post}", POST))
        answer = desk.client.request(page[0], path, data={"form_token": token})
        assert (answer.status_code == 403) == (role not in MAY[json_route(*page)]), page


def test_pages_carry_the_headers_and_no_inline_code(world: World) -> None:
    desk = at_desk(world, "nine")
    for path in ("/login", "/", "/posts/OYB/queue", "/decisions/none"):
        answer = desk.get(path)
        assert all(answer.headers[name] == value for name, value in HEADERS.items()), path
        assert "<style" not in answer.text and "style=" not in answer.text
        assert "onclick" not in answer.text and "://" not in answer.text
    csp = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in csp and "unsafe" not in csp
    for name in ("desk.css", "desk.js"):
        assert desk.get(f"/static/{name}").headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["//elsewhere.example", "/\\elsewhere", "http://x", "x", "/\n"])
def test_no_user_is_sent_to_another_site(path: str) -> None:
    assert local(path) == "/"
    assert local("/posts/OYB/queue") == "/posts/OYB/queue"


def test_a_language_is_chosen_by_cookie_then_by_the_browser(world: World) -> None:
    desk = Desk(world)
    assert 'lang="tg"' in desk.get("/login", **{"accept-language": "tg-TJ,ru;q=0.8"}).text
    assert desk.get("/language/ru?back=/login").headers["location"] == "/login"
    assert '<html lang="ru">' in desk.get("/login", **{"accept-language": "tg"}).text
    assert choose_language("fr, uz-Latn;q=0.5, ru;q=0.9") == "ru"
    assert choose_language("de;q=x,,;;q=") == "en"
    assert desk.get("/language/xx").status_code == 422
