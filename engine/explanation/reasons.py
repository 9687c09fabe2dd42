"""A reason: one thing that speaks for or against a crossing, in words a person can check."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.domain.records import Arrival
from engine.ports import Contribution


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence, the fact behind it, and what is usual."""

    code: str
    text: str
    fact: str
    comparison: str
    contribution: float
    """In log-odds of the risk, of all that is known on its subject; 0 where not the model's."""
    message: str = ""
    """Stable identifier of the sentence; empty for sentences that have none yet."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The figures of the sentence by name, as JSON values."""


REASONS_VERSION = "reasons-2"
"""Changes whenever the rule that makes reasons changes; kept with every decision.

The reasons of a record made by an earlier rule stand as they were said: a decision made again is
held to the contributions behind them (:mod:`engine.audit.decision_replay`).
"""

Sentences = Callable[[Sequence[Contribution], Arrival], Sequence[Reason]]
"""Turns what features contributed into reasons, the strongest first."""
