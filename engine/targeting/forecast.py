"""Provisional risk and channel of declarations whose vehicle has not come yet.

Scored as of now by the model in force, with what is known: the vehicle's own readings are missing.
The channel is what the score, the rules or the watch list would more likely than not lead to, by
the fixed shares of the post. No random number is drawn, no minute of a shift is used and nothing is
recorded, so that a forecast enters no queue, no rate and no report.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from sqlalchemy import Connection, select

from engine.criteria.indicator_rules import rule_chances
from engine.criteria.policy import read_policy
from engine.criteria.watchlist import WatchMatcher
from engine.decision.decision import HIGH, MEDIUM, Band, Mode
from engine.domain.advance_declarations import AdvanceDeclaration
from engine.domain.records import Arrival, Crossing, VehicleClass
from engine.domain.time_units import moment
from engine.journal.journal import JOURNAL, JournalReader
from engine.ports import FeatureRows, Features, Scorer, Scores
from engine.selection import Chance, Channel, ChannelCode, Policy, RiskTables, score_chances
from engine.shifts.shift_state import TABLES
from engine.targeting.context import InForce

EXPECTED = "expected"
"""Stands for the crossing, which has no identifier yet."""
USUAL_CLASS: VehicleClass = "truck"
"""Class of a vehicle of which none is announced."""


@dataclass(frozen=True, slots=True)
class ExpectedArrival:
    """A declaration ahead, as it is scored."""

    lodged: AdvanceDeclaration
    post: str
    due_at: int
    """When it is expected, UTC microseconds."""

    def as_arrival(self) -> Arrival:
        """Return the arrival as far as it is known; of several vehicles the first."""
        vehicle = self.lodged.expected_vehicles[0]
        known = vehicle.model_dump(exclude={"vehicle_class"})
        crossing = Crossing(
            crossing_id=EXPECTED,
            post=self.post,
            direction=self.lodged.direction or "entry",
            arrived_at=moment(self.due_at),
            vehicle_class=vehicle.vehicle_class or USUAL_CLASS,
            **known,
        )
        return Arrival(crossing=crossing, declaration=self.lodged.declaration)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to be expected of an arrival, as of now; drawn, counted and recorded nowhere."""

    channel: ChannelCode
    band: Band
    percentile: float | None
    """Of the chance of a seizure among the post's last decisions; None without a model."""
    discrepancy_percentile: float | None
    """The same of the chance of a discrepancy."""
    p_seizure: float | None
    p_discrepancy: float | None
    seizure_between: tuple[float, float] | None
    """95 % interval of the chance; None without a model, and where the chance is an order alone."""
    discrepancy_between: tuple[float, float] | None
    watchlist: bool
    """An entry of the watch list names the vehicle or a party."""
    mode: Mode
    model_version: str | None
    provisional: Literal[True] = True


class Forecasts:
    """Forecasts for readers; holds an own copy of the watch list, which one thread brings up."""

    def __init__(self, features: Features, *, in_force: Callable[[], InForce]) -> None:
        self._features = features
        self._in_force = in_force
        self._watch, self._lock = WatchMatcher(), Lock()

    def forecast(
        self, snapshot: Connection, expected: Sequence[ExpectedArrival], *, as_of: int
    ) -> list[Forecast]:
        """Return a forecast for each, as of ``as_of`` (UTC microseconds)."""
        if not expected:
            return []
        posts = {one.post for one in expected}
        led = self._in_force()
        arrivals = [one.as_arrival() for one in expected]
        rows = self._features.read(snapshot, arrivals, as_of=[as_of] * len(arrivals))
        scores = None if led.scorer is None else led.scorer.score(rows.values)
        with self._lock:
            found = self._watch.matches(snapshot, arrivals, rows, as_of=as_of)
        history = read_policy(snapshot)
        shares = {post: history.find_shares(post, opens_at=as_of) for post in posts}
        tables = {} if led.scorer is None else _read_tables(snapshot, expected, led.scorer)
        named = [max((Channel.of(m.channel) for m in each), default=None) for each in found]
        of_posts = [tables.get(one.post, RiskTables()) for one in expected]
        return [
            self._forecast_arrival(
                rows, scores, led, shares[one.post], index=index, table=table, named=channel
            )
            for index, (one, table, channel) in enumerate(
                zip(expected, of_posts, named, strict=True)
            )
        ]

    def _forecast_arrival(
        self,
        rows: FeatureRows,
        scores: Scores | None,
        led: InForce,
        policy: Policy,
        *,
        index: int,
        table: RiskTables,
        named: Channel | None,
    ) -> Forecast:
        levels, chances = None, None
        if scores is not None and led.scorer is not None:
            chances = scores.read_row(index)
            levels = table.place(chances.seizure, chances.discrepancy)
            channel = _likely(score_chances(policy, levels))
            high, medium = levels.seizure >= 1.0 - HIGH, levels.seizure >= 1.0 - MEDIUM
        else:
            channel = _likely(rule_chances(rows.by_name(index)))
            high, medium = channel is Channel.RED, channel is Channel.YELLOW
        band: Band = "high" if high else "medium" if medium else "low"
        return Forecast(
            channel=max(channel, named or channel).code,
            band=band,
            percentile=None if levels is None else levels.seizure,
            discrepancy_percentile=None if levels is None else levels.discrepancy,
            p_seizure=None if chances is None else chances.seizure,
            p_discrepancy=None if chances is None else chances.discrepancy,
            seizure_between=None if chances is None else chances.seizure_between,
            discrepancy_between=None if chances is None else chances.discrepancy_between,
            watchlist=named is not None,
            mode=led.mode,
            model_version=None if led.scorer is None else led.scorer.version,
        )


def _likely(chances: Sequence[Chance]) -> Channel:
    """Return the strictest channel that is more likely than not."""
    likely = (one.channel for one in chances if one.probability >= 0.5)
    return max(likely, default=Channel.GREEN)


def _read_tables(
    snapshot: Connection, expected: Sequence[ExpectedArrival], scorer: Scorer
) -> Mapping[str, RiskTables]:
    """Return the last table of percentiles of each post under a model, else the model's own.

    No shift is opened for it: that would make its seed.
    """
    found = {}
    reader = JournalReader(snapshot)
    for post in {one.post for one in expected}:
        query = (
            select(TABLES.c.seq)
            .join(JOURNAL, JOURNAL.c.seq == TABLES.c.seq)
            .where(JOURNAL.c.post == post, TABLES.c.model_version == scorer.version)
            .order_by(TABLES.c.seq.desc())
            .limit(1)
        )
        seq = snapshot.scalar(query)
        stored = None if seq is None else RiskTables.from_body(reader.body(seq))
        found[post] = stored or scorer.tables(post)
    return found
