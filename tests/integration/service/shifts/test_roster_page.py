"""The page of the roster records what the JSON route would, read in the reader's own numbers."""

import re
from typing import Any

import pytest

from engine.domain.rights import Role
from engine.journal.journal import JournalReader
from engine.journal.kinds import ROSTER
from tests.support.page_session import Desk, at_desk
from tests.support.running_service import POST, World

PATH = f"/posts/{POST}/roster"
ONCE = re.compile(r'name="once" value="(\w+)"')


@pytest.fixture
def desk(world: World) -> Any:
    """Open a supervisor's desk; the roster is taken back, as the world is shared."""
    yield at_desk(world, f"roster-{len(list_rosters(world))}")
    body = {"minutes": {"canine": 60.0}}
    put = world.client.put(f"/v1{PATH}", json=body, headers=world.headers(Role.SUPERVISOR))
    assert put.status_code == 201


def list_rosters(world: World) -> list[dict[str, Any]]:
    with world.runtime.store.read() as snapshot:
        return [dict(one.body) for one in JournalReader(snapshot).records(ROSTER)]


def send(desk: Desk, language: str = "en", **fields: str) -> Any:
    desk.get(f"/language/{language}?back=/")
    once = ONCE.search(desk.get(PATH).text)
    assert once is not None
    named = {name.replace("_", "-"): text for name, text in fields.items()}
    return desk.send(PATH, PATH, {"once": once[1]} | named)


@pytest.mark.parametrize(("language", "typed"), [("en", "2,300"), ("ru", "2 300"), ("tg", "2300")])
def test_a_roster_is_recorded_as_it_was_typed(
    world: World, desk: Desk, language: str, typed: str
) -> None:
    fields = {"minutes_physical": typed, "minutes_canine": "40,5", "equipment_xray": "0"}
    assert send(desk, language, **fields, teams="T-1, T-2").status_code == 303
    stated = list_rosters(world)[-1]
    assert stated["minutes"] == {"physical": 2300.0, "canine": 40.5}
    assert (stated["equipment"], stated["teams"]) == ({"xray": 0}, ["T-1", "T-2"])
    shown = desk.get(PATH).text
    assert 'value="2300"' in shown and 'value="T-1, T-2"' in shown


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"minutes_physical": "2.300"}, "minutes-physical"),
        ({"minutes_xray": "-1"}, "minutes-xray"),
        ({"minutes_xray": "100001"}, "minutes-xray"),
        ({"minutes_xray": "5", "equipment_canine": "1,5"}, "equipment-canine"),
        ({"minutes_xray": "5", "teams": "T-1,T-1"}, "teams"),
        ({}, "minutes-physical"),
    ],
)
def test_a_mistake_stands_at_its_field_and_nothing_is_recorded(
    world: World, desk: Desk, fields: dict[str, str], at: str
) -> None:
    before = len(list_rosters(world))
    answer = send(desk, **fields)
    assert answer.status_code == 422
    assert f'id="{at}-wrong"' in answer.text and f'href="#{at}"' in answer.text
    assert all(f'value="{typed}"' in answer.text for typed in fields.values())
    assert len(list_rosters(world)) == before


@pytest.mark.parametrize("role", [Role.CHECKPOINT, Role.ANALYST])
def test_who_puts_no_roster_has_no_page(world: World, role: Role) -> None:
    desk = at_desk(world, f"no-roster-{role}", role)
    assert desk.get(PATH).status_code == 403
    if role is Role.ANALYST:
        assert PATH not in desk.get(f"/posts/{POST}/shift").text
