"""Refusals repeat nothing; roles reach their routes alone; no known secret starts a service."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import ValidationError

from api import site
from api.auth.credentials import EXAMPLES, PEPPER_FILE, check_database, open_pepper
from api.auth.permissions import MAY, OPEN
from api.http.problems import STATUS
from api.service.assembly import open_store
from api.service.settings import Settings
from api.service.structured_logging import OURS, LibraryHandler
from engine.domain.rights import Role
from engine.errors import HomeError, RiskError
from engine.journal import batch_worker
from engine.journal.idempotency import MESSAGE_IDENTIFIER_TAKEN, ClaimHolder, IdempotencyClaim
from engine.storage.home import DATABASE_VARIABLE, Home
from engine.targeting import report_writer
from tests.support.running_service import OTHER, POST, World, arrival
from tests.unit.service.reports.test_acts import act, find

SECRET = "ZZSECRETZZ"


def subclasses(of: type[RiskError]) -> Iterator[type[RiskError]]:
    for found in of.__subclasses__():
        yield found
        yield from subclasses(found)


def is_problem(answer: Any, status: int) -> bool:
    body = answer.json()
    assert SECRET not in answer.text
    return (
        answer.status_code == status
        and answer.headers["content-type"] == "application/problem+json"
        and {"type", "title", "status", "detail", "instance"} <= set(body)
        and body["status"] == status
    )


def routes(world: World) -> set[tuple[str, str]]:
    document = world.client.get("/openapi.json").json()
    return {(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs}


def test_every_error_has_a_status() -> None:
    # Errors of training, of experiments and of clients are raised where no service runs.
    served = ("engine", "features", "api")
    ours = {e for e in subclasses(RiskError) if e.__module__.split(".")[0] in served}
    ours -= {e for e in ours if e.__module__ == "api.client"}
    assert ours == set(STATUS)


def test_the_table_of_roles_is_complete(world: World) -> None:
    assert routes(world) == set(MAY) | OPEN


def test_no_route_is_left_out_of_the_document_or_the_table() -> None:
    """A new route without a row fails, also one that hides itself from the document."""
    made = {
        (method, route.path_format)
        for router in site.ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    heads = {("HEAD", path) for method, path in OPEN if method == "GET"}
    assert made == set(MAY) | OPEN | heads


def test_no_setting_lets_a_revoked_key_live_for_more_than_five_seconds() -> None:
    with pytest.raises(ValidationError):
        Settings(key_seconds=5.01)


@pytest.mark.parametrize("route", sorted(MAY), ids=" ".join)
def test_a_role_reaches_its_routes_alone(world: World, route: tuple[str, str]) -> None:
    method, path = route
    path = re.sub(r"\{\w+\}", "x-0", path.replace("{post}", "OYB"))
    for role in Role:
        answer = world.client.request(method, path, headers=world.headers(role))
        assert (answer.status_code == 403) == (role not in MAY[route])
        assert answer.status_code < 500
    assert is_problem(world.client.request(method, path), 401)
    wrong = {"Authorization": f"Bearer dz_{SECRET}"}
    assert is_problem(world.client.request(method, path, headers=wrong), 401)


def test_another_posts_decisions_do_not_exist(world: World) -> None:
    decision = world.decide(arrival(20)).json()
    other = {"Authorization": f"Bearer {world.other}"}
    path = f"/v1/decisions/{decision['decision_id']}"
    assert is_problem(world.client.get(path, headers=other), 404)
    assert is_problem(world.client.get("/v1/posts/OYB/queue", headers=other), 403)
    assert is_problem(world.client.post("/v1/decisions", json=arrival(21), headers=other), 403)


def list_taken_faults(world: World, number: int) -> list[str]:
    """Return what is wrong with the answers to a post that sends an identifier of another one."""
    first = arrival(number, driver_ref="driver-of-the-first")
    mine = world.decide(first).json()
    other = {"Authorization": f"Bearer {world.other}"}
    body = first | {"crossing": first["crossing"] | {"post": OTHER}}
    send = partial(world.client.post, headers=other)
    answers = {path: send(path, json=body) for path in ("/v1/decisions", "/v1/crossings")}
    (row,) = send("/v1/decisions/batch", json=[body]).json()
    texts = {path: answer.text for path, answer in answers.items()} | {"batch": json.dumps(row)}
    problems = {path: answer.json() for path, answer in answers.items()} | {"batch": row}
    fault = {"at": "crossing.crossing_id", "rule": "taken", "why": MESSAGE_IDENTIFIER_TAKEN}
    crossing = first["crossing"]
    secrets = (mine["decision_id"], crossing["plate"], "driver-of-the-first", POST, "c-")
    return [
        *(f"{path}: not a clear 409" for path, one in problems.items()
          if one.get("status") != 409 or one.get("fields") != [fault]),
        *(f"{path}: names {one}" for path, text in texts.items() for one in secrets if one in text),
        *([] if world.decide(first).json() == mine else ["the first answer has changed"]),
    ]  # fmt: skip


def test_an_identifier_of_another_post_is_refused_by_field_and_rule(world: World) -> None:
    assert list_taken_faults(world, 45_700) == []
    red = find(world, "red", 45_000)
    path = "/v1/inspections"
    assert world.post(path, act(45_001, red["crossing_id"])).status_code == 201
    other = {"Authorization": f"Bearer {world.other}"}
    own = world.client.post("/v1/decisions", json=arrival(45_900, post=OTHER), headers=other)
    again = act(45_001, own.json()["crossing_id"])
    refused = world.client.post(path, json=again, headers=other)
    assert is_problem(refused, 409) and refused.json()["fields"][0]["at"] == "inspection_id"
    assert red["crossing_id"] not in refused.text
    key = {"Idempotency-Key": "one-key"}
    bodies = (arrival(45_901), arrival(45_902, post=OTHER))
    heads = (world.headers(), other)
    both = [
        world.client.post("/v1/decisions", json=body, headers=head | key)
        for body, head in zip(bodies, heads, strict=True)
    ]
    assert [one.status_code for one in both] == [201, 201], "a key belongs to one post"
    third = world.client.post("/v1/decisions", json=arrival(45_903), headers=heads[0] | key)
    assert third.json()["fields"][0]["at"] == "Idempotency-Key"


def test_a_service_that_answers_with_the_other_posts_record_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the name alone decides, and neither the sender nor the content."""

    def find_any(asked: IdempotencyClaim, known: Mapping[str, ClaimHolder]) -> int | None:
        return next((known[name].seq for name in asked.names if name in known), None)

    for module in (batch_worker, report_writer):
        monkeypatch.setattr(module, "find_answer", find_any)
    found = list_taken_faults(world, 45_701)
    assert "/v1/decisions: not a clear 409" in found
    assert any("names dec-" in one for one in found)


