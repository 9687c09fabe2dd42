"""A decision as data, and the pure function that makes it.

``decide`` assumes that its ``Inputs`` hold everything that cannot be read as of a time: with the
arrival's features and scores they give the same decision on any machine, on any later day.
:mod:`engine.decision.role_views` says which parts of it each role may see.

A vehicle whose basis is the score queues with its own merit. Every other referred vehicle (a random
check, a profile, an entry of the watch list, a rule, a supervisor's override) takes a merit drawn
from those of the last scored picks of the same post, channel, vehicle class and model: a new scored
pick falls between any two of them with the same probability, so its place reveals nothing. While
fewer than ``FEWEST_MERITS`` are known, quantiles of the post's table replace the missing ones; they
are of all classes together, so a place may then reveal a little of the basis.

A sender who changes a declaration to see whether the place moves must not learn the basis either:
after an amendment every vehicle takes a drawn merit, by a number of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from engine.criteria.indicator_rules import RULES_VERSION, estimate_rule_risk, rule_chances
from engine.criteria.match import (
    HARD_FACT,
    KNOWN_LAWFUL,
    Match,
    explain_matches,
    match_chances,
)
from engine.decision.inspection_minutes import FORWARD, Minutes, place_of
from engine.domain.advance_declarations import AdvanceMatch
from engine.domain.records import Arrival
from engine.explanation.facts import Fact, data_gaps, facts
from engine.explanation.messages import Message, render
from engine.explanation.reasons import REASONS_VERSION, Reason, make_whole_reason
from engine.ports import Chances, Evidence
from engine.search_orders.order import NO_ORDER, SearchOrder, search_order
from engine.search_orders.rates import Precaution, SearchCounts, precautions
from engine.selection import (
    INSPECTED,
    LAWFUL_CHECK,
    PAPERS,
    PLACE,
    PLACE_AMENDED,
    RANDOM,
    RANDOM_PAPERS,
    SCORE,
    TEAM,
    Chance,
    Channel,
    Levels,
    Policy,
    RiskTables,
    Selection,
    Trial,
    Tried,
    apply_trial,
    assign_team,
    level_among_picks,
    lower_chances,
    lower_factor,
    picked_levels,
    random_chances,
    risk_at,
    score_chances,
    select,
)

PLACEMENT_VERSION = "placement-1"
"""Changes whenever this rule changes; kept with every decision."""
FEWEST_MERITS = 16
"""Merits that one is drawn among."""
MOST_PEERS = 32
"""The last scored picks that are looked at."""


@dataclass(frozen=True, slots=True)
class MeritPeers:
    """What a merit is drawn among."""

    merits: Sequence[float]
    """Of the last scored picks, ascending."""
    table: Sequence[float]
    """Quantiles at the post of the chance that the channel ranks by; empty without a model."""
    policy: Policy
    channel: Channel


def place_purpose(amendment: int) -> str:
    """Return what the number is drawn for; ``amendment`` counts the changes of the declaration."""
    return PLACE_AMENDED if amendment else PLACE


def drawn_merit(peers: MeritPeers, drawn: float) -> float:
    """Return the merit at a number drawn in [0, 1); without a model the number itself."""
    if not peers.table:
        return drawn
    missing = max(FEWEST_MERITS - len(peers.merits), 0)
    prior = [_prior(peers, (place + 0.5) / missing) for place in range(missing)]
    points = sorted([*peers.merits, *prior])
    low, high = picked_levels(peers.policy, peers.channel)
    ends = [
        min(points[0], risk_at(peers.table, low)),
        *points,
        max(points[-1], risk_at(peers.table, high)),
    ]
    where = drawn * (len(points) + 1)
    gap = min(int(where), len(points))
    return ends[gap] + (where - gap) * (ends[gap + 1] - ends[gap])


def _prior(peers: MeritPeers, drawn: float) -> float:
    return risk_at(peers.table, level_among_picks(drawn, peers.policy, peers.channel))


Mode = Literal["model", "last_good", "rules_only"]
Band = Literal["low", "medium", "high"]
AMENDED, AMENDED_SHARE = "rule:amended", 0.25
"""A declaration that is changed after arrival is looked at with this probability."""
HIGH, MEDIUM = 0.04, 0.12
"""Shares of a post's last 28 days whose risk is said to be high, and at least medium."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a decision stands on that cannot be read from the journal as of a time."""

    decision_id: str
    as_of: int
    """UTC microseconds: features saw records known strictly before."""
    epoch: str
    """Digest of the loaded history that the counters started from."""
    shift_id: str
    """Whose seed was drawn from."""
    draws: Mapping[str, float]
    """One number in [0, 1) for each purpose."""
    policy: Policy
    mode: Mode
    model_version: str | None
    definitions: str
    """Digest of the feature definitions."""
    table_sequence: int | None
    """The journal's record of ``tables``; None without a model."""
    tables: RiskTables
    """Of the chances at this post; empty without a model."""
    minutes: Minutes
    """Expected minutes of this vehicle's inspection."""
    amends: str | None = None
    """The first decision of the movement, where its declaration was changed since."""
    amendment: int = 0
    """How often it was changed."""
    matches: tuple[Match, ...] = ()
    """Profiles and entries of the watch list that fit the arrival."""
    searches: SearchCounts | None = None
    """What was found where in vehicles like it; known where it is referred, for its order."""
    teams: tuple[str, ...] = ()
    """Who inspects in this shift."""
    rules: str = RULES_VERSION
    """Version of the rules that decide without a model."""
    trial: Trial | None = None
    """Where two models share the picks: what is said above of a model is said of the leader."""
    sentences: str = REASONS_VERSION
    """Version of the rule that makes reasons."""
    opposite: str = ""
    """Name of the opposite post, for the reasons on its record; empty without one."""
    placement: str = PLACEMENT_VERSION
    """Version of the rule by which it queues."""
    peers: tuple[float, ...] = ()
    """Merits of the last scored picks that it is compared with, ascending; where it is referred."""
    advance: AdvanceMatch | None = None
    """The declarations ahead that it was matched with; None where none had anything to say."""
    silence_seconds: int = 0
    """For how long the post's centre had been silent; 0 within its limit, and without a centre."""
    told_at: int | None = None
    """UTC microseconds: what the opposite post had recorded before, a late record among it, led to
    this decision on a vehicle that waits. None for all others."""

    @property
    def opposite_as_of(self) -> int:
        """Where what the opposite post recorded is cut."""
        return self.as_of if self.told_at is None else self.told_at

    def drawn_place(self, channel: Channel) -> int:
        """Return a place drawn among the scored picks of a channel."""
        peers = MeritPeers(self.peers, self.tables.table_for(channel), self.policy, channel)
        merit = drawn_merit(peers, self.draws[place_purpose(self.amendment)])
        return place_of(channel, merit, minutes=self.minutes)


