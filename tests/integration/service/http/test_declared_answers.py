"""The service answers as the document says, to every role: at boundaries and at random."""

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


def drop_conflict(found: dict[str, Any]) -> None:
    """Forget to say that a decision may conflict."""
    del found["paths"]["/v1/decisions"]["post"]["responses"]["409"]


def narrower(found: dict[str, Any]) -> None:
    """Say that an act's crossing is a number."""
    found["components"]["schemas"]["AcknowledgedAct"]["properties"]["crossing_id"] = {
        "type": "number"
    }


@pytest.mark.parametrize(
    ("bug", "path"), [(drop_conflict, "/v1/decisions"), (narrower, "/v1/inspections")]
)
def test_a_document_that_says_otherwise_is_found(
    tmp_path: Path, bug: Callable[[dict[str, Any]], None], path: str
) -> None:
    """Negative control.

    The same requests, of a service as new, against a document with a mistake.
    """
    with contextmanager(serving)(tmp_path) as world:
        found = document(world)
        bug(found)
        found["paths"] = {path: found["paths"][path]}
        wrong = [one for one in operations(found) if (one.method, one.path) == ("post", path)]
        assert len(wrong) == 1
        asker = Asker(world, all_named(world))
        with pytest.raises(BaseExceptionGroup):
            ask_at_boundaries(asker, wrong[0])
