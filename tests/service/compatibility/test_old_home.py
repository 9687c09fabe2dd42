"""A home that version 0c412e7 wrote opens, verifies, recomputes, serves, and shows all its pages.

``tests/data/home-0c412e7`` holds it, and the script that made it: a synthetic network's history, a
model that was trained and put into force by two people, 1,001 decisions, acts, seizures, a review,
an amendment, profiles and a watch list, with receipts, keys and passwords.
"""

import json
import re
import sqlite3
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from api.app import create_app
from api.cli.main import app as command_line
from api.service.model_store import HomeModels
from api.service.runtime import Runtime, open_runtime
from api.service.settings import Settings
from api.web.i18n import LANGUAGES, ReaderLocale
from engine.domain.time_zones import local_time
from engine.queue.queue import QueuedDecision, list_decisions
from engine.storage.home import Home
from tests.proof_alone import IS_PROOF
from tests.service.page_session import TOKEN
from tests.support.small_checks import leave_out_tables

ARCHIVE = Path(__file__).parents[2] / "data" / "home-0c412e7" / "home.tar.xz"
DECISIONS = 1_001
STEP = 1 if IS_PROOF else 10
"""At small sizes every tenth decision is recomputed, over the whole history."""
SHIFT = re.compile(r"(08:00 – [^<]* 20:00|20:00 – [^<]* 08:00)")
PAGES = (
    "/", "/posts/{post}/queue", "/posts/{post}/shift", "/decisions/{red}", "/decisions/{green}",
    "/profiles", "/profiles/HEAVY-1", "/watchlist", "/models", "/models/{version}", "/drift",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OldHome:
    """The home as it lies in the archive, and what its maker noted about it."""

    home: Home
    about: Mapping[str, Any]
    receipts: Path


@dataclass(frozen=True, slots=True)
class OldService:
    """A service of the old home."""

    old: OldHome
    client: TestClient
    runtime: Runtime

    def headers(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.old.about['secrets'][who]}"}

    def decisions(self) -> list[QueuedDecision]:
        with self.runtime.store.read() as connection:
            return list(
                list_decisions(connection, post=None, channel=None, since=0, most=2 * DECISIONS)
            )


def unpack(folder: Path) -> OldHome:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    about = json.loads((folder / "about.json").read_text("utf-8"))
    return OldHome(Home(folder / "home"), about, folder / "receipts.json")


@pytest.fixture(scope="module")
def old_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OldService]:
    """Serve the old home; nothing in it is prepared beyond what the service does itself."""
    old = unpack(tmp_path_factory.mktemp("old"))
    app = create_app(lambda: open_runtime(old.home, Settings(), HomeModels(old.home)))
    with TestClient(app, follow_redirects=False) as client:
        yield OldService(old, client, app.state.runtime)


def verify_home(old: OldHome) -> Any:
    arguments = ["verify", "--home", str(old.home.root), "--receipts", str(old.receipts), "--json"]
    return CliRunner().invoke(command_line, arguments)


def test_it_verifies_with_its_receipts(tmp_path: Path) -> None:
    result = verify_home(unpack(tmp_path))
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["receipts"] == 258


def test_one_changed_byte_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    leave_out_tables(monkeypatch)
    old = unpack(tmp_path)
    with closing(sqlite3.connect(old.home.root / "darvoza.sqlite")) as connection, connection:
        query = (
            "SELECT seq, body FROM journal_bodies JOIN journal USING (seq) WHERE kind = 'decision'"
        )
        seq, body = connection.execute(query).fetchone()
        changed = body.replace(b'"channel":"', b'"channel":"\xc2\xa0', 1)
        assert changed != body
        query = "UPDATE journal_bodies SET body = ? WHERE seq = ?"
        connection.execute(query, (changed, seq))
    assert verify_home(old).exit_code == 1


def test_every_decision_is_recomputed(old_service: OldService) -> None:
    filed = old_service.decisions()
    assert len(filed) >= DECISIONS
    with old_service.runtime.store.read() as connection:
        made = [
            old_service.runtime.recompute.decision(connection, one.seq) for one in filed[::STEP]
        ]
    assert len(made) > DECISIONS // STEP - 1 >= 99
    assert [one.stored["crossing_id"] for one in made if not one.is_identical] == []
    assert {"green", "yellow", "red"} <= {one.stored["channel"] for one in made}
    assert {one.stored["mode"] for one in made} == {"model"}


