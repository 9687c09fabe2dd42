"""The document shows the refusals of every route, and examples that the routes take."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.auth.permissions import MAY
from api.webhooks.steps import WebhookRequest
from engine.cases.case_events import CaseOpening
from engine.circulars.ledger import Circular
from engine.criteria.profiles.profile import ProfileProposal
from engine.criteria.watchlist import WatchEntry
from engine.domain.advance_declarations import AdvanceDeclaration
from engine.domain.records import Arrival
from engine.domain.rights import Role
from tests.support.running_service import POST, World, arrival

Kept = Mapping[str, str]


@pytest.fixture(scope="module")
def kept_names(world: World) -> Kept:
    return all_named(world)


def all_named(world: World) -> Kept:
    """Make one of everything that a path or the document's example of an act can name."""
    decision = world.decide(arrival(1)).json()
    assert world.decide(Arrival.EXAMPLE).status_code == 201
    until = (datetime.now(UTC) + timedelta(days=20)).isoformat()
    profile = ProfileProposal.EXAMPLE | {"valid_until": until}
    entry = WatchEntry.EXAMPLE | {"expiry": until}
    assert world.post("/v1/profiles", profile, Role.ANALYST).status_code == 201
    listed = world.post("/v1/watchlist", entry, Role.ANALYST)
    webhook = world.post("/v1/webhooks", WebhookRequest.EXAMPLE, Role.ADMINISTRATOR)
    assert world.post("/v1/declarations", AdvanceDeclaration.EXAMPLE).status_code == 201
    case = world.post("/v1/cases", CaseOpening.EXAMPLE, Role.SUPERVISOR)
    circular = world.post("/v1/circulars", Circular.EXAMPLE | {"until": until}, Role.SUPERVISOR)
    return {
        "circular_id": circular.json()["circular_id"],
        "case_id": case.json()["case_id"],
        "declaration_id": AdvanceDeclaration.EXAMPLE["declaration"]["declaration_id"],
        "decision_id": decision["decision_id"],
        "crossing_id": decision["crossing_id"],
        "code": profile["code"],
        "entry_id": listed.json()["id"],
        "number": "1",
        "post": POST,
        "proposal": "account-none",
        "request_id": "attention-1",
        "sequence": "1",
        "version": "m1",
        "webhook_id": webhook.json()["webhook_id"],
        "inspection_id": "no-act",
        "seizure_id": "no-seizure",
    }


_DOCUMENT: list[str] = []


def document(world: World) -> dict[str, Any]:
    """Return the document, which every service of a version answers alike: asked for once."""
    _DOCUMENT[:] = _DOCUMENT or [world.client.get("/openapi.json").text]
    found: dict[str, Any] = json.loads(_DOCUMENT[0])
    return found


def test_every_refusal_shows_its_problem_types(world: World) -> None:
    for path, verbs in document(world)["paths"].items():
        for status, value in [pair for one in verbs.values() for pair in one["responses"].items()]:
            if path.startswith("/v1") and int(status) >= 400:
                shown = value["content"]["application/problem+json"]["examples"]
                assert {one["value"]["status"] for one in shown.values()} == {int(status)}
                assert all(
                    one["value"]["type"] == f"/problems/{kind}" for kind, one in shown.items()
                )


BARE = ("verifications", "assessments", "confirmations", "returns", "/files", "/queries")
"""Ends of paths that take no body, or a file; a query starts a process (its tests have one)."""
EXAMPLES = [one for one in MAY if one[0] in ("POST", "PUT") and not one[1].endswith(BARE)]


@pytest.mark.parametrize("route", EXAMPLES, ids=" ".join)
def test_every_route_shows_an_example_that_it_takes(
    world: World, kept_names: Kept, route: tuple[str, str]
) -> None:
    """Sent as it is shown, but for days that have passed; it may come too late here."""
    verb, path = route
    shown = document(world)["paths"][path][verb.lower()]["requestBody"]["content"]
    body = shown["application/json"]["example"]
    if isinstance(body, dict):
        ahead = (datetime.now(UTC) + timedelta(days=20)).isoformat()
        body |= dict.fromkeys({"expiry", "valid_until"} & set(body), ahead)
    if path.endswith("amendments"):
        body["crossing"] |= {"crossing_id": kept_names["crossing_id"]}
    role = Role.SUPERVISOR if path == "/v1/notices" else min(MAY[route])  # told of another post
    to = path.replace("{", "{0[").replace("}", "]}").format(kept_names)
    to += "?team=t-1" if path.endswith("/takings") else ""  # which a machine's key names
    answer = world.client.request(verb, to, json=body, headers=world.headers(role))
    assert answer.status_code in (200, 201, 403, 404, 409), answer.text
