"""Answers about profiles: what stands where, what an expression finds, which fields it may use.

An expression is checked as it is written; nothing is recorded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import Connection, select

from api.auth.callers import Caller
from api.http.answers import AcknowledgedStep, Answer, Time, reader
from api.http.periods import PeriodAsked
from api.service.runtime import Runtime
from engine.criteria.dual_control import ApprovalState, TimedState, read_approval_state
from engine.criteria.match import HardFact
from engine.criteria.profiles import profile as profiles_profile
from engine.criteria.profiles.checker import DEAREST, program
from engine.criteria.profiles.profile import Profile, ProfileChannel
from engine.criteria.profiles.readable_fields import (
    DERIVED,
    ITEM,
    PROXIES,
    ROOTS,
    Derived,
    FieldType,
    list_derived,
)
from engine.domain.rights import Matter, Right
from engine.domain.time_units import rfc3339
from engine.errors import NotFoundError, ProfileRefusedError
from engine.journal.kinds import PROFILE_BACKTESTED
from engine.queue.match_outcomes import (
    FindGravity,
    Months,
    Outcome,
    OutcomeFilter,
    count_in_shadow,
    read_outcomes,
    total,
)
from engine.queue.queue import DECISIONS
from features.catalogue.catalogue import CATALOGUE, proxies
from features.catalogue.spec import Feature
from models.statistics.intervals import Estimate, share


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomChecks(Answer):
    """What random checks say of a profile."""

    inspected: int
    """By an act that could find something."""
    matched: int
    """Of the inspected."""
    share_matched: Estimate
    """Of all random checks drawn: about its share of all crossings."""
    hit_rate: Estimate
    """Its ends are those of the worst and best that the checks left undone could have shown."""
    not_carried_out: int
    """Drawn, and without evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawsBehind(Answer):
    """Whether the engine's draws can bear an answer."""

    drawn: int
    """Draws that the policy asked about would search as well."""
    effective: float
    """Equally weighted searches worth as much."""
    largest_weight: float
    """Share of the heaviest search in all weight."""
    covered: float
    """Weight of all draws over the searches asked about: 1 where draws reach all of them."""
    covered_low: float
    covered_high: float
    not_carried_out: float
    """Share, by weight, of draws without evidence."""
    faults: list[str]
    """Why nothing is claimed; empty where something is."""
    doubts: list[str]
    """Those of them that speak against the log itself, whatever is asked of it."""
    messages: list[dict[str, Any]]
    """The faults as ``message`` and ``parameters``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HadItChosen(Answer):
    """What searches would have found had a policy chosen, by what the engine drew."""

    searches: float
    inverse_propensity: Estimate
    self_normalised: Estimate
    """Finds for each search: the estimate to read."""
    doubly_robust: Estimate
    """Known where a model's chances were given."""
    hits_per_hour: Estimate
    """Finds for each hour of search."""
    hits: Estimate
    """Finds of all these searches."""
    diagnostics: DrawsBehind


