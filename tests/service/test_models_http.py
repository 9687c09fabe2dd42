"""Models over HTTP: listed, approved by two, taken out of force by one."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.accounts import Accounts
from api.keys import open_pepper
from api.promoting import APPROVERS
from api.roles import Role
from api.settings import Settings
from engine.times import DAY
from models import promotion
from models.bundle import file_digest, signing_key
from models.bundle_write import write_bundle
from models.promotion import State
from models.train import train
from tests.service.world import FakeModels, World, make_home, make_keys, open_world
from tests.unit.models_world import START, small_world
from tests.unit.test_models_fit import SMALL


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """Serve a home that has one real, registered bundle; return its version too."""
    home = make_home(tmp_path_factory.mktemp("bundled"))
    keys, other = make_keys(home)
    client, app = open_world(home, FakeModels(None), Settings(model_seconds=0.05))
    with client:
        world = World(home, FakeModels(None), client, app.state.runtime, keys, other)
        made = train(small_world(2500, seed=11), SMALL, cutoff=START + 200 * DAY)
        bundle = write_bundle(home.bundles, made, signing_key(home))
        digest = file_digest(bundle / "manifest.json")
        names = {"manifest": digest, "evaluation": "e", "card": "c"}
        trainer = key_id(world, keys[Role.ANALYST])
        world.runtime.journal.append(promotion.register(State(), bundle.name, by=trainer, **names))
        yield world, bundle.name


def key_id(world: World, secret: str) -> str:
    return world.runtime.callers.look_up(f"Bearer {secret}").name


def approve(world: World, version: str, key: str, **headers: str) -> Any:
    auth = {"Authorization": f"Bearer {key}"}
    path = f"/v1/models/{version}/approvals"
    return world.client.post(path, json={}, headers=auth | headers)


def test_two_people_put_a_model_into_force_and_one_takes_it_out(
    bundled: tuple[World, str],
) -> None:
    world, version = bundled
    accounts = Accounts(world.runtime.store, world.runtime.network)
    pepper = open_pepper(world.home)
    second = accounts.create_key(Role.SUPERVISOR, None, pepper=pepper).secret
    first, trainer = world.keys[Role.SUPERVISOR], world.keys[Role.ANALYST]
    assert approve(world, version, trainer).status_code == 409, "trained it"
    assert approve(world, version, first).json()["role"] == "candidate"
    assert approve(world, version, first).status_code == 409, "approved it already"
    assert (
        approve(world, version, second, **{"Idempotency-Key": "a-1"}).json()["role"] == "in_force"
    )
    assert approve(world, version, second, **{"Idempotency-Key": "a-1"}).status_code == 201
    assert approve(world, version, second).status_code == 409, "in force already"
    listed = world.get("/v1/models").json()
    assert listed["in_force"] == version
    assert len(listed["models"][0]["approvals"]) == 2

    asked = {"reason": "It flags every empty truck."}
    assert world.post("/v1/models/rules-only", {}, Role.ANALYST).status_code == 422
    taken = world.post("/v1/models/rules-only", asked, Role.ANALYST)
    assert taken.status_code == 201
    assert taken.json()["in_force"] is None
    assert world.post("/v1/models/rules-only", asked, Role.ANALYST).status_code == 201, (
        "nothing to do"
    )
    assert [m["role"] for m in taken.json()["models"] if m["version"] == version] == ["retired"]


def test_a_strange_version_and_other_roles_are_refused(bundled: tuple[World, str]) -> None:
    world, version = bundled
    assert approve(world, "m-none", world.keys[Role.SUPERVISOR]).status_code == 404
    for role in Role:
        if role not in APPROVERS:
            assert approve(world, version, world.keys[role]).status_code == 403
            assert world.get("/v1/models", role).status_code == 403
