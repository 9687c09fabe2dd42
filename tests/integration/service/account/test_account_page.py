"""A person's own account: a new password, other sessions ended, what this browser shows."""

import re
from unittest.mock import patch

import pytest

from api.auth import throttles
from api.auth.authority import Authority, OpenSession
from api.auth.sessions import COOKIE
from api.web import sign_in_page
from engine.domain.rights import Role
from tests.support.people import Desk, at_desk, user
from tests.support.running_service import CHEAP, World

MARK = re.compile(r'name="session" value="([0-9a-f]{16})"')
SHOWN = re.compile(r"<code>([0-9a-f-]{27})</code>")


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_page, "HELD_SECONDS", 0.0)


def test_a_new_password_takes_the_present_one_and_ends_the_other_sessions(world: World) -> None:
    password = user(world, "renewer", Role.SUPERVISOR)
    desk, other = Desk(world), Desk(world)
    assert {one.sign_in("renewer", password).status_code for one in (desk, other)} == {303}
    refused = desk.send("/account", "/account/password", {"password": "guess"})
    assert refused.status_code == 422 and "not your present password" in refused.text
    with patch("api.auth.credentials._HASHER", CHEAP):
        made = desk.send("/account", "/account/password", {"password": password})
    assert made.status_code == 200
    (fresh,) = SHOWN.findall(made.text)
    assert desk.get("/account").status_code == 200 and fresh not in desk.get("/account").text
    assert other.get("/account").headers["location"] == "/login?next=/account"
    assert Desk(world).sign_in("renewer", password).status_code == 401
    assert Desk(world).sign_in("renewer", fresh).status_code == 303
    # The page's own forms are those of the new session.
    token = re.findall(r'name="form_token" value="([0-9a-f]{64})"', made.text)
    assert len(set(token)) == 1
    assert desk.client.post("/logout", data={"form_token": token[0]}).status_code == 303


def test_guessing_at_an_open_desk_is_slowed_as_at_the_sign_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttles, "FREE", 2)
    password = user(world, "absent", Role.ANALYST)
    desk = Desk(world)
    assert desk.sign_in("absent", password).status_code == 303
    tried = [desk.send("/account", "/account/password", {"password": "x"}) for _ in range(3)]
    assert [one.status_code for one in tried] == [422, 422, 429]
    with_right = desk.send("/account", "/account/password", {"password": password})
    assert with_right.status_code == 429 and not SHOWN.findall(with_right.text)


def test_one_session_is_ended_from_another_and_no_one_elses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    password, stranger = user(world, "two-desks", Role.SUPERVISOR), at_desk(world, "stranger")
    desk, forgotten = Desk(world), Desk(world)
    for one in (desk, forgotten):
        assert one.sign_in("two-desks", password).status_code == 303
    (mark,) = MARK.findall(desk.get("/account").text)
    theirs = world.runtime.sessions.commitment(stranger.client.cookies[COOKIE])[:16]
    send = "/account", "/account/sessions"
    assert desk.send(*send, {"session": theirs}).status_code == 404
    assert stranger.get("/account").status_code == 200
    assert desk.send(*send, {"session": mark}).headers["location"] == "/account?done=ended#done"
    assert forgotten.get("/account").status_code == 303 and desk.get("/account").status_code == 200
    third = Desk(world)
    assert third.sign_in("two-desks", password).status_code == 303
    assert desk.send(*send, {"session": "others"}).status_code == 303
    assert third.get("/account").status_code == 303 and stranger.get("/account").status_code == 200

    def of_all(authority: Authority, _: str, now: int) -> tuple[OpenSession, ...]:
        every = authority._sessions.items()  # the seeded bug: whose a session is is not asked
        return tuple(OpenSession(given, one.since, one.until) for given, one in every)

    monkeypatch.setattr(Authority, "open_sessions", of_all)  # the rows of the table are the second
    assert desk.send(*send, {"session": theirs}).status_code == 404
    assert stranger.get("/account").status_code == 200
