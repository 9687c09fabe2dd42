"""A post's node, with what happened there, and a centre with a link to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.audit.file_anchors import declare_network
from tests.integration.service.links.post_and_centre import (
    Installation,
    agree,
    make_centre,
    open_installation,
)
from tests.support.running_service import NETWORK, World, arrival
from tests.unit.service.audit.eventful_home import ENTRIES, post_works, watch


@pytest.fixture(scope="module")
def node(world: World) -> Iterator[Installation]:
    """Let a post decide, search, find, release, review, and put a roster."""
    watch(world)
    decided = [world.decide(arrival(number)).json() for number in range(1, ENTRIES + 1)]
    post_works(world, decided)
    yield from open_installation(world.home)


@pytest.fixture
def centre(node: Installation, store_url: str, tmp_path: Path) -> Iterator[Installation]:
    """Open a centre, on SQLite and on PostgreSQL, with a link to the node."""
    for one in open_installation(make_centre(tmp_path / "centre", NETWORK), store_url):
        declare_network(one.home, one.store)
        agree(node, one)
        yield one
        node.exchange.end(node.link.name, by="anna", why="the next test agrees again")
