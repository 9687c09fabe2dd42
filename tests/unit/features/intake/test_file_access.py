"""What lies in a bulk folder under the name of a table, and is no file that may be read."""

import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from engine.errors import InputError
from engine.storage.home import Home
from features.intake.load import load
from tests.unit.features.intake import bulk_folders as folders

SECRET = "root-x-0-0-secret"
ODD = "UZOYB"


def bulk(folder: Path, *rows: folders.Row, network: str | None = folders.NETWORK) -> Path:
    folders.write({"crossings": list(rows or [folders.crossing(1)])}, folder, network=network)
    return folder


def make(kind: str, path: Path) -> None:
    """Put something under the name of a table."""
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        other = path.parent.parent / "secret"
        other.write_text(f"{SECRET}\n")
        path.symlink_to(other)


@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("contract", "crossings.csv"),
        ("contract", "inspections.csv"),
        ("contract", "network.toml"),
        ("kcs", "imports.csv"),
    ],
)
def test_only_a_regular_file_is_read(kind: str, form: Any, name: str, tmp_path: Path) -> None:
    folder = bulk(tmp_path / "bulk")
    make(kind, folder / name)
    with pytest.raises(InputError, match=r"symbolic link|not a regular file") as refused:
        load(Home(tmp_path / "home").prepare(), folder, format=form)
    assert name in str(refused.value) and SECRET not in str(refused.value)


def test_a_link_would_have_its_first_line_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: any name that leads to a file is read."""
    folder = bulk(tmp_path / "bulk")
    make("link", folder / "crossings.csv")
    monkeypatch.setattr("features.intake.load.is_there", Path.exists)
    with pytest.raises(InputError, match=SECRET):
        load(Home(tmp_path / "home").prepare(), folder)


def test_a_long_name_of_a_column_is_cut(tmp_path: Path) -> None:
    folder = bulk(tmp_path / "bulk")
    (folder / "crossings.csv").write_text("y" * 5_000 + ",z\n")
    with pytest.raises(InputError) as refused:
        load(Home(tmp_path / "home").prepare(), folder)
    assert len(str(refused.value)) < 300


def test_a_refusal_repeats_a_name_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from api.cli.main import main

    folder = bulk(tmp_path / "bulk")
    (folder / "crossings.csv").write_text(":x:[bold],z\n")
    monkeypatch.setattr("sys.argv", ["darvoza", "features", str(folder), "--out", "none"])
    with pytest.raises(SystemExit):
        main()
    assert ":x:[bold]" in capsys.readouterr().err


def test_posts_that_no_network_file_names_are_said(tmp_path: Path) -> None:
    rows = [folders.crossing(number, post=post) for number, post in enumerate(("OYB", ODD, ODD))]
    folder = bulk(tmp_path / "bulk", *rows, network=None)
    home = str(tmp_path / "home")
    result = CliRunner().invoke(app, ["load", str(folder), "--home", home])
    assert result.exit_code == 0 and f"{ODD} (crossings: 2)" in " ".join(result.stderr.split())
    more = bulk(tmp_path / "more", folders.crossing(9, post=ODD), network=None)
    again = CliRunner().invoke(app, ["load", str(more), "--home", home])
    assert again.exit_code == 0 and ODD not in again.stderr, "the history names it by now"
