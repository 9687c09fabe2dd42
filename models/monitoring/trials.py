"""Trial of a challenger against the champion: how they share searches, what each side found.

Searches on which the two models disagree are shared by what they find there (Thompson sampling,
1933), never less than a floor for either, until one is clearly better or the time is over. After an
alarm it is unknown whether half of the old knowledge still holds, so both stay: the champion,
fitted on everything, and a challenger, fitted on what came since the change. While there is no
alarm there is one champion and nothing is shared, so if nothing shifts nothing is lost.

Counted are vehicles that one side's score alone wanted, with the number drawn, and that this side
led. Each of them was sent to officers, whatever else wanted it too (a random check, a profile, the
watch list): nothing but the draw of the trial chose among them, and their hit rate is that of all
that the side alone wanted. Vehicles of the same kind that the other side led were searched only if
something else wanted them, which is no fair choice: they are left out, found or not. Assumes that
officers carry out what either side sends them alike; how many were sent and how many searched
stands next to what was found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.special import betainc, betaln
from sqlalchemy import Connection, or_, select

from engine.domain.records import Inspection
from engine.domain.time_units import WEEK, rfc3339
from engine.journal.entries import Draft, Kind
from engine.journal.journal import (
    JOURNAL,
    JournalReader,
)
from engine.journal.kinds import (
    DECISION,
    FIND_CONFIRMED,
    INSPECTION,
    SEIZURE,
    TRIAL_MEASURED,
    TrialFigures,
)
from engine.queue.corrections import read_stated
from engine.queue.queue import DECISIONS
from engine.selection import CHALLENGER, CHAMPION, COUNTERPART, Side
from models.array_types import Floats, Mask
from models.lifecycle.states import OnTrial

FLOOR = 0.1
"""Least share of the disputed searches for either side: without it the worse can never recover."""
MEMORY = 0.92
"""What a period's finds weigh in the next: a challenger that learns is not judged by its start."""
SHORTEST, LONGEST = 6, 26
"""Periods of a race, weeks say, before and after which it is decided."""
SURE = 0.99
_GRID = 2001


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """What champion and challenger found where they disagreed, and for how long they have raced."""

    champion: tuple[float, float] = (0.0, 0.0)
    """Finds, and searches without one; older ones weigh less."""
    challenger: tuple[float, float] = (0.0, 0.0)
    periods: int = 0

    @property
    def better(self) -> float:
        """Chance that the challenger's disputed searches find more, under even priors."""
        return more_likely(self.challenger, self.champion)

    @property
    def share(self) -> float:
        """Probability with which the challenger's word decides a disputed search."""
        return float(np.clip(self.better, FLOOR, 1 - FLOOR))

    @property
    def winner(self) -> str | None:
        """``champion`` or ``challenger`` once the race is decided, else None."""
        better, over = self.better, self.periods >= LONGEST
        if self.periods < SHORTEST:
            return None
        if better >= SURE or (over and better >= 0.5):
            return "challenger"
        return "champion" if better <= 1 - SURE or over else None


def propensities(champion: Mask, challenger: Mask, *, share: float) -> Floats:
    """Return how likely each arrival is searched when two rankings share one budget.

    Parameters
    ----------
    champion, challenger : bool arrays of shape (n,)
        Arrivals within capacity by each ranking; ``share`` in [0, 1] is the challenger's.

    Returns
    -------
    float64 array of shape (n,)
        1 where both want it, ``share`` or ``1 - share`` where one does, 0 elsewhere: as many
        searches as one ranking would take, if both take as many. One number a movement decides, so
        these are the propensities to log.
    """
    return np.where(challenger, share, 0.0) + np.where(champion, 1.0 - share, 0.0)


def update_counts(
    race: ArmCounts, *, champion: tuple[int, int], challenger: tuple[int, int]
) -> ArmCounts:
    """Return the race after one more period, given finds, and searches without one, of each side.

    They are of arrivals that this side alone wanted. What both wanted says nothing about either.
    """

    def accumulate(before: tuple[float, float], now: tuple[int, int]) -> tuple[float, float]:
        return before[0] * MEMORY + now[0], before[1] * MEMORY + now[1]

    return replace(
        race,
        champion=accumulate(race.champion, champion),
        challenger=accumulate(race.challenger, challenger),
        periods=race.periods + 1,
    )


