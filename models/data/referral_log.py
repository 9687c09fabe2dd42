"""Referral log: arrivals that decisions sent to officers, whether an act followed or not.

Assumes the journal's records of decisions: by acts alone, a draw that was never carried out looks
like no draw at all.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import Connection, or_

from engine.domain.time_units import NEVER
from engine.journal.journal import (
    JOURNAL,
    JournalReader,
)
from engine.journal.kinds import DECISION
from engine.queue.queue import DECISIONS
from engine.selection.policy import COUNTERPART, INSPECTED, Channel
from models.data.propensity_log import ReferralState

Sendings = Mapping[str, tuple[float, bool]]
"""By crossing: the propensity with which it was sent, and whether at random."""
_D = DECISIONS.c


def read_sent(connection: Connection, *, before: int = NEVER) -> Sendings:
    """Read whom decisions sent; of a movement decided on again, the last decision counts.

    What a counterpart's notice sent was not drawn, and is left out. Only decisions recorded before
    ``before`` count, UTC microseconds.
    """
    chosen = [JOURNAL.c.known_at < before, or_(_D.basis.is_not(None), _D.amends.is_not(None))]
    found: dict[str, tuple[float, bool]] = {}
    for record in JournalReader(connection).records(DECISION, where=chosen, join=DECISIONS):
        crossing_id, decision = record.body["crossing_id"], record.body["decision"]
        found.pop(crossing_id, None)
        is_drawn = decision["basis"] != COUNTERPART
        if is_drawn and Channel.of(decision["channel"]) in INSPECTED:
            found[crossing_id] = decision["propensity"], decision["basis"] == "random"
    return found


def sent_among(
    found: Sendings, crossing_ids: Sequence[str], *, minutes: Mapping[str, float]
) -> ReferralState:
    """Return what is known of some arrivals, in their order.

    ``found`` is empty where no decision is at hand; ``minutes`` are the lengths of the acts of each
    crossing (:func:`features.history.labels.act_lengths`).
    """
    n = len(crossing_ids)
    made = ReferralState(np.full(n, np.nan), np.zeros(n, np.bool_), np.full(n, np.nan))
    for row, name in enumerate(crossing_ids):
        made.minutes[row] = minutes.get(name, np.nan)
        if name in found:
            made.propensity[row], made.is_random[row] = found[name]
    return made
