"""The paired post's late record: told beside the decision, and the vehicle comes forward."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.service.test_acts import find
from tests.service.world import OTHER, POST, World


def exit_of(world: World, decision: dict[str, Any], **more: Any) -> Any:
    """Record the exit of a decided vehicle at the paired post."""
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
    headers = {"Authorization": f"Bearer {world.other}"}
    return world.client.post("/v1/crossings", json=left | more, headers=headers)


def queue(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.get(f"/v1/posts/{POST}/queue").json()["waiting"]
    return found


def test_a_difference_is_told_and_brings_the_vehicle_forward(world: World) -> None:
    for start in (90_000, 91_000, 92_000):
        find(world, "red", start)
    reds = [one for one in queue(world) if one["channel"] == "red"]
    last = reds[-1]
    assert exit_of(world, last, weighed_mass_kg=20_000.0, driver_ref="ps-77").status_code == 201
    now = queue(world)
    assert now[0]["decision_id"] == last["decision_id"]
    assert [alert["code"] for alert in now[0]["alerts"]] == ["driver", "mass"]
    assert "ps-77" not in str(now[0]["alerts"]), "a driver stays a pseudonym of the sender"
    stored = world.get(f"/v1/decisions/{last['decision_id']}").json()
    assert stored["receipt"]["leaf"] == last["receipt"]["leaf"], "nothing is rewritten"
    assert stored["rank"] != now[0]["rank"]


def test_an_equal_record_alerts_nobody(world: World) -> None:
    red = find(world, "red", 93_000)
    before = [one["decision_id"] for one in queue(world)]
    assert exit_of(world, red).status_code == 201
    assert [one["decision_id"] for one in queue(world)] == before
    assert "alerts" not in world.get(f"/v1/decisions/{red['decision_id']}").json()


def test_an_entry_at_the_other_post_is_another_movement(world: World) -> None:
    red = find(world, "red", 94_000)
    assert exit_of(world, red, direction="entry", weighed_mass_kg=1.0).status_code == 201
    assert "alerts" not in world.get(f"/v1/decisions/{red['decision_id']}").json()
