"""Gravity of what acts of this service found, by class and quantity of the seizures reported.

Assumes that a seizure may be reported long after its act: until then the act's outcome alone says
what was found (:mod:`engine.domain.gravity`).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import fsum

from sqlalchemy import Connection, select

from engine.domain.gravity import Amount, weigh_find
from engine.domain.network import Network
from engine.domain.records import Inspection
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import FIND_CONFIRMED, SEIZURE
from engine.queue.corrections import Corrections, read_stated
from engine.queue.match_outcomes import ACTS, MATCHES, OutcomeFilter


class FindGravity:
    """Weighs finds of one snapshot.

    ``is_seen`` tells of an agency whether the reader sees its seizures: those of others count as
    not reported. ``since`` is the UTC microsecond from which on seizures are read.
    """

    def __init__(
        self,
        snapshot: Connection,
        network: Network,
        *,
        is_seen: Callable[[str | None], bool],
        since: int = 0,
    ) -> None:
        self._snapshot, self._network = snapshot, network
        self._is_seen, self._since = is_seen, since

    def of(self, crossing_id: str, acts: Sequence[Inspection]) -> float:
        """Return what was found on a crossing by the acts that could find something."""
        outcomes = [act.outcome for act in acts if act.is_evidence]
        amounts = self._amounts.get(crossing_id, ()) if "seizure" in outcomes else ()
        return max((weigh_find(self._network, one, amounts) for one in outcomes), default=0.0)

    def of_matches(self, code: str, seen: OutcomeFilter) -> float:
        """Return what was found on the matches of a profile or an entry, added up.

        Acts whose bodies were erased weigh nothing: what they found is not known any more.
        """
        matched = (
            select(MATCHES.c.crossing_id)
            .join(JOURNAL, JOURNAL.c.seq == MATCHES.c.seq)
            .where(MATCHES.c.code == code, JOURNAL.c.post.not_in(seen.hidden_posts))
        )
        if seen.post is not None:
            matched = matched.where(JOURNAL.c.post == seen.post)
        query = select(ACTS.c.seq, ACTS.c.crossing_id, ACTS.c.agency)
        query = query.where(ACTS.c.is_hit, ACTS.c.crossing_id.in_(matched))
        rows = [row for row in self._snapshot.execute(query) if seen.sees_acts_of(row.agency)]
        raw = JournalReader(self._snapshot).bodies([row.seq for row in rows])
        bodies = Corrections(self._snapshot).bodies(raw)
        acts: dict[str, list[Inspection]] = defaultdict(list)
        for row in rows:
            if row.seq in bodies:
                act = Inspection.model_validate(bodies[row.seq]["inspection"], strict=False)
                acts[row.crossing_id].append(act)
        return fsum(self.of(name, found) for name, found in acts.items())

    @cached_property
    def _amounts(self) -> Mapping[str, list[Amount]]:
        found: dict[str, list[Amount]] = defaultdict(list)
        later = [JOURNAL.c.known_at >= self._since]
        records = read_stated(self._snapshot, SEIZURE, FIND_CONFIRMED, where=later)
        for record in records:
            seizure, crossing = record.body["seizure"], record.body["linked_crossing_id"]
            if crossing is not None and self._is_seen(seizure.get("agency")):
                found[crossing].append((seizure["substance_class"], seizure.get("quantity_g")))
        return found
