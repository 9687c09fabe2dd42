"""Seeds of shifts that are committed to ahead: hash chains, for posts that may be cut off.

The journal holds the last value of a chain before any shift draws from it, and so does the centre
of a node. The seed of each shift is the next preimage: hashed as often as its place says, it gives
the value that was committed to. Nothing is chosen as a shift opens, and draws of a shift that was
cut off are verified by a commitment that the centre held before it. The root of a chain is made
from a secret file of the home and a number that stands in the record.

No seed is taken twice: what was taken last is marked outside of the store, and where a store was
restored, or a link says so, another chain begins.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from sqlalchemy import Connection

from engine.journal.areas import list_rules
from engine.journal.entries import Draft, Entry
from engine.journal.kinds import SEEDS_COMMITTED
from engine.journal.payloads import SeedPlaceBody, SeedsCommittedBody
from engine.journal.power_records import find_last_sequence, read_record
from engine.shifts.seed_marks import SeedMark, SeedMarks
from engine.storage.database import Store

LENGTH = 1_000
"""Shifts of one chain: more than a year of a post."""
RENEWED = 60
"""Shifts before its end at which the next chain is committed to: a month of them."""


def step_back(seed: bytes, steps: int = 1) -> bytes:
    """Return the value that lies so many places before a seed in its chain."""
    for _ in range(steps):
        seed = hashlib.sha256(b"darvoza seed chain 1" + seed).digest()
    return seed


def is_of_chain(seed: bytes, place: SeedPlaceBody, committed: SeedsCommittedBody) -> bool:
    """Tell whether a seed is that of its place in a chain."""
    is_within = 1 <= place["index"] <= committed["length"]
    return is_within and step_back(seed, place["index"]).hex() == committed["anchor"]


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
    length: int = LENGTH

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
        if following is None and index > chain.length - RENEWED:
            following = self._commit(post)
        place = _place(chain, index)
        if following is not None:
            place["next"] = following.sequence
        return step_back(chain.root, chain.length - index), place

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
        is_ours = step_back(chain.root, chain.length).hex() == body["anchor"]
        return chain if is_ours and doubted < record.seq else None

    def _commit(self, post: str) -> _Chain:
        nonce = secrets.token_bytes(32)
        root = self._make_root(nonce)
        anchor = step_back(root, self.length).hex()
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
