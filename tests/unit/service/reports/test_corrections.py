"""An act or a seizure is stated again: both statements stay, and all that counts follows."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.audit.home_check import check_home
from api.criteria.policy import POLICY
from api.http.answers import Acknowledged, AcknowledgedAct
from api.service.settings import Settings
from engine.criteria.policy import PolicyHistory
from engine.domain.records import Inspection
from engine.domain.rights import Role
from engine.domain.time_units import NEVER
from engine.journal.journal import JournalReader
from engine.journal.kinds import INSPECTION, INSPECTION_CORRECTED
from engine.ports import ActEvent, FindEvent
from engine.queue import corrections
from engine.queue.corrections import Corrections
from engine.queue.match_outcomes import FindGravity
from features.catalogue.event_streams import LOAD, NO_LOAD
from features.history.labels import labels
from features.history.tables import read_event_log
from features.online import projection
from features.online.backfill import open_epoch
from models.data.build_dataset import freeze_history
from tests.integration.service.audit.test_journal_history import (
    PLAN,
    again,
    list_digests,
    read_recounted,
)
from tests.support.people import Desk, approve, at_desk, propose, user
from tests.support.running_service import (
    FakeModels,
    World,
    arrival,
    make_home,
    make_keys,
    open_world,
)
from tests.unit.service.finds.test_policy_of_classes import make_table, propose_table
from tests.unit.service.reports.test_acts import act, find

VEHICLES = 36
OUTCOMES = ("clear", "discrepancy", "seizure")
WHERE = ("cargo.among", "cab.seat", "chassis.frame", "fuel.tank")


def serve(folder: Path) -> Iterator[World]:
    home = make_home(folder)
    keys, other = make_keys(home)
    client, app = open_world(home, FakeModels(), Settings(key_seconds=0.2, model_seconds=0.05))
    with client:
        yield World(home, FakeModels(), client, app.state.runtime, keys, other)


@pytest.fixture
def corrected_world(tmp_path: Path) -> Iterator[World]:
    """A service of its own, where acts and seizures are corrected between decisions."""
    for world in serve(tmp_path / "home"):
        fill(world, Random(47))
        yield world


def fill(world: World, draw: Random) -> None:
    """Decide, file, seize and correct in random order; few parties, so that links are followed.

    Half-way tobacco becomes a load, by policy.
    """
    filed: list[str] = []
    seized: list[str] = []
    for number in range(VEHICLES):
        body = arrival(number + 1, plate=f"01A{number % 7:04d}BC", driver_ref=f"d-{number % 4}")
        assert world.decide(body).status_code == 201
        if draw.random() < 0.7:
            name = f"c-{draw.randrange(number + 1) + 1}"
            filed.append(file_act(world, len(filed), name, draw))
            if draw.random() < 0.6:
                seized.append(seize(world, 100 + number, name, draw, act_id=filed[-1]))
        if draw.random() < 0.4:
            seized.append(seize(world, number, f"c-{draw.randrange(number + 1) + 1}", draw))
        if number == VEHICLES // 2:
            teach_tobacco(world)
        correct_some(world, filed, seized, draw)


def correct_some(world: World, filed: list[str], seized: list[str], draw: Random) -> None:
    if filed and draw.random() < 0.6:
        correct(world, draw.choice(filed), outcome=draw.choice(OUTCOMES), **draw_act(draw))
    if seized and draw.random() < 0.4:
        name = draw.choice(seized)
        grams, is_gone = float(draw.randrange(5_000)), draw.random() < 0.25
        stated: dict[str, Any] = draw.choice((TOBACCO, {"quantity_g": grams}))
        stated = {"withdrawn": True} if is_gone else stated
        correct_seizure(world, name, place=draw.choice(WHERE), **stated)
        if is_gone:
            seized.remove(name)


def draw_act(draw: Random) -> dict[str, Any]:
    methods = draw.choice((["physical"], ["documents"], ["xray", "physical"], []))
    places = draw.sample(WHERE, draw.randrange(3))
    return {"methods": methods, "places_searched": places, "minutes": float(draw.randrange(1, 90))}


def file_act(world: World, number: int, crossing_id: str, draw: Random) -> str:
    body = act(number, crossing_id, outcome=draw.choice(OUTCOMES), **draw_act(draw))
    assert world.post("/v1/inspections", body).status_code == 201
    return str(body["inspection_id"])


TOBACCO = {"substance_class": "other", "goods_class": "tobacco", "amount": 9.0, "unit": "pieces"}


def teach_tobacco(world: World) -> None:
    """Replace the table of classes by one in which tobacco is a load."""
    user(world, "corrections-ann", Role.ANALYST)
    user(world, "corrections-bob", Role.SUPERVISOR)
    table = make_table(tobacco={"is_load": True})
    subject = propose(world.runtime, POLICY, propose_table(table), by="corrections-ann")
    approve(world.runtime, POLICY, subject, by="corrections-bob")


def seize(
    world: World, number: int, crossing_id: str, draw: Random, *, act_id: str | None = None
) -> str:
    """File a find of a class or of none, inland or of an act; return its name."""
    body = {"seizure_id": f"s-{number}", "crossing_id": crossing_id, "place": draw.choice(WHERE)}
    body |= {"recorded_at": act(0, "")["recorded_at"]}
    body |= {} if act_id is None else {"inspection_id": act_id}
    narcotic = {"substance_class": "narcotic", "quantity_g": 100.0 * number}
    goods: dict[str, Any] = draw.choice((TOBACCO, TOBACCO, narcotic))
    filed = world.post("/v1/seizures", body | goods)
    if filed.status_code == 422:  # an act that names no method makes no find of a class
        filed = world.post("/v1/seizures", body | narcotic)
    assert filed.status_code == 201, filed.text
    return str(body["seizure_id"])


def correct(world: World, name: str, role: Role = Role.SUPERVISOR, **stated: Any) -> Any:
    body = {"outcome": "clear", "methods": ["physical"], "reason": "It was another vehicle."}
    return world.post(f"/v1/inspections/{name}/corrections", body | stated, role)


def correct_seizure(world: World, name: str, role: Role = Role.SUPERVISOR, **stated: Any) -> Any:
    body = {"substance_class": "narcotic", "reason": "Weighed again."}
    return world.post(f"/v1/seizures/{name}/corrections", body | stated, role)


def list_faults(world: World) -> list[str]:
    found = check_home(world.home, world.runtime.store).faults
    return [f"{one.rule} {one.message}" for one in found]


def test_counters_bulk_and_replay_follow_corrections_exactly(corrected_world: World) -> None:
    world = corrected_world
    with world.runtime.store.read() as connection:
        made = [one.body for one in JournalReader(connection).records(INSPECTION_CORRECTED)]
    steps = [
        OUTCOMES.index(body["inspection"]["outcome"]) - OUTCOMES.index(body["was"]["outcome"])
        for body in made
    ]
    assert min(steps) < 0 < max(steps)
    assert again(world) == list_digests(world)
    assert list_faults(world) == []
    before = read_recounted(world)
    open_epoch(world.home, world.runtime.store, PLAN, about=None, report=lambda _: None)
    assert read_recounted(world) == before


def test_a_service_that_forgets_to_compensate_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: corrections that no counter hears of."""
    monkeypatch.setattr(projection, "_REPORTS", (ActEvent, FindEvent))
    for world in serve(tmp_path / "home"):
        fill(world, Random(47))
        assert again(world) != list_digests(world)
        assert any("counters" in one or "passages" in one for one in list_faults(world))


