"""Tests that need processes, servers, a browser or whole systems; a store is of both kinds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.support.processes import Forker
from tests.integration.api.training.training_exercises import make_training_home
from tests.integration.service.auth.provider_process import IdentityProvider, running_provider
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


@pytest.fixture(scope="session")
def forker(long_shift: None) -> Iterator[Forker]:
    """Import the service once, to be forked by every test that starts or kills it."""
    from api.cli.experiments import forker

    with forker() as forks:
        yield forks


@pytest.fixture(scope="session")
def training_home(forker: Forker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one training home with its solutions next to it, to be shared or copied."""
    return make_training_home(forker, tmp_path_factory.mktemp("training") / "home")


@pytest.fixture(scope="session")
def identity_provider() -> Iterator[IdentityProvider]:
    """Run one identity provider for the session; under xdist, one for each worker that asks."""
    with running_provider() as provider:
        yield provider
