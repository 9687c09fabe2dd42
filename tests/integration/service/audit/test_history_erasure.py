"""Erasure of loaded rows: what is left of the load, and what a kill at either side leaves."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import api.audit.erasure
from api.audit.erasure import ErasedRows
from api.auth.accounts import Accounts
from api.cli.common import open_home
from engine.audit.file_anchors import open_network
from engine.domain.rights import Role
from engine.errors import ConflictError
from engine.storage.home import DATABASE_VARIABLE, Home
from features.history.tables import SCHEMAS, loads, read_history
from features.intake import stored_loads
from features.intake.stored_loads import finish_erasure
from features.online.crossing_index import LOADED_PARTIES
from tests.integration.service.audit.home_commands import run_command
from tests.unit.features.intake import bulk_folders as folders


class KilledError(BaseException):
    """Stands in for the end of the process."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return a home with a load, two administrators, and a subject of the first crossing."""
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    home = Home(tmp_path / "home")
    folders.write(folders.clean(30), tmp_path / "in")
    run(home, "load", str(tmp_path / "in"))
    with open_home(home.root) as (found, store):
        accounts = Accounts(store, open_network(found, store))
        for name in ("ann", "bob"):
            made = accounts.create_user(name, Role.ADMINISTRATOR)
            monkeypatch.setenv(f"PASSWORD_OF_{name}", made.secret)
    return home


def run(home: Home, *arguments: str, by: str = "") -> dict[str, Any]:
    return run_command(home, *arguments, password=f"PASSWORD_OF_{by}", by=by)


def erase(home: Home, subject: str) -> dict[str, Any]:
    proposed = run(home, "erase", "--subject", subject, by="ann")
    assert (proposed["state"], proposed["loaded"] > 0) == ("proposed", True)
    return run(home, "erase", "--subject", subject, by="bob")


def cells(home: Home) -> set[str]:
    history = read_history(home)
    return {
        str(value)
        for name in SCHEMAS
        for row in history.table(name).to_pylist()
        for value in row.values()
    }


def faults(home: Home) -> set[str]:
    return {one["rule"] for one in run(home, "verify")["faults"]}


def die(*_: Any) -> None:
    raise KilledError


def subject_of(home: Home) -> str:
    plate: str = read_history(home).crossings["plate"].drop_null()[0].as_py()
    return plate


def test_loaded_rows_of_a_subject_are_erased_and_do_not_come_back(
    home: Home, tmp_path: Path
) -> None:
    plate, before = subject_of(home), read_history(home).crossings.num_rows
    (old,) = loads(home)
    done = erase(home, plate.lower())
    assert (done["state"], done["by"]) == ("erased", ["ann", "bob"])
    assert loads(home) != (old,)
    assert not (home.history / old).exists()
    assert plate not in cells(home)
    assert 0 < read_history(home).crossings.num_rows < before
    verified = run(home, "verify")
    assert verified["ok"], verified["faults"]
    assert any("loaded rows" in note for note in verified["notes"])
    run(home, "load", str(tmp_path / "in"))
    assert plate not in cells(home)
    verified = run(home, "verify")
    assert verified["ok"], verified["faults"]
    assert not any("counters" in note for note in verified["notes"])


def test_optional_papers_of_a_subject_are_erased_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    papers = {"tir_carnet": "XQ81300417"}, {"previous_documents": "N821:26KZ1;N730:7"}
    rows: folders.Tables = {
        "crossings": [folders.crossing(901, plate="77 X 777 XX", **papers[0])],
        "declarations": [folders.declaration(901, **papers[1])],
        "goods_items": [folders.item(901, package_kind="SPECIAL")],
    }
    folders.write(rows, tmp_path / "papers")
    run(home, "load", str(tmp_path / "papers"))
    given = {"XQ81300417", "['N821:26KZ1', 'N730:7']", "SPECIAL"}
    assert given <= cells(home)
    erase(home, "77 X 777 XX")
    assert not given & cells(home)


def read_parties(home: Home) -> set[str]:
    with open_home(home.root) as (_, store), store.read() as connection:
        return set(connection.scalars(select(LOADED_PARTIES.c.name)))


@pytest.mark.parametrize("is_forgetful", [False, True], ids=["whole", "control"])
def test_the_names_of_erased_rows_leave_the_store(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_forgetful: bool
) -> None:
    """The control forgets containers, which the keys of a crossing do not name."""
    own = {"plate": "77X777XX", "driver": "p-only", "container": "ZZZU7654321"}
    row = folders.crossing(
        901, plate=own["plate"], driver_ref=own["driver"], container_numbers=own["container"]
    )
    folders.write({"crossings": [row]}, tmp_path / "more")
    run(home, "load", str(tmp_path / "more"))
    before = read_parties(home)
    assert set(own.values()) <= before
    if is_forgetful:
        monkeypatch.setattr(api.audit.erasure, "drop_erased_containers", lambda *_: None)
    erase(home, own["plate"])
    left = {own["container"]} if is_forgetful else set()
    assert before - read_parties(home) >= set(own.values()) - left
    assert read_parties(home) & set(own.values()) == left


def test_an_erasure_that_forgets_the_files_is_seen(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the search of the test before."""
    plate = subject_of(home)
    monkeypatch.setattr(api.audit.erasure, "stage_erasure", lambda *_: [])
    assert erase(home, plate)["state"] == "erased"
    assert plate in cells(home)


@pytest.mark.parametrize("is_recorded", [False, True], ids=["before", "after"])
def test_a_kill_on_either_side_of_the_record_is_finished_or_undone(
    home: Home, monkeypatch: pytest.MonkeyPatch, is_recorded: bool
) -> None:
    plate, (old,) = subject_of(home), loads(home)
    run(home, "erase", "--subject", plate, by="ann")
    steps = iter([finish_erasure, die])
    with monkeypatch.context() as patched:
        if is_recorded:
            name = "finish_erasure"
            patched.setattr(api.audit.erasure, name, lambda *given: next(steps)(*given))
        else:
            patched.setattr(ErasedRows, "__call__", die)
        with pytest.raises(KilledError):
            run(home, "erase", "--subject", plate, by="bob")
    assert loads(home) == (old,)
    assert faults(home) == ({"history", "quarantine"} if is_recorded else set())
    if is_recorded:
        with pytest.raises(ConflictError, match="no record"):  # any later erasure finishes it first
            run(home, "erase", "--before", "2001-01-01", by="ann")
    else:
        run(home, "erase", "--subject", plate, by="bob")
    assert faults(home) == set()
    assert loads(home) != (old,)
    assert plate not in cells(home)
    assert not (home.root / stored_loads.STAGE).exists()
