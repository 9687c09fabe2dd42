"""All that is read for an arrival before it is decided on: scores, draws, its post's standing."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from engine.decision import Decision, Inputs, Mode, Seen, explained
from engine.draws import PLACE, RANDOM, SCORE, draw, movement_key
from engine.matches import Match, Matcher
from engine.ports import FeatureRows, Rows, Scorer, Scores
from engine.reasons import Reason, Sentences
from engine.records import Arrival
from engine.rules import RULES, purpose
from engine.rules import sentences as rule_sentences
from engine.selection import Policy
from engine.shifts import Shifts

BY_MODEL = (RANDOM, SCORE, PLACE)
"""What an arrival draws a number for, whether it is needed or not."""
BY_RULES = (RANDOM, PLACE, *map(purpose, RULES))
"""The same without a model."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The model that decides now, or none."""

    scorer: Scorer | None
    mode: Mode


@dataclass(frozen=True, slots=True)
class Considered:
    """One arrival and all that was read for it."""

    row: Rows
    """Features of shape (n_features,)."""
    event: Any
    """What the counters will append."""
    seen: Seen
    inputs: Inputs
    scorer: Scorer | None
    """The model that scored it; it may be replaced before the reasons are worked out."""


class Considering:
    """Brings together what a decision needs."""

    def __init__(
        self,
        shifts: Shifts,
        policy: Policy,
        *,
        in_force: Callable[[], InForce],
        definitions: str,
        sentences: Sentences,
        matchers: Sequence[Matcher] = (),
    ) -> None:
        self._shifts = shifts
        self._policy = policy
        self._in_force = in_force
        self._definitions = definitions
        self._sentences = sentences
        self._matchers = matchers

    def all(
        self,
        snapshot: Connection,
        arrivals: Sequence[Arrival],
        rows: FeatureRows,
        *,
        as_of: int,
    ) -> list[Considered]:
        """Return what each arrival is decided on: one call of the model for all of them."""
        in_force = self._in_force()
        found = [m.matches(snapshot, arrivals, rows, as_of=as_of) for m in self._matchers]
        scores = None if in_force.scorer is None else in_force.scorer.score(rows.values)
        return [
            Considered(
                row=rows.values[index],
                event=rows.events[index],
                seen=seen(arrival, rows, scores, index=index),
                inputs=self._inputs(
                    arrival,
                    in_force,
                    as_of=as_of,
                    epoch=rows.epoch,
                    matches=tuple(match for each in found for match in each[index]),
                ),
                scorer=in_force.scorer,
            )
            for index, arrival in enumerate(arrivals)
        ]

    def explain(self, decision: Decision, one: Considered) -> Decision:
        """Return the decision with the reasons that a referral is owed."""
        if not decision.is_referred:
            return decision
        found = reasons(one.seen, one.row, one.scorer, sentences=self._sentences)
        return explained(decision, found)

    def _inputs(
        self,
        arrival: Arrival,
        in_force: InForce,
        *,
        as_of: int,
        epoch: str,
        matches: tuple[Match, ...],
    ) -> Inputs:
        scorer = in_force.scorer
        standing = self._shifts.standing(arrival.crossing.post, as_of, scorer=scorer)
        movement = movement_key(arrival.crossing, standing.shift)
        fixed = BY_RULES if scorer is None else BY_MODEL
        purposes = (*fixed, *(match.purpose for match in matches))
        return Inputs(
            decision_id=f"dec-{secrets.token_hex(12)}",
            as_of=as_of,
            epoch=epoch,
            shift_id=standing.shift.shift_id,
            draws={p: draw(standing.seed, p, movement=movement) for p in purposes},
            policy=self._policy,
            mode=in_force.mode,
            model_version=None if scorer is None else scorer.version,
            definitions=self._definitions,
            table_sequence=standing.table_sequence,
            table=standing.table,
            severity=1.0 if scorer is None else scorer.severity,
            matches=matches,
        )


def seen(arrival: Arrival, rows: FeatureRows, scores: Scores | None, *, index: int) -> Seen:
    """Return one arrival of a batch with its features and scores."""
    features = dict(zip(rows.names, rows.values[index].tolist(), strict=True))
    if scores is None:
        return Seen(arrival, features)
    p_seizure, p_discrepancy = scores.p_seizure[index], scores.p_discrepancy[index]
    return Seen(arrival, features, float(p_seizure), float(p_discrepancy))


def reasons(
    one: Seen, row: Rows, scorer: Scorer | None, *, sentences: Sentences
) -> Sequence[Reason]:
    """Return what speaks for and against an arrival, the strongest first."""
    if scorer is None:
        return rule_sentences(one.features)
    crossing = one.arrival.crossing
    found = scorer.explain(row, vehicle_class=crossing.vehicle_class, post=crossing.post)
    return sentences(found, one.arrival)
