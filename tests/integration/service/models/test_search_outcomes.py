"""Evidence that builds up over months is not forgotten, and an alarm stays said."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from engine.domain.time_units import DAY
from engine.journal.entries import Draft
from engine.journal.kinds import MODEL_APPROVED, MODEL_REGISTERED
from engine.queue.queue import DECISIONS as FILED
from features.online.online_features import OnlineFeatures
from models.bundle import BundleDocuments
from models.lifecycle import transitions
from models.lifecycle.states import came_into_force, measurement, read_state
from models.monitoring import drift_monitor
from models.monitoring.drift_monitor import searches
from models.statistics.drift import reference
from tests.integration.service.drift.test_drift import PLAN, papers, values
from tests.support.clocks import travel
from tests.support.running_service import NOON, World, arrival, serving
from tests.support.sizes import PROOF
from tests.unit.service.decisions.test_decisions import amend, heavier
from tests.unit.service.reports.test_acts import act

WEEKS = 12
"""One vehicle is searched in each, and carries nothing."""
LOOKS = tuple(range(1, WEEKS + 1)) if PROOF else (3, 6, 9, 11, WEEKS)
"""Weeks after which the watch is asked."""
DECISIONS = 250
_D = FILED.c


def into_force(world: World, version: str = "m1") -> int:
    """Put a model into force, as two people do, and return the record's number."""
    facts = {"by": "cem", "manifest": "m", "evaluation": "e", "card": "c"}
    approved = (Draft(MODEL_APPROVED, version, "", {"by": by}) for by in ("ann", "bob"))
    (*_, entry) = world.runtime.journal.append(
        [Draft(MODEL_REGISTERED, version, "", facts), *approved]
    )
    return entry.seq


def pick_vehicles(world: World, start: int) -> list[str]:
    """Decide on many, and return which vehicles the score picked, the riskiest first."""
    bodies = [arrival(number) for number in range(start, start + DECISIONS)]
    assert world.post("/v1/decisions/batch", bodies).status_code == 200
    ours = [one["crossing"]["crossing_id"] for one in bodies]
    query = (
        select(_D.crossing_id)
        .where(_D.basis == "score", _D.crossing_id.in_(ours))
        .order_by(_D.p_seizure.desc())
    )
    with world.runtime.store.read() as connection:
        return list(connection.scalars(query))


def search(world: World, number: int, crossing: str) -> None:
    """Search one, and find nothing."""
    assert world.post("/v1/inspections", act(number, crossing)).status_code == 201


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve a model that finds nothing for months."""
    for made in serving(tmp_path_factory.mktemp("home")):
        search(made, 0, pick_vehicles(made, 1)[0])  # before it came into force: not counted
        into_force(made)
        for week, crossing in enumerate(pick_vehicles(made, 1 + DECISIONS)[:WEEKS]):
            with travel(NOON + timedelta(days=1 + 7 * week)):
                search(made, 1 + week, crossing)
        yield made


@pytest.fixture(scope="module")
def documents(world: World) -> BundleDocuments:
    return papers(reference(values(world), PLAN.names))


def measure_drift(
    world: World, documents: BundleDocuments, *, after: int = 7 * WEEKS
) -> dict[str, Any]:
    runtime = world.runtime
    with runtime.store.read() as connection:
        found = drift_monitor.measure_drift(
            connection,
            runtime.journal,
            features=OnlineFeatures(PLAN, runtime.network),
            papers=documents,
            version="m1",
            now=round(NOON.timestamp() * 1e6) + after * DAY,
        )
    return dict(json.loads(json.dumps(found, allow_nan=False)))


def side(part: dict[str, Any]) -> dict[str, Any]:
    """Return the watch over searches by score."""
    found: dict[str, Any] = part["picked"]
    return found


def test_evidence_of_months_is_an_alarm(world: World, documents: BundleDocuments) -> None:
    found = measure_drift(world, documents)
    result = side(found["all"])
    assert result["found"]["n"] == result["weeks"] == WEEKS
    assert result["alarmed"]
    assert found["in_force_since"].startswith("2026-10-14")


def test_an_alarm_stays_said(world: World, documents: BundleDocuments) -> None:
    alarmed = [_is_alarmed(world, documents, 7 * week) for week in LOOKS]
    first = alarmed.index(True)
    assert first < len(LOOKS) - 1
    assert all(alarmed[first:])
    later = measure_drift(world, documents, after=400)
    assert later["decisions"] == 0 and side(later["posts"]["OYB"])["alarmed"], (
        "no model decides now"
    )


def _is_alarmed(world: World, documents: BundleDocuments, after: int) -> bool:
    return bool(side(measure_drift(world, documents, after=after)["all"])["alarmed"])


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    """Serve a home in which nothing was decided yet."""
    yield from serving(tmp_path)


def test_one_that_comes_back_is_watched_again(fresh: World) -> None:
    journal = fresh.runtime.journal

    def since(version: str) -> int | None:
        with fresh.runtime.store.read() as connection:
            return came_into_force(connection, version)

    def count_watched(after: int | None) -> int:
        with fresh.runtime.store.read() as connection:
            now = journal.head(connection).as_of
            return len(list(searches(connection, "m1", after=after or 0, now=now)))

    assert since("m1") is None
    first = into_force(fresh)
    search(fresh, 1, fresh.decide(arrival(1)).json()["crossing_id"])
    journal.append([Draft(MODEL_APPROVED, "m1", "", {"by": "eva"})])
    journal.append([measurement("m1", by="ann", figures={})])
    assert since("m1") == first and count_watched(since("m1")) == 1
    second = into_force(fresh, "m2")
    assert (since("m1"), since("m2")) == (None, second)
    with fresh.runtime.store.read() as connection:
        steps = transitions.roll_back(read_state(connection), by="ann", why="", manifest="m")
    (*_, back) = journal.append(steps)
    assert (since("m1"), since("m2")) == (back.seq, None)
    assert count_watched(since("m1")) == 0


def test_a_search_counts_once_however_often_its_declaration_was_changed(fresh: World) -> None:
    body = arrival(1)
    first = fresh.decide(body).json()
    second = amend(fresh, first, heavier(body, 9_999.0)).json()
    search(fresh, 1, first["crossing_id"])
    with fresh.runtime.store.read() as connection:
        now = fresh.runtime.journal.head(connection).as_of
        (one,) = searches(connection, "m1", after=0, now=now)
        result = fresh.runtime.journal.body(connection, second["receipt"]["sequence"])
    assert one.stated == result["decision"]["risk"]["p_discrepancy"]