def judge_by_the_table_in_force(find: FindEvent, policy: PolicyHistory, *, known_at: int) -> int:
    """Seeded bug: a find is judged by the newest table, not by that of its time."""
    assert known_at
    return LOAD if policy.read_goods_classes().teaches_load(find.goods_class) else NO_LOAD


def call_every_seizure_a_load(label: tuple[int, int, int], _: int) -> tuple[int, int, int]:
    """Seeded bug: an act counts as it says, whatever its finds are of."""
    return label


@pytest.mark.parametrize(
    ("of", "bug"),
    [("_judge_find", judge_by_the_table_in_force), ("count_label", call_every_seizure_a_load)],
    ids=["another-table", "no-table"],
)
def test_a_service_that_misjudges_goods_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: str, bug: Any
) -> None:
    monkeypatch.setattr(projection, of, bug)
    for world in serve(tmp_path / "home"):
        fill(world, Random(47))
        assert again(world) != list_digests(world)
        assert any("counters" in one or "passages" in one for one in list_faults(world))


def seized_act(world: World, number: int) -> str:
    """File an act with a seizure by the checkpoint's key; return its name."""
    assert world.decide(arrival(number)).status_code == 201
    body = act(number, f"c-{number}", outcome="seizure")
    assert world.post("/v1/inspections", body).status_code == 201
    found = {"seizure_id": f"s-{number}", "inspection_id": f"i-{number}", "quantity_g": 2.3}
    found |= {"crossing_id": f"c-{number}", "recorded_at": body["recorded_at"]}
    found |= {"substance_class": "narcotic"}
    assert world.post("/v1/seizures", found).status_code == 201
    return f"i-{number}"


