"""Drift of what the service decided: nothing moved is said to be still, and what moved is named."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.cli.models import drift
from engine.decision.record_codec import decode_decision
from engine.errors import PromotionRefusedError
from engine.journal.entries import Draft
from engine.journal.kinds import DECISION, MODEL_APPROVED
from engine.queue.queue import list_decisions
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.online.online_features import OnlineFeatures
from models.bundle import BundleDocuments
from models.lifecycle import transitions
from models.lifecycle.states import ModelStates
from models.monitoring import drift_monitor
from models.statistics.drift import Reference, reference
from tests.support.people import at_desk
from tests.support.running_service import POST, World, arrival, serving

DECISIONS = 60
PLAN = Plan(CATALOGUE)


def serve_decided(folder: Path) -> Iterator[World]:
    """Serve a home with decisions."""
    for world in serving(folder):
        world.decide_all(map(arrival, range(1, DECISIONS + 1)))
        yield world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve a home of this module's own: its decisions are counted."""
    yield from serve_decided(tmp_path_factory.mktemp("home"))


@pytest.fixture
def promoted_world(tmp_path: Path) -> Iterator[World]:
    """Serve a home of one test alone: a model that comes into force resets what is counted."""
    yield from serve_decided(tmp_path / "home")


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_monitor, "FEWEST", DECISIONS // 2)


def values(world: World) -> Any:
    """Return the features of all decisions, as they were decided."""
    with world.runtime.store.read() as connection:
        seqs = sorted(
            one.seq
            for one in list_decisions(connection, post=None, channel=None, since=0, most=999)
        )
        filings = [
            decode_decision(world.runtime.journal.body(connection, seq, of=DECISION))
            for seq in seqs
        ]
        read = OnlineFeatures(PLAN, world.runtime.network).read(
            connection,
            [one.arrival for one in filings],
            as_of=[one.inputs.as_of for one in filings],
        )
    return read.values


def papers(known: Reference) -> BundleDocuments:
    """Return papers as a bundle keeps them: JSON with sorted keys."""
    kept = json.loads(json.dumps(known.as_dict(), sort_keys=True))
    table = [level / 100 for level in range(101)]
    card = {"definitions": PLAN.digest}
    tables = {"*": {"quantiles": table}}
    return BundleDocuments("m", card, {"synthetic": True, "capacity": 0.05}, kept, tables)


def measure_drift(world: World, kept: BundleDocuments) -> dict[str, Any]:
    runtime = world.runtime
    with runtime.store.read() as connection:
        now = runtime.journal.head(connection).as_of
        features = OnlineFeatures(PLAN, runtime.network)
        found = drift_monitor.measure_drift(
            connection, runtime.journal, features=features, papers=kept, version="m1", now=now
        )
    return dict(json.loads(json.dumps(found, allow_nan=False)))


def test_nothing_moved_where_the_traffic_is_what_taught(world: World) -> None:
    found = measure_drift(world, papers(reference(values(world), PLAN.names)))
    assert found["sampled"] == DECISIONS == found["decisions"] and found["left_out"] == 0
    assert found["all"]["moved"] == 0 and not any(
        one["is_moved"] for one in found["all"]["families"]
    )
    assert {one["family"] for one in found["all"]["families"]} == {
        one.family for one in CATALOGUE.values()
    }
    assert not found["all"]["score"]["moved"], "scores of the test are uniform, as its quantiles"
    assert found["posts"]["OYB"]["rows"] == DECISIONS


def test_what_moved_is_named_by_its_family(world: World) -> None:
    taught = values(world)
    column = PLAN.names.index("weighed_mass_kg")
    taught[:, column] = np.nan_to_num(taught[:, column]) + 1e6
    found = measure_drift(world, papers(reference(taught, PLAN.names)))
    assert found["all"]["moved"] == 1
    first = found["all"]["families"][0]
    assert first["farthest"] == "weighed_mass_kg" and first["moved"] == 1
    assert first["family"] == CATALOGUE["weighed_mass_kg"].family


