"""A checkpoint reads no figure of a decision, before its act and after it, on any way.

Forbidden are names (``risk``, ``basis``, ...) and values: whatever the supervisor's view of the
same decision holds as a number of the score must not stand in an answer, a page or an export. The
same walk over the answers of a service with the fault put back finds it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from api import queue as queue_reads
from api.auth.callers import Caller
from api.auth.permissions import MAY
from api.service.runtime import SignedAnswers
from engine.decision.role_views import BLIND
from engine.domain.rights import Role
from engine.journal.batch_worker import StoredRecord
from engine.queue import queue
from tests.support.people import Desk, at_desk
from tests.support.running_service import POST, World, arrival
from tests.support.sizes import PROOF
from tests.unit.service.reports.test_acts import act, find

START = 300_000
PROBES = 600 if PROOF else 3
FORBIDDEN = {
    "risk",
    "percentile",
    "band",
    "p_seizure",
    "p_discrepancy",
    "seizure_between",
    "discrepancy_between",
    "propensity",
    "propensities",
    "is_random",
    "basis",
    "profiles",
    "watchlist",
    "features",
    "contribution",
    "trial",
}
PAPERS = {"methods": ["documents"], "minutes": 0, "places_searched": []}

AHEAD = "x-ahead"
"""A declaration ahead, whose forecast a checkpoint must not read either."""


def list_names(value: Any) -> Iterator[str]:
    """Yield every name that a JSON value gives to something."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from list_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from list_names(inner)


def score_of(world: World, decision: Mapping[str, Any]) -> set[str]:
    """Return the numbers of the score as they would be written; short ones stand anywhere."""
    seen = world.get(f"/v1/decisions/{decision['decision_id']}").json()
    risk = seen["risk"]
    found = [risk["percentile"], risk["p_seizure"], risk["p_discrepancy"], seen["propensity"]]
    found += [one["contribution"] for one in seen["reasons"]]
    # A contribution of the test's model may equal what was declared, which a checkpoint may read.
    declared = json.dumps(arrival(int(decision["crossing_id"].removeprefix("c-"))))
    texts = {json.dumps(one) for one in found if one is not None}
    return {one for one in texts if len(one) > 7 and one not in declared}


def list_leaks(world: World, decision: Mapping[str, Any], answers: list[Any]) -> set[str]:
    """Return what is forbidden in some answers about one decision."""
    found: set[str] = set()
    for answer in answers:
        is_json = answer.headers.get("content-type", "").startswith("application/")
        found |= FORBIDDEN & set(list_names(answer.json())) if is_json else set()
        found |= {one for one in score_of(world, decision) if one in answer.text}
    return found


def read_by_checkpoint(world: World, decision: Mapping[str, Any]) -> list[Any]:
    """Return the answers of every reading route to the key of the decision's post."""
    paths = [path for method, path in MAY if method == "GET"] + ["/readyz", "/metrics"]
    named_things = {"decision_id": decision["decision_id"], "post": POST, "version": "m1"}
    named_things |= {"code": "X", "entry_id": "x", "sequence": "1", "webhook_id": "x"}
    named_things |= {"declaration_id": AHEAD, "link": "x", "request_id": "x", "case_id": "x"}
    named_things |= {"digest": "0" * 64, "crossing_id": decision["crossing_id"], "name": "x"}
    named_things |= {"kind": "plate", "value": decision["facts"][0]["parameters"]["plate"]}
    named_things |= {"circular_id": "x", "seizure_id": "x", "job_id": "x", "key_id": "x"}
    item = {"item_no": 1, "hs_code": "080620"}
    ahead = {"declaration_id": AHEAD, "procedure": "import", "items": [item]}
    assert world.post("/v1/declarations", ahead).status_code == 201
    return [world.get(path.format(**named_things), Role.CHECKPOINT) for path in paths]


def probe(world: World, number: int) -> tuple[dict[str, Any], list[Any]]:
    """Decide on an invented declaration, file a paper act, and read what there is."""
    body = arrival(number)
    decided = world.decide(body)
    decision: dict[str, Any] = decided.json()
    paper = act(number, decision["crossing_id"], **PAPERS)
    filed = world.post("/v1/inspections", paper)
    again = world.post("/v1/inspections", paper)
    assert filed.status_code == 201 and again.content == filed.content
    path = f"/v1/decisions/{decision['decision_id']}"
    changed = world.post(f"{path}/amendments", body | {"declaration": None})
    batch = world.post("/v1/decisions/batch", [body])
    return decision, [decided, filed, changed, batch, *read_by_checkpoint(world, decision)]


def test_probes_with_a_paper_act_read_no_number(world: World) -> None:
    for number in range(START, START + PROBES):
        decision, answers = probe(world, number)
        assert not list_leaks(world, decision, answers)
        for more in ("/features", "/explanation", "/past"):
            path = f"/v1/decisions/{decision['decision_id']}{more}"
            assert world.get(path, Role.CHECKPOINT).status_code == 403


