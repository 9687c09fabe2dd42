"""Context of a decision: all that is read for an arrival before it is decided on.

Declarations ahead, earlier decisions on the movement, scores, draws and the post's standing. While
a model is on trial it scores every arrival that the model in force scores. It is drawn which of
them leads an arrival; the inputs describe the leading model, and ``trial`` describes the other one.

Arrivals of a batch do not see each other, so two of them may lead to the same vehicle of one
declaration. The later one then waits for the next batch, which knows that the vehicle is taken.

An amendment is a declaration that was changed after its vehicle had been decided on. It gets a
decision of its own, linked to the first one of its movement. It draws the same numbers and sees the
same past, so a smuggler cannot ask again until the answer suits; a change after arrival is itself a
signal, and a declaration may be changed three times a day.

A late record of the opposite post leads to a decision on the waiting vehicle that is linked in the
same way, with the same draws. All but the features of that record are cut where they were. Such a
decision is recorded if its channel is not milder than the one in which the vehicle stands: a milder
one is for a supervisor.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, bindparam, func, select

from engine.criteria.indicator_rules import RULES, draw_purpose
from engine.criteria.indicator_rules import explain_rules as rule_sentences
from engine.criteria.match import Match, Matcher
from engine.criteria.profiles.profile import ScaleTolerances
from engine.decision.decision import (
    AMENDED,
    MOST_PEERS,
    Decision,
    Inputs,
    Mode,
    ScoredArrival,
    attach_reasons,
    choose_channel,
    decide,
)
from engine.decision.record_codec import decode_decision
from engine.declarations.matcher import match_arrivals
from engine.domain.advance_declarations import AdvanceMatch
from engine.domain.network import Network, ShiftPeriod
from engine.domain.records import Arrival, Crossing
from engine.domain.time_units import DAY, SECOND
from engine.errors import RecordError, RiskError, TooManyAmendmentsError
from engine.explanation.reasons import Reason, Sentences, add_precursor_reason, name_opposite_post
from engine.journal.batch_worker import PendingRequest
from engine.journal.journal import Journal
from engine.journal.kinds import DECISION
from engine.ports import (
    Contribution,
    CrossingEvent,
    FeatureRows,
    Features,
    PostAuthority,
    Rows,
    Scorer,
    Scores,
)
from engine.queue.queue import DECISIONS, QueuedDecision, merits_of_scored, read_decision
from engine.search_orders.rates import find_signs
from engine.selection import (
    CHALLENGER,
    INSPECTED,
    PAPERS,
    PLACE,
    PLACE_AMENDED,
    RANDOM,
    RANDOM_PAPERS,
    RANDOM_SHARE,
    SCORE,
    TEAM,
    TRIAL,
    Channel,
    Policy,
    Trial,
    draw,
    draw_leader,
    movement_key,
)
from engine.shifts.shift_state import ShiftNeed, Shifts, ShiftState
from engine.shifts.workload import OpenShiftLoad, Tally, Workload

MOST_AMENDMENTS = 3
"""Amendments of one movement within 24 hours."""
_D = DECISIONS.c


@dataclass(frozen=True, slots=True)
class AmendedDecision:
    """What an amendment goes back to."""

    decision_id: str
    """The first decision of the movement."""
    as_of: int
    """Features are cut where that one's were: later, they would count the vehicle itself."""
    crossing: Crossing
    """As it was first reported: whose numbers are drawn."""
    number: int
    """1 for the first amendment."""
    told_at: int | None = None
    """Where the opposite post's records are cut, if a late one of them leads to this decision."""
    advance: AdvanceMatch | None = None
    """The declarations ahead that the vehicle was decided with, if so."""
    facts: tuple[Match, ...] = ()
    """Hard facts by the records known before, which a late one does not take away."""


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """An arrival to decide on, for the first time or again."""

    arrival: Arrival
    amended: QueuedDecision | None = None
    """The decision whose declaration was changed, or on whose vehicle a late record came."""
    is_told: bool = False
    """A late record of the opposite post leads to it, and no change of the declaration."""
    differs: bool = True
    """Whether that record says anything else than was known, but for its time."""


