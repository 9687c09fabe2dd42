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

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection

from engine.domain.records import HEX_32
from engine.errors import EnvelopeRefusedError, RecordError
from engine.journal.hash_chain import canonical
from engine.links.agreement import check_body, select_fields
from engine.links.envelope import (
    LinkReceipt,
    is_canonical,
    open_text,
    read_fields,
    refuse_form,
    seal_text,
)
from engine.links.identity import LinkIdentity, LinkKeys
from engine.links.messages import FILE, FilePart
from engine.links.state import Link

MOST_WANTED = 20
"""Files that a side asks for at once."""
LEAST_ROOM, MOST_ROOM = 96 * 1024, 3 * 1024 * 1024
"""Bytes of files in one parcel: a quarter of a minute on a line of 64 kbit/s, and at most."""
_PART_PURPOSE = b"darvoza file part 1"
_PART_FIELDS = {"digest": str, "size_bytes": int, "offset": int}


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
        body = read_fields(head, "part", _PART_FIELDS)
    except EnvelopeRefusedError as error:
        raise RecordError(FILE, error.field, error.rule, error.why) from None
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
_PURPOSE = b"darvoza parcel 1"
_FIELDS: Mapping[str, type] = {
    "link": str,
    "from": str,
    "to": str,
    "at": int,
    "envelopes": list,
    "receipts": list,
    "refusals": list,
    "last": list,
    "signature": str,
}
_MARKS: Mapping[str, type] = {"receipted": list, "echo": list}
_HEARD: Mapping[str, type] = {"heard": int}
_OF_FILES: Mapping[str, type] = {"wanted": list, "room": int, "parts": list}
"""Only between sides whose agreement lets files travel."""
_DIGEST = re.compile(HEX_32)


@dataclass(frozen=True, slots=True)
class EnvelopeRefusal:
    """An envelope that took no place in the order; digest in hex."""

    number: int
    digest: str
    rule: str


class ReceiptedMark(NamedTuple):
    """How far an installation held the other side's receipts when it made a parcel.

    Who answers it repeats it next to the last envelope that it has. One that names fewer lost what
    it had signed for: this holds whatever the clocks of both say, and however late it arrives.
    """

    number: int
    """The highest number with a receipt, 0 without one."""
    resumed: int
    """The record of the newest resumption; a mark from before it says nothing any more."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What travels at once."""

    link: str
    sender: str
    """Fingerprint."""
    receiver: str
    at: int
    """When it was made, by the sender's journal: UTC microseconds."""
    envelopes: tuple[str, ...] = ()
    """Bytes of envelopes, as text."""
    receipts: tuple[LinkReceipt, ...] = ()
    refusals: tuple[EnvelopeRefusal, ...] = ()
    last: LinkReceipt | None = None
    """Of the last envelope that arrived from the receiver, None where none did."""
    receipted: ReceiptedMark | None = None
    """How far the sender holds receipts of the receiver."""
    echo: ReceiptedMark | None = None
    """The mark of the parcel that this one answers, None where it answers none."""
    heard: int = 0
    """``at`` of the parcel that this one answers, or of the last answer that its sender took; 0
    without one."""
    wanted: tuple[WantedFile, ...] = ()
    """Files of the receiver that the sender lacks."""
    room: int = 0
    """Bytes of files that the sender takes with the answer."""
    parts: tuple[str, ...] = ()
    """Sealed parts of files that the receiver lacks."""

    def content(self) -> dict[str, Any]:
        """Return what is signed, as JSON values."""
        found: dict[str, Any] = {
            "link": self.link,
            "from": self.sender,
            "to": self.receiver,
            "at": self.at,
            "envelopes": list(self.envelopes),
            "receipts": [receipt.to_json() for receipt in self.receipts],
            "refusals": [[one.number, one.digest, one.rule] for one in self.refusals],
            "last": [] if self.last is None else [self.last.to_json()],
        }
        marks = {"receipted": self.receipted, "echo": self.echo}
        found |= {name: list(mark) for name, mark in marks.items() if mark is not None}
        wanted = [list(one) for one in self.wanted]
        of_files = {
            "heard": self.heard,
            "wanted": wanted,
            "room": self.room,
            "parts": list(self.parts),
        }
        return found | {name: value for name, value in of_files.items() if value}

    def seal(self, keys: LinkKeys) -> bytes:
        """Return the signed bytes."""
        content = self.content()
        signature = keys.signing.sign(_PURPOSE + canonical(content))
        return canonical(content | {"signature": signature.hex()})