@dataclass(frozen=True, slots=True, kw_only=True)
class Example(Answer):
    """A crossing that a profile matches."""

    crossing_id: str
    post: str
    known_at: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedExample(Example):
    """The same with its decision."""

    decision_id: str | None
    """None where the loaded history alone knows the crossing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionCount(Answer):
    """Of how many arrivals one condition of a profile is true."""

    condition: str
    alone: int
    together: int
    """With the conditions before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileBacktest(Answer):
    """What a profile would have done in the last days of what the home knows."""

    synthetic: bool
    history: str
    since: Time | None
    until: Time | None
    days: float
    arrivals: int
    matches: int
    matches_per_day: float
    matches_per_1000: float
    """Of 1,000 arrivals; the rate of false alarms lies between the next figure and this one."""
    cleared_per_1000: float
    """The same of matches that were inspected, and where nothing was found."""
    selected_per_day: float
    minutes_per_day: float
    """Inspection minutes that the selected ones would take."""
    inspected: int
    """Of the matches, by an act that could find something, whatever selected them."""
    hits: int
    seizures: int
    finds_elsewhere: int
    """Of the matches that were let go, those that a later find was linked to."""
    hit_rate: Estimate
    seizure_rate: Estimate
    random: RandomChecks
    base_rate: Estimate
    """Hit rate of all random checks."""
    failed: int
    """Crossings on which it could not be evaluated."""
    steps: int
    reads: list[str]
    proxies: list[str]
    """What it reads that could stand for a person's origin."""
    examples: list[Example]
    missed: list[Example] | None
    """The latest finds that it does not match; None where acts of some agency are hidden."""
    cleared: list[Example] | None
    """The latest matches that were inspected without a find; None as above."""
    had_it_chosen: HadItChosen
    """What its searches would have found."""
    daily_matches: list[int]
    """Of each 24 hours back from the last crossing, the oldest first."""
    conditions: list[ConditionCount]
    """Those that ``&&`` joins; empty where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileCheck(Answer):
    """Whether an expression may run, and what it would read."""

    fits: bool
    at: int | None = None
    """Where it does not fit, counted from 1."""
    why: str | None = None
    message: str | None = None
    """Stable identifier of ``why``; ``parameters`` are its values."""
    parameters: dict[str, Any] | None = None
    steps: int | None = None
    """Most steps of one evaluation."""
    most_steps: int = DEAREST
    reads: list[str] = field(default_factory=list)
    proxies: list[str] = field(default_factory=list)
    """What it reads that could stand for a person's origin."""
    whole_codes: list[str] = field(default_factory=list)
    """HS codes that it asks for as a whole: no longer code below them fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileField(Answer):
    """Something an expression may ask for."""

    name: str
    kind: Literal["bool", "number", "text", "texts"]
    choices: list[str] = field(default_factory=list)
    """What it can be, where that is a closed list."""
    unit: str = ""
    meaning: str = ""
    proxy: bool
    """It could stand for a person's origin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFields(Answer):
    """All that an expression may ask for."""

    tables = ("fields",)
    fields: list[ProfileField]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowCounts(Answer):
    """What a shadow saw and would have matched."""

    arrivals: int
    matches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeFigures(Answer):
    """What became of the vehicles that a profile or an entry of the watch list matched."""

    matches: int
    """Vehicles, each once, at posts that the caller sees."""
    searches: int
    """Vehicles with an act that could have found something; acts that the caller sees."""
    finds: int
    minutes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthOutcome(OutcomeFigures):
    """The same of the vehicles that were first matched in one month, UTC."""

    month: Annotated[str, Field(pattern=r"^\d{4}-\d{2}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeView(OutcomeFigures):
    """The same together and by month, the first month first; months without a match are absent."""

    gravity: float
    """What the finds weigh together, in discrepancies, by the weights of the network file."""
    months: list[MonthOutcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileAudit(Answer):
    """What became of a profile's matches."""

    matches: int
    selected: int
    inspected: int
    hits: int
    minutes: float
    hit_rate: Estimate
    selected_hit_rate: Estimate
    shadow: ShadowCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavingView(Answer):
    """Who wants it gone; it waits for another's approval."""

    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoKeysView(Answer):
    """What stands with the agreement of two people."""

    id: str
    state: TimedState
    author: str
    approvals: list[str]
    proposed_at: Time
    since: Time
    """When it came to where it is."""
    leaving: LeavingView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileView(TwoKeysView):
    """A profile."""

    code: str
    title: str | None
    expression: str
    channel: ProfileChannel
    percentage: float
    post: str | None
    valid_from: Time | None
    valid_until: Time
    note: str | None
    instead_of: str | None
    """Whose place it shall take; that one leaves by a step of its own."""
    fact: HardFact | None
    """What is impossible where it fits."""
    tolerance: float | None
    """What the name ``tolerance`` in the expression stands for."""
    tolerances: dict[str, float]
    """The same by post, where it is another one."""
    owner: str | None
    review_by: Time | None
    is_valid: bool
    backtest: ProfileBacktest | None
    audit: ProfileAudit
    outcome: OutcomeView


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles(Answer):
    """Profiles, the newest first."""

    tables = ("profiles",)
    profiles: list[ProfileView]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedProfile(AcknowledgedStep):
    """A proposed profile, with what it would have done."""

    backtest: ProfileBacktest | None
    """None where it could not be made now: ask for one before the approval."""


def check_expression(expression: str, names: Sequence[str]) -> ProfileCheck:
    """Return whether an expression may run: where it does not fit and why, or what it reads.

    ``names`` are those of the features.
    """
    try:
        made = program(expression, features=names, tolerance=0.0)
    except ProfileRefusedError as error:
        at, why, parameters = error.at, error.why, dict(error.parameters)
        return ProfileCheck(
            fits=False, at=at, why=why, message=error.message, parameters=parameters
        )
    reads = sorted(made.needs)
    return ProfileCheck(
        fits=True,
        steps=made.steps,
        reads=reads,
        proxies=proxies(made.needs),
        whole_codes=list(made.whole_codes),
    )


def fields(names: Sequence[str]) -> list[ProfileField]:
    """Return all that an expression may ask for: records, goods, then features."""
    records = [one for root, known in ROOTS.items() for one in _list_fields(f"{root}.", known)]
    known: dict[str, Derived | Feature] = {name: DERIVED[name] for name in list_derived(names)}
    known |= {name: CATALOGUE[name] for name in names}
    return [*records, *_list_fields("goods.", ITEM), *(_feature(*one) for one in known.items())]


def _list_fields(prefix: str, known: Mapping[str, FieldType]) -> Iterator[ProfileField]:
    for name, found in known.items():
        full, choices = prefix + name, sorted(found.choices)
        kind: Any = found.kind  # records have the four kinds of a field alone
        yield ProfileField(name=full, kind=kind, choices=choices, proxy=full in PROXIES)


def _feature(name: str, known: Derived | Feature) -> ProfileField:
    is_proxy = getattr(known, "proxy", False)
    return ProfileField(
        name=f"features.{name}",
        kind="number",
        unit=known.unit,
        meaning=known.meaning,
        proxy=is_proxy,
    )


def filter_of(caller: Caller) -> OutcomeFilter:
    """Return which posts' decisions and which agencies' acts a caller sees."""
    return OutcomeFilter(
        caller.post,
        caller.duties.hidden_posts(Matter.DECISIONS, Right.SEE),
        lambda agency: caller.sees(Matter.ACTS, agency),
    )


def find_gravity(service: Runtime, connection: Connection, caller: Caller) -> FindGravity:
    """Return what weighs finds for a caller."""
    return FindGravity(
        connection, service.network, is_seen=lambda agency: caller.sees(Matter.SEIZURES, agency)
    )


def weigh_matches(
    outcomes: Mapping[str, Months], gravity: FindGravity, seen: OutcomeFilter
) -> dict[str, float]:
    """Return the gravity of the finds of each profile or entry, read where there is a find."""
    return {
        code: gravity.of_matches(code, seen) if total(months.values()).hits else 0.0
        for code, months in outcomes.items()
    }


def describe_outcome(months: Months, gravity: float) -> OutcomeView:
    """Return what became of the matches of a profile or an entry, together and by month."""
    every = [MonthOutcome(month=month, **_figures(one)) for month, one in months.items()]
    return OutcomeView(gravity=gravity, months=every, **_figures(total(months.values())))


def _figures(found: Outcome) -> dict[str, Any]:
    return {
        "matches": found.matches,
        "searches": found.inspected,
        "finds": found.hits,
        "minutes": found.minutes,
    }


def describe_standing(found: ApprovalState) -> dict[str, Any]:
    """Return the fields of a :class:`TwoKeysView` except for its state, which time may end."""
    leaving = found.leaving
    return {
        "id": found.subject,
        "author": found.author,
        "approvals": list(found.approvals),
        "proposed_at": rfc3339(found.proposed_at),
        "since": rfc3339(found.since),
        "leaving": leaving and LeavingView(by=leaving.by, why=leaving.why),
    }


def link_examples(
    service: Runtime, caller: Caller, examples: Sequence[Example]
) -> list[LinkedExample]:
    """Return the latest matches that a caller may see, each with its decision where there is one.

    A crossing of the loaded history has none.
    """
    shown = [one for one in examples if caller.sees_post(one.post)]
    column = DECISIONS.c
    query = select(column.crossing_id, column.decision_id).where(
        column.crossing_id.in_([one.crossing_id for one in shown]), column.amends.is_(None)
    )
    with service.store.read() as connection:
        decided = {row.crossing_id: row.decision_id for row in connection.execute(query)}
    return [
        LinkedExample(
            crossing_id=one.crossing_id,
            post=one.post,
            known_at=one.known_at,
            decision_id=decided.get(one.crossing_id),
        )
        for one in shown
    ]


def read_profiles(service: Runtime, caller: Caller) -> list[ProfileView]:
    """Return every profile, the newest first."""
    with service.store.read() as connection:
        every = reversed(list(profiles_profile.read_profiles(connection).values()))
        found = [one for one in every if one.proposed.post not in caller.hidden_posts]
        seen, gravity = filter_of(caller), find_gravity(service, connection, caller)
        outcomes = read_outcomes(connection, [one.code for one in found], seen)
        weights = weigh_matches(outcomes, gravity, seen)
        return [
            _describe(service, connection, caller, one, outcomes[one.code], weights[one.code])
            for one in found
        ]


def read_profile(
    service: Runtime, code: str, caller: Caller, asked: PeriodAsked | None = None
) -> ProfileView:
    """Return one profile with its backtest, and what became of the matches of a period.

    By default those of all time. Raises ``NotFoundError`` and ``RecordError``.
    """
    with service.store.read() as connection:
        found = profiles_profile.to_profile(read_approval_state(connection, "profile", code))
        if found.proposed.post in caller.hidden_posts:
            raise NotFoundError("profile", code)
        seen = filter_of(caller)
        if asked is not None and asked != PeriodAsked():
            zone = service.network.timezone(found.proposed.post or "")
            _, since, until = asked.place(zone, now=service.journal.now(connection))
            seen = replace(seen, since=since, until=until)
        months = read_outcomes(connection, [code], seen)
        weights = weigh_matches(months, find_gravity(service, connection, caller), seen)
        return _describe(service, connection, caller, found, months[code], weights[code])


def _describe(
    service: Runtime,
    connection: Connection,
    caller: Caller,
    profile: Profile,
    months: Months,
    gravity: float,
) -> ProfileView:
    sequence, journal = profile.standing.evidence, service.journal
    backtested = sequence and journal.body(connection, sequence, of=PROFILE_BACKTESTED)
    as_of, found = journal.now(connection), total(months.values())
    arrivals, matches = count_in_shadow(connection, profile.code)
    return ProfileView(
        **describe_standing(profile.standing),
        **profile.proposed.model_dump(mode="json"),
        state=profile.state(as_of),
        is_valid=profile.is_valid(as_of),
        backtest=read_figures(backtested["figures"], sees_acts=caller.sees_all(Matter.ACTS))
        if backtested
        else None,
        audit=ProfileAudit(
            matches=found.matches,
            selected=found.selected,
            inspected=found.inspected,
            hits=found.hits,
            minutes=found.minutes,
            hit_rate=share(found.hits, found.inspected),
            selected_hit_rate=share(found.selected_hits, found.selected_inspected),
            shadow=ShadowCounts(arrivals=arrivals, matches=matches),
        ),
        outcome=describe_outcome(months, gravity),
    )


def read_figures(recorded: Mapping[str, Any], *, sees_acts: bool) -> ProfileBacktest:
    """Return a backtest from its figures as JSON; without ``sees_acts`` no act's result."""
    found: ProfileBacktest = reader(ProfileBacktest).validate_python(recorded)
    return found if sees_acts else replace(found, missed=None, cleared=None)
