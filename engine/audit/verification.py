"""Verification of the journal: chain, bodies, erasures, random numbers and receipts.

Reads the journal in order, in one snapshot and bounded memory, recomputes every leaf and chain
value, draws every number again whose seed is revealed, and compares receipts with the records.
Without receipts it detects an edit that did not recompute the chain. A recomputed chain or a
removed end is detected only by receipts kept elsewhere, and only up to the last of them: later
records have to be trusted.

The shares of each decision are compared with the policy of its shift, so a service that took them
from elsewhere is found.

Once a shift's seed is revealed its numbers can be drawn again: the seed must be the one committed
to as the shift opened, the commitment must include the journal's head of that moment, and each
decision's numbers must be those of its movement. Shifts with a secret seed are skipped.
"""

import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice, starmap
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Row, column, select, table

from engine.audit.erasures import find_erasure_fault, find_mismatches, read_erasure
from engine.criteria.policy import PolicyHistory, read_policy
from engine.domain.network import ShiftPeriod, read_opening
from engine.domain.records import Crossing
from engine.domain.time_units import HOUR, micros
from engine.journal.entries import JournalFault
from engine.journal.hash_chain import GENESIS, SALT_BYTES, ChainedFields, chain_of, leaf_of
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import (
    COPIED,
    DECISION,
    ERASURE,
    SEEDS_COMMITTED,
    SHIFT_CLOSED,
    SHIFT_OPENED,
    DecisionBody,
)
from engine.journal.receipts import Receipt, is_signed, key_id_of
from engine.queue.queue import DECISIONS
from engine.selection import (
    RANDOM_SHARE,
    TEAM,
    TRIAL,
    assign_team,
    commitment,
    draw,
    draw_leader,
    movement_key,
)
from engine.shifts.shift_state import is_of_chain
from engine.storage.database import Store

DrawFault = tuple[int, str, str]
"""(seq, rule, message)."""
_J = JOURNAL.c


@dataclass(frozen=True, slots=True)
class RevealedShift:
    """A shift whose seed is known."""

    shift: ShiftPeriod
    seed: bytes


@dataclass(slots=True)
class DrawVerifier:
    """Draws every number again; ``checked`` counts the verified decisions."""

    checked: int = 0
    is_whole: bool = True
    """False for a journal of copies, in which envelopes are not: a head among them is unknown."""

    def faults(self, connection: Connection) -> Iterator[DrawFault]:
        """Yield the numbers that were not drawn as required, shifts first."""
        revealed: dict[str, RevealedShift] = {}
        yield from _verify_shifts(connection, revealed, is_whole=self.is_whole)
        yield from verify_chains(connection)
        policy = read_policy(connection)
        for seq, body in JournalReader(connection).bodies_of(DECISION):
            if self.is_whole:
                yield from _check_shares(policy, seq, body)
            known = revealed.get(body.get("inputs", {}).get("shift_id", ""))
            if known is not None:
                self.checked += 1
                yield from _check_draws(connection, seq, body, known)


_FIXED = (
    "random_share",
    "random_yellow_share",
    "random_blue_share",
    "blue_share",
    "blur",
    "lawful_factor",
    "lawful_floor",
)
"""Shares that no roster changes."""


def _check_shares(policy: PolicyHistory, seq: int, body: DecisionBody) -> Iterator[DrawFault]:
    """Yield the shares of a decision that are not the policy of its shift.

    After a long silence of the centre the random share is at its upper bound. A decision of a
    node's journal was made by the policy that had arrived there.
    """
    inputs = body.get("inputs", {})
    had, shift = inputs.get("policy"), inputs.get("shift_id", "")
    if had is None or COPIED in body:
        return
    fixed = policy.find_shares(shift.rpartition("@")[0], opens_at=read_opening(shift))
    for name in _FIXED:
        is_raised = name == "random_share" and inputs["silence_seconds"] > 0
        if had[name] != getattr(fixed, name) and not (is_raised and had[name] == RANDOM_SHARE[1]):
            yield seq, "policy", f"its {name} is not the policy of its shift"


