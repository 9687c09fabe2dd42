"""All that is read for an arrival before it is decided on: scores, draws, its post's standing.

While a model is on trial it scores what the model in force scores. Who leads an arrival is drawn;
what is said of a model in the inputs is said of that one, and ``trial`` says it of the other.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from engine.criteria.indicator_rules import RULES, draw_purpose
from engine.criteria.indicator_rules import explain_rules as rule_sentences
from engine.criteria.match import Match, Matcher
from engine.decision.decision import (
    AMENDED,
    Decision,
    Inputs,
    Mode,
    ScoredArrival,
    attach_reasons,
    decide,
)
from engine.decision.placement import MOST_PEERS
from engine.domain.advance_declarations import AdvanceMatch
from engine.domain.network import Network
from engine.domain.records import Arrival
from engine.domain.time_units import SECOND
from engine.explanation.precursor_signs import add_precursor_reason
from engine.explanation.reasons import Reason, Sentences, name_opposite_post
from engine.ports import (
    Contribution,
    CrossingEvent,
    FeatureRows,
    Features,
    LocalPosts,
    PostAuthority,
    Rows,
    Scorer,
    Scores,
)
from engine.queue.queue import merits_of_scored
from engine.selection.champion_challenger import CHALLENGER, TRIAL, Trial, draw_leader
from engine.selection.policy import RANDOM_SHARE, Channel, Policy
from engine.selection.randomization import PLACE, PLACE_AMENDED, RANDOM, SCORE, draw, movement_key
from engine.selection.team_assignment import TEAM
from engine.shifts.running_totals import Tally
from engine.shifts.shift_state import ShiftNeed, Shifts, ShiftState
from engine.shifts.workload import OpenShiftLoad, Workload
from engine.targeting.advance import MatchedBatch
from engine.targeting.amendments import AmendedDecision

BY_MODEL = (RANDOM, SCORE, PLACE, PLACE_AMENDED)
"""What an arrival draws a number for, whether it is needed or not."""
BY_RULES = (RANDOM, PLACE, PLACE_AMENDED, *map(draw_purpose, RULES))
"""The same without a model."""


@dataclass(frozen=True, slots=True)
class Challenger:
    """The model on trial next to the one in force."""

    scorer: Scorer
    sequence: int
    """The journal's record that began the trial."""
    share: float
    """Probability with which it leads an arrival."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The model that decides now, or none; and the one that shares its picks."""

    scorer: Scorer | None
    mode: Mode
    challenger: Challenger | None = None


@dataclass(frozen=True, slots=True)
class LeadingModel:
    """What leads an arrival, a model or none, and what holds for it."""

    scorer: Scorer | None
    scores: Scores | None
    standing: ShiftState
    trial: Trial | None = None
    other: Scores | None = None
    """By the model of a trial that does not lead."""


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """One arrival and all that was read for it."""

    row: Rows
    """Features of shape (n_features,)."""
    event: CrossingEvent
    """What the counters will append."""
    seen: ScoredArrival
    inputs: Inputs
    scorer: Scorer | None
    """The model that scored it; it may be replaced before the reasons are worked out."""


