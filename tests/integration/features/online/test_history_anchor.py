"""Files next to the store that records anchor: a change of one is found."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from api.cli.common import open_home
from api.cli.main import app
from engine.audit.file_anchors import adopt_network, declare_network, open_network
from engine.errors import HomeError
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.journal.kinds import MODEL_REGISTERED
from engine.storage.home import Home, file_digest
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.intake.load import load
from features.online.backfill import open_epoch
from models.bundle import MANIFEST, sign, signing_key
from tests.unit.features.intake import bulk_folders as folders
from tests.unit.features.intake.bulk_folders import NOW

PLAN = Plan(CATALOGUE)
VERSION = "m-1"


def test_verify_holds_the_loaded_history_to_the_journal(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    folders.write(folders.clean(30), tmp_path / "in")
    loaded = load(home, tmp_path / "in", now=NOW)
    asked = ["verify", "--home", str(home.root), "--json"]

    def faults() -> list[tuple[int, str]]:
        result = CliRunner().invoke(app, asked)
        found = json.loads(result.stdout)
        assert result.exit_code == (0 if found["ok"] else 1) and found["ok"] != bool(
            found["faults"]
        )
        return [(one["seq"], one["rule"]) for one in found["faults"]]

    with open_home(home.root) as (_, store):
        assert faults() == [(0, "history")], "a load that no record knows"
        seq = open_epoch(home, store, PLAN, about=loaded.as_body(), report=lambda _: None).seq
    assert faults() == []
    path = next((home.history / loaded.digest / "inspections").iterdir())
    table = pq.read_table(path)
    at = table.column_names.index("outcome")
    pq.write_table(table.set_column(at, "outcome", pa.array(["seizure"] * len(table))), path)
    assert faults() == [(seq, "history")], "a label that was changed would teach"


def outcome(home: Home) -> tuple[list[str], list[str]]:
    """Return the rules of the faults that the command names, and its notes."""
    result = CliRunner().invoke(app, ["verify", "--home", str(home.root), "--json"])
    found = json.loads(result.stdout)
    assert result.exit_code == (0 if found["ok"] else 1)
    return [one["rule"] for one in found["faults"]], found["notes"]


@pytest.fixture
def anchored_home(tmp_path: Path) -> Home:
    """Return a home with a load, a bundle and a network file, all of them anchored."""
    home = Home(tmp_path / "home")
    folders.write(folders.clean(30), tmp_path / "in")
    result = CliRunner().invoke(app, ["load", str(tmp_path / "in"), "--home", str(home.root)])
    assert result.exit_code == 0, result.output
    _write_bundle(home)
    return home


def _write_bundle(home: Home) -> None:
    folder = home.bundles / VERSION
    folder.mkdir(parents=True)
    manifest = json.dumps({"format": 1, "version": VERSION, "files": {}}).encode()
    (folder / MANIFEST).write_bytes(manifest)
    (folder / "manifest.sig").write_bytes(sign(manifest, signing_key(home)))
    body = {"by": "ada", "manifest": file_digest(folder / MANIFEST)}
    with open_home(home.root) as (_, store):
        Journal(store).append([Draft(MODEL_REGISTERED, VERSION, "", body)])


def _folder(home: Home) -> Path:
    return next(path for path in home.history.iterdir() if not path.name.startswith("."))


def edit_network(home: Home) -> None:
    home.network.write_text(home.network.read_text("utf-8") + "\n# edited\n", "utf-8")


def remove_network(home: Home) -> None:
    home.network.unlink()


def link_network(home: Home) -> None:
    home.network.rename(home.root / "elsewhere.toml")
    home.network.symlink_to(home.root / "elsewhere.toml")


def edit_quarantine(home: Home) -> None:
    (_folder(home) / "quarantine.csv").write_text("nothing\n", "utf-8")


def remove_quarantine(home: Home) -> None:
    (_folder(home) / "quarantine.csv").unlink()


def link_table(home: Home) -> None:
    path = next((_folder(home) / "inspections").iterdir())
    path.rename(home.root / "elsewhere.parquet")
    path.symlink_to(home.root / "elsewhere.parquet")


def edit_bundle(home: Home) -> None:
    (home.bundles / VERSION / MANIFEST).write_bytes(b"{}")


def add_to_bundle(home: Home) -> None:
    (home.bundles / VERSION / "card.md").write_text("other", "utf-8")


def remove_bundle(home: Home) -> None:
    shutil.rmtree(home.bundles / VERSION)


def link_bundle(home: Home) -> None:
    (home.bundles / VERSION).rename(home.root / "elsewhere")
    (home.bundles / VERSION).symlink_to(home.root / "elsewhere")


ATTACKS: dict[Callable[[Home], None], set[str]] = {
    link_network: {"link"},
    edit_quarantine: {"quarantine"},
    remove_quarantine: {"quarantine"},
    link_table: {"link", "history"},
    edit_bundle: {"bundle"},
    add_to_bundle: {"bundle"},
    remove_bundle: {"bundle"},
    link_bundle: {"link"},
}


def test_an_edit_of_each_anchored_file_is_found(
    anchored_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outcome(anchored_home) == ([], [])
    for attack, rules in ATTACKS.items():
        home = Home(tmp_path / attack.__name__)
        shutil.copytree(anchored_home.root, home.root, symlinks=True)
        attack(home)
        assert set(outcome(home)[0]) == rules, attack.__name__


@pytest.mark.parametrize("attack", [edit_network, remove_network])
def test_a_network_file_that_was_edited_is_a_note_and_changes_nothing(
    anchored_home: Home, attack: Callable[[Home], None]
) -> None:
    with open_home(anchored_home.root) as (_, store):
        before = open_network(anchored_home, store)
        attack(anchored_home)
        faults, (note,) = outcome(anchored_home)
        assert faults == [] and note.startswith(anchored_home.network.name)
        adopt_network(anchored_home, store)
        assert open_network(anchored_home, store) == before


def test_a_network_file_that_no_record_anchors_is_a_note_and_the_next_start_anchors_it(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "home")
    folders.write(folders.clean(30), tmp_path / "in")
    loaded = load(home, tmp_path / "in", now=NOW)
    with open_home(home.root) as (_, store):
        open_epoch(home, store, PLAN, about=loaded.as_body(), report=lambda _: None)
        rules, notes = outcome(home)
        assert rules == [] and ["not anchored" in note for note in notes] == [True]
        declare_network(home, store)
        assert outcome(home) == ([], [])
        with store.read() as connection:
            kinds = connection.exec_driver_sql("SELECT kind FROM journal ORDER BY seq")
            assert kinds.scalars().all()[-1] == "network_declared"


def test_a_linked_network_file_is_not_declared(anchored_home: Home) -> None:
    link_network(anchored_home)
    with (
        open_home(anchored_home.root) as (_, store),
        pytest.raises(HomeError, match="symbolic link"),
    ):
        declare_network(anchored_home, store)


def test_a_load_that_was_stopped_is_said_and_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    folders.write(folders.clean(30), tmp_path / "in")
    asked = ["load", str(tmp_path / "in"), "--home", str(home.root)]

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:  # before the folder is in place
        patched.setattr("features.intake.stored_loads.Path.rename", stop)
        CliRunner().invoke(app, asked)
    rules, notes = outcome(home)
    assert rules == [] and [".load-" in note for note in notes] == [True]
    with monkeypatch.context() as patched:  # after that, and before it counts
        patched.setattr("features.online.backfill.open_epoch", stop)
        CliRunner().invoke(app, asked)
    rules, notes = outcome(home)
    assert rules == [] and ["not finished" in note for note in notes] == [True]
    assert CliRunner().invoke(app, asked).exit_code == 0
    assert outcome(home) == ([], [])


def test_a_load_from_before_an_optional_field_joined_verifies_and_is_rebuilt(
    anchored_home: Home,
) -> None:
    def drop(name: str) -> None:
        for path in (_folder(anchored_home) / "crossings").iterdir():
            pq.write_table(pq.read_table(path).drop_columns([name]), path)

    drop("cmr_number")
    assert outcome(anchored_home) == ([], [])
    result = CliRunner().invoke(app, ["rebuild", "--home", str(anchored_home.root)])
    assert result.exit_code == 0, result.output
    assert outcome(anchored_home) == ([], [])
    drop("plate_country")  # negative control: it has values
    assert outcome(anchored_home)[0] == ["history"]


def test_a_load_that_no_record_names_is_a_fault(anchored_home: Home) -> None:
    """Negative control: what is merely there is not taken for a load that was stopped."""
    shutil.copytree(_folder(anchored_home), anchored_home.history / ("0" * 64))
    assert outcome(anchored_home)[0] == ["history"]
