"""Every package's ``__init__`` is its map: one line for each module and package in it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("engine", "features", "models", "experiments", "api")
LINE = re.compile(r"^(\w+) {2,}\S", re.MULTILINE)
MOST = 17
"""Modules in a room; migrations are a history, and no room."""
PACKAGES = sorted(
    path.parent
    for layer in LAYERS
    for path in (ROOT / layer).rglob("__init__.py")
    if "migrations" not in path.parts
)


def list_mapped(folder: Path) -> set[str]:
    """Return the names that the folder's map lists."""
    tree = ast.parse((folder / "__init__.py").read_text("utf-8"))
    return set(LINE.findall(ast.get_docstring(tree) or ""))


def present(folder: Path) -> set[str]:
    """Return the modules and packages of a folder."""
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return modules | {path.parent.name for path in folder.glob("*/__init__.py")}


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_map_lists_what_is_there(folder: Path) -> None:
    assert list_mapped(folder) == present(folder)
    assert len(list(folder.glob("[!_]*.py"))) <= MOST


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for layer in LAYERS for path in (ROOT / layer).rglob("*.py")}
    assert [one for one in folders if not (one / "__init__.py").exists()] == [
        ROOT / "api" / "migrations" / "versions"
    ]


def test_a_module_that_is_not_listed_is_found(tmp_path: Path) -> None:
    """Negative control."""
    (tmp_path / "__init__.py").write_text('"""A room.\n\nwalk  down the trees\n"""', "utf-8")
    for name in ("walk", "turn"):
        (tmp_path / f"{name}.py").touch()
    assert present(tmp_path) - list_mapped(tmp_path) == {"turn"}
