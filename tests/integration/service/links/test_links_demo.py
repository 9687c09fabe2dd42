"""The demonstration of links: three services, a shift over two links, a line that is cut."""

import json
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.demonstration import links as links_demo
from experiments.support.processes import Forker
from tests.integration.api.training.training_exercises import run_forked

pytestmark = pytest.mark.machine_clock


def test_a_shift_goes_over_both_links(
    forker: Forker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links_demo, "run_service", partial(run_forked, forker))
    monkeypatch.setattr("api.cli.demo.signal.signal", lambda *_: None)
    for name, value in {"DEPARTURES": 2, "ENTRIES": 3, "ASKED_ABOUT": 1}.items():
        monkeypatch.setattr(links_demo, name, value)
    words = ["demo", "--links", "--once", "--json", "--home", str(tmp_path / "home")]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0, (found.output, found.exception)
    result = json.loads(found.stdout)
    seconds = result.pop("seconds")
    assert seconds > 0
    # The random share may pick the vehicle that was asked about: it is searched all the same.
    assert result.pop("basis") in ("counterpart", "random")
    (file,) = result.pop("files")
    assert file["digest"] == sha256(links_demo.FILE).hexdigest()
    assert file["size_bytes"] == len(links_demo.FILE)
    assert result == {
        "synthetic": True,
        "manifests": 2,
        "channel": "red",
        "finds": 1,
        "request": "answered",
        "outcome": "seizure",
        "file_before_acceptance": False,
        "decided_cut_off": 3,
        "known_while_cut": 0,
        "known_after": 3,
        "doubled": 0,
    }
