"""Shifts: a roster moves the cut, and two people hand a shift over."""

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
from engine.shifts.handovers import list_filed_acts, summarize_shift
from tests.support.people import at_desk, person, send
from tests.support.running_service import OTHER, POST, World, arrival
from tests.unit.service.reports.test_acts import act, find

ROSTER_PATH = f"/v1/posts/{POST}/roster"
QUEUE = f"/posts/{POST}/queue"


@pytest.fixture
def put(world: World) -> Any:
    """Put rosters, and take back the last one afterwards: the world is shared."""

    def put(
        minutes: Any, role: Role = Role.SUPERVISOR, path: str = ROSTER_PATH, **headers: str
    ) -> Any:
        body = {"minutes": minutes}
        return world.client.put(path, json=body, headers=world.headers(role) | headers)

    yield put
    assert put({"canine": 60.0}).status_code == 201  # bounds no channel


def policies(world: World, numbers: range) -> list[dict[str, Any]]:
    """Decide on arrivals and return the policy that each was decided by."""
    found = []
    for number in numbers:
        decided = world.decide(arrival(number)).json()
        with world.runtime.store.read() as connection:
            seq = decided["receipt"]["sequence"]
            body = world.runtime.journal.body(connection, seq)
        found.append(body["inputs"]["policy"])
    return found


def test_without_minutes_the_score_picks_no_vehicle(world: World, put: Any) -> None:
    before = policies(world, range(60_000, 60_003))
    assert put({"physical": 0.0, "documents": 0.0}).status_code == 201
    after = policies(world, range(60_010, 60_013))
    assert all(policy["red_share"] > 0 < policy["yellow_share"] for policy in before)
    assert all(policy["red_share"] == 0 == policy["yellow_share"] for policy in after)
    assert all(policy["random_share"] == 0.03 for policy in before + after)


def test_where_the_shift_stands_can_be_read(world: World, put: Any) -> None:
    put({"physical": 5_000.0})
    policies(world, range(60_100, 60_110))
    stands = world.get(ROSTER_PATH).json()
    (red,) = stands["channels"]
    assert (red["channel"], red["minutes"], red["oversubscribed"]) == ("red", 5_000.0, False)
    assert red["left"] == pytest.approx(5_000.0 - red["picked"] - red["mandated"])
    assert world.get(ROSTER_PATH, Role.CHECKPOINT).json()["channels"][0]["minutes"] == 5_000.0


def test_the_minutes_do_not_tell_a_checkpoint_what_picked_a_vehicle(world: World, put: Any) -> None:
    put({"physical": 5_000.0, "documents": 5_000.0})
    policies(world, range(60_200, 60_205))
    seen, whole = (
        world.get(ROSTER_PATH, role).json() for role in (Role.CHECKPOINT, Role.SUPERVISOR)
    )
    for blind, side in zip(seen["channels"], whole["channels"], strict=True):
        hidden = (blind["picked"], blind["mandated"], blind["oversubscribed"])
        assert hidden == (None, None, None) and side["oversubscribed"] is False
        assert blind["left"] == side["left"] == side["minutes"] - side["picked"] - side["mandated"]


def test_a_bad_roster_is_refused(world: World, put: Any) -> None:
    for minutes in ({}, {"physical": -1.0}, {"hammer": 10.0}, {"physical": 1e9}, None):
        assert put(minutes).status_code == 422
    assert put({"physical": 10.0}, path="/v1/posts/NOWHERE/roster").status_code in (404, 422)


def test_the_same_key_puts_a_roster_once(world: World, put: Any) -> None:
    key = {"Idempotency-Key": "roster-1"}
    one, again = (put({"physical": 77.0}, **key).json() for _ in range(2))
    assert one == again
    assert put({"physical": 78.0}, **key).status_code == 409
    assert put({"physical": 77.0}, path=f"/v1/posts/{OTHER}/roster", **key).status_code == 201


def test_a_roster_says_what_works_and_an_order_uses_nothing_else(world: World) -> None:
    def put(**equipment: int) -> Any:
        body = {"minutes": {"canine": 60.0}} | ({"equipment": equipment} if equipment else {})
        return world.client.put(ROSTER_PATH, json=body, headers=world.headers(Role.SUPERVISOR))

    def methods_of_red(start: int) -> set[str]:
        order = find(world, "red", start)["search_order"]
        return {step["method"] for step in order if step["kind"] != "papers"}

    assert {"xray", "canine"} & methods_of_red(61_000)
    assert put(xray=0, canine=0).status_code == 201
    assert world.get(ROSTER_PATH, Role.CHECKPOINT).json()["equipment"] == {"xray": 0, "canine": 0}
    assert methods_of_red(61_500) == {"physical"}
    green = find(world, "green", 62_000)
    override = {"verdict": "override", "channel": "red", "reason_code": "other", "reason": "y"}
    path = f"/v1/decisions/{green['decision_id']}"
    assert world.post(f"{path}/reviews", override, Role.SUPERVISOR).status_code == 201
    order = world.get(path).json()["search_order"]
    methods = {step["method"] for step in order if step["kind"] != "papers"}
    assert methods == {"physical"}, "an override's order too"
    assert "documents; no scanner works here" in at_desk(world, "unscanned").get(QUEUE).text
    for wrong in ({"xray": -1}, {"xray": 1.5}, {"X ray": 1}):
        assert put(**wrong).status_code == 422
    misspelt = put(scaner=1)
    assert misspelt.status_code == 422 and "unknown_equipment" in misspelt.text
    assert put().status_code == 201 and world.get(ROSTER_PATH).json()["equipment"] == {}
    assert "documents and scan" in at_desk(world, "scanning").get(QUEUE).text