def test_a_decision_that_was_stored_otherwise_is_not_identical(
    old_service: OldService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    read = old_service.runtime.journal.body

    def body(connection: Any, seq: int, **_: object) -> Any:
        found = read(connection, seq)
        if "decision" in found:
            found["decision"]["propensity"] += 1e-7
        return found

    first = old_service.decisions()[0]
    monkeypatch.setattr(type(old_service.runtime.journal), "body", staticmethod(body))
    with old_service.runtime.store.read() as connection:
        assert not old_service.runtime.recompute.decision(connection, first.seq).is_identical


def test_its_model_decides_and_its_requests_are_still_the_same(old_service: OldService) -> None:
    first = next(one for one in old_service.decisions() if one.amends is None)
    with old_service.runtime.store.read() as connection:
        sent = old_service.runtime.journal.body(connection, first.seq)["arrival"]
    headers = old_service.headers(first.post)
    again = old_service.client.post("/v1/decisions", json=sent, headers=headers)
    assert again.status_code == 201, again.text
    assert again.json()["decision_id"] == first.decision_id
    fresh = {"crossing": sent["crossing"] | {"crossing_id": "new-1"}, "declaration": None}
    made = old_service.client.post("/v1/decisions", json=fresh, headers=headers)
    assert made.status_code == 201, made.text
    path = f"/v1/decisions/{made.json()['decision_id']}"
    seen = old_service.client.get(path, headers=old_service.headers("analyst")).json()
    assert (seen["mode"], seen["model_version"]) == ("model", old_service.old.about["version"])


def test_what_people_did_is_still_there(old_service: OldService) -> None:
    analyst = old_service.headers("analyst")
    profiles = old_service.client.get("/v1/profiles", headers=analyst).json()["profiles"]
    assert {one["code"] for one in profiles} == {"HEAVY-1", "HEAVY-2"}
    listed_now = old_service.client.get("/v1/watchlist", headers=analyst).json()["entries"]
    assert {one["state"] for one in listed_now} == {"proposed", "in_force"}
    models = old_service.client.get("/v1/models", headers=analyst).json()
    assert old_service.old.about["version"] in json.dumps(models)


def sign_in(old_service: OldService) -> TestClient:
    visitor = TestClient(old_service.client.app, follow_redirects=False)
    visitor._portal_factory = old_service.client._portal_factory  # type: ignore[method-assign]
    token = TOKEN.search(visitor.get("/login").text)
    assert token is not None
    password = old_service.old.about["passwords"]["first"]
    fields = {"form_token": token[1], "name": "first", "password": password}
    assert visitor.post("/login", data=fields).status_code == 303
    return visitor


@pytest.mark.integration
def test_every_page_is_read_in_four_languages(old_service: OldService) -> None:
    visitor = sign_in(old_service)
    filed = old_service.decisions()
    names = {
        "post": filed[0].post,
        "version": old_service.old.about["version"],
        **{c: next(one.decision_id for one in filed if one.channel.code == c)
           for c in ("red", "green")},
    }  # fmt: skip
    for (language, code), (number, page) in product(enumerate(LANGUAGES), enumerate(PAGES)):
        is_decision = page.startswith("/decisions")
        in_all = IS_PROOF or page == "/decisions/{red}"
        if not (in_all or number % len(LANGUAGES) == language):
            continue  # at small sizes a page is read in one language, a red decision in each
        visitor.cookies.set("darvoza_language", code)
        answer = visitor.get(page.format(**names))
        assert answer.status_code == 200, (code, page, answer.text[-500:])
        assert f'<html lang="{code}">' in answer.text
        if is_decision and code != "en":
            assert '<span lang="en">' not in answer.text, (code, page)


def clocks_shown(old_service: OldService) -> tuple[bool, bool]:
    """Tell whether the shift's page of two posts names its clocks, and cuts shifts by them."""
    visitor = sign_in(old_service)
    texts = {
        "UTC+06:00 (Asia/Bishkek)": visitor.get("/posts/KG-DOS/shift").text,
        "UTC+05:00 (Asia/Tashkent)": visitor.get("/posts/UZ-OYB/shift").text,
    }
    is_named = all(zone in text for zone, text in texts.items())
    return is_named, all(SHIFT.search(text) is not None for text in texts.values())


def test_shifts_are_shown_by_the_clocks_of_their_post(old_service: OldService) -> None:
    assert clocks_shown(old_service) == (True, True)
    headers = old_service.headers("supervisor")
    report = old_service.client.get("/v1/posts/KG-DOS/shift", headers=headers).json()
    assert report["timezone"] == "Asia/Bishkek"
    opens_at = local_time(datetime.fromisoformat(report["opens_at"]), report["timezone"])
    assert (opens_at.hour, opens_at.minute) in ((8, 0), (20, 0))


def test_one_clock_for_all_posts_is_found(
    old_service: OldService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr(ReaderLocale, "_zone", lambda _self, _post: timezone(timedelta(hours=5)))
    assert clocks_shown(old_service) == (False, False)
