"""The wheel in an environment of its own, without what only training, tests and benches need."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.unit.features.intake import bulk_folders as folders

ROOT = Path(__file__).parents[4]
UV = ROOT / ".tools" / "bin" / "uv"
WITHOUT = (
    "load {folder}",
    "load --check {folder}",
    "synth {out} --crossings 10",
    "features {folder} --out {out}",
    "demo --once --home {out}",
    "verify",
    "quality",
    "sql SELECT",
    "train",
    "evaluate m1",
    "repeat m1",
    "mlflow",
    "simulate",
    "profiles backtest x",
)
"""Commands that need an extra."""


def run_uv(environment: Path, *words: str) -> None:
    """Run uv without a network: set-up has put all that is locked into its cache."""
    known = os.environ | {"VIRTUAL_ENV": str(environment), "UV_OFFLINE": "true"}
    subprocess.run([UV, *words, "--quiet"], cwd=ROOT, env=known, check=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, and install it with what requirements.lock pins."""
    folder = tmp_path_factory.mktemp("wheel")
    environment = folder / "environment"
    run_uv(environment, "build", "--wheel", "--out-dir", str(folder))
    run_uv(environment, "venv", "--no-project", "--python", sys.executable, str(environment))
    run_uv(environment, "pip", "sync", "--require-hashes", "requirements.lock")
    (wheel,) = folder.glob("*.whl")
    run_uv(environment, "pip", "install", "--no-deps", str(wheel))
    home = str(environment / "home")
    made = run(environment, "users", "create", "ann", "--role", "administrator", "--home", home)
    assert made.returncode == 0, made.stderr
    return environment


def run(installed: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command, away from the tree."""
    known = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [installed / "bin" / "darvoza", *words],
        cwd=installed,
        env=known,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_installed_home_is_served(installed: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service = subprocess.Popen(
        [installed / "bin" / "darvoza", "serve", "--port", str(port), "--home", "home"],
        cwd=installed,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert "<form" in read(f"http://127.0.0.1:{port}/login", service)
    finally:
        service.terminate()
        service.wait()


def read(address: str, service: "subprocess.Popen[bytes]") -> str:
    """Return what an address answers, as soon as there is an answer."""
    while service.poll() is None:
        try:
            with urlopen(address) as answer:  # noqa: S310 - an address of ours
                found: str = answer.read().decode()
                return found
        except URLError:
            time.sleep(0.05)
    raise AssertionError("the service ended")


@pytest.mark.parametrize("command", WITHOUT)
def test_a_command_that_needs_an_extra_names_it(
    command: str, installed: Path, tmp_path: Path
) -> None:
    folders.write({"crossings": [folders.crossing(1)]}, tmp_path / "in")
    words = [word.format(folder=tmp_path / "in", out=tmp_path / "out") for word in command.split()]
    if "--home" not in words:
        words += ["--home", "home"]
    done = run(installed, *words)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.search(r"needs \w+, which is not installed: the extra 'train'", done.stderr)
