"""How heavy the desk's pages are: no more than they need, and not much slower than their JSON.

Ratios of one run, both asked through the same client in turns. `DARVOZA_PROOF=1` asks for the
queue of 200 vehicles that the claim is about, and holds its time against that of its JSON answer.
"""

import re
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api.queue import MOST_SHOWN
from engine.domain.rights import Role
from models.explanation.reason_sentences import sentences
from tests.support.page_session import Desk, at_desk
from tests.support.running_service import POST, FakeModels, World, arrival, serving
from tests.support.sizes import PROOF

START = 140_000
WAITING = 200 if PROOF else 40
LARGEST = 150_000
"""Bytes of one answer, uncompressed."""
DEAREST = 3.0
"""Times its JSON answer's time that a queue's page may take."""
LOADED = re.compile(r'<(?:link rel="(?:stylesheet|icon)" href|script src)="([^"]+)"')
QUEUE = f"/posts/{POST}/queue"


class SayingModels(FakeModels):
    """The same models, with the product's own sentences: as long as they are."""

    sentences = staticmethod(sentences)  # type: ignore[assignment]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve a home whose reasons are worded in full."""
    yield from serving(tmp_path_factory.mktemp("home"), SayingModels())


@pytest.fixture(scope="module")
def boss(world: World) -> Desk:
    """Let vehicles wait, and sign in a user who may see why."""
    number = START
    while len(world.get(f"/v1{QUEUE}").json()["waiting"]) < WAITING:
        rows = [arrival(number + step) for step in range(200)]
        world.post("/v1/decisions/batch", rows)
        number += 200
    return at_desk(world, "weight")


def seconds(ask: Callable[[], Any], other: Callable[[], Any], *, turns: int) -> tuple[float, float]:
    """Return the median time of two questions that take turns."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(turns):
        for times, one in zip(found, (ask, other), strict=True):
            began = time.perf_counter()
            assert one().status_code == 200
            times.append(time.perf_counter() - began)
    return statistics.median(found[0]), statistics.median(found[1])


@pytest.mark.parametrize("language", ["en", "ru"])  # Cyrillic takes two bytes a letter
def test_a_queue_is_light(boss: Desk, language: str) -> None:
    boss.get(f"/language/{language}?back=/")
    page = boss.get(QUEUE)
    rows = page.text.count("data-row")
    assert WAITING <= rows <= MOST_SHOWN
    assert len(page.content) * MOST_SHOWN <= LARGEST * rows
    if PROOF:
        took, answer = seconds(lambda: boss.get(QUEUE), lambda: boss.get(f"/v1{QUEUE}"), turns=31)
        print(f"queue of {WAITING}: {len(page.content)} bytes, {took / answer:.2f} x its JSON")
        assert took <= DEAREST * answer


def test_nothing_that_a_page_loads_is_heavy(world: World, boss: Desk) -> None:
    newest = world.get(f"/v1{QUEUE}").json()["waiting"][0]["decision_id"]
    auditor = at_desk(world, "weight-audit", Role.INTEGRITY)
    for desk, path in (
        (boss, f"/decisions/{newest}"),
        (boss, f"/posts/{POST}/shift"),
        (boss, "/profiles/new"),
        (auditor, "/journal"),
        (auditor, f"/posts/{POST}/draws"),
    ):
        page = desk.get(path)
        assert page.status_code == 200 and len(page.content) <= LARGEST, path
        for loaded in LOADED.findall(page.text):
            assert loaded.startswith("/static/")
            assert len(desk.get(loaded).content) <= LARGEST, loaded
