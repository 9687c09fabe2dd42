"""Files of cases over the links of one home: what is lacking, what may leave, what arrives."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection

from engine.cases.file_store import NamedFile
from engine.cases.travelling_files import keep_part, list_awaited, list_travelling, read_part
from engine.errors import RecordError
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.links.file_parts import MOST_ROOM, MOST_WANTED, WantedFile, open_part, seal_part
from engine.links.identity import LinkKeys
from engine.links.inbox import ArrivedMessage
from engine.links.messages import FILE, FilePart
from engine.links.state import Link
from engine.storage.home import Home

_WANTED = ".wanted-"
"""Before the name of a link."""


@dataclass(slots=True)
class FileLine:
    """Files over the links of one home; a :class:`engine.links.file_parts.FileCarrier`.

    One lasts for a turn at the side that calls, and for one parcel at the side that answers. That
    loses nothing: what is kept is what a node offers, and on its link the centre offers nothing.
    """

    home: Home
    journal: Journal
    _offered: dict[str, dict[str, NamedFile]] = field(default_factory=dict)
    """By link, what may leave, as it was read last."""

    def list_wanted(self, connection: Connection, link: Link) -> list[WantedFile]:
        """Return what this side lacks and from which byte on, the oldest first."""
        awaited = self._list_awaited(connection, link)
        return [WantedFile(one.digest, held) for one, held in awaited[:MOST_WANTED]]

    def _list_awaited(self, connection: Connection, link: Link) -> list[tuple[NamedFile, int]]:
        if link.agreement.rule(FILE, link.them) is None:
            return []
        now = self.journal.now(connection)
        return list(list_awaited(self.home, list_travelling(connection, link, "received", now=now)))

    def cut(
        self, connection: Connection, link: Link, wanted: Sequence[WantedFile], *, room: int
    ) -> list[str]:
        """Return sealed parts of what the other side lacks and may have, of so many bytes."""
        if link.agreement.rule(FILE, link.us) is None:
            return []
        offered = self._list_offered(connection, link, wanted)
        parts, left = [], min(room, MOST_ROOM)
        for digest, offset in wanted:
            named = offered.get(digest)
            content = read_part(self.home, named, offset=offset, most=left) if named else b""
            if named is not None and content:
                part = FilePart(digest=digest, size_bytes=named.size_bytes, offset=offset)
                parts.append(seal_part(link, part, content))
                left -= len(content)
            if left <= 0:
                break
        return parts

    def _list_offered(
        self, connection: Connection, link: Link, wanted: Sequence[WantedFile]
    ) -> dict[str, NamedFile]:
        """Return what may leave now; between partners it is read again each time."""
        held = self._offered.get(link.name, {})
        if link.agreement.kind == "post" and all(one.digest in held for one in wanted):
            return held
        now = self.journal.now(connection)
        files = list_travelling(connection, link, "sent", now=now)
        self._offered[link.name] = {one.digest: one for one in files}
        return self._offered[link.name]

    def take(
        self, connection: Connection, link: Link, parts: Sequence[str], *, keys: LinkKeys
    ) -> int:
        """Keep the parts that arrived; what is refused is logged by its rule."""
        awaited = {one.digest: one for one, _ in self._list_awaited(connection, link)}
        new = 0
        for text in parts:
            try:
                new += keep_part(self.home, *open_part(link, text, keys), awaited=awaited)
            except RecordError as error:
                structlog.get_logger().warning("file_part_refused", why=error.rule)
        return new

    def note_wanted(self, link: str, wanted: Sequence[WantedFile]) -> None:
        """Keep what the other side lacked by the parcel on a stick that was taken last.

        Lost or out of date, it is stated again with the next one.
        """
        note = self.home.files / f"{_WANTED}{link}"
        if not wanted:
            note.unlink(missing_ok=True)
            return
        self.home.files.mkdir(mode=0o700, exist_ok=True)
        note.write_text("".join(f"{digest} {offset}\n" for digest, offset in wanted), "utf-8")

    def read_wanted(self, link: str) -> list[WantedFile]:
        """Return what the other side lacked by the parcel on a stick that was taken last."""
        note = self.home.files / f"{_WANTED}{link}"
        lines = note.read_text("utf-8").splitlines() if note.is_file() else []
        parts = (line.split() for line in lines)
        return [WantedFile(digest, int(offset)) for digest, offset in parts]


def refuse_in_envelope(connection: Connection, arrived: ArrivedMessage) -> Sequence[Draft]:
    """Refuse a part that takes a number: parts stand next to the envelopes of a parcel."""
    raise RecordError(FILE, "kind", "unknown_kind", "travels in no envelope")
