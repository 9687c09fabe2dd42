"""A service on a socket of its own, and senders that speak HTTP byte by byte."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from api.app import create_app
from api.http.server import configured
from api.service.assembly import open_runtime
from api.service.runtime import Runtime
from api.service.settings import Settings
from engine.domain.rights import Role
from tests.support.running_service import FakeModels, make_home, make_keys

PATIENCE_SECONDS = 60.0
"""How long a busy machine may take for what takes none."""


@dataclass
class Wire:
    """A service that listens."""

    port: int
    server: uvicorn.Server
    runtime: Runtime
    keys: dict[Role, str]

    def open(self) -> socket.socket:
        """Return a new connection."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS)

    def bearer(self, role: Role = Role.CHECKPOINT) -> str:
        """Return the header that shows a key."""
        return f"Authorization: Bearer {self.keys[role]}"

    def send(self, *parts: bytes, pause: float = 0.05) -> list[tuple[int, bytes]]:
        """Send these parts over one connection; return each answer's status and body."""
        with self.open() as sender:
            for number, part in enumerate(parts):
                if number:
                    time.sleep(pause)
                with suppress(OSError):  # it was closed already: what it was answered counts
                    sender.sendall(part)
            return answers(sender)


def answers(sender: socket.socket) -> list[tuple[int, bytes]]:
    """Read until the service closes the connection; return every answer that is whole."""
    taken = bytearray()
    with suppress(OSError):
        while part := sender.recv(1 << 16):
            taken += part
    return split(bytes(taken))


def split(raw: bytes) -> list[tuple[int, bytes]]:
    """Return the statuses and bodies of answers in a row, each with a Content-Length."""
    found = []
    while raw:
        head, _, raw = raw.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        sizes = [
            line.split(b":")[1] for line in lines if line.lower().startswith(b"content-length")
        ]
        size = int(sizes[0])
        found.append((int(lines[0].split()[1]), raw[:size]))
        raw = raw[size:]
    return found


def request(method: str, path: str, *fields: str, body: bytes = b"", host: str = "x") -> bytes:
    """Return a request, with ``Content-Length`` where it has a body."""
    size = [f"Content-Length: {len(body)}"] if body else []
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *size, *fields]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


LAST = request("GET", "/healthz", "Connection: close")
"""A request after which the service closes the connection."""


@contextmanager
def listen(
    open_service: Callable[[], Runtime], *, port: int = 0, configure: Any = uvicorn.Config
) -> Iterator[tuple[int, uvicorn.Server, Runtime]]:
    """Serve on a socket; yield its port, the server, and what runs there."""
    opened: list[Runtime] = []

    def open_once() -> Runtime:
        opened.append(open_service())
        return opened[0]

    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    server = uvicorn.Server(
        configure(create_app(open_once), log_level="error", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[1], server, opened[0]
    server.should_exit = True
    thread.join(PATIENCE_SECONDS)
    listener.close()


@contextmanager
def open_wire(folder: Path) -> Iterator[Wire]:
    """Serve a fresh home on a socket, as ``darvoza serve`` does."""
    home = make_home(folder)
    keys, _ = make_keys(home)

    def open_service() -> Runtime:
        return open_runtime(home, Settings(), FakeModels())

    with listen(open_service, configure=partial(configured, log_config=None)) as started:
        yield Wire(*started, keys)
