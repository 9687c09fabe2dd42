"""A lost key file is named, put back or replaced, by the commands of docs/backup.md."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.service import readiness
from api.service.assembly import open_runtime, open_store
from api.service.settings import Settings
from api.webhooks.steps import WebhookRequest
from engine.domain.rights import Role
from engine.errors import HomeError
from engine.journal.receipts import Receipt
from engine.links.agreement import parse_agreement
from engine.links.identity import LinkKeys
from engine.storage.home import DATABASE_VARIABLE, Home
from tests.integration.service.links.post_and_centre import Installation
from tests.support.emptied_database import empty_database
from tests.support.page_commands import Operator, list_programs
from tests.support.running_service import POST, FakeModels, arrival, make_home, make_keys
from tests.unit.engine.links.links import post_content
from tests.unit.service.audit.eventful_home import serve

pytestmark = pytest.mark.machine_clock

PAGE = ("backup.md", "A key file is lost")
"""Where commands put a file back, and then make each file."""
EVERY_HOME = ("pepper", "receipts.pem")
USED = ("webhooks", "link.pem")
"""Key files that are owed once a webhook is registered and an agreement proposed."""


@pytest.fixture
def operator(
    server_url: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Operator]:
    """Serve a home that owes every key file, whose copies are kept elsewhere."""
    monkeypatch.setattr(readiness, "EVERY_SECONDS", -1)
    if server_url:
        empty_database(server_url)
        monkeypatch.setenv(DATABASE_VARIABLE, server_url)
    home = make_home(tmp_path / "home")
    keys, other = make_keys(home)
    with open_store(home) as store:
        side = Installation(home, store)
        identities = side.exchange.keys.identity, LinkKeys.generate().identity
        agreement = parse_agreement(post_content(*identities, posts=[POST]))
        side.exchange.propose(agreement, by="anna")
    with serve(home, keys, other) as world:
        added = world.post("/v1/webhooks", WebhookRequest.EXAMPLE, Role.ADMINISTRATOR)
        assert added.status_code == 201, added.text
    kept = Path(shutil.copytree(home.keys, tmp_path / "kept"))
    variables = list_programs() | {"DARVOZA_HOME": str(home.root), "KEPT": str(kept)}
    with Operator(variables, lambda: serve(home, keys, other)) as made:
        made.start()
        yield made


def command(home: Home, *words: str) -> Any:
    return CliRunner().invoke(app, [*words, "--home", str(home.root), "--json"])


@pytest.mark.parametrize("name", [*EVERY_HOME, *USED])
def test_a_lost_key_is_named_and_put_back(operator: Operator, name: str) -> None:
    world, why = operator.service, f"keys/{name}: is missing"
    home, decided = world.home, world.decide(arrival(1)).json()
    (home.keys / name).unlink()
    ready = world.client.get("/readyz")
    assert ready.status_code == 503 and why in ready.json()["store"]
    operator.stop()
    with pytest.raises(HomeError, match=why):
        open_runtime(home, Settings(), FakeModels())
    if name in EVERY_HOME:
        refused = command(home, "keys", "create", "--role", "analyst")
        assert isinstance(refused.exception, HomeError)
    assert not (home.keys / name).exists(), "nothing made another one"
    assert command(home, "verify").exit_code == 0, "what only reads goes on"
    operator.variables["FILE"] = name
    operator.run(operator.read(*PAGE)[0])
    assert operator.service.client.get("/readyz").status_code == 200
    assert operator.service.decide({}).status_code == 422, "the old key is known"
    path = f"/v1/decisions/{decided['decision_id']}"
    assert operator.service.get(path).status_code == 200


def test_other_keys_are_made_where_no_copy_is_left(operator: Operator, tmp_path: Path) -> None:
    """Receipts of the old key are named as such; keys of machines and webhooks begin anew."""
    home, before = operator.service.home, operator.service.decide(arrival(1)).json()["receipt"]
    for name in (*EVERY_HOME, *USED):
        (home.keys / name).unlink()
    operator.stop()
    for block in operator.read(*PAGE)[1:]:
        operator.run(block)
    assert {(home.keys / name).stat().st_mode & 0o777 for name in (*EVERY_HOME, *USED)} == {0o600}
    world = operator.service
    assert world.client.get("/readyz").status_code == 200
    assert world.decide(arrival(2)).status_code == 401
    words = {
        Role.CHECKPOINT: ("--post", POST),
        Role.ADMINISTRATOR: ("--owner", "the-administrator"),
    }
    for role, more in words.items():
        made = command(home, "keys", "create", "--role", role.value, *more)
        world.keys[role] = json.loads(made.stdout)["key"]
    after = world.decide(arrival(2)).json()["receipt"]
    assert Receipt.from_json(before).key_id != Receipt.from_json(after).key_id
    (hook,) = world.get("/v1/webhooks", Role.ADMINISTRATOR).json()["webhooks"]
    path = f"/v1/webhooks/{hook['webhook_id']}/rotations"
    assert world.post(path, {"overlap_hours": 0}, Role.ADMINISTRATOR).status_code == 201
    held = tmp_path / "receipts.jsonl"
    held.write_text(f"{json.dumps(before)}\n{json.dumps(after)}\n", "utf-8")
    found = json.loads(command(home, "verify", "--receipts", str(held)).stdout)
    assert [fault["rule"] for fault in found["faults"]] == ["receipt_key"]
