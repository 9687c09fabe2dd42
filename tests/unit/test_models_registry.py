"""Every training run is found again in MLflow, from the home's own files."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.home import Home
from engine.times import DAY
from models.bundle_write import write_bundle
from models.registry import register, runs
from models.train import train
from tests.unit.models_world import START, small_world
from tests.unit.test_models_fit import SMALL


@pytest.mark.slow
def test_a_run_keeps_its_choices_figures_and_digests(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path / "home").prepare()
    data = small_world(4000, seed=21)
    trained = train(data, SMALL, cutoff=START + 200 * DAY)
    bundle = write_bundle(home.bundles, trained, Ed25519PrivateKey.generate())

    run = register(home, bundle, trained.report)
    assert register(home, bundle, trained.report) == run
    assert capfd.readouterr() == ("", "")

    (kept,) = runs(home)
    assert kept["version"] == bundle.name
    assert kept["data_digest"] == trained.data_digest
    assert kept["definitions"] == data.definitions
    assert kept["synthetic"] == "true"
    artifacts = home.tracking / "artifacts" / run / "artifacts"
    assert "generated data" in (artifacts / "report.html").read_text("utf-8")
    assert (artifacts / "bundle" / "card.md").read_bytes() == (bundle / "card.md").read_bytes()
