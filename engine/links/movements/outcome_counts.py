"""Counts of what both sides told each other of movements and requests."""

from collections import Counter

from sqlalchemy import Connection

from engine.journal.journal import JournalReader
from engine.links.area import LINK_RECEIVED, LINK_SENT
from engine.links.ledger import ENVELOPES

_E = ENVELOPES.c
NOT_SEARCHED = "not_searched"


def count_outcomes(connection: Connection, link: str) -> Counter[tuple[str, str]]:
    """Return the outcomes of a link by direction and outcome, without those that were refused.

    A vehicle without a search counts as ``not_searched``; a find without an act as ``seizure``. One
    movement can have several: each act and each find is an outcome.
    """
    found: Counter[tuple[str, str]] = Counter()
    where = [_E.link == link, _E.kind == "outcome", _E.status.in_(("waiting", "taken"))]
    records = JournalReader(connection).records(
        LINK_SENT, LINK_RECEIVED, join=ENVELOPES, where=where
    )
    for record in records:
        body = record.body["body"]
        has_find = body.get("substance_class") is not None
        outcome = body.get("outcome") or ("seizure" if has_find else NOT_SEARCHED)
        found["sent" if record.kind == LINK_SENT else "received", outcome] += 1
    return found
