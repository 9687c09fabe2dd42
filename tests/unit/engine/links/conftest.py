"""Two installations with a link in force, for every test of this folder that asks for them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.engine.links.two_sides import Side, open_sides


@pytest.fixture
def sides(store_url: str, sqlite_template: Path, tmp_path: Path) -> Iterator[tuple[Side, Side]]:
    """Open both sides, with a link in force; ``tj`` stands on SQLite."""
    copy = tmp_path / "tj.sqlite"
    shutil.copy(sqlite_template, copy)
    uz, tj = open_sides(store_url, f"sqlite:///{copy}")
    yield uz, tj
    for side in (uz, tj):
        side.store.dispose()
