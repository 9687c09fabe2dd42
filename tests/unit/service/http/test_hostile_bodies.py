"""Threat: giant and hostile bodies. Each is refused, none is repeated, none stays in memory.

Every kind of malice is worked into the example of every route that takes a body.
"""

import gc
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

import api.http.request_bodies
from api.areas import Route
from api.auth.permissions import MAY
from engine.domain.records import OptionalReason
from engine.domain.rights import Role
from tests.support.personal_data import CANARY, leaks
from tests.support.running_service import World
from tests.support.sizes import PROOF
from tests.unit.service.auth.test_refusals import is_problem
from tests.unit.service.runtime.test_personal_data import name_path

MEGABYTE = 1 << 20
GIANT = 50 * MEGABYTE
OTHERS = {
    "/v1/links/{link}/parcels",
    "/v1/cases/{case_id}/files",
    "/v1/crossings/{crossing_id}/files",
    "/v1/circulars/{circular_id}/files",
    "/v1/jobs/files",
}
"""Take signed bytes, or a file, and are attacked by tests of their own."""
KINDS: dict[str, Callable[[str], bytes]] = {
    "NaN": lambda good: with_field(good, "NaN"),
    "infinite": lambda good: with_field(good, "-Infinity"),
    "1e999": lambda good: with_field(good, "1e999"),
    "5,000 digits": lambda good: with_field(good, "9" * 5000),
    "NUL": lambda good: with_field(good, f'"{CANARY}\\u0000"'),
    "raw NUL": lambda good: with_field(good, f'"{CANARY}\0"'),
    "lone surrogate": lambda good: with_field(good, f'"\\ud800{CANARY}"'),
    "broken UTF-8": lambda good: with_field(good, '"?"').replace(b"?", b"\xff\xfe"),
    "UTF-16": lambda good: good.encode("utf-16"),
    "a byte order mark": lambda good: b"\xef\xbb\xbf" + good.encode(),
    "Arabic digits": lambda good: with_field(good, "٣٣"),
    "doubled key": lambda good: with_field(with_field(good, "1").decode(), f'"{CANARY}"'),
    "unknown field": lambda good: with_field(good, f'"{CANARY}"'),
    "unknown name": lambda good: with_field(good, "1", name=CANARY),
    "deep lists": lambda good: with_field(good, "[" * 5000 + "]" * 5000),
    "deep objects": lambda good: with_field(good, '{"a":' * 40 + "1" + "}" * 40),
    "unclosed": lambda good: b"[" * 100_000,
    "cut short": lambda good: good.encode()[:-1],
    "two bodies": lambda good: good.encode() * 2,
    "a number": lambda good: b"7",
    "a text": lambda good: json.dumps(CANARY).encode(),
    "a form": lambda good: f"plate={CANARY}".encode(),
    "trailing comma": lambda good: good.encode()[:-1] + b",}",
    "a comment": lambda good: good.encode() + b"/* */",
}


def with_field(good: str, value: str, *, name: str = "zz_hostile") -> bytes:
    """Put a field of this value, as JSON text, in front of a body's own."""
    return (f'{{"{name}": {value}, ' + good[1:]).encode()


Bodies = dict[Route, Any]


@pytest.fixture(scope="module")
def bodies(world: World) -> Bodies:
    """Return the document's example of the body of every route that takes a record."""
    paths = world.client.get("/openapi.json").json()["paths"]
    found = {
        (verb.upper(), path): one["requestBody"]["content"].get("application/json", {})
        for path, verbs in paths.items()
        for verb, one in verbs.items()
        if "requestBody" in one and path.startswith("/v1")
    }
    assert {path for (_, path), body in found.items() if "example" not in body} == OTHERS
    return {route: body["example"] for route, body in found.items() if "example" in body}


def hostile(kind: str, route: Route, example: Any) -> bytes:
    made = KINDS[kind](json.dumps(example[0] if is_batch(route) else example))
    return b"[" + made + b"]" if is_batch(route) else made


def is_batch(route: Route) -> bool:
    return route[1].endswith("batch")


def send(world: World, route: Route, content: Any) -> Any:
    role = min(MAY[route])
    return world.client.request(
        route[0], name_path(route[1], "OYB"), content=content, headers=world.headers(role)
    )


def is_refused(route: Route, answer: Any) -> bool:
    """Tell whether a body was refused; in a batch, whether its one row was."""
    if is_batch(route) and answer.status_code == 200:
        return [row["status"] for row in answer.json()] == [422] and not leaks(answer.text)
    return is_problem(answer, 422)


def test_every_route_that_takes_a_body_is_attacked(bodies: Bodies) -> None:
    assert bodies.keys() <= MAY.keys()
    assert len(bodies) * len(KINDS) >= 300


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_body_is_refused_and_not_repeated(
    world: World, bodies: Bodies, kind: str
) -> None:
    """At small sizes each kind is sent to an eighth of the routes, and each route gets three."""
    place = list(KINDS).index(kind)
    routes = list(bodies)
    for route in routes if PROOF else routes[place % 8 :: 8]:
        assert is_refused(route, send(world, route, hostile(kind, route, bodies[route]))), route


