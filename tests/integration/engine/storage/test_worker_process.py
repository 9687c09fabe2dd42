"""Work in other processes: what it may take, what its caller hears, and locks on the store."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import IO

import pytest

from engine.errors import BusyError, RecordError, TooCostlyError
from engine.storage.worker_process import hold_place, run_bounded, work_apart
from tests.unit.engine.storage.test_home import open_home

HERE = "tests.integration.engine.storage.test_worker_process"


def echo(_: Path, given: bytes) -> bytes:
    return given + b" %d" % os.nice(0)


def refuse(_: Path, given: bytes) -> bytes:
    raise RecordError("file", "content", "broken", given.decode())


def fail(_: Path, given: bytes) -> bytes:
    raise ValueError(given.decode())


def spin(_: Path, __: bytes) -> bytes:
    while True:
        pass


def end(_: Path, given: bytes) -> bytes:
    os.kill(os.getpid(), int(given))
    return b""


def hoard(_: Path, __: bytes) -> bytes:
    return b"".join(b"x" * (1 << 28) for _ in range(64))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[IO[bytes]]:
    with hold_place(tmp_path, "test", is_patient=False) as held:
        yield held


def ask(work: str, root: Path, given: bytes = b"given", seconds: int = 5) -> bytes:
    work = f"{HERE}:{work}"
    return work_apart(root, work, given, kind="test", seconds=seconds, is_patient=False)


def test_work_is_done_elsewhere_and_with_a_low_priority(tmp_path: Path) -> None:
    assert ask("echo", tmp_path) == b"given %d" % min(19, os.nice(0) + 10)


def test_a_refusal_arrives_as_it_was_raised(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as refused:
        ask("refuse", tmp_path)
    assert vars(refused.value) == vars(RecordError("file", "content", "broken", "given"))


def test_a_fault_names_its_place_and_nothing_that_was_given(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"the test failed: ValueError at .*test_worker") as at:
        ask("fail", tmp_path, b"01A777BC")
    assert "01A777BC" not in str(at.value)


def test_what_takes_too_long_or_too_much_is_killed(tmp_path: Path) -> None:
    for work in ("spin", "hoard"):
        with pytest.raises(TooCostlyError):
            ask(work, tmp_path, seconds=1)


def test_a_process_that_ends_is_named_by_who_ended_it(tmp_path: Path) -> None:
    with pytest.raises(BusyError, match="was ended before it was done"):
        ask("end", tmp_path, b"%d" % signal.SIGTERM)
    for own in (signal.SIGSEGV, signal.SIGABRT):
        with pytest.raises(TooCostlyError):
            ask("end", tmp_path, b"%d" % own)


def test_a_command_is_killed_at_its_limit(place: IO[bytes]) -> None:
    command = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
    with pytest.raises(BusyError, match="the test took over 0 seconds"):
        run_bounded(command, what="test", seconds=0.3, place=place)


def test_one_of_a_kind_at_a_time_in_a_home(tmp_path: Path) -> None:
    with hold_place(tmp_path, "backtest", is_patient=False):
        with (
            pytest.raises(BusyError, match="another backtest is under way"),
            hold_place(tmp_path, "backtest", is_patient=False),
        ):
            pass
        with hold_place(tmp_path, "drift", is_patient=False):
            pass
    with hold_place(tmp_path, "backtest", is_patient=False):
        pass


def test_a_child_keeps_the_place_of_a_worker_that_was_killed(tmp_path: Path) -> None:
    """Otherwise a service that restarts after a crash would run a second one."""
    script = (
        "import os, sys; from pathlib import Path;"
        "from engine.storage.worker_process import hold_place, run_bounded;"
        "held = hold_place(Path(sys.argv[1]), 'test', is_patient=False); place = held.__enter__();"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(2)'];"
        "import threading; threading.Timer(1, os._exit, [0]).start();"
        "run_bounded(sleep, what='test', seconds=9, place=place)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    with pytest.raises(BusyError), hold_place(tmp_path, "test", is_patient=False):
        pass
    with hold_place(tmp_path, "test", is_patient=True):
        time.sleep(0)


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
