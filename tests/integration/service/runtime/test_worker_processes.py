"""Workers of a service end with their parent and agree on what they answer.

A second service on a port says so at once.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.http.server import open_socket
from api.service.assembly import open_store
from engine.domain.rights import Role
from engine.errors import ServiceStartError
from engine.journal.journal import JournalReader
from engine.journal.kinds import SENSITIVE_READ
from engine.storage.home import DATABASE_VARIABLE, VARIABLE
from experiments.support.postgres import Cluster
from tests.support.clocks import wait_for
from tests.support.running_service import arrival, make_home, make_keys
from tests.unit.engine.cases.sample_photographs import write_png

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


CONNECTIONS = 12
PLATE = "01A0001BC"


def test_workers_agree_and_record_each_look_once(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve connections at once, each kept by one of the workers on PostgreSQL."""
    with cluster.database() as database:
        monkeypatch.setenv(DATABASE_VARIABLE, database)
        home = make_home(tmp_path / "home")
        keys, _ = make_keys(home)
        with (
            two_workers(tmp_path, database, "") as (_, port, workers),
            ExitStack() as stack,
            ThreadPoolExecutor(CONNECTIONS) as pool,
        ):
            clients: list[httpx2.Client] = []
            for resting in workers:  # so each of them keeps half of the connections
                os.kill(resting, signal.SIGSTOP)
                try:
                    for _ in range(CONNECTIONS // len(workers)):
                        client = httpx2.Client(base_url=f"http://{HOST}:{port}", timeout=PATIENCE)
                        clients.append(stack.enter_context(client))
                        assert client.get("/healthz").is_success
                finally:
                    os.kill(resting, signal.SIGCONT)

            def ask(role: Role, path: str, client: httpx2.Client, **sent: Any) -> Any:
                headers = {"Authorization": f"Bearer {keys[role]}"}
                answered = client.request("POST" if sent else "GET", path, headers=headers, **sent)
                assert answered.status_code in (200, 201), answered.text
                return answered.json()

            def ask_all(role: Role, path: str, **sent: Any) -> list[Any]:
                """Send one request by every connection at once; return the answers."""
                return list(pool.map(partial(ask, role, path, **sent), clients))

            decided = ask_all(Role.CHECKPOINT, "/v1/decisions", json=arrival(1, plate=PLATE))
            assert len({one["receipt"]["sequence"] for one in decided}) == 1
            path, picture = "/v1/crossings/c-1/files", write_png("L")
            filed = [ask(Role.CHECKPOINT, path, one, content=picture) for one in clients]
            assert len({one["sequence"] for one in filed}) == 1, "one content is one file"
            path = f"/v1/entities/plate/{PLATE}?purpose=inspection"
            parties = ask_all(Role.SUPERVISOR, path)
            assert {one["total"] for one in parties} == {1}
            figures = ask_all(Role.SUPERVISOR, "/v1/figures")
            texts = {json.dumps(one | {"as_of": None}, sort_keys=True) for one in figures}
            assert len(texts) == 1
        with open_store(home) as store, store.read() as connection:
            looks = JournalReader(connection).records(SENSITIVE_READ)
            assert sum(one.body["kind"] == "entity" for one in looks) == CONNECTIONS


def test_a_second_service_on_a_port_is_refused_before_it_touches_its_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_socket(HOST, 0) as first:
        port = first.getsockname()[1]
        refused = CliRunner().invoke(app, ["serve", "--home", str(home), "--port", str(port)])
    assert isinstance(refused.exception, ServiceStartError)
    assert str(refused.exception).endswith(f"port {port} of {HOST}: Address already in use")
    assert "serving" not in refused.output
    assert not home.exists()
