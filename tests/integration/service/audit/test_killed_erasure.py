"""Erasure by two people: what is left of a subject, what still answers, and what a crash leaves."""

import os
import subprocess
import sys

import pytest

from api.audit.home_check import check_home
from api.audit.proposals import Criteria
from engine.domain.time_units import SystemClock, rfc3339
from tests.support.running_service import World
from tests.unit.service.audit.eventful_home import WATCHED
from tests.unit.service.audit.test_erasure import Story, derived_values, erase, list_decided, tell

pytestmark = pytest.mark.machine_clock


@pytest.fixture(scope="module")
def story(eventful_world: World) -> Story:
    """Tell the story of an erasure on each store."""
    return tell(eventful_world)


KILLED = """
import os, sys
from pathlib import Path
from api.audit.erasure import ErasedRows
from api.cli.main import main
ErasedRows._delete_counters = lambda *_: os._exit(9)
main()
"""
"""A command that ends at once, before the transaction of the erasure does."""


def test_a_kill_in_the_middle_leaves_all_or_nothing(story: Story) -> None:
    world = story.world
    moment = SystemClock().now()
    later = Criteria(before=moment)
    assert erase(world, "ann", later, "old").state == "proposed"
    with world.runtime.store.read() as connection:
        before = derived_values(connection)
    command = ["erase", "--home", str(world.home.root), "--before", rfc3339(moment), "--as", "bob"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *command],
        env=os.environ | {"DARVOZA_PASSWORD": story.bob},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (killed.returncode, killed.stderr) == (9, "")
    with world.runtime.store.read() as connection:
        assert derived_values(connection) == before
    done = erase(world, "bob", later)
    assert done.state == "erased"
    assert (done.waiting > 0, done.in_force) == (True, len(WATCHED) + 3)  # list, case, lawful trade
    assert [one.plate for one in list_decided(world)] == [""] * len(list_decided(world))
    assert all(one.plate for one in list_decided(world, waiting=True))
    assert check_home(world.home, world.runtime.store).faults == ()
