"""The service answers as the document says, to every role: at boundaries and at random."""

from contextlib import contextmanager
from pathlib import Path

import pytest
from schemathesis.generation import GenerationMode

from tests.support.running_service import World, serving
from tests.unit.service.http.test_openapi import (
    STEP,
    Asker,
    Kept,
    all_named,
    ask_at_boundaries,
    ask_at_random,
    document,
    operations,
)


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
