"""The loaded history lies in files beside the store: whoever changes one is found."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from api.cli import app
from api.commands.common import opened
from engine.home import Home
from engine.journal import Draft, Journal
from features.intake import load
from features.loading import HISTORY
from tests.unit import intake_folders as folders
from tests.unit.intake_folders import NOW


def test_verify_holds_the_loaded_history_to_the_journal(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    folders.write(folders.clean(30), tmp_path / "in")
    digest = load(home, tmp_path / "in", now=NOW).digest
    asked = ["verify", "--home", str(home.root), "--json"]

    def faults() -> list[tuple[int, str]]:
        told = CliRunner().invoke(app, asked)
        found = json.loads(told.stdout)
        assert told.exit_code == (0 if found["ok"] else 1) and found["ok"] != bool(found["faults"])
        return [(one["seq"], one["rule"]) for one in found["faults"]]

    with opened(home.root) as (_, store):
        assert faults() == [(0, "history")], "a load that no record knows"
        record = Draft(HISTORY, "e", "", {"epoch": "e", "load": digest})
        seq = Journal(store).append([record])[0].seq
    assert faults() == []
    path = next((home.history / digest / "inspections").iterdir())
    table = pq.read_table(path)
    at = table.column_names.index("outcome")
    pq.write_table(table.set_column(at, "outcome", pa.array(["seizure"] * len(table))), path)
    assert faults() == [(seq, "history")], "a label that was changed would teach"
