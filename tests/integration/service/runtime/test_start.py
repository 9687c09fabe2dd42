"""What a start loads: by names, and not by time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
