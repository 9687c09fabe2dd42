"""Profiles in force that fit an arrival, and counts of what shadow profiles would have matched.

Assumes that profiles are few: they are compiled again only when a record about a profile was added.
A profile that cannot be evaluated matches nothing; the failure is counted and journalled once, and
no decision fails because of it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from engine.criteria.dual_control import replay_records
from engine.criteria.match import Match
from engine.criteria.profiles.fields import Reader
from engine.criteria.profiles.profile import Profile, to_match, to_profile
from engine.criteria.profiles.program import ProfileFailed, Program, context, program
from engine.domain.records import Arrival
from engine.domain.time_units import MINUTE, rfc3339
from engine.errors import ProfileRefusedError
from engine.explanation.messages import Message
from engine.journal.areas import kinds_of
from engine.journal.entries import Draft, Entry
from engine.journal.kinds import PROFILE_COUNTED, PROFILE_FAILED
from engine.journal.power_records import has_new_records, read_records
from engine.ports import Evidence, FeatureRows

MOST_FIGURES = 4
"""Figures of a profile that its reason gives."""
FLUSH = MINUTE
"""How often the counts of shadows are recorded, while there are any."""


def name_figure(full: str, value: Any, _: Evidence | None) -> Message:
    """Return a figure with its name, the default without the texts of the pages."""
    text = f"{value:,.6g}" if isinstance(value, float) else str(value)
    name = full.rpartition(".")[2].replace("_", " ")
    return Message("field_text", {"of": name, "text": text})


@dataclass(frozen=True, slots=True)
class _Compiled:
    profile: Profile
    program: Program


class ProfileMatcher:
    """Finds the profiles that fit.

    Implements ``engine.criteria.match.Matcher``. One thread at a time.
    """

    def __init__(
        self,
        submit: Callable[[Draft], "Future[Entry]"],
        names: Sequence[str],
        *,
        failed: Callable[[], None] = lambda: None,
        say: Callable[[str, Any, Evidence | None], Message] = name_figure,
    ) -> None:
        """``names`` are those of the features; ``failed`` is called at each failed evaluation.

        ``say`` puts one figure that picked an arrival into words: its full name, its value, and the
        inspections behind it where it is a rate of them.
        """
        self._say = say
        self._submit = submit
        self._names = tuple(names)
        self._columns = {name: place for place, name in enumerate(names)}
        self._failed = failed
        self._last = 0
        self._compiled: list[_Compiled] = []
        self._reader = Reader((), {})
        self._reported: set[tuple[str, int]] = set()
        self._shadows: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self._flushed = 0

    def matches(
        self,
        snapshot: Connection,
        arrivals: Sequence[Arrival],
        rows: FeatureRows,
        *,
        as_of: int,
    ) -> Sequence[Sequence[Match]]:
        """Return, for each arrival, the profiles in force that fit it; shadows are counted."""
        self._load(snapshot)
        due = [one for one in self._compiled if one.profile.is_valid(as_of)]
        if not due:
            return [()] * len(arrivals)
        found = [self._of(arrival, rows, index, due=due) for index, arrival in enumerate(arrivals)]
        if self._seen and as_of - self._flushed > FLUSH:
            self.flush(as_of)
        return found

    def flush(self, as_of: int) -> None:
        """Record what the shadows would have matched since the last time."""
        if not self._seen:
            return
        counts = {c: {"arrivals": n, "matches": self._shadows[c]} for c, n in self._seen.items()}
        self._submit(PROFILE_COUNTED.draft("", {"counts": counts, "until": rfc3339(as_of)}))
        self._seen.clear()
        self._shadows.clear()
        self._flushed = as_of

    def _load(self, snapshot: Connection) -> None:
        """Compile the profiles in force and the shadows, if any record was added."""
        kinds = kinds_of("profile")
        if not has_new_records(snapshot, kinds, after=self._last):
            return
        records = read_records(snapshot, kinds)
        standing = [to_profile(one) for one in replay_records(records, "profile").values()]
        wanted = [p for p in standing if p.standing.state in ("in_force", "shadow")]
        self._compiled = [one for p in wanted if (one := self._compile(p)) is not None]
        needs = [name for one in self._compiled for name in one.program.needs]
        self._reader = Reader(needs, self._columns)
        self._last = records[-1].seq

    def _compile(self, profile: Profile) -> _Compiled | None:
        try:
            return _Compiled(profile, program(profile.proposed.expression, features=self._names))
        except ProfileRefusedError as error:  # a later release lacks a feature that it asks for
            self._tell(profile, type(error).__name__)
            return None

    def _of(
        self, arrival: Arrival, rows: FeatureRows, index: int, *, due: Sequence[_Compiled]
    ) -> tuple[Match, ...]:
        post, values = arrival.crossing.post, None
        known: dict[str, Any] = {}
        found = []
        for one in due:
            proposed, standing = one.profile.proposed, one.profile.standing
            if proposed.post not in (None, post):
                continue
            if values is None:
                known = self._reader.values(
                    arrival.crossing, arrival.declaration, rows.values[index]
                )
                values = context(known)
            is_shadow = standing.state == "shadow"
            if is_shadow:
                self._seen[one.profile.code] += 1
            if not self._fits(one, values):
                continue
            if is_shadow:
                self._shadows[one.profile.code] += 1
            else:
                evidence = rows.evidence[index] if rows.evidence else {}
                found.append(to_match(one.profile, self._figures(one, known, evidence)))
        return tuple(found)

    def _figures(
        self, one: _Compiled, known: Mapping[str, Any], evidence: Mapping[str, Evidence]
    ) -> list[Message]:
        """Return the values of the arrival that the profile reads."""
        values = []
        for full in sorted(one.program.needs):
            value = known.get(full.replace(".", "_"))
            if not full.startswith("goods") and value not in (None, []):
                behind = evidence.get(full.removeprefix("features."))
                values.append(self._say(full, value, behind))
        return values[:MOST_FIGURES] or [Message("goods_fit")]

    def _fits(self, one: _Compiled, values: Any) -> bool:
        try:
            return one.program.fits(values)
        except ProfileFailed as error:
            self._tell(one.profile, str(error))
            return False

    def _tell(self, profile: Profile, error: str) -> None:
        """Count a failure, and journal the first of each profile in this process."""
        self._failed()
        known = (profile.code, profile.standing.sequence)
        if known not in self._reported:
            self._reported.add(known)
            self._submit(PROFILE_FAILED.draft(profile.code, {"error": error}))
