"""The table of classes of goods is policy: two people replace it."""

from typing import Any

import pytest

from api.criteria.policy import POLICY
from engine.criteria.policy import PolicyProposal, read_goods_classes, read_policy
from engine.domain.goods import GoodsClasses, shipped_goods_classes
from engine.domain.rights import Role
from engine.errors import RecordError
from tests.support.people import approve, propose, user
from tests.support.running_service import World
from tests.unit.service.finds.test_goods_classes import seizure
from tests.unit.service.reports.test_acts import act, find

START = 740_000
CIGARS = {"code": "cigars", "names": {"en": "cigars"}, "units": ["pieces"], "is_load": False,
          "gravity": 1.5}  # fmt: skip


def make_table(**changes: Any) -> dict[str, Any]:
    """Return the shipped table with a nineteenth class, and changes of other classes by code."""
    shipped = shipped_goods_classes().model_dump(mode="json")["classes"]
    rows = [one | changes.get(one["code"], {}) for one in shipped if changes.get(one["code"]) != {}]
    return {"classes": [*rows, CIGARS]}


def propose_table(table: Any) -> PolicyProposal:
    return PolicyProposal(setting="goods_classes", value=table, reason="Cigars come by rail.")


def test_a_class_counts_once_two_people_have_agreed(world: World) -> None:
    user(world, "classes-ann", Role.ANALYST)
    user(world, "classes-bob", Role.SUPERVISOR)
    red = find(world, "red", START)
    filed = act(1, red["crossing_id"], inspection_id="cigars-1", outcome="seizure")
    assert world.post("/v1/inspections", filed).status_code == 201
    body = seizure("cigars", "cigars-1", red["crossing_id"], "tobacco") | {"goods_class": "cigars"}
    subject = propose(world.runtime, POLICY, propose_table(make_table()), by="classes-ann")
    assert world.post("/v1/seizures", body).status_code == 422, "one person is not enough"
    approve(world.runtime, POLICY, subject, by="classes-bob")
    assert world.post("/v1/seizures", body).status_code == 201
    with world.runtime.store.read() as connection:
        assert len(read_goods_classes(connection).by_code) == 19
        assert read_goods_classes(connection, at=1) == shipped_goods_classes(), "before"


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        ({"classes": []}, "too_short"),
        ({"classes": [CIGARS]}, "missing_key"),
        (make_table(narcotics={}), "missing_key"),
        (make_table(persons={"units": ["kg"]}), "count_alone"),
        (make_table(tobacco={"code": "cigars"}), "duplicate_id"),
        (make_table(tobacco={"gravity": -1}), "negative"),
        (make_table(tobacco={"gravity": float("nan")}), "not_finite"),
        (make_table(tobacco={"units": ["tons"]}), "unknown_enumeration"),
        (make_table(tobacco={"names": {"ru": "табак"}}), "missing_key"),
        (make_table(tobacco={"is_free": True}), "unknown_field"),
    ],
)
def test_a_wrong_table_names_its_rule(world: World, table: Any, rule: str) -> None:
    with world.runtime.store.read() as connection:
        history = read_policy(connection)
    with pytest.raises(RecordError) as refused:
        propose_table(table).complete(history)
    assert refused.value.rule == rule and refused.value.field.startswith("value")


def test_a_class_that_left_the_table_keeps_its_meaning() -> None:
    rows = [one for one in make_table()["classes"] if one["code"] not in ("tobacco", "explosives")]
    table = GoodsClasses.model_validate({"classes": rows}, strict=False)
    assert table.name("tobacco", "ru") == "tobacco"
    assert not table.teaches_load("tobacco") and table.teaches_load("narcotics")
    assert table.teaches_load(None), "finds of before had no class, and were loads"
