"""Recomputation of stored decisions from the journal, to prove that they can be reproduced.

Features are read again as of the decision's time, scored by the model that decided (and by the
other one of a trial), and decided with the recorded inputs. The rank is taken from the record,
because the queue of that time is gone, and so is the search order of records from before such
orders were learnt. Sentences written by an earlier rule are kept where the numbers behind them are
reproduced. Only fields that the record has are compared: later engines add others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from engine.audit.figure_comparison import are_same
from engine.criteria.indicator_rules import RULES
from engine.criteria.indicator_rules import explain_rules as rule_sentences
from engine.decision.decision import Decision, Inputs, Rank, ScoredArrival, attach_reasons, decide
from engine.decision.record_codec import StoredDecision, decode_decision, digest_of
from engine.decision.role_views import outcome
from engine.declarations.lodgings import read_contents
from engine.declarations.matcher import match_arrivals
from engine.explanation.reasons import REASONS_VERSION, Reason, Sentences
from engine.journal.journal import Journal
from engine.journal.kinds import DECISION, PERCENTILES
from engine.ports import FeatureRows, Features, Rows, Scorer
from engine.targeting.context import reasons, scored_arrival

WITH_FIGURES = ("reasons-2", "reasons-3", "reasons-4", "reasons-5", "reasons-6", "reasons-7")
"""Earlier rules whose reasons hold sums by topic and figures: of rates, then of all messages."""
WITHOUT_MESSAGES = ("reasons-1", "reasons-2")
"""Rules whose facts and search steps hold English alone."""
RULE_CODES = frozenset(rule.code for rule in RULES)


@dataclass(frozen=True, slots=True)
class RecomputedDecision:
    """A decision as recorded and as recomputed."""

    stored: dict[str, Any]
    again: dict[str, Any]
    same_features: bool
    same_place: bool
    same_declaration: bool = True
    """The declarations ahead of that time lead to the same versions again."""

    @property
    def is_identical(self) -> bool:
        """Tell whether features, place in the queue and decision are reproduced.

        All but figures of the model is bit for bit (:mod:`engine.audit.figure_comparison`).
        """
        is_same = self.same_features and self.same_place and self.same_declaration
        return is_same and are_same(self.stored, self.again)


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
            found = reasons(one, rows.values[0], scorer, inputs=inputs, sentences=self._sentences)
            decision = attach_reasons(decision, found, inputs.matches)
        again = _comparable(decision, filing)
        if inputs.sentences != REASONS_VERSION:
            if inputs.sentences in WITHOUT_MESSAGES:
                _drop_messages(again)
            if _are_grounds_same(filing, again["reasons"], one, rows.values[0], scorer=scorer):
                again["reasons"] = filing.decision["reasons"]
        is_same = digest_of(rows.values[0]) == filing.features
        in_place = filing.place in (None, decision.place)
        matched = is_matched_again(connection, filing)
        return RecomputedDecision(filing.decision, again, is_same, in_place, matched)

    def features(self, connection: Connection, seq: int) -> tuple[int, dict[str, float]]:
        """Return the time of a decision (UTC microseconds) and its features by name."""
        filing, rows = self.filed(connection, seq)
        return filing.inputs.as_of, dict(rows.by_name(0))

    def reasons(self, connection: Connection, seq: int) -> Sequence[Reason]:
        """Return the reasons for and against the arrival of a record, for any channel."""
        filing, rows = self.filed(connection, seq)
        one = scored_arrival(filing.arrival, rows, None, index=0)
        inputs, scorer = replace(filing.inputs, sentences=REASONS_VERSION), self.scorer(filing)
        return reasons(one, rows.values[0], scorer, inputs=inputs, sentences=self._sentences)

    def filed(self, connection: Connection, seq: int) -> tuple[StoredDecision, FeatureRows]:
        """Return a decision as recorded, and its features read again as of its time."""
        filing = decode_decision(self._journal.body(connection, seq, of=DECISION))
        rows = self._features.read(connection, [filing.arrival], as_of=[filing.inputs.as_of])
        return filing, rows

    def scorer(self, filing: StoredDecision) -> Scorer | None:
        """Return the model that scored a decision, None where rules decided.

        Raises ``NoModelError`` or ``TamperedBundleError`` where it is no longer usable.
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
        return tuple(self._journal.body(connection, sequence, of=PERCENTILES)["quantiles"])


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
        arrival = arrival.model_copy(update={"declaration": None})
    as_of = filing.inputs.as_of if stored is None else stored.as_of
    ((again, match),) = match_arrivals(connection, [arrival], as_of=as_of)
    return match == stored and again == filing.arrival


def _drop_messages(again: dict[str, Any]) -> None:
    """Drop from facts and search steps what records of an earlier rule do not hold."""
    for fact in again["facts"]:
        del fact["message"], fact["parameters"]
    for step in again["search_order"]:
        step.pop("parameters", None)


def _are_grounds_same(
    filing: StoredDecision,
    again: Sequence[Mapping[str, Any]],
    one: ScoredArrival,
    row: Rows,
    *,
    scorer: Scorer | None,
) -> bool:
    """Tell whether the grounds of reasons by an earlier rule are reproduced.

    Grounds are the sentences of the rules where no model decided. With a model they are the
    contributions: of single features in the first records, of topics with the figures of rates
    since ``reasons-2``.
    """
    found = filing.decision["reasons"]
    if scorer is None:
        words = {reason.text for reason in rule_sentences(one.features)}
        return all(each["text"] in words for each in found if each["code"] in RULE_CODES)
    if filing.inputs.sentences in WITH_FIGURES:
        return len(found) == len(again) and all(map(_is_same_reason, found, again))
    crossing = filing.arrival.crossing
    explained_by = scorer.explain(row, vehicle_class=crossing.vehicle_class, post=crossing.post)
    added = {each.feature: each.log_odds for each in explained_by}
    weighed = [each for each in found if each["contribution"] != 0.0]
    return all(are_same(each["contribution"], added.get(each["code"])) for each in weighed)


def _is_same_reason(stored: Mapping[str, Any], again: Mapping[str, Any]) -> bool:
    """Tell whether a reason states the same contribution and the same figures."""
    figures = {name: again["parameters"].get(name) for name in stored["parameters"]}
    return bool(
        stored["code"] == again["code"]
        and are_same(stored["contribution"], again["contribution"])
        and are_same(stored["parameters"], figures)
    )


def _comparable(decision: Decision, filing: StoredDecision) -> dict[str, Any]:
    """Return those fields of a recomputed decision that its record has."""
    again = outcome(decision)
    if not filing.has_learnt_order:
        again["search_order"] = filing.decision["search_order"]
    return {name: again.get(name) for name in filing.decision}
