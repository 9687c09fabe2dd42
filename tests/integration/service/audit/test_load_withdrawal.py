"""A load that two people withdrew never happened: the right files are as if they came first."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from api.auth.accounts import Accounts
from api.cli.common import open_home
from api.service.assembly import open_store
from api.service.settings import Settings
from engine.audit import decision_replay
from engine.audit.file_anchors import open_network
from engine.decision.inspection_minutes import ACT_MINUTES
from engine.domain.rights import Role
from engine.errors import ConflictError, NotAllowedError, NotFoundError, SecondPersonError
from engine.queue.queue import read_decision
from engine.storage.home import DATABASE_VARIABLE, Home
from experiments.analysis.home_history import open_history
from features.history.tables import SCHEMAS, epoch, loads, read_history
from features.online.backfill import open_epoch
from features.online.counter_log import read_waiting
from features.online.counter_states import expand_rows
from features.online.counter_store import COUNTERS
from features.online.crossing_index import EPOCH, LOADED, PASSAGES
from features.online.search_counts import PLACE_COUNTS
from tests.integration.service.audit.home_commands import run_command
from tests.support.running_service import (
    FakeModels,
    World,
    arrival,
    make_home,
    make_keys,
    open_world,
)
from tests.unit.features.intake import bulk_folders as folders
from tests.unit.service.reports.test_acts import act

CLEAN = folders.clean(300)
LATER = range(2000, 2040)


def make_rows(mass: str) -> folders.Tables:
    return {
        "crossings": [folders.crossing(n, weighed_mass_kg=mass) for n in LATER],
        "declarations": [folders.declaration(n) for n in LATER[1::2]],
        "goods_items": [folders.item(n) for n in LATER[1::2]],
        "inspections": [folders.inspection(n, outcome="discrepancy") for n in LATER[::4]],
        "seizures": [folders.seizure(n) for n in LATER[::8]],
    }


class KilledError(BaseException):
    """Stands in for the end of the process."""


def die(*_: Any, **__: Any) -> None:
    raise KilledError


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Return folders with a month, the next one misread, and the next one right."""
    for name, rows in (
        ("first", CLEAN),
        ("wrong", make_rows("18.220")),
        ("right", make_rows("18220")),
    ):
        folders.write(rows, tmp_path / "in" / name, network=None)
    return tmp_path / "in"


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Home]:
    """Return two homes with two administrators each."""
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    made = {}
    for name in ("home", "other"):
        made[name] = make_home(tmp_path / name)
        with open_home(made[name].root) as (found, store):
            accounts = Accounts(store, open_network(found, store))
            for who in ("ann", "bob"):
                secret = accounts.create_user(who, Role.ADMINISTRATOR).secret
                monkeypatch.setenv(f"PASSWORD_{name}_{who}", secret)
            monkeypatch.setenv(
                f"PASSWORD_{name}_eve", accounts.create_user("eve", Role.ANALYST).secret
            )
    return made


def run(home: Home, *arguments: str, by: str = "") -> dict[str, Any]:
    return run_command(home, *arguments, password=f"PASSWORD_{home.root.name}_{by}", by=by)


def load(home: Home, folder: Path) -> str:
    digest: str = run(home, "load", str(folder))["load"]
    return digest


def withdraw(home: Home, digest: str) -> None:
    assert run(home, "withdraw", digest, "--why", "misread", by="ann")["state"] == "proposed"
    done = run(home, "withdraw", digest[:12], by="bob")
    assert (done["state"], done["by"]) == ("withdrawn", ["ann", "bob"])


def verify(home: Home) -> list[tuple[str, str]]:
    verified = run(home, "verify")
    assert not any("not compared" in note for note in verified["notes"]), verified["notes"]
    return [(one["rule"], one["message"]) for one in verified["faults"]]


