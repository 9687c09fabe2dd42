"""Endless distinct arrivals in the likeness of a shift's: what a checkpoint would send next.

They continue a history, so they meet counters that hold something. Each is sent as if it came now,
under a new crossing id.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.domain.time_units import SystemClock, rfc3339

_NAMES = ("plate", "trailer_plate", "driver_ref")
"""Identifiers that a crossing names; one that names none of them stays as it is."""


@dataclass(frozen=True, slots=True)
class SentArrivals:
    """One arrival as it goes over the wire."""

    crossing_id: str
    post: str
    body: bytes


def endless(
    bodies: Sequence[Mapping[str, Any]], *, prefix: str, strangers: bool = False
) -> Iterator[SentArrivals]:
    """Yield entries like these bodies of requests, over and over.

    With ``strangers``, each is of a new vehicle and a new driver.
    """
    entries = [body for body in bodies if body["crossing"]["direction"] == "entry"]
    for number, body in enumerate(itertools.cycle(entries)):
        crossing_id = f"{prefix}-{number}"
        now = {"crossing_id": crossing_id, "arrived_at": rfc3339(SystemClock().now())}
        known = {name: value for name, value in body["crossing"].items() if name != "recorded_at"}
        new = _new_names(known, number) if strangers else {}
        raw = json.dumps({**body, "crossing": known | now | new}, ensure_ascii=False).encode()
        yield SentArrivals(crossing_id, known["post"], raw)


def _new_names(crossing: Mapping[str, Any], number: int) -> dict[str, str]:
    """Return unique identifiers for those that a crossing names."""
    return {name: f"{number:06}X{at}" for at, name in enumerate(_NAMES) if crossing.get(name)}
