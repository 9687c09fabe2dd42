"""A receiver of webhooks on this machine, which answers as a test says and keeps what it got."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import time_machine
from standardwebhooks import Webhook

from experiments.support.processes import find_free_port


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One request."""

    headers: Mapping[str, str]
    text: str

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> dict[str, Any]:
        """Return the body as the library of Standard Webhooks accepts it, when it was signed."""
        at = datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), UTC)
        with time_machine.travel(at, tick=False):
            found: dict[str, Any] = Webhook(secret).verify(self.text, dict(self.headers))
        return found


@dataclass
class Receiver:
    """What arrived, and how the next request is answered."""

    answer: Callable[[ReceivedEvent], int | bytes | None] = lambda _: 204
    """A status; bytes that are sent instead of an answer before the line is cut; None says no more
    than that the line is cut."""
    retry_after: str = ""
    port: int = 0
    tried: list[ReceivedEvent] = field(default_factory=list)
    accepted: list[ReceivedEvent] = field(default_factory=list)
    """Those that were answered with 2xx."""
    lock: Lock = field(default_factory=Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Serve while the block runs; on the same port again the next time."""
        self.port = self.port or find_free_port()  # which nothing else is given meanwhile
        server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler_of(self))
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler_of(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            raw = self.rfile.read(length := int(self.headers["content-length"]))
            if len(raw) < length:  # its sender was killed
                self.close_connection = True
                return
            text = raw.decode()
            found = ReceivedEvent({k.lower(): v for k, v in self.headers.items()}, text)
            with receiver.lock:
                receiver.tried.append(found)
            answer = receiver.answer(found)
            if not isinstance(answer, int):
                self.wfile.write(answer or b"")
                self.close_connection = True
                return
            if 200 <= answer < 300:
                with receiver.lock:
                    receiver.accepted.append(found)
            self.send_response(answer)
            if receiver.retry_after:
                self.send_header("Retry-After", receiver.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
