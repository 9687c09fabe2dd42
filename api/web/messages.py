"""Messages of records in a reader's language.

A record holds an identifier with parameters for every reason and fact; they are rendered from the
catalogues, with times of the post's clock. One that no catalogue renders is shown as recorded,
marked as English.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from api.web.i18n import ReaderLocale
from engine.criteria.indicator_rules import RULE_TEMPLATES
from engine.criteria.profiles import parser as profile_refusals
from engine.explanation.message_templates import BRIEF, STATED_ALONE, TEMPLATES, Template
from engine.explanation.messages import (
    Message,
    render,
    render_comparison,
    render_mass,
    render_reason,
)
from models.data.propensity_log import DOUBTS
from models.lifecycle import transitions as promotion_refusals

EVERY_TEMPLATE: Final[Mapping[str, Template]] = {
    **TEMPLATES,
    **RULE_TEMPLATES,
    **profile_refusals.REFUSALS,
    **promotion_refusals.REFUSALS,
    **DOUBTS,
}
"""By message identifier."""
IN_SHORT: Final[Mapping[str, Template]] = {**EVERY_TEMPLATE, **BRIEF}
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TranslatedText:
    """A text as a page shows it."""

    text: str
    is_english: bool = False
    """It could not be rendered in the reader's language and stands as recorded."""


class MessageReader:
    """Renders the messages of records for one reader."""

    def __init__(self, locale: ReaderLocale) -> None:
        self._speaker = replace(locale, is_strict=True)

    def reason(self, record: Record) -> TranslatedText:
        """Return a reason of a record."""
        return self._render(record, record["text"], render_reason)

    def headline(self, record: Record) -> tuple[TranslatedText, str]:
        """Return in short what a reason states, and apart from it what is usual."""
        try:
            message = Message.from_dict(record)
            fact = render(message, self._speaker, IN_SHORT)
            strength = message.parameters.get("strength")
            is_alone = strength in (None, "nothing_known") or message.id in STATED_ALONE
            usual = "" if is_alone else render_comparison(message, self._speaker, IN_SHORT)
        except LookupError:
            return self.reason(record), ""
        return TranslatedText(fact[:1].upper() + fact[1:]), usual

    def fact(self, record: Record) -> TranslatedText:
        """Return a fact of a record."""
        return self._render(record, record["text"], render)

    def refusal(self, message: str | None, parameters: Record | None, why: str) -> TranslatedText:
        """Return why an expression or a step is refused; ``why`` is the sentence in English."""
        return self._render({"message": message, "parameters": parameters}, why, render)

    def doubts(self, diagnostics: Record) -> list[TranslatedText]:
        """Return why an estimate from logged draws is withheld."""
        pairs = zip(diagnostics["messages"], diagnostics["faults"], strict=True)
        return [self._render(message, english, render) for message, english in pairs]

    def mass(self, kilograms: float) -> str:
        """Return a mass, from a tonne on in tonnes."""
        return render_mass("kg", kilograms, self._speaker)

    def _render(
        self,
        record: Record,
        recorded: str,
        how_to: Callable[[Message, ReaderLocale, Mapping[str, Template]], str],
    ) -> TranslatedText:
        try:
            message = Message.from_dict(record)
            return TranslatedText(how_to(message, self._speaker, EVERY_TEMPLATE))
        except LookupError:
            return TranslatedText(recorded, is_english=self._speaker.code != "en")
