"""Reader of sentences in records of before messages were kept: ``reasons-1`` and ``reasons-2``.

Such records (and search orders of ``learnt-2`` and of before) hold English alone. A sentence is
matched with the templates of that time, and its parts are said in the reader's language. One that
fits no template is shown as recorded, marked as English. Nothing new is read here: records since
``reasons-3`` hold messages (:mod:`api.web.messages`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final

from api.web import message_patterns
from api.web.i18n import N_, ReaderLocale
from engine.criteria.indicator_rules import RULES
from engine.domain.records import PLACES
from engine.explanation import message_templates as templates
from engine.explanation.message_templates import Template
from engine.search_orders.priors import how

Patterns = tuple[Template, ...]
FACTS: Final[Patterns] = (
    # Before rates were stated as counts.
    N_("{amount} of inspections of {whom} {within} found something (smoothed)"),
    N_("{amount} of inspections of {whom} {within} led to a seizure (smoothed)"),
    N_("nothing known of inspections of {whom} {within}"),
    *(text for name, text in templates.FACTS.items() if name != "field_text"),
)
"""Facts of features; the first that fits is said."""
REASONS: Final[Patterns] = (
    *templates.REASONS.values(),
    N_("Hardly changes the risk: {fact} ({comparison})."),
)
COMPARISONS: Final[Patterns] = (
    *templates.COMPARISONS.values(),
    N_("any vehicle like it is sent to red with a chance of {amount}"),
    N_("selects {amount} of such"),
)
WHOM: Final[Patterns] = (
    *templates.ACTORS.values(), *reversed(templates.SAME_TERMS), templates.SAME,
)  # fmt: skip
_SHORT = templates.SHORT
USUAL: Final[Patterns] = (_SHORT["share"], _SHORT["varies"], _SHORT["no_usual"])
WITHIN: Final[Patterns] = (
    _SHORT["year"], N_("in a year"), _SHORT["day"], _SHORT["days"], _SHORT["minutes"],
    _SHORT["ever"],
)  # fmt: skip
AMOUNTS: Final[Patterns] = (
    *(_SHORT[name] for name in ("unknown", "yes", "no", "once", "twice")),
    *templates.UNITS.values(),
    *templates.WEEK,
)
NOUNS: Final[Patterns] = tuple(
    dict.fromkeys(
        (
            *templates.NOUNS.values(),
            N_("trailer"), N_("driver"), N_("carrier"), N_("consignee"), N_("consignor"),
            N_("declarant"), N_("post"), N_("direction"), N_("seals"), N_("procedure"),
            N_("weighed less gross kg"),
        )
    )
)  # fmt: skip
AMONG: Final[Patterns] = (*templates.CLASSES.values(), N_("other vehicles"))
PLAIN: Final[Patterns] = (
    N_("hour of arrival, local"),
    N_("day of the week of arrival"),
    N_("arrived between 22:00 and 06:00 local"),
    N_("enters the country"),
    N_("is a car"),
    N_("is a van"),
    N_("is a bus"),
    N_("is a truck"),
    N_("is a rail wagon"),
    N_("mass on the weighbridge"),
    N_("said to be empty"),
    N_("no trailer plate was read"),
    N_("came with a declaration"),
    N_("container numbers whose check digit fails"),
    N_("the VIN's check digit fails (binding only in North America and China)"),
    N_("no plate was read"),
    N_("no driver reference came"),
    N_("no carrier was named"),
    N_("seal numbers given"),
    N_("under a TIR carnet"),
    N_("with a CMR note"),
    N_("declared this long before arrival"),
    N_("said to be empty, yet came with a declaration"),
    N_("said to be laden, yet came without a declaration"),
    N_("goods items declared"),
    N_("different HS chapters declared"),
    N_("different countries of origin of the goods"),
    N_("statistical value declared"),
    N_("net mass declared"),
    N_("gross mass declared"),
    N_("packages declared"),
    N_("value for each kg of net mass"),
    N_("net mass of a package"),
    N_("gross over net mass"),
    N_("duty rate of the main goods item"),
    N_("share of the main goods item in the value"),
    N_("length of the main HS code"),
    N_("HS chapter of the main goods item"),
    N_("first six digits of the main HS code"),
    N_("net mass declared in whole kilograms"),
    N_("net mass declared in whole tens of kilograms"),
    N_("goods dispatched from another country than they come from"),
    N_("weighbridge mass less declared gross mass"),
    N_("weighbridge mass less declared gross mass less the usual empty mass of this vehicle"),
    N_("weighbridge mass"),
    N_("post"),
    N_("direction"),
    N_("vehicle class"),
    N_("procedure"),
)
SEARCHES: Final[Patterns] = tuple(templates.SEARCHES.values())
WHOLE: Final[Patterns] = (
    *templates.WHOLE.values(),
    # Before it was said what fitted.
    N_("Fits the profile {code}, written and approved by two people."),
    N_("Is named by an entry of the watch list."),
    N_("Drawn by lot as a random check, not picked by its risk."),
    N_("member of the random stream"),
    N_("indicator rule"),
    N_("speaks neither for nor against"),
)
RULE_TEXTS: Final[Patterns] = (
    *(text for rule in RULES for text in (rule.fired, rule.quiet)),
    # As the first version of the rules said it.
    N_("The vehicle was not seen in this network in the last 365 days."),
    N_("The vehicle is not new to this network."),
)
PLACE_TEXTS: Final[Patterns] = tuple(dict.fromkeys(how(place)[1] for place in (*PLACES, "")))
EVERY: Final[Patterns] = tuple(
    dict.fromkeys(
        (
            *FACTS, templates.FACTS["field_text"], *REASONS, *COMPARISONS, *USUAL, *WHOM, *WITHIN,
            *AMOUNTS, *NOUNS, *AMONG, *PLAIN, *SEARCHES, *WHOLE, *RULE_TEXTS, *PLACE_TEXTS,
        )
    )
)  # fmt: skip
"""All of them, for the catalogues."""

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
    """It could not be said in the reader's language and stands as the engine said it."""


