"""Parcels with the other side of a link: by HTTPS, or as files of a folder or a stick.

Both ways carry the same bytes. Integrity rests on the signatures of the parcel and its envelopes;
TLS hides who talks to whom about what kind of thing, and is the operator's. A failed request is a
failure of the other side or of the way to it, never a fault of this installation, and is named by
its cause.

Files of cases travel with parcels: what a side lacks, what may leave, what arrives.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import Connection

from api.links.movements import MovementContext, take_manifest, take_outcome
from api.links.post_nodes import AccountIntake, AccountLine, BundleLine, follow_records, make_event
from api.service.structured_logging import log_event
from engine.cases.files import keep_part, list_awaited, list_travelling, read_part
from engine.domain.time_units import micros, rfc3339
from engine.errors import (
    ConflictError,
    EnvelopeRefusedError,
    HomeError,
    InputError,
    OtherSideError,
    RecordError,
    RiskError,
)
from engine.files.store import NamedFile
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.links.envelope import LinkReceipt
from engine.links.exchange import LinkExchange, TakenParcel
from engine.links.identity import LinkKeys, find_link_keys
from engine.links.inbox import ArrivedMessage, MessageHandler
from engine.links.list_comparison import follow_matches
from engine.links.messages import ACCOUNT, FILE, FilePart
from engine.links.parcel import (
    LEAST_ROOM,
    MAX_BYTES,
    MOST_ROOM,
    MOST_WANTED,
    FileCarrier,
    Parcel,
    ReceiptedMark,
    WantedFile,
    open_part,
    read_parcel,
    seal_part,
)
from engine.links.posts.record_intake import RecordIntake
from engine.links.posts.record_outbox import RECORD
from engine.links.requests import take_request, take_withdrawal
from engine.links.state import Link
from engine.storage.database import Store
from engine.storage.home import Home

if TYPE_CHECKING:
    import httpx2

CA_FILE = "links-ca.pem"
"""Certificates of the home that are trusted besides those of the machine, for links alone."""
SECONDS = 30.0
"""How long one answer may take."""
CERTIFICATE_SECONDS = 5.0
"""How long it may take to look at a certificate that was refused."""
Carry = Callable[[bytes], bytes]
"""Hands a parcel to the other side and returns its answer; raises ``OtherSideError``."""
_EXPIRED, _EARLY, _OTHER_NAMES = 10, 9, (62, 64)
"""Codes of OpenSSL (``X509_V_ERR_*``); the last two of a host's name and of an IP address."""


