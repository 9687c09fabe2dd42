"""Documents asked for: a doubt with a clock that is no act, no label and no search."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from babel.dates import format_date
from pydantic import TypeAdapter

from api.acts.documents_asked import OpenQuestions
from api.queue import Queue
from engine.domain.rights import Role
from engine.queue.match_outcomes import ACTS
from tests.support.clocks import travel
from tests.support.people import Desk, at_desk
from tests.support.running_service import POST, World
from tests.unit.service.reports.test_acts import act, find

START = 71_000
PATH = "/v1/documents-asked"


def until(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def question(number: int, crossing_id: str, **more: Any) -> dict[str, Any]:
    known = {
        "inspection_id": f"ask-{number}",
        "crossing_id": crossing_id,
        "outcome": "documents_asked",
        "documents": ["N851", "certificate of origin"],
        "due_at": until(3),
        "reason": "no origin for item 2",
    }
    return known | more


def ask(world: World, number: int, **more: Any) -> tuple[str, Any]:
    red = find(world, "red", START + 600 * number)
    return red["crossing_id"], world.post(
        "/v1/inspections", question(number, red["crossing_id"], **more)
    )


def list_open(world: World, *, overdue: bool = False) -> list[dict[str, Any]]:
    answer = world.get(f"{PATH}?overdue=true" if overdue else PATH, Role.CHECKPOINT)
    assert answer.status_code == 200, answer.text
    TypeAdapter(OpenQuestions).validate_python(answer.json())
    found: list[dict[str, Any]] = answer.json()["questions"]
    return found


def read_row(world: World, crossing_id: str, role: Role = Role.SUPERVISOR) -> dict[str, Any]:
    waiting = world.get(f"/v1/posts/{POST}/queue", role).json()["waiting"]
    TypeAdapter(Queue).validate_python({"post": POST, "as_of": until(0), "waiting": waiting})
    found: dict[str, Any] = next(one for one in waiting if one["crossing_id"] == crossing_id)
    return found


def count_acts(world: World, crossing_id: str) -> int:
    with world.runtime.store.read() as connection:
        rows = connection.execute(ACTS.select().where(ACTS.c.crossing_id == crossing_id))
        return len(rows.all())


def test_a_question_is_open_until_an_act_and_no_act_itself(world: World) -> None:
    crossing, asked = ask(world, 1)
    assert asked.status_code == 201, asked.text
    again = world.post("/v1/inspections", question(1, crossing, due_at=until(3)))
    assert again.status_code in (201, 409)
    (one,) = (one for one in list_open(world) if one["crossing_id"] == crossing)
    assert one["documents"] == ["N851", "certificate of origin"] and one["came"] is None
    assert not one["is_overdue"] and one["decision_id"] and one["asked_by"]
    assert count_acts(world, crossing) == 0, "no label, no rate, no minutes"
    assert read_row(world, crossing)["question"] == one
    desk = at_desk(world, "asking-zara", Role.SUPERVISOR)
    assert "documents asked, until" in desk.get(f"/posts/{POST}/queue").text
    came = world.post(f"{PATH}/{one['sequence']}/answers", {"documents": ["N851"]})
    assert came.status_code == 201, came.text
    twice = world.post(f"{PATH}/{one['sequence']}/answers", {"documents": []})
    assert twice.status_code == 409
    (one,) = (one for one in list_open(world) if one["crossing_id"] == crossing)
    assert one["came"] == ["N851"], "what came is said; the act says what follows"
    assert read_row(world, crossing, Role.CHECKPOINT)["question"]["came"] == ["N851"]
    assert "documents came" in desk.get(f"/posts/{POST}/queue").text
    filed = world.post("/v1/inspections", act(71_001, crossing, methods=["documents"]))
    assert filed.status_code == 201
    assert crossing not in {each["crossing_id"] for each in list_open(world)}
    assert count_acts(world, crossing) == 1
    late = world.post(f"{PATH}/{one['sequence']}/answers", {"documents": ["N851"]})
    assert late.status_code == 409


def test_a_released_vehicle_stays_asked_and_becomes_overdue(world: World) -> None:
    crossing, asked = ask(world, 2, due_at=until(1))
    assert asked.status_code == 201
    assert world.post(f"/v1/crossings/{crossing}/release", {}).status_code == 201
    assert crossing not in {each["crossing_id"] for each in list_open(world, overdue=True)}
    with travel(datetime.now(UTC) + timedelta(days=2)):
        overdue = {each["crossing_id"]: each for each in list_open(world, overdue=True)}
        assert overdue[crossing]["is_overdue"]
        row = read_page_row(at_desk(world, "asks-late"), overdue[crossing]["decision_id"])
        assert "overdue" in row and "answered" not in row
        told = world.get("/v1/notifications").json()["notifications"]
        assert crossing in {one["id"] for one in told if one["kind"] == "documents_overdue"}
        done = world.post(f"{PATH}/{overdue[crossing]['sequence']}/answers", {"documents": []})
        assert done.status_code == 201, "nothing came, and nothing will"
        assert crossing not in {each["crossing_id"] for each in list_open(world, overdue=True)}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"documents": []}, "documents"),
        ({"documents": None}, "documents"),
        ({"due_at": until(-3000)}, "due_at"),
        ({"due_at": until(4000)}, "due_at"),
        ({"due_at": None}, "due_at"),
        ({"minutes": 3}, "minutes"),
        ({"documents": ["x" * 65]}, "documents"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_field(
    world: World, more: dict[str, Any], field: str
) -> None:
    crossing = find(world, "red", START + 5000)["crossing_id"]
    answer = world.post("/v1/inspections", question(9, crossing, **more))
    assert answer.status_code == 422 and field in answer.text


def test_other_posts_and_roles_do_not_reach_a_question(world: World) -> None:
    crossing, asked = ask(world, 3)
    assert asked.status_code == 201
    (one,) = (one for one in list_open(world) if one["crossing_id"] == crossing)
    assert world.get(PATH, Role.COUNTERPART).status_code == 403
    assert world.post(f"{PATH}/{one['sequence']}/answers", {}, Role.ANALYST).status_code == 403
    assert world.post(f"{PATH}/999999/answers", {}).status_code == 404
    assert world.post(f"{PATH}/{1 << 63}/answers", {}).status_code == 422
    same = act(3, crossing, inspection_id="ask-3")
    assert world.post("/v1/inspections", same).status_code == 409, "the name is the question's"


def test_the_pages_ask_list_and_answer(world: World) -> None:
    red = find(world, "red", START + 7000)
    desk = at_desk(world, "feruza")
    page = f"/decisions/{red['decision_id']}"
    day = (datetime.now(UTC) + timedelta(days=4)).date().isoformat()
    fields = {"once": "1" * 24, "documents": "invoice, N851", "due_at": day, "doubt": "value"}
    sent = desk.send(page, f"{page}/documents", fields)
    assert sent.status_code == 303, sent.text
    (one,) = (o for o in list_open(world) if o["crossing_id"] == red["crossing_id"])
    assert (one["documents"], one["reason"]) == (["invoice", "N851"], "value")
    row = read_page_row(desk, red["decision_id"])
    assert f">{one['plate']}</a>" in row and one["crossing_id"] not in row
    assert "waits" in row and "answered" not in row
    last = format_date(datetime.fromisoformat(day), "d MMM y", "en")
    assert f'<td class="date">{last}</td>' in row, "the last day as it was typed"
    done = desk.send(
        "/documents-asked", f"/documents-asked/{one['sequence']}/answers", {"documents": "invoice"}
    )
    assert done.status_code == 303
    row = read_page_row(desk, red["decision_id"])
    assert "answered" in row and "did not come: N851" in row
    (one,) = (o for o in list_open(world) if o["crossing_id"] == red["crossing_id"])
    assert one["missing"] == ["N851"]


def read_page_row(desk: Desk, decision_id: str) -> str:
    """Return the row of a vehicle in the page's table."""
    rows: list[str] = desk.get("/documents-asked").text.split("<tr>")
    (found,) = (row for row in rows if f'href="/decisions/{decision_id}"' in row)
    return found


def test_a_form_with_a_day_that_is_past_comes_back_as_it_was_typed(world: World) -> None:
    red = find(world, "red", START + 7700)
    desk = at_desk(world, "feruza-early")
    page = f"/decisions/{red['decision_id']}"
    fields = {"once": "2" * 24, "documents": "invoice, CMR", "due_at": "2020-02-01"}
    sent = desk.send(page, f"{page}/documents", fields | {"doubt": "value of item 2"})
    assert sent.status_code == 422
    for kept in ("invoice, CMR", "2020-02-01", "value of item 2"):
        assert f'value="{kept}"' in sent.text
    said = "The last day must lie ahead, within the next 366 days."
    assert f'id="due_at-wrong">{said}<' in sent.text
    assert red["crossing_id"] not in {one["crossing_id"] for one in list_open(world)}
    empty = desk.send(page, f"{page}/documents", fields | {"documents": ""})
    assert empty.status_code == 422 and 'id="documents-wrong"' in empty.text
