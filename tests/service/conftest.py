"""One running service a module, in this process, on SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.settings import Settings
from tests.service.world import FakeModels, World, make_home, make_keys, open_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve a home with a key for every role, for all tests of a module."""
    yield from serving(tmp_path_factory.mktemp("home"))


def serving(folder: Path, models: FakeModels | None = None) -> Iterator[World]:
    """Serve a fresh home with a key for every role."""
    home = make_home(folder)
    keys, other = make_keys(home)
    models = models or FakeModels()
    settings = Settings(key_seconds=0.2, model_seconds=0.05)
    client, app = open_world(home, models, settings)
    with client:
        yield World(home, models, client, app.state.runtime, keys, other)
