"""Time of the desk's pages on a demonstration, against the JSON routes next to them.

``darvoza demo --once --home DIR``, then ``darvoza bench pages --data DIR``: a copy of the home is
served, its busiest post gets arrivals until 200 vehicles wait, and a signed-in supervisor asks for
pages and their JSON in turns; a decision's page is held against the three routes that it shows:
the decision, its features and its past. Seconds are those of the caller on this machine, so
loopback is in them: an upper bound of the server's time. Processor time of the service is measured
apart, since it is what a busy machine still tells. SYNTHETIC where the home is.
"""

import asyncio
import json
import re
import shutil
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlencode

from engine.domain.time_units import SystemClock, rfc3339
from engine.errors import HomeError, NotEnoughDataError
from engine.journal.journal import Journal
from engine.journal.kinds import DECISION
from engine.queue.queue import list_decisions
from engine.storage.database import Store
from engine.storage.home import Home
from experiments.support.benchmark_harness import Row, row, run_in_turns, times_faster
from experiments.support.processes import HomeCommands, Server, encode_get, find_free_port

READER = "bench-pages"
WAITING, MOST_SENT, AT_ONCE = 200, 4_000, 100
"""Vehicles that wait at the post, arrivals that are sent for it at most, and at a time."""
ROSTER = {"physical": 10_000.0, "xray": 10_000.0, "documents": 10_000.0}
"""Minutes of the shift, so that it does not fill up before so many wait."""
TURNS = 21
QUEUE_SECONDS, DECISION_SECONDS = 0.150, 0.120
_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
DEAREST = 3.0
"""Times its JSON answer's time that a page may take."""
LARGEST = 150_000
"""Bytes of a page."""


def run(data: Path | None) -> list[Row]:
    """Return the rows of ``bench pages`` on a copy of the demonstration's home in ``data``."""
    if data is None or not Home(data).network.exists():
        raise HomeError(str(data), "name a home with --data: darvoza demo --once --home DIR")
    with TemporaryDirectory(prefix="bench-pages-") as name:
        home = Path(name) / "home"
        shutil.copytree(data, home)
        post, arrivals = read_busiest(Home(home))
        commands = HomeCommands(home)
        key, password = commands.create_keys([post])[post], commands.create_supervisor(READER)
        port = find_free_port()
        serve = [sys.executable, "-m", "api", "serve", "--home", str(home), "--port", str(port)]
        log = Path(name) / "service.log"
        with Server(serve, port, environment=commands.environment, log=log) as server:
            asyncio.run(server.first_answer(encode_get("/readyz")))
            with closing(SignedInDesk(port, READER, password)) as desk:
                fill_queue(desk, key, post, arrivals)
                return time_pages(desk, server, post)


class SignedInDesk:
    """A supervisor's browser: one connection, with the cookie of its session."""

    def __init__(self, port: int, name: str, password: str) -> None:
        self._line = HTTPConnection("127.0.0.1", port, timeout=120)
        self._line.request("GET", "/login")
        answer = self._line.getresponse()
        token, visit = _TOKEN.search(answer.read().decode()), _cookie_of(answer)
        fields = {"name": name, "password": password, "form_token": token[1] if token else ""}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": visit}
        self._origin = headers["Origin"] = f"http://127.0.0.1:{port}"
        self._line.request("POST", "/login", urlencode(fields).encode(), headers)
        answer = self._line.getresponse()
        answer.read()
        if answer.status >= 400:
            raise NotEnoughDataError("bench pages", f"signing in answered {answer.status}")
        self._cookie = _cookie_of(answer)

    def close(self) -> None:
        """Close the connection."""
        self._line.close()

    def get(self, path: str) -> bytes:
        """Return what a path answers; raises ``NotEnoughDataError`` where that is an error."""
        return self._ask("GET", path, None, {"Cookie": self._cookie})

    def post(self, path: str, body: Any, *, key: str) -> bytes:
        """Send JSON with a key and return the answer."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return self._ask("POST", path, json.dumps(body).encode(), headers)

    def put(self, path: str, body: Any) -> None:
        """Send JSON as the signed-in person, as a page of this site."""
        headers = {"Cookie": self._cookie, "Content-Type": "application/json"}
        self._ask("PUT", path, json.dumps(body).encode(), headers | {"Origin": self._origin})

    def _ask(self, how: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        self._line.request(how, path, body, dict(headers))
        answer = self._line.getresponse()
        found = answer.read()
        if answer.status >= 300:
            raise NotEnoughDataError("bench pages", f"{path} answered {answer.status}")
        return found


def _cookie_of(answer: HTTPResponse) -> str:
    """Return the last cookie that an answer sets: a sign-in ends the visitor's and sets its own."""
    found = answer.headers.get_all("Set-Cookie") or [""]
    return next((one for one in found if "session" in one), found[-1]).partition(";")[0]


