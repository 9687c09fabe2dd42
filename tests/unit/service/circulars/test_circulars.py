"""Circulars: written to posts, shown there, and read by whom."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.circulars.answers import Circulars
from api.circulars.steps import MOST_FILES
from engine.circulars import ledger
from engine.circulars.area import CIRCULAR_READ
from engine.domain.rights import Role
from engine.files.store import sweep_files
from tests.support.people import at_desk, person, send
from tests.support.running_service import OTHER, POST, World
from tests.unit.engine.cases.sample_photographs import take_photograph

NUMBERS = count(1)


def content(**more: Any) -> dict[str, Any]:
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    known = {"title": f"Lamps {next(NUMBERS)}", "text": "Look behind them.", "posts": [POST]}
    return known | {"until": until} | more


def issue(world: World, by: dict[str, str] | None = None, **more: Any) -> str:
    made = send(world, "/v1/circulars", content(**more), by or person(world, Role.ANALYST))
    assert made.status_code == 201, made.text
    return str(made.json()["circular_id"])


def listed(world: World, reader: Any) -> dict[str, dict[str, Any]]:
    """Return what a desk, or the headers of a key, is shown, by identifier."""
    get = reader.get if hasattr(reader, "get") and hasattr(reader, "client") else None
    answer = get("/v1/circulars") if get else world.client.get("/v1/circulars", headers=reader)
    assert answer.status_code == 200, answer.text
    TypeAdapter(Circulars).validate_python(answer.json())
    return {one["circular_id"]: one for one in answer.json()["circulars"]}


def test_a_circular_is_shown_at_its_posts_alone(world: World) -> None:
    here, there, everywhere = issue(world), issue(world, posts=[OTHER]), issue(world, posts=[])
    shown = listed(world, world.headers(Role.CHECKPOINT))
    assert {here, everywhere} <= shown.keys() and there not in shown
    other = listed(world, {"Authorization": f"Bearer {world.other}"})
    assert {there, everywhere} <= other.keys() and here not in other
    assert {here, there, everywhere} <= listed(world, world.headers(Role.SUPERVISOR)).keys()
    path = f"/v1/circulars/{there}/readings"
    officer = at_desk(world, f"c-officer-{next(NUMBERS)}", Role.CHECKPOINT)
    page = officer.send("/circulars", f"/circulars/{there}/readings", {})
    assert page.status_code == 404 and world.post(path, {}).status_code == 404
    assert world.post(f"/v1/circulars/{here}/readings", {}).status_code == 403, "a machine"


def test_who_read_it_is_told_to_those_who_write(world: World) -> None:
    circular = issue(world)
    name = f"c-reads-{next(NUMBERS)}"
    officer = at_desk(world, name, Role.CHECKPOINT)
    queue = f"/posts/{POST}/queue"
    assert "A circular to this post is not read" in officer.get(queue).text
    for one, view in listed(world, officer).items():
        assert view["readers"] is None, "an officer is not told who else read it"
        assert view["is_read"] is False
        for _ in range(2):
            sent = officer.send("/circulars", f"/circulars/{one}/readings", {})
            assert sent.status_code == 303
    assert "A circular to this post is not read" not in officer.get(queue).text
    readers = listed(world, world.headers(Role.SUPERVISOR))[circular]["readers"]
    assert [(one["person"], one["post"]) for one in readers] == [(name, POST)], "once"


def test_a_reading_that_is_not_kept_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    take = ledger._take_step

    def forget(connection: Any, entry: Any, draft: Any) -> None:
        if entry.kind != CIRCULAR_READ:
            take(connection, entry, draft)

    monkeypatch.setattr(ledger, "_take_step", forget)
    with pytest.raises(AssertionError):
        test_who_read_it_is_told_to_those_who_write(world)


def test_a_machine_reads_nothing(world: World) -> None:
    circular = issue(world)
    answer = world.post(f"/v1/circulars/{circular}/readings", {})
    assert answer.status_code == 403, "a key without an owner is nobody"


@pytest.mark.parametrize("role", [Role.CHECKPOINT, Role.INTEGRITY, Role.ADMINISTRATOR])
def test_others_write_none(world: World, role: Role) -> None:
    circular = issue(world)
    for path, body in (("", content()), (f"/{circular}/ends", {"reason": "x"})):
        assert world.post(f"/v1/circulars{path}", body, role).status_code == 403
    path = f"/v1/circulars/{circular}/files"
    assert world.client.post(path, content=b"x", headers=world.headers(role)).status_code == 403


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"until": "2020-01-01T00:00:00Z"}, "out_of_range"),
        ({"until": "2099-01-01T00:00:00Z"}, "out_of_range"),
        ({"title": ""}, "too_short"),
        ({"text": "x" * 100_000}, "too_long"),
        ({"posts": ["NOWHERE"]}, ""),
    ],
)
def test_what_is_no_circular_is_refused(world: World, change: dict[str, Any], rule: str) -> None:
    refused = send(world, "/v1/circulars", content(**change), person(world, Role.SUPERVISOR))
    assert refused.status_code in (404, 422) and rule in refused.text, refused.text


def test_a_name_of_a_person_is_a_warning(world: World) -> None:
    by = person(world, Role.SUPERVISOR)
    made = send(world, "/v1/circulars", content(text="Ask Karimov Anvar."), by)
    assert made.json()["warnings"] == ["text"]


def test_its_picture_is_handed_out_and_kept(world: World) -> None:
    by = person(world, Role.SUPERVISOR)
    circular, elsewhere = issue(world, by), issue(world, by, posts=[OTHER])
    for one in (circular, elsewhere):
        path = f"/v1/circulars/{one}/files"
        sent = world.client.post(path, content=take_photograph(), headers=by)
        assert sent.status_code == 201, sent.text
    refused = world.client.post(path, content=b"<html>", headers=by)
    assert refused.status_code == 422
    (file,) = listed(world, world.headers(Role.CHECKPOINT))[circular]["files"]
    sweep_files(world.home, world.runtime.store)
    address = f"/v1/circulars/{circular}/files/{file['digest']}"
    assert world.get(address, Role.CHECKPOINT).content == take_photograph()
    hidden = f"/v1/circulars/{elsewhere}/files/{file['digest']}"
    assert world.get(hidden, Role.CHECKPOINT).status_code == 404
    assert world.get(address, Role.INTEGRITY).status_code == 403
    for number in range(MOST_FILES):
        path = f"/v1/circulars/{circular}/files"
        sent = world.client.post(path, content=f"note {number}".encode(), headers=by)
    assert sent.status_code == 409 and "no room" in sent.text


def test_an_ended_circular_waits_for_nobody(world: World) -> None:
    by = person(world, Role.ANALYST)
    circular = issue(world, by)
    reader = person(world, Role.SUPERVISOR)

    def list_unread() -> set[str]:
        found = world.client.get("/v1/notifications", headers=reader).json()["notifications"]
        return {one["id"] for one in found if one["kind"] == "circular"}

    assert circular in list_unread()
    done = send(world, f"/v1/circulars/{circular}/ends", {"reason": "changed"}, by)
    assert done.status_code == 201, done.text
    assert circular not in list_unread()
    assert listed(world, reader)[circular]["is_shown"] is False
    late = send(world, f"/v1/circulars/{circular}/readings", {}, reader)
    assert late.status_code == 409
    assert send(world, f"/v1/circulars/{circular}/ends", {"reason": "x"}, by).status_code == 409


def test_the_page(world: World) -> None:
    desk = at_desk(world, f"c-writes-{next(NUMBERS)}")
    until = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    fields = {"once": "e" * 24, "title": "Double floors", "text": "Knock.", "until": until}
    assert desk.send("/circulars", "/circulars", fields | {"until": ""}).status_code == 422
    done = desk.send("/circulars", "/circulars", fields)
    assert done.status_code == 303 and "done=issued" in done.headers["location"]
    text = desk.get("/circulars").text
    assert "Double floors" in text and "0 persons read it" in text
    last = (datetime.now(UTC) + timedelta(days=9)).strftime("%-d %b %Y")
    assert f"until {last}<" in text, "the last day is the one that was typed"
    circular = done.headers["location"].partition("#")[2]
    token = text.split('name="form_token" value="')[1].split('"')[0]
    path = f"/circulars/{circular}/files"
    sent = desk.client.post(
        path, data={"form_token": token}, files={"file": ("x.jpg", take_photograph())}
    )
    assert sent.status_code == 303, sent.text
    bad = desk.client.post(path, data={"form_token": token}, files={"file": ("x", b"\0\1")})
    assert bad.status_code == 422
    ended = desk.send("/circulars", f"/circulars/{circular}/ends", {"reason": "known now"})
    assert ended.status_code == 303
