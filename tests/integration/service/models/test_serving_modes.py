"""Which model decides: the one in force, the last good one, or rules and random checks alone."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.service.model_watch import ModelWatch
from api.service.settings import Settings
from engine.errors import NoModelError, StoreUnavailableError
from engine.ports import Scorer
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from tests.support.running_service import (
    FakeModels,
    UniformScorer,
    World,
    arrival,
    make_home,
    make_keys,
    open_world,
)

PLAN = Plan(CATALOGUE)
SECONDS = 60
"""How long a busy machine may take for what takes none."""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[World]:
    """Serve a home of this test alone, without any model at first."""
    home = make_home(tmp_path / "home")
    keys, other = make_keys(home)
    models = FakeModels(version=None)
    client, app = open_world(home, models, Settings(model_seconds=0.02))
    with client:
        yield World(home, models, client, app.state.runtime, keys, other)


def serve(world: World, version: str | None, *, mode: str) -> None:
    """Put a version into force and wait until the service says how it serves."""
    world.models.version = version
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        ready = world.client.get("/readyz").json()
        if ready["mode"] == mode and (mode != "model" or ready["model_version"] == version):
            return
        time.sleep(0.02)
    raise AssertionError(f"never served {version} in mode {mode}")


def test_the_answer_says_which_model_decided(own: World) -> None:
    assert own.decide(arrival(1)).json()["mode"] == "rules_only"
    serve(own, "m1", mode="model")
    first = own.decide(arrival(2)).json()
    assert first["mode"] == "model"
    own.models.broken = frozenset({"m2"})
    serve(own, "m2", mode="last_good")
    second = own.decide(arrival(3)).json()
    assert second["mode"] == "last_good"
    own.models.broken = frozenset()
    serve(own, "m2", mode="model")
    third = own.decide(arrival(4)).json()
    served = [own.get(f"/v1/decisions/{d['decision_id']}").json() for d in (first, second, third)]
    assert [one["model_version"] for one in served] == ["m1", "m1", "m2"]
    serve(own, None, mode="rules_only")
    assert own.decide(arrival(5)).json()["mode"] == "rules_only"


def test_rules_and_random_checks_refer_with_reasons(own: World) -> None:
    decided = [own.decide(arrival(n)).json() for n in range(100, 180)]
    assert {one["mode"] for one in decided} == {"rules_only"}
    referred = [one for one in decided if one["channel"] in ("yellow", "red")]
    assert referred
    for one in referred:
        seen = own.get(f"/v1/decisions/{one['decision_id']}").json()
        assert len(seen["reasons"]) >= 3
        assert seen["basis"] in ("random", "random_papers", "profile")
        assert seen["risk"]["percentile"] is None and seen["model_version"] is None
    with own.runtime.store.read() as connection:
        from engine.queue.queue import list_decisions

        for filed in list_decisions(connection, post=None, channel=None, since=0, most=50):
            assert own.runtime.recompute.decision(connection, filed.seq).is_identical


def test_every_table_of_percentiles_is_a_record(own: World) -> None:
    for version in ("m1", "m2"):
        serve(own, version, mode="model")
        for number in range(3):
            own.decide(arrival(int(version[1]) * 100 + number))
    from sqlalchemy import select

    from engine.shifts.shift_state import TABLES

    with own.runtime.store.read() as connection:
        found = connection.execute(select(TABLES.c.model_version, TABLES.c.seq)).all()
        assert sorted(row.model_version for row in found) == ["m1", "m2"]
        for row in found:
            assert len(own.runtime.journal.body(connection, row.seq)["quantiles"]) == 101


def watch(wanted: list[str | None], load: object, *, seconds: float = 60) -> ModelWatch:
    def read_wanted() -> str | None:
        if not wanted:
            raise StoreUnavailableError("down")
        return wanted[-1]

    return ModelWatch(wanted=read_wanted, load=load, definitions=PLAN.digest, seconds=seconds)  # type: ignore[arg-type]


def load(version: str) -> Scorer:
    if version == "bad":
        raise NoModelError(version)
    made = UniformScorer(version, PLAN)
    if version == "other-features":
        made.definitions = "another digest"
    return made


def test_a_model_of_other_features_never_decides() -> None:
    watched = watch(["other-features"], load)
    watched.look()
    assert watched.in_force().mode == "rules_only" and "other features" in watched.state.why


def test_a_store_that_is_down_changes_nothing() -> None:
    wanted: list[str | None] = ["m1"]
    watched = watch(wanted, load)
    watched.look()
    wanted.clear()
    watched.look()
    assert watched.in_force().mode == "model"


def test_a_fault_of_ours_does_not_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that looks for models outlives whatever looking raises."""
    wanted, seen = ["m1"], threading.Event()

    def faulty(version: str) -> Scorer:
        if version == "m2":
            seen.set()
            raise ZeroDivisionError
        return load(version)

    watched = watch(wanted, faulty, seconds=0.01)  # type: ignore[arg-type]
    watched.start()
    wanted.append("m2")
    assert seen.wait(SECONDS) and watched.in_force().mode == "model"
    wanted.append("m3")
    deadline = time.monotonic() + SECONDS
    while watched.state.wanted != "m3" and time.monotonic() < deadline:
        time.sleep(0.01)
    watched.close()
    assert watched.state.wanted == "m3" and not watched.state.why


def test_a_bundle_that_was_mended_is_tried_again() -> None:
    broken = {"m1"}

    def load_mended(version: str) -> Scorer:
        return load("bad" if version in broken else version)

    watched = watch(["m1"], load_mended)
    watched.look()
    assert watched.in_force().mode == "rules_only"
    broken.clear()
    watched.look()
    assert watched.in_force().mode == "model"
