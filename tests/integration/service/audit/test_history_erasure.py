"""Erasure of loaded rows: what is left of the load, and what a kill at each step leaves."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import api.audit.erasure
from api.auth.accounts import Accounts
from api.cli.common import open_home
from api.service import assembly
from api.service.assembly import open_store
from engine.audit.file_anchors import open_network
from engine.domain.identifiers import fold
from engine.domain.rights import Role
from engine.errors import ConflictError
from engine.storage.home import DATABASE_VARIABLE, Home
from experiments.synthetic.folder import write
from features.history.tables import SCHEMAS, loads, read_history
from features.online.crossing_index import LOADED_PARTIES
from tests.integration.service.audit.home_commands import run_command
from tests.integration.service.audit.test_journal_history import only_our_posts
from tests.support.running_service import STORE, arrival, make_home, make_keys
from tests.unit.features.intake import bulk_folders as folders
from tests.unit.service.audit.eventful_home import serve
from tests.unit.service.audit.test_erasure import values
from tests.unit.service.reports.test_acts import act

pytestmark = pytest.mark.machine_clock


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return a home with a load, two administrators, and a subject of the first crossing."""
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    home = Home(tmp_path / "home")
    folders.write(folders.clean(30), tmp_path / "in")
    run(home, "load", str(tmp_path / "in"))
    make_two(home, monkeypatch)
    return home


def make_two(home: Home, patched: pytest.MonkeyPatch) -> None:
    """Make the administrators ann and bob; the environment holds their passwords."""
    with open_home(home.root) as (found, store):
        accounts = Accounts(store, open_network(found, store))
        for name in ("ann", "bob"):
            made = accounts.create_user(name, Role.ADMINISTRATOR)
            patched.setenv(f"PASSWORD_OF_{name.upper()}", made.secret)


def run(home: Home, *arguments: str, by: str = "") -> dict[str, Any]:
    return run_command(home, *arguments, password=f"PASSWORD_OF_{by.upper()}", by=by)


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


def test_a_national_field_is_a_subject_on_every_table(home: Home, tmp_path: Path) -> None:
    stated = '{"permit": "РП 2026/0417", "axles": 5}'
    numbers = 901, 903, 905, 907
    rows: folders.Tables = {
        "crossings": [folders.crossing(number) for number in numbers],
        "declarations": [folders.declaration(number) for number in numbers],
        "goods_items": [folders.item(number) for number in numbers],
    }
    for at, table in enumerate(rows.values()):
        table[at]["national"] = stated
    folders.write(rows, tmp_path / "stated")
    run(home, "load", str(tmp_path / "stated"))
    erase(home, "рп-2026-0417")
    left = {"c901", "c903", "c905", "c907"} & cells(home)
    assert left == {"c907"} and not any("0417" in cell for cell in cells(home))


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


KILLED = """
import os
from api.audit import erasure
from api.cli.main import main

def die(*_, **__):
    os._exit(9)

{plan}
main()
"""
"""A command that ends at once at a step of the erasure."""
STEPS = {
    "staged": ("erasure.Journal.append_found = die", False),
    "in-the-transaction": ("erasure.ErasedRows._delete_counters = die", False),
    "recorded": (
        "steps = iter([erasure.finish_removals, die])\n"
        "erasure.finish_removals = lambda *given: next(steps)(*given)",
        True,
    ),
    "loads-replaced": ("erasure.sweep_areas = die", True),
    "files-removed": ("erasure.forget_deleted = die", True),
}
"""By the step at which the process is killed: how, and whether the erasure stands then."""


@pytest.fixture(scope="module")
def home_and_plates(
    server_url: str | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Home, list[str]]]:
    """Yield a home, on each store, that knows plates from a load and from decisions; and these."""
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv(DATABASE_VARIABLE, raising=False)
        if server_url:
            patched.setenv(DATABASE_VARIABLE, server_url)
        home = make_home(tmp_path_factory.mktemp("known") / "home")
        keys = make_keys(home)
        folder, end = tmp_path_factory.mktemp("in"), datetime.now(UTC) - timedelta(days=1)
        write(folder, crossings=60, seed=3, end=end, days=30)
        only_our_posts(folder)
        run(home, "load", str(folder))
        make_two(home, patched)
        loaded = read_history(home).crossings["plate"].drop_null().to_pylist()
        plain = {fold(plate): plate for plate in loaded if plate.isascii()}
        plates = list(plain.values())[: len(STEPS) + 1]
        with serve(home, *keys) as world:
            for number, plate in enumerate(plates):
                assert world.decide(arrival(number, plate=plate)).status_code == 201
                filed = act(number, f"c-{number}")
                assert world.post("/v1/inspections", filed).status_code == 201
        yield home, plates


def find_places(home: Home, text: str) -> set[str]:
    """Return where a text still stands: tables of the history and of the store, and its files."""
    found = {"history"} & {"history" for cell in cells(home) if text in cell}
    with open_store(home) as store, store.read() as connection:
        found |= {table for table, value in values(connection) if text in value}
    files = [path for path in home.root.glob(f"{STORE}*") if text.encode() in path.read_bytes()]
    return found | {path.name for path in files}


@pytest.mark.parametrize("step", STEPS)
def test_after_a_kill_an_erasure_stands_whole_or_not_at_all(
    home_and_plates: tuple[Home, list[str]], step: str
) -> None:
    """The service starts again, and finds all of the subject or nothing."""
    home, plate, (plan, stands) = (
        home_and_plates[0],
        home_and_plates[1][list(STEPS).index(step)],
        STEPS[step],
    )
    run(home, "erase", "--subject", plate, by="ann")
    before = find_places(home, plate)
    assert before >= {"history", "journal_bodies"}
    kill_erasure(home, plate, plan)
    with serve(home, {}, ""):
        left = find_places(home, plate)
    assert left == set() if stands else left >= {one for one in before if STORE not in one}
    if stands:
        with pytest.raises(ConflictError, match="no record"):
            run(home, "erase", "--subject", plate, by="ann")
    else:
        run(home, "erase", "--subject", plate, by="bob")
    assert find_places(home, plate) == set()
    assert faults(home) == set()


def kill_erasure(home: Home, plate: str, plan: str) -> None:
    command = ("erase", "--home", str(home.root), "--subject", plate, "--as", "bob")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(plan=plan), *command],
        env=os.environ | {"DARVOZA_PASSWORD": os.environ["PASSWORD_OF_BOB"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (killed.returncode, killed.stderr) == (9, "")


def test_a_start_that_leaves_what_a_kill_left_is_seen(
    home_and_plates: tuple[Home, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control; the next start finishes the erasure."""
    home, plate = home_and_plates[0], home_and_plates[1][-1]
    run(home, "erase", "--subject", plate, by="ann")
    kill_erasure(home, plate, STEPS["recorded"][0])
    with monkeypatch.context() as patched:
        patched.setattr(assembly, "resume_removals", lambda *_: None)
        with serve(home, {}, ""):
            assert "history" in find_places(home, plate)
    with serve(home, {}, ""):
        assert find_places(home, plate) == set()
