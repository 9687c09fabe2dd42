"""Files of cases: what is taken, who may have it, and that none is lost, changed or left behind."""

import asyncio
import hashlib
import shutil
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.audit.home_check import check_home
from api.audit.proposals import ERASURE, Criteria, ErasureProposal
from api.cases import steps
from api.cli.home import copy_home
from api.service.assembly import open_store
from api.service.executors import FILES
from engine.cases.area import CASE_EVENT
from engine.domain.rights import Role
from engine.domain.time_units import DAY, SystemClock
from engine.files.content import LARGEST_FILE
from engine.files.store import (
    ReceivedFile,
    find_file_faults,
    note_stray_files,
    sweep_files,
)
from engine.journal.journal import JournalReader
from engine.journal.kinds import SENSITIVE_READ
from engine.storage.home import Home
from tests.support.people import approve, at_desk, propose, user
from tests.support.running_service import World
from tests.unit.service.auth.test_refusals import is_problem
from tests.unit.service.cases.sample_files import BAD, GOOD, picture
from tests.unit.service.cases.sample_files import report as laboratory_report
from tests.unit.service.cases.test_cases import open_case, person, read, report

TOGETHER = FILES.at_once + FILES.waiting
Headers = dict[str, str]


@dataclass
class Desk:
    """A service, two people of different agencies, and a new case of the first."""

    world: World
    ann: Headers
    dia: Headers
    case_id: str
    before: frozenset[str] = frozenset()
    """What lay in the home before."""

    def add(self, content: Any, by: Headers | None = None, **about: Any) -> Any:
        path = f"/v1/cases/{about.pop('case_id', self.case_id)}/files"
        query = {"shows": "photograph"} | about
        return self.world.client.post(path, params=query, content=content, headers=by or self.ann)

    def fetch(self, digest: str, by: Headers | None = None) -> Any:
        path = f"/v1/cases/{self.case_id}/files/{digest}"
        return self.world.client.get(path, headers=by or self.ann)

    def faults(self) -> list[str]:
        with self.world.runtime.store.read() as connection:
            found = find_file_faults(self.world.home, connection)
            return [f"{one.rule}: {one.message}" for one in found]

    def list_names(self) -> set[str]:
        folder = self.world.home.files
        names = {one.name for one in folder.iterdir()} if folder.is_dir() else set()
        return names - self.before - {".lock"}


@pytest.fixture(scope="module")
def people(world: World) -> tuple[Headers, Headers]:
    return person(world, "ann", "customs"), person(world, "dia", "interior")


@pytest.fixture
def desk(world: World, people: tuple[Headers, Headers]) -> Desk:
    made = Desk(world, *people, open_case(world, people[0]))
    made.before = frozenset(made.list_names())
    return made


def test_a_file_is_kept_by_its_digest_and_handed_out_sealed(desk: Desk) -> None:
    about = {"description": "the tank, opened", "sample": "s-1", "handling": "H1"}
    for media_type, made in GOOD.values():
        content = made()
        added = desk.add(content, None, **about)
        assert added.status_code == 201, added.text
        digest = hashlib.sha256(content).hexdigest()
        known = {"digest": digest, "media_type": media_type, "size_bytes": len(content)}
        assert known.items() <= added.json().items()
        found = desk.fetch(digest)
        assert (found.status_code, found.content) == (200, content)
        is_picture = media_type.startswith("image/")
        wanted = media_type if is_picture else "application/octet-stream"
        assert found.headers["content-type"] == wanted
        assert found.headers["content-disposition"].startswith("attachment")
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["cache-control"] == "no-store"
        assert "sandbox" in found.headers["content-security-policy"]
    event = read(desk.world, desk.case_id, desk.ann)["events"][0]
    assert (event["kind"], event["by"], event["by_agency"]) == ("file", "ann", "customs")
    assert event["handling"] == ["H1"]
    assert event["content"]["description"] == about["description"]
    assert desk.faults() == []
    shown = at_desk(desk.world, "eve").get(f"/cases/{desk.case_id}").text
    assert f"/v1/cases/{desk.case_id}/files/{event['content']['digest']}" in shown
    mode = desk.world.home.files / event["content"]["digest"]
    assert mode.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["HTML", "SVG with script", "PDF with script", "JPEG and archive"])
def test_what_runs_is_refused_and_nothing_of_it_stays(desk: Desk, name: str) -> None:
    rule, made = BAD[name]
    refused = desk.add(made())
    assert is_problem(refused, 422)
    assert refused.json()["fields"][0]["rule"] == rule
    assert desk.list_names() == set()
    assert read(desk.world, desk.case_id, desk.ann)["events"] == []


