"""The page of a party over the loaded history: as its files have it, verified, rebuilt, erased."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from api.audit.home_check import check_home, rebuild_home
from api.entities.passages import FIRMS
from api.service.settings import Settings
from engine.domain.identifiers import fold
from engine.domain.rights import Role
from experiments.synthetic.folder import write
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.intake.load import load
from features.online.backfill import open_epoch
from features.online.crossing_index import LOADED_PARTIES
from tests.integration.service.audit.test_journal_history import only_our_posts
from tests.support.running_service import (
    FakeModels,
    World,
    arrival,
    make_home,
    make_keys,
    open_world,
)

CROSSINGS = 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("history") / "network"
    end = datetime.now(UTC) - timedelta(days=1)
    write(found, crossings=CROSSINGS, seed=5, end=end, days=120)
    only_our_posts(found)
    return found


@pytest.fixture(scope="module")
def loaded_world(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service that decided one vehicle of the history that its home had loaded."""
    home = make_home(tmp_path_factory.mktemp("loaded") / "home")
    keys, other = make_keys(home)
    client, app = open_world(home, FakeModels(), Settings(key_seconds=0.2, model_seconds=0.05))
    with client:
        world = World(home, FakeModels(), client, app.state.runtime, keys, other)
        found = load(home, folder)
        open_epoch(
            home, world.runtime.store, Plan(CATALOGUE), about=found.as_body(), report=lambda _: None
        )
        yield world


def read_rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def look(world: World, kind: str, value: str, **asked: Any) -> dict[str, Any]:
    answer = world.client.get(
        f"/v1/entities/{kind}/{value}",
        params={"purpose": "analysis"} | asked,
        headers=world.headers(Role.ANALYST),
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def read_whole(world: World, kind: str, value: str) -> list[str]:
    found: list[str] = []
    before: dict[str, Any] = {}
    while True:
        page = look(world, kind, value, limit=7, **before)
        found += [one["crossing_id"] for one in page["passages"]]
        if page["next_before"] is None:
            assert page["total"] == len(found)
            return found
        before = {"before": page["next_before"]}


def test_a_page_has_the_passages_that_the_files_have(loaded_world: World, folder: Path) -> None:
    by_name: dict[tuple[str, str], set[str]] = defaultdict(set)
    papers = {one["declaration_id"]: one for one in read_rows(folder, "declarations")}
    for one in read_rows(folder, "crossings"):
        declared = papers.get(one.get("declaration_id", ""), {})
        names = {("plate", one["plate"]), ("carrier", one["carrier_id"])}
        names |= {("firm", declared.get(f"{role}_id", "")) for role in FIRMS}
        for kind, name in names:
            if fold(name):
                by_name[kind, fold(name)].add(one["crossing_id"])
    most = sorted(by_name, key=lambda name: -len(by_name[name]))
    asked = [name for kind in ("plate", "carrier", "firm") for name in most if name[0] == kind][::4]
    assert len(asked) > 20
    for kind, name in asked[:40]:
        listed = read_whole(loaded_world, kind, name)
        assert sorted(listed) == sorted(by_name[kind, name]), (kind, name)
    busiest = next(name for name in most if name[0] == "carrier")
    found = look(loaded_world, *busiest)
    assert {one["source"] for one in found["passages"]} == {"loaded"}
    assert {one["kind"] for one in found["companions"]} >= {"plate", "driver", "firm"}
    searched = loaded_world.get(f"/v1/search?q={most[0][1][:4]}", Role.ANALYST).json()
    assert most[0][1] in {fold(one["value"]) for one in searched["parties"]}


def test_a_decision_joins_its_loaded_past(loaded_world: World, folder: Path) -> None:
    plate = next(one["plate"] for one in read_rows(folder, "crossings") if one["plate"])
    before = read_whole(loaded_world, "plate", plate)
    assert loaded_world.decide(arrival(9100, plate=plate)).status_code == 201
    assert read_whole(loaded_world, "plate", plate) == ["c-9100", *before]


def test_the_parties_are_verified_and_rebuilt(loaded_world: World) -> None:
    world = loaded_world
    assert check_home(world.home, world.runtime.store).faults == ()
    column = LOADED_PARTIES.c
    with world.runtime.store.write() as connection:
        rows = sorted(connection.execute(select(LOADED_PARTIES)))
        entity = rows[0].entity
        connection.execute(
            update(LOADED_PARTIES).where(column.entity == entity).values(name="somebody else")
        )
        connection.execute(delete(LOADED_PARTIES).where(column.entity == rows[-1].entity))
    faults = check_home(world.home, world.runtime.store).faults
    assert any("loaded_parties" in one.message for one in faults)
    rebuild_home(world.home, world.runtime.store)
    with world.runtime.store.read() as connection:
        assert sorted(connection.execute(select(LOADED_PARTIES))) == rows