_LATELY = select(func.count()).where(
    _D.crossing_id == bindparam("crossing"),
    _D.amends.is_not(None),
    _D.known_at >= bindparam("since"),
)
_EVER = select(func.count()).where(_D.crossing_id == bindparam("crossing"), _D.amends.is_not(None))


def attach_amendments(
    snapshot: Connection,
    journal: Journal,
    asked: Sequence[PendingRequest[DecisionRequest]],
    *,
    as_of: int,
) -> tuple[list[PendingRequest[DecisionRequest]], list[AmendedDecision | None]]:
    """Return what can be decided on, with what each amendment goes back to; refuse the rest."""
    kept: list[PendingRequest[DecisionRequest]] = []
    found: list[AmendedDecision | None] = []
    for one in asked:
        known = one.what.amended
        try:
            goes_back = None
            if known is not None and one.what.is_told:
                goes_back = read_told(snapshot, journal, known, as_of=as_of)
            elif known is not None:
                goes_back = amends(snapshot, journal, one.what.arrival, known, as_of=as_of)
        except RiskError as refusal:
            one.answer.set_exception(refusal)
            continue
        kept.append(one)
        found.append(goes_back)
    return kept, found


def amends(
    snapshot: Connection, journal: Journal, arrival: Arrival, known: QueuedDecision, *, as_of: int
) -> AmendedDecision:
    """Return what an amendment goes back to.

    Raises ``RecordError`` for another movement than the decision's, ``TooManyAmendmentsError``
    beyond three within 24 hours.
    """
    root = known if known.amends is None else read_decision(snapshot, known.amends)
    first = decode_decision(journal.body(snapshot, root.seq, of=DECISION))
    crossing = first.arrival.crossing
    for name in ("crossing_id", "post", "direction"):
        if getattr(arrival.crossing, name) != getattr(crossing, name):
            raise RecordError("crossing", name, "other_movement", "an amendment cannot change it")
    lately = snapshot.scalar(_LATELY, {"crossing": crossing.crossing_id, "since": as_of - DAY})
    if (lately or 0) >= MOST_AMENDMENTS:
        raise TooManyAmendmentsError(MOST_AMENDMENTS)
    ever = snapshot.scalar(_EVER, {"crossing": crossing.crossing_id}) or 0
    return AmendedDecision(root.decision_id, first.inputs.as_of, crossing, ever + 1)


def read_told(
    snapshot: Connection, journal: Journal, known: QueuedDecision, *, as_of: int
) -> AmendedDecision:
    """Return what a decision after a late record of the opposite post goes back to."""
    last = decode_decision(journal.body(snapshot, known.seq, of=DECISION)).inputs
    root = known if known.amends is None else read_decision(snapshot, known.amends)
    first = decode_decision(journal.body(snapshot, root.seq, of=DECISION))
    return AmendedDecision(
        root.decision_id,
        first.inputs.as_of,
        first.arrival.crossing,
        last.amendment,
        told_at=as_of,
        advance=last.advance,
        facts=tuple(match for match in last.matches if match.fact),
    )


Request = PendingRequest[DecisionRequest]


@dataclass(frozen=True, slots=True)
class MatchedBatch:
    """The requests of a batch that are decided together, and those that wait for the next."""

    asked: Sequence[Request]
    amended: Sequence[AmendedDecision | None]
    arrivals: Sequence[Arrival]
    """With the declarations ahead that they are decided with."""
    matches: Sequence[AdvanceMatch | None]
    deferred: Sequence[Request]


