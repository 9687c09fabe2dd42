"""Propensity log: searches that the engine drew, their probabilities and their outcomes.

Assumes that the engine logged its propensities (:mod:`engine.selection`). A search that
officers or a counterpart picked has no propensity, so it teaches a model and never measures one.

A draw without evidence stays a draw: an officer who leaves it undone may know what it would have
found. Which arrivals were sent to officers comes from the journal's records of decisions: by acts
alone, a draw that was never carried out looks like no draw at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, or_

from engine.domain.time_units import NEVER
from engine.explanation.messages import Message, render
from engine.journal.journal import (
    JOURNAL,
    JournalReader,
)
from engine.journal.kinds import DECISION
from engine.queue.queue import DECISIONS
from engine.selection import COUNTERPART, INSPECTED, Channel
from models.array_types import Floats, Labels, Mask
from models.data.dataset import Dataset, Target

ENGINE_DRAWN = ("random", "lawful_check", "random_papers", "score", "profile", "watchlist")
"""Bases whose propensity is the engine's own; an officer's choice has none."""

MOST_MISSING = 0.10
"""From this share of draws not carried out on, nothing is claimed."""


@dataclass(frozen=True, slots=True)
class PropensityLog:
    """What became of n arrivals under the policy of the day.

    Attributes
    ----------
    drawn : bool array of shape (n,)
        Sent to inspection by the engine's own draws.
    propensity : float64 array of shape (n,)
        With what probability, in (0, 1]; read where ``drawn``.
    found : int8 array of shape (n,)
        1 or 0, and -1 where there is no evidence: not drawn, not carried out, or papers alone.
    minutes : float64 array of shape (n,), optional
        Length of each search; NaN where unknown.
    """

    drawn: Mask
    propensity: Floats
    found: Labels
    minutes: Floats | None = None

    def __post_init__(self) -> None:
        """Refuse a draw without a probability: its weight could be anything."""
        kept = self.propensity[self.drawn]
        if not ((kept > 0) & (kept <= 1)).all():
            raise ValueError("every draw needs a propensity in (0, 1]")

    @property
    def missing(self) -> Mask:
        """Draws without evidence, shape (n,)."""
        return np.asarray(self.drawn & (self.found < 0), np.bool_)


@dataclass(frozen=True, slots=True)
class ReferralState:
    """What decisions and acts say of n arrivals, in addition to their labels.

    Attributes
    ----------
    propensity : float64 array of shape (n,)
        Of the decision that sent the vehicle to officers; NaN where none did.
    is_random : bool array of shape (n,)
        Sent as a random check.
    minutes : float64 array of shape (n,)
        Length of its acts together; NaN where unknown.
    """

    propensity: Floats
    is_random: Mask
    minutes: Floats

    def take(self, rows: NDArray[Any]) -> Self:
        """Return some rows by a mask of shape (n,), or by ascending indices of shape (k,)."""
        return replace(self, **{name: getattr(self, name)[rows] for name in self.__slots__})

    def where(self, rows: Mask) -> Self:
        """Return the same with what decisions say of the rows of a mask of shape (n,) alone."""
        propensity = np.where(rows, self.propensity, np.nan)
        return replace(self, propensity=propensity, is_random=self.is_random & rows)


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Whether the log can answer the question at all."""

    drawn: int
    """Draws that the policy asked about would search as well."""
    effective: float
    """Equally weighted searches worth as much (Kish, 1965)."""
    largest_weight: float
    """Share of the heaviest search in all weight."""
    covered: float
    """Weight of all draws over the searches asked about: 1 where draws reach all of them."""
    covered_low: float
    covered_high: float
    """Interval of ``covered`` at 99.99 %: without 1 in it, draws and propensities do not fit."""
    not_carried_out: float
    """Share, by weight, of draws without evidence."""
    doubts: tuple[str, ...]
    """What speaks against the log itself, whatever is asked of it."""
    faults: tuple[str, ...]
    """Why nothing is claimed: the doubts, and draws too few or uneven; empty where something is."""
    messages: tuple[Message, ...]
    """The faults as messages."""


