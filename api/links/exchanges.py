"""Parcels with the other side of a link: by HTTPS, or as files of a folder or a stick.

Both carry the same bytes. Integrity rests on the signatures of the parcel and its envelopes; TLS
hides who talks to whom about what kind of thing, and is the operator's.
"""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from api.links.accounts import AccountIntake, AccountLine
from api.links.bundles import BundleLine
from api.links.case_files import FileLine, refuse_in_envelope
from api.links.movements.context import MovementContext
from api.links.movements.manifests import take_manifest
from api.links.movements.outcomes import take_outcome
from api.links.post_records import follow_records, make_event
from engine.errors import ConflictError, InputError, RiskError, StoreUnavailableError
from engine.journal.journal import Journal
from engine.links.exchange import LinkExchange, TakenParcel
from engine.links.file_parts import LEAST_ROOM, MOST_ROOM, WantedFile
from engine.links.inbox import MessageHandler
from engine.links.key_files import find_link_keys
from engine.links.matching.match_exchange import follow_matches
from engine.links.messages import ACCOUNT, FILE
from engine.links.parcel import MAX_BYTES, Parcel, ReceiptedMark, read_parcel
from engine.links.posts.record_batches import RECORD
from engine.links.posts.record_intake import RecordIntake
from engine.links.receipts import LinkReceipt
from engine.links.requests.arrival_effects import take_request, take_withdrawal
from engine.links.state import Link
from engine.storage.database import Store
from engine.storage.home import Home

CA_FILE = "links-ca.pem"
"""Certificates of the home that are trusted besides those of the machine, for links alone."""
PARCEL_SUFFIX = ".parcel.json"
MOST_ROUNDS = 50
SECONDS = 30.0
"""How long one answer may take."""
FILE_SECONDS, FEW_SECONDS = 20.0, 4.0
"""How long files hold up the other links of a turn, and how long one parcel with files may take."""
Carry = Callable[[bytes], bytes]
"""Hands a parcel to the other side and returns its answer; raises ``StoreUnavailableError``."""


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

    def add(self, taken: TakenParcel, refused: tuple[str, ...]) -> "ExchangeResult":
        """Return the sum with one more round."""
        own = tuple(one.rule for one in taken.refusals)
        return ExchangeResult(
            self.sent + taken.settled,
            self.received + taken.new,
            (*self.refusals, *refused, *own),
            taken.is_stopped,
        )


def exchange_all(exchange: LinkExchange, link: Link, carry: Carry) -> ExchangeResult:
    """Exchange parcels until nothing waits on either side, and the journal's head once a day.

    Files go on for ``FILE_SECONDS``, in parcels as large as the line carries in a few seconds, and
    then with the next turn: what waits in envelopes leaves with each of these parcels. Raises
    ``StoreUnavailableError`` where the other side does not answer, and what
    :meth:`LinkExchange.take_parcel` raises for its answer.
    """
    exchange.send_head(link.name)
    result = ExchangeResult()
    receipts: tuple[LinkReceipt, ...] = ()
    echo: ReceiptedMark | None = None
    files = _FileRoom(time.monotonic() + FILE_SECONDS)
    for _ in range(MOST_ROUNDS):
        follow_records(exchange, link.name)
        known = (*exchange.repeat_receipt(link, echo), *receipts)
        parcel = files.fill(exchange, link, exchange.make_parcel(link))
        parcel = replace(parcel, receipts=known, echo=echo)
        begun = time.monotonic()
        answer = carry(parcel.seal(exchange.keys))
        answered = read_parcel(answer).parcel
        refused = tuple(one.rule for one in answered.refusals)
        taken = exchange.take_parcel(answer, name=link.name)
        result, receipts = result.add(taken, refused), taken.receipts
        is_answered = parcel.echo == answered.receipted or not _is_behind(parcel, answered)
        echo = answered.receipted
        is_done = not taken.settled and not taken.receipts and not taken.followed and is_answered
        has_files = files.note(answered, taken, seconds=time.monotonic() - begun)
        if (is_done and not has_files) or taken.is_stopped or refused or taken.refusals:
            break
    return result


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


def open_carrier(home: Home, link: Link) -> Carry:
    """Return what carries parcels to the other side's service by HTTPS.

    Raises ``ConflictError`` where the agreement names no address of it.
    """
    import httpx2

    if link.them.url is None:
        why = "the agreement names no address of the other side: use files"
        raise ConflictError("link", link.agreement.name, why)
    address = f"{link.them.url}/v1/links/{link.name}/parcels"
    context = ssl.create_default_context()
    if (home.root / CA_FILE).is_file():
        context.load_verify_locations(home.root / CA_FILE)

    def carry(parcel: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        try:
            with (
                httpx2.Client(verify=context, trust_env=False, timeout=SECONDS) as client,
                client.stream("POST", address, content=parcel, headers=headers) as answer,
            ):
                if answer.status_code != 200:
                    raise StoreUnavailableError(f"the other side answered {answer.status_code}")
                return b"".join(_within(answer.iter_raw()))
        except httpx2.HTTPError as error:
            why = f"the other side does not answer ({type(error).__name__})"
            raise StoreUnavailableError(why) from None

    return carry


def _within(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield an answer's parts; raises ``StoreUnavailableError`` for too many bytes or seconds."""
    size, until = 0, time.monotonic() + 2 * SECONDS
    for part in parts:
        size += len(part)
        if size > MAX_BYTES or time.monotonic() > until:
            raise StoreUnavailableError("the other side's answer is too long or too slow")
        yield part


def export_parcel(exchange: LinkExchange, link: Link, folder: Path) -> Path:
    """Write what waits for the other side into a folder, and what it is a witness of.

    Raises ``InputError`` where the folder cannot be written.
    """
    import json

    from engine.audit.witness import WITNESS_FILE, list_witnessed

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

    A parcel that is refused stops none of the others. Raises ``InputError`` without a folder.
    """
    if not folder.is_dir():
        raise InputError(folder.name, "no such folder")
    found = []
    for path in sorted(folder.glob(f"*{PARCEL_SUFFIX}")):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_BYTES:
            found.append((0, path.name, b""))
            continue
        raw = path.read_bytes()
        try:
            parcel = read_parcel(raw).parcel
        except RiskError:
            found.append((0, path.name, raw))
            continue
        if parcel.sender != exchange.fingerprint:
            found.append((parcel.at, path.name, raw))
    return [_import(exchange, name, raw) for _, name, raw in sorted(found)]


def _import(exchange: LinkExchange, name: str, raw: bytes) -> ImportedParcel:
    try:
        taken = exchange.take_parcel(raw)
        parcel = read_parcel(raw).parcel
        if isinstance(exchange.files, FileLine) and not parcel.parts:
            exchange.files.note_wanted(taken.link, parcel.wanted)
        return ImportedParcel(name, taken)
    except RiskError as error:
        return ImportedParcel(name, None, str(error))
