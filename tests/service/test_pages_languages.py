"""Every text in every language: none missing, none with other places, none left in English."""

import re
from math import nan

import pytest

from api.pages import labels, refusals
from api.pages.languages import LANGUAGES, Speech, read_catalogue
from api.pages.wording import Retelling
from engine.facts import data_gaps
from engine.places import PARTIES
from engine.ports import Contribution
from engine.records import PLACES, Arrival
from engine.rules import RULES
from features.catalogue import CATALOGUE
from models import card
from models.reasons import Sentences
from tests.catalogues import places, wanted
from tests.service.desk import at_desk
from tests.service.test_acts import find
from tests.service.world import World, arrival

OTHERS = [code for code in LANGUAGES if code != "en"]
WORD = re.compile(r"[A-Za-z]{4,}")


@pytest.mark.parametrize("code", OTHERS)
def test_no_text_is_missing_in_any_language(code: str) -> None:
    known = {one.id: one for one in read_catalogue(code) if one.id}
    assert set(known) == set(wanted()), "python tests/catalogues.py brings them up to date"
    for text, one in known.items():
        assert one.string and not one.fuzzy, text
        assert places(str(one.string)) == places(str(text)), text


def test_a_missing_text_is_found() -> None:
    known = read_catalogue("ru")
    known.delete("Queue")
    assert {one.id for one in known if one.id} != set(wanted())


def test_every_sentence_of_a_card_is_in_the_catalogues() -> None:
    assert set(refusals.CARD) == {card.USE, card.NOT_FOR, *card.LIMITS}


VALUES = (nan, 0.0, 1.0, 2.0, 3.5, -1234.5, 1e7)
CODES = ("0 is Monday", "flag", "hour of day")
"""Units of which only a few values exist."""


@pytest.mark.parametrize("code", OTHERS)
def test_every_feature_is_said_in_every_language(code: str) -> None:
    retell = Retelling(Speech(code, 300))
    one = Arrival.model_validate(arrival(1), strict=False)
    for name, feature in CATALOGUE.items():
        sentences = Sentences({name: feature})
        values = VALUES[:4] if feature.unit in CODES else VALUES
        told = [Contribution(name, value, 0.25, 0.1) for value in values]
        told += [Contribution(name, 1.0, nan, log_odds) for log_odds in (0.01, 1.0, -0.1, -1.0)]
        for contribution in told:
            (reason,) = sentences([contribution], one)
            assert not retell.sentence(reason.text).is_english, reason.text


@pytest.mark.parametrize("code", OTHERS)
def test_every_label_exists_for_every_code(code: str) -> None:
    assert set(labels.PLACES) == set(PLACES)
    gaps = data_gaps(Arrival.model_validate(arrival(3, plate=None), strict=False), {})
    assert set(gaps) <= set(labels.GAPS)
    retell = Retelling(Speech(code, 300))
    for rule in RULES:
        assert not retell.sentence(rule.fired).is_english
        assert not retell.sentence(rule.quiet).is_english


@pytest.mark.parametrize("code", OTHERS)
def test_why_a_place_is_searched_is_said(code: str) -> None:
    retell = Retelling(Speech(code, 300))
    said = "found there 1,234 of 5,678 times it was searched on rail wagons"
    for words in PARTIES.values():
        for times in ("once", "twice", "3 times"):
            assert not retell.search(f"{said}; {times} {words}").is_english
    assert not retell.search(
        "not searched on trucks before; loads were fixed under trailers with magnets"
    ).is_english


def test_what_nobody_foresaw_is_shown_as_english() -> None:
    retell = Retelling(Speech("ru", 300))
    said = retell.sentence("Raises the risk: the moon is full (trucks: never).")
    assert said.is_english and said.text.startswith("Raises")


def test_numbers_and_times_are_local() -> None:
    speech = Speech("ru", 300)
    retell = Retelling(speech)
    said = retell.sentence(
        "Raises the risk: this carrier weighed 1,234 kg on average in a year (x)."
    )
    assert said.is_english  # what is usual is missing from the sentence
    said = retell.sentence("Lowers the risk: net mass declared: 1,234.5 kg (trucks at A-B: 12.5%).")
    assert said.text.startswith("Снижает риск: заявленная масса нетто: 1 234,5 кг") or (
        "1\u00a0234,5" in said.text and "12,5" in said.text
    )


@pytest.mark.parametrize("code", OTHERS)
def test_pages_speak_one_language(world: World, code: str) -> None:
    boss = at_desk(world, f"speaks-{code}")
    boss.get(f"/language/{code}?back=/")
    red = find(world, "red", 130_000 + 600 * OTHERS.index(code))
    english = {text for text in wanted() if len(WORD.findall(text)) > 2}
    decision = f"/decisions/{red['decision_id']}"
    desks = ("/profiles", "/profiles/new", "/watchlist", "/models", "/drift")
    for path in ("/", "/posts/OYB/queue", decision, "/posts/OYB/shift", *desks):
        text = boss.get(path).text
        assert f'<html lang="{code}">' in text
        assert not [one for one in english if one in text]
