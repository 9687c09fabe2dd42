"""Whatever the document allows or forbids, the service answers as the document says, to every role.

Requests are generated from the document itself: every boundary of every field, then at random, both
fitting and not. Nothing may be a fault of ours, and every answer must be declared: its status, its
type and, to the last field, its body. Half of the requests are about things that exist.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import checks, openapi
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as declared

from api.auth.permissions import MAY
from api.service.executors import Assessments, Backtests, Measurements
from api.webhooks.steps import WebhookRequest
from engine.cases.case_events import CaseOpening
from engine.circulars.ledger import Circular
from engine.criteria.profiles.profile import ProfileProposal
from engine.criteria.watchlist import WatchEntry
from engine.domain.advance_declarations import AdvanceDeclaration
from engine.domain.records import Arrival
from engine.domain.rights import Role
from engine.errors import NotEnoughDataError
from tests.support.running_service import POST, World, arrival
from tests.support.sizes import PROOF

BOUNDARIES, DRAWN = (1000, 100) if PROOF else (3, 1)
"""Requests generated for each route, role that may call it, and kind: fitting or not."""
STEP = 1 if PROOF else 5
"""At small sizes every fifth route is asked at random; all are at their boundaries."""
CHECKS = [
    checks.not_a_server_error,
    declared.status_code_conformance,
    declared.content_type_conformance,
    declared.response_headers_conformance,
    declared.response_schema_conformance,
]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
Kept = Mapping[str, str]
BASE = "http://testserver"


@pytest.fixture(scope="module", autouse=True)
def _one_backtest() -> Iterator[None]:
    """Run one backtest, which takes a process of its own, and answer with its figures again.

    That takes seconds: at small sizes there is none, as where the history is too short.
    """
    found: list[Any] = []
    run: Callable[..., Any] = Backtests.run

    def once(self: Backtests, *asked: Any, **more: Any) -> Any:
        if not PROOF:
            raise NotEnoughDataError("the backtest", "there is no history")
        found[:] = found or [run(self, *asked, **more)]
        return found[0]

    def no_model(*_: Any, **__: Any) -> Any:
        raise NotEnoughDataError("the measurement", "no model is in force")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Backtests, "run", once)
        patched.setattr(Measurements, "run", no_model)
        patched.setattr(Assessments, "run", lambda _: None)
        yield


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


def operations(found: dict[str, Any]) -> list[Any]:
    return [one.ok() for one in openapi.from_dict(without_messages(found)).get_all_operations()]


def without_messages(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out standard messages and their queries, which belong to no body of JSON.

    tests/unit/service/decisions/test_messages.py varies documents and queries of its own.
    """
    found = json.loads(json.dumps(found))
    for verbs in found["paths"].values():
        for one in verbs.values():
            content = one.get("requestBody", {}).get("content", {})
            if content.pop("application/xml", None):
                one["parameters"] = [each for each in one["parameters"] if each["in"] != "query"]
    return found


def roles_of(operation: Any) -> list[Role | None]:
    """Return the roles that may call a route, one that may not, and none where all may."""
    may = MAY.get((operation.method.upper(), operation.path))
    if may is None:
        return [None]
    return [*sorted(may), next(role for role in Role if role not in may)]


def boundaries(operation: Any, mode: GenerationMode) -> Iterator[Any]:
    schema = operation.schema
    config = schema.config.generation_for(operation=operation)
    found: Iterator[Any] = schema.iter_coverage_cases(
        operation, generation_modes=[mode], generation_config=config
    )
    return found


class Asker:
    """Sends generated requests and holds the answers to the document."""

    def __init__(self, world: World, kept_names: Kept) -> None:
        self._world = world
        self._kept = kept_names
        self._numbers = count()
        self.statuses: Counter[int] = Counter()

    def about_what_exists(self, case: Any) -> None:
        """Let every second request name things that exist, and be new where it has to be."""
        number = next(self._numbers)
        if number % 2:
            return
        for name in set(case.path_parameters or {}) & set(self._kept):
            case.path_parameters[name] = self._kept[name]
        body = case.body
        response = body.get("crossing") if isinstance(body, dict) else None
        if isinstance(response, dict) and isinstance(response.get("crossing_id"), str):
            response |= {"post": POST, "crossing_id": f"made-up-{number}"}

    def ask(self, case: Any, role: Role | None) -> None:
        self.about_what_exists(case)
        raw: Any = requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare()
        headers = {name: value for name, value in raw.headers.items() if name != "Authorization"}
        if role is not None:
            headers |= self._world.headers(role)
        answer = self._world.client.request(raw.method, raw.url, content=raw.body, headers=headers)
        self.statuses[answer.status_code] += 1
        if answer.status_code != 405:  # a method that the document does not have
            case.validate_response(answer, checks=CHECKS)


def ask_at_boundaries(asker: Asker, operation: Any) -> None:
    """Ask in turn as every role; at full size as each of them."""
    roles = roles_of(operation)
    for mode in MODES:
        for number, case in enumerate(islice(boundaries(operation, mode), BOUNDARIES)):
            for role in roles if PROOF else [roles[number % len(roles)]]:
                asker.ask(case, role)


def ask_at_random(asker: Asker, operation: Any, mode: GenerationMode) -> None:
    roles = roles_of(operation)

    @seed(20_240_311)
    @settings(
        max_examples=DRAWN,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask_case(case: Any) -> None:
        for role in roles if PROOF else roles[:1]:  # at small sizes the boundaries ask as each
            asker.ask(case, role)

    ask_case()


def test_every_refusal_shows_its_problem_types(world: World) -> None:
    for path, verbs in document(world)["paths"].items():
        for status, value in [pair for one in verbs.values() for pair in one["responses"].items()]:
            if path.startswith("/v1") and int(status) >= 400:
                shown = value["content"]["application/problem+json"]["examples"]
                assert {one["value"]["status"] for one in shown.values()} == {int(status)}
                assert all(
                    one["value"]["type"] == f"/problems/{kind}" for kind, one in shown.items()
                )


BARE = ("verifications", "assessments", "confirmations", "returns", "/files")
"""Ends of paths that take no body, or a file."""
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
