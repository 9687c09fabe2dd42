"""Numbers in forms: read as they were meant in every language, or refused."""

import random
import re
from itertools import product

import pytest

from api.web.forms import AmbiguousNumeralError, NumeralError, read_number, write_number
from api.web.i18n import LANGUAGES, ReaderLocale

SPELLINGS = ("2,300", "2 300", "2.300", "2300")
GROUPED = {("en", "2,300"), *product(LANGUAGES, ("2 300", "2300"))}
"""What stands for 2,300; every other spelling of it is ambiguous."""
SPACES = "\u00a0\u2007\u2009\u202f"
TRUTH = 2300.0


def read(text: str, language: str) -> float:
    return read_number(text, ReaderLocale(language, 0).locale)


def misreadings(reader: object) -> set[tuple[str, str]]:
    """Return the spellings of 2,300 that are taken for another number."""
    found = set()
    for language, text in product(LANGUAGES, SPELLINGS):
        try:
            if reader(text, language) != TRUTH:  # type: ignore[operator]
                found.add((language, text))
        except ValueError:
            continue
    return found


def test_2300_is_read_as_such_or_refused_as_ambiguous() -> None:
    assert misreadings(read) == set()
    for language, text in product(LANGUAGES, SPELLINGS):
        if (language, text) in GROUPED:
            assert read(text, language) == TRUTH
            continue
        with pytest.raises(AmbiguousNumeralError) as refused:
            read(text, language)
        assert refused.value.grouped == "2300"
        assert refused.value.fraction == ("2.3" if language == "en" else "2,3")


@pytest.mark.parametrize("language", LANGUAGES)
def test_either_reading_of_an_ambiguous_number_is_taken_once_it_is_written(language: str) -> None:
    """What a refusal says to write must not be refused again."""
    for text in ("1.234", "2.300", "1 234,567", "1 234.560"):
        with pytest.raises(AmbiguousNumeralError) as refused:
            read(text, language)
        whole, part = refused.value.grouped, refused.value.fraction
        assert read(whole, language) == float(re.sub("[ .,]", "", text))
        assert read(part, language) == float(text.replace(" ", "").replace(",", "."))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_space_separates_groups(language: str) -> None:
    for space in SPACES:
        assert read(f"1{space}234{space}567", language) == 1_234_567
        assert read(f"{space}2{space}300{space}", language) == TRUTH


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_phone_s_decimal_sign_is_read(language: str) -> None:
    """Its keys follow the phone's language, and not the page's."""
    for text, value in (("40,5", 40.5), ("40.5", 40.5), ("0,250", 0.25), ("2300,75", 2300.75)):
        assert read(text, language) == value
    assert read("2 300,5", language) == read("2 300.5", language) == 2300.5


NONE = (
    "", "-1", "+1", "1e3", "nan", "inf", "0x10", "1_000", "2300 g", "2,3 kg", "23 00", "2  300",
    "2 300 5", "1.200.000", "2.300,5", "1,2,3", ",5", "5,", "٢٣٠٠", "²", "1" * 16, "00", "012,300",
)  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_no_number_is_refused(language: str) -> None:
    for text in NONE:
        with pytest.raises(NumeralError):
            read(text, language)


def test_languages_differ_in_what_they_accept_and_never_in_what_it_means() -> None:
    dice, accepted = random.Random(7), 0
    for _ in range(4000):
        text = "".join(dice.choices("01239,. ", k=dice.randint(1, 9)))
        values = set()
        for language in LANGUAGES:
            try:
                values.add(read(text, language))
            except NumeralError:
                continue
        assert len(values) <= 1, text
        accepted += len(values)
    assert accepted > 200


def test_what_a_field_begins_with_is_read_in_every_language() -> None:
    for value in (100.0, 0.5, 12.125, 12.345678, 0.001):
        assert {read(write_number(value), language) for language in LANGUAGES} == {value}
