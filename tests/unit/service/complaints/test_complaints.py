"""Complaints of traders: filed by one person, answered by another, listed and counted."""

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.auth.accounts import Accounts
from api.auth.agencies import AgencyTable
from api.complaints.answers import Complaints
from engine.domain.rights import Role
from tests.support.people import Desk, at_desk, person, put_into_force, send, user
from tests.support.running_service import POST, World, arrival
from tests.unit.service.auth.test_agencies import key_of

START = 660_000


@pytest.fixture(scope="module")
def filed(world: World) -> SimpleNamespace:
    """File two complaints about one decision, and answer one of them."""
    decision = world.decide(arrival(START)).json()
    ann, bob = person(world, Role.SUPERVISOR), person(world, Role.SUPERVISOR)
    made = [file(world, decision, ann, ground=ground) for ground in ("delay", "damage")]
    assert [one.status_code for one in made] == [201, 201], made[0].text
    first, second = (int(one.json()["id"]) for one in made)
    answered = reply(world, first, bob)
    assert answered.status_code == 201, answered.text
    return SimpleNamespace(decision=decision, ann=ann, bob=bob, first=first, second=second)


def file(world: World, decision: Any, by: dict[str, str], **more: Any) -> Any:
    body = {"decision_id": decision["decision_id"], "ground": "delay", "text": "nine hours"}
    return send(world, "/v1/complaints", body | more, by)


def reply(world: World, sequence: int, by: dict[str, str], **more: Any) -> Any:
    body = {"verdict": "upheld", "text": "the scanner was down"}
    return send(world, f"/v1/complaints/{sequence}/answers", body | more, by)


def read(world: World, query: str = "", role: Role = Role.SUPERVISOR) -> dict[str, Any]:
    answer = world.get(f"/v1/complaints?{query}", role)
    assert answer.status_code == 200, answer.text
    TypeAdapter(Complaints).validate_python(answer.json())
    found: dict[str, Any] = answer.json()
    return found


def test_a_complaint_and_its_answer_are_listed_with_the_decision(
    world: World, filed: SimpleNamespace
) -> None:
    found = read(world, f"decision={filed.decision['decision_id']}")
    of = {one["sequence"]: one for one in found["complaints"]}
    first, second = of[filed.first], of[filed.second]
    assert first["verdict"] == "upheld" and first["answered_by"] != first["filed_by"]
    assert second["verdict"] is None and second["post"] == POST
    counts = {one["ground"]: (one["filed"], one["open"], one["upheld"]) for one in found["counts"]}
    assert counts["delay"] == (1, 0, 1) and counts["damage"] == (1, 1, 0)
    assert read(world, "decision=none")["complaints"] == []
    desk = at_desk(world, "complaint-reader", Role.ANALYST)
    page = desk.get(f"/complaints?decision={filed.decision['decision_id']}").text
    assert "nine hours" in page and "the scanner was down" in page
    assert 'action="/complaints' not in page, "an analyst neither files nor answers"
    seen = f"/decisions/{filed.decision['decision_id']}"
    head = desk.get(seen).text.partition('id="complaint"')[2].partition("</p>")[0]
    assert (
        "delay" in head and "(justified)" in head and "damage" in head and "(not answered)" in head
    )
    unseen = at_desk(world, "complaint-officer", Role.CHECKPOINT).get(seen).text
    assert 'id="complaint"' not in unseen
    other = at_desk(world, "complaint-integrity", Role.INTEGRITY).get("/complaints").text
    assert 'href="/decisions/' in page and 'href="/decisions/' not in other, "not its page"
    proof = f"/decisions/{filed.decision['decision_id']}/recomputation"
    paper = desk.get(proof).text
    assert "nine hours" in paper and "the scanner was down" in paper and 'id="reviews"' not in paper
    review = {"verdict": "override", "channel": "blue", "reason_code": "other", "reason": "a word"}
    path = f"/v1/decisions/{filed.decision['decision_id']}/reviews"
    assert send(world, path, review, filed.ann).status_code == 201
    assert "a word" in desk.get(proof).text.partition('id="reviews"')[2]


