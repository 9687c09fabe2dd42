"""Every command takes ``--home``, so one script can name it everywhere; some touch no home."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from api.cli.main import app
from engine.errors import HomeError, InputError


def _leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, found in inner.items():
        yield from _leaves(found, (*path, name))


LEAVES = dict(_leaves(typer.main.get_command(app)))


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
