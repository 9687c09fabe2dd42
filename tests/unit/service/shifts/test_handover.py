"""A shift is handed over by two people, with what is open; no checkpoint reads a figure of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import select

from api.auth.accounts import Accounts
from api.auth.permissions import MAY, ROUTES, RouteRule
from api.shifts.answers import ShiftReport, SignedHandover
from engine.domain.rights import Matter, Right, Role
from engine.journal.journal import JOURNAL
from engine.journal.kinds import HANDOVER_TAKEN
from engine.queue.queue import DECISIONS
from engine.shifts.handovers import summarize_shift
from tests.support.extra_callers import person, send
from tests.support.page_session import at_desk
from tests.support.running_service import OTHER, POST, World
from tests.unit.service.reports.test_acts import act, find

START = 440_000
PAGE = f"/posts/{POST}/handover"
PATH = f"/v1/posts/{POST}/handovers"
SHIFT = f"/v1/posts/{POST}/shift"


@pytest.fixture(scope="module")
def handover(world: World) -> dict[str, Any]:
    """Hand over the running shift: one waits, one is found, one is overridden, one has left."""
    waits, found, left = (find(world, "red", START + 500 * number) for number in range(3))
    sent = find(world, "green", START + 2_000)
    body = act(START, found["crossing_id"], outcome="discrepancy", methods=["physical"])
    assert world.post("/v1/inspections", body).status_code == 201
    assert world.post(f"/v1/crossings/{left['crossing_id']}/release", {}).status_code == 201
    override = {"verdict": "override", "channel": "red", "reason_code": "other", "reason": "y"}
    world.post(f"/v1/decisions/{sent['decision_id']}/reviews", override, Role.SUPERVISOR)
    first, second = (person(world, Role.SUPERVISOR) for _ in range(2))
    answer = send(world, PATH, {"note": "Lane 2 is closed."}, first)
    assert answer.status_code == 201, answer.text
    TypeAdapter(SignedHandover).validate_python(answer.json())
    return {
        "answer": answer, "first": first, "second": second,
        "ids": {"waiting": waits, "found": found, "without_act": left, "overridden": sent},
    }  # fmt: skip


def read(world: World, role: Role = Role.SUPERVISOR) -> dict[str, Any]:
    report = world.get(SHIFT, role).json()
    TypeAdapter(ShiftReport).validate_python(report)
    handover: dict[str, Any] = report["handover"]
    return handover


def take(world: World, handover: dict[str, Any], by: dict[str, str], note: str = "") -> Any:
    sequence = handover["answer"].json()["sequence"]
    return send(world, f"{PATH}/{sequence}/signatures", {"note": note}, by)


def count_records(world: World, kind: str) -> int:
    with world.runtime.store.read() as snapshot:
        return len(snapshot.execute(JOURNAL.select().where(JOURNAL.c.kind == kind)).all())


def test_the_first_signature_states_what_is_open(world: World, handover: dict[str, Any]) -> None:
    known, ids = read(world), handover["ids"]
    for name in ("waiting", "without_act", "overridden"):
        assert ids[name]["decision_id"] in known[name]["decisions"], name
        assert known[name]["count"] >= len(known[name]["decisions"])
    assert ids["found"]["decision_id"] not in known["waiting"]["decisions"]
    assert ids["without_act"]["decision_id"] not in known["waiting"]["decisions"]
    assert known["found"]["discrepancies"] >= 1 <= known["found"]["inspected"]
    assert (known["note"], known["sequence"]) == (
        "Lane 2 is closed.",
        handover["answer"].json()["sequence"],
    )


def test_a_find_belongs_to_the_shift_in_which_its_act_was_filed(
    world: World, handover: dict[str, Any]
) -> None:
    """Its vehicle may have come in the shift before."""
    service = world.runtime
    decided = DECISIONS.c.decision_id == handover["ids"]["found"]["decision_id"]
    with service.store.read() as snapshot:
        act_seq = snapshot.scalar(select(DECISIONS.c.act_seq).where(decided))
        filed = snapshot.scalar(select(JOURNAL.c.known_at).where(JOURNAL.c.seq == act_seq))
        assert filed is not None
        running = service.settings.shifts_of(service.network).shift(POST, filed)
        later, earlier = replace(running, opens_at=filed), replace(running, closes_at=filed)
        assert summarize_shift(snapshot, later, as_of=filed)["found"]["discrepancies"] == 1
        assert summarize_shift(snapshot, earlier, as_of=filed)["found"]["discrepancies"] == 0


def test_one_person_does_not_sign_twice(
    world: World, handover: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert handover["answer"].json()["complete"] is False and read(world)["taken_by"] is None
    again = send(world, PATH, {"note": "Lane 2 is closed."}, handover["first"])
    assert again.content == handover["answer"].content, "sent again, it is the same record"
    assert send(world, PATH, {"note": "Other."}, handover["first"]).status_code == 409
    assert send(world, PATH, {"note": "Lane 2 is closed."}, handover["second"]).status_code == 409
    assert take(world, handover, handover["first"]).status_code == 403
    before = count_records(world, HANDOVER_TAKEN)
    done = take(world, handover, handover["second"], "Opened again.")
    assert done.status_code == 201 and done.json()["complete"] is True, done.text
    known = read(world)
    assert known["taken_by"] not in (None, known["left_by"])
    assert known["taken_note"] == "Opened again."
    assert take(world, handover, person(world, Role.SUPERVISOR)).status_code == 409
    assert count_records(world, HANDOVER_TAKEN) == before + 1
    # Seeded bug: the check of the second person is left out, for the shift before.
    opened = datetime.fromisoformat(world.get(SHIFT).json()["opens_at"])
    at = (opened - timedelta(minutes=1)).isoformat()
    made = send(world, PATH, {"at": at}, handover["first"]).json()
    monkeypatch.setattr(Accounts, "must_second", lambda *_, **__: None)
    wrong = send(world, f"{PATH}/{made['sequence']}/signatures", {}, handover["first"])
    assert wrong.status_code == 201, "without the check one person completes it"


def list_answers(world: World) -> list[int]:
    """Return how a checkpoint is answered wherever a handover's figures are."""
    desk = at_desk(world, f"handover-{count_records(world, 'user_created')}", Role.CHECKPOINT)
    asked = [world.get(SHIFT, Role.CHECKPOINT).status_code]
    asked += [desk.get(path).status_code for path in (PAGE, f"/posts/{POST}/shift")]
    return [*asked, world.post(PATH, {}, Role.CHECKPOINT).status_code]


