"""Processes that a run starts and measures: servers on a free port, and commands on a home.

A server has a process group of its own; its time to start, processor time and memory are measured
(shared memory is known on Linux alone). Bounded are the growth of memory over the whole run and, if
the run is long enough, the slope of its second half: a leak keeps growing; a cache that fills does
not. A service that is killed repeatedly is forked from a process that has everything imported and
runs nothing: a start then costs a tenth of what a new interpreter costs, and opens its home, its
store and its port like any other. A command is what a user would type, with what it took.

The HTTP/1.1 client has one kept connection, one request at a time, and next to no CPU of its own.
What drives a service under test must neither hide a broken connection nor take the core that the
service needs, so nothing is retried and nothing is parsed but status, length, body and whether the
connection ends with this answer.
"""

import asyncio
import atexit
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Self

from engine.errors import ServiceStartError
from engine.storage.home import DATABASE_VARIABLE

if TYPE_CHECKING:
    import psutil

HOST = "127.0.0.1"
BROKEN = (OSError, asyncio.IncompleteReadError)
"""What a request raises when its connection breaks; whether it was served is then unknown."""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class HttpConnection:
    """One connection, opened by the first request and again after it broke."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.head = b""

    async def __aenter__(self) -> Self:
        """Open nothing yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what is open."""
        self.close()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send one request and return status and body; raises one of ``BROKEN``."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(HOST, self.port)
            reader, writer = self._streams
            writer.write(request)
            head = self.head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
        except BROKEN:
            self.close()
            raise
        if b"\r\nconnection: close\r\n" in head.lower():
            self.close()
        return int(head[9:12]), body

    def has_header(self, header: str) -> bool:
        """Tell whether the last answer had this header."""
        return f"\r\n{header.lower()}:".encode() in self.head.lower()

    def abort(self) -> None:
        """Close the connection, if one is open, and send nothing more of a request."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._streams is not None:
            with suppress(OSError):
                self._streams[1].close()
            self._streams = None


