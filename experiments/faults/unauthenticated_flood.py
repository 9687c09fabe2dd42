"""Senders without a key who flood, fill and hold up a service, while a checkpoint goes on.

One checkpoint asks for decisions, one after the other: during each attack, and alone before and
after it. What counts is in one run: the median of a decision against the quiet one, and the memory
that the service holds against what it held at first.
"""

import asyncio
import re
import resource
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from statistics import median
from urllib.parse import quote

from experiments.faults.senders import PAUSE_SECONDS, Book, FaultTrials
from experiments.support.deployment import PATH
from experiments.support.processes import (
    BROKEN,
    HOST,
    HttpConnection,
    encode_get,
    encode_post,
    measure_memory,
)

FULL = 300
"""Decisions in each part of a full run. Fewer make smaller attacks, whose times tell nothing."""
CONNECTIONS, HEADS, HEAD_BYTES, AHEAD, HALVES = 40, 4, 60 << 20, 200_000, 1_000
MOST_TIMES, MOST_BYTES, MOST_OPEN = 3.0, 64 << 20, 300
"""What a decision may take in terms of a quiet one; what the service may hold beyond what it held;
the files that it may have open for connections that send half a request."""
CLOSED_SECONDS = 20.0
"""How long a busy machine may take to close a connection that it does not want."""
_PART = 1 << 16
_FILES = 4096
_VISIT, _TOKEN = re.compile(rb"darvoza_visit=([^;]+)"), re.compile(rb'form_token" value="([^"]+)')

Attack = Callable[[int, float, asyncio.Event], Coroutine[None, None, str | None]]
"""Attacks a port at a share of the full size until the event; returns what was broken, if so."""


async def strangers(run: FaultTrials) -> None:
    """Ask for as many decisions as are to be tried during each attack, before and after it."""
    service, book, trials = run.service, run.book, run.trials
    attacks = {"heads": heads, "ahead": ahead, "halves": halves, "sign-in": sign_in}
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_FILES, most), most))
    with service:
        service.start()
        async with HttpConnection(service.port) as line:
            checkpoint = Checkpoint(run, line)
            calm = await checkpoint.taken(trials)
            held = measure_memory(service.pid)
            book.figures["quiet"] = f"{median(calm) * 1000:.1f} ms, {held >> 20} MB"
            for number, (name, attack) in enumerate(attacks.items(), 1):
                watched = _ResourceWatch(service.pid)
                taken, broken = await _run_attack(checkpoint, attack, trials, watched)
                before, calm = calm, await checkpoint.taken(trials)
                times = median(taken) / median([*before, *calm])
                more = watched.most - held
                book.figures[name] = f"{times:.2f} times, {more / (1 << 20):+.0f} MB"
                _judge(book, name, broken, times if trials >= FULL else 0.0, more, watched.open)
                run.report_progress(number, len(attacks))


def _judge(book: Book, name: str, broken: str | None, times: float, more: int, files: int) -> None:
    if broken is not None:
        book.broken[broken] += 1
    if times > MOST_TIMES:
        book.broken[f"decisions that took {times:.1f} times as long ({name})"] += 1
    if more > MOST_BYTES and name != "sign-in":  # a password alone takes as much for a moment
        book.broken[f"memory that grew by {more >> 20} MB ({name})"] += 1
    if files > MOST_OPEN:
        book.broken[f"{files} connections that were kept ({name})"] += 1


class Checkpoint:
    """Sends one arrival after the other."""

    def __init__(self, run: FaultTrials, line: HttpConnection) -> None:
        self._run, self._line, self.port = run, line, line.port

    async def taken(self, number: int) -> list[float]:
        """Return the seconds that as many decisions took."""
        taken: list[float] = []
        while len(taken) < number:
            sent = next(self._run.waiting)
            began = time.perf_counter()
            try:
                request = encode_post(PATH, sent.body, key=self._run.keys[sent.post])
                status, raw = await self._line.ask(request)
            except BROKEN:
                await asyncio.sleep(PAUSE_SECONDS)  # it still starts
                continue
            taken.append(time.perf_counter() - began)
            self._run.book.note(sent.crossing_id, status, raw)
            await asyncio.sleep(0.01)
        return taken