def read_log(
    dataset: Dataset, target: Target, *, sent: ReferralState | None = None
) -> PropensityLog:
    """Read the log of the engine's draws from n labelled arrivals.

    Without ``sent``, of n rows too, only acts are known, and a draw that never became one looks
    like no draw.
    """
    found = np.where(dataset.evidence(target), dataset.label(target), np.int8(-1))
    return engine_drawn(dataset.basis, dataset.propensity, found=found, sent=sent)


def engine_drawn(
    basis: NDArray[np.object_],
    propensity: Floats,
    *,
    found: Labels,
    sent: ReferralState | None,
) -> PropensityLog:
    """Return the log of the engine's draws among n arrivals.

    Parameters
    ----------
    basis, propensity : object and float64 array of shape (n,)
        Why the first act took place, None where there was none; as logged then, NaN where unknown.
    found : int8 array of shape (n,)
        1 or 0, and -1 where there is no evidence.
    """
    acted = np.isin(basis, ENGINE_DRAWN) & ~np.isnan(propensity)
    known = np.where(acted, propensity, np.nan if sent is None else sent.propensity)
    minutes = None if sent is None else sent.minutes
    return PropensityLog(
        ~np.isnan(known), known, np.where(acted, found, -1).astype(np.int8), minutes=minutes
    )


def read_random_stream(
    dataset: Dataset, target: Target, *, sent: ReferralState | None = None
) -> PropensityLog:
    """Read the random stream alone, its share counted at each post.

    Fewer draws than :func:`read_log` has, but whatever else went wrong with scores and
    propensities, these were chosen by no score and no officer. Every draw counts, carried out in
    full or not: a share of the acts that could find something would be a choice of the officers who
    made them.
    """
    drawn = random_draws(dataset.basis, sent=sent)
    _, post = np.unique(dataset.post.astype(str), return_inverse=True)
    share = np.bincount(post, weights=drawn) / np.maximum(1, np.bincount(post))
    found = np.where(drawn & dataset.evidence(target), dataset.label(target), -1).astype(np.int8)
    minutes = None if sent is None else sent.minutes
    return PropensityLog(drawn, np.where(drawn, share[post], np.nan), found, minutes=minutes)


def random_draws(basis: NDArray[np.object_], *, sent: ReferralState | None) -> Mask:
    """Return which arrivals were drawn as random checks, whether an act followed or not.

    Bool of shape (n,). ``basis`` (object, shape (n,)) is why each was inspected; None where it was
    not.
    """
    drawn = np.asarray(basis == "random", np.bool_)
    return drawn if sent is None else drawn | sent.is_random


DOUBTS: Final[Mapping[str, str]] = {
    "draws_not_carried_out": "more than {amount} of the draws were not carried out in full",
    "draws_do_not_fit": (
        "draws do not fit their propensities, or do not reach all that is asked about"
    ),
    "few_searches": "fewer than {number} effective searches",
    "one_heavy_search": "one search bears more than {amount} of the weight",
}
"""Why an estimate from logged draws is withheld, by message identifier."""


def missing_messages(missing: float) -> tuple[Message, ...]:
    """Return why nothing is claimed where this share of the draws was not carried out."""
    if missing <= MOST_MISSING:
        return ()
    return (Message("draws_not_carried_out", {"value": MOST_MISSING, "unit": "share"}),)


def render_doubts(messages: Iterable[Message]) -> tuple[str, ...]:
    """Return doubts in English."""
    return tuple(render(message, templates=DOUBTS) for message in messages)


def missing_reasons(missing: float) -> tuple[str, ...]:
    """Return the same as :func:`missing_messages` in English."""
    return render_doubts(missing_messages(missing))


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
