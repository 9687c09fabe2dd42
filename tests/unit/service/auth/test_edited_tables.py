"""An edit of a table that is taken back leaves no view and no record: cases and decisions.

Each edit is made while the service runs, on SQLite and on PostgreSQL, and taken back afterwards.
Meanwhile the key of another post asks for the same things and tries the same steps as before.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, func, select, update

from api.audit import erasure
from api.audit.erasure import _Selection
from api.audit.home_check import check_home
from api.audit.proposals import Criteria
from api.cases import answers as reads
from api.service.settings import Settings
from engine.audit.erasures import RecordGroups
from engine.cases.case_ledger import CASE_EVENTS, CASES
from engine.cases.case_state import CaseHistory, read_case
from engine.domain.rights import Role
from engine.domain.time_units import SystemClock
from engine.journal.idempotency import ANSWERS
from engine.journal.journal import JOURNAL
from engine.queue import queue, reviews
from engine.queue.queue import DECISIONS, waits
from engine.storage.home import DATABASE_VARIABLE
from engine.targeting.report_writer import ReportWriter
from features.online.crossing_index import PASSAGES
from tests.support.extra_callers import send
from tests.support.running_service import (
    OTHER,
    POST,
    FakeModels,
    World,
    make_home,
    make_keys,
    open_world,
)
from tests.unit.service.cases.sample_files import picture
from tests.unit.service.reports.test_acts import act, find

CONTENT = picture("PNG", shade=9)
PAPERS = {"methods": ["documents"], "minutes": 3, "places_searched": []}
LET_GO = {"verdict": "override", "channel": "green", "reason_code": "other", "reason": "known"}
Headers = dict[str, str]


@pytest.fixture(scope="module")
def noon(long_shift: None) -> None:
    """Keep the machine's clock, which other processes and servers have."""


@dataclass(frozen=True)
class Scene:
    """A service with a case and three red vehicles of one post, and a key of another post."""

    world: World
    near: Headers
    far: Headers
    case_id: str
    digest: str
    waits: dict[str, Any]
    papers: dict[str, Any]
    """Of this one an act of papers was filed, which opens nothing."""
    searched: dict[str, Any]

    def ask(self, by: Headers) -> dict[str, object]:
        """Return how a key is answered about everything, without the time of the answer."""
        case = f"/v1/cases/{self.case_id}"
        paths = [case, f"{case}/files/{self.digest}", f"{case}/dossier.pdf", "/v1/cases?state=open"]
        decided = (self.waits, self.papers, self.searched)
        paths += [f"/v1/decisions/{one['decision_id']}" for one in decided]
        paths += [f"/v1/posts/{post}/queue" for post in (POST, OTHER)]
        answers = {path: self.world.client.get(path, headers=by) for path in paths}
        return {path: (one.status_code, strip(one)) for path, one in answers.items()}

    def try_from_afar(self) -> list[int]:
        """Let the other post's key try every step; return how each is answered."""
        crossing = self.waits["crossing_id"]
        closed = {"kind": "closed", "outcome": "other", "reason": "seen"}
        again = {"outcome": "clear", "methods": ["physical"], "minutes": 9, "reason": "misread"}
        steps: dict[str, Any] = {
            f"/v1/cases/{self.case_id}/events": {"event": closed},
            f"/v1/crossings/{crossing}/release": {},
            f"/v1/crossings/{crossing}/takings": None,
            "/v1/inspections": act(9, crossing),
            "/v1/inspections/papers/corrections": again,
        }
        return [send(self.world, path, body, self.far).status_code for path, body in steps.items()]

    def list_records(self) -> list[str]:
        """Return the kinds of all records but those of readings and of the time."""
        with self.world.runtime.store.read() as connection:
            kinds = connection.scalars(select(JOURNAL.c.kind).order_by(JOURNAL.c.seq))
            return [one for one in kinds if one not in ("sensitive_read", "tick")]


def strip(answer: Any) -> object:
    """Return an answer without the time at which it was made."""
    if "json" not in answer.headers["content-type"]:
        return answer.headers["content-type"]
    found: dict[str, Any] = json.loads(answer.content)
    return {name: value for name, value in found.items() if name not in ("as_of", "instance")}