class DecisionContextBuilder:
    """Brings together what a decision needs."""

    def __init__(
        self,
        shifts: Shifts,
        policy: Policy,
        *,
        in_force: Callable[[], InForce],
        definitions: str,
        sentences: Sentences,
        workload: Workload,
        features: Features,
        network: Network,
        matchers: Sequence[Matcher] = (),
        posts: PostAuthority | None = None,
    ) -> None:
        self._shifts = shifts
        self._policy = policy
        self._in_force = in_force
        self._definitions = definitions
        self._sentences = sentences
        self._workload = workload
        self._features = features
        self._network = network
        self._matchers = matchers
        self._posts = posts or LocalPosts()

    def find_in_force(self) -> InForce:
        """Return the model that decides now, for one batch."""
        return self._in_force()

    def list_unopened(
        self,
        arrivals: Sequence[Arrival],
        in_force: InForce,
        *,
        as_of: int,
        amended: Sequence[AmendedDecision | None],
    ) -> list[ShiftNeed]:
        """Return the shifts that a batch needs and that were not opened yet."""
        rival = in_force.challenger
        scorers = [in_force.scorer, *([] if rival is None else [rival.scorer])]
        drawn_at = {(arrival.crossing.post, as_of) for arrival in arrivals}
        drawn_at |= {(one.crossing.post, one.as_of) for one in amended if one is not None}
        needs = [ShiftNeed(*each, scorer) for each in sorted(drawn_at) for scorer in scorers]
        return [need for need in needs if self._shifts.find_state(need) is None]

    def open_shifts(self, needs: Iterable[ShiftNeed]) -> None:
        """Open shifts, each once; waits for the journal's writer, so no snapshot may be held."""
        for need in needs:
            if self._shifts.find_state(need) is None:
                self._shifts.open_shift(need)

    def _state(self, post: str, at: int, scorer: Scorer | None) -> ShiftState:
        """Return what holds in a shift that was opened before the batch."""
        found = self._shifts.find_state(ShiftNeed(post, at, scorer))
        if found is None:
            raise RuntimeError(f"the shift of {post} was not opened before its decisions")
        return found

    def decide_batch(
        self,
        snapshot: Connection,
        batch: MatchedBatch,
        rows: FeatureRows,
        *,
        in_force: InForce,
        as_of: int,
        tally: Tally,
    ) -> list[tuple[DecisionContext, Decision]]:
        """Decide on arrivals: one call of the model for all, one after the other at the cut.

        The minutes that a decision takes are no longer there for the next one of the batch. Every
        shift of :meth:`list_unopened` was opened before.
        """
        arrivals = batch.arrivals
        found = [m.matches(snapshot, arrivals, rows, as_of=as_of) for m in self._matchers]
        scorer, rival = in_force.scorer, in_force.challenger
        scores = None if scorer is None else scorer.score(rows.values)
        rivals = None if rival is None else rival.scorer.score(rows.values)
        posts = {arrival.crossing.post for arrival in arrivals}
        silences = self._posts.measure_silences(snapshot, posts, now=as_of)
        running: dict[str, OpenShiftLoad] = {}
        out = []
        for index, arrival in enumerate(arrivals):
            post = arrival.crossing.post
            standing = self._state(post, as_of, scorer)
            if post not in running:
                running[post] = self._workload.read_load(
                    snapshot, standing.shift, now=as_of, tally=tally
                )
            amends = batch.amended[index]
            if amends is not None:  # draws from the shift that drew for it first
                standing = self._state(post, amends.as_of, scorer)
            first = arrival.crossing if amends is None else amends.crossing
            movement = movement_key(first, standing.shift)
            led = self._drawn(
                LeadingModel(scorer, scores, standing), rival, rivals, movement=movement
            )
            matches = tuple(match for each in found for match in each[index])
            one = DecisionContext(
                row=rows.values[index],
                event=rows.events[index],
                seen=scored_arrival(arrival, rows, led.scores, index=index, other=led.other),
                inputs=self._inputs(
                    arrival,
                    led,
                    in_force.mode,
                    running[post],
                    movement=movement,
                    as_of=as_of if amends is None else amends.as_of,
                    epoch=rows.epoch,
                    matches=matches,
                    amends=amends,
                    advance=batch.matches[index],
                    silence=silences[post],
                ),
                scorer=led.scorer,
            )
            decision = decide(one.inputs, one.seen)
            if decision.is_referred:  # whatever picked it: the time it takes must not tell either
                inputs = self._of_referral(
                    snapshot, one, decision, equipment=running[post].equipment
                )
                one = replace(one, inputs=inputs)
                decision = decide(one.inputs, one.seen)
            running[post].count_decision(decision)
            out.append((one, decision))
        return out

    def _of_referral(
        self,
        snapshot: Connection,
        one: DecisionContext,
        decision: Decision,
        *,
        equipment: Mapping[str, int],
    ) -> Inputs:
        """Return the inputs with what is read for referred vehicles alone."""
        crossing = one.seen.arrival.crossing
        peers = merits_of_scored(
            snapshot,
            crossing.post,
            channel=decision.channel,
            vehicle_class=crossing.vehicle_class,
            model_version=one.inputs.model_version,
            most=MOST_PEERS,
        )
        if decision.channel is not Channel.RED:
            return replace(one.inputs, peers=peers)
        searches = replace(self._features.searches(snapshot, one.event), equipment=equipment)
        return replace(one.inputs, peers=peers, searches=searches)

    def explain(self, decision: Decision, one: DecisionContext) -> Decision:
        """Return the decision with the reasons that a referral is owed."""
        if not decision.is_referred:
            return decision
        found = reasons(one.seen, one.row, one.scorer, inputs=one.inputs, sentences=self._sentences)
        return attach_reasons(decision, found, one.inputs.matches)

    def _drawn(
        self,
        champion: LeadingModel,
        challenger: Challenger | None,
        scores: Scores | None,
        *,
        movement: bytes,
    ) -> LeadingModel:
        """Draw which of two models leads, and keep what the other says."""
        if challenger is None:
            return champion
        shift, model = champion.standing.shift, challenger.scorer
        standing = self._state(shift.post, shift.opens_at, model)
        rival = LeadingModel(model, scores, standing)
        leader = draw_leader(challenger.share, draw(standing.seed, TRIAL, movement=movement))
        led, other = (rival, champion) if leader == CHALLENGER else (champion, rival)
        if other.scorer is None:
            return champion
        trial = Trial(
            sequence=challenger.sequence,
            share=challenger.share,
            leader=leader,
            other=other.scorer.version,
            table_sequence=other.standing.table_sequence,
            table=other.standing.table,
            severity=other.scorer.severity,
        )
        return replace(led, trial=trial, other=other.scores)

    def _inputs(
        self,
        arrival: Arrival,
        led: LeadingModel,
        mode: Mode,
        running: OpenShiftLoad,
        *,
        movement: bytes,
        as_of: int,
        epoch: str,
        matches: tuple[Match, ...],
        amends: AmendedDecision | None,
        advance: AdvanceMatch | None,
        silence: int,
    ) -> Inputs:
        scorer, standing, limits = led.scorer, led.standing, self._posts.limits
        minutes = running.expect_minutes(arrival.crossing.vehicle_class)
        fixed = BY_RULES if scorer is None else BY_MODEL
        team = (TEAM,) if running.teams else ()
        tried = () if led.trial is None else (TRIAL,)
        purposes = (*fixed, AMENDED, *team, *tried, *(match.purpose for match in matches))
        return Inputs(
            decision_id=f"dec-{secrets.token_hex(12)}",
            as_of=as_of,
            epoch=epoch,
            shift_id=standing.shift.shift_id,
            draws={p: draw(standing.seed, p, movement=movement) for p in purposes},
            policy=running.policy(self._choose_policy(silence), minutes),
            mode=mode,
            model_version=None if scorer is None else scorer.version,
            definitions=self._definitions,
            table_sequence=standing.table_sequence,
            table=standing.table,
            severity=1.0 if scorer is None else scorer.severity,
            minutes=minutes,
            matches=matches,
            teams=running.teams,
            amends=None if amends is None else amends.decision_id,
            amendment=0 if amends is None else amends.number,
            trial=led.trial,
            opposite=self._network.name_opposite(arrival.crossing.post),
            advance=advance,
            silence_seconds=max(1, silence // SECOND) if silence > limits.stale else 0,
        )

    def _choose_policy(self, silence: int) -> Policy:
        """Return the fixed shares; the random one is at its upper bound after a long silence."""
        if silence <= self._posts.limits.random:
            return self._policy
        return replace(self._policy, random_share=RANDOM_SHARE[1])


def scored_arrival(
    arrival: Arrival,
    rows: FeatureRows,
    scores: Scores | None,
    *,
    index: int,
    other: Scores | None = None,
) -> ScoredArrival:
    """Return one arrival of a batch with its features and scores; ``other`` are a trial's."""
    features = rows.by_name(index)
    evidence = rows.evidence[index] if rows.evidence else {}
    if scores is None:
        return ScoredArrival(arrival, features, evidence=evidence)
    trial = None if other is None else _chances(other, index)
    return ScoredArrival(arrival, features, *_chances(scores, index), trial, evidence)


def _chances(scores: Scores, index: int) -> tuple[float, float]:
    return float(scores.p_seizure[index]), float(scores.p_discrepancy[index])


def reasons(
    one: ScoredArrival, row: Rows, scorer: Scorer | None, *, inputs: Inputs, sentences: Sentences
) -> Sequence[Reason]:
    """Return what speaks for and against an arrival, the strongest first.

    ``row`` has shape (f,); ``inputs`` are those of the decision.
    """
    if scorer is None:
        found: Sequence[Reason] = rule_sentences(one.features)
    else:
        found = sentences(_list_contributions(one, row, scorer), one.arrival)
    found = add_precursor_reason(found, one.arrival, one.features)
    return name_opposite_post(found, inputs.opposite)


def _list_contributions(one: ScoredArrival, row: Rows, scorer: Scorer) -> list[Contribution]:
    """Return contributions of features, those of rates with the inspections behind them."""
    crossing = one.arrival.crossing
    found = scorer.explain(row, vehicle_class=crossing.vehicle_class, post=crossing.post)
    known = dict(one.evidence)  # all at once: most rates add something
    return [
        each._replace(evidence=known[each.feature]) if each.feature in known else each
        for each in found
    ]
