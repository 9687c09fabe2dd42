"""Parcels: what one side hands to the other at once, by HTTPS or as a file.

A parcel holds envelopes, receipts of the other side's envelopes, and the receipt of the last one
that arrived, all signed. Each of them proves itself. The signature of the whole covers the time at
which the receiver made the last parcel that the sender took: however late it arrives, it proves
that the sender was there after that instant of the receiver's own clock, and no more.

Parts of files stand next to the envelopes and take no number. The record that names a file by the
SHA-256 of its content travels in a numbered envelope, so a part needs no place in the order: it may
be lost, doubled or late, and its content fills no journal. Each side says which files it lacks and
from which byte on; the other sends as much as there is room for, after the envelopes of the parcel.
Parts are encrypted as bodies are (HPKE), and the signature of the parcel covers them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from pydantic import Field
from sqlalchemy import Connection

from engine.domain.field_types import Hex32
from engine.errors import RecordError
from engine.journal.hash_chain import canonical
from engine.links.agreement import check_body, select_fields
from engine.links.envelope import (
    LinkReceipt,
    SignedForm,
    Whole,
    open_text,
    read_form,
    refuse_form,
    seal_text,
)
from engine.links.identity import LinkKeys
from engine.links.messages import FILE, FilePart
from engine.links.state import Link

MOST_WANTED = 20
"""Files that a side asks for at once."""
LEAST_ROOM, MOST_ROOM = 96 * 1024, 3 * 1024 * 1024
"""Bytes of files in one parcel: a quarter of a minute on a line of 64 kbit/s, and at most."""
_PART_PURPOSE = b"darvoza file part 1"


class WantedFile(NamedTuple):
    """A file that a side lacks, in whole or from some byte on."""

    digest: Hex32
    offset: Whole


class FileCarrier:
    """The files of one installation, as its links carry them: none without cases."""

    def list_wanted(self, connection: Connection, link: Link) -> Sequence[WantedFile]:
        """Return what this side lacks of the other's files."""
        return ()

    def cut(
        self, connection: Connection, link: Link, wanted: Sequence[WantedFile], *, room: int
    ) -> Sequence[str]:
        """Return sealed parts of what the other side lacks and may have, of so many bytes."""
        return ()

    def take(
        self, connection: Connection, link: Link, parts: Sequence[str], *, keys: LinkKeys
    ) -> int:
        """Keep the parts that arrived; return how many bytes of them were new."""
        return 0


def seal_part(link: Link, part: FilePart, content: bytes) -> str:
    """Return a part as it travels; raises ``RecordError`` where the agreement keeps files here."""
    body = select_fields(link.agreement, sender=link.us, message=part)
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
        body = dict(json.loads(head))
    except (TypeError, ValueError, RecursionError):
        raise RecordError(FILE, "part", "malformed", "is not JSON") from None
    message = check_body(link.agreement, kind=FILE, sender=link.them, body=body)
    if not isinstance(message, FilePart):
        raise RecordError(FILE, "part", "unknown_kind", "is no part of a file")
    return message, content


def _name_line(link: Link, sender: str, receiver: str) -> bytes:
    return _PART_PURPOSE + canonical({"link": link.name, "from": sender, "to": receiver})


MAX_BYTES = 12 * 1024 * 1024
"""Length of the longest parcel."""
MOST_PARTS = 2_000
"""Envelopes, receipts or refusals of one parcel."""
MOST_COMMAS = 32 * MOST_PARTS
"""A receipt has 11 commas and an envelope 10; more than this is no parcel, and is not read."""
_Many = Field(max_length=MOST_PARTS)


class EnvelopeRefusal(NamedTuple):
    """An envelope that took no place in the order; digest in hex."""

    number: int
    digest: str
    rule: str


class ReceiptedMark(NamedTuple):
    """How far an installation held the other side's receipts when it made a parcel.

    Who answers it repeats it next to the last envelope that it has. One that names fewer lost what
    it had signed for: this holds whatever the clocks of both say, and however late it arrives.
    """

    number: Whole
    """The highest number with a receipt, 0 without one."""
    resumed: Whole
    """The record of the newest resumption; a mark from before it says nothing any more."""


@dataclass(frozen=True, slots=True)
class Parcel(SignedForm):
    """What travels at once; one that was read has the right form, and may be of anyone."""

    NAME = "parcel"
    PURPOSE = b"darvoza parcel 1"
    link: str
    sender: Annotated[str, Field(alias="from")]
    """Fingerprint."""
    receiver: Annotated[str, Field(alias="to")]
    at: Whole
    """When it was made, by the sender's journal: UTC microseconds."""
    envelopes: Annotated[tuple[str, ...], _Many] = ()
    """Bytes of envelopes, as text."""
    receipts: Annotated[tuple[LinkReceipt, ...], _Many] = ()
    refusals: Annotated[tuple[EnvelopeRefusal, ...], _Many] = ()
    last: LinkReceipt | None = None
    """Of the last envelope that arrived from the receiver, None where none did."""
    receipted: ReceiptedMark | None = None
    """How far the sender holds receipts of the receiver."""
    echo: ReceiptedMark | None = None
    """The mark of the parcel that this one answers, None where it answers none."""
    heard: Whole = 0
    """``at`` of the parcel that this one answers, or of the last answer that its sender took; 0
    without one."""
    wanted: Annotated[tuple[WantedFile, ...], Field(max_length=MOST_WANTED)] = ()
    """Files of the receiver that the sender lacks."""
    room: Annotated[int, Field(ge=0, le=MOST_ROOM)] = 0
    """Bytes of files that the sender takes with the answer."""
    parts: Annotated[tuple[str, ...], _Many] = ()
    """Sealed parts of files that the receiver lacks."""

    def seal(self, keys: LinkKeys) -> bytes:
        """Return the signed bytes."""
        return canonical(self.signed_by(keys).to_json())


def read_parcel(raw: bytes) -> Parcel:
    """Return a parcel of the right form; raises ``EnvelopeRefusedError``.

    What would cost much to parse is refused unread.
    """
    if len(raw) > MAX_BYTES:
        raise refuse_form("parcel", f"over {MAX_BYTES} bytes")
    if raw.count(b",") > MOST_COMMAS:
        raise refuse_form("parcel", f"over {MOST_COMMAS} commas")
    return read_form(Parcel, raw)
