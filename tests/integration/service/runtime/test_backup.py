"""A backup made while the service works verifies after the restore, and goes on from there."""

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli.home import copy_home
from api.cli.main import app
from api.service.assembly import open_runtime
from api.service.settings import Settings
from engine.audit.verification import verify
from engine.errors import HomeError, InputError
from engine.journal.receipts import Receipt
from engine.queue.queue import list_decisions
from engine.storage.home import Home
from tests.support.running_service import (
    FakeModels,
    World,
    arrival,
    open_world,
    serving,
)

pytestmark = pytest.mark.machine_clock


FIRST = 40
Answers = list[dict[str, Any]]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    """Serve a home of this test's own."""
    yield from serving(tmp_path / "home")


@cache
def body(number: int) -> dict[str, Any]:
    """Return the same body each time: a sender asks again with what it sent."""
    return arrival(300_000 + number)


def decide(world: World, numbers: range) -> Answers:
    return [world.decide(body(number)).json() for number in numbers]


def while_deciding(world: World, deed: Callable[[], Any]) -> None:
    """Do something while decisions go on."""
    stop = threading.Event()

    def ask() -> None:
        for number in range(FIRST, 5000):
            if stop.is_set():
                return
            decide(world, range(number, number + 1))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        deed()
    finally:
        stop.set()
        asking.join()


def restore_keys(world: World, copy: Path) -> Home:
    """Put the keys, which were kept elsewhere, next to the copy."""
    shutil.copytree(world.home.keys, copy / "keys")
    return Home(copy)


def missing(home: Home, known: Answers) -> set[str]:
    """Return the rules that these receipts break in a restored home."""
    runtime = open_runtime(home, Settings(), FakeModels())
    try:
        receipts = [Receipt.from_json(one) for one in known]
        found = verify(runtime.store, receipts, public_key=runtime.signer.public_key)
        return {fault.rule for fault in found.faults}
    finally:
        runtime.close()


def test_a_backup_verifies_after_its_restore_and_goes_on(live: World, tmp_path: Path) -> None:
    result = decide(live, range(FIRST))
    while_deciding(live, lambda: copy_home(live.home, tmp_path / "copy"))
    home = restore_keys(live, tmp_path / "copy")
    assert missing(home, result) == set()
    client, made = open_world(home, FakeModels(), Settings())
    with client:
        again = World(home, live.models, client, made.state.runtime, live.keys, live.other)
        assert decide(again, range(FIRST)) == result, "what was acknowledged is told again"
        assert again.decide(arrival(400_000)).status_code == 201
        with again.runtime.store.read() as connection:
            filed = list_decisions(connection, post=None, channel=None, since=0, most=FIRST)
            assert all(
                again.runtime.recompute.decision(connection, f.seq).is_identical for f in filed
            )


def test_the_command_copies_everything_but_keys_and_nothing_over(
    live: World, tmp_path: Path
) -> None:
    decide(live, range(3))
    (live.home.bundles / "m1").mkdir()
    (live.home.bundles / "m1" / "card.md").write_text("a card", "utf-8")
    asked = ["backup", str(tmp_path / "copy"), "--home", str(live.home.root), "--json"]
    found = CliRunner().invoke(app, asked)
    assert found.exit_code == 0 and json.loads(found.stdout)["ok"]
    names = {path.name for path in (tmp_path / "copy").iterdir()}
    assert {"darvoza.sqlite", "bundles", "history", "network.toml"} <= names
    assert "keys" not in names
    assert (tmp_path / "copy" / "bundles" / "m1" / "card.md").read_text() == "a card"
    with pytest.raises(InputError, match="already"):
        copy_home(live.home, tmp_path / "copy")


def test_a_copy_without_its_keys_verifies_and_calls_no_receipt_forged(
    live: World, tmp_path: Path
) -> None:
    result, copy, held = decide(live, range(3)), tmp_path / "copy", tmp_path / "held.jsonl"
    copy_home(live.home, copy)
    held.write_text("\n".join(json.dumps(one["receipt"]) for one in result))
    asked = ["verify", "--home", str(copy), "--json"]
    assert CliRunner().invoke(app, asked).exit_code == 0
    with pytest.raises(HomeError, match="keys/ back"):
        app([*asked, "--receipts", str(held)], standalone_mode=False)
    assert not (copy / "keys").exists(), "a command that only reads makes no key"
    restore_keys(live, copy)
    found = CliRunner().invoke(app, [*asked, "--receipts", str(held)])
    assert found.exit_code == 0 and json.loads(found.stdout)["receipts"] == 3


def test_a_changed_store_is_not_called_a_good_copy(live: World, tmp_path: Path) -> None:
    decide(live, range(3))
    with closing(sqlite3.connect(live.home.root / "darvoza.sqlite")) as raw, raw:
        raw.execute("UPDATE journal SET subject = 'other' WHERE kind = 'decision'")
    asked = ["backup", str(tmp_path / "copy"), "--home", str(live.home.root)]
    assert CliRunner().invoke(app, asked).exit_code == 1