def test_a_form_presets_no_reason_and_no_verdict(world: World) -> None:
    decision = world.decide(arrival(START + 11)).json()["decision_id"]
    desk = at_desk(world, "complaint-presets")
    page = f"/complaints?decision={decision}"
    shown = desk.get(page).text
    assert '<option value="selection">' in shown and '<option value="holding">' in shown
    body = {"decision_id": decision, "ground": "", "text": "why we", "once": "c" * 24}
    assert desk.send(page, "/complaints", body).status_code == 422
    assert read(world, f"decision={decision}")["complaints"] == []
    body |= {"ground": "selection"}
    assert desk.send(page, "/complaints", body).status_code == 303
    (one,) = read(world, f"decision={decision}")["complaints"]
    second = at_desk(world, "complaint-replier")
    assert "Waits for your answer" in second.get("/notifications").text
    given = {"verdict": "", "text": "by lot", "once": "e" * 24}
    path = f"/complaints/{one['sequence']}/answers"
    assert second.send("/complaints", path, given).status_code == 422


def test_complaints_are_counted_by_the_day_of_their_filing(
    world: World, filed: SimpleNamespace
) -> None:
    assert len(read(world, "from=2026-10-14&to=2026-10-14")["complaints"]) >= 2
    assert read(world, "from=2026-10-13&to=2026-10-13")["complaints"] == []
    assert world.get("/v1/complaints?from=2026-10-13&to=2026-10-01").status_code == 422
    assert read(world, f"post={POST}")["counts"] == read(world)["counts"]


def test_nobody_answers_their_own_complaint_and_none_twice(
    world: World, filed: SimpleNamespace
) -> None:
    decision = world.decide(arrival(START + 1)).json()
    made = int(file(world, decision, filed.ann).json()["id"])
    refused = reply(world, made, filed.ann)
    assert refused.status_code == 403, refused.text
    assert reply(world, made, person(world, Role.INTEGRITY), verdict="rejected").status_code == 201
    assert reply(world, made, filed.bob).status_code == 409
    assert reply(world, 1, filed.bob).status_code == 404
    assert reply(world, 10**9, filed.bob).status_code == 404


def test_a_complaint_of_a_supervisor_who_left_is_answered(
    world: World, filed: SimpleNamespace
) -> None:
    decision = world.decide(arrival(START + 7)).json()
    desk = at_desk(world, "complaint-filer")
    body = {"decision_id": decision["decision_id"], "ground": "delay", "text": "nine hours"}
    page = f"/complaints?decision={decision['decision_id']}"
    assert desk.send(page, "/complaints", body | {"once": "d" * 24}).status_code == 303
    (one,) = read(world, f"decision={decision['decision_id']}")["complaints"]
    Accounts(world.runtime.store, world.runtime.network).remove_user("complaint-filer")
    assert reply(world, one["sequence"], filed.bob).status_code == 201


def test_the_same_request_is_recorded_once(world: World, filed: SimpleNamespace) -> None:
    body = {"decision_id": filed.decision["decision_id"], "ground": "other", "text": "papers"}
    keyed = [
        send(world, "/v1/complaints", body, filed.ann | {"Idempotency-Key": "complaint-1"}).json()
        for _ in range(2)
    ]
    assert keyed[0] == keyed[1]


@pytest.mark.parametrize(
    ("field", "value"),
    [("decision_id", ""), ("ground", "hunger"), ("text", ""), ("text", "x" * 2000), ("name", "A")],
)
def test_a_complaint_that_is_none_names_its_field(
    world: World, filed: SimpleNamespace, field: str, value: str
) -> None:
    refused = file(world, filed.decision, filed.ann, **{field: value})
    assert refused.status_code == 422 and field in refused.json()["fields"][0]["at"]


