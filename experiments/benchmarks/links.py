"""Work of a centre with 24 nodes of ten decisions a second each, and of one such node.

Decisions of a service on SYNTHETIC arrivals stand in the journals of 24 nodes, and travel as sealed
batches of records. What the centre does is timed: opening, checking, and recording them with every
projection of a service. It has one writer, so what counts is one core; the other is the service's.

A service that is a node, and one that has no link, decide on the same arrivals in turns; what
counts is processor time, which other work on the machine stretches less than the clock's.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

from engine.errors import NotEnoughDataError
from experiments.support.benchmark_harness import Row, row

NODES, A_SECOND = 24, 10
DECISIONS = 100
"""Of each node: ten seconds of its work."""
TURNS = 21
DEAREST = 1.05
"""Times the cost of a decision without a link: what turns of one program differ by."""
SEALING = 10_000 / A_SECOND
"""Microseconds: a hundredth of a core at ten decisions a second."""


def run(data: Path | None, *, nodes: int = NODES, decisions: int = DECISIONS) -> list[Row]:
    """Return the rows of ``bench links``; synthetic data of its own, ``data`` is unused."""
    del data
    asked = map(str, (nodes, decisions, TURNS))
    command = [sys.executable, "-m", "api.harness.link_intake", *asked]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if found["held"] != found["sent"]:
        raise NotEnoughDataError("bench links", f"{found['held']} of {found['sent']} arrived")
    must = f">= {NODES * A_SECOND}"
    taken = [
        row(f"{nodes} nodes, {found['sent']:,} decisions: {what}", "decisions", seen, must)
        for what, seen in (
            ("a second of processor time", found["sent"] / found["processor_seconds"]),
            ("a second", found["sent"] / found["seconds"]),
        )
    ]
    pairs = zip(found["node"], found["alone"], strict=True)
    dearer = statistics.median(node / alone for node, alone in pairs)
    sealing = statistics.median(found["sealing"]) / decisions * 1e6
    return [
        *taken,
        row("a node's decision, next to one without a link", "times", dearer, f"<= {DEAREST}"),
        row("a node's work on sending a decision up", "microseconds", sealing, f"<= {SEALING}"),
    ]
