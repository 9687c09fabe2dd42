"""The path of an arrival: from what a checkpoint sends to a decision that stands in the journal.

Arrivals that wait are decided together: one snapshot, one read of features, one call of the model,
one durable commit. They do not see each other, as records known at the same instant never do. An
answer is given only once its record is durable, so the order below is also the order of promises.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from threading import Lock

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from engine.decision.decision import Decision
from engine.decision.record_codec import encode_decision
from engine.domain.records import Arrival
from engine.errors import ConflictError, RiskError
from engine.journal.batch_worker import (
    BatchWorker,
    PendingRequest,
    StoredRecord,
    drop_answered,
    read_stored,
)
from engine.journal.entries import Draft
from engine.journal.idempotency import IdempotencyClaim, claim, refuse_taken_name
from engine.journal.journal import Journal
from engine.journal.kinds import DECISION
from engine.ports import Features, PostAuthority
from engine.queue.mirror_alerts import list_to_judge
from engine.queue.queue import QueuedDecision, ranks, read_decision
from engine.shifts.shift_state import ShiftNeed
from engine.shifts.workload import Tally
from engine.storage.database import Store
from engine.targeting.context import (
    AmendedDecision,
    DecisionContext,
    DecisionContextBuilder,
    DecisionRequest,
    attach_amendments,
    match_batch,
)

TRIES = 3
"""A decision that another process recorded first is looked up; it cannot be lost so often."""
RECENT_SECONDS = 0.5
"""While decisions were recorded so lately, the head needs no tick."""


class Targeting:
    """Decides on arrivals."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        *,
        features: Features,
        contexts: DecisionContextBuilder,
        posts: PostAuthority | None = None,
        batched: Callable[[int], None] = lambda size: None,
    ) -> None:
        """``batched`` is told how many arrivals are decided together."""
        self._posts = posts or PostAuthority()
        self._store = store
        self._journal = journal
        self._features = features
        self._contexts = contexts
        self._batched = batched
        self._clock = time.monotonic
        self._recorded = -RECENT_SECONDS
        self._tally = Tally()
        self._worker: BatchWorker[DecisionRequest] = BatchWorker(self._decide, name="targeting")
        self.close = self._worker.close

    def decide(
        self, arrival: Arrival, claim: IdempotencyClaim, *, amended: QueuedDecision | None = None
    ) -> "Future[StoredRecord]":
        """Return what will hold the recorded decision on an arrival, or the stored one.

        ``amended`` is the decision whose declaration was changed since.
        """
        return self._worker.ask(DecisionRequest(arrival, amended), claim)

    def decide_told(
        self, known: QueuedDecision, arrival: Arrival, claim: IdempotencyClaim, *, differs: bool
    ) -> "Future[StoredRecord]":
        """Decide again on a waiting vehicle of which a late record of the opposite post came.

        Returns what will hold the new decision, or the one that stands if a new one were milder or,
        where nothing but the time ``differs``, if no other hard fact sends the vehicle.
        """
        request = DecisionRequest(arrival, known, is_told=True, differs=differs)
        return self._worker.ask(request, claim)

    def _decide(self, asked: Sequence[PendingRequest[DecisionRequest]]) -> None:
        """Decide on a batch; shifts that it needs are opened before it, outside of any snapshot."""
        if self._clock() - self._recorded > RECENT_SECONDS:
            self._journal.ensure_recent()
        while unopened := self._decide_in_snapshot(asked):
            self._contexts.open_shifts(unopened)
            asked = [one for one in asked if not one.answer.done()]

    def _decide_in_snapshot(
        self, asked: Sequence[PendingRequest[DecisionRequest]]
    ) -> list[ShiftNeed]:
        """Decide and record; decides on nothing and returns the shifts that are not opened yet."""
        in_force = self._contexts.find_in_force()
        with self._store.read() as snapshot:
            head = self._journal.head(snapshot)
            as_of = head.as_of
            self._tally.catch_up(snapshot, head.seq)
            asked = drop_answered(snapshot, self._journal, asked)
            asked = self._drop_foreign_posts(
                snapshot, self._drop_loaded(snapshot, asked), as_of=as_of
            )
            asked, amended = attach_amendments(snapshot, self._journal, asked, as_of=as_of)
            arrivals = [one.what.arrival for one in asked]
            unopened = self._contexts.list_unopened(
                snapshot, arrivals, in_force, as_of=as_of, amended=amended
            )
            if unopened or not asked:
                return unopened
            batch = match_batch(snapshot, asked, amended, as_of=as_of)
            self._batched(len(batch.asked))
            cuts = [as_of if first is None else first.as_of for first in batch.amended]
            told = [
                cut if first is None or first.told_at is None else first.told_at
                for cut, first in zip(cuts, batch.amended, strict=True)
            ]
            rows = self._features.read(snapshot, batch.arrivals, as_of=cuts, opposite_as_of=told)
            decided = self._contexts.decide_batch(
                snapshot, batch, rows, in_force=in_force, as_of=as_of, tally=self._tally
            )
            kept = [
                (one, *made)
                for one, first, made in zip(batch.asked, batch.amended, decided, strict=True)
                if not self._stands(snapshot, one, first, *made)
            ]
            waiting = partial(self._tally.places, snapshot, as_of=as_of)
            places = ranks([decision for _, _, decision in kept], waiting)
        drafts = []
        for (one, read, decision), rank in zip(kept, places, strict=True):
            decision = self._contexts.explain(replace(decision, rank=rank), read)
            drafts.append(_draft(one, read, decision))
        self._record([one for one, _, _ in kept], drafts)
        for one in batch.deferred:
            self._worker.defer(one)
        return []

    def _stands(
        self,
        snapshot: Connection,
        one: PendingRequest[DecisionRequest],
        first: AmendedDecision | None,
        read: DecisionContext,
        decision: Decision,
    ) -> bool:
        """Tell whether a vehicle stays where it is after a late record, and answer so.

        A supervisor alone may send it somewhere milder.
        """
        known = one.what.amended
        if not one.what.is_told or known is None or first is None:
            return False
        before = {match.code for match in first.facts}
        is_caught = any(
            match.fact and match.code not in before and match.purpose in decision.selection.fired
            for match in read.inputs.matches
        )
        if decision.channel >= known.channel and (one.what.differs or is_caught):
            return False
        one.answer.set_result(read_stored(snapshot, self._journal, known.seq))
        return True

    def _drop_loaded(
        self, snapshot: Connection, asked: Sequence[PendingRequest[DecisionRequest]]
    ) -> list[PendingRequest[DecisionRequest]]:
        """Refuse what would decide again on a crossing of the loaded history; return the rest."""
        new = [one.what.arrival.crossing.crossing_id for one in asked if not one.what.amended]
        known = self._features.known(snapshot, new)
        rest = []
        for one in asked:
            if one.what.amended is None and one.what.arrival.crossing.crossing_id in known:
                one.answer.set_exception(refuse_taken_name(one.claim.kind, one.claim.names[-1]))
            else:
                rest.append(one)
        return rest

    def _drop_foreign_posts(
        self,
        snapshot: Connection,
        asked: Sequence[PendingRequest[DecisionRequest]],
        *,
        as_of: int,
    ) -> list[PendingRequest[DecisionRequest]]:
        """Refuse what the node of a post decides; return the rest."""
        rest = []
        own: set[str] = set()  # asked once for all arrivals of a post
        for one in asked:
            post = one.what.arrival.crossing.post
            try:
                if post not in own:
                    self._posts.check_post(snapshot, post, now=as_of)
            except ConflictError as error:
                one.answer.set_exception(error)
            else:
                own.add(post)
                rest.append(one)
        return rest

    def _record(
        self, asked: Sequence[PendingRequest[DecisionRequest]], drafts: Sequence[Draft]
    ) -> None:
        """Append the batch, then answer. What breaks it is found by the desk, by halves."""
        if not drafts:
            return
        try:
            entries = self._journal.append(drafts)
        except IntegrityError:
            if len(asked) > 1 or asked[0].tries == TRIES:
                raise
            self._worker.retry(asked[0])  # another process decided it first: answer with its record
            return
        self._recorded = self._clock()
        for one, entry, draft in zip(asked, entries, drafts, strict=True):
            one.answer.set_result(StoredRecord(entry, draft.body))


