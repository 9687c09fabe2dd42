"""Finds of every class, by HTTP and by page: kinds of discrepancy, several finds in one act."""

import secrets
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.domain.goods import shipped_goods_classes
from engine.domain.records import PERSONS, SUBSTANCES
from engine.domain.rights import Role
from tests.support.people import Desk, at_desk
from tests.support.running_service import POST, World
from tests.unit.service.reports.test_acts import act, find

START = 700_000
CLASSES = shipped_goods_classes()
KINDS = ("value", "classification", "origin", "mass", "count", "documents", "undeclared", "transit")


def seizure(name: str, act_id: str, crossing_id: str, code: str, **more: Any) -> dict[str, Any]:
    """Return the body of a find of a class, as much as its usual unit says."""
    unit = CLASSES.by_code[code].units[0]
    known: dict[str, Any] = {
        "seizure_id": name,
        "inspection_id": act_id,
        "crossing_id": crossing_id,
        "recorded_at": datetime.now(UTC).isoformat(),
        "substance_class": SUBSTANCES.get(code, "other"),
        "goods_class": code,
        "amount": 12.0,
        "unit": "USD" if unit == "currency" else unit,
        "place": "cargo.among",
    }
    return known | more


def read_work(world: World) -> dict[str, Any]:
    """Return the shift report's account of its work."""
    boss = world.headers(Role.SUPERVISOR)
    found: dict[str, Any] = world.client.get(f"/v1/posts/{POST}/shift", headers=boss).json()
    work: dict[str, Any] = found["work"]
    return work


def count_classes(work: dict[str, Any]) -> dict[str, tuple[int, Any, str | None]]:
    """Return finds, amount and unit of each class."""
    return {one["goods_class"]: (one["finds"], one["amount"], one["unit"]) for one in work["goods"]}


def test_a_days_mixed_acts_over_http(world: World) -> None:
    """Eighteen classes in one act, and eight kinds of discrepancy in another."""
    before = read_work(world)
    red = find(world, "red", START)
    filed = act(1, red["crossing_id"], inspection_id="mixed-1", outcome="seizure")
    assert world.post("/v1/inspections", filed).status_code == 201
    for code in CLASSES.by_code:
        body = seizure(f"mixed-{code}", "mixed-1", red["crossing_id"], code)
        first = world.post("/v1/seizures", body)
        assert first.status_code == 201, (code, first.json())
        assert world.post("/v1/seizures", body).content == first.content
    yellow = find(world, "yellow", START + 500)
    assessed = {"discrepancy_kinds": list(KINDS), "duty_assessed": 1250.5, "currency": "UZS"}
    body = act(2, yellow["crossing_id"], inspection_id="mixed-2", outcome="discrepancy", **assessed)
    assert world.post("/v1/inspections", body).status_code == 201
    work = read_work(world)
    now, was = count_classes(work), count_classes(before)
    assert len(now) == len(CLASSES.by_code) == 18
    for code, (count, amount, unit) in now.items():
        earlier, much, _ = was.get(code, (0, 0.0, None))
        assert count - earlier == 1
        usual = CLASSES.by_code[code].units[0]
        assert unit == {"kg": "g", "currency": "USD"}.get(usual, usual)
        assert amount - (much or 0.0) == pytest.approx(12_000.0 if usual == "kg" else 12.0)
    assert all(work["kinds"][kind] - before["kinds"].get(kind, 0) == 1 for kind in KINDS)
    assert work["duties"]["UZS"] - before["duties"].get("UZS", 0.0) == 1250.5
    text = at_desk(world, "mixed-boss").get(f"/posts/{POST}/shift").text
    assert all(CLASSES.name(code, "en") in text for code in CLASSES.by_code)
    assert "documents or licence" in text and "1,250.5 UZS" in text


