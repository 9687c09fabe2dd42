"""Policy: the settings that steer selection, changed by two people and held by the journal.

The environment, the network file and the shipped tables give first values, which are recorded once
(``policy_declared``). Afterwards a setting changes by a proposal that a second person approves, and
by nothing else: an edited file or another environment changes nothing, and is said
(:func:`list_ignored`). A value of one post comes before the value of all posts, and the value that
was approved last before the one of an earlier approval.

The value in force at an instant follows from the records that are older than the instant. Shares,
and the hours of shifts, take effect with the first shift that opens after the approval, so one
shift has one policy and the chances that were logged in it stay true.

At the node of a post the policy of its centre holds: the centre's records travel as profiles do.
The first record of the centre's first values ends what the node had decided for itself, and the
node refuses proposals while it has a centre. Settings of one installation do not travel.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Any, ClassVar, Final, Literal, Self, cast

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection

from engine.criteria.dual_control import replay_records
from engine.domain.field_types import Identifier, PostCode, Text
from engine.domain.goods import GoodsClasses, shipped_goods_classes
from engine.domain.network import Network, ShiftHours, ShiftPlan, read_network
from engine.domain.records import Record
from engine.domain.time_units import HOUR, MINUTE
from engine.domain.validation import list_faults
from engine.errors import InputError, RecordError
from engine.journal.journal import Journal
from engine.journal.kinds import COPIED, POLICY_APPROVED, POLICY_DECLARED, POLICY_PROPOSED
from engine.journal.power_records import PowerRecord, has_new_records, read_records
from engine.ports import SilenceLimits
from engine.selection import Policy
from engine.storage.database import Store, is_snapshot, memory_of

MATTER: Final = "policy"
"""The matter of two people."""
LARGEST_FILE = 1024 * 1024
"""Characters of the longest network file."""
Share = Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False)]
RandomShare = Annotated[float, Field(ge=0, le=0.10, allow_inf_nan=False)]


class Shares(Record):
    """Shares of a post's decisions that each list takes, by score and at random."""

    red_share: Share = 0.04
    yellow_share: Share = 0.08
    blue_share: Share = 0.02
    random_share: Annotated[float, Field(ge=0.03, le=0.10, allow_inf_nan=False)] = 0.03
    random_yellow_share: RandomShare = 0.01
    random_blue_share: RandomShare = 0.01
    blur: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.25

    EXAMPLE: ClassVar = {"red_share": 0.05, "random_share": 0.04}

    @model_validator(mode="after")
    def _check_sums(self) -> Self:
        for other in ("red_share", "blue_share"):
            if self.yellow_share + getattr(self, other) > 0.5:
                why = "with yellow_share it exceeds 0.5"
                raise PydanticCustomError("too_large", why, {"field": other})
        return self

    def as_policy(self) -> Policy:
        """Return the shares as selection takes them."""
        return Policy(**self.model_dump())


class ShiftTimes(Record):
    """When the shifts of a post change."""

    starts_minute: Annotated[int, Field(ge=0, lt=24 * 60)] = 480
    """Minute of the local day at which a shift begins."""
    hours: Annotated[int, Field(ge=1, le=24)] = 12
    """Length of a shift; divides 24."""
    utc_offset_minutes: Annotated[int, Field(ge=-12 * 60, le=14 * 60)] = 300
    """Local time less UTC, of posts that no network file names."""

    EXAMPLE: ClassVar = {"starts_minute": 420, "hours": 8}

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        if 24 % self.hours:
            why = "must divide 24"
            raise PydanticCustomError("not_a_divisor", why, {"field": "hours"})
        return self

    def as_hours(self) -> ShiftHours:
        """Return the same in microseconds."""
        return ShiftHours(
            utc_offset=self.utc_offset_minutes * MINUTE,
            starts=self.starts_minute * MINUTE,
            length=self.hours * HOUR,
        )


class Silence(Record):
    """What follows at a node from the silence of its centre."""

    stale_hours: Annotated[float, Field(gt=0, le=24 * 30, allow_inf_nan=False)] = 1.0
    """A longer silence is named in decisions."""
    random_hours: Annotated[float, Field(gt=0, le=24 * 90, allow_inf_nan=False)] = 24.0
    """After a longer one the random share is at its upper bound."""

    EXAMPLE: ClassVar = {"stale_hours": 2.0, "random_hours": 12.0}

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.random_hours < self.stale_hours:
            why = "must not be below stale_hours"
            raise PydanticCustomError("contradiction", why, {"field": "random_hours"})
        return self

    def as_limits(self) -> SilenceLimits:
        """Return the same in microseconds."""
        return SilenceLimits(round(self.stale_hours * HOUR), round(self.random_hours * HOUR))


