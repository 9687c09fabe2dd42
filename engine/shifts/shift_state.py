"""Seed and table of percentiles in force at a post, the same for every process.

A shift opens with the first arrival that falls into it: a seed is made, kept secret in a table of
its own, and its commitment is journalled. If two processes open the same shift, one record wins and
both draw from its seed. Twelve hours after a shift's end, when its acts have to be filed, the seed
is revealed by ``shift_closed``, so that anybody can compute its draws again. For each shift and
model the table of percentiles is journalled too: decisions name its record.

The secret seed is stored and the commitment is recorded, so a stored seed is used, and revealed,
only if it is the one committed to. The journal alone says which shifts and tables there are.

A post that may be cut off uses a hash chain of seeds that is committed to ahead. The journal, and
the centre of a node, hold the last value of a chain before any shift draws from it. The seed of
each shift is the next preimage: hashed as often as its place says, it gives the value that was
committed to. No choice is left when a shift opens, and draws of a shift that was cut off are
verified by a commitment that the centre held before it. The root of a chain is made from a secret
file of the home and a number in the record.

No seed is taken twice. The place of the last used seed is marked next to the home's keys, in no
backup of the store: a restored store knows fewer shifts than were drawn, and would draw the next
one from a seed that was used, and perhaps revealed, before. The marks are not restored with it, so
they differ; then, or if a link says that the disk was restored, another chain begins.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from engine.criteria.policy import PolicyHistory, read_policy
from engine.domain.network import Network, ShiftPeriod
from engine.domain.time_units import HOUR, RECENT_WINDOW, micros, rfc3339
from engine.errors import StoreUnavailableError
from engine.journal.areas import list_rules
from engine.journal.entries import Draft, Entry, ProjectionInput
from engine.journal.journal import JOURNAL, Journal
from engine.journal.kinds import (
    PERCENTILES,
    SEEDS_COMMITTED,
    SHIFT_CLOSED,
    SHIFT_OPENED,
    PercentilesBody,
    SeedPlaceBody,
    SeedsCommittedBody,
    ShiftClosedBody,
    ShiftOpenedBody,
)
from engine.journal.power_records import PowerRecord, find_last_sequence, read_record, read_records
from engine.ports import Scorer
from engine.queue.queue import recent_chances
from engine.selection import SEED_BYTES, RiskTables, commitment
from engine.storage.database import METADATA, Int64, Store, declare_columns, record_table

MARKS_FOLDER = "seeds"
"""Within the folder of keys."""


@dataclass(frozen=True, slots=True)
class SeedMark:
    """The place of the seed that a shift of a post took last."""

    shift: str
    sequence: int
    index: int

    @classmethod
    def of(cls, shift: str, place: SeedPlaceBody) -> "SeedMark":
        """Return the mark of a shift that takes a place."""
        return cls(shift, place["sequence"], place["index"])

    def is_of(self, place: SeedPlaceBody) -> bool:
        """Tell whether this is a place in a chain."""
        return (self.sequence, self.index) == (place["sequence"], place["index"])


@dataclass(frozen=True, slots=True)
class SeedMarks:
    """Marks as files of a folder, one for each post, each replaced as a whole."""

    folder: Path

    def read(self, post: str) -> SeedMark | None:
        """Return the mark of a post; None where there is none that can be read."""
        try:
            found = json.loads(self._path(post).read_bytes())
            return SeedMark(str(found["shift"]), int(found["sequence"]), int(found["index"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, post: str, mark: SeedMark) -> bool:
        """Put the mark of a post onto the disk; False where it cannot be written."""
        path = self._path(post)
        draft = path.with_name(f"{path.name}.{token_hex(4)}")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(draft, flags, 0o600), "w", encoding="utf-8") as file:
                json.dump(
                    {"shift": mark.shift, "sequence": mark.sequence, "index": mark.index}, file
                )
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            with suppress(OSError):
                draft.unlink()
            return False
        return True

    def _path(self, post: str) -> Path:
        # A post's code may hold any printable character.
        return self.folder / sha256(post.encode()).hexdigest()[:32]


CHAIN_LENGTH = 1_000
"""Shifts of one chain: more than a year of a post."""
CHAIN_RENEWED = 60
"""Shifts before its end at which the next chain is committed to: a month of them."""


def earlier_seed(seed: bytes, steps: int = 1) -> bytes:
    """Return the value that lies so many places before a seed in its chain."""
    for _ in range(steps):
        seed = hashlib.sha256(b"darvoza seed chain 1" + seed).digest()
    return seed


def is_of_chain(seed: bytes, place: SeedPlaceBody, committed: SeedsCommittedBody) -> bool:
    """Tell whether a seed is that of its place in a chain."""
    is_within = 1 <= place["index"] <= committed["length"]
    return is_within and earlier_seed(seed, place["index"]).hex() == committed["anchor"]


@dataclass(frozen=True, slots=True)
class _Chain:
    sequence: int
    root: bytes
    length: int


def _place(chain: _Chain, index: int) -> SeedPlaceBody:
    return {"sequence": chain.sequence, "index": index}


@dataclass(frozen=True, slots=True)
class SeedChains:
    """Chooses seeds from chains, and commits to the chains."""

    store: Store
    submit: Callable[[Draft], "Future[Entry]"]
    key: bytes
    """Secret of the home that roots are made from."""
    marks: SeedMarks
    length: int = CHAIN_LENGTH

    def choose_seed(
        self, post: str, last: SeedPlaceBody | None, *, shift: str
    ) -> tuple[bytes, SeedPlaceBody]:
        """Return the seed of a post's next shift, and its place in its chain.

        ``last`` is the place of the shift before, as the store has it. A store or disk that was
        restored, and a lost key, begin another chain: places that were taken may be taken again
        otherwise. Waits for the journal's writer.
        """
        chain = following = None
        index = 1
        if last is not None:
            with self.store.read() as connection:
                chain = self._read(connection, last["sequence"])
                following = self._read(connection, last.get("next"))
            index = last["index"] + 1
        if chain is None or index > chain.length:
            chain, following, index = following, None, 1
        if chain is None or not self._take(post, shift, _place(chain, index), last=last):
            chain, following, index = self._commit(post), None, 1
            self.marks.write(post, SeedMark.of(shift, _place(chain, index)))
        if following is None and index > chain.length - CHAIN_RENEWED:
            following = self._commit(post)
        place = _place(chain, index)
        if following is not None:
            place["next"] = following.sequence
        return earlier_seed(chain.root, chain.length - index), place

    def _take(
        self, post: str, shift: str, place: SeedPlaceBody, *, last: SeedPlaceBody | None
    ) -> bool:
        """Mark a place as taken; False where it may have been before, or cannot be marked.

        The mark is that of the last shift that the store has, or of this shift: another process
        was first, or one was killed before its record.
        """
        mark, taken = self.marks.read(post), SeedMark.of(shift, place)
        is_known = last is None or mark == taken or (mark is not None and mark.is_of(last))
        return is_known and self.marks.write(post, taken)

    def _read(self, connection: Connection, sequence: int | None) -> _Chain | None:
        """Return a chain that this home can go on with."""
        record = None if sequence is None else read_record(connection, sequence)
        if record is None or record.body is None or record.kind != SEEDS_COMMITTED:
            return None
        doubts = [kind for kind, rule in list_rules().items() if rule.is_of_restored_disk]
        doubted = max((find_last_sequence(connection, kind) or 0 for kind in doubts), default=0)
        body = record.body
        chain = _Chain(record.seq, self._make_root(bytes.fromhex(body["nonce"])), body["length"])
        is_ours = earlier_seed(chain.root, chain.length).hex() == body["anchor"]
        return chain if is_ours and doubted < record.seq else None

    def _commit(self, post: str) -> _Chain:
        nonce = secrets.token_bytes(32)
        root = self._make_root(nonce)
        anchor = earlier_seed(root, self.length).hex()
        body: SeedsCommittedBody = {
            "post": post,
            "nonce": nonce.hex(),
            "anchor": anchor,
            "length": self.length,
        }
        made = self.submit(SEEDS_COMMITTED.draft(post, body, post=post)).result()
        return _Chain(made.seq, root, self.length)

    def _make_root(self, nonce: bytes) -> bytes:
        return hmac.digest(self.key, b"darvoza seed chain root 1" + nonce, "sha256")


MOST_KNOWN = 2_000
"""Shifts and models that are remembered; more than one batch can need."""
GRACE = 12 * HOUR
"""How long after a shift's end its acts may still be filed."""

