"""What is reported after a decision; what a checkpoint then reads has a file of its own."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from tests.support.running_service import POST, World, arrival, decide_until

START = 5000


def act(number: int, crossing_id: str, **more: Any) -> dict[str, Any]:
    known = {
        "inspection_id": f"i-{number}",
        "crossing_id": crossing_id,
        "recorded_at": datetime.now(UTC).isoformat(),
        "methods": ["physical"],
        "minutes": 40,
        "places_searched": ["cargo.among"],
        "outcome": "clear",
    }
    return known | more


def find(world: World, channel: str, start: int) -> dict[str, Any]:
    """Ask for decisions until one goes to this channel."""
    return decide_until(world, channel, range(start, start + 500), arrival)


def test_the_server_says_why_a_referred_vehicle_was_inspected(world: World) -> None:
    red = find(world, "red", START)
    seen = world.get(f"/v1/decisions/{red['decision_id']}").json()
    filed = world.post("/v1/inspections", act(1, red["crossing_id"], basis="officer"))
    assert set(filed.json()) == {"inspection_id", "crossing_id", "recorded_at", "receipt"}
    assert read_basis(world, filed) == (seen["basis"], seen["propensity"])


def read_basis(world: World, filed: Any) -> tuple[str, float | None]:
    """Return why an act took place, as its record says: the answer does not."""
    with world.runtime.store.read() as connection:
        body = world.runtime.journal.body(connection, filed.json()["receipt"]["sequence"])
    return body["inspection"]["basis"], body["inspection"].get("propensity")


def test_only_for_a_vehicle_let_go_the_senders_word_counts(world: World) -> None:
    green = find(world, "green", START + 500)
    response = world.post("/v1/inspections", act(2, green["crossing_id"], basis="counterpart"))
    assert read_basis(world, response) == ("counterpart", None)
    for basis in ("random", "score", "watchlist"):
        refused = world.post("/v1/inspections", act(3, green["crossing_id"], basis=basis))
        assert refused.status_code == 422
    refused = world.post("/v1/inspections", act(3, green["crossing_id"], propensity=0.5))
    assert refused.status_code == 422


def test_an_act_may_name_what_is_the_engines_to_fill_as_missing(world: World) -> None:
    green = find(world, "green", START + 750)
    body = act(30, green["crossing_id"])
    first = world.post("/v1/inspections", body | {"basis": None, "propensity": None})
    assert first.status_code == 201
    assert world.post("/v1/inspections", body).content == first.content


def test_a_crossing_is_released_whatever_its_name(world: World) -> None:
    for name in ("c/1", "Ж 7?#", "release", "c//2"):
        body = arrival(START + 760, crossing_id=name)
        assert world.decide(body).status_code == 201
        path = f"/v1/crossings/{quote(name, safe='')}/release"
        assert world.post(path, None).json()["id"] == name
        refused = world.post(f"/v1/crossings/{quote(f'not {name}', safe='')}/release", None).json()
        assert (refused["status"], refused["title"]) == (404, "NotFound")
        assert refused["instance"] == "/v1/crossings/{crossing_id}/release"


def test_the_same_act_again_is_one_act(world: World) -> None:
    green = find(world, "green", START + 1500)
    body = act(5, green["crossing_id"])
    first = world.post("/v1/inspections", body)
    assert world.post("/v1/inspections", body).content == first.content
    assert world.post("/v1/inspections", body | {"minutes": 41}).status_code == 409


def test_an_act_and_a_release_leave_the_queue(world: World) -> None:
    def list_waiting() -> set[str]:
        found = world.get("/v1/posts/OYB/queue").json()["waiting"]
        return {one["crossing_id"] for one in found}

    one, two = find(world, "red", START + 2000), find(world, "yellow", START + 2500)
    assert {one["crossing_id"], two["crossing_id"]} <= list_waiting()
    world.post("/v1/inspections", act(6, one["crossing_id"]))
    released = world.post(f"/v1/crossings/{two['crossing_id']}/release", None)
    assert released.status_code == 201
    assert (
        world.post(f"/v1/crossings/{two['crossing_id']}/release", None).content == released.content
    )
    assert not {one["crossing_id"], two["crossing_id"]} & list_waiting()


def test_a_seizure_moves_the_features_of_the_next_crossing(world: World) -> None:
    body = arrival(START + 3000, driver_ref="driver-of-a-find", carrier_id="carrier-of-a-find")
    first = world.decide(body).json()
    filed = world.post("/v1/inspections", act(7, first["crossing_id"], outcome="seizure"))
    assert filed.status_code == 201
    seizure = {
        "seizure_id": "s-1",
        "inspection_id": "i-7",
        "crossing_id": first["crossing_id"],
        "recorded_at": datetime.now(UTC).isoformat(),
        "substance_class": "narcotic",
        "quantity_g": 2000,
    }
    assert world.post("/v1/seizures", seizure).status_code == 201
    body = arrival(START + 3001, driver_ref="driver-of-a-find", carrier_id="carrier-of-a-find")
    second = world.decide(body).json()
    known = world.get(f"/v1/decisions/{second['decision_id']}/features").json()["features"]
    assert known["driver_inspections_365d"] == 1 and known["driver_hit_rate"] > 0


def test_what_was_never_reported_is_not_found(world: World) -> None:
    assert world.post("/v1/inspections", act(8, "never-seen")).status_code == 404
    assert world.post("/v1/crossings/never-seen/release", None).status_code == 404
    body = act(9, find(world, "red", START + 3500)["crossing_id"])
    other = {"Authorization": f"Bearer {world.other}"}
    assert world.client.post("/v1/inspections", json=body, headers=other).status_code == 404


def test_a_recorded_crossing_is_known_to_the_next_decision(world: World) -> None:
    exit_ = arrival(START + 4000, direction="exit", crossing_id="exit-1")
    answer = world.post("/v1/crossings", exit_)
    assert answer.status_code == 201
    assert world.post("/v1/crossings", exit_).content == answer.content
    decision = world.decide(arrival(START + 4000)).json()
    known = world.get(f"/v1/decisions/{decision['decision_id']}/features").json()["features"]
    assert known["plate_crossings_365d"] == 1


def test_a_bare_crossing_is_recorded_as_one_without_a_declaration(world: World) -> None:
    whole = arrival(970, direction="exit") | {"declaration": None}
    assert world.post("/v1/crossings", whole["crossing"]).status_code == 201
    assert world.post("/v1/crossings", whole).status_code == 201  # the same crossing, once
    wrong = whole["crossing"] | {"direction": "up"}
    refused = world.post("/v1/crossings", wrong)
    assert refused.status_code == 422
    assert refused.json()["fields"][0]["rule"] == "unknown_enumeration"


def test_an_act_and_a_seizure_without_a_time_have_the_services(world: World) -> None:
    green = find(world, "green", START + 1700)
    body = act(40, green["crossing_id"], outcome="seizure")
    del body["recorded_at"]
    goods = {"seizure_id": "s-40", "substance_class": "narcotic", "inspection_id": "i-40"}
    goods |= {"crossing_id": green["crossing_id"]}
    for path, sent in (("/v1/inspections", body), ("/v1/seizures", goods)):
        before = datetime.now(UTC)
        first = world.post(path, sent)
        assert first.status_code == 201, first.text
        with world.runtime.store.read() as connection:
            sequence = first.json()["receipt"]["sequence"]
            record = world.runtime.journal.body(connection, sequence)
        stated = (record.get("inspection") or record["seizure"])["recorded_at"]
        assert before <= datetime.fromisoformat(stated) <= datetime.now(UTC)
        assert world.post(path, sent).content == first.content, "sent again it is the same"
        other = sent | {"recorded_at": datetime.now(UTC).isoformat()}
        assert world.post(path, other).status_code == 409


def test_an_act_that_begins_after_the_services_time_states_its_own(world: World) -> None:
    green = find(world, "green", START + 1800)
    later = datetime.now(UTC) + timedelta(minutes=1)
    body = act(41, green["crossing_id"], started_at=later.isoformat())
    del body["recorded_at"]
    (fault,) = world.post("/v1/inspections", body).json()["fields"]
    assert (fault["at"], fault["rule"]) == ("inspection.started_at", "in_the_future")
    assert world.post("/v1/inspections", body | {"recorded_at": later.isoformat()}).is_success


def test_a_vehicle_that_is_decided_on_again_counts_once(world: World) -> None:
    red = find(world, "red", START + 3_000)
    number = int(red["crossing_id"].rpartition("-")[2])
    before = count_streams(world)
    changed = arrival(number, weighed_mass_kg=9_000.0)
    changed["crossing"]["arrived_at"] = read_arrival(world, red)["arrived_at"]
    again = world.post(f"/v1/decisions/{red['decision_id']}/amendments", changed)
    assert again.status_code == 201, again.text
    assert world.post("/v1/inspections", act(3_000, red["crossing_id"])).status_code == 201
    sent, inspected = count_streams(world)
    assert (sent, inspected) == (before[0], before[1] + 1)


def read_arrival(world: World, decision: dict[str, Any]) -> dict[str, Any]:
    with world.runtime.store.read() as connection:
        body = world.runtime.journal.body(connection, decision["receipt"]["sequence"])
    crossing: dict[str, Any] = body["arrival"]["crossing"]
    return crossing


def count_streams(world: World) -> tuple[int, int]:
    """Return how many vehicles of the shift were sent to officers, and how many inspected."""
    rows = world.get(f"/v1/posts/{POST}/shift").json()["this_shift"]["streams"]
    return sum(row["sent"] for row in rows), sum(row["inspected"] for row in rows)
