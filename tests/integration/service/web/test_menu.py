"""The menu offers each role what it may open, and nothing that would refuse it."""

import re

import pytest

from api.auth.permissions import MAY
from api.web.menu import MOST, SECTIONS
from api.web.visitor import json_route
from engine.domain.rights import Role
from tests.support.people import at_desk
from tests.support.running_service import POST, World

MENU = re.compile(r'<nav[^>]* aria-label="(?:Main|More)">(.*?)</nav>', re.DOTALL)
LINK = re.compile(r'href="([^"]+)"')


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.ANALYST, Role.INTEGRITY])
def test_every_door_of_the_menu_opens(world: World, role: Role) -> None:
    desk = at_desk(world, f"menu-{role}", role)
    found = MENU.findall(desk.get(f"/posts/{POST}/shift").text)
    offered = LINK.findall("".join(found))
    assert len(LINK.findall(found[0])) <= MOST, "the rest is folded away"
    wanted = [
        path.replace("{post}", POST)
        for path in SECTIONS
        if path == "/" or role in MAY[json_route("GET", path)]
    ]
    assert offered == wanted
    assert {desk.get(path).status_code for path in offered} == {200}
    assert found[0].count('aria-current="page"') == 1
