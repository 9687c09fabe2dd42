"""A home of version 0c412e7 changes to the feature definitions of this version, step by step.

Until then it goes on with its own: see ``test_old_home``. Steps: docs/operations.md, Upgrade, whose
commands are compared with those of this test.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from api.app import create_app
from api.cli.main import app as command_line
from api.service.model_store import HomeModels
from api.service.runtime import open_runtime
from api.service.settings import Settings
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from models.training import pipeline
from tests.service.compatibility.test_old_home import OldHome, unpack
from tests.support.small_checks import leave_out_tables

CONFIGURATION = """
folds = 2
jobs = 1
test_days = 30.0
label_delay_days = 1.0
few_discrepancies = 4
few_seizures = 1000
many_unseen = 100000
weights = "even"
[discrepancy]
iterations = 4
depth = 3
leaves = 6
seeds = 1
smallest_leaf = 5
share_of_features = 0.5
"""
"""Nearly as the old home's own model was trained, because it holds few finds."""
OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"
SECTION = "### Change to new feature definitions"
COMMAND = re.compile(r"`darvoza (\w+)")
POST = 'code = "KG-DOS"\n'
"""In the network file, which version 0c412e7 wrote without zones, domains and equipment."""
ARRIVAL = {
    "post": "KG-DOS",
    "direction": "entry",
    "arrived_at": "2026-10-13T16:30:00Z",
    "vehicle_class": "truck",
    "driver_ref": "d-1",
}
"""At 22:30 by the clocks of Dostuk, which version 0c412e7 took for 21:30."""
CROSSING = "late-1,KG-DOS,entry,2026-10-10T16:30:00Z,car"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> OldHome:
    folder = tmp_path_factory.mktemp("old")
    (folder / "more").mkdir()
    head = "crossing_id,post,direction,arrived_at,vehicle_class"
    (folder / "more" / "crossings.csv").write_text(f"{head}\n{CROSSING}\n", "utf-8")
    (folder / "train.toml").write_text(CONFIGURATION, "utf-8")
    return unpack(folder)


def run(old: OldHome, *arguments: str, password: str = "") -> Result:
    command = [*arguments, "--home", str(old.home.root)]
    secret = old.about["passwords"].get(password, "")
    return CliRunner().invoke(command_line, command, env={"DARVOZA_PASSWORD": secret})


def readiness(old: OldHome) -> dict[str, Any]:
    app = create_app(lambda: open_runtime(old.home, Settings(), HomeModels(old.home)))
    with TestClient(app) as client:
        found: dict[str, Any] = client.get("/readyz").json()
        return found


def documented_commands() -> list[str]:
    """Return the commands of the documented steps, in their order."""
    section = OPERATIONS.read_text("utf-8").partition(SECTION)[2].partition("\nSteps ")[0]
    return COMMAND.findall(section)


def complete_network_file(old: OldHome) -> None:
    """Take the first step: a zone, a shared domain, and what a post has."""
    text = old.home.network.read_text("utf-8")
    assert text.count(POST) == 1
    stated = text.replace(POST, f'{POST}timezone = "Asia/Bishkek"\nequipment = {{ canine = 1 }}\n')
    head, _, posts = stated.partition("\n")
    shared = '[identifiers]\nconsignee_id = "register"\n'
    old.home.network.write_text(f"{head}\n{shared}{posts}", "utf-8")


def read_clock_at_dostuk(old: OldHome, name: str) -> tuple[float, float]:
    """Return hour and night of an arrival, as the model that decides reads them."""
    by = {
        who: {"Authorization": f"Bearer {old.about['secrets'][who]}"}
        for who in ("KG-DOS", "analyst")
    }
    app = create_app(lambda: open_runtime(old.home, Settings(), HomeModels(old.home)))
    with TestClient(app) as client:
        body = {"crossing": ARRIVAL | {"crossing_id": name}}
        made = client.post("/v1/decisions", json=body, headers=by["KG-DOS"])
        assert made.status_code == 201, made.text
        path = f"/v1/decisions/{made.json()['decision_id']}/features"
        known = client.get(path, headers=by["analyst"]).json()["features"]
    return known["hour"], known["night"]


def promote(old: OldHome, version: str) -> list[int]:
    people = ("first", "second")
    return [run(old, "promote", version, f"--as={one}", password=one).exit_code for one in people]


def test_it_changes_to_the_definitions_of_this_version(
    old: OldHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Analysts' notebook has a test of its own, and takes seconds.
    monkeypatch.setattr(pipeline, "record_run", lambda *_: "")
    leave_out_tables(monkeypatch)  # test_old_home compares them
    folder = old.home.root.parent
    printed = json.loads(run(old, "verify", "--json").stdout)
    assert any("section Upgrade" in note for note in printed["notes"])
    complete_network_file(old)
    assert read_clock_at_dostuk(old, "before") == (21.0, 0.0), "one clock, as it was"

    trained = run(
        old, "train", str(folder / "train.toml"), "--as=writer", "--json", password="writer"
    )
    assert trained.exit_code == 0, trained.output
    version = json.loads(trained.stdout)["version"]
    card = json.loads((old.home.bundles / version / "card.json").read_text("utf-8"))
    assert card["definitions"] == Plan(CATALOGUE).digest
    assert promote(old, version) == [1, 1], "before the load, no service could use it"
    before = readiness(old)
    assert (before["mode"], before["definitions"]) == ("model", "earlier")

    loaded = run(old, "load", str(folder / "more"))
    assert loaded.exit_code == 0, loaded.output
    assert "train one" in loaded.output
    between = readiness(old)
    assert (between["mode"], between["definitions"]) == ("rules_only", "current")

    assert promote(old, version) == [0, 0]
    after = readiness(old)
    assert (after["mode"], after["model_version"]) == ("model", version)
    assert read_clock_at_dostuk(old, "after") == (22.0, 1.0), "22:30 and night"
    verified = run(old, "verify", "--json")
    assert verified.exit_code == 0, verified.output
    assert not any("section Upgrade" in note for note in json.loads(verified.stdout)["notes"])


def test_the_documented_steps_are_those_that_are_taken_above() -> None:
    assert documented_commands() == ["train", "load", "promote"]
