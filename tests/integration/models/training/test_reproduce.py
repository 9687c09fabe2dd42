"""A model comes out again from its record, whatever its home has learnt since."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.service.assembly import open_store
from engine.domain.time_units import DAY
from engine.storage.home import Home
from features.catalogue import catalogue
from features.history.tables import Tables
from models.training import bundle_writer, candidates
from tests.support.sizes import PROOF
from tests.unit.features.random_histories import NETWORK, START, history, known_before, tables

SIZE = 800 if PROOF else 500
SOME = dict(list(catalogue.CATALOGUE.items())[:: 1 if PROOF else 4])
"""Features that the models learn from."""
CUT = START + 330 * DAY
CONFIG = """
few_seizures = 5
weights = "even"
folds = 2
jobs = 1
discrepancy = { iterations = 4, seeds = 1 }
seizure = { iterations = 4, seeds = 1 }
"""


class Past:
    """What a home knows, which can become more."""

    def __init__(self) -> None:
        network = replace(NETWORK, severity={"narcotic": 10.0})
        self.whole = replace(tables(history(7, SIZE)), network=network)
        self.now = known_before(self.whole, CUT)

    def __call__(self, _home: object, _connection: object) -> Tables:
        return self.now


def run(home: Path, *words: str, status: int = 0) -> dict[str, Any]:
    found = CliRunner().invoke(app, [*words, "--home", str(home), "--json"])
    assert found.exit_code == status, found.output
    fields: dict[str, Any] = json.loads(found.stdout)
    return fields


def test_a_model_comes_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    past = Past()
    monkeypatch.setattr(candidates, "read_event_log", past)
    monkeypatch.setattr(catalogue, "CATALOGUE", SOME)
    # Analysts' notebook has a test of its own, and takes seconds to import.
    monkeypatch.setattr(candidates, "record_run", lambda *_: "")
    found = Home(tmp_path / "home")
    open_store(found).dispose()
    home = found.root
    (tmp_path / "small.toml").write_text(CONFIG)
    version = run(home, "train", str(tmp_path / "small.toml"))["version"]
    bundle = found.bundles / version
    assert json.loads((bundle / "report.json").read_text())["gravity"]["all"]["finds"] > 0
    past.now = past.whole
    result = run(home, "repeat", version)
    assert result["identical"]
    assert result["same_data"] and result["same_report"]
    assert not result["changed"]
    assert {"discrepancy.paths.npz", "calibration.json", "seizures.npz"} <= result["files"].keys()
    assert all(result["files"].values())

    # Negative control: what has come to light since would teach it, were it not held back.
    monkeypatch.setattr(candidates, "freeze_history", lambda tables, **_: tables)
    honest = bundle_writer.made_with()
    monkeypatch.setattr(candidates, "made_with", lambda: honest | {"scikit-learn": "0.1"})
    result = run(home, "repeat", version, status=1)
    assert not result["identical"]
    assert not result["same_data"] and not result["same_report"]
    assert not result["files"]["calibration.json"]
    assert result["changed"] == {"scikit-learn": [honest["scikit-learn"], "0.1"]}
