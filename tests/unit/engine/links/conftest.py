"""Two installations with a link in force, for every test of this folder that asks for them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.engine.links.two_sides import Side, open_sides


@pytest.fixture
def sides(store_url: str, sqlite_template: Path, tmp_path: Path) -> Iterator[tuple[Side, Side]]:
    """Open both sides, with a link in force."""
    copy = tmp_path / "tj.sqlite"
    shutil.copy(sqlite_template, copy)
    uz, tj = open_sides(store_url, f"sqlite:///{copy}")
    yield uz, tj
    for side in (uz, tj):
        side.store.dispose()


@pytest.fixture
def lite_sides(sqlite_template: Path, tmp_path: Path) -> Iterator[tuple[Side, Side]]:
    """Open both sides on SQLite, with a link in force."""
    copies = [tmp_path / name for name in ("uz.sqlite", "tj.sqlite")]
    for copy in copies:
        shutil.copy(sqlite_template, copy)
    uz, tj = open_sides(*(f"sqlite:///{copy}" for copy in copies))
    yield uz, tj
    for side in (uz, tj):
        side.store.dispose()
