"""The printed order says where to search, leads back to its vehicle, and keeps the blindness."""

import re
from typing import Any

import segno

from api.decisions import page as order_page
from engine.domain.rights import Role
from tests.support.people import at_desk
from tests.support.running_service import World
from tests.unit.service.reports.test_acts import find

START = 9_000
REASONED = re.compile(
    r"matters\.|effect on the risk|Selected by|How sure|\d %|log-odds|risk", re.IGNORECASE
)
"""What a sheet may not say: reasons, figures, or what picked the vehicle."""


def sheet(text: str) -> str:
    found = re.search(r"<article.*</article>", text, re.DOTALL)
    assert found is not None
    return found[0]


def test_the_sheet_is_the_same_for_every_role_and_says_no_reason(world: World) -> None:
    red: dict[str, Any] = find(world, "red", START)
    path = f"/decisions/{red['decision_id']}"
    officer, boss = at_desk(world, "sheet", Role.CHECKPOINT), at_desk(world, "sheet-boss")
    seen = [sheet(desk.get(f"{path}/order").text) for desk in (officer, boss)]
    clock = re.compile(r"\d\d:\d\d")
    assert clock.sub("", seen[0]) == clock.sub("", seen[1])
    assert not REASONED.search(seen[1])
    assert "signature" in seen[1] and f"№ OYB-{red['receipt']['sequence']}" in seen[1]
    assert seen[1].count("☐") == len(red["search_order"]) > 0
    assert 'id="order-sheet"' in officer.get(path).text
    # Negative control: the supervisor's page of the same vehicle says what a sheet may not.
    assert REASONED.search(boss.get(path).text)


def test_its_code_leads_to_the_vehicle_by_search(world: World) -> None:
    red: dict[str, Any] = find(world, "red", START + 500)
    name = red["decision_id"]
    boss = at_desk(world, "scans")
    text = boss.get(f"/decisions/{name}/order").text
    address = f"http://testserver/search?q={name}"
    drawn = re.search(r'class="qrline" stroke="#000" d="([^"]+)"', text)
    expected = segno.make(address, error="m", micro=False)
    assert drawn is not None and drawn[1] in expected.svg_inline(scale=4, omitsize=True)
    assert drawn[1] not in order_page.draw_code(f"{address}0")
    assert f'href="/decisions/{name}"' in boss.get(f"/search?q={name}").text
