"""Whether the loaded history still is what the journal says was loaded.

A load lies in files beside the store, and its digest in the journal. Features, training and
backtests read the files: a label changed there would teach the next model. Assumes that the journal
itself was checked (:mod:`engine.verify`); a load that was ended half way was never anchored, and is
to be loaded again or removed.
"""

import json
from collections.abc import Iterator

from sqlalchemy import Connection, select

from engine.home import Home
from engine.journal import BODIES, JOURNAL
from engine.verify import Fault
from features.history import loads
from features.intake_store import is_intact
from features.loading import HISTORY

RULE = "history"


def anchored(connection: Connection) -> dict[str, int]:
    """Return the digest of each load in the journal, with the number of the record it first has."""
    query = (
        select(JOURNAL.c.seq, BODIES.c.body)
        .join(BODIES, BODIES.c.seq == JOURNAL.c.seq)
        .where(JOURNAL.c.kind == HISTORY)
        .order_by(JOURNAL.c.seq)
    )
    found: dict[str, int] = {}
    for seq, body in connection.execute(query):
        digest = json.loads(body).get("load")
        if digest is not None:
            found.setdefault(digest, seq)
    return found


def history_faults(home: Home, connection: Connection) -> Iterator[Fault]:
    """Yield each load that is gone or changed, and each that the journal does not know."""
    known = anchored(connection)
    for digest, seq in known.items():
        if not is_intact(home, digest):
            yield Fault(seq, RULE, f"load {digest} is not on the disk as it was recorded")
    for digest in loads(home):
        if digest not in known:
            yield Fault(0, RULE, f"load {digest} is on the disk and in no record: load it again")