@pytest.mark.parametrize("is_stated", [True, False])
def test_a_file_of_a_gigabyte_is_refused_early_and_without_memory(
    desk: Desk, is_stated: bool
) -> None:
    """Sent to the application itself: the client of tests reads a body whole before it sends it."""
    asked, answered = 0, list[int]()

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        more = asked < 1024
        return {"type": "http.request", "body": b"w" * (1 << 20), "more_body": more}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answered.append(message["status"])

    stated = {"Content-Length": str(1 << 30)} if is_stated else {"Transfer-Encoding": "chunked"}
    heads = (desk.ann | stated | {"Host": "testserver"}).items()
    scope = {
        "type": "http",
        "method": "POST",
        "http_version": "1.1",
        "path": (path := f"/v1/cases/{desk.case_id}/files"),
        "raw_path": path.encode(),
        "query_string": b"shows=photograph",
        "headers": [(name.lower().encode(), value.encode()) for name, value in heads],
        "client": ("127.0.0.1", 1),
    }
    tracemalloc.start()
    try:
        asyncio.run(desk.world.client.app(scope, receive, send))  # type: ignore[arg-type]
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answered == [413]
    assert asked == (0 if is_stated else 33)
    assert most < 16 << 20
    assert desk.list_names() == set()


def test_the_largest_file_is_taken_and_one_byte_more_is_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LARGEST_FILE == 32 << 20
    monkeypatch.setattr("api.cases.routes.LARGEST_FILE", 4096)
    assert desk.add(b"w" * 4096).status_code == 201
    assert is_problem(desk.add(b"w" * 4097), 413)
    monkeypatch.undo()
    monkeypatch.setattr("api.files.transfers.LARGEST_FILE", 4096)
    assert is_problem(desk.add(b"w" * 4097), 413), "the store has the limit too"


def test_an_unknown_or_closed_case_is_refused_before_anything_is_read(desk: Desk) -> None:
    def never() -> Iterator[bytes]:
        yield b"one"
        raise AssertionError("read on")

    assert is_problem(desk.add(never(), case_id="case-none"), 404)
    closed = {"kind": "closed", "outcome": "reported", "reason": "all is sent"}
    assert report(desk.world, desk.case_id, desk.ann, closed).status_code == 201
    assert is_problem(desk.add(never()), 409)
    assert desk.list_names() == set()


def test_uploads_at_once_are_all_kept(desk: Desk) -> None:
    made = [f"photograph {number}".encode() for number in range(TOGETHER)]
    with ThreadPoolExecutor(TOGETHER) as pool:
        added = [one.json() for one in pool.map(desk.add, made)]
    wanted = {hashlib.sha256(one).hexdigest() for one in made}
    events = read(desk.world, desk.case_id, desk.ann)["events"]
    assert {one["digest"] for one in added} == wanted == desk.list_names()
    assert [one["content"]["digest"] for one in events] and len(events) == TOGETHER
    assert {one["content"]["digest"] for one in events} == wanted
    assert desk.faults() == []


def test_one_file_more_than_there_are_places_is_refused_before_it_is_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other requests of its case go on meanwhile."""
    executor = desk.world.runtime.executors.files
    monkeypatch.setattr(executor, "_taken", TOGETHER - 1)
    assert desk.add(b"the last place").status_code == 201
    monkeypatch.setattr(executor, "_taken", TOGETHER)
    with monkeypatch.context() as patched:
        patched.setattr("api.files.transfers.ReceivedFile", pytest.fail)
        refused = desk.add(b"one more")
    assert is_problem(refused, 503) and int(refused.headers["retry-after"]) > 0
    assert executor._taken == TOGETHER
    assert len(read(desk.world, desk.case_id, desk.ann)["events"]) == 1


def test_a_file_is_for_whom_its_case_and_its_event_are(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the handling code of the event is not asked."""
    open_to_all = desk.add(b"for all").json()["digest"]
    kept = desk.add(b"from a source", handling="H2").json()["digest"]
    assert desk.fetch(open_to_all, desk.dia).status_code == 200
    assert is_problem(desk.fetch(kept, desk.dia), 404)
    assert desk.fetch(kept).status_code == 200
    far = {"Authorization": f"Bearer {desk.world.other}"}
    assert is_problem(desk.fetch(open_to_all, far), 404)
    assert is_problem(desk.fetch(open_to_all, desk.world.headers(Role.ANALYST)), 403)
    other = Desk(desk.world, desk.ann, desk.dia, open_case(desk.world, desk.ann))
    assert is_problem(other.fetch(open_to_all), 404), "the file of another case"
    monkeypatch.setattr(steps, "is_party", lambda *_: True)
    assert desk.fetch(kept, desk.dia).status_code == 200


def test_who_takes_a_file_is_recorded_first(desk: Desk) -> None:
    added = desk.add(b"seen").json()
    desk.fetch(added["digest"])
    with desk.world.runtime.store.read() as connection:
        reads = [body for _, body in JournalReader(connection).bodies_of(SENSITIVE_READ)]
    known = {"by": "ann", "role": "supervisor", "sequence": added["sequence"], "kind": "case_file"}
    assert known in reads


