"""Vehicles that wait and are decided on again after a late record of the opposite post."""

import logging
from threading import Lock

from sqlalchemy import Connection

from engine.domain.records import Arrival
from engine.errors import RiskError
from engine.journal.idempotency import IdempotencyClaim, claim
from engine.journal.journal import Journal
from engine.journal.kinds import DECISION
from engine.queue.mirror_alerts import list_to_judge
from engine.queue.queue import QueuedDecision, read_decision
from engine.storage.database import Store
from engine.targeting.targeting import Targeting

_LOG = logging.getLogger("darvoza")


class LateRecords:
    """Finds late records that differ, and asks for a decision on each vehicle that still waits.

    A record is judged once in a process: where the new decision would be milder, the old one
    stands, and the alert next to it tells a supervisor.
    """

    def __init__(self, store: Store, journal: Journal, targeting: Targeting) -> None:
        self._store, self._journal, self._targeting = store, journal, targeting
        self._judged: set[tuple[int, str]] = set()
        self._lock = Lock()

    def judge(self) -> int:
        """Decide again where a late record came; return how many new decisions there are.

        What cannot be decided on now is logged and tried again by the next call.
        """
        with self._lock, self._store.read() as connection:
            found = [one for one in list_to_judge(connection) if one not in self._judged]
            asked = [(one, *self._read(connection, *one)) for one in found]
        made = 0
        for one, known, arrival, request in asked:
            try:
                answer = self._targeting.decide_told(known, arrival, request).result()
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
