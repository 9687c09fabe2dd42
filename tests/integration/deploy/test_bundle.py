"""A machine without a network: from the carried bundle to a decision over TLS on PostgreSQL."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STEPS = Path(__file__).with_name("carried_steps.py")
PYTHON = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

NEVER_INSTALLED = {"pytest", "hypothesis", "mypy", "playwright", "lightgbm", "catboost"}

pytestmark = pytest.mark.skipif(
    not (shutil.which("unshare") and shutil.which("nginx", path="/usr/sbin:/usr/bin")),
    reason="needs nginx, and namespaces of the network",
)


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a bundle for this Python, and the public key of who made it."""
    folder = tmp_path_factory.mktemp("carried")
    secret, public = folder / "release.pem", folder / "release.pub"
    ask = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(secret)]
    subprocess.run(ask, check=True)
    ask = ["openssl", "pkey", "-in", str(secret), "-pubout", "-out", str(public)]
    subprocess.run(ask, check=True)
    words = [f"OUT={folder / 'bundle'}", f"KEY={secret}", f"PYTHONS={VERSION}"]
    words += [f"PYTHON={PYTHON}"]
    subprocess.run(["make", "bundle", *words], cwd=ROOT, check=True)
    return folder / "bundle", public


def start_steps(bundle: Path, key: Path, scratch: Path) -> subprocess.CompletedProcess[str]:
    """Run the steps where no address outside this machine exists."""
    alone = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    words = [*alone, sys.executable, str(STEPS), str(bundle), str(key), str(scratch)]
    known = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(words, env=known, check=False, capture_output=True, text=True)


def test_a_carried_bundle_decides_over_tls(carried: tuple[Path, Path]) -> None:
    scratch = Path("/tmp") / f"carried-{os.getpid()}"  # noqa: S108 - paths of sockets are short
    scratch.mkdir()
    scratch.chmod(0o755)  # PostgreSQL runs as nobody
    try:
        done = start_steps(*carried, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["channel"] in {"green", "blue", "yellow", "red"}
    names = {path.name.split("-")[0] for path in (carried[0] / "wheels").iterdir()}
    assert names.isdisjoint(NEVER_INSTALLED)


@pytest.mark.parametrize("bad", ["changed", "added", "foreign"])
def test_a_bundle_that_is_not_whole_is_refused(
    bad: str, carried: tuple[Path, Path], tmp_path: Path
) -> None:
    bundle, key = tmp_path / "bundle", carried[1]
    shutil.copytree(carried[0], bundle, copy_function=os.link)
    licence = (bundle / "LICENSE").read_bytes()
    if bad == "changed":
        (bundle / "LICENSE").unlink()
        (bundle / "LICENSE").write_bytes(licence + b"\n")
    elif bad == "added":  # listed by who has no key
        (bundle / "wheels" / "more.whl").write_bytes(b"")
        lines = (bundle / "SHA256SUMS").read_text("utf-8")
        (bundle / "SHA256SUMS").unlink()
        (bundle / "SHA256SUMS").write_text(f"{lines}{'0' * 64}  ./wheels/more.whl\n")
    else:
        secret, key = tmp_path / "other.pem", tmp_path / "other.pub"
        words = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(secret)]
        subprocess.run(words, check=True)
        words = ["openssl", "pkey", "-in", str(secret), "-pubout", "-out", str(key)]
        subprocess.run(words, check=True)
    words = ["sh", str(bundle / "install.sh"), "--prefix", str(tmp_path / "prefix")]
    words += ["--python", str(PYTHON), "--key", str(key)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert not (tmp_path / "prefix").exists()


def test_an_operator_installs_no_library_of_tests_or_benchmarks(tmp_path: Path) -> None:
    """Set-up has put all that is locked into the cache of uv, so no network is needed."""
    known = os.environ | {"UV_OFFLINE": "true"}
    words = ["make", "install", f"PREFIX={tmp_path}", f"PYTHON={PYTHON}"]
    subprocess.run(words, cwd=ROOT, env=known, check=True)
    assert (tmp_path / "share" / "deploy" / "darvoza.service").exists()
    command = tmp_path / ".venv" / "bin" / "darvoza"
    subprocess.run([command, "verify", "--help"], cwd=tmp_path, check=True, capture_output=True)
    (packages,) = (tmp_path / ".venv" / "lib").glob("python*/site-packages")
    assert (packages / "mlflow").exists()
    assert {path.name for path in packages.iterdir()}.isdisjoint(NEVER_INSTALLED)


def test_the_image_runs_the_steps_of_the_bundle() -> None:
    """The recipe adds nothing to ``install.sh`` but Debian's Python and a user without rights."""
    recipe = (ROOT / "deploy" / "Containerfile").read_text("utf-8")
    steps = [line.removeprefix("RUN ") for line in recipe.splitlines() if line.startswith("RUN ")]
    assert [step for step in steps if not step.startswith("apt-get ")] == [
        "sh /bundle/install.sh --prefix /opt/darvoza"
    ]
