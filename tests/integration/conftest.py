"""Tests that need processes, servers, a browser or whole systems; a store is of both kinds."""

from pathlib import Path

import pytest

from tests.support.emptied_database import empty_database, make_store_url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty migrated store, once on SQLite and once on PostgreSQL."""
    return make_store_url(request, request.param, tmp_path)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server_url(request: pytest.FixtureRequest) -> str | None:
    """Return no URL, for a home with its own file, and that of an empty database on PostgreSQL."""
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("postgresql_database")
    empty_database(url)
    return url
