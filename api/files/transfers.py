"""Files as they come in and go out, whatever they are of.

A file is sent as the body, whatever type its head states; its name is not asked for, because it may
hold a person's. What is handed out is for keeping: no browser shows it as a page of this site.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import Path as PathParameter
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from api.auth.callers import Caller
from api.service.runtime import Runtime
from engine.domain.field_types import HEX_32
from engine.errors import ConflictError
from engine.files.content import JPEG, LARGEST_FILE, PNG, SUFFIXES, WEBP
from engine.files.store import ReceivedFile, open_file
from engine.journal.kinds import SENSITIVE_READ, SensitiveReadBody

Done = TypeVar("Done")
Digest = Annotated[str, PathParameter(pattern=HEX_32)]
BYTES = "application/octet-stream"
_SHOWN = frozenset({JPEG, PNG, WEBP})
"""Types that go out as what they are: a picture runs nothing. All others are bytes."""
SEALED: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {BYTES: {"schema": {"type": "string", "format": "binary"}}},
        "description": "JPEG, PNG, WebP, PDF or plain text in UTF-8, 32 MB at most.",
    }
}
HANDED_OUT: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            one: {"schema": {"type": "string", "format": "binary"}}
            for one in (BYTES, *sorted(_SHOWN))
        }
    }
}
_PIECE = 1024 * 1024
"""Bytes written at a time: fewer would cost a change of threads each."""


async def receive_file(
    service: Runtime,
    pieces: AsyncIterator[bytes],
    *,
    check: Callable[[], None],
    add: Callable[[ReceivedFile], Done],
) -> Done:
    """Take a file as it arrives, and return what ``add`` answers about it when it is whole.

    ``check`` raises for a file that is not taken, before anything is read. Raises ``BusyError`` and
    ``BodyTooLargeError``. What ``add`` does not place is not kept.
    """
    with service.executors.files.hold():
        await run_in_threadpool(check)
        received = await run_in_threadpool(
            partial(ReceivedFile, service.home, largest=LARGEST_FILE)
        )
        try:
            held = bytearray()
            async for piece in pieces:
                held += piece
                if len(held) >= _PIECE:
                    await run_in_threadpool(received.write, bytes(held))
                    held.clear()
            await run_in_threadpool(received.write, bytes(held))
            return await service.executors.files.do(add, received)
        finally:
            received.close()


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that a caller may have."""

    path: Path
    media_type: str
    name: str


def hand_out(
    service: Runtime,
    caller: Caller,
    digest: str,
    media_type: str,
    *,
    seq: int,
    post: str,
    kind: str,
    is_copied: bool = False,
) -> FoundFile:
    """Return a file that a record names, once it is recorded who takes it; raises ``HomeError``.

    ``kind`` is what the reading is called in the journal. Raises ``ConflictError`` where the record
    is a copied one and the file has not arrived.
    """
    if is_copied and not (service.home.files / digest).exists():
        why = "it lies at the node of its post, and has not arrived here"
        raise ConflictError("file", digest[:16], why)
    path = open_file(service.home, digest)
    read: SensitiveReadBody
    read = {"by": caller.person, "role": caller.role.value, "sequence": seq, "kind": kind}
    service.writer.submit(SENSITIVE_READ.draft(str(seq), read, post=post)).result()
    return FoundFile(path, media_type, f"{digest[:16]}.{SUFFIXES[media_type]}")


def seal_file(found: FoundFile) -> FileResponse:
    """Return a file as it is handed out: for keeping, and as no page of this site."""
    media_type = found.media_type if found.media_type in _SHOWN else BYTES
    return FileResponse(found.path, media_type=media_type, filename=found.name, headers=SEALED)
