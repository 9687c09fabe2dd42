"""What a proposed value of a setting would have done in the last 28 days, by recorded decisions.

Each decision is chosen again with its own draws, chances and matches, once by the value in force
now and once by the proposed one, so that a value in force has no effect. A share of random checks
that a silent centre had set stays as it was. A share by score that a roster had set is taken from
the same minutes: it falls by as much as the random share of its channel grows. What chance may add
to that, which a roster keeps back, is not computed again. Of two models on trial the one that led
is asked. Without a model the rules pick nothing here, so only random checks tell the two apart.

Classes of goods change no decision that was made: of those the finds of the same days are counted
again, by what they teach and weigh. The bound of known lawful trade suspends entries, by their last
90 days.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from sqlalchemy import ColumnElement, Connection, false

from engine.criteria.policy import (
    GOODS_CLASSES,
    LAWFUL_TRADE,
    SHARES,
    SHIFT_TIMES,
    SILENCE,
    LawfulTrade,
    PolicyHistory,
    PolicySetting,
    Shares,
    ShiftTimes,
    Silence,
    read_goods_classes,
)
from engine.decision.decision import ScoredArrival, choose_channel
from engine.decision.record_codec import StoredDecision, decode_decision
from engine.domain.goods import GoodsClasses, class_of
from engine.domain.network import read_opening
from engine.domain.records import SUBSTANCES, Record
from engine.domain.time_units import DAY, HOUR, RECENT_WINDOW, SECOND
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import DECISION, FIND_CONFIRMED, SEIZURE
from engine.journal.power_records import find_first_sequence
from engine.ports import Chances
from engine.queue.corrections import read_stated
from engine.queue.lawful_trade import WINDOW, count_lanes, list_own_entries
from engine.queue.match_outcomes import OutcomeFilter
from engine.selection import (
    LAWFUL_SHARES,
    RANDOM_SHARE,
    Channel,
    ChannelCode,
    Policy,
    RiskTables,
)
from engine.shifts.workload import MOST_SHARE, fit_shares

MOST = 2_000
"""The newest decisions that are chosen again."""
EFFECT_DAYS = RECENT_WINDOW // DAY


@dataclass(frozen=True, slots=True)
class Change:
    """A figure by the value in force, and by the proposed one."""

    was: float
    would: float


@dataclass(slots=True)
class PolicyEffect:
    """What a value would have done in the last days, by decisions that were recorded."""

    days: int = EFFECT_DAYS
    decisions: int = 0
    """The newest that were chosen again, each with its own draws."""
    without_model: int = 0
    """Those among them of which only random checks were drawn again."""
    stricter: int = 0
    milder: int = 0
    channels: dict[ChannelCode, Change] = field(default_factory=dict)
    random_checks: Change = Change(0, 0)
    """Members of the random stream of red."""
    minutes: Change = Change(0.0, 0.0)
    """Expected minutes of inspection."""
    shifts: Change | None = None
    """Shifts of the posts concerned, where their hours change."""
    loads: Change | None = None
    """Finds that teach the chance of a load, where the classes of goods change."""
    gravity: Change | None = None
    """What finds of classes that are no substances weigh together, where the classes change."""
    suspended: Change | None = None
    """Entries of known lawful trade beyond their bound over 90 days, where it may change."""


def measure_effect(
    connection: Connection,
    history: PolicyHistory,
    setting: PolicySetting,
    value: Record | None,
    *,
    post: str | None,
    now: int,
    seen: OutcomeFilter | None = None,
) -> PolicyEffect:
    """Return what a value would have done at a post, or at all that have no value of their own.

    ``seen`` says what a reader sees: posts, finds and entries of others are in no sum.
    ``value`` is None where a post goes back to the value of all. Settings that no share follows
    from change no channel of a recorded decision.
    """
    if value is None:
        value = history.read(setting)
    seen = OutcomeFilter() if seen is None else seen
    effect, channels = PolicyEffect(), (Counter[Channel](), Counter[Channel]())
    posts: set[str] = set()
    reader = JournalReader(connection)
    tables: dict[int, RiskTables] = {}
    for filing in _list_decisions(connection, post, seen, since=now - RECENT_WINDOW):
        at = filing.arrival.crossing.post
        own = history.find(setting, at)
        if post is None and own is not None and own.post is not None:
            continue
        posts.add(at)
        fixed = history.find_shares(at, opens_at=read_opening(filing.inputs.shift_id))
        values = None if own is None else own.value, value
        shares = [_change(filing, fixed, setting, one) for one in values]
        sides = [_choose(reader, tables, filing, one) for one in shares]
        effect.decisions += 1
        effect.without_model += filing.inputs.model_version is None
        effect.stricter += sides[1].channel > sides[0].channel
        effect.milder += sides[1].channel < sides[0].channel
        for count, side in zip(channels, sides, strict=True):
            count[side.channel] += 1
        now_is, would_be = (side.is_random for side in sides)
        randoms, minutes = effect.random_checks, effect.minutes
        effect.random_checks = Change(randoms.was + now_is, randoms.would + would_be)
        spent = [filing.inputs.minutes.of(side.channel) for side in sides]
        effect.minutes = Change(minutes.was + spent[0], minutes.would + spent[1])
    effect.channels = {one.code: Change(*(side[one] for side in channels)) for one in Channel}
    if setting is SHIFT_TIMES:
        times = history.read(setting, post), value
        lengths = [cast("ShiftTimes", one).hours for one in times]
        before, after = (len(posts) * EFFECT_DAYS * DAY // (hours * HOUR) for hours in lengths)
        effect.shifts = Change(before, after)
    elif setting is GOODS_CLASSES:
        table = cast("GoodsClasses", value)
        _weigh_finds(connection, effect, table, seen, since=now - RECENT_WINDOW)
    elif setting is LAWFUL_TRADE:
        bound = cast("LawfulTrade", value).bound
        effect.suspended = _count_suspended(connection, history, bound, seen, post=post, now=now)
    return effect


def _count_suspended(
    connection: Connection,
    history: PolicyHistory,
    bound: float,
    seen: OutcomeFilter,
    *,
    post: str | None,
    now: int,
) -> Change:
    """Return how many entries are beyond the bound in force, and how many beyond another one.

    A bound of one post holds for the entries of that post, one of all for those without their own.
    """
    entries = [
        one
        for one in list_own_entries(connection)
        if seen.sees_acts_of(one.content.get("agency"))
        and (
            (at := one.content.get("post")) == post
            or (post is None and at not in history.list_posts(LAWFUL_TRADE))
        )
    ]
    counts = count_lanes(connection, entries, since=now - WINDOW)
    return Change(
        sum(
            counts[one.subject].is_beyond(history.find_lawful_bound(one.content.get("post")))
            for one in entries
        ),
        sum(counts[one.subject].is_beyond(bound) for one in entries),
    )


def _weigh_finds(
    connection: Connection,
    effect: PolicyEffect,
    table: GoodsClasses,
    seen: OutcomeFilter,
    *,
    since: int,
) -> None:
    """Count the finds linked to crossings since an instant by the table in force and by another."""
    linked = [
        record.body["seizure"]
        for record in read_stated(
            connection, SEIZURE, FIND_CONFIRMED, where=[JOURNAL.c.known_at >= since]
        )
        if record.body["linked_crossing_id"] is not None
        and record.post not in seen.hidden_posts
        and seen.post in (None, record.post)
        and seen.sees_acts_of(record.body["seizure"].get("agency"))
    ]
    codes = [class_of(one["substance_class"], one.get("goods_class")) for one in linked]
    tables = read_goods_classes(connection), table
    loads = [sum(one.teaches_load(find.get("goods_class")) for find in linked) for one in tables]
    weights = [
        math.fsum(one.gravity(code) for code in codes if code not in SUBSTANCES) for one in tables
    ]
    effect.loads, effect.gravity = Change(*loads), Change(*weights)


def _list_decisions(
    connection: Connection, post: str | None, seen: OutcomeFilter, *, since: int
) -> Iterator[StoredDecision]:
    """Yield the newest decisions, of one post where it is named; erased ones are left out."""
    first = find_first_sequence(connection, since)
    where: list[ColumnElement[bool]] = [JOURNAL.c.seq >= first if first else false()]
    where.append(JOURNAL.c.post.not_in(seen.hidden_posts))
    where += [JOURNAL.c.post == one for one in (post, seen.post) if one is not None]
    for record in JournalReader(connection).records(DECISION, where=where, newest=MOST):
        yield decode_decision(record.body)


def _change(
    filing: StoredDecision, fixed: Policy, setting: PolicySetting, value: Record | None
) -> Policy:
    """Return the shares of a decision with what a value changes; None changes nothing."""
    had = filing.inputs.policy
    if value is None:
        return had
    if setting is SHARES:
        new = cast("Shares", value).as_policy()
        random = new.random_share if had.random_share == fixed.random_share else had.random_share
        lawful = {name: getattr(had, name) for name in LAWFUL_SHARES}
        return _fit_rosters(had, fixed, replace(new, random_share=random, **lawful))
    if setting is LAWFUL_TRADE:
        trade = cast("LawfulTrade", value)
        return replace(had, lawful_factor=trade.factor, lawful_floor=trade.floor)
    if setting is SILENCE:
        limits = cast("Silence", value).as_limits()
        is_silent = filing.inputs.silence_seconds * SECOND > limits.random
        random = RANDOM_SHARE[1] if is_silent else fixed.random_share
        return _fit_rosters(had, fixed, replace(fixed, random_share=random))
    return had


def _fit_rosters(had: Policy, fixed: Policy, new: Policy) -> Policy:
    """Return new shares; where a roster had set a share by score, what its minutes leave of it."""
    red = yellow = None
    if had.red_share != fixed.red_share:
        red = _refill(had.red_share, had.random_share - new.random_share)
    if had.yellow_share != fixed.yellow_share:
        yellow = _refill(had.yellow_share, had.random_yellow_share - new.random_yellow_share)
    return fit_shares(new, red=red, yellow=yellow)


def _refill(share: float, freed: float) -> float:
    """Return a share after random checks freed or took one; none and all say nothing of how far."""
    return min(max(share + freed, 0.0), MOST_SHARE) if 0.0 < share < MOST_SHARE else share


@dataclass(frozen=True, slots=True)
class _Side:
    channel: Channel
    is_random: bool


def _choose(
    reader: JournalReader,
    tables: dict[int, RiskTables],
    filing: StoredDecision,
    policy: Policy,
) -> _Side:
    """Return where a decision leads by some shares."""
    number = filing.inputs.table_sequence
    if number is not None and number not in tables:
        tables[number] = RiskTables.from_body(reader.body(number))
    risk, chances = filing.decision["risk"], None
    if number is not None and risk["p_seizure"] is not None:
        chances = Chances(risk["p_seizure"], risk["p_discrepancy"])
    unknown: Mapping[str, float] = defaultdict(lambda: math.nan)
    seen = ScoredArrival(filing.arrival, unknown, chances)
    held = RiskTables() if number is None else tables[number]
    made = choose_channel(replace(filing.inputs, policy=policy, tables=held, trial=None), seen)
    return _Side(made.channel, made.selection.is_random)