def _verify_shifts(
    connection: Connection, revealed: dict[str, RevealedShift], *, is_whole: bool
) -> Iterator[DrawFault]:
    opened = {
        body["shift"]: (seq, body)
        for seq, body in JournalReader(connection).bodies_of(SHIFT_OPENED)
    }
    for seq, body in JournalReader(connection).bodies_of(SHIFT_CLOSED):
        if body["shift"] not in opened:
            yield seq, "shift", "a seed of a shift that was never opened"
            continue
        at, opening = opened[body["shift"]]
        seed, head = bytes.fromhex(body["seed"]), bytes.fromhex(opening["head_chain"])
        if commitment(seed, head) != opening["commitment"]:
            yield seq, "seed", "not the seed that was committed to as the shift opened"
        known = _chain(connection, opening["head_sequence"])
        is_other = known != head and (is_whole or known is not None)
        if is_other or opening["head_sequence"] >= at:
            yield at, "commitment", "does not stand on the journal's head of its time"
        post = body["shift"].partition("@")[0]
        times = (
            micros(datetime.fromisoformat(opening[name])) for name in ("opens_at", "closes_at")
        )
        revealed[body["shift"]] = RevealedShift(ShiftPeriod(post, *times), seed)


def verify_chains(connection: Connection) -> Iterator[DrawFault]:
    """Yield the shifts whose seed is not the next one of a chain that was committed to before.

    Once a post has a chain, every later shift of it draws from one; earlier ones have none.
    """
    reader = JournalReader(connection)
    chains = dict(reader.bodies_of(SEEDS_COMMITTED))
    seeds = {body["shift"]: body["seed"] for _, body in reader.bodies_of(SHIFT_CLOSED)}
    used: dict[int, int] = {}
    for seq, body in reader.bodies_of(SHIFT_OPENED):
        post, place = body["shift"].partition("@")[0], body.get("chain")
        if place is None:
            if any(at < seq and chain["post"] == post for at, chain in chains.items()):
                yield seq, "chain", "its seed is from no chain, and its post has one"
            continue
        chain = chains.get(place["sequence"])
        if chain is None or place["sequence"] > seq or chain["post"] != post:
            yield seq, "chain", "its seed's chain was not committed to before"
            continue
        if place["index"] != used.get(place["sequence"], 0) + 1:
            yield seq, "chain", "its seed is not the next one of its chain"
        used[place["sequence"]] = place["index"]
        seed = seeds.get(body["shift"])
        if seed is not None and not is_of_chain(bytes.fromhex(seed), place, chain):
            yield seq, "chain", "its seed is not from the chain that was committed to"


def _chain(connection: Connection, seq: int) -> bytes | None:
    if seq == 0:
        return GENESIS
    found = connection.scalar(select(_J.chain).where(_J.seq == seq))
    return None if found is None else bytes(found)


def _check_draws(
    connection: Connection, seq: int, body: DecisionBody, known: RevealedShift
) -> Iterator[DrawFault]:
    inputs = body["inputs"]
    first = _first_record(connection, body)
    if first is None:
        yield seq, "amends", "the decision it goes back to is gone"
        return
    again = _redraw(inputs["draws"], first, known)
    for purpose, number in inputs["draws"].items():
        if number != again[purpose]:
            yield seq, "draw", f"not the number that its movement draws for {purpose}"
    team = body["decision"]["team"]
    if team is not None and team != assign_team(inputs["teams"], inputs["draws"][TEAM]):
        yield seq, "team", "not the team that its number assigns"
    trial, number = inputs["trial"], inputs["draws"].get(TRIAL)
    if trial is not None and (
        number is None or draw_leader(trial["share"], number) != trial["leader"]
    ):
        yield seq, "leader", "not the model that its number lets lead"


def _redraw(purposes: Iterable[str], first: DecisionBody, known: RevealedShift) -> dict[str, float]:
    """Return the numbers that a decision's movement draws; ``first`` is its first record."""
    crossing = Crossing.model_validate(first["arrival"]["crossing"], strict=False)
    movement = movement_key(crossing, known.shift)
    return {purpose: draw(known.seed, purpose, movement=movement) for purpose in purposes}