def test_a_service_that_opens_after_any_act_is_caught(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the view of before, in which an act of no minutes opens everything."""
    view_decision = SignedAnswers.view_decision

    def open_all(self: SignedAnswers, found: StoredRecord, *, is_blind: bool) -> dict[str, Any]:
        return view_decision(self, found, is_blind=False)

    monkeypatch.setattr(SignedAnswers, "view_decision", open_all)
    decision, answers = probe(world, START + 1000)
    assert {"risk", "basis", "propensity"} <= list_leaks(world, decision, answers)


def test_a_full_act_on_a_referred_vehicle_opens_words_alone(world: World) -> None:
    red = find(world, "red", START + 2000)
    path = f"/v1/decisions/{red['decision_id']}"
    assert world.get(path, Role.CHECKPOINT).json() == red
    assert world.post("/v1/inspections", act(START + 2000, red["crossing_id"])).status_code == 201
    opened = world.get(path, Role.CHECKPOINT).json()
    assert set(opened) == {*BLIND, "decided_at", "receipt", "reasons"}
    assert opened["reasons"] and {"code", "text"} == set(list_names(opened["reasons"]))
    assert not re.search(r"\d", json.dumps(opened["reasons"]))
    assert not list_leaks(world, red, read_by_checkpoint(world, red))


HOLLOW: tuple[dict[str, Any], ...] = (
    PAPERS,
    {"methods": ["documents", "weighing"], "minutes": 30},
    {"methods": ["physical"], "minutes": 0},
    {"methods": [], "minutes": 0},
)
"""Acts that are not what red asks for."""


@pytest.mark.parametrize("hollow", HOLLOW)
def test_a_paper_act_neither_opens_nor_ends_a_wait_nor_stops_the_search(
    world: World, hollow: dict[str, Any]
) -> None:
    start = START + 3000 + 200 * HOLLOW.index(hollow)
    red = find(world, "red", start)
    path = f"/v1/decisions/{red['decision_id']}"
    assert (
        world.post("/v1/inspections", act(start, red["crossing_id"], **hollow)).status_code == 201
    )
    assert red["crossing_id"] in list_waiting(world)
    assert world.get(path, Role.CHECKPOINT).json() == red
    search = act(start + 1, red["crossing_id"], outcome="discrepancy")
    assert world.post("/v1/inspections", search).status_code == 201
    assert red["crossing_id"] not in list_waiting(world)
    assert "reasons" in world.get(path, Role.CHECKPOINT).json()


def test_an_act_that_contradicts_neither_undoes_the_find_nor_the_search(world: World) -> None:
    """The label is the most that any act found; the act that answered stays the first."""
    red = find(world, "red", START + 4000)
    found = act(START + 4000, red["crossing_id"], outcome="discrepancy")
    denied = act(START + 4001, red["crossing_id"], outcome="clear")
    papers = act(START + 4002, red["crossing_id"], **PAPERS)
    for one in (found, denied, papers):
        assert world.post("/v1/inspections", one).status_code == 201
    with world.runtime.store.read() as connection:
        query = queue.read_decision(connection, red["decision_id"])
        answered = world.runtime.journal.body(connection, query.act_seq or 0)
    assert answered["inspection"]["inspection_id"] == found["inspection_id"]
    assert red["crossing_id"] not in list_waiting(world)


def test_papers_answer_yellow_and_a_supervisor_may_still_send_it_to_be_searched(
    world: World,
) -> None:
    yellow = find(world, "yellow", START + 5000)
    papers = act(START + 5000, yellow["crossing_id"], methods=["documents"], minutes=10)
    assert world.post("/v1/inspections", papers).status_code == 201
    assert yellow["crossing_id"] not in list_waiting(world)
    path = f"/v1/decisions/{yellow['decision_id']}"
    assert world.get(path, Role.CHECKPOINT).json() == yellow, "papers alone open nothing"
    override = {"verdict": "override", "channel": "red", "reason_code": "other"}
    response = world.post(f"{path}/reviews", override | {"reason": "a weld"}, Role.SUPERVISOR)
    assert response.status_code == 201
    assert yellow["crossing_id"] in list_waiting(world), "papers are no search"
    assert (
        world.post("/v1/inspections", act(START + 5001, yellow["crossing_id"])).status_code == 201
    )
    assert yellow["crossing_id"] not in list_waiting(world)


def test_pages_say_no_more_than_the_answers(world: World) -> None:
    red = find(world, "red", START + 6000)
    officer = at_desk(world, "eyes", Role.CHECKPOINT)
    for filed in (None, PAPERS, {}):
        if filed is not None:
            body = act(START + 6000 + len(filed), red["crossing_id"], **filed)
            assert world.post("/v1/inspections", body).status_code == 201
        pages = pages_of(officer, red)
        assert all(page.status_code == 200 for page in pages)
        assert not any(number in page.text for page in pages for number in score_of(world, red))
        text = "".join(page.text for page in pages)
        hidden = r"matters\.|effect on the risk|class=\"chart\"|Selected by|Propensity"
        assert not re.search(hidden, text)
    assert 'id="about"' in pages[0].text, "the words of a full search"


def test_an_opaque_mark_of_the_queue_holds_no_risk(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place is a risk to nine digits: a reader with its digest could search for it."""
    find(world, "red", START + 7000)
    reader = Caller("officer", Role.CHECKPOINT, POST)
    before = queue_reads.mark(world.runtime, POST, reader)
    every = queue.list_waiting

    def nudge_places(*asked: Any, **more: Any) -> Any:
        return [
            queue.QueuedDecision(
                **{n: getattr(one, n) for n in one.__slots__} | {"place": one.place + 1}
            )
            for one in every(*asked, **more)
        ]

    monkeypatch.setattr(queue_reads, "list_waiting", nudge_places)
    assert queue_reads.mark(world.runtime, POST, reader) == before


def pages_of(officer: Desk, decision: Mapping[str, Any]) -> list[Any]:
    return [
        officer.get(f"/decisions/{decision['decision_id']}"),
        officer.get(f"/posts/{POST}/queue"),
    ]


def list_waiting(world: World) -> set[str]:
    found = world.get(f"/v1/posts/{POST}/queue", Role.CHECKPOINT).json()["waiting"]
    return {one["crossing_id"] for one in found}
