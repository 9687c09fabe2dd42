"""Rosters, as people and machines put them."""

import secrets

from api.auth.callers import Caller
from engine.journal.batch_worker import StoredRecord
from engine.journal.idempotency import claim
from engine.journal.kinds import ROSTER
from engine.shifts.rosters import Roster
from engine.targeting.reports import Recording


def put_roster(
    recording: Recording, caller: Caller, post: str, roster: Roster, key: str | None
) -> StoredRecord:
    """Record the roster of a post; raises ``RecordError`` and ``ConflictError``."""
    name = f"{ROSTER}:{secrets.token_hex(12)}"
    asked = claim(ROSTER, roster, post=post, name=name, key=caller.own(key))
    return recording.roster(roster, asked)
