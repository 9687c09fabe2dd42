"""Jobs from a page: a check, a load by two people, cancelled and lost jobs, and their records."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from api.analysis import jobs, worker
from api.analysis.folders import KEPT_DAYS, folder_of, sweep_folders
from api.analysis.worker import JobWorker
from engine.analysis.jobs import read_jobs
from engine.domain.rights import Role
from engine.storage.worker_process import hold_place
from features.history.tables import loads
from tests.support.clocks import wait_for
from tests.support.people import at_desk, person, send
from tests.support.running_service import World

HEADER = "crossing_id,post,direction,arrived_at,vehicle_class,plate\n"
ROWS = "".join(
    f"old-{n},OYB,entry,2026-05-{1 + n % 28:02d}T08:00:00Z,truck,01A{n:04d}BC\n" for n in range(40)
)
SLOW = [sys.executable, "-c", "import time; print('{}', flush=True); time.sleep(60)"]


def pack(content: str, name: str = "crossings.csv") -> bytes:
    made = io.BytesIO()
    with ZipFile(made, "w") as archive:
        archive.writestr(name, content)
    return made.getvalue()


def send_file(world: World, content: bytes, by: dict[str, str], path: str = "") -> Any:
    head = by | {"Content-Type": "application/octet-stream"}
    return world.client.post(f"/v1/jobs/files{path}", content=content, headers=head)


def cancel(world: World, job: str, by: dict[str, str]) -> Any:
    return world.client.delete(f"/v1/jobs/{job}", headers=by)


def wait(world: World, job: str, by: dict[str, str], *, seconds: float = 60) -> dict[str, Any]:
    """Return a job once it has ended."""
    seen: dict[str, Any] = {}

    def is_over() -> bool:
        seen.update(world.client.get(f"/v1/jobs/{job}", headers=by).json())
        return seen["ended_at"] is not None

    assert wait_for(is_over, seconds=seconds, pause=0.2), seen
    return seen


@pytest.fixture
def analyst(world: World) -> Iterator[dict[str, str]]:
    """Yield an analyst; what the test left under way is over afterwards."""
    by = person(world, Role.ANALYST)
    yield by
    for one in world.client.get("/v1/jobs", headers=by).json()["jobs"]:
        if one["ended_at"] is None:
            cancel(world, one["id"], by)
            wait(world, one["id"], by)


def test_a_file_is_checked_and_loaded_by_two_people(world: World, analyst: dict[str, str]) -> None:
    before = loads(world.home)
    bad = "bad,OYB,sideways,2026-05-01,truck,1\nfar,UZ-XXX,entry,2026-05-01T08:00:00Z,truck,1\n"
    sent = send_file(world, pack(HEADER + ROWS + bad), analyst)
    assert sent.status_code == 201, sent.text
    checked = wait(world, sent.json()["id"], analyst)
    assert checked["state"] == "done", checked
    assert checked["result"]["accepted"] == {"crossings.csv": 40}
    assert checked["result"]["quarantined"] == {"crossings.csv": 2}
    assert loads(world.home) == before, "nothing was loaded"
    faults = world.client.get(f"/v1/jobs/{checked['id']}/files/quarantine.csv", headers=analyst)
    assert faults.status_code == 200 and b",direction," in faults.content
    assert b",post,unknown_post," in faults.content, "the folder has no network file, the home has"
    told = world.client.get("/v1/notifications", headers=analyst).json()["notifications"]
    assert {"job_ended"} == {one["kind"] for one in told if one["id"] == checked["id"]}

    wanted = {"matter": "load", "content": {"file": checked["id"]}}
    proposed = send(world, "/v1/proposals", wanted, analyst)
    assert proposed.status_code == 201, proposed.text
    number = proposed.json()["receipt"]["sequence"]
    path = f"/v1/proposals/{number}/approvals"
    assert send(world, path, {}, analyst).status_code == 403, "one person loads nothing"
    assert send(world, path, {}, person(world, Role.SUPERVISOR)).status_code == 201
    loaded = wait(world, proposed.json()["id"], analyst)
    assert loaded["state"] == "done" and loaded["result"]["accepted"] == {"crossings.csv": 40}
    assert set(loads(world.home)) == {*before, loaded["result"]["load"]}
    assert not folder_of(world.home, checked["id"]).input.exists(), "rows of vehicles leave"
    again = send(world, "/v1/proposals", wanted, analyst)
    assert again.status_code == 409, again.text


MAPPING = """
delimiter = ";"
[crossings]
file = "journal.csv"
[crossings.columns]
crossing_id = "number"
post = { constant = "OYB" }
direction = { column = "way", codes = { "in" = "entry" } }
arrived_at = "time"
vehicle_class = { constant = "truck" }
plate = "plate"
"""


def test_a_mapping_file_of_the_home_is_chosen_and_the_load_reads_the_checked_one(
    world: World, analyst: dict[str, str]
) -> None:
    world.home.mappings.mkdir()
    mapping = world.home.mappings / "office.toml"
    mapping.write_text(MAPPING, "utf-8")
    listed = world.client.get("/v1/jobs", headers=analyst).json()["formats"]
    assert "office.toml" in [one["name"] for one in listed]
    content = "number;way;time;plate\nmapped-1;in;2026-05-02T08:00:00Z;01A111BC\n"
    sent = send_file(world, pack(content, "journal.csv"), analyst, "?format=office.toml")
    assert sent.status_code == 201, sent.text
    checked = wait(world, sent.json()["id"], analyst)
    assert checked["state"] == "done", checked
    assert checked["result"]["accepted"] == {"journal.csv": 1} and checked["files"] == []
    digest = sha256(MAPPING.encode()).hexdigest()
    assert checked["options"] | {"format": "office.toml", "mapping": digest} == checked["options"]
    mapping.unlink()
    wanted = {"matter": "load", "content": {"file": checked["id"]}}
    proposed = send(world, "/v1/proposals", wanted, analyst).json()
    path = f"/v1/proposals/{proposed['receipt']['sequence']}/approvals"
    assert send(world, path, {}, person(world, Role.SUPERVISOR)).status_code == 201
    loaded = wait(world, proposed["id"], analyst)
    assert loaded["state"] == "done", loaded
    assert loaded["result"]["accepted"] == {"journal.csv": 1}
    assert loaded["options"]["mapping"] == digest


def test_what_is_no_folder_is_refused_and_leaves_nothing(
    world: World, analyst: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [*world.home.jobs.iterdir()] if world.home.jobs.exists() else []
    for content, status in (
        (b"no archive", 422),
        (pack("x", "../../crossings.csv"), 422),
        (pack("x", "keys.pem"), 422),
    ):
        assert send_file(world, content, analyst).status_code == status
    for form in ("--home", "absent.toml", "../absent.toml"):
        assert send_file(world, pack(HEADER), analyst, f"?format={form}").status_code == 422
    monkeypatch.setattr(jobs, "LARGEST", 10)
    assert send_file(world, pack(HEADER), analyst).status_code == 413
    monkeypatch.undo()
    monkeypatch.setattr(jobs, "ROOM", 1 << 60)
    assert send_file(world, pack(HEADER), analyst).status_code == 503
    assert [*world.home.jobs.iterdir()] == before
    for body in (
        {"what": "load"},
        {"what": "train", "file": "check-1"},
        {"what": "evaluate"},
        {"what": "train", "home": "/"},
    ):
        assert send(world, "/v1/jobs", body, analyst).status_code == 422
    times = {"train_until": "2026-05-10T00:00:00Z", "test_from": "2026-05-10T00:00:00Z"}
    for name in ("check-0", "../history"):
        body = {"what": "evaluate", "file": name} | times
        assert send(world, "/v1/jobs", body, analyst).status_code in (404, 422)
        assert world.client.get(f"/v1/jobs/{name}", headers=analyst).status_code == 404


def test_a_check_that_failed_says_why_without_a_path_of_the_server(
    world: World, analyst: dict[str, str]
) -> None:
    sent = send_file(world, pack("a,b\n", "cargo.csv"), analyst)
    ended = wait(world, sent.json()["id"], analyst)
    assert ended["state"] == "failed" and str(world.home.root) not in ended["why"] + ended["log"]
    desk = at_desk(world, "analyst-of-failures", Role.ANALYST)
    page = desk.get(f"/jobs/{ended['id']}").text
    assert "no crossings.csv and no crossings.parquet" in page
    assert page.count('<pre class="code" lang="en">') == 2, "long words wrap"
    assert "NAME.toml into the folder" in desk.get("/jobs").text


def test_a_training_says_why_it_failed(world: World, analyst: dict[str, str]) -> None:
    started = send(world, "/v1/jobs", {"what": "train"}, analyst)
    assert started.status_code == 201, started.text
    ended = wait(world, started.json()["id"], analyst, seconds=120)
    assert ended["state"] == "failed" and ended["why"], ended
    assert "Traceback" not in ended["log"]
    sent = send_file(world, pack(HEADER, "other.csv"), analyst)
    checked = wait(world, sent.json()["id"], analyst)
    assert checked["why"].startswith("input: "), "no path of the server"


def test_a_job_is_cancelled_and_only_one_of_a_sort_runs(
    world: World, analyst: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "make_command", lambda _words: SLOW)
    started = send(world, "/v1/jobs", {"what": "train"}, analyst).json()["id"]
    folder = folder_of(world.home, started)
    assert wait_for(folder.begun.exists, seconds=20)
    other = person(world, Role.ANALYST)
    assert send(world, "/v1/jobs", {"what": "train"}, other).status_code == 409
    view = world.client.get(f"/v1/jobs/{started}", headers=other).json()
    assert view["state"] == "running"
    number = int(folder.begun.read_text())
    assert cancel(world, started, other).status_code == 200
    ended = wait(world, started, analyst)
    assert ended["state"] == "cancelled" and ended["ended_by"] != ended["by"]
    assert not Path(f"/proc/{number}").exists(), "its process is gone"
    assert cancel(world, started, other).status_code == 409


def test_a_job_whose_end_nobody_saw_is_said_to_be_unknown(
    world: World, analyst: dict[str, str]
) -> None:
    """As after a kill of the service: the process goes on and holds its place."""
    with hold_place(world.home.root, "job-train", is_patient=False) as place:
        process = subprocess.Popen(SLOW, pass_fds=(place.fileno(),), start_new_session=True)
        name = send(world, "/v1/jobs", {"what": "train"}, analyst).json()["id"]
        folder = folder_of(world.home, name)
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.begun.write_text(str(process.pid))
    time.sleep(2 * worker.LOOK_SECONDS)
    view = world.client.get(f"/v1/jobs/{name}", headers=analyst).json()
    assert view["state"] == "running", "its process holds the place"
    process.kill()
    process.wait()
    ended = wait(world, name, analyst)
    assert ended["state"] == "unknown" and "service was stopped" in ended["why"]


def test_a_service_that_stops_ends_its_jobs(
    world: World, analyst: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "make_command", lambda _words: SLOW)
    name = send(world, "/v1/jobs", {"what": "train"}, analyst).json()["id"]
    assert wait_for(folder_of(world.home, name).begun.exists, seconds=20)
    other = JobWorker(world.runtime)
    other.run_turn()  # a second process of the service leaves it alone
    other.close()
    with world.runtime.store.read() as connection:
        (job,) = (one for one in read_jobs(connection, most=50) if one.name == name)
    assert job.ended is None
    cancel(world, name, analyst)
    wait(world, name, analyst)
    with hold_place(world.home.root, "job-train", is_patient=False):  # the world's worker waits
        name = send(world, "/v1/jobs", {"what": "train"}, analyst).json()["id"]
        time.sleep(2 * worker.LOOK_SECONDS)
    closing = JobWorker(world.runtime)
    closing.run_turn()
    assert wait_for(folder_of(world.home, name).begun.exists, seconds=20)
    closing.close()


def test_folders_leave_after_a_week(world: World) -> None:
    old, new = (folder_of(world.home, f"check-{name}").path for name in ("old", "new"))
    for one in (old, new):
        one.mkdir(parents=True)
    week = time.time() - (KEPT_DAYS + 1) * 24 * 3600
    os.utime(old, (week, week))
    sweep_folders(world.home)
    assert not old.exists() and new.exists()
    new.rmdir()


def test_the_pages_send_start_and_show(world: World, analyst: dict[str, str]) -> None:
    desk = at_desk(world, "jobs-analyst", Role.ANALYST)
    page = desk.get("/jobs")
    token = page.text.split('name="form_token" value="')[1][:64]
    files = {"archive": ("year.zip", pack(HEADER + ROWS), "application/zip")}
    fields = {"form_token": token, "format": "contract"}
    sent = desk.client.post("/jobs/files", data=fields, files=files)
    assert sent.status_code == 303, sent.text
    name = sent.headers["location"].rpartition("/")[2]
    assert wait(world, name, analyst)["state"] == "done"
    shown = desk.get(f"/jobs/{name}")
    assert shown.status_code == 200 and "crossings.csv" in shown.text
    assert desk.send(f"/jobs/{name}", f"/jobs/{name}/loads", {"once": "0" * 24}).status_code == 303
    waiting = at_desk(world, "jobs-supervisor", Role.SUPERVISOR).get("/jobs").text
    assert name in waiting and "/proposals/load/" in waiting
    wrong = desk.client.post(
        "/jobs/files", data=fields, files={"archive": ("x.zip", b"nothing", "application/zip")}
    )
    assert wrong.status_code == 422 and 'id="archive-wrong"' in wrong.text
    assert json.loads(desk.get(f"/v1/jobs/{name}").text)["files"] == [], "nothing was quarantined"


@pytest.mark.parametrize("role", [Role.CHECKPOINT, Role.INTEGRITY, Role.COUNTERPART])
def test_other_roles_see_no_job(world: World, role: Role) -> None:
    assert world.get("/v1/jobs", role).status_code == 403
    assert world.post("/v1/jobs", {"what": "train"}, role).status_code == 403