def more_likely(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the chance that one hit rate exceeds another, given finds and misses of both.

    Posteriors are Beta with one find and one miss added to each side.
    """
    a, b = one[0] + 1.0, one[1] + 1.0
    edges = np.linspace(0.0, 1.0, _GRID)
    middle = (edges[1:] + edges[:-1]) / 2
    density = np.exp((a - 1) * np.log(middle) + (b - 1) * np.log1p(-middle) - betaln(a, b))
    below = betainc(other[0] + 1.0, other[1] + 1.0, middle)
    return float(np.clip(density @ below / density.sum(), 0.0, 1.0))


_J, _D = JOURNAL.c, DECISIONS.c


@dataclass(slots=True)
class _ReferredVehicle:
    """A vehicle that one side alone wanted and led, and what its acts showed since."""

    side: Side
    seq: int
    """Of its decision."""
    acts: list[tuple[int, bool]] = field(default_factory=list)
    """When each was recorded, and whether it could have found something."""
    finds: list[int] = field(default_factory=list)
    """When something found was recorded."""

    @property
    def known_at(self) -> int | None:
        """When it became known what it carried; None while that is not known."""
        if not self.acts:
            return None  # found elsewhere later: no search of ours
        return min(self.finds or [at for at, is_full in self.acts if is_full], default=None)


def measure_trial(connection: Connection, trial: OnTrial, *, now: int) -> TrialFigures:
    """Measure what both sides of a trial found, week by week since it began.

    Weeks that are over by ``now``, UTC microseconds, make the race. The answer holds JSON values:
    ``trial`` (the record that began it), both versions, ``since`` and ``until``, the finished
    ``weeks`` with ``finds`` and ``clear`` searches of either side; ``sides`` with how many vehicles
    were ``sent``, ``searched`` by an act that could have found something, and ``found`` to carry,
    those of the unfinished week too; how sure it is that the challenger finds more (``better``),
    its ``share`` from now on, and the ``winner``, null while there is none.
    """
    began = connection.scalar(select(_J.known_at).where(_J.seq == trial.sequence)) or now
    sent = _read_sent(connection, trial)
    _add_outcomes(connection, trial, sent)
    weeks = [{"champion": [0, 0], "challenger": [0, 0]} for _ in range(max(0, now - began) // WEEK)]
    sides: dict[str, dict[str, int]]
    sides = {side: {"sent": 0, "searched": 0, "found": 0} for side in (CHAMPION, CHALLENGER)}
    for one in sent.values():
        total, known_at = sides[one.side], one.known_at
        total["sent"] += 1
        if known_at is None or known_at >= now:
            continue
        total["searched"] += 1
        total["found"] += bool(one.finds)
        week = (known_at - began) // WEEK
        if week < len(weeks):
            weeks[week][one.side][not one.finds] += 1
    race = ArmCounts()
    for week_of in weeks:
        (a, b), (c, d) = week_of["champion"], week_of["challenger"]
        race = update_counts(race, champion=(a, b), challenger=(c, d))
    return {
        "trial": trial.sequence,
        "champion": trial.champion,
        "challenger": trial.challenger,
        "since": rfc3339(began),
        "until": rfc3339(now),
        "sides": sides,
        "weeks": [
            {side: {"finds": counts[0], "clear": counts[1]} for side, counts in one.items()}
            for one in weeks
        ],
        "better": race.better,
        "share": race.share,
        "winner": race.winner if any(race.champion + race.challenger) else None,
    }


def measurement(figures: TrialFigures, *, by: str) -> Draft:
    """Return the record of a measurement, whose share services take from then on."""
    return TRIAL_MEASURED.draft(figures["challenger"], {"by": by, **figures})


def _read_sent(connection: Connection, trial: OnTrial) -> dict[str, _ReferredVehicle]:
    """Return what one side alone wanted and led, by crossing: the last decision on it counts."""
    since = [_D.seq > trial.sequence, or_(_D.basis.is_not(None), _D.amends.is_not(None))]
    found: dict[str, _ReferredVehicle] = {}
    for record in JournalReader(connection).records(DECISION, where=since, join=DECISIONS):
        crossing_id = record.body["crossing_id"]
        found.pop(crossing_id, None)
        stated = record.body["decision"]["trial"]
        if record.body["decision"]["basis"] == COUNTERPART:
            continue  # no merit of either model
        if (
            stated is not None
            and stated["sequence"] == trial.sequence
            and counts_for_leader(stated)
        ):
            found[crossing_id] = _ReferredVehicle(stated["leader"], record.seq)
    return found


def counts_for_leader(trial: Mapping[str, Any]) -> bool:
    """Tell whether a decision counts for the side that led it, by its ``trial``."""
    return bool(trial["wanted"] == [trial["leader"]])


def _add_outcomes(
    connection: Connection, trial: OnTrial, sent: dict[str, _ReferredVehicle]
) -> None:
    """Add what acts and seizures told of these vehicles since they were decided on."""
    kinds: tuple[Kind[Any], ...] = (INSPECTION, SEIZURE, FIND_CONFIRMED)
    since = [JOURNAL.c.seq > trial.sequence]
    for record in read_stated(connection, *kinds, where=since):
        name = "crossing_id" if record.kind == INSPECTION else "linked_crossing_id"
        one = sent.get(record.body.get(name) or "")
        if one is None or record.seq < one.seq:
            continue
        if record.kind != INSPECTION:
            one.finds.append(record.known_at)
            continue
        act = Inspection.model_validate(record.body["inspection"], strict=False)
        one.acts.append((record.known_at, act.is_full))
        if act.outcome != "clear":
            one.finds.append(record.known_at)
