"""The client calls any route, and reads the answer as the type that the service names for it."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from lxml import etree
from pydantic import ValidationError

from api import site
from api.cli.demo import _result
from api.client import Client, RefusedError
from api.decisions.answers import CheckpointView, SupervisorView
from api.http.answers import Acknowledged, AcknowledgedAct, Problem, Ready, reader
from api.integrity import IntegrityReport
from api.queue import Queue
from api.shifts.answers import ShiftRoster
from api.webhooks.steps import RegisteredWebhook, WebhookRequest
from engine.domain.records import Arrival
from engine.domain.rights import Role
from tests.support.running_service import POST, World, arrival

SAMPLES = Path(__file__).parents[4] / "docs" / "samples" / "messages"
XML = {"Content-Type": "application/xml"}
IN_KIND = XML | {"Accept": "application/xml"}


def client(world: World, role: Role, headers: dict[str, str] | None = None) -> Client:
    """Return a client of the service in this process."""
    key = (headers or world.headers(role))["Authorization"].removeprefix("Bearer ")
    return Client("http://testserver", key, transport=world.client._transport)


def test_the_demonstration_prints_a_queue_as_the_service_answers_it(world: World) -> None:
    reports = client(world, Role.CHECKPOINT)
    for number in range(620_000, 620_060):
        reports.post(CheckpointView, "/v1/decisions", arrival(number))
    found = client(world, Role.SUPERVISOR).get(Queue, "/v1/posts/{post}/queue", post=POST)
    waiting = [one for one in found.waiting if isinstance(one, SupervisorView)]
    shown = json.loads(json.dumps(_result({POST: waiting}, seconds=1.25, version="m-1")))
    assert shown["synthetic"] and shown["model_version"] == "m-1"
    asked = world.get(f"/v1/posts/{POST}/queue").json()["waiting"]
    same = ("decision_id", "channel", "rank", "reasons", "search_order", "as_of", "risk")
    for ours, theirs in zip(shown["queues"][POST], asked, strict=True):
        assert [ours[field] for field in same] == [theirs[field] for field in same]
    assert waiting


def test_a_checkpoint_reports(world: World) -> None:
    desk = client(world, Role.CHECKPOINT)
    body = arrival(610_001)
    decided = desk.post(CheckpointView, "/v1/decisions", body, key="k-1")
    again = Arrival.model_validate(body, strict=False)
    assert decided == desk.post(CheckpointView, "/v1/decisions", again, key="k-1")
    asked = [arrival(610_002), arrival(610_003, vehicle_class="zeppelin")]
    rows = desk.post(list[CheckpointView | Problem], "/v1/decisions/batch", asked)
    assert isinstance(rows[0], CheckpointView) and isinstance(rows[1], Problem)
    act = {"inspection_id": "i-61", "crossing_id": decided.crossing_id, "outcome": "clear"}
    filed = desk.post(AcknowledgedAct, "/v1/inspections", act, team="night 1", key=None)
    assert filed.receipt.sequence > decided.receipt.sequence
    # A name in the path is quoted, so that it names one thing and no other route.
    for crossing_id in ("c-1/takings", "../decisions", "c 1?team=2"):
        with pytest.raises(RefusedError) as refused:
            desk.post(Acknowledged, "/v1/crossings/{crossing_id}/release", crossing_id=crossing_id)
        assert refused.value.status in (404, 422)
    assert desk.get(Ready, "/readyz").ready


def test_an_identifier_and_a_query_without_a_value(world: World) -> None:
    desk = client(world, Role.INTEGRITY)
    route = "/v1/posts/{post}/integrity"
    assert desk.get(IntegrityReport, route, post=POST, days=7, agency=None).days == 7
    roster = {"minutes": {"physical": 600.0}}
    desk = client(world, Role.SUPERVISOR)
    put = desk.call(Acknowledged, "PUT", f"/v1/posts/{POST}/roster", roster, key="r-1")
    assert put.id == POST and desk.get(ShiftRoster, f"/v1/posts/{POST}/roster").channels


def test_a_refusal_is_raised_with_its_problem(world: World) -> None:
    with client(world, Role.SUPERVISOR) as desk:
        with pytest.raises(RefusedError, match="404 NoModel") as refused:
            desk.post(dict[str, Any], "/v1/models/{version}/approvals", version="none")
        assert refused.value.problem["title"] == "NoModel"
        with pytest.raises(ValidationError):  # the answer has another type than the caller named
            desk.get(Acknowledged, "/v1/models")


def test_a_step_that_deletes(world: World) -> None:
    admin = client(world, Role.ADMINISTRATOR)
    made = admin.post(RegisteredWebhook, "/v1/webhooks", WebhookRequest.EXAMPLE, key="hook-1")
    ended = admin.call(
        Acknowledged, "DELETE", "/v1/webhooks/{webhook_id}", webhook_id=made.webhook_id
    )
    assert ended.id == made.webhook_id


def test_the_answer_of_every_route_has_a_type_that_reads_it() -> None:
    routes = [one for router in site.ROUTERS for one in router.routes]
    kinds = {one.response_model for one in routes if isinstance(one, APIRoute)} - {None}
    assert len(kinds) > 60
    for kind in kinds:
        assert reader(kind).json_schema()


def test_a_standard_message_is_decided_and_answered_in_kind(world: World) -> None:
    document = (SAMPLES / "wco.xml").read_bytes()
    crossing: dict[str, Any] = {
        "crossing_id": "client-m-1",
        "post": POST,
        "direction": "entry",
        "arrived_at": "2026-10-14T06:55:00Z",
        "vehicle_class": "truck",
        "seal_numbers": ["KZ7781", "KZ7782"],
    }
    desk = client(world, Role.CHECKPOINT)
    decision = desk.post(CheckpointView, "/v1/decisions", document, headers=XML, **crossing)
    answer = desk.post(bytes, "/v1/decisions", document, headers=IN_KIND, **crossing)
    assert etree.fromstring(answer).findtext("{*}FunctionalReferenceID") == decision.decision_id
    # A rejection in kind is an answer; a problem is raised.
    rejected = desk.post(bytes, "/v1/decisions", b"<ASYCUDA>", headers=IN_KIND, **crossing)
    assert etree.fromstring(rejected).findtext("{*}FunctionCode") == "03"
    with pytest.raises(RefusedError, match="415"):
        desk.post(CheckpointView, "/v1/decisions", b"<html/>", headers=XML, **crossing)
    with pytest.raises(RefusedError, match="403"):
        client(world, Role.COUNTERPART).post(
            bytes, "/v1/decisions", document, headers=IN_KIND, **crossing
        )
    note = (SAMPLES / "ecmr.json").read_bytes()
    crossing["crossing_id"] = "client-m-2"
    noted = desk.post(CheckpointView, "/v1/decisions", note, **crossing)
    assert noted.decision_id != decision.decision_id