def state_of(home: Home) -> dict[str, Any]:
    """Return all that follows from the history of a home."""
    found: dict[str, Any] = {"loads": loads(home), "epoch": epoch(home)}
    history = read_history(home)
    found |= {name: history.table(name).to_pydict() for name in SCHEMAS}
    with open_store(home) as store, store.read() as connection:
        merged = expand_rows(map(tuple, connection.execute(select(COUNTERS))))
        found["counters"] = sorted([*merged, *read_waiting(connection)])
        for table in (PASSAGES, EPOCH, LOADED, ACT_MINUTES, PLACE_COUNTS):
            found[table.name] = sorted(map(tuple, connection.execute(select(table))))
    data = open_history(home.root).dataset()
    found["features"] = data.values.tobytes()
    found["labels"] = [(one.tolist()) for one in (data.seizure, data.discrepancy)]
    return found


@contextmanager
def serving(home: Home) -> Iterator[World]:
    keys, other = make_keys(home)
    models = FakeModels()
    client, app_ = open_world(home, models, Settings(key_seconds=0.2, model_seconds=0.05))
    with client:
        yield World(home, models, client, app_.state.runtime, keys, other)


def test_after_a_withdrawal_the_load_never_happened(homes: dict[str, Home], inputs: Path) -> None:
    home, other = homes["home"], homes["other"]
    for one in (home, other):
        load(one, inputs / "first")
    before = state_of(home)
    wrong = load(home, inputs / "wrong")
    assert state_of(home)["features"] != before["features"]
    withdraw(home, wrong)
    assert not (home.history / wrong).exists()
    assert state_of(home) == before == state_of(other)
    assert verify(home) == []
    rebuilt = run(home, "rebuild")
    assert rebuilt["tables"]["counters"] > 0
    assert state_of(home) == before

    assert load(home, inputs / "right") == load(other, inputs / "right")
    after = state_of(home)
    assert after == state_of(other)
    assert after["crossings"]["weighed_mass_kg"].count(18220.0) == len(LATER)
    assert verify(home) == verify(other) == []


def test_acts_on_the_vehicles_of_a_withdrawn_load_wait_for_them(
    homes: dict[str, Home], inputs: Path
) -> None:
    """An act that was recorded meanwhile is of no other vehicle, and counts when its own is."""
    home, other = homes["home"], homes["other"]
    for one in (home, other):
        load(one, inputs / "first")
    wrong = load(home, inputs / "wrong")
    with serving(home) as world:
        found = act(1, "c2002", outcome="seizure", minutes=50)
        assert world.post("/v1/inspections", found).status_code == 201
        inland = {"seizure_id": "s-1", "crossing_id": "c2003", "substance_class": "narcotic"}
        assert world.post("/v1/seizures", inland, Role.SUPERVISOR).status_code == 201
    withdraw(home, wrong)
    left, expected = state_of(home), state_of(other)
    assert set(left.pop("loaded_reports")) - set(expected.pop("loaded_reports")) == {
        ("seizure:s-1",)  # a name that is taken
    }
    assert left == expected
    assert verify(home) == []
    load(home, inputs / "right")
    labels = open_history(home.root).dataset()
    hits = set(labels.crossing_id[labels.seizure == 1].tolist())
    assert {"c2002", "c2003"} <= hits
    assert verify(home) == []


