"""Bundles of models from a centre to its post's node: in signed parts, checked, then kept.

The centre sends each model that one person has approved, so that its bundle is at the node before
the records that put it into force. Parts are envelopes, few at a time: records pass between them.
The node puts the parts together once the record of the registration is there, whose digest they
must have. Nothing here puts a model into force: the journal does.
"""

from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import structlog
from sqlalchemy import Connection, func, select

from engine.errors import RiskError, TamperedBundleError
from engine.journal.entries import Draft
from engine.journal.journal import JournalReader
from engine.links.exchange import LinkExchange
from engine.links.ledger import ENVELOPES, Direction
from engine.links.messages import BUNDLE, BundlePart
from engine.links.outbox import OutgoingMessage, draft_messages
from engine.links.state import Link
from engine.storage.home import Home
from models.bundle.bundle import MANIFEST, SIGNATURE, read_verified, read_verify_key, signing_key
from models.bundle.bundle_copy import keep_bundle
from models.lifecycle.projection import read_state
from models.lifecycle.states import ModelStates

PART = 48 * 1024
"""Bytes of one part: four go over a line of 64 kbit/s within a minute."""
WINDOW = 4
"""Parts that may wait for their receipts."""
_E = ENVELOPES.c


@dataclass(slots=True)
class BundleLine:
    """Bundles over the links of one home; a :data:`engine.links.exchange.Follower`."""

    home: Home
    _sent: dict[str, set[str]] = field(default_factory=dict)
    """By link, the versions that were sent whole: read once in a process."""
    _tried: dict[str, tuple[int, frozenset[str]]] = field(default_factory=dict)
    """By link, what was put together last: the newest part, and the versions that lacked."""

    def __call__(self, exchange: LinkExchange, name: str) -> int:
        """Seal the next parts, or keep what arrived whole; return how many parts were sealed."""
        link = exchange.find_link(name)
        if link.agreement.rule(BUNDLE, link.us) is not None:
            return self._send(exchange, link)
        if link.agreement.rule(BUNDLE, link.them) is not None:
            self._keep(exchange, link)
        return 0

    def _send(self, exchange: LinkExchange, link: Link) -> int:
        with exchange.store.read() as connection:
            wanted = list_wanted(read_state(connection))
            newest = _read_newest(connection, link, "sent")
            if wanted and link.name not in self._sent:
                self._sent[link.name] = _list_whole(connection, link, "sent")
            room = WINDOW - _count_waiting(connection, link)
        parts = self._list_next(link, wanted, newest.body) if room > 0 else []
        given = [OutgoingMessage(BUNDLE, one) for one in parts[:room]]

        def find(connection: Connection, now: int) -> Sequence[Draft]:
            is_first = _read_newest(connection, link, "sent").seq == newest.seq
            if not is_first or link.phase(now) != "in_force":
                return []  # another process was first
            return draft_messages(connection, now, link, keys=exchange.keys, messages=given)

        if not given or not exchange.journal.append_found(find):
            return 0
        if len(given) == len(parts):
            self._sent[link.name].add(parts[0].bundle)
        return len(given)

    def _list_next(
        self, link: Link, wanted: Mapping[str, str], last: Mapping[str, Any]
    ) -> list[BundlePart]:
        """Return the parts that are left of the bundle on its way, or all of the next one."""
        if last and last["bundle"] in wanted and not _is_last(last):
            found = self._cut(last["bundle"], wanted)
            at = [one.file == last["file"] and one.part == last["part"] for one in found]
            return found[at.index(True) + 1 :] if True in at else found
        left = [version for version in wanted if version not in self._sent.get(link.name, ())]
        return next((found for version in left if (found := self._cut(version, wanted))), [])

    def _cut(self, version: str, wanted: Mapping[str, str]) -> list[BundlePart]:
        """Return a bundle in parts, its manifest the last; none of one that was changed."""
        try:
            folder = self.home.bundles / version
            _, files = read_verified(folder, read_verify_key(self.home, version))
            files[MANIFEST] = (folder / MANIFEST).read_bytes()
        except (RiskError, OSError, ValueError, KeyError) as error:  # nor would it be loaded here
            structlog.get_logger().warning("bundle_not_sent", why=type(error).__name__)
            return []
        if sha256(files[MANIFEST]).hexdigest() != wanted[version]:
            return []
        names = sorted(files, key=lambda name: (name == MANIFEST, name))
        return [part for name in names for part in _cut_file(version, name, files[name])]

    def _keep(self, exchange: LinkExchange, link: Link) -> None:
        with exchange.store.read() as connection:
            newest = _read_newest(connection, link, "received")
            lacking = self._list_lacking(read_state(connection))
            state = newest.seq, frozenset(lacking)
            if not lacking or not newest.seq or self._tried.get(link.name) == state:
                return
            self._tried[link.name] = state
            if not _is_last(newest.body) and newest.body["bundle"] in lacking:
                return
            arrived = _join(connection, link, lacking)
        for version, files in arrived.items():
            try:
                key = signing_key(self.home)
                keep_bundle(self.home.bundles, version, files, manifest=lacking[version], key=key)
            except TamperedBundleError as error:
                structlog.get_logger().warning("bundle_not_kept", version=version, why=error.why)

    def _list_lacking(self, now: ModelStates) -> dict[str, str]:
        """Return registered versions without a bundle here, with their manifest's digest."""
        return {
            one.version: one.manifest
            for one in now.models.values()
            if one.manifest and not (self.home.bundles / one.version).exists()
        }


