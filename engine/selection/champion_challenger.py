"""Two models share what the score may pick: which of them leads an arrival is random.

Assumes that the number drawn for ``TRIAL`` is another one than the score's. The leading model
decides as if it were alone: by its chances, its table, its reasons. What is written down is what
could have happened before it was known who leads: the score's chance of a channel is that of either
side, weighed by how likely it was to lead. What both sides want goes to officers in any
case; what one alone wants goes there where that one leads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from engine.selection.percentiles import percentile
from engine.selection.policy import Chance, Policy, risk, score_chances
from engine.selection.randomization import SCORE

TRIAL = "trial"
"""Purpose of who leads; drawn while a trial runs alone."""
Side = Literal["champion", "challenger"]
CHAMPION: Side = "champion"
CHALLENGER: Side = "challenger"


@dataclass(frozen=True, slots=True)
class Trial:
    """The trial that an arrival falls into, and the model that does not lead it."""

    sequence: int
    """The journal's record that began it."""
    share: float
    """Probability with which the challenger leads."""
    leader: Side
    other: str
    """Version of the model that does not lead."""
    table_sequence: int | None
    """The journal's record of ``table``."""
    table: tuple[float, ...]
    """Quantiles of the other model's risk at this post."""
    severity: float
    """What one seizure is worth, in discrepancies, to the other model."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of an arrival in a trial: who led it, and what the other model said."""

    sequence: int
    share: float
    leader: Side
    other: str
    percentile: float
    """Share of the post's last 28 days below it, by the other model."""
    p_seizure: float
    p_discrepancy: float
    wanted: tuple[Side, ...]
    """Sides whose score, with the number drawn, sends it to officers where that side leads."""


def draw_leader(share: float, drawn: float) -> Side:
    """Return who leads, given the number drawn for it in [0, 1)."""
    return CHALLENGER if drawn < share else CHAMPION


def apply_trial(
    trial: Trial,
    other: tuple[float, float],
    picked: Sequence[Chance],
    *,
    policy: Policy,
    draws: Mapping[str, float],
) -> tuple[Tried, tuple[Chance, ...]]:
    """Return what a trial makes of an arrival, and the leader's chances with what they were before.

    ``other`` are the chances of a seizure and of a discrepancy by the model that does not lead,
    ``picked`` what the leader's score may do.
    """
    level = percentile(trial.table, risk(*other, severity=trial.severity))
    theirs = score_chances(policy, level)
    follower = CHAMPION if trial.leader == CHALLENGER else CHALLENGER
    chances = {trial.leader: picked, follower: theirs}
    found = Tried(
        sequence=trial.sequence,
        share=trial.share,
        leader=trial.leader,
        other=trial.other,
        percentile=level,
        p_seizure=other[0],
        p_discrepancy=other[1],
        wanted=tuple(side for side in (CHAMPION, CHALLENGER) if _wants(chances[side], draws)),
    )
    weight = trial.share if trial.leader == CHALLENGER else 1.0 - trial.share
    return found, share_chances(picked, theirs, weight=weight)


def share_chances(
    ours: Sequence[Chance], theirs: Sequence[Chance], *, weight: float
) -> tuple[Chance, ...]:
    """Return the leader's chances with the probability they had before it was drawn who leads.

    ``weight`` is the probability of that; both sides' chances are of the same channels in order.
    """
    return tuple(
        replace(one, before=weight * one.probability + (1.0 - weight) * other.probability)
        for one, other in zip(ours, theirs, strict=True)
    )


def _wants(chances: Sequence[Chance], draws: Mapping[str, float]) -> bool:
    return any(draws[SCORE] < chance.probability for chance in chances)
