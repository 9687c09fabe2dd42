"""Reader of sentences in records of before messages were kept: ``reasons-1`` and ``reasons-2``.

Such records (and search orders of ``learnt-2`` and of before) hold English alone. The catalogues
keep the templates of that time (context ``old fact``, ``old reason`` and so on). A sentence is
matched with them, and its parts are rendered in the reader's language. One that fits no template is
shown as recorded, marked as English. Nothing new is read here: records since ``reasons-3`` hold
messages (:mod:`api.web.messages`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final

from api.web.i18n import ReaderLocale, read_catalogue, translations

OldTemplate = str | tuple[str, str]
"""A template, or those of one and of many."""
COUNTED: Final = ("inspections", "signs", "of", "number")
"""Parts by which a template with plural forms counts."""
_SLOT = re.compile(r"\{(\w+)\}")
_NUMBER = r"-?[\d,]+(?:\.\d+)?(?:e[+-]?\d+)?"
_SHAPES = {
    "number": _NUMBER,
    "of": _NUMBER,
    "finds": _NUMBER,
    "inspections": _NUMBER,
    "signs": _NUMBER,
    "per_hundred": _NUMBER,
    "until": r"\d{4}-\d\d-\d\d \d\d:\d\d UTC",
    "within": r"in the last year|in a year|in 24 hours|in \d+ days|in \d+ minutes|ever before",
    "whom": r"this \w+|the same .+?",
    "code": r"\S+",
    "post": r"\S+",
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
    is_english: bool = False
    """It could not be rendered in the reader's language and stands as recorded."""


class Translator:
    """Renders the sentences of old records for one reader."""

    def __init__(self, speech: ReaderLocale) -> None:
        self._speech = speech
        self._slots: dict[str, Callable[[str], str]] = {
            **{kind: self._of(kind) for kind in ("whom", "within", "noun", "among", "plain")},
            **dict.fromkeys(("number", "of", "finds", "inspections"), self._number),
            **dict.fromkeys(("signs", "per_hundred"), self._number),
            "fact": self._of("fact"),
            "comparison": self._of("comparison"),
            "amount": self._amount,
            "times": self._amount,
            "usual": self._usual,
            "both": self._nouns,
            "figures": self._figures,
            "listed": self._identifiers,
            "until": self._until,
        }
        """How each part of a sentence is rendered; any other is a person's or a code."""

    def sentence(self, text: str) -> TranslatedText:
        """Return a reason, a fact or a doubt about logged draws in the reader's language."""
        return self._translate(text, self._of("reason", "comparison", "fact", "doubt"))

    def search(self, text: str) -> TranslatedText:
        """Return why a place is searched in the reader's language."""
        return self._translate(text, lambda why: "; ".join(map(self._of("search"), _parts(why))))

    def _translate(self, text: str, say: Callable[[str], str]) -> TranslatedText:
        if self._speech.code == "en":
            return TranslatedText(text)
        try:
            return TranslatedText(say(text))
        except LookupError:
            return TranslatedText(text, is_english=True)

    def _of(self, *kinds: str) -> Callable[[str], str]:
        """Return what renders a text by the first template that fits; raises ``LookupError``."""

        def say(text: str) -> str:
            for context in (f"old {kind}" for kind in kinds):
                for template in old_templates(self._speech.code, context):
                    found = _match(template, text)
                    if found is None:
                        continue
                    try:
                        return self._render(context, template, found)
                    except LookupError:
                        continue  # it was another template's sentence
            raise LookupError(text)

        return say

    def _render(self, context: str, template: OldTemplate, found: Mapping[str, str]) -> str:
        parts = {name: self._slots.get(name, str)(part) for name, part in found.items()}
        words = translations(self._speech.code)
        if isinstance(template, str):
            return words.pgettext(context, template).format(**parts)
        counted = next(found[name] for name in COUNTED if name in found)
        whole = _value(counted)
        number = abs(int(whole)) if whole.is_integer() else 2
        return words.npgettext(context, *template, number).format(**parts)

    def _or_as_it_is(self, kind: str, text: str) -> str:
        try:
            return self._of(kind)(text)
        except LookupError:
            return text

    def _figures(self, text: str) -> str:
        """Render what fitted a profile; a field that has no words keeps its name."""
        return "; ".join(self._or_as_it_is("fact", part) for part in _parts(text))

    def _identifiers(self, text: str) -> str:
        """Render what an entry of the watch list names: each kind, and its value as it is."""
        pairs = (part.rpartition(" ") for part in text.split(", "))
        return ", ".join(f"{self._or_as_it_is('noun', kind)} {value}" for kind, _, value in pairs)

    def _until(self, text: str) -> str:
        known = datetime.strptime(text, "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
        return self._speech.moment(known)

    def _amount(self, text: str) -> str:
        if share := _SHARE.fullmatch(text):
            digits = len(share[1].partition(".")[2])
            return self._speech.share(_value(share[1]) / 100, digits)
        if re.fullmatch(_NUMBER, text):
            return self._number(text)
        return self._of("amount")(text)

    def _usual(self, text: str) -> str:
        try:
            return self._of("usual")(text)
        except LookupError:
            return self._amount(text)

    def _nouns(self, text: str) -> str:
        return ", ".join(map(self._of("noun"), re.split(r", | and ", text)))

    def _number(self, text: str) -> str:
        digits = len(text.partition("e")[0].partition(".")[2])
        return self._speech.number(_value(text), digits if "e" not in text else 6)


@cache
def old_templates(code: str, context: str) -> tuple[OldTemplate, ...]:
    """Return the old templates of one context, in the order in which they are tried."""
    found = (one.id for one in read_catalogue(code) if one.context == context)
    return tuple(text if isinstance(text, str) else (text[0], text[1]) for text in found)


def _match(template: OldTemplate, text: str) -> dict[str, str] | None:
    """Return the parts of a sentence that this template made, None of any other."""
    for shape in (template,) if isinstance(template, str) else reversed(template):
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
