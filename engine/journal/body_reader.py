"""Bodies of records as the store holds them, read as JSON.

What is read is not verified: records that grant power are read with
:mod:`engine.journal.power_records`, and :mod:`engine.audit.verification` verifies the chain. The
columns are read without types, because an edited store can have any value in them.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

from sqlalchemy import Connection, column, select, table

from engine.errors import NotFoundError
from engine.storage.database import split_in_slices

_JOURNAL = table("journal", column("seq"), column("kind"))
_BODIES = table("journal_bodies", column("seq"), column("body"))
_AT_ONCE = 500
"""Parameters of one statement."""
_FETCHED = 1_000
"""Rows that are fetched together."""


class JournalReader:
    """Reads bodies in the snapshot of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def body(self, seq: int) -> dict[str, Any]:
        """Return one body; raises ``NotFoundError``, also for an erased one."""
        found = self._connection.scalar(select(_BODIES.c.body).where(_BODIES.c.seq == seq))
        if found is None:
            raise NotFoundError("record", str(seq))
        return cast("dict[str, Any]", json.loads(found))

    def bodies(self, seqs: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Return bodies by sequence; erased ones are absent."""
        found: dict[int, dict[str, Any]] = {}
        for some in split_in_slices(seqs, _AT_ONCE):
            query = select(_BODIES.c.seq, _BODIES.c.body).where(_BODIES.c.seq.in_(some))
            found |= {seq: json.loads(body) for seq, body in self._connection.execute(query)}
        return found

    def bodies_of(self, *kinds: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield (seq, body) of some kinds in order, without unreadable bodies.

        An unreadable body is a fault of the chain, which the verification reports.
        """
        query = (
            select(_JOURNAL.c.seq, _BODIES.c.body)
            .join_from(_JOURNAL, _BODIES, _BODIES.c.seq == _JOURNAL.c.seq)
            .where(_JOURNAL.c.kind.in_(kinds))
            .order_by(_JOURNAL.c.seq)
        )
        rows = self._connection.execute(query, execution_options={"yield_per": _FETCHED})
        for seq, stored in rows:
            try:
                body = json.loads(stored)
            except (TypeError, ValueError, RecursionError):
                continue
            if isinstance(body, dict):
                yield seq, body