def test_a_decision_that_knew_another_history_says_so(
    homes: dict[str, Home], inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the load is withdrawn it is the same again; without the epoch it differs (control)."""
    home = homes["home"]
    with serving(home) as world:
        body = arrival(1, plate=CLEAN["crossings"][0]["plate"], plate_country="UZ")
        decided = world.decide(body).json()["decision_id"]

    def recompute() -> tuple[bool, str]:
        client, app_ = open_world(home, FakeModels(), Settings())
        with client, app_.state.runtime.store.read() as connection:
            seq = read_decision(connection, decided).seq
            made, why = app_.state.runtime.recompute.attempt(connection, seq)
        return made is not None and made.is_identical, why

    assert recompute() == (True, "")
    digest = load(home, inputs / "first")
    is_same, why = recompute()
    assert not is_same and why.startswith("history was loaded or withdrawn since")
    with monkeypatch.context() as patched:
        blind = property(lambda _: True, lambda *_: None)
        patched.setattr(decision_replay.RecomputedDecision, "same_history", blind)
        assert recompute() == (False, "")
    withdraw(home, digest)
    assert recompute() == (True, "")


def test_one_person_alone_withdraws_nothing(homes: dict[str, Home], inputs: Path) -> None:
    home = homes["home"]
    digest = load(home, inputs / "first")
    before = state_of(home)
    run(home, "withdraw", digest, by="ann")
    with pytest.raises(SecondPersonError):
        run(home, "withdraw", digest, by="ann")
    with pytest.raises(NotAllowedError):
        run(home, "withdraw", digest, by="eve")
    assert state_of(home) == before
    with pytest.raises(NotFoundError):
        run(home, "withdraw", digest[:7], by="bob")


def test_a_load_on_which_a_later_one_stands_is_kept(homes: dict[str, Home], inputs: Path) -> None:
    home = homes["home"]
    first = load(home, inputs / "first")
    free = load(home, inputs / "right")
    acts = [folders.inspection(3) | {"inspection_id": "later"}]
    rows: folders.Tables = {"crossings": [folders.crossing(5000)], "inspections": acts}
    folders.write(rows, inputs / "refers", network=None)
    refers = load(home, inputs / "refers")
    with pytest.raises(ConflictError, match=f"{refers}.* stands on it"):
        run(home, "withdraw", first, by="ann")
    withdraw(home, refers)
    rows = {"crossings": [folders.crossing(5001), CLEAN["crossings"][0]]}
    folders.write(rows, inputs / "repeats", network=None)
    repeats = load(home, inputs / "repeats")
    with pytest.raises(ConflictError, match=f"{repeats}.* stands on it"):
        run(home, "withdraw", first, by="ann")
    withdraw(home, repeats)
    withdraw(home, first)
    assert loads(home) == (free,)
    assert verify(home) == []


def test_a_load_with_erased_rows_is_kept(homes: dict[str, Home], inputs: Path) -> None:
    home = homes["home"]
    load(home, inputs / "first")
    for who in ("ann", "bob"):
        run(home, "erase", "--subject", CLEAN["crossings"][0]["plate"], by=who)
    (left,) = loads(home)
    with pytest.raises(ConflictError, match="rows of it were erased"):
        run(home, "withdraw", left, by="ann")


@pytest.mark.parametrize("is_recorded", [False, True], ids=["before", "after"])
def test_a_kill_on_either_side_of_the_record_is_finished_or_undone(
    homes: dict[str, Home], inputs: Path, monkeypatch: pytest.MonkeyPatch, is_recorded: bool
) -> None:
    home, other = homes["home"], homes["other"]
    for one in (home, other):
        load(one, inputs / "first")
    wrong = load(home, inputs / "wrong")
    run(home, "withdraw", wrong, by="ann")
    with monkeypatch.context() as patched:
        step = "shutil.rmtree" if is_recorded else "features.online.backfill.backfill"
        patched.setattr(step, die)
        with pytest.raises(KilledError):
            run(home, "withdraw", wrong, by="bob")
    assert (home.history / wrong).is_dir()
    faults = [one["rule"] for one in run(home, "verify")["faults"]]
    assert faults == ["history"] * is_recorded
    if not is_recorded:
        run(home, "withdraw", wrong, by="bob")
    load(home, inputs / "first")  # any load finishes it first
    assert state_of(home) == state_of(other)
    assert verify(home) == []


def test_counters_that_keep_a_withdrawn_load_are_seen(
    homes: dict[str, Home], inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: a withdrawal that does not count again."""
    home = homes["home"]
    load(home, inputs / "first")
    wrong = load(home, inputs / "wrong")
    monkeypatch.setattr(
        "api.audit.load_withdrawal.open_epoch",
        lambda *given, only, **options: open_epoch(*given, **options),
    )
    withdraw(home, wrong)
    assert verify(home) != []
