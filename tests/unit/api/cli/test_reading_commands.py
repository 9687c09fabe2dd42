"""Commands that read, or that change what is there, make no home, no key and no table."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import api.cli.common
from api.cli.main import app
from engine.storage.home import Home

MAKING = {
    "demo", "load", "serve", "keys create", "users create", "synth", "backtest", "bench",
    "simulate", "faults", "sbom", "translate", "extract", "profiles templates",
    "training make",
}  # fmt: skip
"""They make a home, or touch none."""
ASKED = {
    "features": ["features", "{home}", "--out", "{out}"],
    "sql": ["sql", "SELECT 1"],
    "quality": ["quality"],
    "train": ["train"],
    "evaluate": ["evaluate", "m1"],
    "repeat": ["repeat", "m1"],
    "promote": ["promote", "m1", "--as", "ann"],
    "shadow": ["shadow"],
    "trial": ["trial"],
    "rollback": ["rollback", "--as", "ann"],
    "drift": ["drift"],
    "mlflow": ["mlflow"],
    "verify": ["verify"],
    "backup": ["backup", "{out}"],
    "profiles backtest": ["profiles", "backtest", "vehicle_class = 'car'"],
    "rebuild": ["rebuild"],
    "subject": ["subject", "01A", "--as", "ann"],
    "withdraw": ["withdraw", "ab12cd34", "--as", "ann"],
    "erase": ["erase", "--before", "2026-01-01", "--as", "ann"],
    "keys list": ["keys", "list"],
    "keys revoke": ["keys", "revoke", "key-1"],
    "users password": ["users", "password", "ann"],
    "users remove": ["users", "remove", "ann"],
    "agencies check": ["agencies", "check"],
    "propose": ["propose", "agencies", "--as", "ann"],
    "approve": ["approve", "7", "--as", "ann"],
    "agencies show": ["agencies", "show"],
    "agencies matrix": ["agencies", "matrix"],
    "oidc check": ["oidc", "check"],
    "oidc show": ["oidc", "show"],
    "oidc link": ["oidc", "link", "oidc-1", "--owner", "ann"],
    "link identity": ["link", "identity"],
    "link propose": ["link", "propose", "oybek", "--resume", "--as", "ann"],
    "link approve": ["link", "approve", "oybek", "--as", "ann"],
    "link end": ["link", "end", "oybek", "--why", "x", "--as", "ann"],
    "link match": ["link", "match", "oybek", "--as", "ann"],
    "link details": ["link", "details", "oybek", "ab12", "ask", "--as", "ann"],
    "link status": ["link", "status"],
    "link recompute": ["link", "recompute", "oybek"],
    "link sync": ["link", "sync"],
    "link export": ["link", "export", "oybek", "--to", "{out}"],
    "link import": ["link", "import", "{out}"],
    "training enrol": ["training", "enrol", "ann"],
    "training list": ["training", "list", "--as", "ann"],
    "training show": ["training", "show", "shift-1", "--as", "ann", "--out", "{out}"],
    "training pick": ["training", "pick", "shift-1", "{out}", "--as", "ann"],
    "training close": ["training", "close", "shift-1", "--as", "ann"],
    "training report": ["training", "report", "--as", "ann"],
    "training figures": ["training", "figures"],
    "training serve": ["training", "serve"],
    "training certificate": ["training", "certificate", "--as", "ann", "--out", "{out}"],
    "training check": ["training", "check", "ab12"],
    "training key": ["training", "key"],
    "training verify": ["training", "verify", "{out}", "--key", "00" * 32],
    "clock show": ["clock", "show"],
    "clock accept": ["clock", "accept", "--as", "ann", "--why", "x"],
}
"""Every other command, with enough words to run."""


def leaves(command: Any, path: str = "") -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path
        return
    for name, found in inner.items():
        yield from leaves(found, f"{path} {name}".strip())


def name_home(words: list[str], home: Path, out: Path) -> list[str]:
    given = [word.format(home=home, out=out) for word in words]
    return [*given, "--home", str(home)]


def test_every_command_is_of_one_kind() -> None:
    every = set(leaves(typer.main.get_command(app)))
    assert every - MAKING == ASKED.keys(), "say of a new command whether it makes a home"


@pytest.mark.parametrize("command", ASKED)
@pytest.mark.parametrize("has_file", [False, True], ids=["empty", "with-an-empty-store"])
def test_a_folder_that_is_no_home_stays_as_it_was(
    command: str, has_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DARVOZA_PASSWORD", "none")
    home, out = tmp_path / "home", tmp_path / "out"
    home.mkdir()
    if has_file:
        with closing(sqlite3.connect(home / "darvoza.sqlite")) as raw:
            raw.execute("PRAGMA journal_mode = WAL")
    before = content(home)
    refused = CliRunner().invoke(app, name_home(ASKED[command], home, out))
    assert refused.exit_code != 0
    assert content(home) == before and not out.exists()


def content(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()} | {
        path.name: b"" for path in home.rglob("*") if path.is_dir()
    }


def test_a_command_that_prepares_what_it_reads_would_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: looking for a store is left out, as it once was."""
    home = tmp_path / "home"
    home.mkdir()

    def careless(home: Path) -> Path:
        Home(home).prepare()
        return home

    monkeypatch.setattr(api.cli.common, "require_home", careless)
    CliRunner().invoke(app, name_home(ASKED["verify"], home, tmp_path / "out"))
    assert content(home)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 records"), (1, "1 record"), (1_204, "1,204 records")]
)
def test_what_is_counted_stands_in_the_singular_where_it_is_one(number: int, text: str) -> None:
    assert api.cli.common.count_of(number, "record") == text
