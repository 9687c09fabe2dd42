"""Intake of a centre: 24 nodes, each with ten decisions a second, in one process.

Decisions of a service on SYNTHETIC arrivals stand in the journals of 24 nodes, and travel as sealed
batches of records. What the centre does is timed: opening, checking, and recording them with every
projection of a service. It has one writer, so what counts is one core; the other is the service's.
"""

import json
import subprocess
import sys
from pathlib import Path

from engine.errors import NotEnoughDataError
from experiments.support.benchmark_harness import Row, row

NODES, A_SECOND = 24, 10
DECISIONS = 100
"""Of each node: ten seconds of its work."""


def run(data: Path | None, *, nodes: int = NODES, decisions: int = DECISIONS) -> list[Row]:
    """Return the rows of ``bench links``; synthetic data of its own, ``data`` is unused."""
    del data
    command = [sys.executable, "-m", "api.harness.link_intake", str(nodes), str(decisions)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if found["held"] != found["sent"]:
        raise NotEnoughDataError("bench links", f"{found['held']} of {found['sent']} arrived")
    must = f">= {NODES * A_SECOND}"
    return [
        row(f"{nodes} nodes, {found['sent']:,} decisions: {what}", "decisions", seen, must)
        for what, seen in (
            ("a second of processor time", found["sent"] / found["processor_seconds"]),
            ("a second", found["sent"] / found["seconds"]),
        )
    ]