START = 440_000
PAGE = f"/posts/{POST}/handover"
HANDOVER_PATH = f"/v1/posts/{POST}/handovers"
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
    answer = send(world, HANDOVER_PATH, {"note": "Lane 2 is closed."}, first)
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
    return send(world, f"{HANDOVER_PATH}/{sequence}/signatures", {"note": note}, by)


def count_records(world: World, kind: str) -> int:
    with world.runtime.store.read() as snapshot:
        return len(snapshot.execute(JOURNAL.select().where(JOURNAL.c.kind == kind)).all())


def test_the_first_signature_states_what_is_open(world: World, handover: dict[str, Any]) -> None:
    known, ids = read(world), handover["ids"]
    for name in ("waiting", "without_act", "overridden"):
        assert ids[name]["decision_id"] in known[name]["decisions"], name
        assert known[name]["count"] >= len(known[name]["decisions"])
    page = at_desk(world, "handover-reader").get(PAGE).text.partition('id="overridden"')[2]
    line = page.partition(ids["overridden"]["decision_id"])[2].partition("</li>")[0]
    assert 'class="channel red"' in line and ": y" in line, "where to, and why"
    first = page.partition(ids["overridden"]["decision_id"])[0].rpartition("<li>")[2]
    assert 'class="channel green"' in first, "from where"
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
        running = service.shifts.shift(POST, filed)
        later, earlier = replace(running, opens_at=filed), replace(running, closes_at=filed)
        assert summarize_shift(snapshot, later, as_of=filed)["found"]["discrepancies"] == 1
        assert summarize_shift(snapshot, earlier, as_of=filed)["found"]["discrepancies"] == 0


def test_report_queue_and_handover_count_the_same_finds(
    world: World, handover: dict[str, Any]
) -> None:
    """A find counts in the shift of its act, also if its vehicle came in an earlier shift."""
    service = world.runtime
    found = handover["ids"]["found"]["decision_id"]
    report = TypeAdapter(ShiftReport).validate_python(world.get(SHIFT, Role.SUPERVISOR).json())
    page = at_desk(world, "reads-shift").get(QUEUE).text
    with service.store.read() as snapshot:
        now = service.journal.now(snapshot)
        shift = service.shifts.shift(POST, now)
        found_in = summarize_shift(snapshot, shift, as_of=now)["found"]
    hits = [one.outcome for one in report.work.finds]
    assert found in {one.decision_id for one in report.work.finds}
    assert report.work.inspected == found_in["inspected"]
    assert hits.count("discrepancy") == found_in["discrepancies"]
    assert hits.count("seizure") == found_in["seizures"]
    assert sum(one.inspected for one in report.minutes) >= len(hits) > 0
    assert all(f"/decisions/{one.decision_id}" in page for one in report.work.finds)


def test_a_vehicle_of_an_earlier_shift_is_named_so(world: World, handover: dict[str, Any]) -> None:
    service = world.runtime
    decided = DECISIONS.c.decision_id == handover["ids"]["found"]["decision_id"]
    with service.store.read() as snapshot:
        row = snapshot.execute(
            select(DECISIONS.c.known_at, JOURNAL.c.known_at.label("filed_at"))
            .join(JOURNAL, JOURNAL.c.seq == DECISIONS.c.act_seq)
            .where(decided)
        ).one()
        running = service.shifts.shift(POST, row.filed_at)
        later = replace(running, opens_at=row.filed_at)
        (act,) = [
            one
            for one in list_filed_acts(snapshot, later)
            if one.decision_id == handover["ids"]["found"]["decision_id"]
        ]
    assert act.decided_at == row.known_at < later.opens_at


def test_one_person_does_not_sign_twice(
    world: World, handover: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert handover["answer"].json()["complete"] is False and read(world)["taken_by"] is None
    again = send(world, HANDOVER_PATH, {"note": "Lane 2 is closed."}, handover["first"])
    assert again.content == handover["answer"].content, "sent again, it is the same record"
    assert send(world, HANDOVER_PATH, {"note": "Other."}, handover["first"]).status_code == 409
    assert (
        send(world, HANDOVER_PATH, {"note": "Lane 2 is closed."}, handover["second"]).status_code
        == 409
    )
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
    made = send(world, HANDOVER_PATH, {"at": at}, handover["first"]).json()
    monkeypatch.setattr(Accounts, "must_second", lambda *_, **__: None)
    wrong = send(world, f"{HANDOVER_PATH}/{made['sequence']}/signatures", {}, handover["first"])
    assert wrong.status_code == 201, "without the check one person completes it"


def list_answers(world: World) -> list[int]:
    """Return how a checkpoint is answered wherever a handover's figures are."""
    desk = at_desk(world, f"handover-{count_records(world, 'user_created')}", Role.CHECKPOINT)
    asked = [world.get(SHIFT, Role.CHECKPOINT).status_code]
    asked += [desk.get(path).status_code for path in (PAGE, f"/posts/{POST}/shift")]
    return [*asked, world.post(HANDOVER_PATH, {}, Role.CHECKPOINT).status_code]


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
    assert send(world, HANDOVER_PATH, {"note": "x" * 1001}, by).status_code == 422
    assert send(world, HANDOVER_PATH, {"at": "2020-01-01T00:00:00Z"}, by).status_code == 422
    assert send(world, f"{HANDOVER_PATH}/1/signatures", {}, by).status_code == 404


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
    shift = second.get(f"/posts/{OTHER}/shift").text
    assert "taken over by" in shift
    head = shift.partition('<h2 id="last_28_days">')[2].partition("\n")[0]
    assert ">since " in head, "a count of days names its start"
    assert at_desk(world, "handover-analyst", Role.ANALYST).get(page).status_code == 200
