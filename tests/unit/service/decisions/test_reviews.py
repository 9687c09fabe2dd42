"""A supervisor upholds or overrides; the queue follows, the decision stays."""

from contextlib import suppress
from dataclasses import asdict
from typing import Any

import pytest

from api.auth.accounts import Accounts
from api.auth.callers import Caller
from api.auth.credentials import open_pepper
from api.decisions.readers import DecisionReader
from engine.decision.inspection_minutes import place_of
from engine.decision.record_codec import decode_decision
from engine.domain.records import Arrival
from engine.domain.rights import Role
from engine.errors import ConflictError, NotAllowedError
from engine.journal.idempotency import claim
from engine.journal.kinds import DECISION, REVIEW
from engine.queue.queue import read_decision
from engine.queue.reviews import Review, Reviewer, read_reviews
from engine.search_orders.order import SEARCHED_FIRST, search_order
from engine.search_orders.rates import SearchCounts
from engine.selection import Channel
from engine.targeting import report_writer
from tests.support.people import at_desk, user
from tests.support.running_service import POST, World
from tests.unit.service.reports.test_acts import act, find

START = 80_000
OVERRIDE = {"verdict": "override", "reason_code": "officer_observation", "reason": "Fresh paint."}


def send_review(world: World, decision: Any, body: Any, role: Role = Role.SUPERVISOR) -> Any:
    return world.post(f"/v1/decisions/{decision['decision_id']}/reviews", body, role)


def list_waiting(world: World) -> list[str]:
    waiting = world.get(f"/v1/posts/{POST}/queue").json()["waiting"]
    return [one["crossing_id"] for one in waiting]


def test_an_override_moves_the_queue_and_not_the_decision(world: World) -> None:
    green = find(world, "green", START)
    assert send_review(world, green, OVERRIDE | {"channel": "red"}).status_code == 201
    assert green["crossing_id"] in list_waiting(world)
    seen = world.get(f"/v1/decisions/{green['decision_id']}").json()
    assert seen["channel"] == "green"
    (review,) = seen["reviews"]
    assert (review["verdict"], review["channel"]) == ("override", "red")


LET_GO = OVERRIDE | {"channel": "green"}


def list_reviews(world: World, decision: Any) -> list[dict[str, Any]]:
    found = world.get(f"/v1/decisions/{decision['decision_id']}").json()["reviews"]
    assert isinstance(found, list)
    return found


def speak_as(world: World, owner: str, decision: Any, body: Any) -> Any:
    """Review by a new key of a supervisor, who is made where the name is free."""
    accounts = Accounts(world.runtime.store, world.runtime.network)
    with suppress(ConflictError):
        user(world, owner, Role.SUPERVISOR)
    pepper = open_pepper(world.home)
    key = accounts.create_key(Role.SUPERVISOR, None, pepper=pepper, owner=owner).secret
    path = f"/v1/decisions/{decision['decision_id']}/reviews"
    return world.client.post(path, json=body, headers={"Authorization": f"Bearer {key}"})


@pytest.mark.parametrize("channel", ["red", "yellow"])
def test_a_waiting_vehicle_is_let_go_by_two_supervisors(world: World, channel: str) -> None:
    sent = find(world, channel, START + (6000 if channel == "red" else 6500))
    for _ in range(2):  # one person, however often
        assert send_review(world, sent, LET_GO).status_code == 201
        assert sent["crossing_id"] in list_waiting(world)
    assert all(one["needs_second_person"] for one in list_reviews(world, sent))
    assert speak_as(world, "the-supervisor", sent, LET_GO).status_code == 201
    assert sent["crossing_id"] in list_waiting(world), "two keys are one person"
    assert speak_as(world, "the-other", sent, LET_GO).status_code == 201
    assert sent["crossing_id"] not in list_waiting(world)
    assert "needs_second_person" not in list_reviews(world, sent)[-1]


