"""Which texts the pages say, and whether every language has them.

``python tests/catalogues.py`` brings the catalogues up to date: new texts come in untranslated,
those that nothing says any more leave.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import write_po

from api.web.i18n import FOLDER, LANGUAGES, read_catalogue
from api.web.labels import KINDS
from api.web.messages import EVERY_TEMPLATE, IN_SHORT
from engine.criteria.profiles.parser import PART_KINDS
from engine.criteria.profiles.readable_fields import DERIVED
from engine.explanation.message_templates import WORDS, Template
from engine.explanation.messages import noun
from features.catalogue.catalogue import CATALOGUE
from models.explanation.feature_wording import profile_figure, word_feature

SERVICE = Path(__file__).parents[1] / "api"
TERMINAL = ("cli", "demonstration")
"""Folders whose texts go to a terminal, in English."""
KEYWORDS = {
    "_": None,
    "N_": None,
    "say": None,
    "gettext": None,
    "ngettext": (1, 2),
    "mark_plural": (1, 2),
    "MenuEntry": (2,),
}
CALL = re.compile(rf"\b(?:{'|'.join(KEYWORDS)})\(|trans\b")
"""In a file that says something; to look through all of them takes seconds."""
Message = str | tuple[str, str]
"""A text, or two of which a number decides."""
PLACES = re.compile(r"\{\w+\}|%\(\w+\)s")
HEADER = """# Texts of Darvoza's pages: {name}.
# Made without a native reader: every text wants one's check before officers rely on it.
"""


@cache
def list_texts() -> frozenset[Message]:
    """Return every text that a page says."""
    found: set[Message] = set()
    for method, pattern in (
        ("jinja2.ext:babel_extract", "web/templates/*.html"),
        ("python", "**/*.py"),
    ):
        for path in sorted(SERVICE.glob(pattern)):
            if path.parent.name in TERMINAL or not CALL.search(path.read_text("utf-8")):
                continue
            options = {"newstyle_gettext": "true"}
            for _, text, _, _ in extract_from_file(method, path, KEYWORDS, options=options):
                found.add(_message(text))
    made = (
        *IN_SHORT.values(),
        *EVERY_TEMPLATE.values(),
        *WORDS,
        *PART_KINDS,
        *chain.from_iterable(KINDS.values()),
        *_words_of_features(),
    )
    said = found.union(text if isinstance(text, str) else text.both for text in made)
    return frozenset(text for text in said if not _is_known_without_capital(text, said))


TWO_MEANINGS = frozenset(
    {"Entry", "Newest", "Number", "Open", "Person", "Random checks", "Retired", "Rows", "Sent"}
) | {"Value", "Vehicles", "Waiting"}
"""Texts that another language does not say as the same text without the capital."""


def _is_known_without_capital(text: Message, said: set[Message]) -> bool:
    if not isinstance(text, str) or not text[:1].isupper() or text in TWO_MEANINGS:
        return False
    return text[0].lower() + text[1:] in said


def _words_of_features() -> Iterator[Template]:
    """Yield what the parameters of messages name: parties, fields and meanings of features."""
    for feature in CATALOGUE.values():
        parameters = word_feature(feature).parameters
        if "of" in parameters:
            yield parameters["of"]
        names = [*parameters.get("whom", ()), *parameters.get("both", ())]
        names += [parameters["noun"]] if "noun" in parameters else []
        yield from map(noun, names)
    yield from (derived.meaning for derived in DERIVED.values())
    for name in ("weighed_mass_kg", "is_empty", "post", "direction", "vehicle_class", "procedure"):
        yield profile_figure(f"crossing.{name}", 1.0, None).parameters["of"]


def _message(text: str | tuple[str | None, ...]) -> Message:
    """Return an extracted text as a catalogue names it: a call may have more arguments."""
    if isinstance(text, str):
        return text
    given = [part for part in text if part]
    return (given[0], given[1]) if len(given) > 1 else given[0]


def places(text: str) -> list[str]:
    """Return the places of a text that values fill."""
    return sorted(PLACES.findall(text))


def update(code: str) -> None:
    """Write a catalogue again, with what it said already."""
    known = read_catalogue(code)
    made = Catalog(
        locale=code,
        header_comment=HEADER.format(name=LANGUAGES[code]),
        project="Darvoza",
        version="1",
        last_translator="none; wants a native reader",
        language_team=LANGUAGES[code],
        creation_date=known.creation_date,
        revision_date=known.creation_date,
        fuzzy=False,
    )
    for text in list_texts():
        old = known.get(text if isinstance(text, str) else text[0])
        made.add(text, _translate(old, text, made.num_plurals))
    with (FOLDER / f"{code}.po").open("wb") as file:
        write_po(file, made, width=100, sort_output=True)


def _translate(old: Any, text: Message, forms: int) -> str | tuple[str, ...]:
    """Return a text's translation, one for each plural form where a number decides."""
    known = "" if old is None else old.string
    if isinstance(text, str):
        return known if isinstance(known, str) else ""
    return ("",) * forms if isinstance(known, str) else tuple(known)


if __name__ == "__main__":
    for language in LANGUAGES:
        if language != "en":
            update(language)
