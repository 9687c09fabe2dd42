"""Test of whether a person looks for others in a way that those of the same role do not.

A look is a search, or the page of a vehicle or a party. Each person's looks are compared with those
of all persons of the role. Of four marks of a look the test is Fisher's exact one: were the marks
dealt to the role's looks at random, how likely are so many or more on this person's? How many looks
a person makes is compared with twice the mean of the others, by the binomial test of two Poisson
rates (Przyborowski and Wilenski, 1940): some have more to do.

All figures of a report share one level (Bonferroni). Looks come in rows, which the tests do not
know: so an alarm also takes ``FEWEST`` marked looks, and twice the others' share. An alarm accuses
nobody: it asks for a look.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from scipy.stats import binom, hypergeom

ALARM_AT = 0.005
"""Adjusted p-value at which a look is asked for."""
FEWEST = 5
"""Marked looks below which nothing is an alarm."""
FEWEST_LOOKS, FEWEST_PERSONS = 30, 3
"""Of a role, below which nothing is said of it."""
TIMES = 2.0
"""How many times as much as the others is still usual."""
Mark = Literal["unfollowed", "idle", "repeated", "no_purpose"]
MARKS: tuple[Mark, ...] = get_args(Mark)
Measure = Literal["many", "unfollowed", "idle", "repeated", "no_purpose"]


@dataclass(frozen=True, slots=True)
class MarkedLook:
    """One look of a person."""

    person: str
    role: str
    marks: frozenset[Mark]
    """``unfollowed``: the person did nothing about what it showed; ``idle``: the person did no
    other work around that time; ``repeated``: it showed again what an earlier day's look had
    shown; ``no_purpose``: no purpose was given."""


@dataclass(frozen=True, slots=True)
class UnusualLooks:
    """A figure of one person above that of the others of the role."""

    person: str
    role: str
    measure: Measure
    seen: int
    """Looks of the person that have the mark; of ``many``, all looks."""
    looks: int
    """All looks of the person."""
    expected: float
    """Looks that the others' share, or mean, would give."""
    p_value: float
    """Adjusted for every figure of the report."""

    @property
    def is_alarm(self) -> bool:
        """Tell whether a look is asked for."""
        is_more = self.seen >= max(FEWEST, TIMES * self.expected)
        return is_more and self.p_value <= ALARM_AT


def list_knowable(looks: Sequence[MarkedLook]) -> dict[str, list[MarkedLook]]:
    """Return the looks of each role of which there are enough, by persons enough."""
    by_role: defaultdict[str, list[MarkedLook]] = defaultdict(list)
    for one in looks:
        by_role[one.role].append(one)
    return {
        role: some
        for role, some in by_role.items()
        if len(some) >= FEWEST_LOOKS and len({one.person for one in some}) >= FEWEST_PERSONS
    }


def find_unusual(looks: Sequence[MarkedLook]) -> list[UnusualLooks]:
    """Return every figure above that of the others of its role, the least likely first."""
    found = [one for some in list_knowable(looks).values() for one in _compare(some)]
    many = len(found)
    adjusted = [
        replace(one, p_value=min(1.0, many * one.p_value))
        for one in found
        if one.seen > one.expected
    ]
    return sorted(adjusted, key=lambda one: (one.p_value, -one.seen, one.person))


def _compare(looks: Sequence[MarkedLook]) -> Iterator[UnusualLooks]:
    """Yield each figure of each person of one role, its p-value not yet adjusted."""
    totals = Counter(one.person for one in looks)
    marked: Mapping[Mark, Counter[str]] = {
        mark: Counter(one.person for one in looks if mark in one.marks) for mark in MARKS
    }
    others = len(totals) - 1
    for person, mine in sorted(totals.items()):
        rest = len(looks) - mine
        share = TIMES / (TIMES + others)
        chance = float(binom.sf(mine - 1, len(looks), share))
        yield UnusualLooks(person, looks[0].role, "many", mine, mine, rest / others, chance)
        for mark, counted in marked.items():
            seen, whole = counted[person], counted.total()
            expected = mine * (whole - seen) / rest
            chance = float(hypergeom.sf(seen - 1, len(looks), whole, mine))
            yield UnusualLooks(person, looks[0].role, mark, seen, mine, expected, chance)
