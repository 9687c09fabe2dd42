"""Movement of a manifest that an arrival continues.

The keys and their order are those of the mirror's features: plate, VIN, TIR carnet, CMR note and
trailer, the surest first. An arrival continues a manifest of the opposite post where the vehicle
left at most ``LONGEST`` before; of several, the one that left last. Both indexes hold what has
become known so far and nothing else, so that whatever they answer was known.
"""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.domain.identifiers import fold
from engine.domain.time_units import HOUR
from features.catalogue.mirror_features import GRID, KEYS

LONGEST = GRID[-1] * HOUR
"""Microseconds between leaving one post and arriving at the other."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One side's record of a vehicle at a post, and what it can be recognised by."""

    name: str
    """Movement of a manifest, or crossing of an arrival."""
    post: str
    passed_at: int
    """UTC microseconds."""
    keys: Mapping[str, str]
    """Folded values by names of ``mirror_features.KEYS``; a missing one is left out."""


def fold_keys(values: Mapping[str, str | None]) -> dict[str, str]:
    """Return the identifiers that can be looked for, folded.

    >>> fold_keys({"plate": "01 a 123 bc", "vin": None})
    {'plate': '01A123BC'}
    """
    folded = {name: fold(values.get(name) or "") for name in KEYS}
    return {name: value for name, value in folded.items() if value}


class PassageIndex:
    """Passages known so far, by identifier and post."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._known: dict[tuple[str, str, str], list[tuple[int, str]]] = defaultdict(list)

    def add(self, passage: Passage) -> None:
        """Make a passage known."""
        for key, value in passage.keys.items():
            insort(self._known[key, value, passage.post], (passage.passed_at, passage.name))

    def find_left(self, arrival: Passage, post: str) -> str | None:
        """Return the movement that left a post for this arrival, None where none is known."""
        since = arrival.passed_at - LONGEST
        for found in self._match(arrival, post, since=since, until=arrival.passed_at):
            return found[-1][1]
        return None

    def find_arrived(self, manifest: Passage, post: str) -> str | None:
        """Return the first arrival at a post that continues a manifest, None where none is."""
        until = manifest.passed_at + LONGEST
        for found in self._match(manifest, post, since=manifest.passed_at, until=until):
            return found[0][1]
        return None

    def _match(
        self, passage: Passage, post: str, *, since: int, until: int
    ) -> Iterator[list[tuple[int, str]]]:
        """Yield the passages within a span by each key that has any, the surest key first."""
        for key in KEYS:
            known = self._known.get((key, passage.keys.get(key, ""), post), [])
            first, end = bisect_left(known, (since, "")), bisect_right(known, (until + 1, ""))
            if found := known[first:end]:
                yield found
