"""Commands: options, refusals, what they leave as it is, and what some of them print."""

import io
import sqlite3
import sys
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from api.cli import main as command_line
from api.cli.main import app
from engine.errors import HomeError, InputError


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, found in inner.items():
        yield from leaves(found, (*path, name))


LEAVES = dict(leaves(typer.main.get_command(app)))


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_takes_a_home(path: tuple[str, ...]) -> None:
    assert "--home" in {name for given in LEAVES[path].params for name in given.opts}


SILENT = {
    ("serve",), ("mlflow",), ("keys", "revoke"), ("users", "remove"), ("sbom",), ("subject",),
    ("training", "serve"),
}  # fmt: skip
SILENT |= {("agencies", "matrix")}
"""They print no results, nothing but JSON, or a page."""


@pytest.mark.parametrize("path", sorted(LEAVES.keys() - SILENT), ids=" ".join)
def test_every_command_with_results_prints_them_as_json(path: tuple[str, ...]) -> None:
    assert "--json" in {name for given in LEAVES[path].params for name in given.opts}


def test_the_version_is_that_of_the_tree() -> None:
    stated = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text("utf-8"))
    printed = CliRunner().invoke(app, ["--version"]).stdout
    assert printed == f"{stated['project']['version']}\n"


def test_a_command_that_touches_no_home_makes_none(tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    asked = ["synth", str(out), "--crossings", "50", "--home", str(home), "--json"]
    assert CliRunner().invoke(app, asked).exit_code == 0
    assert (out / "crossings.csv").exists()
    assert not home.exists()


def test_a_time_that_cannot_be_read_names_its_option(tmp_path: Path) -> None:
    asked = ["backtest", str(tmp_path), "--train-until", "soon", "--test-from", "2026-01-31"]
    refused = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "out")])
    assert refused.exit_code == 2 and "--train-until" in refused.output


@pytest.mark.parametrize("view", ["isolated", "linked"])
def test_a_view_needs_two_administrations(view: str, tmp_path: Path) -> None:
    """Without a network file all posts are of one database."""
    (tmp_path / "crossings.csv").write_text(
        "crossing_id,post,direction,arrived_at,vehicle_class\n"
        "c-1,OYB,entry,2025-01-01T00:00:00Z,car\n"
    )
    asked = ["backtest", str(tmp_path), "--train-until", "2025-01-01", "--test-from", "2025-01-01"]
    with pytest.raises(InputError, match=f"--view {view} needs posts of two administrations"):
        app([*asked, "--out", str(tmp_path / "out"), "--view", view], standalone_mode=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words", [["verify"], ["train"], ["evaluate", "m1"], ["promote", "m1", "--as", "ann"]]
)
def test_a_home_that_is_not_there_is_not_made(words: list[str], tmp_path: Path) -> None:
    """A slip of the pen in --home is refused, and leaves nothing behind."""
    with pytest.raises(HomeError, match="no such home"):
        app([*words, "--home", str(tmp_path / "typo")], standalone_mode=False)
    assert not (tmp_path / "typo").exists()


def test_a_folder_that_is_not_there_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        app(["load", str(tmp_path / "none"), "--home", str(tmp_path / "h")], standalone_mode=False)
    assert not (tmp_path / "h").exists()


def refuse(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a command that fails as the console script does; return its standard error."""
    output = io.StringIO()
    monkeypatch.setattr(sys, "stderr", output)
    monkeypatch.setattr(sys, "argv", ["darvoza", *words])
    with pytest.raises(SystemExit) as stopped:
        command_line.main()
    assert stopped.value.code == 1
    return output.getvalue()


def test_a_path_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = tmp_path / "wco.xml"
    document.write_text("<Declaration/>", "utf-8")
    blocked = tmp_path / "file"
    blocked.write_text("", "utf-8")
    words = ["translate", str(document), "--out", str(blocked / "out")]
    assert refuse(words, monkeypatch) == f"refused {blocked / 'out'}: Not a directory\n"


def test_a_fault_of_the_command_itself_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise ConnectionError("closed")

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(ConnectionError):
        command_line.main()


@pytest.mark.parametrize(
    "words", [["features", "{folder}", "--out", "{out}"], ["simulate", "--out", "{out}"]]
)
def test_a_missing_folder_is_refused_before_the_work(words: list[str], tmp_path: Path) -> None:
    out = tmp_path / "missing" / "file"
    given = [word.format(folder=tmp_path, out=out) for word in words]
    refused = CliRunner().invoke(command_line.app, given)
    assert isinstance(refused.exception, InputError)
    assert str(refused.exception) == f"{out.parent}: no such folder"


def test_without_a_terminal_the_variable_for_the_password_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    made = CliRunner().invoke(
        command_line.app, ["users", "create", "ann", "--role", "supervisor", "--home", str(home)]
    )
    assert made.exit_code == 0
    monkeypatch.delenv("DARVOZA_PASSWORD", raising=False)
    monkeypatch.setattr("getpass.getpass", _without_terminal)
    refused = refuse(["promote", "m1", "--as", "ann", "--home", str(home)], monkeypatch)
    assert refused == "refused no terminal to ask for the password of ann: set DARVOZA_PASSWORD\n"


def _without_terminal(prompt: str) -> str:
    import getpass
    import warnings

    warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
    return prompt


MAKING = {
    "demo", "load", "serve", "keys create", "users create", "synth", "backtest", "bench",
    "simulate", "faults", "sbom", "translate", "formats", "extract",
    "profiles templates", "training make",
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
    "recompute": ["recompute"],
    "subject": ["subject", "01A", "--as", "ann"],
    "withdraw": ["withdraw", "ab12cd34", "--as", "ann"],
    "erase": ["erase", "--before", "2026-01-01", "--as", "ann"],
    "keys list": ["keys", "list"],
    "keys revoke": ["keys", "revoke", "key-1"],
    "users password": ["users", "password", "ann"],
    "users remove": ["users", "remove", "ann"],
    "agencies check": ["agencies", "check"],
    "impact": ["impact"],
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


def name_home(words: list[str], home: Path, out: Path) -> list[str]:
    given = [word.format(home=home, out=out) for word in words]
    return [*given, "--home", str(home)]


def test_every_command_is_of_one_kind() -> None:
    every = set(map(" ".join, LEAVES))
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