class _ResourceWatch:
    """Largest memory and number of files that a service held."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.most = self.open = 0
        self._before = self._files()

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            self.most = max(self.most, measure_memory(self._pid))
            self.open = self._files() - self._before
            await asyncio.sleep(0.02)

    def _files(self) -> int:
        return len(list(Path(f"/proc/{self._pid}/fd").iterdir()))


async def _run_attack(
    checkpoint: Checkpoint, attack: Attack, trials: int, watched: _ResourceWatch
) -> tuple[list[float], str | None]:
    """Return what each decision took during an attack, and what the attack broke."""
    stop = asyncio.Event()
    watching = asyncio.create_task(watched.watch())
    attacking = asyncio.create_task(attack(checkpoint.port, min(1.0, trials / FULL), stop))
    await asyncio.sleep(0.2)
    taken = await checkpoint.taken(trials)
    stop.set()
    broken = await attacking
    watching.cancel()
    return taken, broken


async def sign_in(port: int, share: float, stop: asyncio.Event) -> str | None:
    """Open the form and send wrong passwords, each of another name, as fast as they are refused."""

    async def one(number: int) -> None:
        attempt = 0
        async with HttpConnection(port) as line:
            while not stop.is_set():
                with suppress(*BROKEN):
                    _, form = await line.ask(encode_get("/login"))
                    attempt += 1
                    if (found := find_form_token(form, line.head)) is not None:
                        name = f"stranger-{number}-{attempt}"
                        await line.ask(sign_in_request(*found, name, "guess"))

    await asyncio.gather(*(one(number) for number in range(max(1, round(CONNECTIONS * share)))))
    return None


def find_form_token(form: bytes, head: bytes) -> tuple[bytes, bytes] | None:
    """Return the token of a form, and the cookie of its visitor or nothing; None of no form."""
    token, visit = _TOKEN.search(form), _VISIT.search(head)
    return None if token is None else (token[1], b"" if visit is None else visit[1])


def sign_in_request(token: bytes, visit: bytes, name: str, password: str) -> bytes:
    """Return a sign-in as it goes over the wire."""
    body = b"form_token=" + token + f"&name={name}&password={quote(password)}".encode()
    head = (
        f"POST /login HTTP/1.1\r\nHost: {HOST}\r\nCookie: darvoza_visit={visit.decode()}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def heads(port: int, share: float, stop: asyncio.Event) -> str | None:
    """Send heads that do not end."""
    size = round(HEAD_BYTES * share)

    async def one() -> bool:
        head = f"GET /healthz HTTP/1.1\r\nHost: {HOST}\r\nX-Long: ".encode()
        return await _takes(port, head, b"x" * _PART, size // _PART)

    while not stop.is_set():
        if any(await asyncio.gather(*(one() for _ in range(HEADS)))):
            return f"a head of {size >> 20} MB that was taken"
        await asyncio.sleep(0.1)
    return None


async def ahead(port: int, share: float, stop: asyncio.Event) -> str | None:
    """Send requests without reading their answers."""
    request, number = encode_get("/healthz"), round(AHEAD * share)
    parts = 50
    while not stop.is_set():
        if await _takes(port, b"", request * (number // parts), parts):
            return f"{number} requests ahead of their answers that were taken"
        await asyncio.sleep(0.1)
    return None


async def _takes(port: int, begin: bytes, part: bytes, number: int) -> bool:
    """Tell whether a service takes all of this over one connection, and does not end it."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            writer.write(begin)
            for _ in range(number):
                writer.write(part)
                await asyncio.wait_for(writer.drain(), CLOSED_SECONDS)
            await asyncio.wait_for(reader.read(), CLOSED_SECONDS)  # until it is closed
        finally:
            writer.transport.abort()
    except TimeoutError:
        return True
    except OSError:
        return False
    return False


async def halves(port: int, share: float, stop: asyncio.Event) -> str | None:
    """Open connections, send half a request over each, and wait."""
    writers = []
    for _ in range(round(HALVES * share)):
        with suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.write(encode_get("/healthz")[:-2])
            writers.append(writer)
    await stop.wait()
    for writer in writers:
        writer.transport.abort()
    return None
