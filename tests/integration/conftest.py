"""Tests that need processes, servers, a browser or whole systems; a store is of both kinds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.support.processes import Forker
from tests.integration.api.training.training_exercises import make_training_home
from tests.integration.service.auth.provider_process import IdentityProvider, running_provider


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each kind of store in turn to a test that asks for one."""
    for name in ("store_url", "server_url"):
        if name in metafunc.fixturenames and not hasattr(metafunc.module, name):
            metafunc.parametrize(name, ["sqlite", "postgresql"], indirect=True)


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
