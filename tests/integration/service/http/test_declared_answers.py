"""Whatever the document allows or forbids, the service answers as the document says, to every role.

Requests are generated from the document itself: every boundary of every field, then at random, both
fitting and not. Nothing may be a fault of ours, and every answer must be declared: its status, its
type and, to the last field, its body. Half of the requests are about things that exist.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import checks, openapi
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as declared

from api.auth.permissions import MAY
from engine.domain.rights import Role
from tests.support.running_service import POST, World, serving
from tests.support.sizes import PROOF
from tests.unit.service.http.test_openapi import Kept, all_named, document

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
BASE = "http://testserver"


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


@pytest.fixture(scope="module")
def kept_names(world: World) -> Kept:
    return all_named(world)


def test_every_answer_at_the_boundaries_is_declared(tmp_path: Path) -> None:
    """Of a service that no other test has asked: what has been filed before decides the answers."""
    with contextmanager(serving)(tmp_path) as world:
        asker = Asker(world, all_named(world))
        for operation in operations(document(world)):
            ask_at_boundaries(asker, operation)
    assert {200, 201, 403, 404, 409, 422} <= set(asker.statuses)
    assert max(asker.statuses) < 500


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # generators of choices do
def test_every_answer_to_random_requests_is_declared(world: World, kept_names: Kept) -> None:
    asker = Asker(world, kept_names)
    for operation in operations(document(world))[::STEP]:
        ask_at_random(asker, operation, GenerationMode.POSITIVE)
        if operation.path_parameters or operation.query or operation.body:
            ask_at_random(asker, operation, GenerationMode.NEGATIVE)
    assert max(asker.statuses) < 500
