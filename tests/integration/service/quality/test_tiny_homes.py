"""Homes with little in them, or little of each record: every command and page has an answer."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from typer.testing import CliRunner

from api.auth.permissions import ROUTES
from api.cli.main import app
from api.site import PAGES
from engine.domain.rights import Role
from engine.errors import RiskError
from tests.support.people import at_desk
from tests.support.running_service import POST, arrival, serving
from tests.unit.features.intake import bulk_folders as folders

BARE = {"plate": "", "plate_country": "", "weighed_mass_kg": "", "declaration_id": ""}
CLEAN = folders.clean(300)
TINY: Mapping[str, folders.Tables] = {
    "no row": {"crossings": []},
    "one row": {"crossings": [folders.crossing(1)]},
    "without acts": {"crossings": [folders.crossing(number) for number in range(30)]},
    "without identifiers": {"crossings": [folders.crossing(n, **BARE) for n in range(30)]},
    "without declarations": {name: CLEAN[name] for name in ("crossings", "inspections")},
    "no act names a place": CLEAN,
    "one find": {"crossings": CLEAN["crossings"][:5], "seizures": [folders.seizure(0)]},
}
COMMANDS = (
    ("quality", "--keep"),
    ("shadow",),
    ("trial", "--as", "every-night"),
    ("drift", "--as", "every-night"),
    ("train", "--weekly"),
    ("sql", "SELECT count(*) FROM features"),
    ("verify",),
    ("rebuild",),
)
REFUSES = "train"
"""The one of them that says that there is too little."""


@pytest.mark.parametrize("name", TINY)
def test_every_nightly_command_has_an_answer(name: str, tmp_path: Path) -> None:
    folders.write(TINY[name], tmp_path / "in")
    for command in (("load", str(tmp_path / "in")), *COMMANDS):
        result = CliRunner().invoke(app, [*command, "--home", str(tmp_path / "home"), "--json"])
        is_refused = isinstance(result.exception, RiskError)
        assert is_refused == (command[0] == REFUSES), (command, result.output)
        assert is_refused or result.exit_code == 0, (command, result.output)


PLACE = re.compile(r"\{\w+\}")


def list_addresses() -> Iterator[str]:
    """Yield every page and list that is read without naming one thing but a post."""
    routes = (one for router in PAGES for one in router.routes)
    found = (one for one in routes if isinstance(one, APIRoute))
    pages = [one.path for one in found if "GET" in (one.methods or ())]
    for path in [*pages, *(path for method, path in ROUTES if method == "GET")]:
        address = path.replace("{post}", POST)
        if not PLACE.search(address) and not address.endswith("/events"):  # a stream has no end
            yield address


@pytest.mark.parametrize("sent", [0, 1], ids=["nothing", "one arrival"])
def test_every_page_and_list_of_a_new_service_has_an_answer(sent: int, tmp_path: Path) -> None:
    for world in serving(tmp_path / "home"):
        for number in range(sent):
            assert world.decide(arrival(number)).status_code == 201
        for role in (Role.SUPERVISOR, Role.ANALYST, Role.INTEGRITY, Role.ADMINISTRATOR):
            desk = at_desk(world, f"a-{role}", role)
            for path in list_addresses():
                answer = world.get(path, role) if path.startswith("/v1") else desk.get(path)
                assert answer.status_code < 500, (role, path, answer.text[:500])