def encode_post(path: str, body: bytes, *, key: str = "") -> bytes:
    """Return a POST of JSON as it goes over the wire."""
    text = f"Authorization: Bearer {key}\r\n" if key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{text}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def encode_get(path: str) -> bytes:
    """Return a GET as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


_GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")
_RESERVED: list[socket.socket] = []
"""Hold the numbers of ports that were handed out, in another protocol, while this process lives."""


def find_free_port() -> int:
    """Return a port of this machine that has no listener and is not given to connections.

    It is handed out once: a service listens seconds later, and between a kill and its next start
    not at all. A client that keeps connecting to a port without a listener, which the kernel also
    gives to connections, is some day given that very port: connected to itself, it keeps the
    service out. Where the kernel gives all ports to connections, as some servers are set up, it is
    one of those, and may be handed out again.
    """
    lowest = _first_given()
    source = random.SystemRandom()  # a seeded source, as in tests, would repeat the same ports
    others = range(max(1024, lowest - 8192), lowest)
    for port in source.sample(others, k=min(100, len(others))):
        with suppress(OSError), socket.create_server((HOST, port)):
            _reserve(port)
            return port
    with socket.create_server((HOST, 0)) as given:
        return int(given.getsockname()[1])


def _reserve(port: int) -> None:
    """Keep a port from every other call, here or in another process; raises ``OSError``."""
    mark = socket.socket(type=socket.SOCK_DGRAM)
    try:
        mark.bind((HOST, port))
    except OSError:
        mark.close()
        raise
    _RESERVED.append(mark)
    atexit.register(mark.close)


def _first_given() -> int:
    """Return the lowest port that the kernel gives to connections."""
    try:
        return int(_GIVEN.read_text().split()[0])
    except OSError:
        return 32_768


START_SECONDS = 120.0
LOOK_SECONDS = 0.02
LOG = "service.log"
READY = encode_get("/readyz")
SERVE = (sys.executable, "-m", "api", "serve", "--host", HOST)


class Server:
    """Runs from entering to leaving."""

    def __init__(
        self, command: Sequence[str], port: int, *, environment: Mapping[str, str], log: Path
    ) -> None:
        self.port = port
        self._command = command
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(30)

    def wait_until_ready(self, request: bytes = READY) -> float:
        """Return the seconds from the start of the process to the first good answer.

        Raises ``ServiceStartError`` if there is none.
        """
        process = self._process
        wait_until_ready(
            self.port,
            is_alive=lambda: process is not None and process.poll() is None,
            request=request,
        )
        return time.perf_counter() - self._started

    def cpu_seconds(self) -> float:
        """Return the processor time that server and children have taken, ended ones included."""
        return sum(sum(each.cpu_times()[:4]) for each in self._processes())

    def memory_bytes(self) -> int:
        """Return the memory that server and children hold; what they share counts once."""
        return sum(each.memory_full_info().pss for each in self._processes())

    def _processes(self) -> list["psutil.Process"]:
        import psutil  # of benchmarks alone: a demonstration runs without it

        if self._process is None:
            return []
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]


@contextmanager
def run_service(home: Path, port: int) -> Iterator[None]:
    """Run the service of a home until the block ends; the block starts once it is ready."""
    command = [*SERVE, "--home", str(home), "--port", str(port)]
    with Server(command, port, environment=os.environ, log=home / LOG) as server:
        server.wait_until_ready()
        yield


def wait_until_ready(
    port: int,
    *,
    is_alive: Callable[[], bool] = lambda: True,
    request: bytes = READY,
) -> None:
    """Wait until a request is answered with success; raises ``ServiceStartError`` otherwise."""
    deadline = time.monotonic() + START_SECONDS
    while is_alive() and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((HOST, port), START_SECONDS) as line:
            line.sendall(request)
            if line.recv(12)[9:10] == b"2":  # HTTP/1.1 2xx
                return
        time.sleep(LOOK_SECONDS)
    raise ServiceStartError("it did not become ready; its log says why")


WARM_SHARE = 0.2
"""Part of the requests after which the service counts as warm."""
MOST_BYTES = 24 << 20
"""What it may have grown by since."""
LATE_SHARE = 0.5
"""Part of the requests after which caches are to be full."""
MOST_BYTES_A_REQUEST = 256.0
"""What it may then still grow by with each request: 24 MB in a hundred thousand."""
TELLING = 10_000
"""Requests from which on a slope shows a leak: over fewer, one page would look like one."""
_PARTS = 12
"""Stretches of the second half, each with a slope of its own."""
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class MemorySample:
    """What the process held after so many answers."""

    answered: int
    resident: int
    """Bytes."""


def find_growth(weights: Sequence[MemorySample], trials: int) -> Iterator[str]:
    """Yield each sign that memory grows, in words."""
    if (more := measure_growth(weights, trials)) > MOST_BYTES:
        yield f"memory that grew by {more / (1 << 20):.1f} MB once warm"
    late = _list_late(weights, trials)
    if late[-1].answered - late[0].answered < TELLING:
        return
    if (slope := measure_steepness(late)) > MOST_BYTES_A_REQUEST:
        yield f"memory that grows by {slope:.0f} bytes with each request"


def measure_growth(weights: Sequence[MemorySample], trials: int) -> int:
    """Return the bytes that were added since the service was warm."""
    warm = next(one for one in weights if one.answered >= trials * WARM_SHARE)
    return weights[-1].resident - warm.resident


def measure_slope(weights: Sequence[MemorySample], trials: int) -> float:
    """Return the bytes that each request of the second half adds (``steepness``)."""
    return measure_steepness(_list_late(weights, trials))


def _list_late(weights: Sequence[MemorySample], trials: int) -> list[MemorySample]:
    return [one for one in weights if one.answered >= trials * LATE_SHARE]


def measure_steepness(weights: Sequence[MemorySample]) -> float:
    """Return the bytes that a request adds, the mean over stretches but the highest and the lowest.

    So one step, as of a connection that opens late, does not move it; growth that goes on does.
    """
    first, last = weights[0].answered, weights[-1].answered
    wanted = [first + (last - first) * part / _PARTS for part in range(_PARTS + 1)]
    ends = [min(weights, key=lambda one: abs(one.answered - at)) for at in wanted]
    slopes = [
        (later.resident - earlier.resident) / (later.answered - earlier.answered)
        for earlier, later in pairwise(ends)
    ]
    return mean(sorted(slopes)[1:-1])


def measure_memory(pid: int) -> int:
    """Return the bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def peak_bytes() -> int:
    """Return the most memory that this process has held since its program was started."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says there may be the memory of the parent process
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


_MEASURED_COMMAND = """
import json, resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(int(sys.argv[1]), "w") as cost:
    json.dump([used.ru_utime + used.ru_stime, used.ru_maxrss], cost)
