"""What the engine said, said again in the reader's language.

Assumes that the engine's sentences have the shapes of :mod:`api.web.message_patterns`. One that has
not is shown as it stands, marked as English: a sentence that is half understood helps nobody.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from api.web import message_patterns
from api.web.i18n import ReaderLocale

_SLOT = re.compile(r"\{(\w+)\}")
_NUMBER = r"-?[\d,]+(?:\.\d+)?(?:e[+-]?\d+)?"
_SHAPES = {
    "number": _NUMBER,
    "of": _NUMBER,
    "finds": _NUMBER,
    "inspections": _NUMBER,
    "until": r"\d{4}-\d\d-\d\d \d\d:\d\d UTC",
    "within": r"in the last year|in a year|in 24 hours|in \d+ days|in \d+ minutes|ever before",
    "whom": r"this \w+|the same .+?",
    "code": r"\S+",
    "amount": rf"{_NUMBER}%|{_NUMBER}(?: [A-Za-z/]+)?|not known|yes|no|once|twice|[A-Z][a-z]+day",
    "fact": r".+",
    "comparison": r"[^()]+",
    "times": r"once|twice|\d+ times",
}
_SHARE = re.compile(rf"({_NUMBER})%")


@dataclass(frozen=True, slots=True)
class TranslatedText:
    """A text as a page shows it."""

    text: str
    is_english: bool
    """It could not be said in the reader's language and stands as the engine said it."""


class Translator:
    """Says the engine's sentences to one reader."""

    def __init__(self, speech: ReaderLocale) -> None:
        self._speech = speech
        self._slots: dict[str, Callable[[str], str]] = {
            "whom": self._of(message_patterns.WHOM),
            "within": self._of(message_patterns.WITHIN),
            "amount": self._amount,
            "usual": self._usual,
            "noun": self._of(message_patterns.NOUNS),
            "both": self._listed,
            "among": self._of(message_patterns.AMONG),
            "plain": self._of(message_patterns.PLAIN),
            "fact": self._of(message_patterns.FACTS),
            "comparison": self._of(message_patterns.COMPARISONS),
            "number": self._number,
            "of": self._number,
            "finds": self._number,
            "inspections": self._number,
            "figures": self._figures,
            "listed": self._named,
            "title": str,
            "person": str,
            "until": self._until,
            "times": self._amount,
            "code": str,
            "names": str,
            "english": str,
            "kind": self._of(message_patterns.KINDS),
            "other": self._of(message_patterns.KINDS),
        }

    def sentence(self, text: str) -> TranslatedText:
        """Return a reason or a fact in the reader's language."""
        every = (*message_patterns.REASONS, *message_patterns.WHOLE, *message_patterns.RULE_TEXTS)
        return self._said(text, (*every, *message_patterns.COMPARISONS, *message_patterns.FACTS))

    def search(self, text: str) -> TranslatedText:
        """Return why a place is searched in the reader's language."""
        if self._speech.code == "en":
            return TranslatedText(text, is_english=False)
        parts = [
            self._said(part, (*message_patterns.SEARCHES, *message_patterns.PLACE_TEXTS))
            for part in _parts(text)
        ]
        if any(part.is_english for part in parts):
            return TranslatedText(text, is_english=True)
        return TranslatedText("; ".join(part.text for part in parts), is_english=False)

    def refusal(self, text: str) -> TranslatedText:
        """Return why an expression is refused in the reader's language."""
        return self._said(text, message_patterns.REFUSALS)

    def against(self, text: str) -> TranslatedText:
        """Return what stands against a model in the reader's language."""
        return self._said(text, message_patterns.AGAINST)

    def doubt(self, text: str) -> TranslatedText:
        """Return why an estimate from logged draws is withheld in the reader's language."""
        return self._said(text, message_patterns.DOUBTS)

    def _said(self, text: str, patterns: Sequence[message_patterns.Pattern]) -> TranslatedText:
        if self._speech.code == "en":
            return TranslatedText(text, is_english=False)
        try:
            return TranslatedText(self._of(patterns)(text), is_english=False)
        except LookupError:
            return TranslatedText(text, is_english=True)

    def _of(self, patterns: Sequence[message_patterns.Pattern]) -> Callable[[str], str]:
        """Return what says a text by the first of these patterns; raises ``LookupError``."""

        def say(text: str) -> str:
            for pattern in patterns:
                found = _match(pattern, text)
                if found is None:
                    continue
                try:
                    parts = {name: self._slots[name](part) for name, part in found.items()}
                except LookupError:
                    continue  # it was another pattern's sentence
                if isinstance(pattern, str):
                    return self._speech.say(pattern, **parts)
                return self._speech.count(*pattern.both, _value(found[pattern.by]), **parts)
            raise LookupError(text)

        return say

    def _figures(self, text: str) -> str:
        """Say what fitted a profile; a field that has no words keeps its name."""
        say = self._of((*message_patterns.FACTS, *message_patterns.WHOLE))
        values = []
        for part in _parts(text):
            try:
                values.append(say(part))
            except LookupError:
                values.append(part)
        return "; ".join(values)

    def _named(self, text: str) -> str:
        """Say what an entry of the watch list names: each kind, and its value as it is."""
        say, values = self._of(message_patterns.NOUNS), []
        for part in text.split(", "):
            kind, _, value = part.rpartition(" ")
            try:
                values.append(f"{say(kind)} {value}")
            except LookupError:
                values.append(part)
        return ", ".join(values)

    def _until(self, text: str) -> str:
        known = datetime.strptime(text, "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
        return self._speech.moment(known)

    def _amount(self, text: str) -> str:
        if share := _SHARE.fullmatch(text):
            digits = len(share[1].partition(".")[2])
            return self._speech.share(_value(share[1]) / 100, digits)
        if re.fullmatch(_NUMBER, text):
            return self._number(text)
        return self._of(message_patterns.AMOUNTS)(text)

    def _usual(self, text: str) -> str:
        try:
            return self._of(message_patterns.USUAL)(text)
        except LookupError:
            return self._amount(text)

    def _listed(self, text: str) -> str:
        say = self._of(message_patterns.NOUNS)
        return ", ".join(say(part) for part in re.split(r", | and ", text))

    def _number(self, text: str) -> str:
        digits = len(text.partition("e")[0].partition(".")[2])
        return self._speech.number(_value(text), digits if "e" not in text else 6)


def _match(pattern: message_patterns.Pattern, text: str) -> dict[str, str] | None:
    """Return the parts of a sentence that has this pattern, None where it has not."""
    for shape in (pattern,) if isinstance(pattern, str) else reversed(pattern.both):
        if found := _shape(shape).fullmatch(text):
            return found.groupdict()
    return None


def _value(text: str) -> float:
    return float(text.replace(",", ""))


def _parts(text: str) -> list[str]:
    """Split a search's why at its semicolons."""
    return text.split("; ")


@cache
def _shape(pattern: str) -> re.Pattern[str]:
    """Return what a pattern's sentences look like."""
    parts = _SLOT.split(pattern)
    made = [
        f"(?P<{part}>{_SHAPES.get(part, '.+?')})" if index % 2 else re.escape(part)
        for index, part in enumerate(parts)
    ]
    return re.compile("".join(made))