@dataclass(frozen=True, slots=True)
class RedrawnNumbers:
    """One decision's numbers, as recorded and drawn again."""

    seq: int
    decision_id: str
    recorded: Mapping[str, float]
    """By purpose."""
    again: Mapping[str, float] | None
    """None where the decision it goes back to is gone."""


def redraw_numbers(
    connection: Connection, known: RevealedShift, *, most: int
) -> Iterator[RedrawnNumbers]:
    """Yield a shift's first decisions with their numbers drawn again from its revealed seed."""
    column, shift = DECISIONS.c, known.shift
    of_shift = [
        column.post == shift.post,
        column.known_at >= shift.opens_at,
        column.known_at < shift.closes_at + HOUR,
    ]
    reader = JournalReader(connection)
    for record in reader.records(DECISION, where=of_shift, join=DECISIONS, oldest=most):
        inputs = record.body["inputs"]
        if inputs["shift_id"] != shift.shift_id:
            continue  # decided just as the next one opened
        first = _first_record(connection, record.body)
        again = None if first is None else _redraw(inputs["draws"], first, known)
        yield RedrawnNumbers(record.seq, record.subject, inputs["draws"], again)


def _first_record(connection: Connection, body: DecisionBody) -> DecisionBody | None:
    """Return the record of the first decision of its movement, None where that is gone."""
    amends = body["inputs"]["amends"]
    if amends is None:
        return body
    of_it = [DECISIONS.c.decision_id == amends]
    found = JournalReader(connection).records(DECISION, where=of_it, join=DECISIONS, oldest=1)
    return next((record.body for record in found), None)


FAULTS_KEPT = 1000
"""Limit of the list of faults."""
_AT_ONCE = 1000

