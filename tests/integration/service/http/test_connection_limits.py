"""Threat: senders without a key who fill the service, hold it up, or slip a request through."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from sqlalchemy import func, select
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.http import connection_limits, middleware
from api.http.connection_limits import OWING, BoundedProtocol
from engine.journal.journal import JOURNAL
from tests.integration.service.http.raw_http import (
    LAST,
    PATIENCE_SECONDS,
    Wire,
    answers,
    open_wire,
    request,
)
from tests.support.clocks import wait_for
from tests.support.running_service import arrival

HEALTH = request("GET", "/healthz")
NUMBERS = count(50_000)
UPGRADES = {
    "h2c": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"],
    "websocket": ["Connection: Upgrade", "Upgrade: websocket"],
    "anything": ["Connection: upgrade", "Upgrade: foo"],
    "no Connection": ["Upgrade: h2c"],
}


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with pytest.MonkeyPatch.context() as patched, open_wire(tmp_path_factory.mktemp("h")) as found:
        patched.setattr(middleware, "BURST", 1_000_000)  # what is tried here is another bound
        yield found


def records(wire: Wire) -> int:
    with wire.runtime.store.read() as connection:
        return connection.scalar(select(func.count()).select_from(JOURNAL)) or 0


def until(holds: Callable[[], bool]) -> bool:
    return wait_for(holds, seconds=PATIENCE_SECONDS)


def statuses(found: list[tuple[int, bytes]]) -> list[int]:
    return [status for status, _ in found]


def decision(wire: Wire, *fields: str) -> bytes:
    """Return a request for a decision on a vehicle that was never named before."""
    body = json.dumps(arrival(next(NUMBERS))).encode()
    return request("POST", "/v1/decisions", wire.bearer(), *fields, body=body)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the server as its library has it, without a bound."""
    for name in ("data_received", "on_message_begin", "on_url", "on_header"):
        monkeypatch.setattr(BoundedProtocol, name, getattr(HttpToolsProtocol, name))
    for name in ("on_headers_complete", "on_body", "on_message_complete"):
        monkeypatch.setattr(BoundedProtocol, name, getattr(HttpToolsProtocol, name))


@pytest.mark.parametrize("name", UPGRADES)
def test_an_upgrade_is_refused_with_its_body(wire: Wire, name: str) -> None:
    before = records(wire)
    for path in ("/v1/models/m1/shadow", "/v1/decisions", "/healthz"):
        body = json.dumps(arrival(1)).encode()
        sent = request("POST", path, wire.bearer(), *UPGRADES[name], body=body)
        found = wire.send(sent + LAST)
        assert statuses(found) == [400]
        assert json.loads(found[0][1])["title"] == "BadRequest"
    assert records(wire) == before


@pytest.mark.parametrize(
    "sent",
    [
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["CONNECT", "HTTP/2", "TLS"],
)
def test_another_protocol_is_refused(wire: Wire, sent: bytes) -> None:
    assert statuses(wire.send(sent + LAST)) == [400]


def smuggle_request(wire: Wire) -> list[int]:
    """Send a head with an upgrade, and as its body, later, a request of its own."""
    head = request("POST", "/healthz", f"Content-Length: {len(LAST)}", *UPGRADES["anything"])
    return statuses(wire.send(head, LAST, pause=0.3))


def test_a_body_sent_later_is_no_second_request(wire: Wire) -> None:
    assert smuggle_request(wire) == [400]


@pytest.mark.usefixtures("bare")
def test_the_bare_server_runs_it_as_one(wire: Wire) -> None:
    assert smuggle_request(wire) == [405, 200]


def send_trailer(wire: Wire, number: int) -> int:
    """Ask for a decision with the key in a trailer; return the status."""
    body = json.dumps(arrival(number)).encode()
    head = request("POST", "/v1/decisions", "Transfer-Encoding: chunked", "Connection: close")
    chunks = b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(body), body, wire.bearer().encode())
    return statuses(wire.send(head + chunks))[0]


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip,chunked", "x, chunked", "chunked, x"])
def test_another_transfer_coding_is_refused(wire: Wire, coding: str) -> None:
    """A proxy that decodes it would see another body."""
    before = records(wire)
    body = json.dumps(arrival(next(NUMBERS))).encode()
    fields = (wire.bearer(), f"Transfer-Encoding: {coding}")
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    (status,) = statuses(wire.send(request("POST", "/v1/decisions", *fields) + chunks))
    assert status in (400, 501) and records(wire) == before


