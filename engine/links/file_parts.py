"""Parts of files, which travel in a parcel next to its envelopes and take no number.

What names a file by the SHA-256 of its content is a record in a numbered envelope. So a part needs
no place in the order: it may be lost, doubled or late, and its content fills no journal. Each side
says which files it lacks and from which byte on; the other sends as much as there is room for,
after the envelopes of the parcel. Parts are encrypted as bodies are (HPKE), and the signature of
the parcel covers them.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from engine.errors import EnvelopeRefusedError, RecordError
from engine.journal.hash_chain import canonical
from engine.links.disclosure import check_body, select_fields
from engine.links.envelope import open_text, read_fields, seal_text
from engine.links.identity import LinkKeys
from engine.links.messages import FILE, FilePart
from engine.links.state import Link

MOST_WANTED = 20
"""Files that a side asks for at once."""
LEAST_ROOM, MOST_ROOM = 96 * 1024, 3 * 1024 * 1024
"""Bytes of files in one parcel: a quarter of a minute on a line of 64 kbit/s, and at most."""
_PURPOSE = b"darvoza file part 1"
_FIELDS = {"digest": str, "size_bytes": int, "offset": int}


class WantedFile(NamedTuple):
    """A file that a side lacks, in whole or from some byte on."""

    digest: str
    offset: int


class FileCarrier(Protocol):
    """The files of one installation, as its links carry them."""

    def list_wanted(self, connection: Connection, link: Link) -> Sequence[WantedFile]:
        """Return what this side lacks of the other's files."""

    def cut(
        self, connection: Connection, link: Link, wanted: Sequence[WantedFile], *, room: int
    ) -> Sequence[str]:
        """Return sealed parts of what the other side lacks and may have, of so many bytes."""

    def take(
        self, connection: Connection, link: Link, parts: Sequence[str], *, keys: LinkKeys
    ) -> int:
        """Keep the parts that arrived; return how many bytes of them were new."""


def seal_part(link: Link, part: FilePart, content: bytes) -> str:
    """Return a part as it travels; raises ``RecordError`` where the agreement keeps files here."""
    body = select_fields(link.agreement, kind=FILE, sender=link.us, message=part)
    about = _name_line(link, link.us.identity.fingerprint, link.them.identity.fingerprint)
    return seal_text(link.them.identity, canonical(body) + b"\n" + content, about)


def open_part(link: Link, text: str, keys: LinkKeys) -> tuple[FilePart, bytes]:
    """Return a part that arrived with its content.

    Raises ``RecordError`` where it is not for this side, or the agreement does not let it travel.
    """
    about = _name_line(link, link.them.identity.fingerprint, link.us.identity.fingerprint)
    try:
        opened = open_text(keys, text, about)
    except ValueError:
        raise RecordError(FILE, "part", "unreadable", "cannot be decrypted here") from None
    head, _, content = opened.partition(b"\n")
    try:
        body = read_fields(head, "part", _FIELDS)
    except EnvelopeRefusedError as error:
        raise RecordError(FILE, error.field, error.rule, error.why) from None
    message = check_body(link.agreement, kind=FILE, sender=link.them, body=body)
    if not isinstance(message, FilePart):
        raise RecordError(FILE, "part", "unknown_kind", "is no part of a file")
    return message, content


def _name_line(link: Link, sender: str, receiver: str) -> bytes:
    return _PURPOSE + canonical({"link": link.name, "from": sender, "to": receiver})
