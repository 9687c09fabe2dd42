"""A home is closed to every other account of the machine, also one that was open before."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.storage.home import OTHERS, Home


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """Begin with the usual mask, and put back what was there."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_home(folder: Path) -> Home:
    """Make a home of which anyone may read all but the keys."""
    home = Home(folder)
    for path in (home.root, home.history, home.bundles, home.reports):
        path.mkdir()
        path.chmod(0o755)
    (home.root / "darvoza.sqlite").touch(0o644)
    (home.root / "darvoza.sqlite-wal").touch(0o644)
    home.network.touch(0o644)
    return home


def test_a_new_home_is_closed_and_so_is_what_is_written_next(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    (home.root / "later").touch()
    (home.history / "load").mkdir()
    for path in (home.root, *home.root.rglob("*")):
        assert mode(path) & OTHERS == 0, path
    assert mode(home.root) == 0o700


def test_an_open_home_is_closed_when_it_is_next_written_to(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    assert set(home.exposed()) >= {".", "history", "darvoza.sqlite", "darvoza.sqlite-wal"}
    home.prepare()
    assert home.exposed() == []
    assert all(mode(path) & OTHERS == 0 for path in (home.root, *home.root.rglob("*")))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_another_account_owns_is_named_and_not_touched(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    os.chown(home.root, 65534, -1)
    os.chown(home.network, 65534, -1)
    home.prepare()
    assert home.exposed() == [".", "network.toml"]
    assert mode(home.network) == 0o644