def test_only_supervisors_file_and_unknown_decisions_are_refused(
    world: World, filed: SimpleNamespace
) -> None:
    for role in (Role.ANALYST, Role.INTEGRITY, Role.ADMINISTRATOR):
        assert file(world, filed.decision, person(world, role)).status_code == 403
    assert world.get("/v1/complaints", Role.CHECKPOINT).status_code == 403
    assert file(world, {"decision_id": "none"}, filed.ann).status_code == 404
    keyless = world.post("/v1/complaints", {}, Role.SUPERVISOR)
    assert keyless.status_code in (403, 422)


def test_a_waiting_complaint_is_notified_to_who_may_answer(
    world: World, filed: SimpleNamespace
) -> None:
    def count_complaints(by: dict[str, str]) -> int:
        found = world.client.get("/v1/notifications", headers=by).json()["notifications"]
        return sum(one["about"] == "complaint" for one in found)

    assert count_complaints(filed.bob) > count_complaints(filed.ann)
    assert count_complaints(person(world, Role.ANALYST)) == 0


def test_a_complaint_is_filed_and_answered_by_form(world: World, filed: SimpleNamespace) -> None:
    decision = world.decide(arrival(START + 2)).json()["decision_id"]
    first, second = Desk(world), at_desk(world, "answers")
    assert first.sign_in("files", user(world, "files", Role.SUPERVISOR)).status_code == 303
    page = f"/complaints?decision={decision}"
    fields = {"decision_id": decision, "ground": "search", "text": "Karimov searched it twice"}
    sent = first.send(page, "/complaints", fields | {"once": "f" * 24})
    assert sent.status_code == 303, sent.text
    (one,) = read(world, f"decision={decision}")["complaints"]
    assert one["filed_by"] == "files" and one["names_person"]
    assert "may name a person" in first.get(page).text
    given = {"verdict": "rejected", "text": "twice by order", "once": "e" * 24}
    done = second.send(page, f"/complaints/{one['sequence']}/answers", given)
    assert done.status_code == 303, done.text
    assert read(world, f"decision={decision}")["complaints"][0]["answered_by"] == "answers"


def test_what_was_typed_stays_where_a_form_is_refused(world: World, filed: SimpleNamespace) -> None:
    decision = filed.decision["decision_id"]
    desk, page = at_desk(world, "complaint-typist"), f"/complaints?decision={decision}"
    fields = {"decision_id": decision, "ground": "damage", "text": " ", "reference": "№ 7/26"}
    refused = desk.send(page, "/complaints", fields | {"once": "c" * 24})
    assert refused.status_code == 422 and "№ 7/26" in refused.text
    assert '<option value="damage" selected' in refused.text and 'id="text-wrong"' in refused.text
    given = {"verdict": "rejected", "text": "x" * 1001, "once": "b" * 24}
    refused = desk.send(page, f"/complaints/{filed.second}/answers", given)
    assert refused.status_code == 422 and "x" * 1001 in refused.text
    assert refused.text.count('id="text"') == 1, "the form that files is not shown"


def test_complaints_of_another_agency_are_not_seen(world: World, filed: SimpleNamespace) -> None:
    everybody = {"agencies": ["*"], "roles": ["*"], "matters": ["*"]}
    hidden = {"agencies": ["interior"], "roles": ["*"], "matters": ["reviews"]}
    rules = [
        hidden | {"see": "own", "act": "own", "approve": "own"},
        everybody | {"see": "all", "act": "all", "approve": "all"},
    ]
    table = AgencyTable.model_validate(
        {"agencies": ["customs", "interior"], "rules": rules}, strict=False
    )
    for name in ("complaint-first", "complaint-second"):
        user(world, name, Role.ADMINISTRATOR)
    put_into_force(world.runtime, table, "complaint-first", "complaint-second")
    customs, interior = (key_of(world, one, Role.SUPERVISOR) for one in ("customs", "interior"))
    decision = world.decide(arrival(START + 3)).json()
    made = int(file(world, decision, customs, text="of customs").json()["id"])
    seen = world.client.get("/v1/complaints", headers=interior).json()["complaints"]
    assert made not in [one["sequence"] for one in seen]
    assert reply(world, made, interior).status_code == 404
    assert made in [one["sequence"] for one in read(world)["complaints"]]
