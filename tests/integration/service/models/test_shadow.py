"""A model in the shadow scores what was decided, is seen by no officer, and seeds percentiles."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from typer.testing import CliRunner

from api.cli.main import app
from api.service import model_watch
from engine.domain.records import Arrival
from engine.domain.time_units import DAY
from engine.errors import PromotionRefusedError
from engine.journal.entries import Draft, Kind
from engine.ports import FeatureRows
from engine.selection import RiskTables
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.online.online_features import OnlineFeatures
from models.bundle import Scorer
from models.lifecycle import transitions
from models.lifecycle.states import ModelStates, read_state
from models.monitoring import shadow_scoring
from models.monitoring.shadow_scoring import seeds, shadow_scores
from tests.support.clocks import travel
from tests.support.running_service import POST, UniformScorer, World, arrival, serving

PLAN = Plan(CATALOGUE)
DECISIONS = 12


def features(world: World) -> OnlineFeatures:
    return OnlineFeatures(PLAN, world.runtime.network)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Serve a home of this test's own: a day is scored once."""
    yield from serving(tmp_path / "home")


@pytest.fixture
def shadow_world(world: World) -> World:
    """Decide before and after a candidate goes into the shadow."""
    journal = world.runtime.journal
    assert world.decide(arrival(900)).status_code == 201
    journal.append(
        transitions.register(ModelStates(), "m2", by="ana", manifest="m", evaluation="e", card="c")
    )
    with world.runtime.store.read() as connection:
        now = read_state(connection)
    journal.append(transitions.shadow(now, "m2", by="ana"))
    world.decide_all(map(arrival, range(1, DECISIONS + 1)))
    return world


def score_days(
    world: World, *, days_later: int = 1, reader: OnlineFeatures | None = None
) -> list[Draft]:
    with world.runtime.store.read() as connection:
        now = world.runtime.journal.head(connection).as_of + days_later * DAY
        made = shadow_scores(
            connection,
            world.runtime.journal,
            features=reader or features(world),
            scorer=UniformScorer("m2", PLAN),
            now=now,
        )
        return list(made)


def queue(world: World) -> dict[str, Any]:
    """Return what a post's officers see."""
    found: dict[str, Any] = world.get(f"/v1/posts/{POST}/queue").json()
    return {name: value for name, value in found.items() if name != "as_of"}


def test_finished_days_are_scored_once_by_what_was_known_then(shadow_world: World) -> None:
    assert score_days(shadow_world, days_later=0) == []
    drafts = score_days(shadow_world)
    assert sum(draft.body["decisions"] for draft in drafts) == DECISIONS
    assert {draft.post for draft in drafts} == {POST}
    assert all(draft.body["left_out"] == 0 for draft in drafts)
    tables = drafts[0].body["tables"]
    for table in (tables["quantiles"], tables["discrepancy_quantiles"]):
        assert len(table) == 101
        assert table == sorted(table)

    before = queue(shadow_world)
    shadow_world.runtime.journal.append(drafts)
    assert score_days(shadow_world) == []
    assert queue(shadow_world) == before


def test_a_row_that_is_no_longer_what_it_was_is_left_out(
    shadow_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class MovedFeatures(OnlineFeatures):
        def read(
            self,
            connection: Connection,
            arrivals: Sequence[Arrival],
            *,
            as_of: Sequence[int],
            opposite_as_of: Sequence[int] | None = None,
        ) -> FeatureRows:
            rows = super().read(connection, arrivals, as_of=as_of, opposite_as_of=opposite_as_of)
            values = rows.values.copy()
            values[0, 0] += 1
            return replace(rows, values=values)

    monkeypatch.setattr(
        shadow_scoring, "SHADOW_SCORES", Kind("of_another_kind")
    )  # nothing is done yet
    drafts = score_days(shadow_world, reader=MovedFeatures(PLAN, shadow_world.runtime.network))
    assert sum(draft.body["left_out"] for draft in drafts) == len(drafts)


def test_a_model_of_other_features_is_refused(shadow_world: World) -> None:
    other = UniformScorer("m2", PLAN)
    other.definitions = "others"
    journal, read = shadow_world.runtime.journal, features(shadow_world)
    with (
        shadow_world.runtime.store.read() as connection,
        pytest.raises(PromotionRefusedError, match="features"),
    ):
        list(shadow_scores(connection, journal, features=read, scorer=other, now=0))


def test_percentiles_start_from_what_the_shadow_saw(
    shadow_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow_world.runtime.journal.append(score_days(shadow_world))
    with shadow_world.runtime.store.read() as connection:
        assert seeds(connection, "m2") == {}  # too few decisions to say anything
        monkeypatch.setattr(shadow_scoring, "FEWEST_ROWS", DECISIONS)
        (tables,) = seeds(connection, "m2").values()
    for table in (tables.seizure, tables.discrepancy):
        assert len(table) == 101
        assert list(table) == sorted(table)
        assert 0.0 <= table[0] < table[-1] <= 1.0


def test_a_model_in_force_is_loaded_with_what_its_shadow_saw(
    shadow_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = tuple(level / 200 for level in range(101))
    table = RiskTables(half, half)

    class Bundle:
        @classmethod
        def load(cls, folder: Path, *, key: object) -> "Bundle":
            loaded.append(folder.name)
            return cls()

        def prepare(self) -> None:
            """Have nothing to explain with."""

        def with_tables(self, tables: Mapping[str, RiskTables]) -> object:
            folder_seeds.append(dict(tables))
            return self

    folder_seeds: list[dict[str, RiskTables]] = []
    loaded: list[str] = []
    monkeypatch.setattr(model_watch, "BundleScorer", Bundle)
    monkeypatch.setattr(model_watch, "find_model_in_force", lambda _: "m2")
    monkeypatch.setattr(model_watch, "seeds", lambda _, version: {version: table})
    home_models = model_watch.HomeModels(shadow_world.home)
    home_models.load("m2")  # to make a decision again, before a rollback puts it into force
    with shadow_world.runtime.store.read() as connection:
        assert home_models.wanted(connection) == "m2"
    home_models.load("m2")
    home_models.load("m1")  # never in force here: its own tables stay
    assert folder_seeds == [{}, {"m2": table}, {}], "as in a process that recomputed nothing"
    assert loaded == ["m2", "m1"], "each bundle once"


def test_every_night_one_command_scores_whatever_is_in_the_shadow(
    shadow_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scorer, "load", lambda folder, key: UniformScorer(folder.name, PLAN))
    monkeypatch.setattr("models.bundle.read_verify_key", lambda home, version: None)  # no bundle
    asked = ["shadow", "--home", str(shadow_world.home.root), "--json"]

    def read_shadow() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(CliRunner().invoke(app, asked).stdout)
        return found

    assert read_shadow() == {"versions": ["m2"], "days": []}  # today is not over
    with travel(datetime.now(UTC) + timedelta(days=1), tick=True):
        (day,) = read_shadow()["days"]
        assert read_shadow()["days"] == []
    assert (day["version"], day["post"], day["decisions"]) == ("m2", POST, DECISIONS)

    unnamed = CliRunner().invoke(app, [*asked, "m3"])
    assert unnamed.exit_code == 2
    assert "--as" in unnamed.stderr
