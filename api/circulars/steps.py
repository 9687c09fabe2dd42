"""Circulars as they are written, read and ended, each step recorded once for its caller."""

import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from api.auth.callers import OWNERLESS, Caller
from api.circulars.answers import RecordedCircular, find_circular
from api.files.transfers import FoundFile, hand_out, receive_file
from api.http.access import check_post
from api.http.dependencies import of_caller
from api.service.runtime import Runtime
from engine.circulars.area import (
    CIRCULAR_ENDED,
    CIRCULAR_FILE,
    CIRCULAR_ISSUED,
    CIRCULAR_READ,
)
from engine.circulars.ledger import LONGEST, Circular
from engine.domain.records import NoContent, StatedReason
from engine.domain.time_units import moment
from engine.domain.validation import looks_like_name
from engine.errors import FilesFullError, NotAllowedError, NotFoundError, RecordError
from engine.files.content import recognise
from engine.files.store import ReceivedFile
from engine.journal.entries import Kind
from engine.journal.idempotency import IdempotencyClaim, claim

MOST_FILES = 10


class CircularWriter:
    """Takes the steps of one caller; each is answered with its receipt."""

    def __init__(self, service: Runtime, caller: Caller, key: str | None = None) -> None:
        self._service, self._caller = service, caller
        self._key = caller.own(key)

    def issue(self, circular: Circular) -> RecordedCircular:
        """Write a circular; raises ``RecordError`` for its last day, ``NotFoundError``."""
        for post in circular.posts:
            check_post(self._service.network, self._caller, post)
        if self._caller.post is not None and circular.posts != (self._caller.post,):
            why = "a writer of one post writes to that post"
            raise RecordError("circular", "posts", "other_post", why)
        with self._service.store.read() as connection:
            now = moment(self._service.journal.now(connection))
        if not now < circular.until <= now + LONGEST:
            why = "after now, and within 366 days"
            raise RecordError("circular", "until", "out_of_range", why)
        circular_id = f"circular-{secrets.token_hex(6)}"
        name = f"{CIRCULAR_ISSUED}:{circular_id}"
        asked = claim(CIRCULAR_ISSUED, circular, post="", name=name, key=self._key)
        content = circular.model_dump(mode="json")
        body = self._sign(asked) | {"circular": content}
        return self._record(CIRCULAR_ISSUED, circular_id, asked, body, said=content)

    async def add_file(self, circular_id: str, pieces: AsyncIterator[bytes]) -> RecordedCircular:
        """Take a picture as it arrives; raises what :func:`receive_file` does, and its checks."""
        return await receive_file(
            self._service,
            pieces,
            check=lambda: self._check_room(circular_id),
            add=lambda received: self._add(circular_id, received),
        )

    def read(self, circular_id: str) -> RecordedCircular:
        """Record that the caller read a circular; the first time counts.

        Raises ``NotAllowedError`` for a machine, ``NotFoundError`` and ``ConflictError``.
        """
        find_circular(self._service, self._caller, circular_id)
        if not self._caller.is_person:
            raise NotAllowedError(OWNERLESS)
        person = self._caller.person
        name, about = f"{CIRCULAR_READ}:{circular_id}:{person}", f"{circular_id}\0{person}"
        reading, post = NoContent(), self._caller.post or ""
        asked = claim(CIRCULAR_READ, reading, post=post, name=name, key=self._key, about=about)
        return self._record(CIRCULAR_READ, circular_id, asked, self._sign(asked))

    def end(self, circular_id: str, ending: StatedReason) -> RecordedCircular:
        """Show a circular no longer; raises ``NotFoundError`` and ``ConflictError``."""
        find_circular(self._service, self._caller, circular_id)
        name = f"{CIRCULAR_ENDED}:{circular_id}"
        asked = claim(CIRCULAR_ENDED, ending, post="", name=name, key=self._key, about=circular_id)
        said = ending.model_dump(mode="json")
        return self._record(CIRCULAR_ENDED, circular_id, asked, self._sign(asked) | said, said=said)

    def _check_room(self, circular_id: str) -> None:
        found = find_circular(self._service, self._caller, circular_id)
        if len(found.files) >= MOST_FILES:
            raise FilesFullError("circular", MOST_FILES, MOST_FILES * 32)

    def _add(self, circular_id: str, received: ReceivedFile) -> RecordedCircular:
        digest = received.finish()
        media_type = recognise(self._service.home, received.path)
        file = {"digest": digest, "media_type": media_type, "size_bytes": received.size_bytes}
        name = f"{CIRCULAR_FILE}:{circular_id}:{digest}"
        asked = claim(CIRCULAR_FILE, NoContent(), post="", name=name, key=self._key, about=name)
        self._check_room(circular_id)
        with received.place():
            return self._record(
                CIRCULAR_FILE, circular_id, asked, self._sign(asked) | {"file": file}
            )

    def _sign(self, asked: IdempotencyClaim) -> dict[str, Any]:
        return {"claim": asked.as_dict(), "by": self._caller.person}

    def _record(
        self,
        kind: Kind[Any],
        circular_id: str,
        asked: IdempotencyClaim,
        body: Mapping[str, Any],
        *,
        said: Mapping[str, Any] | None = None,
    ) -> RecordedCircular:
        done = self._service.recording.once(
            asked, lambda _: kind.draft(circular_id, body, post=asked.post)
        )
        signs = [
            name for name, text in (said or {}).items() if name in _WORDS and looks_like_name(text)
        ]
        receipt = self._service.answers.receipt(done)
        return RecordedCircular(circular_id=done.entry.subject, warnings=signs, **receipt)


_WORDS = frozenset({"title", "text", "reason"})


def find_circular_file(
    service: Runtime, caller: Caller, circular_id: str, digest: str
) -> FoundFile:
    """Return a file of a circular, once it is recorded who takes it; raises ``NotFoundError``."""
    found = find_circular(service, caller, circular_id)
    for seq, file in found.files:
        if file["digest"] == digest:
            media_type = str(file["media_type"])
            post = caller.post or ""
            return hand_out(
                service, caller, digest, media_type, seq=seq, post=post, kind="circular_file"
            )
    raise NotFoundError("file", digest)


TheCircularWriter = Annotated[CircularWriter, of_caller(CircularWriter)]
