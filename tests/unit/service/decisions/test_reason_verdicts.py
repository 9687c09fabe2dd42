"""One tap on a reason: who may, on what they see, and how it is counted."""

from itertools import count
from typing import Any

import pytest

from engine.domain.rights import Role
from engine.queue import reviews
from tests.support.people import at_desk
from tests.support.running_service import World
from tests.unit.service.reports.test_acts import act, find

STARTS = count(131_000, 500)


def judge(world: World, decision: dict[str, Any], role: Role, **body: Any) -> Any:
    return world.post(f"/v1/decisions/{decision['decision_id']}/reason-verdicts", body, role)


def counts(world: World) -> dict[str, tuple[int, int]]:
    found = world.get("/v1/reasons", Role.ANALYST).json()["reasons"]
    return {one["code"]: (one["helped"], one["wrong"]) for one in found}


def code_of(world: World, decision: dict[str, Any]) -> str:
    seen = world.get(f"/v1/decisions/{decision['decision_id']}", Role.SUPERVISOR).json()
    return str(seen["reasons"][0]["code"])


def test_the_last_word_of_a_person_counts(world: World) -> None:
    red = find(world, "red", next(STARTS))
    code = code_of(world, red)
    before = counts(world).get(code, (0, 0))
    for verdict in ("helped", "helped", "wrong"):
        sent = judge(world, red, Role.SUPERVISOR, code=code, verdict=verdict)
        assert sent.status_code == 201, sent.text
        assert sent.json()["kind"] == "reason_judged"
    assert counts(world)[code] == (before[0], before[1] + 1)


def test_a_word_that_is_not_replaced_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the earlier words of a person are kept."""
    monkeypatch.setattr(reviews, "delete", lambda table: table.delete().where(table.c.seq < 0))
    with pytest.raises(AssertionError):
        test_the_last_word_of_a_person_counts(world)


def test_a_checkpoint_speaks_of_words_that_its_act_opened(world: World) -> None:
    red = find(world, "red", next(STARTS))
    codes = [
        one["code"]
        for one in world.get(f"/v1/decisions/{red['decision_id']}", Role.SUPERVISOR).json()[
            "reasons"
        ]
    ]
    for code in [*codes, "documents", "goods", "other", "timing"]:
        refused = judge(world, red, Role.CHECKPOINT, code=code, verdict="wrong")
        assert refused.status_code == 404
    full = act(next(STARTS), red["crossing_id"], places_searched=["cab.bunk", "fuel.tank"])
    assert world.post("/v1/inspections", full).status_code == 201
    opened = world.get(f"/v1/decisions/{red['decision_id']}", Role.CHECKPOINT).json()["reasons"]
    code = opened[0]["code"]
    assert judge(world, red, Role.CHECKPOINT, code=code, verdict="helped").status_code == 201
    unseen = next(one for one in codes if one != code)
    assert judge(world, red, Role.CHECKPOINT, code=unseen, verdict="wrong").status_code == 404
    assert counts(world)[code][0] >= 1


@pytest.mark.parametrize("role", [Role.ANALYST, Role.INTEGRITY, Role.ADMINISTRATOR])
def test_other_roles_do_not(world: World, role: Role) -> None:
    red = find(world, "red", next(STARTS))
    body = {"code": code_of(world, red), "verdict": "helped"}
    assert judge(world, red, role, **body).status_code == 403
    assert world.get("/v1/reasons", Role.CHECKPOINT).status_code == 403, (
        "a checkpoint reads no counts"
    )


def test_a_tap_on_the_page(world: World) -> None:
    red = find(world, "red", next(STARTS))
    page, desk = f"/decisions/{red['decision_id']}", at_desk(world, "taps")
    code = code_of(world, red)
    assert f'value="helped:{code}"' in desk.get(page).text
    sent = desk.send(page, f"{page}/reason-verdicts", {"verdict": f"helped:{code}"})
    assert sent.status_code == 303
    shown = desk.get(page).text
    assert f'value="helped:{code}" form="judge" aria-pressed="true"' in shown
    wrong = desk.send(page, f"{page}/reason-verdicts", {"verdict": "perhaps:x"})
    assert wrong.status_code == 422
    models = at_desk(world, "reads-counts", Role.ANALYST).get("/models").text
    assert "What officers said of the reasons" in models
