"""Bounds on what an unidentified sender makes the service hold, and heads that are refused.

Before a key is asked for, a sender costs memory and a file handle. So heads are bounded in bytes
and in number of fields, requests sent ahead of their answers are few, heads and bodies are owed
within a time, and of the connections that owe something only a fixed number is kept: the one that
has owed for the longest is closed first. An ordinary request arrives in one piece, owes nothing,
and is not concerned.

``Upgrade`` is refused, because the server's parser drops the body of such a request and reads it as
the next one. What follows a chunked body (trailers) is dropped, because it would otherwise count as
part of the head.

A header that must be given once and comes twice is refused before anything is looked up: one reader
takes the first and another the last, so a proxy may have checked the one that the service does not
use. That check, and the headers that every answer owes, work on the ASGI level, so they hold for
pages, JSON and files alike.
"""

from asyncio import TimerHandle, Transport
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from api.http.problems import problem
from engine.errors import AmbiguousHeadError

ONCE = (b"host", b"authorization", b"idempotency-key")
"""Headers that may be given once."""
OWED = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""What an answer says where it says nothing else of it: it is about one moment and one caller."""

_Headers = Sequence[tuple[bytes, bytes]]


def find_ambiguity(scope: Scope) -> AmbiguousHeadError | None:
    """Return what refuses a request whose head is ambiguous, None for every other."""
    why = ambiguity(scope["headers"], scope.get("http_version", ""))
    return None if why is None else AmbiguousHeadError(why)


def ambiguity(headers: _Headers, version: str) -> str | None:
    """Return what is ambiguous about a request's head, None where nothing is."""
    names = [name for name, _ in headers]
    for name in ONCE:
        if names.count(name) > 1:
            return f"the header {name.decode().title()} is given twice"
    if version == "1.1" and b"host" not in names:
        return "the header Host is missing"
    return None


def complete(headers: _Headers) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers, with those that it owes and does not have."""
    names = {name.lower() for name, _ in headers}
    return [*headers, *(owed for owed in OWED if owed[0] not in names)]


LARGEST_HEAD = 64 * 1024
"""Bytes of a request's head; also of the trailers of a chunked body."""
MOST_FIELDS = 100
LARGEST_TARGET = 8 * 1024
"""Bytes of a request's path and query."""
MOST_AHEAD = 16
"""Requests that wait on one connection for the answer to an earlier one."""
MOST_OWING = 256
"""Connections of this process that owe a request or the rest of one."""
HEAD_SECONDS, BODY_SECONDS = 10.0, 60.0
"""How long a head, and then a body, may take from its first byte to its last."""
UNREAD_SECONDS = 30.0
"""How long an answer may wait for its reader."""
LINGER_SECONDS, MOST_DROPPED = 1.0, 1024 * 1024
"""How long, and how many bytes of, what follows a refused request is read and dropped: closed with
something unread, a connection would be reset, and the refusal lost."""
_SLICE = 16 * 1024
"""Bytes parsed before the bounds are looked at again."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that the connection gives by itself."""

    status: int
    title: str
    why: str

    def answer(self) -> bytes:
        """Return the whole answer, after which the connection is closed."""
        made = problem(self.status, self.title, self.why, instance="/")
        fields = [*made.raw_headers, *OWED, (b"connection", b"close")]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
        return STATUS_LINE[self.status] + lines + b"\r\n" + bytes(made.body)


