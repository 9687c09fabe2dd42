"""The auditor's pages: reading leaves a record, a check finds what was seeded, draws come again."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update

from api.audit import answers as audit_reads
from engine.domain.rights import Role
from engine.journal.entries import Draft
from engine.journal.journal import BODIES, JOURNAL
from engine.journal.kinds import JOURNAL_VERIFIED, SHIFT_CLOSED
from engine.selection import RANDOM
from engine.shifts.shift_state import SHIFTS
from engine.storage import worker_process
from engine.storage.worker_process import hold_place
from tests.support.people import at_desk
from tests.support.running_service import POST, World, arrival, serving
from tests.unit.service.reports.test_acts import find

START = 150_000
CHECKED = re.compile(r'id="check".*?</section>', re.DOTALL)


def kinds(world: World) -> set[str]:
    with world.runtime.store.read() as connection:
        return set(connection.scalars(select(JOURNAL.c.kind).distinct()))


def reads(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.get("/v1/journal", Role.INTEGRITY).json()["reads"]
    return found


def test_who_opens_a_record_is_recorded_before_it_is_shown(world: World) -> None:
    red = find(world, "red", START)
    auditor = at_desk(world, "auditor", Role.INTEGRITY)
    before, seq = reads(world), red["receipt"]["sequence"]
    text_ = auditor.get("/journal").text
    assert f'href="/journal/{seq}"' in text_ and red["receipt"]["leaf"][:16] in text_
    assert reads(world) == before  # a list without bodies is no reading of them
    page = auditor.get(f"/journal/{seq}").text
    assert red["decision_id"] in page and red["receipt"]["signature"] in page
    first = reads(world)[0]
    assert (first["by"], first["sequence"], first["kind"]) == ("auditor", seq, "decision")
    assert len(reads(world)) == len(before) + 1
    assert "auditor" in auditor.get("/journal").text
    assert auditor.get("/journal/999999999").status_code == 404
    assert len(reads(world)) == len(before) + 1


def test_what_a_person_did_is_listed_further_back_page_by_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = at_desk(world, "acted-here", Role.INTEGRITY)
    red = find(world, "red", START + 500)["receipt"]["sequence"]
    for _ in range(3):
        assert reader.get(f"/journal/{red}").status_code == 200
    for number in range(3):
        world.decide(arrival(START + 900 + number))
    done = reads(world)[:3]
    assert {one["by"] for one in done} == {"acted-here"}
    found = world.get("/v1/journal?person=acted-here&limit=2", Role.INTEGRITY).json()
    rest = world.get(
        f"/v1/journal?person=acted-here&before={found['next_before']}", Role.INTEGRITY
    ).json()["records"]
    listed = [one["kind"] for one in (*found["records"], *rest)]
    assert len(found["records"]) == 2 and listed.count("sensitive_read") == 3
    monkeypatch.setattr(audit_reads, "MOST_LOOKED_THROUGH", 3)
    none = world.get("/v1/journal?person=acted-here", Role.INTEGRITY).json()
    assert none["records"] == [] and none["next_before"], "the three newest are of others"
    page = reader.get("/journal?person=acted-here").text
    assert f"person=acted-here&amp;before={none['next_before']}" in page


def test_a_body_is_not_shown_where_its_reading_cannot_be_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    red = find(world, "red", START + 1000)
    monkeypatch.setattr(audit_reads, "SENSITIVE_READ", None)  # a kind that no journal takes
    answer = world.get(f"/v1/journal/{red['receipt']['sequence']}", Role.INTEGRITY)
    assert answer.status_code >= 500 and red["decision_id"] not in answer.text


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[World]:
    """Serve a home whose journal nobody has checked."""
    yield from serving(tmp_path)


def test_a_check_is_recorded_and_finds_what_was_seeded(
    own_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = own_world
    auditor = at_desk(world, "checker", Role.INTEGRITY)
    assert "It has not been checked from here yet" in auditor.get("/journal").text
    assert auditor.send("/journal", "/journal/verifications", {}).status_code == 303
    shown = CHECKED.search(auditor.get("/journal").text)
    assert shown and "no fault" in shown[0] and "checker" in shown[0]
    assert JOURNAL_VERIFIED in kinds(world)
    red = find(world, "red", START + 3000)
    seq = red["receipt"]["sequence"]
    with world.runtime.store.write() as connection:
        kept = connection.scalar(select(BODIES.c.body).where(BODIES.c.seq == seq))
        connection.execute(update(BODIES).where(BODIES.c.seq == seq).values(body=b"{}"))
    found = world.post("/v1/journal/verifications", None, Role.INTEGRITY).json()
    assert [(one["seq"], one["rule"]) for one in found["faults"]] == [(seq, "leaf")]
    page = auditor.get("/journal").text
    assert "1 fault" in page and "1 faults" not in page
    monkeypatch.setattr(
        audit_reads, "MOST_WALKED", 2
    )  # too long a journal: what lies before is believed
    again = [
        world.post("/v1/journal/verifications", None, Role.INTEGRITY, key="v-1").json()
        for _ in range(2)
    ]
    assert again[0] == again[1] and again[0]["checked"] == 2
    with world.runtime.store.write() as connection:
        connection.execute(update(BODIES).where(BODIES.c.seq == seq).values(body=kept))
    with world.runtime.store.write() as connection:
        last = connection.scalar(text("SELECT max(seq) FROM journal"))
        connection.execute(update(JOURNAL).where(JOURNAL.c.seq == last).values(post="else"))
    tail = world.post("/v1/journal/verifications", None, Role.INTEGRITY).json()
    assert tail["after"] > 0 and [one["rule"] for one in tail["faults"]] == ["chain"]
    with world.runtime.store.write() as connection:
        connection.execute(update(JOURNAL).where(JOURNAL.c.seq == last).values(post=""))


def test_one_check_runs_at_a_time_for_all_workers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a seeded bug: each worker checks when it likes."""
    path, executor = "/v1/journal/verifications", world.runtime.executors.checks
    before = world.get(f"/v1/journal?kind={JOURNAL_VERIFIED}&limit=1", Role.INTEGRITY).json()

    def ask() -> int:
        answer = world.post(path, None, Role.INTEGRITY)
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) > 0
        return int(answer.status_code)

    with monkeypatch.context() as patched:  # in this worker
        patched.setattr(executor, "_taken", 1)
        assert ask() == 503
        auditor = at_desk(world, "second-checker", Role.INTEGRITY)
        page = auditor.send("/journal", "/journal/verifications", {})
        assert page.status_code == 503 and int(page.headers["retry-after"]) > 0
    with hold_place(world.home.root, "check", is_patient=False):  # in another one
        assert ask() == 503
        after = world.get(f"/v1/journal?kind={JOURNAL_VERIFIED}&limit=1", Role.INTEGRITY).json()
        assert after["verified"] == before["verified"]
        own = partial(hold_place, world.home.root, "own", is_patient=False)
        monkeypatch.setattr(worker_process, "hold_place", lambda *_, **__: own())
        assert ask() == 201
    assert ask() == 201


