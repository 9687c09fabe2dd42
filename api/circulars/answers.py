"""Circulars as a caller sees them: those of their posts, and for writers who read each."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from api.auth.callers import Caller
from api.http.answers import Answer, Recorded, Time
from api.notifications.answers import NotificationView
from api.service.runtime import Runtime
from engine.circulars.ledger import KnownCircular, has_unread, read_circular, read_circulars
from engine.domain.time_units import DAY, rfc3339
from engine.errors import NotFoundError

ISSUE = ("POST", "/v1/circulars")
SEE = ("GET", "/v1/circulars")
KEPT = 90 * DAY
"""How long an ended circular is listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCircular(Recorded):
    """A circular, or a step of it, that stands in the journal."""

    circular_id: str
    warnings: list[str]
    """Fields that look as if they named a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircularFileView(Answer):
    """A picture or a document of a circular."""

    digest: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CircularReader(Answer):
    """A person who read a circular, and when they first said so."""

    person: str
    post: str
    read_at: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class CircularView(Answer):
    """A circular."""

    circular_id: str
    title: str
    text: str
    posts: list[str]
    """Empty for all."""
    by: str
    issued_at: Time
    until: Time
    ended_at: Time | None
    is_shown: bool
    is_read: bool
    """By the caller."""
    files: list[CircularFileView]
    readers: list[CircularReader] | None
    """None for a caller who writes no circulars."""


@dataclass(frozen=True, slots=True)
class Circulars(Answer):
    """Circulars, the newest first, those that ended within 90 days among them."""

    tables = ("circulars",)
    circulars: list[CircularView]


def list_circulars(service: Runtime, caller: Caller) -> Circulars:
    """Return the circulars that are for a caller."""
    with service.store.read() as connection:
        now = service.journal.now(connection)
        found = read_circulars(connection, since=now - KEPT)
    return Circulars([_view(one, caller, now) for one in found if is_for(caller, one)])


def find_circular(service: Runtime, caller: Caller, circular_id: str) -> KnownCircular:
    """Return a circular that is for a caller; raises ``NotFoundError``."""
    with service.store.read() as connection:
        found = read_circular(connection, circular_id)
    if not is_for(caller, found):
        raise NotFoundError("circular", circular_id)
    return found


def is_for(caller: Caller, circular: KnownCircular) -> bool:
    """Tell whether a circular is for a caller: of their post, or for whoever has every post."""
    return caller.post is None or circular.is_for(caller.post)


def _view(one: KnownCircular, caller: Caller, now: int) -> CircularView:
    content = one.body["circular"]
    return CircularView(
        circular_id=one.circular_id,
        title=content["title"],
        text=content["text"],
        posts=list(content["posts"]),
        by=str(one.body["by"]),
        issued_at=rfc3339(one.known_at),
        until=rfc3339(one.until),
        ended_at=None if one.ended_at is None else rfc3339(one.ended_at),
        is_shown=one.is_shown(now),
        is_read=caller.person in {person for person, *_ in one.readings},
        files=[
            CircularFileView(
                digest=file["digest"],
                media_type=file["media_type"],
                size_bytes=file["size_bytes"],
            )
            for _, file in one.files
        ],
        readers=[
            CircularReader(person=person, post=post, read_at=rfc3339(read_at))
            for person, post, read_at in one.readings
        ]
        if caller.may(*ISSUE)
        else None,
    )


def list_unread(service: Runtime, caller: Caller) -> Iterator[NotificationView]:
    """Yield the circulars that a caller has not read, as notifications."""
    if not caller.may(*SEE):
        return
    for one in list_circulars(service, caller.enter(*SEE)).circulars:
        if one.is_shown and not one.is_read and one.by != caller.person:
            yield NotificationView(
                kind="circular",
                about="circular",
                id=one.circular_id,
                name=one.title,
                at=one.issued_at,
            )


def tell_post(connection: Connection, caller: Caller, post: str, *, now: int) -> bool:
    """Tell whether a caller has not read a circular of the post whose queue they see."""
    return caller.may(*SEE) and has_unread(connection, caller.person, post, now=now)