class RefusedError(Exception):
    """Carries a refusal through the parser."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(why.title)
        self.why = why


NO_HTTP = Refusal(400, "BadRequest", "the request is not HTTP that this service reads")
UPGRADE = Refusal(400, "BadRequest", "the connection cannot be upgraded to another protocol")
CODED = Refusal(501, "NotImplemented", "the one transfer coding that is read is chunked")
LONG_TARGET = Refusal(414, "TargetTooLong", f"the target is longer than {LARGEST_TARGET} bytes")
LARGE_HEAD = Refusal(
    431, "HeadTooLarge", f"a head has {LARGEST_HEAD} bytes and {MOST_FIELDS} fields at most"
)
TOO_LATE = Refusal(408, "RequestTimeout", "the request did not arrive in time")
TOO_MANY = Refusal(429, "TooManyAhead", f"more than {MOST_AHEAD} requests wait for their answers")


class Stage(Enum):
    """What a connection is owed next."""

    REQUEST = "request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"


class OwingConnections:
    """The connections that owe something, the longest first."""

    def __init__(self) -> None:
        self._since: dict[BoundedProtocol, None] = {}

    def add(self, one: "BoundedProtocol") -> None:
        """Count a connection from now on; beyond the bound, close the one that came first."""
        self._since.pop(one, None)
        self._since[one] = None
        if len(self._since) > MOST_OWING:
            oldest = next(iter(self._since))
            del self._since[oldest]
            oldest.abort()

    def remove(self, one: "BoundedProtocol") -> None:
        """Count a connection no more."""
        self._since.pop(one, None)

    def __len__(self) -> int:
        return len(self._since)


OWING = OwingConnections()
"""Those of this process."""


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 as the server speaks it, within bounds."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._stage, self._is_new_stage = Stage.REQUEST, False
        self._target = self._head = self._fields = 0
        self._without_news = 0
        """Bytes taken since the parser last gave anything of them back."""
        self._has_news = False
        self._answering: RequestResponseCycle | None = None
        self._deadline: TimerHandle | None = None
        self._end: TimerHandle | None = None
        self._is_over = False
        self._dropped = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin: a connection owes a request from the moment it is there."""
        super().connection_made(transport)
        self._owe(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and owe nothing any more."""
        self._settle()
        _cancel(self._end)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, piece by piece; anything that goes beyond a bound ends it."""
        if self._is_over:
            self._dropped += len(data)
            if self._dropped > MOST_DROPPED:
                self.abort()
            return
        self._unset_keepalive_if_required()
        try:
            for at in range(0, len(data), _SLICE):
                self._parse(data[at : at + _SLICE])
        except RefusedError as error:
            self._refuse(error.why)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            cause = error.__context__  # what one of the methods below raised
            self._refuse(cause.why if isinstance(cause, RefusedError) else NO_HTTP)
        else:
            self._note_stage()

    def _parse(self, piece: bytes) -> None:
        self._has_news = False
        self.parser.feed_data(piece)
        self._without_news = 0 if self._has_news else self._without_news + len(piece)
        if self._without_news > LARGEST_HEAD:  # empty lines before a request, too
            raise RefusedError(LARGE_HEAD)

    def on_message_begin(self) -> None:
        """Count a new head."""
        super().on_message_begin()
        self._target = self._head = self._fields = 0
        self._enter(Stage.HEAD)

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._target += len(url)
        if self._target > LARGEST_TARGET:
            raise RefusedError(LONG_TARGET)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; drop one of a trailer."""
        self._head += len(name) + len(value)
        self._fields += 1
        if self._head > LARGEST_HEAD or self._fields > MOST_FIELDS:
            raise RefusedError(LARGE_HEAD)
        if self._stage is Stage.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer a request, or let it wait for the answers before it."""
        if self.parser.should_upgrade() or any(name == b"upgrade" for name, _ in self.headers):
            raise RefusedError(UPGRADE)
        if any(
            name == b"transfer-encoding" and value.lower() != b"chunked"
            for name, value in self.headers
        ):
            raise RefusedError(CODED)
        if len(self.pipeline) >= MOST_AHEAD:
            raise RefusedError(TOO_MANY)
        super().on_headers_complete()
        self._enter(Stage.BODY)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._has_news = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Owe the answer from now on; the sender owes nothing."""
        super().on_message_complete()
        self._enter(Stage.REQUEST)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it is there or this was the last."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._abort_in(UNREAD_SECONDS)
        elif not self._is_answering() and self._stage is Stage.REQUEST:
            OWING.add(self)  # the server's own time for idle connections runs

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that is not used, also where its last answer is never read."""
        super().timeout_keep_alive_handler()
        self._abort_in(LINGER_SECONDS)

    def pause_writing(self) -> None:
        """Give the reader of a long answer a time to read on."""
        super().pause_writing()
        self._abort_in(UNREAD_SECONDS)

    def resume_writing(self) -> None:
        """Note that the answer is read."""
        super().resume_writing()
        if not self.transport.is_closing():
            _cancel(self._end)

    def _enter(self, stage: Stage) -> None:
        self._stage, self._is_new_stage, self._has_news = stage, True, True

    def _note_stage(self) -> None:
        """Set the time for what is owed now; nothing is, where a request came whole."""
        if self._is_new_stage:
            self._is_new_stage = False
            self._settle()
            if self._stage is not Stage.REQUEST:
                self._owe(HEAD_SECONDS if self._stage is Stage.HEAD else BODY_SECONDS)
        elif self._deadline is None and not self._is_answering():
            self._owe(HEAD_SECONDS)  # empty lines between requests stop the time of an idle one

    def _owe(self, seconds: float) -> None:
        OWING.add(self)
        self._deadline = self.loop.call_later(seconds, self._refuse, TOO_LATE)

    def _settle(self) -> None:
        OWING.remove(self)
        _cancel(self._deadline)
        self._deadline = None

    def _abort_in(self, seconds: float) -> None:
        """End the connection by then, whatever was not read of its answers."""
        _cancel(self._end)
        self._end = self.loop.call_later(seconds, self.abort)

    def abort(self) -> None:
        """Drop the connection; what answers it is told first, so that it writes nothing more."""
        self._is_over = True
        self.pipeline.clear()
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()
        self.transport.abort()

    def _is_answering(self) -> bool:
        return self._answering is not None and not self._answering.response_complete

    def _refuse(self, why: Refusal) -> None:
        """Answer nothing more but what is under way, and end the connection.

        Where an earlier request is being answered, the refusal would be taken for its answer: the
        connection is then closed after that answer, without another.
        """
        self._settle()
        self._is_over = True
        self.pipeline.clear()
        if self.transport.is_closing():
            return
        running = self._answering if self._is_answering() else None
        if running is not None and not (running is self.cycle and self._stage is Stage.BODY):
            running.keep_alive = False
            return
        if running is not None:
            running.disconnected = True  # it waits for a body that will not come
            running.message_event.set()
        if self._owes_answer(why):
            self.transport.write(why.answer())
        if self.transport.can_write_eof():
            self.transport.write_eof()
        OWING.add(self)
        self._abort_in(LINGER_SECONDS)

    def _owes_answer(self, why: Refusal) -> bool:
        """Tell whether a request has begun that was not answered yet."""
        if self._stage is Stage.BODY:
            return not self.cycle.response_started
        return self._stage is Stage.HEAD or why is not TOO_LATE


def _cancel(timer: TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