def _draft(
    asked: PendingRequest[DecisionRequest], read: DecisionContext, decision: Decision
) -> Draft:
    arrival = read.seen.arrival
    body = encode_decision(decision, read.inputs, arrival=arrival, row=read.row, claim=asked.claim)
    return DECISION.draft(decision.decision_id, body, post=decision.post, extra=read.event)


_LOG = logging.getLogger("darvoza")


class LateRecords:
    """Finds late records, and asks for a decision on each vehicle that still waits.

    A record is judged once in a process: where the new decision would be milder, the old one
    stands, and the alert next to it tells a supervisor. After a record that agrees, the old one
    stands too, unless a hard fact of the new one sends the vehicle: a cut that has moved since is
    no reason to draw again.
    """

    def __init__(self, store: Store, journal: Journal, targeting: Targeting) -> None:
        self._store, self._journal, self._targeting = store, journal, targeting
        self._judged: set[tuple[int, str, bool]] = set()
        self._lock = Lock()

    def judge(self) -> int:
        """Decide again where a late record came; return how many new decisions there are.

        What cannot be decided on now is logged and tried again by the next call.
        """
        with self._lock, self._store.read() as connection:
            found = [one for one in list_to_judge(connection) if one not in self._judged]
            asked = [(one, *self._read(connection, *one[:2])) for one in found]
        made = 0
        for one, known, arrival, request in asked:
            try:
                answer = self._targeting.decide_told(
                    known, arrival, request, differs=one[2]
                ).result()
            except RiskError as error:
                _LOG.warning("late_record_not_judged", exc_info=error)
                continue
            self._judged.add(one)
            made += answer.entry.seq != known.seq
        return made

    def _read(
        self, connection: Connection, seq: int, decision_id: str
    ) -> tuple[QueuedDecision, Arrival, IdempotencyClaim]:
        """Return the decision, its arrival as it was decided on, and the claim of the new one."""
        known = read_decision(connection, decision_id)
        body = self._journal.body(connection, known.seq, of=DECISION)
        arrival = Arrival.model_validate(body["arrival"], strict=False)
        name = f"told:{seq}:{decision_id}"
        return known, arrival, claim(DECISION, arrival, post=known.post, name=name)