WRONG: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("tobacco", {"amount": -1.0}, "amount", "negative"),
    ("tobacco", {"amount": 1e13}, "amount", "too_large"),
    ("tobacco", {"amount": 1.5}, "amount", "not_a_whole_number"),
    ("tobacco", {"amount": None}, "amount", "missing_key"),
    ("tobacco", {"unit": None}, "unit", "missing_key"),
    ("tobacco", {"unit": "l"}, "unit", "wrong_unit"),
    ("tobacco", {"unit": "tons"}, "unit", "unknown_unit"),
    ("currency", {"unit": "ZZZ"}, "unit", "unknown_unit"),
    ("currency", {"unit": "XXX"}, "unit", "unknown_unit"),
    ("currency", {"unit": "pieces"}, "unit", "wrong_unit"),
    ("tobacco", {"goods_class": "cigars"}, "goods_class", "unknown_enumeration"),
    ("tobacco", {"goods_class": "TOBACCO"}, "goods_class", "malformed_code"),
    ("tobacco", {"goods_class": None}, "goods_class", "missing_key"),
    ("tobacco", {"substance_class": "narcotic"}, "substance_class", "contradiction"),
    ("narcotics", {"substance_class": "other"}, "substance_class", "contradiction"),
    ("narcotics", {"quantity_g": 5.0}, "quantity_g", "contradiction"),
    (PERSONS, {"substance": "a name"}, "substance", "count_alone"),
    (PERSONS, {"concealment": "Ivan in a box"}, "concealment", "count_alone"),
    (PERSONS, {"quantity_g": 70_000.0}, "quantity_g", "count_alone"),
    (PERSONS, {"unit": "kg"}, "unit", "wrong_unit"),
    (PERSONS, {"amount": 0.5}, "amount", "not_a_whole_number"),
    (PERSONS, {"name": "Ivan"}, "name", "unknown_field"),
)


def test_a_wrong_find_names_its_field_and_rule(world: World) -> None:
    red = find(world, "red", START + 1000)
    filed = act(3, red["crossing_id"], inspection_id="wrong-1", outcome="seizure")
    assert world.post("/v1/inspections", filed).status_code == 201
    for code, change, at, rule in WRONG:
        body = seizure("wrong", "wrong-1", red["crossing_id"], code) | change
        refused = world.post("/v1/seizures", {k: v for k, v in body.items() if v is not None})
        assert refused.status_code == 422, (code, change)
        faults = {(one["at"].rpartition(".")[2], one["rule"]) for one in refused.json()["fields"]}
        assert (at, rule) in faults, (code, change, faults)
        assert "Ivan" not in refused.text.replace('"name"', "")
    for raw in ("NaN", "Infinity", "1e999"):
        text = f'{{"seizure_id": "wrong", "amount": {raw}}}'
        assert world.post("/v1/seizures", text).status_code in (400, 422)


def test_what_a_find_of_an_act_lacks_is_named_all_at_once(world: World) -> None:
    red = find(world, "red", START + 1500)
    filed = act(4, red["crossing_id"], inspection_id="lack-1", outcome="seizure", methods=[])
    assert world.post("/v1/inspections", filed).status_code == 201
    body = seizure("lack", "lack-1", red["crossing_id"], "tobacco")
    for name in ("place", "amount", "unit"):
        del body[name]
    refused = world.post("/v1/seizures", body)
    named = {one["at"] for one in refused.json()["fields"]}
    assert named == {"seizure.place", "seizure.amount", "inspection.methods"}
    inland = {name: one for name, one in body.items() if name != "inspection_id"}
    assert world.post("/v1/seizures", inland).status_code == 201, "found inland, nobody knows where"


@pytest.mark.parametrize(
    ("outcome", "more", "at"),
    [
        ("clear", {"discrepancy_kinds": ["value"]}, "outcome"),
        ("clear", {"duty_assessed": 5.0, "currency": "UZS"}, "outcome"),
        ("discrepancy", {"duty_assessed": 5.0}, "currency"),
        ("discrepancy", {"currency": "UZS"}, "duty_assessed"),
        ("discrepancy", {"duty_assessed": -5.0, "currency": "UZS"}, "duty_assessed"),
        ("discrepancy", {"duty_assessed": 5.0, "currency": "ZZZ"}, "currency"),
        ("discrepancy", {"discrepancy_kinds": ["taste"]}, "discrepancy_kinds"),
    ],
)
def test_a_wrong_assessment_is_refused(
    world: World, outcome: str, more: dict[str, Any], at: str
) -> None:
    green = find(world, "green", START + 2000)
    refused = world.post("/v1/inspections", act(5, green["crossing_id"], outcome=outcome, **more))
    assert refused.status_code == 422
    assert any(at in one["at"] for one in refused.json()["fields"])


def file_by_page(desk: Desk, decision: dict[str, Any], **fields: Any) -> Any:
    page = f"/decisions/{decision['decision_id']}"
    once = {"once": secrets.token_hex(12), "step": "confirm"}
    return desk.send(page, f"{page}/acts", once | fields)


