"""Decisions of a node come out again at its centre, from the copies of its records alone."""

import json

import pytest
from sqlalchemy import delete, select
from typer.testing import CliRunner

from api.cli.main import app
from api.links import node_recompute
from api.links.node_recompute import CentreRecomputation, read_node_records, recompute_at_centre
from engine.errors import NoModelError
from engine.journal.copies import COPIES
from engine.journal.journal import BODIES
from engine.journal.kinds import DECISION
from tests.integration.service.links.post_and_centre import NAME, Installation, sync
from tests.support.running_service import FakeModels, World


def recompute(side: Installation, models: FakeModels, most: int = 100) -> list[CentreRecomputation]:
    about = side.home, side.store, side.link
    return recompute_at_centre(*about, models=models.load, sentences=models.sentences, most=most)


def test_decisions_of_a_node_come_out_again_at_its_centre(
    world: World, node: Installation, centre: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features, draws and decision, bit for bit, after acts, finds and a release were recorded."""
    sync(node, centre)
    made = recompute(centre, world.models)
    assert len(made) >= 30
    assert {one.differences for one in made} == {()}
    assert all(one.is_identical for one in made)
    assert recompute(node, world.models) == [], "a node has no copies of decisions"
    without = FakeModels(broken=frozenset({"m1"}))
    for one in recompute(centre, without, most=3):
        assert not one.is_identical
        assert one.missing == (str(NoModelError("m1")),)
    with monkeypatch.context() as patched:
        patched.setattr(node_recompute, "_count_records", lambda *_: None)
        found = recompute(centre, world.models)
        assert any("features" in one.differences for one in found), "the seeded bug is found out"


def test_a_body_that_is_gone_is_named(
    node: Installation, centre: Installation, world: World
) -> None:
    sync(node, centre)
    with centre.store.write() as connection:
        gone = read_node_records(connection, node.exchange.fingerprint)
        first = next(one for one in gone if one.kind == DECISION)
        seq = select(COPIES.c.seq).where(COPIES.c.number == first.copied["sequence"])
        connection.execute(delete(BODIES).where(BODIES.c.seq.in_(seq)))
    made = recompute(centre, world.models)
    assert len(made) >= 30
    assert all(one.missing == (f"body of record {first.copied['sequence']}",) for one in made)


def test_the_command_names_what_the_centre_lacks(
    node: Installation, centre: Installation, store_url: str
) -> None:
    sync(node, centre)
    words = ["link", "recompute", NAME, "--decisions", "3", "--home", str(centre.home.root)]
    env = {"DARVOZA_DATABASE_URL": store_url}
    answered = CliRunner().invoke(app, words, env=env)
    assert answered.exit_code == 0, answered.output
    assert answered.output.count("not compared: there is no model m1") == 3
    assert "0 of 3 decisions reproduced" in answered.output
    found = json.loads(CliRunner().invoke(app, [*words, "--json"], env=env).stdout)
    assert [one["missing"] for one in found["decisions"]] == [["there is no model m1"]] * 3
    assert found["draw_faults"] == []