class LawfulTrade(Record):
    """What an entry of known lawful trade does, and when it is suspended."""

    factor: Annotated[float, Field(ge=0.1, le=1, allow_inf_nan=False)] = 0.25
    """What the score's probabilities are multiplied by."""
    floor: Annotated[float, Field(ge=0.005, le=0.05, allow_inf_nan=False)] = 0.01
    """Share that is drawn for a search, besides the random checks."""
    bound: Annotated[float, Field(ge=0.001, le=0.05, allow_inf_nan=False)] = 0.005
    """Share of an entry's vehicles that may carry a load; with more it is suspended."""

    EXAMPLE: ClassVar = {"factor": 0.5, "floor": 0.02}


class NetworkText(Record):
    """The network file: posts, pairs, clocks, rosters' defaults, equipment, weights of finds."""

    file: Annotated[str, Field(min_length=1, max_length=LARGEST_FILE)]

    EXAMPLE: ClassVar = {"file": '[[posts]]\ncode = "OYB"\nname = "Oybek"\ncountry = "UZ"\n'}

    @model_validator(mode="after")
    def _check_file(self) -> Self:
        try:
            read_network(Path("network.toml"), text=self.file)
        except InputError as error:
            # A message is a template there, and a file may hold braces.
            why = error.why.replace("{", "(").replace("}", ")")
            raise PydanticCustomError("malformed", why, {"field": "file"}) from None
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySetting:
    """One setting that two people decide."""

    name: str
    value: type[Record]
    """What a value is; its fields and rules are named when one is refused."""
    first: Callable[[], Record] | None
    """Returns the value that holds where nothing else gives a first one; None without any."""
    is_by_post: bool = False
    """True if a post may have a value of its own."""
    is_local: bool = False
    """True if it is of one installation: the value of a centre does not hold at a node."""
    takes_effect: Literal["shift", "start", "now"] = "shift"
    """With the next shift of each post, when the service next starts, or at once."""

    def parse(self, value: Mapping[str, Any]) -> Record:
        """Return a value; raises ``RecordError`` naming the field and the rule."""
        try:
            return self.value.model_validate(value, strict=False)
        except ValidationError as error:
            where, rule, why = list_faults(error)[0]
            at = ".".join(map(str, ("value", *where)))
            raise RecordError(MATTER, at, rule, why) from None


SHARES: Final = PolicySetting(name="shares", value=Shares, first=Shares, is_by_post=True)
SHIFT_TIMES: Final = PolicySetting(
    name="shift_times", value=ShiftTimes, first=ShiftTimes, is_by_post=True
)
SILENCE: Final = PolicySetting(name="silence", value=Silence, first=Silence, takes_effect="start")
NETWORK: Final = PolicySetting(
    name="network", value=NetworkText, first=None, is_local=True, takes_effect="start"
)
GOODS_CLASSES: Final = PolicySetting(
    name="goods_classes", value=GoodsClasses, first=shipped_goods_classes, takes_effect="now"
)
LAWFUL_TRADE: Final = PolicySetting(
    name="known_lawful", value=LawfulTrade, first=LawfulTrade, is_by_post=True
)
SETTINGS: Final[Mapping[str, PolicySetting]] = {
    one.name: one for one in (SHARES, SHIFT_TIMES, SILENCE, NETWORK, GOODS_CLASSES, LAWFUL_TRADE)
}
"""Every setting that steers selection; what is not here steers nothing."""


