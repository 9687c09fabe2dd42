"""The paired post's late record: shown next to the decision, and the vehicle comes forward."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.people import at_desk
from tests.support.running_service import OTHER, POST, World, arrival
from tests.unit.service.reports.test_acts import find


def exit_body(world: World, decision: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the exit of a decided vehicle at the paired post."""
    with world.runtime.store.read() as connection:
        body = world.runtime.journal.body(connection, decision["receipt"]["sequence"])
    ours = body["arrival"]["crossing"]
    left = {
        "crossing_id": f"x-{decision['crossing_id']}",
        "post": OTHER,
        "direction": "exit",
        "arrived_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat(),
        "vehicle_class": ours["vehicle_class"],
        "plate": ours["plate"].lower(),
        "weighed_mass_kg": ours["weighed_mass_kg"],
        "driver_ref": ours["driver_ref"],
        "is_empty": ours["is_empty"],
    }
    return left | more


def exit_of(world: World, decision: dict[str, Any], **more: Any) -> Any:
    """Record the exit of a decided vehicle at the paired post."""
    headers = {"Authorization": f"Bearer {world.other}"}
    left = exit_body(world, decision, **more)
    return world.client.post("/v1/crossings", json=left, headers=headers)


def queue(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.get(f"/v1/posts/{POST}/queue").json()["waiting"]
    return found


def test_a_difference_is_shown_and_brings_the_vehicle_forward(world: World) -> None:
    ours = {find(world, "red", start)["crossing_id"] for start in (90_000, 91_000, 92_000)}
    reds = [one for one in queue(world) if one["crossing_id"] in ours]
    last = reds[-1]
    assert exit_of(world, last, weighed_mass_kg=20_000.0, driver_ref="ps-77").status_code == 201
    now = queue(world)
    first = next(one for one in now if one["crossing_id"] in ours)
    assert first["crossing_id"] == last["crossing_id"] and first["amends"] == last["decision_id"]
    assert [alert["code"] for alert in first["alerts"]] == ["driver", "mass"]
    assert "ps-77" not in str(first["alerts"]), "a driver stays a pseudonym of the sender"
    stored = world.get(f"/v1/decisions/{last['decision_id']}").json()
    assert stored["receipt"]["leaf"] == last["receipt"]["leaf"], "nothing is rewritten"
    assert stored["rank"] != first["rank"]
    boss = at_desk(world, "alerted")
    boss.get("/language/ru?back=/")
    page = boss.get(f"/decisions/{last['decision_id']}").text
    assert "другой водитель" in page and "20 т" in page, "in the reader's words"
    boss.get("/language/en?back=/")
    order = boss.get(f"/decisions/{first['decision_id']}/order")
    assert order.status_code == 200, "printed where the other side's record is known, too"
    told = order.text.partition("Differs from the other side")[2].partition("</dd>")[0]
    assert "Weighbridge mass" in told and "Driver" in told


def test_an_equal_record_raises_no_alert(world: World) -> None:
    red = find(world, "red", 93_000)
    before = [one["decision_id"] for one in queue(world)]
    assert exit_of(world, red).status_code == 201
    assert [one["decision_id"] for one in queue(world)] == before
    assert "alerts" not in world.get(f"/v1/decisions/{red['decision_id']}").json()


def test_an_entry_at_the_other_post_is_another_movement(world: World) -> None:
    red = find(world, "red", 94_000)
    assert exit_of(world, red, direction="entry", weighed_mass_kg=1.0).status_code == 201
    assert "alerts" not in world.get(f"/v1/decisions/{red['decision_id']}").json()


def test_a_changed_plate_is_shown_where_the_vin_leads_to_the_decision(world: World) -> None:
    vin, red = "1M8GDM9AXKP042788", find(world, "red", 95_000)
    green = world.decide(arrival(96_000, vin=vin, trailer_plate="T-96")).json()
    assert (
        exit_of(world, green, plate="99 X 999 XX", vin=vin, trailer_plate="t96").status_code == 201
    )
    value = world.get(f"/v1/decisions/{green['decision_id']}").json()["alerts"]
    assert [(one["code"], one["matched_by"]) for one in value] == [("plate", ["vin", "trailer"])]
    assert "alerts" not in world.get(f"/v1/decisions/{red['decision_id']}").json()


def test_the_carnet_and_the_note_lead_to_the_decision_too(world: World) -> None:
    for number, papers in ((97_001, {"tir_carnet": "XB 97"}), (97_002, {"cmr_number": "C-97"})):
        body = arrival(number)
        body["declaration"] = body["declaration"] or arrival(1)["declaration"]
        body["declaration"] |= {"declaration_id": f"e-{number}"} | papers
        decided = world.decide(body).json()
        other = exit_body(world, decided, plate=None, weighed_mass_kg=90_000.0)
        declared = body["declaration"] | {"declaration_id": f"x-{number}"}
        headers = {"Authorization": f"Bearer {world.other}"}
        sent = {"crossing": other, "declaration": declared}
        assert world.client.post("/v1/crossings", json=sent, headers=headers).status_code == 201
        (value,) = world.get(f"/v1/decisions/{decided['decision_id']}").json()["alerts"]
        assert value["code"] == "mass" and value["matched_by"] == [next(iter(papers))[:3]]
