"""A journal verified against the heads that the other side of a link holds of it.

The best witness against the owner of a machine is an installation that does not trust it. What it
holds is one JSON object a line: a receipt that this journal's installation signed, or the head that
it stated. A signed one cannot be invented by the witness; a stated one is the witness's word.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, func, select

from engine.domain.time_units import micros, rfc3339
from engine.domain.validation import list_faults
from engine.errors import EnvelopeRefusedError, InputError, NotFoundError
from engine.journal.areas import Findings, HomeCheck
from engine.journal.entries import JournalFault
from engine.journal.journal import IDENTITY, JOURNAL, Journal, JournalReader
from engine.links.envelope import LinkReceipt, read_form
from engine.links.identity import LinkIdentity
from engine.links.ledger import list_envelopes
from engine.links.messages import HEAD, HeadStatement
from engine.storage.database import Store

RULE = "witness"
WITNESS_FILE = "witness.jsonl"


@dataclass(frozen=True, slots=True)
class WitnessedHead:
    """A record of a journal, as another installation holds it."""

    journal_id: str
    sequence: int
    known_at: int
    """UTC microseconds."""
    chain: str
    """In hex."""
    receipt: LinkReceipt | None = None
    """None where it is the witness's word alone."""


def list_witnessed(connection: Connection, link: str) -> Iterator[dict[str, Any]]:
    """Yield what this installation holds of the other side's journal, as lines of a file."""
    reader = JournalReader(connection)
    sent = [row.receipt_seq for row in list_envelopes(connection, link, "sent") if row.receipt_seq]
    for _, body in sorted(reader.bodies(sent).items()):
        yield {"receipt": body["receipt"]}
    received = list_envelopes(connection, link, "received")
    heads = [row.seq for row in received if row.kind == HEAD and row.status == "taken"]
    for _, body in sorted(reader.bodies(heads).items()):
        yield {"head": body["body"]}


def read_witness(path: Path) -> list[WitnessedHead]:
    """Read the file of a witness, or the one in its folder; raises ``InputError``."""
    file = path / WITNESS_FILE if path.is_dir() else path
    found = []
    try:
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            found.append(_parse_line(line, file.name, number))
    except (OSError, UnicodeDecodeError):
        raise InputError(file.name, "cannot be read") from None
    return found


def _parse_line(line: str, name: str, number: int) -> WitnessedHead:
    where = f"{name}, line {number}"
    try:
        match json.loads(line):
            case {"receipt": receipt}:
                held = read_form(LinkReceipt, receipt)
                place = held.journal_id, held.sequence, held.known_at, held.chain
                return WitnessedHead(*place, held)
            case {"head": head}:
                stated = HeadStatement.model_validate(head)
                at = micros(stated.known_at)
                return WitnessedHead(stated.journal_id, stated.sequence, at, stated.chain)
            case _:
                raise InputError(where, "neither a receipt nor a head")
    except EnvelopeRefusedError as error:
        raise InputError(where, f"{error.field}: {error.why} ({error.rule})") from None
    except ValidationError as error:
        field, rule, why = list_faults(error)[0]
        raise InputError(where, f"{'.'.join(map(str, field))}: {why} ({rule})") from None
    except (ValueError, RecursionError):
        raise InputError(where, "is not JSON") from None


def find_witness_faults(
    store: Store, connection: Connection, heads: Sequence[WitnessedHead], identity: LinkIdentity
) -> Iterator[JournalFault]:
    """Yield each head that is not the one of the journal: it was rewritten, or cut off.

    A receipt that ``identity`` did not sign is a fault of the witness, and named as one.
    """
    journal = Journal(store)
    own = connection.scalars(select(IDENTITY.c.journal_id)).one()
    for head in heads:
        if head.receipt is not None and not head.receipt.is_signed_by(identity):
            why = "the receipt was not signed with this installation's link key"
            yield JournalFault(head.sequence, RULE, why)
        elif found := _find_difference(journal, connection, head, own):
            held = "signed here" if head.receipt is not None else "stated here, as the witness says"
            yield JournalFault(head.sequence, RULE, f"{found}; it was {held}")


def note_unwitnessed(connection: Connection, heads: Sequence[WitnessedHead]) -> Iterator[str]:
    """Say up to which record a witness speaks: what came later it cannot have seen."""
    own = connection.scalars(select(IDENTITY.c.journal_id)).one()
    seen = [(head.sequence, head.known_at) for head in heads if head.journal_id == own]
    last = connection.scalar(select(func.max(JOURNAL.c.seq))) or 0
    until, known_at = max(seen, default=(0, 0))
    if until < last:
        at = f" ({rfc3339(known_at)})" if seen else ""
        later = f"not the {last - until:,} that came later"
        yield f"the witness has seen records up to {until:,}{at} and {later}"


def _find_difference(
    journal: Journal, connection: Connection, head: WitnessedHead, own: str
) -> str:
    """Return how a record differs from what the witness holds, empty where it does not."""
    if head.journal_id != own:
        return "it is of another journal"
    try:
        entry = journal.entry(connection, head.sequence)
    except NotFoundError:
        return "the journal has no such record"
    same: Mapping[str, bool] = {
        "time": entry.known_at == head.known_at,
        "chain value": entry.chain.hex() == head.chain,
    }
    differs = [name for name, is_same in same.items() if not is_same]
    return f"the record has another {' and '.join(differs)}" if differs else ""


def check_links(check: HomeCheck) -> Findings:
    """Return what a witness and the records of other installations show of a home."""
    from engine.links.identity import find_link_keys, read_fingerprint
    from engine.links.posts.record_intake import find_foreign_copies, note_foreign_copies

    connection, notes = check.connection, [*note_foreign_copies(check.connection)]
    heads = [] if check.witness is None else read_witness(check.witness)
    if check.witness is not None:
        notes += note_unwitnessed(connection, heads)
    identity = find_link_keys(check.home).identity if heads else None
    seen = find_witness_faults(check.store, connection, heads, identity) if identity else ()
    foreign = find_foreign_copies(connection, read_fingerprint(check.home))
    return Findings(chain(seen, foreign), notes, {"witnessed": len(heads)})