def gravity(world: World, number: int) -> float:
    with world.runtime.store.read() as connection:
        seqs = [
            one
            for one in JournalReader(connection).records(INSPECTION)
            if one.subject == f"i-{number}"
        ]
        stated = Corrections(connection).bodies({one.seq: one.body for one in seqs})
        acts = [
            Inspection.model_validate(body["inspection"], strict=False) for body in stated.values()
        ]
        weigh = FindGravity(connection, world.runtime.network, is_seen=lambda _: True)
        return weigh.of(f"c-{number}", acts)


def label(world: World, number: int, *, before: int = NEVER) -> tuple[int, int]:
    with world.runtime.store.read() as connection:
        tables = read_event_log(world.home, connection)
    found = labels(freeze_history(tables, labels_before=before))
    row = tables.crossings["crossing_id"].to_pylist().index(f"c-{number}")
    return int(found.seizure[row]), int(found.discrepancy[row])


def test_a_quantity_is_corrected_and_what_weighs_it_follows(world: World) -> None:
    seized_act(world, 301)
    before = gravity(world, 301)
    done = correct_seizure(world, "s-301", Role.CHECKPOINT, quantity_g=2300.0)
    assert done.status_code == 201, done.text
    TypeAdapter(Acknowledged).validate_python(done.json())
    assert gravity(world, 301) > before
    seq = done.json()["receipt"]["sequence"]
    with world.runtime.store.read() as connection:
        body = JournalReader(connection).body(seq)
        first = JournalReader(connection).body(body["of"])
    assert (body["was"]["quantity_g"], body["seizure"]["quantity_g"]) == (2.3, 2300.0)
    assert first["seizure"]["quantity_g"] == 2.3  # the journal keeps both


def test_a_find_is_taken_back_by_another_person_who_is_a_supervisor(world: World) -> None:
    name = seized_act(world, 302)
    for refused in (
        correct(world, name, Role.CHECKPOINT),
        correct_seizure(world, "s-302", Role.CHECKPOINT, quantity_g=1.0),
        correct_seizure(world, "s-302", Role.CHECKPOINT, withdrawn=True),
    ):
        assert refused.status_code == 403
    own = act(303, "c-302", outcome="discrepancy")
    assert world.post("/v1/inspections", own, Role.SUPERVISOR).status_code == 201
    assert correct(world, "i-303").status_code == 403  # their own act
    assert label(world, 302) == (1, 1)
    with world.runtime.store.read() as connection:
        then = world.runtime.journal.head(connection).as_of
    done = correct(world, name)
    TypeAdapter(AcknowledgedAct).validate_python(done.json())
    assert done.status_code == 201
    assert correct_seizure(world, "s-302", withdrawn=True).status_code == 201
    assert label(world, 302) == (0, 1)  # the other act stands
    assert label(world, 302, before=then) == (1, 1)  # what was known then stays
    assert correct_seizure(world, "s-302").status_code == 409  # it was withdrawn