def test_memory_stays_flat(world: World, bodies: Bodies) -> None:
    def attack() -> None:
        for kind in KINDS:
            for route in list(bodies)[:: 1 if PROOF else 40]:
                send(world, route, hostile(kind, route, bodies[route]))

    attack()  # what is kept once (caches, metrics of each route) is kept now
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        attack()
        gc.collect()  # cycles that wait for the collector are not kept
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert after - before < MEGABYTE


def test_fifty_megabytes_are_refused_before_they_are_read(world: World, bodies: Bodies) -> None:
    for route in bodies:
        headers = world.headers(min(MAY[route])) | {"Content-Length": str(GIANT)}
        answer = world.client.request(
            route[0], name_path(route[1], "OYB"), content=b"[]", headers=headers
        )
        assert is_problem(answer, 413), route


async def stream_giant(world: World, route: Route) -> tuple[int, int]:
    """Send a giant that does not say how long it is; return the status and the bytes taken."""
    taken = status = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1 << 16
        return {"type": "http.request", "body": b"[" * (1 << 16), "more_body": taken < GIANT}

    async def answer(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    headers = [(b"authorization", world.headers(min(MAY[route]))["Authorization"].encode())]
    path = name_path(route[1], "OYB")
    scope = {"type": "http", "method": route[0], "path": path, "headers": headers}
    more = {"query_string": b"", "root_path": "", "scheme": "http", "server": ("here", 80)}
    await world.client.app(scope | more, receive, answer)
    return status, taken


def test_fifty_megabytes_that_do_not_say_so_are_not_read_either(
    world: World, bodies: Bodies
) -> None:
    assert world.client.portal is not None
    for route in bodies:
        status, taken = world.client.portal.call(stream_giant, world, route)
        most = 8 * MEGABYTE if is_batch(route) else MEGABYTE
        assert (status, taken) == (413, most + (1 << 16)), route


@pytest.mark.parametrize("kind", ["doubled key", "NaN", "deep objects"])
def test_without_the_check_it_would_pass_further(
    world: World, bodies: Bodies, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Negative control.

    A service that leaves the reading of JSON to its parser names another fault.
    """
    route = ("POST", "/v1/models/rules-only")
    good = json.dumps(OptionalReason.EXAMPLE)
    body = {
        "doubled key": with_field(good, f'"{CANARY}"', name="reason"),
        "NaN": with_field(good, "NaN", name="note"),
        "deep objects": hostile(kind, route, bodies[route]),
    }[kind]
    assert not send(world, route, body).json().get("fields")
    monkeypatch.setattr(api.http.request_bodies, "check", lambda raw: None)
    answer = send(world, route, body)
    assert answer.status_code == 201 or answer.json()["fields"]


def test_the_keys_of_a_stranger_open_no_body(world: World, bodies: Bodies) -> None:
    headers = {"Authorization": "Bearer dz_" + "A" * 43}
    for verb, path in bodies:
        answer = world.client.request(verb, name_path(path, "OYB"), content=b"{", headers=headers)
        assert is_problem(answer, 401)
    assert Role.CHECKPOINT in world.keys


MISTYPED: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "of an arrival": ("/v1/decisions", {"crosing": {}}, "crosing", "crossing, declaration"),
    "of a crossing": (
        "/v1/decisions",
        {"crossing": {"vehicle_clas": "van"}, "declaration": None},
        "crossing.vehicle_clas",
        "trailer_plate, vehicle_class, vin",
    ),
    "of an item": (
        "/v1/decisions",
        {"declaration": {"items": [{"item_no": 1, "hs": "080620"}]}},
        "declaration.items.0.hs",
        "gross_mass_kg, hs_code, item_no",
    ),
    "of one kind of event": (
        "/v1/cases/{case_id}/events",
        {"event": {"kind": "note", "txt": "seen"}},
        "event.note.txt",
        "kind, text",
    ),
    "no plain name": (
        "/v1/decisions",
        {"crossing": {f"Plate {CANARY}": 1}},
        "crossing.?",
        "direction, driver_ref",
    ),
}


@pytest.mark.parametrize("case", MISTYPED)
def test_a_mistyped_field_is_named_and_so_are_those_that_exist(world: World, case: str) -> None:
    path, body, at, there_are = MISTYPED[case]
    answer = send(world, ("POST", path), json.dumps(body).encode())
    assert is_problem(answer, 422) and not leaks(answer.text)
    (fault,) = (one for one in answer.json()["fields"] if one["rule"] == "unknown_field")
    assert fault["at"] == at
    assert there_are in fault["why"]