DRAW_START = 160_000


def reveal(world: World, seed: bytes | None = None) -> str:
    """Record a shift's seed as the next shift would, or another one in its place."""
    with world.runtime.store.read() as connection:
        row = connection.execute(select(SHIFTS).where(SHIFTS.c.post == POST)).first()
    assert row is not None
    body = {"shift": row.shift_id, "seed": (seed or bytes(row.seed)).hex()}
    world.runtime.writer.submit(Draft(SHIFT_CLOSED, row.shift_id, POST, body)).result()
    return bytes(row.seed).hex()


def test_numbers_come_out_again_once_the_seed_is_revealed(world: World) -> None:
    for number in range(DRAW_START, DRAW_START + 10):
        world.decide(arrival(number))
    auditor, path = at_desk(world, "drawer", Role.INTEGRITY), f"/posts/{POST}/draws"
    secret = json.loads(world.get(f"/v1{path}", Role.INTEGRITY).text)
    assert secret["shown"] is None and secret["shifts"][0]["seed"] is None
    assert "not yet knowable" in auditor.get(path).text
    assert auditor.get(f"{path}?shift={secret['shifts'][0]['shift']}").status_code == 404
    seed = reveal(world)
    assert seed not in json.dumps(secret)
    found = world.get(f"/v1{path}", Role.INTEGRITY).json()
    shown, shift = found["shown"], found["shifts"][0]
    assert shift["commitment_holds"] and shift["seed"] == seed
    assert shown["decisions"] >= 10 and shown["numbers"] == shown["equal"] > shown["decisions"]
    assert RANDOM in {number["purpose"] for number in shown["rows"][0]["numbers"]}
    assert seed in auditor.get(path).text and "≠" not in auditor.get(path).text
    reveal(world, bytes(32))
    wrong = world.get(f"/v1{path}", Role.INTEGRITY).json()
    assert not wrong["shifts"][0]["commitment_holds"] and wrong["shown"]["equal"] == 0
    assert "✗" in auditor.get(path).text