sys.exit(code)
"""
"""Runs a command from a small process. The system counts what a process held before it became the
command, which is the memory of the one that starts it: a benchmark that drew a network has more
than a load of it takes."""


@dataclass(frozen=True, slots=True)
class CommandCost:
    """What a command took: processor seconds, and the most bytes of memory that it held."""

    seconds: float
    peak: int
    printed: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HomeCommands:
    """The command line on one home."""

    home: Path
    database: str = ""
    """URL of its PostgreSQL database; empty where the store is a file of the home."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its service."""
        return self._environment() | {"DARVOZA_HOME": str(self.home), "OMP_NUM_THREADS": "1"}

    def run(self, *words: str, password: str = "") -> CommandCost:
        """Run a command to its end; raises ``CalledProcessError`` where it fails."""
        line = [sys.executable, "-m", "api", *words, "--home", str(self.home), "--json"]
        env = self._environment() | {"DARVOZA_PASSWORD": password}
        with TemporaryFile("w+") as cost:
            number = cost.fileno()
            measured = [sys.executable, "-I", "-S", "-c", _MEASURED_COMMAND, str(number), *line]
            done = subprocess.run(
                measured, check=False, env=env, stdout=subprocess.PIPE, pass_fds=[number]
            )
            if done.returncode:
                raise subprocess.CalledProcessError(done.returncode, line)
            cost.seek(0)
            seconds, kilobytes = json.load(cost)
        return CommandCost(seconds, kilobytes * 1024, json.loads(done.stdout))

    def serve(self, *words: str) -> Server:
        """Return the service of the home, which starts when it is entered."""
        port = find_free_port()
        command = [*SERVE, "--port", str(port), *words]
        log = self.home.parent / "serve.log"
        return Server(command, port, environment=self.environment, log=log)

    def create_supervisor(self, name: str) -> str:
        """Create a supervisor and return the password."""
        password: str = self.run("users", "create", name, "--role", "supervisor").printed[
            "password"
        ]
        return password

    def put_into_force(self, version: str) -> None:
        """Let two supervisors approve a model."""
        for name in ("one", "two"):
            self.run("promote", version, "--as", name, password=self.create_supervisor(name))

    def create_keys(self, posts: Iterable[str]) -> dict[str, str]:
        """Create a checkpoint's key for each post and return them by post."""
        create = ("keys", "create", "--role", "checkpoint", "--post")
        return {post: self.run(*create, post).printed["key"] for post in posts}

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != DATABASE_VARIABLE}
        return kept | ({DATABASE_VARIABLE: self.database} if self.database else {})


class Forker:
    """The process that forks: a line of orders in, a line back within milliseconds."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:  # closes its pipes, which ends it
            pass

    def send_order(self, order: Mapping[str, object]) -> int:
        """Give an order and return the answer: a process id."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process that starts services has no pipes")
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        text = self._process.stdout.readline()
        if not text:
            raise RuntimeError("the process that starts services has ended")
        return int(text)


@dataclass
class Service:
    """One service at a time, in one home on one port."""

    forker: Forker
    environment: Mapping[str, str]
    """Which home and which database; nothing else is set."""
    port: int
    planted: str = ""
    """The fault whose seeded bug it has, for a negative control; empty for the real service."""
    is_handed: bool = False
    """Whether its socket is kept open for it between two processes, as a service manager does."""
    _pid: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start the service; it answers a moment later."""
        order = {"start": dict(self.environment), "port": self.port, "planted": self.planted}
        self._pid = self.forker.send_order({**order, "handed": self.is_handed})

    def relieve(self) -> None:
        """Start the next process, then let the running one finish its requests."""
        leaving = self.pid
        self.start()
        self._end(leaving, signal.SIGTERM)

    @property
    def pid(self) -> int:
        """The process that runs now."""
        if self._pid is None:
            raise RuntimeError("no service runs")
        return self._pid

    def kill(self) -> None:
        """Kill the service, if it runs, and wait until it has ended."""
        self.stop(signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask the service to end, if it runs, and wait until it has."""
        if self._pid is not None:
            self._end(self._pid, how)
            self._pid = None

    def _end(self, pid: int, how: signal.Signals) -> None:
        os.kill(pid, how)
        self.forker.send_order({"bury": pid})
