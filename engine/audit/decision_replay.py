"""Recomputation of stored decisions from the journal, to prove that they can be reproduced.

Features are read again as of the decision's time, scored by the model that decided (and by the
other one of a trial), and decided with the recorded inputs. The rank is taken from the record,
because the queue of that time is gone.

Exponentials and logarithms of numpy differ in their last bits between processors with and without
AVX-512, and so do the risks made of them: such figures are compared within a tolerance. Sentences
of facts and reasons are not compared, and what they are said of is: everything else exactly.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from engine.decision.decision import Inputs, Rank, attach_reasons, decide
from engine.decision.record_codec import StoredDecision, decode_decision, digest_of
from engine.decision.role_views import outcome
from engine.declarations.lodgings import read_contents
from engine.declarations.matcher import match_arrivals
from engine.errors import NoModelError, TamperedBundleError
from engine.explanation.reasons import Reason, Sentences
from engine.journal.journal import Journal
from engine.journal.kinds import COPIED, DECISION, PERCENTILES
from engine.ports import FeatureRows, Features, Scorer
from engine.selection import Channel, RiskTables
from engine.targeting.context import reasons, scored_arrival

RELATIVE, ABSOLUTE = 1e-9, 1e-12
"""How far two figures may lie apart and count as the same: far above rounding, far below anything
that a reader or a threshold tells apart."""


SAID = frozenset({"text", "fact", "comparison"})
"""Words that are said of a message and its parameters: a later version may say them otherwise."""


def are_same(stored: Any, again: Any) -> bool:
    """Tell whether two JSON values are the same, but for last digits of figures and what is said.

    >>> are_same({"risk": [0.8972397651609028]}, {"risk": [0.8972397651609031]})
    True
    >>> are_same({"risk": [0.897239765]}, {"risk": [0.897239769]})
    False
    """
    if isinstance(stored, float) and isinstance(again, float):
        return math.isclose(stored, again, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    if isinstance(stored, Mapping) and isinstance(again, Mapping):
        said = SAID if "message" in stored else frozenset[str]()
        names = stored.keys() - said
        is_named_alike = names == again.keys() - said
        return is_named_alike and all(are_same(stored[name], again[name]) for name in names)
    if _is_list(stored) and _is_list(again):
        return len(stored) == len(again) and all(map(are_same, stored, again))
    return bool(stored == again)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


@dataclass(frozen=True, slots=True)
class RecomputedDecision:
    """A decision as recorded and as recomputed."""

    stored: dict[str, Any]
    again: dict[str, Any]
    same_features: bool
    same_place: bool
    same_declaration: bool = True
    """The declarations ahead of that time lead to the same versions again."""
    same_history: bool = True
    """The counters hold the loaded history that they held then, no more and no less."""

    @property
    def is_identical(self) -> bool:
        """Tell whether features, place in the queue and decision are reproduced.

        All but figures of the model is bit for bit (:mod:`engine.audit.decision_replay`).
        """
        return not self.differences

    @property
    def differences(self) -> tuple[str, ...]:
        """Names of what differs.

        ``features``, ``place`` and ``declaration`` are what the decision was made of; the others
        are fields of the decision.
        """
        is_same = {
            "features": self.same_features,
            "place": self.same_place,
            "declaration": self.same_declaration,
            **{
                name: are_same(self.stored.get(name), self.again.get(name))
                for name in self.stored | self.again
            },
        }
        return tuple(name for name, is_kept in is_same.items() if not is_kept)


HISTORY_CHANGED = "history was loaded or withdrawn since: its features of then cannot be read"
"""Why a decision cannot be made again if only the loaded history differs."""


class DecisionReplay:
    """Recomputes stored decisions."""

    def __init__(
        self,
        journal: Journal,
        features: Features,
        *,
        scorer: Callable[[str], Scorer],
        sentences: Sentences,
    ) -> None:
        """``scorer`` returns a model by its version."""
        self._journal = journal
        self._features = features
        self._scorer = scorer
        self._sentences = sentences

    def decision(self, connection: Connection, seq: int) -> RecomputedDecision:
        """Recompute the decision of a record."""
        filing, rows = self.filed(connection, seq)
        scorer = self.scorer(filing)
        inputs = self._with_tables(connection, filing.inputs)
        scores = None if scorer is None else scorer.score(rows.values)
        trial = inputs.trial
        other = None if trial is None else self._scorer(trial.other).score(rows.values)
        one = scored_arrival(filing.arrival, rows, scores, index=0, other=other)
        decision = replace(decide(inputs, one), rank=Rank(**filing.decision["rank"]))
        if decision.is_referred:
            found = reasons(
                one,
                rows.values[0],
                scorer,
                channel=decision.channel,
                inputs=inputs,
                sentences=self._sentences,
            )
            decision = attach_reasons(decision, found, inputs.matches)
        is_same = digest_of(rows.values[0]) == filing.features
        matched = is_matched_again(connection, filing)
        return RecomputedDecision(
            filing.decision,
            outcome(decision),
            is_same,
            filing.place == decision.place,
            matched,
            rows.epoch == filing.inputs.epoch,
        )

    def attempt(self, connection: Connection, seq: int) -> tuple[RecomputedDecision | None, str]:
        """Recompute the decision of a record; None, and why, where that cannot be done here.

        A history that was loaded or withdrawn since counts at the times that its rows state, so
        what was known without it cannot be read again. Raises ``ErasedError``.
        """
        if COPIED in self._journal.body(connection, seq, of=DECISION):
            return None, "it is a copy of a node's record: darvoza links recompute makes it again"
        try:
            made = self.decision(connection, seq)
        except (NoModelError, TamperedBundleError) as error:
            return None, str(error)
        if made.same_features or made.same_history:
            return made, ""
        return None, HISTORY_CHANGED

    def features(self, connection: Connection, seq: int) -> tuple[int, dict[str, float]]:
        """Return the time of a decision (UTC microseconds) and its features by name."""
        filing, rows = self.filed(connection, seq)
        return filing.inputs.as_of, dict(rows.by_name(0))

    def reasons(self, connection: Connection, seq: int) -> Sequence[Reason]:
        """Return the reasons for and against the arrival of a record, for any channel."""
        filing, rows = self.filed(connection, seq)
        one = scored_arrival(filing.arrival, rows, None, index=0)
        scorer = self.scorer(filing)
        return reasons(
            one,
            rows.values[0],
            scorer,
            channel=Channel.of(filing.decision["channel"]),
            inputs=filing.inputs,
            sentences=self._sentences,
        )

    def filed(self, connection: Connection, seq: int) -> tuple[StoredDecision, FeatureRows]:
        """Return a recorded decision, and its features, read again as they were known then."""
        filing = decode_decision(self._journal.body(connection, seq, of=DECISION))
        inputs = filing.inputs
        rows = self._features.read(
            connection,
            [filing.arrival],
            as_of=[inputs.as_of],
            opposite_as_of=[inputs.opposite_as_of],
        )
        return filing, rows

    def scorer(self, filing: StoredDecision) -> Scorer | None:
        """Return the model that scored a decision, None where rules decided.

        Raises ``NoModelError`` or ``TamperedBundleError`` where it is no longer usable.
        """
        version = filing.inputs.model_version
        return None if version is None else self._scorer(version)

    def _with_tables(self, connection: Connection, inputs: Inputs) -> Inputs:
        trial, tables = inputs.trial, self._tables(connection, inputs.table_sequence)
        if trial is not None:
            trial = replace(trial, tables=self._tables(connection, trial.table_sequence))
        return replace(inputs, tables=tables, trial=trial)

    def _tables(self, connection: Connection, sequence: int | None) -> RiskTables:
        if sequence is None:
            return RiskTables()
        return RiskTables.from_body(self._journal.body(connection, sequence, of=PERCENTILES))


def is_matched_again(connection: Connection, filing: StoredDecision) -> bool:
    """Tell whether the declarations ahead, as known then, lead to what was decided with.

    The versions of that time are read from the journal. Where one of them is erased nothing can be
    compared; nor where an amendment found none, because it does not say as of when it looked.
    """
    stored = filing.inputs.advance
    if stored is None and filing.inputs.amends is not None:
        return True
    uses = () if stored is None else stored.uses
    if len(read_contents(connection, [one.sequence for one in uses])) < len(uses):
        return True
    arrival = filing.arrival
    if stored is not None and stored.uses and not stored.is_brought:
        arrival = arrival.model_copy(update={"declaration": None, "declarations": None})
    as_of = filing.inputs.as_of if stored is None else stored.as_of
    ((again, match),) = match_arrivals(connection, [arrival], as_of=as_of)
    return match == stored and again == filing.arrival