SHIFTS = Table(
    "shifts",
    METADATA,
    Column("shift_id", String, primary_key=True),
    *declare_columns(String, "post"),
    *declare_columns(Int64, "closes_at"),
    *declare_columns(LargeBinary, "seed"),
    *declare_columns(Int64, "opened_seq"),
    Column("closed_seq", Int64),
    Index("shifts_post_ix", "post", "closes_at"),
)
TABLES = record_table(
    "percentile_tables",
    *declare_columns(String, "shift_id", "model_version"),
    UniqueConstraint("shift_id", "model_version"),
)


@dataclass(frozen=True, slots=True)
class ShiftSeed(ProjectionInput):
    """The secret that a shift's record commits to."""

    seed: bytes


@dataclass(frozen=True, slots=True)
class ShiftState:
    """What holds at a post for the length of a shift, under one model."""

    shift: ShiftPeriod
    seed: bytes
    table_sequence: int | None
    """The journal's record of the tables; None without a model."""
    tables: RiskTables


class ShiftNeed(NamedTuple):
    """What a decision has to know: the shift of a post at an instant, under one model."""

    post: str
    at: int
    """UTC microseconds."""
    scorer: Scorer | None


_Key = tuple[str, int, str | None]
"""(post, opening of the shift, version of the model)."""


