"""A bare HTTP/1.1 client: one kept connection, one request at a time, next to no CPU of its own.

What drives a service under test must neither hide a broken connection nor take the core that the
service needs, so nothing is retried here and nothing is parsed but status, length, body and whether
the connection ends with this answer.
"""

import asyncio
import re
from contextlib import suppress
from typing import Self

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


def post(path: str, body: bytes, *, key: str = "") -> bytes:
    """Return a POST of JSON as it goes over the wire."""
    text = f"Authorization: Bearer {key}\r\n" if key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{text}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(path: str) -> bytes:
    """Return a GET as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
