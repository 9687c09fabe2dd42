"""A home on each store, without records, for the tests that audit what happens in it."""

import atexit
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from api.service.settings import Settings
from engine.storage.home import DATABASE_VARIABLE, Home
from tests.service.eventful_home import live
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


@contextmanager
def serve(home: Home, keys: Any, other: str) -> Iterator[World]:
    """Serve a home."""
    client, served = open_world(home, FakeModels(), Settings(key_seconds=0.2))
    with client:
        yield World(home, FakeModels(), client, served.state.runtime, keys, other)


@cache
def _eventful() -> tuple[Path, Any, str]:
    """Let everything happen once: it takes longer than most tests."""
    folder = Path(mkdtemp(prefix="darvoza-eventful-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = make_home(folder)
    keys, other = make_keys(home)
    with serve(home, keys, other) as world:
        live(world)
    return folder, keys, other


def copy_eventful(root: Path) -> tuple[Home, Any, str]:
    """Copy a home in which everything has happened, on SQLite, to a folder that is not there."""
    folder, keys, other = _eventful()
    return Home(Path(shutil.copytree(folder, root))), keys, other


@pytest.fixture(scope="module")
def eventful_home(empty_home: tuple[Home, Any, str]) -> tuple[Home, Any, str]:
    """Return a home in which everything has happened once; on SQLite it is a copy."""
    if os.environ.get(DATABASE_VARIABLE):
        with serve(*empty_home) as world:
            live(world)
        return empty_home
    shutil.rmtree(empty_home[0].root)
    return copy_eventful(empty_home[0].root)


@pytest.fixture(scope="module")
def eventful_world(eventful_home: tuple[Home, Any, str]) -> Iterator[World]:
    """Serve a home in which everything has happened once, on each store."""
    with serve(*eventful_home) as world:
        yield world
