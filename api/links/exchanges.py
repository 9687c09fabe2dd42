"""Parcels with the other side of a link: by a line, or as files of a folder or a stick.

Both carry the same bytes, and integrity rests on the signatures of the parcel and its envelopes.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from api.links.accounts import AccountIntake, AccountLine
from api.links.bundles import BundleLine
from api.links.case_files import FileLine, refuse_in_envelope
from api.links.https_line import Carry
from api.links.movements.context import MovementContext
from api.links.movements.manifests import take_manifest
from api.links.movements.outcomes import take_outcome
from api.links.post_records import follow_records, make_event
from engine.errors import EnvelopeRefusedError, InputError, OtherSideError, RiskError
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
        signed = read_parcel(answer)
        if signed.parcel.heard != parcel.at:
            raise OtherSideError("answer", "it answered another parcel than this one")
        return signed.parcel, exchange.take(signed, name=link.name)
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
        signed = read_parcel(path.read_bytes() if is_read else b"")
        parcel = signed.parcel
        if parcel.sender == exchange.fingerprint:
            return None
        taken = exchange.take(signed)
        if isinstance(exchange.files, FileLine) and not parcel.parts:
            exchange.files.note_wanted(taken.link, parcel.wanted)
        return ImportedParcel(path.name, taken)
    except RiskError as error:
        return ImportedParcel(path.name, None, str(error))
