"""The small synthetic home that a release leaves for all later ones.

``PYTHONPATH=. .venv/bin/python -m tests.unit.service.release.release_home`` writes it to
``tests/data``, named by the version of ``pyproject.toml``. The tests beside hold each later version
to it.

Everything has happened once in it that leaves a record, models have decided, and the last
decisions are of every channel. Beside the home lie what a sender keeps: a key, a request with its
answer, and receipts.
"""

import json
import sys
import tarfile
import tomllib
from datetime import timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import time_machine
from typer.testing import CliRunner

from api.cli.main import app
from api.service.model_watch import HomeModels
from api.service.settings import Settings
from engine.criteria.dual_control import draft_backtest
from engine.domain.rights import Role
from engine.storage.home import Home
from experiments.support.deployment import Analysts
from experiments.synthetic.folder import write
from tests.support.backtest_figures import FIGURES
from tests.support.people import person, send
from tests.support.running_service import (
    NOON,
    OTHER,
    POST,
    World,
    arrival,
    cheap_passwords,
    make_home,
    make_keys,
    open_world,
)
from tests.unit.service.audit.eventful_home import live

DATA = Path(__file__).parents[3] / "data"
CHANNELS = {"green", "blue", "yellow", "red"}
FIRST = 1_000
"""Number of the first arrival of those that reach every channel."""
ENOUGH = 60
"""The fewest of them."""
NOTICE = (
    "SYNTHETIC: made by tests/unit/service/release/release_home.py. Nothing here is real, and its "
    "keys open nothing but this home.\n"
)


def decide_all_channels(world: World) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Decide until every channel was answered by a model; return each request with its answer."""
    decided, seen = [], set[str]()
    for number in count(FIRST):
        body = arrival(number)
        answer = world.decide(body)
        assert answer.status_code == 201, answer.text
        decided.append((body, answer.json()))
        if decided[-1][1]["mode"] == "model":
            seen.add(decided[-1][1]["channel"])
        if seen == CHANNELS and len(decided) >= ENOUGH:
            return decided
    raise AssertionError


def approve_profiles(world: World) -> None:
    """Let two people approve two profiles of light vehicles: else blue and yellow are rare."""
    first, second = person(world, Role.ANALYST), person(world, Role.SUPERVISOR)
    for code, channel, mass in (("P-2", "blue", 8200.0), ("P-3", "yellow", 8100.0)):
        profile = {"code": code, "channel": channel}
        profile["valid_until"] = (NOON + timedelta(days=30)).isoformat()
        profile["expression"] = f"crossing.weighed_mass_kg < {mass}"
        assert send(world, "/v1/profiles", profile, first).status_code == 201
        figures = draft_backtest("profile", code, by="ann", state="proposed", figures=FIGURES)
        world.runtime.writer.submit(figures).result()
        approved = send(world, f"/v1/profiles/{code}/approvals", {}, second)
        assert approved.status_code == 201, approved.text


def load_history(home: Home, folder: Path) -> None:
    """Load a synthetic history, whose rows of posts that this home lacks are quarantined."""
    write(folder, crossings=400, seed=7, end=NOON)
    (folder / "network.toml").unlink()
    for path in folder.glob("*.csv"):
        named = path.read_text("utf-8").replace("UZ-OYB", POST).replace("TJ-FOT", OTHER)
        path.write_text(named, "utf-8")
    loaded = CliRunner().invoke(app, ["load", str(folder), "--home", str(home.root)])
    assert loaded.exit_code == 0, (loaded.output, loaded.exception)


def fill(folder: Path) -> None:
    """Make the home and what a sender keeps."""
    home = make_home(folder / "home")
    load_history(home, folder / "history")
    keys, other = make_keys(home)
    client, served = open_world(home, HomeModels(home), Settings(model_seconds=0.05))
    with client:
        world = World(home, None, client, served.state.runtime, keys, other)
        assert world.decide(arrival(FIRST - 1)).json()["mode"] == "rules_only"
        analysts = Analysts(home, world.runtime.store)
        analysts.promote(analysts.make())
        live(world)
        approve_profiles(world)
        decided = decide_all_channels(world)
    kept = {"key": keys[Role.CHECKPOINT], "request": decided[-1][0], "answer": decided[-1][1]}
    (folder / "sender.json").write_text(json.dumps(kept), "utf-8")
    receipts = "".join(json.dumps(answer["receipt"]) + "\n" for _, answer in decided)
    (folder / "receipts.jsonl").write_text(receipts, "utf-8")
    (folder / "SYNTHETIC.txt").write_text(NOTICE, "utf-8")


def main() -> None:
    """Write the archive; one that is there stays, because a tag may have written it."""
    stated = tomllib.loads((DATA.parents[1] / "pyproject.toml").read_text("utf-8"))
    out = DATA / f"home-{stated['project']['version']}.tar.xz"
    if out.exists():
        sys.exit(f"{out} is there; before its tag, remove it first")
    with TemporaryDirectory() as scratch, time_machine.travel(NOON), cheap_passwords():
        folder = Path(scratch)
        fill(folder)
        with tarfile.open(out, "w:xz", preset=9) as archive:
            for name in ("SYNTHETIC.txt", "home", "receipts.jsonl", "sender.json"):
                archive.add(folder / name, name)
    print(f"{out}: {out.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
