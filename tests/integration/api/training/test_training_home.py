"""Training homes and live homes refuse each other, and no exercise reaches a live journal."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

import api.migrations.upgrade
from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from api.cli.common import open_home
from api.cli.main import app
from api.exercises.desk import ExerciseDesk, default_truth, open_exercise_home
from api.exercises.maker import make_home
from api.migrations.upgrade import upgrade
from engine.audit.file_anchors import open_network
from engine.audit.verification import verify
from engine.domain.rights import Role
from engine.errors import (
    ConflictError,
    HomeError,
    InputError,
    NotAllowedError,
    NotAuthenticatedError,
)
from engine.exercises import TRAINING_CLOSED, TRAINING_HOME, TRAINING_PICK
from engine.journal.journal import Journal
from engine.journal.kinds import NETWORK_DECLARED, TICK
from engine.storage.database import Store
from engine.storage.home import DATABASE_VARIABLE, Home
from experiments.exercises import PAPERS, Pick
from tests.integration.api.training.training_exercises import CANARY, ORDER

FIRST = TRAINING_HOME.draft("", {"seed": 1, "crossings": 500, "mode": "rules_only"})
PICK = TRAINING_PICK.draft(
    "shift-1", {"person": CANARY, "crossing_id": "c", "places": [[PAPERS, 10.0]]}
)
NETWORK = NETWORK_DECLARED.draft("", {"digest": "", "file": ""})


@contextmanager
def open_desk(root: Path) -> Iterator[ExerciseDesk]:
    with open_exercise_home(root) as (home, store):
        yield ExerciseDesk(home, store, default_truth(root))


def test_a_journal_is_of_one_sort_for_good(store: Store) -> None:
    """On SQLite and on PostgreSQL."""
    with pytest.raises(NotAllowedError, match="only a training journal"):
        Journal(store).append([PICK])
    Journal(store).append([FIRST, PICK])
    Journal(store).append([PICK])
    with pytest.raises(NotAllowedError, match="takes no record of kind network_declared"):
        Journal(store).append([NETWORK])
    with pytest.raises(NotAllowedError, match="training home"):
        upgrade(store)
    upgrade(store, training=True)


def test_a_live_journal_takes_no_exercise(store: Store) -> None:
    live = Journal(store)
    live.append([TICK.draft("", {})])
    for draft in (PICK, FIRST, TRAINING_CLOSED.draft("shift-1", {"person": CANARY})):
        for journal in (live, Journal(store)):
            with pytest.raises(NotAllowedError, match="only a training journal"):
                journal.append([TICK.draft("", {}), draft])
    with pytest.raises(NotAllowedError, match="not a training home"):
        upgrade(store, training=True)


@pytest.mark.parametrize(
    "words",
    [
        ["serve"], ["load", "{out}"], ["verify"], ["backup", "{out}"], ["keys", "list"],
        ["keys", "create", "--role", "checkpoint", "--post", "KZ-KON"], ["link", "identity"],
        ["link", "import", "{out}"], ["sql", "SELECT 1"], ["rebuild"], ["clock", "show"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_is_live_refuses_a_training_home(
    training_home: Path, words: list[str], tmp_path: Path
) -> None:
    given = [word.format(out=tmp_path) for word in words]
    refused = CliRunner().invoke(app, [*given, "--home", str(training_home)])
    assert isinstance(refused.exception, NotAllowedError | HomeError), refused.output
    assert "training home" in str(refused.exception)


def test_training_refuses_a_live_home(live: Path) -> None:
    for words in (["enrol", "ann"], ["list", "--as", "ann"], ["figures"]):
        refused = CliRunner().invoke(app, ["training", *words, "--home", str(live)])
        assert isinstance(refused.exception, NotAllowedError), refused.output
    with pytest.raises(HomeError, match="holds data"):
        make_home(Home(live), default_truth(live), ORDER, lambda *_: None)


def test_training_refuses_a_database_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, "postgresql+psycopg://localhost/live")
    with pytest.raises(HomeError, match="unset DARVOZA_DATABASE_URL"):
        make_home(Home(tmp_path / "home"), tmp_path / "truth", ORDER, lambda *_: None)
    assert list(tmp_path.iterdir()) == []


def test_the_solutions_may_not_lie_in_the_home(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="apart"):
        make_home(Home(tmp_path / "home"), tmp_path / "home/truth", ORDER, lambda *_: None)


def test_an_opening_without_its_guard_still_takes_no_live_record(training_home: Path) -> None:
    """Negative control of the opening: its check is left out, and the journal's own refuses."""
    with patch.object(api.migrations.upgrade, "require_sort", lambda *_, **__: None):
        store = Store(Home(training_home).database_url)
        api.migrations.upgrade.upgrade(store)
    try:
        with pytest.raises(NotAllowedError, match="training journal"):
            Journal(store).append([NETWORK])
    finally:
        store.dispose()