@pytest.fixture
def scene(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Serve a home whose store is SQLite, then one whose store is PostgreSQL."""
    monkeypatch.setenv(DATABASE_VARIABLE, store_url)
    home, models = make_home(tmp_path / "home"), FakeModels()
    keys, other = make_keys(home)
    client, app = open_world(home, models, Settings(model_seconds=0.05))
    with client:
        yield play(World(home, models, client, app.state.runtime, keys, other))


def play(world: World) -> Scene:
    """Open a case with a file, decide, and file an act of papers and a full one."""
    near, far = world.headers(Role.CHECKPOINT), {"Authorization": f"Bearer {world.other}"}
    waiting, papers, searched = (find(world, "red", start) for start in (0, 600, 1200))
    for name, one, more in (("papers", papers, PAPERS), ("full", searched, {})):
        body = act(2, one["crossing_id"], inspection_id=name, **more)
        assert send(world, "/v1/inspections", body, near).status_code == 201
    opening = {"post": POST, "summary": "a find"}
    case_id = send(world, "/v1/cases", opening, near).json()["case_id"]
    path = f"/v1/cases/{case_id}/files?shows=photograph"
    file = world.client.post(path, content=CONTENT, headers=near)
    assert file.status_code == 201, file.text
    return Scene(world, near, far, case_id, file.json()["digest"], waiting, papers, searched)


@contextmanager
def edit_column(
    scene: Scene, column: Column[Any], value: object, *, of: str = ""
) -> Iterator[None]:
    """Set a column of a table, of one decision or of every row, and take it back at the end."""
    table, store = column.table, scene.world.runtime.store
    key = next(iter(table.primary_key.columns))
    where = [DECISIONS.c.decision_id == of] if of else []
    with store.write() as connection:
        before = connection.execute(select(key, column).where(*where)).all()
        connection.execute(update(table).where(*where).values({column.name: value}))
    try:
        yield
    finally:
        with store.write() as connection:
            for row in before:
                taken_back = update(table).where(key == row[0]).values({column.name: row[1]})
                connection.execute(taken_back)


def list_edits(scene: Scene) -> Iterator[tuple[Column[Any], object, str]]:
    """Yield edits of the columns that say whose a case or a decision is, and how far it is."""
    for name, value in (
        ("post", OTHER), ("agency", "interior"), ("custody", "interior"), ("owner", "x"),
        ("state", "closed"), ("opened_at", 1), ("changed_at", 1), ("deadline", 1),
    ):  # fmt: skip
        yield CASES.c[name], value, ""
    yield CASE_EVENTS.c.kind, "note", ""
    yield CASE_EVENTS.c.case_id, "case-of-none", ""
    of = str(scene.papers["decision_id"])
    with scene.world.runtime.store.read() as connection:
        full = DECISIONS.c.decision_id == scene.searched["decision_id"]
        filed = connection.scalar(select(DECISIONS.c.act_seq).where(full))
    for name, known in (
        ("post", OTHER), ("act_seq", filed), ("place", 0), ("channel", 0),
        ("crossing_id", scene.searched["crossing_id"]),
    ):  # fmt: skip
        yield DECISIONS.c[name], known, of
    yield DECISIONS.c.post, OTHER, ""
    yield PASSAGES.c.post, OTHER, ""
    yield ANSWERS.c.post, OTHER, ""


def find_leaks(scene: Scene, edits: list[tuple[Column[Any], object, str]]) -> list[str]:
    """Return what the other post's key is shown or may do by an edit, and what was recorded."""
    seen, tried = scene.ask(scene.far), scene.try_from_afar()
    leaks = []
    for column, value, of in edits:
        records = scene.list_records()
        with edit_column(scene, column, value, of=of):
            now = scene.ask(scene.far)
            leaks += [f"{column}: {path} is shown" for path in seen if now[path] != seen[path]]
            leaks += [f"{column}: a step is taken"] * (scene.try_from_afar() != tried)
        leaks += [f"{column}: {kind} is recorded" for kind in scene.list_records()[len(records) :]]
    return leaks


def test_an_edit_that_is_taken_back_shows_and_records_nothing(scene: Scene) -> None:
    assert set(scene.try_from_afar()) == {404}
    assert {answer[0] for answer in scene.ask(scene.near).values()} == {200, 403}  # type: ignore[index]
    assert find_leaks(scene, [*list_edits(scene)]) == []
    verdict = check_home(scene.world.home, scene.world.runtime.store)
    assert verdict.ok, verdict.faults


def test_an_edit_changes_nothing_of_what_a_case_shows_and_records(scene: Scene) -> None:
    """Its own people go on, or are refused: their records say what the case's opening says."""
    case = f"/v1/cases/{scene.case_id}"
    note = {"event": {"kind": "note", "text": "seen"}}
    for column, value, of in list_edits(scene):
        if column.table not in (CASES, CASE_EVENTS):
            continue
        paths = [path for path in scene.ask(scene.near) if path.startswith(case)]
        before = scene.ask(scene.near)
        with edit_column(scene, column, value, of=of):
            now = scene.ask(scene.near)
            assert [now[path] for path in paths] == [before[path] for path in paths], column
            done = send(scene.world, f"{case}/events", note, scene.near)
        if done.status_code == 409:  # the projection holds the row against the record
            continue
        assert done.status_code == 201, column
        with scene.world.runtime.store.read() as connection:
            entry = scene.world.runtime.journal.entry(connection, done.json()["sequence"])
            body = scene.world.runtime.journal.body(connection, entry.seq)
        assert (entry.post, body["agency"]) == (POST, "")
    with scene.world.runtime.store.write() as connection:  # what the notes said of the case since
        last = select(func.max(JOURNAL.c.known_at)).where(JOURNAL.c.kind == "case_event")
        connection.execute(update(CASES).values(changed_at=connection.scalar(last)))
    verdict = check_home(scene.world.home, scene.world.runtime.store)
    assert verdict.ok, verdict.faults


def review_alone(scene: Scene) -> bool:
    """Let one supervisor send the waiting vehicle away while a table says that none waits."""
    decision = str(scene.waits["decision_id"])
    with edit_column(scene, DECISIONS.c.waiting, value=False, of=decision):
        path = f"/v1/decisions/{decision}/reviews"
        done = scene.world.post(path, LET_GO, Role.SUPERVISOR)
        assert done.status_code == 201, done.text
    found = scene.world.get(f"/v1/decisions/{decision}", Role.SUPERVISOR).json()["reviews"]
    return "needs_second_person" not in found[-1]


def test_an_edit_lets_no_supervisor_act_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: whether a vehicle waits is what the table says."""
    assert review_alone(scene) is False
    table = lambda connection, decision, *_, **__: waits(connection, decision.decision_id)  # noqa: E731
    monkeypatch.setattr(reviews, "may_wait", table)
    scene.world.post(
        f"/v1/decisions/{scene.waits['decision_id']}/reviews",
        {"verdict": "uphold", "reason_code": "agreed"},
        Role.SUPERVISOR,
    )
    assert review_alone(scene) is True


def list_erasable(scene: Scene) -> set[tuple[str, str]]:
    """Return what an erasure of everything would take while tables say that nothing waits."""
    now = SystemClock().now()
    selection = _Selection(Criteria(before=2**62), RecordGroups())
    with (
        edit_column(scene, DECISIONS.c.waiting, value=False),
        edit_column(scene, CASES.c.state, value="closed"),
        scene.world.runtime.store.read() as connection,
    ):
        chosen = selection.choose(connection, proposed_at=now, now=now)
    return {one.key for one in chosen}


def test_an_edit_erases_no_waiting_vehicle_and_no_open_case(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: what is needed is what the tables say."""
    kept = {("movement", scene.waits["crossing_id"]), ("case", scene.case_id)}
    chosen = list_erasable(scene)
    assert not kept & chosen and ("movement", scene.searched["crossing_id"]) in chosen
    monkeypatch.setattr(erasure, "holds_vehicle", lambda *_, **__: False)
    monkeypatch.setattr(erasure, "list_held", lambda *_: set())
    assert kept <= list_erasable(scene)


def believe_tables(connection: Connection, case_id: str) -> CaseHistory:
    """Read a case as the service once did: where it stands is what its row says."""
    known = read_case(connection, case_id)
    row = connection.execute(select(CASES).where(CASES.c.case_id == case_id)).one()
    names = ("post", "agency", "custody", "owner", "state")
    return replace(known, case=replace(known.case, **{n: getattr(row, n) for n in names}))


def test_a_service_that_believes_its_tables_is_found(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr(reads, "read_case", believe_tables)
    monkeypatch.setattr(queue, "_prove", lambda _, row: row)
    monkeypatch.setattr(
        ReportWriter,
        "_read_post",
        lambda self, connection, crossing: self._features.post_of(connection, crossing),
    )
    found = find_leaks(scene, [*list_edits(scene)])
    for leak in (
        f"cases.post: /v1/cases/{scene.case_id} is shown",
        f"cases.post: /v1/cases/{scene.case_id}/files/{scene.digest} is shown",
        f"cases.post: /v1/cases/{scene.case_id}/dossier.pdf is shown",
        "cases.post: a step is taken",
        f"decisions.post: /v1/decisions/{scene.waits['decision_id']} is shown",
        "passages.post: release is recorded",
    ):
        assert leak in found