def list_finds(world: World, decision: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the finds of a crossing as the journal has them."""
    from engine.journal.journal import JournalReader
    from engine.journal.kinds import SEIZURE

    with world.runtime.store.read() as connection:
        records = list(JournalReader(connection).records(SEIZURE))
    found = [one.body["seizure"] for one in records]
    return [one for one in found if one.get("crossing_id") == decision["crossing_id"]]


def test_all_classes_are_filed_in_one_act_by_page(world: World) -> None:
    red = find(world, "red", START + 2500)
    desk = at_desk(world, "classes-page")
    fields: dict[str, Any] = {"outcome": "seizure", "methods": ["physical"], "minutes": "90"}
    for number, (code, one) in enumerate(CLASSES.by_code.items(), 1):
        end = "" if number == 1 else f"_{number}"
        unit = "USD" if one.units[0] == "currency" else ""
        fields |= {f"goods_class{end}": code, f"amount{end}": "3", f"unit{end}": unit}
        fields |= {f"place{end}": "cargo.among"}
    fields |= {"discrepancy_kinds": ["undeclared"], "duty_assessed": "10,5", "currency": "UZS"}
    shown = file_by_page(desk, red, **fields | {"step": ""})
    assert shown.status_code == 200 and not list_finds(world, red)
    assert all(CLASSES.name(code, "en") in shown.text for code in CLASSES.by_code)
    once = secrets.token_hex(12)
    for _ in range(2):  # sent twice, it counts once
        assert file_by_page(desk, red, **fields | {"once": once}).status_code == 303
    found = list_finds(world, red)
    assert [one["goods_class"] for one in found] == list(CLASSES.by_code)
    assert {one["unit"] for one in found} == {"g", "kg", "l", "pieces", "USD"}
    page = desk.get(f"/decisions/{red['decision_id']}").text
    assert page.count('class="seized"') == 18 and "undeclared goods" in page
    searched = "<dt>Places searched</dt><dd>among the goods</dd>"
    assert searched in shown.text and searched in page, "where something was found was searched"


def test_a_form_names_all_that_its_finds_lack(world: World) -> None:
    red = find(world, "red", START + 3000)
    desk = at_desk(world, "lacks-page")
    fields = {"outcome": "seizure", "goods_class": "tobacco", "goods_class_2": "currency"}
    fields |= {"amount_2": "5", "goods_class_3": PERSONS, "amount_3": "1,5", "substance_3": "Ivan"}
    refused = file_by_page(desk, red, **fields)
    assert refused.status_code == 422
    for name in ("methods", "amount", "place", "unit_2", "place_2", "substance_3", "place_3"):
        assert f'id="{name}-wrong"' in refused.text or f"#field-{name}" in refused.text, name
    assert "Unit 2" in refused.text, "which find it is"
    assert not list_finds(world, red)
    more = file_by_page(desk, red, **fields | {"step": "another"})
    assert more.status_code == 200 and 'name="goods_class_4"' in more.text
    assert 'value="1,5"' in more.text, "what was typed is kept"


def test_finds_are_corrected_on_the_page_one_by_one(world: World) -> None:
    red = find(world, "red", START + 3500)
    officer, boss = at_desk(world, "fixes", Role.CHECKPOINT), at_desk(world, "fixes-too")
    page = f"/decisions/{red['decision_id']}"
    known = {"outcome": "seizure", "methods": "physical", "minutes": "40"}
    known |= {"goods_class": "tobacco", "amount": "200", "place": "cab.seat"}
    known |= {"goods_class_2": "fuel", "amount_2": "50", "place_2": "fuel.tank"}
    assert file_by_page(officer, red, **known).status_code == 303
    form = officer.get(f"{page}/correction").text
    assert 'value="200"' in form and 'name="goods_class_2"' in form

    def restate(desk: Desk, **change: str) -> Any:
        once = {"once": secrets.token_hex(12), "step": "confirm", "reason": "Counted again."}
        return desk.send(f"{page}/correction", f"{page}/correction", once | known | change)

    assert restate(officer).status_code == 422, "nothing differs"
    assert restate(officer, amount="250").status_code == 303
    less = restate(officer, amount="250", amount_2="40")
    assert less.status_code == 422 and "did not file the act" in less.text
    assert restate(boss, amount="250", amount_2="40").status_code == 303
    milder = restate(officer, amount="250", unit="kg", amount_2="40")
    assert milder.status_code == 422, "kilograms cannot be compared with pieces"
    text = boss.get(page).text
    assert "250 pieces" in text and "40 l" in text
