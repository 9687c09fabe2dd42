"""Endless distinct arrivals in the likeness of a shift's: what a checkpoint would send next.

They continue a history, so they meet counters that hold something. Each is sent as if it came now,
under a new crossing id.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.times import SystemClock, rfc3339


@dataclass(frozen=True, slots=True)
class Sent:
    """One arrival as it goes over the wire."""

    crossing_id: str
    post: str
    body: bytes


def endless(bodies: Sequence[Mapping[str, Any]], *, prefix: str) -> Iterator[Sent]:
    """Yield entries like these bodies of requests, over and over."""
    entries = [body for body in bodies if body["crossing"]["direction"] == "entry"]
    for number, body in enumerate(itertools.cycle(entries)):
        crossing_id = f"{prefix}-{number}"
        now = {"crossing_id": crossing_id, "arrived_at": rfc3339(SystemClock().now())}
        known = {name: value for name, value in body["crossing"].items() if name != "recorded_at"}
        raw = json.dumps({**body, "crossing": known | now}, ensure_ascii=False).encode()
        yield Sent(crossing_id, known["post"], raw)