def match_batch(
    snapshot: Connection,
    asked: Sequence[Request],
    amended: Sequence[AmendedDecision | None],
    *,
    as_of: int,
) -> MatchedBatch:
    """Return a batch with its declarations ahead, as known before ``as_of``."""
    matched = match_arrivals(snapshot, [one.what.arrival for one in asked], as_of=as_of)
    taken: set[tuple[str, int]] = set()
    kept: list[tuple[Request, AmendedDecision | None, Arrival, AdvanceMatch | None]] = []
    deferred: list[Request] = []
    for one, first, (arrival, match) in zip(asked, amended, matched, strict=True):
        if one.what.is_told and first is not None:  # as it was decided on: nothing is looked for
            kept.append((one, first, one.what.arrival, first.advance))
            continue
        uses = {(use.declaration_id, use.vehicle) for use in match.uses} if match else set()
        if uses & taken:
            deferred.append(one)
            continue
        taken |= uses
        kept.append((one, first, arrival, match))
    own, amends, arrivals, matches = zip(*kept, strict=True)  # the first is always kept
    return MatchedBatch(own, amends, arrivals, matches, deferred)


BY_MODEL = (RANDOM, RANDOM_PAPERS, SCORE, PAPERS, PLACE, PLACE_AMENDED)
"""What an arrival draws a number for, whether it is needed or not."""
BY_RULES = (RANDOM, RANDOM_PAPERS, PLACE, PLACE_AMENDED, *map(draw_purpose, RULES))
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
        *,
        in_force: Callable[[], InForce],
        definitions: str,
        sentences: Sentences,
        workload: Workload,
        features: Features,
        network: Network,
        matchers: Sequence[Matcher],
        tolerances: Callable[[str, int], ScaleTolerances],
        posts: PostAuthority | None = None,
    ) -> None:
        self._shifts = shifts
        self._in_force = in_force
        self._definitions = definitions
        self._sentences = sentences
        self._workload = workload
        self._features = features
        self._network = network
        self._matchers = matchers
        self._tolerances = tolerances
        self._posts = posts or PostAuthority()

    def find_in_force(self) -> InForce:
        """Return the model that decides now, for one batch."""
        return self._in_force()

    def list_unopened(
        self,
        snapshot: Connection,
        arrivals: Sequence[Arrival],
        in_force: InForce,
        *,
        as_of: int,
        amended: Sequence[AmendedDecision | None],
    ) -> list[ShiftNeed]:
        """Return the shifts that a batch needs and that were not opened yet."""
        self._shifts.follow_policy(snapshot)
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
        policy = self._shifts.follow_policy(snapshot)
        running: dict[str, OpenShiftLoad] = {}
        shares: dict[ShiftPeriod, Policy] = {}
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
            shift = standing.shift
            if shift not in shares:
                shares[shift] = policy.find_shares(post, opens_at=shift.opens_at)
            first = arrival.crossing if amends is None else amends.crossing
            movement = movement_key(first, shift)
            led = self._drawn(
                LeadingModel(scorer, scores, standing), rival, rivals, movement=movement
            )
            matches = tuple(match for each in found for match in each[index])
            again = {match.code for match in matches}
            matches += tuple(
                replace(match, is_superseded=True)
                for match in (() if amends is None else amends.facts)
                if match.code not in again
            )
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
                    shares=shares[shift],
                ),
                scorer=led.scorer,
            )
            chosen = choose_channel(one.inputs, one.seen)
            if chosen.channel in INSPECTED:  # whatever picked it: the time must not tell either
                inputs = self._of_referral(
                    snapshot, one, chosen.channel, equipment=running[post].equipment, as_of=as_of
                )
                one = replace(one, inputs=inputs)
            decision = decide(one.inputs, one.seen, chosen)
            running[post].count_decision(decision)
            out.append((one, decision))
        return out

    def _of_referral(
        self,
        snapshot: Connection,
        one: DecisionContext,
        channel: Channel,
        *,
        equipment: Mapping[str, int],
        as_of: int,
    ) -> Inputs:
        """Return the inputs with what is read for referred vehicles alone."""
        crossing = one.seen.arrival.crossing
        scales = self._tolerances(crossing.post, as_of)
        peers = merits_of_scored(
            snapshot,
            crossing.post,
            channel=channel,
            vehicle_class=crossing.vehicle_class,
            model_version=one.inputs.model_version,
            most=MOST_PEERS,
        )
        searches = replace(
            self._features.searches(snapshot, one.event),
            equipment=equipment,
            signs=find_signs(
                one.seen.arrival, one.seen.features, load_kg=scales.load_kg, mass_kg=scales.mass_kg
            ),
        )
        return replace(one.inputs, peers=peers, searches=searches)

    def explain(self, decision: Decision, one: DecisionContext) -> Decision:
        """Return the decision with the reasons that a referral is owed."""
        if not decision.is_referred:
            return decision
        found = reasons(
            one.seen,
            one.row,
            one.scorer,
            channel=decision.channel,
            inputs=one.inputs,
            sentences=self._sentences,
        )
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
            tables=other.standing.tables,
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
        shares: Policy,
    ) -> Inputs:
        scorer, standing, limits = led.scorer, led.standing, self._posts.limits
        minutes = running.expect_minutes(arrival.crossing.vehicle_class)
        always = BY_RULES if scorer is None else BY_MODEL
        team = (TEAM,) if running.teams else ()
        tried = () if led.trial is None else (TRIAL,)
        purposes = (*always, AMENDED, *team, *tried, *(match.purpose for match in matches))
        return Inputs(
            # By time, so that the newest ones share the pages of each index of them.
            decision_id=f"dec-{as_of:014x}{secrets.token_hex(6)}",
            as_of=as_of,
            epoch=epoch,
            shift_id=standing.shift.shift_id,
            draws={p: draw(standing.seed, p, movement=movement) for p in purposes},
            policy=running.policy(self._bound_policy(shares, silence), minutes),
            mode=mode,
            model_version=None if scorer is None else scorer.version,
            definitions=self._definitions,
            table_sequence=standing.table_sequence,
            tables=standing.tables,
            minutes=minutes,
            matches=matches,
            teams=running.teams,
            amends=None if amends is None else amends.decision_id,
            amendment=0 if amends is None else amends.number,
            trial=led.trial,
            opposite=self._network.name_opposite(arrival.crossing.post),
            advance=advance,
            told_at=None if amends is None else amends.told_at,
            silence_seconds=max(1, silence // SECOND) if silence > limits.stale else 0,
        )

    def _bound_policy(self, shares: Policy, silence: int) -> Policy:
        """Return the fixed shares; the random one is at its upper bound after a long silence."""
        if silence <= self._posts.limits.random:
            return shares
        return replace(shares, random_share=RANDOM_SHARE[1])


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
    trial = None if other is None else other.read_row(index)
    return ScoredArrival(arrival, features, scores.read_row(index), trial, evidence)


def reasons(
    one: ScoredArrival,
    row: Rows,
    scorer: Scorer | None,
    *,
    channel: Channel,
    inputs: Inputs,
    sentences: Sentences,
) -> Sequence[Reason]:
    """Return what speaks for and against an arrival, the strongest first.

    They are reasons for the chance that ``channel`` ranks by. ``row`` has shape (f,); ``inputs``
    are those of the decision.
    """
    if scorer is None:
        found: Sequence[Reason] = rule_sentences(one.features)
    else:
        found = sentences(_list_contributions(one, row, scorer, channel), one.arrival)
    found = add_precursor_reason(found, one.arrival, one.features)
    return name_opposite_post(found, inputs.opposite)


def _list_contributions(
    one: ScoredArrival, row: Rows, scorer: Scorer, channel: Channel
) -> list[Contribution]:
    """Return contributions of features, those of rates with the inspections behind them."""
    crossing = one.arrival.crossing
    found = scorer.explain(
        row, channel.ranked_by, vehicle_class=crossing.vehicle_class, post=crossing.post
    )
    known = dict(one.evidence)  # all at once: most rates add something
    return [
        each._replace(evidence=known[each.feature]) if each.feature in known else each
        for each in found
    ]
