"""``darvoza load``: its exit status, and a check that touches no home."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api.cli.main import app
from tests.unit.features.intake import bulk_folders as folders

CLEAN = folders.clean(60)
SPOILT = CLEAN | {
    "crossings": [*CLEAN["crossings"], folders.crossing(900, plate_country="uz", direction="up")]
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["load", *arguments, "--json"])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def write(tmp_path: Path, tables: folders.Tables, name: str = "in") -> str:
    folders.write(tables, tmp_path / name)
    return str(tmp_path / name)


def read_summary(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_file_without_a_good_row_fails_the_command_and_the_others_stay(
    tmp_path: Path, home: Path
) -> None:
    acts = [folders.inspection(1, outcome="?"), folders.inspection(2, basis="?")]
    folder = write(tmp_path, CLEAN | {"inspections": acts, "seizures": []})
    result = run(folder, "--home", str(home))
    assert result.exit_code == 1
    assert "inspections.csv: no row was accepted, 2 of 2 are bad" in " ".join(result.stderr.split())
    assert read_summary(result)["accepted"]["crossings.csv"] == len(CLEAN["crossings"])
    again = run(folder, "--home", str(home))
    assert (again.exit_code, again.stdout) == (1, result.stdout)


def test_a_file_that_has_no_row_at_all_is_no_failure(tmp_path: Path, home: Path) -> None:
    assert run(write(tmp_path, CLEAN | {"seizures": []}), "--home", str(home)).exit_code == 0


@pytest.mark.parametrize(("share", "status"), [("0", 1), ("0.01", 1), ("0.1", 0), ("1", 0)])
def test_a_share_of_bad_rows_may_be_named(
    share: str, status: int, tmp_path: Path, home: Path
) -> None:
    result = run(write(tmp_path, SPOILT), "--home", str(home), "--max-bad", share)
    assert result.exit_code == status
    assert ("crossings.csv: 1 of 23 rows are bad" in " ".join(result.stderr.split())) == bool(
        status
    )
    assert read_summary(result)["accepted"]["crossings.csv"] == 22


@pytest.mark.parametrize("share", ["-0.1", "1.1", "few"])
def test_a_share_is_between_0_and_1(share: str, tmp_path: Path) -> None:
    assert run(str(tmp_path), "--max-bad", share).exit_code == 2


def test_rows_that_the_home_holds_are_not_bad_unless_they_differ(
    tmp_path: Path, home: Path
) -> None:
    run(write(tmp_path, SPOILT), "--home", str(home))
    mended = CLEAN | {"crossings": [*CLEAN["crossings"], folders.crossing(900)]}
    found = run(write(tmp_path, mended, "mended"), "--home", str(home), "--max-bad", "0")
    assert found.exit_code == 0
    assert read_summary(found)["accepted"]["crossings.csv"] == 1
    assert read_summary(found)["held"]["crossings.csv"] == 22
    other = [CLEAN["crossings"][0] | {"weighed_mass_kg": "7"}, *CLEAN["crossings"][1:]]
    lists = [other[5] | {"container_numbers": "MSKU1234565"}, *other[6:], *other[:5]]
    found = run(write(tmp_path, {"crossings": lists}, "other"), "--home", str(home))
    assert found.exit_code == 1
    with Path(read_summary(found)["quarantine_file"]).open(encoding="utf-8", newline="") as file:
        differing = [row for row in csv.DictReader(file) if "other values" in row["message"]]
    assert [(row["line"], row["rule"]) for row in differing] == [
        ("2", "duplicate_id"), (str(len(lists) - 3), "duplicate_id")
    ]  # fmt: skip


def test_a_folder_without_a_good_row_leaves_no_record(tmp_path: Path, home: Path) -> None:
    run(write(tmp_path, CLEAN), "--home", str(home))
    before = verify(home)
    bad = write(tmp_path, {"crossings": [folders.crossing(901, direction="up")]}, "bad")
    result = run(bad, "--home", str(home))
    assert result.exit_code == 1
    assert Path(read_summary(result)["quarantine_file"]).is_file()
    assert verify(home) == before


def verify(home: Path) -> Any:
    result = CliRunner().invoke(app, ["verify", "--home", str(home), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_check_prints_what_a_load_would_and_touches_no_home(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tables = folders.plant(folders.clean(200), 19)
    tables["crossings"][3]["carrier_id"] = "NULL"
    folder = write(tmp_path, tables)
    checked = run(folder, "--check", "--home", str(home), "--max-bad", "0.5")
    assert checked.exit_code == 0
    assert not home.exists()
    done = read_summary(run(folder, "--home", str(home)))
    found = read_summary(checked)
    one, other = Path(found.pop("quarantine_file")), Path(done.pop("quarantine_file"))
    assert one.read_bytes() == other.read_bytes()
    del done["load"]
    fields = found.pop("fields")
    assert found == done
    assert fields["crossings"]["crossing_id"]["filled"] == found["accepted"]["crossings.csv"]
    assert found["placeholders"] == {"crossings.csv": {"carrier_id": 1}}
    assert run(folder, "--check", "--max-bad", "0.01").exit_code == 1


def test_a_check_knows_the_posts_of_the_home_and_leaves_it_as_it_is(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(write(tmp_path, CLEAN), "--home", str(home)).exit_code == 0
    before = verify(home)
    wrong = write(tmp_path, {"crossings": [folders.crossing(901, post="UZ-XXX")]}, "wrong")
    (tmp_path / "wrong" / "network.toml").unlink()
    checked = read_summary(run(wrong, "--check", "--home", str(home)))
    assert checked["quarantined"] == {"crossings.csv": 1}
    faults = (tmp_path / "quarantine.csv").read_text("utf-8")
    assert ",post,unknown_post," in faults
    assert verify(home) == before
    alone = read_summary(run(wrong, "--check", "--home", str(tmp_path / "absent")))
    assert (alone["quarantined"], alone["new_posts"]) == ({"crossings.csv": 0}, {"UZ-XXX": 1})


def test_a_check_states_what_each_field_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cells = [
        {"carrier_id": "С-17", "weighed_mass_kg": "18.2"},
        {"carrier_id": "c 17", "weighed_mass_kg": "41000"},
        {"carrier_id": "C-18", "weighed_mass_kg": ""},
    ]
    rows = [folders.crossing(number, **each) for number, each in enumerate(cells)]
    folder = write(tmp_path, {"crossings": rows})
    known = read_summary(run(folder, "--check"))["fields"]["crossings"]
    assert known["carrier_id"] | {"filled": 3, "values": 3, "look_alikes": 1} == known["carrier_id"]
    mass = {name: known["weighed_mass_kg"][name] for name in ("filled", "least", "most")}
    assert mass == {"filled": 2, "least": 18.2, "most": 41000.0}
    assert known["arrived_at"]["least"] == rows[0]["arrived_at"]
    assert known["arrived_at"]["most"] == rows[2]["arrived_at"]
    assert known["container_numbers"]["filled"] == 1 and known["container_numbers"]["values"] == 2
    assert "trailer_plate" not in known
    shown = CliRunner().invoke(app, ["load", folder, "--check"]).stdout
    assert "2 filled  crossings weighed_mass_kg  18.2 to 41000.0" in shown
    assert "3 filled  crossings carrier_id  3 values, 1 look-alike" in shown