def list_wanted(now: ModelStates) -> dict[str, str]:
    """Return the versions that a node needs, with their manifest's digest: in force first."""
    found = [one for one in now.models.values() if one.role != "retired" and one.approvals]
    found.sort(key=lambda one: one.role != "in_force")
    if now.in_force is not None and now.models[now.in_force] not in found:
        found.insert(0, now.models[now.in_force])
    return {one.version: one.manifest for one in found}


def _cut_file(version: str, name: str, content: bytes) -> Iterator[BundlePart]:
    starts = range(0, max(1, len(content)), PART)
    for part, start in enumerate(starts, 1):
        yield BundlePart(
            bundle=version,
            file=name,
            digest=sha256(content).hexdigest(),
            part=part,
            parts=len(starts),
            content=b64encode(content[start : start + PART]).decode(),
        )


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest part of a direction: its record, 0 without one, and the message."""

    seq: int
    body: Mapping[str, Any]


def _select_parts(link: Link, direction: Direction) -> Any:
    # One that was refused is not sent again for ever: the node goes on without this bundle.
    statuses = ("waiting", "taken", "refused") if direction == "sent" else ("taken",)
    query = select(_E.seq).where(_E.link == link.name, _E.kind == BUNDLE)
    return query.where(_E.direction == direction, _E.status.in_(statuses)).order_by(_E.seq)


def _read_newest(connection: Connection, link: Link, direction: Direction) -> _Newest:
    query = _select_parts(link, direction).order_by(None).order_by(_E.seq.desc()).limit(1)
    seq = connection.scalar(query) or 0
    body = JournalReader(connection).bodies([seq] if seq else []).get(seq)
    return _Newest(seq, {} if body is None else body["body"])


def _count_waiting(connection: Connection, link: Link) -> int:
    query = select(func.count()).where(_E.link == link.name, _E.kind == BUNDLE)
    query = query.where(_E.direction == "sent", _E.status == "waiting")
    return connection.scalar(query) or 0


def _is_last(body: Mapping[str, Any]) -> bool:
    return bool(body) and body["file"] == MANIFEST and body["part"] == body["parts"]


def _read_parts(connection: Connection, link: Link, direction: Direction) -> Iterator[Any]:
    """Yield the parts of a direction in their order; one that was erased is left out."""
    for seq in list(connection.scalars(_select_parts(link, direction))):
        found = JournalReader(connection).bodies([seq])
        if seq in found:
            yield found[seq]["body"]


def _list_whole(connection: Connection, link: Link, direction: Direction) -> set[str]:
    return {one["bundle"] for one in _read_parts(connection, link, direction) if _is_last(one)}


def _join(
    connection: Connection, link: Link, lacking: Mapping[str, str]
) -> dict[str, dict[str, bytes]]:
    """Return the files of bundles that arrived whole, each with the digest that its parts name."""
    parts: defaultdict[tuple[str, str, str], dict[int, str]] = defaultdict(dict)
    counts: dict[tuple[str, str, str], int] = {}
    for body in _read_parts(connection, link, "received"):
        if body["bundle"] in lacking and body["file"] != SIGNATURE:
            about = body["bundle"], body["file"], body["digest"]
            parts[about][body["part"]], counts[about] = body["content"], body["parts"]
    found: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
    for about, contents in parts.items():
        version, name, digest = about
        content = b"".join(b64decode(contents[number]) for number in sorted(contents))
        is_whole = len(contents) == counts[about] and sha256(content).hexdigest() == digest
        if is_whole:
            found[version][name] = content
    return {version: files for version, files in found.items() if MANIFEST in files}
