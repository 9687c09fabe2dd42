"""A home of version 0c412e7 changes to the feature definitions of this version, step by step.

Until then it goes on with its own: see ``test_old_home``. Steps: docs/operations.md, Upgrade.
"""

import json
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
from tests.service.compatibility.test_old_home import OldHome, unpack

CONFIGURATION = """
folds = 2
jobs = 1
test_days = 30.0
label_delay_days = 1.0
few_discrepancies = 4
few_seizures = 1000
many_unseen = 100000
[discrepancy]
iterations = 12
depth = 3
leaves = 6
seeds = 1
smallest_leaf = 5
share_of_features = 0.5
"""
"""As the old home's own model was trained, because it holds few finds."""
CROSSING = "late-1,KG-DOS,entry,2026-11-20T16:30:00Z,car"


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


def promote(old: OldHome, version: str) -> list[int]:
    people = ("first", "second")
    return [run(old, "promote", version, f"--as={one}", password=one).exit_code for one in people]


def test_it_changes_to_the_definitions_of_this_version(old: OldHome) -> None:
    folder = old.home.root.parent
    told = json.loads(run(old, "verify", "--json").stdout)
    assert any("section Upgrade" in note for note in told["notes"])

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
    assert loaded.exit_code == 0
    assert "train one" in loaded.output
    between = readiness(old)
    assert (between["mode"], between["definitions"]) == ("rules_only", "current")

    assert promote(old, version) == [0, 0]
    after = readiness(old)
    assert (after["mode"], after["model_version"]) == ("model", version)
    verified = run(old, "verify", "--json")
    assert verified.exit_code == 0, verified.output
    assert not any("section Upgrade" in note for note in json.loads(verified.stdout)["notes"])
