"""Several declarations in the body of one arrival are decided on together, and none is lost."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from engine.criteria import known_lawful, watchlist
from engine.domain.records import Arrival
from engine.domain.rights import Role
from features.history.tables import read_event_log
from tests.support.people import at_desk, person, send
from tests.support.running_service import World, arrival
from tests.unit.service.declarations.test_advance_declarations import (
    advance_body,
    is_recomputed,
    list_used,
    lodge,
    read,
)

NUMBERS = count(61_000)


def papers(name: str, *, net_kg: float = 500.0, **head: Any) -> dict[str, Any]:
    item = {"item_no": 1, "hs_code": "080620", "net_mass_kg": net_kg, "customs_value_usd": 900.0}
    return {"declaration_id": name, "procedure": "import", "items": [item]} | head


def body_with(*declared: dict[str, Any], **crossing: Any) -> dict[str, Any]:
    found = arrival(next(NUMBERS), **crossing)
    return {"crossing": found["crossing"], "declarations": list(declared)}


def decide(world: World, body: dict[str, Any]) -> dict[str, Any]:
    decided = world.decide(body)
    assert decided.status_code == 201, decided.text
    return read(world, decided.json()["decision_id"])


def test_the_goods_of_all_are_decided_on_and_each_is_kept(world: World) -> None:
    number = next(NUMBERS)
    names = f"S-{number}-1", f"S-{number}-2"
    body = body_with(papers(names[0]), papers(names[1], net_kg=700.0))
    decision = decide(world, body)
    joined = papers(names[0])["items"] + [papers("", net_kg=700.0)["items"][0] | {"item_no": 2}]
    alone = {"crossing": body["crossing"] | {"crossing_id": f"c-{number}"}}
    alone["declaration"] = papers(names[0]) | {"items": joined}
    features = [
        world.get(f"/v1/decisions/{one['decision_id']}/features").json()["features"]
        for one in (decision, decide(world, alone))
    ]
    of_goods = [name for name in features[0] if name.startswith(("goods.", "declared."))]
    assert {name: features[0][name] for name in of_goods} == {
        name: features[1][name] for name in of_goods
    }
    assert is_recomputed(world, decision)
    for name in names:
        found = world.get(f"/v1/search?q={name}").text
        assert decision["decision_id"] in found, "each number leads to the vehicle"
    with world.runtime.store.read() as connection:
        tables = read_event_log(world.home, connection)
        kept = world.runtime.journal.body(connection, decision["receipt"]["sequence"])["arrival"]
    assert [one["declaration_id"] for one in kept["declarations"]] == list(names)
    owners = tables.goods_items["declaration_id"].to_pylist()
    assert owners.count(tables.crossings["declaration_id"].to_pylist()[-1]) == 2
    page = at_desk(world, f"reads-{number}").get(f"/decisions/{decision['decision_id']}").text
    assert all(name in page for name in names)


def test_one_in_a_list_is_the_declaration(world: World) -> None:
    body = body_with(papers(f"L-{next(NUMBERS)}"))
    first = world.decide(body)
    assert first.status_code == 201, first.text
    again = {"crossing": body["crossing"], "declaration": body["declarations"][0]}
    assert world.decide(again).content == first.content


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda b: b | {"declarations": [papers("D-1"), papers("D-1")]}, "duplicate"),
        (lambda b: b | {"declaration": papers("D-3")}, "contradiction"),
        (lambda b: b | {"declarations": []}, "too_short"),
        (
            lambda b: b | {"declarations": [papers(f"D-{n}") for n in range(65)]},
            "too_long",
        ),
        (
            lambda b: (
                b
                | {
                    "declarations": [
                        papers(f"D-{n}")
                        | {
                            "items": [
                                papers("")["items"][0] | {"item_no": i} for i in range(1, 600)
                            ]
                        }
                        for n in range(2)
                    ]
                }
            ),
            "too_many_items",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(
    world: World, change: Callable[[dict[str, Any]], dict[str, Any]], rule: str
) -> None:
    refused = world.decide(change(body_with(papers("D-1"), papers("D-2"))))
    assert refused.status_code == 422, refused.text
    assert rule in refused.text


def test_a_crossing_may_name_any_of_them(world: World) -> None:
    number = next(NUMBERS)
    names = f"N-{number}-1", f"N-{number}-2"
    both = [papers(name) for name in names]
    assert decide(world, body_with(*both, declaration_id=names[1]))
    refused = world.decide(body_with(*both, declaration_id="N-other"))
    assert refused.status_code == 422 and "contradiction" in refused.text


@pytest.fixture(scope="module")
def watched(world: World) -> str:
    """Return a consignee on the watch list."""
    ann, bob = person(world, Role.ANALYST), person(world, Role.SUPERVISOR)
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    entry = {"consignee": "firm-hidden", "reason": "tip-off", "expiry": until}
    made = send(world, "/v1/watchlist", entry, ann)
    assert made.status_code == 201, made.text
    path = f"/v1/watchlist/{made.json()['id']}/approvals"
    assert send(world, path, {}, bob).status_code == 201
    return "firm-hidden"


def mixed(party: str) -> dict[str, Any]:
    number = next(NUMBERS)
    innocent = papers(f"M-{number}-1", consignee_id="firm-clean")
    return body_with(innocent, papers(f"M-{number}-2", consignee_id=party))


def test_a_party_of_the_second_declaration_is_on_the_watch_list(world: World, watched: str) -> None:
    assert decide(world, mixed(watched))["watchlist"]


def test_a_party_that_only_the_join_is_asked_for_is_missed(
    world: World, watched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the watch list reads what the declarations have in common."""
    every = watchlist.list_arrival_keys

    def of_join(arrival: Arrival) -> Iterator[int]:
        return every(arrival.model_copy(update={"declarations": None}))

    monkeypatch.setattr(watchlist, "list_arrival_keys", of_join)
    with pytest.raises(AssertionError):
        test_a_party_of_the_second_declaration_is_on_the_watch_list(world, watched)


def test_known_lawful_trade_is_what_all_of_them_say() -> None:
    """A firm that is known makes nothing lawful of the goods of another beside it."""
    lawful = Arrival.model_validate(mixed("firm-other"), strict=False)
    keys = set(known_lawful._list_keys(lawful))
    assert watchlist.make_key("consignee", "firm-clean") not in keys
    assert watchlist.make_key("consignee", "firm-clean") in set(watchlist.list_arrival_keys(lawful))


def test_several_that_came_ahead_are_all_used(world: World) -> None:
    number = next(NUMBERS)
    names = [f"A-{number}-{n}" for n in (1, 2)]
    for name in names:
        assert lodge(world, advance_body(name, papers=papers(name))).status_code == 201
    decision = decide(world, body_with(*map(papers, names)))
    assert [name for name, _ in list_used(decision)] == names
    assert decision["declared_ahead"]["differences"] == []
    assert "advance_ambiguous" not in decision["data_gaps"] and is_recomputed(world, decision)
    with_stranger = [f"A-{number}-{n}" for n in (3, 4)]
    lodged = with_stranger[0]
    assert lodge(world, advance_body(lodged, papers=papers(lodged))).status_code == 201
    decision = decide(world, body_with(*map(papers, with_stranger)))
    assert [name for name, _ in list_used(decision)] == [lodged]
    assert decision["declared_ahead"]["differences"] == [], "compared with its own alone"