class Translator:
    """Says the engine's sentences to one reader."""

    def __init__(self, speech: ReaderLocale) -> None:
        self._speech = speech
        self._slots: dict[str, Callable[[str], str]] = {
            "whom": self._of(WHOM),
            "within": self._of(WITHIN),
            "amount": self._amount,
            "usual": self._usual,
            "noun": self._of(NOUNS),
            "both": self._listed,
            "among": self._of(AMONG),
            "plain": self._of(PLAIN),
            "fact": self._of(FACTS),
            "comparison": self._of(COMPARISONS),
            "number": self._number,
            "of": self._number,
            "finds": self._number,
            "inspections": self._number,
            "figures": self._figures,
            "listed": self._named,
            "signs": self._number,
            "per_hundred": self._number,
            "post": str,
            "title": str,
            "reason": str,
            "author": str,
            "until": self._until,
            "times": self._amount,
            "code": str,
            "english": str,
        }

    def sentence(self, text: str) -> TranslatedText:
        """Return a reason or a fact in the reader's language."""
        every = (*REASONS, *WHOLE, *RULE_TEXTS)
        return self._said(text, (*every, *COMPARISONS, *FACTS))

    def search(self, text: str) -> TranslatedText:
        """Return why a place is searched in the reader's language."""
        if self._speech.code == "en":
            return TranslatedText(text, is_english=False)
        parts = [self._said(part, (*SEARCHES, *PLACE_TEXTS)) for part in _parts(text)]
        if any(part.is_english for part in parts):
            return TranslatedText(text, is_english=True)
        return TranslatedText("; ".join(part.text for part in parts), is_english=False)

    def against(self, text: str) -> TranslatedText:
        """Return what stands against a model in the reader's language."""
        return self._said(text, message_patterns.AGAINST)

    def doubt(self, text: str) -> TranslatedText:
        """Return why an estimate from logged draws is withheld in the reader's language."""
        return self._said(text, message_patterns.DOUBTS)

    def _said(self, text: str, patterns: Sequence[Template]) -> TranslatedText:
        if self._speech.code == "en":
            return TranslatedText(text, is_english=False)
        try:
            return TranslatedText(self._of(patterns)(text), is_english=False)
        except LookupError:
            return TranslatedText(text, is_english=True)

    def _of(self, patterns: Sequence[Template]) -> Callable[[str], str]:
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
        say = self._of((*FACTS, *WHOLE))
        values = []
        for part in _parts(text):
            try:
                values.append(say(part))
            except LookupError:
                values.append(part)
        return "; ".join(values)

    def _named(self, text: str) -> str:
        """Say what an entry of the watch list names: each kind, and its value as it is."""
        say, values = self._of(NOUNS), []
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
        return self._of(AMOUNTS)(text)

    def _usual(self, text: str) -> str:
        try:
            return self._of(USUAL)(text)
        except LookupError:
            return self._amount(text)

    def _listed(self, text: str) -> str:
        say = self._of(NOUNS)
        return ", ".join(say(part) for part in re.split(r", | and ", text))

    def _number(self, text: str) -> str:
        digits = len(text.partition("e")[0].partition(".")[2])
        return self._speech.number(_value(text), digits if "e" not in text else 6)


def _match(pattern: Template, text: str) -> dict[str, str] | None:
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
