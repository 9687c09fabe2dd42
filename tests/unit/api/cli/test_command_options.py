"""Every command takes ``--home``, so one script can name it everywhere; some touch no home."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from api.cli.main import app
from api.cli.models import _write_scores
from engine.errors import HomeError, InputError

if TYPE_CHECKING:
    from models.training.backtest import Backtest


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


def test_a_column_of_no_record_is_passed_over_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "crossings.csv").write_text(
        "crossing_id,post,direction,arrived_at,vehicle_class,lane,bay,hall\n"
        "c-1,OYB,entry,2025-01-01T00:00:00Z,car,3,1,A\n"
        "c-2,OYB,sideways,2025-01-01T00:00:00Z,car,3,1,A\n"
    )
    asked = ["features", str(tmp_path), "--out", str(tmp_path / "f.parquet"), "--json"]
    with pytest.raises(InputError, match="lane"):
        app(asked, standalone_mode=False)
    named = ["--ignore-columns", "lane", "--ignore-columns", "bay,hall"]
    written = CliRunner().invoke(app, [*asked, *named])
    assert written.exit_code == 0 and json.loads(written.stdout)["rows"] == 1
    assert "1 bad rows are left out" in written.stderr


def test_the_header_of_the_scores_is_plain(tmp_path: Path) -> None:
    class StubBacktest:
        crossing_id = np.array(['a"b', "c"], dtype=object)
        p_seizure = p_discrepancy = risk = np.array([0.25, 1.0])

    _write_scores(cast("Backtest", StubBacktest()), tmp_path / "scores.csv")
    assert (tmp_path / "scores.csv").read_text().splitlines() == [
        "crossing_id,p_seizure,p_discrepancy,risk",
        '"a""b",0.25,0.25,0.25',
        '"c",1,1,1',
    ]


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
