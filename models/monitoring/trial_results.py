"""Finds of both sides of a trial, among arrivals that one side alone selected.

Counted are vehicles that one side's score alone wanted, with the number drawn, and that this side
led. Each of them was sent to officers, whatever else wanted it too (a random check, a profile, the
watch list): so nothing but the draw of the trial chose among them, and their hit rate is that of
all that the side alone wanted. Vehicles of the same kind that the other side led were searched
where something else wanted them alone, which is no fair choice: they are left out, found or not.
Assumes that officers carry out what either side sends them alike; how many were sent and how many
searched stands next to what was found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, or_, select

from engine.domain.records import Inspection
from engine.domain.time_units import WEEK, rfc3339
from engine.journal.entries import Draft, Kind
from engine.journal.journal import (
    JOURNAL,
    JournalReader,
)
from engine.journal.kinds import DECISION, FIND_CONFIRMED, INSPECTION, SEIZURE, TRIAL_MEASURED
from engine.journal.payloads import TrialFigures
from engine.queue.corrections import read_stated
from engine.queue.queue import DECISIONS
from engine.selection.champion_challenger import CHALLENGER, CHAMPION, Side
from engine.selection.policy import COUNTERPART
from models.lifecycle.projection import OnTrial
from models.statistics.thompson_race import ArmCounts, update_counts

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
        if stated is not None and stated["sequence"] == trial.sequence and counts(stated):
            found[crossing_id] = _ReferredVehicle(stated["leader"], record.seq)
    return found


def counts(trial: Mapping[str, Any]) -> bool:
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