class PolicyProposal(Record):
    """A proposed value of one setting."""

    setting: Identifier
    post: PostCode | None = None
    """Where it holds; at every post that has no value of its own without one."""
    value: dict[str, Any] | None = None
    """None takes a post back to the value of all posts."""
    reason: Annotated[Text, Field(min_length=1)]

    EXAMPLE: ClassVar = {
        "setting": "shares",
        "post": "OYB",
        "value": {"random_share": 0.05},
        "reason": "The interval of the random rate is too wide for a month.",
    }

    def find_setting(self) -> PolicySetting:
        """Return the setting; raises ``RecordError`` where it or its post cannot be."""
        setting = SETTINGS.get(self.setting)
        if setting is None:
            known = ", ".join(SETTINGS)
            raise RecordError(MATTER, "setting", "unknown_enumeration", f"there are {known}")
        if self.post is not None and not setting.is_by_post:
            raise RecordError(MATTER, "post", "not_by_post", "this setting has one value for all")
        if self.post is None and self.value is None:
            raise RecordError(MATTER, "value", "missing_key", "only a post can go back to that")
        return setting

    def complete(self, history: "PolicyHistory") -> dict[str, Any]:
        """Return the proposal as it is recorded; raises ``RecordError``.

        Fields that its value leaves out stay as they are in force.
        """
        setting, value = self.find_setting(), None
        if self.value is not None:
            now = history.read(setting, self.post)
            kept = {} if now is None else now.model_dump(mode="json")
            value = setting.parse({**kept, **self.value}).model_dump(mode="json")
        return {
            "setting": self.setting,
            "post": self.post,
            "value": value,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """A value of a setting, and the record that put it into force."""

    setting: PolicySetting
    value: Record | None
    """None takes the post back to the value of all posts."""
    post: str | None = None
    sequence: int = 0
    """0 of a shipped value that no record states."""
    since: int = 0
    """When it was approved or declared, UTC microseconds."""
    proposed_at: int = 0
    """0 of a first value."""
    author: str = ""
    """Who proposed it; empty for a first value."""
    approvals: tuple[str, ...] = ()
    reason: str = ""
    """Why it was proposed; empty for a first value."""
    is_first: bool = False
    """It holds since ever: nothing was in force before."""
    is_of_centre: bool = False
    is_takeover: bool = False
    """It is a first value of the centre: what the node had decided before no longer holds."""


@dataclass(frozen=True, slots=True)
class PolicyHistory:
    """All values of all settings that were ever in force, by the records of the journal."""

    values: Mapping[str, Sequence[PolicyValue]] = field(default_factory=dict)
    """By name of the setting, in the journal's order."""
    last: int = 0
    """The newest record of them."""

    def find(
        self, setting: PolicySetting, post: str | None = None, *, at: int | None = None
    ) -> PolicyValue | None:
        """Return the value in force at a post; None where the setting has none.

        ``at`` asks for the value before an instant (UTC microseconds), None for the newest.
        """
        general, is_back = None, post is None
        for one in reversed(self.values.get(setting.name, ())):
            if at is not None and one.since >= at and not one.is_first:
                continue
            if one.post is None:
                general = general or one
            elif one.post == post and not is_back:
                if one.value is not None:
                    return one
                is_back = True
            if one.is_takeover:
                break
        if general is None and setting.first is not None:
            return PolicyValue(setting, setting.first(), is_first=True)
        return general

    def read(
        self, setting: PolicySetting, post: str | None = None, *, at: int | None = None
    ) -> Record | None:
        """Return the value alone, as :meth:`find` finds it."""
        found = self.find(setting, post, at=at)
        return None if found is None else found.value

    def read_goods_classes(self, *, at: int | None = None) -> GoodsClasses:
        """Return the table of classes of goods in force, or that before an instant."""
        return cast("GoodsClasses", self.read(GOODS_CLASSES, at=at))

    def find_shares(self, post: str, *, opens_at: int) -> Policy:
        """Return the shares of a post in the shift that opens at an instant."""
        shares = cast("Shares", self.read(SHARES, post, at=opens_at)).as_policy()
        lawful = cast("LawfulTrade", self.read(LAWFUL_TRADE, post, at=opens_at))
        return replace(shares, lawful_factor=lawful.factor, lawful_floor=lawful.floor)

    def find_lawful_bound(self, post: str | None) -> float:
        """Return the share of an entry's vehicles that may carry a load, now."""
        return cast("LawfulTrade", self.read(LAWFUL_TRADE, post)).bound

    def list_hours(self, post: str) -> list[tuple[int, ShiftHours]]:
        """Return the hours of a post's shifts, each since when it is approved, oldest first."""
        changes = [
            one.since
            for one in self.values.get(SHIFT_TIMES.name, ())
            if one.post in (None, post) and not one.is_first
        ]
        return [
            (at, cast("ShiftTimes", self.read(SHIFT_TIMES, post, at=until)).as_hours())
            for at, until in ((0, 0), *((at, at + 1) for at in changes))
        ]

    def plan_shifts(self, network: Network) -> ShiftPlan:
        """Return when the shifts of each post change."""
        return ShiftPlan(self.list_hours, network)

    def list_posts(self, setting: PolicySetting) -> list[str]:
        """Return the posts that ever had a value of their own."""
        found = {one.post for one in self.values.get(setting.name, ())}
        return sorted(post for post in found if post is not None)


_KINDS = (POLICY_DECLARED, POLICY_PROPOSED, POLICY_APPROVED)


def read_policy(connection: Connection) -> PolicyHistory:
    """Return the policy; read again only where a record about it was added.

    In a snapshot that is older than the newest record of this process, values approved since may
    be among those found; asked for the value before an instant of the snapshot, they are not.
    """
    if not is_snapshot(connection):  # what is written in it may be undone
        return replay_policy(read_records(connection, _KINDS))
    memory = memory_of(connection)
    known: PolicyHistory = memory.get(MATTER, PolicyHistory())
    if has_new_records(connection, _KINDS, after=known.last):
        known = memory[MATTER] = replay_policy(read_records(connection, _KINDS))
    return known


def read_goods_classes(connection: Connection, *, at: int | None = None) -> GoodsClasses:
    """Return the table of classes of goods in force, or that before an instant."""
    return read_policy(connection).read_goods_classes(at=at)


def replay_policy(records: Sequence[PowerRecord]) -> PolicyHistory:
    """Return the policy after these records; an unproven record changes nothing."""
    found = [*_read_first_values(records)]
    approved = [one for one in records if one.kind != POLICY_DECLARED]
    for state in replay_records(approved, MATTER).values():
        setting = SETTINGS.get(state.content.get("setting", ""))
        is_known = setting is not None and not (state.there and setting.is_local)
        if state.state != "in_force" or setting is None or not is_known:
            continue
        value = state.content["value"]
        if value is None or (parsed := _parse(setting, value)) is not None:
            found.append(
                PolicyValue(
                    setting,
                    None if value is None else parsed,
                    state.content["post"],
                    state.sequence,
                    state.since,
                    state.proposed_at,
                    state.author,
                    state.approvals,
                    state.content.get("reason", ""),
                    is_of_centre=bool(state.there),
                )
            )
    values: dict[str, list[PolicyValue]] = {}
    for one in sorted(found, key=lambda one: one.sequence):
        values.setdefault(one.setting.name, []).append(one)
    return PolicyHistory(values, records[-1].seq if records else 0)


def _read_first_values(records: Sequence[PowerRecord]) -> Iterator[PolicyValue]:
    """Yield first values: of two processes that began at once, those of the first record."""
    seen: set[tuple[str, bool]] = set()
    for record in records:
        if record.kind != POLICY_DECLARED or record.body is None:
            continue
        is_copy = COPIED in record.body
        for name, value in record.body["values"].items():
            setting = SETTINGS.get(name)
            if setting is None or (name, is_copy) in seen or (is_copy and setting.is_local):
                continue
            parsed = _parse(setting, value)
            if parsed is not None:
                seen.add((name, is_copy))
                yield PolicyValue(
                    setting,
                    parsed,
                    sequence=record.seq,
                    since=record.known_at,
                    is_first=not is_copy,
                    is_of_centre=is_copy,
                    is_takeover=is_copy,
                )


def _parse(setting: PolicySetting, value: Any) -> Record | None:
    """Return a recorded value, None for one that this version does not accept."""
    try:
        return setting.parse(value)
    except RecordError:
        return None


def declare_policy(store: Store, given: Mapping[str, Record]) -> PolicyHistory:
    """Record the first values of settings that the journal has none of; return the policy.

    ``given`` are those of the environment by setting; the others are as shipped.
    """
    with store.read() as connection:
        known = read_policy(connection).values
    values: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        is_declared = any(one.is_first for one in known.get(name, ()))
        first = given.get(name) or (setting.first and setting.first())
        if first is not None and not is_declared:
            values[name] = first.model_dump(mode="json")
    if values:
        draft = POLICY_DECLARED.draft(f"policy-{token_hex(8)}", {"values": values})
        Journal(store).append([draft])
    with store.read() as connection:
        return read_policy(connection)


def list_ignored(history: PolicyHistory, given: Mapping[str, Record]) -> list[tuple[str, str]]:
    """Return the settings and fields of the environment that were edited and change nothing.

    An edited value is neither the recorded first one nor the one in force.
    """
    found: list[tuple[str, str]] = []
    for name, value in given.items():
        setting = SETTINGS[name]
        firsts = (one.value for one in history.values.get(name, ()) if one.is_first)
        known = [one for one in (next(firsts, None), history.read(setting)) if one is not None]
        found += [
            (name, at)
            for at in type(value).model_fields
            if known and getattr(value, at) not in [getattr(one, at) for one in known]
        ]
    return found
