"""Threat: a file that runs, or that is more than one thing. Five types are taken, by content."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import RecordError
from engine.files.content import recognise
from engine.files.store import find_file_faults, sweep_files
from engine.storage.database import Store
from engine.storage.home import Home
from tests.unit.engine.files.test_store import DIGEST, list_names
from tests.unit.service.cases.sample_files import CALL, act, report


def test_a_file_is_looked_into_in_another_process(tmp_path: Path) -> None:
    (tmp_path / "report").write_bytes(report())
    assert recognise(Home(tmp_path), tmp_path / "report") == "application/pdf"
    (tmp_path / "bad").write_bytes(act(CALL))
    with pytest.raises(RecordError) as refused:
        recognise(Home(tmp_path), tmp_path / "bad")
    assert refused.value.rule == "active"


POINTS = ("received", "on the disk", "placed", "recorded")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    return home


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_process_leaves_nothing_that_a_sweep_does_not_take(
    home: Home, store: Store, store_url: str, point: str
) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from engine.storage.database import Store\nfrom engine.storage.home import Home\n"
        "from tests.unit.engine.files.test_store import add\n"
        "add(Home(Path(sys.argv[1])), Store(sys.argv[2]), until=sys.argv[3])\n"
    )
    asked = [sys.executable, "-c", script, str(home.root), store_url, point]
    done = subprocess.run(asked, cwd=Path(__file__).parents[4], check=False)
    assert done.returncode == (0 if point == "recorded" else 9)
    with store.read() as connection:
        assert list(find_file_faults(home, connection)) == []
    is_kept = point == "recorded"
    assert sweep_files(home, store) == (0 if is_kept else 1)
    assert list_names(home) == ({DIGEST} if is_kept else set())