def test_passwords_and_keys_of_one_home_open_nothing_in_the_other(
    training_home: Path, live: Path
) -> None:
    with open_exercise_home(training_home) as (home, store), open_home(live) as (other, held):
        trainees, officers = (
            Accounts(store, open_network(home, store)),
            Accounts(held, open_network(other, held)),
        )
        trained = trainees.create_user("both", Role.SUPERVISOR).secret
        served = officers.create_user("both", Role.SUPERVISOR).secret
        with pytest.raises(NotAuthenticatedError):
            officers.sign_in("both", trained)
        with pytest.raises(NotAuthenticatedError):
            trainees.sign_in("both", served)
        assert open_pepper(home) != open_pepper(other)


def read_shown(desk: ExerciseDesk) -> dict[str, Any]:
    (name, _), *_ = desk.list_exercises()
    exercise = desk.read_exercise(name)
    return {"name": name, "exercise": exercise, "first": exercise.cases[0].crossing_id}


def test_an_exercise_shows_what_an_officer_sees_and_no_score(training_home: Path) -> None:
    shown = json.loads((training_home / "exercises/shift-1.json").read_bytes())
    assert len(shown["cases"]) == 20
    for case in shown["cases"]:
        assert case.keys() == {"crossing_id", "arrival", "facts", "gaps", "history", "places"}
        assert case["facts"] and PAPERS in case["places"]
    words = json.dumps(shown)
    assert not [word for word in ("p_seizure", '"channel"', "reasons", "carries") if word in words]


def test_picks_are_blind_final_and_compared_after_the_end(training_home: Path) -> None:
    with open_desk(training_home) as desk:
        shown = read_shown(desk)
        picks = [Pick(case.crossing_id, ((PAPERS, 10.0),)) for case in shown["exercise"].cases[:3]]
        desk.record_picks(shown["name"], "ann", picks)
        with pytest.raises(NotAllowedError, match="closed"):
            desk.debrief(shown["name"], "ann")
        with pytest.raises(InputError, match="final"):
            desk.record_picks(shown["name"], "ann", picks[:1])
        desk.close(shown["name"], "ann")
        found = desk.debrief(shown["name"], "ann")
        assert (found["picked"], found["minutes_used"]) == (3, 48.0)
        finds = found["finds"]
        assert finds["best"]["value"] >= max(finds["trainee"]["value"], finds["engine"]["value"], 1)
        assert len(found["missed"]) + finds["trainee"]["value"] == 6
        answers = json.loads((default_truth(training_home) / "shift-1.json").read_bytes())[
            "answers"
        ]
        for missed in found["missed"]:
            assert missed["reasons"] == answers[missed["crossing_id"]]["reasons"]
        with pytest.raises(ConflictError):
            desk.record_picks(shown["name"], "ann", picks)
        with pytest.raises(NotAllowedError, match="closed"):
            desk.debrief(shown["name"], "bob")
        assert desk.measure("ann")["skill"] == found["skill"]
        assert [row["picked"] for row in desk.list_figures() if row["person"] == "ann"] == [3]
    with open_exercise_home(training_home) as (_, store):
        assert verify(store, []).ok


@pytest.mark.parametrize("folder", ["home/exercises", "home.truth"])
def test_a_changed_file_of_an_exercise_is_refused(training_home: Path, folder: str) -> None:
    path, name = training_home.parent / folder / "shift-1.json", f"cy-{Path(folder).name}"
    with open_desk(training_home) as desk:
        desk.close("shift-1", name)
    kept = path.read_bytes()
    try:
        path.write_bytes(kept.replace(b'"synthetic": true', b'"synthetic": false'))
        with open_desk(training_home) as desk, pytest.raises(HomeError, match="was changed"):
            desk.debrief("shift-1", name)
    finally:
        path.write_bytes(kept)
