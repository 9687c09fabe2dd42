"""SQLite's file is read ahead whole, where it fits, and no lock on it is lost by that."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp

import pytest

from engine.storage.files import read_ahead
from tests.unit.engine.storage.test_home import open_home
from tests.unit.engine.storage.test_read_ahead import _WRITE


def open_and_close(path: Path) -> None:
    """Seeded bug: the file is opened in the process that holds locks on it."""
    path.open("rb").close()


@pytest.mark.parametrize(("read", "is_kept"), [(read_ahead, True), (open_and_close, False)])
def test_locks_of_this_process_are_kept(
    tmp_path: Path, read: Callable[[Path], None], *, is_kept: bool
) -> None:
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as ours:
        ours.execute("CREATE TABLE t (a)")
        ours.execute("BEGIN EXCLUSIVE")
        read(path)
        other = subprocess.run([sys.executable, "-c", _WRITE, path], capture_output=True)
    assert (b"locked" in other.stderr) == is_kept


def reads_without_a_role(path: Path) -> bool:
    asked = ["runuser", "-u", "nobody", "--", "cat", str(path)]
    return subprocess.run(asked, capture_output=True).returncode == 0


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("runuser") is None, reason="needs a second account"
)
def test_a_second_account_reads_nothing_of_it() -> None:
    """With the negative control: the same account reads the same file while the home is open."""
    before = os.umask(0o022)
    outer = Path(mkdtemp(dir="/tmp"))
    outer.chmod(0o755)
    try:
        home = open_home(outer / "home")
        assert reads_without_a_role(home.root / "darvoza.sqlite")
        home.prepare()
        assert not reads_without_a_role(home.root / "darvoza.sqlite")
    finally:
        os.umask(before)
        shutil.rmtree(outer)
