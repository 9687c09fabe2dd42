"""Threat: personal data in logs, errors and metrics. A canary in every text must reach none."""

import json
import logging
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any

import pytest

from api.auth.permissions import MAY
from api.service import structured_logging
from tests.support.personal_data import CANARY, find_personal_data, leaks
from tests.support.running_service import World, arrival

SENT = [route for route in MAY if route[0] in ("POST", "PUT")]


@pytest.fixture
def log() -> Iterator[StringIO]:
    """Log as the service does, to where it can be read."""
    handlers, level = logging.root.handlers[:], logging.root.level
    found = StringIO()
    structured_logging.configure(found)
    assert [type(one) for one in logging.root.handlers] == [structured_logging.LibraryHandler]
    logging.root.handlers += handlers  # those of the runner
    yield found
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.getLogger(structured_logging.OURS).setLevel(logging.NOTSET)


def library(name: str) -> logging.Logger:
    """Return a logger that ours alone hears; the runner of these tests would keep its words."""
    made = logging.Logger(name)
    made.addHandler(logging.root.handlers[0])
    return made


def mark_texts(value: Any) -> Any:
    """Put the canary into every text of a body."""
    if isinstance(value, dict):
        return {name: mark_texts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [mark_texts(inner) for inner in value]
    return f"{CANARY}{value}"[:64] if isinstance(value, str) else value


def one_by_one(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the body with the canary in one text of its first level after the other."""
    for name, value in body.items():
        yield body | {name: mark_texts(value)}


def name_path(path: str, by: str) -> str:
    for part in (
        "declaration_id",
        "decision_id",
        "crossing_id",
        "post",
        "code",
        "entry_id",
        "version",
    ):
        path = path.replace(f"{{{part}}}", by)
    return path


def bodies_of(world: World, route: tuple[str, str]) -> list[Any]:
    paths = world.client.app.openapi()["paths"]  # type: ignore[attr-defined]
    verb, path = route
    if "requestBody" not in paths[path][verb.lower()]:
        return [None]
    content = paths[path][verb.lower()]["requestBody"]["content"]
    if "application/json" not in content:
        return [CANARY]  # a file
    body = content["application/json"]["example"]
    first = body[0] if isinstance(body, list) else body
    wholes = [mark_texts(first), {CANARY: 1}, *one_by_one(first)]
    return [[one] if isinstance(body, list) else one for one in wholes]


def read_answers(world: World, sent: Sequence[tuple[str, str]] = SENT) -> str:
    """Return all that the service says to hostile and faulty requests, and its metrics."""
    values = []
    for verb, path in sent:
        role = min(MAY[verb, path])
        headers = world.headers(role) | {"Idempotency-Key": CANARY, "X-Request-Id": CANARY}
        for body in bodies_of(world, (verb, path)):
            for by in (CANARY, "OYB"):
                content = None if body is None else json.dumps(body)
                to = name_path(path, by) + f"?plate={CANARY}"
                answer = world.client.request(verb, to, content=content, headers=headers)
                if answer.status_code >= 400:
                    values.append(answer.text)
    for verb, path in MAY:
        if verb == "GET":
            to = name_path(path, CANARY) + f"?since={CANARY}&post={CANARY}&channel={CANARY}"
            answer = world.client.get(to, headers=world.headers(min(MAY[verb, path])))
            if answer.status_code >= 400:
                values.append(answer.text)
    values.append(world.client.get(f"/{CANARY}").text)
    values.append(world.client.get("/metrics").text)
    return "\n".join(values)


def broken(*_: object, **__: object) -> None:
    raise ZeroDivisionError(CANARY)


def complain(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service fail and libraries complain, canary in hand."""
    monkeypatch.setattr(type(world.runtime.recording), "crossing", broken)
    assert world.post("/v1/crossings", arrival(1, carrier_id=CANARY)).status_code == 500
    library("uvicorn.error").error("cannot parse %s", CANARY)
    try:
        broken()
    except ZeroDivisionError:
        library("sqlalchemy.pool").exception("with %s", CANARY)
    structured_logging.log_event("model", why="NoModelError", plate=CANARY)


def test_no_answer_and_no_metric_repeats_what_was_sent(world: World) -> None:
    result = read_answers(world)
    assert result.count("/problems/") > 150
    assert leaks(result) == []


def test_no_log_repeats_what_was_sent(
    world: World, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    complain(world, monkeypatch)
    found = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["event"] for line in found] == ["fault", "library", "library", "model"]
    assert all(set(line) <= set(structured_logging.ALLOWED) for line in found)
    assert leaks(json.dumps(found)) == []


def test_a_log_of_messages_would_be_found(
    world: World, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    """Negative control: a service that logs what an error says, and lets every name through."""
    monkeypatch.setitem(structured_logging.ALLOWED, "plate", "the mistake")
    complain(world, monkeypatch)
    assert leaks(log.getvalue()) == [CANARY]


def test_an_answer_that_repeats_would_be_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: a problem whose detail is the path that was asked for."""
    monkeypatch.setattr("api.http.problems.instance_of", lambda request: request.url.path)
    assert leaks(read_answers(world, SENT[:2]))


@pytest.mark.parametrize(
    "line", ["vehicle 01A0023BC was refused", f"value={CANARY}", "Bearer dz_" + "x" * 43]
)
def test_the_whole_suite_is_watched(line: str) -> None:
    """The control of tests/conftest.py, which holds what every test printed and logged to this."""
    assert find_personal_data([("Captured stderr call", line), ("Captured log call", "fault")]) == [
        "Captured stderr call"
    ]
