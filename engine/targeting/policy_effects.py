"""What a proposed value of a setting would have done in the last 28 days, by recorded decisions.

Each decision is chosen again with its own draws, chances and matches, once by the value in force
now and once by the proposed one, so that a value in force has no effect. Where a roster or a silent
centre had set a share, it stays as it was: a proposal changes the fixed shares alone. Of two models
on trial the one that led is asked. Without a model the rules pick nothing here, so only random
checks tell the two apart.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from sqlalchemy import ColumnElement, Connection, false

from engine.criteria.policy import (
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
)
from engine.decision.decision import ScoredArrival, choose_channel
from engine.decision.record_codec import StoredDecision, decode_decision
from engine.domain.records import Record
from engine.domain.shift_plan import read_opening
from engine.domain.time_units import DAY, HOUR, RECENT_WINDOW, SECOND
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import DECISION
from engine.journal.power_records import find_first_sequence
from engine.ports import Chances
from engine.selection import RANDOM_SHARE, Channel, ChannelCode, Policy, RiskTables

MOST = 2_000
"""The newest decisions that are chosen again."""
EFFECT_DAYS = RECENT_WINDOW // DAY


@dataclass(slots=True)
class PolicyEffect:
    """What would have been otherwise; pairs are by the value in force, and by the proposed one."""

    decisions: int = 0
    """Decisions of the last 28 days that were chosen again, the newest first."""
    without_model: int = 0
    """Those among them of which only the random checks were drawn again."""
    stricter: int = 0
    milder: int = 0
    channels: dict[ChannelCode, tuple[int, int]] = field(default_factory=dict)
    random_checks: tuple[int, int] = (0, 0)
    """Members of the random stream of red."""
    minutes: tuple[float, float] = (0.0, 0.0)
    """Expected minutes of inspection."""
    shifts: tuple[int, int] | None = None
    """Shifts of all posts concerned; None of other settings than their hours."""


def measure_effect(
    connection: Connection,
    history: PolicyHistory,
    setting: PolicySetting,
    value: Record | None,
    *,
    post: str | None,
    now: int,
) -> PolicyEffect:
    """Return what a value would have done at a post, or at all that have no value of their own.

    ``value`` is None where a post goes back to the value of all. Settings that no share follows
    from change no channel of a recorded decision.
    """
    if value is None:
        value = history.read(setting)
    effect, channels = PolicyEffect(), (Counter[Channel](), Counter[Channel]())
    posts: set[str] = set()
    reader = JournalReader(connection)
    tables: dict[int, RiskTables] = {}
    for filing in _list_decisions(connection, post, since=now - RECENT_WINDOW):
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
        randoms = effect.random_checks
        effect.random_checks = randoms[0] + now_is, randoms[1] + would_be
        spent = [filing.inputs.minutes.of(side.channel) for side in sides]
        effect.minutes = effect.minutes[0] + spent[0], effect.minutes[1] + spent[1]
    effect.channels = {one.code: (channels[0][one], channels[1][one]) for one in Channel}
    if setting is SHIFT_TIMES:
        times = history.read(setting, post), value
        lengths = [cast("ShiftTimes", one).hours for one in times]
        before, after = (len(posts) * EFFECT_DAYS * DAY // (hours * HOUR) for hours in lengths)
        effect.shifts = before, after
    return effect


def _list_decisions(
    connection: Connection, post: str | None, *, since: int
) -> Iterator[StoredDecision]:
    """Yield the newest decisions, of one post where it is named; erased ones are left out."""
    first = find_first_sequence(connection, since)
    where: list[ColumnElement[bool]] = [JOURNAL.c.seq >= first if first else false()]
    if post is not None:
        where.append(JOURNAL.c.post == post)
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
        names = [n for n in Shares.model_fields if getattr(had, n) == getattr(fixed, n)]
        return replace(had, **{n: getattr(new, n) for n in names})
    if setting is LAWFUL_TRADE:
        lawful = cast("LawfulTrade", value)
        return replace(had, lawful_factor=lawful.factor, lawful_floor=lawful.floor)
    if setting is SILENCE:
        limits = cast("Silence", value).as_limits()
        is_silent = filing.inputs.silence_seconds * SECOND > limits.random
        return replace(had, random_share=RANDOM_SHARE[1] if is_silent else fixed.random_share)
    return had


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