def test_a_revoked_key_dies_within_seconds(world: World) -> None:
    import time

    from api.auth.accounts import Accounts
    from api.auth.credentials import open_pepper

    accounts = Accounts(world.runtime.store, world.runtime.network)
    made = accounts.create_key(
        Role.SUPERVISOR, None, pepper=open_pepper(world.home), owner="the-supervisor"
    )
    keys = {"Authorization": f"Bearer {made.secret}"}
    assert world.client.get("/v1/posts/OYB/queue", headers=keys).status_code == 200
    accounts.revoke_key(made.name)
    time.sleep(0.25)
    assert is_problem(world.client.get("/v1/posts/OYB/queue", headers=keys), 401)


def test_a_dump_of_the_store_holds_no_key(world: World) -> None:
    world.decide(arrival(22))
    kept = b"".join(path.read_bytes() for path in world.home.root.glob("darvoza.sqlite*"))
    assert b"access_keys" in kept
    assert not [key for key in world.keys.values() if key.encode() in kept]


GOOD = json.dumps(arrival(23))
HOSTILE = {  # of every route: test_hostile_bodies.py
    "empty": b"",
    "wrong type": GOOD.replace('"01A0023BC"', f'["{SECRET}"]').encode(),
    "Arabic digits": GOOD.replace("330190", "٣٣٠١٩٠").encode(),
    "no offset": GOOD.replace("+00:00", "").encode(),
    "too long": GOOD.replace("01A0023BC", SECRET * 50).encode(),
    "unknown post": GOOD.replace('"OYB"', '"NOPE"').encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_arrival_that_breaks_a_rule_is_refused_and_not_repeated(world: World, name: str) -> None:
    assert HOSTILE[name] != GOOD.encode(), "the replacement must have met"
    answer = world.client.post("/v1/decisions", content=HOSTILE[name], headers=world.headers())
    assert is_problem(answer, 403 if name == "unknown post" else 422)
    assert "NOPE" not in answer.text


def test_what_no_route_knows_is_a_problem(world: World) -> None:
    assert is_problem(world.client.get(f"/v1/{SECRET}"), 404)
    assert is_problem(world.client.put("/v1/decisions"), 405)
    assert is_problem(world.get(f"/v1/decisions?since={SECRET}"), 422)
    assert is_problem(world.get("/v1/decisions?limit=0"), 422)
    refused = world.get("/v1/decisions?channel=purple")
    assert is_problem(refused, 422)
    (fault,) = refused.json()["fields"]
    assert (fault["at"], fault["rule"]) == ("query.channel", "unknown_enumeration") and fault["why"]
    assert is_problem(world.get(f"/v1/decisions/{SECRET}"), 404)
    long = world.decide(arrival(24), **{"Idempotency-Key": "k" * 300})
    assert is_problem(long, 422)


def test_a_fault_of_ours_is_a_problem_without_details(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(type(world.runtime.recording), "crossing", broken)
    logged = StringIO()
    ours = LibraryHandler(logged)
    logging.getLogger(OURS).addHandler(ours)
    try:
        assert is_problem(world.post("/v1/crossings", arrival(26)), 500)
    finally:
        logging.getLogger(OURS).removeHandler(ours)
    assert "ZeroDivisionError" in logged.getvalue()
    assert SECRET not in logged.getvalue()


def test_a_store_that_is_down_says_when_to_try_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.errors import StoreUnavailableError

    def down(*_: object, **__: object) -> None:
        raise StoreUnavailableError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(type(world.runtime.journal), "append", down)
        body = arrival(27)
        answer = world.decide(body)
        assert is_problem(answer, 503) and int(answer.headers["retry-after"]) > 0
    assert world.decide(body).status_code == 201


def test_health_needs_no_key(world: World) -> None:
    assert world.client.get("/healthz").json() == {"alive": True}
    ready = world.client.get("/readyz").json()
    assert ready["ready"] and ready["mode"] == "model" and ready["synthetic"]
    metrics = world.client.get("/metrics").text
    assert "darvoza_request_seconds_bucket" in metrics and SECRET not in metrics


BARE = ("verifications", "assessments", "confirmations", "returns")
"""Ends of paths that take no body."""


def test_the_document_says_every_body_and_refusal(world: World) -> None:
    document = world.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert {"Arrival", "ReportedAct", "ReportedSeizure", "Problem", "CheckpointView"} <= set(
        schemas
    )
    for path, verbs in document["paths"].items():
        for verb, route in verbs.items():
            if (verb.upper(), path) in MAY:
                assert {"401", "403", "422", "503"} <= set(route["responses"])
                takes = verb in ("post", "put") and not path.endswith(BARE)
                assert ("requestBody" in route) == takes


DOCS = Path(__file__).parents[4] / "docs"
URL = "postgresql+psycopg://darvoza:{}@127.0.0.1:1/darvoza"


def list_passwords() -> set[str]:
    """Return every password that our own pages show in an address."""
    texts = [page.read_text("utf-8") for page in DOCS.rglob("*.md")]
    return {found for text in texts for found in re.findall(r"://\w+:([^@\s]+)@", text)}


def test_a_password_of_the_examples_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list_passwords(), "the pages show how an address looks"
    for password in {*list_passwords(), *EXAMPLES, "Postgres"}:
        monkeypatch.setenv(DATABASE_VARIABLE, URL.format(password))
        with pytest.raises(HomeError, match=DATABASE_VARIABLE) as refused:
            open_store(Home(tmp_path))
        assert URL.format(password) not in str(refused.value)


def test_other_passwords_and_none_are_taken(tmp_path: Path) -> None:
    """Negative control: what is refused above is refused for its password."""
    for url in (URL.format("x7-Rk2"), "postgresql+psycopg://darvoza@/x", f"sqlite:///{tmp_path}/x"):
        check_database(url)


@pytest.mark.parametrize("kept", [bytes(32), b"darvoza-" * 4, bytes(range(8)) * 4, b"short"])
def test_a_pepper_that_was_not_drawn_starts_nothing(tmp_path: Path, kept: bytes) -> None:
    home = Home(tmp_path).prepare()
    path = home.keys / PEPPER_FILE
    path.write_bytes(kept)
    path.chmod(0o600)
    with pytest.raises(HomeError, match=PEPPER_FILE):
        open_pepper(home)


def test_a_pepper_that_others_can_read_starts_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path).prepare()
    assert len(open_pepper(home)) == 32
    (home.keys / PEPPER_FILE).chmod(0o644)
    with pytest.raises(HomeError, match="chmod"):
        open_pepper(home)


def test_no_page_shows_a_key_that_would_open_anything() -> None:
    texts = [page.read_text("utf-8") for page in DOCS.rglob("*.md")]
    assert not [text for text in texts if re.search(r"dz_[\w-]{40}", text)]
