"""``make setup`` where the active environment has no pip."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_python_of_an_environment_without_pip_has_it(tmp_path: Path) -> None:
    """Nothing is fetched: that pip was found shows in what it says of the missing index."""
    for name in ("Makefile", "requirements-uv.lock"):
        shutil.copy2(ROOT / name, tmp_path)
    uv, active = ROOT / ".tools" / "bin" / "uv", tmp_path / "active"
    known = {name: text for name, text in os.environ.items() if name != "VIRTUAL_ENV"}
    made = [str(uv), "venv", "--quiet", "--no-project", "--python", sys.executable, str(active)]
    subprocess.run(made, cwd=tmp_path, env=known, check=True)
    known |= {"PATH": f"{active / 'bin'}:{known['PATH']}", "PIP_NO_INDEX": "1"}
    python = subprocess.run(
        ["python3", "-c", "import pip"], env=known, check=False, capture_output=True
    )
    assert python.returncode, "the active environment has no pip"
    done = subprocess.run(
        ["make", ".tools/bin/uv"],
        cwd=tmp_path,
        env=known,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No module named pip" not in done.stderr
    assert "No matching distribution found" in done.stderr