def read_busiest(home: Home) -> tuple[str, list[dict[str, Any]]]:
    """Return the post with the most decisions, and the arrivals decided anywhere."""
    with Store(home.database_url) as store:
        journal = Journal(store, [])
        with store.read() as connection:
            known = list_decisions(connection, post=None, channel=None, since=0, most=MOST_SENT)
            bodies = (journal.body(connection, one.seq, of=DECISION) for one in known)
            arrivals = [dict(body["arrival"]) for body in bodies]
    if not known:
        raise NotEnoughDataError("bench pages", "the home holds no decision")
    return Counter(one.post for one in known).most_common(1)[0][0], arrivals


def fill_queue(desk: SignedInDesk, key: str, post: str, arrivals: list[dict[str, Any]]) -> None:
    """Send arrivals to a post as new crossings until enough vehicles wait there."""
    numbers = count()
    desk.put(f"/v1/posts/{quote(post)}/roster", {"minutes": ROSTER})
    for _ in range(MOST_SENT // AT_ONCE):
        waiting = json.loads(desk.get(f"/v1/posts/{quote(post)}/queue"))["waiting"]
        if len(waiting) >= WAITING:
            return
        now = rfc3339(SystemClock().now())
        batch = [_renew(arrivals, next(numbers), post, now) for _ in range(AT_ONCE)]
        desk.post("/v1/decisions/batch", batch, key=key)
    raise NotEnoughDataError("bench pages", f"fewer than {WAITING} vehicles wait")


def _renew(arrivals: list[dict[str, Any]], number: int, post: str, now: str) -> dict[str, Any]:
    """Return a recorded arrival as a new crossing of a new vehicle at a post."""
    one = arrivals[number % len(arrivals)]
    crossing = one["crossing"] | {"crossing_id": f"bench-{number}", "post": post}
    crossing |= {"arrived_at": now, "plate": f"BENCH{number:04}"}
    return {name: value for name, value in one.items() if name == "declaration"} | {
        "crossing": crossing
    }


def time_pages(desk: SignedInDesk, server: Server, post: str) -> list[Row]:
    """Return the rows of the queue's page and of a decision's page."""
    queue = f"/posts/{quote(post)}/queue"
    waiting = json.loads(desk.get(f"/v1{queue}"))["waiting"]
    shown = next((one for one in waiting if one["search_order"]), waiting[0])["decision_id"]
    first = f"/decisions/{shown}"
    joined = [f"/v1{first}{part}" for part in ("", "/features", "/past")]
    return [
        row("vehicles that wait", "vehicles", len(waiting), f">= {WAITING}"),
        *_time_page(
            desk, server, f"queue of {len(waiting)}", queue, (f"/v1{queue}",), most=QUEUE_SECONDS
        ),
        *_time_page(desk, server, "decision", first, joined, most=DECISION_SECONDS),
    ]


def _time_page(
    desk: SignedInDesk,
    server: Server,
    name: str,
    path: str,
    routes: Sequence[str],
    *,
    most: float,
) -> list[Row]:
    """Return the median seconds of a page, the ratio to the routes that it shows, its bytes.

    Seconds and ratio once by the clock and once by the service's processor time.
    """

    def answer() -> None:
        for route in routes:
            desk.get(route)

    size = len(desk.get(path))
    seconds = run_in_turns({"page": lambda: desk.get(path), "json": answer}, TURNS)
    median = statistics.median(seconds["page"])
    ratio = times_faster(seconds, "json", "page")
    spent, of_json = (_measure_processor(server, ask) for ask in (lambda: desk.get(path), answer))
    return [
        row(f"{name}: page", "seconds", median, f"<= {most}"),
        row(
            f"{name}: page, against its {len(routes)} JSON route(s)",
            "times",
            ratio,
            f"<= {DEAREST}",
        ),
        row(f"{name}: page, of the processor", "seconds", spent, f"<= {most}"),
        row(
            f"{name}: page, against its {len(routes)} JSON route(s), of the processor",
            "times",
            spent / of_json,
            f"<= {DEAREST}",
        ),
        row(f"{name}: page", "bytes", size, f"<= {LARGEST}"),
    ]


def _measure_processor(server: Server, ask: Callable[[], object]) -> float:
    """Return the mean processor seconds that the service takes for one answer."""
    before = server.cpu_seconds()
    for _ in range(TURNS):
        ask()
    return (server.cpu_seconds() - before) / TURNS
