"""A service with an area closed: it starts, decides and verifies, and its doors are gone."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer

from api import areas
from api.areas import require_areas
from api.cli.main import AREA_COMMANDS
from api.service.assembly import open_store
from engine.area_names import AREAS, VARIABLE
from engine.domain.rights import Role
from engine.errors import ServiceStartError
from engine.journal.areas import load_part
from engine.storage.home import DATABASE_VARIABLE, Home
from tests.integration.service.links.post_and_centre import Installation, agree
from tests.support.running_service import arrival, make_home, make_keys
from tests.unit.service.audit.eventful_home import copy_eventful

ADDRESS = re.compile(r"on (http://127\.0\.0\.1:\d+)")
ROUTES = {
    doors.name: re.findall(r"(GET|POST|PUT|DELETE) (\S+)", "".join(doors.rules.values()))
    for doors in areas.list_doors()
}
"""Method and path of every route of each area."""


def name_command(place: str) -> str:
    """Return the name of a command, or of a group of commands."""
    part = load_part(place)
    return str(part.info.name if isinstance(part, typer.Typer) else part.__name__)


COMMANDS = [(area, name_command(place)) for area, place in AREA_COMMANDS]
"""Areas and their commands."""


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Any, str]:
    return copy_eventful(tmp_path_factory.mktemp("closed") / "home")


def environment(home: Home, open_areas: str) -> dict[str, str]:
    known = {k: v for k, v in os.environ.items() if k != DATABASE_VARIABLE}
    return known | {"DARVOZA_HOME": str(home.root), VARIABLE: open_areas}


def command(home: Home, open_areas: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api", *words],
        env=environment(home, open_areas),
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def open_service(home: Home, open_areas: str) -> Iterator[httpx2.Client]:
    """Serve a home by the command, with some areas open."""
    words = [sys.executable, "-m", "api", "serve", "--port", "0"]
    known = environment(home, open_areas)
    with subprocess.Popen(words, env=known, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            address = next(filter(None, map(ADDRESS.search, process.stderr)))[1]
            with httpx2.Client(base_url=address, timeout=60) as client:
                yield client
        finally:
            process.terminate()


@pytest.mark.parametrize("closed", AREAS)
def test_a_service_without_an_area_decides_and_verifies(
    eventful: tuple[Home, Any, str], tmp_path: Path, closed: str
) -> None:
    """Everything happened in this home with all areas open; their records count all the same."""
    home, keys, _ = eventful
    opened = ",".join(sorted(AREAS.keys() - {closed}))
    if closed == "links":  # a post of the eventful home has a node
        refused = command(home, opened, "serve", "--port", "0")
        assert refused.returncode == 1
        assert "the area links is closed by DARVOZA_AREAS" in refused.stderr
        home = make_home(tmp_path)
        keys, _ = make_keys(home)
    number = 7_000 + list(AREAS).index(closed)
    bearer = {"Authorization": f"Bearer {keys[Role.CHECKPOINT]}"}
    with open_service(home, opened) as client:
        answer = client.post("/v1/decisions", json=arrival(number), headers=bearer)
        assert answer.status_code == 201, answer.text
        for area, routes in ROUTES.items():
            for method, path in routes:  # nobody's key: what is there asks for one
                status = client.request(method, re.sub("{.+?}", "1", path)).status_code
                assert status == (404 if area == closed else 401), (area, method, path, status)
        paths = client.get("/openapi.json").json()["paths"]
        assert paths and paths.keys().isdisjoint(path for _, path in ROUTES[closed])
    verdict = command(home, opened, "verify", "--json")
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    assert json.loads(verdict.stdout)["ok"] is True
    shown = command(home, opened, "--help").stdout
    for area, name in COMMANDS:
        assert (re.search(rf"^\W*{name} ", shown, re.MULTILINE) is None) == (area == closed)


def test_a_home_is_verified_and_erased_with_every_area_closed(
    eventful: tuple[Home, Any, str],
) -> None:
    home, _, _ = eventful
    assert command(home, "", "verify", "--json").returncode == 0
    rebuilt = command(home, "", "rebuild", "--json")
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert command(home, "", "verify", "--json").returncode == 0


def test_a_home_whose_posts_have_nodes_is_not_served_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: without an agreement nothing refuses."""
    sides = []
    for name in ("node", "centre"):
        home = make_home(tmp_path / name)
        sides.append(Installation(home, open_store(home)))
    closed = [one for one in areas.list_doors() if one.name == "links"]
    monkeypatch.setattr(areas, "list_closed", lambda: closed)
    for side in sides:
        with side.store.read() as connection:
            require_areas(side.home, connection)
    agree(sides[0], sides[1])
    for side in sides:
        with (
            side.store.read() as connection,
            pytest.raises(ServiceStartError, match="links is closed by DARVOZA_AREAS, and a link"),
        ):
            require_areas(side.home, connection)
        side.store.dispose()
