"""Workers of a service end with their parent, and a second service on a port says so at once."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import dedent

import httpx2
import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.http.server import open_socket
from engine.errors import ServiceStartError
from engine.storage.home import DATABASE_VARIABLE, VARIABLE
from experiments.support.postgres import Cluster
from tests.support.clocks import wait_for

PATIENCE = 120.0
HOST = "127.0.0.1"
ADDRESS = re.compile(r"on http://127\.0\.0\.1:(\d+)")
SEEDED_BUG = """
import api.http.server
api.http.server.end_with_parent = lambda: None
"""
"""The seeded bug: workers that do not look at their parent."""
SCRIPT = """
{bug}
if __name__ == "__main__":
    from api.cli.main import main
    main()
"""


@contextmanager
def two_workers(folder: Path, database: str, bug: str) -> Iterator[tuple[int, int, list[int]]]:
    """Serve by two workers; yield the parent's process id, the port, and those of the workers."""
    script = folder / "serve.py"
    script.write_text(SCRIPT.format(bug=dedent(bug)), "utf-8")
    words = ["serve", "--home", str(folder / "home"), "--port", "0", "--workers", "2"]
    environment = os.environ | {DATABASE_VARIABLE: database, "PYTHONPATH": str(Path.cwd())}
    environment.pop(VARIABLE, None)
    workers: list[int] = []
    with subprocess.Popen(
        [sys.executable, str(script), *words], stderr=subprocess.PIPE, text=True, env=environment
    ) as parent:
        try:
            assert parent.stderr is not None
            found = next(filter(None, map(ADDRESS.search, parent.stderr)))
            port = int(found[1])
            assert wait_for(lambda: answers(port), seconds=PATIENCE, pause=0.1)
            workers += list_workers(parent.pid)
            yield parent.pid, port, workers
        finally:
            for pid in [parent.pid, *workers]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def list_workers(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()
    return [int(pid) for pid in children]


def answers(port: int) -> bool:
    with suppress(httpx2.TransportError):
        return httpx2.get(f"http://{HOST}:{port}/healthz", timeout=20).status_code == 200
    return False


def is_free(port: int) -> bool:
    with suppress(ServiceStartError):
        open_socket(HOST, port).close()
        return True
    return False


@pytest.mark.parametrize("bug", ["", SEEDED_BUG])
def test_workers_end_with_their_parent(cluster: Cluster, tmp_path: Path, bug: str) -> None:
    with (
        cluster.database() as database,
        two_workers(tmp_path, database, bug) as (parent, port, workers),
    ):
        assert len(workers) >= 2
        assert not is_free(port), "a second service would be refused"
        os.kill(parent, signal.SIGKILL)
        if bug:
            assert not wait_for(lambda: is_free(port), seconds=3, pause=0.1)
            assert answers(port), "the seeded bug: orphans go on serving"
        else:
            assert wait_for(lambda: is_free(port), seconds=PATIENCE, pause=0.1)


def test_a_second_service_on_a_port_is_refused_before_it_touches_its_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_socket(HOST, 0) as first:
        port = first.getsockname()[1]
        refused = CliRunner().invoke(app, ["serve", "--home", str(home), "--port", str(port)])
    assert isinstance(refused.exception, ServiceStartError)
    assert str(refused.exception).endswith(f"port {port} of {HOST}: Address already in use")
    assert "serving" not in refused.output
    assert not home.exists()
