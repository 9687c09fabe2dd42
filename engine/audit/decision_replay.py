"""Whether a stored decision comes out the same when it is made again from the journal.

Features are read anew as of the decision's time, scored by the model that decided (and by the other
one of a trial), and decided with the recorded inputs. The rank is an input by value: what waited
then has long left the queue. So is the search order of a record made before such orders were
learnt. The sentences of a record made by an earlier rule stand as they were said, where the numbers
behind them come out again. A record is held to what it says: what later engines say next to it
cannot differ from it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from engine.criteria.indicator_rules import RULES
from engine.criteria.indicator_rules import explain_rules as rule_sentences
from engine.decision.decision import Decision, Inputs, Rank, ScoredArrival, attach_reasons, decide
from engine.decision.record_codec import StoredDecision, decode_decision, digest_of
from engine.decision.role_views import outcome
from engine.explanation.reasons import REASONS_VERSION, Reason, Sentences
from engine.journal.journal import Journal
from engine.ports import FeatureRows, Features, Rows, Scorer
from engine.targeting.context import reasons, scored_arrival

RULE_CODES = frozenset(rule.code for rule in RULES)


@dataclass(frozen=True, slots=True)
class RecomputedDecision:
    """A decision as it stands and as it comes out again."""

    stored: dict[str, Any]
    again: dict[str, Any]
    same_features: bool
    same_place: bool

    @property
    def is_identical(self) -> bool:
        """Tell whether features, place in the queue and decision are the same, to the bit."""
        return self.same_features and self.same_place and self.stored == self.again


class DecisionReplay:
    """Makes stored decisions again."""

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
        """Make the decision of a record again."""
        filing, rows = self.filed(connection, seq)
        scorer = self.scorer(filing)
        inputs = self._with_tables(connection, filing.inputs)
        scores = None if scorer is None else scorer.score(rows.values)
        trial = inputs.trial
        other = None if trial is None else self._scorer(trial.other).score(rows.values)
        one = scored_arrival(filing.arrival, rows, scores, index=0, other=other)
        decision = replace(decide(inputs, one), rank=Rank(**filing.decision["rank"]))
        if decision.is_referred:
            found = reasons(one, rows.values[0], scorer, sentences=self._sentences)
            decision = attach_reasons(decision, found, inputs.matches)
        again = _comparable(decision, filing)
        if inputs.sentences != REASONS_VERSION and _are_grounds_same(
            filing, one, rows.values[0], scorer
        ):
            again["reasons"] = filing.decision["reasons"]
        is_same = digest_of(rows.values[0]) == filing.features
        in_place = filing.place in (None, decision.place)
        return RecomputedDecision(filing.decision, again, is_same, in_place)

    def features(self, connection: Connection, seq: int) -> tuple[int, dict[str, float]]:
        """Return the time of a decision (UTC microseconds) and its features by name."""
        filing, rows = self.filed(connection, seq)
        return filing.inputs.as_of, dict(rows.by_name(0))

    def reasons(self, connection: Connection, seq: int) -> Sequence[Reason]:
        """Return what speaks for and against the arrival of a record, whatever its channel."""
        filing, rows = self.filed(connection, seq)
        one = scored_arrival(filing.arrival, rows, None, index=0)
        return reasons(one, rows.values[0], self.scorer(filing), sentences=self._sentences)

    def filed(self, connection: Connection, seq: int) -> tuple[StoredDecision, FeatureRows]:
        """Return a decision as it was filed, and its features read anew as of its time."""
        filing = decode_decision(self._journal.body(connection, seq))
        rows = self._features.read(connection, [filing.arrival], as_of=[filing.inputs.as_of])
        return filing, rows

    def scorer(self, filing: StoredDecision) -> Scorer | None:
        """Return the model that scored a decision, None where rules decided.

        Raises ``NoModelError`` or ``TamperedBundleError`` where it is no longer at hand.
        """
        version = filing.inputs.model_version
        return None if version is None else self._scorer(version)

    def _with_tables(self, connection: Connection, inputs: Inputs) -> Inputs:
        trial, table = inputs.trial, self._table(connection, inputs.table_sequence)
        if trial is not None:
            trial = replace(trial, table=self._table(connection, trial.table_sequence))
        return replace(inputs, table=table, trial=trial)

    def _table(self, connection: Connection, sequence: int | None) -> tuple[float, ...]:
        if sequence is None:
            return ()
        return tuple(self._journal.body(connection, sequence)["quantiles"])


def _are_grounds_same(
    filing: StoredDecision, one: ScoredArrival, row: Rows, scorer: Scorer | None
) -> bool:
    """Tell whether what reasons of an earlier rule stand on comes out again, to the bit.

    That is the contributions of a model, or the words of the rules where none decided.
    """
    found = filing.decision["reasons"]
    if scorer is None:
        words = {reason.text for reason in rule_sentences(one.features)}
        return all(each["text"] in words for each in found if each["code"] in RULE_CODES)
    crossing = filing.arrival.crossing
    explained_by = scorer.explain(row, vehicle_class=crossing.vehicle_class, post=crossing.post)
    added = {each.feature: each.log_odds for each in explained_by}
    weighed = [each for each in found if each["contribution"] != 0.0]
    return all(added.get(each["code"]) == each["contribution"] for each in weighed)


def _comparable(decision: Decision, filing: StoredDecision) -> dict[str, Any]:
    """Return of a decision made again what its record says, too."""
    again = outcome(decision)
    if not filing.has_learnt_order:
        again["search_order"] = filing.decision["search_order"]
    return {name: again.get(name) for name in filing.decision}