# Without types, because an attacker can have left any value: rows are as the driver reads them.
_JOURNAL = table(
    "journal",
    *map(column, ("seq", "known_at", "kind", "subject", "post")),
    *map(column, ("origin", "origin_seq", "leaf", "chain")),
)
_BODIES = table("journal_bodies", column("seq"), column("salt"), column("body"))
_IDENTITY = table("journal_identity", column("journal_id"))
_WITH_BODIES = _JOURNAL.outerjoin(_BODIES, _BODIES.c.seq == _JOURNAL.c.seq)
_RECORDS = (
    select(*_JOURNAL.c, _BODIES.c.salt, _BODIES.c.body)
    .select_from(_WITH_BODIES)
    .order_by(_JOURNAL.c.seq)
)
_ERASURES = (
    select(_JOURNAL.c.seq, _BODIES.c.body)
    .select_from(_WITH_BODIES)
    .where(_JOURNAL.c.kind == ERASURE)
    .order_by(_JOURNAL.c.seq)
)
_ORPHANS = (
    select(_BODIES.c.seq)
    .select_from(_BODIES.outerjoin(_JOURNAL, _BODIES.c.seq == _JOURNAL.c.seq))
    .where(_JOURNAL.c.seq.is_(None))
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of a verification."""

    checked: int
    """Records walked."""
    receipts: int
    """Receipts held against them."""
    found: int
    """Faults in all; ``faults`` holds the first ``FAULTS_KEPT``."""
    faults: tuple[JournalFault, ...]
    drawn: int = 0
    """Decisions whose numbers were drawn again: those of shifts whose seed is revealed."""
    erased: int = 0
    """Bodies that are gone because a signed erasure names them."""
    erasures: tuple[int, ...] = ()
    """The records that name them."""

    @property
    def ok(self) -> bool:
        """Tell whether no fault was found."""
        return self.found == 0


def verify(
    store: Store,
    receipts: Iterable[Receipt] = (),
    *,
    public_key: Ed25519PublicKey | None = None,
) -> Verdict:
    """Check the whole journal as it stands now, and receipts (of this key) against it.

    Raises ``StoreUnavailableError`` where the store cannot read a damaged record.
    """
    with store.read() as connection:
        return verify_snapshot(connection, receipts, public_key=public_key)


def verify_snapshot(
    connection: Connection,
    receipts: Iterable[Receipt] = (),
    *,
    public_key: Ed25519PublicKey | None = None,
    after: int = 0,
) -> Verdict:
    """Verify the journal in the snapshot of one connection.

    ``after`` is the sequence of a trusted record: only later records are verified, and draws are
    not, to verify the end of a long journal quickly.
    """
    names = connection.scalars(select(_IDENTITY.c.journal_id)).all()
    journal_id = names[0] if names else ""
    erasures = read_erasures(connection, journal_id, public_key)
    walk = _ChainWalk(journal_id, erasures.named)
    if after:
        walk.begin(connection, after)
    held = _ReceiptVerifier(connection, walk.journal_id, public_key)
    draws = DrawVerifier()
    found, faults = 0, []
    for fault in chain(
        _identity(names),
        (fault for fault in erasures.faults if fault.seq > after),
        walk.faults(connection),
        () if after else _orphans(connection),
        held.faults(receipts),
        () if after else starmap(JournalFault, draws.faults(connection)),
    ):
        found += 1
        if found <= FAULTS_KEPT:
            faults.append(fault)
    return Verdict(
        walk.checked,
        held.checked,
        found,
        tuple(faults),
        draws.checked,
        walk.erased,
        tuple(sorted(set(erasures.by.values()))),
    )


def _identity(names: Sequence[object]) -> Iterator[JournalFault]:
    if len(names) != 1:
        yield JournalFault(0, "identity", f"the store names {len(names)} journals, not one")


def _orphans(connection: Connection) -> Iterator[JournalFault]:
    for seq in _stream_rows(connection, _ORPHANS):
        yield JournalFault(seq[0], "orphan", "a body without a record")


@dataclass(frozen=True, slots=True)
class Erasures:
    """The bodies that may be missing, and the erasures that do not count."""

    by: dict[int, int]
    """Sequence of each erased record, and the record that erased it."""
    faults: tuple[JournalFault, ...]

    @property
    def named(self) -> frozenset[int]:
        """The sequences whose bodies may be missing."""
        return frozenset(self.by)


def read_erasures(
    connection: Connection, journal_id: str, key: Ed25519PublicKey | None
) -> Erasures:
    """Check every erasure; one without a valid signature, or with other leaves, is a fault."""
    by: dict[int, int] = {}
    faults: list[JournalFault] = []
    for seq, body in connection.execute(_ERASURES):
        try:
            erasure = read_erasure(json.loads(body))
        except (TypeError, ValueError, RecursionError):
            faults.append(JournalFault(seq, "erasure", "it is not signed, so it erases nothing"))
            continue
        why = find_erasure_fault(erasure, seq, journal_id=journal_id, key=key)
        if why is None and find_mismatches(erasure, _leaves(connection, erasure.leaves)):
            why = "names a record that has another leaf, or that is an erasure itself"
        if why is not None:
            faults.append(JournalFault(seq, "erasure", f"it {why}, so it erases nothing"))
            continue
        by.update(dict.fromkeys(erasure.leaves, seq))
    return Erasures(by, tuple(faults))


def _leaves(connection: Connection, sequences: Iterable[int]) -> dict[int, bytes]:
    """Return the leaves of some records that may be erased: an erasure itself may not."""
    query = select(_JOURNAL.c.seq, _JOURNAL.c.leaf).where(_JOURNAL.c.kind != ERASURE)
    waiting, found = iter(sequences), dict[int, bytes]()
    while some := list(islice(waiting, _AT_ONCE)):
        rows = connection.execute(query.where(_JOURNAL.c.seq.in_(some)))
        found.update((seq, leaf) for seq, leaf in rows)
    return found


def _stream_rows(connection: Connection, query: Any) -> Iterator[Row[Any]]:
    return iter(connection.execute(query, execution_options={"yield_per": _AT_ONCE}))


@dataclass(slots=True)
class _ChainWalk:
    """State of the verification after the last record."""

    journal_id: str
    may_miss: frozenset[int]
    checked: int = 0
    erased: int = 0
    seq: int = 0
    known_at: int = -(1 << 63)
    chain: Any = GENESIS

    def begin(self, connection: Connection, after: int) -> None:
        """Begin after a trusted record; where it is missing, at the journal's start."""
        query = select(*(_JOURNAL.c[name] for name in ("seq", "known_at", "chain")))
        row = connection.execute(query.where(_JOURNAL.c.seq == after)).one_or_none()
        if row is not None and type(row.known_at) is int:
            self.seq, self.known_at, self.chain = row

    def faults(self, connection: Connection) -> Iterator[JournalFault]:
        records = _RECORDS.where(_JOURNAL.c.seq > self.seq) if self.seq else _RECORDS
        for row in _stream_rows(connection, records):
            yield from self._sequence(row)
            yield from self._known_at(row)
            yield from self._leaf(row)
            yield from self._chain(row)
            self.checked += 1

    def _sequence(self, row: Row[Any]) -> Iterator[JournalFault]:
        if row.seq != self.seq + 1:
            yield JournalFault(self.seq + 1, "sequence", f"the next record is {row.seq}")
        self.seq = row.seq

    def _known_at(self, row: Row[Any]) -> Iterator[JournalFault]:
        if type(row.known_at) is not int or row.known_at <= self.known_at:
            yield JournalFault(row.seq, "known_at", "not known after the record before it")
        else:
            self.known_at = row.known_at

    def _leaf(self, row: Row[Any]) -> Iterator[JournalFault]:
        if row.salt is None and row.body is None:
            if row.seq in self.may_miss:
                self.erased += 1
            else:
                yield JournalFault(
                    row.seq, "body_missing", "no body, and no signed erasure names it"
                )
        elif not _matches_leaf(row):
            yield JournalFault(row.seq, "leaf", "the body is not the recorded one")

    def _chain(self, row: Row[Any]) -> Iterator[JournalFault]:
        try:
            link = ChainedFields(*(getattr(row, name) for name in ChainedFields._fields))
            value = chain_of(self.chain, self.journal_id, link)
        except (TypeError, AttributeError, ValueError, struct.error):
            value = None
        if value is None or value != row.chain:
            yield JournalFault(
                row.seq, "chain", "what it says of itself, or the record before it, changed"
            )
        self.chain = row.chain  # as recorded: one edit is one fault, not one for every later record


def _matches_leaf(row: Row[Any]) -> bool:
    if not isinstance(row.salt, bytes) or not isinstance(row.body, bytes):
        return False
    return len(row.salt) == SALT_BYTES and leaf_of(row.salt, row.body) == row.leaf


@dataclass(slots=True)
class _ReceiptVerifier:
    """Receipts against the records that they name."""

    connection: Connection
    journal_id: str
    key: Ed25519PublicKey | None
    checked: int = 0
    key_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.key_id = "" if self.key is None else key_id_of(self.key)

    def faults(self, receipts: Iterable[Receipt]) -> Iterator[JournalFault]:
        waiting = iter(receipts)
        while some := list(islice(waiting, _AT_ONCE)):
            standing = self._standing([receipt.sequence for receipt in some])
            for receipt in some:
                self.checked += 1
                yield from self._check(receipt, standing)

    def _standing(self, sequences: Sequence[int]) -> dict[int, tuple[Any, Any]]:
        possible = [number for number in sequences if 0 < number < 1 << 63]
        columns = _JOURNAL.c
        query = select(columns.seq, columns.leaf, columns.chain).where(columns.seq.in_(possible))
        return {seq: (leaf, link) for seq, leaf, link in self.connection.execute(query)}

    def _check(
        self, receipt: Receipt, standing: dict[int, tuple[Any, Any]]
    ) -> Iterator[JournalFault]:
        seq = receipt.sequence
        if self.key is None or receipt.key_id != self.key_id:
            yield JournalFault(seq, "receipt_key", "signed with a key that is not this journal's")
        elif not is_signed(receipt, self.key):
            yield JournalFault(seq, "receipt_signature", "the signature does not fit the receipt")
        elif receipt.journal_id != self.journal_id:
            yield JournalFault(seq, "receipt_journal", "a receipt of another journal")
        elif seq not in standing:
            yield JournalFault(seq, "receipt_record", "the record it was given for is gone")
        elif standing[seq] != (bytes.fromhex(receipt.leaf), bytes.fromhex(receipt.chain)):
            yield JournalFault(
                seq, "receipt_chain", "history up to here is not the one acknowledged"
            )
