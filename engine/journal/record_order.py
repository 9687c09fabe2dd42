"""Records that are appended together, in parts that projections apply one after another.

Within a part decisions join the queue before anything else happens to them. Own records are never
appended in another order; copies of another journal are.
"""

from collections.abc import Iterator, Sequence

from engine.journal.entries import Draft, Entry
from engine.journal.kinds import DECISION
from engine.journal.payloads import COPIED

Pair = tuple[Entry, Draft]


def split_parts(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    """Yield the records in order; a copied decision after others of its crossing begins a part."""
    if not any(COPIED in draft.body for _, draft in pairs):
        yield pairs
        return
    touched: set[str] = set()
    start = 0
    for at, (entry, draft) in enumerate(pairs):
        crossing = draft.body.get("crossing_id")
        if entry.kind == DECISION and crossing in touched:
            yield pairs[start:at]
            start, touched = at, set()
        if isinstance(crossing, str):
            touched.add(crossing)
    yield pairs[start:]