class Shifts:
    """Opens shifts, and remembers what holds in them."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        submit: Callable[[Draft], "Future[Entry]"],
        network: Network,
        *,
        refused: Callable[[], None] = lambda: None,
        chains: SeedChains | None = None,
        is_ahead: Callable[[Connection, str], bool] = lambda _connection, _post: False,
    ) -> None:
        """``refused`` is told of a stored seed that is not the one committed to.

        ``is_ahead`` tells whether the seeds of a post are committed to ahead, from ``chains``.
        """
        self._chains = chains
        self._is_ahead = is_ahead
        self._refused = refused
        self._store = store
        self._journal = journal
        self._submit = submit
        self._network = network
        with store.read() as snapshot:
            self._policy = read_policy(snapshot)
        self._known: dict[_Key, ShiftState] = {}
        self._periods: dict[str, ShiftPeriod] = {}
        self._seeds: dict[str, bytes] = {}
        """Seeds that were checked, of shifts that are not closed yet."""

    def follow_policy(self, snapshot: Connection) -> PolicyHistory:
        """Return the policy of a snapshot, by whose hours shifts open from now on."""
        found = read_policy(snapshot)
        if found is not self._policy:
            self._policy = found
            self._known.clear()
            self._periods.clear()
        return found

    def find_state(self, need: ShiftNeed) -> ShiftState | None:
        """Return what holds at a post; None where :meth:`open_shift` was not called for it yet."""
        return self._known.get(self._key(need))

    def open_shift(self, need: ShiftNeed) -> ShiftState:
        """Return what holds at a post; opens the shift and makes its table where it is first.

        Waits for the journal's writer: no snapshot may be held meanwhile.
        """
        shift, scorer = self._period(need), need.scorer
        seed = self._seed(shift) or self._make_seed(shift)
        number, tables = None, RiskTables()
        if scorer is not None:
            number, tables = self._table(shift, scorer.version) or self._make_table(shift, scorer)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
            self._periods.clear()
        self._known[self._key(need)] = state = ShiftState(shift, seed, number, tables)
        return state

    def _key(self, need: ShiftNeed) -> _Key:
        version = None if need.scorer is None else need.scorer.version
        return need.post, self._period(need).opens_at, version

    def _period(self, need: ShiftNeed) -> ShiftPeriod:
        """Return the shift of a need; mostly the one that was asked for last at its post."""
        known = self._periods.get(need.post)
        if known is None or not known.opens_at <= need.at < known.closes_at:
            known = self._periods[need.post] = self._policy.plan_shifts(self._network).shift(
                need.post, need.at
            )
        return known

    def _seed(self, shift: ShiftPeriod) -> bytes | None:
        """Return the seed of a shift, None where no record opened it.

        Raises ``StoreUnavailableError`` where what is stored is not what was committed to: nothing
        is drawn from a seed that may have been chosen.
        """
        query = select(SHIFTS.c.seed).where(SHIFTS.c.shift_id == shift.shift_id)
        with self._store.read() as connection:
            opening = _read_opening(connection, shift.shift_id)
            seed = connection.scalar(query)
        if opening is None:
            return None
        if (found := self._checked(opening, seed)) is None:
            raise StoreUnavailableError("the seed of this shift is not the one committed to")
        return found

    def _checked(self, opening: PowerRecord, seed: bytes | None) -> bytes | None:
        """Return the seed that a record commits to: the stored one, or that of this process."""
        body = opening.body
        for tried in (seed, self._seeds.get(opening.subject)):
            if tried is not None and body is not None:
                head = bytes.fromhex(body["head_chain"])
                if commitment(bytes(tried), head) == body["commitment"]:
                    self._seeds[opening.subject] = bytes(tried)
                    return bytes(tried)
        self._refused()
        return None

    def _make_seed(self, shift: ShiftPeriod) -> bytes:
        self._close_old(shift)
        seed, place = self._choose_seed(shift)
        with self._store.read() as connection:
            head = self._journal.head(connection)
        body: ShiftOpenedBody = {
            "shift": shift.shift_id,
            "opens_at": rfc3339(shift.opens_at),
            "closes_at": rfc3339(shift.closes_at),
            "commitment": commitment(seed, head.chain),
            "head_sequence": head.seq,
            "head_chain": head.chain.hex(),
        }
        if place is not None:
            body["chain"] = place
        draft = SHIFT_OPENED.draft(shift.shift_id, body, post=shift.post, extra=ShiftSeed(seed))
        try:
            self._submit(draft).result()
        except IntegrityError:  # another process was first: draw from its seed
            first = self._seed(shift)
            if first is None:
                raise
            return first
        self._seeds[shift.shift_id] = seed
        return seed

    def _choose_seed(self, shift: ShiftPeriod) -> tuple[bytes, SeedPlaceBody | None]:
        """Return a seed, and its place where it is from a chain.

        A post that began with chains goes on with them.
        """
        if self._chains is None:
            return secrets.token_bytes(SEED_BYTES), None
        post = shift.post
        newest = select(SHIFTS.c.opened_seq).where(SHIFTS.c.post == post)
        with self._store.read() as connection:
            seq = connection.scalar(newest.order_by(SHIFTS.c.opened_seq.desc()).limit(1))
            record = None if seq is None else read_record(connection, seq)
            is_ahead = self._is_ahead(connection, post)
        last = None if record is None or record.body is None else record.body.get("chain")
        if last is None and not is_ahead:
            return secrets.token_bytes(SEED_BYTES), None
        return self._chains.choose_seed(post, last, shift=shift.shift_id)

    def _close_old(self, shift: ShiftPeriod) -> None:
        """Reveal the seeds of this post's shifts whose time for filing acts has passed."""
        query = select(SHIFTS.c.shift_id, SHIFTS.c.seed).where(
            SHIFTS.c.post == shift.post,
            SHIFTS.c.closed_seq.is_(None),
            SHIFTS.c.closes_at <= shift.opens_at - GRACE,
        )
        with self._store.read() as connection:
            rows = connection.execute(query).all()
            old = [(_read_opening(connection, shift_id), seed) for shift_id, seed in rows]
        for opening, stored in old:
            if opening is None or not _is_over(opening, shift.opens_at - GRACE):
                continue  # a row that no record backs, or whose end was moved: reveals nothing
            if (seed := self._checked(opening, stored)) is None:
                continue
            body: ShiftClosedBody = {"shift": opening.subject, "seed": seed.hex()}
            self._submit(SHIFT_CLOSED.draft(opening.subject, body, post=shift.post)).result()
            self._seeds.pop(opening.subject, None)

    def _table(self, shift: ShiftPeriod, version: str) -> tuple[int, RiskTables] | None:
        with self._store.read() as connection:
            records = read_records(connection, (PERCENTILES,), subject=shift.shift_id)
        for record in records:
            if record.body is not None and record.body["model_version"] == version:
                return record.seq, RiskTables.from_body(record.body)
        return None

    def _make_table(self, shift: ShiftPeriod, scorer: Scorer) -> tuple[int, RiskTables]:
        since = shift.opens_at - RECENT_WINDOW
        with self._store.read() as connection:
            recent = recent_chances(
                connection, shift.post, model_version=scorer.version, since=since
            )
        tables = scorer.tables(shift.post).outweigh(recent)
        body: PercentilesBody = {
            "shift": shift.shift_id,
            "model_version": scorer.version,
            "decisions": len(recent),
            "quantiles": list(tables.seizure),
            "discrepancy_quantiles": list(tables.discrepancy),
        }
        try:
            made = self._submit(PERCENTILES.draft(shift.shift_id, body, post=shift.post)).result()
        except IntegrityError:
            found = self._table(shift, scorer.version)
            if found is None:
                raise
            return found
        return made.seq, tables