def test_a_checkpoint_reads_no_figure_of_a_handover(
    world: World, handover: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert handover["answer"].status_code == 201
    assert list_answers(world) == [403] * 4
    # Seeded bug: the table of roles opens the report to checkpoints.
    route, roles = ("GET", SHIFT.replace(POST, "{post}")), frozenset(Role)
    monkeypatch.setitem(ROUTES, route, RouteRule(roles, Matter.REPORTS, Right.SEE))
    monkeypatch.setitem(MAY, route, roles)
    assert list_answers(world)[:2] == [200, 200]


def test_a_note_is_bounded_and_a_key_without_an_owner_signs_nothing(world: World) -> None:
    by = person(world, Role.SUPERVISOR)
    assert send(world, PATH, {"note": "x" * 1001}, by).status_code == 422
    assert send(world, PATH, {"at": "2020-01-01T00:00:00Z"}, by).status_code == 422
    assert send(world, f"{PATH}/1/signatures", {}, by).status_code == 404


def test_the_page_is_signed_by_two(world: World, handover: dict[str, Any]) -> None:
    assert handover["answer"].status_code == 201
    page = f"/posts/{OTHER}/handover"
    first, second = (at_desk(world, f"handover-desk-{number}") for number in (1, 2))
    long = first.send(page, page, {"note": "x" * 1001})
    assert long.status_code == 422 and 'id="note-wrong"' in long.text
    assert first.send(page, page, {"note": "From the page."}).status_code == 303
    assert "I take over" not in first.get(page).text
    sequence = world.get(f"/v1/posts/{OTHER}/shift").json()["handover"]["sequence"]
    refused = first.send(page, f"{page}/{sequence}", {"note": "Mine too."})
    assert refused.status_code == 422 and "another supervisor takes over" in refused.text
    assert second.send(page, f"{page}/{sequence}", {"note": "Seen."}).status_code == 303
    assert "Seen." in second.get(page).text
    assert "taken over by" in second.get(f"/posts/{OTHER}/shift").text
    assert at_desk(world, "handover-analyst", Role.ANALYST).get(page).status_code == 200