@dataclass(frozen=True, slots=True)
class ScoredArrival:
    """An arrival as the models saw it."""

    arrival: Arrival
    features: Mapping[str, float]
    """By name; NaN where nothing was known."""
    chances: Chances | None = None
    """Calibrated; None without a model."""
    other: Chances | None = None
    """By the model of a trial that does not lead; None without one."""
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    """The inspections behind each feature that is a rate."""


@dataclass(frozen=True, slots=True)
class Rank:
    """A place in the queue of a post: 1 is searched first; ``of`` counts the vehicle itself."""

    position: int
    of: int


@dataclass(frozen=True, slots=True)
class Risk:
    """How the model saw it."""

    percentile: float | None
    """Share of the post's last 28 days with a lower chance of a seizure, in [0, 1]; None without a
    model."""
    discrepancy_percentile: float | None
    """The same of the chance of a discrepancy."""
    band: Band
    """By the chance of a seizure."""
    p_seizure: float | None
    p_discrepancy: float | None
    seizure_between: tuple[float, float] | None
    """95 % interval of the chance; None without a model, and where the chance is an order alone."""
    discrepancy_between: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Where one arrival goes, and everything that is to be known about why."""

    decision_id: str
    crossing_id: str
    post: str
    as_of: int
    channel: Channel
    selection: Selection
    risk: Risk
    minutes: float
    """Expected minutes of its inspection, 0 where it goes to no officer."""
    place: int
    """Orders the queue: higher is searched first."""
    search: SearchOrder
    """Its steps; empty where it goes to no officer."""
    precautions: tuple[Precaution, ...]
    facts: tuple[Fact, ...]
    data_gaps: tuple[str, ...]
    mode: Mode
    model_version: str | None
    team: str | None = None
    """Its team, assigned at random; None where it goes to no officer or the roster names none."""
    trial: Tried | None = None
    """What the trial that it fell into made of it; None where none ran."""
    rank: Rank | None = None
    reasons: tuple[Reason, ...] = ()

    @property
    def is_referred(self) -> bool:
        """Tell whether it goes to officers, and is owed reasons."""
        return self.channel in INSPECTED

    @property
    def propensity(self) -> float:
        """Probability with which the engine could have sent it to officers at all."""
        return self.selection.propensities[Channel.YELLOW]


@dataclass(frozen=True, slots=True)
class ChannelChoice:
    """Where an arrival goes, before its place and its search order are known."""

    selection: Selection
    risk: Risk
    trial: Tried | None

    @property
    def channel(self) -> Channel:
        """Where it goes."""
        return self.selection.channel


def choose_channel(inputs: Inputs, seen: ScoredArrival) -> ChannelChoice:
    """Return where an arrival goes; peers and searches of ``inputs`` are not needed yet."""
    chances = seen.chances
    levels = None if chances is None else inputs.tables.place(chances.seizure, chances.discrepancy)
    is_lawful = any(one.source == KNOWN_LAWFUL for one in inputs.matches)
    factor = lower_factor(inputs.policy) if is_lawful and levels is not None else 1.0
    picked = lower_chances(_score_chances(inputs.policy, levels, seen), factor)
    trial = None
    if inputs.trial is not None and seen.other is not None:
        trial, picked = apply_trial(
            inputs.trial,
            seen.other[:2],
            picked,
            policy=inputs.policy,
            draws=inputs.draws,
            factor=factor,
        )
    checked = Chance(LAWFUL_CHECK, Channel.RED, inputs.policy.lawful_floor)
    changed = (Chance(AMENDED, Channel.YELLOW, AMENDED_SHARE),) if inputs.amendment else ()
    matched = match_chances(inputs.matches)
    drawn = (*random_chances(inputs.policy), *((checked,) if is_lawful else ()))
    selection = select((*picked, *matched, *changed, *drawn), inputs.draws)
    level = None if levels is None else levels.seizure
    return ChannelChoice(
        selection=selection,
        risk=Risk(
            percentile=level,
            discrepancy_percentile=None if levels is None else levels.discrepancy,
            band=_band(level, picked, inputs.draws),
            p_seizure=None if chances is None else chances.seizure,
            p_discrepancy=None if chances is None else chances.discrepancy,
            seizure_between=None if chances is None else chances.seizure_between,
            discrepancy_between=None if chances is None else chances.discrepancy_between,
        ),
        trial=trial,
    )


def decide(inputs: Inputs, seen: ScoredArrival, chosen: ChannelChoice | None = None) -> Decision:
    """Return the decision on one arrival, without its rank and its reasons.

    ``chosen`` is what :func:`choose_channel` returned for the same inputs, peers and searches
    apart; it is called where it is None.
    """
    made = chosen or choose_channel(inputs, seen)
    crossing = seen.arrival.crossing
    return Decision(
        decision_id=inputs.decision_id,
        crossing_id=crossing.crossing_id,
        post=crossing.post,
        as_of=inputs.as_of,
        channel=made.channel,
        selection=made.selection,
        risk=made.risk,
        minutes=inputs.minutes.of(made.channel),
        place=_place(inputs, made.selection, merit=_find_merit(made.channel, seen)),
        search=_order_search(inputs, seen.arrival, made.channel),
        precautions=precautions(seen.arrival),
        facts=facts(
            seen.arrival,
            seen.features,
            amendment=inputs.amendment,
            advance=inputs.advance,
            silence_seconds=inputs.silence_seconds,
        ),
        data_gaps=data_gaps(
            seen.arrival,
            seen.features,
            advance=inputs.advance,
            is_stale=inputs.silence_seconds > 0,
        ),
        mode=inputs.mode,
        model_version=inputs.model_version,
        team=_team(inputs, made.channel),
        trial=made.trial,
    )


def attach_reasons(
    decision: Decision, reasons: Sequence[Reason], matches: Sequence[Match] = ()
) -> Decision:
    """Return the decision with its reasons.

    Hard facts are said first. A member of the random stream, or of the searches drawn among known
    lawful trade, says next that it is a random check, whatever else picked it. Profiles and entries
    of the watch list that selected it follow. Where nothing speaks against a vehicle that its score
    alone picked, the first sentence says that it fills a free place.
    """
    if {SCORE, PAPERS}.issuperset(decision.selection.fired):
        reasons = [_name_free_place(one) for one in reasons]
    matched = explain_matches(matches, decision.selection.fired)
    facts = [one for one in matched if one.code == HARD_FACT]
    drawn = []
    if decision.selection.basis in (RANDOM, LAWFUL_CHECK):
        drawn = [_random_check(decision.selection)]
    elif decision.selection.basis == RANDOM_PAPERS:
        drawn = [make_whole_reason(Message("random_papers_check"))]
    return replace(decision, reasons=(*facts, *drawn, *matched[len(facts) :], *reasons))


def _name_free_place(reason: Reason) -> Reason:
    """Return what is told of a vehicle against which nothing speaks, or the reason as it is."""
    is_free = reason.message == "no_single_circumstance" or (
        reason.message == "small_signs_led" and reason.parameters["is_outweighed"]
    )
    if not is_free:
        return reason
    message = Message("free_place", reason.parameters)
    return make_whole_reason(message, reason.contribution, code=reason.code)


def _random_check(selection: Selection) -> Reason:
    share = selection.propensities[Channel.RED]
    is_alone = {RANDOM, LAWFUL_CHECK}.issuperset(selection.fired)
    message = Message("random_check" if is_alone else "random_check_and_more", {"share": share})
    return Reason(
        code="random_check",
        text=render(message),
        fact="member of the random stream",
        comparison=f"any vehicle like it is sent to red with a chance of {share:.1%}",
        contribution=0.0,
        message=message.id,
        parameters=message.parameters,
    )


def _order_search(inputs: Inputs, arrival: Arrival, channel: Channel) -> SearchOrder:
    if inputs.searches is None:
        return NO_ORDER
    return search_order(arrival, inputs.searches, is_physical=channel is Channel.RED)


def _team(inputs: Inputs, channel: Channel) -> str | None:
    if not inputs.teams or channel not in INSPECTED:
        return None
    return assign_team(inputs.teams, inputs.draws[TEAM])


def _find_merit(channel: Channel, seen: ScoredArrival) -> float:
    """Return the chance that a channel ranks by; without a model what the rules estimate."""
    if seen.chances is None:
        return estimate_rule_risk(seen.features)
    chances = seen.chances
    return chances.seizure if channel.ranked_by == "seizure" else chances.discrepancy


def _score_chances(
    policy: Policy, levels: Levels | None, seen: ScoredArrival
) -> tuple[Chance, ...]:
    return rule_chances(seen.features) if levels is None else score_chances(policy, levels)


def _place(inputs: Inputs, selection: Selection, *, merit: float) -> int:
    """Return what the queue is ordered by: the merit, in [0, 1], of each expected minute.

    Its minutes are its own, which anybody can tell from its class: a car's place among the cars,
    whichever way they were picked. One whose late record differs comes forward in its channel.
    """
    channel = selection.channel
    is_own = selection.basis == "score" and not inputs.amendment
    ahead = 0 if inputs.told_at is None or channel not in INSPECTED else FORWARD
    if channel in INSPECTED and not is_own:
        return inputs.drawn_place(channel) + ahead
    return place_of(channel, merit, minutes=inputs.minutes) + ahead


def _band(level: float | None, picked: Sequence[Chance], draws: Mapping[str, float]) -> Band:
    """Say the risk in one word; without a model, what the rules made of it."""
    if level is None:
        bands: dict[Channel, Band] = {Channel.RED: "high", Channel.YELLOW: "medium"}
        return bands.get(select(picked, draws).channel, "low")
    if level >= 1.0 - HIGH:
        return "high"
    return "medium" if level >= 1.0 - MEDIUM else "low"