def _read_opening(connection: Connection, shift_id: str) -> PowerRecord | None:
    """Return the record that opened a shift; the first, as no other was ever accepted."""
    found = read_records(connection, (SHIFT_OPENED,), subject=shift_id)
    return found[0] if found else None


def _is_over(opening: PowerRecord, by: int) -> bool:
    ends = None if opening.body is None else datetime.fromisoformat(opening.body["closes_at"])
    return ends is not None and micros(ends) <= by


def _drop_foreign(
    connection: Connection, table: Table, entry: Entry, *more: ColumnElement[bool]
) -> None:
    """Take out rows about a shift that no record before this one backs: they would block it."""
    record = JOURNAL.c
    backed = select(record.seq).where(
        record.seq == (table.c.opened_seq if table is SHIFTS else table.c.seq),
        record.seq < entry.seq,
        record.kind == entry.kind,
        record.subject == entry.subject,
    )
    is_about = table.c.shift_id == entry.subject
    connection.execute(delete(table).where(is_about, ~backed.exists(), *more))


def project_shifts(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep seeds and tables; the second record of a shift, or of its table, is refused."""
    for entry, draft in entries:
        if entry.kind == SHIFT_OPENED:
            _drop_foreign(connection, SHIFTS, entry)
            connection.execute(insert(SHIFTS), [_shift(entry, draft)])
        elif entry.kind == SHIFT_CLOSED:
            closed = update(SHIFTS).where(SHIFTS.c.shift_id == entry.subject)
            connection.execute(closed.values(closed_seq=entry.seq))
        elif entry.kind == PERCENTILES:
            same = TABLES.c.model_version == draft.body["model_version"]
            _drop_foreign(connection, TABLES, entry, same)
            row = {
                "seq": entry.seq,
                "shift_id": entry.subject,
                "model_version": draft.body["model_version"],
            }
            connection.execute(insert(TABLES), [row])


def _shift(entry: Entry, draft: Draft) -> dict[str, object]:
    secret = draft.extra
    closes_at = draft.body["closes_at"]
    return {
        "shift_id": entry.subject,
        "post": entry.post,
        "closes_at": micros(datetime.fromisoformat(closes_at)),
        "seed": secret.seed if isinstance(secret, ShiftSeed) else None,
        "opened_seq": entry.seq,
    }
