"""The worker of jobs: it runs the command of each and records its end.

A job runs as ``darvoza`` does on the command line: in a process of its own, with low priority, and
the first to be killed if memory runs out. Its standard output is the JSON of the command, and its
standard error the log. A lock file of the home says which sort of job runs, whatever the number of
workers of a service; the process holds it too, so that one whose service was killed is waited for.
Nobody saw the end of such a process, and the record says so.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO, Any, Final

from api.analysis.folders import JobFolder, folder_of, sweep_folders
from api.analysis.jobs import MAPPING, MOST
from api.service.executors import read_refusal
from api.service.runtime import Runtime
from api.service.structured_logging import fault
from engine.analysis.area import JOB_ENDED, JobEndedBody, Outcome
from engine.analysis.jobs import Job, JobSort, read_jobs
from engine.errors import BusyError, RiskError
from engine.storage.worker_process import NICENESS, PROGRESS_FILE, PeriodicWorker, hold_place

LOOK_SECONDS: Final = 2.0
"""How often the worker looks for jobs."""
POLL_SECONDS: Final = 0.25
"""How often it looks at the process of one."""
GRACE_SECONDS: Final = 10.0
"""Between the request to end and the end of a process."""
LONGEST_SECONDS: Final = 6 * 3600.0
SWEEP_SECONDS: Final = 3600.0
_COUNTS: Final = ("accepted", "quarantined", "held", "differing", "load", "version")
"""What the record of the end keeps of the JSON of a command."""


def list_words(job: Job, home: Path, folder: JobFolder, checked: JobFolder) -> Sequence[str]:
    """Return the command of a job; ``checked`` is the folder of the file that it reads."""
    options = {name: str(value) for name, value in job.options.items()}
    layout = ["--format", options.get("format", "contract")]
    if layout[1].endswith(MAPPING):
        layout = ["--mapping", str(checked.path / layout[1])]
    words: Mapping[JobSort, Sequence[str]] = {
        "check": ["load", str(folder.input), "--check", *layout, "--out",
                  str(folder.path / "quarantine.csv")],
        "load": ["load", str(checked.input), *layout],
        "train": ["train", "--job", job.name],
        "evaluate": ["backtest", str(checked.input), "--train-until",
                     options.get("train_until", ""), "--test-from", options.get("test_from", ""),
                     "--out", str(folder.path)],
    }  # fmt: skip
    return [*words[job.sort], "--home", str(home), "--json"]


def make_command(words: Sequence[str]) -> Sequence[str]:
    """Return how this installation runs a command of its own."""
    return [sys.executable, "-m", "api", *words]


class JobWorker(PeriodicWorker):
    """Looks for jobs that wait, and runs one of each sort at a time."""

    def __init__(self, service: Runtime) -> None:
        super().__init__("jobs", LOOK_SECONDS)
        self._service = service
        self._running: dict[str, Thread] = {}
        self._swept = 0.0
        """When folders were last looked through, by the monotonic clock."""

    def close(self) -> None:
        """End the jobs of this process, record that, and stop."""
        super().close()
        for thread in self._running.values():
            thread.join()

    def note_failure(self, error: Exception) -> None:
        """Log it; where the store is away, the next turn tries again."""
        if not isinstance(error, RiskError):
            fault(error, route="jobs")

    def run_turn(self) -> None:
        """Begin what waits."""
        with self._service.store.read() as connection:
            waiting = [one for one in read_jobs(connection, most=MOST) if one.ended is None]
        for job in reversed(waiting):
            thread = self._running.get(job.sort)
            if thread is None or not thread.is_alive():
                thread = Thread(target=self._take, args=(job,), name=job.name, daemon=True)
                self._running[job.sort] = thread
                thread.start()
        if time.monotonic() - self._swept > SWEEP_SECONDS:
            self._swept = time.monotonic()
            sweep_folders(self._service.home)

    def _take(self, job: Job) -> None:
        try:
            root = self._service.home.root
            with hold_place(root, f"job-{job.sort}", is_patient=False) as place:
                if self._is_open(job):
                    self._end(job, self._carry_out(job, place))
        except BusyError:  # another process has it, or what is left of a killed service
            self._end_orphan(job)
        except RiskError:
            pass
        except Exception as error:
            fault(error, route="jobs")

    def _is_open(self, job: Job) -> bool:
        with self._service.store.read() as connection:
            found = read_jobs(connection, most=MOST)
        return any(one.name == job.name and one.ended is None for one in found)

    def _carry_out(self, job: Job, place: IO[bytes]) -> JobEndedBody:
        """Run the command of a job, unless it ran before, and return what its record says."""
        folder = folder_of(self._service.home, job.name)
        if folder.begun.exists():
            why = "the service was stopped while it ran, and nothing saw its end: see its log"
            return self._describe(job, folder, "unknown", why=why)
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (body := self._find_stop(folder)) is not None:
            return body
        home = self._service.home
        checked = folder_of(home, str(job.options.get("file", job.name)))
        words = list_words(job, home.root, folder, checked)
        with folder.output.open("wb") as output, folder.log.open("wb") as log:
            process = subprocess.Popen(
                make_command(words),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env={**os.environ, PROGRESS_FILE: str(folder.progress)},
                pass_fds=(place.fileno(),),
                start_new_session=True,
            )
        folder.begun.write_text(str(process.pid), "utf-8")
        _let_others_first(process.pid)
        return self._wait(job, folder, process)

    def _wait(
        self, job: Job, folder: JobFolder, process: "subprocess.Popen[bytes]"
    ) -> JobEndedBody:
        until = time.monotonic() + LONGEST_SECONDS
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            body = self._find_stop(folder)
            if body is None and time.monotonic() > until:
                why = f"it took more than {LONGEST_SECONDS / 3600:g} hours"
                body = JobEndedBody(outcome="failed", result={}, why=why)
            if body is not None and process.poll() is None:
                _end_process(process)
                return body
        if process.returncode == 0:
            return self._describe(job, folder, "done")
        why = read_refusal(folder.read_log()) or "the command failed; its log in the home says how"
        return self._describe(job, folder, "failed", why=why)

    def _find_stop(self, folder: JobFolder) -> JobEndedBody | None:
        """Return why a job must not go on, None if it may."""
        with suppress(OSError):
            by = folder.cancelled.read_text("utf-8")
            return JobEndedBody(outcome="cancelled", result={}, by=by)
        if self._stop.is_set():
            return JobEndedBody(outcome="stopped", result={}, why="the service stopped")
        return None

    @staticmethod
    def _describe(job: Job, folder: JobFolder, outcome: Outcome, *, why: str = "") -> JobEndedBody:
        found = folder.read_json(folder.output)
        result: dict[str, Any] = {name: found[name] for name in _COUNTS if name in found}
        body = JobEndedBody(outcome=outcome, result=result)
        return {**body, "why": why} if why else body

    def _end(self, job: Job, body: JobEndedBody) -> None:
        """Record the end of a job, and let go of what only it needed."""
        self._service.writer.submit(JOB_ENDED.draft(job.name, body)).result()
        if job.sort == "load" and body["outcome"] == "done":
            folder_of(self._service.home, str(job.options["file"])).remove_input()

    def _end_orphan(self, job: Job) -> None:
        """End a cancelled process that this worker did not start."""
        folder = folder_of(self._service.home, job.name)
        with suppress(OSError, ValueError):
            if not folder.cancelled.exists():
                return
            number = int(folder.begun.read_text("utf-8"))
            words = Path(f"/proc/{number}/cmdline").read_bytes()
            if str(folder.path).encode() in words or job.name.encode() in words:
                os.killpg(number, signal.SIGTERM)


def _let_others_first(number: int) -> None:
    """Lower a process's priority, and let it be killed first where memory runs out."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, number, NICENESS)
        Path(f"/proc/{number}/oom_score_adj").write_text("800", "ascii")


def _end_process(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
