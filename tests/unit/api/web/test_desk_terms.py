"""One word for one thing: the catalogues say the terms of ``docs/glossary.md``, and no others."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from api.web.i18n import LANGUAGES, read_catalogue

GLOSSARY = Path(__file__).parents[4] / "docs" / "glossary.md"
OTHERS = tuple(code for code in LANGUAGES if code != "en")
Text = tuple[str, str]
"""A text in English and, in one of its forms, in another language."""


@cache
def terms() -> list[list[str]]:
    """Return the rows of the table: English, the others in their order, and the words not used."""
    section = GLOSSARY.read_text("utf-8").partition("## Terms of the desk")[2]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows[1:]]


@cache
def texts(code: str) -> tuple[Text, ...]:
    """Return what a catalogue says, but for the words that old records are read by."""
    return tuple(_read_texts(code))


def _read_texts(code: str) -> Iterator[Text]:
    for one in read_catalogue(code):
        if one.id and one.context is None:
            english = one.id if isinstance(one.id, str) else one.id[0]
            forms = (one.string,) if isinstance(one.string, str) else one.string or ()
            yield from ((english, str(form)) for form in forms)


def find_banned(shown: Iterable[Text]) -> list[tuple[str, str]]:
    """Return the words that a language does not use, with the text that holds each.

    A word is found at the beginning of a word, whatever its ending.
    """
    words = [word.strip() for row in terms() for word in row[-1].split(",") if word.strip()]
    banned = re.compile(rf"\b({'|'.join(map(re.escape, words))})", re.IGNORECASE)
    return [(found[1], text) for _, text in shown if (found := banned.search(text))]


def find_strays(code: str, shown: Iterable[Text]) -> list[Text]:
    """Return the texts that are a term in English, and another word than its own in a language."""
    column = 1 + OTHERS.index(code)
    known = {row[0].casefold(): row[column].casefold() for row in terms()}
    return [
        (english, text)
        for english, text in shown
        if known.get(english.casefold(), text.casefold()) != text.casefold()
    ]


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_says_the_terms_of_the_glossary_and_no_others(code: str) -> None:
    assert find_banned(texts(code)) == []
    assert find_strays(code, texts(code)) == []


def test_every_term_of_the_glossary_is_one_that_the_pages_say() -> None:
    assert len(terms()) >= 15 and {len(row) for row in terms()} == {len(LANGUAGES) + 1}
    english = {text for text, _ in texts("ru")}
    assert [row[0] for row in terms() if row[0] not in english] == []


def test_a_seeded_stray_is_found() -> None:
    assert find_banned([("Channel", "Красный канал")]) == [("канал", "Красный канал")]
    assert find_banned([("find", "Находки позже")]) == [("Находк", "Находки позже")]
    assert find_banned([("x", "сигнальный")]) == [], "a part of another word is none"
    assert find_strays("ru", [("Channel", "Канал"), ("channel", "коридор")]) == [
        ("Channel", "Канал")
    ]