def test_what_a_correction_may_not_be(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    name = seized_act(world, 304)
    same: dict[str, Any] = {"outcome": "seizure", "minutes": 40, "places_searched": ["cargo.among"]}
    assert correct(world, name, **same).status_code == 409
    assert correct(world, name, reason="").status_code == 422
    assert correct(world, name, outcome="nothing").status_code == 422
    assert correct(world, "no-such-act").status_code == 404
    assert correct_seizure(world, "s-304", substance_class=None).status_code == 422
    far = {"Authorization": f"Bearer {world.other}"}
    body = same | {"methods": ["physical"], "minutes": 50, "reason": "A clock was wrong."}
    path = f"/v1/inspections/{name}/corrections"
    assert world.client.post(path, json=body, headers=far).status_code == 404
    body |= {"places_searched": ["cargo.among", "cab.seat"]}
    done = [world.post(path, body, key="once") for _ in range(2)]
    assert [one.status_code for one in done] == [201, 201]
    assert done[0].content == done[1].content
    turned = body | {"places_searched": ["cab.seat", "cargo.among"]}
    assert world.post(path, turned).status_code == 409, "an order of places says nothing"
    # Negative control: a service in which one person may take a find back.
    assert correct(world, name, Role.CHECKPOINT).status_code == 403
    monkeypatch.setattr(corrections, "_require_other_person", lambda *_: None)
    assert correct(world, name, Role.CHECKPOINT).status_code == 201


def test_a_stricter_act_answers_its_referral(world: World) -> None:
    red = find(world, "red", 7_000)
    number = int(red["crossing_id"].removeprefix("c-"))
    papers = act(number, red["crossing_id"], methods=["documents"], places_searched=[])
    assert world.post("/v1/inspections", papers).status_code == 201
    assert is_waiting(world, red)
    stated = {"methods": ["documents", "physical"], "minutes": 40.0}
    assert correct(world, f"i-{number}", Role.CHECKPOINT, **stated).status_code == 201
    assert not is_waiting(world, red)


def test_a_correction_names_its_find_its_number_and_its_unit(world: World) -> None:
    red = find(world, "red", 9_000)
    page = f"/decisions/{red['decision_id']}"
    officer = at_desk(world, "counts-again", Role.CHECKPOINT)
    goods = {"goods_class": "tobacco", "amount": "2300", "place": "cab.seat"}
    goods |= {"goods_class_2": "narcotics", "amount_2": "23", "place_2": "cab.seat"}
    stated: dict[str, Any]
    stated = {"outcome": "seizure", "methods": "physical", "minutes": "40", "step": "confirm"}
    stated |= {"duty_assessed": "1200", "currency": "USD", "places_searched": "cab.seat"}
    filed = send_form(officer, red, "acts", **stated | goods)
    assert filed.status_code == 303, re.findall(r'id="[^"]+-wrong">.*?<', filed.text)
    stated |= {"duty_assessed": "1500", "reason": "Counted again."}
    again = send_form(officer, red, "correction", **stated | goods | {"amount": "2500"})
    assert again.status_code == 303, again.text
    (changed,) = re.findall(r'class="corrected">(.*?)</dd>', officer.get(page).text)
    text = re.sub("<[^>]+>", "", changed)
    assert "Find 1, tobacco: Amount 2,300 pieces → 2,500 pieces" in text, text
    assert "Duty and fine assessed 1,200 USD → 1,500 USD" in text, text
    assert "Find 2" not in text and text.count("→") == 2, text


def is_waiting(world: World, decision: dict[str, Any]) -> bool:
    queue = world.get(f"/v1/posts/{decision['post']}/queue").json()["waiting"]
    return any(one["decision_id"] == decision["decision_id"] for one in queue)


def send_form(desk: Desk, decision: dict[str, Any], to: str, **fields: Any) -> Any:
    page = f"/decisions/{decision['decision_id']}"
    return desk.send(page, f"{page}/{to}", {"once": secrets.token_hex(12)} | fields)


def test_an_act_is_corrected_on_its_page(world: World) -> None:
    red = find(world, "red", 8_000)
    page = f"/decisions/{red['decision_id']}"
    officer, boss = at_desk(world, "corrects", Role.CHECKPOINT), at_desk(world, "corrects-too")
    assert officer.get(f"{page}/correction").status_code == 404  # there is no act yet
    goods = {"goods_class": "narcotics", "amount": "23", "place": "cab.seat"}
    first: dict[str, Any]
    first = {"outcome": "seizure", "methods": "physical", "minutes": "40", "step": "confirm"}
    places = ["fuel.tank", "cab.seat"]
    first |= {"places_searched": places}
    assert send_form(officer, red, "acts", **first | goods).status_code == 303
    form = officer.get(f"{page}/correction").text
    assert 'name="amount"' in form and 'value="23"' in form and 'value="40"' in form
    more: dict[str, Any]
    more = {"outcome": "seizure", "methods": "physical", "minutes": "40", "reason": "A digit."}
    more |= goods | {"amount": "2,300", "places_searched": places[::-1]}
    shown = send_form(officer, red, "correction", **more)
    assert shown.status_code == 200 and "2,300 g" in shown.text and "A digit." in shown.text
    assert shown.text.count("<del>") == 1, "only the find differs"
    assert "2,300 g" not in officer.get(page).text  # shown, not recorded
    assert send_form(officer, red, "correction", step="confirm", **more).status_code == 303
    seen = officer.get(page).text
    assert "2,300 g" in seen and "A digit." in seen and "23 g" in seen and "corrects" in seen
    (changed,) = re.findall(r'class="corrected">(.*?)</dd>', seen)
    assert changed.count("→") == 1, "places in another order are none, grams are said once"
    less = send_form(officer, red, "correction", **more | {"amount": "5"})
    assert less.status_code == 422 and 'id="amount-wrong"' in less.text, "before it is shown"
    assert "Ask the supervisor to record it" in less.text
    asked = send_form(officer, red, "correction", **more | {"amount": "5", "step": "ask"})
    assert asked.headers["location"] == f"{page}?done=ask#done"
    told = boss.get("/notifications").text
    assert "A correction is asked for" in told and "corrects: A digit." in told
    assert f'href="{page}/correction"' in told
    assert "A correction is asked for" not in officer.get("/notifications").text
    assert "corrects: A digit." in officer.get(page).text.partition('id="asked"')[2][:200]
    same = send_form(officer, red, "correction", step="confirm", **more)
    assert same.status_code == 422 and "Nothing differs" in same.text
    nothing = {"outcome": "clear", "methods": "physical", "minutes": "40", "reason": "A test."}
    refused = send_form(officer, red, "correction", step="confirm", **nothing)
    assert refused.status_code == 422 and "a supervisor who did not file the act" in refused.text
    assert "2,300 g" in officer.get(page).text
    assert "withdrawn" in send_form(boss, red, "correction", **nothing).text
    assert send_form(boss, red, "correction", step="confirm", **nothing).status_code == 303
    seen = boss.get(page).text
    assert 'id="asked"' not in seen, "a correction answers what was asked"
    assert "A test." in seen and 'class="seized"' not in seen
    assert f'href="{page}/correction"' not in boss.get("/notifications").text, "it is settled"