def open_carrier(home: Home, link: Link) -> Carry:
    """Return what carries parcels to the other side's service by HTTPS.

    Raises ``ConflictError`` where the agreement names no address of it, and ``HomeError`` where
    ``CA_FILE`` cannot be read.
    """
    import httpx2

    if link.them.url is None:
        why = "the agreement names no address of the other side: use files"
        raise ConflictError("link", link.agreement.name, why)
    url = link.them.url
    address = f"{url}/v1/links/{link.name}/parcels"
    context = _trust(home)

    def carry(parcel: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        try:
            with (
                httpx2.Client(verify=context, trust_env=False, timeout=SECONDS) as client,
                client.stream("POST", address, content=parcel, headers=headers) as answer,
            ):
                if answer.status_code != 200:
                    raise OtherSideError("answer", f"it answered {answer.status_code}")
                return b"".join(_read_bounded(answer.iter_raw()))
        except httpx2.HTTPError as error:
            raise name_failure(error, url) from None

    return carry


def _trust(home: Home) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if (home.root / CA_FILE).is_file():
        try:
            context.load_verify_locations(home.root / CA_FILE)
        except ssl.SSLError:
            raise HomeError(CA_FILE, "holds no certificate that can be read") from None
    return context


def _read_bounded(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield an answer's parts; raises ``OtherSideError`` for too many bytes or seconds."""
    size, until = 0, time.monotonic() + 2 * SECONDS
    for part in parts:
        size += len(part)
        if size > MAX_BYTES or time.monotonic() > until:
            raise OtherSideError("answer", "its answer is too long or too slow")
        yield part


def name_failure(error: "httpx2.HTTPError", url: str) -> OtherSideError:
    """Return what a failed request says of the other side, by the first cause that is known."""
    import httpx2

    for cause in _list_causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return _name_certificate(cause, url)
            case ssl.SSLError():
                return OtherSideError("tls", "no TLS was agreed with it")
            case socket.gaierror():
                return OtherSideError("no_address", "its name has no address")
            case ConnectionRefusedError():
                return OtherSideError("refused", "it refuses connections")
            case TimeoutError() | httpx2.TimeoutException():
                return OtherSideError("timeout", "it did not answer in time")
            case _:
                continue
    return OtherSideError("network", f"the connection to it failed ({type(error).__name__})")


def _list_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what an error came from, the innermost first."""
    if (before := error.__cause__ or error.__context__) is not None:
        yield from _list_causes(before)
    yield error


def _name_certificate(error: ssl.SSLCertVerificationError, url: str) -> OtherSideError:
    if error.verify_code in (_EXPIRED, _EARLY):
        return _name_validity(url, is_early=error.verify_code == _EARLY)
    if error.verify_code in _OTHER_NAMES:
        why = f"its certificate is not for the name {urlsplit(url).hostname}"
        return OtherSideError("certificate_name", why)
    why = f"no authority that this machine or {CA_FILE} trusts signed its certificate"
    return OtherSideError("certificate_unknown", why)


def _name_validity(url: str, *, is_early: bool) -> OtherSideError:
    from cryptography.x509 import load_pem_x509_certificate

    parts, at = urlsplit(url), ""
    with suppress(OSError, ValueError):
        shown = ssl.get_server_certificate(
            (parts.hostname or "", parts.port or 443), timeout=CERTIFICATE_SECONDS
        )
        found = load_pem_x509_certificate(shown.encode())
        limit = found.not_valid_before_utc if is_early else found.not_valid_after_utc
        if (limit > datetime.now(UTC)) == is_early:  # else it is another one of its chain
            at = rfc3339(micros(limit))
    of = "its certificate" if at else "a certificate of its chain"
    when = f" ({at})" if at else ""
    if is_early:
        return OtherSideError("certificate_early", f"{of} is not valid yet{when}", at)
    return OtherSideError("certificate_expired", f"{of} has expired{when}", at)


_WANTED = ".wanted-"
"""Before the name of a link."""


@dataclass(slots=True)
class FileLine(FileCarrier):
    """Files over the links of one home.

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
                log_event("file_part_refused", why=error.rule)
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


PARCEL_SUFFIX = ".parcel.json"
MOST_ROUNDS = 50
FILE_SECONDS, FEW_SECONDS = 20.0, 4.0
"""How long files hold up the other links of a turn, and how long one parcel with files may take."""


def open_exchange(home: Home, store: Store, journal: Journal) -> LinkExchange:
    """Return the links of a home; raises ``HomeError`` where it has no link identity yet."""
    followers = follow_matches, follow_records, BundleLine(home), AccountLine()
    keys, handlers = find_link_keys(home), list_handlers(home)
    return LinkExchange(store, journal, keys, handlers, followers, FileLine(home, journal))


def list_handlers(home: Home) -> Mapping[str, MessageHandler]:
    """Return what follows from each kind of message in a home."""
    context = MovementContext(home)
    return {
        ACCOUNT: AccountIntake(home),
        FILE: refuse_in_envelope,
        "attention": take_request,
        "case": take_request,
        "manifest": partial(take_manifest, context=context),
        "outcome": partial(take_outcome, context=context),
        "withdraw": take_withdrawal,
        RECORD: RecordIntake(partial(make_event, context=context)),
    }


@dataclass(frozen=True, slots=True)
class ExchangeResult:
    """What one exchange with the other side brought."""

    sent: int = 0
    """Own envelopes that were receipted."""
    received: int = 0
    """Envelopes of the other side that took their place in the order."""
    refusals: tuple[str, ...] = ()
    """Rules that kept envelopes from a place in the order, on either side."""
    is_stopped: bool = False
    heard: int = 0
    """When this side made the last parcel that was answered: UTC microseconds."""
    answered_at: int = 0
    """When the other side made the last answer, by its journal: UTC microseconds."""
    foreign: int = 0
    """Copied records without effect, because they name what is not of their installation."""

    def add(self, taken: TakenParcel, answered: Parcel) -> "ExchangeResult":
        """Return the sum with one more round, and its answer."""
        rules = tuple(one.rule for one in (*answered.refusals, *taken.refusals))
        return ExchangeResult(
            self.sent + taken.settled,
            self.received + taken.new,
            (*self.refusals, *rules),
            taken.is_stopped,
            taken.heard,
            answered.at,
            self.foreign + taken.foreign,
        )


def exchange_all(
    exchange: LinkExchange, link: Link, carry: Carry, *, answered_at: int = 0
) -> ExchangeResult:
    """Exchange parcels until nothing waits on either side, and the journal's head once a day.

    ``answered_at`` is that of the exchange before: it tells the other side that its answer came, so
    that it knows this side to be there. Without it one more round does. Files go on for
    ``FILE_SECONDS``, in parcels as large as the line carries in a few seconds, and then with the
    next turn: what waits in envelopes leaves with each of these parcels. Raises ``OtherSideError``
    where the other side is not reached, or does not answer as agreed.
    """
    exchange.send_head(link.name)
    result = ExchangeResult(answered_at=answered_at)
    receipts: tuple[LinkReceipt, ...] = ()
    echo: ReceiptedMark | None = None
    files = _FileRoom(time.monotonic() + FILE_SECONDS)
    for _ in range(MOST_ROUNDS):
        follow_records(exchange, link.name)
        known = (*exchange.repeat_receipt(link, echo), *receipts)
        parcel = files.fill(exchange, link, exchange.make_parcel(link))
        parcel = replace(parcel, receipts=known, echo=echo, heard=result.answered_at)
        begun = time.monotonic()
        answered, taken = _ask(exchange, link, parcel, carry)
        result, receipts = result.add(taken, answered), taken.receipts
        is_answered = parcel.echo == answered.receipted or not _is_behind(parcel, answered)
        echo = answered.receipted
        is_told = is_answered and parcel.heard
        is_done = not taken.settled and not taken.receipts and not taken.followed and is_told
        has_files = files.note(answered, taken, seconds=time.monotonic() - begun)
        if (is_done and not has_files) or taken.is_stopped or result.refusals:
            break
    return result


def _ask(
    exchange: LinkExchange, link: Link, parcel: Parcel, carry: Carry
) -> tuple[Parcel, TakenParcel]:
    """Hand a parcel over; return the answer to it, and what became of that."""
    answer = carry(parcel.seal(exchange.keys))
    try:
        answered = read_parcel(answer)
        if answered.heard != parcel.at:
            raise OtherSideError("answer", "it answered another parcel than this one")
        return answered, exchange.take(answered, name=link.name)
    except EnvelopeRefusedError as error:
        raise OtherSideError("answer", f"its answer was refused: {error}") from None


@dataclass(slots=True)
class _FileRoom:
    """How much of files goes with the next parcel of a turn."""

    until: float
    """By the monotonic clock."""
    room: int = LEAST_ROOM
    wanted: tuple[WantedFile, ...] = ()
    """What the other side said that it lacks."""

    def fill(self, exchange: LinkExchange, link: Link, parcel: Parcel) -> Parcel:
        """Return a parcel with parts of files, and with what this side takes of them."""
        parts = exchange.cut_parts(link, self.wanted, room=self.room)
        return replace(parcel, parts=parts, room=self.room if parcel.wanted else 0)

    def note(self, answered: Parcel, taken: TakenParcel, *, seconds: float) -> bool:
        """Take in an answer; tell whether files moved, or are wanted first, and time is left."""
        goes_on = bool(taken.file_bytes) or (
            bool(answered.wanted) and answered.wanted != self.wanted
        )
        self.wanted = answered.wanted
        if seconds < FEW_SECONDS:
            self.room = min(2 * self.room, MOST_ROOM)
        elif seconds > 2 * FEW_SECONDS:
            self.room = max(self.room // 2, LEAST_ROOM)
        return goes_on and time.monotonic() < self.until


def _is_behind(parcel: Parcel, answered: Parcel) -> bool:
    """Tell whether the other side holds receipts of envelopes that a disk here lost: say so."""
    number = 0 if parcel.last is None else parcel.last.number
    return answered.receipted is not None and number < answered.receipted.number


def export_parcel(exchange: LinkExchange, link: Link, folder: Path) -> Path:
    """Write what waits for the other side into a folder, and what it is a witness of.

    Raises ``InputError`` where the folder cannot be written.
    """
    import json

    from engine.links.witness import WITNESS_FILE, list_witnessed

    exchange.send_head(link.name)
    follow_records(exchange, link.name)
    parcel = exchange.make_parcel(link, with_receipts=True)
    name = f"{link.agreement.name}-{link.us.name}-{parcel.at}{PARCEL_SUFFIX}"
    with exchange.store.read() as connection:
        lines = [json.dumps(line) + "\n" for line in list_witnessed(connection, link.name)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(parcel.seal(exchange.keys))
        (folder / WITNESS_FILE).write_text("".join(lines), "utf-8")
        for number, made in enumerate(_list_file_parcels(exchange, link, parcel), 1):
            part = name.replace(PARCEL_SUFFIX, f"-{number:04}{PARCEL_SUFFIX}")
            (folder / part).write_bytes(made.seal(exchange.keys))
    except OSError as error:
        raise InputError(folder.name, error.strerror or "cannot be written") from None
    return folder / name


def _list_file_parcels(exchange: LinkExchange, link: Link, parcel: Parcel) -> Iterator[Parcel]:
    """Yield parcels with what the other side lacked when its last parcel was imported."""
    if not isinstance(exchange.files, FileLine):
        return
    for digest, offset in exchange.files.read_wanted(link.name):
        begin = offset
        while parts := exchange.cut_parts(link, [WantedFile(digest, begin)], room=MOST_ROOM):
            yield replace(parcel, envelopes=(), receipts=(), wanted=(), parts=parts)
            begin += MOST_ROOM


@dataclass(frozen=True, slots=True)
class ImportedParcel:
    """What became of one file."""

    file: str
    taken: TakenParcel | None
    refused: str = ""


def import_parcels(exchange: LinkExchange, folder: Path) -> list[ImportedParcel]:
    """Take every parcel of a folder that another installation wrote, the oldest first.

    A parcel that is refused stops none of the others. Each is read when its turn comes. Raises
    ``InputError`` without a folder.
    """
    if not folder.is_dir():
        raise InputError(folder.name, "no such folder")
    found = sorted((_read_time(path), path.name) for path in folder.glob(f"*{PARCEL_SUFFIX}"))
    taken = (_import(exchange, folder / name) for _, name in found)
    return [one for one in taken if one is not None]


_TIME = re.compile(rb'\{"at":(\d{1,19}),')
"""How the canonical form of a parcel begins."""


def _read_time(path: Path) -> int:
    """Return when a parcel was made, 0 where its beginning does not say so."""
    if not _is_plain(path):
        return 0
    with path.open("rb") as file:
        found = _TIME.match(file.read(32))
    return 0 if found is None else int(found[1])


def _is_plain(path: Path) -> bool:
    return not path.is_symlink() and path.is_file()


def _import(exchange: LinkExchange, path: Path) -> ImportedParcel | None:
    """Take one file; None of a parcel that this installation wrote."""
    try:
        is_read = _is_plain(path) and path.stat().st_size <= MAX_BYTES
        parcel = read_parcel(path.read_bytes() if is_read else b"")
        if parcel.sender == exchange.fingerprint:
            return None
        taken = exchange.take(parcel)
        if isinstance(exchange.files, FileLine) and not parcel.parts:
            exchange.files.note_wanted(taken.link, parcel.wanted)
        return ImportedParcel(path.name, taken)
    except RiskError as error:
        return ImportedParcel(path.name, None, str(error))
