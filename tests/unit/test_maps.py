"""The first thing that is read of a folder names every module in it, and none that is not there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def missing(folder: Path) -> list[str]:
    """Return the modules that the folder's map does not name."""
    told = (folder / "__init__.py").read_text("utf-8")
    modules = sorted(one.stem for one in folder.glob("*.py") if one.stem != "__init__")
    return [name for name in modules if not re.search(rf"\b{name}\b", told)]


@pytest.mark.parametrize("name", ["models"])
def test_the_map_names_every_module(name: str) -> None:
    assert missing(ROOT / name) == []


def test_a_module_that_is_not_named_is_found(tmp_path: Path) -> None:
    """The twin."""
    (tmp_path / "__init__.py").write_text('"""walk: down the trees; turned: labels."""', "utf-8")
    for name in ("walk", "turn", "turned"):
        (tmp_path / f"{name}.py").touch()
    assert missing(tmp_path) == ["turn"]
