"""Check of the end of a journal for a caller of the service: the work of a worker process.

A check walks tens of thousands of records, and replays them where that is the whole journal. On a
thread of the service it would hold up every decision meanwhile.
"""

import json
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from sqlalchemy import Connection

from api.audit.home_verification import ProjectionCheck, bound_faults
from api.service.assembly import open_network, projections
from engine.audit.store_comparison import find_type_faults
from engine.audit.verification import verify_snapshot
from engine.journal.areas import list_declared_tables
from engine.journal.journal import Journal
from engine.journal.payloads import JournalFindings
from engine.journal.receipts import public_key_of
from engine.storage.database import Store, read_any_text
from engine.storage.home import Home
from features.catalogue.plan import current_plan

MOST_FAULTS = 20
"""Faults that the record of a check lists; it counts all."""


def check(root: Path, given: bytes) -> bytes:
    """Return what a check of a home's last records finds, as JSON; their number is given."""
    home = Home(root)
    with Store(home.database_url) as store, store.read() as snapshot:
        head = Journal(store).head(snapshot).seq
        found = check_records(home, snapshot, head, most=int(given))
    return json.dumps(found).encode()


def check_records(home: Home, snapshot: Connection, head: int, *, most: int) -> JournalFindings:
    """Check the last records of a journal, and its tables where these are all."""
    after = max(head - most, 0)
    network = open_network(home)
    own = projections(current_plan(), network)
    projected = ProjectionCheck(snapshot, network, own)
    with read_any_text(snapshot):
        walked = verify_snapshot(snapshot, after=after, public_key=public_key_of(home))
        misfits = [] if after else list(find_type_faults(snapshot, list_declared_tables()))
        others = () if after or misfits else projected.faults()
        found, faults = bound_faults(chain(misfits, others))
    return {
        "after": after,
        "upto": head,
        "checked": walked.checked,
        "drawn": walked.drawn,
        "compared": sum(projected.tables.values()),
        "erased": walked.erased,
        "found": walked.found + found,
        "faults": [asdict(one) for one in (*walked.faults, *faults)[:MOST_FAULTS]],
    }