@dataclass(frozen=True, slots=True)
class SignedParcel:
    """A parcel of the right form; who signed it is not yet known."""

    parcel: Parcel
    signature: bytes

    def is_signed_by(self, identity: LinkIdentity) -> bool:
        """Tell whether an identity signed the parcel, and is the sender it names."""
        message = _PURPOSE + canonical(self.parcel.content())
        return self.parcel.sender == identity.fingerprint and identity.has_signed(
            message, self.signature
        )

    def is_spelled(self, raw: bytes) -> bool:
        """Tell whether these bytes are the canonical form of the parcel."""
        return is_canonical(self.parcel.content() | {"signature": self.signature.hex()}, raw)


def read_parcel(raw: bytes) -> SignedParcel:
    """Return a parcel of the right form; raises ``EnvelopeRefusedError``."""
    _check_size(raw)
    found = read_fields(raw, "parcel", _FIELDS, optional={**_MARKS, **_HEARD, **_OF_FILES})
    for name, part in found.items():
        if isinstance(part, list) and len(part) > MOST_PARTS:
            raise refuse_form(name, f"more than {MOST_PARTS}")
    signed = SignedParcel(_to_parcel(found), _signature(found["signature"]))
    if not signed.is_spelled(raw):
        raise refuse_form("parcel", "is not in the canonical form")
    return signed


def _check_size(raw: bytes) -> None:
    """Refuse what would cost much to parse; raises ``EnvelopeRefusedError``."""
    if len(raw) > MAX_BYTES:
        raise refuse_form("parcel", f"over {MAX_BYTES} bytes")
    if raw.count(b",") > MOST_COMMAS:
        raise refuse_form("parcel", f"over {MOST_COMMAS} commas")


def _to_parcel(found: Mapping[str, Any]) -> Parcel:
    times = found["at"], found.get("heard", 0)
    if not all(0 <= one < 2**63 for one in times) or len(found["last"]) > 1:
        raise refuse_form("at", "is no time, or more than one envelope is the last one")
    for name in ("envelopes", "parts"):
        if not all(isinstance(one, str) for one in found.get(name, ())):
            raise refuse_form(name, "holds something other than text")
    try:
        receipts = tuple(LinkReceipt.from_json(one) for one in found["receipts"])
        last = [LinkReceipt.from_json(one) for one in found["last"]]
    except RecordError as error:
        raise refuse_form(f"receipts.{error.field}", error.message) from None
    refusals = tuple(_to_refusal(one) for one in found["refusals"])
    about = found["link"], found["from"], found["to"], found["at"]
    parts = tuple(found["envelopes"]), receipts, refusals, last[0] if last else None
    receipted, echo = (_to_mark(found, name) for name in _MARKS)
    of_files = _to_wanted(found.get("wanted", ())), _to_room(found), tuple(found.get("parts", ()))
    return Parcel(*about, *parts, receipted, echo, times[1], *of_files)


def _to_mark(found: Mapping[str, Any], name: str) -> ReceiptedMark | None:
    if name not in found:
        return None
    match found[name]:
        case [int() as number, int() as resumed] if all(0 <= n < 2**63 for n in (number, resumed)):
            return ReceiptedMark(number, resumed)
        case _:
            raise refuse_form(name, "holds something other than two whole numbers")


def _to_wanted(found: Sequence[object]) -> tuple[WantedFile, ...]:
    if len(found) > MOST_WANTED:
        raise refuse_form("wanted", f"names more than {MOST_WANTED}")
    return tuple(map(_to_wanted_file, found))


def _to_wanted_file(found: object) -> WantedFile:
    match found:
        case [str() as digest, int() as offset] if _DIGEST.fullmatch(digest) and offset >= 0:
            return WantedFile(digest, offset)
        case _:
            raise refuse_form("wanted", "holds something other than digest and offset")


def _to_room(found: Mapping[str, Any]) -> int:
    room: int = found.get("room", 0)
    if not 0 <= room <= MOST_ROOM:
        raise refuse_form("room", f"is not within 0 and {MOST_ROOM}")
    return room


def _to_refusal(found: object) -> EnvelopeRefusal:
    match found:
        case [int() as number, str() as digest, str() as rule]:
            return EnvelopeRefusal(number, digest, rule)
        case _:
            raise refuse_form("refusals", "holds something other than number, digest and rule")


def _signature(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise refuse_form("signature", "is not hexadecimal") from None
