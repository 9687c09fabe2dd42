"""A home on each store, without records, for the tests that audit what happens in it."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.service.settings import Settings
from engine.storage.home import DATABASE_VARIABLE, Home
from tests.service.running_service import FakeModels, World, make_home, make_keys, open_world
from tests.support.emptied_database import empty_database


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def empty_home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Home, Any, str]]:
    """Yield a home without records, its keys, and the key of another post."""
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv(DATABASE_VARIABLE, raising=False)
        if request.param == "postgresql":
            url = request.getfixturevalue("postgresql_database")
            empty_database(url)
            patched.setenv(DATABASE_VARIABLE, url)
        home = make_home(tmp_path_factory.mktemp("home"))
        yield home, *make_keys(home)


@pytest.fixture(scope="module")
def empty_world(empty_home: tuple[Home, Any, str]) -> Iterator[World]:
    """Serve a home without records."""
    home, keys, other = empty_home
    client, served = open_world(home, FakeModels(), Settings(key_seconds=0.2))
    with client:
        yield World(home, FakeModels(), client, served.state.runtime, keys, other)
