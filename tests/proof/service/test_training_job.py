"""A training that an analyst starts from the page ends with a candidate that waits for approval."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.domain.rights import Role
from experiments.synthetic.folder import write
from tests.integration.service.analysis.test_jobs import wait
from tests.integration.service.audit.home_commands import run_command
from tests.integration.service.audit.test_journal_history import only_our_posts
from tests.support.people import at_desk, person
from tests.support.running_service import World, make_home, make_keys
from tests.unit.service.audit.eventful_home import serve

CROSSINGS = 60_000
PATIENCE = 1_200


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Serve a home with a synthetic history, as if it were of its posts."""
    home = make_home(tmp_path / "home")
    write(tmp_path / "history", crossings=CROSSINGS, seed=1)
    only_our_posts(tmp_path / "history")
    run_command(home, "load", str(tmp_path / "history"))
    keys = make_keys(home)
    with serve(home, *keys) as served:
        yield served


def test_a_training_from_the_page_makes_a_candidate(world: World) -> None:
    analyst = person(world, Role.ANALYST)
    desk = at_desk(world, "training-analyst", Role.ANALYST)
    sent = desk.send("/jobs", "/jobs", {"what": "train", "once": "0" * 24})
    assert sent.status_code == 303, sent.text
    name = sent.headers["location"].rpartition("/")[2]
    ended = wait(world, name, analyst, seconds=PATIENCE)
    assert ended["state"] == "done", ended["why"]
    version = ended["result"]["version"]
    models = world.client.get("/v1/models", headers=analyst).json()["models"]
    (made,) = (one for one in models if one["version"] == version)
    assert made["trained_by"] == "training-analyst", "who started it does not approve it"
    page = desk.get(f"/jobs/{name}").text
    assert version in page
    assert desk.get(f"/models/{version}").status_code == 200
