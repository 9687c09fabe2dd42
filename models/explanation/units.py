"""Wording of one feature: which message says it, by its value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan

from engine.explanation.messages import Message, Parameters


@dataclass(frozen=True, slots=True)
class Wording:
    """Messages that say a feature, by their identifiers."""

    known: str
    unit: str
    denied: str = ""
    """Of a flag that is off."""
    unknown: str = ""
    """Where the value is not known; ``known`` with an unknown amount where it is empty."""
    parameters: Parameters = field(default_factory=dict)
    """What the feature is about; the value and its unit are added."""

    def message(self, value: float) -> Message:
        """Return the message that states a value; NaN where it is not known."""
        is_known = not isnan(value)
        figures = {"value": float(value) if is_known else None, "unit": self.unit}
        return Message(self._identifier(value), {**self.parameters, **figures})

    def counted(self, finds: int, inspections: int) -> Message:
        """Return the message of a rate by the counts behind it, never by the rate itself."""
        if not inspections:
            return Message(self.unknown, self.parameters)
        counts: Mapping[str, int] = {"finds": finds, "inspections": inspections}
        return Message(self.known, {**self.parameters, **counts})

    def _identifier(self, value: float) -> str:
        if isnan(value):
            return self.unknown or self.known
        return self.denied if self.denied and value < 0.5 else self.known
