"""Work that can be long: what one piece of it costs the process that decides, and many at once.

Every door that takes files, texts, messages or parcels, or starts a check or a job, is asked with
generated bodies one after the other, and the processor time of the deciding process is read before
and after each. Then forty senders ask the same door at once, while a checkpoint goes on.

Bodies are drawn from what readers of their types stumble over. Each is made of a few fragments that
are repeated up to a size: what costs a reader much does so because it comes often. The first
fragments of each kind are the ones that cost most so far.
"""

import asyncio
import math
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import psutil

from engine.links.agreement import read_agreement
from engine.links.identity import open_link_keys
from engine.links.posts.record_outbox import LARGEST_RECORD
from experiments.faults.installations import (
    CENTRE,
    FileDisk,
    Installation,
    make_long_crossing,
    write_agreement,
)
from experiments.faults.senders import PATIENCE_SECONDS, FaultTrials, until
from experiments.faults.unauthenticated_flood import Checkpoint, find_form_token, sign_in_request
from experiments.support.deployment import Deployment
from experiments.support.processes import BROKEN, HOST, HttpConnection, encode_get

MOST_FILE, MOST_PICTURE, MOST_MESSAGE = 32 << 20, 24 << 20, 24 << 20
"""Bytes that a file of a case, the photographs of a dossier, and a message may have."""
MOST_TEXT = 20_000
"""Characters of an old report."""
_LEAST = 1_000
_SEGMENTS = 19_000
"""Parts of a picture; a file of more is refused."""
Maker = Callable[[Random, int], bytes]
"""Makes a body of about so many bytes."""


def draw_size(random: Random, most: int) -> int:
    """Draw a size of any order of magnitude."""
    return round(math.exp(random.uniform(math.log(_LEAST), math.log(most))))