def test_a_trailer_is_no_part_of_the_head(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    assert send_trailer(wire, 2) == 401
    monkeypatch.setattr(BoundedProtocol, "on_header", HttpToolsProtocol.on_header)
    assert send_trailer(wire, 3) == 201, "negative control: trailers are taken"


CHUNKED = request("POST", "/v1/decisions", "Transfer-Encoding: chunked")
GIANTS: dict[str, tuple[int, bytes, bytes]] = {
    "one field": (431, HEALTH[:-2] + b"X-Long: ", b"x"),
    "a field's name": (431, HEALTH[:-2], b"x"),
    "fields without end": (431, HEALTH[:-2], b"a:\r\n"),
    "the target": (414, b"GET /", b"x"),
    "the query": (414, b"GET /healthz?", b"x"),
    "a trailer": (431, CHUNKED + b"1\r\nx\r\n0\r\nX-Long: ", b"x"),
    "trailers without end": (431, CHUNKED + b"1\r\nx\r\n0\r\n", b"a:\r\n"),
    "a chunk's extension": (431, CHUNKED + b"1;", b"x"),
    "empty lines before a request": (431, b"", b"\r\n"),
}


def is_bounded() -> bool:
    return BoundedProtocol.data_received is not HttpToolsProtocol.data_received


def send_giant(wire: Wire, name: str, size: int) -> tuple[list[int], bool]:
    """Send a giant; return the answers, and whether the service took all of it."""
    _, begin, filling = GIANTS[name]
    parts = filling * (65536 // len(filling))
    with wire.open() as sender:
        try:
            sender.sendall(begin)
            for _ in range(size >> 16):
                sender.sendall(parts)
        except OSError:
            return statuses(answers(sender)), False
        # Only the bare server leaves a giant without an answer, and waits for its end.
        sender.settimeout(PATIENCE_SECONDS if is_bounded() else 0.5)
        return statuses(answers(sender)), True


@pytest.mark.parametrize("name", GIANTS)
def test_a_giant_head_is_refused(wire: Wire, name: str) -> None:
    found, _ = send_giant(wire, name, 1 << 17)
    # Without a key the answer to a head may come before the trailer does.
    assert found in ([GIANTS[name][0]], [401] if GIANTS[name][1].startswith(CHUNKED) else [])
    assert not send_giant(wire, name, 64 << 20)[1]


def test_empty_lines_after_a_request_end(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GIANTS, "lines", (200, HEALTH, b"\r\n"))
    found, is_whole = send_giant(wire, "lines", 64 << 20)
    assert found[0] == 200 and not is_whole


@pytest.mark.usefixtures("bare")
def test_the_bare_server_takes_a_giant_head(wire: Wire) -> None:
    assert send_giant(wire, "one field", 1 << 20) == ([], True)


def test_heads_within_the_bounds_are_taken(wire: Wire) -> None:
    fields = [f"X-{number}: {'x' * 600}" for number in range(90)]
    found = wire.send(request("GET", "/healthz?" + "x" * 8000, *fields) + LAST)
    assert statuses(found) == [422, 200], "the route has read the head: it knows no such parameter"
    whole = decision(wire, *fields) + LAST
    assert statuses(wire.send(*(whole[at : at + 9999] for at in range(0, len(whole), 9999)))) == [
        201,
        200,
    ]


@pytest.mark.parametrize("ahead", [3, 16])
def test_a_few_requests_may_be_sent_ahead(wire: Wire, ahead: int) -> None:
    first = next(NUMBERS) + 1
    found = wire.send(b"".join(decision(wire) for _ in range(ahead)) + LAST)
    assert statuses(found) == [201] * ahead + [200]
    crossings = [json.loads(body)["crossing_id"] for _, body in found[:-1]]
    assert crossings == [f"c-{first + number}" for number in range(ahead)]


def test_many_requests_sent_ahead_are_not_kept(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    assert statuses(wire.send(HEALTH * 500)) == [200]
    monkeypatch.setattr(connection_limits, "MOST_AHEAD", 10_000)
    assert len(wire.send(HEALTH * 500 + LAST)) == 501, "negative control: no bound"


def test_a_refusal_is_not_taken_for_the_answer_to_an_earlier_request(wire: Wire) -> None:
    for bad in (b"GET\r\n\r\n", request("GET", "/x", "Upgrade: x"), b"\x00"):
        found = wire.send(decision(wire) + bad)
        assert statuses(found) == [201]


def half_sent(wire: Wire) -> dict[str, tuple[bytes, ...]]:
    """Return requests that stop in the middle, in the parts in which they are sent."""
    return {
        "head": (HALF,),
        "body": (decision(wire)[:-1],),
        "chunked body": (CHUNKED[:-2] + wire.bearer().encode() + b"\r\n\r\n5\r\n[",),
        "second head": (HEALTH + HALF,),
        "nothing": (b"",),
        "empty lines": (b"\r\n", b"\r\n"),
        "empty lines after an answer": (HEALTH, b"\r\n"),
    }


HALF = HEALTH[:-2]
HALVES = {
    "head": [408],
    "body": [408],
    "chunked body": [408],
    "second head": [200, 408],
    "nothing": [],
    "empty lines": [],
    "empty lines after an answer": [200],
}


@pytest.mark.parametrize("name", HALVES)
def test_what_is_sent_by_halves_is_not_waited_for(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for limit in ("HEAD_SECONDS", "BODY_SECONDS"):
        monkeypatch.setattr(connection_limits, limit, 0.3)
    wire.send(decision(wire) + LAST)  # the shift is open
    before = records(wire)
    assert statuses(wire.send(*half_sent(wire)[name])) == HALVES[name]
    assert records(wire) == before
    assert until(lambda: not wire.server.server_state.tasks)


@pytest.mark.usefixtures("bare")
def test_the_bare_server_waits_for_ever(wire: Wire) -> None:
    with wire.open() as sender:
        sender.sendall(HALF)
        sender.settimeout(1.0)
        with pytest.raises(TimeoutError):
            sender.recv(1)


def kept_open(wire: Wire, number: int) -> int:
    """Send as many halves of a request; return how many connections the service keeps."""
    assert until(lambda: not wire.server.server_state.connections)
    senders: list[socket.socket] = []
    try:
        for part in [b"", HALF, decision(wire)[:-1], HEALTH] * (number // 4):
            senders.append(wire.open())
            senders[-1].sendall(part)
        time.sleep(0.2)
        assert statuses(wire.send(decision(wire) + LAST)) == [201, 200]
        return len(wire.server.server_state.connections)
    finally:
        for one in senders:
            one.close()


def test_few_connections_may_owe_something(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_limits, "MOST_OWING", 10)
    assert kept_open(wire, 60) <= 10
    monkeypatch.setattr(connection_limits, "MOST_OWING", 1000)
    assert kept_open(wire, 60) >= 50, "negative control: no bound"
    assert until(lambda: len(OWING) == 0)


def test_an_answer_waits_only_so_long_for_its_reader(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made,) = wire.send(request("GET", "/openapi.json", "Connection: close"))
    assert made[0] == 200  # the document is made at its first reading, which takes seconds
    monkeypatch.setattr(connection_limits, "UNREAD_SECONDS", 0.2)
    assert until(lambda: not wire.server.server_state.connections)
    with socket.socket() as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sender.connect(("127.0.0.1", wire.port))
        sender.sendall(request("GET", "/openapi.json") * 16)
        assert until(lambda: bool(wire.server.server_state.connections))
        assert until(lambda: not wire.server.server_state.connections)


def test_two_hosts_and_no_host_are_refused(wire: Wire) -> None:
    assert statuses(wire.send(b"GET /healthz HTTP/1.1\r\n\r\n" + LAST)) == [400, 200]
    assert statuses(wire.send(request("GET", "/healthz", "Host: y") + LAST)) == [400, 200]
    assert statuses(wire.send(b"GET /healthz HTTP/1.0\r\n\r\n")) == [200]
