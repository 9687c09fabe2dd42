"""Homes that releases wrote open, verify, recompute, are rebuilt and serve in this version.

A home is written once, at its tag (tests/unit/service/release/release_home.py), and never again.
"""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner

import engine.journal.journal
from api.cli.main import app
from api.service.assembly import open_store
from api.service.model_watch import HomeModels
from api.service.settings import Settings
from engine.journal.journal import BODIES, JOURNAL
from engine.journal.kinds import INSPECTION
from engine.storage.home import DATABASE_VARIABLE, Home
from tests.support.clocks import travel
from tests.support.emptied_database import empty_database
from tests.support.running_service import NOON, arrival, open_world
from tests.unit.service.release.release_home import CHANNELS, DATA, ENOUGH, FIRST

ARCHIVES = sorted(DATA.glob("home-*.tar.xz"))
LATER = NOON + timedelta(hours=1)
"""An upgrade takes no longer: no shift ends, and the clock is followed."""


@dataclass
class Release:
    """What a release left, unpacked, and the words of this version's commands on it."""

    folder: Path

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    def run(self, *words: str, status: int = 0) -> dict[str, Any]:
        found = CliRunner().invoke(app, [*words, "--home", str(self.home.root), "--json"])
        assert found.exit_code == status, (found.output, found.exception)
        answer: dict[str, Any] = json.loads(found.stdout)
        return answer

    def verify(self, *, status: int = 0) -> dict[str, Any]:
        return self.run("verify", "--receipts", str(self.folder / "receipts.jsonl"), status=status)


@pytest.fixture(params=ARCHIVES, ids=[path.name for path in ARCHIVES])
def release(
    request: pytest.FixtureRequest,
    server_url: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Release]:
    """Unpack a release's home; on PostgreSQL its store moves there by ``darvoza rebuild``."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    made = Release(tmp_path)
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    with travel(LATER):
        if server_url:
            empty_database(server_url)
            made.run("rebuild", "--into", server_url)
            monkeypatch.setenv(DATABASE_VARIABLE, server_url)
        yield made


def test_it_verifies_with_its_receipts_and_is_rebuilt(release: Release) -> None:
    before = release.verify()
    assert before["receipts"] >= ENOUGH and before["bundles"] == before["loads"] == 1
    assert release.run("rebuild")["dropped"] == []
    assert release.verify() == before


def test_every_decision_is_made_again(release: Release) -> None:
    made = release.run("recompute")["decisions"]
    assert len(made) > ENOUGH
    assert [one for one in made if not one["identical"]] == []


def test_it_serves_its_senders_and_decides(release: Release) -> None:
    kept = json.loads((release.folder / "sender.json").read_text("utf-8"))
    headers = {"Authorization": f"Bearer {kept['key']}"}
    client, _ = open_world(release.home, HomeModels(release.home), Settings())
    with client:
        ready = client.get("/readyz").json()
        again = client.post("/v1/decisions", json=kept["request"], headers=headers)
        new = client.post("/v1/decisions", json=arrival(FIRST - 2), headers=headers)
    assert (ready["ready"], ready["mode"]) == (True, "model"), ready
    assert again.json() == kept["answer"]
    assert new.status_code == 201 and new.json()["channel"] in CHANNELS, new.text
    release.verify()


def test_a_changed_byte_is_found(release: Release) -> None:
    """Negative control."""
    with open_store(release.home) as store, store.write() as connection:
        of_acts = select(JOURNAL.c.seq).where(JOURNAL.c.kind == str(INSPECTION)).limit(1)
        (seq,) = connection.scalars(of_acts)
        body = connection.scalar(select(BODIES.c.body).where(BODIES.c.seq == seq))
        assert body is not None and b"physical" in body
        changed = body.replace(b"physical", b"physicaL", 1)
        connection.execute(update(BODIES).where(BODIES.c.seq == seq).values(body=changed))
    assert seq in {one["seq"] for one in release.verify(status=1)["faults"]}


# The replay ends in the middle of what a cursor of PostgreSQL reads.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_field_that_a_later_version_calls_otherwise_is_found(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: this version looks for the minutes of an act by another name."""
    parse = engine.journal.journal.parse_body

    def parse_renamed(stored: Any) -> Any:
        return json.loads(json.dumps(parse(stored)).replace('"minutes":', '"duration":'))

    monkeypatch.setattr(engine.journal.journal, "parse_body", parse_renamed)
    found = release.verify(status=1)["faults"]
    assert {one["rule"] for one in found} & {"replay", "differs"}