def _repeat(random: Random, fragments: Sequence[bytes], size: int) -> bytes:
    """Return some fragments, each repeated often, in turn up to a size."""
    run = b"".join(
        random.choice(fragments) * random.choice((1, 10, 1_000))
        for _ in range(random.randint(1, 4))
    )
    return (run * (size // len(run) + 1))[:size]


_PACKED = zlib.compress(b"1 0 " + b"/" * (3 << 20))
_PDF = (
    b"/", b"/ObjStm stream\n1 1 ", b"stream\nendstream " + b"/" * 700,
    b"/ObjStm stream\n1 1 endstream", b"/AA 5 0 R ", b"5 0 obj ", b"/AA << /O 5 0 R >> ",
    b"1 %", b"1 ", b"/JavaScrip", b"<svg on",
    b"/Filter /FlateDecode ", b"endobj ", b"<", b"(",
    b"<< /Type /ObjStm /First 4 /Filter /FlateDecode >>\nstream\n" + _PACKED + b"\nendstream\n",
)  # fmt: skip
_MARKUP = (b"<svg onaaaa ", b"<", b"<s", "ж".encode(), b"PK\x05\x06", b"a ")
_TEXT = (
    "heroin 5 kg ", "01.02.2021 heroin 5 kg\n", "heroin opium hashish 5 kg 3 kg 01.02.2021 ",
    "- heroin 5 kg\n", "| 01.02.2021 | героин | 5 |\n", "12 packets of heroin 5 kg each, ",
    "5 kg and ", "cargo heroin 5 kg gross ", " ", "\n", "1 ", "march ", "plate 01A123BC ",
    "в баке обнаружено 2,3 кг героина; ", "found in the tank of the trailer by a dog, 5 kg - : = ",
)  # fmt: skip
_XML = (
    b"<a>x</a>", b"<a>" + b"x" * 40 + b"</a>", b"<a>" * 20 + b"x" + b"</a>" * 20, b'<a b="1">x</a>',
    b"<Item><Tarification><HScode><Commodity_code>01</Commodity_code></HScode></Tarification></Item>",
    b"&amp;", b"<!-- -->", b" ", b"<",
)  # fmt: skip


def make_file(random: Random, size: int) -> bytes:
    """Return a file of a case: of a type that is taken, or almost."""
    make: Maker = random.choice((_make_pdf, _make_pdf, _make_pdf, _make_markup, make_picture))
    return make(random, size)


def _make_pdf(random: Random, size: int) -> bytes:
    return b"%PDF-1.7\n" + _repeat(random, _PDF, size - 20) + b"\n%%EOF\n"


def _make_markup(random: Random, size: int) -> bytes:
    return b"a" + _repeat(random, _MARKUP, size - 1)


def make_dearest_file(_: Random, size: int) -> bytes:
    """Return the file that costs most of those that are known."""
    return b"%PDF-1.7\n" + (_PDF[2] * (size // len(_PDF[2]) + 1))[: size - 20] + b"\n%%EOF\n"


def make_picture(random: Random, size: int) -> bytes:
    """Return a picture of as many parts as there may be, as a dossier shows it."""
    parts = random.choice((10, _SEGMENTS))
    part = random.randbytes(8) * max(size // parts // 8, 1)
    if random.random() < 0.5:
        chunk = len(part).to_bytes(4, "big") + b"IDAT" + part + bytes(4)
        head = (24).to_bytes(4, "big") + (16).to_bytes(4, "big") + b"\x08\x02\0\0\0"
        begin = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + b"IHDR" + head + bytes(4)
        return begin + chunk * parts + bytes(4) + b"IEND" + bytes(4)
    exif = (b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + part)[:65_000]
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    frame = b"\xff\xc0\x00\x0b\x08\x00\x10\x00\x18\x01\x01\x11\x00"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + bytes(9)
    number = min(parts, size // len(segment) + 1)
    return b"\xff\xd8" + segment * number + frame + scan + b"\xff\xd9"


def make_text(random: Random, size: int) -> bytes:
    """Return the text of an old report."""
    fragments = [one.encode() for one in _TEXT]
    return _repeat(random, fragments, 2 * size).decode("utf-8", "ignore")[:size].encode()


def make_message(random: Random, size: int) -> bytes:
    """Return a document of a customs declaration, or almost; half of them are well formed."""
    if random.random() < 0.5:
        return b"<ASYCUDA>" + _repeat(random, _XML, size - 19) + b"</ASYCUDA>"
    group = b"<b>" + random.choice(_XML[:4]) * 9_000 + b"</b>"
    return b"<ASYCUDA>" + group * min(size // len(group), 40) + b"</ASYCUDA>"


MOST_COPIES, MOST_MIXED = 200, 1 << 20
"""Records that a node makes for one parcel, and characters of one that does not compress."""
FULL = 200
"""Bodies of each door of a full run; the times of a smaller one tell nothing."""
AT_ONCE = 40
MOST_SECONDS, MOST_TIMES = 1.0, 3.0
"""Processor time of the deciding process for one body, and what a decision may take in terms of a
quiet one."""
PAUSE_SECONDS = 0.5
"""Before a sender of a flood asks again, which is sooner than a refusal says."""
IDLE_SHARE = 0.1
"""Part of a core below which the deciding process is done with what was asked before."""
STARTED_SHARE = 0.05
"""Part of the trials that start a check or a job: they are alike, and take seconds each."""
TAKEN, REFUSED, BUSY = frozenset({200, 201, 303}), frozenset({400, 409, 413, 415, 422}), 503


@dataclass(frozen=True, slots=True)
class Access:
    """What opens the doors: keys by role, and a person for the pages."""

    keys: Mapping[str, str]
    name: str
    password: str


Door = Callable[["Visitor", Random, int], Awaitable[bytes]]
"""Makes ready what one request needs, and returns the request: the trial's number is given."""


@dataclass
class Visitor:
    """Asks the service before the request that is measured."""

    line: HttpConnection
    access: Access
    node: Installation
    post: str
    key: str
    answer: bytes = b""
    """To the last request that was measured."""
    _cookie: bytes = b""
    _case: str = ""
    _files: int = 0
    statuses: Counter[int] = field(default_factory=Counter)

    async def open_case(self, *, is_new: bool = False) -> str:
        """Return a case with room for files."""
        self._files += 1
        if is_new or not self._case or self._files > 8:
            body = b'{"post": "%s", "summary": "a find"}' % self.post.encode()
            answer = await self.ask("POST", "/v1/cases", body)
            self._case, self._files = answer.split(b'"case_id":"')[1].split(b'"')[0].decode(), 0
        return self._case

    async def open_session(self) -> bytes:
        """Return the cookie of a person who is signed in."""
        if not self._cookie:
            _, form = await self.line.ask(encode_get("/login"))
            found = find_form_token(form, self.line.head) or (b"", b"")
            name, password = self.access.name, self.access.password
            await self.line.ask(sign_in_request(*found, name, password))
            self._cookie = self.line.head.split(b"darvoza_session=")[1].split(b";")[0]
        return self._cookie

    async def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Return the answer to a request that must be taken."""
        request = make_request(method, path, body, key=self.key)
        status, answer = await _ask_patiently(self.line, request)
        if status not in TAKEN:
            raise RuntimeError(f"{path} answered {status}")
        return answer


def make_request(
    method: str, path: str, body: bytes = b"", *, key: str = "", head: str = ""
) -> bytes:
    """Return a request as it goes over the wire."""
    known = f"Authorization: Bearer {key}\r\n" if key else ""
    begin = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{known}{head}"
    return f"{begin}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def send_file(visitor: Visitor, random: Random, number: int) -> bytes:
    """Return an upload of a file to a case."""
    case = await visitor.open_case()
    size = draw_size(random, MOST_FILE) if number else MOST_FILE
    body = make_file(random, size) if number else make_dearest_file(random, size)
    path = f"/v1/cases/{case}/files?shows=photograph"
    return make_request("POST", path, body, key=visitor.key)


async def read_dossier(visitor: Visitor, random: Random, number: int) -> bytes:
    """Return a request for the dossier of a case with a picture."""
    case = await visitor.open_case(is_new=True)
    size = draw_size(random, MOST_PICTURE) if number else MOST_PICTURE
    path = f"/v1/cases/{case}/files?shows=photograph"
    await visitor.ask("POST", path, make_picture(random, size - 100_000))
    return make_request("GET", f"/v1/cases/{case}/dossier.pdf", key=visitor.key)


async def send_text(visitor: Visitor, random: Random, number: int) -> bytes:
    """Return a form with the text of an old report."""
    cookie = (await visitor.open_session()).decode()
    head = f"Cookie: darvoza_session={cookie}\r\n"
    _, form = await visitor.line.ask(make_request("GET", "/cases/reports", head=head))
    text = make_text(random, draw_size(random, MOST_TEXT) if number else MOST_TEXT)
    token, _ = find_form_token(form, b"") or (b"", b"")
    body = urlencode({"form_token": token, "step": "read", "text": text}).encode()
    head += "Content-Type: application/x-www-form-urlencoded\r\n"
    return make_request("POST", "/cases/reports", body, head=head)


async def send_message(visitor: Visitor, random: Random, number: int) -> bytes:
    """Return a standard message whose crossing lacks all but its name."""
    size = draw_size(random, MOST_MESSAGE) if number else MOST_MESSAGE
    path, head = f"/v1/decisions?crossing_id=flood-message-{number}", "Content-Type: text/xml\r\n"
    return make_request("POST", path, make_message(random, size), key=visitor.key, head=head)


async def send_parcel(visitor: Visitor, random: Random, number: int) -> bytes:
    """Return a parcel of a node with a few long records, or many short ones."""
    node, name = visitor.node, visitor.node.name
    if number:
        node.exchange.take_parcel(visitor.answer)
    is_mixed = random.random() < 0.5
    longest = (MOST_MIXED if is_mixed else LARGEST_RECORD) - 100_000
    size = draw_size(random, longest) if number else longest
    drafts = []
    for at in range(min(12 * longest // size, MOST_COPIES)):
        filling = random.randbytes(size // 2).hex() if is_mixed else "a" * size
        drafts.append(make_long_crossing(f"flood-{number}-{at}", name, filling))
    node.exchange.journal.append(drafts)
    path, head = f"/v1/links/{node.link(name).name}/parcels", "Content-Type: application/json\r\n"
    return make_request("POST", path, node.seal_parcel(name), head=head)


async def start_check(visitor: Visitor, random: Random, number: int) -> bytes:
    """Return a request for a check of the journal."""
    return make_request("POST", "/v1/journal/verifications", key=visitor.access.keys["integrity"])


async def start_assessment(visitor: Visitor, random: Random, number: int) -> bytes:
    """Return a request for an assessment of the data."""
    return make_request("POST", "/v1/quality/assessments", key=visitor.access.keys["analyst"])


async def start_backtest(visitor: Visitor, random: Random, number: int) -> bytes:
    """Return a request for a backtest."""
    head, key = "Content-Type: application/json\r\n", visitor.access.keys["analyst"]
    body = b'{"expression": "crossing.is_empty", "channel": "red", "percentage": 10.0}'
    return make_request("POST", "/v1/profiles/backtests", body, key=key, head=head)


DOORS: Mapping[str, Door] = {
    "files": send_file,
    "dossiers": read_dossier,
    "texts": send_text,
    "messages": send_message,
    "parcels": send_parcel,
    "checks": start_check,
    "assessments": start_assessment,
    "backtests": start_backtest,
}
_STARTED = frozenset({"checks", "assessments", "backtests"})


def make_access(made: Deployment) -> Access:
    """Make the people and the keys by the command line."""
    commands, keys = made.commands, dict[str, str]()
    for role in ("integrity", "analyst"):
        owner = f"flood-{role}"
        commands.run("users", "create", owner, "--role", role)
        found = commands.run("keys", "create", "--role", role, "--owner", owner).printed
        keys[role] = found["key"]
    name = "flood-officer"
    return Access(keys, name, commands.create_supervisor(name))


def link_to_node(made: Deployment, folder: Path) -> Installation:
    """Make a home the centre of a node, by a link in force; return the node, opened."""
    node = Installation("node1", FileDisk(folder / "node1.sqlite"))
    node.create_tables()
    node.open()
    path = folder / "agreement.toml"
    path.write_text(write_agreement(node, CENTRE, open_link_keys(made.home).identity), "utf-8")
    node.agree(read_agreement(path))
    passwords = {name: made.commands.create_supervisor(name) for name in ("anna", "boris")}
    made.commands.run("link", "propose", str(path), "--as", "anna", password=passwords["anna"])
    made.commands.run("link", "approve", node.name, "--as", "boris", password=passwords["boris"])
    return node


async def flood(run: FaultTrials, *, made: Deployment) -> None:
    """Ask every door of a service that is the centre of a node."""
    access = make_access(made)
    with TemporaryDirectory(prefix="darvoza-node-") as folder:
        node = link_to_node(made, Path(folder))
        await flood_doors(run, access, node)
        node.close()


async def flood_doors(run: FaultTrials, access: Access, node: Installation) -> None:
    """Ask every door, piece by piece and then at once, while a checkpoint goes on."""
    with run.service:
        run.service.start()
        await until(run.service.port, lambda now: now["mode"] != "")
        async with HttpConnection(run.service.port) as line, HttpConnection(line.port) as own:
            checkpoint, post = Checkpoint(run, line), next(iter(run.keys))
            visitor = Visitor(own, access, node, post, run.keys[post])
            calm = await checkpoint.taken(run.trials)
            run.book.figures["quiet"] = f"{median(calm) * 1000:.1f} ms"
            for number, (name, door) in enumerate(DOORS.items(), 1):
                request, worst, size = await _measure(run, visitor, name, door)
                taken, statuses = await _run_flood(checkpoint, request, run)
                before, calm = calm, await checkpoint.taken(run.trials)
                times = median(taken) / median([*before, *calm])
                _judge(run, name, worst, times, statuses)
                answers = ", ".join(f"{many} {status}" for status, many in sorted(statuses.items()))
                run.book.figures[name] = (
                    f"{worst:.2f} s at most, for {size / 1e6:.1f} MB; "
                    f"{AT_ONCE} at once: {times:.2f} times, answered {answers}"
                )
                run.report_progress(number, len(DOORS))


async def _measure(
    run: FaultTrials, visitor: Visitor, name: str, door: Door
) -> tuple[bytes, float, int]:
    """Return the request that cost most, its processor time in seconds, and its bytes."""
    trials = round(run.trials * STARTED_SHARE) if name in _STARTED else run.trials
    random, process = Random(name), psutil.Process(run.service.pid)
    worst, dearest = 0.0, b""
    await _wait_until_idle(process)
    for number in range(max(trials, 1)):
        visitor.line.close()  # the service ends one that was idle, or was refused ahead of its end
        request = await door(visitor, random, number)
        before = _count_seconds(process)
        try:
            status, visitor.answer = await _ask_patiently(visitor.line, request)
        except BROKEN:
            run.book.broken[f"a connection broke under a request ({name})"] += 1
            continue
        spent = _count_seconds(process) - before
        if status not in TAKEN | REFUSED:
            run.book.broken[f"an answer {status} ({name})"] += 1
        if spent >= worst:
            worst, dearest = spent, request
    return dearest, worst, len(dearest)


async def _ask_patiently(line: HttpConnection, request: bytes) -> tuple[int, bytes]:
    """Return the answer once the door has a place: what waited in an earlier flood goes first."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (found := await line.ask(request))[0] == BUSY:
            line.abort()
            await asyncio.sleep(1.0)
    return found


async def _wait_until_idle(process: psutil.Process) -> None:
    """Wait until what was asked before is done: else it would be counted for what comes next."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        before = -1.0
        while (now := _count_seconds(process)) - before > IDLE_SHARE:
            before = now
            await asyncio.sleep(1.0)


def _count_seconds(process: psutil.Process) -> float:
    """Return the processor time of a process, without that of its children."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def _run_flood(
    checkpoint: Checkpoint, request: bytes, run: FaultTrials
) -> tuple[list[float], Counter[int]]:
    """Return what decisions took while many ask a door, and the answers of the door."""
    statuses: Counter[int] = Counter()

    async def ask() -> None:
        async with HttpConnection(run.service.port) as line:
            while True:
                with suppress(*BROKEN):
                    status, _ = await line.ask(request)
                    statuses[status] += 1
                    if status == BUSY:
                        line.abort()  # the rest of its body
                        is_said = line.has_header("retry-after")
                        run.book.broken["a 503 that does not say when to try again"] += not is_said
                await asyncio.sleep(PAUSE_SECONDS)

    asking = [asyncio.create_task(ask()) for _ in range(AT_ONCE)]
    await asyncio.sleep(0.5)
    taken = await checkpoint.taken(run.trials)
    for one in asking:
        one.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    return taken, statuses


def _judge(
    run: FaultTrials, name: str, worst: float, times: float, statuses: Mapping[int, int]
) -> None:
    broken = run.book.broken
    if worst > MOST_SECONDS:
        broken[f"{worst:.1f} s of the deciding process for one request ({name})"] += 1
    if times > MOST_TIMES and run.trials >= FULL:
        broken[f"decisions that took {times:.1f} times as long ({name})"] += 1
    if BUSY not in statuses and name != "messages":  # of which more than forty short ones may wait
        broken[f"{AT_ONCE} at once of which none was refused ({name})"] += 1
    for status in statuses.keys() - TAKEN - REFUSED - {BUSY}:
        broken[f"an answer {status} ({name})"] += statuses[status]
