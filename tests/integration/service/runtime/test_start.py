"""What a start loads, by names and not by time, and when it says that it has begun."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from experiments.support.processes import HOST, Server, find_free_port
from tests.support.running_service import make_home

LIVE = """
import asyncio, sys, api.app
app = api.app.create_app()
async def live():
    async with app.router.lifespan_context(app):
        {more}
        print("loaded", *sys.modules)
asyncio.run(live())
"""
LATE = {
    "jinja2", "babel", "numba", "rich", "api.site", "api.decisions.stored_routes",
    "api.links.worker", "api.webhooks.delivery",
}  # fmt: skip
"""What pages, workers of areas and the counters of a loaded history stand on."""


def list_loaded(home: Path, more: str = "") -> set[str]:
    script = LIVE.format(more=more)
    environment = os.environ | {"DARVOZA_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True
    )
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("loaded"))
    return set(line.split())


@pytest.mark.parametrize(
    ("more", "is_late"), [("", False), ("api.app.load_late_routes(app)", True)]
)
def test_a_start_loads_what_decisions_need(tmp_path: Path, more: str, *, is_late: bool) -> None:
    """Negative control: a start that loads all routes."""
    home = make_home(tmp_path / "home")
    loaded = list_loaded(home.root, more)
    assert {"api.app", "engine.targeting.targeting"} <= loaded
    assert bool(loaded & LATE) == is_late


def test_a_service_manager_hears_when_it_can_ask(tmp_path: Path) -> None:
    home, port = make_home(tmp_path / "home"), find_free_port()
    words = [sys.executable, "-m", "api", "serve", "--home", str(home.root), "--port", str(port)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with Server(words, port, environment=environment, log=tmp_path / "log"):
            assert manager.recv(64) == b"READY=1"
            assert httpx2.get(f"http://{HOST}:{port}/readyz", timeout=60).status_code == 200