def test_too_few_say_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_monitor, "FEWEST", DECISIONS + 1)
    found = measure_drift(world, papers(reference(values(world), PLAN.names)))
    assert not found["all"]["knowable"] and found["all"]["score"] is None
    assert found["all"]["moved"] is None and found["all"]["families"] == []


def test_searches_are_held_against_what_was_stated(world: World) -> None:
    sent = world.get("/v1/decisions?channel=red").json()["decisions"]
    assert sent
    for number, one in enumerate(sent):
        act = {
            "inspection_id": f"drift-{number}",
            "crossing_id": one["crossing_id"],
            "recorded_at": datetime.now(UTC).isoformat(),
            "methods": ["physical"],
            "outcome": "clear",
        }
        assert world.post("/v1/inspections", act).status_code == 201
    found = measure_drift(world, papers(reference(values(world), PLAN.names)))["all"]
    picked, random_rows = found["picked"], found["random"]
    assert picked["found"]["n"] + random_rows["found"]["n"] == len(sent)
    assert picked["found"]["positives"] == 0 and not picked["found"]["knowable"]
    assert picked["stated"] > 0.5 and picked["weeks"] == 1
    assert picked["evidence"] > 1, "certain chances of which none came true speak against them"


def test_the_largest_party_of_the_picks_is_told(tmp_path: Path) -> None:
    """One carrier is behind all vehicles; in the control each comes with its own."""
    told, reports, pages = {}, {}, {}
    for big in (True, False):
        for world in serving(tmp_path / str(big)):
            world.decide_all(
                arrival(
                    number,
                    driver_ref=f"d-{number}",
                    carrier_id="k-big" if big else f"k-{number}",
                )
                for number in range(1, 121)
            )
            known = papers(reference(values(world), PLAN.names))
            told[big] = measure_drift(world, known)["largest_party"]["yellow"]
            reports[big] = world.get(f"/v1/posts/{POST}/shift").json()
            pages[big] = at_desk(world, "reads").get(f"/posts/{POST}/shift").text
    assert told[True]["picks"] and told[True]["kind"] == "carrier" and told[True]["share"] == 1.0
    assert told[False]["share"] * told[False]["picks"] == pytest.approx(1)
    picks = reports[True]["this_shift"]["streams"][0]["sent"]
    assert reports[True]["crowded"] == {"kind": "carrier", "share": 1.0, "picks": picks}
    said = pages[True].partition('id="crowded">')[2].partition("</li>")[0]
    assert said.startswith("100") and f" of what the score picked ({picks}) is of one party" in said
    assert said.endswith(": Carrier.")
    assert reports[False]["crowded"] is None and 'id="crowded"' not in pages[False]


def test_a_model_of_other_features_is_refused(world: World) -> None:
    kept = replace(papers(reference(values(world), PLAN.names)), card={"definitions": "others"})
    with pytest.raises(PromotionRefusedError, match="other features"):
        measure_drift(world, kept)


def test_the_command_records_what_it_measured(
    promoted_world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drift(promoted_world.home.root, days=28, by="ann", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"version": None}, "no model, and no failure"
    now = ModelStates()
    for step in (
        transitions.register(now, "m1", by="cem", manifest="m", evaluation="e", card="c"),
        (Draft(MODEL_APPROVED, "m1", "", {"by": "ann"}),),
        (Draft(MODEL_APPROVED, "m1", "", {"by": "bob"}),),
    ):
        promoted_world.runtime.journal.append(step)
    kept = papers(reference(values(promoted_world), PLAN.names))
    monkeypatch.setattr("models.bundle.read_documents", lambda *_: kept)
    monkeypatch.setattr("models.bundle.read_verify_key", lambda *_: None)
    drift(promoted_world.home.root, days=28, by="ann", as_json=True)
    fields = json.loads(capsys.readouterr().out)
    answered = promoted_world.get("/v1/drift").json()
    assert answered["in_force"] == "m1" and answered["measured"]["by"] == "ann"
    assert fields.items() <= answered["measured"].items() and fields["sampled"] == DECISIONS