def test_a_word_that_a_second_person_confirmed_waits_for_nobody(world: World) -> None:
    """The word before it, which its own author said again, lapsed."""
    sent = find(world, "red", START + 8000)
    for _ in range(2):
        assert send_review(world, sent, LET_GO).status_code == 201
    desk, path = at_desk(world, "reads-verdicts"), f"/decisions/{sent['decision_id']}"
    assert desk.get(path).text.count("(waits for a second person)") == 1
    assert speak_as(world, "the-other", sent, LET_GO).status_code == 201
    lapsed, first, second = list_reviews(world, sent)
    assert lapsed["needs_second_person"] and "seconded_at" not in lapsed
    assert (first["seconded_by"], first["seconded_at"]) == ("the-other", second["recorded_at"])
    assert not {"needs_second_person", "seconded_by"} & {*second}
    assert "needs_second_person" not in first
    page = desk.get(path).text
    assert "waits for a second person" not in page
    assert "(agreed by the-other, " in page and "(withdrawn or lapsed)" in page


def test_one_supervisor_who_is_enough_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: with the rule left out one person lets a red vehicle go."""
    red = find(world, "red", START + 7000)
    monkeypatch.setattr(report_writer, "second_step", lambda *_, **__: {})
    assert send_review(world, red, LET_GO).status_code == 201
    assert red["crossing_id"] not in list_waiting(world)


def test_the_next_review_takes_a_proposal_back(world: World) -> None:
    red = find(world, "red", START + 4000)
    assert send_review(world, red, LET_GO).status_code == 201
    assert (
        send_review(world, red, {"verdict": "uphold", "reason_code": "agreed"}).status_code == 201
    )
    assert speak_as(world, "the-other", red, LET_GO).status_code == 201
    assert red["crossing_id"] in list_waiting(world), "the first word was taken back"
    assert speak_as(world, "the-other", red, LET_GO | {"channel": "blue"}).status_code == 201
    assert red["crossing_id"] in list_waiting(world), "two words, and not the same"
    assert send_review(world, red, LET_GO | {"channel": "yellow"}).status_code == 201, (
        "still inspected"
    )
    assert red["crossing_id"] in list_waiting(world)


def test_who_may_second_a_word_is_told_of_it(world: World) -> None:
    red = find(world, "red", START + 6500)

    first, second = at_desk(world, "the-first"), at_desk(world, "the-second")

    def list_told() -> list[list[str]]:
        lists = [one.get("/v1/notifications").json()["notifications"] for one in (first, second)]
        return [[x["kind"] for x in every if x["id"] == red["decision_id"]] for every in lists]

    assert speak_as(world, "the-first", red, LET_GO).status_code == 201
    assert list_told() == [[], ["approval_waiting"]]
    assert speak_as(world, "the-second", red, LET_GO).status_code == 201
    assert list_told() == [[], []]


def test_a_proposal_lapses_with_its_person(world: World) -> None:
    red = find(world, "red", START + 7500)
    assert speak_as(world, "the-leaver", red, LET_GO).status_code == 201
    Accounts(world.runtime.store, world.runtime.network).remove_user("the-leaver")
    assert speak_as(world, "the-other", red, LET_GO).status_code == 201
    assert red["crossing_id"] in list_waiting(world), "the first word had no reviewer"
    assert send_review(world, red, LET_GO).status_code == 201
    assert red["crossing_id"] not in list_waiting(world)


def test_a_key_without_an_owner_lets_nothing_go(world: World) -> None:
    """No person answers for it."""
    red = find(world, "red", START + 5000)
    reading = DecisionReader(world.runtime, Caller("x", Role.SUPERVISOR, None))
    known = reading.locate(red["decision_id"])
    review = Review.model_validate(LET_GO)
    asked = claim(REVIEW, review, post=known.post, name="review:ownerless")
    with pytest.raises(NotAllowedError):
        world.runtime.recording.review(
            known, review, asked, by=Reviewer("key-1", is_person=False), may_second=lambda _: True
        )
    assert red["crossing_id"] in list_waiting(world)


def test_an_override_takes_a_drawn_place(world: World) -> None:
    """Its own place, far below any red one, would tell a checkpoint how low its risk was."""
    green = find(world, "green", START + 3000)
    assert send_review(world, green, OVERRIDE | {"channel": "red"}).status_code == 201
    with world.runtime.store.read() as connection:
        now = read_decision(connection, green["decision_id"])
        found = decode_decision(world.runtime.journal.body(connection, now.seq, of=DECISION)).inputs
    lowest = 1 - 1.25 * found.policy.red_share  # the lowest risk of this model that it picks
    assert now.channel is Channel.RED
    assert now.place >= place_of(Channel.RED, lowest, minutes=found.minutes)


def test_a_vehicle_sent_to_red_by_a_supervisor_has_a_search_order(world: World) -> None:
    yellow = find(world, "yellow", START + 200)
    assert {step["method"] for step in yellow["search_order"]} <= {"documents", "weighing", "xray"}
    assert send_review(world, yellow, OVERRIDE | {"channel": "red"}).status_code == 201
    path = f"/v1/decisions/{yellow['decision_id']}"
    order = world.get(path).json()["search_order"]
    assert len([step for step in order if step["place"]]) == SEARCHED_FIRST
    assert world.get(path, Role.CHECKPOINT).json()["search_order"] == order, "its officer's order"
    queue = world.get(f"/v1/posts/{POST}/queue", Role.CHECKPOINT).json()["waiting"]
    (row,) = [one for one in queue if one["decision_id"] == yellow["decision_id"]]
    assert row["search_order"] == order
    with world.runtime.store.read() as connection:
        filed_as = read_decision(connection, yellow["decision_id"])
        (kept,) = read_reviews(connection, filed_as)
        body = kept.body
        arrival = Arrival.model_validate(
            world.runtime.journal.body(connection, filed_as.seq)["arrival"], strict=False
        )
    known = SearchCounts.from_dict(body["searches"])
    again = search_order(arrival, known, is_physical=True).steps
    assert [asdict(step) for step in again] == body["search_order"] == order, "from its record"
    back = OVERRIDE | {"channel": "yellow"}
    assert send_review(world, yellow, back).status_code == 201
    assert world.get(path).json()["search_order"] == yellow["search_order"]


def test_a_red_vehicle_keeps_the_order_of_its_decision(world: World) -> None:
    red = find(world, "red", START + 700)
    assert send_review(world, red, OVERRIDE | {"channel": "red"}).status_code == 201
    seen = world.get(f"/v1/decisions/{red['decision_id']}").json()
    assert seen["search_order"] == red["search_order"]


def test_a_searched_vehicle_does_not_wait_again(world: World) -> None:
    red = find(world, "red", START + 1000)
    assert world.post("/v1/inspections", act(90_001, red["crossing_id"])).status_code == 201
    assert send_review(world, red, OVERRIDE | {"channel": "yellow"}).status_code == 201
    assert red["crossing_id"] not in list_waiting(world)


def test_a_key_that_named_one_decision_does_not_stand_for_another(world: World) -> None:
    one, other = find(world, "green", START + 2000), find(world, "green", START + 2500)
    body = {"verdict": "uphold", "reason_code": "agreed"}
    paths = [f"/v1/decisions/{decision['decision_id']}/reviews" for decision in (one, other)]
    first = world.post(paths[0], body, Role.SUPERVISOR, key="r-1")
    assert first.status_code == 201
    assert world.post(paths[0], body, Role.SUPERVISOR, key="r-1").content == first.content
    assert world.post(paths[1], body, Role.SUPERVISOR, key="r-1").status_code == 409


def test_a_bad_review_is_refused(world: World) -> None:
    green = find(world, "green", START + 1500)
    for at, wrong in (
        ("channel", {"verdict": "override", "reason_code": "other", "reason": "why"}),
        ("reason", {"verdict": "override", "reason_code": "other", "channel": "red"}),
        (
            "reason",
            {"verdict": "override", "reason_code": "other", "channel": "red", "reason": "  "},
        ),
        ("verdict", {"verdict": "perhaps", "reason_code": "other"}),
        ("reason_code", OVERRIDE | {"channel": "red", "reason_code": "agreed"}),
        ("reason_code", OVERRIDE | {"channel": "red", "reason_code": "seen"}),
        ("reason_code", {"verdict": "uphold", "reason_code": "seen"}),
        ("reason_code", {"verdict": "uphold"}),
    ):
        refused = send_review(world, green, wrong)
        assert refused.status_code == 422 and refused.json()["fields"][0]["at"] == at
    assert (
        send_review(world, {"decision_id": "dec-none"}, OVERRIDE | {"channel": "red"}).status_code
        == 404
    )
