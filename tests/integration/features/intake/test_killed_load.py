"""Every row of a bulk folder is accepted or quarantined, exactly; a load is whole or not there."""

import signal
import subprocess
import sys
from pathlib import Path

from engine.storage.home import Home
from features.history.tables import read_history
from features.intake.load import load
from tests.unit.features.intake import bulk_folders as folders
from tests.unit.features.intake.bulk_folders import NOW

KILLED = """
import os, signal, sys
from pathlib import Path
from engine.storage.home import Home
from features.intake.load import load

def die(stage, done, total):
    if stage == "writing" and done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

load(Home(Path(sys.argv[1])), Path(sys.argv[2]), now=int(sys.argv[3]), progress=die)
"""


def test_a_killed_load_leaves_nothing_and_the_next_one_clears_up(tmp_path: Path) -> None:
    folders.write(folders.clean(200), tmp_path / "in")
    home = Home(tmp_path / "home")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(home.root), str(tmp_path / "in"), str(NOW)], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert [path.name[:6] for path in home.history.iterdir() if path.is_dir()] == [".load-"]
    assert read_history(home).crossings.num_rows == 0
    assert not home.network.exists()

    loaded = load(home, tmp_path / "in", now=NOW)

    assert [path.name for path in home.history.iterdir() if path.is_dir()] == [loaded.digest]
    assert read_history(home).crossings.num_rows == 76
    assert home.network.read_text("utf-8") == folders.NETWORK