def test_verify_finds_a_flipped_bit_a_missing_file_and_a_link(desk: Desk) -> None:
    """Each is a fault of the record that named the file, and no reader gets the changed one.

    The content is of no other test: each record that names it would be at fault.
    """
    added = desk.add(picture("PNG", shade=201)).json()
    path = desk.world.home.files / added["digest"]
    kept = path.read_bytes()
    flipped = bytearray(kept)
    flipped[len(kept) // 2] ^= 1
    path.write_bytes(bytes(flipped))
    assert len(desk.faults()) == 1 and "is not the file that was recorded" in desk.faults()[0]
    assert is_problem(desk.fetch(added["digest"]), 503)
    path.unlink()
    assert len(desk.faults()) == 1 and desk.faults()[0].endswith("is gone")
    assert is_problem(desk.fetch(added["digest"]), 503)
    (aside := desk.world.home.root / "aside").write_bytes(kept)
    path.symlink_to(aside)
    assert [one.partition(":")[0] for one in desk.faults()] == ["link"]
    assert is_problem(desk.fetch(added["digest"]), 503)
    path.unlink()
    path.write_bytes(kept)
    assert desk.faults() == []


def test_what_no_record_names_is_noted_and_swept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between the file and its record leaves the first alone."""
    kept = desk.add(b"kept").json()["digest"]
    with monkeypatch.context() as patched:
        patched.setattr(type(desk.world.runtime.recording), "once", lambda *_: 1 / 0)
        assert desk.add(b"left behind").status_code == 500
    left = hashlib.sha256(b"left behind").hexdigest()
    assert desk.list_names() == {kept, left}
    with desk.world.runtime.store.read() as connection:
        (note,) = note_stray_files(desk.world.home, connection)
    assert note.startswith("files: 1 ")
    received = ReceivedFile(desk.world.home, largest=100)
    received.write(b"half")
    (desk.world.home.files / ".received-killed").write_bytes(b"of a process that was killed")
    assert sweep_files(desk.world.home, desk.world.runtime.store) == 2
    assert desk.list_names() == {kept, received.path.name}
    with received.place():
        assert sweep_files(desk.world.home, desk.world.runtime.store, is_patient=False) == 0
    received.close()
    assert sweep_files(desk.world.home, desk.world.runtime.store) == 1
    assert desk.list_names() == {kept}


def test_a_backup_carries_files_and_its_restore_verifies(desk: Desk, tmp_path: Path) -> None:
    """Negative control: a copy without the folder does not verify."""
    digest = desk.add(laboratory_report(), shows="laboratory_report").json()["digest"]
    copy_home(desk.world.home, tmp_path / "copy")
    home = Home(tmp_path / "copy")
    shutil.copytree(desk.world.home.keys, home.keys)
    assert (home.files / digest).read_bytes() == laboratory_report()
    with open_store(home) as store:
        assert check_home(home, store).ok
        shutil.rmtree(home.files)
        assert {one.rule for one in check_home(home, store).faults} == {"file"}


def test_erasure_takes_the_content_and_its_record_says_so(desk: Desk) -> None:
    """A content that another case names stays."""
    shared, alone = desk.add(b"shared").json(), desk.add(b"alone").json()
    other = open_case(desk.world, desk.ann)
    assert desk.add(b"shared", case_id=other).status_code == 201
    closed = {"kind": "closed", "outcome": "reported", "reason": "all is sent"}
    assert report(desk.world, desk.case_id, desk.ann, closed).status_code == 201
    runtime = desk.world.runtime
    for name in ("adm", "bos"):
        user(desk.world, name, Role.ADMINISTRATOR)
    criteria = Criteria(before=SystemClock().now() + DAY)
    subject = propose(runtime, ERASURE, ErasureProposal(criteria=criteria), by="adm")
    assert approve(runtime, ERASURE, subject, by="bos").state == "erased"
    assert desk.list_names() == {shared["digest"]}
    assert is_problem(desk.fetch(alone["digest"]), 404)
    with runtime.store.read() as connection:
        reader = JournalReader(connection)
        assert reader.bodies([alone["sequence"], shared["sequence"]]) == {}
        named = [body["event"].get("digest") for _, body in reader.bodies_of(CASE_EVENT)]
    assert shared["digest"] in named and alone["digest"] not in named
    assert desk.faults() == []


def test_a_file_is_on_the_disk_before_its_record_stands(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    finish, once = ReceivedFile.finish, type(desk.world.runtime.recording).once

    def noted_finish(self: ReceivedFile) -> str:
        order.append("on the disk")
        return finish(self)

    def noted_once(self: Any, *given: Any) -> Any:
        order.append("recorded" if desk.list_names() == {digest} else "recorded too early")
        return once(self, *given)

    digest = hashlib.sha256(b"first").hexdigest()
    monkeypatch.setattr(ReceivedFile, "finish", noted_finish)
    monkeypatch.setattr(type(desk.world.runtime.recording), "once", noted_once)
    assert desk.add(b"first").status_code == 201
    assert order == ["on the disk", "on the disk", "recorded"]


def test_a_file_event_cannot_be_reported_without_its_file(desk: Desk) -> None:
    event = {"kind": "file", "digest": "0" * 64, "media_type": "text/plain", "size_bytes": 1}
    event["shows"] = "other"
    assert is_problem(report(desk.world, desk.case_id, desk.ann, event), 422)
