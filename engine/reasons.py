"""A reason: one thing that speaks for or against a crossing, in words a person can check."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.ports import Contribution
from engine.records import Arrival


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence, the fact behind it, and what is usual."""

    code: str
    text: str
    fact: str
    comparison: str
    contribution: float
    """In log-odds of the risk; 0 where it is not the model's."""


Sentences = Callable[[Sequence[Contribution], Arrival], Sequence[Reason]]
"""Turns what features contributed into reasons, the strongest first."""
