"""What a synthetic network may be written over: an earlier one, where that is asked for."""

from pathlib import Path

import pytest

from engine.errors import InputError
from experiments.synthetic.folder import MARK, claim


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    export = tmp_path / "crossings.csv"
    export.write_text("a real export")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="did not write"):
            claim(tmp_path, overwrite=overwrite)
    assert export.read_text() == "a real export" and not (tmp_path / MARK).exists()


def test_its_own_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    claim(tmp_path / "new", overwrite=False)
    (tmp_path / "new" / "crossings.csv").touch()
    with pytest.raises(InputError, match="--overwrite"):
        claim(tmp_path / "new", overwrite=False)
    claim(tmp_path / "new", overwrite=True)


def test_a_file_that_was_put_next_to_its_own_stops_it(tmp_path: Path) -> None:
    claim(tmp_path, overwrite=False)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"notes\.txt"):
        claim(tmp_path, overwrite=True)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(InputError, match="not a folder"):
        claim(tmp_path / "x", overwrite=True)
